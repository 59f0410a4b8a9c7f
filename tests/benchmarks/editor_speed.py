"""How immediate editing feels on a circuit of about 200 units, against the goals of issue 2.

    pccore bench editor_speed         one table; medians and 95th percentiles over --edits

First the work of the server in one process: an edit is applied, the circuit made, checked,
compiled and evaluated, and the answer for the browser put together. Then the same in headless
Chromium: from the key or pointer to the changed graph, and from sending to Python's answer.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from playwright.sync_api import Page, sync_playwright

from pc_workbench import drafts
from pc_workbench.views.draft_scene import drawing
from pccore.check import check
from pccore.compile import compile_circuit
from pccore.draft import Draft, History, to_json
from pccore.queries import unit_values
from pccore.structures.figures import figure3_parity
from tests.benchmarks._server import CHROMIUM, Server

VARIABLES = 26  # 199 units


def quantiles(times: list[float]) -> str:
    """Median and 95th percentile in milliseconds."""
    ordered = sorted(times)
    return f"{statistics.median(ordered):.1f} / {ordered[int(0.95 * (len(ordered) - 1))]:.1f} ms"


def server_work(edits: int) -> list[tuple[str, str, str]]:
    """The parts of one edit's answer, measured one by one."""
    history = History(Draft.of(figure3_parity(VARIABLES)))
    sums = [n for n, node in history.present.nodes.items() if node.kind == "sum"]
    nothing = dict[str, float]()
    times: dict[str, list[float]] = {}

    def timed(name: str, action: Callable[[], object]) -> object:
        start = time.perf_counter()
        result = action()
        times.setdefault(name, []).append(1000 * (time.perf_counter() - start))
        return result

    for number in range(edits + 3):
        start = time.perf_counter()
        unit = history.present.nodes[sums[number % len(sums)]]
        edge = (unit.id, unit.arcs[0].child, 0)
        history = timed(
            "apply and remember",
            lambda edge=edge, number=number, history=history: history.push(
                history.present.set_weight(edge, 0.3 + 0.001 * number)
            ),
        )
        assert isinstance(history, History)
        draft = history.present
        timed("make the circuit", lambda draft=draft: draft.finished)
        circuit = draft.circuit()
        report = timed("check everything", lambda circuit=circuit: check(circuit))
        program = timed(
            "compile", lambda circuit=circuit: compile_circuit(circuit, dtype=torch.float64)
        )
        timed("evaluate, every unit", lambda program=program: unit_values(program, nothing))
        timed(
            "answer for the browser",
            lambda draft=draft, report=report: json.dumps(drawing(draft, draft.finished, report)),
        )
        timed("write to the disk", lambda draft=draft: drafts.save(MODEL, draft, "benchmark"))
        timed("document as JSON", lambda draft=draft: to_json(draft))
        times.setdefault("all of it", []).append(1000 * (time.perf_counter() - start))
    goals = {"all of it": "200 ms"}
    return [(name, quantiles(t[3:]), goals.get(name, "")) for name, t in times.items()]


MODEL = "d-00000000000000be"


def in_browser(server: Server, page: Page, edits: int) -> list[tuple[str, str, str]]:
    """Keys and drags on the canvas; the editor measures itself."""
    page.goto(f"{server.url}/build?model={MODEL}")
    svg = page.locator(".pc-editor svg[data-role=svg]")
    page.locator(".pc-editor .node").first.wait_for()
    page.wait_for_timeout(2500)
    svg.focus()
    page.keyboard.press("Home")
    rows: list[tuple[str, str, str]] = []

    def measure(title: str, gesture: Callable[[int], None]) -> None:
        gesture(0)  # the first one warms up, and may make a drawing of its own
        page.wait_for_timeout(2500)
        page.evaluate("() => { __pcEditor.drawn.length = 0; __pcEditor.answered.length = 0; }")
        for number in range(edits):
            gesture(number + 1)
            page.wait_for_timeout(500)
        found = page.evaluate("() => __pcEditor")
        rows.append((f"{title}: graph drawn", quantiles(found["drawn"]), "100 ms"))
        rows.append((f"{title}: checked and evaluated", quantiles(found["answered"]), "200 ms"))

    def weight(number: int) -> None:
        page.keyboard.press("w")
        page.keyboard.type(f"0.{100 + number}")
        page.keyboard.press("Enter")

    def undo(number: int) -> None:
        page.keyboard.press("Control+z" if number % 2 else "Control+y")

    measure("weight", weight)
    measure("new unit", lambda number: page.keyboard.press("s"))
    measure("undo, redo", undo)
    page.keyboard.press("Home")
    measure("move", lambda number: page.keyboard.press("Alt+ArrowRight"))
    rows.append(("drag, one frame", quantiles(drag(page, edits)), "100 ms"))
    return rows


def drag(page: Page, moves: int) -> list[float]:
    """Milliseconds from a movement of the pointer to the unit drawn at its new place."""
    page.keyboard.press("Home")
    box = page.locator(".pc-editor .node.selected .body").bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.evaluate(
        """() => {
          const all = [...document.querySelectorAll("*")];
          const roots = all.map((e) => e.shadowRoot).filter(Boolean);
          const node = roots.map((r) => r.querySelector(".pc-editor .node.selected")).find(Boolean);
          window.__moves = [];
          let start = 0;
          window.addEventListener("pointermove", () => { start = performance.now(); }, true);
          new MutationObserver(() => { window.__moves.push(performance.now() - start); })
            .observe(node, { attributeFilter: ["transform"] });
        }"""
    )
    page.mouse.move(x, y)
    page.mouse.down()
    for number in range(moves + 5):
        page.mouse.move(x + 6 + 3 * number, y + 4)
        page.wait_for_timeout(60)
    page.mouse.up()
    return page.evaluate("window.__moves")


def main() -> None:
    """Measure everything and print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--edits", type=int, default=20)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        home = Path(name) / "home"
        (home / "models").mkdir(parents=True)
        os.environ["PC_WORKBENCH_HOME"] = str(home)
        torch.set_num_threads(1)
        drafts.save(MODEL, Draft.of(figure3_parity(VARIABLES)), "benchmark")
        rows = server_work(arguments.edits)
        server = Server(home, home)
        try:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            page = browser.new_context(viewport={"width": 1280, "height": 720}).new_page()
            page.set_default_timeout(60_000)
            rows += in_browser(server, page, arguments.edits)
            browser.close()
        finally:
            server.close()
    if arguments.json:
        print(json.dumps({title: value for title, value, _ in rows}))
        return
    print(f"{Draft.of(figure3_parity(VARIABLES)).num_edges} edges; median / 95th percentile")
    for title, value, goal in rows:
        print(f"{title:44}{value:>20}   {'goal ' + goal if goal else ''}")


if __name__ == "__main__":
    main()
