"""materialise: the hidden variables of scopes or groups as variables of the model."""

from __future__ import annotations

import argparse
import math
import time

import torch

from pccore.check import check
from pccore.cli.models import sizes
from pccore.cli.output import emit, pairs
from pccore.cli.support import check_target, device_of, required
from pccore.errors import OptionError
from pccore.files import load_model, save_model
from pccore.graph import Circuit
from pccore.queries import log_value, sample
from pccore.transform import augment, hidden_groups, with_states

#: Instead of names: the groups that the structure has noted.
NOTED = "noted"
#: Samples on which the old and the new circuit are compared.
COMPARED = 20


def materialise(options: argparse.Namespace) -> int:
    """Write the augmented circuit; report its states, and that the marginal is what it was."""
    target = check_target(required(options.output, "-o", "materialise"))
    device_of(options.device)
    circuit = load_model(options.model)
    if (options.hidden is None) == (not options.latent):
        raise OptionError("give either --latent or --hidden", where="materialise")
    start = time.perf_counter()
    if options.hidden is None:
        latents = dict(_scope(text) for text in options.latent)
        augmented = augment(circuit, latents)
    else:
        names = [name.strip() for name in options.hidden.split(";")]
        groups = hidden_groups(circuit, None if names == [NOTED] else names)
        augmented = with_states(circuit, groups, "state")
    fresh = range(len(circuit.variables), len(augmented.variables))
    states = {augmented.variables[v]: augmented.domain(v).states for v in fresh}
    difference = _difference(circuit, augmented)
    verdicts = check(augmented, ("smooth", "decomposable", "deterministic")).properties
    payload = {
        "model": options.output,
        "states": states,
        "properties": {p: {"yes": True, "no": False}.get(v) for p, v in verdicts.items()},
        "largest_difference": difference,
        **sizes(augmented),
        "seconds": time.perf_counter() - start,
    }
    lines = pairs(
        [
            *((name, f"{count} states") for name, count in states.items()),
            *verdicts.items(),
            ("largest difference of the marginal", f"{difference:.3g} nats"),
            *sizes(augmented).items(),
        ]
    )
    save_model(augmented, target)
    emit(options, payload, [*lines, f"wrote {options.output}"])
    return 0


def _scope(text: str) -> tuple[str, list[str]]:
    name, equals, columns = text.partition("=")
    if not equals:
        raise OptionError(f"{text!r} is not NAME=VARIABLE,...", where="--latent")
    return name.strip(), [column.strip() for column in columns.split(",")]


def _difference(circuit: Circuit, augmented: Circuit) -> float:
    """The largest difference of log S(x) over samples, with the new variables missing."""
    rows = sample(circuit, COMPARED, seed=0)
    more = len(augmented.variables) - len(circuit.variables)
    missing = torch.full((len(rows), more), math.nan, dtype=rows.dtype)
    found = log_value(augmented, torch.cat([rows, missing], 1)) - log_value(circuit, rows)
    return float(found.abs().max())
