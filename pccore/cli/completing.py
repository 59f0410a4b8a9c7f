"""complete: the hidden part of images, scored against simple baselines."""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np

from pccore.cli.output import Progress, emit, pairs
from pccore.cli.support import compiled, device_of, rows_for
from pccore.complete import (
    BASELINES,
    Array,
    complete_rows,
    contact_sheet,
    hidden_pixels,
    mean_squared_error,
    quality_of,
    to_picture,
)
from pccore.datasets import Dataset, ImageShape
from pccore.errors import DataError, OptionError
from pccore.files import load_model
from pccore.graph import Circuit

#: Rows completed between two looks at the clock.
CHUNK = 1000

#: Images on the contact sheet.
SHOWN = 16


def complete(options: argparse.Namespace) -> int:
    """Complete the images of a split; MSE on the 0-255 scale over the hidden pixels."""
    device_of(options.device)
    baselines = _baselines(options.baselines)
    circuit = load_model(options.model)
    dataset, where, rows = rows_for(circuit, options.data, options.limit)
    image = _layout(circuit, dataset)
    hidden = hidden_pixels(options.hide, image)
    folder = None if options.output is None else _folder(options.output)
    program = compiled(circuit, options)
    quality = quality_of(program, options.method)
    progress = Progress()
    parts: list[Array] = []
    start = time.perf_counter()
    for first in range(0, len(rows), CHUNK):
        chunk = rows[first : first + CHUNK]
        seed = options.seed + first
        parts.append(complete_rows(program, chunk, hidden, options.method, image, seed))
        progress.update(f"{first + len(chunk)}/{len(rows)} images")
    seconds = (time.perf_counter() - start) / len(rows)
    guesses = {options.method: np.concatenate(parts)}
    for name in baselines:
        progress.update(f"baseline {name}")
        guesses[name] = BASELINES[name](dataset.train, rows, hidden, image)
    progress.clear()
    errors = {n: mean_squared_error(rows, guess, hidden, image) for n, guess in guesses.items()}
    payload: dict[str, Any] = {
        "mse": errors[options.method],
        "baselines": {name: errors[name] for name in baselines},
        "samples": len(rows),
        "seconds_per_image": seconds,
        "method": options.method,
        "quality": quality,
        "hide": options.hide,
        "hidden_values": int(hidden.sum()),
        "output": options.output,
    }
    lines = pairs(
        [
            ("data", f"{where}, {len(rows)} images, {int(hidden.sum())} values hidden"),
            (f"MSE {options.method}", f"{payload['mse']:.2f} ({quality})"),
            *((f"MSE {name}", f"{errors[name]:.2f}") for name in baselines),
            ("seconds per image", f"{seconds:.3g}"),
        ]
    )
    if folder is not None:
        _write(folder, rows, hidden, guesses, options.method, image)
        lines.append(f"wrote {len(rows)} completions and contact-sheet.png to {options.output}")
    emit(options, payload, lines)
    return 0


def _baselines(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in BASELINES:
            raise OptionError(
                f"unknown baseline {name!r}, known are: {', '.join(BASELINES)}", where="--baselines"
            )
    return list(dict.fromkeys(names))


def _layout(circuit: Circuit, dataset: Dataset) -> ImageShape:
    """The image that a row is: as the data say, else as the model remembers."""
    if dataset.image is not None:
        return dataset.image
    meta = circuit.meta.get("image")
    if isinstance(meta, Mapping):
        known = cast("Mapping[str, Any]", meta)
        sides = [known.get(key, 1) for key in ("height", "width", "channels")]
        if all(isinstance(side, int) for side in sides):
            maximum = known.get("maximum")
            if not isinstance(maximum, (int, float)) or maximum < 1:
                maximum = max((s.states or 256) - 1 for s in dataset.supports)
            shape = ImageShape(*sides, maximum=int(maximum))
            if shape.size == len(circuit.variables):
                return shape
    raise DataError(
        "the rows are no images: neither data nor model tell their height and width",
        where=dataset.name,
    )


def _folder(text: str) -> Path:
    path = Path(text)
    path.mkdir(parents=True, exist_ok=True)
    return path


def _write(
    folder: Path,
    rows: Array,
    hidden: np.ndarray[Any, np.dtype[np.bool_]],
    guesses: Mapping[str, Array],
    method: str,
    image: ImageShape,
) -> None:
    for index, row in enumerate(guesses[method]):
        to_picture(row, image).save(folder / f"completion-{index:05d}.png")
    bands = {"original": rows[:SHOWN], "visible": np.where(hidden, np.nan, rows[:SHOWN])}
    bands |= {name: guess[:SHOWN] for name, guess in guesses.items()}
    contact_sheet(bands, image).save(folder / "contact-sheet.png")
