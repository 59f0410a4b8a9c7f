"""Samples of a lesson's circuit, counted."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from pc_workbench.views.lesson_subject import Subject, states_of
from pc_workbench.views.lesson_terms import show
from pccore.queries import sample

SAMPLES = 200


def frequencies(subject: Subject, seed: int) -> tuple[Mapping[str, str], ...]:
    """For every state of every finite variable: how often it was drawn, and its probability.

    seed: the same one gives the same samples. Raises PropertyError, EvidenceError.
    """
    rows = sample(subject.program, SAMPLES, dict(subject.given), seed=seed).numpy()
    found: list[Mapping[str, str]] = []
    for v, name in enumerate(subject.circuit.variables):
        states = states_of(subject.circuit, v)
        for state in range(states or 0):
            exact = subject.probability({name: state}, subject.given)
            found.append(
                {
                    "state": f"{name} = {state}",
                    f"share of {SAMPLES} samples": show(float(np.mean(rows[:, v] == state))),
                    "probability": show(exact),
                }
            )
    return tuple(found)
