"""Targets: datasets, pictures, bundles."""

from __future__ import annotations

import gzip
import io
import struct
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image
from pyarrow import parquet

from pc_workbench.views.own_picture import read_picture
from pccore import datasets
from pccore.bundle import Bundle, bundle_bytes, read_bundle
from pccore.completion.masks import hidden_pixels
from pccore.datasets import COLUMN_TYPES, ImageShape, notes
from pccore.datasets.fetch import read_idx
from pccore.datasets.uploads import load_upload, upload_header
from pccore.files import Companion
from tests.files.support import small
from tests.fuzz.target import WORDS, Target


def _dataset(name: str) -> Callable[[bytes], object]:
    def run(data: bytes) -> None:
        with tempfile.TemporaryDirectory(prefix="pccore-fuzz-") as folder:
            path = Path(folder) / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(data)
            found = datasets.load(path if path.parent == Path(folder) else path.parent)
            assert found.train.ndim == 2 and len(found.variables) == found.train.shape[1]

    return run


def _npz(**arrays: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)
    return stream.getvalue()


def _npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def _picture(kind: str, mode: str = "L", size: tuple[int, int] = (4, 3)) -> bytes:
    stream = io.BytesIO()
    Image.new(mode, size, 7 if mode != "RGB" else (1, 2, 3)).save(stream, kind)
    return stream.getvalue()


def data() -> list[Target]:
    table = np.arange(12, dtype=np.uint8).reshape(6, 2) % 3
    csv = [
        b"a,b\n1,2\n3,4\n1,0\n",
        b"colour;size\nred;1.5\nblue;\nred;?\n",
        b"1\t2\n3\t4\n5\t6\n",
        b'"x, y",<b>\n"1","2"\n3,NA\n',
    ]
    pictures = [("png", "PNG"), ("jpg", "JPEG"), ("bmp", "BMP"), ("ppm", "PPM")]
    return [
        Target(
            "data-npz",
            _dataset("d.npz"),
            (
                _npz(train=table, test=table),
                _npz(x=table.reshape(2, 2, 3), y=np.arange(2)),
                _npz(x=table.astype(np.float32), variables=np.array(["p", "q"])),
                _zip(("x.npy", _npy(table)), ("../../evil.npy", _npy(table))),
            ),
            WORDS,
        ),
        Target("data-npy-shards", _dataset("d/train-0.npy"), (_npy(table), _npy(table * 1.5))),
        Target("data-csv", _dataset("d.csv"), tuple(csv), WORDS),
        Target("data-zip", _dataset("d.zip"), (_images(), _zip(("a/b/c/d.png", b""))), WORDS),
        Target("data-parquet", _dataset("d.parquet"), (_parquet(),)),
        Target(
            "upload",
            _upload,
            tuple(
                f"t.{kind}\na=categorical,b=ignore\n".encode() + csv[0] for kind in ("csv", "tsv")
            ),
            (*WORDS, b"../", b"count", b"label"),
        ),
        Target("data-notes", _notes, (_noted(),), WORDS),
        Target("data-idx", _idx, (_idx_bytes(),)),
        Target("bundle", read_bundle, _bundles(), WORDS),
        Target("data-debd", _dataset("d.train.data"), (b"0,1\n1,0\n", b"1,1,0\n0,0,1\n"), WORDS),
        *(
            Target(
                f"data-{suffix}",
                _dataset(f"d/a.{suffix}"),
                (_picture(kind), _picture(kind, "RGB")),
            )
            for suffix, kind in pictures
        ),
        Target("mask-png", _mask, (_picture("PNG", "1"), _picture("PNG"))),
        Target(
            "own-picture",
            lambda data: read_picture(data, ImageShape(4, 4, 1, 16)),
            tuple(_picture(k, m) for k in ("PNG", "GIF", "WEBP", "JPEG") for m in ("L", "RGB")),
        ),
    ]


def _upload(data: bytes) -> None:
    """What the page Data does with a file: its name, types of columns, its bytes."""
    name, _, rest = data.partition(b"\n")
    said, _, content = rest.partition(b"\n")
    file = Companion(name.decode("utf-8", "replace"), content)
    pairs = (pair.partition("=") for pair in said.decode("utf-8", "replace").split(",") if pair)
    types = {column: kind for column, _, kind in pairs if kind in COLUMN_TYPES}
    upload_header(file)
    load_upload([file], types)  # type: ignore[arg-type]


def _zip(*members: tuple[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return stream.getvalue()


def _images() -> bytes:
    members = [(f"all/{label}/{n}.png", _picture("PNG")) for label in "ab" for n in range(4)]
    return _zip(*members, ("__MACOSX/._a", b"x"))


def _parquet() -> bytes:
    columns = {"n": [1.5, None, 3.0, 4.0], "word": ["a", "b", None, "a"], "t": [True, False] * 2}
    stream = pa.BufferOutputStream()
    parquet.write_table(pa.table(columns), stream)
    return stream.getvalue().to_pybytes()


def _noted() -> bytes:
    return notes.to_text(datasets.load("digits", limit=2)).encode()


def _notes(data: bytes) -> None:
    notes.from_text(data.decode("utf-8", "surrogateescape"), "fuzz")


def _idx_bytes() -> bytes:
    return gzip.compress(struct.pack(">HBBII", 0, 8, 2, 2, 3) + bytes(range(6)))


def _idx(data: bytes) -> None:
    with tempfile.TemporaryDirectory(prefix="pccore-fuzz-") as folder:
        path = Path(folder) / "x.gz"
        path.write_bytes(data)
        read_idx(path)


def _bundles() -> tuple[bytes, ...]:
    circuit, data = small(), datasets.load("digits", limit=2)
    return (
        bundle_bytes(Bundle("t", circuit, None, "digits", {"evidence": "X1=1"})),
        bundle_bytes(Bundle("t", None, data, state={"seed": "3"}, run={"config.json": b"{}"})),
    )


def _mask(data: bytes) -> None:
    with tempfile.TemporaryDirectory(prefix="pccore-fuzz-") as folder:
        path = Path(folder) / "mask.png"
        path.write_bytes(data)
        hidden_pixels(path, ImageShape(3, 4, 1, 16))
