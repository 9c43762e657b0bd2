// A backend that must be waited for, as a GPU must: the network gives the same bits as with one whose ops
// are done when they return, and promises only where it has to.
import { afterEach, describe, expect, it } from 'vitest'
import type { Backend } from '../../src/backend/backend.ts'
import type { StepRow } from '../../src/model/network.ts'
import { broken, poke } from '../engine/faults/broken.ts'
import { EMBEDDED, fileOf, logitsOf, type OpenParts, openParts } from '../support/open.ts'
import { wasmFactory } from '../support/wasm.ts'

const IDS = Array.from({ length: 40 }, (_, i) => 300 + 13 * i)
const plain = wasmFactory('simd128', 1)
/** Values arrive a turn of the event loop after they were asked for, as a copy. */
const waiting = broken(plain, real => ({
  read: async (slot, first, count) => {
    await new Promise(resolve => setImmediate(resolve))
    return (await real.read(slot, first, count)).slice()
  },
}))

const open: OpenParts[] = []
afterEach(() => {
  for (const parts of open.splice(0)) parts.close()
})

async function openOn(factory: typeof plain): Promise<OpenParts> {
  const parts = await openParts([fileOf(EMBEDDED)], factory)
  open.push(parts)
  return parts
}

function oneRow({ network }: OpenParts): StepRow[] {
  const seq = network.kv.open()
  network.kv.reserve(seq, 1)
  return [{ seq, token: 300, wants: 'logits' }]
}

describe('a backend that must be waited for', () => {
  it.each([1, 7, 40])('gives the same logits in pieces of %i tokens', async piece => {
    const [quick, slow] = [await openOn(plain), await openOn(waiting)]
    const want = await logitsOf(quick.network, IDS, piece)
    expect(await logitsOf(slow.network, IDS, piece)).toEqual(want)
  })

  it('gives the same logits after a prompt whose rows want none', async () => {
    const logits = []
    for (const { network } of [await openOn(plain), await openOn(waiting)]) {
      const seq = network.kv.open()
      network.kv.reserve(seq, IDS.length)
      // Every fifth row: there are several runs of rows without.
      const rows = IDS.map((token, i) => ({
        seq,
        token,
        wants: i % 5 === 0 ? ('logits' as const) : ('nothing' as const),
      }))
      logits.push((await network.forward(rows)).logits.slice())
      expect(seq.length).toBe(IDS.length)
    }
    expect(logits[1]).toEqual(logits[0])
  })

  it('has every step looked at as well: BAD_WEIGHTS, and the next one goes on', async () => {
    const want = (await openOn(plain)).network
    let fault = false
    const slow = await openOn(
      broken(waiting, real => ({
        gate: (...given: Parameters<Backend['gate']>) => {
          real.gate(...given)
          if (fault) poke(real, given[0], Number.NaN)
        },
      })),
    )
    fault = true
    await expect(logitsOf(slow.network, IDS.slice(0, 3), 1)).rejects.toMatchObject({
      code: 'BAD_WEIGHTS',
    })
    fault = false
    const healthy = await logitsOf(slow.network, IDS.slice(0, 3), 1)
    expect(healthy).toEqual(await logitsOf(want, IDS.slice(0, 3), 1))
  })
})

describe('forward', () => {
  it('is done on return where nothing has to be waited for', async () => {
    const parts = await openOn(plain)
    const rows = oneRow(parts)
    expect(parts.network.forward(rows)).not.toBeInstanceOf(Promise)
    expect(rows[0]!.seq.length).toBe(1)
  })

  it('promises its logits where the backend makes it wait', async () => {
    const parts = await openOn(waiting)
    const rows = oneRow(parts)
    const logits = parts.network.forward(rows)
    expect(logits).toBeInstanceOf(Promise)
    expect(rows[0]!.seq.length).toBe(0)
    expect((await logits).logits).toHaveLength(parts.network.config.vocab)
    expect(rows[0]!.seq.length).toBe(1)
  })
})
