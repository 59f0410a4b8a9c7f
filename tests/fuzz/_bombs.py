"""Inputs that are small but ask for much, each read in a process of its own, its memory measured.

Run by `test_bombs.py` as a script, with limits set by the environment: a line of JSON for each.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import os
import resource
import struct
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from pc_workbench.views.own_picture import read_picture
from pccore import datasets
from pccore.datasets import ImageShape
from pccore.errors import PCError
from pccore.files import load_bytes
from pccore.limits import current_limits

HEAD = b'{"format":"pccore","version":1,"variables":[],"roots":[],"groups":['


def _header(shape: tuple[int, ...], dtype: str) -> bytes:
    text = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    text += b" " * (-(len(text) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


def _npz(**members: tuple[tuple[int, ...], str]) -> bytes:
    """Arrays of zeros: a thousandth of their size when deflated."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, (shape, dtype) in members.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                member.write(_header(shape, dtype))
                left = int(np.prod(shape, dtype=np.float64)) * np.dtype(dtype).itemsize
                while left > 0:
                    left -= member.write(bytes(min(left, 2**20)))
    return stream.getvalue()


def _einet(variables: int, times: int = 1, **members: tuple[tuple[int, ...], str]) -> bytes:
    """An Einsum network of zeros whose leaf regions hold all variables."""
    leaf = {"scope": list(range(variables))}
    text = {"version": 1, "variables": variables, "family": "binomial", "trials": 1,
            "leaves": [leaf] * times, "layers": [{"products": []}]}  # fmt: skip
    stream = io.BytesIO(_npz(layer_1=((1, 1, 1, 1), "<f8"), **members))
    with zipfile.ZipFile(stream, "a") as archive, archive.open("einet.npy", "w") as member:
        np.lib.format.write_array(member, np.array(json.dumps(text)))
    return stream.getvalue()


def _safetensors(header: str, data: bytes = b"") -> bytes:
    text = header.encode()
    return len(text).to_bytes(8, "little") + text + data


def _png(side: int, mode: str) -> bytes:
    stream = io.BytesIO()
    Image.new(mode, (side, side)).save(stream, "png")
    return stream.getvalue()


def _model(name: str) -> Callable[[bytes], object]:
    return lambda data: load_bytes(data, name)


def _table(name: str) -> Callable[[bytes], object]:
    def read(data: bytes) -> object:
        path = Path(tempfile.gettempdir()) / name
        path.write_bytes(data)
        return datasets.load(path)

    return read


