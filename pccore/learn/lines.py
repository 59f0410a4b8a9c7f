"""The lines of `metrics.jsonl`: each a JSON object, its last field the CRC-32 of the rest."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from typing import Any, cast

from pccore.learn import storage

#: What stands between the event and the eight digits of its checksum.
_MARK = b', "crc32": "'
#: Stands for a line that was changed after it was written.
DAMAGED: Mapping[str, str] = {"event": "damaged"}


def line_of(event: Mapping[str, Any]) -> str:
    """An event as a line, without the newline; infinities become null."""
    text = json.dumps(storage.finite(event))
    return f'{text[:-1]}{_MARK.decode()}{zlib.crc32(text.encode()):08x}"}}'


def event_of(line: bytes) -> dict[str, Any]:
    """The event of a line; DAMAGED where that is none, or not what was written. Lines without a
    checksum, of older versions or other programs, are taken as they are."""
    text, mark, check = line.rpartition(_MARK)
    if mark:
        line = text + b"}"
        if check != f'{zlib.crc32(line):08x}"}}'.encode():
            return dict(DAMAGED)
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return dict(DAMAGED)
    return cast(dict[str, Any], event) if isinstance(event, dict) else dict(DAMAGED)
