// Hugging Face tensor names -> canonical (GGUF) names. Called by safetensors.ts.

const OUTSIDE: ReadonlyMap<string, string> = new Map([
  ['embed_tokens', 'token_embd'],
  ['norm', 'output_norm'],
  ['lm_head', 'output'],
])

const IN_LAYER: ReadonlyMap<string, string> = new Map([
  ['input_layernorm', 'attn_norm'],
  ['self_attn.q_proj', 'attn_q'],
  ['self_attn.k_proj', 'attn_k'],
  ['self_attn.v_proj', 'attn_v'],
  ['self_attn.o_proj', 'attn_output'],
  ['self_attn.q_norm', 'attn_q_norm'],
  ['self_attn.k_norm', 'attn_k_norm'],
  ['self_attn.attn_sub_norm', 'attn_sub_norm'],
  ['self_attn.inner_attn_ln', 'attn_sub_norm'],
  ['post_attention_layernorm', 'ffn_norm'],
  ['mlp.gate_proj', 'ffn_gate'],
  ['mlp.up_proj', 'ffn_up'],
  ['mlp.down_proj', 'ffn_down'],
  ['mlp.ffn_sub_norm', 'ffn_sub_norm'],
  ['mlp.ffn_layernorm', 'ffn_sub_norm'],
  ['mlp.gate', 'ffn_gate_inp'],
  ['block_sparse_moe.gate', 'ffn_gate_inp'],
  ['mlp.shared_expert_gate', 'ffn_gate_inp_shexp'],
  ['mlp.shared_expert.gate_proj', 'ffn_gate_shexp'],
  ['mlp.shared_expert.up_proj', 'ffn_up_shexp'],
  ['mlp.shared_expert.down_proj', 'ffn_down_shexp'],
])

/** Matrices of one expert; Mixtral's w1 is the gate, w3 goes up, w2 down. */
const IN_EXPERT: ReadonlyMap<string, string> = new Map([
  ['gate_proj', 'ffn_gate_exps'],
  ['up_proj', 'ffn_up_exps'],
  ['down_proj', 'ffn_down_exps'],
  ['w1', 'ffn_gate_exps'],
  ['w3', 'ffn_up_exps'],
  ['w2', 'ffn_down_exps'],
])

const PARTS: ReadonlyMap<string, string> = new Map([
  ['weight', 'weight'],
  ['bias', 'bias'],
  ['weight_scale', 'scale'],
])

/** The canonical name of one expert's part of what GGUF stacks, without `.weight`. */
export function expertName(layer: number | string, stack: string, expert: number | string): string {
  return `blk.${layer}.${stack}.${expert}`
}

/** The canonical name, or the name itself when it is none of the known ones. */
export function canonicalName(name: string): string {
  const bias =
    /^(?:model\.)?layers\.(0|[1-9]\d{0,4})\.(?:mlp|block_sparse_moe)\.gate\.e_score_correction_bias$/.exec(
      name,
    )
  if (bias) return `blk.${bias[1]}.exp_probs_b.bias`
  const dot = name.lastIndexOf('.')
  const part = PARTS.get(name.slice(dot + 1))
  if (!part) return name
  // Models without a head have no `model.` before their names.
  const module = name.slice(0, dot).replace(/^model\./, '')
  const outside = OUTSIDE.get(module)
  if (outside) return `${outside}.${part}`
  const match = /^layers\.(0|[1-9]\d{0,4})\.(.+)$/.exec(module)
  if (!match) return name
  const [, layer, inside] = match
  const inLayer = IN_LAYER.get(inside)
  if (inLayer) return `blk.${layer}.${inLayer}.${part}`
  // The norm of a linear itself, in BitNet embedding models.
  const normed = inside.endsWith('_proj.norm') && IN_LAYER.get(inside.slice(0, -'.norm'.length))
  if (normed) return `blk.${layer}.${normed}_norm_in.${part}`
  const expert = /^(?:mlp|block_sparse_moe)\.experts\.(0|[1-9]\d{0,4})\.(\w+)$/.exec(inside)
  const stack = expert && IN_EXPERT.get(expert[2])
  return stack ? `${expertName(layer, stack, expert[1])}.${part}` : name
}

/** Buffers that old checkpoints save and every reader makes anew. */
export function isDerived(name: string): boolean {
  return name.endsWith('.rotary_emb.inv_freq')
}

/** Matrices that may be packed, four ternary rows in a byte. */
export function isLinear(canonical: string): boolean {
  return /^blk\.\d+\.(attn_[qkv]|attn_output|ffn_(gate|up|down)(_shexp|_exps\.\d+)?)\.weight$/.test(
    canonical,
  )
}
