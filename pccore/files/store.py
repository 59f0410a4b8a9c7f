"""Loading, saving and listing models, whatever their format."""

from __future__ import annotations

import functools
import io
import os
import stat
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from io import BufferedIOBase
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO, NoReturn, TypeVar

from pccore.discovery import instances_in
from pccore.errors import FileError, GraphError, NotFoundError, ParameterError, PCError
from pccore.files import gzipped
from pccore.files.atomic import write_atomically
from pccore.files.base import Companion, Format, Limits, ModelInfo, SampleModel, Source
from pccore.graph import Circuit
from pccore.limits import current_limits
from pccore.resources import sample_models_folder

T = TypeVar("T")

_SNIFFED = 4096
#: What a network of Libra is in its folder; the other files there are its leaves.
_LIBRA = "spac.m"


@functools.cache
def FORMATS() -> Mapping[str, Format]:
    """Every file format of the package by name, found by discovery."""
    found = instances_in("pccore.files", Format)
    return MappingProxyType({format_.name: format_ for format_ in found})


def load_model(source: str | Path, limits: Limits | None = None) -> Circuit:
    """The circuit in a file of any supported format, or the sample model of that name.

    Nothing in the file is executed, and every size is bounded before memory is taken. A file that
    belongs to it (the vtree of a PSDD) is found in the same folder, under the same name. Files that
    gzip compressed (.psdd.gz) are read as well.

    Raises:
        NotFoundError: there is no such file or sample model.
        FileError: the file is malformed, truncated, too large, too new or of no known
            format; `where` names the file and the place in it.
    """
    path = _resolve(source)
    return _read(path, limits or current_limits(), lambda format_: format_.load)


def load_bytes(
    data: bytes,
    name: str,
    limits: Limits | None = None,
    companions: Sequence[Companion] = (),
) -> Circuit:
    """The circuit in an upload; `name` is its file name, which tells the format.

    Where the name does not tell, the content does. companions: what was uploaded with it, such as
    the vtree of a PSDD. Raises FileError as `load_model`.
    """

    bounds = limits or current_limits()

    def beside(suffixes: Sequence[str]) -> Companion | None:
        named = ((gzipped.plain_name(c.name), c.data) for c in companions)
        fitting = (c for c in named if c[0].lower().endswith(tuple(suffixes)))
        found = next(fitting, None)
        return None if found is None else _companion(*found, bounds)

    with _blaming(_short(name) or "the upload"):
        _check_size(len(data), bounds)
        for companion in companions:
            _check_size(len(companion.data), bounds)
        if gzipped.is_gzipped(data):
            stream = io.BytesIO(data)
            return _read_gzipped(name, stream, bounds, beside, lambda format_: format_.load)
        source = Source(io.BytesIO(data), len(data), bounds, beside)
        return _reader(name, data[:_SNIFFED], lambda format_: format_.load)(source)


def load_together(files: Sequence[Companion], limits: Limits | None = None) -> Circuit:
    """The circuit in an upload of several files: one model, and what belongs to it.

    Raises FileError where there is no model among them or more than one, and as `load_model`.
    """
    suffixes = {s for format_ in FORMATS().values() for s in format_.companions}
    names = [gzipped.plain_name(f.name.lower()) for f in files]
    formats = [_by_suffix(name) for name in names]
    # An arithmetic circuit is a model, unless the model is made of several.
    taken = {s for one in formats if one is not None for s in one.companions}
    models = [
        file
        for file, name, one in zip(files, names, formats, strict=True)
        if not name.endswith(tuple(taken if one is not None else suffixes | taken))
    ]
    if len(models) != 1:
        listed = ", ".join(_short(f.name) for f in models[:3])
        raise FileError(
            f"these are {len(models)} models: {listed}" if models else "there is no model",
            hint=f"one model at a time, with its {', '.join(sorted(suffixes))} if it has one",
        )
    others = [f for f in files if f is not models[0]]
    with _blaming("the upload"):
        _check_size(sum(len(f.data) for f in files), limits or current_limits())
    return load_bytes(models[0].data, models[0].name, limits, others)


def describe(source: str | Path, limits: Limits | None = None) -> ModelInfo:
    """Title, story and counts of a model, without loading its parameters.

    Raises NotFoundError and FileError as `load_model`.
    """
    return _read(_resolve(source), limits or current_limits(), lambda format_: format_.describe)


