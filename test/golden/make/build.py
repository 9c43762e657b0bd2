# Random networks and the files they are written to: one Spec says how each group of tensors is stored,
# net_of() draws the weights exactly as that storage can hold them, gguf() and hf() write them out.
import json
import os
import numpy as np
import types_ggml as T
from containers import Bf16, write_safetensors
import re
from net import Matrix, Net
from vocabulary import gguf_bpe, gguf_spm, hf_files

HF_NAME = {'attn_q': 'self_attn.q_proj', 'attn_k': 'self_attn.k_proj', 'attn_v': 'self_attn.v_proj',
           'attn_output': 'self_attn.o_proj', 'ffn_gate': 'mlp.gate_proj', 'ffn_up': 'mlp.up_proj',
           'ffn_down': 'mlp.down_proj', 'attn_norm': 'input_layernorm', 'ffn_norm': 'post_attention_layernorm',
           'attn_sub_norm': 'self_attn.attn_sub_norm', 'ffn_sub_norm': 'mlp.ffn_sub_norm',
           'attn_q_norm': 'self_attn.q_norm', 'attn_k_norm': 'self_attn.k_norm'}
EXPERT = ['ffn_gate_exps', 'ffn_up_exps', 'ffn_down_exps']
SHARED = ['ffn_gate_shexp', 'ffn_up_shexp', 'ffn_down_shexp']
LINEAR = [*EXPERT, *SHARED, 'attn_q', 'attn_k', 'attn_v', 'attn_output', 'ffn_gate', 'ffn_up', 'ffn_down']


def kind_of(name):
    """What a tensor is, without its layer and its expert."""
    return name.split('.')[2] if name.startswith('blk.') else name


def shapes(n):
    q, kv = n.heads * n.head_dim, n.kv * n.head_dim
    if n.experts:
        e = n.experts
        of = {f'ffn_{k}_exps.{i}': s for k, s in (('gate', (n.ffn, n.hidden)), ('up', (n.ffn, n.hidden)), ('down', (n.hidden, n.ffn)))
              for i in range(e.count)}
        shared = {'ffn_gate_shexp': (e.shared, n.hidden), 'ffn_up_shexp': (e.shared, n.hidden),
                  'ffn_down_shexp': (n.hidden, e.shared)} if e.shared else {}
        return {'attn_q': (q, n.hidden), 'attn_k': (kv, n.hidden), 'attn_v': (kv, n.hidden),
                'attn_output': (n.hidden, q), **of, **shared}
    return {'attn_q': (q, n.hidden), 'attn_k': (kv, n.hidden), 'attn_v': (kv, n.hidden),
            'attn_output': (n.hidden, q), 'ffn_gate': (n.ffn, n.hidden), 'ffn_up': (n.ffn, n.hidden),
            'ffn_down': (n.hidden, n.ffn)}


def round_scale(s, kind):
    """A scale as the container can hold it."""
    return T.bf16(s) if kind == 'bf16' else np.asarray(s, np.float32 if kind == 'f32' else np.float16).astype(np.float64)


