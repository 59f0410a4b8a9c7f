"""Writing a file so that nobody ever sees half of it."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from pccore.errors import FileError


def write_atomically(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Call `write` on a new file beside `path`, flush it to the disk, rename it to `path`.

    A crash or an exception leaves the old file as it was. Raises FileError when the
    operating system refuses.
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
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        _sync_folder(path.parent)
    except OSError as error:
        hint = "the folder does not exist" if isinstance(error, FileNotFoundError) else None
        reason = error.strerror or type(error).__name__
        raise FileError(f"cannot be written: {reason}", where=str(path), hint=hint) from None


def _sync_folder(folder: Path) -> None:
    """Make the rename itself durable, where the system has a way."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
