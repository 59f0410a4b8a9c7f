"""The sample models are what `sample_models/make.py` makes, and what their stories say."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import torch

from pccore.check import check
from pccore.compile import compile_circuit
from pccore.datasets import load
from pccore.files import load_model, sample_models
from pccore.queries import log_likelihood
from pccore.structures.figures import figures

NAMES = tuple(sample.name for sample in sample_models())
BROKEN = (
    "incomplete",
    "inconsistent",
    "two_paths",
    "forgotten_day",
    "buried_mistake",
    "valid_though_broken",
    "squared_gaussian",
)


def test_every_sample_has_a_title_and_a_story() -> None:
    assert {"digits_rat", "digits_pd", "sentences_hmm", *figures()} == set(NAMES)
    assert all(sample.title and sample.story.endswith(".") for sample in sample_models())


@pytest.mark.parametrize("name", sorted(figures()))
def test_the_files_are_the_figures(name: str) -> None:
    stored, made = load_model(name), figures()[name]()
    assert stored.groups == made.groups
    assert stored.params.equal(made.params)
    assert dict(stored.meta) == dict(made.meta)


@pytest.mark.parametrize("name", BROKEN)
def test_the_broken_ones_show_a_witness(name: str) -> None:
    report = check(load_model(name))
    assert report.violations and all(witness.message for witness in report.violations)


@pytest.mark.parametrize("name", ["digits_rat", "digits_pd"])
def test_the_digits_models_are_valid_and_trained(name: str) -> None:
    """Better on the test images than independent pixels (-107.6 nats) by a clear margin."""
    model = load_model(name)
    assert check(model, ("smooth", "decomposable", "weights")).of("decomposable") == ()
    data = load("digits")
    found = float(log_likelihood(compile_circuit(model), data.test).mean())
    assert found > -103


def test_the_model_of_sentences_is_trained() -> None:
    """Better on the test sentences than words that depend on nothing (-30.2 nats), by far."""
    model = load_model("sentences_hmm")
    found = log_likelihood(compile_circuit(model), load("sentences").test).mean()
    assert float(found) > -16


def test_the_maker_writes_the_same_bytes_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the models that need no training."""
    source = sample_models()[0].path.parent / "make.py"
    spec = importlib.util.spec_from_file_location("make_samples", source)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "FOLDER", tmp_path)
    threads = torch.get_num_threads()
    module.main(trained=False)
    torch.set_num_threads(threads)
    written = sorted(path.name for path in tmp_path.iterdir())
    assert written == sorted(f"{name}.pc.json" for name in figures())
    for name in written:
        assert (tmp_path / name).read_bytes() == source.with_name(name).read_bytes(), name
