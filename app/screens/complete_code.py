"""What the Complete page does, for Python and for the command line: (python, command) each."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from pc_workbench import state, store

Code = tuple[str, str]

_LOAD = "from pccore import completion, datasets\nfrom pccore.files import load_model\n\n"


@dataclass(frozen=True, slots=True)
class Choice:
    """What a batch is to be made of."""

    count: int
    methods: tuple[str, ...]
    baselines: tuple[str, ...]


def one(model: str, samples: int) -> Code:
    """The canvas: one picture, every method."""
    now = state.get()
    reference = store.model_reference(model)
    python = (
        "import numpy as np\n"
        "from pccore import queries\n"
        "from pccore.compile import compile_circuit\n"
        f"{_LOAD}"
        f"program = compile_circuit({_model(model)})\n"
        f"row = datasets.load({_dataset()!r}).{now.split}[{now.image}].astype(float)\n"
        "row[: len(row) // 2] = np.nan  # hide the upper half\n"
        "best = queries.mpe(program, row).assignment\n"
        "mean = queries.posterior_mean(program, row)\n"
        f"samples = queries.sample(program, {samples}, row, seed={now.seed})\n"
    )
    command = f"pccore complete {shlex.quote(reference)} {_data()} --hide top --method mean"
    return python, _unmuted(command)


def side(model: str, rivals: Sequence[str]) -> Code:
    """Several models on one mask."""
    now = state.get()
    methods = ["mean", "mpe", "tree", "sample"]
    named = ", ".join([_model(model), *(f"load_model({_quoted(name)})" for name in rivals)])
    python = (
        f"{_LOAD}"
        f"data = datasets.load({_dataset()!r})\n"
        f"rows = data.{now.split}[{now.image} : {now.image + 1}]\n"
        'hidden = completion.hidden_pixels("mask.png", data.image)\n'
        f"for model in [{named}]:\n"
        "    batch = completion.complete_batch(\n"
        f"        model, rows, hidden, data.image, {methods!r}, uncertain=True\n"
        "    )\n"
        "    for one in batch.methods:\n"
        "        print(one.name, one.scores)\n"
    )
    commands = [
        f"pccore complete {shlex.quote(store.model_reference(name))} {_data()} --hide mask.png "
        f"--method {','.join(methods)} --uncertainty"
        for name in (model, *rivals)
    ]
    return python, _unmuted("\n".join(commands))


def components(model: str) -> Code:
    """The components that explain a picture."""
    now = state.get()
    muted = repr(list(now.muted)) if now.muted else "[found.components[0].id]"
    python = (
        "import numpy as np\n"
        f"{_LOAD}"
        f"model = load_model({_quoted(model)})\n"
        f"row = datasets.load({_dataset()!r}).{now.split}[{now.image}].astype(float)\n"
        "row[: len(row) // 2] = np.nan  # hide the upper half\n"
        "found = completion.components_of(model, row)\n"
        "for one in found.components[:12]:\n"
        "    print(one.id, one.share)\n"
        "means = completion.component_means(\n"
        "    completion.component_program(model), found.components[:12]\n"
        ")\n"
        f"quiet = completion.mute(model, {muted})\n"
    )
    return python, "# Components are listed and muted from Python only."


def batch(model: str, data: str, choice: Choice) -> Code:
    """Many pictures with one mask. data: reference of the rows."""
    name, _, split = data.rpartition(":")
    seed = state.get().seed
    python = (
        f"{_LOAD}"
        f"data = datasets.load({name!r})\n"
        'hidden = completion.hidden_pixels("mask.png", data.image)\n'
        "batch = completion.complete_batch(\n"
        f"    {_model(model)}, data.{split}[:{choice.count}], hidden, data.image,\n"
        f"    {list(choice.methods)!r}, baselines={list(choice.baselines)!r},\n"
        f"    train=completion.training_rows(data, {split!r}), seed={seed}, uncertain=True,\n"
        ")\n"
        "print(completion.table_csv(batch))\n"
    )
    baselines = f"--baselines {','.join(choice.baselines)} " if choice.baselines else ""
    command = (
        f"pccore complete {shlex.quote(store.model_reference(model))} --data {shlex.quote(data)} "
        f"--limit {choice.count} --hide mask.png --method {','.join(choice.methods)} {baselines}"
        f"--seed {seed} --uncertainty --table scores.csv -o completions"
    )
    return python, _unmuted(command)


def _unmuted(command: str) -> str:
    """Say so where the command does less than the page."""
    return f"# The command line mutes nothing.\n{command}" if state.get().muted else command


def _quoted(model: str) -> str:
    return repr(store.model_reference(model))


def _model(model: str) -> str:
    """How the current model is made, without what is muted."""
    muted = state.get().muted
    loaded = f"load_model({_quoted(model)})"
    return f"completion.mute({loaded}, {list(muted)!r})" if muted else loaded


def _data() -> str:
    return f"--data {shlex.quote(f'{_dataset()}:{state.get().split}')}"


def _dataset() -> str:
    return store.dataset_reference(state.get().dataset)
