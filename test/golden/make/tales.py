#!/usr/bin/env python3
# Probes of the embedded model with its Q8_0 table, as it ships: ../ryz-tales/embq8_0.{json,safetensors}.
# The other goldens of that directory come with the model and belong to its bf16 table. Also checks this
# numpy network against them. `python3 test/golden/make/tales.py`, from anywhere.
import json
import os
import struct
import sys
sys.dont_write_bytecode = True
import numpy as np
from containers import write_safetensors
from goldens import find_probes
from net import Matrix, Net

HERE = os.path.dirname(os.path.abspath(__file__))
MODEL = os.path.join(HERE, '../../../demo/public/models/ryz-tales-tq2_0-embq8_0.gguf')
TALES = os.path.join(HERE, '../ryz-tales/')
SCALAR = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}


def read_tensors(path):
    """name -> (type, dims, start, file bytes)"""
    b = open(path, 'rb').read()
    at = 24

    def string():
        nonlocal at
        n, = struct.unpack_from('<Q', b, at)
        at += 8 + n
        return b[at - n:at].decode()

    def skip(kind):
        nonlocal at
        if kind == 8:
            string()
        elif kind == 9:
            kind, n = struct.unpack_from('<IQ', b, at)
            at += 12
            for _ in range(n):
                skip(kind)
        else:
            at += SCALAR[kind]

    _, tensors, pairs = struct.unpack_from('<IQQ', b, 4)
    for _ in range(pairs):
        string()
        at += 4
        skip(struct.unpack_from('<I', b, at - 4)[0])
    infos = {}
    for _ in range(tensors):
        name = string()
        d, = struct.unpack_from('<I', b, at)
        dims = struct.unpack_from(f'<{d}Q', b, at + 4)
        infos[name] = (*struct.unpack_from('<IQ', b, at + 4 + 8 * d), dims)
        at += 16 + 8 * d
    base = -(-at // 32) * 32
    return {k: (kind, dims, base + start, b) for k, (kind, start, dims) in infos.items()}


def load():
    n = Net(hidden=256, ffn=768, heads=4, kv=4, head_dim=64, layers=4, vocab=4096, context=512, sub_norms=True)
    for name, (kind, dims, at, b) in read_tensors(MODEL).items():
        name = name.removesuffix('.weight')
        count = int(np.prod(dims))
        if kind == 0:
            n.w[name] = np.frombuffer(b, '<f4', count, at).astype(np.float64)
        elif kind == 8:
            raw = np.frombuffer(b, np.uint8, count // 32 * 34, at).reshape(-1, 34)
            d = np.ascontiguousarray(raw[:, :2]).view('<f2').astype(np.float64)
            n.w[name] = Matrix(values=(raw[:, 2:].view(np.int8) * d).reshape(dims[1], dims[0]))
        else:
            raw = np.frombuffer(b, np.uint8, count // 256 * 66, at).reshape(-1, 66)
            qs = raw[:, :64].reshape(-1, 2, 1, 32) >> np.array([0, 2, 4, 6], np.uint8)[:, None] & 3
            d = np.ascontiguousarray(raw[:, 64:]).view('<f2').astype(np.float64)
            n.w[name] = Matrix(qs.reshape(dims[1], dims[0]).astype(np.int8) - 1, d.reshape(dims[1], -1))
    return n


def main():
    n = load()
    tensors = {}
    probes = find_probes(n, np.random.default_rng(600), tensors)
    with open(TALES + 'embq8_0.json', 'w') as f:
        json.dump(dict(reference='numpy float64, test/golden/make/tales.py', probes=probes), f, indent=1)
        f.write('\n')
    write_safetensors(TALES + 'embq8_0.safetensors', tensors)
    for p in probes:
        print(p['ids'], f"margin {p['roundingMargin']:.1e} f32 {p['f32MaxDiff']:.1e} float {p['floatMaxDiff']:.2f}")
    # The same network with the bf16 table must give the probes that came with the model.
    bits = np.fromfile(TALES + 'embedding.bf16', '<u2').astype(np.uint32) << 16
    n.w['token_embd'] = Matrix(values=bits.view(np.float32).astype(np.float64).reshape(4096, 256))
    n._cache.clear()
    raw = open(TALES + 'probes.safetensors', 'rb').read()
    size, = struct.unpack_from('<Q', raw)
    header = json.loads(raw[8:8 + size])
    for i, p in enumerate(json.load(open(TALES + 'probes.json'))['probes']):
        start, end = header[f'probe.{i}']['data_offsets']
        want = np.frombuffer(raw[8 + size + start:8 + size + end], '<f4').reshape(-1, 4096)
        off = float(np.abs(n.forward(p['ids']) - want).max())
        assert off < 1e-5, (p['ids'], off)
    print('the probes that came with the model are met')


if __name__ == '__main__':
    main()
