"""A class of thirty at the workbench: errors, lost strokes, mixed-up sessions, times, memory.

    pccore bench load [--sessions 30] [--browsers 3] [--pause 2] [--rounds 6] [--json]

A server of its own on this machine, with its own home folder; nothing leaves the loopback. Each
session opens the gallery, chooses a circuit of its own, inspects it, observes evidence of its own,
queues a training of about 20 s, and paints ten strokes on a picture of its own, with pauses of
`--pause` seconds on average (half of that between strokes). `--browsers` of them are tabs of
Chromium, the others speak Streamlit's protocol over real websockets. First one session goes
through alone: what the server holds then is the base of the memory per session.

Every answer is compared with pccore afterwards: posteriors with enumeration, completions pixel by
pixel. Anything that a visitor would see as an error (exception, red or yellow box, toast, closed
connection, an answer that takes over `--patience` seconds) fails the test, and so does a traceback
in the server's log. Then the sessions go round the pages `--rounds` times more, a fifth of them as
new visitors each time: memory must not grow on and on.

Exit status: 0 all goals met, 1 not, 2 bad usage. `--limit` seconds at most.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, async_playwright

from tests.benchmarks._load import report
from tests.benchmarks._load.client import PATIENCE
from tests.benchmarks._load.memory import Memory
from tests.benchmarks._load.plan import STROKES, TRAINING_EPOCHS, Answers, make_plans
from tests.benchmarks._load.report import Outcome
from tests.benchmarks._load.tab import Tab, wrong_drawings
from tests.benchmarks._load.visitor import Pace, Visitor, wrong_answers
from tests.benchmarks._server import CHROMIUM, Server

MOST_SESSIONS = 200
RAMP = 10.0  # seconds over which a class arrives
SETTLE = 6.0  # seconds without a request before memory is read


async def run(options: argparse.Namespace, server: Server) -> Outcome:
    """The whole test against a server; the answers are compared, the sessions closed."""
    plans = make_plans(options.sessions, options.epochs, options.strokes)
    outcome = Outcome(sessions=options.sessions, browsers=options.browsers)
    memory = Memory(server.process.pid)
    async with _chromium(options.browsers) as browser, memory.watched():
        pace = Pace(options.pause, options.watch, options.patience)
        alone = Visitor(server.url, plans[0], pace)
        await alone.visit()
        await asyncio.sleep(options.settle)
        outcome.alone = memory.now()
        visitors = [alone]
        tabs: list[Tab] = []
        arrivals: list[Any] = []
        for number, plan in enumerate(plans[1:]):
            wait = options.ramp * number / max(1, len(plans) - 1)
            # Browsers among the first and the last: not all in one part of the queue.
            if browser is not None and number % max(1, len(plans) // options.browsers) == 0:
                tab = Tab(server.url, plan, pace)
                tabs.append(tab)
                arrivals.append(_after(wait, tab.visit(browser)))
            else:
                visitor = Visitor(server.url, plan, pace)
                visitors.append(visitor)
                arrivals.append(_after(wait, visitor.visit()))
        await asyncio.gather(*arrivals)
        await asyncio.sleep(options.settle)
        outcome.together = memory.now()
        outcome.workers = memory.workers()
        gone = await _soak(options, pace, server, visitors, memory, outcome)
        for visitor in visitors:
            await visitor.leave()
    outcome.peak = memory.peak
    outcome.cpu = memory.cpu
    answers = Answers()
    for visitor in (*visitors, *gone):
        outcome.visits.append((visitor.plan, visitor.record))
        outcome.add(visitor.record, wrong_answers(visitor.plan, visitor.record, answers))
    for tab in tabs:
        outcome.add(tab.record, wrong_drawings(tab, answers), browser=True)
        outcome.checked += len(tab.drawn)
    return outcome


async def _soak(
    options: argparse.Namespace,
    pace: Pace,
    server: Server,
    visitors: list[Visitor],
    memory: Memory,
    outcome: Outcome,
) -> list[Visitor]:
    """Rounds through the pages, a fifth of the sessions replaced in each; those who left."""
    gone: list[Visitor] = []
    for number in range(options.rounds):
        for place in range(number % 5, len(visitors), 5):
            before = visitors[place]
            await before.leave()
            gone.append(before)
            visitors[place] = Visitor(server.url, before.plan, pace)
            await visitors[place].arrive()
        await asyncio.gather(*(visitor.round() for visitor in visitors))
        await asyncio.sleep(options.settle)
        outcome.soak.append(memory.now())
    return gone


async def _after(seconds: float, steps: Any) -> None:
    await asyncio.sleep(seconds)
    await steps


@contextlib.asynccontextmanager
async def _chromium(count: int) -> AsyncIterator[Browser | None]:
    if not count:
        yield None
        return
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        await browser.close()


def parser() -> argparse.ArgumentParser:
    """The command line."""
    found = argparse.ArgumentParser(
        prog="pccore bench load", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    found.add_argument("--sessions", type=int, default=30)
    found.add_argument("--browsers", type=int, default=3, help="of the sessions, in Chromium")
    found.add_argument("--pause", type=float, default=2.0, help="seconds between two steps")
    found.add_argument("--strokes", type=int, default=STROKES)
    found.add_argument("--epochs", type=int, default=TRAINING_EPOCHS, help="of each training")
    found.add_argument("--rounds", type=int, default=6, help="of the soak")
    found.add_argument("--ramp", type=float, default=RAMP, help="seconds over which they arrive")
    found.add_argument("--watch", type=float, default=5.0, help="seconds at the training's curve")
    found.add_argument("--patience", type=float, default=PATIENCE, help="seconds for an answer")
    found.add_argument("--settle", type=float, default=SETTLE, help="seconds before memory is read")
    found.add_argument("--limit", type=float, default=1500.0, help="seconds at most, in all")
    found.add_argument("--json", action="store_true")
    return found


def measure(options: argparse.Namespace) -> Outcome:
    """Run the test with a server of its own."""
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder), Path(folder), {"PC_WORKBENCH_JOBS": str(os.cpu_count())})
        try:
            outcome = asyncio.run(_limited(options, server))
        finally:
            server.close()
        outcome.read_log(server.log)
    return outcome


def main(arguments: list[str] | None = None) -> int:
    """Run the test and print the report."""
    options = parser().parse_args(arguments)
    if not 2 <= options.sessions <= MOST_SESSIONS or not 0 <= options.browsers < options.sessions:
        parser().error(f"2 to {MOST_SESSIONS} sessions, fewer of them browsers")
    # `pccore bench` passes a request to terminate on: no server is to be left behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    outcome = measure(options)
    report.show(outcome, as_json=options.json)
    return 0 if outcome.good else 1


async def _limited(options: argparse.Namespace, server: Server) -> Outcome:
    try:
        return await asyncio.wait_for(run(options, server), options.limit)
    except TimeoutError:
        outcome = Outcome(sessions=options.sessions, browsers=options.browsers)
        outcome.problems.append(f"the test took over {options.limit:.0f} s")
        return outcome


if __name__ == "__main__":
    sys.exit(main())
