// Which tensors an architecture has, with their shapes and roles, and the check of a file against that
// list. A tensor that is not on it would change the maths, so it is refused. Used by config.ts and the
// loader.
import { RyzError } from '../errors.ts'
import type { ModelFile, TensorInfo } from '../format/model-file.ts'
import type { ModelConfig } from './model-config.ts'

export interface RequiredTensor {
  /** Canonical name. */
  readonly name: string
  readonly rows: number
  readonly cols: number
  readonly role: 'linear' | 'table' | 'vector'
  /** Scale tensors; everything else must be there. */
  readonly optional: boolean
}

type ListedConfig = Pick<
  ModelConfig,
  | 'layers'
  | 'hidden'
  | 'ffn'
  | 'heads'
  | 'kvHeads'
  | 'headDim'
  | 'vocab'
  | 'subNorms'
  | 'qkNorm'
  | 'tiedHead'
  | 'scaleTensors'
>

/** Every tensor of the network, in the order of the layers. */
export function requiredTensors(config: ListedConfig): RequiredTensor[] {
  const { hidden, ffn, headDim, vocab } = config
  const q = config.heads * headDim
  const kv = config.kvHeads * headDim
  const list: RequiredTensor[] = []
  const add = (
    name: string,
    role: RequiredTensor['role'],
    rows: number,
    cols: number,
    optional = false,
  ) => list.push({ name, role, rows, cols, optional })
  const vector = (name: string, n: number) => add(`${name}.weight`, 'vector', 1, n)
  const linear = (name: string, rows: number, cols: number) => {
    add(`${name}.weight`, 'linear', rows, cols)
    if (config.scaleTensors !== 'none') add(`${name}.scale`, 'vector', 1, 1, true)
  }

  add('token_embd.weight', 'table', vocab, hidden)
  for (let l = 0; l < config.layers; l++) {
    const at = `blk.${l}.`
    vector(`${at}attn_norm`, hidden)
    linear(`${at}attn_q`, q, hidden)
    linear(`${at}attn_k`, kv, hidden)
    linear(`${at}attn_v`, kv, hidden)
    if (config.qkNorm) vector(`${at}attn_q_norm`, headDim)
    if (config.qkNorm) vector(`${at}attn_k_norm`, headDim)
    if (config.subNorms) vector(`${at}attn_sub_norm`, q)
    linear(`${at}attn_output`, hidden, q)
    vector(`${at}ffn_norm`, hidden)
    linear(`${at}ffn_gate`, ffn, hidden)
    linear(`${at}ffn_up`, ffn, hidden)
    if (config.subNorms) vector(`${at}ffn_sub_norm`, ffn)
    linear(`${at}ffn_down`, hidden, ffn)
  }
  vector('output_norm', hidden)
  if (!config.tiedHead) add('output.weight', 'table', vocab, hidden)
  return list
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
  const right =
    want.role === 'vector'
      ? info.rows * info.cols === want.cols
      : info.rows === want.rows && info.cols === want.cols
  if (right) return
  throw new RyzError(
    'SHAPE_MISMATCH',
    `${info.sourceName} is ${info.rows} x ${info.cols}, the hyper-parameters demand ${want.rows} x ${want.cols}`,
    { tensor: info.sourceName },
  )
}

function featureOf(name: string): string {
  if (name.endsWith('.bias')) return 'a bias'
  if (name.includes('_exps') || name.includes('gate_inp') || name.includes('experts')) {
    return 'a mixture of experts'
  }
  if (name.startsWith('rope_f')) return 'frequency-scaled RoPE'
  if (name.endsWith('.scale')) return 'a scale tensor without a quantisation config'
  if (name.includes('norm')) return 'this additional norm'
  return 'what it stands for'
}
