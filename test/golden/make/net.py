# The network in numpy: RMSNorm, RoPE (half-split pairing), GQA attention, gated feed-forward, optional
# sub-norms and QK-norm, mixtures of experts, ternary or float matrices. float64 is the golden; float32 shows how far an
# honest f32 program strays. Modes: 'int8' rounds the inputs of ternary matrices per row, 'float' does not.
from dataclasses import dataclass, field
import numpy as np


@dataclass
class Matrix:
    """codes int8 [N][K] with scales f64 [N][K/block] (ternary), or values f64 [N][K] (float)."""
    codes: np.ndarray = None
    scales: np.ndarray = None
    values: np.ndarray = None

    def dense(self):
        if self.values is not None:
            return self.values
        n, k = self.codes.shape
        return self.codes * np.repeat(self.scales, k // self.scales.shape[1], 1)


@dataclass
class Experts:
    count: int
    used: int
    scores: str = 'softmax'  # or 'sigmoid'
    normalise: bool = True
    scale: float = 1.0
    bias: bool = False  # blk.N.exp_probs_b.bias is added while choosing
    shared: int = 0  # width of the expert of every row
    gated: bool = False  # which is multiplied by the sigmoid of blk.N.ffn_gate_inp_shexp


@dataclass
class Net:
    hidden: int
    ffn: int
    heads: int
    kv: int
    head_dim: int
    layers: int
    vocab: int
    context: int = 128
    theta: float = 10000.0
    eps: float = 1e-5
    act: str = 'silu'
    sub_norms: bool = False
    qk_norm: bool = False
    inner_norms: bool = False  # a norm of its own before every linear: blk.N.attn_q_norm_in and so on
    wide_qk: bool = False  # the QK-norm is over all heads at once
    qkv_bias: bool = False
    experts: Experts = None  # `ffn` is the width of one
    tied: bool = True
    w: dict = field(default_factory=dict)  # canonical name -> Matrix or gain vector
    _cache: dict = field(default_factory=dict)

    def dense(self, name, dtype):
        key = (name, dtype)
        if key not in self._cache:
            x = self.w[name]
            self._cache[key] = (x.dense() if isinstance(x, Matrix) else x).astype(dtype)
        return self._cache[key]

    def linear(self, x, name, mode, margin):
        w = self.dense(name, x.dtype)
        if mode == 'float' or self.w[name].codes is None:
            return x @ w.T
        a = np.maximum(np.abs(x).max(-1, keepdims=True), 1e-5)
        t = x * (127 / a)
        if margin is not None:
            margin[0] = min(margin[0], float(np.abs(t - np.floor(t) - 0.5).min()))
        q = np.clip(np.rint(t), -128, 127)
        return (q @ w.T) * (a / 127)

    def norm(self, x, name):
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + x.dtype.type(self.eps)) * self.dense(name, x.dtype)

    def rope(self, x, first):
        half = self.head_dim // 2
        angle = np.arange(first, first + x.shape[1])[:, None] * self.theta ** (-np.arange(half) / half)
        c, s = np.cos(angle).astype(x.dtype), np.sin(angle).astype(x.dtype)
        a, b = x[..., :half], x[..., half:]
        return np.concatenate([a * c - b * s, b * c + a * s], -1)

    def gate(self, g, u):
        return (np.maximum(g, 0) ** 2 if self.act == 'relu2' else g / (1 + np.exp(-g))) * u

    def mixture(self, a, p, mode, margin):
        """Row by row, as the formula has it; the router sees the row as it is."""
        e, out = self.experts, np.zeros_like(a)
        lin = lambda v, k: self.linear(v, p + k, mode, margin)
        for r, row in enumerate(a):
            z = self.dense(p + 'ffn_gate_inp', a.dtype) @ row
            if e.scores == 'softmax':
                s = np.exp(z - z.max())
                s = s / s.sum()
            else:
                s = 1 / (1 + np.exp(-z))
            by = s + self.dense(p + 'exp_probs_b.bias', a.dtype) if e.bias else s
            order = np.argsort(-by, kind='stable')
            if margin is not None and e.used < e.count:
                # In logits: how far the last that is chosen is from the first that is not.
                slope = 1 if e.scores == 'softmax' and not e.bias else 4
                gap = abs(z[order[e.used - 1]] - z[order[e.used]]) if slope == 1 else slope * (by[order[e.used - 1]] - by[order[e.used]])
                margin[0] = min(margin[0], float(gap))
            chosen = order[:e.used]
            w = s[chosen]
            if e.normalise:
                w = w / w.sum()
            w = w * a.dtype.type(e.scale)
            v = row[None]
            for weight, i in zip(w, chosen):
                f = self.gate(lin(v, f'ffn_gate_exps.{i}'), lin(v, f'ffn_up_exps.{i}'))
                out[r] += weight * lin(f, f'ffn_down_exps.{i}')[0]
            if e.shared:
                f = self.gate(lin(v, 'ffn_gate_shexp'), lin(v, 'ffn_up_shexp'))
                y = lin(f, 'ffn_down_shexp')[0]
                if e.gated:
                    y = y / (1 + np.exp(-(self.dense(p + 'ffn_gate_inp_shexp', a.dtype) @ row)))
                out[r] += y
        return out

    def forward(self, ids, mode='int8', dtype=np.float64, past=None, margin=None):
        """logits [len(ids)][vocab]; past: dict layer -> (k, v), extended in place."""
        x = self.states(ids, mode, dtype, past, margin)
        return x @ self.dense('token_embd' if self.tied else 'output', dtype).T

    def states(self, ids, mode='int8', dtype=np.float64, past=None, margin=None):
        """hidden states after the last norm [len(ids)][hidden]"""
        past = {} if past is None else past
        first = past[0][0].shape[1] if past else 0
        n, hd = len(ids), self.head_dim
        x = self.dense('token_embd', dtype)[np.asarray(ids)]
        mask = np.where(np.arange(first + n)[None] > np.arange(first, first + n)[:, None], -np.inf, 0).astype(dtype)
        for i in range(self.layers):
            p = f'blk.{i}.'
            inner = lambda v, k: self.norm(v, f'{p}{k}_norm_in') if self.inner_norms else v
            lin = lambda v, k: self.linear(inner(v, k), p + k, mode, margin)
            heads = lambda v: v.reshape(n, -1, hd).transpose(1, 0, 2)
            a = self.norm(x, p + 'attn_norm')
            q, k, v = (lin(a, 'attn_' + c) for c in 'qkv')
            if self.qkv_bias:
                q, k, v = (z + self.dense(f'{p}attn_{c}.bias', dtype) for z, c in ((q, 'q'), (k, 'k'), (v, 'v')))
            if self.wide_qk:
                q, k = self.norm(q, p + 'attn_q_norm'), self.norm(k, p + 'attn_k_norm')
            q, k, v = heads(q), heads(k), heads(v)
            if self.qk_norm and not self.wide_qk:
                q, k = self.norm(q, p + 'attn_q_norm'), self.norm(k, p + 'attn_k_norm')
            q, k = self.rope(q, first), self.rope(k, first)
            if i in past:
                k, v = np.concatenate([past[i][0], k], 1), np.concatenate([past[i][1], v], 1)
            past[i] = (k, v)
            group = self.heads // self.kv
            z = q @ np.repeat(k, group, 0).transpose(0, 2, 1) / dtype(np.sqrt(hd)) + mask
            z = np.exp(z - z.max(-1, keepdims=True))
            z /= z.sum(-1, keepdims=True)
            o = (z @ np.repeat(v, group, 0)).transpose(1, 0, 2).reshape(n, -1)
            if self.sub_norms:
                o = self.norm(o, p + 'attn_sub_norm')
            x = x + lin(o, 'attn_output')
            a = self.norm(x, p + 'ffn_norm')
            if self.experts:
                x = x + self.mixture(a, p, mode, margin)
                continue
            g, u = lin(a, 'ffn_gate'), lin(a, 'ffn_up')
            f = self.gate(g, u)
            if self.sub_norms:
                f = self.norm(f, p + 'ffn_sub_norm')
            x = x + lin(f, 'ffn_down')
        return self.norm(x, 'output_norm')

    def greedy(self, ids, steps, mode):
        """(tokens, top-1/top-2 gaps)"""
        past, out, gaps, step = {}, [], [], list(ids)
        for _ in range(steps):
            row = self.forward(step, mode, past=past)[-1]
            top = np.argsort(-row)[:2]
            out.append(int(top[0]))
            gaps.append(round(float(row[top[0]] - row[top[1]]), 5))
            step = out[-1:]
        return out, gaps
