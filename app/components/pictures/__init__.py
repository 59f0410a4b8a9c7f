"""A row of labelled pictures; each can be a switch that turns something off and on."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import streamlit as st

from ..assets import component
from ..canvas.codec import encode_image

__all__ = ["Card", "picture_row", "read_card"]


@dataclass(frozen=True, slots=True, eq=False)
class Card:
    """One picture of a row.

    Attributes:
        label: its name.
        image: uint8 [H, W] or [H, W, 3].
        caption: one line below; may be empty.
        id: what a switch reports.
        on: the state of a switch; None for a picture alone.
    """

    label: str
    image: np.ndarray
    caption: str = ""
    id: str = ""
    on: bool | None = None


def read_card(payload: object, known: Collection[str]) -> str | None:
    """Validate what the browser sent: the id of a switch that is there, or None."""
    found = payload.get("id") if isinstance(payload, Mapping) else None
    return found if isinstance(found, str) and found in known else None


def picture_row(
    title: str,
    cards: Sequence[Card],
    *,
    key: str,
    note: str = "",
    on_switch: Callable[[str], None] | None = None,
) -> None:
    """Draw the row.

    Args:
        title: plain text above it.
        cards: the pictures, in order.
        key: unique and constant.
        note: plain text beside the title.
        on_switch: called with a card's id before the rerun that its click causes.
    """
    known = frozenset(card.id for card in cards if card.on is not None)

    def switched() -> None:
        state = st.session_state.get(key)
        chosen = read_card(state.get("pick") if isinstance(state, Mapping) else None, known)
        if chosen is not None and on_switch is not None:
            on_switch(chosen)

    component("pictures", ("../canvas/pixels", "main"))(
        key=key,
        data={
            "title": title,
            "note": note,
            "pictures": [
                encode_image(card.image)
                | {"label": card.label, "caption": card.caption, "id": card.id, "on": card.on}
                for card in cards
            ],
        },
        on_pick_change=switched,
    )
