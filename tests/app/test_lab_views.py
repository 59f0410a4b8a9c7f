"""The lab of the Complete page without a browser: uploads, components as cards, batches, texts."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest
from PIL import Image

from pc_workbench.components.pictures import read_card
from pc_workbench.views import baselines, batches, completion_text, explaining
from pc_workbench.views.completion import complete
from pc_workbench.views.masks import mask_png
from pc_workbench.views.own_picture import read_picture
from pccore import datasets
from pccore.completion import (
    BASELINES,
    complete_batch,
    component_means,
    component_program,
    components_of,
    hidden_pixels,
    mean_squared_error,
)
from pccore.datasets import ImageShape
from pccore.errors import DataError
from pccore.files import Limits, load_model

GREY, COLOUR = ImageShape(8, 8, 1, 16), ImageShape(6, 4, 3, 255)


def encoded(picture: Image.Image, kind: str = "png", **more: object) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, kind, **more)
    return stream.getvalue()


# -- a picture of one's own ------------------------------------------------------------------


def test_a_picture_that_fits_is_taken_as_it_is():
    pixels = np.random.default_rng(0).integers(0, 256, (6, 4, 3)).astype(np.uint8)
    found = read_picture(encoded(Image.fromarray(pixels)), COLOUR)
    assert np.array_equal(found.row, pixels.reshape(-1).astype(float))
    assert found.line == "4×6 RGB"


def test_a_photograph_is_cropped_made_grey_resized_and_scaled():
    pixels = np.zeros((20, 60, 3), np.uint8)
    pixels[:, 20:40] = 255  # the middle square is white
    found = read_picture(encoded(Image.fromarray(pixels)), GREY)
    assert found.row.tolist() == [16.0] * 64
    for step in ("60×20 RGB", "grey", "the middle 20×20", "resized to 8×8", "whole numbers 0–16"):
        assert step in found.line
    inverted = read_picture(encoded(Image.fromarray(pixels)), GREY, invert=True)
    assert inverted.row.tolist() == [0.0] * 64 and "inverted" in inverted.line


def test_real_pixels_are_not_rounded():
    picture = Image.new("L", (8, 8), 100)
    found = read_picture(encoded(picture), GREY, whole_numbers=False)
    assert found.row[0] == pytest.approx(100 * 16 / 255)
    assert read_picture(encoded(picture), GREY).row[0] == 6


def test_what_is_transparent_is_white_and_a_turned_photograph_is_upright():
    clear = Image.new("RGBA", (8, 8), (0, 0, 0, 0))
    assert set(read_picture(encoded(clear), GREY).row) == {16.0}
    pixels = np.zeros((4, 6), np.uint8)
    pixels[:, 3:] = 255
    turned = Image.Exif()
    turned[0x0112] = 6  # to be turned by 90 degrees clockwise
    upright = ImageShape(6, 4, 1, 255)
    file = encoded(Image.fromarray(pixels), exif=turned.tobytes())
    found = read_picture(file, upright)
    assert "turned upright" in found.line and "resized" not in found.line
    assert found.row.reshape(6, 4)[:3].max() == 0 and found.row.reshape(6, 4)[3:].min() == 255


def test_sixteen_bits_are_scaled_not_cut():
    deep = Image.fromarray(np.array([[0, 30000], [60000, 60000]], np.uint16))
    found = read_picture(encoded(deep), ImageShape(2, 2, 1, 255))
    assert found.row.tolist() == [0, 128, 255, 255]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no readable picture"),
        (b"<svg onload=alert(1)>", "no readable picture"),
        (encoded(Image.effect_noise((50, 50), 9.0))[:300], "no readable picture"),
        (bytes(Limits().max_picture_bytes + 1), "more than the 10485760 allowed"),
        (encoded(Image.new("1", (9000, 1))), "too many"),
    ],
)
def test_other_files_are_refused(content: bytes, words: str):
    with pytest.raises(DataError, match=words):
        read_picture(content, GREY)


# -- components ------------------------------------------------------------------------------


def test_components_are_cards_that_say_their_share():
    model = load_model("digits_pd")
    row = datasets.load("digits").test[5].astype(float)
    row[:32] = np.nan
    mixture = components_of(model, row)
    listed = explaining.shown(mixture, (), most=3)
    means = component_means(component_program(model), listed)
    cards = explaining.component_cards(mixture, listed, means, (), GREY)
    assert [card.id for card in cards] == [one.id for one in mixture.components[:3]]
    assert all(card.on and card.image.shape == (8, 8) for card in cards)
    assert cards[0].caption.startswith(explaining.percent(listed[0].share) + " · prior ")
    muted = (listed[0].id, mixture.components[7].id)
    listed = explaining.shown(mixture, muted, most=3)
    assert [one.id for one in listed[3:]] == [muted[1]]  # stays in reach
    means = component_means(component_program(model), listed)
    cards = explaining.component_cards(mixture, listed, means, muted, GREY)
    assert [card.on for card in cards] == [False, True, True, False]
    left = 1 - mixture.components[0].share - mixture.components[7].share
    assert cards[1].caption.endswith("→ " + explaining.percent(listed[1].share / left))
    assert "2 muted" in explaining.summary(mixture, muted)


def test_percentages_are_short():
    shares = (0.0, 0.0004, 0.0123, 0.098, 0.426, 0.997, 1.0)
    said = ["0 %", "< 0.1 %", "1.2 %", "9.8 %", "43 %", "100 %", "100 %"]
    assert [explaining.percent(share) for share in shares] == said


@pytest.mark.parametrize("sent", [None, "a", {"id": 3}, {"id": "z"}, {"id": None}, []])
def test_a_switch_that_is_not_there_is_ignored(sent: object):
    assert read_card(sent, {"a"}) is None
    assert read_card({"id": "a", "nonce": 1}, {"a"}) == "a"


# -- completions -----------------------------------------------------------------------------


def test_every_completion_is_a_card():
    model = datasets.load("digits")
    program = component_program(load_model("digits_rat"))
    mask = np.zeros((8, 8), bool)
    mask[:4] = True
    found = complete(program, model.test[0], mask, GREY, samples=1, tree=True, uncertainty=True)
    cards = completion_text.cards(found)
    labels = ["Posterior mean", "MPE", "Sums up, max down", "Sample 1", "Uncertainty"]
    assert [card.label for card in cards] == labels
    assert cards[0].caption.startswith("MSE ") and cards[0].caption.endswith(" · exact")
    assert cards[2].caption.endswith(" · bound") and "bits" in cards[4].caption
    assert "log P(visible)" in completion_text.summary(found)


def test_baselines_stand_beside_the_models():
    data = datasets.load("digits")
    mask = np.zeros((8, 8), bool)
    mask[:, :4] = True
    cards = baselines.baseline_cards(data.train, data.test[0], mask, GREY)
    labels = ["Nearest neighbour", "PCA", "Probabilistic PCA", "Mean image"]
    assert [card.label for card in cards] == labels
    hidden = hidden_pixels("left", GREY)
    nearest = BASELINES["nn"](data.train, data.test[:1], hidden, GREY)
    assert cards[0].caption == f"MSE {mean_squared_error(data.test[:1], nearest, hidden, GREY):.0f}"
    assert "first 2,000 of 60,000" in baselines.note(60_000)
    assert baselines.note(350) == "learned from 350 training pictures"


def test_a_batch_can_be_taken_away():
    data = datasets.load("digits")
    hidden = hidden_pixels("left", GREY)
    batch = complete_batch(
        load_model("digits_rat"),
        data.test[:3],
        hidden,
        GREY,
        ["mean", "tree"],
        baselines=["nn"],
        train=data.train,
        uncertain=True,
    )
    rows = batches.summary_rows(batch)
    assert [row["Method"] for row in rows] == [
        "Posterior mean",
        "Sums up, max down",
        "Nearest neighbour",
    ]
    assert [row["Answer"] for row in rows] == ["exact", "bound", "baseline"]
    least = min(rows, key=lambda row: row["MSE"])
    assert least["Method"] in batches.best(batch.guesses)
    with zipfile.ZipFile(io.BytesIO(batches.to_zip(batch))) as archive:
        names = set(archive.namelist())
        assert {"completion-00002.png", "completion-tree-00001.png", "scores.csv"} <= names
        mask = np.asarray(Image.open(archive.open("mask.png")))
    assert np.array_equal(mask == 255, hidden.reshape(8, 8))
    assert mask_png(batches.mask_of(batch)) == encoded(Image.fromarray(mask))
