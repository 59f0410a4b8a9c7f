"""The README's Python examples run and print what their comments say; its links exist."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


BLOCKS: list[str] = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS)
def test_a_python_example_prints_what_it_says(
    block: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script = tmp_path / "example.py"
    script.write_text(block)
    runpy.run_path(str(script))
    expected = re.findall(r"print\(.*\)\s+# (.*)", block)
    assert expected and capsys.readouterr().out.splitlines() == expected


def test_every_link_leads_somewhere() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", TEXT)
    missing = [link for link in links if "://" not in link and not (ROOT / link).exists()]
    assert links and missing == []


def test_every_command_of_the_readme_exists() -> None:
    from pccore.cli import main

    commands = set(re.findall(r"^pccore (\w+)", TEXT, re.MULTILINE))
    assert {"build", "train", "eval", "complete", "query", "check"} <= commands
    for command in commands:
        with pytest.raises(SystemExit) as ended:
            main([command, "--help"])
        assert ended.value.code == 0
