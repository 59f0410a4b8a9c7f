"""What the load test found, against its goals."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.benchmarks._load.plan import Plan
from tests.benchmarks._load.visitor import Record

MEDIAN, HIGH = 1.0, 3.0  # seconds: of half, of 95 % of the interactions
PER_SESSION = 150.0  # MiB
LEAK = 1.0  # MiB a session and round, over the second half of the soak
LISTED = 20  # problems that are printed


def quantile(values: Sequence[float], part: float) -> float:
    """The smallest value that is not below `part` of them; 0 of none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))] if ordered else 0.0


@dataclass
class Outcome:
    """Everything that was measured. Memory in MiB of the server process: alone with one session,
    together with all, after each round of the soak. cpu: seconds of processor time of the server.
    visits: of the websocket sessions, for whoever looks closer."""

    sessions: int
    browsers: int
    alone: float = 0.0
    together: float = 0.0
    peak: float = 0.0
    cpu: float = 0.0
    workers: list[float] = field(default_factory=list)
    soak: list[float] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    steps: dict[str, list[float]] = field(default_factory=dict)
    in_browser: dict[str, list[float]] = field(default_factory=dict)
    ticks: list[float] = field(default_factory=list)
    checked: int = 0
    visits: list[tuple[Plan, Record]] = field(default_factory=list)

    def add(self, record: Record, wrong: list[str], *, browser: bool = False) -> None:
        """Take over what happened to one session."""
        self.problems += [*record.problems, *wrong]
        self.ticks += record.ticks
        self.checked += len(record.painted) + len(record.posteriors)
        for what, seconds in record.steps:
            (self.in_browser if browser else self.steps).setdefault(what, []).append(seconds)

    def read_log(self, log: Path) -> None:
        """Tracebacks in the server's log are problems, too."""
        lines = log.read_text(errors="replace").splitlines()
        for number, line in enumerate(lines):
            if line.startswith("Traceback"):
                last = next((x for x in lines[number + 1 :] if x and not x.startswith(" ")), "")
                self.problems.append(f"the server's log has a traceback: {last[:300]}")

    @property
    def times(self) -> list[float]:
        """Of all interactions, over websockets and in browsers."""
        everything = (*self.steps.values(), *self.in_browser.values())
        return [seconds for found in everything for seconds in found]

    @property
    def per_session(self) -> float:
        """MiB of each further session."""
        return (self.together - self.alone) / max(1, self.sessions - 1)

    @property
    def growth(self) -> float:
        """MiB a session and round over the second half of the soak."""
        half = self.soak[len(self.soak) // 2 :]
        if len(half) < 2:
            return 0.0
        return (half[-1] - half[0]) / (len(half) - 1) / max(1, self.sessions)

    def goals(self) -> list[tuple[str, str, str, bool]]:
        """What, measured, goal, and whether it is met."""
        median, high = statistics.median(self.times or [0.0]), quantile(self.times, 0.95)
        return [
            ("errors, lost or wrong answers", str(len(self.problems)), "0", not self.problems),
            ("median interaction", f"{median:.3f} s", f"{MEDIAN:.0f} s", median < MEDIAN),
            ("95th percentile", f"{high:.3f} s", f"{HIGH:.0f} s", high < HIGH),
            ("memory per extra session", f"{self.per_session:.1f} MiB", f"{PER_SESSION:.0f} MiB",
             self.per_session < PER_SESSION),
            ("growth per session and round", f"{self.growth:.2f} MiB", f"{LEAK:.0f} MiB",
             self.growth < LEAK),
        ]  # fmt: skip

    @property
    def good(self) -> bool:
        """Whether every goal is met."""
        return all(met for *_, met in self.goals())


def show(outcome: Outcome, *, as_json: bool) -> None:
    """Print the report: a table, or one JSON object."""
    if as_json:
        print(json.dumps(_facts(outcome)))
        return
    websockets = outcome.sessions - outcome.browsers
    print(f"{outcome.sessions} sessions: {websockets} websocket clients, {outcome.browsers} tabs")
    print(f"{'':32}{'count':>7}{'median':>9}{'95 %':>9}{'longest':>9}")
    for title, steps in (("", outcome.steps), (" (tab)", outcome.in_browser)):
        for what, times in steps.items():
            _line(what + title, times)
    _line("all interactions", outcome.times)
    _line("ticks of live curves", outcome.ticks)
    print(
        f"\nserver: {outcome.alone:.0f} MiB with one session, {outcome.together:.0f} MiB with all,"
        f" peak {outcome.peak:.0f} MiB; {_cpu(outcome):.0f} ms of a core for each interaction"
    )
    print("after each round: " + ", ".join(f"{one:.0f}" for one in outcome.soak) + " MiB")
    print("training processes: " + ", ".join(f"{one:.0f}" for one in outcome.workers) + " MiB")
    print(f"{outcome.checked} answers compared with pccore\n")
    for what, found, goal, met in outcome.goals():
        print(f"{what:32}{found:>12}   goal {goal:10} {'met' if met else 'MISSED'}")
    for problem in outcome.problems[:LISTED]:
        print(f"  {problem}")
    if len(outcome.problems) > LISTED:
        print(f"  ... and {len(outcome.problems) - LISTED} more")


def _cpu(outcome: Outcome) -> float:
    """Milliseconds of processor time of an interaction, ticks counting as such."""
    return 1000 * outcome.cpu / max(1, len(outcome.times) + len(outcome.ticks))


def _line(what: str, times: Sequence[float]) -> None:
    if times:
        numbers = (statistics.median(times), quantile(times, 0.95), max(times))
        print(f"{what:32}{len(times):7}" + "".join(f"{1000 * one:6.0f} ms" for one in numbers))


def _facts(outcome: Outcome) -> dict[str, Any]:
    def summary(times: Sequence[float]) -> dict[str, float]:
        return {
            "count": len(times),
            "median": statistics.median(times),
            "p95": quantile(times, 0.95),
            "max": max(times),
        }

    return {
        "sessions": outcome.sessions,
        "browsers": outcome.browsers,
        "met": outcome.good,
        "goals": [
            {"what": what, "found": found, "goal": goal, "met": met}
            for what, found, goal, met in outcome.goals()
        ],
        "steps": {what: summary(times) for what, times in outcome.steps.items()},
        "in_browser": {what: summary(times) for what, times in outcome.in_browser.items()},
        "memory": {
            "alone": outcome.alone,
            "together": outcome.together,
            "peak": outcome.peak,
            "soak": outcome.soak,
            "workers": outcome.workers,
        },
        "cpu_ms_per_interaction": _cpu(outcome),
        "checked": outcome.checked,
        "problems": outcome.problems,
    }
