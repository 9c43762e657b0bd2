// Derives the other published forms of the embedded model from the one GGUF in demo/public/models and
// the bf16 embedding table beside this file, so that the repository holds the weights once. Used by
// tests only. The results were compared once with the published files: the three GGUFs and the packed
// safetensors equal them byte for byte (SHA256 below, asserted by derive.test.ts); the master does not
// (training masters cannot be derived) but absmean rounding gives the same codes and scales.
import { readFileSync } from 'node:fs'
import {
  bf16ToF16,
  exactBf16,
  f16ToNumber,
  readTq2,
  writeHfPacked,
  writeMaster,
  writeTernaryF16,
  writeTq1,
} from './ternary-encode.ts'

const MODEL = new URL('../../demo/public/models/ryz-tales-tq2_0-embq8_0.gguf', import.meta.url)
const TABLE = new URL('ryz-tales/embedding.bf16', import.meta.url)
const TOKENIZER = new URL('tokenizer/ryz-tales.tokenizer.json', import.meta.url)
const TOKENIZER_CONFIG = new URL('tokenizer/ryz-tales.tokenizer_config.json', import.meta.url)

/** Hashes of the published files; the derived ones must match. */
export const PUBLISHED_SHA256 = {
  'ryz-tales-tq2_0-embq8_0.gguf':
    '857e5719542f869b1674ad80cf27d85187f4423af2a290f5937ec1e57123c50f',
  'ryz-tales-tq2_0.gguf': '3c1fb1c5d2926224c667e11ee4604dc3a53d349ab57de324e5aefad7d0c87bab',
  'ryz-tales-tq1_0.gguf': 'bc88018f7dd49c468152889a3f29a0f5ae90ccd596ac76af270596436162766b',
  'ryz-tales-f16.gguf': 'c23965809d49a664d2624092e1d2b20236000efcd7ca119164a34a00bce9c468',
  'packed/model.safetensors': '9a83968ddd9e323898389da5ef4c40ec385436339dedf610f004f8639339ef61',
} as const

interface SourceTensor {
  name: string
  dims: number[]
  type: number
  bytes: Uint8Array
}

interface Source {
  /** Magic to the last metadata value, with the position of general.file_type's u32 in it. */
  head: Uint8Array
  fileTypeAt: number
  tensors: SourceTensor[]
}

const SCALAR_BYTES = [1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8]
const F32 = 0
const F16 = 1
const TQ1_0 = 34
const TQ2_0 = 35

function pad32(n: number): number {
  return Math.ceil(n / 32) * 32
}

/** Reads the one file this module knows; no checks, it is not src/format. */
function readSource(): Source {
  const file = new Uint8Array(readFileSync(MODEL))
  const view = new DataView(file.buffer)
  const u64 = (at: number) => Number(view.getBigUint64(at, true))
  let at = 24
  let fileTypeAt = 0
  const string = () => {
    const n = u64(at)
    at += 8 + n
    return new TextDecoder().decode(file.subarray(at - n, at))
  }
  const skip = (type: number): void => {
    if (type === 8) {
      string()
    } else if (type === 9) {
      const element = view.getUint32(at, true)
      const n = u64(at + 4)
      at += 12
      for (let i = 0; i < n; i++) skip(element)
    } else {
      at += SCALAR_BYTES[type]
    }
  }
  for (let i = u64(16); i > 0; i--) {
    const key = string()
    const type = view.getUint32(at, true)
    at += 4
    if (key === 'general.file_type') fileTypeAt = at
    skip(type)
  }
  const head = file.slice(0, at)
  const infos = Array.from({ length: u64(8) }, () => {
    const name = string()
    const dims = Array.from({ length: view.getUint32(at, true) }, (_, d) => u64(at + 4 + 8 * d))
    at += 4 + 8 * dims.length
    const type = view.getUint32(at, true)
    const offset = u64(at + 4)
    at += 12
    return { name, dims, type, offset }
  })
  const base = pad32(at)
  const bytesOf = (type: number, dims: number[]) => {
    const n = dims.reduce((a, b) => a * b, 1)
    return type === TQ2_0 ? (n / 256) * 66 : type === F32 ? n * 4 : (n / 32) * 34
  }
  const tensors = infos.map(({ name, dims, type, offset }) => {
    const start = base + offset
    return { name, dims, type, bytes: file.slice(start, start + bytesOf(type, dims)) }
  })
  return { head, fileTypeAt, tensors }
}

