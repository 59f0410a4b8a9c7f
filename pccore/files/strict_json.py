"""JSON from untrusted bytes: bounded, no duplicate keys, no NaN, errors with line and column."""

from __future__ import annotations

import json
import re
from typing import NoReturn

from pccore.errors import FileError
from pccore.files.base import Limits
from pccore.files.checks import shown

#: Depth at which nesting is called too deep; Python gives up at some thousand.
_DEEP = 100
#: How far a too deep place is looked for: at most a second.
_SEARCHED = 2_000_000
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)


def parse(data: bytes | str, limits: Limits) -> object:
    """The value that `data` (UTF-8, a byte order mark is tolerated) describes.

    Raises FileError, with `where` = line and column where the syntax is at fault.
    """
    if len(data) > limits.max_json_bytes:
        raise FileError(
            f"{len(data)} bytes of JSON are more than the {limits.max_json_bytes} allowed",
            hint="store large models as .pc.safetensors",
        )
    text = _decoded(data) if isinstance(data, bytes) else data
    check_counts(text, limits)
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        cut = error.pos >= len(text.rstrip())
        hint = "the file seems to be cut off" if cut else None
        raise FileError(f"not valid JSON: {error.msg}", where=where, hint=hint) from None
    except RecursionError:
        raise FileError(
            f"lists are nested too deeply, more than {_DEEP} in one another", where=_deepest(text)
        ) from None
    except FileError:
        raise
    except ValueError:  # int() refuses more than some thousand digits
        raise FileError("a number has too many digits") from None


def check_counts(text: str, limits: Limits) -> None:
    """Refuse a text that would parse to too many objects (before reading, after writing).

    Counting is cheap and bounds the memory: an empty list is two bytes of text and about 60
    of objects.

    Raises FileError.
    """
    if text.count("[") + text.count("{") > limits.max_json_containers:
        raise FileError(
            f"more than {limits.max_json_containers} lists and objects",
            hint=limits.way_out("max_json_containers"),
        )
    if text.count(",") > limits.max_json_values:
        raise FileError(
            f"more than {limits.max_json_values} values", hint=limits.way_out("max_json_values")
        )


def _decoded(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise FileError(f"byte {error.start} is not UTF-8 text", where=f"line {line}") from None


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen = set[str]()
        for key, _ in pairs:
            if key in seen:
                owner = found.get("name")
                where = f"group {owner[:80]}" if isinstance(owner, str) else None
                raise FileError(f"the key {shown(key)} appears twice in one object", where=where)
            seen.add(key)
    return found


def _refuse_constant(constant: str) -> NoReturn:
    raise FileError(f"{constant} is not a number that a model can hold")


def _deepest(text: str) -> str:
    """Where the nesting passes _DEEP."""
    depth = 0
    for match in _TOKEN.finditer(text, 0, _SEARCHED):
        token = match[0]
        depth += 1 if token in "[{" else -1 if token in "]}" else 0
        if depth > _DEEP:
            position = match.start()
            line = text.count("\n", 0, position) + 1
            return f"line {line}, column {position - text.rfind(chr(10), 0, position)}"
    return "the text"
