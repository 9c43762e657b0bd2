// The hyper-parameters of a mixture of experts, from GGUF metadata or a Hugging Face config.json. Which experts
// are chosen and how they are weighted differs between architectures, and no shape of a tensor would show a
// mistake: what is not known is refused by name. Called by config-gguf.ts and config-hf.ts.
import type { GgufModelFile, GgufValue, HfModelFile } from '../format/model-file.ts'
import { bad, integer, LIMITS, refuse } from './config-checks.ts'
import type { Architecture, ExpertConfig } from './model-config.ts'

interface Defaults {
  /** There may be none: then it is a dense model. */
  readonly optional: boolean
  /** llama.cpp's graph of the architecture, where no key says otherwise. */
  readonly normalise: boolean
  /** The key that holds the width of an expert. */
  readonly width: string
  /** It always has an expert that computes every row. */
  readonly shared: boolean
}

const expertWidth = 'expert_feed_forward_length'

/** By architecture; the others have no experts here. */
export const EXPERT_ARCHITECTURES: ReadonlyMap<Architecture, Defaults> = new Map<
  Architecture,
  Defaults
>([
  ['llama', { optional: true, normalise: true, width: 'feed_forward_length', shared: false }],
  ['olmoe', { optional: false, normalise: false, width: 'feed_forward_length', shared: false }],
  ['qwen3moe', { optional: false, normalise: true, width: expertWidth, shared: false }],
  ['qwen2moe', { optional: false, normalise: false, width: expertWidth, shared: true }],
])

/** GGUF keys that must be absent or have one of these values. */
const GGUF_NEUTRAL: readonly (readonly [string, readonly unknown[], string])[] = [
  ['expert_group_count', [0, 1], 'choosing experts by groups'],
  ['expert_group_used_count', [0, 1], 'choosing experts by groups'],
  ['experts_per_group', [0, 1], 'experts in groups'],
  ['expert_group_scale', [0, 1], 'experts in groups'],
  ['moe_every_n_layers', [0, 1], 'layers without experts'],
  ['interleave_moe_layer_step', [0, 1], 'layers without experts'],
  ['moe_latent_size', [0], 'experts in a latent space'],
  ['router_logit_softcapping', [0], 'soft-capping of router logits'],
]

/** Hugging Face fields, likewise. */
const HF_NEUTRAL: typeof GGUF_NEUTRAL = [
  ['decoder_sparse_step', [1], 'layers without experts'],
  ['moe_layer_freq', [1], 'layers without experts'],
  ['first_k_dense_replace', [0], 'layers without experts'],
  ['n_group', [0, 1], 'choosing experts by groups'],
  ['topk_group', [0, 1], 'choosing experts by groups'],
  ['n_shared_experts', [0], 'shared experts under this key'],
  ['router_logit_softcapping', [0], 'soft-capping of router logits'],
]

type Get = (name: string) => unknown

/**
 * @returns undefined for a dense model; widthKey is where the width of an expert stands
 * @throws RyzError BAD_HYPERPARAMS | UNSUPPORTED_FEATURE
 */
export function expertsFromGguf(
  file: GgufModelFile,
  architecture: Architecture,
  key: (name: string) => string,
  get: (name: string) => GgufValue | undefined,
): { config: ExpertConfig; widthKey: string } | undefined {
  const arch = EXPERT_ARCHITECTURES.get(architecture)
  if (!arch) return undefined
  const total = get('expert_count')
  if (arch.optional && (total === undefined || total === 0)) {
    const used = get('expert_used_count')
    if (used === undefined || used === 0) return undefined
    throw bad(key('expert_used_count'), used, 'absent where there are no experts')
  }
  refuseUnlike(GGUF_NEUTRAL, key, get)
  const count = integer(key('expert_count'), total, 1, LIMITS.experts)
  const used = integer(key('expert_used_count'), get('expert_used_count'), 1, count)
  const norm = get('expert_weights_norm') ?? arch.normalise
  if (typeof norm !== 'boolean') throw bad(key('expert_weights_norm'), norm, 'true or false')
  return {
    widthKey: arch.width,
    config: {
      count,
      used,
      scores: gatingOf(key('expert_gating_func'), get('expert_gating_func')),
      normalise: norm,
      scale: scaleOf(key('expert_weights_scale'), get('expert_weights_scale')),
      ...found(file),
      ...sharedOf(file, arch.shared, () =>
        sharedWidth(
          key('expert_shared_feed_forward_length'),
          get('expert_shared_feed_forward_length'),
          get('expert_shared_count'),
          integer(key(arch.width), get(arch.width), 1, LIMITS.ffn),
        ),
      ),
    },
  }
}

