"""Latent variable distillation: hidden variables learned from clusters of embeddings first."""

from pccore.distillation.assign import Assignments, Embeddings, assign, values_of
from pccore.distillation.job import (
    DistilRunOptions,
    execute_run,
    prepare_distillation,
    run_method,
    run_methods,
)
from pccore.distillation.pipeline import Distilled, DistilOptions, Stage, clustered, distil
from pccore.distillation.sources import SOURCES, obtain, options_of
from pccore.transform import hidden_groups, with_states

__all__ = [
    "SOURCES",
    "Assignments",
    "DistilOptions",
    "DistilRunOptions",
    "Distilled",
    "Embeddings",
    "Stage",
    "assign",
    "with_states",
    "clustered",
    "distil",
    "execute_run",
    "hidden_groups",
    "obtain",
    "options_of",
    "prepare_distillation",
    "run_method",
    "run_methods",
    "values_of",
]