function writeGguf(source: Source, fileType: number, tensors: SourceTensor[]): Uint8Array {
  const head = source.head.slice()
  new DataView(head.buffer).setUint32(source.fileTypeAt, fileType, true)
  const text = new TextEncoder()
  const infos: Uint8Array[] = []
  let offset = 0
  for (const t of tensors) {
    const name = text.encode(t.name)
    const info = new Uint8Array(8 + name.length + 4 + 8 * t.dims.length + 12)
    const view = new DataView(info.buffer)
    view.setBigUint64(0, BigInt(name.length), true)
    info.set(name, 8)
    let at = 8 + name.length
    view.setUint32(at, t.dims.length, true)
    for (const [d, n] of t.dims.entries()) view.setBigUint64(at + 4 + 8 * d, BigInt(n), true)
    at += 4 + 8 * t.dims.length
    view.setUint32(at, t.type, true)
    view.setBigUint64(at + 4, BigInt(offset), true)
    infos.push(info)
    offset += pad32(t.bytes.length)
  }
  let at = head.length + infos.reduce((n, i) => n + i.length, 0)
  const out = new Uint8Array(pad32(at) + offset)
  out.set(head)
  at = head.length
  for (const info of infos) {
    out.set(info, at)
    at += info.length
  }
  at = pad32(at)
  for (const t of tensors) {
    out.set(t.bytes, at)
    at += pad32(t.bytes.length)
  }
  return out
}

interface StTensor {
  name: string
  dtype: string
  shape: number[]
  bytes: Uint8Array
}

function writeSafetensors(tensors: StTensor[]): Uint8Array {
  let offset = 0
  const entries = tensors.map(t => {
    const start = offset
    offset += t.bytes.length
    return `"${t.name}": {"dtype": "${t.dtype}", "shape": [${t.shape.join(', ')}], "data_offsets": [${start}, ${offset}]}`
  })
  const header = `{"__metadata__": {"format": "pt"}, ${entries.join(', ')}}`
  const text = new TextEncoder().encode(header.padEnd(Math.ceil(header.length / 8) * 8))
  const out = new Uint8Array(8 + text.length + offset)
  new DataView(out.buffer).setBigUint64(0, BigInt(text.length), true)
  out.set(text, 8)
  let at = 8 + text.length
  for (const t of tensors) {
    out.set(t.bytes, at)
    at += t.bytes.length
  }
  return out
}

const HF_NAMES: Record<string, string> = {
  attn_q: 'self_attn.q_proj',
  attn_k: 'self_attn.k_proj',
  attn_v: 'self_attn.v_proj',
  attn_output: 'self_attn.o_proj',
  ffn_gate: 'mlp.gate_proj',
  ffn_up: 'mlp.up_proj',
  ffn_down: 'mlp.down_proj',
  attn_norm: 'input_layernorm',
  attn_sub_norm: 'self_attn.attn_sub_norm',
  ffn_norm: 'post_attention_layernorm',
  ffn_sub_norm: 'mlp.ffn_sub_norm',
}

/** The tensors of the GGUF in the order and under the names of the Hugging Face files. */
function inHfOrder(tensors: SourceTensor[]): { name: string; tensor: SourceTensor }[] {
  const find = (name: string) => tensors.find(t => t.name === `${name}.weight`)!
  const out = []
  for (let layer = 0; layer < 4; layer++) {
    for (const [short, hf] of Object.entries(HF_NAMES)) {
      out.push({ name: `model.layers.${layer}.${hf}`, tensor: find(`blk.${layer}.${short}`) })
    }
  }
  out.push({ name: 'model.norm', tensor: find('output_norm') })
  return out
}

function packedWeights(source: Source, table: Uint8Array): StTensor[] {
  const out: StTensor[] = [
    { name: 'model.embed_tokens.weight', dtype: 'BF16', shape: [4096, 256], bytes: table },
  ]
  for (const { name, tensor } of inHfOrder(source.tensors)) {
    if (tensor.type === TQ2_0) {
      const [cols, rows] = tensor.dims
      const { codes, scales } = readTq2(tensor.bytes)
      const scale = Uint16Array.of(exactBf16(f16ToNumber(scales[0])))
      out.push({
        name: `${name}.weight`,
        dtype: 'U8',
        shape: [rows / 4, cols],
        bytes: writeHfPacked(codes, rows, cols),
      })
      const bytes = new Uint8Array(scale.buffer)
      out.push({ name: `${name}.weight_scale`, dtype: 'BF16', shape: [1], bytes })
    } else {
      const values = Uint16Array.from(new Float32Array(tensor.bytes.buffer), exactBf16)
      const bytes = new Uint8Array(values.buffer)
      out.push({ name: `${name}.weight`, dtype: 'BF16', shape: tensor.dims, bytes })
    }
  }
  return out
}

