"""Fitted models of scikit-learn as circuits: the same log-likelihoods, and every query besides.

from pccore.files import from_sklearn
circuit = from_sklearn(GaussianMixture(3, covariance_type="diag").fit(x))
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from pccore.errors import OptionError
from pccore.graph import Circuit, Group, LeafGroup, ProductGroup, SumGroup
from pccore.leaves.base import LeafFamily
from pccore.leaves.bernoulli import Bernoulli
from pccore.leaves.gaussian import Gaussian
from pccore.leaves.indicator import Indicator

#: Correlations smaller than this count as none.
_DIAGONAL = 1e-12


def from_sklearn(model: Any, variables: Sequence[str] | None = None) -> Circuit:
    """The circuit of a fitted GaussianMixture, BernoulliNB or GaussianNB.

    variables: names of the features; those that the model was fitted with by default, or X0, X1 ...
    A mixture is a density over the features. A classifier is the joint distribution with one more,
    last variable, "class": state c is `classes_[c]`; leave it missing for the features alone. The
    features of BernoulliNB are those after its `binarize`.

    Raises OptionError for another model, one that is not fitted, and Gaussian mixtures with
    correlated features, which univariate leaves cannot express.
    """
    kind = type(model).__name__
    makers = {"GaussianMixture": _mixture, "BernoulliNB": _bernoulli, "GaussianNB": _gaussian}
    if kind not in makers or not type(model).__module__.startswith("sklearn."):
        raise OptionError(f"a {kind} cannot be made a circuit", hint=f"try {', '.join(makers)}")
    if not hasattr(model, "n_features_in_"):
        raise OptionError(f"the {kind} has not been fitted", hint="call fit first")
    count = int(model.n_features_in_)
    names = getattr(model, "feature_names_in_", None) if variables is None else variables
    titles = [f"X{v}" for v in range(count)] if names is None else [str(name) for name in names]
    if len(titles) != count:
        raise OptionError(f"{len(titles)} names do not go with {count} features")
    return makers[kind](model, titles)


def _mixture(model: Any, names: list[str]) -> Circuit:
    means = np.asarray(model.means_, np.float64)
    variances = _variances(model, means.shape)
    return _assembled(_normal(means, variances), np.asarray(model.weights_), names, False)


def _variances(model: Any, shape: tuple[int, ...]) -> np.ndarray:
    """[components, features]."""
    found = np.asarray(model.covariances_, np.float64)
    if model.covariance_type == "spherical":
        return np.broadcast_to(found[:, None], shape)
    if model.covariance_type == "diag":
        return found
    full = np.broadcast_to(found, (shape[0], shape[1], shape[1]))
    diagonal = np.diagonal(full, axis1=1, axis2=2)
    rest = np.abs(full - diagonal[:, :, None] * np.eye(shape[1]))
    if rest.max(initial=0) > _DIAGONAL * diagonal.max():
        raise OptionError(
            f"covariances of type {model.covariance_type!r} correlate the features of a component",
            hint='fit with covariance_type="diag" or "spherical"',
        )
    return diagonal


def _bernoulli(model: Any, names: list[str]) -> Circuit:
    p = np.exp(np.asarray(model.feature_log_prob_, np.float64))
    return _assembled((Bernoulli(), p), np.exp(model.class_log_prior_), names, True)


def _gaussian(model: Any, names: list[str]) -> Circuit:
    return _assembled(_normal(model.theta_, model.var_), model.class_prior_, names, True)


def _normal(means: np.ndarray, variances: np.ndarray) -> tuple[LeafFamily, np.ndarray]:
    family = Gaussian(min_variance=min(1e-4, float(np.min(variances))))
    return family, np.stack([means, variances], -1)


def _assembled(
    leaves: tuple[LeafFamily, np.ndarray], weights: np.ndarray, names: list[str], classes: bool
) -> Circuit:
    """One factorised leaf for each component, values [components, features, ...], and a sum."""
    family, values = leaves
    size, count = values.shape[:2]
    groups: list[Group] = [LeafGroup("features", size, family, tuple(range(count)), "features")]
    params = {
        "features": torch.from_numpy(np.ascontiguousarray(np.swapaxes(values, 0, 1))),
        "mixture": torch.from_numpy(np.array(weights, np.float64))[None],
    }
    if classes:
        name = "class"
        while name in names:
            name += "_"
        groups.append(LeafGroup("class", size, Indicator(max(2, size)), (count,), "class"))
        groups.append(ProductGroup("joint", size, (0, 1)))
        params["class"] = torch.arange(size, dtype=torch.float64)[None]
        names = [*names, name]
    groups.append(SumGroup("mixture", 1, (len(groups) - 1,), "mixture"))
    circuit = Circuit(groups, [(len(groups) - 1, 0)], names, params)
    circuit.validate_params()
    return circuit