def save_model(circuit: Circuit, path: str | Path) -> None:
    """Write `circuit` in the format that the suffix of `path` names.

    The file appears complete or not at all. Parameters that no group uses are not stored;
    tensors are stored as they are, wherever they are.

    Raises:
        FileError: unknown suffix, a circuit that the format cannot hold, or a folder that
            cannot be written to.
        ParameterError: parameters that no loader would accept (negative or NaN weights).
    """
    target = Path(path)
    save = _writer(target.name)
    try:
        write_atomically(target, lambda stream: save(circuit, stream))
    except FileError as error:
        where = str(target)
        inner = error.where if error.where != where else None
        raise FileError(error.message, where=_joined(where, inner), hint=error.hint) from None


def save_bytes(circuit: Circuit, name: str) -> bytes:
    """The bytes of a file called `name`, for a download; the suffix tells the format.

    Raises FileError and ParameterError as `save_model`.
    """
    save = _writer(name)
    stream = io.BytesIO()
    try:
        save(circuit, stream)
    except FileError as error:
        where = _joined(_short(name), error.where)
        raise FileError(error.message, where=where, hint=error.hint) from None
    return stream.getvalue()


def writable() -> tuple[Format, ...]:
    """The formats that a circuit can be saved in."""
    return tuple(format_ for format_ in FORMATS().values() if format_.save is not None)


def _writer(name: str) -> Callable[[Circuit, BinaryIO], None]:
    format_ = _by_suffix(name)
    if format_ is None:
        _refuse_suffix(name, list(writable()))
    if format_.save is None:
        raise FileError(
            f"{format_.title} is a format for reading only",
            where=_short(name),
            hint=_list(list(writable())),
        )
    return format_.save


def sample_models() -> tuple[SampleModel, ...]:
    """The models that ship with the package, by name; only their notes are read.

    Raises FileError for a sample that cannot be read.
    """
    found: dict[str, SampleModel] = {}
    for name, path in _sample_paths().items():
        meta = _read(path, Limits(), lambda format_: format_.meta)
        found[name] = SampleModel(
            name, str(meta.get("title", name)), str(meta.get("story", "")), path
        )
    return tuple(found.values())


def _sample_paths() -> dict[str, Path]:
    try:
        folder = sample_models_folder()
        files = sorted(folder.iterdir())
    except OSError as error:
        raise NotFoundError(f"there are no sample models: {error}") from None
    paths: dict[str, Path] = {}
    for path in files:
        format_ = _by_suffix(path.name)
        if format_ is not None and format_.load is not None and not path.name.startswith("."):
            paths.setdefault(_stem(path.name, format_), path)
    return paths


def _resolve(source: str | Path) -> Path:
    """The file that `source` means: a path, else a sample model."""
    text = str(source)
    bare = isinstance(source, str) and "/" not in text and os.sep not in text
    samples = _sample_paths() if bare else {}
    if text in samples:
        return samples[text]
    path = Path(source)
    try:
        if path.is_file():
            return path
        if (path / _LIBRA).is_file():
            return path / _LIBRA
        exists = path.exists()
    except (OSError, ValueError):  # a name too long, or with a null byte
        exists = False
    if exists:
        raise FileError("this is not a regular file", where=_short(text))
    if not bare:
        raise NotFoundError("there is no such file", where=_short(text))
    by_file = {sample.name: sample for sample in samples.values()}
    if text in by_file:
        return by_file[text]
    near = get_close_matches(text[:200], samples, 3)
    hint = f"did you mean {', '.join(near)}?" if near else f"samples are {', '.join(samples)}"
    raise NotFoundError(f"there is no file or sample model {_short(text)!r}", hint=hint)


def _read(
    path: Path, limits: Limits, reader: Callable[[Format], Callable[[Source], T] | None]
) -> T:
    where = str(path)
    with _blaming(where):
        try:
            with path.open("rb") as stream:
                status = os.fstat(stream.fileno())
                if not stat.S_ISREG(status.st_mode):
                    raise FileError("this is not a regular file")
                _check_size(status.st_size, limits)
                start = stream.read(_SNIFFED)
                stream.seek(0)
                beside = functools.partial(_beside, path, limits)
                if gzipped.is_gzipped(start):
                    return _read_gzipped(path.name, stream, limits, beside, reader)
                source = Source(stream, status.st_size, limits, beside)
                return _reader(path.name, start, reader)(source)
        except OSError as error:
            raise FileError(f"cannot be read: {error.strerror or error}") from None


