"""Networks that embed patches and suffixes, trained here."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pccore.datasets import load
from pccore.distillation import assign, hidden_groups
from pccore.distillation.autoencoder import AutoencoderOptions, embed_patches
from pccore.distillation.tokens import TokenOptions, embed_suffixes, embed_with_transformers
from pccore.errors import DataError, OptionError
from pccore.leaves.base import Support
from pccore.structures import build_structure, shape_of
from tests.distillation.support import binary


def test_an_autoencoder_learns_to_fill_in_patches() -> None:
    digits = load("digits")
    model = build_structure("patches", shape_of(digits), {"latents": 4, "units": 2, "patch": 4})
    groups = hidden_groups(model)
    scopes = [list(model.scopes[g]) for g in groups]
    losses: list[float] = []
    options = AutoencoderOptions(width=16, layers=1, heads=2, epochs=4)
    found = embed_patches(digits, scopes, options, lambda _, loss: losses.append(loss))
    assert losses[-1] < 0.9 * losses[0]
    assert [part.shape for part in found["test"]] == [(len(digits.test), 16)] * 4
    # The same seed, the same embeddings; and the clusters use their states.
    again = embed_patches(digits, scopes, options)
    np.testing.assert_array_equal(again["test"][2], found["test"][2])
    assert assign(model, groups, found).used.tolist() == [4] * 4


def test_an_ancestor_is_context() -> None:
    digits = load("digits")
    model = build_structure("patches", shape_of(digits), {"latents": 4, "units": 2, "patch": 4})
    scopes = [list(model.scopes[g]) for g in hidden_groups(model)]
    settings = {"width": 8, "layers": 1, "heads": 1, "epochs": 1}
    alone = embed_patches(digits, scopes, AutoencoderOptions(**settings, context=False))
    read = embed_patches(digits, scopes, AutoencoderOptions(**settings))
    same = [np.allclose(a, b) for a, b in zip(alone["test"], read["test"], strict=True)]
    assert same.count(True) == 1  # the root of the tree has no ancestors


def test_a_transformer_learns_to_fill_in_tokens() -> None:
    data = binary(6, rows=900, states=5)
    losses: list[float] = []
    options = TokenOptions(width=16, layers=1, heads=2, epochs=8)
    found = embed_suffixes(data, options, lambda _, loss: losses.append(loss))
    assert losses[-1] < losses[0] < np.log(5) + 0.5
    assert len(found["valid"]) == 6
    assert found["valid"][0].shape == (len(data.valid), 16)
    # A suffix knows nothing of the tokens before it beyond what the network read from them; with
    # decay 0 it is the token's own embedding.
    own = embed_suffixes(data, TokenOptions(width=16, layers=1, heads=2, epochs=1, decay=0.0))
    assert not np.allclose(own["valid"][0], own["valid"][1])


def test_white_embeddings_are_uncorrelated() -> None:
    data = binary(6, rows=900, states=5)
    found = embed_suffixes(data, TokenOptions(width=8, layers=1, heads=1, epochs=1, whiten=True))
    points = np.concatenate(found["train"])
    assert np.allclose(points.mean(0), 0, atol=1e-3)
    covariance = np.cov(points.T)
    assert np.allclose(covariance, np.diag(np.diag(covariance)), atol=1e-2)
    # A layer norm leaves the sum of the numbers as it is: one direction has no variance.
    assert (np.abs(np.diag(covariance) - 1) < 1e-2).sum() >= 6


def test_real_columns_are_no_tokens() -> None:
    with pytest.raises(DataError, match="finite columns"):
        embed_suffixes(replace(binary(3), supports=(Support("real"),) * 3))


def test_a_model_of_transformers_from_a_folder(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    config = transformers.BertConfig(
        vocab_size=7,
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
    )
    transformers.BertModel(config).save_pretrained(tmp_path)
    data = binary(6, states=5)
    found = embed_with_transformers(data, str(tmp_path))
    assert found["train"][3].shape == (len(data.train), 8)
    with pytest.raises(OptionError, match="7 words"):
        embed_with_transformers(binary(6, states=9), str(tmp_path))
    with pytest.raises(OptionError, match="cannot be read"):
        embed_with_transformers(data, str(tmp_path / "nowhere"))
