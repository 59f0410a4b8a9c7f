"""Which pixels are hidden: in a link, as columns of the data, and as evidence."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from pc_workbench.components.canvas.codec import pack_mask, unpack_mask
from pccore.datasets import ImageShape


def mask_from_link(text: str, shape: tuple[int, int]) -> np.ndarray:
    """bool [H, W] of the state's text; nothing is hidden where the text fits another picture."""
    mask = unpack_mask(text, shape)
    return np.zeros(shape, dtype=bool) if mask is None else mask


def mask_to_link(mask: np.ndarray) -> str:
    """The state's text of a mask; empty where nothing is hidden."""
    return pack_mask(mask) if mask.any() else ""


def hidden_columns(mask: np.ndarray, grid: ImageShape) -> np.ndarray:
    """bool [V]: a hidden pixel hides all of its channels.

    Raises ValueError for a mask of another shape.
    """
    if mask.shape != (grid.height, grid.width):
        raise ValueError(f"a mask of {mask.shape} for a picture of {grid}")
    return np.repeat(np.asarray(mask, dtype=bool).reshape(-1), grid.channels)


def evidence_of(row: np.ndarray, mask: np.ndarray, grid: ImageShape) -> np.ndarray:
    """The row as float64 [V] with NaN where a pixel is hidden."""
    evidence = np.asarray(row, dtype=np.float64).copy()
    evidence[hidden_columns(mask, grid)] = np.nan
    return evidence


def mask_png(mask: np.ndarray) -> bytes:
    """A mask, bool [H, W], as `pccore complete --hide mask.png` takes it: white is hidden."""
    stream = io.BytesIO()
    Image.fromarray(np.asarray(mask, dtype=np.uint8) * 255).save(stream, "png")
    return stream.getvalue()
