// Ten million calls of a function that adds.

function add(a, b) {
    return a + b;
}

function total(rounds) {
    let sum = 0;
    for (let i = 0; i < rounds; i++) {
        sum = add(sum, 1);
    }
    return sum;
}

exports.expected = 10000000;
exports.run = () => total(10000000);
