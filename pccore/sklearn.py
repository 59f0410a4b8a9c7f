"""Circuits as estimators of scikit-learn: for pipelines, cross-validation and grid search.

density = CircuitDensity("learnspn", {"min_rows": 50}).fit(X)
density.score_samples(X)             # log-densities; NaN in X is a missing value
CircuitClassifier().fit(X, y).predict_proba(X)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, DensityMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from pccore.classify.ratio import Classifier
from pccore.compile import Program, compile_circuit
from pccore.datasets import Dataset
from pccore.datasets.supports import guess_supports
from pccore.errors import OptionError
from pccore.graph import Circuit
from pccore.learn import Trainer, TrainOptions, method_named
from pccore.leaves.base import Support
from pccore.options import parse_options
from pccore.queries import log_likelihood, sample
from pccore.structures import build_structure, find_structure, shape_of

Floats = NDArray[np.float64]
#: What `domains` takes: one word for all columns, or for each a word or a number of states.
Domains = str | Sequence[str | int]


class _CircuitEstimator(BaseEstimator):
    """What the estimators share: parameters, validation, fitting one circuit."""

    def __init__(
        self,
        structure: str = "learnspn",
        structure_options: Mapping[str, object] | None = None,
        *,
        method: str = "auto",
        method_options: Mapping[str, object] | None = None,
        epochs: int = 20,
        batch_size: int = 100,
        validation_fraction: float = 0.0,
        domains: Domains = "auto",
        random_state: object = None,
    ) -> None:
        self.structure = structure
        self.structure_options = structure_options
        self.method = method
        self.method_options = method_options
        self.epochs = epochs
        self.batch_size = batch_size
        self.validation_fraction = validation_fraction
        self.domains = domains
        self.random_state = random_state

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def __getstate__(self) -> dict[str, Any]:
        # Programs are compiled again: they belong to a machine.
        state = dict(cast("Mapping[str, Any]", super().__getstate__()))
        return {key: value for key, value in state.items() if key != "_programs"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._compile()

    def _circuits(self) -> Sequence[Circuit]:
        """The fitted circuits, none before `fit`."""
        raise NotImplementedError

    def _compile(self) -> None:
        """Compile once, at the end of `fit`: asking leaves an estimator as it is."""
        self._programs = [compile_circuit(c, dtype=torch.float64) for c in self._circuits()]

    def _validated(self, x: Any, reset: bool) -> Floats:
        """[N, V]; NaN is missing."""
        found = validate_data(self, x, reset=reset, dtype=np.float64, ensure_all_finite="allow-nan")
        return cast("Floats", found)

    def _supports(self, x: NDArray[np.float32]) -> tuple[Support, ...]:
        """One for each column."""
        if isinstance(self.domains, str):
            if self.domains == "auto":
                return guess_supports(x)
            return (_support(self.domains),) * x.shape[1]
        given = tuple(_support(one) for one in self.domains)
        if len(given) != x.shape[1]:
            raise OptionError(f"{len(given)} domains for {x.shape[1]} columns", where="domains")
        return given

    def _names(self, width: int) -> tuple[str, ...]:
        names = getattr(self, "feature_names_in_", None)
        if names is None:
            return tuple(f"X{v}" for v in range(width))
        return tuple(str(name) for name in names)

    def _learned(self, x: NDArray[np.float32], supports: tuple[Support, ...], seed: int) -> Circuit:
        """A circuit of these rows."""
        held = int(self.validation_fraction * len(x))
        order = np.random.default_rng(seed).permutation(len(x)) if held else np.arange(len(x))
        train, valid = x[order[held:]], x[order[:held]]
        dataset = Dataset("rows", train, valid, x[:0], self._names(x.shape[1]), supports)
        kind = find_structure(self.structure)
        options = parse_options(kind.options, {"seed": seed, **(self.structure_options or {})})
        circuit = build_structure(self.structure, shape_of(dataset), options)
        method = self.method
        if method == "auto":
            method = "none" if kind.trained else "em"
        if method == "none":
            return circuit
        chosen = parse_options(method_named(method).options, self.method_options or {})
        settings = {"epochs": self.epochs, "batch_size": self.batch_size, "seed": seed}
        whole = parse_options(TrainOptions, settings)
        program = compile_circuit(circuit)
        trainer = Trainer(program, train, valid, method, chosen, whole)
        for _ in trainer.events():
            pass
        return circuit.with_params(trainer.best_params)

    def _log_likelihoods(self, x: Floats) -> Floats:
        """log P(x) under each circuit, [N, circuits]; -inf where a value is not in its domain."""
        columns: list[Floats] = []
        for program in self._programs:
            inside = _inside(program, x)
            logs = np.full(len(x), -np.inf)
            if inside.any():
                logs[inside] = log_likelihood(program, torch.tensor(x[inside])).numpy()
            columns.append(logs)
        return np.stack(columns, 1)


class CircuitDensity(DensityMixin, _CircuitEstimator):
    """A density estimator: a probabilistic circuit over the columns.

    structure: a name of `pccore.structures` (learnspn, chow_liu, hclt, rat, ...).
    structure_options: its options by name. method: a name of `pccore.learn.methods`; "auto": em, or
    none for structures whose parameters are learned with them; "none". method_options: its options.
    epochs, batch_size: of training. validation_fraction: rows that only decide which epoch is kept.
    domains: of the columns; "auto": from the data (whole numbers from 0 are states or counts,
    others real); or for all, or for each column, "real", "count", "binary" or a number of states.
    random_state: seed of structure and training.

    Attributes after `fit`: circuit_ (a `Circuit`, for every query), n_features_in_,
    feature_names_in_ where X has names. `fit` raises NotFoundError for an unknown structure or
    method, OptionError for options, DataError for data that do not suit.
    """

    def _circuits(self) -> Sequence[Circuit]:
        return [self.circuit_] if hasattr(self, "circuit_") else []

    def fit(self, X: object, y: object = None) -> CircuitDensity:
        """Learn from rows X [N, V]; NaN is missing. y is ignored."""
        x = self._validated(X, reset=True).astype(np.float32)
        self.circuit_ = self._learned(x, self._supports(x), _seed(self.random_state))
        self._compile()
        return self

    def score_samples(self, X: object) -> Floats:
        """log P(x) in nats of each row, [N]; missing values are summed out."""
        check_is_fitted(self)
        return self._log_likelihoods(self._validated(X, reset=False))[:, 0]

    def score(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, X: object, y: object = None
    ) -> float:
        """The mean of `score_samples`."""
        return float(self.score_samples(X).mean())

    def sample(self, n_samples: int = 1, random_state: object = None) -> Floats:
        """Random rows, [n_samples, V]."""
        check_is_fitted(self)
        drawn = sample(self._programs[0], n_samples, seed=_seed(random_state))
        return drawn.double().numpy()


class CircuitClassifier(ClassifierMixin, _CircuitEstimator):
    """A generative classifier: a circuit for each class, weighed by the prior of the class.

    priors: of the classes in the order of `classes_`; the shares of the rows by default. The other
    parameters are those of `CircuitDensity`.

    Attributes after `fit`: classes_, circuits_ (one for each class), class_prior_, n_features_in_.
    """

    def __init__(
        self,
        structure: str = "learnspn",
        structure_options: Mapping[str, object] | None = None,
        *,
        method: str = "auto",
        method_options: Mapping[str, object] | None = None,
        epochs: int = 20,
        batch_size: int = 100,
        validation_fraction: float = 0.0,
        domains: Domains = "auto",
        priors: Sequence[float] | None = None,
        random_state: object = None,
    ) -> None:
        super().__init__(
            structure,
            structure_options,
            method=method,
            method_options=method_options,
            epochs=epochs,
            batch_size=batch_size,
            validation_fraction=validation_fraction,
            domains=domains,
            random_state=random_state,
        )
        self.priors = priors

    def _circuits(self) -> Sequence[Circuit]:
        return getattr(self, "circuits_", ())

    def fit(self, X: Any, y: Any) -> CircuitClassifier:
        """Learn from rows X [N, V], NaN where missing, with labels y [N]."""
        found, labels = cast(
            "tuple[Floats, NDArray[Any]]",
            validate_data(self, X, y, dtype=np.float64, ensure_all_finite="allow-nan"),
        )
        check_classification_targets(labels)
        self.classes_, codes = np.unique(labels, return_inverse=True)
        x = found.astype(np.float32)
        supports, seed = self._supports(x), _seed(self.random_state)
        counts = np.bincount(codes)
        prior = counts / counts.sum() if self.priors is None else np.asarray(self.priors, float)
        rows = [x[codes == c] for c in range(len(counts))]
        self.circuits_ = [self._learned(mine, supports, seed) for mine in rows]
        # Refuses a single class, and priors that are none.
        experts = tuple((circuit, 0) for circuit in self.circuits_)
        made = Classifier(tuple(range(len(experts))), experts, tuple(prior.tolist()))
        self.class_prior_ = np.array(made.prior)
        self._compile()
        return self

    def predict_log_proba(self, X: object) -> Floats:
        """log P(class | x), [N, C]; the prior where a row is impossible under every class."""
        check_is_fitted(self)
        logs = self._log_likelihoods(self._validated(X, reset=False))
        logs[np.isneginf(logs).all(1)] = 0.0
        joint = logs + np.log(self.class_prior_)
        return joint - np.logaddexp.reduce(joint, 1, keepdims=True)

    def predict_proba(self, X: object) -> Floats:
        """P(class | x), [N, C]."""
        return np.exp(self.predict_log_proba(X))

    def predict(self, X: object) -> NDArray[Any]:
        """The most probable class of each row, [N]."""
        best = self.predict_log_proba(X).argmax(1)
        return self.classes_[best]


def _support(word: str | int) -> Support:
    """Raises OptionError for another word."""
    if isinstance(word, int) and word > 1:
        return Support("finite", word)
    if word in ("real", "count"):
        return Support("real" if word == "real" else "count")
    if word == "binary":
        return Support("finite", 2)
    raise OptionError(
        f"{word!r} is no domain", where="domains", hint="auto, real, count, binary, states"
    )


def _inside(program: Program, x: Floats) -> NDArray[np.bool_]:
    """Rows [N] whose values are all missing or in their domains."""
    inside = np.ones(len(x), bool)
    values = torch.tensor(x)
    for v, domain in program.circuit.domains.items():
        inside &= (domain.contains(values[:, v]) | torch.isnan(values[:, v])).numpy()
    return inside


def _seed(random_state: object) -> int:
    return int(check_random_state(random_state).randint(2**31 - 1))
