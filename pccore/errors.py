"""The exception tree: every error of `pccore` says in one sentence what is wrong and where.

PCError
├── GraphError       the groups do not form a circuit (cycle, sizes, names)
├── ParameterError   a parameter is missing, misshapen, negative, NaN or infinite
├── EvidenceError    evidence names an unknown variable or an impossible value
├── DataError        a dataset or an array of data cannot be used
├── FileError        a model file is malformed, truncated, too large or hostile
├── PropertyError    the circuit lacks the property that a query needs
├── OptionError      an option of a structure, learner or command is unknown or out of range
├── SourceError      a formula or builder code cannot be read; says from where to where
├── NotFoundError    no model, dataset, structure or format has this name
├── RunError         a run directory is missing, unreadable or in use
└── QuotaError       what was asked for is more than a server gives a workspace
"""

from __future__ import annotations

#: Characters of a message, of a place and of a hint: each quotes what somebody else wrote.
_MESSAGE, _WHERE, _HINT = 800, 250, 400


class PCError(Exception):
    """Base class. `where` names the unit, file, line or option; `hint` says a way out.

    All three are one line of printable text, whatever they quote: a control character, a lone
    surrogate or a mark that turns the direction of writing is shown by its number.
    """

    def __init__(self, message: str, *, where: str | None = None, hint: str | None = None) -> None:
        self.message = _visible(message, _MESSAGE)
        super().__init__(self.message)
        self.where = None if where is None else _visible(where, _WHERE)
        self.hint = None if hint is None else _visible(hint, _HINT)

    def __str__(self) -> str:
        text = f"{self.where}: {self.message}" if self.where else self.message
        return f"{text} ({self.hint})" if self.hint else text


def _visible(text: str, longest: int) -> str:
    if len(text) > longest:
        text = text[: longest - 1] + "…"
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text.replace("\n", " "))


class GraphError(PCError, ValueError):
    """The groups do not form a circuit."""


class ParameterError(PCError, ValueError):
    """A parameter is missing, misshapen, negative, NaN or infinite."""


class EvidenceError(PCError, ValueError):
    """Evidence names an unknown variable or a value outside its support."""


class DataError(PCError, ValueError):
    """A dataset or an array of data cannot be used."""


class FileError(PCError, ValueError):
    """A model file is malformed, truncated, too large or hostile."""


class PropertyError(PCError, ValueError):
    """The circuit lacks the property that a query needs; `witness` shows where."""

    def __init__(
        self,
        message: str,
        *,
        where: str | None = None,
        hint: str | None = None,
        witness: object = None,
    ) -> None:
        super().__init__(message, where=where, hint=hint)
        self.witness = witness


class OptionError(PCError, ValueError):
    """An option is unknown, of the wrong type or out of range."""


class SourceError(PCError, ValueError):
    """A formula or builder code cannot be read.

    start, end: the offending characters text[start:end]. line, column: of start, from 1.
    """

    def __init__(
        self, message: str, text: str, start: int, end: int, *, hint: str | None = None
    ) -> None:
        self.start = max(0, min(start, len(text)))
        self.end = max(self.start, min(end, len(text)))
        self.line = text.count("\n", 0, self.start) + 1
        self.column = self.start - (text.rfind("\n", 0, self.start) + 1) + 1
        super().__init__(message, where=f"line {self.line}, column {self.column}", hint=hint)


class NotFoundError(PCError, LookupError):
    """No model, dataset, structure or format has this name."""


class MemoryLimitError(PCError, MemoryError):
    """What was asked for does not fit into the memory of the device or into its budget."""


class RunError(PCError, RuntimeError):
    """A run directory is missing, unreadable or in use."""


class QuotaError(PCError, RuntimeError):
    """More disk, time or parameters than a server of the workbench gives a workspace."""
