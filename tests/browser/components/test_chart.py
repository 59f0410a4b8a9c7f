"""The live curve in a real browser: it lives through the ticks."""

from __future__ import annotations

import csv
import json
import time

import pytest
from playwright.sync_api import expect

APP = "tests/browser/components/gallery_app.py"


@pytest.fixture
def chart(open_app, page):
    open_app(page, APP, "/?show=chart")
    page.locator(".pc-chart [data-role=plot]").wait_for()
    return Chart(page)


class Chart:
    def __init__(self, page):
        self.page = page
        self.plot = page.locator(".pc-chart [data-role=plot]")

    def view(self) -> dict:
        self.page.wait_for_timeout(60)  # the next frame draws
        return json.loads(self.plot.get_attribute("data-range"))

    def wait_ticks(self, count: int):
        # A loaded machine may never show us one particular tick: any later one will do.
        target = self.tick() + count
        deadline = time.monotonic() + 20
        while self.tick() < target:
            assert time.monotonic() < deadline, f"tick {self.tick()}, waiting for {target}"
            self.page.wait_for_timeout(50)

    def tick(self) -> int:
        return int(self.page.locator("code", has_text="tick").inner_text().split()[1])

    def point(self, across: float, down: float) -> tuple[float, float]:
        # Streamlit may be replacing the element: wait until it is there to stay.
        self.plot.scroll_into_view_if_needed()
        box = self.plot.bounding_box()
        while box is None:
            self.page.wait_for_timeout(50)
            box = self.plot.bounding_box()
        return box["x"] + across * box["width"], box["y"] + down * box["height"]


def test_the_node_and_the_zoom_survive_ticks(chart):
    page = chart.page
    page.evaluate(
        "document.querySelector('[data-testid=stBidiComponentIsolated]').shadowRoot"
        ".querySelector('canvas').dataset.mark = 'same'"
    )
    full = chart.view()
    page.mouse.move(*chart.point(0.4, 0.3))
    page.mouse.down()
    page.mouse.move(*chart.point(0.6, 0.32), steps=6)
    page.mouse.up()
    zoomed = chart.view()
    assert zoomed["x"][1] - zoomed["x"][0] < 0.3 * (full["x"][1] - full["x"][0])
    chart.wait_ticks(3)
    assert chart.plot.get_attribute("data-mark") == "same"
    assert chart.view()["x"] == zoomed["x"]
    page.mouse.dblclick(*chart.point(0.5, 0.5))
    after = chart.view()
    assert after["x"][0] == 0 and after["x"][1] > full["x"][1]  # follows the data again
    expect(page.get_by_role("button", name="Reset zoom")).to_be_disabled()


def test_wheel_zooms_around_the_pointer(chart):
    chart.page.get_by_text("pause").click()
    before = chart.view()["x"]
    chart.page.mouse.move(*chart.point(0.9, 0.5))
    chart.page.mouse.wheel(0, -500)
    after = chart.view()["x"]
    assert after[1] - after[0] < 0.7 * (before[1] - before[0])
    assert after[0] > before[0] and after[1] <= before[1]


def test_fit_tail_ignores_the_first_wild_points(chart):
    assert chart.view()["y"][0] < -800
    chart.page.get_by_role("button", name="Fit tail").click()
    assert chart.view()["y"][0] > -200


def test_legend_toggles(chart):
    chart.page.get_by_text("pause").click()
    chart.page.get_by_role("button", name="train").click()
    chart.page.get_by_role("button", name="valid").click()
    assert chart.view()["y"][0] > -250  # only the tame curve is left


def test_crosshair_and_keyboard_read_values(chart):
    chart.page.get_by_text("pause").click()
    chart.page.mouse.move(*chart.point(0.5, 0.5))
    tip = chart.page.locator(".pc-chart [data-role=tip]")
    expect(tip).to_contain_text("train")
    chart.page.mouse.move(2, 2)
    expect(tip).to_be_hidden()
    chart.plot.focus()
    chart.page.keyboard.press("Home")
    expect(chart.page.locator(".pc-chart [data-role=live]")).to_contain_text("epoch 0: train")
    chart.page.keyboard.press("ArrowRight")
    expect(chart.page.locator(".pc-chart [data-role=live]")).to_contain_text("epoch 1: train")


def test_the_label_says_the_last_values(chart):
    label = chart.plot.get_attribute("aria-label")
    assert "Last values: train" in label and "best valid" in label


def test_saving_csv_and_png(chart):
    chart.page.get_by_text("pause").click()
    with chart.page.expect_download() as download:
        chart.page.get_by_role("button", name="CSV").click()
    rows = list(csv.reader(download.value.path().read_text().splitlines()))
    assert rows[0] == ["epoch", "train", "valid", "previous run"]
    assert rows[11][0] == "10" and rows[11][2] == ""  # the gap
    with chart.page.expect_download() as download:
        chart.page.get_by_role("button", name="PNG").click()
    assert download.value.path().read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
