"""The painting canvas in a real browser: what is painted is what Python gets."""

from __future__ import annotations

import json
import re
import struct

import pytest
from playwright.sync_api import expect

APP = "tests/browser/components/gallery_app.py"
SIDE = 28


@pytest.fixture
def canvas(open_app, page):
    open_app(page, APP, "/?show=canvas")
    page.locator("[data-role=paint]").wait_for()
    return Canvas(page)


class Canvas:
    """The canvas as a person uses it, and the mask as Python reports it."""

    def __init__(self, page):
        self.page = page
        self.paint = page.locator("[data-role=paint]")

    def point(self, x: float, y: float) -> tuple[float, float]:
        box = self.paint.bounding_box()
        return box["x"] + (x + 0.5) * box["width"] / SIDE, box["y"] + (y + 0.5) * box[
            "height"
        ] / SIDE

    def stroke(self, *points: tuple[float, float], steps: int = 10, button: str = "left"):
        mouse = self.page.mouse
        mouse.move(*self.point(*points[0]))
        mouse.down(button=button)
        for point in points[1:]:
            mouse.move(*self.point(*point), steps=steps)
        mouse.up(button=button)

    def reported(self) -> dict:
        text = self.page.locator("code", has_text="mask {").inner_text()
        return json.loads(text.removeprefix("mask "))

    def expect_mask(self, wanted: set[tuple[int, int]]):
        """Wait until Python has exactly these hidden pixels, as (x, y)."""
        rows = ["".join("#" if (x, y) in wanted else "." for x in range(SIDE)) for y in range(SIDE)]
        text = json.dumps(rows)
        code = self.page.locator("code", has_text="mask {")
        expect(code).to_contain_text(text, timeout=10_000)

    def expect_hidden(self, count: int):
        code = self.page.locator("code", has_text="mask {")
        expect(code).to_contain_text(re.compile(rf'"hidden": {count},'), timeout=10_000)

    def size(self, radius: int):
        self.page.locator("[data-role=size]").fill(str(radius))


def block(x0: int, y0: int, x1: int, y1: int) -> set[tuple[int, int]]:
    """All pixels of a rectangle, both ends included."""
    return {(x, y) for x in range(x0, x1 + 1) for y in range(y0, y1 + 1)}


def test_a_click_hides_one_pixel_at_data_resolution(canvas):
    canvas.size(0)
    expect(canvas.page.locator("[data-role=size-text]")).to_have_text("1")  # wide, in pixels
    canvas.stroke((5, 7))
    canvas.expect_mask({(5, 7)})


def test_a_stroke_hides_what_it_covers_and_the_eraser_shows_it_again(canvas):
    canvas.size(1)
    canvas.stroke((4, 10), (20, 10))
    canvas.expect_mask(block(3, 9, 21, 11))
    canvas.page.get_by_role("button", name="Eraser").click()
    canvas.stroke((10, 10), (12, 10))
    left = block(3, 9, 21, 11) - block(9, 9, 13, 11)
    canvas.expect_mask(left)
    canvas.page.get_by_role("button", name="Brush").click()
    canvas.stroke((4, 10), button="right")  # the right button erases
    canvas.expect_mask(left - block(3, 9, 5, 11))


def test_undo_redo_invert_clear(canvas):
    page = canvas.page
    canvas.size(0)
    canvas.stroke((1, 1))
    canvas.stroke((2, 2))
    canvas.expect_mask({(1, 1), (2, 2)})
    page.get_by_role("button", name="Undo").click()
    canvas.expect_mask({(1, 1)})
    page.get_by_role("button", name="Redo").click()
    canvas.expect_mask({(1, 1), (2, 2)})
    page.get_by_role("button", name="Invert").click()
    canvas.expect_hidden(SIDE * SIDE - 2)
    page.get_by_role("button", name="Clear").click()
    canvas.expect_mask(set())
    for _ in range(4):
        page.get_by_role("button", name="Undo").click()
    canvas.expect_mask(set())
    expect(page.get_by_role("button", name="Undo")).to_be_disabled()


