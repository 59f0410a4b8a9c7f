"""What a look at a model in training shows: pictures, and sentences on what does no work."""

from __future__ import annotations

import io
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
    pixels = [to_pixels(row, image) for row in rows.numpy()]
    scale = max(1, round(WIDE / image.width))
    high, wide = image.height * scale + GAP, image.width * scale + GAP
    columns = max(1, (LINE + GAP) // wide)
    lines = -(-len(pixels) // columns)
    across = min(columns, len(pixels))
    found = np.zeros((lines * high - GAP, across * wide - GAP, 4), np.uint8)
    for number, one in enumerate(pixels):
        colour = one if one.ndim == 3 else np.repeat(one[..., None], 3, axis=2)
        tile = colour.repeat(scale, 0).repeat(scale, 1)
        top, left = number // columns * high, number % columns * wide
        found[top : top + tile.shape[0], left : left + tile.shape[1], :3] = tile
        found[top : top + tile.shape[0], left : left + tile.shape[1], 3] = 255
    return found


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
