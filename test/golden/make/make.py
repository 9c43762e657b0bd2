#!/usr/bin/env python3
# Makes every small random model, its goldens and manifest.json. `python3 test/golden/make/make.py`;
# with `--dense DIR` it instead writes F32 GGUFs of the networks that llama.cpp can run, for cross-checks.
# Needs numpy only. Deterministic: the same seeds give the same bytes.
import json
import os
import sys
sys.dont_write_bytecode = True
import numpy as np
import types_ggml as T
from build import LINEAR, facts, kind_of, gguf_metadata, gguf_tensors, hf_config, hf_key, net_of, write_hf
from containers import Bf16, write_gguf, write_split
from goldens import make_golden
from net import Experts, Matrix, Net

HERE = os.path.dirname(os.path.abspath(__file__))
DATA = os.path.join(HERE, '..', 'data')
DENSE = sys.argv[2] if len(sys.argv) > 2 and sys.argv[1] == '--dense' else None
cases = []


def golden(name, n, seed):
    if not DENSE:
        return make_golden(os.path.join(DATA, name), n, seed)
    if n.experts:
        return dense_mixture(name, n)
    if n.inner_norms:
        return  # llama.cpp has no such norms
    arch = 'qwen3' if n.qk_norm else 'bitnet' if n.sub_norms else 'llama'
    if arch == 'bitnet' and n.heads * n.head_dim != n.hidden:
        return  # llama.cpp takes no other head size here
    if n.act == 'relu2':  # which it cannot run: check the rest of the network, with SiLU, against its own golden
        n = Net(**{f: getattr(n, f) for f in n.__dataclass_fields__ if f not in ('act', '_cache')}, act='silu')
        make_golden(os.path.join(DENSE, name), n, seed)
    meta = gguf_metadata(n, arch, f'golden {name}', 'gpt-2')
    write_gguf(os.path.join(DENSE, name + '.gguf'), meta, gguf_tensors(n, {}, arch, 'F32'))


def dense_mixture(name, n):
    e = n.experts
    arch = 'olmoe' if n.wide_qk else 'qwen3moe' if n.qk_norm else 'qwen2moe' if e.shared else 'llama'
    usual = e.scores == 'softmax' and not e.bias and e.scale == 1 and e.normalise == (arch in ('llama', 'qwen3moe'))
    if not usual or (n.wide_qk and n.kv != n.heads):
        return  # llama.cpp reads no other routing of these architectures, and no norm of fewer keys than queries
    tensors = gguf_tensors(n, {}, arch, 'F32')
    if n.tied:  # llama.cpp wants a head of olmoe and qwen2moe: the same table
        tensors.append(('output.weight', *tensors[0][1:]))
    write_gguf(os.path.join(DENSE, name + '.gguf'), gguf_metadata(n, arch, f'golden {name}', 'gpt-2'), tensors)


def case(name, what, files, gold, config, options=None, cross=False):
    cases.append(dict(name=name, what=what, files=files, golden=f'data/{gold}.json', options=options or {},
                      expect=config, llamaCpp=cross))


def gguf_case(name, what, n, store, arch, kind, gold, pre='gpt-2', version=3, cross=False, file_type=0,
              options=None, split=None, more={}, **kw):
    meta = {**gguf_metadata(n, arch, f'golden {name}', pre, file_type), **more}
    layouts = layouts_of(n, store, kind)
    files = []
    if not DENSE:
        tensors = gguf_tensors(n, store, arch, kind, **kw)
        if split:
            files = [f'data/{os.path.basename(f)}' for f in write_split(os.path.join(DATA, name), meta, tensors, split)]
        else:
            write_gguf(os.path.join(DATA, name + '.gguf'), meta, tensors, version)
            files = [f'data/{name}.gguf']
    case(name, what, files, gold, facts(n, arch.replace('bitnet-25', 'bitnet-b1.58'), 'gguf', tensors=layouts),
         options, cross)


def layouts_of(n, store, kind):
    """How many linear matrices are ternary, with which scale block, and how many stay float."""
    linear = [w for k, w in n.w.items() if isinstance(w, Matrix) and kind_of(k) in LINEAR]
    ternary = [w for w in linear if w.codes is not None]
    mixed = [w for w in ternary if any(len({s for s in row if s}) > 1 for row in w.scales)]
    block = mixed[0].codes.shape[1] // mixed[0].scales.shape[1] if mixed else 0
    return dict(ternary=len(ternary), blockScaled=len(mixed), scaleBlock=block, float=len(linear) - len(ternary))


