// BESIDE=n: so many other processes keep a core busy each while the tests run (`make test-busy`), as results must not depend on
// who does which piece of work. A set-up of Vitest's node project.
import { startNeighbours } from '../../bench/busy/neighbours.ts'

/** They end by themselves after so long, whatever happens. */
const LIMIT_SECONDS = 1200

export function setup(): (() => void) | undefined {
  const count = Number(process.env.BESIDE ?? 0)
  if (count === 0) return undefined
  console.log(`beside ${count} busy ${count === 1 ? 'process' : 'processes'}`)
  const neighbours = startNeighbours(count, LIMIT_SECONDS)
  return () => neighbours.stop()
}
