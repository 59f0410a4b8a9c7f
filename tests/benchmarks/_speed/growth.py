"""How cost grows: sweeps of one size with all others fixed, and the exponent of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .output import Output, short
from .plot import Chart, Line


@dataclass
class Sweep:
    """Seconds of a step against a size. theory: the exponent to expect for large sizes."""

    title: str
    axis: str
    theory: float
    sizes: list[float] = field(default_factory=list[float])
    seconds: list[float] = field(default_factory=list[float])

    @property
    def exponent(self) -> float:
        """b of seconds = a * size^b, by least squares on logarithms."""
        return exponent(self.sizes, self.seconds)

    def to_json(self) -> dict[str, Any]:
        return {
            "title": self.title,
            "axis": self.axis,
            "sizes": self.sizes,
            "seconds": self.seconds,
            "exponent": self.exponent if len(self.sizes) > 1 else None,
            "expected": self.theory,
        }


def exponent(sizes: Sequence[float], seconds: Sequence[float]) -> float:
    """The slope of log(seconds) against log(size), by least squares."""
    slope, _ = np.polyfit(np.log(sizes), np.log(seconds), 1)
    return float(slope)


def run_sweep(
    sweep: Sweep, points: Sequence[tuple[float, Any]], measure: Callable[[Any], dict[str, Any]],
    out: Output,
) -> Sweep:  # fmt: skip
    """Measure (size, job) pairs; what could not be measured is left out and said.

    On the axis "edges" the size is what the process has counted.
    """
    for size, job in points:
        found = measure(job)
        if "step" not in found:
            out.say(f"{sweep.title}, {sweep.axis} {size:g}: {found.get('error', 'no time')}")
            continue
        if sweep.axis == "edges":
            size = found["edges"]
        # The best step: a sweep is to show the work, not what else the machine was doing.
        sweep.sizes.append(size)
        sweep.seconds.append(found["step_best"])
    return sweep


def show(sweeps: Sequence[Sweep], out: Output) -> None:
    """Print the sweeps and their exponents."""
    rows: list[list[str]] = []
    for sweep in sweeps:
        if len(sweep.sizes) < 2:
            continue
        points = ", ".join(
            f"{short(size)}: {short(1000 * s)}"
            for size, s in zip(sweep.sizes, sweep.seconds, strict=True)
        )
        rows.append([sweep.title, f"{sweep.exponent:.2f}", f"{sweep.theory:g}", points])
    head = ("cost against", "exponent", "expected", "size: ms")
    out.table(head, rows, "Growth of pccore's cost")


def growth_panels(sweeps: Sequence[Sweep]) -> list[Chart]:
    """A chart of each sweep."""
    return [
        Chart(
            f"EM step against {sweep.title}: exponent {sweep.exponent:.2f}",
            sweep.axis,
            "ms",
            [
                Line(
                    "pccore",
                    [(x, 1000 * y) for x, y in zip(sweep.sizes, sweep.seconds, strict=True)],
                )
            ],
        )
        for sweep in sweeps
        if len(sweep.sizes) > 1
    ]
