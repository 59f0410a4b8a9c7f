"""A batch of completions for the page: a summary, a table, and the files to take away."""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Sequence
from typing import Any

import numpy as np

from pc_workbench.views.masks import mask_png
from pccore.completion import Array, Batch, Guess, files_of, table_csv
from pccore.completion.report import title_of


def summary_rows(batch: Batch) -> list[dict[str, Any]]:
    """One line for each method and baseline; None where there is no number."""
    return [
        {
            "Method": title_of(one.name),
            "Answer": one.quality or "baseline",
            "MSE": number(one.scores.mse),
            "PSNR (dB)": number(one.scores.psnr),
            "SSIM": number(one.scores.ssim),
            "log P(completed | visible)": mean(one.log_completed),
            "ms a picture": 1000 * one.seconds,
        }
        for one in batch.guesses
    ]


def best(guesses: Sequence[Guess]) -> str:
    """The sentence below the table, "" where nothing could be scored."""
    scored = [one for one in guesses if math.isfinite(one.scores.mse)]
    if not scored:
        return ""
    first = min(scored, key=lambda one: one.scores.mse)
    return f"Least squared error: {title_of(first.name)}, {first.scores.mse:.1f}."


def number(value: float) -> float | None:
    """The value, None where it is not finite."""
    return value if math.isfinite(value) else None


def mean(values: Array) -> float | None:
    """The mean of what is known."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else None


def to_zip(batch: Batch) -> bytes:
    """Every completion and the contact sheet as PNG, the table, and the mask."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:  # PNG is compressed
        for name, content in files_of(batch):
            archive.writestr(name, content)
        archive.writestr("scores.csv", table_csv(batch))
        archive.writestr("mask.png", mask_png(mask_of(batch)))
    return stream.getvalue()


def mask_of(batch: Batch) -> np.ndarray:
    """What is hidden, bool [H, W]."""
    image = batch.image
    return batch.hidden.reshape(image.height, image.width, image.channels)[..., 0]