/** The architecture of a config.json that has experts, with its fields. */
export interface HfExpertFields {
  readonly count: string
  readonly used: string
  readonly width: string
  /** Where `norm_topk_prob` is absent. */
  readonly normalise: boolean
  readonly sharedWidth?: string
}

/** @throws RyzError BAD_HYPERPARAMS | UNSUPPORTED_FEATURE */
export function expertsFromHf(file: HfModelFile, fields: HfExpertFields, get: Get): ExpertConfig {
  refuseUnlike(HF_NEUTRAL, name => name, get)
  const dense = get('mlp_only_layers')
  if (dense !== undefined && !(Array.isArray(dense) && dense.length === 0)) {
    refuse('mlp_only_layers', dense, 'layers without experts')
  }
  const count = integer(fields.count, get(fields.count), 1, LIMITS.experts)
  const used = integer(fields.used, get(fields.used), 1, count)
  const norm = get('norm_topk_prob') ?? fields.normalise
  if (typeof norm !== 'boolean') throw bad('norm_topk_prob', norm, 'true or false')
  const scoring = get('scoring_func') ?? 'softmax'
  if (scoring !== 'softmax' && scoring !== 'sigmoid') {
    refuse('scoring_func', scoring, 'this way to choose experts')
  }
  const { sharedWidth } = fields
  return {
    count,
    used,
    scores: scoring,
    normalise: norm,
    scale: scaleOf('routed_scaling_factor', get('routed_scaling_factor')),
    ...found(file),
    ...sharedOf(file, sharedWidth !== undefined, () =>
      integer(sharedWidth!, get(sharedWidth!), 1, LIMITS.ffn),
    ),
  }
}

/** Qwen2's attention has biases, as a rule: the tensors say. */
export function hasQkvBias(file: GgufModelFile | HfModelFile): boolean {
  return ['q', 'k', 'v'].some(name => has(file, `.attn_${name}.bias`))
}

function refuseUnlike(neutral: typeof GGUF_NEUTRAL, key: (name: string) => string, get: Get): void {
  for (const [name, values, what] of neutral) {
    const value = get(name)
    if (value !== undefined && !values.includes(value)) refuse(key(name), value, what)
  }
}

/** llama.cpp's numbers; 0 is none said. */
function gatingOf(key: string, value: unknown): ExpertConfig['scores'] {
  if (value === undefined || value === 0 || value === 1) return 'softmax'
  if (value === 2) return 'sigmoid'
  return refuse(key, value, 'this way to choose experts')
}

/** Absent or 0 is 1. */
function scaleOf(key: string, value: unknown): number {
  if (value === undefined || value === 0) return 1
  if (typeof value === 'number' && Number.isFinite(value)) return value
  throw bad(key, value, 'a finite number')
}

/** Whether there is a selection bias; a layer that lacks it then is incomplete. */
function found(file: GgufModelFile | HfModelFile): Pick<ExpertConfig, 'bias'> {
  return { bias: has(file, '.exp_probs_b.bias') }
}

/** @param always  the architecture has one, whatever the tensors are */
function sharedOf(
  file: GgufModelFile | HfModelFile,
  always: boolean,
  width: () => number,
): Pick<ExpertConfig, 'shared'> {
  const gated = has(file, '.ffn_gate_inp_shexp.weight')
  const there = ['gate', 'up', 'down'].some(name => has(file, `.ffn_${name}_shexp.weight`))
  if (!always && !there && !gated) return {}
  return { shared: { ffn: width(), gated: always || gated } }
}

/** Named, or as many experts as are shared. */
function sharedWidth(key: string, value: unknown, count: unknown, ffn: number): number {
  if (value !== undefined && value !== 0) return integer(key, value, 1, LIMITS.ffn)
  if (count !== undefined && count !== 0) {
    return ffn * integer('the number of shared experts', count, 1, LIMITS.experts)
  }
  throw bad(key, value, 'the width of the shared expert')
}

function has(file: GgufModelFile | HfModelFile, end: string): boolean {
  for (const name of file.tensors.keys()) if (name.endsWith(end)) return true
  return false
}
