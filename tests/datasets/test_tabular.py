from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pccore.datasets import SPLITS, Dataset, load
from pccore.datasets.tabular import read_csv
from pccore.errors import DataError
from pccore.leaves.base import Support


def write(path: Path, text: str) -> Path:
    path.write_bytes(text.encode())
    return path


def rows_of(data: Dataset) -> np.ndarray:
    return np.concatenate([data.split(split) for split in SPLITS])


def test_numbers(tmp_path: Path) -> None:
    table = read_csv(write(tmp_path / "a.csv", "a,b\n1,2.5\n-3e1, 4 \n"))
    assert table.variables == ("a", "b")
    assert table.values.tolist() == [[1, 2.5], [-30, 4]]
    assert table.categories == {}


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_missing_ends_and_delimiters(tmp_path: Path, end: str, delimiter: str) -> None:
    lines = ["\ufeffa,b,c", "1,,3", "", "NA,nan,?", "7,8,9"]
    text = end.join(line.replace(",", delimiter) for line in lines)
    table = read_csv(write(tmp_path / "a.csv", text))
    assert table.variables == ("a", "b", "c")
    np.testing.assert_array_equal(table.values, [[1, np.nan, 3], [np.nan] * 3, [7, 8, 9]])


def test_words_become_codes(tmp_path: Path) -> None:
    text = 'colour,size\nred,1\nblue,2\n"light, green",3\n,4\nred,5\n'
    path = write(tmp_path / "a.csv", text)
    table = read_csv(path)
    assert table.categories == {"colour": ("blue", "light, green", "red")}
    np.testing.assert_array_equal(table.values[:, 0], [2, 0, 1, np.nan, 2])
    data = load(str(path))
    assert data.categories["colour"] == ("blue", "light, green", "red")
    assert data.supports == (Support("finite", 3), Support("finite", 6))
    assert "colour" in data.description


def test_without_header(tmp_path: Path) -> None:
    table = read_csv(write(tmp_path / "a.csv", "0,1\n1,1\n"))
    assert table.variables == ("X0", "X1") and len(table.values) == 2
    table = read_csv(write(tmp_path / "a.csv", "0,?\n1,1\n"))
    assert table.variables == ("X0", "X1") and len(table.values) == 2


