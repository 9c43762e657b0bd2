# Byte layouts of the tensor types, as encoders from ternary codes and scales, or (for the float
# types of tables and heads) as generators of random blocks together with the values they stand for.
# Written from the format notes alone; shares nothing with src/. Used by models.py.
import numpy as np

TYPE_ID = dict(F32=0, F16=1, Q4_0=2, Q8_0=8, Q4_K=12, Q6_K=14, BF16=30, TQ1_0=34, TQ2_0=35, I2_S=36,
               Q2_0=42, PQ2_0=142)


def f16(x):
    return np.asarray(x, np.float64).astype(np.float16)


def bf16_bits(x):
    """Round to nearest even; returns uint16."""
    u = np.asarray(x, np.float32).view(np.uint32).astype(np.uint64)
    return ((u + 0x7FFF + ((u >> 16) & 1)) >> 16).astype(np.uint16)


def bf16_value(bits):
    return (bits.astype(np.uint32) << 16).view(np.float32)


def bf16(x):
    return bf16_value(bf16_bits(x)).astype(np.float64)


# ---- ternary types: codes int8 [N][K] in {-1, 0, 1}, scales f64 [N][blocks]

def i2_s(codes, scale, layout):
    """n/4 bytes of codes w + 1, then 32 bytes that open with the f32 scale of the tensor."""
    n, k = codes.shape
    c = (codes + 1).astype(np.uint8)
    flat = c.reshape(-1)
    out = np.zeros(n * k // 4, np.uint8)
    i = np.arange(n * k)
    if layout == 'x86':
        byte, shift = (i >> 7) * 32 + (i & 31), 6 - 2 * ((i >> 5) & 3)
    elif layout == 'arm':
        byte, shift = (i >> 6) * 16 + (i & 15), 6 - 2 * ((i >> 4) & 3)
    elif layout == 'sequential':
        byte, shift = i // 4, 6 - 2 * (i % 4)
    elif layout == 'rows4':
        row, col = i // k, i % k
        byte, shift = (row // 4) * k + col, 6 - 2 * (row % 4)
    np.bitwise_or.at(out, byte, flat << shift.astype(np.uint8))
    tail = np.zeros(8, '<f4')
    tail[0] = scale
    return out.tobytes() + tail.tobytes()


def tq2_0(codes, scales):
    n, k = codes.shape
    q = (codes + 1).astype(np.uint8).reshape(n, k // 256, 2, 4, 32)  # [j][l][k]
    qs = q[:, :, :, 0] | q[:, :, :, 1] << 2 | q[:, :, :, 2] << 4 | q[:, :, :, 3] << 6
    d = f16(scales).reshape(n, k // 256, 1).view(np.uint8).reshape(n, k // 256, 2)
    return np.concatenate([qs.reshape(n, k // 256, 64), d], -1).tobytes()


def tq1_0(codes, scales):
    n, k = codes.shape
    q = (codes + 1).astype(np.int32).reshape(n, k // 256, 256)

    def pack(t):  # t [..., trits, bytes], first trit most significant, padded with 0 to five
        v = np.zeros(t.shape[:-2] + t.shape[-1:], np.int32)
        for i in range(5):
            v = v * 3 + (t[..., i, :] if i < t.shape[-2] else 0)
        return ((v * 256 + 242) // 243).astype(np.uint8)

    a = pack(q[..., :160].reshape(n, -1, 5, 32))
    b = pack(q[..., 160:240].reshape(n, -1, 5, 16))
    c = pack(q[..., 240:].reshape(n, -1, 4, 4))
    d = f16(scales).reshape(n, k // 256, 1).view(np.uint8).reshape(n, k // 256, 2)
    return np.concatenate([a, b, c, d], -1).tobytes()


def q2_0(codes, scales, block):
    n, k = codes.shape
    q = (codes + 1).astype(np.uint8).reshape(n, k // block, block // 4, 4)
    qs = q[..., 0] | q[..., 1] << 2 | q[..., 2] << 4 | q[..., 3] << 6
    d = f16(scales).reshape(n, k // block, 1).view(np.uint8).reshape(n, k // block, 2)
    return np.concatenate([d, qs], -1).tobytes()


def hf_packed(codes):
    """uint8 [N/4][K]; bits 2i of byte row r hold weight row i * N/4 + r."""
    n, k = codes.shape
    q = (codes + 1).astype(np.uint8).reshape(4, n // 4, k)
    return q[0] | q[1] << 2 | q[2] << 4 | q[3] << 6


# ---- float types: (bytes, values f64 [N][K]) from the wanted values

def q8_0(w):
    b = w.reshape(w.shape[0], -1, 32)
    d = f16(np.abs(b).max(-1, keepdims=True) / 127)
    q = np.clip(np.rint(b / d.astype(np.float64)), -127, 127).astype(np.int8)
    raw = np.concatenate([d.view(np.uint8), q.view(np.uint8)], -1).tobytes()
    return raw, (q * d.astype(np.float64)).reshape(w.shape)


def q4_0(w):
    b = w.reshape(w.shape[0], -1, 32)
    d = f16(np.abs(b).max(-1, keepdims=True) / 7.5)
    q = np.clip(np.rint(b / d.astype(np.float64)) + 8, 0, 15).astype(np.uint8)
    raw = np.concatenate([d.view(np.uint8), q[..., :16] | q[..., 16:] << 4], -1).tobytes()
    return raw, ((q.astype(np.float64) - 8) * d.astype(np.float64)).reshape(w.shape)


def q6_k(w):
    n, k = w.shape
    b = w.reshape(n, k // 256, 16, 16)
    top = np.abs(b).max(-1, keepdims=True) / 31
    d = f16(top.max(-2, keepdims=True) / 127)
    dd = d.astype(np.float64)
    sc = np.maximum(np.rint(top / dd), 1)
    sc[..., ::3, :] *= -1  # scales are signed: some files hold negative ones
    q = np.clip(np.rint(b / (sc * dd)), -32, 31)
    value = (q * sc * dd).reshape(w.shape)
    u = (q + 32).astype(np.uint8).reshape(n, k // 256, 2, 4, 32)  # [half][quarter][l]
    ql = np.stack([u[..., 0, :] & 15 | (u[..., 2, :] & 15) << 4, u[..., 1, :] & 15 | (u[..., 3, :] & 15) << 4], -2)
    qh = u[..., 0, :] >> 4 | u[..., 1, :] >> 4 << 2 | u[..., 2, :] >> 4 << 4 | u[..., 3, :] >> 4 << 6
    m = (n, k // 256, -1)
    raw = np.concatenate([ql.reshape(m), qh.reshape(m), sc.astype(np.int8).view(np.uint8).reshape(m),
                          d.view(np.uint8).reshape(m)], -1).tobytes()
    return raw, value


def q4_k(w):
    n, k = w.shape
    b = w.reshape(n, k // 256, 8, 32)
    low = np.maximum(-b.min(-1, keepdims=True), 0)
    step = (b.max(-1, keepdims=True) + low) / 15
    d, dmin = f16(step.max(-2, keepdims=True) / 63), f16(low.max(-2, keepdims=True) / 63)
    dd, dm = d.astype(np.float64), dmin.astype(np.float64)
    sc = np.clip(np.rint(step / dd), 1, 63)
    mn = np.clip(np.rint(low / dm), 0, 63)
    q = np.clip(np.rint((b + mn * dm) / (sc * dd)), 0, 15)
    value = (q * sc * dd - mn * dm).reshape(w.shape)
    s, m = sc[..., 0].astype(np.uint8), mn[..., 0].astype(np.uint8)
    packed = np.concatenate([s[..., :4] | s[..., 4:] >> 4 << 6, m[..., :4] | m[..., 4:] >> 4 << 6,
                             s[..., 4:] & 15 | (m[..., 4:] & 15) << 4], -1)
    u = q.astype(np.uint8).reshape(n, k // 256, 4, 2, 32)
    qs = (u[..., 0, :] | u[..., 1, :] << 4).reshape(n, k // 256, 128)
    z = (n, k // 256, -1)
    raw = np.concatenate([d.view(np.uint8).reshape(z), dmin.view(np.uint8).reshape(z), packed, qs], -1).tobytes()
    return raw, value


def encode_float(kind, w):
    """(bytes, exact f64 values) of a matrix or vector in a float type."""
    if kind == 'F32':
        v = w.astype('<f4')
        return v.tobytes(), v.astype(np.float64)
    if kind == 'F16':
        v = f16(w)
        return v.tobytes(), v.astype(np.float64)
    if kind == 'BF16':
        bits = bf16_bits(w)
        return bits.tobytes(), bf16_value(bits).astype(np.float64)
    return {'Q8_0': q8_0, 'Q4_0': q4_0, 'Q6_K': q6_k, 'Q4_K': q4_k}[kind](w)
