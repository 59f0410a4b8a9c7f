"""One circuit for each class of a dataset, each trained on the rows of its class alone."""

from __future__ import annotations

from collections.abc import Callable

from pccore.classify.ratio import Classifier
from pccore.compile import compile_circuit
from pccore.datasets import Dataset
from pccore.datasets.labels import classes_of, only, shares_of
from pccore.graph import Circuit
from pccore.learn import Event, Trainer, TrainOptions, check_trainable

#: (dataset of one class) -> the circuit that its training starts from.
Maker = Callable[[Dataset], Circuit]
#: (label, event of its trainer); called as training goes on.
Listener = Callable[[int, Event], None]


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
