"""Hidden variables in a real browser: a sentence completed by keys and clicks, states looked at."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

APP = "app/main.py"
PATIENT = 60_000  # milliseconds


@pytest.fixture(scope="module")
def workbench(app_server, tmp_path_factory: pytest.TempPathFactory) -> str:
    home = tmp_path_factory.mktemp("home")
    return app_server(APP, PC_WORKBENCH_HOME=str(home), OMP_NUM_THREADS="1")


def test_a_sentence_is_completed_and_its_states_are_looked_at(workbench: str, page: Page):
    page.goto(f"{workbench}/complete?model=sentences_hmm")
    sentence = page.get_by_label("Sentence", exact=True)
    expect(sentence).to_have_value(re.compile("___"), timeout=PATIENT)
    sentence.fill("the cats ___ the mouse .")
    sentence.press("Enter")
    expect(page).to_have_url(re.compile("evidence="), timeout=PATIENT)
    page.get_by_role("button", name=re.compile(r"^eat \d+ %$")).click()
    expect(sentence).to_have_value("the cats eat the mouse .", timeout=PATIENT)
    strip = page.locator(".js-plotly-plot")
    expect(strip.get_by_text("cats", exact=True)).to_be_visible(timeout=PATIENT)
    expect(strip.locator(".shapelayer path")).to_have_count(6)
    page.get_by_role("link", name="Inspect").click()
    page.get_by_role("radio", name="Hidden").or_(
        page.get_by_role("button", name="Hidden", exact=True)
    ).first.click()
    expect(page.get_by_text("In this state (otherwise)")).to_be_visible(timeout=PATIENT)
    expect(page).to_have_url(re.compile("aspect=hidden"))
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV").click()
    assert download.value.suggested_filename == "states.csv"