def bombs() -> Iterator[tuple[str, Callable[[bytes], object], Callable[[], bytes]]]:
    """(name, reader, what makes the input). Sizes follow the limits, at or just above them."""
    limits = current_limits()
    n, values = limits.max_text_size, limits.max_values
    json_bytes = limits.max_json_bytes - 200

    def filled(item: bytes) -> bytes:
        return HEAD + item * (json_bytes // len(item)) + b"0]}"

    model = _model("m.pc.json")
    yield "json of numbers", model, lambda: filled(b"0.1,")
    yield "json of texts", model, lambda: filled(b'"ab",')
    yield "json of objects", model, lambda: filled(b'{"a":1},')
    yield "json of lists", model, lambda: filled(b"[],")
    yield "deep json", model, lambda: b"[" * json_bytes
    yield "deep json behind flat", model, lambda: HEAD + b"0," * 1000 + b"[" * 99_999
    yield "long number", model, lambda: filled(b"9")
    text = _model("m.nnf")
    yield "d-DNNF of literals", text, lambda: b"nnf 1 0 9\n" + b"L 1\n" * n
    yield "d-DNNF, one wide node", text, lambda: b"nnf 1 0 9\nL 1\nO 0 9 " + b"0 " * n
    yield (
        "d-DNNF doubling",
        text,
        lambda: ("nnf 1 0 9\nL 1\n" + "".join(f"A 2 {k} {k}\n" for k in range(n // 4))).encode(),
    )
    yield (
        "PSDD",
        _model("m.psdd"),
        lambda: ("psdd 1\n" + "".join(f"T {k} 0 1 -1\n" for k in range(n))).encode(),
    )
    yield (
        "PSDD of many variables",
        _model("m.psdd"),
        lambda: ("psdd 1\n" + "".join(f"T {k} {k} {k + 1} -1\n" for k in range(n // 2))).encode(),
    )
    yield (
        "network of many variables",
        _model("m.uai"),
        lambda: (f"MARKOV\n{n // 50}\n" + "2 " * (n // 50) + "\n0\n").encode(),
    )
    yield "network like a star", _model("m.uai"), lambda: (
        f"MARKOV\n{n // 100}\n" + "2 " * (n // 100) + f"\n{n // 100 - 1}\n"
        + "".join(f"2 0 {k}\n" for k in range(1, n // 100)) + "4 1 1 1 1\n" * (n // 100 - 1)
    ).encode()  # fmt: skip
    yield "network with a huge table", _model("m.uai"), lambda: (
        b"MARKOV\n30\n" + b"2 " * 30 + b"\n1\n30 " + b" ".join(b"%d" % k for k in range(30))
        + b"\n1073741824\n" + b"1 " * 1000
    )  # fmt: skip
    formula = _model("m.pc.txt")
    yield (
        "formula that laughs",
        formula,
        lambda: (
            "a0 = 0.5*x + 0.5*!x\n"
            + "".join(f"a{k + 1} = a{k} * a{k} * a{k}\n" for k in range(3000))
        ).encode(),
    )
    yield "formula of powers", formula, lambda: b"(((x+!x)^16*(y+!y)^16)^16)^16"
    yield "deep formula", formula, lambda: b"(" * 90_000 + b"x" + b")" * 90_000
    code = _model("m.build.py")
    yield (
        "code that laughs",
        code,
        lambda: (
            b"from pccore.build import bernoulli\na = bernoulli('X', 0.5)\n" + b"a = a * a\n" * 5000
        ),
    )
    yield "deep code", code, lambda: b"model = " + b"-" * 150_000 + b"1"
    yield (
        "gzip of blank lines",
        _model("m.psdd.gz"),
        lambda: gzip.compress(b"\n" * (limits.max_bytes - 9)),
    )
    yield "gzip above the limit", _model("m.nnf.gz"), lambda: gzip.compress(bytes(2**28))
    einet, units = _model("m.einet.npz"), limits.max_bytes // 4096 - 50
    yield "einet of one leaf", einet, lambda: _einet(512, leaves=((512, units, 1, 1), "<f8"))
    yield "einet above the limit", einet, lambda: _einet(512, leaves=((512, units, 9, 1), "<f8"))
    yield "einet, one leaf often", einet, lambda: _einet(512, 100, leaves=((512, 99, 1, 1), "<f8"))
    tensors = _model("m.pc.safetensors")
    yield "safetensors, a header of 2^60", tensors, lambda: (2**60).to_bytes(8, "little") + b"{}"
    yield "safetensors, a shape of 2^120", tensors, lambda: _safetensors(
        '{"a":{"dtype":"F32","shape":[1099511627776,1099511627776,1099511627776],'
        '"data_offsets":[0,4]}}', b"1234",
    )  # fmt: skip
    yield "safetensors, many entries", tensors, lambda: _safetensors(
        "{" + ",".join(
            f'"{k}":{{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}' for k in range(9000)
        ) + "}"
    )  # fmt: skip
    rows = values // 8
    npz = _table("d.npz")
    yield "npz at the limit", npz, lambda: _npz(x=((rows, 8), "|u1"))
    yield "npz above the limit", npz, lambda: _npz(x=((8 * rows, 8), "|u1"))
    yield "npz, wide numbers", npz, lambda: _npz(train=((rows * 39 // 100, 8), "<f8"))
    yield (
        "npz, several at the limit",
        npz,
        lambda: _npz(
            train=((rows // 2, 8), "<f8"),
            test=((rows // 2, 8), "<f8"),
            valid=((rows // 2, 8), "<f8"),
        ),
    )
    yield "npz, labels", npz, lambda: _npz(x=((4, 2), "|u1"), y=((values // 2,), "<i8"))
    yield "npz, names", npz, lambda: _npz(x=((4, 2), "|u1"), variables=((2,), f"<U{values // 4}"))
    yield "npz, a huge shape", npz, lambda: _npz(x=((0, 2**40), "|u1"))
    yield "npz, many members", npz, lambda: _npz(**{f"a{k}": ((1, 1), "|u1") for k in range(999)})
    csv = _table("d.csv")
    size = limits.max_table_bytes
    yield "csv of numbers", csv, lambda: b"a,b\n" + b"1,2\n" * (size // 4 - 1)
    yield "csv with gaps", csv, lambda: b"a,b\n" + b"1,\n" * (size // 3 - 2)
    yield "csv of words", csv, lambda: b"a,b\n" + b"x,y\n" * (size // 4 - 1)
    yield (
        "csv, different words",
        csv,
        lambda: b"a,b\n" + b"".join(b"w%d,%d\n" % (k, k) for k in range(size // 20)),
    )
    yield "csv, one line", csv, lambda: b"x," * (size // 2)
    yield "csv, wide letters", csv, lambda: "a,\U0001f600\n".encode() + b"1,2\n" * (size // 4 - 3)
    yield "csv, an open quote", csv, lambda: b'a,b\n"' + b"x\n" * (size // 2 - 4)
    yield "csv above the limit", csv, lambda: b"1" * (size + 1)
    side = int(limits.max_pixels**0.5)

    def own(data: bytes) -> object:
        return read_picture(data, ImageShape(28, 28, 1, 255))

    for mode in ("L", "RGBA", "P", "I;16"):
        yield f"picture {mode}", own, lambda mode=mode: _png(side, mode)
    yield "picture above the limit", own, lambda: _png(side + 50, "1")


def main() -> None:
    """Read every bomb whose name contains the argument."""
    with contextlib.suppress(PCError):  # what is imported late, once and not in every child
        load_bytes(b"x", "m.pc.txt")
        load_bytes(b"x", "m.nnf")
    for name, read, make in bombs():
        if len(sys.argv) > 1 and sys.argv[1] not in name:
            continue
        if os.fork() == 0:
            data = make()
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            start, said = time.process_time(), "taken"
            try:
                read(data)
            except PCError as error:
                said = str(error)
            except BaseException as error:
                said = f"CRASH {type(error).__name__}: {error}"[:300]
            grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
            seconds = time.process_time() - start
            found = {"name": name, "seconds": seconds, "grown": grown * 1024, "said": said}
            print(json.dumps(found | {"bytes": len(data)}), flush=True)
            os._exit(0)
        os.wait()


if __name__ == "__main__":
    main()
