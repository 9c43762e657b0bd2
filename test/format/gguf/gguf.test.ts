// The GGUF header reader: what it reads, and that every damaged header ends in the right code, quickly.
import { openAsBlob } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import type { ErrorCode } from '../../../src/errors.ts'
import { openGguf, siblingName } from '../../../src/format/gguf/gguf.ts'
import type { ByteSource, GgufModelFile } from '../../../src/format/model-file.ts'
import { blobSource } from '../../../src/format/source.ts'
import { TextList } from '../../../src/text-list.ts'
import { TYPE_IDS } from '../encode.ts'
import { ByteWriter, buildGguf, failure, type GgufTensor, type MetaValue } from '../fixtures.ts'

const MODEL = fileURLToPath(
  new URL('../../../demo/public/models/ryz-tales-tq2_0-embq8_0.gguf', import.meta.url),
)
const HOSTILE_MS = 2000

const open = (bytes: Uint8Array<ArrayBuffer>): Promise<GgufModelFile> =>
  openGguf(blobSource(new Blob([bytes]), 'test.gguf'))

/** A source that trickles: pieces of `size` bytes, one buffer reused, size unknown. */
function trickle(bytes: Uint8Array, size: number): ByteSource {
  const buffer = new Uint8Array(size)
  return {
    name: 'trickle',
    size: undefined,
    async *stream(start, end = bytes.length) {
      for (let at = start; at < end; at += size) {
        const piece = bytes.subarray(at, Math.min(at + size, end))
        buffer.set(piece)
        yield buffer.subarray(0, piece.length)
      }
    },
  }
}

const f32 = (name: string, dims: number[], more: Partial<GgufTensor> = {}): GgufTensor => ({
  name,
  dims,
  typeId: 0,
  data: new Uint8Array(4 * dims.reduce((a, b) => a * b, 1)),
  ...more,
})
const LLAMA: [string, MetaValue] = ['general.architecture', 'llama']
const file = (tensors: GgufTensor[], metadata: [string, MetaValue][] = [LLAMA], more = {}) =>
  buildGguf({ metadata, tensors, ...more })

describe('the embedded model', () => {
  test('opens with its metadata and all tensors in place', async () => {
    const model = await openGguf(blobSource(await openAsBlob(MODEL), 'model.gguf'))
    expect(model.metadata.get('general.architecture')).toBe('bitnet')
    expect(model.metadata.get('bitnet.rope.freq_base')).toBe(10_000)
    expect(model.metadata.get('tokenizer.ggml.add_bos_token')).toBe(true)
    expect((model.metadata.get('tokenizer.ggml.tokens') as TextList).length).toBe(4096)
    expect((model.metadata.get('tokenizer.ggml.merges') as TextList).at(0)).toBe('Ġ t')
    expect(model.metadata.get('tokenizer.ggml.token_type')).toBeInstanceOf(Int32Array)
    expect(model.tensors.size).toBe(46)
    expect(model.tensors.get('token_embd.weight')).toMatchObject({
      type: 'Q8_0',
      rows: 4096,
      cols: 256,
      bytes: 1_114_112,
    })
    expect(model.tensors.get('blk.3.ffn_down.weight')).toMatchObject({
      type: 'TQ2_0',
      rows: 256,
      cols: 768,
      bytes: 50_688,
    })
    const ends = [...model.tensors.values()].map(t => t.offset + t.bytes)
    expect(Math.max(...ends)).toBe(model.files[0].size)
  })

  test('reads the same through pieces of 1, 7 and 65,536 bytes of a source without a size', async () => {
    const bytes = new Uint8Array(await (await openAsBlob(MODEL)).slice(0, 300_000).arrayBuffer())
    const whole = await openGguf(trickle(bytes, 65_536))
    for (const size of [1, 7]) {
      const model = await openGguf(trickle(bytes, size))
      expect(model.metadata).toEqual(whole.metadata)
      expect(model.tensors).toEqual(whole.tensors)
    }
  })
})