def bitnet_b158():
    what = 'bitnet-b1.58: ReLU2, sub-norms, GQA, tied F16 table, no tokenizer.ggml.pre; I2_S'
    n, store = net_of(101, hidden=64, ffn=128, heads=4, kv=2, head_dim=32, layers=2, vocab=280, act='relu2',
                      sub_norms=True, theta=500000.0)
    golden('b158', n, 1)
    for layout in ('x86', 'arm', 'rows4', 'sequential'):
        gguf_case(f'b158-{layout}', f'{what} {layout} layout', n, store, 'bitnet-b1.58', 'I2_S', 'b158', pre=None,
                  file_type=40, options={} if layout == 'x86' else dict(i2sLayout=layout), layout=layout)
    n, store = net_of(102, hidden=192, ffn=224, heads=6, kv=3, head_dim=32, layers=1, vocab=280, act='relu2',
                      sub_norms=True, theta=500000.0, table='Q8_0')
    golden('b158-k192', n, 2)
    gguf_case('b158-k192', 'rows of 192 and 224 columns begin inside a 128-block of I2_S; Q8_0 table', n, store,
              'bitnet-b1.58', 'I2_S', 'b158-k192', pre=None, file_type=40)
    n, store = net_of(103, hidden=64, ffn=128, heads=2, kv=1, head_dim=32, layers=2, vocab=280, act='relu2',
                      sub_norms=True, table='F32')
    golden('b25', n, 3)
    gguf_case('b25', 'bitnet-25, the other name of bitnet-b1.58; GGUF version 2, F32 table', n, store, 'bitnet-25',
              'I2_S', 'b25', pre='llama-bpe', version=2)
    gguf_case('b25-split', 'the same network in a split GGUF of two parts', n, store, 'bitnet-25', 'I2_S', 'b25',
              pre='llama-bpe', split=12)


def bitnet():
    n, store = net_of(201, hidden=256, ffn=256, heads=4, kv=4, head_dim=64, layers=1, vocab=280, sub_norms=True,
                      block=256, mixed=False, scale='f16', table='Q6_K')
    r = np.random.default_rng(2010)
    scale_tensors = {k: float(np.float32(r.uniform(0.5, 2))) for k in n.w if k.split('.')[-1] in LINEAR}
    for k, d in scale_tensors.items():
        n.w[k] = Matrix(n.w[k].codes, n.w[k].scales * d)
    golden('bitnet-scale', n, 4)
    gguf_case('bitnet-scale', 'bitnet (1bitLLM): SiLU, sub-norms, TQ2_0 times separate .scale tensors, Q6_K table, SentencePiece',
              n, store, 'bitnet', 'TQ2_0', 'bitnet-scale', pre='spm', file_type=37, cross=True, scale_tensors=scale_tensors)
    n, store = net_of(202, hidden=256, ffn=512, heads=4, kv=2, head_dim=64, layers=1, vocab=281, sub_norms=True,
                      block=256, scale='f16', table='Q4_0')
    golden('bitnet-tq1', n, 5)
    gguf_case('bitnet-tq1', 'bitnet: TQ1_0, another scale in each row and, in ffn_down, each block; Q4_0 table; 281 tokens',
              n, store, 'bitnet', 'TQ1_0', 'bitnet-tq1', file_type=36, cross=True)


