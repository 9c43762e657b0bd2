// Which tensors an architecture has, with their shapes and roles, and the check of a file against that
// list. A tensor that is not on it would change the maths, so it is refused. Used by config.ts and the
// loader.
import { RyzError } from '../errors.ts'
import type { ModelFile, TensorInfo } from '../format/model-file.ts'
import type { Role } from '../format/placement.ts'
import { expertName } from '../format/safetensors/hf-names.ts'
import type { ModelConfig } from './model-config.ts'

export interface RequiredTensor {
  /** Canonical name. */
  readonly name: string
  readonly rows: number
  readonly cols: number
  readonly role: Role
  /** Scale tensors; everything else must be there. */
  readonly optional: boolean
  /** Matrices of this shape in one tensor, one for each expert; 1 for all others. */
  readonly stack: number
  /** The part of it that a token reads: of experts, those it is routed to. */
  readonly share: number
}

type ListedConfig = Pick<
  ModelConfig,
  | 'container'
  | 'layers'
  | 'hidden'
  | 'ffn'
  | 'heads'
  | 'kvHeads'
  | 'headDim'
  | 'vocab'
  | 'subNorms'
  | 'qkNorm'
  | 'innerNorms'
  | 'wideQkNorm'
  | 'qkvBias'
  | 'experts'
  | 'tiedHead'
  | 'scaleTensors'
>

/** Every tensor of the network, in the order of the layers. */
export function requiredTensors(config: ListedConfig): RequiredTensor[] {
  const { hidden, ffn, headDim, vocab, experts } = config
  const q = config.heads * headDim
  const kv = config.kvHeads * headDim
  const list: RequiredTensor[] = []
  const add = (
    name: string,
    role: Role,
    rows: number,
    cols: number,
    { optional = false, stack = 1, share = 1 } = {},
  ) => list.push({ name, role, rows, cols, optional, stack, share })
  const vector = (name: string, n: number) => add(name, 'vector', 1, n)
  const linear = (name: string, rows: number, cols: number, stack = 1, share = 1) => {
    if (config.innerNorms) vector(`${name}_norm_in.weight`, cols)
    add(`${name}.weight`, 'linear', rows, cols, { stack, share })
    if (config.scaleTensors !== 'none') add(`${name}.scale`, 'vector', 1, stack, { optional: true })
  }
  /** In one tensor, or in one for each expert. */
  const routed = (layer: number, name: string, rows: number, cols: number) => {
    const { count, used } = experts!
    const share = used / count
    if (config.container === 'gguf') linear(`blk.${layer}.${name}`, rows, cols, count, share)
    else for (let e = 0; e < count; e++) linear(expertName(layer, name, e), rows, cols, 1, share)
  }

  add('token_embd.weight', 'table', vocab, hidden)
  for (let l = 0; l < config.layers; l++) {
    const at = `blk.${l}.`
    vector(`${at}attn_norm.weight`, hidden)
    linear(`${at}attn_q`, q, hidden)
    linear(`${at}attn_k`, kv, hidden)
    linear(`${at}attn_v`, kv, hidden)
    if (config.qkvBias) vector(`${at}attn_q.bias`, q)
    if (config.qkvBias) vector(`${at}attn_k.bias`, kv)
    if (config.qkvBias) vector(`${at}attn_v.bias`, kv)
    if (config.qkNorm) vector(`${at}attn_q_norm.weight`, config.wideQkNorm ? q : headDim)
    if (config.qkNorm) vector(`${at}attn_k_norm.weight`, config.wideQkNorm ? kv : headDim)
    if (config.subNorms) vector(`${at}attn_sub_norm.weight`, q)
    linear(`${at}attn_output`, hidden, q)
    vector(`${at}ffn_norm.weight`, hidden)
    if (!experts) {
      linear(`${at}ffn_gate`, ffn, hidden)
      linear(`${at}ffn_up`, ffn, hidden)
      if (config.subNorms) vector(`${at}ffn_sub_norm.weight`, ffn)
      linear(`${at}ffn_down`, hidden, ffn)
      continue
    }
    const { count, bias, shared } = experts
    add(`${at}ffn_gate_inp.weight`, 'router', count, hidden)
    if (bias) vector(`${at}exp_probs_b.bias`, count)
    routed(l, 'ffn_gate_exps', ffn, hidden)
    routed(l, 'ffn_up_exps', ffn, hidden)
    routed(l, 'ffn_down_exps', hidden, ffn)
    if (!shared) continue
    if (shared.gated) add(`${at}ffn_gate_inp_shexp.weight`, 'router', 1, hidden)
    linear(`${at}ffn_gate_shexp`, shared.ffn, hidden)
    linear(`${at}ffn_up_shexp`, shared.ffn, hidden)
    linear(`${at}ffn_down_shexp`, hidden, shared.ffn)
  }
  vector('output_norm.weight', hidden)
  if (!config.tiedHead) add('output.weight', 'table', vocab, hidden)
  return list
}

