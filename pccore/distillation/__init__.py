"""Latent variable distillation: hidden variables learned from clusters of embeddings first."""

from pccore.distillation.assign import Assignments, Embeddings, assign, values_of
from pccore.distillation.augment import augment, hidden_groups
from pccore.distillation.pipeline import Distilled, DistilOptions, Stage, distil

__all__ = [
    "Assignments",
    "DistilOptions",
    "Distilled",
    "Embeddings",
    "Stage",
    "assign",
    "augment",
    "distil",
    "hidden_groups",
    "values_of",
]
