"""A batch of completions as a table and as files."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Sequence

import numpy as np
from PIL import Image

from pccore.completion.baselines import TITLES
from pccore.completion.batch import Batch
from pccore.completion.methods import METHODS
from pccore.completion.pictures import contact_sheet, to_picture
from pccore.completion.types import Array
from pccore.csv_text import csv_text

#: Images on the contact sheet.
SHOWN = 16

HEADER: Sequence[str] = (
    "image",
    "method",
    "mse",
    "psnr",
    "ssim",
    "log_visible",
    "log_completed",
    "uncertainty",
)


def table_of(batch: Batch) -> list[dict[str, int | str | float | None]]:
    """One entry for each image and method, with the columns of `HEADER`.

    image: number of the row, from 0. mse (hidden values, 0-255 scale), psnr in dB, ssim;
    log_visible: log P(visible); log_completed: log P(completed | visible), both in nats;
    uncertainty: mean over the hidden values, in the batch's unit. None for what is unknown or
    infinite.
    """
    sure = None if batch.uncertainty is None else batch.uncertainty.mean_of(batch.hidden)
    return [
        {
            "image": number,
            "method": guess.name,
            "mse": _known(guess.by_row.mse[number]),
            "psnr": _known(guess.by_row.psnr[number]),
            "ssim": _known(guess.by_row.ssim[number]),
            "log_visible": _known(batch.log_visible[number]),
            "log_completed": _known(guess.log_completed[number]),
            "uncertainty": None if sure is None else _known(sure[number]),
        }
        for number in range(len(batch.rows))
        for guess in batch.guesses
    ]


def _known(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def table_csv(batch: Batch) -> str:
    """The table as CSV; empty cells are unknown or infinite."""
    return csv_text(HEADER, ([row.get(name) for name in HEADER] for row in table_of(batch)))


def bands_of(batch: Batch, shown: int = SHOWN) -> dict[str, Array]:
    """What the contact sheet shows of so many images, evenly spread: original, covered, methods.

    Neighbours are often of one person or label.
    """
    count = len(batch.rows)
    some = np.linspace(0, count - 1, min(shown, count)).round().astype(np.int64)
    rows = batch.rows[some]
    bands = {"Original": rows, "Covered": np.where(batch.hidden, np.nan, rows)}
    bands |= {title_of(guess.name): guess.rows[some] for guess in batch.guesses}
    if batch.uncertainty is not None:
        scale = batch.image.maximum / batch.uncertainty.scale
        bands[f"Uncertainty ({batch.uncertainty.unit})"] = np.nan_to_num(
            batch.uncertainty.values[some] * scale
        )
    return bands


def title_of(name: str) -> str:
    """What a method or a baseline is called in a picture."""
    return METHODS[name].title if name in METHODS else TITLES.get(name, name)


def files_of(batch: Batch) -> Iterator[tuple[str, bytes]]:
    """Name and content of every file of a batch: the completions and the contact sheet, as PNG.

    The first method's are completion-00000.png ...; those of another method have its name in
    theirs: completion-tree-00000.png. Baselines are on the contact sheet only.
    """
    for place, guess in enumerate(batch.methods):
        name = "completion" if place == 0 else f"completion-{guess.name}"
        for number, row in enumerate(guess.rows):
            yield f"{name}-{number:05d}.png", _png(to_picture(row, batch.image))
    if batch.uncertainty is not None:
        for number in range(len(batch.rows)):
            picture = batch.uncertainty.map_of(number, batch.image)
            yield f"uncertainty-{number:05d}.png", _png(Image.fromarray(picture))
    yield "contact-sheet.png", _png(contact_sheet(bands_of(batch), batch.image))


def _png(picture: Image.Image) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, "png")
    return stream.getvalue()
