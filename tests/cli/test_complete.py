"""complete: several methods and baselines, uncertainty, tables, colour."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import numpy as np
from PIL import Image

from tests.cli.helpers import Run, assert_one_line

DIGITS = ("complete", "digits_rat", "--data", "digits:test", "--hide", "left", "--limit", 6)


def test_several_methods_in_one_run(run: Run):
    found = run(
        *DIGITS, "--method", "mean,tree, mpe", "--baselines", "nn,ppca,mean-image",
        "--uncertainty", "--table", "scores.csv", "-o", "out", "--json",
    ).json  # fmt: skip
    # The plain keys are those of the first method.
    assert found["method"] == "mean" and found["quality"] == "exact"
    assert found["mse"] == found["methods"]["mean"]["mse"]
    assert list(found["methods"]) == ["mean", "tree", "mpe"]
    assert found["methods"]["tree"]["quality"] == "bound"
    assert found["methods"]["tree"]["log_completed"] < 0
    assert found["log_completed"] is None  # a mean is no state of the pixels
    assert found["psnr"] == 10 * math.log10(255**2 / found["mse"])
    assert 0 < found["ssim"] < 1 and found["log_visible"] < 0
    assert set(found["baselines"]) == {"nn", "ppca", "mean-image"}
    assert found["baseline_scores"]["nn"]["mse"] == found["baselines"]["nn"]
    assert found["uncertainty"]["unit"] == "bits" and 0 < found["uncertainty"]["mean"] < 4.1
    with Path("scores.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 6 * 6
    mine = [float(row["mse"]) for row in rows if row["method"] == "tree"]
    assert abs(np.mean(mine) - found["methods"]["tree"]["mse"]) < 1e-6
    names = {path.name for path in Path("out").iterdir()}
    assert {"completion-00005.png", "completion-tree-00000.png", "uncertainty-00000.png"} <= names
    assert found["table"] == "scores.csv" and found["output"] == "out"


def test_the_text_says_what_the_json_says(run: Run):
    text = run(*DIGITS, "--method", "tree,mpe", "--uncertainty").out
    assert "MSE tree" in text and "bound" in text and "SSIM" in text and "bits" in text


def test_one_method_is_what_it_was(run: Run):
    alone = run(*DIGITS, "--method", "mpe", "--json").json
    several = run(*DIGITS, "--method", "mean,mpe", "--json").json
    assert alone["mse"] == several["methods"]["mpe"]["mse"]
    assert alone["uncertainty"] is None and alone["baselines"] == {}


def test_colour_pictures(run: Run):
    generator = np.random.default_rng(0)
    Path("colour").mkdir()
    for number in range(12):
        pixels = generator.integers(0, 256, (8, 8, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(f"colour/{number:02d}.png")
    built = run(
        "build", "pd", "--data", "colour", "--set", "delta=4", "--set", "units=2",
        "--set", "leaf=gaussian", "-o", "colour.pc.safetensors", "--json",
    )  # fmt: skip
    assert built.status == 0, built.err
    found = run(
        "complete", "colour.pc.safetensors", "--data", "colour:train", "--hide", "top",
        "--method", "mean,mpe,tree,sample", "--baselines", "nn,pca", "--uncertainty", "-o", "out",
        "--json",
    ).json  # fmt: skip
    assert found["hidden_values"] == 8 * 4 * 3
    assert found["uncertainty"]["measure"] == "deviation"
    assert found["methods"]["mean"]["log_completed"] is not None  # a density
    with Image.open("out/completion-00000.png") as picture, Image.open("colour/00.png") as truth:
        assert picture.mode == "RGB" and picture.size == (8, 8)
        first = found["samples"]
        assert first >= 1 and np.asarray(picture).shape == np.asarray(truth).shape


def test_bad_input_is_one_line(run: Run, folder: Path):
    assert_one_line(run(*DIGITS, "--method", "mean,guess"), "--method", "'guess'", "tree")
    assert_one_line(run(*DIGITS, "--method", ","), "--method")
    assert_one_line(run(*DIGITS, "--baselines", "best"), "--baselines", "'best'", "ppca")
    assert_one_line(run(*DIGITS, "--table", "nowhere/t.csv"), "nowhere", "does not exist")
    assert_one_line(run(*DIGITS, "--table", "."), "folder")
    assert json.loads(run(*DIGITS, "--json").out)["table"] is None
