// Two hundred thousand records through map, filter, map and sum.

function total(count) {
    return Array.from(Array(count).keys())
        .map(i => ({name: "item" + i, size: i % 1000, used: i % 3 === 0}))
        .filter(item => item.used)
        .map(item => item.size * 2)
        .reduce((sum, size) => sum + size, 0);
}

exports.expected = 66600666;
exports.run = () => total(200000);
