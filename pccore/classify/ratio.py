"""The likelihood ratio of each class to the rest, from one density for each class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pccore.errors import DataError
from pccore.queries import log_probability
from pccore.queries.subject import Model, as_program

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Classifier:
    """p(x | class) for each of C classes.

    labels: the label of each class. experts: for each class a model and the number of the root
    that is its density; one model with C roots serves as well as C models. prior: P(class), [C].

    Raises DataError where these are not of one length, there are fewer than two classes, or the
    prior is no distribution.
    """

    labels: tuple[int, ...]
    experts: tuple[tuple[Model, int], ...]
    prior: tuple[float, ...]

    def __post_init__(self) -> None:
        count = len(self.labels)
        if not count == len(self.experts) == len(self.prior):
            raise DataError(
                f"{count} classes, {len(self.experts)} densities and {len(self.prior)} priors"
            )
        if count < 2 or len(set(self.labels)) < count:
            raise DataError(f"one class against the rest needs two or more classes, not {count}")
        if min(self.prior) <= 0 or abs(sum(self.prior) - 1) > 1e-6:
            raise DataError("the prior of the classes is not positive, or does not add up to one")

    @classmethod
    def of_roots(
        cls, model: Model, labels: Sequence[int], prior: Sequence[float] | None = None
    ) -> Classifier:
        """Root k of the model is the density of class k. Raises DataError for another number."""
        program = as_program(model)
        roots = len(program.circuit.roots)
        if roots != len(labels):
            raise DataError(f"the model has {roots} roots, the data have {len(labels)} classes")
        even = (1 / roots,) * roots
        experts = tuple((program, root) for root in range(roots))
        return cls(tuple(labels), experts, even if prior is None else tuple(prior))

    def log_likelihoods(self, rows: NDArray[Any]) -> Floats:
        """log p(x | class) in nats, [N, C]; NaN in the rows [N, V] is summed out.

        Raises PropertyError, EvidenceError as `queries.log_probability` does.
        """
        columns = [log_probability(model, rows, root).double() for model, root in self.experts]
        return np.stack([column.cpu().numpy() for column in columns], axis=1)


def log_ratios(log_likelihoods: Floats, prior: Sequence[float]) -> Floats:
    """log p(x | c) - log p(x | not c) for each class c, [N, C]; the others weigh by their prior.

    p(x | not c) = sum over the other classes d of P(d) p(x | d) / (1 - P(c)). A row that is
    impossible under every class has -inf, as nothing speaks for any of them.
    """
    log_prior = np.log(np.asarray(prior, dtype=np.float64))
    joint = log_likelihoods + log_prior
    ratios = np.empty_like(joint)
    for c in range(joint.shape[1]):
        others = np.logaddexp.reduce(np.delete(joint, c, axis=1), axis=1)
        rest = others - np.log1p(-np.exp(log_prior[c]))
        with np.errstate(invalid="ignore"):  # -inf - -inf, see above
            ratios[:, c] = log_likelihoods[:, c] - rest
    return np.where(np.isnan(ratios), -np.inf, ratios)
