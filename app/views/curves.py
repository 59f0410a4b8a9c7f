"""What a training run told, as curves with annotations, a table and a CSV file."""

from __future__ import annotations

import csv
import io
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

COLUMNS: tuple[str, ...] = (
    "epoch",
    "train_log_likelihood",
    "valid_log_likelihood",
    "seconds",
    "best",
    "impossible",
)
#: What the horizontal axis may count, with its label.
AXES: Mapping[str, str] = {"epoch": "epoch", "seconds": "seconds of training"}
#: Why a run ended before its last epoch.
_ENDS: Mapping[str, str] = {"patience": "early stop", "converged": "converged"}

#: Epoch events by epoch.
Events = Mapping[int, Mapping[str, Any]]


def _no_events() -> Events:
    return {}


@dataclass(frozen=True)
class Story:
    """A run so far. epochs: its epoch events by epoch. marks: (epoch, what happened then), in the
    order in which it did."""

    epochs: Events = field(default_factory=_no_events)
    marks: tuple[tuple[int, str], ...] = ()


def merge(story: Story, fresh: Iterable[Mapping[str, Any]]) -> Story:
    """The story with fresh events; an epoch that was repeated counts once."""
    epochs, marks = dict(story.epochs), list(story.marks)
    for event in fresh:
        kind, epoch = event.get("event"), event.get("epoch")
        if kind == "epoch" and isinstance(epoch, int):
            epochs[epoch] = event
        elif kind in ("paused", "resumed", "repaired") and isinstance(epoch, int):
            marks.append((epoch, kind))
        elif kind == "finished" and isinstance(event.get("epochs"), int):
            why = _ENDS.get(str(event.get("reason")))
            marks += [(event["epochs"], why)] if why else []
    return Story(epochs, tuple(marks))


def places(story: Story, axis: str = "epoch") -> dict[int, float]:
    """Where each epoch lies on the axis."""
    epochs = sorted(story.epochs)
    if axis != "seconds":
        return {epoch: float(epoch) for epoch in epochs}
    spent = (_number(story.epochs[epoch].get("seconds")) for epoch in epochs)
    running = itertools.accumulate(0.0 if math.isnan(one) else one for one in spent)
    return dict(zip(epochs, running, strict=True))


def series(story: Story, axis: str = "epoch") -> list[dict[str, Any]]:
    """Curves for `live_chart`: training, and validation where there is any."""
    found = [_curve("training", story, "train_log_likelihood", axis, "dashed")]
    valid = _curve("validation", story, "valid_log_likelihood", axis, "line")
    return [*found, valid] if any(math.isfinite(y) for y in valid["y"]) else found


def overlay(others: Sequence[tuple[str, Story]], axis: str = "epoch") -> list[dict[str, Any]]:
    """One curve for each other run: its validation score, or the training's without one.

    Names that are used twice are numbered: the legend switches curves by their names.
    """
    found: list[dict[str, Any]] = []
    taken = {"training", "validation"}
    for name, story in others:
        number, unique = 1, name
        while unique in taken:
            number += 1
            unique = f"{name} ({number})"
        taken.add(unique)
        found.append({**series(story, axis)[-1], "name": unique, "style": "line"})
    return found


def notes(story: Story, axis: str = "epoch") -> list[dict[str, Any]]:
    """Lines for `live_chart`: pauses and returns, an early end, rows of probability zero."""
    at = places(story, axis)
    told: dict[int, list[str]] = {}
    for epoch, what in (*story.marks, *_exclusions(story.epochs)):
        if epoch in at and what not in told.get(epoch, ()):
            told.setdefault(epoch, []).append(what)
    return [{"x": at[epoch], "label": ", ".join(told[epoch])} for epoch in sorted(told)]


def _exclusions(events: Events) -> list[tuple[int, str]]:
    """When training rows first had probability zero, and when all were possible again."""
    found: list[tuple[int, str]] = []
    for epoch in sorted(events):
        count = events[epoch].get("impossible")
        if isinstance(count, int) and count > 0 and not found:
            rows = "row" if count == 1 else "rows"
            found.append((epoch, f"{count:,} impossible {rows}"))
        elif count == 0 and len(found) == 1:
            found.append((epoch, "all rows possible"))
    return found


def best(story: Story, axis: str = "epoch") -> dict[str, Any] | None:
    """The point of the best epoch, None before there is one."""
    events = story.epochs
    epochs = [epoch for epoch in sorted(events) if events[epoch].get("best")]
    if not epochs:
        return None
    event = events[epochs[-1]]
    valid = event.get("valid_log_likelihood")
    y = event.get("train_log_likelihood") if valid is None else valid
    if not isinstance(y, int | float):
        return None
    x = places(story, axis)[epochs[-1]]
    return {"x": x, "y": float(y), "label": f"best, epoch {epochs[-1]}"}


def rows(story: Story) -> list[dict[str, Any]]:
    """The table, an epoch a row."""
    events = story.epochs
    return [{name: events[epoch].get(name) for name in COLUMNS} for epoch in sorted(events)]


def to_csv(story: Story) -> str:
    """The table as a CSV file; missing values are empty."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows(story))
    return buffer.getvalue()


def _curve(name: str, story: Story, key: str, axis: str, style: str) -> dict[str, Any]:
    at = places(story, axis)
    y = [_number(story.epochs[epoch].get(key)) for epoch in at]
    return {"name": name, "x": list(at.values()), "y": y, "style": style}


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else math.nan
