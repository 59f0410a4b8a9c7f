"""How fast the workbench answers, in headless Chromium, against the goals of the first milestone.

    pccore bench app_speed            one table; medians over --strokes

A server of its own, with its own home folder, on this machine. 28x28 pictures come from a
made-up dataset (the goals are about speed, not about what is completed).
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from playwright.sync_api import Page, sync_playwright

from pccore.datasets import load
from pccore.files import load_model, save_model
from pccore.learn import TrainOptions, prepare_run
from pccore.leaves.base import Support
from pccore.structures import Shape, build_structure
from tests.benchmarks._server import CHROMIUM, Server


def big_digits(folder: Path) -> None:
    """28x28 pictures with 256 grey levels: the digits, enlarged."""
    data = load("digits")
    rows = []
    for row in np.concatenate((data.train[:300], data.test[:100])):
        small = row.reshape(8, 8).repeat(3, 0).repeat(3, 1) * 15.9
        rows.append(np.pad(small, 2).astype(np.uint8))
    images = np.stack(rows)
    np.savez(folder / "enlarged.npz", train_x=images[:300], test_x=images[300:])


def first_page(server: Server, page: Page) -> float:
    """Seconds from the server being up to the first card on the screen."""
    start = time.perf_counter()
    page.goto(server.url)
    page.get_by_role("heading", name="Gallery").wait_for()
    page.get_by_role("button", name="Use this model").first.wait_for()
    return time.perf_counter() - start


def strokes(server: Server, page: Page, model: str, dataset: str, count: int) -> list[float]:
    """Milliseconds from the end of each of `count` strokes to the completion on the screen."""
    page.goto(f"{server.url}/complete?model={model}&dataset={dataset}")
    canvas = page.locator('canvas[data-role="paint"]')
    canvas.wait_for()
    page.wait_for_timeout(2500)
    box = canvas.bounding_box()
    assert box is not None
    for number in range(count + 2):
        x = box["x"] + box["width"] * (0.2 + 0.6 * ((number * 7) % 10) / 10)
        page.mouse.move(x, box["y"] + box["height"] * 0.3)
        page.mouse.down()
        page.mouse.move(x + 6, box["y"] + box["height"] * 0.6, steps=3)
        page.mouse.up()
        page.wait_for_timeout(900)
    # The component stamps every mask it sends and every answer it draws.
    return page.evaluate("window.__pcLatency || []")[-count:]


def open_graph(server: Server, page: Page, model: str) -> float:
    """Seconds from the click on Inspect to the graph on the screen."""
    page.goto(f"{server.url}/?model={model}")
    page.get_by_role("heading", name="Gallery").wait_for()
    page.wait_for_timeout(2500)
    start = time.perf_counter()
    page.get_by_role("link", name="Inspect").click()
    page.locator("g[data-id]").first.wait_for()
    return time.perf_counter() - start


def clicks(server: Server, page: Page, count: int) -> list[float]:
    """Milliseconds from a click on a navigation link to the page's heading."""
    page.goto(f"{server.url}/?model=figure1_naive_bayes")
    page.get_by_role("heading", name="Gallery").wait_for()
    page.wait_for_timeout(2000)
    times: list[float] = []
    for number in range(count):
        name = ("Train", "Gallery")[number % 2]
        start = time.perf_counter()
        page.get_by_role("link", name=name, exact=True).click()
        page.get_by_role("heading", name=name, exact=True).wait_for()
        times.append(1000 * (time.perf_counter() - start))
        page.wait_for_timeout(700)
    return times


def main() -> None:
    """Measure everything and print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--strokes", type=int, default=12)
    arguments = parser.parse_args()
    rows: list[tuple[str, str, str]] = []
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        home, data = Path(name) / "home", Path(name) / "data"
        (home / "models").mkdir(parents=True)
        data.mkdir()
        big_digits(data)
        grey = Support("finite", 256)
        models = {
            "m-000000000000000a": ({"units": 32, "delta": 7}, (28, 28)),
            "m-000000000000000b": ({"units": 12, "delta": 4}, (28, 28)),
        }
        edges = 0
        for identifier, (options, size) in models.items():
            shape = Shape.of(size[0] * size[1], grey, image=size)
            circuit = build_structure("pd", shape, {k: str(v) for k, v in options.items()})
            meta = {**circuit.meta, "image": {"height": 28, "width": 28, "maximum": 255}}
            save_model(circuit.with_meta(meta), home / "models" / f"{identifier}.pc.safetensors")
            edges = circuit.num_edges
        server = Server(home, data)
        try:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            page = browser.new_context(viewport={"width": 1280, "height": 720}).new_page()
            page.set_default_timeout(60_000)
            rows.append(("first page after server up", f"{first_page(server, page):.2f} s", "3 s"))
            for title, model, dataset, goal in (
                ("stroke to completion, digits PD", "digits_pd", "digits", "150 ms"),
                ("stroke to completion, digits RAT", "digits_rat", "digits", "150 ms"),
                ("stroke to completion, 28x28 PD K=32", "m-000000000000000a", "enlarged", "300 ms"),
            ):
                found = strokes(server, page, model, dataset, arguments.strokes)
                rows.append((title, f"{statistics.median(found):.0f} ms", goal))
            seconds = open_graph(server, page, "m-000000000000000b")
            rows.append((f"graph of {edges:,} edges", f"{seconds:.2f} s", "1 s"))
            idle = clicks(server, page, 10)
            rows.append(("click, idle", f"{statistics.median(idle):.0f} ms", "300 ms"))
            training = start_training(home)
            busy = clicks(server, page, 10)
            training.kill()
            rows.append(("click while training", f"{statistics.median(busy):.0f} ms", "300 ms"))
            browser.close()
        finally:
            server.close()
    for title, value, goal in rows:
        print(f"{title:40}{value:>10}   goal {goal}")


def start_training(home: Path) -> subprocess.Popen[bytes]:
    """One training job as the app would run it: its own process, nice 10, one thread."""
    run = prepare_run(
        home / "runs" / "bench",
        load_model("digits_pd"),
        load("digits"),
        model="digits_pd",
        data="digits",
        train_options=TrainOptions(epochs=5000, patience=0),
        threads=1,
    )
    code = "import os,sys; os.nice(10); from pccore.learn import *; "
    code += "execute(RunDirectory(sys.argv[1]))"
    process = subprocess.Popen([sys.executable, "-c", code, str(run.path)])
    time.sleep(6)
    return process


if __name__ == "__main__":
    main()
