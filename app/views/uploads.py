"""What can be uploaded as a model, and which of several files is the model."""

from __future__ import annotations

from pccore.files import FORMATS, Format, gzipped


def readable() -> list[Format]:
    """Formats that a model can be read from, our own first."""
    found = [format_ for format_ in FORMATS().values() if format_.load is not None]
    return sorted(found, key=lambda format_: (not format_.exact, format_.title.lower()))


def endings() -> list[str]:
    """The last suffixes of all files that belong to a model, without the dot."""
    suffixes = [s for format_ in readable() for s in (*format_.suffixes, *format_.companions)]
    return sorted({suffix.rpartition(".")[2] for suffix in [*suffixes, gzipped.SUFFIX]})


def model_name(names: list[str]) -> str:
    """The file among them that is not there to accompany another."""
    companions = tuple(s for format_ in readable() for s in format_.companions)
    others = [n for n in names if not gzipped.plain_name(n.lower()).endswith(companions)]
    return (others or names)[0]


def rows() -> list[dict[str, str]]:
    """A table of the formats."""
    return [
        {
            "Format": format_.title,
            "Files": ", ".join(format_.suffixes),
            "May come with": ", ".join(format_.companions),
        }
        for format_ in readable()
    ]