function masterWeights(source: Source, table: Uint8Array): StTensor[] {
  const wide = Uint32Array.from(new Uint16Array(table.buffer), bits => bits << 16)
  const bytes = new Uint8Array(wide.buffer)
  const out: StTensor[] = [
    { name: 'model.embed_tokens.weight', dtype: 'F32', shape: [4096, 256], bytes },
  ]
  for (const { name, tensor } of inHfOrder(source.tensors)) {
    const shape = tensor.dims.slice().reverse()
    if (tensor.type === TQ2_0) {
      const { codes, scales } = readTq2(tensor.bytes)
      const bytes = writeMaster(codes, f16ToNumber(scales[0]))
      out.push({ name: `${name}.weight`, dtype: 'F32', shape, bytes })
    } else {
      out.push({ name: `${name}.weight`, dtype: 'F32', shape, bytes: tensor.bytes })
    }
  }
  return out
}

function hfConfig(mode: 'offline' | 'online'): string {
  const config = {
    architectures: ['BitNetForCausalLM'],
    attention_bias: false,
    attention_dropout: 0,
    bos_token_id: 1,
    eos_token_id: 0,
    pad_token_id: 2,
    hidden_act: 'silu',
    hidden_size: 256,
    intermediate_size: 768,
    max_position_embeddings: 512,
    model_type: 'bitnet',
    num_attention_heads: 4,
    num_hidden_layers: 4,
    num_key_value_heads: 4,
    rms_norm_eps: 1e-5,
    rope_scaling: null,
    rope_theta: 10000,
    tie_word_embeddings: true,
    vocab_size: 4096,
    torch_dtype: mode === 'offline' ? 'bfloat16' : 'float32',
    quantization_config: {
      quant_method: 'bitnet',
      linear_class: 'autobitlinear',
      quantization_mode: mode,
    },
  }
  return JSON.stringify(config, null, 2)
}

/**
 * All forms of the embedded model: `ryz-tales-{tq2_0-embq8_0,tq2_0,tq1_0,f16}.gguf`, and under
 * `packed/` and `master/` the files of a Hugging Face directory.
 * @returns file name -> bytes, made on demand and kept
 */
export function deriveRyzTales(): ReadonlyMap<string, Uint8Array> {
  made ??= derive()
  return made
}

let made: Map<string, Uint8Array> | undefined

function derive(): Map<string, Uint8Array> {
  const source = readSource()
  const table = new Uint8Array(readFileSync(TABLE))
  const f16 = Uint16Array.from(new Uint16Array(table.buffer), bf16ToF16)
  const tableF16 = new Uint8Array(f16.buffer)
  const as = (type: number, encode: (c: Uint8Array, s: Uint16Array) => Uint8Array) =>
    source.tensors.map(t => {
      if (t.name === 'token_embd.weight') return { ...t, type: F16, bytes: tableF16 }
      if (t.type !== TQ2_0) return t
      const { codes, scales } = readTq2(t.bytes)
      return { ...t, type, bytes: encode(codes, scales) }
    })
  const keep = source.tensors.map(t =>
    t.name === 'token_embd.weight' ? { ...t, type: F16, bytes: tableF16 } : t,
  )
  const files = new Map<string, Uint8Array>([
    ['ryz-tales-tq2_0-embq8_0.gguf', new Uint8Array(readFileSync(MODEL))],
    ['ryz-tales-tq2_0.gguf', writeGguf(source, 37, keep)],
    ['ryz-tales-tq1_0.gguf', writeGguf(source, 36, as(TQ1_0, writeTq1))],
    ['ryz-tales-f16.gguf', writeGguf(source, 1, as(F16, writeTernaryF16))],
    ['packed/model.safetensors', writeSafetensors(packedWeights(source, table))],
    ['master/model.safetensors', writeSafetensors(masterWeights(source, table))],
  ])
  const text = (s: string) => new TextEncoder().encode(s)
  for (const folder of ['packed', 'master'] as const) {
    files.set(`${folder}/config.json`, text(hfConfig(folder === 'packed' ? 'offline' : 'online')))
    files.set(`${folder}/tokenizer.json`, new Uint8Array(readFileSync(TOKENIZER)))
    files.set(`${folder}/tokenizer_config.json`, new Uint8Array(readFileSync(TOKENIZER_CONFIG)))
    const ends = { bos_token_id: 1, eos_token_id: 0, pad_token_id: 2 }
    files.set(`${folder}/generation_config.json`, text(JSON.stringify(ends)))
  }
  return files
}
