"""Drafts as JSON, also hostile ones."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pccore.draft import (
    Draft,
    Leaf,
    from_json,
    to_json,
)
from pccore.errors import FileError
from pccore.leaves.bernoulli import Bernoulli
from pccore.leaves.categorical import Categorical
from pccore.leaves.gaussian import Gaussian
from tests.draft.helpers import small


def document(**changes: object) -> str:
    entry = json.loads(to_json(small()))
    return json.dumps(entry | changes)


def node(**changes: object) -> str:
    entry = json.loads(to_json(small()))
    entry["nodes"][0] |= changes
    return json.dumps(entry)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        '{"format": "x"}',
        '{"a": 1, "a": 2}',
        "[" * 3000 + "]" * 3000,
        document(version=2),
        document(more=1),
        document(variables="X"),
        document(variables=["X1", "X1"]),
        document(variables=[1]),
        document(variables=[""]),
        document(roots=["nobody"]),
        document(meta=[]),
        document(nodes={}),
        document(nodes=[1]),
        document(nodes=[{"id": "a"}]),
        node(id="p"),
        node(id="<b>"),
        node(name="p1"),
        node(name=""),
        node(kind="max"),
        node(kind="product"),
        node(kind="leaf"),
        node(x="1"),
        node(x=True),
        node(x=1e9),
        node(children=["s"], weights=[1.0]),
        node(children=["nobody"], weights=[1.0]),
        node(children=["p"]),
        node(children=["p"], weights=[-1.0]),
        node(children=["p"], weights=[1.0, 2.0]),
        node(children=[1], weights=[1.0]),
        node(children="p"),
        node(leaf={"variable": "X1", "family": "indicator", "categories": 2, "values": [1.0]}),
        node(more=1),
        document().replace("0.25", "NaN"),
        document().replace("0.25", "1e999"),
        document().replace("0.25", "1" * 5000),
        document().replace('"categories": 2', '"categories": 2.5'),
        document().replace('"indicator"', '"os.system"'),
        document().replace('"values": [1.0]', '"values": [7.0]'),
        document().replace('"values": [1.0]', '"values": 1.0'),
        "x" * 8_000_001,
    ],
)
def test_hostile_drafts_are_refused(text: str):
    with pytest.raises(FileError):
        from_json(text)


@given(st.text(max_size=60))
def test_no_text_does_any_harm(text: str):
    with pytest.raises(FileError):
        from_json(text)


def test_every_family_is_stored():
    draft = Draft()
    for i, leaf in enumerate(
        [
            Leaf("A", Gaussian(min_variance=0.5), (0.1, 1.0)),
            Leaf("B", Categorical(3), (0.2, 0.3, 0.5)),
            Leaf("C", Bernoulli(), (1 / 3,)),
        ]
    ):
        draft = draft.add(f"n{i}", "leaf", leaf=leaf)
    assert from_json(to_json(draft)) == draft
