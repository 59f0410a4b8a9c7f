"""Standard sets that are downloaded when somebody asks: MNIST, Fashion-MNIST, Olivetti, DEBD.

A file whose digest is published (MD5 for the two MNISTs, SHA-256 for the faces) has to have it. For
the others, the Twenty Datasets, no digests are published: their address names one commit for good,
the SHA-256 of the first download is recorded beside them in `fetched.json`, and later downloads
have to agree with it.

The result lies in the folder PCCORE_DATA, or where that is not set in `downloads()`, where `load`
finds it by its name; the files as they came are kept in `.fetched` inside.
"""

from __future__ import annotations

import gzip
import json
import math
import os
import struct
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from pccore.datasets.base import MAX_ELEMENTS
from pccore.datasets.resolve import ENVIRONMENT, downloads
from pccore.errors import DataError, NotFoundError
from pccore.files.atomic import write_atomically

_RECORD = "fetched.json"
_KEPT = ".fetched"
_TIMEOUT = 30.0  # seconds without a byte
_MNIST = "https://ossci-datasets.s3.amazonaws.com/mnist"
_FASHION = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com"
_FACES = "https://ndownloader.figshare.com/files"
_DEBD = (
    "https://raw.githubusercontent.com/arranger1044/DEBD/80a4906dcf3b3463370f904efa42c21e8295e85c/"
    "datasets"
)
_TWENTY = (
    "nltcs", "msnbc", "kdd", "plants", "baudio", "jester", "bnetflix", "accidents", "tretail",
    "pumsb_star", "dna", "kosarek", "msweb", "book", "tmovie", "cwebkb", "cr52", "c20ng", "bbc",
    "ad",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Remote:
    """A file elsewhere. name: what it is called here and on a mirror. path: below the address of
    its set. digest: "md5:..." or "sha256:...", None where none is published."""

    name: str
    path: str
    digest: str | None = None


@dataclass(frozen=True, slots=True)
class StandardSet:
    """A set that can be fetched by name."""

    name: str
    description: str
    base: str
    kind: Literal["idx", "faces", "debd"]
    files: tuple[Remote, ...]

    @property
    def pinned(self) -> bool:
        """Whether every file has a published digest."""
        return all(file.digest is not None for file in self.files)


@dataclass(frozen=True, slots=True)
class Fetched:
    """Where a set lies. new: it was not there before. trusted: files without a published digest
    were taken as they came, and their digests recorded."""

    path: Path
    new: bool
    trusted: bool


def _idx(name: str, description: str, base: str, digests: Sequence[str]) -> StandardSet:
    files = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
    remotes = tuple(
        Remote(f"{file}-ubyte.gz", f"{file}-ubyte.gz", f"md5:{digest}")
        for file, digest in zip(files, digests, strict=True)
    )
    return StandardSet(name, description, base, "idx", remotes)


def _triple(name: str) -> StandardSet:
    files = [f"{name}.{split}.data" for split in ("train", "valid", "test")]
    return StandardSet(
        name,
        "of the Twenty Datasets, binary",
        _DEBD,
        "debd",
        tuple(Remote(file, f"{name}/{file}") for file in files),
    )


SETS: tuple[StandardSet, ...] = (
    _idx(
        "mnist",
        "70000 handwritten digits, 28x28",
        _MNIST,
        (
            "f68b3c2dcbeaaa9fbdd348bbdeb94873",
            "d53e105ee54ea40749a09fcbcd1e9432",
            "9fb629c4189551a2d022fa330f9573f3",
            "ec29112dd5afa0611ce80d1b7f02629c",
        ),
    ),
    _idx(
        "fashion-mnist",
        "70000 pieces of clothing, 28x28",
        _FASHION,
        (
            "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
            "25c81989df183df01b3e8a0aad5dffbe",
            "bef4ecab320f06d8554ea6380940ec79",
            "bb300cfdad3c16e7a12a480ee83cd310",
        ),
    ),
    StandardSet(
        "olivetti",
        "400 faces of 40 people in order, 64x64",
        _FACES,
        "faces",
        (
            Remote(
                "olivettifaces.mat",
                "5976027",
                "sha256:b612fb967f2dc77c9c62d3e1266e0c73d5fca46a4b8906c18e454d41af987794",
            ),
        ),
    ),
    *map(_triple, _TWENTY),
)


def find_set(name: str) -> StandardSet:
    """The set of this name. Raises NotFoundError that lists them."""
    for one in SETS:
        if one.name == name:
            return one
    known = ", ".join(one.name for one in SETS)
    raise NotFoundError(f"there is no standard set {name[:80]!r}; known are {known}")


def fetch(
    chosen: StandardSet,
    root: Path | None = None,
    *,
    mirror: str | None = None,
    listener: Callable[[str], object] = lambda text: None,
) -> Fetched:
    """Download a set, check it and write it to `root` (default: as above); what is there stays.

    mirror: the address of a folder that has the same files under their own names. listener: hears
    what is going on.

    Raises DataError where a file cannot be had (there is no network, say) or is not what it was,
    FileError where the result cannot be written.
    """
    folder = _root(root)
    target = folder / (chosen.name if chosen.kind == "debd" else f"{chosen.name}.npz")
    if _is_there(target, chosen):
        return Fetched(target, False, False)
    kept = folder / _KEPT / chosen.name
    try:
        kept.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"cannot be written: {error.strerror}", where=str(kept)) from error
    record = _Record.read(kept.parent / _RECORD)
    paths: list[Path] = []
    trusted = False
    for file in chosen.files:
        listener(f"{chosen.name}: {file.name}")
        key = f"{chosen.name}/{file.name}"
        digest = file.digest or record.digests.get(key)
        base = chosen.base if mirror is None else mirror.rstrip("/")
        path = file.path if mirror is None else file.name
        paths.append(_download(f"{base}/{path}", file.name, digest, kept))
        if digest is None:
            trusted = True
            record.digests[key] = f"sha256:{_sha256(paths[-1])}"
    arrays = _ARRAYS[chosen.kind](paths) if chosen.kind != "debd" else None
    if arrays is None:
        for path in paths:
            _copy(path, folder / path.name)
    else:
        write_atomically(target, lambda stream: np.savez_compressed(stream, **cast(Any, arrays)))
    if trusted:
        record.write()
    return Fetched(target, True, trusted)


