// Whole synthetic files: the product's readers accept them, all types hold the same values, the bytes
// never change, and prompts of two-letter words are one token a word.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { readArguments } from '../../scripts/synth/arguments.ts'
import { synthModel } from '../../scripts/synth/model.ts'
import { writeModel } from '../../scripts/synth/write-model.ts'
import { openGguf } from '../../src/format/gguf/gguf.ts'
import type { GgufModelFile } from '../../src/format/model-file.ts'
import { blobSource } from '../../src/format/source.ts'
import { createTranscoder } from '../../src/format/transcode.ts'
import { readConfig } from '../../src/model/config.ts'
import { tokenizerFromGguf } from '../../src/tokenizer/from-gguf.ts'

const folder = mkdtempSync(join(tmpdir(), 'synth-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

async function make(
  ...more: string[]
): Promise<{ file: GgufModelFile; bytes: Buffer; sha256: string }> {
  const out = join(folder, `${more.join('')}.gguf`)
  const options = readArguments(['--out', out, ...more])
  const { sha256 } = await writeModel(synthModel(options), options.seed, out)
  const bytes = readFileSync(out)
  return { file: await openGguf(blobSource(new Blob([bytes]), out)), bytes, sha256 }
}

/** The packed codes and the scales that the product makes of a matrix. */
function transcoded(file: GgufModelFile, bytes: Buffer, name: string) {
  const info = file.tensors.get(name)
  if (!info) throw new Error(`no ${name}`)
  const policy = { role: 'linear', masters: true, head: 'int8', i2sLayout: 'x86' } as const
  const codes: [number, string][] = []
  const transcoder = createTranscoder(info, policy, layout => {
    expect(layout).toBe('t2')
    return { write: (at, piece) => codes.push([at, Buffer.from(piece).toString('hex')]) }
  })
  transcoder.push(bytes.subarray(info.offset, info.offset + info.bytes))
  const { scales } = transcoder.finish()
  const whole = codes.sort((a, b) => a[0] - b[0]).map(([, hex]) => hex)
  return { codes: whole.join(''), scales: [...(scales ?? [])] }
}

describe('a synthetic model', () => {
  test('holds the same matrices in every type', async () => {
    const { file, bytes } = await make('--shape', 'tiny', '--type', 'tq2_0')
    const want = transcoded(file, bytes, 'blk.1.ffn_down.weight')
    expect(want.codes.length).toBe((256 * 512) / 2)
    for (const type of ['i2_s', 'tq1_0', 'q4_0', 'q8_0', 'f16', 'f32']) {
      const other = await make('--shape', 'tiny', '--type', type)
      expect(transcoded(other.file, other.bytes, 'blk.1.ffn_down.weight'), type).toEqual(want)
    }
  })

  test('of experts has stacks that the product takes', async () => {
    const { file } = await make('--shape', 'tiny-moe', '--type', 'tq1_0')
    const { experts, ffn } = readConfig(file)
    expect([experts, ffn]).toMatchObject([{ count: 4, used: 2 }, 256])
    expect(file.tensors.get('blk.1.ffn_down_exps.weight')).toMatchObject({ rows: 1024, stack: 4 })
    await expect(make('--shape', 'tiny-moe', '--type', 'i2_s')).rejects.toThrow(/stack/)
  })

  test('is the same to the last byte for the same seed, and another for another', async () => {
    const { sha256 } = await make('--shape', 'tiny', '--type', 'tq1_0')
    // Frozen: benchmarks of different days must run on the same file.
    expect(sha256).toBe('3c91a4636bdb085e91b24e1004e75c174e03f2d928cf63f18dbd45ca5278407b')
    const other = await make('--shape', 'tiny', '--type', 'tq1_0', '--seed', '2')
    expect(other.sha256).not.toBe(sha256)
  })

  test.each([
    ['SentencePiece', ['--shape', 'tiny', '--type', 'tq2_0'], 1024],
    ['byte-level BPE', ['--shape', 'trilm-99m', '--layers', '0', '--type', 'tq2_0'], 50_688],
  ])(
    'has a %s vocabulary with one token for a two-letter word',
    async (_kind, options, size) => {
      const { file } = await make(...options)
      const tokenizer = tokenizerFromGguf(file.metadata)
      expect(tokenizer.vocabSize).toBe(size)
      const words = ['ab', 'zz', 'qx', 'aa', 'th', 'ka']
      const text = ` ${words.join(' ')}`.slice(size === 1024 ? 1 : 0)
      const ids = tokenizer.encode(text, { addSpecial: false })
      expect(ids).toHaveLength(words.length)
      expect(tokenizer.decode(ids)).toBe(text)
    },
    120_000,
  )

  test('has every tensor of its architecture, norms of about one and no sub-norms for llama', async () => {
    const { file, bytes } = await make('--shape', 'tiny', '--type', 'tq2_0')
    expect(file.metadata.get('general.architecture')).toBe('bitnet')
    expect(file.tensors.size).toBe(2 + 2 * 11)
    const gain = file.tensors.get('blk.0.attn_sub_norm.weight')
    expect(gain?.rows).toBe(1)
    const first = bytes.readFloatLE(gain?.offset ?? 0)
    expect(first).toBeGreaterThan(0.7)
    expect(first).toBeLessThan(1.3)
    const llama = await make('--shape', 'tiny', '--type', 'tq2_0', '--arch', 'llama')
    expect(llama.file.tensors.has('blk.0.attn_sub_norm.weight')).toBe(false)
  })

  test('refuses a type whose blocks the shape does not fill, or that cannot hold the values', () => {
    const model = (...argv: string[]) => synthModel(readArguments(['--out', 'x', ...argv]))
    expect(() => model('--shape', 'bitnet-3b', '--type', 'tq2_0')).toThrow('blocks of 256')
    expect(() => model('--shape', 'bitnet-3b', '--type', 'i2_s')).not.toThrow()
    expect(() => model('--shape', 'tiny', '--type', 'q4_0', '--values', 'normal')).toThrow('q4_0')
    expect(() => model('--shape', 'large', '--type', 'q4_0')).toThrow('--shape is large')
  })
})
