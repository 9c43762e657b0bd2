// What a synthetic model consists of: its metadata and its tensors, each with its encoding, its scale
// and how its numbers are drawn. Streams nothing; write-model.ts does.
import { ENCODINGS, type Encoding, type EncodingName } from './encode.ts'
import { F32Value, type MetadataEntry } from './gguf-writer.ts'
import { NORMAL_DEVIATION } from './random.ts'
import type { Architecture, Shape } from './shapes.ts'
import { bytePairVocabulary, sentencePieceVocabulary } from './vocabulary.ts'

export interface SynthOptions {
  readonly shapeName: string
  readonly shape: Shape
  /** Type of the matrices. */
  readonly type: EncodingName
  /** Type of the embedding table and of an untied head. */
  readonly table: EncodingName
  /** Overrides the shape's own; llama.cpp knows 'bitnet' and 'llama'. */
  readonly arch?: Architecture
  /** 'normal' draws an unquantised network: types of six bits or more. */
  readonly values: 'ternary' | 'normal'
  readonly seed: number
}

export interface SynthTensor {
  readonly name: string
  readonly rows: number
  readonly cols: number
  readonly encoding: Encoding
  readonly draw: 'ternary' | 'normal' | 'gain'
  /** A power of two. */
  readonly scale: number
  /** Matrices that stand one after the other in it; `rows` are those of all. */
  readonly stack: number
}

export interface SynthModel {
  readonly metadata: readonly MetadataEntry[]
  readonly tensors: readonly SynthTensor[]
}

/** The power of two nearest to a deviation of `wanted` when the drawn integers deviate by `drawn`. */
function scaleFor(wanted: number, drawn: number): number {
  return 2 ** Math.round(Math.log2(wanted / drawn))
}

const TERNARY_DEVIATION = Math.sqrt(2 / 3)
/** Logits deviate by about this much, so that greedy choices are clear and softmax stays tame. */
const LOGIT_DEVIATION = 3

/**
 * The model of a shape; tensors stand in the order in which a forward pass needs them.
 * @throws Error when a width does not fill the blocks of its type, or the type cannot hold the values
 */
export function synthModel(options: SynthOptions): SynthModel {
  const { shape, type, table } = options
  const arch = options.arch ?? shape.arch
  const subNorms = arch !== 'llama'
  const drawn = options.values === 'ternary' ? TERNARY_DEVIATION : NORMAL_DEVIATION
  const tensors: SynthTensor[] = []

  const matrix = (name: string, rows: number, cols: number) =>
    add(name, rows, cols, type, options.values, scaleFor(1 / Math.sqrt(cols), drawn))
  /** The matrices of all experts. */
  const stack = (name: string, count: number, rows: number, cols: number) => {
    if (type === 'i2_s') throw new Error(`${name} is a stack, and I2_S has one scale for all of it`)
    const scale = scaleFor(1 / Math.sqrt(cols), drawn)
    add(name, count * rows, cols, type, options.values, scale, count)
  }
  const gain = (name: string, size: number) => add(name, 1, size, 'f32', 'gain', 2 ** -6)
  const tableLike = (name: string) => {
    const scale = scaleFor(LOGIT_DEVIATION / Math.sqrt(shape.hidden), NORMAL_DEVIATION)
    add(name, shape.vocab, shape.hidden, table, 'normal', scale)
  }
  function add(
    name: string,
    rows: number,
    cols: number,
    as: EncodingName,
    draw: SynthTensor['draw'],
    scale: number,
    count = 1,
  ): void {
    const encoding = ENCODINGS[as]
    checkFit(name, rows, cols, as, draw)
    tensors.push({ name: `${name}.weight`, rows, cols, encoding, draw, scale, stack: count })
  }

  const { hidden, ffn } = shape
  const query = shape.heads * shape.headDim
  const kv = shape.kvHeads * shape.headDim
  tableLike('token_embd')
  for (let layer = 0; layer < shape.layers; layer++) {
    const at = `blk.${layer}.`
    gain(`${at}attn_norm`, hidden)
    matrix(`${at}attn_q`, query, hidden)
    matrix(`${at}attn_k`, kv, hidden)
    matrix(`${at}attn_v`, kv, hidden)
    if (subNorms) gain(`${at}attn_sub_norm`, query)
    matrix(`${at}attn_output`, hidden, query)
    gain(`${at}ffn_norm`, hidden)
    if (shape.experts) {
      const { count } = shape.experts
      const scale = scaleFor(1.5 / Math.sqrt(hidden), NORMAL_DEVIATION)
      add(`${at}ffn_gate_inp`, count, hidden, 'f32', 'normal', scale)
      stack(`${at}ffn_gate_exps`, count, ffn, hidden)
      stack(`${at}ffn_up_exps`, count, ffn, hidden)
      stack(`${at}ffn_down_exps`, count, hidden, ffn)
      continue
    }
    matrix(`${at}ffn_gate`, ffn, hidden)
    matrix(`${at}ffn_up`, ffn, hidden)
    if (subNorms) gain(`${at}ffn_sub_norm`, ffn)
    matrix(`${at}ffn_down`, hidden, ffn)
  }
  gain('output_norm', hidden)
  if (!shape.tied) tableLike('output')
  return { metadata: metadataOf(options, arch), tensors }
}

function checkFit(
  name: string,
  rows: number,
  cols: number,
  as: EncodingName,
  draw: SynthTensor['draw'],
): void {
  const { blockElems, limit } = ENCODINGS[as]
  // I2_S runs over the flat tensor; the others cut each row into whole blocks.
  const run = as === 'i2_s' ? rows * cols : cols
  if (run % blockElems !== 0) {
    throw new Error(`${name} is ${cols} wide and ${as} comes in blocks of ${blockElems}`)
  }
  const largest = draw === 'ternary' ? 1 : 31
  if (largest > limit)
    throw new Error(`${as} cannot hold the values of ${name}; take q6_k, q8_0 or f16`)
}

function metadataOf(options: SynthOptions, arch: Architecture): MetadataEntry[] {
  const { shape, shapeName, type, seed } = options
  return [
    ['general.architecture', arch],
    ['general.name', `synthetic ${shapeName} ${type} seed ${seed}`],
    ['general.file_type', ENCODINGS[type].fileType],
    ['general.quantization_version', 2],
    [`${arch}.block_count`, shape.layers],
    [`${arch}.embedding_length`, shape.hidden],
    [`${arch}.feed_forward_length`, shape.ffn],
    [`${arch}.context_length`, shape.context],
    [`${arch}.vocab_size`, shape.vocab],
    [`${arch}.attention.head_count`, shape.heads],
    [`${arch}.attention.head_count_kv`, shape.kvHeads],
    [`${arch}.attention.key_length`, shape.headDim],
    [`${arch}.attention.value_length`, shape.headDim],
    [`${arch}.attention.layer_norm_rms_epsilon`, new F32Value(shape.normEps)],
    [`${arch}.rope.dimension_count`, shape.headDim],
    [`${arch}.rope.freq_base`, new F32Value(shape.ropeTheta)],
    ...expertsOf(arch, shape),
    ...(shape.vocabulary === 'spm'
      ? sentencePieceVocabulary(shape.vocab)
      : bytePairVocabulary(shape.vocab)),
  ]
}

function expertsOf(arch: Architecture, { experts }: Shape): MetadataEntry[] {
  if (!experts) return []
  return [
    [`${arch}.expert_count`, experts.count],
    [`${arch}.expert_used_count`, experts.used],
  ]
}
