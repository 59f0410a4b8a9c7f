"""A row of small pictures: previous, next, random, or the one that is clicked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import streamlit as st

from ..assets import component
from ..canvas.codec import encode_image

__all__ = ["read_pick", "thumb_strip"]


def read_pick(payload: object, total: int) -> int | None:
    """Validate what the browser sent: a number below ``total``, or None."""
    index = payload.get("index") if isinstance(payload, Mapping) else None
    return index if type(index) is int and 0 <= index < total else None


def thumb_strip(
    pictures: Sequence[tuple[int, np.ndarray, str]],
    *,
    selected: int,
    total: int,
    key: str,
    on_pick: Callable[[int], None],
) -> None:
    """Draw the row.

    Args:
        pictures: (index, uint8 [H, W] or [H, W, 3], label) of those in the row.
        selected: index of the current picture, -1 where it is none of these.
        total: how many pictures there are.
        key: unique and constant.
        on_pick: called with the index before the rerun that the choice causes.
    """

    def picked() -> None:
        state = st.session_state.get(key)
        index = read_pick(state.get("pick") if isinstance(state, Mapping) else None, total)
        if index is not None:
            on_pick(index)

    component("thumbs", ("main",))(
        key=key,
        data={
            "pictures": [
                encode_image(image) | {"index": int(index), "label": label}
                for index, image, label in pictures
            ],
            "selected": int(selected),
            "total": int(total),
        },
        on_pick_change=picked,
    )