def net_of(seed, *, block=0, scale='f32', table='F16', output=None, gain='F32', mixed=True, float_layers=None,
           logit_sd=2.0, table_scales=None, **dims):
    """block 0 = one scale a tensor, else columns per scale; float_layers: per layer a float type or None."""
    r = np.random.default_rng(seed)
    n = Net(tied=output is None, **dims)
    gainer = lambda k: T.encode_float(gain, r.uniform(0.6, 1.4, k))[1]
    store = {}

    def ternary(rows, cols, std, block):
        codes = r.choice(np.array([-1, 0, 1], np.int8), (rows, cols), p=[0.34, 0.32, 0.34])
        s = np.full((rows, cols // block), std / np.sqrt(0.68)) if block else np.full((1, 1), std / np.sqrt(0.68))
        if block and mixed:
            s = s * r.uniform(0.4, 1.6, s.shape)
            s[r.random(s.shape) < 0.05] = 0  # a block of zeros has scale 0 ...
            codes = np.where(np.repeat(s, block, 1) == 0, 0, codes)  # ... and code 0
        s = round_scale(s, scale)
        return Matrix(codes, np.broadcast_to(s, (rows, s.shape[1])).copy())

    def floats(kind, rows, cols, std):
        raw, v = T.encode_float(kind, r.standard_normal((rows, cols)) * std)
        return Matrix(values=v), (kind, raw)

    for i in range(n.layers):
        p = f'blk.{i}.'
        for name, (rows, cols) in shapes(n).items():
            # the value matrices are large enough that the blocks, not the embedding, decide the logits
            std = (1.6 if name == 'attn_output' else 1.0) / np.sqrt(cols)
            kind = float_layers and float_layers[i]
            if kind:
                n.w[p + name], store[p + name] = floats(kind, rows, cols, std)
            else:
                n.w[p + name] = ternary(rows, cols, std, block)
        n.w[p + 'attn_norm'], n.w[p + 'ffn_norm'] = gainer(n.hidden), gainer(n.hidden)
        if n.sub_norms:
            n.w[p + 'attn_sub_norm'], n.w[p + 'ffn_sub_norm'] = gainer(n.heads * n.head_dim), gainer(n.ffn)
        if n.inner_norms:
            for name, (_, cols) in shapes(n).items():
                n.w[f'{p}{name}_norm_in'] = gainer(cols)
        if n.qk_norm:
            q, k = (n.heads * n.head_dim, n.kv * n.head_dim) if n.wide_qk else (n.head_dim, n.head_dim)
            n.w[p + 'attn_q_norm'], n.w[p + 'attn_k_norm'] = gainer(q), gainer(k)
        if n.qkv_bias:
            for c, k in (('q', n.heads), ('k', n.kv), ('v', n.kv)):
                n.w[f'{p}attn_{c}.bias'] = T.encode_float(gain, r.standard_normal(k * n.head_dim) * 0.5)[1]
        if n.experts:
            e = n.experts
            n.w[p + 'ffn_gate_inp'], store[p + 'ffn_gate_inp'] = floats(gain, e.count, n.hidden, 1.5 / np.sqrt(n.hidden))
            if e.bias:
                n.w[p + 'exp_probs_b.bias'] = T.encode_float(gain, r.standard_normal(e.count) * 0.3)[1]
            if e.gated:
                n.w[p + 'ffn_gate_inp_shexp'] = T.encode_float(gain, r.standard_normal(n.hidden) / np.sqrt(n.hidden))[1]
    n.w['output_norm'] = gainer(n.hidden)
    for name, kind in [('token_embd', table), ('output', output)]:
        if kind is None:
            continue
        std = 0.5 if name == 'token_embd' and output else logit_sd / np.sqrt(n.hidden)
        if kind.startswith(('Q2_0', 'PQ2_0')):
            m = ternary(n.vocab, n.hidden, std, block)
            n.w[name] = Matrix(values=m.dense())
            store[name] = ('codes', m)
        else:
            if kind == 'both':  # held alike by F16 and BF16
                v = T.bf16(r.standard_normal((n.vocab, n.hidden)) * std)
                v[np.abs(v) < 2.0 ** -10] = 0
                n.w[name] = Matrix(values=v)
            else:
                n.w[name], store[name] = floats(kind, n.vocab, n.hidden, std)
    return n, store


def norm_pairs(n, name, x):
    """Rows of q and k reordered from half-split to neighbouring RoPE pairs, as GGUF `llama` has them."""
    if name not in ('attn_q', 'attn_k'):
        return x
    return x.reshape(-1, 2, n.head_dim // 2, x.shape[1]).swapaxes(1, 2).reshape(x.shape)


def facts(n, arch, container, **more):
    """What a reader must find out about the model."""
    eps = float(np.float32(n.eps)) if container == 'gguf' else n.eps  # GGUF holds it as f32
    return dict(architecture=arch, container=container, layers=n.layers, hidden=n.hidden, ffn=n.ffn, heads=n.heads,
                kvHeads=n.kv, headDim=n.head_dim, vocab=n.vocab, contextLength=n.context, ropeTheta=n.theta,
                ropeDim=n.head_dim, ropePairing='norm' if (arch, container) == ('llama', 'gguf') else 'neox',
                normEps=eps, activation=n.act, subNorms=n.sub_norms, qkNorm=n.qk_norm, **(dict(innerNorms=True) if n.inner_norms else {}), tiedHead=n.tied, **expert_facts(n),
                **more)


def expert_facts(n):
    if not n.experts:
        return {}
    e = n.experts
    f = dict(count=e.count, used=e.used, scores=e.scores, normalise=e.normalise, scale=e.scale, bias=e.bias)
    if e.shared:
        f['shared'] = dict(ffn=e.shared, gated=e.gated)
    return dict(experts=f)


def gguf_metadata(n, arch, name, pre, file_type=0):
    kv = {'general.architecture': arch, 'general.name': name, 'general.file_type': file_type,
          'general.quantization_version': 2,
          f'{arch}.context_length': n.context, f'{arch}.embedding_length': n.hidden, f'{arch}.block_count': n.layers,
          f'{arch}.feed_forward_length': n.ffn, f'{arch}.attention.head_count': n.heads,
          f'{arch}.attention.head_count_kv': n.kv, f'{arch}.attention.layer_norm_rms_epsilon': n.eps,
          f'{arch}.rope.dimension_count': n.head_dim, f'{arch}.rope.freq_base': n.theta, f'{arch}.vocab_size': n.vocab}
    if n.experts:
        e = n.experts
        kv.update({f'{arch}.expert_count': e.count, f'{arch}.expert_used_count': e.used})
        if arch in ('qwen3moe', 'qwen2moe'):  # elsewhere feed_forward_length is the width of an expert
            kv.update({f'{arch}.feed_forward_length': 4 * n.ffn, f'{arch}.expert_feed_forward_length': n.ffn})
        if e.shared:
            kv[f'{arch}.expert_shared_feed_forward_length'] = e.shared
        if e.scores == 'sigmoid':
            kv[f'{arch}.expert_gating_func'] = 2
        if e.scale != 1:
            kv[f'{arch}.expert_weights_scale'] = e.scale
        if e.normalise != (arch in ('llama', 'qwen3moe')):
            kv[f'{arch}.expert_weights_norm'] = e.normalise
    if n.head_dim * n.heads != n.hidden or arch == 'qwen3':
        kv[f'{arch}.attention.key_length'] = kv[f'{arch}.attention.value_length'] = n.head_dim
    return {**kv, **(gguf_spm(n.vocab) if pre == 'spm' else gguf_bpe(n.vocab, pre))}


def gguf_tensors(n, store, arch, kind, layout='x86', scale_tensors=None):
    """[(name, type, shape, bytes)]; kind: I2_S, TQ1_0, TQ2_0, Q2_0, Q2_0_128, PQ2_0 or F32 (dense, for cross-checks)."""
    block = {'Q2_0': 64, 'Q2_0_128': 128, 'PQ2_0': 128, 'TQ1_0': 256, 'TQ2_0': 256}.get(kind)

    def encode(short, m):
        perm = (lambda x: norm_pairs(n, short, x)) if arch == 'llama' else (lambda x: x)
        codes, scales = perm(m.codes), perm(m.scales)
        if kind == 'F32':
            return 'F32', (codes * np.repeat(scales, codes.shape[1] // scales.shape[1], 1)).astype('<f4').tobytes()
        if kind == 'I2_S':
            return kind, T.i2_s(codes, scales[0, 0], layout)
        s = np.repeat(scales, codes.shape[1] // block // scales.shape[1], 1)
        if kind.startswith('TQ'):
            return kind, (T.tq1_0 if kind == 'TQ1_0' else T.tq2_0)(codes, s)
        return ('PQ2_0' if kind == 'PQ2_0' else 'Q2_0'), T.q2_0(codes, s, block)

    out = []
    for name, w in n.w.items():
        short = kind_of(name)
        if not isinstance(w, Matrix):
            out.append((name if name.endswith('.bias') else name + '.weight', 'F32', w.shape, w.astype('<f4').tobytes()))
            continue
        if kind == 'F32' and w.values is not None:
            v = norm_pairs(n, short, w.values) if arch == 'llama' else w.values
            out.append((name + '.weight', 'F32', v.shape, v.astype('<f4').tobytes()))
            continue
        if w.codes is not None:
            if scale_tensors is not None and kind != 'F32':  # value = code * d * scale tensor
                d = scale_tensors[name]
                t, raw = encode(short, Matrix(w.codes, w.scales / d))
                out.append((name + '.scale', 'F32', (1,), np.array([d], '<f4').tobytes()))
            else:
                t, raw = encode(short, w)
            shape = w.codes.shape
        elif store.get(name, ('',))[0] == 'codes':
            t, raw = encode(short, store[name][1])
            shape = w.values.shape
        else:
            v = norm_pairs(n, short, w.values) if arch == 'llama' else w.values
            t = store[name][0] if name in store else 'F16'
            raw = T.encode_float(t, v)[0]
            shape = v.shape
            assert np.array_equal(T.encode_float(t, v)[1], v) or t in ('Q8_0', 'Q4_0', 'Q6_K', 'Q4_K')
            if t in ('Q8_0', 'Q4_0', 'Q6_K', 'Q4_K'):
                raw = permute_rows(n, short, store[name][1], v.shape[0]) if arch == 'llama' else store[name][1]
        out.append((name + '.weight', t, shape, raw))
    order = {'token_embd.weight': 0, 'output_norm.weight': 1, 'output.weight': 2}
    return sorted(stacked(out), key=lambda t: order.get(t[0], 3))


def stacked(tensors):
    """The experts' matrices, one after the other, as one tensor [experts, out, in]."""
    out, stacks = [], {}
    for name, t, shape, raw in tensors:
        m = re.fullmatch(r'(blk\.\d+\.ffn_\w+_exps)\.\d+\.weight', name)
        if not m:
            out.append((name, t, shape, raw))
            continue
        if m[1] not in stacks:
            stacks[m[1]] = len(out)
            out.append((m[1] + '.weight', t, (0, *shape), b''))
        at = stacks[m[1]]
        _, t, shape, before = out[at]
        out[at] = (m[1] + '.weight', t, (shape[0] + 1, *shape[1:]), before + raw)
    return out


def permute_rows(n, short, raw, rows):
    """norm_pairs on the encoded rows of a float tensor, which must not be encoded twice."""
    a = np.frombuffer(raw, np.uint8).reshape(rows, -1)
    return norm_pairs(n, short, a).tobytes()


def hf_config(n, arch, linear_class, mode, dtype='bfloat16'):
    c = dict(architectures=[arch], model_type={'BitNetForCausalLM': 'bitnet', 'LlamaForCausalLM': 'llama',
                                               'Qwen3ForCausalLM': 'qwen3', 'MixtralForCausalLM': 'mixtral',
                                               'Qwen3MoeForCausalLM': 'qwen3_moe', 'Qwen2MoeForCausalLM': 'qwen2_moe',
                                               'OlmoeForCausalLM': 'olmoe'}[arch],
             hidden_act=n.act, hidden_size=n.hidden, intermediate_size=n.ffn, num_hidden_layers=n.layers,
             num_attention_heads=n.heads, num_key_value_heads=n.kv, head_dim=n.head_dim, vocab_size=n.vocab,
             max_position_embeddings=n.context, rms_norm_eps=n.eps, rope_theta=n.theta, rope_scaling=None,
             attention_bias=False, tie_word_embeddings=n.tied, bos_token_id=1, eos_token_id=0, torch_dtype=dtype)
    if n.experts:
        e = n.experts
        c['num_local_experts' if arch.startswith('Mixtral') else 'num_experts'] = e.count
        c['num_experts_per_tok'] = e.used
        if arch.startswith('Qwen'):
            c.update(intermediate_size=4 * n.ffn, moe_intermediate_size=n.ffn, decoder_sparse_step=1, mlp_only_layers=[])
        if e.shared:
            c['shared_expert_intermediate_size'] = e.shared
        if e.scale != 1:
            c['routed_scaling_factor'] = e.scale
        if e.normalise and not arch.startswith('Mixtral'):  # absent is false
            c['norm_topk_prob'] = True
    if linear_class:
        c['quantization_config'] = dict(quant_method='bitnet', linear_class=linear_class, quantization_mode=mode,
                                        modules_to_not_convert=None)
    return c


def write_hf(folder, n, config, weights):
    """weights: [{name: array}] one entry a shard."""
    os.makedirs(folder, exist_ok=True)
    put = lambda f, s: open(os.path.join(folder, f), 'w').write(s)
    put('config.json', json.dumps(config, indent=1) + '\n')
    tokenizer, tokenizer_config = hf_files(n.vocab)
    put('tokenizer.json', tokenizer)
    put('tokenizer_config.json', tokenizer_config)
    put('generation_config.json', json.dumps(dict(bos_token_id=1, eos_token_id=0)) + '\n')
    if len(weights) == 1:
        write_safetensors(os.path.join(folder, 'model.safetensors'), weights[0], {'format': 'pt'})
        return
    where, total = {}, 0
    for i, shard in enumerate(weights):
        name = f'model-{i + 1:05d}-of-{len(weights):05d}.safetensors'
        write_safetensors(os.path.join(folder, name), shard, {'format': 'pt'})
        where.update({k: name for k in shard})
        total += sum((a.bits if isinstance(a, Bf16) else a).nbytes for a in shard.values())
    put('model.safetensors.index.json', json.dumps(dict(metadata=dict(total_size=total), weight_map=where), indent=1) + '\n')


def hf_key(name, mixtral=False):
    if name in ('token_embd', 'output_norm', 'output'):
        return {'token_embd': 'model.embed_tokens', 'output_norm': 'model.norm', 'output': 'lm_head'}[name] + '.weight'
    _, i, short, *rest = name.split('.')
    at = f'model.layers.{i}.'
    block = 'block_sparse_moe' if mixtral else 'mlp'
    if short == 'ffn_gate_inp':
        return f'{at}{block}.gate.weight'
    if short == 'ffn_gate_inp_shexp':
        return at + 'mlp.shared_expert_gate.weight'
    if short.endswith('_norm_in'):
        return at + HF_NAME[short.removesuffix('_norm_in')] + '.norm.weight'
    part = short.split('_')[1]
    if short in EXPERT:
        names = dict(gate='w1', up='w3', down='w2') if mixtral else {k: k + '_proj' for k in ('gate', 'up', 'down')}
        return f'{at}{block}.experts.{rest[0]}.{names[part]}.weight'
    if short in SHARED:
        return f'{at}mlp.shared_expert.{part}_proj.weight'
    if rest == ['bias']:
        return f'{at}{HF_NAME[short]}.bias'
    return f'model.layers.{i}.{HF_NAME[short]}.weight'
