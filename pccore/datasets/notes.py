"""What a dataset file says beside its values: types, words of the codes, names of the labels.

One JSON text, the array `notes` of an .npz file:

    {"format": "pccore-dataset", "version": 1, "supports": [[KIND, STATES or null, HOW MANY], ...],
     "categories": {VARIABLE: [WORD, ...]}, "ordered": [VARIABLE, ...], "label_names": [NAME, ...],
     "image": [HEIGHT, WIDTH, CHANNELS, MAXIMUM] or null, "description": TEXT}
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from pccore.datasets.base import Dataset, ImageShape
from pccore.errors import DataError, FileError
from pccore.files import strict_json
from pccore.leaves.base import Support
from pccore.limits import Limits, current_limits

FORMAT = "pccore-dataset"
VERSION = 1
_KINDS = frozenset({"finite", "count", "real"})


@dataclass(frozen=True, slots=True)
class Notes:
    """The content of the notes, checked for types; `Dataset` checks that it fits the values."""

    supports: tuple[Support, ...]
    categories: Mapping[str, tuple[str, ...]]
    ordered: tuple[str, ...]
    label_names: tuple[str, ...]
    image: ImageShape | None
    description: str


def to_text(dataset: Dataset) -> str:
    """The notes of a dataset, the same for the same content."""
    runs = [
        [support.kind, support.states, sum(1 for _ in members)]
        for support, members in itertools.groupby(dataset.supports)
    ]
    image = dataset.image
    sides = None if image is None else [image.height, image.width, image.channels, image.maximum]
    document = {
        "format": FORMAT,
        "version": VERSION,
        "supports": runs,
        "categories": {name: list(words) for name, words in dataset.categories.items()},
        "ordered": list(dataset.ordered),
        "label_names": list(dataset.label_names),
        "image": sides,
        "description": dataset.description,
    }
    return json.dumps(document, ensure_ascii=False)


def recognises(text: str) -> bool:
    """Whether a text is meant to be notes."""
    return FORMAT in text[:200]


def check_size(size: int, where: str) -> None:
    """Raise DataError where notes of so many characters are too long to be read."""
    limits = current_limits()
    if size > limits.max_notes_bytes:
        raise DataError(
            f"the notes have {size} characters, more than the {limits.max_notes_bytes} allowed",
            where=where,
            hint=limits.way_out("max_notes_bytes"),
        )


def from_text(text: str, where: str) -> Notes:
    """Read notes of unknown origin. Raises DataError."""
    check_size(len(text), where)
    limits = current_limits()
    try:
        document = strict_json.parse(text, limits)
    except FileError as error:
        raise DataError(f"the notes cannot be read: {error}", where=where) from error
    if not isinstance(document, dict):
        raise DataError("the notes are no object", where=where)
    given = cast("dict[str, Any]", document)
    if given.get("format") != FORMAT or given.get("version") != VERSION:
        raise DataError(
            f"the notes are of version {given.get('version')!r}, version {VERSION} is read here",
            where=where,
        )
    try:
        return Notes(
            _supports(given["supports"], limits),
            {_text(name): _texts(words) for name, words in given["categories"].items()},
            _texts(given["ordered"]),
            _texts(given["label_names"]),
            None if given["image"] is None else ImageShape(*map(_whole, given["image"])),
            _text(given["description"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        reason = str(error).strip("'\"")[:120]
        raise DataError(f"the notes are malformed: {reason}", where=where) from error


def _supports(runs: Any, limits: Limits) -> tuple[Support, ...]:
    found: list[Support] = []
    for kind, states, many in runs:
        if kind not in _KINDS or (kind == "finite") != (states is not None):
            raise ValueError(f"there are no supports {kind!r}")
        count = _whole(many)
        if len(found) + count > limits.max_columns:
            raise ValueError(f"too many variables, {limits.way_out('max_columns')}")
        found += [Support(kind, None if states is None else _whole(states))] * count
    return tuple(found)


def _whole(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 2**31:
        raise ValueError(f"{value!r} is no positive number")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("a text is expected")
    return value


def _texts(values: Any) -> tuple[str, ...]:
    if not isinstance(values, list):
        raise TypeError("a list of texts is expected")
    return tuple(map(_text, cast("list[Any]", values)))
