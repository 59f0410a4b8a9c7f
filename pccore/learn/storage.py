"""The files of a run directory that hold tensors or JSON: whole, or recognised as damaged."""

from __future__ import annotations

import contextlib
import json
import time
import zlib
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

from safetensors import SafetensorError, safe_open
from torch import Tensor

from pccore.errors import FileError, RunError
from pccore.files import tensor_container
from pccore.files.atomic import write_atomically

#: Seconds that a run which is just ending may take to let go of its directory.
LOCK_PATIENCE = 2.0
_FACTS, _CHECK = "progress", "crc32"


class Checkpoint(NamedTuple):
    """What a run continues from.

    events: everything the metrics had said by then. damage: what is wrong with newer checkpoints,
    in a sentence each.
    """

    tensors: dict[str, Tensor]
    numbers: dict[str, Any]
    events: list[dict[str, Any]] | None = None
    damage: Sequence[str] = ()


# -- tensors -------------------------------------------------------------------------------


def write_tensors(
    path: Path,
    tensors: Mapping[str, Tensor],
    facts: Mapping[str, Any],
    previous: Path | None = None,
) -> None:
    """Replace a file of tensors and JSON values; previous: see `write_atomically`."""
    metadata = tensor_container.with_checksum({_FACTS: json.dumps(dict(facts))}, tensors)
    header = tensor_container.header_bytes(tensors, metadata)
    write_atomically(path, lambda out: tensor_container.write(out, header, tensors), previous)


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """What `write_tensors` wrote, None if there is no such file. Raises RunError where it is
    damaged."""
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            metadata = dict(file.metadata() or {})
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        tensor_container.verify(metadata, tensors)
        facts = json.loads(metadata[_FACTS])
        if not isinstance(facts, dict):
            raise ValueError("its numbers are none")
    except KeyError:
        raise RunError(f"{path.name} is of another program", where=str(path.parent)) from None
    except (SafetensorError, ValueError, OSError) as error:  # FileError is a ValueError
        reason = error.message if isinstance(error, FileError) else str(error)
        raise RunError(f"{path.name} cannot be read: {reason}", where=str(path.parent)) from None
    return tensors, cast(dict[str, Any], facts)


# -- JSON ----------------------------------------------------------------------------------


def write_json(path: Path, fields: Mapping[str, Any], *, check: bool = False) -> None:
    """Replace a file of one JSON object; check: with a checksum."""
    found = finite(fields)
    if check:
        found[_CHECK] = _crc(found)
    write_bytes(path, json.dumps(found, indent=1).encode())


def read_json(path: Path) -> dict[str, Any] | None:
    """The object in a file, None if there is no such file. Raises RunError where it is damaged:
    a checksum is wrong, if there is one."""
    try:
        fields = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, RecursionError):
        raise _damaged(path) from None
    if not isinstance(fields, dict):
        raise _damaged(path)
    found = cast(dict[str, Any], fields)
    claimed = found.pop(_CHECK, None)
    if claimed is not None and claimed != _crc(found):
        raise _damaged(path)
    return found


def write_bytes(path: Path, data: bytes) -> None:
    """Replace a file."""

    def write(stream: BinaryIO) -> None:
        stream.write(data)

    write_atomically(path, write)


def finite(fields: Mapping[str, Any]) -> dict[str, Any]:
    """JSON has no infinities: they become None."""
    return {
        k: None if isinstance(v, float) and (v != v or abs(v) == float("inf")) else v
        for k, v in fields.items()
    }


def _crc(fields: Mapping[str, Any]) -> str:
    return f"{zlib.crc32(json.dumps(fields, sort_keys=True).encode()):08x}"


def _damaged(path: Path) -> RunError:
    return RunError(f"{path.name} is damaged", where=str(path.parent))


# -- one process at a time -----------------------------------------------------------------


@contextlib.contextmanager
def locked(path: Path) -> Generator[bool]:
    """Holds a lock file, which the system takes back when the process dies; False: somebody else
    has it, and still does after LOCK_PATIENCE. Raises OSError where it cannot be opened."""
    with path.open("a") as stream:
        deadline = time.monotonic() + LOCK_PATIENCE
        while not (held := _try_lock(stream.fileno())) and time.monotonic() < deadline:
            time.sleep(0.05)
        yield held


def _try_lock(descriptor: int) -> bool:
    """Lock an open file unless somebody else holds it; True where locks are not supported."""
    try:
        import fcntl
    except ImportError:  # Windows
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # some network file systems
        return True
    return True
