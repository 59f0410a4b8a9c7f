"""Widgets for a dataclass of options, made from `pccore.options.describe`."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import streamlit as st

from pc_workbench import errors, state
from pccore.csv_text import csv_rows
from pccore.errors import OptionError
from pccore.options import OptionInfo, describe, parse_options

_STEPS = (1, 1.5, 2, 3, 4, 5, 6, 8)
_FEW = 24  # whole numbers up to which every one has its place on the slider


def chosen(field: str, cls: type) -> dict[str, str]:
    """The options of `cls` that a field of the state sets, as texts."""
    names = {info.name for info in describe(cls)}
    return {name: text for name, text in getattr(state.get(), field) if name in names}


def widgets(
    field: str,
    cls: type,
    names: Sequence[str],
    problem: OptionError | None = None,
    *,
    explain: bool = False,
) -> None:
    """One widget for each named option of `cls`, in the column of the caller.

    field: of the state, holds (name, text) pairs. problem: shown below the option it is about.
    explain: the help stands beside the name, and not in a bubble.
    """
    given = dict(getattr(state.get(), field))
    infos = {info.name: info for info in describe(cls)}
    for info in (infos[name] for name in names):
        text = given.get(info.name)
        _widget(field, info, _value(cls, info, text), text, explain)
        if problem is not None and concerns(problem, info.name):
            st.caption(f":red[{errors.sentence(problem)}]")


def concerns(problem: OptionError, name: str) -> bool:
    """Whether an error is about the option of this name."""
    return problem.where == name or f"option {name!r}" in problem.message


def _widget(field: str, info: OptionInfo, value: Any, text: str | None, explain: bool) -> None:
    key = f"pcw_{field}_{info.name}"
    label = info.name.replace("_", " ").capitalize()
    if explain:
        label = f"{label} :gray[:small[{errors.plain(info.help)}]]"
    common: dict[str, Any] = {
        "key": key,
        "help": None if explain else errors.plain(info.help[:1].upper() + info.help[1:]),
        "on_change": _changed,
        "args": (field, info, key),
    }
    if info.choices is not None:
        st.session_state[key] = value
        st.selectbox(label, info.choices, **common)
    elif info.kind == "bool":
        st.session_state[key] = value
        st.toggle(label, **common)
    elif info.kind in ("int", "float") and info.name != "seed" and info.maximum is not None:
        stops = ladder(info, value)
        st.session_state[key] = value
        st.select_slider(label, stops, format_func=_stop, **common)
    elif info.kind == "int" and not info.optional:
        st.session_state[key] = value
        least = None if info.minimum is None else int(info.minimum)
        most = None if info.maximum is None else int(info.maximum)
        st.number_input(label, least, most, step=1, **common)
    else:
        st.session_state[key] = text if text is not None else _text(info.default)
        st.text_input(label, placeholder="automatic", **common)


def _value(cls: type, info: OptionInfo, text: str | None) -> Any:
    """The value of a text, the default where the text is none of the option's."""
    if text is None:
        return info.default
    try:
        return getattr(parse_options(cls, {info.name: text}), info.name)
    except OptionError:
        return info.default


def ladder(info: OptionInfo, value: Any) -> list[Any]:
    """The stops of a slider: every whole number of a short range, else round numbers.

    The current value is always among them; None, where allowed, comes first.
    """
    low = 0 if info.minimum is None else info.minimum
    high = low if info.maximum is None else info.maximum
    if info.kind == "int" and high - low <= _FEW:
        stops: set[Any] = set(range(int(low), int(high) + 1))
    else:
        first = math.floor(math.log10(low)) if low > 0 else (0 if info.kind == "int" else -6)
        last = math.ceil(math.log10(high))
        stops = {low} if low == 0 else set()
        stops |= {float(f"{s}e{e}") for e in range(first, last + 1) for s in _STEPS}
        stops = {s for s in stops if low <= s <= high}
    if info.kind == "int":
        stops = {int(s) for s in stops if s == int(s)}
    for extra in (value, info.default):
        if extra is not None:
            stops.add(extra)
    return [*([None] if info.optional else []), *sorted(stops)]


def _stop(value: Any) -> str:
    return (
        "automatic" if value is None else f"{value:,}" if isinstance(value, int) else f"{value:g}"
    )


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return ",".join(str(v) for v in value)
    return "" if value is None else str(value)


def _changed(field: str, info: OptionInfo, key: str) -> None:
    value = st.session_state[key]
    text = _text(value).replace(" ", "")
    pairs = dict(getattr(state.get(), field))
    if text == _text(info.default):
        pairs.pop(info.name, None)
    else:
        pairs[info.name] = text
    try:
        state.update(**{field: tuple(pairs.items())})
    except ValueError:
        st.toast(f"{info.name} cannot be that.")


def csv_button(rows: Sequence[Mapping[str, object]], file_name: str, *, label: str = "CSV") -> None:
    """A small button that downloads a table; Streamlit's own in tables is switched off, since it
    writes cells as they are, formulas included."""
    st.download_button(
        label,
        functools.partial(csv_rows, rows),
        file_name,
        "text/csv",
        on_click="ignore",
        type="tertiary",
    )


def show_code(
    python: str,
    command: str,
    *,
    label: str = "Show code",
    width: Literal["stretch", "content"] = "stretch",
) -> None:
    """A popover with the same action for Python and for the command line."""
    with st.popover(label, width=width):
        st.caption("Command line")
        st.code(command, language="bash", wrap_lines=True)
        st.caption("Python")
        st.code(python, language="python")
