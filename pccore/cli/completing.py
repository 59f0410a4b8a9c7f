"""complete: the hidden part of images, scored against simple baselines."""

from __future__ import annotations

import argparse
import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np

from pccore.cli.output import Progress, emit, pairs, table
from pccore.cli.support import compiled, device_of, rows_for
from pccore.completion import (
    BASELINES,
    METHODS,
    Array,
    Batch,
    Guess,
    complete_batch,
    files_of,
    hidden_pixels,
    table_csv,
    training_rows,
)
from pccore.datasets import Dataset, ImageShape
from pccore.errors import DataError, FileError, OptionError
from pccore.files import load_model
from pccore.files.atomic import write_atomically
from pccore.graph import Circuit


def complete(options: argparse.Namespace) -> int:
    """Complete the images of a split; MSE on the 0-255 scale over the hidden pixels."""
    device_of(options.device)
    methods = _names(options.method, METHODS, "method", "--method")
    if not methods:
        raise OptionError("names no method", where="--method", hint=", ".join(METHODS))
    baselines = _names(options.baselines, BASELINES, "baseline", "--baselines")
    target = None if options.table is None else _target(options.table)
    circuit = load_model(options.model)
    dataset, where, rows = rows_for(circuit, options.data, options.limit)
    image = _layout(circuit, dataset)
    hidden = hidden_pixels(options.hide, image)
    folder = None if options.output is None else _folder(options.output)
    program = compiled(circuit, options)
    progress = Progress()
    batch = complete_batch(
        program,
        rows,
        hidden,
        image,
        methods,
        baselines=baselines,
        train=training_rows(dataset, where.rpartition(":")[2]),
        seed=options.seed,
        uncertain=options.uncertainty,
        progress=progress.update,
    )
    progress.clear()
    lines = _lines(batch, where)
    if folder is not None:
        for name, content in files_of(batch):
            (folder / name).write_bytes(content)
        lines.append(f"wrote {len(rows)} completions and contact-sheet.png to {options.output}")
    if target is not None:
        _write_table(target, batch)
        lines.append(f"wrote a table of {len(rows) * len(batch.guesses)} lines to {options.table}")
    emit(options, _payload(batch, options), lines)
    return 0


def _write_table(target: Path, batch: Batch) -> None:
    def write(stream: BinaryIO) -> None:
        stream.write(table_csv(batch).encode())

    write_atomically(target, write)


def _payload(batch: Batch, options: argparse.Namespace) -> dict[str, Any]:
    """The answer as JSON values; the plain keys are those of the first method."""
    first = batch.methods[0]
    return {
        "mse": first.scores.mse,
        "baselines": {one.name: one.scores.mse for one in batch.baselines},
        "samples": len(batch.rows),
        "seconds_per_image": first.seconds,
        "method": first.name,
        "quality": first.quality,
        "hide": options.hide,
        "hidden_values": int(batch.hidden.sum()),
        "output": options.output,
        "psnr": first.scores.psnr,
        "ssim": first.scores.ssim,
        "log_visible": _mean(batch.log_visible),
        "log_completed": _mean(first.log_completed),
        "methods": {one.name: _details(one) for one in batch.methods},
        "baseline_scores": {one.name: _details(one) for one in batch.baselines},
        "uncertainty": _uncertainty(batch),
        "table": options.table,
    }


def _details(guess: Guess) -> dict[str, Any]:
    found = dataclasses.asdict(guess.scores)
    if guess.quality is not None:
        found["quality"] = guess.quality
    found["log_completed"] = _mean(guess.log_completed)
    return found | {"seconds_per_image": guess.seconds}


def _uncertainty(batch: Batch) -> dict[str, Any] | None:
    found = batch.uncertainty
    if found is None:
        return None
    mean = _mean(found.mean_of(batch.hidden))
    return {"measure": found.measure, "unit": found.unit, "mean": mean}


def _mean(values: Array) -> float:
    """The mean over the rows that have a value; NaN where none has."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else math.nan


def _lines(batch: Batch, where: str) -> list[str]:
    hidden = int(batch.hidden.sum())
    facts = [
        ("data", f"{where}, {len(batch.rows)} images, {hidden} values hidden"),
        ("log P(visible)", f"{_mean(batch.log_visible):.2f} nats"),
        *((f"MSE {g.name}", f"{g.scores.mse:.2f} ({g.quality})") for g in batch.methods),
        *((f"MSE {g.name}", f"{g.scores.mse:.2f}") for g in batch.baselines),
        ("seconds per image", f"{batch.methods[0].seconds:.3g}"),
    ]
    found = _uncertainty(batch)
    if found is not None:
        facts.append(("mean " + found["measure"], f"{found['mean']:.3g} {found['unit']}"))
    header = ["", "MSE", "PSNR dB", "SSIM", "log P(completed | visible)", "s/image"]
    body = [
        [g.name, g.scores.mse, g.scores.psnr, g.scores.ssim, _shown(g.log_completed), g.seconds]
        for g in batch.guesses
    ]
    return [*pairs(facts), "", *table(header, body)]


def _shown(values: Array) -> float | None:
    mean = _mean(values)
    return None if math.isnan(mean) else mean


def _names(text: str, known: Mapping[str, object], what: str, where: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in known:
            raise OptionError(
                f"unknown {what} {name!r}, known are: {', '.join(known)}", where=where
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


def _target(text: str) -> Path:
    """The path of the table, checked before any work. Raises FileError."""
    path = Path(text)
    if not path.parent.is_dir():
        raise FileError("the folder does not exist", where=text)
    if path.is_dir():
        raise FileError("this is a folder", where=text)
    return path
