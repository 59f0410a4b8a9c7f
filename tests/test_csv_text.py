"""Exported tables hold texts and numbers, and nothing that a spreadsheet would compute."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pccore.csv_text import csv_text


@pytest.mark.parametrize(
    ("given_", "written"),
    [
        ('=HYPERLINK("http://x")', '\'=HYPERLINK("http://x")'),
        ("+cmd|'/c calc'!A1", "'+cmd|'/c calc'!A1"),
        ("-1+2", "'-1+2"),
        ("@SUM(1)", "'@SUM(1)"),
        ("\t=1", "'\t=1"),
        (" =1", "' =1"),
        ("-1.5e-3", "-1.5e-3"),
        ("-inf", "-inf"),
        (-2.5, "-2.5"),
        (None, ""),
        ("a=b", "a=b"),
        ("", ""),
    ],
)
def test_cells(given_: object, written: str):
    text = csv_text(["name"], [[given_, "end"]])
    assert list(csv.reader(io.StringIO(text)))[1] == [written, "end"]
    assert list(csv.reader(io.StringIO(csv_text([str(given_)], []))))[:1] != [["=1"]]


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r\n"))))
def test_any_text_comes_back(texts: list[str]):
    row = next(csv.reader(io.StringIO(csv_text(texts, []))), [])
    for found, text in zip(row, texts, strict=True):
        assert found.removeprefix("'") == text or found == text
        assert not found.lstrip().startswith(("=", "@"))
