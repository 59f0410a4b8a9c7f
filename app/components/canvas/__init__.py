"""The painting canvas: hide pixels, see the completions beside it.

One component draws both, so a completion needs one round trip::

    event = read_mask("paint", image.shape[:2])          # what is hidden, before drawing
    panels = [Panel("MPE", complete(image, event.mask))]
    paint_canvas(image, panels, key="paint", sequence=event.sequence)

Call it in a fragment: each stroke then reruns the fragment only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import streamlit as st

from ..assets import component
from .codec import MaskEvent, encode_image, image_digest, pack_mask, read_event

__all__ = ["PRESETS", "MaskEvent", "Panel", "paint_canvas", "read_mask"]

PRESETS = ("left", "right", "top", "bottom", "centre", "strokes", "checker", "salt")

_SCRIPTS = ("mask", "pixels", "sender", "view", "main")


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """One picture beside the canvas.

    Attributes:
        label: its name, e.g. "MPE".
        image: uint8 [H, W] or [H, W, 3].
        caption: one short line below, e.g. "log p = -12.3"; may be empty.
        large: drawn as large as the canvas; None leaves it to the position.
        outline: draw the outline of the hidden region on it.
    """

    label: str
    image: np.ndarray
    caption: str = ""
    large: bool | None = None
    outline: bool = True


def read_mask(
    key: str,
    shape: tuple[int, int],
    *,
    image_id: str | None = None,
    mask: np.ndarray | None = None,
    mask_version: int = 0,
) -> MaskEvent:
    """What is hidden now; call it before the completions are made and the canvas is drawn.

    Args:
        key: the key of the canvas.
        shape: (H, W) of the picture.
        image_id: give it when a new picture starts with nothing hidden (``keep_mask=False``).
        mask: bool [H, W], what is hidden until somebody paints (a link, a reload, a preset).
        mask_version: a change of this number makes ``mask`` win over what was painted.

    Returns:
        The last valid mask. What the browser sent is checked; anything malformed is ignored and
        the previous mask stays.
    """
    kept = f"{key}/last"
    state = st.session_state.get(key)
    event = read_event(state and state.get("mask"), shape, image_id, mask_version)
    if event is not None:
        st.session_state[kept] = (image_id, mask_version, event)
        return event
    last_id, last_version, last = st.session_state.get(kept, (None, 0, None))
    same = last_version == mask_version and (image_id is None or last_id == image_id)
    if last is not None and same and last.mask.shape == tuple(shape):
        return last
    start = np.zeros(shape, bool) if mask is None else np.asarray(mask, bool).reshape(shape)
    # A sequence number above all earlier ones, so that the browser accepts the answer.
    return MaskEvent(start, 0 if last is None else last.sequence)


def paint_canvas(
    image: np.ndarray,
    completions: Sequence[Panel] = (),
    *,
    key: str,
    sequence: int = 0,
    image_id: str | None = None,
    keep_mask: bool = True,
    mask: np.ndarray | None = None,
    mask_version: int = 0,
    brush: int = 1,
    presets: Sequence[str] = PRESETS,
    live: bool = True,
    large: int = 2,
    value_range: tuple[float, float] = (0, 255),
    label: str = "Evidence",
    help: str = "",
) -> MaskEvent:
    """Draw the canvas and the completions.

    Args:
        image: uint8 [H, W] or [H, W, 3], the picture to hide pixels of.
        completions: the pictures beside it, in order; the first ``large`` are drawn large.
        key: unique and constant; needed for everything that survives a rerun.
        sequence: ``read_mask(...).sequence`` of the mask the completions were made for. An answer
            older than the one on screen is not drawn.
        image_id: name of the picture; by default its content. A change means a new picture.
        keep_mask: whether a new picture keeps what is hidden. If False, give ``image_id`` to
            :func:`read_mask` as well.
        mask: bool [H, W], see :func:`read_mask`.
        mask_version: see :func:`read_mask`; pass the same values to both.
        brush: radius in pixels of the data; 0 paints one pixel.
        presets: which of :data:`PRESETS` to offer.
        live: send while a stroke is being drawn, not only at its end.
        large: how many panels are drawn large unless they say so themselves.
        value_range: the values that bytes 0 and 255 stand for, shown on hover.
        label: heading of the canvas.
        help: one line of plain text below the tools.

    Returns:
        The mask as :func:`read_mask` gives it.

    Raises:
        ValueError: an image has the wrong type or shape, or a preset is unknown.
    """
    unknown = [name for name in presets if name not in PRESETS]
    if unknown:
        raise ValueError(f"unknown preset {unknown[0]!r}; there are {', '.join(PRESETS)}")
    shape = (int(image.shape[0]), int(image.shape[1]))
    identity = image_digest(image) if image_id is None else image_id
    wanted = None if keep_mask else identity
    current = read_mask(key, shape, image_id=wanted, mask=mask, mask_version=mask_version)
    component("canvas", _SCRIPTS)(
        key=key,
        data={
            "image": encode_image(image) | {"id": identity, "label": label},
            "panels": [
                encode_image(panel.image)
                | {
                    "label": panel.label,
                    "caption": panel.caption,
                    "large": index < large if panel.large is None else panel.large,
                    "outline": panel.outline,
                }
                for index, panel in enumerate(completions)
            ],
            "sequence": int(sequence),
            "mask": pack_mask(current.mask),
            "mask_version": int(mask_version),
            "keep_mask": bool(keep_mask),
            "brush": int(brush),
            "presets": list(presets),
            "live": bool(live),
            "range": [float(value_range[0]), float(value_range[1])],
            "help": help,
        },
        default={"mask": None},
        on_mask_change=lambda: None,
    )
    return read_mask(key, shape, image_id=wanted, mask=mask, mask_version=mask_version)
