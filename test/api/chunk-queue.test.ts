// What a reader of a stream gets: in order, once, and never after it left.
import { describe, expect, it } from 'vitest'
import { ChunkQueue } from '../../src/api/chunk-queue.ts'
import { RyzError } from '../../src/errors.ts'

const chunk = (token: number) => ({ text: `${token} `, tokens: [token] })

function queue() {
  let left = 0
  const chunks = new ChunkQueue(() => left++)
  return { chunks, left: () => left }
}

async function tokensOf(chunks: ChunkQueue): Promise<number[]> {
  const all: number[] = []
  for await (const { tokens } of chunks) all.push(...tokens)
  return all
}

describe('chunks', () => {
  it('come in order, whether the reader is slow or fast', async () => {
    const { chunks } = queue()
    for (let i = 0; i < 3; i++) chunks.push(chunk(i))
    const reading = tokensOf(chunks)
    for (let i = 3; i < 600; i++) {
      chunks.push(chunk(i))
      if (i % 7 === 0) await new Promise(resolve => setImmediate(resolve))
    }
    chunks.end(undefined)
    expect(await reading).toEqual(Array.from({ length: 600 }, (_, i) => i))
  })

  it('beyond 256 join the last one until somebody reads', async () => {
    const { chunks } = queue()
    for (let i = 0; i < 300; i++) chunks.push(chunk(i))
    expect(await chunks.next()).toMatchObject({ value: { tokens: [0] } })
    chunks.push(chunk(300))
    chunks.end(undefined)
    const pieces = []
    for await (const piece of chunks) pieces.push(piece)
    expect(pieces).toHaveLength(256)
    expect(pieces[254]!.tokens).toEqual(Array.from({ length: 45 }, (_, i) => 255 + i))
    expect(pieces[255]!.tokens).toEqual([300])
  })

  it('answer questions in the order asked', async () => {
    const { chunks } = queue()
    const asked = [chunks.next(), chunks.next(), chunks.next(), chunks.next()]
    chunks.push(chunk(1))
    chunks.push(chunk(2))
    chunks.end(undefined)
    expect((await Promise.all(asked)).map(({ value }) => value?.tokens[0])).toEqual([
      1,
      2,
      undefined,
      undefined,
    ])
  })
})

describe('the end', () => {
  it('comes after what is unread, with the error once', async () => {
    const { chunks } = queue()
    chunks.push(chunk(1))
    chunks.end(new RyzError('CLOSED', 'the engine was closed'))
    chunks.push(chunk(2))
    expect(await chunks.next()).toMatchObject({ done: false, value: { tokens: [1] } })
    await expect(chunks.next()).rejects.toMatchObject({ code: 'CLOSED' })
    expect(await chunks.next()).toEqual({ value: undefined, done: true })
  })

  it('reaches a reader that waits, with the error', async () => {
    const { chunks } = queue()
    const reading = tokensOf(chunks)
    chunks.end(new RyzError('WORKER_DIED', 'the worker died'))
    await expect(reading).rejects.toMatchObject({ code: 'WORKER_DIED' })
  })
})

describe('a reader that leaves', () => {
  it('is told about, and gets nothing any more', async () => {
    const { chunks, left } = queue()
    for (let i = 0; i < 5; i++) chunks.push(chunk(i))
    for await (const { tokens } of chunks) if (tokens[0] === 1) break
    expect(left()).toBe(1)
    chunks.push(chunk(9))
    chunks.end(new RyzError('ABORTED', 'cancelled'))
    expect(await chunks.next()).toEqual({ value: undefined, done: true })
  })

  it('while it waits is answered', async () => {
    const { chunks, left } = queue()
    const asked = chunks.next()
    await chunks.return()
    expect(await asked).toEqual({ value: undefined, done: true })
    expect(left()).toBe(1)
  })

  it('with an error of its own gets that back', async () => {
    const { chunks, left } = queue()
    await expect(chunks.throw(new Error('mine'))).rejects.toThrow('mine')
    expect(left()).toBe(1)
  })
})
