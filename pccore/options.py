"""Options of structures, learners and queries: declared once, used by every front end.

A set of options is a frozen dataclass whose fields are made with `option`:

    @dataclass(frozen=True)
    class RatOptions:
        depth: int = option(2, help="number of splits from the root", minimum=1, maximum=12)

`describe` feeds sliders, `--help` and the docs; `parse_options` reads `--set depth=4` and
form fields; `to_dict` goes into configuration files and `parse_options` reads it back. Field
types: int, float, bool, str, Literal of strings, tuple[int, ...], tuple[float, ...], and any of
these or None.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, cast

from pccore.errors import OptionError

T = TypeVar("T")

Scalar = int | float | bool | str
Value = Scalar | tuple[int, ...] | tuple[float, ...] | None
Kind = Literal["int", "float", "bool", "str", "ints", "floats"]

_METADATA = "pccore.option"
_TRUE = frozenset({"true", "yes", "on", "1"})
_FALSE = frozenset({"false", "no", "off", "0"})
_NONE = frozenset({"none", "null", ""})
_LONGEST_TEXT = 10_000
_NOUNS: Mapping[Kind, str] = {
    "int": "an integer",
    "float": "a number",
    "bool": "true or false",
    "str": "a text",
    "ints": "integers separated by commas",
    "floats": "numbers separated by commas",
}


@dataclass(frozen=True, slots=True)
class OptionInfo:
    """One option as a front end sees it.

    kind: "int", "float", "bool", "str", "ints" or "floats" (tuples). optional: None is allowed.
    minimum, maximum: inclusive bounds, of each element for a tuple. choices: the allowed values
    (of each element for a tuple), or None. step: what a slider moves by, or None. advanced: most
    people leave it alone, so front ends show it apart.
    """

    name: str
    kind: Kind
    optional: bool
    default: Value
    minimum: float | None
    maximum: float | None
    choices: tuple[Scalar, ...] | None
    step: float | None
    help: str
    advanced: bool = False

    def allowed(self) -> str:
        """The allowed values in words, such as "an integer from 1 to 12"."""
        text = _NOUNS[self.kind]
        if self.choices is not None:
            several = " separated by commas" if self.kind in ("ints", "floats") else ""
            text = f"one of {', '.join(_show(c) for c in self.choices)}{several}"
        else:
            low = None if self.minimum is None else _show(self.minimum)
            high = None if self.maximum is None else _show(self.maximum)
            if low is not None and high is not None:
                text += f" from {low} to {high}"
            elif low is not None:
                text += f" of at least {low}"
            elif high is not None:
                text += f" of at most {high}"
        return f"{text}, or none" if self.optional else text


def option(
    default: T,
    *,
    help: str,
    minimum: float | None = None,
    maximum: float | None = None,
    choices: Sequence[Scalar] | None = None,
    step: float | None = None,
    advanced: bool = False,
) -> T:
    """A dataclass field with a default, bounds (inclusive) and a sentence of help.

    Declared to return the type of the default so that type checkers accept
    `units: int = option(10, help="...")`; what it returns is a `dataclasses.field`.
    """
    extra = {
        "help": help,
        "minimum": minimum,
        "maximum": maximum,
        "choices": None if choices is None else tuple(choices),
        "step": step,
        "advanced": advanced,
    }
    return dataclasses.field(default=default, metadata={_METADATA: extra})


def describe(cls: type[Any]) -> tuple[OptionInfo, ...]:
    """The options of a dataclass, in the order of its fields.

    Raises TypeError where the class itself is not a proper set of options (no dataclass, a field
    without a default or of a type that no text can give).
    """
    if not dataclasses.is_dataclass(cls):
        raise TypeError(f"{cls!r} is not a dataclass of options")
    hints = typing.get_type_hints(cls)
    infos: list[OptionInfo] = []
    for field in dataclasses.fields(cls):
        if not field.init:
            continue
        if field.default is dataclasses.MISSING:
            raise TypeError(f"option {cls.__name__}.{field.name} has no default")
        kind, optional, literals = _kind(hints[field.name], f"{cls.__name__}.{field.name}")
        extra = cast(Mapping[str, Any], field.metadata.get(_METADATA, {}))
        infos.append(
            OptionInfo(
                name=field.name,
                kind=kind,
                optional=optional,
                default=field.default,
                minimum=extra.get("minimum"),
                maximum=extra.get("maximum"),
                choices=extra.get("choices") or literals,
                step=extra.get("step"),
                help=extra.get("help", ""),
                advanced=extra.get("advanced", False),
            )
        )
    return tuple(infos)


def parse_options(
    cls: type[T], mapping: Mapping[str, object], *, base: T | None = None, where: str | None = None
) -> T:
    """An instance of `cls` with the given values; what is not given keeps its default.

    Texts are parsed by the type of the field; other values are checked against it (an integral
    float passes as an int, an int as a float, a list as a tuple). base: an instance to take the
    defaults from, such as a preset. where: put before the message, such as "structure rat".

    Raises OptionError for an unknown name, a value of the wrong type or out of range.
    """
    infos = {info.name: info for info in describe(cls)}
    values: dict[str, Any] = {}
    for name, given in mapping.items():
        if name not in infos:
            raise _unknown(name, infos, where)
        values[name] = _convert(infos[name], given, where)
    try:
        if base is not None:
            return cast(T, dataclasses.replace(cast(Any, base), **values))
        return cls(**values)
    except OptionError:
        raise
    except ValueError as error:  # a rule between several options, checked in __post_init__
        raise OptionError(str(error), where=where) from error


def validate(instance: object, *, where: str | None = None) -> None:
    """Raise OptionError unless every option of an instance has its type and is in range."""
    for info in describe(type(instance)):
        value = getattr(instance, info.name)
        if isinstance(value, str) and info.kind != "str":
            # Texts are for parse_options: in an instance they are a mistake of the caller.
            raise _bad(info, value, where)
        _convert(info, value, where)


def to_dict(instance: object) -> dict[str, Scalar | list[int] | list[float] | None]:
    """The options as JSON values (tuples become lists); `parse_options` reads them back."""
    result: dict[str, Scalar | list[int] | list[float] | None] = {}
    for info in describe(type(instance)):
        value = getattr(instance, info.name)
        result[info.name] = list(value) if isinstance(value, tuple) else value
    return result


def parse_assignments(texts: Iterable[str]) -> dict[str, str]:
    """The `key=value` texts of a command line as a mapping.

    Raises OptionError where a text has no "=", no name, or gives a name for the second time.
    """
    result: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        name = name.strip()
        if not equals or not name:
            raise OptionError(f"{_show(text)} is not of the form key=value")
        if name in result:
            raise OptionError(f"option {name!r} is given twice")
        result[name] = value.strip()
    return result


def _kind(hint: Any, where: str) -> tuple[Kind, bool, tuple[Scalar, ...] | None]:
    """Kind, whether None is allowed, and the members of a Literal."""
    members = (hint,)
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        members = typing.get_args(hint)
    plain = [member for member in members if member is not type(None)]
    optional = len(plain) < len(members)
    if len(plain) == 1:
        hint = plain[0]
        simple: dict[Any, Kind] = {int: "int", float: "float", bool: "bool", str: "str"}
        if hint in simple:
            return simple[hint], optional, None
        arguments = typing.get_args(hint)
        if typing.get_origin(hint) is tuple and arguments in ((int, ...), (float, ...)):
            return ("ints" if arguments[0] is int else "floats"), optional, None
        if typing.get_origin(hint) is Literal and all(isinstance(a, str) for a in arguments):
            return "str", optional, arguments
    raise TypeError(f"option {where} has the type {hint!r}, which no text can give")


def _convert(info: OptionInfo, given: object, where: str | None) -> Value:
    """`given` as a legal value of the option."""
    if given is None or (
        info.optional
        and isinstance(given, str)
        and given.strip().lower() in (_NONE if info.kind != "str" else {"none"})
    ):
        if info.optional:
            return None
        raise _bad(info, given, where)
    if isinstance(given, str) and len(given) > _LONGEST_TEXT:
        raise _bad(info, given, where)
    if info.kind not in ("ints", "floats"):
        return _element(info, info.kind, given, given, where)
    kind: Kind = "int" if info.kind == "ints" else "float"
    if isinstance(given, str):
        items: Sequence[object] = _split(given)
    elif isinstance(given, (list, tuple)):
        items = cast(Sequence[object], given)
    else:
        raise _bad(info, given, where)
    elements = tuple(_element(info, kind, item, given, where) for item in items)
    return cast(tuple[int, ...] | tuple[float, ...], elements)


def _split(text: str) -> list[str]:
    """The items of "1,2", "(1, 2)" or "[1, 2,]"; the empty text has none."""
    text = text.strip()
    if text[:1] + text[-1:] in ("()", "[]"):
        text = text[1:-1].strip()
    if not text:
        return []
    items = [item.strip() for item in text.split(",")]
    return items[:-1] if len(items) > 1 and not items[-1] else items


def _element(
    info: OptionInfo, kind: Kind, item: object, given: object, where: str | None
) -> Scalar:
    """One scalar, parsed or checked, and inside the bounds."""
    value = _scalar(kind, item)
    if value is None:
        raise _bad(info, given, where)
    if info.choices is not None and value not in info.choices:
        raise _bad(info, given, where)
    if not isinstance(value, str) and (
        (info.minimum is not None and value < info.minimum)
        or (info.maximum is not None and value > info.maximum)
    ):
        raise _bad(info, given, where)
    return value


def _scalar(kind: Kind, item: object) -> Scalar | None:
    """The item as a value of the kind, or None where it is none."""
    if kind == "str":
        return item if isinstance(item, str) else None
    if kind == "bool":
        if isinstance(item, str):
            word = item.strip().lower()
            return True if word in _TRUE else False if word in _FALSE else None
        return item if isinstance(item, bool) else None
    if isinstance(item, bool):  # bool is an int in Python, but not what an int option means
        return None
    number = _number(item)
    if number is None or isinstance(number, int):
        return float(number) if kind == "float" and number is not None else number
    if not math.isfinite(number):
        return None
    if kind == "float":
        return number
    return int(number) if number.is_integer() else None


def _number(item: object) -> int | float | None:
    """An int or float from a text or a number (numpy's too), or None."""
    if isinstance(item, str):
        if "_" in item:  # Python reads 1_000 as a number; in an option it is a slip
            return None
        for read in (int, float):
            try:
                return read(item)
            except ValueError:
                continue
        return None
    if isinstance(item, float):
        return float(item)
    index = getattr(item, "__index__", None)
    return None if index is None else int(index())


def _unknown(name: str, infos: Mapping[str, OptionInfo], where: str | None) -> OptionError:
    """The error for a name that is no option."""
    known = ", ".join(infos) if infos else "there are none"
    close = difflib.get_close_matches(str(name), infos, n=1)
    guess = f"; did you mean {close[0]!r}?" if close else ""
    return OptionError(f"unknown option {_show(name)}, known are: {known}{guess}", where=where)


def _bad(info: OptionInfo, given: object, where: str | None) -> OptionError:
    """The error for a value that is not allowed."""
    return OptionError(
        f"option {info.name!r} must be {info.allowed()}, not {_show(given)}", where=where
    )


def _show(value: object) -> str:
    """A short text of a value: whole numbers without .0, long texts cut."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
