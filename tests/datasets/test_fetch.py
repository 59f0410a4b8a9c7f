"""Standard sets, fetched from a server on this machine that has small files of the same kinds."""

from __future__ import annotations

import contextlib
import functools
import gzip
import hashlib
import http.server
import json
import struct
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat
from sklearn.datasets import load_digits

from pccore.cli import main
from pccore.datasets import load
from pccore.datasets.fetch import SETS, StandardSet, fetch, find_set
from pccore.errors import DataError, NotFoundError


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *words: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[str]:
    handler = functools.partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    """A folder with digits as MNIST comes, faces as Olivetti's come, and a DEBD set."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    digits = load_digits()
    images, labels = (digits.images * 15).astype(np.uint8), digits.target.astype(np.uint8)
    parts = {
        "train-images-idx3": images[:40],
        "train-labels-idx1": labels[:40],
        "t10k-images-idx3": images[40:60],
        "t10k-labels-idx1": labels[40:60],
    }
    for name, part in parts.items():
        head = struct.pack(f">HBB{part.ndim}I", 0, 8, part.ndim, *part.shape)
        (folder / f"{name}-ubyte.gz").write_bytes(gzip.compress(head + part.tobytes()))
    faces = np.random.RandomState(0).randint(0, 256, (4096, 20)).astype(np.uint8)
    savemat(folder / "olivettifaces.mat", {"faces": faces})
    for split, rows in (("train", 30), ("valid", 5), ("test", 6)):
        (folder / f"nltcs.{split}.data").write_text("0,1,1\n" * rows)
    return folder


def known(name: str, folder: Path) -> StandardSet:
    """The set with the digests of the small files, in place of the published ones."""
    one = find_set(name)
    files = tuple(
        replace(f, digest=f"sha256:{hashlib.sha256((folder / f.name).read_bytes()).hexdigest()}")
        for f in one.files
    )
    return replace(one, files=files)


def test_every_digest_is_one() -> None:
    lengths = {"md5": 32, "sha256": 64}
    for one in SETS:
        for file in one.files:
            kind, _, digest = (file.digest or "").partition(":")
            assert not file.digest or len(digest) == lengths[kind] == len(set(enumerate(digest)))
    assert [one.name for one in SETS if one.pinned] == ["mnist", "fashion-mnist", "olivetti"]
    assert len(SETS) == 23
    with pytest.raises(NotFoundError, match="known are mnist"):
        find_set("cifar")


def test_images_with_labels(mirror: Path, tmp_path: Path) -> None:
    root = tmp_path / "data"
    with serving(mirror) as address:
        first = fetch(known("mnist", mirror), root, mirror=address)
    assert first.new and not first.trusted
    again = fetch(known("mnist", mirror), root, mirror="http://127.0.0.1:1")  # nobody is asked
    assert again.path == first.path and not again.new
    data = load("mnist", root)
    assert len(data.train) + len(data.valid) == 40 and len(data.test) == 20
    assert data.image is not None and data.image.height == 8 and data.labels["test"] is not None


def test_faces(mirror: Path, tmp_path: Path) -> None:
    with serving(mirror) as address:
        fetch(known("olivetti", mirror), tmp_path / "data", mirror=address)
    data = load("olivetti", tmp_path / "data")
    assert data.image is not None and (data.image.height, data.image.width) == (64, 64)
    labels = data.labels["train"]
    assert labels is not None and set(labels[:10]) == {0}


def test_a_file_of_another_digest_is_refused(mirror: Path, tmp_path: Path) -> None:
    """The published digests do not fit these small files: nothing is kept."""
    with serving(mirror) as address, pytest.raises(DataError, match="not the file that was"):
        fetch(find_set("mnist"), tmp_path / "data", mirror=address)
    assert not (tmp_path / "data" / "mnist.npz").exists()


def test_without_published_digests_the_first_download_is_held_against(
    mirror: Path, tmp_path: Path
) -> None:
    root = tmp_path / "data"
    with serving(mirror) as address:
        assert fetch(find_set("nltcs"), root, mirror=address).trusted
        record = json.loads((root / ".fetched" / "fetched.json").read_text())
        assert len(record) == 3 and all(text.startswith("sha256:") for text in record.values())
        assert len(load("nltcs", root).train) == 30
        for path in [*root.glob("nltcs*"), *(root / ".fetched" / "nltcs").iterdir()]:
            path.unlink()
        assert not fetch(find_set("nltcs"), root, mirror=address).trusted  # the same files
        for path in [*root.glob("nltcs*"), *(root / ".fetched" / "nltcs").iterdir()]:
            path.unlink()
        (mirror / "nltcs.test.data").write_text("1,1,1\n")
        with pytest.raises(DataError, match=r"nltcs\.test\.data .*not the file"):
            fetch(find_set("nltcs"), root, mirror=address)


def test_offline_and_not_found_say_what_to_do(
    mirror: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("PCCORE_DATA", str(tmp_path / "data"))
    assert main(["datasets", "fetch", "nltcs", "--url", "http://127.0.0.1:1", "--json"]) == 2
    said = capsys.readouterr()
    assert said.out == "" and "there is no connection" in said.err and "--url" in said.err
    (mirror / "nltcs.valid.data").unlink()
    with serving(mirror) as address:
        assert main(["datasets", "fetch", "nltcs", "--url", address]) == 2
        assert "the server answers 404" in capsys.readouterr().err
        (mirror / "nltcs.valid.data").write_text("0,1,1\n")
        assert main(["datasets", "fetch", "nltcs", "--url", address, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["train"] == 30 and found["trusted"] is True and found["new"] is True
    assert main(["datasets", "fetch", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["sets"]) == 23


def test_broken_files(mirror: Path, tmp_path: Path) -> None:
    (mirror / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(b"\0\0\x08\x01\0\0\0\x09ab"))
    (mirror / "olivettifaces.mat").write_bytes(b"MATLAB")
    for name in ("mnist", "olivetti"):
        with serving(mirror) as address, pytest.raises(DataError):
            fetch(known(name, mirror), tmp_path / "data", mirror=address)
