"""The completion lab: side by side, muting what explains a picture, a batch, one's own picture."""

from __future__ import annotations

import io
import re
import zipfile

import pytest
from PIL import Image, ImageDraw
from playwright.sync_api import Page, expect

APP = "app/main.py"
PATIENT = 60_000  # milliseconds
PAGE = "/complete?model=digits_pd&image=5"
MASK = "&mask=8PDw8PDw8PA%3D"  # the left half

PICTURE = 'canvas => Array.from(canvas.getContext("2d").getImageData(0, 0, 40, 40).data).join()'


@pytest.fixture(scope="module")
def workbench(app_server, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The app with models of its own."""
    home = tmp_path_factory.mktemp("home")
    return app_server(APP, PC_WORKBENCH_HOME=str(home), OMP_NUM_THREADS="1")


def mean_of(page: Page) -> str:
    """The pixels of the posterior mean as they are on the screen."""
    return page.locator('.tile canvas[aria-label^="Posterior mean"]').evaluate(PICTURE)


def test_a_muted_component_changes_the_completion(page: Page, workbench: str):
    page.goto(workbench + PAGE + MASK)
    expect(page.get_by_text(re.compile("MSE")).first).to_be_visible(timeout=PATIENT)
    page.get_by_text("What explains this picture").click()
    first = page.locator(".pc-pictures .switch").first
    expect(first).to_have_attribute("aria-pressed", "true", timeout=PATIENT)
    caption = page.locator(".tile .note").filter(has_text="MSE").first
    before, said = mean_of(page), caption.inner_text()
    first.focus()
    page.keyboard.press("Enter")
    expect(first).to_have_attribute("aria-pressed", "false", timeout=PATIENT)
    expect(page).to_have_url(re.compile("muted="))
    expect(caption).not_to_have_text(said)
    assert mean_of(page) != before
    expect(first).to_be_focused()
    page.reload()
    expect(first).to_have_attribute("aria-pressed", "false", timeout=PATIENT)
    page.get_by_role("button", name="Unmute all").click()
    expect(first).to_have_attribute("aria-pressed", "true", timeout=PATIENT)
    expect(caption).to_have_text(said)
    assert mean_of(page) == before


def test_models_side_by_side_follow_the_mask(page: Page, workbench: str):
    page.goto(workbench + PAGE + "&lab=side&rivals=digits_rat")
    expect(page.get_by_text("Hide some pixels: every method")).to_be_visible(timeout=PATIENT)
    page.locator('[data-preset="top"]').click()
    expect(page.locator(".pc-pictures")).to_have_count(2, timeout=PATIENT)
    expect(page.locator(".pc-pictures canvas")).to_have_count(10)
    notes = page.locator(".pc-pictures header .pc-label")
    said = notes.all_inner_texts()
    assert len(set(said)) == 2
    page.locator('[data-preset="left"]').click()
    expect(notes.first).not_to_have_text(said[0], timeout=PATIENT)


def test_a_batch_is_downloaded(page: Page, workbench: str):
    page.goto(workbench + PAGE + MASK + "&lab=batch")
    page.get_by_role("button", name="Complete 20 pictures").click(timeout=PATIENT)
    expect(page.get_by_text("Least squared error")).to_be_visible(timeout=PATIENT)
    with page.expect_download() as download:
        page.get_by_role("button", name="Pictures (ZIP)").click()
    with zipfile.ZipFile(download.value.path()) as archive:
        assert {"scores.csv", "mask.png", "completion-00019.png"} <= set(archive.namelist())


def test_a_picture_of_ones_own_is_completed(page: Page, workbench: str):
    page.goto(workbench + PAGE + MASK)
    expect(page.get_by_text(re.compile("MSE")).first).to_be_visible(timeout=PATIENT)
    caption = page.locator(".tile .note").filter(has_text="MSE").first
    before, said = mean_of(page), caption.inner_text()
    drawn = Image.new("RGB", (120, 160), "white")
    ImageDraw.Draw(drawn).line([(30, 40), (90, 40), (50, 130)], fill="black", width=16)
    stream = io.BytesIO()
    drawn.save(stream, "png")
    page.get_by_role("button", name="Upload").first.click()
    file = {"name": "seven.png", "mimeType": "image/png", "buffer": stream.getvalue()}
    page.locator('input[type="file"]').set_input_files(file)
    line = page.get_by_text("Your picture: 120×160 RGB → grey → the middle 120×120")
    expect(line).to_be_visible(timeout=PATIENT)
    page.keyboard.press("Escape")
    expect(caption).not_to_have_text(said, timeout=PATIENT)
    assert mean_of(page) != before
    page.locator('.pc-thumbs [aria-label="Next picture"]').click()
    expect(line).to_have_count(0, timeout=PATIENT)
