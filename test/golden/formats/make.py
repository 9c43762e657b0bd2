#!/usr/bin/env python3
"""Goldens for test/format/goldens.test.ts: raw bytes of every tensor type and what they stand for.

Independent of src/: numpy only, written from the format descriptions. Where the gguf package is
installed its dequantize() must agree on every type it knows. Run: python3 make.py (writes goldens.json).
"""
import base64
import json
import os

import numpy as np

rng = np.random.default_rng(20261123)
F16 = np.dtype("<f2")
F32 = np.dtype("<f4")


def b64(array):
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()


def halves(*shape):
    """Random finite positive f16 scales."""
    return rng.uniform(0.01, 0.2, shape).astype(F16)


# ---- ternary types: codes (w + 1) and scales -> bytes -------------------------------------------


def tq2_0(codes, d):
    """codes [blocks, 256], d f16 [blocks] -> 66 bytes a block."""
    c = codes.reshape(-1, 2, 4, 32).astype(np.uint8)  # [block][half][l][k]
    qs = c[:, :, 0] | c[:, :, 1] << 2 | c[:, :, 2] << 4 | c[:, :, 3] << 6
    return np.concatenate([qs.reshape(-1, 64), d.reshape(-1, 1).view(np.uint8)], 1)


def base3(trits):
    """[..., 5] trits, first most significant -> the byte ceil(v * 256 / 243)."""
    v = (trits.astype(np.int64) * np.array([81, 27, 9, 3, 1])).sum(-1)
    return ((v * 256 + 242) // 243).astype(np.uint8)


def tq1_0(codes, d):
    c = codes.reshape(-1, 256)
    first = base3(c[:, :160].reshape(-1, 5, 32).swapaxes(1, 2))
    second = base3(c[:, 160:240].reshape(-1, 5, 16).swapaxes(1, 2))
    rest = c[:, 240:].reshape(-1, 4, 4).swapaxes(1, 2)
    rest = base3(np.concatenate([rest, np.zeros_like(rest[..., :1])], -1))
    return np.concatenate([first, second, rest, d.reshape(-1, 1).view(np.uint8)], 1)


def q2_0(codes, d, block):
    c = codes.reshape(-1, block // 4, 4).astype(np.uint8)
    qs = (c << np.array([0, 2, 4, 6], np.uint8)).sum(-1).astype(np.uint8)
    return np.concatenate([d.reshape(-1, 1).view(np.uint8), qs], 1)


def i2_s(codes, scale, layout):
    """codes [rows, cols] -> n/4 bytes and a 32 byte tail that begins with the f32 scale."""
    flat = codes.reshape(-1).astype(np.uint8)
    i = np.arange(flat.size)
    if layout == "x86":
        byte, shift = (i >> 7) * 32 + (i & 31), 6 - 2 * ((i >> 5) & 3)
    elif layout == "arm":
        byte, shift = (i >> 6) * 16 + (i & 15), 6 - 2 * ((i >> 4) & 3)
    elif layout == "rows4":
        row, col = np.divmod(i, codes.shape[1])
        byte, shift = (row // 4) * codes.shape[1] + col, 6 - 2 * (row % 4)
    else:
        byte, shift = i // 4, 6 - 2 * (i % 4)
    body = np.zeros(flat.size // 4, np.uint8)
    np.bitwise_or.at(body, byte, flat << shift.astype(np.uint8))
    tail = np.zeros(32, np.uint8)
    tail[:4] = np.array([scale], F32).view(np.uint8)
    return np.concatenate([body, tail])


def hf_packed(codes):
    parts = codes.reshape(4, codes.shape[0] // 4, codes.shape[1]).astype(np.uint8)
    return parts[0] | parts[1] << 2 | parts[2] << 4 | parts[3] << 6


# ---- general types: bytes -> values ---------------------------------------------------------------


def from_q8_0(raw):
    b = raw.reshape(-1, 34)
    d = b[:, :2].copy().view(F16).astype(F32)
    return (d * b[:, 2:].view(np.int8).astype(F32)).reshape(-1)


def from_q4_0(raw):
    b = raw.reshape(-1, 18)
    d = b[:, :2].copy().view(F16).astype(F32)
    q = np.concatenate([b[:, 2:] & 15, b[:, 2:] >> 4], 1).astype(np.int32) - 8
    return (d * q.astype(F32)).reshape(-1)


def from_q4_k(raw):
    b = raw.reshape(-1, 144)
    d = b[:, 0:2].copy().view(F16).astype(F32)
    dmin = b[:, 2:4].copy().view(F16).astype(F32)
    s = b[:, 4:16]
    scale = np.concatenate([s[:, 0:4] & 63, (s[:, 8:12] & 15) | ((s[:, 0:4] >> 6) << 4)], 1)
    low = np.concatenate([s[:, 4:8] & 63, (s[:, 8:12] >> 4) | ((s[:, 4:8] >> 6) << 4)], 1)
    qs = b[:, 16:].reshape(-1, 4, 32)
    q = np.stack([qs & 15, qs >> 4], 2).reshape(-1, 8, 32).astype(F32)
    return ((d * scale)[..., None] * q - (dmin * low)[..., None]).astype(F32).reshape(-1)


def from_q6_k(raw):
    b = raw.reshape(-1, 210)
    ql, qh = b[:, :128].reshape(-1, 2, 2, 32), b[:, 128:192].reshape(-1, 2, 32)
    sc = b[:, 192:208].copy().view(np.int8).astype(F32)
    d = b[:, 208:210].copy().view(F16).astype(F32)
    out = np.empty((b.shape[0], 2, 4, 32), np.int32)
    for quarter in range(4):
        nibble = (ql[:, :, quarter % 2] >> (4 * (quarter // 2))) & 15
        out[:, :, quarter] = nibble | ((qh >> (2 * quarter)) & 3) << 4
    scale = np.repeat((d * sc).reshape(-1, 2, 4, 2), 16, -1)
    return (scale * (out - 32).astype(F32)).astype(F32).reshape(-1)


# ---- layouts of the backends ------------------------------------------------------------------------


def t2(codes):
    """The tile order of src/format/layout.ts, from its description."""
    rows, cols = codes.shape
    padded = np.ones((-(-rows // 4) * 4, -(-cols // 64) * 64), np.uint8)
    padded[:rows, :cols] = codes
    tiles = padded.reshape(padded.shape[0] // 4, 4, padded.shape[1] // 64, 4, 16)
    tiles = tiles.transpose(0, 2, 1, 3, 4)  # [row group][col tile][row][quarter][b]
    return tiles[..., 0, :] | tiles[..., 1, :] << 2 | tiles[..., 2, :] << 4 | tiles[..., 3, :] << 6


def pad16(values):
    out = np.zeros((values.shape[0], -(-values.shape[1] // 16) * 16), values.dtype)
    out[:, : values.shape[1]] = values
    return out


def int8_rows(values):
    """scale = max|w| / 127 in f32, q = rint(w / scale) in f32."""
    scale = np.abs(values).max(1).astype(F32) / F32.type(127)
    safe = np.where(scale == 0, F32.type(1), scale)
    return pad16(np.clip(np.rint(values / safe[:, None]), -127, 127).astype(np.int8)), scale


def int4_rows(values):
    """Groups of 16 columns, [row][block][part][group][lane]: the peak becomes -8, scales are in 127ths."""
    rows, cols = values.shape
    blocks = -(-cols // 64)
    v = np.zeros((rows, blocks * 64), F32)
    v[:, :cols] = values
    v = v.reshape(rows, blocks, 4, 4, 4)
    in_group = v.transpose(0, 1, 3, 4, 2).reshape(rows, blocks, 4, 16)  # lane by lane
    first = np.abs(in_group).argmax(-1)[..., None]
    peak = np.take_along_axis(in_group, first, -1)[..., 0]
    scale = np.abs(values).max(1).astype(F32) / F32.type(8) / F32.type(127)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.nan_to_num(peak / F32.type(-8) / scale[:, None, None], nan=0)
        factors = np.clip(np.rint(ratio), -127, 127)
        step = factors.astype(F32) * scale[:, None, None]
        quotient = np.where(step[:, :, None, :, None] == 0, F32.type(0), v / step[:, :, None, :, None])
    codes = (np.clip(np.rint(quotient), -8, 7) + 8).astype(np.uint8).reshape(rows, blocks, 2, 2, 16)
    packed = (codes[:, :, :, 0] | codes[:, :, :, 1] << 4).reshape(rows, -1)
    out = np.zeros((rows, -(-blocks * 36 // 16) * 16), np.uint8)
    out[:, : blocks * 32] = packed
    out[:, blocks * 32 : blocks * 36] = factors.astype(np.int8).view(np.uint8).reshape(rows, -1)
    return out, scale


def tables(values):
    """The values as int8 and as int4 tables."""
    (i8, i8scales), (i4, i4scales) = int8_rows(values), int4_rows(values)
    return {"i8": b64(i8), "i8scales": b64(i8scales), "i4": b64(i4), "i4scales": b64(i4scales)}


cases = []


def case(name, type_, rows, cols, raw, **more):
    cases.append({"name": name, "type": type_, "rows": rows, "cols": cols, "raw": b64(raw), **more})


def ternary_case(name, type_, codes, scales, raw, block=0, **more):
    """scales f32: [rows], or [rows, cols / block] when they are truly mixed; returns the values."""
    rows, cols = codes.shape
    each = np.repeat(scales.reshape(rows, -1), cols // scales.reshape(rows, -1).shape[1], 1)
    values = (codes.astype(np.int32) - 1).astype(F32) * each
    case(name, type_, rows, cols, raw, t2=b64(t2(codes)), scales=b64(scales.astype(F32)),
         scaleBlock=block, **tables(values), **more)
    return values


def random_codes(rows, cols):
    return rng.integers(0, 3, (rows, cols)).astype(np.uint8)


checks = []  # (gguf type name, raw, values)

for type_, block, encode in (
    ("TQ2_0", 256, tq2_0),
    ("TQ1_0", 256, tq1_0),
    ("Q2_0_64", 64, lambda c, d: q2_0(c, d, 64)),
    ("Q2_0_128", 128, lambda c, d: q2_0(c, d, 128)),
):
    rows, cols = 5, 512
    codes = random_codes(rows, cols)
    per_row = halves(rows, 1)
    raw = encode(codes.reshape(-1, block), np.repeat(per_row, cols // block, 1).reshape(-1))
    v = ternary_case(f"{type_}, one scale a row", type_, codes, per_row.astype(F32), raw)
    checks.append((type_, raw, v))

    # Blocks of scale 0 mean zeros whatever their codes say, and do not spoil the row's scale.
    d = np.repeat(per_row, cols // block, 1)
    d[1:, 1] = 0
    quiet = codes.copy().reshape(rows, -1, block)
    quiet[1:, 1] = 1
    raw = encode(codes.reshape(-1, block), d.reshape(-1))
    ternary_case(f"{type_}, blocks of scale 0", type_, quiet.reshape(rows, cols), per_row.astype(F32), raw)

    d = halves(rows, cols // block)
    raw = encode(codes.reshape(-1, block), d.reshape(-1))
    v = ternary_case(f"{type_}, mixed scales", type_, codes, d.astype(F32), raw, block=block)
    checks.append((type_, raw, v))

for layout in ("x86", "arm", "rows4", "sequential"):
    codes = random_codes(8, 192)  # rows begin inside a block of 128
    scale = F32.type(0.37)
    ternary_case(f"I2_S {layout}", "I2_S", codes, np.full(8, scale, F32),
                 i2_s(codes, scale, layout), i2sLayout=layout)

codes = random_codes(12, 100)
ternary_case("HF packed", "HF_T2", codes, np.ones(12, F32), hf_packed(codes))


def float_case(name, type_, values, raw, masters=False, **more):
    case(name, type_, *values.shape, raw, flat=b64(pad16(values)),
         **tables(values), masters=masters, **more)


plain = rng.normal(0, 0.05, (5, 84)).astype(F32)
plain[3] = 0
plain[4, :2] = [-0.0, 2.0**-24]
float_case("F32", "F32", plain, plain)
half = plain.astype(F16)
float_case("F16", "F16", half.astype(F32), half, f16=b64(pad16(half)))
brain = (plain.view("<u4") >> 16).astype("<u2")
float_case("BF16", "BF16", (brain.astype("<u4") << 16).view(F32), brain)

for type_, nbytes, halfs, decode in (
    ("Q8_0", 34, [0], from_q8_0),
    ("Q4_0", 18, [0], from_q4_0),
    ("Q4_K", 144, [0, 2], from_q4_k),
    ("Q6_K", 210, [208], from_q6_k),
):
    elems = {"Q8_0": 32, "Q4_0": 32}.get(type_, 256)
    raw = rng.integers(0, 256, (2 * 512 // elems, nbytes)).astype(np.uint8)
    for at in halfs:
        raw[:, at : at + 2] = halves(len(raw), 1).view(np.uint8)
    values = decode(raw).reshape(2, 512)
    float_case(type_, type_, values, raw)
    checks.append((type_, raw, values))

# Masters: absmean in f64; ties of w / s at one half go to zero.
master = rng.normal(0, 0.05, (6, 96)).astype(F32)
s = max(np.abs(master.astype(np.float64)).mean(), 1e-5)
codes = (np.clip(np.rint(master.astype(np.float64) / s), -1, 1) + 1).astype(np.uint8)
case("F32 masters", "F32", 6, 96, master, masters=True, t2=b64(t2(codes)),
     scales=b64(np.full(6, s, F32)), scaleBlock=0)

# Already ternary: in f32, f16, and in Q8_0, where every block's d is s / 127.
codes = random_codes(6, 96)
for type_, dtype in (("F32", F32), ("F16", F16)):
    w = (codes.astype(np.int32) - 1).astype(dtype) * dtype.type(0.0625)
    case(f"{type_}, already ternary", type_, 6, 96, w, masters=True, t2=b64(t2(codes)),
         scales=b64(np.full(6, 0.0625, F32)), scaleBlock=0)
d = np.full((18, 1), 0.001, F16)
raw = np.concatenate([d.view(np.uint8), ((codes.astype(np.int32) - 1) * 127).astype(np.int8).view(np.uint8).reshape(-1, 32)], 1)
s = F32.type(d[0, 0]) * F32.type(127)
case("Q8_0, already ternary", "Q8_0", 6, 96, raw, masters=False, t2=b64(t2(codes)),
     scales=b64(np.full(6, s, F32)), scaleBlock=0)

try:
    import gguf
except ImportError:
    print("gguf is not installed: nothing was cross-checked")
else:
    for type_, raw, values in checks:
        kind = getattr(gguf.GGMLQuantizationType, {"Q2_0_64": "Q2_0"}.get(type_, type_), None)
        if kind is None:
            print(f"{type_}: unknown to gguf")
            continue
        theirs = gguf.quants.dequantize(raw.reshape(-1), kind).reshape(-1)
        assert np.array_equal(theirs, values.reshape(-1)), type_
        print(f"{type_}: agrees with gguf")

out = os.path.join(os.path.dirname(os.path.abspath(__file__)), "goldens.json")
with open(out, "w") as f:
    json.dump(cases, f, indent=2)
    f.write("\n")
print(f"{len(cases)} cases, {os.path.getsize(out)} bytes")
