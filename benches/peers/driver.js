// Runs the programs that are named on the command line; prints the milliseconds of the best of several runs of each.

const ROUNDS = 3;

for (const name of process.argv.slice(2)) {
    const program = require(`./${name}.js`);
    let best = Infinity;
    for (let round = 0; round < ROUNDS; round++) {
        const start = process.hrtime.bigint();
        const result = program.run();
        best = Math.min(best, Number(process.hrtime.bigint() - start) / 1e6);
        if (result !== program.expected) {
            throw new Error(`${name}: ${result} instead of ${program.expected}`);
        }
    }
    console.log(name, best);
}
