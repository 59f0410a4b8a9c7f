"""classify: one circuit for each class, scored by likelihood ratio on another split."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

from pccore.classify import (
    Classifier,
    Report,
    assess,
    curves_csv,
    curves_svg,
    fit_classes,
)
from pccore.cli.output import Progress, emit, table
from pccore.cli.support import compiled, device_of, use_threads
from pccore.datasets import Dataset, check_columns, load, parse_reference
from pccore.datasets.labels import class_name, classes_of, labelled, shares_of
from pccore.errors import DataError, OptionError
from pccore.files import load_model, save_model
from pccore.graph import Circuit
from pccore.learn import Epoch, Event, TrainOptions, method_named
from pccore.options import describe, parse_assignments, parse_options
from pccore.structures import build_structure, find_structure, shape_of, structures

#: What `-o` writes besides the models.
CURVES, PICTURE = "precision-recall.csv", "precision-recall.svg"
#: The model of a class.
MODEL = "class-{}.pc.safetensors"


def classify(options: argparse.Namespace) -> int:
    """Train a circuit for each class (or take the roots of one), score, write."""
    device_of(options.device)
    use_threads(options.threads)
    name, split = parse_reference(options.data)
    dataset = load(name)
    split = split or "test"
    rows, truth = dataset.split(split)[: options.limit], labelled(dataset, split)[: options.limit]
    if not len(rows):
        raise DataError("this split has no rows", where=f"{dataset.name}:{split}")
    labels = classes_of(dataset)
    names = [class_name(dataset, label) for label in labels]
    folder = None if options.output is None else Path(options.output)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()
    classifier, trained = _classifier(options, dataset)
    seconds = time.perf_counter() - start
    report = assess(classifier, rows, truth)
    if folder is not None:
        _write(folder, report, names, trained)
    payload: dict[str, Any] = {
        "accuracy": report.accuracy,
        "mean_area": report.mean_area,
        "areas": dict(zip(names, report.areas, strict=True)),
        "samples": len(rows),
        "classes": len(labels),
        "confusion": report.confusion.tolist(),
        "method": options.method if trained else None,
        "seconds": seconds,
        "output": options.output,
    }
    body = [
        (name, curve.positives if curve else 0, curve.area if curve else None)
        for name, curve in zip(names, report.curves, strict=True)
    ]
    lines = [
        *table(("class", "rows", "area under precision-recall"), body),
        "",
        f"accuracy {report.accuracy:.4f} on {len(rows)} rows of {dataset.name}:{split}",
    ]
    if folder is not None:
        lines.append(f"wrote {CURVES}, {PICTURE} and {len(trained)} models to {options.output}")
    emit(options, payload, lines)
    return 0


def _classifier(
    options: argparse.Namespace, dataset: Dataset
) -> tuple[Classifier, list[tuple[int, Circuit]]]:
    """The classifier, and what was trained for it by label."""
    folder = Path(options.structure)
    if options.structure not in structures() and folder.is_dir():
        return _from_folder(folder, options, dataset), []
    given = parse_assignments(options.set)
    method = method_named(options.method)
    training = {i.name for i in describe(TrainOptions)}
    own = {i.name for i in describe(method.options)}
    known = training | own
    circuit: Circuit | None = None
    if options.structure in structures():
        built = {i.name for i in describe(find_structure(options.structure).options)}
    else:
        built = set[str]()
        circuit = load_model(options.structure)
        check_columns(dataset, len(circuit.variables), where=dataset.name)
    unknown = [key for key in given if key not in known | built]
    if unknown:
        raise OptionError(
            f"unknown option {unknown[0]!r}, known are: {', '.join(sorted(known | built))}",
            where=options.structure,
        )
    if circuit is not None and len(circuit.roots) > 1:
        program = compiled(circuit, options)
        labels = classes_of(dataset)
        return Classifier.of_roots(program, labels, shares_of(dataset)), []

    def make(part: Dataset) -> Circuit:
        if circuit is not None:
            return circuit
        settings = {key: text for key, text in given.items() if key in built}
        return build_structure(options.structure, shape_of(part), settings)

    progress = Progress()

    def listener(label: int, event: Event) -> None:
        if isinstance(event, Epoch):
            score = event.valid_log_likelihood
            score = event.train_log_likelihood if score is None else score
            text = f"class {class_name(dataset, label)}  epoch {event.epoch}  {score:.4f}"
            progress.update(text)

    classifier = fit_classes(
        dataset,
        make,
        method.name,
        parse_options(method.options, {k: v for k, v in given.items() if k in own}),
        parse_options(TrainOptions, {k: v for k, v in given.items() if k in training}),
        device=options.device,
        listener=listener,
    )
    progress.clear()
    experts = [model for model, _ in classifier.experts if isinstance(model, Circuit)]
    return classifier, list(zip(classifier.labels, experts, strict=True))


def _from_folder(folder: Path, options: argparse.Namespace, dataset: Dataset) -> Classifier:
    """The models that `-o` wrote before."""
    if options.set:
        raise OptionError("nothing is trained, so there is nothing to --set", where=str(folder))
    labels = classes_of(dataset)
    models = [load_model(folder / MODEL.format(label)) for label in labels]
    for model in models:
        check_columns(dataset, len(model.variables), where=dataset.name)
    experts = tuple((compiled(model, options), 0) for model in models)
    return Classifier(labels, experts, shares_of(dataset))


def _write(
    folder: Path, report: Report, names: list[str], trained: list[tuple[int, Circuit]]
) -> None:
    (folder / CURVES).write_text(curves_csv(report, names), encoding="utf-8")
    (folder / PICTURE).write_text(curves_svg(report, names), encoding="utf-8")
    for label, circuit in trained:
        save_model(circuit, folder / MODEL.format(label))
