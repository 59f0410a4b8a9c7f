"""Hidden variables on Inspect and sentences on Complete, as views and as Streamlit runs them."""

from __future__ import annotations

import csv
import io
import runpy
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from pc_workbench import store
from pc_workbench.views import hidden, sectors, sentences, strip
from pc_workbench.views.outline import Outline
from pc_workbench.views.scene import circuit_scene
from pccore import datasets, structures
from pccore.cli import main
from pccore.compile import compile_circuit
from pccore.errors import EvidenceError
from pccore.files import load_model
from pccore.generated import Generated
from pccore.leaves.base import Support
from pccore.structures import Shape
from pccore.transform import hidden_groups, with_states
from tests.app.pages import complete_page, inspect_page, opened

pytestmark = pytest.mark.usefixtures("home")


def show(page: Callable[[], None], **parameters: str) -> AppTest:
    return rerun(opened(page, **parameters))


def rerun(at: AppTest) -> AppTest:
    at.run()
    assert not at.exception
    assert not [e.value for e in at.error]
    return at


def parameter(at: AppTest, name: str) -> str:
    found = at.query_params.get(name, "")
    return found[0] if isinstance(found, list) else found


def texts(at: AppTest) -> str:
    parts = [*at.markdown, *at.caption, *at.info, *at.warning, *at.code]
    return "\n".join(one.value for one in parts)


def button(at: AppTest, label: str) -> Any:
    return next(one for one in at.button if label in one.label)


# -- hidden variables ------------------------------------------------------------------------


def test_rows_belong_to_the_state_that_explains_them() -> None:
    """Two values, two states that emit one each: a row's state is its value."""
    shape = Shape.of(2, Support("finite", 2))
    model = structures.build_structure("hmm", shape, {"units": 2, "homogeneous": False})
    import torch

    sure = torch.tensor([[[0.0], [1.0]]]).reshape(model.params["L(X0)"].shape)
    model = model.with_params({**dict(model.params), "L(X0)": sure})
    program = compile_circuit(with_states(model, hidden_groups(model, ["L(X0)"]), "state"))
    rows = np.array([[0, 1], [1, 1], [np.nan, 0]], dtype=np.float32)
    found = hidden.clusters(program, rows)
    first = {int(found.state[0]), int(found.state[1])}
    assert first == {0, 1} and found.posterior[:2].max(1) == pytest.approx([1, 1], abs=1e-5)
    assert found.prior.sum() == pytest.approx(1, abs=1e-5) and found.prior[-1] == 0
    assert sum(found.count(k) for k in range(2)) == 3
    table = list(csv.DictReader(io.StringIO(hidden.to_csv(found))))
    assert [row["row"] for row in table] == ["0", "1", "2"]
    meant = hidden.meant(program, [0, 1], 5, 0)
    assert meant.samples.shape == (2, 5, 2)
    assert set(meant.samples[0, :, 0]) != set(meant.samples[1, :, 0])
    told = hidden.telling(program, [0, 1], model.scopes[0], None)
    assert all("X0 = " in text and "100% (" in text for text in (told[0][0], told[1][0]))


def test_a_region_that_takes_part_now_and_then() -> None:
    """What is left is the probability that no state takes part."""
    model = load_model("digits_rat")
    parts = hidden.parts_of(compile_circuit(model))
    known = hidden.choices(model, parts)
    assert known and not any(one.noted for one in known)
    chosen = known[0]
    program = compile_circuit(with_states(model, [chosen.position], "state"))
    found = hidden.clusters(program, datasets.load("digits").train[:100])
    assert found.prior[:-1].sum() == pytest.approx(parts[chosen.position], abs=1e-3)
    assert found.posterior.sum(1) == pytest.approx(1, abs=1e-3)
    assert found.order()[0] == found.prior[:-1].argmax()


def test_patches_are_cut_out_of_pictures() -> None:
    digits = datasets.load("digits")
    model = structures.build_structure("patches", structures.shape_of(digits), {"latents": 3})
    grid = digits.image
    assert grid is not None
    known = hidden.choices(model)
    assert [one.noted for one in known] == [True] * 4
    region = hidden.inside(model.scopes[known[3].position], grid)
    assert region[4:, 4:].all() and region.sum() == 16 and hidden.is_patch(region)
    cut = hidden.patch(digits.train[0], grid, region)
    np.testing.assert_array_equal(
        cut[..., 0], np.round(digits.train[0].reshape(8, 8)[4:, 4:] * 255 / 16)
    )
    assert hidden.whole(digits.train[0], grid, region)[0, 0, 3] < 255 == cut[0, 0, 3]


def test_the_page_of_a_hidden_variable() -> None:
    digits = datasets.load("digits")
    model = structures.build_structure("patches", structures.shape_of(digits), {"latents": 3})
    at = show(inspect_page, model=store.put_model(model), aspect="hidden")
    assert "1,259 training rows of digits" in texts(at) and "State " in texts(at)
    assert parameter(at, "latent").startswith("E(")
    at.selectbox(key="pcw_widget_latent").select("E(0,0)")
    rerun(at)
    assert parameter(at, "latent") == "E(0,0)"
    words = show(inspect_page, model="sentences_hmm", aspect="hidden", dataset="sentences")
    assert "In this state (otherwise)" in texts(words) and "\\[" in texts(words)
    # Nothing is hidden in a formula of two variables.
    bare = show(inspect_page, model="figure1_naive_bayes", aspect="hidden")
    assert any("hidden tree" in one.value for one in bare.info)


