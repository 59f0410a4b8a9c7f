"""What a training run told, as curves with annotations, a table and a CSV file."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pccore.csv_text import csv_text

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

#: A mark that comes more often stands once, with how often.
_MOST_ALIKE = 4

#: Epoch events by epoch.
Events = Mapping[int, Mapping[str, Any]]


def _no_events() -> Events:
    return {}


@dataclass(frozen=True)
class Story:
    """A run so far. epochs: its epoch events by epoch. marks: (epoch, what happened then), in the
    order in which it did. past: what the run goes on from, drawn before it. stages: of a run that
    has some, in order: (name, epochs done, epochs planned or None where that is not known)."""

    epochs: Events = field(default_factory=_no_events)
    marks: tuple[tuple[int, str], ...] = ()
    past: Past | None = None
    stages: tuple[tuple[str, int, int | None], ...] = ()


#: The stage whose epochs score rows together with their hidden states.
WITH_STATES = "parts"


@dataclass(frozen=True)
class Past:
    """The run that another goes on from: its story up to an epoch, and what was done then."""

    story: Story
    epoch: int
    change: str


def merge(story: Story, fresh: Iterable[Mapping[str, Any]]) -> Story:
    """The story with fresh events; an epoch that was repeated counts once."""
    epochs, marks = dict(story.epochs), list(story.marks)
    stages = {name: (name, done, of) for name, done, of in story.stages}
    for event in fresh:
        kind, epoch = event.get("event"), event.get("epoch")
        if kind == "epoch" and isinstance(epoch, int):
            first = epoch not in epochs
            epochs[epoch] = event
            name = str(event.get("stage", ""))
            if name in stages and first:
                stages[name] = (name, stages[name][1] + 1, stages[name][2])
        elif kind == "stage":
            name, done, of = str(event.get("stage")), event.get("done"), event.get("of")
            if name not in stages and epochs:
                marks.append((max(epochs), name))
            # The epoch 0 of a stage is none of those that were planned.
            begun = done if isinstance(done, int) and name == "embeddings" else -1
            if name not in stages or name == "embeddings":
                stages[name] = (name, begun, of if isinstance(of, int) else None)
        elif kind in ("paused", "resumed", "repaired") and isinstance(epoch, int):
            marks.append((epoch, kind))
        elif kind == "damaged":
            marks.append((max(epochs, default=0), "a line here is damaged"))
        elif kind == "finished" and isinstance(event.get("epochs"), int):
            why = _ENDS.get(str(event.get("reason")))
            marks += [(event["epochs"], why)] if why else []
    return replace(story, epochs=epochs, marks=tuple(marks), stages=tuple(stages.values()))


def begin(story: Story, axis: str = "epoch") -> float:
    """Where on the axis a run begins: 0, or where it goes on from another."""
    if story.past is None:
        return 0.0
    past = story.past
    return places(past.story, axis).get(past.epoch, begin(past.story, axis) + past.epoch)


def places(story: Story, axis: str = "epoch") -> dict[int, float]:
    """Where each epoch lies on the axis."""
    epochs, start = sorted(story.epochs), begin(story, axis)
    if axis != "seconds":
        return {epoch: start + epoch for epoch in epochs}
    spent = (_number(story.epochs[epoch].get("seconds")) for epoch in epochs)
    running = itertools.accumulate(0.0 if math.isnan(one) else one for one in spent)
    return {epoch: start + at for epoch, at in zip(epochs, running, strict=True)}


def series(story: Story, axis: str = "epoch") -> list[dict[str, Any]]:
    """Curves for `live_chart`: training, validation where there is any, and before these the
    score of what the run goes on from."""
    found = [_curve("training", story, "train_log_likelihood", axis, "dashed")]
    valid = _curve("validation", story, "valid_log_likelihood", axis, "line")
    found += [valid] if any(math.isfinite(y) for y in valid["y"]) else []
    known = _curve("with hidden states", story, "valid_log_likelihood", axis, "faint", WITH_STATES)
    found += [known] if any(math.isfinite(y) for y in known["y"]) else []
    return found if story.past is None else [*found, _before(story.past, axis)]


def stages_text(story: Story, over: bool) -> str:
    """How far the stages are, as markdown: `✓ parts · 20`, `**latents** · 4 of 10`."""
    parts: list[str] = []
    for number, (name, done, of) in enumerate(story.stages):
        count = max(0, done)
        if over or number + 1 < len(story.stages):
            parts.append(f":green[✓] {name} :gray[{count or ''}]".strip())
        else:
            parts.append(f"**{name}** {count}" + ("" if of is None else f" of {of}"))
    return " → ".join(parts)


def main(story: Story, axis: str = "epoch") -> dict[str, Any]:
    """The one curve that stands for a run: its validation score, or the training's without."""
    own = {one["name"]: one for one in series(story, axis)}
    return own.get("validation", own["training"])


