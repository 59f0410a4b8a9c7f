"""Masks and pixels on the wire; no streamlit here.

A mask travels as its bits in row-major order, most significant bit first (the order of
``numpy.packbits``), in base64. Pixels travel as raw bytes in base64: for pictures of this size
that is cheaper than encoding a PNG and it needs no decoder in the browser.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

MAXIMUM_SIDE = 1024


@dataclass(frozen=True, slots=True, eq=False)
class MaskEvent:
    """What is hidden at the moment.

    Attributes:
        mask: bool [H, W], True where the pixel is hidden.
        sequence: number of the drawing; hand it back with the completions made for this mask.
        final: False while a stroke is being drawn.
    """

    mask: np.ndarray
    sequence: int = 0
    final: bool = True

    @property
    def hidden(self) -> int:
        """The number of hidden pixels."""
        return int(self.mask.sum())


def pack_mask(mask: np.ndarray) -> str:
    """Encode a mask, bool [H, W], as base64 text."""
    bits = np.packbits(np.asarray(mask, dtype=bool).ravel())
    return base64.b64encode(bits.tobytes()).decode("ascii")


def unpack_mask(text: object, shape: tuple[int, int]) -> np.ndarray | None:
    """Decode a mask, or return None for anything that is not a mask of this shape."""
    count = shape[0] * shape[1]
    size = (count + 7) // 8
    if not isinstance(text, str) or len(text) != 4 * ((size + 2) // 3):
        return None
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    if len(raw) != size:
        return None
    return np.unpackbits(np.frombuffer(raw, np.uint8), count=count).astype(bool).reshape(shape)


def read_event(
    payload: object, shape: tuple[int, int], image_id: str | None, mask_version: int
) -> MaskEvent | None:
    """Validate what the browser sent; None unless it is a mask for this picture.

    Args:
        payload: the component's state, from an untrusted browser.
        shape: (H, W) of the picture on the server.
        image_id: the picture the mask must belong to, or None for any of this shape.
        mask_version: a mask drawn before Python set version ``mask_version`` is out of date.
    """
    if not isinstance(payload, Mapping):
        return None
    sequence = payload.get("sequence")
    if type(sequence) is not int or not 0 <= sequence < 2**53:
        return None
    if payload.get("height") != shape[0] or payload.get("width") != shape[1]:
        return None
    if payload.get("mask_version") != mask_version:
        return None
    if image_id is not None and payload.get("image_id") != image_id:
        return None
    mask = unpack_mask(payload.get("bits"), shape)
    final = payload.get("final") is not False
    return None if mask is None else MaskEvent(mask, sequence, final)


def encode_image(image: np.ndarray) -> dict[str, Any]:
    """Encode uint8 pixels, [H, W] grey or [H, W, 3] colour, for the browser.

    Raises:
        ValueError: for another type or shape, or more than 1024 pixels a side.
    """
    image = np.asarray(image)
    if image.ndim == 3 and image.shape[2] == 1:
        image = image[:, :, 0]
    if image.dtype != np.uint8 or not (
        image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 3)
    ):
        raise ValueError(
            f"an image must be uint8 [H, W] or [H, W, 3], not {image.dtype} {list(image.shape)}"
        )
    if not 0 < min(image.shape[:2]) <= max(image.shape[:2]) <= MAXIMUM_SIDE:
        raise ValueError(f"an image has 1 to {MAXIMUM_SIDE} pixels a side, not {image.shape[:2]}")
    return {
        "height": int(image.shape[0]),
        "width": int(image.shape[1]),
        "channels": 1 if image.ndim == 2 else 3,
        "pixels": base64.b64encode(np.ascontiguousarray(image).tobytes()).decode("ascii"),
    }


def image_digest(image: np.ndarray) -> str:
    """A short name for the content of a picture."""
    return hashlib.blake2b(np.ascontiguousarray(image).tobytes(), digest_size=8).hexdigest()
