// The built kernel modules themselves: what they import and export, that each build holds only the
// instructions its name promises, and that they stay small. Built by `make kernels`.
import { readFileSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { describe, expect, it } from 'vitest'

const BUILDS = ['relaxed', 'simd128', 'scalar'].flatMap(variant => [
  { variant, kind: 'mt', name: `ryz-${variant}-mt` },
  { variant, kind: 'st', name: `ryz-${variant}-st` },
])

const OPS = [
  'ryz_setup',
  'ryz_dots',
  'ryz_embed',
  'ryz_norm',
  'ryz_linear',
  'ryz_attend',
  'ryz_gate',
  'ryz_add',
]
const POOL = [
  'ryz_pool_setup',
  'ryz_pool_use',
  'ryz_pool_failed',
  'ryz_pool_left',
  'ryz_pool_done',
  'ryz_pool_waits',
  'ryz_thread_main',
]

function pathOf(name: string): string {
  return resolve(import.meta.dirname, `../../build/wasm/${name}.wasm`)
}

/** Bytes of the instruction with this number behind the SIMD prefix, as LEB128. */
function simdOpcode(opcode: number): Buffer {
  return Buffer.from(opcode < 128 ? [0xfd, opcode] : [0xfd, (opcode & 127) | 128, opcode >> 7])
}

describe.each(BUILDS)('module $name', ({ variant, kind, name }) => {
  const bytes = readFileSync(pathOf(name))
  const module = new WebAssembly.Module(bytes)

  it('imports its memory, a clock where threads wait for each other, and nothing else', () => {
    const imports = WebAssembly.Module.imports(module).map(i => `${i.module}.${i.name} ${i.kind}`)
    const clock = kind === 'mt' ? ['env.now function'] : []
    expect(imports.sort()).toEqual(['env.memory memory', ...clock])
  })

  it('exports the ops, and the pool only when it is threaded', () => {
    const names = WebAssembly.Module.exports(module).map(e => e.name)
    expect(names).toEqual(expect.arrayContaining(OPS))
    if (kind === 'mt') expect(names).toEqual(expect.arrayContaining(POOL))
    else expect(names.filter(n => n.includes('pool') || n.includes('thread'))).toEqual([])
  })

  it('takes shared memory exactly when it is threaded', () => {
    const shared = new WebAssembly.Memory({ initial: 4, maximum: 4, shared: true })
    const own = new WebAssembly.Memory({ initial: 4, maximum: 4 })
    const [right, wrong] = kind === 'mt' ? [shared, own] : [own, shared]
    const now = () => 0
    new WebAssembly.Instance(module, { env: { memory: right, now } })
    expect(() => new WebAssembly.Instance(module, { env: { memory: wrong, now } })).toThrow(
      WebAssembly.LinkError,
    )
  })

  it('uses the relaxed dot exactly when it is the relaxed build', () => {
    const RELAXED_DOT = 0x112 // i16x8.relaxed_dot_i8x16_i7x16_s
    expect(bytes.includes(simdOpcode(RELAXED_DOT))).toBe(variant === 'relaxed')
  })

  it('is below 128 KiB', () => {
    expect(statSync(pathOf(name)).size).toBeLessThan(128 * 1024)
  })
})
