"""What was clicked, as a command line and as Python."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from pccore.csv_text import csv_line
from pccore.distillation import DistilRunOptions, run_method
from pccore.learn import RunConfig, TrainOptions
from pccore.options import describe

Code = tuple[str, str]


def build(structure: str, dataset: str, options: Mapping[str, str]) -> Code:
    """(Python, command) that build a structure for a dataset."""
    target = f"{structure}.pc.safetensors"
    python = (
        "from pccore import datasets, structures\n"
        "from pccore.files import save_model\n\n"
        f"data = datasets.load({dataset!r})\n"
        "shape = structures.shape_of(data)\n"
        f"circuit = structures.build_structure({structure!r}, shape, {dict(options)!r})\n"
        f"save_model(circuit, {target!r})\n"
    )
    words = ["pccore", "build", structure, "--data", dataset, *_settings(options), "-o", target]
    return python, shlex.join(words)


def prepare(
    dataset: str,
    types: Mapping[str, str],
    orders: Mapping[str, Sequence[str]],
    shares: str | None,
    seed: int,
    *,
    in_order: bool = False,
) -> Code:
    """(Python, command) that describe a dataset, and give it other types and splits."""
    given = "".join(
        f", {key}={value!r}"
        for key, value in (("types", dict(types)), ("orders", dict(orders)))
        if value
    )
    python = f"from pccore import datasets\n\ndata = datasets.load({dataset!r}{given})\n"
    words = ["pccore", "datasets", "prepare", dataset, "ready.npz"]
    words += [w for name, one in types.items() for w in ("--type", f"{name}={one}")]
    words += [w for name, texts in orders.items() for w in ("--order", f"{name}={csv_line(texts)}")]
    if shares is not None:
        how = "in_order=True" if in_order else f"seed={seed}"
        python += f"shares = datasets.parse_shares({shares!r})\n"
        python += f"data = datasets.resplit(data, shares, {how})\n"
        words += ["--split", shares, *(["--in-order"] if in_order else ["--seed", str(seed)])]
    if not types and not orders and shares is None:
        words = ["pccore", "datasets", "describe", dataset]
    else:
        python += "datasets.save_dataset(data, 'ready.npz')\n"
    python += "for one in datasets.describe(data):\n    print(one)\n"
    return python, shlex.join(words)


def pack(name: str, model: str, dataset: str, evidence: str) -> Code:
    """(Python, command) that write a bundle. dataset: "" to leave it out."""
    data = f", dataset=datasets.load({dataset!r})" if dataset else ""
    state = f", state={{'evidence': {evidence!r}}}" if evidence else ""
    python = (
        f"{'from pccore import datasets' + chr(10) if dataset else ''}"
        "from pccore.bundle import Bundle, write_bundle\n"
        "from pccore.files import load_model\n\n"
        f"circuit = load_model({model!r})\n"
        f"write_bundle(Bundle(circuit=circuit{data}{state}), {name!r})\n"
    )
    words = ["pccore", "bundle", "pack", name, "--model", model]
    words += [*(["--data", dataset] if dataset else [])]
    words += [*(["--evidence", evidence] if evidence else [])]
    return python, shlex.join(words)


def unpack(name: str) -> Code:
    """(Python, command) that read a bundle."""
    python = (
        "from pccore.bundle import read_bundle\n\n"
        f"found = read_bundle({name!r})\n"
        "print(found.title, found.circuit, found.state)\n"
    )
    return python, shlex.join(["pccore", "bundle", "unpack", name, "opened"])


def open_file(name: str) -> Code:
    """(Python, command) that read a model file and keep it in the workbench's own format."""
    target = name.split(".")[0] + ".pc.safetensors"
    python = (
        "from pccore.files import load_model, save_model\n\n"
        f"circuit = load_model({name!r})\n"
        f"save_model(circuit, {target!r})\n"
    )
    return python, shlex.join(["pccore", "convert", name, target])


def distil(
    model: str,
    dataset: str,
    options: Mapping[str, str],
    run: str,
    title: str = "",
    threads: int | None = None,
) -> Code:
    """(Python, command) that distil a model's hidden variables as one run."""
    said = _said(title=title or None, threads=threads)
    python = (
        "from pccore import datasets\n"
        "from pccore.distillation import DistilRunOptions, execute_run, prepare_distillation\n"
        "from pccore.files import load_model, save_model\n"
        "from pccore.options import parse_options\n\n"
        f"circuit, data = load_model({model!r}), datasets.load({dataset!r})\n"
        "run = prepare_distillation(\n"
        f"    {run!r}, circuit, data, model={model!r}, data={dataset!r},\n"
        f"    options=parse_options(DistilRunOptions, {dict(options)!r}),\n"
        + "".join(f"    {name}={value!r},\n" for name, value in said.items())
        + ")\n"
        "execute_run(run)\n"
        "save_model(run.best(), 'trained.pc.safetensors')\n"
    )
    return python, _train_command(model, dataset, "distil", options, run, said)


