// The derived forms of the embedded model equal the published files, or, for the master, round to them.
import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { deriveRyzTales, PUBLISHED_SHA256 } from './derive.ts'

const files = deriveRyzTales()

function tensorsOf(bytes: Uint8Array): Map<string, { shape: number[]; bytes: Uint8Array }> {
  const n = Number(new DataView(bytes.buffer).getBigUint64(0, true))
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + n))) as Record<
    string,
    { shape: number[]; data_offsets: [number, number] }
  >
  delete header.__metadata__
  return new Map(
    Object.entries(header).map(([name, { shape, data_offsets }]) => {
      const [start, end] = data_offsets
      return [name, { shape, bytes: bytes.slice(8 + n + start, 8 + n + end) }]
    }),
  )
}

describe('the forms of the embedded model', () => {
  test.each(Object.entries(PUBLISHED_SHA256))('%s is the published file', (name, sha256) => {
    expect(createHash('sha256').update(files.get(name)!).digest('hex')).toBe(sha256)
  })

  test('absmean rounding of the master gives the codes and scales of the packed file', () => {
    const master = tensorsOf(files.get('master/model.safetensors')!)
    const packed = tensorsOf(files.get('packed/model.safetensors')!)
    let checked = 0
    for (const [name, { shape, bytes }] of packed) {
      const scaleBytes = packed.get(`${name}_scale`)?.bytes
      if (!scaleBytes) continue
      const scale = new Float32Array(
        Uint32Array.of(new Uint16Array(scaleBytes.buffer)[0] << 16).buffer,
      )[0]
      const w = new Float32Array(master.get(name)!.bytes.buffer)
      expect(w.reduce((sum, x) => sum + Math.abs(x), 0) / w.length).toBe(scale)
      const quarter = shape[0] * shape[1]
      let wrong = 0
      for (let i = 0; i < w.length; i++) {
        const code = (bytes[i % quarter] >> (2 * Math.floor(i / quarter))) & 3
        const rounded = Math.max(-1, Math.min(1, Math.round(w[i] / scale)))
        if (rounded !== code - 1) wrong++
      }
      expect(wrong).toBe(0)
      // Not already ternary: a loader that took the largest magnitude for the scale would be wrong.
      expect(new Set(w.map(Math.abs)).size).toBeGreaterThan(2)
      checked++
    }
    expect(checked).toBe(28)
  })
})
