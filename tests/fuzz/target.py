"""What a target of the fuzzing harness is, and what they share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pccore.errors import PCError
from pccore.files import Limits

REPOSITORY = Path(__file__).resolve().parents[2]
#: Bounds small enough that a file which keeps them is handled at once.
LIMITS = Limits(
    max_bytes=2**20,
    max_json_bytes=2**19,
    max_groups=5_000,
    max_units=200_000,
    max_parameters=400_000,
    max_variables=5_000,
    max_text_size=50_000,
    max_line=20_000,
)
#: Separates the members of an input of several files; a reader of one file never sees it.
CUT = b"\n=====\n"


@dataclass(frozen=True)
class Target:
    """run: reads bytes. seeds: sound inputs to start from. words: what a mutation may put in."""

    name: str
    run: Callable[[bytes], object]
    seeds: Sequence[bytes]
    words: Sequence[bytes] = ()


def survives(target: Target, data: bytes) -> PCError | None:
    """Run a target; the typed error that it raised, None where the input was taken.

    Any other exception passes through: that is a find.
    """
    try:
        target.run(data)
    except PCError as error:
        text = str(error)
        assert 0 < len(text) < 1500, f"a message of {len(text)} characters"
        assert text.isprintable(), f"a message that cannot be shown: {text!a}"
        return error
    return None


#: What a mutation may put into a text.
WORDS = (
    *b"-1 0 1 2 99999999999999999999 1e999 -1e999 nan inf -inf 1e308 -0.0 0x10 4294967296".split(),
    *b"9223372036854775807 + * D L ( ) [ ] {{ }} ; | c EOF <script> // /* . , { } \" ' \\".split(),
    *(b"**9", b"\xff", b"\x00", "\u202e".encode(), "\u0661".encode(), b"\r", b"\n", b"\t"),
)