def _root(root: Path | None) -> Path:
    if root is not None:
        return root
    named = os.environ.get(ENVIRONMENT, "")
    return Path(named) if named else downloads()


def _is_there(target: Path, chosen: StandardSet) -> bool:
    if chosen.kind == "debd":
        return all((target.parent / file.name).is_file() for file in chosen.files)
    return target.is_file()


@dataclass(frozen=True)
class _Record:
    """The digests of files that were taken as they came, by set and name."""

    path: Path
    digests: dict[str, str]

    @classmethod
    def read(cls, path: Path) -> _Record:
        """Raises DataError for a damaged record: it is what later downloads are held against."""
        if not path.exists():
            return cls(path, {})
        try:
            found = json.loads(path.read_text("utf-8"))
            return cls(path, {str(key): str(value) for key, value in found.items()})
        except (OSError, ValueError, AttributeError) as error:
            raise DataError(
                "the record of digests cannot be read", where=str(path), hint="remove it"
            ) from error

    def write(self) -> None:
        text = json.dumps(self.digests, indent=1, sort_keys=True)
        write_atomically(self.path, lambda stream: stream.write(text.encode()))


def _download(url: str, name: str, digest: str | None, folder: Path) -> Path:
    """The file in the folder; fetched unless it is there with this digest. Raises DataError."""
    import pooch
    import requests

    pooch.get_logger().setLevel("ERROR")
    place = folder / name
    loader: Any = pooch.HTTPDownloader(timeout=_TIMEOUT)  # its call takes more than is declared
    try:
        if digest is None:
            place.unlink(missing_ok=True)  # nothing says that what is there is whole
        pooch.retrieve(url, digest, fname=name, path=folder, downloader=loader)
    except requests.RequestException as error:
        answer = getattr(error.response, "status_code", None)
        reason = f"the server answers {answer}" if answer else "there is no connection"
        raise DataError(
            f"cannot be fetched from {url}: {reason}",
            where=name,
            hint=f"without a network, put the file into {folder} or name a mirror with --url",
        ) from error
    except ValueError as error:  # of another digest, or an address that is none
        wrong = "hash" in str(error)
        reason = "is not the file that was published" if wrong else str(error).split("\n")[0][:120]
        raise DataError(
            f"{reason} (expected {digest})" if wrong else reason, where=f"{name} from {url}"
        ) from error
    except OSError as error:
        raise DataError(f"cannot be written: {error.strerror}", where=str(place)) from error
    return place


def _sha256(path: Path) -> str:
    import pooch

    return str(pooch.file_hash(str(path), alg="sha256"))


def _copy(source: Path, target: Path) -> None:
    content = source.read_bytes()
    write_atomically(target, lambda stream: stream.write(content))


# -- what the files hold ---------------------------------------------------------------------


def _idx_arrays(paths: Sequence[Path]) -> dict[str, NDArray[Any]]:
    keys = ("train_x", "train_y", "test_x", "test_y")
    return {key: read_idx(path) for key, path in zip(keys, paths, strict=True)}


def read_idx(path: Path) -> NDArray[np.uint8]:
    """An array of bytes in the IDX format, gzipped. Raises DataError."""
    try:
        with gzip.open(path) as stream:
            zero, kind, sides = struct.unpack(">HBB", stream.read(4))
            shape = struct.unpack(f">{sides}I", stream.read(4 * sides))
            size = math.prod(shape)
            if zero or kind != 8 or not 1 <= sides <= 3 or size > MAX_ELEMENTS:
                raise DataError(f"shape {shape} of kind {kind} is not read here", where=path.name)
            values = stream.read(size)
    except (OSError, EOFError, struct.error, zlib.error) as error:
        raise DataError(f"this is no IDX file: {error}", where=path.name) from error
    if len(values) != size:
        raise DataError(f"{len(values)} of {size} bytes are there", where=path.name)
    return np.frombuffer(values, np.uint8).reshape(shape)


def _faces(paths: Sequence[Path]) -> dict[str, NDArray[Any]]:
    """The faces of a MATLAB file: `faces` [4096, N], a picture a column, its columns in a row."""
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        found: Any = loadmat(str(paths[0]), variable_names=["faces"])["faces"]
        faces = np.asarray(found).T.reshape(-1, 64, 64).transpose(0, 2, 1).astype(np.uint8)
    except (MatReadError, OSError, ValueError, TypeError, KeyError, NotImplementedError) as error:
        raise DataError("this is no file of faces", where=paths[0].name) from error
    return {"x": np.ascontiguousarray(faces), "y": np.arange(len(faces)) // 10}


_ARRAYS: Mapping[str, Callable[[Sequence[Path]], dict[str, NDArray[Any]]]] = {
    "idx": _idx_arrays,
    "faces": _faces,
}
