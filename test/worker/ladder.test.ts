// The order of the backends on the browsers there are, and under every option that narrows it.
import { describe, expect, it } from 'vitest'
import { pathFields } from '../../src/backend/factory.ts'
import type { Features } from '../../src/features.ts'
import { ladder } from '../../src/worker/ladder.ts'

const all: Features = {
  wasm: true,
  simd: true,
  relaxedSimd: true,
  threads: true,
  crossOriginIsolated: true,
  sharedArrayBuffer: true,
  subtle: true,
  indexedDb: true,
  cores: 4,
}

const names = (...args: Parameters<typeof ladder>) =>
  ladder(...args).map(
    r => `${r.unavailable ? 'no ' : ''}${pathFields(r.path).variant} ${pathFields(r.path).threads}`,
  )

describe('ladder', () => {
  it('goes from relaxed SIMD with threads down to TypeScript', () => {
    const rungs = ['relaxed 4', 'simd128 4', 'relaxed 1', 'simd128 1', 'typescript 1']
    expect(names(all, {})).toEqual(rungs)
  })

  it('names why there are no threads, once, on a page that is not isolated', () => {
    const page = { ...all, threads: false, crossOriginIsolated: false }
    const rungs = ladder(page, {})
    expect(names(page, {})).toEqual(['no relaxed 4', 'relaxed 1', 'simd128 1', 'typescript 1'])
    expect(rungs[0]!.unavailable).toContain('COOP')
  })

  it('tells a missing shared memory from a missing isolation', () => {
    const [first] = ladder({ ...all, threads: false, sharedArrayBuffer: false }, {})
    expect(first!.unavailable).toContain('shared')
  })

  it('passes over relaxed SIMD where there is none', () => {
    const rungs = ['no relaxed 4', 'simd128 4', 'no relaxed 1', 'simd128 1', 'typescript 1']
    expect(names({ ...all, relaxedSimd: false }, {})).toEqual(rungs)
  })

  it('ends at TypeScript where there is no WebAssembly', () => {
    const bare = { ...all, wasm: false, simd: false, relaxedSimd: false, threads: false }
    expect(names(bare, {}).filter(name => !name.startsWith('no '))).toEqual(['typescript 1'])
    const blocked = { ...bare, wasmBlocked: 'the policy forbids it' }
    expect(ladder(blocked, {})[0]!.unavailable).toBe('the policy forbids it')
  })

  it('has one thread on one core', () => {
    expect(names({ ...all, cores: 1 }, {})).toEqual(['relaxed 1', 'simd128 1', 'typescript 1'])
  })

  it('takes the threads, the variant and the backend that were asked for', () => {
    expect(names(all, { threads: 7, variant: 'scalar' })).toEqual([
      'scalar 7',
      'scalar 1',
      'typescript 1',
    ])
    expect(names(all, { backend: 'wasm', threads: 1 })).toEqual(['relaxed 1', 'simd128 1'])
    expect(names(all, { backend: 'reference', threads: 2 })).toEqual(['typescript 1'])
  })
})
