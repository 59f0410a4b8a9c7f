"""A text with line numbers, in which a mistake is underlined at its place.

    source_text("formula", text, (4, 7, "x9 is not defined"), on_change=read)

The browser sends what was typed after a pause; Python may answer with another text (the drawing
was changed), which never replaces what has been typed since.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import streamlit as st

from ..assets import component

__all__ = ["Problem", "read_edit", "source_text"]

#: Where a mistake begins and ends (characters), and what it is.
Problem = tuple[int, int, str]
#: The longest text that is taken from the browser.
MAX_LENGTH = 1_000_000


def read_edit(payload: object) -> tuple[str, int] | None:
    """Validate what the browser sent: (text, number of the edit), None for anything malformed."""
    if not isinstance(payload, Mapping):
        return None
    text, number = payload.get("text"), payload.get("seq")
    if not isinstance(text, str) or type(number) is not int or len(text) > MAX_LENGTH:
        return None
    return text, number


def source_text(
    key: str,
    value: str,
    problem: Problem | None = None,
    *,
    label: str,
    height: int = 240,
    on_change: Callable[[str], None] | None = None,
) -> None:
    """Draw the text field.

    Args:
        key: unique and constant.
        value: the text to show.
        problem: what is wrong with ``value`` and where.
        label: name of the field for screen readers.
        height: of the field in pixels.
        on_change: called with the text before the rerun that typing causes.
    """

    def edit() -> tuple[str, int] | None:
        state = st.session_state.get(key)
        return read_edit(state.get("edit") if isinstance(state, Mapping) else None)

    def changed() -> None:
        found = edit()
        if found is not None and on_change is not None:
            on_change(found[0])

    seen = edit()
    length = len(value)
    spot = None
    if problem is not None:
        start = min(max(0, problem[0]), length)
        spot = [start, min(max(start, problem[1]), length), problem[2]]
    component("source", ("main",))(
        key=key,
        data={
            "text": value,
            "seq": seen[1] if seen else 0,
            "problem": spot,
            "label": label,
            "height": int(height),
        },
        default={"edit": None},
        on_edit_change=changed,
    )
