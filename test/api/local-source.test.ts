// Sources as the page hands them on: buffers and local URLs become Blobs, streams are collected and watched.
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { checkSource, localSource } from '../../src/api/local-source.ts'
import type { ModelSource } from '../../src/types/index.ts'

const bytes = Uint8Array.of(71, 71, 85, 70, 3)
const read = async (source: ModelSource) => {
  checkSource(source)
  const blob = await localSource(source)
  if (!(blob instanceof Blob)) throw new Error('no Blob')
  return new Uint8Array(await blob.arrayBuffer())
}
afterEach(() => vi.unstubAllGlobals())

describe('become a Blob', () => {
  const shared = new SharedArrayBuffer(5)
  new Uint8Array(shared).set(bytes)
  const inside = Uint8Array.of(0, ...bytes, 0)

  test.each<[string, ModelSource]>([
    ['an ArrayBuffer', bytes.slice().buffer],
    ['a Uint8Array', bytes],
    ['a part of a larger one', inside.subarray(1, 6)],
    ['a DataView', new DataView(inside.buffer, 1, 5)],
    ['shared memory', new Uint8Array(shared)],
    ['a data: URL', 'data:application/octet-stream;base64,R0dVRgM='],
    ['a data: URL object', new URL('data:,GGUF%03')],
    ['a blob: URL', URL.createObjectURL(new Blob([bytes]))],
    ['a stream', new Blob([bytes]).stream()],
  ])('%s', async (_, source) => {
    expect(await read(source)).toEqual(bytes)
  })
})

test('URLs are absolute, seen from the page, and lose their hash', async () => {
  vi.stubGlobal('location', new URL('https://app.test/a/b.html'))
  expect(await localSource('m.gguf?download=true#x')).toBe(
    'https://app.test/a/m.gguf?download=true',
  )
  expect(await localSource(new URL('https://x.test/m.gguf#y'))).toBe('https://x.test/m.gguf')
  await expect(localSource('https://me:secret@x.test/m')).rejects.toThrow('option headers')
})

describe('refused', () => {
  test('a buffer that was sent away, and an empty one', () => {
    const gone = new ArrayBuffer(8)
    structuredClone(gone, { transfer: [gone] })
    for (const source of [gone, new Uint8Array(0)]) {
      expect(() => checkSource(source)).toThrow(expect.objectContaining({ code: 'BAD_OPTION' }))
    }
  })

  test('a blob: URL that was revoked, with what would help', async () => {
    const url = URL.createObjectURL(new Blob([bytes]))
    URL.revokeObjectURL(url)
    const failed = localSource(url)
    await expect(failed).rejects.toMatchObject({ code: 'NETWORK' })
    await expect(failed).rejects.toThrow('give load() the Blob itself')
  })

  test('a stream of something else than bytes', async () => {
    const stream = new ReadableStream({ pull: c => c.enqueue('text') })
    await expect(localSource(stream)).rejects.toMatchObject({ code: 'BAD_OPTION' })
  })

  test('a stream that breaks', async () => {
    const stream = new ReadableStream({ pull: c => c.error(new TypeError('cable cut')) })
    const failed = localSource(stream)
    await expect(failed).rejects.toMatchObject({ code: 'NETWORK' })
    await expect(failed).rejects.toThrow('cable cut')
  })
})

describe('a stream that falls silent', () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  test('is named with how far it came', async () => {
    const stream = new ReadableStream<Uint8Array>({ start: c => c.enqueue(bytes) })
    const failed = expect(localSource(stream)).rejects.toMatchObject({
      code: 'NETWORK',
      message: expect.stringContaining('without the next bytes of the stream (after 5)'),
    })
    await vi.advanceTimersByTimeAsync(61_000)
    await failed
  })
})