describe('values', () => {
  test('of every type are read; 64-bit integers are numbers where that is exact', async () => {
    const { metadata } = await open(
      file(
        [],
        [
          ['a', { u8: 200 }],
          ['b', { i32: -5 }],
          ['c', { f64: 0.1 }],
          ['d', { u64: 2 ** 53 - 1 }],
          ['e', { u64: 2n ** 63n }],
          ['f', { i64: -7 }],
          ['g', { f32s: [1, 2.5] }],
          ['h', ['', '\ufeff', 'é']],
          ['__proto__', { u32: 1 }],
        ],
      ),
    )
    const plain = [...metadata].map(([key, value]) => [
      key,
      value instanceof TextList ? [...value] : value,
    ])
    expect(plain).toEqual([
      ['a', 200],
      ['b', -5],
      ['c', 0.1],
      ['d', 2 ** 53 - 1],
      ['e', 2n ** 63n],
      ['f', -7],
      ['g', Float32Array.of(1, 2.5)],
      ['h', ['', '\ufeff', 'é']],
      ['__proto__', 1],
    ])
    expect(({} as Record<string, unknown>).u32).toBeUndefined()
  })

  test('version 2 is read like version 3', async () => {
    const model = await open(file([f32('x', [8])], [LLAMA], { version: 2 }))
    expect(model.tensors.get('x')).toMatchObject({ rows: 1, cols: 8 })
  })

  test('the alignment of the file is used', async () => {
    const metadata: [string, MetaValue][] = [LLAMA, ['general.alignment', { u32: 64 }]]
    const model = await open(file([f32('x', [8]), f32('y', [8])], metadata, { alignment: 64 }))
    const [x, y] = [model.tensors.get('x')!, model.tensors.get('y')!]
    expect([x.offset % 64, y.offset - x.offset]).toEqual([0, 64])
  })
})

describe('types', () => {
  const q2 = (name: string, block: 64 | 128, typeId = 42): GgufTensor => ({
    name,
    dims: [512, 4],
    typeId,
    data: new Uint8Array((2048 / block) * (2 + block / 4)),
  })

  test('Q2_0 blocks of 64 and 128 are told apart by the room between tensors', async () => {
    const small = await open(file([q2('a', 64), q2('b', 64)]))
    expect([...small.tensors.values()].map(t => t.type)).toEqual(['Q2_0_64', 'Q2_0_64'])
    const large = await open(file([q2('a', 128), q2('b', 128)]))
    expect([...large.tensors.values()].map(t => t.type)).toEqual(['Q2_0_128', 'Q2_0_128'])
    const named = await open(file([q2('a', 128, TYPE_IDS.Q2_0_128)]))
    expect(named.tensors.get('a')!.type).toBe('Q2_0_128')
  })

  const i2s: GgufTensor = { name: 'w', dims: [128, 2], typeId: 36, data: new Uint8Array(64 + 32) }

  test('id 36 is I2_S with its 32-byte tail in bitnet files and those of file type 40', async () => {
    for (const metadata of [
      [['general.architecture', 'bitnet-b1.58']],
      [LLAMA, ['general.file_type', { u32: 40 }]],
    ] as [string, MetaValue][][]) {
      const model = await open(file([i2s], metadata))
      expect(model.tensors.get('w')).toMatchObject({ type: 'I2_S', bytes: 96, rows: 2 })
    }
    await failure('UNSUPPORTED_TYPE', () => open(file([i2s])))
  })

  test.each([
    [38, 'bitnet', 'TL1'],
    [39, 'bitnet', 'TL2'],
    [37, 'bitnet', 'I8_S'],
    [39, 'llama', 'MXFP4'],
    [40, 'llama', 'NVFP4'],
    [13, 'llama', 'Q5_K'],
    [41, 'llama', 'Q1_0'],
    [143, 'qwen3', 'PTQ1_0'],
    [9999, 'llama', '9999'],
  ])('id %i in %s is refused as %s', async (typeId, architecture, name) => {
    const bytes = file([{ ...i2s, typeId }], [['general.architecture', architecture]])
    const error = await failure('UNSUPPORTED_TYPE', () => open(bytes))
    expect(error.message).toContain(name)
    expect(error.detail.tensor).toBe('w')
  })
})

