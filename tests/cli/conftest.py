"""A runner of commands in an empty folder, and some models there."""

from __future__ import annotations

from pathlib import Path

import pytest

from pccore.build import bernoulli, circuit, gaussian, indicator
from pccore.cli import main
from pccore.files import save_model
from pccore.graph import Circuit
from pccore.structures.figures import figures
from tests.cli.helpers import Result, Run


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder, and no datasets but the bundled ones."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PCCORE_DATA", raising=False)
    return tmp_path


@pytest.fixture
def run(folder: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command in `folder`."""

    def call(*arguments: object) -> Result:
        capsys.readouterr()
        status = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Result(status, captured.out, captured.err)

    return call


def figure(name: str) -> Circuit:
    """A circuit of the SPN paper or a broken one."""
    return figures()[name]()


@pytest.fixture
def bayes(folder: Path) -> str:
    """The naive Bayes mixture of figure 1 over X1 and X2; the name of its file."""
    save_model(figure("figure1_naive_bayes"), folder / "bayes.pc.json")
    return "bayes.pc.json"


@pytest.fixture
def junction(folder: Path) -> str:
    """The deterministic junction tree of figure 1."""
    save_model(figure("figure1_junction_tree"), folder / "junction.pc.json")
    return "junction.pc.json"


@pytest.fixture
def broken(folder: Path) -> str:
    """A circuit that is not smooth: its sum S has a child B1 without X2."""
    save_model(figure("incomplete"), folder / "broken.pc.json")
    return "broken.pc.json"


@pytest.fixture
def mixed(folder: Path) -> str:
    """A real variable H and a binary one B; unnormalised."""
    tall = gaussian("H", 2.0, 0.25) * bernoulli("B", 0.9)
    small = gaussian("H", 1.0, 0.25) * indicator("B", 0)
    made = circuit(2.0 * tall + 6.0 * small, variables=["H", "B"])
    save_model(made, folder / "mixed.pc.json")
    return "mixed.pc.json"
