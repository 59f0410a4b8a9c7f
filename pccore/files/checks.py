"""Typed access to untrusted values: every mistake becomes a FileError that says where."""

from __future__ import annotations

import math
import re
import reprlib
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import cast

from pccore.errors import FileError
from pccore.files.base import Limits
from pccore.graph import Json

# Control characters, line separators, bidirectional overrides (they make a name look like
# another one) and lone surrogates (they cannot be written as UTF-8).
_FORBIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_FORBIDDEN_IN_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\ud800-\udfff]")

MAX_INTEGER = 2**63 - 1


def shown(value: object) -> str:
    """A short repr, whatever the size of the value."""
    text = reprlib.repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def name(value: object, what: str, limits: Limits, where: str | None = None) -> str:
    """A non-empty one-line string of at most `limits.max_name` characters."""
    if not isinstance(value, str):
        raise FileError(f"{what} must be a string, not {shown(value)}", where=where)
    if not value:
        raise FileError(f"{what} is empty", where=where)
    if len(value) > limits.max_name:
        raise FileError(
            f"{what} has {len(value)} characters, more than the {limits.max_name} allowed",
            where=where,
            hint=limits.way_out("max_name"),
        )
    if _FORBIDDEN.search(value):
        raise FileError(f"{what} {ascii(value)[:80]} holds a control character", where=where)
    return value


def integer(value: object, what: str, low: int, high: int, where: str | None = None) -> int:
    """An integer (true and false are none) from `low` to `high`."""
    if type(value) is not int:
        raise FileError(f"{what} must be an integer, not {shown(value)}", where=where)
    if not low <= value <= high:
        raise FileError(f"{what} must be from {low} to {high}, not {shown(value)}", where=where)
    return value


def items(value: object, what: str, where: str | None = None) -> list[object]:
    """A list."""
    if not isinstance(value, list):
        raise FileError(f"{what} must be a list, not {shown(value)}", where=where)
    return cast("list[object]", value)


def fields(
    value: object,
    what: str,
    required: Sequence[str],
    optional: Sequence[str] = (),
    where: str | None = None,
) -> dict[str, object]:
    """An object that has all `required` keys and none beyond `optional`."""
    if not isinstance(value, dict):
        raise FileError(f"{what} must be an object, not {shown(value)}", where=where)
    found = cast("dict[str, object]", value)
    known = (*required, *optional)
    for key in found:
        if key not in known:
            near = get_close_matches(key[:64], known, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"known keys are {', '.join(known)}"
            raise FileError(f"{what} has the unknown key {shown(key)}", where=where, hint=hint)
    for key in required:
        if key not in found:
            raise FileError(f"{what} lacks the key {key!r}", where=where)
    return found


def plain_meta(meta: Mapping[str, Json], limits: Limits) -> dict[str, Json]:
    """The notes of a circuit as dicts, lists and scalars that JSON can hold exactly.

    Checks both directions: what a file brings and what is about to be written. Raises
    FileError for other types, NaN, long or unprintable strings, deep nesting, and for an
    image shape that is not made of small positive integers.
    """
    budget = [limits.max_meta_values]
    plain = cast("dict[str, Json]", _plain(meta, "meta", limits, limits.max_depth, budget))
    for key in ("title", "story"):
        if not isinstance(plain.get(key, ""), str):
            raise FileError(f"meta.{key} must be a string, not {shown(plain[key])}")
    image = plain.get("image")
    if image is not None:
        _check_image(image)
    return plain


def _plain(value: object, where: str, limits: Limits, depth: int, budget: list[int]) -> Json:
    budget[0] -= 1
    if budget[0] < 0:
        raise FileError(
            f"meta has more than {limits.max_meta_values} values",
            where=where,
            hint=limits.way_out("max_meta_values"),
        )
    if depth < 0:
        raise FileError(
            f"meta is nested more than {limits.max_depth} deep",
            where=where[:60],
            hint=limits.way_out("max_depth"),
        )
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        if len(value) > limits.max_text:
            raise FileError(
                f"a text has more than {limits.max_text} characters",
                where=where,
                hint=limits.way_out("max_text"),
            )
        if _FORBIDDEN_IN_TEXT.search(value):
            raise FileError("a text holds a control character", where=where)
        return value
    if type(value) is int:
        return integer(value, "the number", -MAX_INTEGER, MAX_INTEGER, where)
    if type(value) is float:
        if not math.isfinite(value):
            raise FileError(f"{value} is not a finite number", where=where)
        return value
    if isinstance(value, Mapping):
        pairs = cast("Mapping[object, object]", value)
        return {
            name(k, "a key", limits, where): _plain(v, f"{where}.{k}", limits, depth - 1, budget)
            for k, v in pairs.items()
        }
    if isinstance(value, list | tuple):
        entries = cast("Sequence[object]", value)
        return [_plain(v, f"{where}[]", limits, depth - 1, budget) for v in entries]
    raise FileError(f"a file cannot hold the {type(value).__name__} {shown(value)}", where=where)


def _check_image(image: Json) -> None:
    if not isinstance(image, dict):
        raise FileError(f"meta.image must be an object, not {shown(image)}")
    pixels = 1
    for key in ("height", "width", "channels"):
        if key in image:
            pixels *= integer(image[key], f"meta.image.{key}", 1, 2**16)
    if pixels > 2**26:
        raise FileError(f"meta.image has {pixels} values, more than {2**26}")
    maximum = image.get("maximum", 1)
    if isinstance(maximum, bool) or not isinstance(maximum, int | float) or maximum <= 0:
        raise FileError(f"meta.image.maximum must be a positive number, not {shown(maximum)}")
