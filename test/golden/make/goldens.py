# Chooses prompts and probes for a network and writes its golden values: logits in both activation
# modes, greedy continuations with the top-1/top-2 gap of every step, rounding margins.
import json
import numpy as np
from containers import write_safetensors
from dataclasses import replace
from net import Matrix, Net

PROBE_TRIES = 600
VISIBLE = 0.02  # a mistake must move some logit by at least this much


def rope_norm_pairs(n, x, first):
    """The RoPE mistake: neighbouring pairs instead of half-split ones."""
    half = n.head_dim // 2
    angle = np.arange(first, first + x.shape[1])[:, None] * n.theta ** (-np.arange(half) / half)
    c, s, a, b = np.cos(angle), np.sin(angle), x[..., 0::2], x[..., 1::2]
    return np.stack([a * c - b * s, b * c + a * s], -1).reshape(x.shape)


def mistakes(n):
    """Networks that are wrong in one way each; every golden must tell them from the right one."""
    base = {f: getattr(n, f) for f in n.__dataclass_fields__ if f != '_cache'}
    make = lambda **kw: Net(**{**base, **kw})
    yield 'theta', make(theta=10000.0 if n.theta != 10000.0 else 500000.0)
    yield 'activation', make(act='silu' if n.act == 'relu2' else 'relu2')
    yield 'eps', make(eps=1e-2)
    if n.sub_norms:
        yield 'no sub-norms', make(sub_norms=False)
    if n.inner_norms:
        yield 'no inner norms', make(inner_norms=False)
        w = dict(n.w)
        for i in range(n.layers):
            w[f'blk.{i}.attn_k_norm_in'] = w[f'blk.{i}.attn_v_norm_in'] = w[f'blk.{i}.attn_q_norm_in']
            w[f'blk.{i}.ffn_up_norm_in'] = w[f'blk.{i}.ffn_gate_norm_in']
        yield 'one inner norm for all of an input', make(w=w)
    if n.qk_norm:
        yield 'no QK-norm', make(qk_norm=False, wide_qk=False)
    if n.wide_qk:  # a norm over each head
        w = dict(n.w)
        for i in range(n.layers):
            for c in 'qk':
                w[f'blk.{i}.attn_{c}_norm'] = w[f'blk.{i}.attn_{c}_norm'][:n.head_dim]
        yield 'QK-norm over heads', make(wide_qk=False, w=w)
    if n.qkv_bias:
        yield 'no biases', make(qkv_bias=False)
    if n.experts:
        yield from expert_mistakes(n, make)
    if not n.tied:
        yield 'tied head', make(tied=True)
    if n.kv > 1 and n.kv != n.heads:  # query heads dealt out in turn instead of in groups
        order = [h for i in range(n.kv) for h in range(i, n.heads, n.kv)]
        rows = np.array(order)[:, None] * n.head_dim + np.arange(n.head_dim)
        w = dict(n.w)
        for i in range(n.layers):
            q, o = w[f'blk.{i}.attn_q'].dense(), w[f'blk.{i}.attn_output'].dense()
            w[f'blk.{i}.attn_q'], w[f'blk.{i}.attn_output'] = Matrix(values=q[rows.ravel()]), Matrix(values=o[:, rows.ravel()])
        yield 'head groups', make(w=w)
    wrong = make()
    wrong.rope = lambda x, first: rope_norm_pairs(wrong, x, first)
    yield 'RoPE pairing', wrong


def expert_mistakes(n, make):
    e = n.experts
    but = lambda **kw: make(experts=replace(e, **kw))
    yield 'normalised or not', but(normalise=not e.normalise)
    yield 'one expert less', but(used=e.used - 1)
    yield 'scores', but(scores='sigmoid' if e.scores == 'softmax' else 'softmax')
    if e.scale != 1:
        yield 'no scale', but(scale=1.0)
        if e.normalise:  # the scale, and then normalised: as if there were none
            yield 'scale too early', but(scale=1.0)
    if e.bias:
        yield 'no selection bias', but(bias=False)
    if e.shared:
        yield 'no shared expert', but(shared=0)
    if e.gated:
        yield 'no shared gate', but(gated=False)
    swapped = dict(n.w)
    for k in n.w:
        if 'ffn_gate_exps' in k:
            up = k.replace('gate', 'up')
            swapped[k], swapped[up] = n.w[up], n.w[k]
    yield 'gate and up swapped', make(w=swapped)
    last = dict(n.w)  # all experts are the first one
    for k in n.w:
        if '_exps.' in k:
            last[k] = n.w[k[:k.rindex('.')] + '.0']
    yield 'one expert for all', make(w=last)


