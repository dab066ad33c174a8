"""Tiny checkpoints for tests: safetensors and GGUF files written byte by byte, so that they can also lie."""
import json
import struct

import numpy as np

# ---- safetensors ----

ST_TYPES = {"F64": np.float64, "F32": np.float32, "F16": np.float16, "I64": np.int64, "I32": np.int32, "I16": np.int16,
            "I8": np.int8, "U8": np.uint8, "BOOL": np.bool_}
ST_BYTES = {name: np.dtype(kind).itemsize for name, kind in ST_TYPES.items()} | {"BF16": 2, "F8_E4M3": 1, "F8_E5M2": 1}


def bf16(values):
    """float32 values as the uint16 that BF16 stores, rounded to nearest, ties to even; not for NaN."""
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)


def safetensors_bytes(tensors, metadata=None, header=None, header_bytes=None):
    """The file's bytes. tensors: {name: array, or (dtype name, shape, bytes)}.

    To lie: `header` may change the header (a function from and to a dict) or be it (bytes); `header_bytes` is the length
    that the first eight bytes give.
    """
    entries, body = {}, b""
    if metadata:
        entries["__metadata__"] = metadata
    for name, value in tensors.items():
        if not isinstance(value, tuple):
            array = np.ascontiguousarray(value)
            kind = next(key for key, dtype in ST_TYPES.items() if array.dtype == dtype)
            value = (kind, np.shape(value), array.tobytes())
        kind, shape, data = value
        entries[name] = {"dtype": kind, "shape": list(shape), "data_offsets": [len(body), len(body) + len(data)]}
        body += data
    if callable(header):
        entries = header(entries)
    text = header if isinstance(header, bytes) else json.dumps(entries).encode()
    if not isinstance(header, bytes):
        text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text) if header_bytes is None else header_bytes) + text + body


def write_safetensors(path, tensors, **options):
    path.write_bytes(safetensors_bytes(tensors, **options))
    return path


def write_sharded(folder, shards, tensors_elsewhere=None):
    """model-0000x-of-0000y.safetensors and their index. shards: a list of {name: array}; tensors_elsewhere: {name: file}
    entries that the index has beside the true ones."""
    weight_map, total = {}, 0
    for number, tensors in enumerate(shards, 1):
        name = f"model-{number:05}-of-{len(shards):05}.safetensors"
        total += (write_safetensors(folder / name, tensors)).stat().st_size
        weight_map |= {tensor: name for tensor in tensors}
    weight_map |= tensors_elsewhere or {}
    index = {"metadata": {"total_size": total}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return folder


def read_safetensors(path):
    """{name: array}. BF16 becomes float32; FP8 stays as its bytes."""
    with open(path, "rb") as file:
        (n,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(n))
        body = file.read()
    header.pop("__metadata__", None)
    out = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        raw = body[begin:end]
        if entry["dtype"] == "BF16":
            array = (np.frombuffer(raw, np.uint16).astype(np.uint32) << 16).view(np.float32)
        else:
            array = np.frombuffer(raw, ST_TYPES.get(entry["dtype"], np.uint8))
        out[name] = array.reshape(entry["shape"])
    return out


# ---- GGUF (version 3, little-endian) ----

GGUF_SCALARS = {"u8": (0, "<B"), "i8": (1, "<b"), "u16": (2, "<H"), "i16": (3, "<h"), "u32": (4, "<I"), "i32": (5, "<i"),
                "f32": (6, "<f"), "bool": (7, "<?"), "u64": (10, "<Q"), "i64": (11, "<q"), "f64": (12, "<d")}
GGUF_STRING, GGUF_ARRAY = 8, 9
GGML_TYPES = {np.dtype(np.float32): 0, np.dtype(np.float16): 1, np.dtype(np.int8): 24, np.dtype(np.int16): 25,
              np.dtype(np.int32): 26, np.dtype(np.int64): 27, np.dtype(np.float64): 28}


def gguf_text(value):
    raw = value if isinstance(value, bytes) else value.encode()
    return struct.pack("<Q", len(raw)) + raw


def gguf_payload(kind, value):
    if kind == "str":
        return GGUF_STRING, gguf_text(value)
    if kind.startswith("["):
        parts = [gguf_payload(kind[1:-1], item) for item in value]
        item_type = GGUF_STRING if kind == "[str]" else GGUF_SCALARS[kind[1:-1]][0]
        return GGUF_ARRAY, struct.pack("<IQ", item_type, len(parts)) + b"".join(data for _, data in parts)
    number, layout = GGUF_SCALARS[kind]
    return number, struct.pack(layout, value)


def gguf_value(value):
    """The value's type and bytes. A pair ("u32", 7) or ("[i32]", [1, 2]) says the type; others get the usual one."""
    if not isinstance(value, tuple):
        first = value[0] if isinstance(value, list) and value else value
        kind = ("bool" if isinstance(first, bool) else "i32" if isinstance(first, int) else
                "f32" if isinstance(first, float) else "str")
        value = (f"[{kind}]" if isinstance(value, list) else kind, value)
    number, data = gguf_payload(*value)
    return struct.pack("<I", number) + data


def gguf_bytes(fields, tensors, version=3, alignment=32, tensor_count=None, field_count=None, offsets=None):
    """The file's bytes. fields: {key: value or (type, value)}; tensors: {name: array, or (ggml type, shape outermost
    first, bytes)}. To lie: other counts, and offsets {name: offset}."""
    head = b"GGUF" + struct.pack("<IQQ", version, len(tensors) if tensor_count is None else tensor_count,
                                 len(fields) if field_count is None else field_count)
    for key, value in fields.items():
        head += gguf_text(key) + gguf_value(value)
    body = b""
    for name, value in tensors.items():
        if not isinstance(value, tuple):
            array = np.ascontiguousarray(value)
            value = (GGML_TYPES[array.dtype], np.shape(value), array.tobytes())
        kind, shape, data = value
        body += b"\0" * (-len(body) % alignment)
        head += gguf_text(name) + struct.pack("<I", len(shape)) + struct.pack(f"<{len(shape)}Q", *reversed(shape))
        head += struct.pack("<IQ", kind, (offsets or {}).get(name, len(body)))
        body += data
    return head + b"\0" * (-len(head) % alignment) + body


def write_gguf(path, fields, tensors, **options):
    path.write_bytes(gguf_bytes(fields, tensors, **options))
    return path
