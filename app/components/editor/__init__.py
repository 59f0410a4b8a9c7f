"""The circuit editor: a canvas on which a person draws, connects, moves and edits units.

The browser shows every edit at once and sends it as an operation; Python applies it to the draft
and answers with the drawing as it then is::

    drawing_editor(scene, key="draw", sheet=token, acks=acks, on_edits=apply)

``on_edits`` is called before the rerun that the edits cause, with what the browser sent;
`pc_workbench.views.draft_ops.read_edits` checks it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import streamlit as st

from ..assets import component

__all__ = ["drawing_editor", "sent_edits"]

_GRAPH = ("model", "draw", "viewport", "keyboard")
_OWN = ("doc", "sync", "canvas", "gestures", "popup", "keys", "adding", "actions", "main")
_SCRIPTS = (*(f"../graph/{name}" for name in _GRAPH), *_OWN)


def sent_edits(key: str) -> object:
    """What the browser sent last, not checked; None before it sent anything."""
    kept = st.session_state.get(key)
    return kept.get("edits") if isinstance(kept, Mapping) else None


def drawing_editor(
    drawing: Mapping[str, Any],
    *,
    key: str,
    sheet: str,
    acks: Mapping[str, int],
    version: int = 0,
    undo: bool = False,
    redo: bool = False,
    refused: str = "",
    look: tuple[str, Sequence[str]] | None = None,
    families: Sequence[Mapping[str, Any]] = (),
    height: int = 460,
    label: str = "Circuit",
    on_edits: Callable[[object], None] | None = None,
) -> None:
    """Mount the editor.

    Args:
        drawing: what `views.draft_scene.drawing` makes of a draft.
        key: unique and constant.
        sheet: names the drawing. While it stays, so do viewport and selection; another one is
            shown from the start.
        acks: the last operation that was applied, by the stream that brought it. The browser shows
            its own version of the drawing until all that it sent is acknowledged.
        version: changes whenever the drawing was changed by anything but the editor, or an
            operation was refused.
        undo, redo: whether there is something to undo and redo.
        refused: why an operation was refused, shown once for each `version`.
        look: (number, ids of nodes) to be selected and brought into view; once for each number.
        families: what `views.draft_scene.family_forms` says of the leaf families.
        height: of the drawing area in pixels.
        label: name of the drawing for screen readers.
        on_edits: called with what the browser sent, not checked yet.
    """

    def changed() -> None:
        if on_edits is not None:
            on_edits(sent_edits(key))

    data = {
        "sheet": sheet,
        "doc": dict(drawing),
        "acks": dict(acks),
        "version": version,
        "undo": undo,
        "redo": redo,
        "refused": refused,
        "refusal": version,
        "look": None if look is None else {"number": look[0], "ids": list(look[1])},
        "families": [dict(one) for one in families],
        "height": int(height),
        "label": label,
    }
    component("editor", _SCRIPTS, ("graph/graph",))(
        key=key, data=data, default={"edits": None}, on_edits_change=changed
    )
