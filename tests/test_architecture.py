"""The house rules hold, and each of them can fail."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import architecture_rules as rules

ROOT = Path(__file__).resolve().parents[1]
# Code that also runs without a browser session: drawing, and training jobs.
WITHOUT_STREAMLIT = ("app/views/", "app/jobs", "app/worker")


def files(*patterns: str) -> Iterator[tuple[str, str]]:
    """(path relative to the repository, text) of the files that match."""
    for pattern in patterns:
        for path in sorted(ROOT.glob(pattern)):
            if "__pycache__" not in path.parts:
                yield path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")


def module_of(path: str) -> tuple[str, bool]:
    """(dotted name, whether it is a package's __init__) of a Python file."""
    parts = path.removesuffix(".py").split("/")
    is_package = parts[-1] == "__init__"
    return ".".join(parts[:-1] if is_package else parts), is_package


def test_the_engine_does_not_know_the_app():
    for path, text in files("pccore/**/*.py"):
        assert rules.imports_of(text, path, rules.FOREIGN_TO_ENGINE) == []


def test_imports_in_the_engine_point_downwards():
    found = [
        violation
        for path, text in files("pccore/**/*.py")
        for violation in rules.wrong_directions(text, *module_of(path))
    ]
    assert found == []


def test_the_engine_has_no_import_cycles():
    dependencies: dict[str, set[str]] = {}
    for path, text in files("pccore/**/*.py"):
        module, is_package = module_of(path)
        parts = module.split(".")
        if len(parts) > 1:
            dependencies.setdefault(parts[1], set()).update(
                name.split(".")[1]
                for name, _ in rules.imports(text, module, is_package)
                if name.startswith("pccore.")
            )
    assert rules.cycles(dependencies) == []


def test_views_and_jobs_do_without_streamlit():
    for path, text in files("app/**/*.py"):
        if path.startswith(WITHOUT_STREAMLIT):
            assert rules.imports_of(text, path, {"streamlit"}) == []


def test_nobody_imports_the_app_under_its_folder_name():
    # A second copy of every class would be loaded, and isinstance would fail between the two.
    for path, text in files("app/**/*.py", "tests/**/*.py", ".ci/*.py"):
        assert rules.imports_of(text, path, {"app"}) == []


def test_files_are_short():
    suffixes = ("py", "js", "css")
    patterns = [f"{top}/**/*.{suffix}" for top in ("pccore", "app") for suffix in suffixes]
    assert [v for path, text in files(*patterns) for v in rules.too_long(text, path)] == []


def test_data_is_never_executed():
    patterns = ("*.py", "pccore/**/*.py", "app/**/*.py", "tests/**/*.py", ".ci/*.py")
    assert [v for path, text in files(*patterns) for v in rules.executed_data(text, path)] == []


def test_no_mutable_state_is_shared():
    found = [
        violation
        for path, text in files("pccore/**/*.py", "app/**/*.py")
        for violation in rules.mutable_state(text, path)
    ]
    assert found == []


def test_every_test_file_can_fail():
    patterns = ("tests/**/test_*.py",)
    assert [v for path, text in files(*patterns) for v in rules.no_assertion(text, path)] == []


def test_the_browser_gets_no_markup_from_strings_and_fetches_nothing():
    patterns = [f"app/**/*.{suffix}" for suffix in ("py", "js", "css", "html")]
    assert [v for path, text in files(*patterns) for v in rules.browser_risks(text, path)] == []


# Each rule on sources made up for it.


@pytest.mark.parametrize(
    "source",
    ["import streamlit as st", "def f():\n    from pc_workbench import state", "import app.jobs"],
)
def test_foreign_imports_are_found(source: str):
    assert len(rules.imports_of(source, "pccore/x.py", rules.FOREIGN_TO_ENGINE)) == 1


def test_innocent_imports_are_not_found():
    assert rules.imports_of("import applause, numpy", "x.py", rules.FOREIGN_TO_ENGINE) == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("pccore.graph", "from pccore.check import check"),
        ("pccore.leaves.gaussian", "from pccore import graph"),
        ("pccore.leaves.gaussian", "from ..graph import Circuit"),
        ("pccore.compile.plan", "def f():\n    import pccore.learn.em"),
        ("pccore.graph", "from pccore import load_model"),
        ("pccore.graph", "import pccore"),
        ("pccore.newcomer", ""),
    ],
)
def test_wrong_directions_are_found(module: str, source: str):
    assert len(rules.wrong_directions(source, module)) == 1


