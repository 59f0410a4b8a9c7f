"""Leaf families, one file each; a new file is found by itself."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from types import MappingProxyType

from pccore.discovery import subclasses_in
from pccore.errors import NotFoundError, ParameterError
from pccore.leaves.base import LeafFamily, Summary, Support


@functools.cache
def families() -> Mapping[str, type[LeafFamily]]:
    """Every leaf family of the package by name."""
    found = subclasses_in("pccore.leaves", LeafFamily)
    return MappingProxyType({family.name: family for family in found})


def family_from_dict(description: Mapping[str, object]) -> LeafFamily:
    """The family that `LeafFamily.to_dict` described.

    Raises NotFoundError for an unknown name, ParameterError for bad hyperparameters.
    """
    name = description.get("family")
    family = families().get(name) if isinstance(name, str) else None
    if family is None:
        known = ", ".join(sorted(families()))
        raise NotFoundError(f"there is no leaf family {name!r}; known are {known}")
    whole = {f.name for f in dataclasses.fields(family) if isinstance(f.default, int)}
    hyperparameters = {key: value for key, value in description.items() if key != "family"}
    for key, value in hyperparameters.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ParameterError(f"{name} hyperparameter {key} must be a number, not {value!r}")
        if key in whole and not isinstance(value, int):
            raise ParameterError(f"{name} hyperparameter {key} must be whole, not {value!r}")
    try:
        return family(**hyperparameters)
    except TypeError:
        fields = ", ".join(getattr(family, "__dataclass_fields__", {})) or "none"
        given = ", ".join(hyperparameters) or "none"
        raise ParameterError(f"{name} takes the hyperparameters {fields}, not {given}") from None


__all__ = ["LeafFamily", "Summary", "Support", "families", "family_from_dict"]