def check_sensitivity(n, ids):
    right, seen = n.forward(ids, 'float'), {}
    for name, wrong in mistakes(n):
        seen[name] = float(np.abs(wrong.forward(ids, 'float') - right).max())
        assert seen[name] > VISIBLE, f'the golden would not notice: {name} {seen[name]}'
    return seen


def margin_of(n, ids):
    m = [1.0]
    logits = n.forward(ids, 'int8', margin=m)
    return m[0], logits


def choice_of(n, ids):
    """Smallest distance of a choice of experts from another one, with float activations."""
    m = [1.0]
    n.forward(ids, 'float', margin=m)
    return m[0]


def candidates(r, n, length, count):
    return [[1, *map(int, r.integers(2, n.vocab, length - 1))] if length > 1 else [int(r.integers(2, n.vocab))]
            for _ in range(count)]


def diff(a, b):
    return float(np.abs(a - b).max())


def f32_run(n, ids, mode):
    return n.forward(ids, mode, np.float32).astype(np.float64)


def find_probes(n, r, tensors):
    """Prompts whose activations all lie far from a rounding tie, the best of PROBE_TRIES."""
    probes = []
    tries = PROBE_TRIES if not n.experts or n.hidden < 128 else PROBE_TRIES // 3
    for length in (1, 1, 2, 3):
        rows = n.dense('token_embd', np.float64)
        pool = [c for c in candidates(r, n, length, tries // 4) if all(rows[i].any() for i in c)]
        best = max(pool, key=lambda ids: margin_of(n, ids)[0])
        m, logits = margin_of(n, best)
        other = n.forward(best, 'float')
        tensors[f'probe.{len(probes)}'] = logits.astype(np.float32)
        probes.append(dict(ids=best, roundingMargin=m, f32MaxDiff=diff(f32_run(n, best, 'int8'), logits),
                           floatMaxDiff=diff(other, logits), argmax=[int(i) for i in logits.argmax(-1)]))
    return probes


def make_golden(stem, n, seed):
    """Writes <stem>.json and <stem>.safetensors."""
    r = np.random.default_rng(seed)
    tensors, prompts = {}, []
    probes = find_probes(n, r, tensors)
    # Of experts every row is judged, in float: none may be about to choose another.
    lengths = ((1, 20), (6, 60), (24, 20)) if n.experts else ((1, 1), (6, 60), (40, 1))
    for length, tries in lengths:
        pool = candidates(r, n, length, tries)
        ids = max(pool, key=lambda p: choice_of(n, p) if n.experts else margin_of(n, p)[0])
        assert not n.experts or choice_of(n, ids) > 1e-3
        positions = list(range(length)) if length <= 6 or n.experts else [0, 15, 30, 31, 32, 39]  # around a KV block's edge
        entry = dict(ids=ids, positions=positions, roundingMargin=margin_of(n, ids)[0])
        for mode in ('int8', 'float'):
            logits = n.forward(ids, mode)[positions]
            tensors[f'{mode}.{len(prompts)}'] = logits.astype(np.float32)
            f32 = f32_run(n, ids, mode)[positions]
            tokens, gaps = n.greedy(ids, 16, mode)
            entry[mode] = dict(greedy=tokens, gaps=gaps, f32MaxDiff=diff(f32, logits),
                               f32Nrmse=float(np.sqrt(((f32 - logits) ** 2).mean()) / logits.std()),
                               sd=float(logits.std()))
        prompts.append(entry)
    seen = check_sensitivity(n, prompts[1]['ids'])
    save = dict(reference='numpy float64, test/golden/make/net.py', seed=seed, prompts=prompts, probes=probes)
    with open(stem + '.json', 'w') as f:
        json.dump(save, f, indent=1)
        f.write('\n')
    write_safetensors(stem + '.safetensors', tensors)
    worst = max(p['f32MaxDiff'] for p in probes)
    print(f"{stem.split('/')[-1]:24} probes: margin {min(p['roundingMargin'] for p in probes):.1e} f32 {worst:.1e} "
          f"float {min(p['floatMaxDiff'] for p in probes):.2f}; sd {prompts[2]['int8']['sd']:.2f} "
          f"f32 int8 nrmse {max(p['int8']['f32Nrmse'] for p in prompts):.1e} float {max(p['float']['f32MaxDiff'] for p in prompts):.1e} "
          f"min gap {min(min(p['int8']['gaps']) for p in prompts):.3f}")
    print('   moved by a mistake:', ', '.join(f'{k} {v:.2f}' for k, v in seen.items()))
