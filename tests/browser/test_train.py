"""Train in a real browser: settings by keyboard, runs over each other, samples, classes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

APP = "app/main.py"
PATIENT = 60_000  # milliseconds: a worker process has to import torch


@pytest.fixture(scope="module")
def workbench(app_server, tmp_path_factory: pytest.TempPathFactory) -> str:
    home = tmp_path_factory.mktemp("home")
    return app_server(APP, PC_WORKBENCH_HOME=str(home), OMP_NUM_THREADS="1")


def opened(page: Page, address: str, query: str) -> None:
    page.goto(f"{address}/train?{query}")
    expect(page.get_by_role("button", name="Start", exact=True)).to_be_enabled(timeout=PATIENT)
    page.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"]')


def finished(page: Page) -> None:
    badge = page.locator(".stMarkdownBadge", has_text=re.compile("^finished$"))
    expect(badge).to_be_visible(timeout=PATIENT)


def test_two_runs_lie_over_each_other_by_epoch_and_by_seconds(workbench: str, page: Page):
    plot = page.locator(".pc-chart [data-role=plot]")
    opened(page, workbench, "model=digits_rat&learner=hard-em&training=epochs:2")
    page.get_by_role("button", name="Start", exact=True).click()
    finished(page)
    expect(page.get_by_text("Samples, the best model")).to_be_visible(timeout=PATIENT)
    first = re.search(r"run=(r-[0-9a-f]+)", page.url)
    mine = re.search(r"workspace=w-[0-9a-f]+", page.url)  # in the link, as no cookie is set here
    assert first is not None and mine is not None
    opened(page, workbench, f"model=digits_rat&training=epochs:2&beside={first[1]}&{mine[0]}")
    page.get_by_role("button", name="Start", exact=True).click()
    finished(page)
    expect(plot).to_have_attribute("aria-label", re.compile("training .*, validation .*, hard-em"))
    keys = page.locator(".pc-chart .key")
    expect(keys).to_have_count(3)
    page.get_by_role("radio", name="Seconds").or_(
        page.get_by_role("button", name="Seconds", exact=True)
    ).first.click()
    expect(page).to_have_url(re.compile("axis=seconds"))
    expect(plot).to_have_attribute("aria-label", re.compile("at seconds of training"))
    with page.expect_download() as download:
        page.locator(".pc-chart [data-action=png]").click()
    size = download.value.path().read_bytes()[16:24]
    wide, high = (int.from_bytes(part, "big") for part in (size[:4], size[4:]))
    drawn = plot.evaluate("one => [one.clientWidth, one.clientHeight]")
    assert wide == 3 * drawn[0] and high > 3 * drawn[1]  # the names of the curves are below
    opened(page, workbench, f"model=digits_rat&{mine[0]}")
    page.get_by_role("button", name="Draw on one chart").click()
    expect(page).to_have_url(re.compile("beside=r-"))
    expect(plot).to_have_attribute("aria-label", re.compile("training .*, validation .*-em"))
    with page.expect_download() as download:
        page.get_by_role("button", name="Curves as SVG").last.click()
    assert download.value.path().read_text().count('clip-path="url(#area)"') == 2


def test_an_option_is_changed_by_keys_and_says_what_it_means(workbench: str, page: Page):
    opened(page, workbench, "model=digits_rat&learner=gradient")
    option = page.locator(".st-key-pcw_training_learning_rate")
    expect(option).to_contain_text("step along the gradient")
    option.get_by_role("slider").press("End")
    expect(page).to_have_url(re.compile("learning_rate%3A10"))
    page.get_by_text("More options").click()
    expect(page.locator(".st-key-pcw_training_threshold")).to_be_visible()


def test_classes_are_told_apart(workbench: str, page: Page):
    opened(page, workbench, "model=digits_rat&training=epochs:1")
    page.get_by_text("One class against the rest").click()
    page.get_by_role("button", name="Train one circuit for each class").click()
    expect(page.get_by_text("Mean area")).to_be_visible(timeout=2 * PATIENT)
    expect(page.locator(".js-plotly-plot .scatterlayer .trace")).to_have_count(10)
    with page.expect_download() as download:
        page.get_by_role("button", name="Save the curves (SVG)").click()
    assert Path(download.value.path()).read_text().count("<polyline") == 10
