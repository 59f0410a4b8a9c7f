"""The load test in small: two sessions; its checks find what is wrong. Times do not matter."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.benchmarks import load
from tests.benchmarks._load.client import Client
from tests.benchmarks._load.plan import PAINTED, Answers, make_plans
from tests.benchmarks._load.report import Outcome, quantile
from tests.benchmarks._load.visitor import wrong_answers
from tests.benchmarks._server import Server

SMALL = (
    "--sessions 2 --browsers 0 --pause 0.02 --strokes 2 --epochs 2 --rounds 1 --ramp 0 "
    "--watch 0.6 --settle 0 --patience 300 --limit 500"
)


def finished(work: Coroutine[Any, Any, Any]) -> Any:
    """The result, from a thread of its own: Playwright's loop may be running in this one."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("home")
    running = Server(home, home)
    yield running
    running.close()


@pytest.fixture(scope="module")
def outcome(server: Server) -> Outcome:
    found: Outcome = finished(load.run(load.parser().parse_args(SMALL.split()), server))
    found.read_log(server.log)
    return found


def test_two_sessions_get_the_right_answers(outcome: Outcome):
    assert outcome.problems == []
    assert {"open the gallery", "inspect", "observe", "stroke", "start training"} <= set(
        outcome.steps
    )
    assert outcome.checked >= 2 * (1 + 2 + 2)  # a click at least, and the strokes of both visits
    assert outcome.alone > 50 and outcome.together > 50 and len(outcome.soak) == 1


def test_answers_of_another_session_are_found(outcome: Outcome):
    answers = Answers()
    (one, first), (two, second) = outcome.visits[:2]
    assert wrong_answers(one, first, answers) == wrong_answers(two, second, answers) == []
    mixed = dataclasses.replace(first, painted=second.painted)
    assert len(wrong_answers(one, mixed, answers)) == len(second.painted)
    moved = [(~mask, panels) for mask, panels in first.painted]
    assert len(wrong_answers(one, dataclasses.replace(first, painted=moved), answers)) == len(moved)
    late = [(0, rows) for _, rows in first.posteriors]
    assert wrong_answers(one, dataclasses.replace(first, posteriors=late), answers)


def test_what_a_visitor_would_see_as_an_error_is_found(server: Server):
    async def look() -> list[str]:
        client = Client(server.url, "curious", "model=m-0123456789abcdef", 300.0)
        await client.open()
        await client.go("inspect")
        await client.close()
        return client.problems

    assert any("not on this server" in one for one in finished(look()))


def test_plans_differ():
    plans = make_plans(40)
    asked = {(plan.asked, plan.observed) for plan in plans}
    hidden = {(plan.painted, plan.strokes[-1].end.tobytes()) for plan in plans}
    assert len(asked) == len(hidden) == 40
    for plan in plans:
        ends = [stroke.end for stroke in plan.strokes]
        assert plan.painted in PAINTED and len(ends) == 10 and all(end.any() for end in ends)
        assert all(not np.array_equal(a, b) for a, b in itertools.pairwise(ends))


def test_the_report_knows_its_goals(tmp_path: Path):
    log = tmp_path / "server.log"
    log.write_text("all well\nTraceback (most recent call last):\n  File x\nValueError: no\n")
    found = Outcome(sessions=3, browsers=0, alone=100.0, together=500.0)
    found.steps["stroke"] = [0.1] * 18 + [4.0] * 2
    found.soak = [500.0, 500.0, 500.0, 512.0]
    found.read_log(log)
    goals = {what: met for what, _, _, met in found.goals()}
    assert goals == {
        "errors, lost or wrong answers": False,
        "median interaction": True,
        "95th percentile": False,
        "memory per extra session": False,
        "growth per session and round": False,
    }
    assert not found.good and "ValueError: no" in found.problems[0]
    assert quantile([], 0.95) == 0.0 and quantile([3.0, 1.0, 2.0], 0.5) == 2.0
