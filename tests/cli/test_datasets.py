"""datasets describe and prepare; a table of words from the file to an answer in words."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pccore.cli import main


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    lines = ["id,colour,size,age,class"]
    for i in range(60):
        colour, size = ["red", "green", '"blue, dark"'][i % 3], ["S", "M", "L", ""][i % 4]
        lines.append(f"{i},{colour},{size},{20 + i},{'yes' if i % 3 else 'no'}")
    (tmp_path / "t.csv").write_text("\n".join(lines))
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *words: str, status: int = 0) -> dict:
    assert main([*words, "--json"]) == status
    said = capsys.readouterr()
    return json.loads(said.out) if status == 0 else {"error": said.err}


def test_describe(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = run(capsys, "datasets", "describe", "t.csv")
    columns = {one["name"]: one for one in found["columns"]}
    assert found["variables"] == 5 and columns["size"]["missing"] == 15
    assert columns["colour"]["words"] == ["blue, dark", "green", "red"]
    assert [bar["count"] for bar in columns["colour"]["histogram"]] == [20, 20, 20]
    assert found["suggested"] == {"id": "ignore", "age": "count"}
    assert main(["datasets", "describe", "t.csv", "--type", "id=ignore"]) == 0
    assert "blue, dark" in capsys.readouterr().out


def test_from_words_to_words(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = run(
        capsys, "datasets", "prepare", "t.csv", "r.npz", "--type", "id=ignore", "--guess",
        "--order", "size=S,M,L", "--split", "80/10/10", "--seed", "3",
    )  # fmt: skip
    assert made["types"] == {
        "colour": "categorical", "size": "ordered", "age": "count", "class": "binary",
    }  # fmt: skip
    assert (made["train"], made["valid"], made["test"]) == (48, 6, 6)
    again = run(capsys, "datasets", "describe", "r.npz")
    assert again["fingerprint"] == made["fingerprint"] and again["suggested"] == {}
    run(capsys, "build", "rat", "--data", "r.npz", "--set", "units=3", "-o", "m.pc.json")
    train = ["train", "m.pc.json", "--data", "r.npz", "--set", "epochs=8", "--run", "run"]
    run(capsys, *train, "-o", "t.pc.json")
    asked = run(
        capsys, "query", "t.pc.json", "--evidence", 'colour="blue, dark",size=M', "--ask", "mpe"
    )
    assert asked["evidence"] == {"colour": 0, "size": 1}
    assert asked["states"]["class"] == ["no", "yes"] and asked["mpe"]["colour"] == 0
    assert main(["query", "t.pc.json", "--evidence", "colour=red", "--ask", "marginals"]) == 0
    assert "no 0." in capsys.readouterr().out
    error = run(capsys, "query", "t.pc.json", "--evidence", "size=XL", "--ask", "mpe", status=2)
    assert "'XL' is no state, there are: S, M, L" in error["error"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["describe"], "expected NAME"),
        (["describe", "none.csv"], "no dataset"),
        (["describe", "t.csv", "--type", "age"], "not of the form"),
        (["describe", "t.csv", "--type", "age=number"], "is no type"),
        (["describe", "t.csv", "--type", "colour=real"], "line 2, column colour"),
        (["describe", "t.csv", "--type", "weight=real"], "no column 'weight'"),
        (["prepare", "t.csv", "r.csv"], "npz"),
        (["prepare", "t.csv", "missing/r.npz"], "folder does not exist"),
        (["prepare", "t.csv", "r.npz", "--split", "80/30"], "no split"),
        (["prepare", "t.csv", "r.npz", "--order", "size=S,M"], "misses 'L'"),
        (["fetch", "none"], "known are mnist"),
        (["describe", "t.csv", "more"], "expected NAME"),
    ],
)
def test_what_is_wrong_is_one_line(
    table: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    error = run(capsys, "datasets", *words, status=2)["error"]
    assert said in error and error.count("\n") == 1