def _read_gzipped(
    name: str,
    stream: BufferedIOBase,
    limits: Limits,
    beside: Callable[[Sequence[str]], Companion | None],
    reader: Callable[[Format], Callable[[Source], T] | None],
) -> T:
    content = gzipped.unpacked(stream, limits)
    view = content.getbuffer()
    size, start = len(view), bytes(view[:_SNIFFED])
    view.release()
    _check_size(size, limits)
    return _reader(gzipped.plain_name(name), start, reader)(Source(content, size, limits, beside))


def _beside(path: Path, limits: Limits, suffixes: Sequence[str]) -> Companion | None:
    """The file of the same name, but for its last parts, that ends in one of the suffixes."""
    stem = path.name
    while "." in stem.strip("."):
        stem = stem.rpartition(".")[0]
        for suffix in (*suffixes, *(suffix + gzipped.SUFFIX for suffix in suffixes)):
            other = path.with_name(stem + suffix)
            if other.is_file():
                _check_size(other.stat().st_size, limits)
                return _companion(other.name, other.read_bytes(), limits)
    return None


def _companion(name: str, data: bytes, limits: Limits) -> Companion:
    """A companion, unpacked where it is compressed. Raises FileError."""
    if gzipped.is_gzipped(data):
        data = gzipped.unpacked(io.BytesIO(data), limits).getvalue()
    return Companion(_short(name), data)


def _reader(
    name: str, start: bytes, reader: Callable[[Format], Callable[[Source], T] | None]
) -> Callable[[Source], T]:
    format_ = _by_suffix(name)
    if format_ is None:
        # Browsers rename downloads ("model.pc (1).json"): the content decides then.
        candidates = (f for f in FORMATS().values() if f.recognises and f.recognises(start))
        format_ = next(candidates, None)
    readable = [f for f in FORMATS().values() if reader(f)]
    if format_ is None:
        _refuse_suffix(name, readable)
    found = reader(format_)
    if found is None:
        raise FileError(
            f"{format_.title} is a format for writing only", hint=f"readable are {_list(readable)}"
        )
    return found


def _by_suffix(name: str) -> Format | None:
    lower = name.lower()
    fitting = [
        (len(suffix), format_)
        for format_ in FORMATS().values()
        for suffix in format_.suffixes
        if lower.endswith(suffix)
    ]
    return max(fitting, key=lambda pair: pair[0])[1] if fitting else None


def _stem(name: str, format_: Format) -> str:
    suffix = next(s for s in format_.suffixes if name.lower().endswith(s))
    return name[: -len(suffix)]


def _refuse_suffix(name: str, formats: list[Format]) -> NoReturn:
    raise FileError(
        "the name does not end in a known format", where=_short(name), hint=_list(formats)
    )


def _list(formats: list[Format]) -> str:
    return ", ".join(suffix for format_ in formats for suffix in format_.suffixes)


def _check_size(size: int, limits: Limits) -> None:
    if size == 0:
        raise FileError("the file is empty")
    if size > limits.max_bytes:
        raise FileError(
            f"{size} bytes are more than the {limits.max_bytes} allowed",
            hint=limits.way_out("max_bytes"),
        )


def _short(text: str) -> str:
    """A file name fit for a message."""
    visible = "".join(c if c.isprintable() else "?" for c in text[:500])
    return visible if len(visible) <= 120 else "..." + visible[-117:]


def _joined(where: str, inner: str | None) -> str:
    return f"{where}, {inner}" if inner and inner != where else where


@contextmanager
def _blaming(where: str) -> Generator[None, None, None]:
    """Turn whatever is wrong with a file into a FileError that names it."""
    try:
        yield
    except (FileError, GraphError, ParameterError) as error:
        in_group = isinstance(error, GraphError | ParameterError) and error.where
        inner = f"group {error.where}" if in_group else error.where
        message = error.message if len(error.message) <= 400 else error.message[:397] + "..."
        raise FileError(message, where=_joined(where, inner), hint=error.hint) from None
    except PCError as error:
        inner = _joined(where, error.where)
        raise FileError(error.message[:400], where=inner, hint=error.hint) from None
    except (MemoryError, RecursionError):
        raise FileError("the model is too large for this machine", where=where) from None
