// The part of the self-test that draws tokens: a backend that draws by itself must draw what the engine's sampler
// draws, and its next step must take the ids where they stand. Called by self-test.ts.
import type { Backend, BackendLimits, Matrix } from '../../backend/backend.ts'
import { GENERATE_DEFAULTS } from '../../options/generate.ts'
import { Random } from '../sampling/random.ts'
import { Sampler, SamplerScratch } from '../sampling/sampler.ts'
import type { Probe } from './probe.ts'

/** Three pieces of top.wgsl, the last one partly. */
const VOCAB = 5003
const SEED = 2026

/**
 * @param table  ids of its rows are drawn, then looked up
 * @returns what the backend gives, or what is right where it draws nothing
 */
export async function drawProbes(
  backend: Backend,
  limits: BackendLimits,
  table: Matrix,
): Promise<Probe[]> {
  const count = Math.min(2, limits.maxRows)
  const probes: Probe[] = []
  const draw = async (vocab: number, temperature: number): Promise<number[]> => {
    const random = new Random(SEED + vocab)
    const rows = Array.from({ length: count }, () =>
      Float32Array.from({ length: vocab }, () => -4 * Math.log(1e-9 + random.uniform())),
    )
    const settings = rows.map((_, r) => ({ ...GENERATE_DEFAULTS, temperature, seed: SEED + r }))
    if (backend.draw === undefined) {
      const scratch = new SamplerScratch(vocab)
      return rows.map((row, r) => new Sampler(settings[r]!, scratch).sample(row))
    }
    const logits = backend.alloc(4 * count * vocab, 'self-test logits')
    for (const [r, row] of rows.entries()) {
      backend.writer(logits).write(4 * vocab * r, new Uint8Array(row.buffer))
    }
    const drawings = settings.map(s => ({ ...s, random: new Random(s.seed).uniform() }))
    return [...(await backend.draw(logits, vocab, count, drawings))]
  }
  for (const temperature of [0, GENERATE_DEFAULTS.temperature]) {
    const ids = await draw(VOCAB, temperature)
    probes.push({ op: `draw (temperature ${temperature})`, values: bitsOf(ids) })
  }
  const ids = await draw(table.rows, 0)
  const out = backend.alloc(4 * count * table.cols, 'self-test output')
  const fed = backend.draw === undefined ? ids : ids.map((_, r) => ~r)
  backend.embed(out, table, Int32Array.from(fed), count)
  const values = (await backend.read(out, 0, count * table.cols)).slice()
  probes.push({ op: 'embed (drawn tokens)', values })
  return probes
}

/** An id is right or wrong, so no tolerance may reach the next one. */
function bitsOf(ids: readonly number[]): Float32Array {
  const bits = Math.ceil(Math.log2(VOCAB)) + 1 // -1 is no id
  return Float32Array.from(ids.flatMap(id => Array.from({ length: bits }, (_, b) => (id >> b) & 1)))
}
