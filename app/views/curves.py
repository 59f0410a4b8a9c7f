"""The events of a training run as curves, a table and a CSV file."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping
from typing import Any

COLUMNS: tuple[str, ...] = (
    "epoch",
    "train_log_likelihood",
    "valid_log_likelihood",
    "seconds",
    "best",
    "impossible",
)

Events = Mapping[int, Mapping[str, Any]]


def merge(events: Events, fresh: Iterable[Mapping[str, Any]]) -> dict[int, Mapping[str, Any]]:
    """The epoch events by epoch, with fresh ones; an epoch that was repeated counts once."""
    merged = dict(events)
    for event in fresh:
        epoch = event.get("epoch")
        if event.get("event") == "epoch" and isinstance(epoch, int):
            merged[epoch] = event
    return merged


def series(events: Events) -> list[dict[str, Any]]:
    """Curves for `live_chart`: training, and validation where there is any."""
    epochs = sorted(events)
    found = [_curve("training", events, epochs, "train_log_likelihood", "dashed")]
    valid = _curve("validation", events, epochs, "valid_log_likelihood", "line")
    return [*found, valid] if any(math.isfinite(y) for y in valid["y"]) else found


def best(events: Events) -> dict[str, Any] | None:
    """The point of the best epoch, None before there is one."""
    epochs = [epoch for epoch in sorted(events) if events[epoch].get("best")]
    if not epochs:
        return None
    event = events[epochs[-1]]
    valid = event.get("valid_log_likelihood")
    y = event.get("train_log_likelihood") if valid is None else valid
    if not isinstance(y, int | float):
        return None
    return {"x": epochs[-1], "y": float(y), "label": f"best, epoch {epochs[-1]}"}


def rows(events: Events) -> list[dict[str, Any]]:
    """The table, an epoch a row."""
    return [{name: events[epoch].get(name) for name in COLUMNS} for epoch in sorted(events)]


def to_csv(events: Events) -> str:
    """The table as a CSV file; missing values are empty."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows(events))
    return buffer.getvalue()


def _curve(name: str, events: Events, epochs: list[int], key: str, style: str) -> dict[str, Any]:
    values = [events[epoch].get(key) for epoch in epochs]
    y = [float(v) if isinstance(v, int | float) else math.nan for v in values]
    return {"name": name, "x": epochs, "y": y, "style": style}