def test_the_code_of_a_hidden_variable_runs(tmp_path: Path, capsys: Any) -> None:
    digits = datasets.load("digits")
    model = structures.build_structure("patches", structures.shape_of(digits), {"latents": 3})
    at = show(inspect_page, model=store.put_model(model), aspect="hidden")
    command, python = (block.value for block in at.code)
    script = tmp_path / "shown.py"
    script.write_text(python)
    assert runpy.run_path(str(script))["clusters"].shape == (1259, 4)
    target = str(tmp_path / "visible.pc.safetensors")
    assert main([*shlex.split(command)[1:-1], target, "--json"]) == 0
    assert len(load_model(target).variables) == 65 and '"Z(E(' in capsys.readouterr().out


# -- sectors ---------------------------------------------------------------------------------


def test_sectors_are_told_and_coloured() -> None:
    shape = Shape.of(3, Support("finite", 2))
    model = structures.build_structure("hyperspn", shape, {"replicas": 2, "units": 2})
    found = sectors.sectors_of(model)
    assert found is not None and isinstance(model.params, Generated)
    outline = Outline.of(model)
    scene = sectors.coloured(circuit_scene(model, outline=outline), found, outline)
    tinted = [node for node in scene["nodes"] if "tint" in node]
    assert tinted and all(node["kind"] == "sum" for node in tinted)
    for node in tinted:
        first = int(node["value"].removeprefix("s").split("–")[0])
        assert node["tint"] == first % sectors.TINTS + 1 and f"{first}" in node["title"]
    sources = {node["id"] for node in tinted}
    assert all(("tint" in edge) == (edge["source"] in sources) for edge in scene["edges"])
    plain = model.with_params(model.params.materialised())
    assert sectors.sectors_of(plain) is None
    at = show(inspect_page, model=store.put_model(model))
    assert f"{model.params.network.sectors:,} sectors" in texts(at)


# -- sentences -------------------------------------------------------------------------------


def test_sentences_are_read_and_written() -> None:
    data, model = datasets.load("sentences"), load_model("sentences_hmm")
    words = sentences.vocabulary(model, data)
    assert words is not None and words.fill == words.words.index(".")
    row = sentences.parse("The ___ near the river sleeps.", words, 12)
    assert np.isnan(row).tolist() == [False, True] + [False] * 10
    assert sentences.text(row, words) == "the ___ near the river sleeps ."
    opened = sentences.parse("the cat ?", words, 12)
    assert np.isnan(opened[2:]).all() and sentences.text(opened, words) == "the cat ___"
    for one in data.test[:50].astype(float):
        again = sentences.parse(sentences.text(one, words), words, 12)
        np.testing.assert_array_equal(again, one)
    with pytest.raises(EvidenceError, match=r"'chat'.*cat"):
        sentences.parse("the chat sleeps .", words, 12)
    with pytest.raises(EvidenceError, match="room for 12"):
        sentences.parse("the " * 13, words, 12)
    digits = datasets.load("digits")
    assert sentences.vocabulary(load_model("digits_pd"), digits) is None


def test_the_strip_shows_what_is_probable_and_the_path() -> None:
    posterior = np.array([[0.9, 0.1, 0.0], [0.01, 0.0, 0.99]])
    figure = strip.figure(posterior, ["<b>", "b"], ["0", "1", "2"], np.array([0, 2]))
    assert np.asarray(figure.data[0].z).shape == (3, 2) and len(figure.layout.shapes) == 2
    assert "<" not in figure.layout.xaxis.ticktext[0]
    assert list(figure.data[1].text) == ["0.90", "0.10", "0.99"]
    rows = strip.rows(posterior, ["a", "b"], np.array([0, 2]))
    assert len(rows) == 6 and sum(row["on the path"] for row in rows) == 2
    assert strip.to_csv(rows).startswith("place,word,state")


def test_blanks_of_a_sentence_are_filled() -> None:
    at = show(complete_page, model="sentences_hmm")
    assert parameter(at, "dataset") == "sentences" and parameter(at, "evidence")
    at.text_input(key="pcw_sentence").set_value("the cats ___ the mouse .")
    rerun(at)
    assert parameter(at, "evidence").count("=") == 11
    said = texts(at)
    assert "All blanks together" in said and "Hidden state at each word" in said
    # Cats are many: the verb agrees.
    fills = [b.label for b in at.button if b.key and b.key.startswith("pcw_fill_2_")]
    assert fills[0].split()[0] in ("eat", "bite", "see", "find", "like", "watch")
    button(at, fills[0]).click()
    rerun(at)
    assert parameter(at, "evidence").count("=") == 12
    assert "No word is missing" in texts(at)
    at.text_input(key="pcw_sentence").set_value("the xyzzy sleeps .")
    at.run()
    assert any("xyzzy" in one.value for one in at.warning)
    assert parameter(at, "evidence").count("=") == 12
    button(at, "Another sentence").click()
    rerun(at)
    assert parameter(at, "evidence").count("=") == 10


def test_an_open_sentence_is_bounded_and_sampled() -> None:
    at = show(complete_page, model="sentences_hmm", evidence="word 1=5")
    said = texts(at)
    assert ":orange-badge[bound]" in said or "bound" in said
    assert "more places are open" in said


def test_the_code_of_a_sentence_runs(tmp_path: Path, capsys: Any) -> None:
    at = show(complete_page, model="sentences_hmm")
    command, python = (block.value for block in at.code)
    script = tmp_path / "shown.py"
    script.write_text(python)
    runpy.run_path(str(script))
    assert "HiddenPath" in capsys.readouterr().out
    assert main(shlex.split(command)[1:]) == 0