def llama():
    n, store = net_of(301, hidden=256, ffn=512, heads=4, kv=1, head_dim=64, layers=1, vocab=280, block=256, scale='f16',
                      theta=1e6, table='Q8_0', output='Q4_K', eps=1e-6)
    golden('llama-tq2', n, 6)
    gguf_case('llama-tq2', 'llama: NORM RoPE, TQ2_0 with scales that differ along the rows of ffn_down, untied Q4_K head, Q8_0 table',
              n, store, 'llama', 'TQ2_0', 'llama-tq2', pre='llama-bpe', file_type=37, cross=True)
    n, store = net_of(302, hidden=64, ffn=128, heads=2, kv=1, head_dim=80, layers=2, vocab=280, theta=1e6,
                      table='both', output='both', gain='BF16')
    for k, w in n.w.items():  # scales that are one over a bf16: the packed twin divides by it
        if isinstance(w, Matrix) and w.codes is not None:
            n.w[k] = Matrix(w.codes, 1 / np.broadcast_to(T.bf16(1 / w.scales), w.scales.shape))
    golden('llama-hd80', n, 7)
    gguf_case('llama-hd80', 'llama: heads of 80 whose total is not the hidden size, RoPE base 1e6, I2_S, untied F16 head',
              n, store, 'llama', 'I2_S', 'llama-hd80', pre='falcon_e', file_type=40)
    if not DENSE:
        out = {}
        for k, w in n.w.items():
            if isinstance(w, Matrix) and w.codes is not None:
                out[hf_key(k)] = T.hf_packed(w.codes)
                out[hf_key(k) + '_scale'] = Bf16(T.bf16_bits(1 / w.scales[0]))
            else:
                out[hf_key(k)] = Bf16(T.bf16_bits(w.values if isinstance(w, Matrix) else w))
        write_hf(os.path.join(DATA, 'llama-hd80-packed'), n, hf_config(n, 'LlamaForCausalLM', 'bitlinear', 'offline'), [out])
    case('llama-hd80-packed', 'the same network as Hugging Face LlamaForCausalLM: packed uint8, scales divide (bitlinear), NEOX RoPE',
         folder('llama-hd80-packed'), 'llama-hd80', facts(n, 'llama', 'safetensors', tensors=layouts_of(n, {}, '')))
    n, store = net_of(303, hidden=64, ffn=96, heads=2, kv=2, head_dim=32, layers=2, vocab=280, table='BF16',
                      float_layers=['F16', 'Q4_0'])
    golden('llama-float', n, 8)
    gguf_case('llama-float', 'llama whose matrices are not ternary: F16 in layer 0, Q4_0 in layer 1, all float maths; tied BF16 table',
              n, store, 'llama', 'F16', 'llama-float', pre='default', file_type=1, cross=True)


def qwen3():
    n, store = net_of(401, hidden=128, ffn=192, heads=2, kv=1, head_dim=64, layers=2, vocab=283, qk_norm=True, block=64,
                      scale='f16', theta=1e6, eps=1e-6, table='Q2_0')
    golden('qwen3-q2', n, 9)
    gguf_case('qwen3-q2', 'qwen3: QK-norm, Q2_0 block 64 with scales mixed along a row, tied Q2_0 table, 283 tokens', n, store,
              'qwen3', 'Q2_0', 'qwen3-q2', pre='qwen2', cross=True)
    n, store = net_of(402, hidden=128, ffn=256, heads=4, kv=2, head_dim=32, layers=1, vocab=280, qk_norm=True, block=128,
                      scale='f16', theta=1e6, eps=1e-6, table='Q2_0', output='Q2_0')
    golden('qwen3-q2-128', n, 10)
    gguf_case('qwen3-q2-128', 'qwen3: Q2_0 in blocks of 128 under the same id 42, told by extents; untied Q2_0 head', n, store,
              'qwen3', 'Q2_0_128', 'qwen3-q2-128', pre='qwen2')
    gguf_case('qwen3-pq2', 'the same network as PQ2_0, id 142', n, store, 'qwen3', 'PQ2_0', 'qwen3-q2-128', pre='qwen2')
    n, store = net_of(403, hidden=64, ffn=96, heads=2, kv=1, head_dim=100, layers=1, vocab=280, qk_norm=True, scale='bf16',
                      eps=1e-6, table='BF16', gain='BF16')
    golden('qwen3-hf', n, 11)
    if not DENSE:
        out = {hf_key(k): Bf16(T.bf16_bits(w.dense() if isinstance(w, Matrix) else w)) for k, w in n.w.items()}
        write_hf(os.path.join(DATA, 'qwen3-hf'), n, hf_config(n, 'Qwen3ForCausalLM', None, None), [out])
    case('qwen3-hf', 'Qwen3ForCausalLM in bf16 whose matrices hold only -s, 0, +s: already ternary; heads of 100',
         folder('qwen3-hf'), 'qwen3-hf', facts(n, 'qwen3', 'safetensors', tensors=layouts_of(n, {}, '')))