def _before(past: Past | None, axis: str) -> dict[str, Any]:
    """One curve of all earlier runs, each up to where the next goes on, with gaps between."""
    x: list[float] = []
    y: list[float] = []
    while past is not None:
        own, end = main(past.story, axis), begin(Story(past=past), axis)
        kept = [(at, score) for at, score in zip(own["x"], own["y"], strict=True) if at <= end]
        x = [*(at for at, _ in kept), end, *x]
        y = [*(score for _, score in kept), math.nan, *y]
        past = past.story.past
    return {"name": "before", "x": x[:-1], "y": y[:-1], "style": "faint"}


def changes(story: Story, axis: str = "epoch") -> list[dict[str, Any]]:
    """Lines for `live_chart`: what was done between the runs that led to this one."""
    found: list[dict[str, Any]] = []
    while story.past is not None:
        found.insert(0, {"x": begin(story, axis), "label": story.past.change})
        story = story.past.story
    return found


def overlay(others: Sequence[tuple[str, Story]], axis: str = "epoch") -> list[dict[str, Any]]:
    """One curve for each other run: its validation score, or the training's without one.

    Names that are used twice are numbered: the legend switches curves by their names.
    """
    found: list[dict[str, Any]] = []
    taken = {"training", "validation", "before", "with hidden states"}
    for name, story in others:
        number, unique = 1, name
        while unique in taken:
            number += 1
            unique = f"{name} ({number})"
        taken.add(unique)
        found.append({**main(story, axis), "name": unique, "style": "line"})
    return found


def apart(options: Sequence[Mapping[str, Any]], most: int = 3) -> list[str]:
    """What tells runs apart, in words for each: the options that all of them have and in which they
    differ, at most so many."""
    shared = [key for key in options[0] if all(key in one for one in options)] if options else []
    keys = [key for key in shared if len({repr(one[key]) for one in options}) > 1][:most]
    return [", ".join(f"{key.replace('_', ' ')} {one[key]}" for key in keys) for one in options]


def notes(story: Story, axis: str = "epoch") -> list[dict[str, Any]]:
    """Lines for `live_chart`: pauses and returns, an early end, rows of probability zero."""
    at = places(story, axis)
    told: dict[int, list[str]] = {}
    for epoch, what in (*_few(story.marks), *_exclusions(story.epochs)):
        if epoch in at and what not in told.get(epoch, ()):
            told.setdefault(epoch, []).append(what)
    own = [{"x": at[epoch], "label": ", ".join(told[epoch])} for epoch in sorted(told)]
    return [*changes(story, axis), *own]


def _few(marks: Sequence[tuple[int, str]]) -> list[tuple[int, str]]:
    """A run that takes turns with others is resumed many times: that would hide the curve."""
    often = Counter(what for _, what in marks)
    last = {what: epoch for epoch, what in marks}
    found = [(epoch, what) for epoch, what in marks if often[what] <= _MOST_ALIKE]
    return found + [(last[w], f"{w} {n} times") for w, n in often.items() if n > _MOST_ALIKE]


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
    number = round(begin(story)) + epochs[-1]
    return {"x": x, "y": float(y), "label": f"best, epoch {number}"}


def rows(story: Story) -> list[dict[str, Any]]:
    """The table, an epoch a row."""
    events = story.epochs
    return [{name: events[epoch].get(name) for name in COLUMNS} for epoch in sorted(events)]


def to_csv(story: Story) -> str:
    """The table as a CSV file; missing values are empty."""
    return csv_text(COLUMNS, (list(row.values()) for row in rows(story)))


def _curve(
    name: str, story: Story, key: str, axis: str, style: str, stage: str = ""
) -> dict[str, Any]:
    """One number of the epochs; stage: only those of the one that scores something else."""
    at = places(story, axis)
    events = [(x, story.epochs[epoch]) for epoch, x in at.items()]
    kept = [(x, e) for x, e in events if (e.get("stage") == WITH_STATES) == (stage == WITH_STATES)]
    y = [_number(event.get(key)) for _, event in kept]
    return {"name": name, "x": [x for x, _ in kept], "y": y, "style": style}


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else math.nan
