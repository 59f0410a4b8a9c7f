"""Masks: from and to the link, as columns of the data and as evidence."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from pc_workbench.state import AppState, decode, encode
from pc_workbench.views.masks import evidence_of, hidden_columns, mask_from_link, mask_to_link
from pccore.datasets import ImageShape

SHAPES = st.tuples(st.integers(1, 40), st.integers(1, 40))


@given(SHAPES.flatmap(lambda shape: arrays.arrays(bool, shape)))
def test_a_link_brings_the_mask_back(mask: np.ndarray):
    text = mask_to_link(mask)
    assert np.array_equal(mask_from_link(text, mask.shape), mask)
    assert decode(encode(AppState(mask=text)))[0].mask == text


@pytest.mark.parametrize("text", ["", "A", "////", "not base64", "A" * 5000, "=" * 12])
def test_a_mask_of_another_picture_hides_nothing(text: str):
    assert not mask_from_link(text, (8, 8)).any()


def test_nothing_hidden_leaves_the_link_short():
    assert mask_to_link(np.zeros((28, 28), bool)) == ""


def test_a_hidden_pixel_hides_all_of_its_channels():
    mask = np.zeros((2, 3), bool)
    mask[1, 0] = True
    columns = hidden_columns(mask, ImageShape(2, 3, 3))
    assert columns.nonzero()[0].tolist() == [9, 10, 11]
    with pytest.raises(ValueError, match="mask"):
        hidden_columns(mask.T, ImageShape(2, 3, 3))


def test_evidence_leaves_the_row_alone():
    row = np.arange(6.0)
    mask = np.array([[True, False, False], [False, False, True]])
    evidence = evidence_of(row, mask, ImageShape(2, 3))
    assert np.isnan(evidence[[0, 5]]).all() and np.array_equal(evidence[1:5], row[1:5])
    assert not np.isnan(row).any()