def test_split(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "a\n" + "".join(f"{i}\n" for i in range(40)))
    data = load(str(path))
    assert [len(data.split(s)) for s in SPLITS] == [28, 6, 6]
    assert sorted(rows_of(data)[:, 0]) == list(range(40))
    assert data.name == "a" and data.supports == (Support("finite", 40),)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the file is empty"),
        ("\n\n", "the file is empty"),
        ("a,b\n", "no rows"),
        ("a,b\n1,2\n1\n", "line 3 has 1 cells, line 1 has 2"),
        ("a,b\n1,2\n1,2,3\n", "line 3 has 3 cells, line 1 has 2"),
        ("a,b\n1,2\n1,1O\n3,4\n5,6\n", "line 3, column b: '1O' is not a finite number"),
        ("a,b\n1,2\n1,inf\n", "line 3, column b: 'inf' is not a finite number"),
        ("a,b\n1,2\n1,1e999\n", "line 3, column b: '1e999'"),
        ("a,b\n1,2\n1,1e39\n", "line 3, column b: '1e39'"),
        ("a,b\n1,2\n1,1_0\n", "line 3, column b: '1_0'"),
        ("1,2\n3,inf\n", "line 2, column X1: 'inf'"),
        (",b\n1,2\n", "line 1: column 1 has no name"),
        ("a,a\n1,2\n", "line 1: two columns are named 'a'"),
        ('a,b\n1,"2\n', "unexpected end of data"),
        ("a\n" + "".join(f"word{i}\n" for i in range(300)), "more than 257 different words"),
        ("a,b\n1," + "9" * 200_000 + "\n", "line"),
    ],
)
def test_bad_tables(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(DataError) as caught:
        load(str(write(tmp_path / "bad.csv", text)))
    message = str(caught.value)
    assert said in message and message.startswith("bad.csv") and len(message) < 250


def test_text_that_is_not_utf8(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"a,b\n1,\xff\n")
    with pytest.raises(DataError, match=r"a\.csv: byte 6 is not UTF-8"):
        load(str(tmp_path / "a.csv"))


names = st.lists(
    st.text("abcXYZ äß\"';, ", min_size=1, max_size=6).map(str.strip).filter(
        lambda t: t != "" and t.lower() not in {"na", "nan", "?"}
    ),
    min_size=1, max_size=4, unique=True,
)  # fmt: skip


@given(names, st.data())
@settings(max_examples=60)
def test_round_trip(tmp_path_factory: pytest.TempPathFactory, header: list[str], data: Any) -> None:
    cell = st.floats(width=32, allow_nan=False, allow_infinity=False) | st.integers(0, 9)
    row = st.lists(cell | st.none(), min_size=len(header), max_size=len(header))
    rows = data.draw(st.lists(row, min_size=1, max_size=6))
    path = tmp_path_factory.mktemp("csv") / "x.csv"
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        # A header in which ";" comes without any "," would be read as one with semicolons.
        header = ["a,"[: len(header)], *header[1:]] if len(header) == 1 else header
        writer.writerow(header)
        writer.writerows([["NA" if c is None else repr(c) for c in row] for row in rows])
    table = read_csv(path)
    assert table.variables == tuple(name.strip() for name in header)
    expected = np.array([[np.nan if c is None else c for c in row] for row in rows], np.float32)
    np.testing.assert_array_equal(table.values, expected)


@given(st.text(alphabet='ab01.,;\t\n\r"? e-', max_size=60) | st.text(max_size=40))
@settings(max_examples=200)
def test_any_text_is_a_table_or_a_data_error(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    path = tmp_path_factory.mktemp("any") / "x.csv"
    path.write_bytes(text.encode("utf-8", "replace"))
    try:
        load(str(path))
    except DataError as error:
        assert str(error).startswith("x.csv")


@given(st.lists(st.lists(st.integers(0, 1), min_size=3, max_size=3), min_size=2, max_size=9))
@settings(max_examples=30)
def test_the_fast_way_and_the_careful_way_agree(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[int]]
) -> None:
    folder = tmp_path_factory.mktemp("two")
    body = "".join(",".join(map(str, row)) + "\n" for row in rows)
    fast = read_csv(write(folder / "fast.csv", f"a,b,c\n{body}"))
    careful = read_csv(write(folder / "careful.csv", f'"a",b,c\n{body}'))
    assert fast.variables == careful.variables
    assert (fast.values == careful.values).all()


def debd(folder: Path, name: str, first: str = "train") -> Path:
    for split, lines in ((first, 4), ("valid", 2), ("test", 3)):
        write(folder / f"{name}.{split}.data", "0,1,1\n" * lines)
    return folder


@pytest.mark.parametrize("first", ["train", "ts"])
def test_debd(tmp_path: Path, first: str) -> None:
    folder = debd(tmp_path / "d" if (tmp_path / "d").mkdir() is None else tmp_path, "toy", first)
    for reference in (
        folder, folder / "toy", folder / f"toy.{first}.data", folder / "toy.valid.data",
    ):  # fmt: skip
        data = load(str(reference))
        assert data.name == "toy"
        assert [len(data.split(s)) for s in SPLITS] == [4, 2, 3]
        assert (rows_of(data) == [0, 1, 1]).all()


def test_debd_trouble(tmp_path: Path) -> None:
    debd(tmp_path, "one")
    write(tmp_path / "one.valid.data", "0,1,1\n0,x,1\n")
    with pytest.raises(DataError, match=r"one\.valid\.data: line 2, column X1: 'x'"):
        load(str(tmp_path / "one"))
    write(tmp_path / "one.valid.data", "0,1\n")
    with pytest.raises(DataError, match=r"one\.\*\.data, valid: 2 columns, train has 3"):
        load(str(tmp_path / "one"))
    write(tmp_path / "one.valid.data", "")
    with pytest.raises(DataError, match="is empty"):
        load(str(tmp_path / "one"))
    (tmp_path / "one.valid.data").unlink()
    assert len(load(str(tmp_path / "one")).valid) == 0  # a tenth of four rows
    (tmp_path / "one.train.data").unlink()
    with pytest.raises(DataError, match=r"there is no one\.train\.data"):
        load(str(tmp_path / "one.test.data"))
    debd(tmp_path, "two")
    with pytest.raises(DataError, match="several datasets: one, two"):
        load(str(tmp_path))