describe('hostile files', () => {
  const text = (s: string) => new TextEncoder().encode(s)
  const header = (tensors: number | bigint, keys: number | bigint) =>
    new ByteWriter().raw(text('GGUF')).u32(3).u64(tensors).u64(keys)
  const key = (w: ByteWriter, name: string, type: number) => w.text(name).u32(type)
  const pad = (w: ByteWriter) => w.raw(new Uint8Array(4096)).bytes()
  const nested = (w: ByteWriter, depth: number): ByteWriter => {
    w.u32(9)
    for (let i = 0; i < depth; i++) w.u32(9).u64(1)
    return w
  }

  const cases: [string, ErrorCode, () => Uint8Array<ArrayBuffer>][] = [
    ['an empty file', 'NOT_A_MODEL', () => new Uint8Array(0)],
    ['three bytes', 'NOT_A_MODEL', () => text('GGU')],
    ['an HTML page', 'NOT_A_MODEL', () => text('<!DOCTYPE html><html>')],
    ['a zip', 'NOT_A_MODEL', () => text('PK\u0003\u0004 something')],
    ['an old ggml file', 'NOT_A_MODEL', () => text('tjgg\u0003\0\0\0')],
    ['the magic alone', 'TRUNCATED', () => text('GGUF')],
    ['version 1', 'UNSUPPORTED_VERSION', () => file([], [], { version: 1 })],
    ['version 4', 'UNSUPPORTED_VERSION', () => file([], [], { version: 4 })],
    ['big-endian version', 'UNSUPPORTED_VERSION', () => file([], [], { version: 3 << 24 })],
    ['2^60 tensors', 'CORRUPT_HEADER', () => pad(header(2n ** 60n, 0))],
    ['2^64 - 1 keys', 'CORRUPT_HEADER', () => pad(header(0, 2n ** 64n - 1n))],
    ['60,000 keys in 24 bytes', 'TRUNCATED', () => header(0, 60_000).bytes()],
    ['a key of 2^40 bytes', 'CORRUPT_HEADER', () => pad(header(0, 1).u64(2n ** 40n))],
    ['a key of 60,000 bytes in 4 kB', 'TRUNCATED', () => pad(header(0, 1).u64(60_000))],
    [
      'a string of 2^62 bytes',
      'CORRUPT_HEADER',
      () => pad(key(header(0, 1), 'k', 8).u64(2n ** 62n)),
    ],
    [
      'a string of 15 MB in 4 kB',
      'TRUNCATED',
      () => pad(key(header(0, 1), 'k', 8).u64(15_000_000)),
    ],
    ['an unknown value type', 'CORRUPT_HEADER', () => pad(key(header(0, 1), 'k', 13))],
    ['a boolean of 7', 'CORRUPT_HEADER', () => pad(key(header(0, 1), 'k', 7).u8(7))],
    [
      'an array of 2^50',
      'CORRUPT_HEADER',
      () =>
        pad(
          key(header(0, 1), 'k', 9)
            .u32(4)
            .u64(2n ** 50n),
        ),
    ],
    [
      'an array longer than the file',
      'TRUNCATED',
      () => pad(key(header(0, 1), 'k', 9).u32(8).u64(4_000_000)),
    ],
    [
      'an array of an unknown type',
      'CORRUPT_HEADER',
      () => pad(key(header(0, 1), 'k', 9).u32(77).u64(1)),
    ],
    ['arrays nested 400 deep', 'CORRUPT_HEADER', () => pad(nested(header(0, 1).text('k'), 400))],
    ['a key that comes twice', 'CORRUPT_HEADER', () => file([], [LLAMA, LLAMA])],
    ['a tensor that comes twice', 'BAD_TENSOR_INFO', () => file([f32('x', [8]), f32('x', [8])])],
    ['alignment 0', 'CORRUPT_HEADER', () => file([], [['general.alignment', { u32: 0 }]])],
    ['alignment 24', 'CORRUPT_HEADER', () => file([], [['general.alignment', { u32: 24 }]])],
    ['alignment 2^31', 'CORRUPT_HEADER', () => file([], [['general.alignment', { u32: 2 ** 31 }]])],
    ['alignment as text', 'CORRUPT_HEADER', () => file([], [['general.alignment', '32']])],
    ['no dimension', 'BAD_TENSOR_INFO', () => file([f32('x', [])])],
    ['five dimensions', 'BAD_TENSOR_INFO', () => file([f32('x', [1, 1, 1, 1, 1])])],
    [
      '2^31 dimensions',
      'BAD_TENSOR_INFO',
      () =>
        pad(
          header(1, 0)
            .text('x')
            .u32(2 ** 31),
        ),
    ],
    ['a dimension of 0', 'BAD_TENSOR_INFO', () => file([f32('x', [8, 0])])],
    [
      'a dimension of 2^63',
      'BAD_TENSOR_INFO',
      () => file([{ ...f32('x', [8]), dims: [2n ** 63n] }]),
    ],
    [
      'dimensions whose product overflows',
      'BAD_TENSOR_INFO',
      () => file([{ ...f32('x', [8]), dims: [2 ** 31, 2 ** 31, 2 ** 31, 2 ** 31] }]),
    ],
    [
      'rows that blocks do not fill',
      'BAD_TENSOR_INFO',
      () => file([{ ...f32('x', [8]), typeId: 35, dims: [128, 2] }]),
    ],
    ['a misaligned tensor', 'BAD_TENSOR_INFO', () => file([f32('x', [8], { offset: 8 })])],
    [
      'overlapping tensors',
      'BAD_TENSOR_INFO',
      () => file([f32('x', [32]), f32('y', [8], { offset: 32 })]),
    ],
    ['equal offsets', 'BAD_TENSOR_INFO', () => file([f32('x', [8]), f32('y', [8], { offset: 0 })])],
    ['an offset of 2^63', 'BAD_TENSOR_INFO', () => file([f32('x', [8], { offset: 2n ** 63n })])],
    ['an offset past the end', 'TRUNCATED', () => file([f32('x', [8], { offset: 2 ** 40 })])],
    ['data that is cut', 'TRUNCATED', () => file([f32('x', [8])]).slice(0, -1)],
  ]

  test.each(cases)('%s: %s', async (_, code, make) => {
    const bytes = make()
    const started = performance.now()
    await failure(code, () => open(bytes))
    expect(performance.now() - started).toBeLessThan(HOSTILE_MS)
  })

  test('the embedded model cut anywhere in its header is truncated', async () => {
    const bytes = new Uint8Array(await (await openAsBlob(MODEL)).arrayBuffer())
    for (const cut of [4, 8, 23, 24, 31, 40, 1000, 50_000, 100_000]) {
      await failure('TRUNCATED', () => open(bytes.slice(0, cut)))
    }
    await failure('TRUNCATED', () => open(bytes.slice(0, bytes.length - 1)))
  })

  test('a source without end or size is left at the header limit', async () => {
    const endless: ByteSource = {
      name: 'endless',
      size: undefined,
      async *stream() {
        const start = header(0, 60_000).bytes()
        yield start
        // 65,535-byte keys for ever, each with another first byte pair.
        const entry = new ByteWriter().u64(65_000).raw(new Uint8Array(65_000)).u32(0).u8(1).bytes()
        for (let i = 0; ; i++) {
          entry[8] = i & 127
          entry[9] = (i >> 7) & 127
          yield entry
        }
      },
    }
    const started = performance.now()
    await failure('CORRUPT_HEADER', () => openGguf(endless))
    expect(performance.now() - started).toBeLessThan(HOSTILE_MS)
  })
})

