"""The wheel: what it contains, and that it works where the source tree is not."""

from __future__ import annotations

import importlib.metadata
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from pc_workbench.resources import assets_folder
from pccore.resources import sample_models_folder

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
# folder of the source tree -> where its files go in the wheel (setup.py says the same)
PLACES = {
    "pccore": "pccore",
    "sample_models": "pccore/sample_models",
    "app": "pc_workbench",
    "assets": "pc_workbench/assets",
}
WASTE = shutil.ignore_patterns("__pycache__", "*.pyc", "*.egg-info")


def run(*command: str | Path, cwd: Path) -> str:
    """Run a command and return its stdout; a failure shows all that it printed."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command} failed:\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy of the sources (a build leaves files beside them)."""
    source = tmp_path_factory.mktemp("source")
    for folder in PLACES:
        shutil.copytree(ROOT / folder, source / folder, ignore=WASTE)
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    built = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(built)]
    run(*build, cwd=source)
    (path,) = built.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def names(wheel: Path) -> frozenset[str]:
    """The paths inside the wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return frozenset(archive.namelist())


def source_files() -> Iterator[tuple[str, str]]:
    """(path in the repository, path in the wheel) of every file that should ship."""
    for folder, place in PLACES.items():
        for path in sorted((ROOT / folder).rglob("*")):
            inside = path.relative_to(ROOT / folder)
            if path.is_file() and "__pycache__" not in inside.parts:
                yield f"{folder}/{inside.as_posix()}", f"{place}/{inside.as_posix()}"


@pytest.mark.slow
def test_every_file_is_in_the_wheel(names: frozenset[str]):
    missing = [source for source, target in source_files() if target not in names]
    assert missing == [], "add the suffix to [tool.setuptools.package-data]"


@pytest.mark.slow
def test_the_wheel_takes_only_our_names(names: frozenset[str]):
    top = {name.partition("/")[0] for name in names}
    assert top == {"pccore", "pc_workbench", "pc_workbench-0.1.0.dist-info"}
    expected = {target for _, target in source_files()}
    packed = {name for name in names if ".dist-info/" not in name}
    assert packed <= expected


@pytest.mark.slow
def test_the_wheel_names_its_licence_and_commands(wheel: Path):
    with zipfile.ZipFile(wheel) as archive:
        info = "pc_workbench-0.1.0.dist-info"
        metadata = archive.read(f"{info}/METADATA").decode()
        commands = archive.read(f"{info}/entry_points.txt").decode()
        licence = archive.read(f"{info}/licenses/LICENSE").decode()
    assert "License-Expression: Apache-2.0" in metadata
    assert "Requires-Python: >=3.11" in metadata
    assert "pccore = pccore.cli:main" in commands
    assert "pc-workbench = pc_workbench.launch:main" in commands
    assert "Version 2.0, January 2004" in licence


@pytest.fixture(scope="module")
def elsewhere(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel installed, and no source tree in sight.

    The dependencies are this environment's, joined in by a .pth file: installing torch once more
    would take minutes. A .pth's folder is searched without executing the .pth files inside it, so
    that this environment's editable install stays invisible.
    """
    home = tmp_path_factory.mktemp("environment")
    venv.create(home, with_pip=False, symlinks=True)
    (site,) = home.glob("lib/python*/site-packages") or home.glob("Lib/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    install = [sys.executable, "-m", "pip", "--python", str(home), "install", "--quiet"]
    run(*install, "--no-deps", "--ignore-installed", "--no-index", str(wheel), cwd=home)
    return home


@pytest.mark.slow
def test_the_installed_wheel_finds_its_files(elsewhere: Path):
    script = (
        "import pccore, pc_workbench\n"
        "from pccore.resources import sample_models_folder as models\n"
        "from pc_workbench.resources import assets_folder as assets\n"
        "from pc_workbench.launch import MAIN\n"
        "print(pccore.__file__, pc_workbench.__file__, models(), assets(), MAIN, sep='\\n')\n"
    )
    printed = run(elsewhere / "bin" / "python", "-I", "-c", script, cwd=elsewhere).splitlines()
    inside = [Path(line).resolve().is_relative_to(elsewhere.resolve()) for line in printed]
    assert inside == [True] * 5, printed
    shipped = {path.name for path in sample_models_folder().iterdir() if path.is_file()}
    assert {path.name for path in Path(printed[2]).iterdir() if path.is_file()} == shipped
    assert (Path(printed[4]).parent / ".streamlit" / "config.toml").is_file()


@pytest.mark.slow
@pytest.mark.parametrize("command", ["pccore", "pc-workbench"])
def test_the_installed_commands_start(elsewhere: Path, command: str):
    assert command in run(elsewhere / "bin" / command, "--help", cwd=elsewhere)


def test_the_checkout_finds_its_files():
    assert sample_models_folder() == ROOT / "sample_models"
    assert assets_folder() == ROOT / "assets"
    assert list(sample_models_folder().glob("*.pc.json")) != []


def test_the_version_is_said_once():
    import pccore

    assert pccore.__version__ == PROJECT["version"]
    assert importlib.metadata.version("pc-workbench") == PROJECT["version"]


def test_every_dependency_is_pinned_within_its_range():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    # The peers of the benchmarks live in an environment of their own, outside the constraints.
    extras = [needs for name, needs in PROJECT["optional-dependencies"].items() if name != "bench"]
    for text in [*PROJECT["dependencies"], *(text for extra in extras for text in extra)]:
        requirement = Requirement(text)
        pin = pins[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(pin), f"{text} does not admit the pin {pin}"