def train(
    model: str,
    dataset: str,
    method: str,
    options: Mapping[str, str],
    shared: Mapping[str, str],
    label: int | None = None,
    run: str = "runs/mine",
    title: str = "",
    threads: int | None = None,
) -> Code:
    """(Python, command) that train a model; options are the method's, shared every method's.

    label: of the only class that is learned from. run: the directory of the run.
    """
    if run_method(method).options is DistilRunOptions:
        return distil(model, dataset, options, run, title, threads)
    said = _said(label=label, title=title or None, threads=threads)
    python = (
        "from pccore import datasets\n"
        "from pccore.files import load_model, save_model\n"
        "from pccore.learn import TrainOptions, execute, method_named, prepare_run\n"
        "from pccore.options import parse_options\n\n"
        f"circuit, data = load_model({model!r}), datasets.load({dataset!r})\n"
        "run = prepare_run(\n"
        f"    {run!r}, circuit, data, model={model!r}, data={dataset!r}, method={method!r},\n"
        f"    method_options=parse_options(method_named({method!r}).options, {dict(options)!r}),\n"
        f"    train_options=parse_options(TrainOptions, {dict(shared)!r}),\n"
        + "".join(f"    {name}={value!r},\n" for name, value in said.items())
        + ")\n"
        "execute(run)\n"
        "save_model(run.best(), 'trained.pc.safetensors')\n"
    )
    return python, _train_command(model, dataset, method, {**options, **shared}, run, said)


def classify(
    model: str, dataset: str, method: str, options: Mapping[str, str], shared: Mapping[str, str]
) -> Code:
    """(Python, command) that train a model for each class and hold them against each other."""
    python = (
        "from pccore import datasets\n"
        "from pccore.classify import assess, fit_classes\n"
        "from pccore.files import load_model\n"
        "from pccore.learn import TrainOptions, method_named\n"
        "from pccore.options import parse_options\n\n"
        f"circuit, data = load_model({model!r}), datasets.load({dataset!r})\n"
        "classifier = fit_classes(\n"
        f"    data, lambda rows: circuit, {method!r},\n"
        f"    parse_options(method_named({method!r}).options, {dict(options)!r}),\n"
        f"    parse_options(TrainOptions, {dict(shared)!r}),\n"
        ")\n"
        "report = assess(classifier, data.test, data.labels['test'])\n"
        "print(report.accuracy, report.areas)\n"
    )
    words = ["pccore", "classify", model, "--data", dataset, "--method", method]
    return python, shlex.join([*words, *_settings({**options, **shared}), "-o", "classes"])


def rerun(config: RunConfig, model: str = "", run: str = "runs/mine") -> Code:
    """(Python, command) that do a run once more; options at their defaults are left out.

    model: where it started from, unless that has a name. run: the directory of the new run.
    """

    def changed(cls: type, given: Mapping[str, Any]) -> dict[str, str]:
        infos = {info.name: info.default for info in describe(cls)}
        return {
            name: _text(value)
            for name, value in given.items()
            if name in infos and _text(value) != _text(infos[name])
        }

    options = changed(run_method(config.method).options, config.method_options)
    shared = changed(TrainOptions, config.train_options)
    return train(
        model or config.model, config.data, config.method, options, shared,
        config.label, run, config.title, config.threads,
    )  # fmt: skip


def resume(folders: Sequence[str]) -> Code:
    """(Python, command) that go on with runs."""
    python = (
        "from pccore.distillation import execute_run\n"
        "from pccore.learn import RunDirectory\n\n"
        f"for folder in {list(folders)!r}:\n"
        "    execute_run(RunDirectory(folder), resume=True)\n"
    )
    lines = [f"pccore train --resume --run {shlex.quote(folder)}" for folder in folders]
    return python, "\n".join(lines)


def runs(folder: str, conditions: Sequence[str]) -> Code:
    """(Python, command) that list runs and write them down."""
    given = [one.strip() for one in conditions]
    python = (
        "from pathlib import Path\n\n"
        "from pccore.learn.overview import differences, matching, summaries, to_csv\n\n"
        f"runs = matching(summaries({folder!r}), {given!r})\n"
        "print(differences(runs))\n"
        "Path('runs.csv').write_text(to_csv(runs))\n"
    )
    words = ["pccore", "runs", folder, *(w for one in given for w in ("--where", one))]
    lines = [shlex.join([*words, "--diff", "--csv", "runs.csv"])]
    lines.append(f"{shlex.join([*words, '--tensorboard', 'board'])}  # pip install tensorboard")
    return python, "\n".join(lines)


def _said(**further: int | str | None) -> dict[str, int | str]:
    """What is not None."""
    return {name: value for name, value in further.items() if value is not None}


def _train_command(
    model: str,
    dataset: str,
    method: str,
    options: Mapping[str, str],
    run: str,
    said: Mapping[str, int | str],
) -> str:
    words = ["pccore", "train", model, "--data", dataset, "--method", method]
    words += [f"--{name}={value}" for name, value in said.items()]
    words += [*_settings(options), "--run", run]
    return shlex.join([*words, "-o", "trained.pc.safetensors"])


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _settings(options: Mapping[str, str]) -> list[str]:
    return [word for name, text in options.items() for word in ("--set", f"{name}={text}")]
