"""Formulas and builder code as model files: the function survives, mistakes are named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pccore import oracle
from pccore.cli import main
from pccore.errors import FileError
from pccore.files import describe, load_bytes, load_model, save_model
from pccore.reference import evaluate
from pccore.structures.figures import figures


@pytest.mark.parametrize("suffix", [".pc.txt", ".build.py"])
@pytest.mark.parametrize("name", ["figure1_junction_tree", "figure3_parity", "old_geyser"])
def test_the_function_comes_back(suffix: str, name: str, tmp_path: Path) -> None:
    model = figures()[name]()
    path = tmp_path / f"m{suffix}"
    save_model(model, path)
    again = load_model(path)
    rows = oracle.states(model)[:2000]
    np.testing.assert_allclose(evaluate(again, rows).root, evaluate(model, rows).root)
    info = describe(path)
    assert (info.title, info.units) == (model.meta["title"], again.num_units)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("m.pc.txt", b"0.5*x + (", "line 1, column 9"),
        ("m.pc.txt", b"\xff", "not UTF-8"),
        ("m.build.py", b"import os\nos.system('x')", "line 2, column 1"),
        ("m.pc.txt", b"x" * 2_000_000, "too many"),
    ],
)
def test_mistakes_are_named(name: str, content: bytes, message: str) -> None:
    with pytest.raises(FileError, match=message):
        load_bytes(content, name)


def test_the_command_line_reads_and_writes_formulas(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mine.pc.txt"
    path.write_text("0.5*x*y + 0.5*!x*y*!y")
    assert main(["check", str(path), "--json"]) == 1
    assert '"decomposable"' in capsys.readouterr().out
    assert main(["convert", str(path), str(tmp_path / "mine.pc.json")]) == 0
    assert load_model(tmp_path / "mine.pc.json").variables == ("x", "y")
    path.write_text("0.5*x*")
    assert main(["info", str(path)]) == 2
    assert "line 1, column 6" in capsys.readouterr().err
