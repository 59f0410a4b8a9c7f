"""DIMACS formulas (.cnf): what a compiled formula does not say itself, its variables."""

from __future__ import annotations

from pccore.errors import FileError
from pccore.files.base import Source
from pccore.files.importing.lines import at_line, integer, source_of, words_of

SUFFIXES = (".cnf", ".dimacs")


def variables_of_cnf(source: Source) -> int | None:
    """The number of variables that the formula beside a circuit declares; None without one."""
    companion = source.beside(SUFFIXES)
    if companion is None:
        return None
    for line, words in words_of(source_of(companion, source.limits)):
        try:
            with at_line(line):
                if words[0] != b"p" or len(words) < 4:
                    raise FileError("a formula starts with: p cnf variables clauses")
                return integer(words[2], "the number", 1, source.limits.max_variables)
        except FileError as error:
            raise FileError(error.message, where=f"{companion.name}, {error.where}") from None
    raise FileError("there is no line: p cnf variables clauses", where=companion.name)