def test_presets(canvas):
    half = SIDE // 2
    wanted = {
        "Hide the left half": block(0, 0, half - 1, SIDE - 1),
        "Hide the right half": block(half, 0, SIDE - 1, SIDE - 1),
        "Hide the top half": block(0, 0, SIDE - 1, half - 1),
        "Hide the bottom half": block(0, half, SIDE - 1, SIDE - 1),
        "Hide a square in the centre": block(7, 7, 20, 20),
    }
    for name, pixels in wanted.items():
        canvas.page.get_by_role("button", name=name).click()
        canvas.expect_mask(pixels)
    for name in ("Hide random strokes", "Hide a checkerboard", "Hide random pixels"):
        before = canvas.reported()
        canvas.page.get_by_role("button", name=name).click()
        expect(canvas.page.locator("code", has_text="mask {")).not_to_contain_text(
            json.dumps(before["rows"])
        )
        assert 20 < canvas.reported()["hidden"] < 700


def test_keyboard(canvas):
    keys = canvas.page.keyboard
    canvas.paint.focus()
    keys.press("[")  # one pixel
    keys.press("ArrowRight")  # the cursor starts in the middle, (14, 14)
    keys.press("Space")
    canvas.expect_mask({(15, 14)})
    keys.press("Shift+ArrowLeft")
    keys.down("Space")
    keys.press("ArrowUp")
    keys.press("ArrowUp")
    keys.up("Space")
    canvas.expect_mask({(15, 14), (10, 14), (10, 13), (10, 12)})
    keys.press("e")
    keys.press("Space")
    canvas.expect_mask({(15, 14), (10, 14), (10, 13)})
    keys.press("Control+z")
    canvas.expect_mask({(15, 14), (10, 14), (10, 13), (10, 12)})
    keys.press("Control+Shift+z")
    canvas.expect_mask({(15, 14), (10, 14), (10, 13)})
    live = canvas.page.locator(".pc-canvas [data-role=live]")
    expect(live).to_contain_text("row 12, column 10")


def test_touch(open_app, touch_page):
    open_app(touch_page, APP, "/?show=canvas")
    touch_page.locator("[data-role=paint]").wait_for()
    canvas = Canvas(touch_page)
    canvas.size(0)
    touch_page.touchscreen.tap(*canvas.point(3, 4))
    canvas.expect_mask({(3, 4)})
    session = touch_page.context.new_cdp_session(touch_page)

    def touch(kind: str, *points):
        positions = [dict(zip("xy", canvas.point(*p), strict=True)) for p in points]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": positions})

    touch("touchStart", (6, 20))
    for x in range(7, 12):
        touch("touchMove", (x, 20))
    touch("touchEnd")
    canvas.expect_mask({(3, 4)} | block(6, 20, 11, 20))
    ratio = touch_page.evaluate(
        "() => { const c = document.querySelector('[data-testid=stBidiComponentIsolated]')"
        ".shadowRoot.querySelector('[data-role=paint]'); return c.width / c.clientWidth; }"
    )
    assert ratio == pytest.approx(2, abs=0.02)


def test_the_completion_follows_during_the_stroke(canvas):
    page = canvas.page
    page.evaluate("window.__pcLatency = []")
    page.mouse.move(*canvas.point(2, 2))
    page.mouse.down()
    for y in range(2, 26, 2):
        page.mouse.move(*canvas.point(2, y))
        page.mouse.move(*canvas.point(25, y), steps=3)
        page.wait_for_timeout(40)
    page.wait_for_timeout(300)
    during = page.evaluate("window.__pcLatency.length")
    page.mouse.up()
    page.wait_for_function(f"window.__pcLatency.length > {during}")
    assert during >= 2
    assert all(0 < ms < 5000 for ms in page.evaluate("window.__pcLatency"))
    expect(page.locator(".pc-canvas [data-role=latency]")).to_contain_text("ms")


def test_a_slow_model_is_not_swamped(open_app, page):
    open_app(page, APP, "/?show=canvas&slow=0.3")
    page.locator("[data-role=paint]").wait_for()
    canvas = Canvas(page)
    canvas.size(0)
    page.mouse.move(*canvas.point(2, 2))
    page.mouse.down()
    for x in range(3, 24):  # about two seconds of stroke
        page.mouse.move(*canvas.point(x, 2))
        page.wait_for_timeout(100)
    during = page.evaluate("(window.__pcLatency || []).length")
    page.mouse.up()
    canvas.expect_mask(block(2, 2, 23, 2))
    assert during >= 2  # it was answered on the way, although each answer takes three sends' time