def embedding():
    """BitNet embedding models: qwen3 with a norm before every linear, and vectors of texts."""
    n, store = net_of(411, hidden=64, ffn=96, heads=4, kv=2, head_dim=32, layers=2, vocab=280, qk_norm=True,
                      inner_norms=True, theta=1e6, eps=1e-6, table='BF16', gain='BF16', scale='bf16')
    golden('qwen3-inner', n, 21)
    if not DENSE:  # vectors of token lists: the last hidden state, of length 1
        r = np.random.default_rng(22)
        lists = [[int(i) for i in r.integers(3, 280, k)] for k in (1, 7, 40)]
        vectors = {mode: [(lambda v: (v / np.sqrt(v @ v)).astype(np.float32).tolist())(n.states(ids, mode)[-1])
                          for ids in lists] for mode in ('float', 'int8')}
        with open(os.path.join(DATA, 'qwen3-inner.vectors.json'), 'w') as f:
            json.dump(dict(ids=lists, **vectors), f)
            f.write('\n')
    gguf_case('qwen3-inner', 'qwen3 with a norm before every linear (BitNet embedding models), pooled by the last token; I2_S',
              n, store, 'qwen3', 'I2_S', 'qwen3-inner', pre='qwen2', file_type=40, more={'qwen3.pooling_type': 3})
    if not DENSE:
        out = {hf_key(k): Bf16(T.bf16_bits(w.dense() if isinstance(w, Matrix) else w)) for k, w in n.w.items()}
        write_hf(os.path.join(DATA, 'qwen3-inner-hf'), n, {**hf_config(n, 'Qwen3ForCausalLM', None, None),
                                                           'architectures': ['Qwen3Model']},
                 [{k.removeprefix('model.'): v for k, v in out.items()}])
    case('qwen3-inner-hf', 'the same network as Qwen3Model in bf16 whose matrices hold only -s, 0, +s; names without model.',
         folder('qwen3-inner-hf'), 'qwen3-inner', facts(n, 'qwen3', 'safetensors', tensors=layouts_of(n, {}, '')))


def bitnet_hf():
    n, store = net_of(501, hidden=64, ffn=96, heads=2, kv=1, head_dim=32, layers=2, vocab=280, act='relu2', sub_norms=True,
                      theta=500000.0, table='BF16', gain='BF16')
    r = np.random.default_rng(5010)
    out, where, packed = {}, [{}, {}], {}
    for k, w in n.w.items():
        if not (isinstance(w, Matrix) and w.codes is not None):
            out[hf_key(k)] = packed[hf_key(k)] = Bf16(T.bf16_bits(w.values if isinstance(w, Matrix) else w))
            continue
        # A master whose absmean rounding gives some codes: the layer's float type first, then codes and scale from it.
        std = (1.6 if k.endswith('attn_output') else 1.0) / np.sqrt(w.codes.shape[1])
        kind = 'BF16' if k.startswith('blk.0') else 'F32'
        m = r.standard_normal(w.codes.shape) * std
        v = T.encode_float(kind, m)[1]
        for _ in range(9):  # keep every |w| / s clear of the tie at one half
            s = max(np.abs(v).mean(), 1e-5)
            close = np.abs(np.abs(v) / s - 0.5) < 1e-3
            if not close.any():
                break
            v = T.encode_float(kind, np.where(close, v * 1.02, v))[1]
        assert not close.any()
        s = max(np.abs(v).mean(), 1e-5)
        codes = np.clip(np.rint(v / s), -1, 1).astype(np.int8)
        n.w[k] = Matrix(codes, np.full((codes.shape[0], 1), np.float64(np.float32(s))))
        out[hf_key(k)] = Bf16(T.bf16_bits(v)) if kind == 'BF16' else v.astype(np.float32)
        packed[hf_key(k)] = T.hf_packed(codes)
        packed[hf_key(k) + '_scale'] = np.array([s], np.float32)
    for k, a in out.items():
        where[1 if 'layers.1' in k or k == 'model.norm.weight' else 0][k] = a
    golden('bitnet-hf', n, 12)
    if not DENSE:
        write_hf(os.path.join(DATA, 'bitnet-hf-packed'), n, hf_config(n, 'BitNetForCausalLM', 'autobitlinear', 'offline'), [packed])
        write_hf(os.path.join(DATA, 'bitnet-hf-master'), n, hf_config(n, 'BitNetForCausalLM', 'autobitlinear', 'online'), where)
    expect = facts(n, 'bitnet-b1.58', 'safetensors', tensors=layouts_of(n, {}, ''))
    case('bitnet-hf-packed', 'BitNetForCausalLM packed uint8, f32 scales multiply (autobitlinear), ReLU2, bf16 table',
         folder('bitnet-hf-packed'), 'bitnet-hf', expect)
    case('bitnet-hf-master', 'the same network as float masters, bf16 in layer 0 and f32 in layer 1, two shards with an index',
         folder('bitnet-hf-master'), 'bitnet-hf', expect)


