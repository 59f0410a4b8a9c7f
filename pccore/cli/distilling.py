"""distil: hidden variables from clusters of embeddings, then EM on everything."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

from pccore.cli.models import sizes
from pccore.cli.output import Progress, emit, pairs, table
from pccore.cli.support import check_target, device_of, required
from pccore.cli.training import default_folder
from pccore.datasets import load, parse_reference
from pccore.distillation import (
    Assignments,
    DistilOptions,
    clustered,
    hidden_groups,
    obtain,
    options_of,
)
from pccore.distillation import distil as run_stages
from pccore.errors import OptionError
from pccore.files import load_model, save_model
from pccore.learn import Epoch, Event
from pccore.options import parse_assignments, parse_options

#: Before an option of the network that embeds.
_EMBED = "embed."


def distil(options: argparse.Namespace) -> int:
    """Embed, cluster, learn in stages, write, and say what each stage came to."""
    target = check_target(required(options.output, "-o", "distil"))
    device = str(device_of(options.device)) if options.device else "cpu"
    given = parse_assignments(options.set)
    own = {k: v for k, v in given.items() if not k.startswith(_EMBED)}
    chosen = parse_options(DistilOptions, own, where="distil")
    settings = {k.removeprefix(_EMBED): v for k, v in given.items() if k.startswith(_EMBED)}
    if settings and options_of(options.embeddings) is None:
        raise OptionError(f"embeddings {options.embeddings!r} have no options", where="--set")
    circuit = load_model(options.model)
    name = parse_reference(options.data)[0]
    dataset = load(name)
    names = None if options.hidden is None else [n.strip() for n in options.hidden.split(";")]
    groups = hidden_groups(circuit, names)
    folder = default_folder() if options.run is None else Path(options.run)
    progress = Progress()
    start = time.perf_counter()

    def told(epoch: int, loss: float) -> None:
        progress.say(f"embeddings  epoch {epoch}: loss {loss:.4f}")

    def hear(stage: str, event: Event) -> None:
        if isinstance(event, Epoch) and event.epoch:
            valid = event.valid_log_likelihood
            more = "" if valid is None else f", valid {valid:.4f}"
            progress.say(
                f"{stage:<10}  epoch {event.epoch}: train {event.train_log_likelihood:.4f}{more}"
            )

    found = None
    if not clustered(folder, options.resume):
        found = obtain(options.embeddings, dataset, circuit, groups, settings, chosen.seed, told)
    given_states = found if isinstance(found, Assignments) else None
    result = run_stages(
        folder,
        circuit,
        dataset,
        None if isinstance(found, Assignments) else found,
        chosen,
        assignments=given_states,
        hidden=names,
        model=options.model,
        data=name,
        device=device,
        resume=options.resume,
        listener=hear,
    )
    save_model(result.circuit, target)
    seconds = time.perf_counter() - start
    stages = [
        {
            "stage": stage.name,
            "epochs": stage.epochs,
            "log_likelihood": stage.score,
            "seconds": stage.seconds,
            "run": str(stage.run),
        }
        for stage in result.stages
    ]
    payload: dict[str, Any] = {
        "model": options.output,
        "run": str(folder),
        "hidden": list(result.hidden),
        "closed_form": result.closed_form,
        **sizes(result.circuit),
        "seconds": seconds,
        "stages": stages,
    }
    heads = ("stage", "epochs", "log_likelihood", "seconds")
    cells = [[row[head] for head in heads] for row in stages]
    facts: list[tuple[str, object]] = [
        ("hidden variables", len(result.hidden)),
        ("closed form", "yes" if result.closed_form else "no"),
        *sizes(result.circuit).items(),
        ("seconds", f"{seconds:.3g}"),
        ("wrote", options.output),
    ]
    emit(options, payload, [*table(heads, cells), *pairs(facts)])
    return 0
