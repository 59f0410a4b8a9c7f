"""One home for the bounds: a variable sets each, and an error names the one that held."""

from __future__ import annotations

import gzip
import io
import threading
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from pccore import archives
from pccore.bundle import Bundle, bundle_bytes, read_bundle
from pccore.datasets import load
from pccore.datasets.fetch import read_idx
from pccore.datasets.uploads import load_upload
from pccore.errors import FileError, OptionError, PCError
from pccore.files import Companion
from pccore.limits import current_limits, narrowed


def table(kind: str) -> Companion:
    """Twelve values."""
    stream = io.BytesIO()
    if kind == "npz":
        np.savez(stream, x=np.arange(12, dtype=np.uint8).reshape(6, 2))
    elif kind == "parquet":
        parquet.write_table(pa.table({"a": range(6), "b": [str(i % 2) for i in range(6)]}), stream)
    else:
        words = ["1;2,5", "3;4", "5;1", "1;1", "2;2", "3;3"]
        stream.write("\n".join(words if kind == "csv" else [w[0] + ",1" for w in words]).encode())
    return Companion(f"d.train.{kind}" if kind == "data" else f"d.{kind}", stream.getvalue())


def test_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    assert current_limits().max_archive_bytes == 2**30
    monkeypatch.setenv("PCCORE_MAX_ARCHIVE_BYTES", "64M")
    limits = current_limits()
    assert limits.max_archive_bytes == 64 * 2**20
    assert limits.way_out("max_archive_bytes") == "the limit is PCCORE_MAX_ARCHIVE_BYTES=67108864"
    monkeypatch.setenv("PCCORE_MAX_ARCHIVE_BYTES", "-1")
    with pytest.raises(OptionError, match="no positive size"):
        current_limits()


def test_narrowed(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    with narrowed(max_values="max_upload_values"):
        limits = current_limits()
        assert limits.max_values == limits.max_upload_values
        assert "MAX_UPLOAD_VALUES" in limits.way_out("max_values")
        other = threading.Thread(target=lambda: seen.append(current_limits().max_values))
        other.start()
        other.join()
        monkeypatch.setenv("PCCORE_MAX_VALUES", "7")  # lower than the other: it holds
        assert current_limits().max_values == 7
        assert current_limits().way_out("max_values") == "the limit is PCCORE_MAX_VALUES=7"
    assert seen == [2**29]


@pytest.mark.parametrize("kind", ["csv", "data", "npz", "parquet"])
def test_uploads_are_held_to_their_own_limit(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = table(kind)
    monkeypatch.setenv("PCCORE_MAX_UPLOAD_VALUES", "12")
    assert load_upload([file]).train.shape[1] == 2
    monkeypatch.setenv("PCCORE_MAX_UPLOAD_VALUES", "11")
    with pytest.raises(PCError, match="PCCORE_MAX_UPLOAD_VALUES=11"):
        load_upload([file])
    (tmp_path / file.name).write_bytes(file.data)
    assert load(str(tmp_path / file.name)).train.shape[1] == 2  # no upload


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        ("csv", "PCCORE_MAX_UPLOAD_TEXT", "10"),
        ("csv", "PCCORE_MAX_TABLE_BYTES", "10"),
        ("data", "PCCORE_MAX_LINE", "2"),
        ("parquet", "PCCORE_MAX_TABLE_BYTES", "10"),
        ("parquet", "PCCORE_MAX_TABLE_CELLS", "11"),
        ("npz", "PCCORE_MAX_VALUES", "11"),
    ],
)
def test_the_limit_is_named(
    kind: str, name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(PCError, match=f"{name}={value}"):
        load_upload([table(kind)])


@pytest.mark.parametrize(
    ("name", "value"),
    [("MEMBERS", "1"), ("BYTES", "50000"), ("NAME", "3"), ("RATIO", "2")],
)
def test_archives(name: str, value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(2**24 + 1))
        archive.writestr("b", b"b")
    monkeypatch.setenv("PCCORE_MAX_ARCHIVE_RATIO", "10000")
    with archives.opened(path, "a.zip") as opened:
        assert opened.read("b") == b"b"
    monkeypatch.setenv(f"PCCORE_MAX_ARCHIVE_{name}", value)
    with (
        pytest.raises(FileError, match=f"PCCORE_MAX_ARCHIVE_{name}={value}"),
        archives.opened(path, "a.zip"),
    ):
        pass


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MANIFEST_BYTES", "10"),
        ("TITLE", "3"),
        ("LINK_TEXTS", "1"),
        ("LINK_TEXT", "5"),
        ("BUNDLE_VALUES", "11"),
        ("COLUMNS", "63"),
        ("NOTES_BYTES", "20"),
    ],
)
def test_bundles(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = bundle_bytes(
        Bundle("title", dataset=load("digits", limit=2), state={"seed": "3", "evidence": "X1=1"})
    )
    assert read_bundle(data).title == "title"
    monkeypatch.setenv(f"PCCORE_MAX_{name}", value)
    with pytest.raises(PCError, match=f"PCCORE_MAX_{name}={value}"):
        read_bundle(data)


def test_members_that_no_bundle_has() -> None:
    stream = io.BytesIO(bundle_bytes(Bundle(state={"seed": "3"})))
    with zipfile.ZipFile(stream, "a") as archive:
        archive.writestr("more", b"")
    with pytest.raises(FileError, match="'more' is not known"):
        read_bundle(stream.getvalue())


def test_idx(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.gz"
    path.write_bytes(gzip.compress(bytes([0, 0, 8, 1, 0, 0, 0, 3, 1, 2, 3])))
    assert read_idx(path).tolist() == [1, 2, 3]
    monkeypatch.setenv("PCCORE_MAX_VALUES", "2")
    with pytest.raises(PCError, match="PCCORE_MAX_VALUES=2"):
        read_idx(path)
