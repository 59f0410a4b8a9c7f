"""The same visit in Chromium: what is timed is what a person sees."""

from __future__ import annotations

import asyncio
import base64
import random
import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
from playwright.async_api import Browser, Locator, Page, expect
from playwright.async_api import Error as BrowserError

from pc_workbench.views.query_evidence import shown_order
from tests.benchmarks._load.plan import GRID, Answers, Plan
from tests.benchmarks._load.visitor import Pace, Record

PANELS = ("Posterior mean", "MPE")
IDLE = '[data-testid="stApp"][data-test-script-state="notRunning"]'
# The grey in the middle of every cell of a picture.
CELLS = """(canvas, side) => {
  const cell = canvas.width / side;
  const all = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  const found = [];
  for (let y = 0; y < side; y++) for (let x = 0; x < side; x++) {
    const row = Math.floor((y + 0.5) * cell), column = Math.floor((x + 0.5) * cell);
    found.push(all.data[4 * (row * canvas.width + column)]);
  }
  return found;
}"""
LATENCIES = "window.__pcLatency || []"


class Tab:
    """One session in a browser."""

    def __init__(self, address: str, plan: Plan, pace: Pace) -> None:
        self.plan = plan
        self.record = Record(f"browser session {plan.number}")
        self._address = address
        self._pace = pace
        self._chance = random.Random(plan.number)
        self._page: Page | None = None
        self.drawn: list[tuple[np.ndarray, list[np.ndarray]]] = []  # mask, PANELS as drawn

    async def visit(self, browser: Browser) -> None:
        """Everything that the load test asks of a session; the tab stays open afterwards."""
        context = await browser.new_context(viewport={"width": 1280, "height": 720})
        self._page = page = await context.new_page()
        page.set_default_timeout(1000 * self._pace.patience)
        page.on("pageerror", lambda error: self._complain(f"uncaught: {error}"))
        try:
            await self._steps(page)
            for kind in ("stException", "stToast", "stAlertContentError", "stAlertContentWarning"):
                for text in await page.get_by_test_id(kind).all_inner_texts():
                    self._complain(f"{kind}: {text}")
        except (BrowserError, AssertionError) as error:
            self._complain(f"{type(error).__name__}: {str(error)[:300]}")

    async def _steps(self, page: Page) -> None:
        start = time.perf_counter()
        await page.goto(f"{self._address}/?{self.plan.link}")
        await page.get_by_role("button", name="Use this model").first.wait_for()
        self._note("open the gallery", start)
        await self._choose(page, self.plan.asked)
        await self._go(page, "Inspect", page.locator("g[data-id]").first)
        for node in (0, 1):
            await self._rest()
            before = self._linked("unit")
            start = await self._press(page, page.locator("g.node[data-id]").nth(node))
            await page.wait_for_url(lambda url, old=before: _query(url, "unit") != old)
            await page.wait_for_selector(IDLE)
            self._note("select a unit", start)
        await self._ask(page)
        await self._go(page, "Gallery", page.get_by_role("button", name="Use this model").first)
        await self._choose(page, self.plan.painted)
        await self._go(page, "Train", page.get_by_role("button", name="Start"))
        await self._rest()
        start = await self._press(page, page.get_by_role("button", name="Start", exact=True))
        await page.get_by_role("button", name="Stop").wait_for()
        self._note("start training", start)
        await asyncio.sleep(self._pace.watch)
        await self._go(page, "Complete", page.locator('canvas[data-role="paint"]'))
        await page.wait_for_selector(IDLE)
        for _ in self.plan.strokes:
            await self._stroke(page)

    async def _choose(self, page: Page, model: str) -> None:
        button = page.locator(f".st-key-pcw_use_{model} button")
        if self._linked("model") == model:
            return
        await self._rest()
        start = await self._press(page, button)
        await page.wait_for_url(lambda url: _query(url, "model") == model)
        await expect(button).to_be_disabled()
        self._note("choose a model", start)

    async def _ask(self, page: Page) -> None:
        await self._go(page, "Query", page.get_by_role("listitem").first)
        for name, state in self.plan.observed:
            await self._rest()
            row = page.locator(f'[role="group"][aria-label="{name}"]')
            chips = row.locator("button.chip")
            chip = chips.nth(shown_order(await chips.count()).index(state))
            start = await self._press(page, chip)
            await page.wait_for_url(
                lambda url, said=f"{name}={state}": said in _query(url, "evidence").split(",")
            )
            self._note("observe", start)
        written = self._linked("evidence").split(",")
        if sorted(written) != sorted(f"{name}={state}" for name, state in self.plan.observed):
            self._complain(f"the evidence is {written}")

    async def _stroke(self, page: Page) -> None:
        """Paint one line; wait until what is drawn belongs to the mask in the link."""
        await self._rest(0.5)
        box = await page.locator('canvas[data-role="paint"]').bounding_box()
        assert box is not None
        before, sent = self._linked("mask"), await page.evaluate(f"({LATENCIES}).length")
        hidden = _mask(before)
        free = np.argwhere(~hidden)
        if not len(free):
            return
        ends = [free[self._chance.randrange(len(free))], np.array([self._chance.randrange(8), 4])]
        points = [
            (box["x"] + (x + 0.5) / GRID.width * box["width"],
             box["y"] + (y + 0.5) / GRID.height * box["height"])
            for y, x in ends
        ]  # fmt: skip
        await page.mouse.move(*points[0])
        await page.mouse.down()
        await page.mouse.move(*points[1], steps=5)
        await page.mouse.up()
        await page.wait_for_url(lambda url: _query(url, "mask") not in ("", before))
        await page.wait_for_function(f"({LATENCIES}).length > {sent}")
        mask = _mask(self._linked("mask"))
        for y, x in ends:
            if not mask[y, x]:
                self._complain(f"the stroke did not hide row {y}, column {x}")
        cells = await self._settled_cells(page)
        latencies: list[float] = await page.evaluate(LATENCIES)
        self.record.steps.append(("stroke", latencies[-1] / 1000))
        self.drawn.append((mask, cells))

    async def _settled_cells(self, page: Page) -> list[np.ndarray]:
        """The pictures once they stay the same."""
        canvases = [page.locator(f'.tile canvas[aria-label^="{name}"]') for name in PANELS]
        last: list[Any] = []
        for _ in range(40):
            found = [await canvas.evaluate(CELLS, GRID.width) for canvas in canvases]
            if found == last:
                break
            last = found
            await page.wait_for_timeout(300)
        return [np.array(one, dtype=int).reshape(GRID.height, GRID.width) for one in last]

    # -- help ----------------------------------------------------------------------------

    async def _go(self, page: Page, title: str, sign: Any) -> None:
        await self._rest()
        link = page.get_by_test_id("stSidebarNav").get_by_role("link", name=title, exact=True)
        start = await self._press(page, link)
        await page.get_by_role("heading", name=title, exact=True).wait_for()
        await sign.wait_for()
        self._note(title.lower(), start)

    async def _press(self, page: Page, what: Locator) -> float:
        """Click like a hand, where Playwright would wait for its own reasons; when it was."""
        await what.scroll_into_view_if_needed()
        box = await what.bounding_box()
        assert box is not None
        start = time.perf_counter()
        await page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        return start

    async def _rest(self, part: float = 1.0) -> None:
        await asyncio.sleep(part * self._pace.pause * self._chance.uniform(0.5, 1.5))

    def _linked(self, name: str) -> str:
        return _query(self._page.url if self._page else "", name)

    def _note(self, what: str, start: float) -> None:
        self.record.steps.append((what, time.perf_counter() - start))

    def _complain(self, what: str) -> None:
        self.record.problems.append(f"{self.record.name}: {what}")


def wrong_drawings(tab: Tab, answers: Answers) -> list[str]:
    """The strokes whose pictures on the screen are not those of pccore, in sentences."""
    wrong: list[str] = []
    for number, (mask, drawn) in enumerate(tab.drawn, 1):
        right = answers.panels(tab.plan, mask)
        for name, one, other in zip(PANELS, drawn, right, strict=False):
            if np.abs(one - other.astype(int)).max() > 1:
                wrong.append(f"{tab.record.name}: stroke {number} shows another {name}")
    if len(tab.drawn) != len(tab.plan.strokes) and not tab.record.problems:
        wrong.append(f"{tab.record.name}: {len(tab.drawn)} strokes were drawn")
    return wrong


def _query(url: str, name: str) -> str:
    return parse_qs(urlsplit(url).query).get(name, [""])[0]


def _mask(text: str) -> np.ndarray:
    """The mask of a link; nothing is hidden where it says nothing."""
    bits = np.frombuffer(base64.b64decode(text), np.uint8)
    cells = np.unpackbits(bits, count=GRID.size) if text else np.zeros(GRID.size)
    return cells.astype(bool).reshape(GRID.height, GRID.width)
