"""How good a classifier is: precision and recall of each class against the rest, accuracy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pccore.classify.ratio import Classifier, Floats, log_ratios
from pccore.errors import DataError

#: Stands for an infinite ratio, which scikit-learn does not take.
FAR = 1e300


@dataclass(frozen=True, eq=False)
class Curve:
    """Precision against recall of one class, from recall 1 down to 0.

    precision, recall: [n + 1], the last point is (1, 0). thresholds: [n], of the log-ratio; rows
    at or above it are called positive. area: average precision, the area of the steps (nothing
    is interpolated). positives: rows of the class.
    """

    precision: Floats
    recall: Floats
    thresholds: Floats
    area: float
    positives: int


@dataclass(frozen=True, eq=False)
class Report:
    """What `assess` found.

    curves: for each class, None where no row, or every row, has its label. ratios: [N, C].
    predicted: the label with the largest posterior for each row, [N]. accuracy: share of rows
    whose label is predicted. confusion: [C, C], rows true, columns predicted.
    """

    labels: tuple[int, ...]
    curves: tuple[Curve | None, ...]
    ratios: Floats
    predicted: NDArray[np.int64]
    accuracy: float
    confusion: NDArray[np.int64]

    @property
    def areas(self) -> tuple[float | None, ...]:
        """Area under the curve of each class."""
        return tuple(None if curve is None else curve.area for curve in self.curves)

    @property
    def mean_area(self) -> float | None:
        """Mean over the classes that have a curve."""
        known = [area for area in self.areas if area is not None]
        return sum(known) / len(known) if known else None


def assess(classifier: Classifier, rows: NDArray[Any], labels: NDArray[Any]) -> Report:
    """Score every row [N, V] with its label [N].

    Source: Poon & Domingos 2011, table 2 (one class against the others). Raises DataError for no
    rows or another number of labels, and what `Classifier.log_likelihoods` raises.
    """
    truth = np.asarray(labels, dtype=np.int64)
    if len(truth) != len(rows) or not len(rows):
        raise DataError(f"{len(truth)} labels for {len(rows)} rows")
    values = classifier.log_likelihoods(rows)
    ratios = log_ratios(values, classifier.prior)
    known = np.array(classifier.labels)
    winner = np.argmax(values + np.log(classifier.prior), axis=1)
    predicted = known[winner]
    confusion = np.zeros((len(known), len(known)), dtype=np.int64)
    for number, label in enumerate(known):
        mine = winner[truth == label]
        confusion[number] = np.bincount(mine, minlength=len(known))
    curves = tuple(precision_recall(ratios[:, c], truth == label) for c, label in enumerate(known))
    accuracy = float(np.mean(predicted == truth))
    return Report(classifier.labels, curves, ratios, predicted, accuracy, confusion)


def precision_recall(scores: Floats, positive: NDArray[np.bool_]) -> Curve | None:
    """The curve of scores [N] for rows that are positive or not; None where all are alike."""
    # Slow to import, and only this needs it.
    from sklearn.metrics import average_precision_score, precision_recall_curve

    count = int(positive.sum())
    if count in (0, len(positive)):
        return None
    finite = np.clip(scores, -FAR, FAR)
    precision, recall, thresholds = precision_recall_curve(positive, finite)
    area = float(average_precision_score(positive, finite))
    return Curve(precision, recall, thresholds, area, count)