@pytest.mark.parametrize(
    ("module", "source", "is_package"),
    [
        ("pccore.check", "from pccore.graph import Circuit", False),
        ("pccore.leaves.gaussian", "from pccore.leaves.base import LeafFamily", False),
        ("pccore.leaves", "from .base import LeafFamily", True),
        ("pccore.cli", "from pccore import __version__, graph\nimport json", False),
        ("pccore", "from pccore.learn import train", True),
    ],
)
def test_right_directions_are_accepted(module: str, source: str, is_package: bool):
    assert rules.wrong_directions(source, module, is_package) == []


def test_cycles_are_found():
    assert rules.cycles({"a": ["b", "numpy"], "b": []}) == []
    assert len(rules.cycles({"a": ["b"], "b": ["c"], "c": ["a"], "d": []})) == 3


def test_long_files_are_found():
    assert rules.too_long("x\n" * rules.MAX_LINES, "x.py") == []
    assert len(rules.too_long("x\n" * (rules.MAX_LINES + 1), "x.py")) == 1


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from joblib import load",
        "def f(x):\n    return eval(x)",
        "exec('1')",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "np.load(path, allow_pickle=True)",
    ],
)
def test_executed_data_is_found(source: str):
    assert len(rules.executed_data(source, "x.py")) == 1


@pytest.mark.parametrize(
    "source",
    [
        "model.eval()",
        "ast.literal_eval(x)",
        "np.load(path, allow_pickle=False)",
        "torch.load(path, weights_only=True)",
        "'eval(x), exec, pickle'",
    ],
)
def test_harmless_calls_are_accepted(source: str):
    assert rules.executed_data(source, "x.py") == []


@pytest.mark.parametrize(
    "source",
    [
        "names = ['a']",
        "TABLE = {'a': 1}",
        "_cache: dict[str, int] = {}",
        "CACHE: Final = {}",
        "seen = set()",
        "counts = collections.defaultdict(int)",
        "if True:\n    names = [1]",
        "class A:\n    known = {1: 2}",
        "def f():\n    global count\n    count = 1",
    ],
)
def test_mutable_state_is_found(source: str):
    assert len(rules.mutable_state(source, "x.py")) == 1


@pytest.mark.parametrize(
    "source",
    [
        "__all__ = ['a']",
        "NAMES = ('a', 'b')",
        "TABLE: Mapping[str, int] = {'a': 1}",
        "TABLE = MappingProxyType({'a': 1})",
        "NAMES: Final[Sequence[str]] = ['a']",
        "def f():\n    names = []\n    class A:\n        x = []",
        "class A:\n    x: list[int] = field(default_factory=list)",
    ],
)
def test_constants_and_locals_are_accepted(source: str):
    assert rules.mutable_state(source, "x.py") == []


@pytest.mark.parametrize(
    ("source", "accepted"),
    [
        ("def test_x():\n    f()", False),
        ("def test_x():\n    assert f()", True),
        ("def test_x():\n    with pytest.raises(ValueError):\n        f()", True),
        ("def test_x(page):\n    expect(page).to_have_title('x')", True),
    ],
)
def test_tests_without_assertion_are_found(source: str, accepted: bool):
    assert (rules.no_assertion(source, "test_x.py") == []) == accepted


@pytest.mark.parametrize(
    "text",
    [
        "node.innerHTML = name;",
        "st.button('x', icon=':material/add:')",
        '<script src="https://example.com/x.js">',
        "@import url(//example.com/font.css);",
        "await fetch('https://example.com')",
    ],
)
def test_browser_risks_are_found(text: str):
    assert len(rules.browser_risks(text, "x.js")) == 1


@pytest.mark.parametrize(
    "text",
    [
        "node.textContent = name;",
        "document.createElementNS('http://www.w3.org/2000/svg', 'g')",
        "// see https://example.com/paper",
    ],
)
def test_safe_browser_code_is_accepted(text: str):
    assert rules.browser_risks(text, "x.js") == []