describe('split files', () => {
  const part = (no: number, count: number, tensors = [f32(`t${no}`, [8])]) =>
    file(tensors, [LLAMA, ['split.no', { u32: no }], ['split.count', { u32: count }]])
  const first = (count: number) =>
    blobSource(new Blob([part(0, count)]), `dir/m-00001-of-0000${count}.gguf`)
  const opener = (bytes: (no: number) => Uint8Array<ArrayBuffer>) => async (name: string) =>
    blobSource(new Blob([bytes(Number(/-(\d{5})-of/.exec(name)![1]) - 1)]), name)

  test('are read as one model', async () => {
    const model = await openGguf(
      first(3),
      opener(no => part(no, 3)),
    )
    expect([...model.tensors.values()].map(t => [t.name, t.file])).toEqual([
      ['t0', 0],
      ['t1', 1],
      ['t2', 2],
    ])
    expect(model.files.map(f => f.name)).toEqual([
      'dir/m-00001-of-00003.gguf',
      'm-00002-of-00003.gguf',
      'm-00003-of-00003.gguf',
    ])
  })

  test('whose parts lead back to the first are refused', () =>
    failure('CORRUPT_HEADER', () =>
      openGguf(
        first(3),
        opener(() => part(0, 3)),
      ),
    ))

  test('whose parts disagree on their number are refused', () =>
    failure('CORRUPT_HEADER', () =>
      openGguf(
        first(3),
        opener(no => part(no, 2)),
      ),
    ))

  test('with a tensor in two parts are refused', () =>
    failure('BAD_TENSOR_INFO', () =>
      openGguf(
        first(2),
        opener(no => part(no, 2, [f32('t0', [8])])),
      ),
    ))

  test('opened at another part than the first say so', () =>
    failure('BAD_OPTION', () => open(part(1, 2))))

  test('with 60,000 parts are refused', () =>
    failure('CORRUPT_HEADER', () => open(part(0, 60_000))))

  test('with a missing or unnamed part are truncated', async () => {
    await failure('TRUNCATED', () => openGguf(first(2)))
    await failure('TRUNCATED', () => openGguf(first(2), async () => undefined))
    await failure('TRUNCATED', () => open(part(0, 2)))
  })

  test('have sibling names beside the first, without folder and query', () => {
    expect(siblingName('https://h/a%20b/m-00001-of-00012.gguf?x=/y', 11, 12)).toBe(
      'm-00012-of-00012.gguf',
    )
    expect(siblingName('m.gguf', 1, 2)).toBeUndefined()
    expect(siblingName('m-00001-of-00003.gguf', 1, 2)).toBeUndefined()
  })
})

