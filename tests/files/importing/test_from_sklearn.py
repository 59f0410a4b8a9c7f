"""Models of scikit-learn against their own log-likelihoods."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.mixture import GaussianMixture
from sklearn.naive_bayes import BernoulliNB, GaussianNB, MultinomialNB

from pccore.check import check
from pccore.errors import OptionError
from pccore.files import from_sklearn, load_bytes, save_bytes
from pccore.queries.likelihood import log_likelihood, log_value

DIGITS = load_digits()
PIXELS = DIGITS.data[:, 18:38] + np.random.default_rng(0).normal(0, 0.1, (1797, 20))


@pytest.mark.parametrize("covariance", ["diag", "spherical"])
def test_mixtures_score_as_their_models(covariance: str):
    model = GaussianMixture(4, covariance_type=covariance, random_state=0).fit(PIXELS)
    circuit = from_sklearn(model)
    assert check(circuit).valid
    found = log_likelihood(circuit, torch.tensor(PIXELS))
    np.testing.assert_allclose(found.numpy(), model.score_samples(PIXELS), atol=1e-8)
    again = load_bytes(save_bytes(circuit, "m.pc.safetensors"), "m.pc.safetensors")
    assert torch.equal(log_likelihood(again, torch.tensor(PIXELS)), found)


def test_correlated_mixtures_are_refused_and_uncorrelated_ones_are_not():
    model = GaussianMixture(2, random_state=0).fit(PIXELS)
    with pytest.raises(OptionError, match="correlate the features"):
        from_sklearn(model)
    one = GaussianMixture(1, covariance_type="full").fit(PIXELS[:, :1])
    found = log_likelihood(from_sklearn(one, ["pixel"]), torch.tensor(PIXELS[:, :1]))
    np.testing.assert_allclose(found.numpy(), one.score_samples(PIXELS[:, :1]), atol=1e-8)


@pytest.mark.parametrize("model", [BernoulliNB(binarize=None), GaussianNB()])
def test_classifiers_give_their_joint_and_posterior(model):
    x = (PIXELS > 8).astype(float) if isinstance(model, BernoulliNB) else PIXELS
    model.fit(x, DIGITS.target)
    circuit = from_sklearn(model)
    assert circuit.variables[-1] == "class"
    rows = np.concatenate([x, DIGITS.target[:, None]], 1)
    joint = log_value(circuit, torch.tensor(rows)).numpy()
    expected = model.predict_joint_log_proba(x)[np.arange(len(x)), DIGITS.target]
    np.testing.assert_allclose(joint, expected, atol=1e-8)
    rows[:, -1] = math.nan
    below = log_value(circuit, torch.tensor(rows)).numpy()
    posterior = model.predict_log_proba(x)[np.arange(len(x)), DIGITS.target]
    np.testing.assert_allclose(joint - below, posterior, atol=1e-8)


def test_what_is_no_such_model_is_refused():
    with pytest.raises(OptionError, match="a MultinomialNB cannot be made a circuit"):
        from_sklearn(MultinomialNB())
    with pytest.raises(OptionError, match="has not been fitted"):
        from_sklearn(BernoulliNB())
    with pytest.raises(OptionError, match="2 names do not go with 20 features"):
        from_sklearn(GaussianMixture(1, covariance_type="diag").fit(PIXELS), ["a", "b"])
