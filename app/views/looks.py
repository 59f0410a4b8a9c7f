"""What a look at a model in training shows: pictures, and sentences on what does no work."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from PIL import Image

from pc_workbench.views import sizes
from pccore.completion import to_pixels
from pccore.datasets import ImageShape
from pccore.learn import Health

#: Pixels between pictures, how wide one is shown, about, and how wide a line of them may be.
GAP, WIDE, LINE = 3, 56, 520
Level = Literal["fine", "note"]


def sheet(rows: torch.Tensor, image: ImageShape) -> np.ndarray:
    """Rows [n, V] as pictures side by side, uint8 [H, W, 4]: what is between them is clear."""
    return tiles([to_pixels(row, image) for row in rows.numpy()])


def tiles(pictures: Sequence[np.ndarray], wide: int = WIDE, line: int = LINE) -> np.ndarray:
    """Pictures of one size, uint8 [h, w], [h, w, 3] or [h, w, 4], side by side in lines:
    [H, W, 4]. wide: how wide one is shown, about; line: how wide a line may be. Not empty."""
    height, width = pictures[0].shape[:2]
    scale = max(1, round(wide / width))
    high, across = height * scale + GAP, width * scale + GAP
    columns = min(max(1, (line + GAP) // across), len(pictures))
    lines = -(-len(pictures) // columns)
    found = np.zeros((lines * high - GAP, columns * across - GAP, 4), np.uint8)
    for number, one in enumerate(pictures):
        tile = coloured(one).repeat(scale, 0).repeat(scale, 1)
        top, left = number // columns * high, number % columns * across
        found[top : top + tile.shape[0], left : left + tile.shape[1]] = tile
    return found


def beside(parts: Sequence[np.ndarray], gap: int = 4 * GAP) -> np.ndarray:
    """Pictures [h, w, 4] of any size in one line, clear where there is none."""
    height, width = max(p.shape[0] for p in parts), sum(p.shape[1] + gap for p in parts) - gap
    found = np.zeros((height, width, 4), np.uint8)
    left = 0
    for one in parts:
        found[: one.shape[0], left : left + one.shape[1]] = one
        left += one.shape[1] + gap
    return found


def below(parts: Sequence[np.ndarray], gap: int = 2 * GAP) -> np.ndarray:
    """Pictures [h, w, 4] of any size under each other."""
    return beside([one.transpose(1, 0, 2) for one in parts], gap).transpose(1, 0, 2)


def coloured(pixels: np.ndarray) -> np.ndarray:
    """A picture with its colours and how opaque it is, uint8 [H, W, 4]."""
    colour = pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2)
    if colour.shape[2] == 4:
        return colour
    return np.concatenate([colour, np.full((*colour.shape[:2], 1), 255, np.uint8)], axis=2)


def to_png(pixels: np.ndarray) -> bytes:
    """A picture as a PNG file."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "png")
    return stream.getvalue()


def flags(health: Health) -> list[tuple[Level, str, str]]:
    """(level, a word, a sentence) for each kind of part that does no work or is at a bound."""
    h = health
    found: list[tuple[Level, str, str]] = []
    more = ", ..." if h.unused_sums + h.unused_leaves > len(h.names) else ""
    names = f" ({', '.join(h.names)}{more})" if h.names else ""
    for count, of, noun in ((h.unused_sums, h.sums, "sum"), (h.unused_leaves, h.leaves, "leaf")):
        if count:
            plural = noun if of == 1 else "sums" if noun == "sum" else "leaf units"
            text = (
                f"{sizes.count(count)} of {sizes.count(of)} {plural} take part in fewer than one "
                f"of 1,000 rows: no flow reaches them{names}."
            )
            found.append(("note", "dead parts", text))
            names = ""
    for count, of, word, text in (
        (h.zero_weights, h.weights, "zero weights", "weights are zero: pruning would drop them"),
        (h.low_variances, h.variances, "floor", "variances are at their floor (min_variance)"),
        (h.high_variances, h.variances, "ceiling", "variances are at their ceiling (max_variance)"),
        (
            h.zero_probabilities,
            h.probabilities,
            "zeros",
            "probabilities of leaves are zero: a pseudocount would keep them above",
        ),
    ):
        if count:
            found.append(("note", word, f"{sizes.count(count)} of {sizes.count(of)} {text}."))
    if not found:
        text = f"All {sizes.plural(h.sums, 'sum')} and {sizes.count(h.leaves)} leaf units take part"
        found.append(("fine", "healthy", f"{text}, and no parameter is at a bound."))
    return found


def when(epoch: int, over: bool) -> str:
    """Which model was looked at."""
    return f"the best model, of epoch {epoch}" if over else f"after epoch {epoch}"