def packed_experts(name, n, arch, linear_class, mixtral=False):
    """Packed codes; the scales multiply, or (bitlinear) divide."""
    out = {}
    for k, w in n.w.items():
        key = hf_key(k, mixtral)
        if isinstance(w, Matrix) and w.codes is not None:
            s = w.scales[0, 0]
            out[key] = T.hf_packed(w.codes)
            out[key + '_scale'] = np.array([1 / s if linear_class == 'bitlinear' else s], np.float32)
        else:
            v = w.values if isinstance(w, Matrix) else w
            v = v[None] if k.endswith('ffn_gate_inp_shexp') else v
            out[key] = Bf16(T.bf16_bits(v)) if np.array_equal(T.bf16(v), v) else v.astype(np.float32)
    write_hf(os.path.join(DATA, name), n, hf_config(n, arch, linear_class, 'offline'), [out])


def mixtures():
    small = dict(heads=4, kv=2, head_dim=16, vocab=280)
    n, store = net_of(601, hidden=256, ffn=256, heads=4, kv=2, head_dim=64, vocab=280, layers=1, block=256, scale='f16',
                      table='Q8_0', experts=Experts(count=4, used=2))
    golden('moe-mixtral', n, 13)
    gguf_case('moe-mixtral', 'llama with experts (Mixtral): 2 of 4, softmax, renormalised; TQ2_0 stacks, each row with its scale',
              n, store, 'llama', 'TQ2_0', 'moe-mixtral', file_type=37, cross=True)
    n, store = net_of(602, hidden=256, ffn=256, heads=4, kv=2, head_dim=64, vocab=280, layers=1, block=256, scale='f16',
                      table='Q8_0', experts=Experts(count=5, used=2, scores='sigmoid', scale=2.5, bias=True))
    golden('moe-sigmoid', n, 14)
    gguf_case('moe-sigmoid', 'llama with experts: sigmoid scores, a bias that only chooses, renormalised, then scaled; TQ1_0 stacks',
              n, store, 'llama', 'TQ1_0', 'moe-sigmoid', file_type=36)
    n, store = net_of(603, hidden=64, ffn=128, layers=2, qk_norm=True, block=64, scale='f16', theta=1e6, eps=1e-6,
                      table='Q2_0', experts=Experts(count=8, used=3), **small)
    golden('moe-qwen3', n, 15)
    gguf_case('moe-qwen3', 'qwen3moe: 3 of 8, renormalised; expert_feed_forward_length; Q2_0 stacks with scales mixed along a row',
              n, store, 'qwen3moe', 'Q2_0', 'moe-qwen3', pre='qwen2', cross=True)
    n, store = net_of(604, hidden=64, ffn=64, layers=2, qkv_bias=True, block=64, mixed=False, scale='f16', theta=1e6,
                      table='BF16', gain='BF16', experts=Experts(count=6, used=2, normalise=False, shared=128, gated=True), **small)
    golden('moe-qwen2', n, 16)
    gguf_case('moe-qwen2', 'qwen2moe: 2 of 6, not renormalised; a shared expert of another width with its gate; biases of q, k and v; Q2_0',
              n, store, 'qwen2moe', 'Q2_0', 'moe-qwen2', pre='qwen2')
    if not DENSE:
        packed_experts('moe-qwen2-hf', n, 'Qwen2MoeForCausalLM', 'autobitlinear')
    case('moe-qwen2-hf', 'the same network as Qwen2MoeForCausalLM, packed, a tensor for each expert', folder('moe-qwen2-hf'),
         'moe-qwen2', facts(n, 'qwen2moe', 'safetensors', tensors=layouts_of(n, {}, '')))
    n, store = net_of(605, hidden=64, ffn=64, layers=2, qk_norm=True, wide_qk=True, block=64, mixed=False, scale='bf16',
                      table='BF16', gain='BF16', experts=Experts(count=8, used=3, normalise=False), **small)
    golden('moe-olmoe', n, 17)
    gguf_case('moe-olmoe', 'olmoe: 3 of 8, not renormalised; the QK-norm spans all heads; Q2_0 stacks', n, store, 'olmoe', 'Q2_0',
              'moe-olmoe')
    if not DENSE:
        out = {}
        for k, w in n.w.items():
            v = w.dense() if isinstance(w, Matrix) else w
            out[hf_key(k)] = Bf16(T.bf16_bits(v))
        write_hf(os.path.join(DATA, 'moe-olmoe-hf'), n, hf_config(n, 'OlmoeForCausalLM', None, None), [out])
    case('moe-olmoe-hf', 'the same network as OlmoeForCausalLM in bf16, already ternary', folder('moe-olmoe-hf'), 'moe-olmoe',
         facts(n, 'olmoe', 'safetensors', tensors=layouts_of(n, {}, '')))
    n, store = net_of(606, hidden=64, ffn=96, layers=2, scale='f32', theta=1e6, table='BF16', output='BF16', gain='BF16',
                      experts=Experts(count=4, used=2), **small)
    for k, w in n.w.items():  # scales that are one over an f32: the packed form divides by it
        if isinstance(w, Matrix) and w.codes is not None:
            n.w[k] = Matrix(w.codes, 1 / np.broadcast_to((1 / w.scales).astype(np.float32).astype(np.float64), w.scales.shape))
    golden('moe-mixtral-hf', n, 18)
    if not DENSE:
        packed_experts('moe-mixtral-hf', n, 'MixtralForCausalLM', 'bitlinear', mixtral=True)
    case('moe-mixtral-hf', 'MixtralForCausalLM: w1 is the gate, w3 goes up, w2 down; packed, scales divide; untied head',
         folder('moe-mixtral-hf'), 'moe-mixtral-hf', facts(n, 'llama', 'safetensors', tensors=layouts_of(n, {}, '')))
    n, store = net_of(607, hidden=64, ffn=64, layers=1, qk_norm=True, scale='bf16', table='BF16', gain='BF16',
                      experts=Experts(count=6, used=3, normalise=False), **small)
    golden('moe-qwen3-hf', n, 19)
    if not DENSE:
        out = {hf_key(k): Bf16(T.bf16_bits(w.dense() if isinstance(w, Matrix) else w)) for k, w in n.w.items()}
        write_hf(os.path.join(DATA, 'moe-qwen3-hf'), n, hf_config(n, 'Qwen3MoeForCausalLM', None, None), [out])
    case('moe-qwen3-hf', 'Qwen3MoeForCausalLM without norm_topk_prob, which is false: not renormalised; bf16', folder('moe-qwen3-hf'),
         'moe-qwen3-hf', facts(n, 'qwen3moe', 'safetensors', tensors=layouts_of(n, {}, '')))


def folder(name):
    path = os.path.join(DATA, name)
    return [] if DENSE else [f'data/{name}/{f}' for f in sorted(os.listdir(path))]


def main():
    os.makedirs(DENSE or DATA, exist_ok=True)
    for group in (bitnet_b158, bitnet, llama, qwen3, embedding, bitnet_hf, mixtures):
        group()
    if DENSE:
        return
    tolerances = {
        'probe': 1e-3, 'float': 1e-3, 'int8Nrmse': 0.03, 'greedyMargin': 0.4,
    }
    rule = ('Strict mode. probe: max |difference| of every probe row, int8. float: the same for prompts with '
            'activations float. int8Nrmse: rms difference over the standard deviation of the golden rows. greedy: '
            'teacher-forced; where the golden gap is at least greedyMargin the arg-max must be the golden id.')
    with open(os.path.join(HERE, '..', 'manifest.json'), 'w') as f:
        json.dump(dict(rule=rule, tolerances=tolerances, cases=cases), f, indent=2)
        f.write('\n')


main()