def test_the_mask_survives_an_absence(canvas):
    page = canvas.page
    canvas.size(0)
    canvas.stroke((4, 4))
    canvas.expect_mask({(4, 4)})
    page.get_by_text("away").click()
    expect(canvas.paint).to_have_count(0)
    page.get_by_text("away").click()
    canvas.expect_mask({(4, 4)})
    expect(page.locator(".pc-canvas [data-role=hidden]")).to_contain_text("1 of 784")
    page.locator("[data-role=size]").fill("0")
    canvas.stroke((6, 4))
    canvas.expect_mask({(4, 4), (6, 4)})


def test_stale_answers_are_not_drawn(canvas):
    page = canvas.page
    canvas.size(3)
    page.locator("[data-role=outline]").uncheck()
    page.get_by_role("button", name="Hide the left half").click()
    page.wait_for_function("(window.__pcLatency || []).length > 0")
    caption = page.locator("figure", has_text="Posterior mean").locator(".note")
    before = caption.inner_text()
    page.get_by_text("answer late").click()
    page.get_by_role("button", name="Hide the top half").click()
    canvas.expect_mask(block(0, 0, SIDE - 1, SIDE // 2 - 1))
    page.wait_for_timeout(300)
    assert caption.inner_text() == before
    page.get_by_text("answer late").click()
    expect(caption).not_to_have_text(before)


def test_a_new_picture_keeps_or_clears_the_mask(canvas):
    page = canvas.page
    page.get_by_role("button", name="Hide the left half").click()
    canvas.expect_hidden(SIDE * SIDE // 2)
    page.get_by_test_id("stNumberInputStepUp").first.click()
    page.wait_for_timeout(400)
    canvas.expect_hidden(SIDE * SIDE // 2)
    page.get_by_text("keep mask").click()
    page.get_by_test_id("stNumberInputStepUp").first.click()
    canvas.expect_hidden(0)
    expect(page.locator(".pc-canvas [data-role=hidden]")).to_have_text("nothing hidden")


def test_python_sets_the_mask(canvas):
    page = canvas.page
    canvas.size(0)
    canvas.stroke((20, 20))
    canvas.expect_mask({(20, 20)})
    page.get_by_test_id("stNumberInputStepUp").last.click()  # version 1: one row
    canvas.expect_mask(block(0, 0, SIDE - 1, 0))
    expect(page.locator(".pc-canvas [data-role=hidden]")).to_contain_text("28 of 784")
    canvas.stroke((20, 20))
    canvas.expect_mask(block(0, 0, SIDE - 1, 0) | {(20, 20)})
    page.get_by_role("button", name="Undo").click()
    page.get_by_role("button", name="Undo").click()  # also what Python did
    canvas.expect_mask({(20, 20)})


def test_the_mask_survives_a_rerun_of_the_whole_page(canvas):
    canvas.size(0)
    canvas.stroke((9, 9))
    canvas.expect_mask({(9, 9)})
    canvas.page.keyboard.press("r")
    canvas.page.wait_for_timeout(500)
    canvas.stroke((11, 9))
    canvas.expect_mask({(9, 9), (11, 9)})


def test_hover_reads_every_picture_and_saving_gives_a_png(canvas):
    page = canvas.page
    panel = page.locator("canvas[aria-label^=MPE]")
    panel.hover()
    expect(page.locator(".pc-canvas [data-role=readout]")).to_contain_text("MPE")
    expect(page.locator(".pc-canvas [data-role=readout]")).to_contain_text("row 1")
    with page.expect_download() as download:
        page.get_by_role("button", name="Save picture MPE").click()
    assert download.value.suggested_filename == "mpe.png"
    data = download.value.path().read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", data[16:24]) == (532, 532)


def test_dark_theme(open_app, dark_page):
    open_app(dark_page, APP, "/?show=canvas")
    root = dark_page.locator(".pc-canvas")
    expect(root).to_have_attribute("data-theme", "dark")
