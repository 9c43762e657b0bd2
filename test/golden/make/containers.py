# Writers of GGUF (v2 and v3, whole or split) and safetensors. Used by models.py.
import json
import struct
import numpy as np
from types_ggml import TYPE_ID


class U16(int):
    pass


class I32(int):
    pass


def _string(s):
    b = s.encode() if isinstance(s, str) else s
    return struct.pack('<Q', len(b)) + b


def _value(v):
    """(type id, bytes). Python int = u32, float = f32; lists take the type of their first element."""
    if isinstance(v, bool):
        return 7, struct.pack('<?', v)
    if isinstance(v, U16):
        return 2, struct.pack('<H', v)
    if isinstance(v, I32):
        return 5, struct.pack('<i', v)
    if isinstance(v, int):
        return 4, struct.pack('<I', v)
    if isinstance(v, float):
        return 6, struct.pack('<f', v)
    if isinstance(v, (str, bytes)):
        return 8, _string(v)
    kind = _value(v[0])[0]
    return 9, struct.pack('<IQ', kind, len(v)) + b''.join(_value(x)[1] for x in v)


def gguf_bytes(metadata, tensors, version=3, alignment=32):
    """tensors: [(name, type name, shape as [rows, cols] or [cols], bytes)]"""
    out = struct.pack('<4sIQQ', b'GGUF', version, len(tensors), len(metadata))
    for key, v in metadata.items():
        kind, raw = _value(v)
        out += _string(key) + struct.pack('<I', kind) + raw
    offset, body = 0, []
    for name, kind, shape, raw in tensors:
        dims = list(shape)[::-1]
        out += _string(name) + struct.pack('<I', len(dims)) + struct.pack(f'<{len(dims)}Q', *dims)
        out += struct.pack('<IQ', TYPE_ID[kind], offset)
        pad = -len(raw) % alignment
        body.append(raw + bytes(pad))
        offset += len(raw) + pad
    out += bytes(-len(out) % alignment)
    return out + b''.join(body)


def write_gguf(path, metadata, tensors, version=3):
    open(path, 'wb').write(gguf_bytes(metadata, tensors, version))


def write_split(stem, metadata, tensors, cut):
    """Two parts: the first has all metadata, each its own tensors."""
    parts = [tensors[:cut], tensors[cut:]]
    names = []
    for i, part in enumerate(parts):
        split = {'split.no': U16(i), 'split.count': U16(2), 'split.tensors.count': I32(len(tensors))}
        name = f'{stem}-{i + 1:05d}-of-00002.gguf'
        write_gguf(name, {**metadata, **split} if i == 0 else split, part)
        names.append(name)
    return names


ST_TYPE = {'float32': 'F32', 'float16': 'F16', 'uint8': 'U8', 'int8': 'I8'}


class Bf16:
    def __init__(self, bits):
        self.bits = bits


def write_safetensors(path, tensors, metadata=None):
    header, offset, body = {}, 0, []
    if metadata:
        header['__metadata__'] = metadata
    for name, a in tensors.items():
        kind = 'BF16' if isinstance(a, Bf16) else ST_TYPE[str(a.dtype)]
        a = np.ascontiguousarray(a.bits if isinstance(a, Bf16) else a)
        raw = a.tobytes()
        header[name] = dict(dtype=kind, shape=list(a.shape), data_offsets=[offset, offset + len(raw)])
        offset += len(raw)
        body.append(raw)
    head = json.dumps(header, separators=(',', ':')).encode()
    head += b' ' * (-len(head) % 8)
    open(path, 'wb').write(struct.pack('<Q', len(head)) + head + b''.join(body))
