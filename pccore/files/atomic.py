"""Writing to files so that nobody ever sees half of it."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Callable, Collection
from pathlib import Path
from typing import BinaryIO

from pccore.errors import FileError


def write_atomically(
    path: Path, write: Callable[[BinaryIO], object], previous: Path | None = None
) -> None:
    """Call `write` on a new file beside `path`, flush it to the disk, rename it to `path`.

    A crash or an exception leaves the old file as it was. previous: where the old file is moved
    once the new one is on the disk; at any moment one of the two is there. Raises FileError when
    the operating system refuses.
    """
    temporary = path.with_name(f".{path.name[:200]}.{secrets.token_hex(4)}.tmp")
    # Exclusive creation, with the permissions that the user's umask asks for.
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(temporary, flags, 0o666)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                write(stream)
                stream.flush()
                os.fsync(stream.fileno())
            if previous is not None and path.exists():
                os.replace(path, previous)
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        _sync_folder(path.parent)
    except OSError as error:
        raise _refused(path, error) from None


def append_line(path: Path, line: str) -> None:
    """Add a line to a file, all of it or nothing. Raises FileError when the operating system
    refuses."""
    data = line.encode() + b"\n"
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        try:
            before = os.fstat(descriptor).st_size
            try:
                with os.fdopen(descriptor, "ab", closefd=False) as stream:
                    stream.write(data)
            except OSError:
                os.ftruncate(descriptor, before)  # a full disk takes the beginning of a line
                raise
        finally:
            os.close(descriptor)
    except OSError as error:
        raise _refused(path, error) from None


def remove_leftovers(folder: Path, names: Collection[str]) -> None:
    """Remove what `write_atomically` of files of these names left when its process was killed.

    Only for whoever is alone in writing them.
    """
    for name in names:
        for path in folder.glob(f".{name}.*.tmp"):
            with contextlib.suppress(OSError):
                path.unlink()


def _refused(path: Path, error: OSError) -> FileError:
    hint = "the folder does not exist" if isinstance(error, FileNotFoundError) else None
    reason = error.strerror or type(error).__name__
    return FileError(f"cannot be written: {reason}", where=str(path), hint=hint)


def _sync_folder(folder: Path) -> None:
    """Make the rename itself durable, where the system has a way."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
