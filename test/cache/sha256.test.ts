// The hashes agree with node's crypto, at every length around a block, in pieces, and over a saved state.
import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { plainHash, runningHash, sha256 } from '../../src/cache/sha256.ts'

const right = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')
afterEach(() => vi.unstubAllGlobals())

describe.each([
  ['hash-wasm', runningHash],
  ['plain TypeScript', async (state?: string) => plainHash(state)],
] as const)('%s', (_, make) => {
  test('is right at every length around a block', async () => {
    for (let length = 0; length <= 200; length++) {
      const bytes = Uint8Array.from({ length }, (_, i) => i * 7)
      const hash = await make()
      hash.update(bytes)
      expect(hash.end(), `${length} bytes`).toBe(right(bytes))
    }
  })

  test('is right in pieces, and gone on with from a saved state', async () => {
    const pieces = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 12 })
    await fc.assert(
      fc.asyncProperty(pieces, async list => {
        let hash = await make()
        for (const piece of list) {
          hash.update(piece)
          hash = await make(hash.save())
        }
        expect(hash.end()).toBe(right(Buffer.concat(list)))
      }),
      { numRuns: 50 },
    )
  })
})

test('one kind does not take up the state of the other', async () => {
  const hash = await runningHash()
  expect(() => plainHash(hash.save())).toThrow('another hash')
  await expect(runningHash(plainHash().save())).rejects.toThrow()
})

test('without crypto.subtle a chunk has the same hash', async () => {
  vi.stubGlobal('crypto', {})
  expect(await sha256(new Uint8Array(1000))).toBe(right(new Uint8Array(1000)))
})

test('where WebAssembly may not be compiled the same hash comes out', async () => {
  vi.resetModules()
  const refused = () => Promise.reject(new Error("blocked by CSP: 'unsafe-eval'"))
  vi.stubGlobal('WebAssembly', { ...WebAssembly, compile: refused, instantiate: refused })
  vi.stubGlobal('crypto', {})
  const fresh = await import('../../src/cache/sha256.ts')
  const hash = await fresh.runningHash()
  expect(hash.save()).toMatch(/^plain:/)
  expect(await fresh.sha256(new Uint8Array(70))).toBe(right(new Uint8Array(70)))
})