/** One expert's matrix of a stack, whose bytes are those of its experts one after the other. */
export function ofStack(info: TensorInfo, expert: number): TensorInfo {
  const { stack = 1 } = info
  const bytes = info.bytes / stack
  return {
    ...info,
    sourceName: `${info.sourceName} (expert ${expert})`,
    name: stackedName(info.name, expert),
    rows: info.rows / stack,
    stack: 1,
    offset: info.offset + expert * bytes,
    bytes,
  }
}

/** The name that `name`, of a stack or its scales, has for one expert. */
export function stackedName(name: string, expert: number): string {
  return name.replace(/\.(weight|scale)$/, `.${expert}.$1`)
}

/** @throws RyzError MISSING_TENSOR | SHAPE_MISMATCH | UNSUPPORTED_FEATURE */
export function checkTensors(file: ModelFile, config: ModelConfig): void {
  const required = requiredTensors(config)
  const known = new Set<string>()
  for (const want of required) {
    known.add(want.name)
    const info = file.tensors.get(want.name)
    if (info) checkShape(info, want)
    else if (!want.optional || packedWeightOf(file, want.name)) {
      throw new RyzError(
        'MISSING_TENSOR',
        `${want.name} is not in the file; it is incomplete or of another architecture than ${config.architecture}`,
        { tensor: want.name },
      )
    }
  }
  if (config.tiedHead) known.add('output.weight')
  for (const info of file.tensors.values()) {
    if (known.has(info.name)) continue
    throw new RyzError(
      'UNSUPPORTED_FEATURE',
      `The file has the tensor ${info.sourceName}, which ${config.architecture} with ${config.layers} layers does not use; ${featureOf(info.name)} is not implemented`,
      { tensor: info.sourceName },
    )
  }
}

/** A packed matrix is nothing without its scale. */
function packedWeightOf(file: ModelFile, name: string): boolean {
  return file.tensors.get(name.replace(/\.scale$/, '.weight'))?.type === 'HF_T2'
}

function checkShape(info: TensorInfo, want: RequiredTensor): void {
  const { stack = 1 } = info
  const rows = info.rows / stack
  const right =
    want.role === 'vector'
      ? info.rows * info.cols === want.cols
      : rows === want.rows && info.cols === want.cols && stack === want.stack
  if (!right) {
    const shape = (r: number, c: number, n: number) =>
      n === 1 ? `${r} x ${c}` : `${n} x ${r} x ${c}`
    const [is, demanded] = [shape(rows, info.cols, stack), shape(want.rows, want.cols, want.stack)]
    throw new RyzError(
      'SHAPE_MISMATCH',
      `${info.sourceName} is ${is}, the hyper-parameters demand ${demanded}`,
      { tensor: info.sourceName },
    )
  }
  if (want.stack > 1 && info.type === 'I2_S') {
    throw new RyzError(
      'UNSUPPORTED_TYPE',
      `${info.sourceName} is a stack of experts of type I2_S, whose writer keeps only the scale of the last expert; requantise the model to TQ2_0 or TQ1_0`,
      { tensor: info.sourceName },
    )
  }
}

function featureOf(name: string): string {
  if (name.endsWith('.bias')) return 'a bias'
  if (/_exps|_shexp|gate_inp|experts?\b/.test(name)) return 'this form of a mixture of experts'
  if (name.startsWith('rope_f')) return 'frequency-scaled RoPE'
  if (name.endsWith('.scale')) return 'a scale tensor without a quantisation config'
  if (name.includes('norm')) return 'this additional norm'
  return 'what it stands for'
}