describe('a part of a split file', () => {
  const part = (no: number, typeId = 0) =>
    file(
      [f32('t', [8], { typeId })],
      [
        ['split.no', { u32: no }],
        ['split.count', { u32: 3 }],
      ],
    )
  const openAs = (name: string, bytes: Uint8Array<ArrayBuffer>) =>
    openGguf(blobSource(new Blob([bytes]), name))

  test('that is not the first says so before its types are judged', async () => {
    // Type 36 is readable only by the architecture, which stands in part 1.
    const error = await failure('BAD_OPTION', () =>
      openAs('https://x.test/m%20x-00002-of-00003.gguf?a=1', part(1, 36)),
    )
    expect(error.message).toContain('is part 2 of 3; open part 1')
    expect(error.message).toContain('m x-00001-of-00003.gguf')
  })

  test('beyond the last is damaged', () => failure('CORRUPT_HEADER', () => openAs('m', part(3))))
})

describe('what is large and nobody reads', () => {
  const U64S = 7 * 2 ** 20

  test('numbers are passed over: seven lists of 2^20 u64', async () => {
    const zeros = new Uint8Array(8 * 2 ** 20)
    const head = new ByteWriter().raw(new TextEncoder().encode('GGUF')).u32(3).u64(1).u64(8)
    const pieces: Uint8Array<ArrayBuffer>[] = [
      head.text('general.architecture').u32(8).text('llama').bytes(),
    ]
    for (let i = 0; i < 7; i++) {
      pieces.push(
        new ByteWriter()
          .text(`x.list${i}`)
          .u32(9)
          .u32(10)
          .u64(2 ** 20)
          .bytes(),
        zeros,
      )
    }
    pieces.push(new ByteWriter().text('t').u32(1).u64(8).u32(0).u64(0).bytes())
    const before = pieces.reduce((sum, piece) => sum + piece.length, 0)
    pieces.push(new Uint8Array(Math.ceil(before / 32) * 32 - before + 32))
    const model = await openGguf(blobSource(new Blob(pieces), 'm.gguf'))
    expect(model.metadata.get('x.list3')).toEqual({ skipped: U64S / 7 })
    expect(model.tensors.get('t')!.offset).toBe(Math.ceil(before / 32) * 32)
  })

  test('texts and lists of texts are passed over, short ones are kept', async () => {
    const long = 'x'.repeat(70_000)
    const many = Array.from({ length: 5000 }, (_, i) => `word ${i}`)
    const model = await open(
      file(
        [f32('t', [8])],
        [
          LLAMA,
          ['tokenizer.huggingface.json', long],
          ['general.tags', ['a', 'b']],
          ['x.words', many],
          ['tokenizer.ggml.tokens', many],
          ['general.name', 'after'],
        ],
      ),
    )
    expect(model.metadata.get('tokenizer.huggingface.json')).toEqual({ skipped: 70_000 })
    expect(model.metadata.get('x.words')).toEqual({ skipped: 5000 })
    expect((model.metadata.get('general.tags') as TextList).at(1)).toBe('b')
    expect((model.metadata.get('tokenizer.ggml.tokens') as TextList).at(4999)).toBe('word 4999')
    expect(model.metadata.get('general.name')).toBe('after')
  })

  test('bounds are named: a template, a token, the sum of what is held', async () => {
    const with_ = (key: string, value: MetaValue) =>
      open(file([f32('t', [8])], [LLAMA, [key, value]]))
    const template = await failure('CORRUPT_HEADER', () =>
      with_('tokenizer.chat_template', 'x'.repeat(2 ** 20 + 1)),
    )
    expect(template.message).toContain('a chat template of 1048577 bytes (at most 1048576)')
    const token = await failure('CORRUPT_HEADER', () =>
      with_('tokenizer.ggml.tokens', ['a', 'x'.repeat(2 ** 16 + 1)]),
    )
    expect(token.message).toContain('at most 65536')

    const tokens = 420
    const text = new ByteWriter().text('x'.repeat(60_000)).bytes()
    const head = new ByteWriter().raw(new TextEncoder().encode('GGUF')).u32(3).u64(0).u64(1)
    head.text('tokenizer.ggml.tokens').u32(9).u32(8).u64(tokens)
    const blob = new Blob([head.bytes(), ...Array.from({ length: tokens }, () => text)])
    const sum = await failure('CORRUPT_HEADER', () => openGguf(blobSource(blob, 'm.gguf')))
    expect(sum.message).toContain('more than 25165824 bytes of names, texts and lists')
  })
})
