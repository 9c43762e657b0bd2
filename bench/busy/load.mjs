// A program that keeps one core busy for so many seconds: `node load.mjs SECONDS`. Started, paused and stopped by
// neighbours.ts; one that is forgotten ends by itself.
const end = Date.now() + 1000 * Number(process.argv[2] ?? 10)
let x = 1
while (Date.now() < end) for (let i = 0; i < 1e6; i++) x = (x * 1.0000001 + i) % 1e6
process.exitCode = x === 0 ? 1 : 0
