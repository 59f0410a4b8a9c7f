"""NAME.pc.txt: a small circuit as a formula (see `pccore.formula`), to be read and typed."""

from __future__ import annotations

from typing import BinaryIO

from pccore.errors import FileError, OptionError
from pccore.files.base import Format
from pccore.files.texts import readers
from pccore.formula import format_formula, parse_formula
from pccore.graph import Circuit


def save(circuit: Circuit, stream: BinaryIO) -> None:
    """Write the formula; raises FileError where `format_formula` raises OptionError."""
    try:
        text = format_formula(circuit)
    except OptionError as error:
        raise FileError(error.message, hint=error.hint) from None
    stream.write(text.encode())


load, meta, describe = readers("formula", parse_formula)

FORMAT = Format(
    name="formula",
    title="Formula",
    suffixes=(".pc.txt",),
    save=save,
    load=load,
    meta=meta,
    describe=describe,
    exact=False,
)
