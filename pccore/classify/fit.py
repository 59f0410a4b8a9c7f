"""One circuit for each class of a dataset, each trained on the rows of its class alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from pccore.classify.ratio import Classifier
from pccore.compile import compile_circuit
from pccore.datasets import SPLITS, Dataset, Split
from pccore.datasets.base import Labels
from pccore.errors import DataError
from pccore.graph import Circuit
from pccore.learn import Event, Trainer, TrainOptions, check_trainable

#: (dataset of one class) -> the circuit that its training starts from.
Maker = Callable[[Dataset], Circuit]
#: (label, event of its trainer); called as training goes on.
Listener = Callable[[int, Event], None]


def labelled(dataset: Dataset, split: Split) -> Labels:
    """The labels of a split. Raises DataError where they are not known."""
    labels = dataset.labels[split]
    if labels is None:
        raise DataError(
            "these data have no labels",
            where=f"{dataset.name}:{split}",
            hint=f"an .npz names them {split}_y; of images each class has a folder",
        )
    return labels


def classes_of(dataset: Dataset) -> tuple[int, ...]:
    """The labels of the training rows, ascending. Raises DataError for fewer than two."""
    found = tuple(int(label) for label in np.unique(labelled(dataset, "train")))
    if len(found) < 2:
        raise DataError("the training rows are all of one class", where=dataset.name)
    return found


def class_name(dataset: Dataset, label: int) -> str:
    """What a label means, or its number."""
    names = dataset.label_names
    return names[label] if 0 <= label < len(names) else str(label)


def only(dataset: Dataset, label: int) -> Dataset:
    """The rows of one class; splits whose labels are not known have none.

    Raises DataError where no training row has the label.
    """
    rows = {}
    labels: dict[Split, Labels | None] = {}
    for split in SPLITS:
        known = dataset.labels[split]
        mine = np.zeros(len(dataset.split(split)), dtype=bool) if known is None else known == label
        rows[split] = dataset.split(split)[mine]
        labels[split] = None if known is None else known[mine]
    return replace(dataset, **rows, labels=labels)


def fit_classes(
    dataset: Dataset,
    make: Maker,
    method: str = "online-em",
    method_options: object = None,
    options: TrainOptions | None = None,
    *,
    device: str = "cpu",
    listener: Listener | None = None,
) -> Classifier:
    """Train a circuit for each class; of each the best parameters are kept.

    make: builds the circuit of a class, or gives the same one for all. The prior of a class is
    its share of the training rows.

    Raises DataError where the labels are not known or do not suit, and what the trainer raises.
    """
    labels = classes_of(dataset)
    trained: list[Circuit] = []
    for label in labels:
        mine = only(dataset, label)
        circuit = make(mine)
        check_trainable(circuit, mine)
        program = compile_circuit(circuit, device)
        trainer = Trainer(program, mine.train, mine.valid, method, method_options, options)
        for event in trainer.events():
            if listener is not None:
                listener(label, event)
        trained.append(circuit.with_params(trainer.best_params))
    return Classifier(labels, tuple((circuit, 0) for circuit in trained), shares_of(dataset))


def shares_of(dataset: Dataset) -> tuple[float, ...]:
    """The share of each of `classes_of` in the training rows."""
    known = labelled(dataset, "train")
    return tuple(float(np.mean(known == label)) for label in classes_of(dataset))
