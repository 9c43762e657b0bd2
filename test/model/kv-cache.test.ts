import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { KvCache } from '../../src/model/kv-cache.ts'
import type { Sequence } from '../../src/model/network.ts'

const none = () => {}

describe('KvCache', () => {
  test('blocks follow the tokens held', () => {
    const kv = new KvCache(8, 256, none)
    const s = kv.open()
    expect(kv.usedBlocks).toBe(0)
    expect(kv.reserve(s, 33)).toBe(true)
    expect(kv.usedBlocks).toBe(2)
    kv.advance(s, 33)
    kv.truncate(s, 32)
    expect(kv.usedBlocks).toBe(1)
    expect(s.length).toBe(32)
    kv.close(s)
    kv.close(s)
    expect(kv.usedBlocks).toBe(0)
  })

  test('blocks of a sequence follow each other, and a new one leaves the others room to grow', () => {
    const kv = new KvCache(16, 512, none)
    const grow = (s: Sequence, tokens: number) => {
      expect(kv.reserve(s, tokens)).toBe(true)
      kv.advance(s, tokens)
    }
    const a = kv.open()
    grow(a, 64)
    const b = kv.open()
    grow(b, 64)
    grow(a, 64)
    grow(b, 64)
    expect(a.blocks).toEqual([0, 1, 2, 3])
    expect(b.blocks).toEqual([9, 10, 11, 12])
    kv.close(a)
    kv.close(b)
    const c = kv.open()
    grow(c, 512)
    expect(c.blocks).toEqual(Array.from({ length: 16 }, (_, i) => i))
  })

  test('a reservation that does not fit changes nothing', () => {
    const kv = new KvCache(2, 256, none)
    const s = kv.open()
    expect(kv.reserve(s, 65)).toBe(false)
    expect(kv.usedBlocks).toBe(0)
    expect(s.blocks).toEqual([])
  })

  test('more than the context is CONTEXT_FULL', () => {
    const kv = new KvCache(8, 64, none)
    const s = kv.open()
    expect(() => kv.reserve(s, 65)).toThrow(expect.objectContaining({ code: 'CONTEXT_FULL' }))
  })

  test('a fork shares blocks and copies the shared last one before writing', () => {
    const copies: [number, number][] = []
    const kv = new KvCache(8, 256, (from, to) => copies.push([from, to]))
    const a = kv.open()
    kv.reserve(a, 40)
    kv.advance(a, 40)
    const b = kv.fork(a, 36)
    expect(kv.usedBlocks).toBe(2)
    expect(b.length).toBe(36)
    kv.reserve(b, 1)
    expect(copies).toEqual([[a.blocks[1], b.blocks[1]]])
    expect(b.blocks[0]).toBe(a.blocks[0])
    kv.reserve(a, 1)
    expect(copies).toHaveLength(1)
    kv.close(a)
    expect(kv.usedBlocks).toBe(2)
    kv.close(b)
    expect(kv.usedBlocks).toBe(0)
  })

  test('a kept block survives its sequences, is copied before it is written, and goes on demand', () => {
    const copies: [number, number][] = []
    const kv = new KvCache(4, 256, (from, to) => copies.push([from, to]))
    const asked: number[] = []
    const a = kv.open()
    kv.reserve(a, 32)
    kv.advance(a, 32)
    const [block] = a.blocks
    kv.keep(block)
    kv.truncate(a, 20)
    kv.reserve(a, 1)
    expect(copies).toEqual([[block, a.blocks[0]]])
    expect([kv.usedBlocks, kv.cachedBlocks]).toEqual([1, 1])
    const b = kv.openShared([block])
    expect(b.length).toBe(32)
    expect([kv.usedBlocks, kv.cachedBlocks]).toEqual([2, 0])
    kv.close(b)
    kv.onShort(blocks => {
      asked.push(blocks)
      kv.drop(block)
    })
    expect(kv.reserve(kv.open(), 96)).toBe(true)
    expect(asked).toEqual([1])
    expect([kv.usedBlocks, kv.cachedBlocks]).toEqual([4, 0])
  })

  test('a block for contents from elsewhere is kept and held by nobody', () => {
    const kv = new KvCache(1, 256, none)
    const block = kv.takeKept()
    expect(kv.takeKept()).toBeUndefined()
    expect([kv.usedBlocks, kv.cachedBlocks]).toEqual([0, 1])
    kv.drop(block!)
    kv.drop(block!)
    expect(kv.takeKept()).toBe(block)
  })

  test('writing past the reserved blocks is refused', () => {
    const kv = new KvCache(4, 128, none)
    const s = kv.open()
    kv.reserve(s, 10)
    expect(() => kv.advance(s, 33)).toThrow(RangeError)
  })

  test('no run of operations loses or doubles a block', () => {
    const op = fc.record({
      kind: fc.constantFrom('open', 'reserve', 'truncate', 'fork', 'close', 'keep', 'share'),
      pick: fc.nat(9),
      n: fc.nat(100),
    })
    fc.assert(
      fc.property(fc.array(op, { maxLength: 200 }), ops => {
        const kv = new KvCache(12, 128, none)
        const open: Sequence[] = []
        const kept = new Set<number>()
        kv.onShort(blocks => {
          for (const block of kept) {
            if (blocks === 0) return
            if (kv.held(block)) continue
            kept.delete(block)
            kv.drop(block)
            blocks--
          }
        })
        for (const { kind, pick, n } of ops) {
          const s = open[pick % Math.max(1, open.length)]
          if (kind === 'open') open.push(kv.open())
          else if (!s) continue
          else if (kind === 'reserve') {
            if (s.length + n <= 128 && kv.reserve(s, n)) kv.advance(s, n)
          } else if (kind === 'truncate') kv.truncate(s, n)
          else if (kind === 'fork') open.push(kv.fork(s, n))
          else if (kind === 'keep') {
            const full = s.blocks.slice(0, Math.floor(s.length / 32))
            for (const block of full) {
              kept.add(block)
              kv.keep(block)
            }
          } else if (kind === 'share') {
            open.push(kv.openShared(s.blocks.filter(block => kept.has(block))))
          } else {
            kv.close(s)
            open.splice(open.indexOf(s), 1)
          }
          const held = new Set(open.flatMap(o => o.blocks))
          expect(kv.usedBlocks).toBe(held.size)
          expect(kv.cachedBlocks).toBe([...kept].filter(block => !held.has(block)).length)
          for (const o of open) {
            expect(o.blocks.length).toBeGreaterThanOrEqual(kv.blocksFor(o.length))
            expect(new Set(o.blocks).size).toBe(o.blocks.length)
          }
        }
      }),
    )
  })
})
