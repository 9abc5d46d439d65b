// A million string concatenations and a join.

function joined(count) {
    const parts = [];
    for (let i = 0; i < count; i++) {
        parts.push("item" + i);
    }
    return parts.join(",");
}

exports.expected = 10888889;
exports.run = () => joined(1000000).length;
