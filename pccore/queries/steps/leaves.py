"""The steps at leaves: what a leaf says of each of its variables, in words and numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch

from pccore.graph import LeafGroup, Unit
from pccore.queries.steps.base import added, factor, joined, leaf_group, name_of, number
from pccore.queries.values import UnitValues

_SHORT = 6  # states whose terms of soft evidence are written out


def written(values: UnitValues, unit: Unit, log: bool, largest: bool = False) -> tuple[str, str]:
    """(equation, filled) of a leaf's value; `largest`: with maxima for the missing variables.

    The end of `filled` is the result that the engine computed, appended by the caller.
    """
    group = leaf_group(values.circuit, unit)
    parts = [_factor(values, group, unit, j, largest) for j in range(len(group.variables))]
    name = name_of(values.circuit, unit)
    if len(parts) == 1:
        symbol, filled, _ = parts[0]
        if log:
            return f"log {name} = log({symbol})", f"log {_bracket(filled)}"
        return f"{name} = {symbol}", filled
    symbols = joined([symbol for symbol, _, _ in parts], " · ")
    numbers = [value for _, _, value in parts]
    if log:
        logs = [math.log(value) if value > 0 else -math.inf for value in numbers]
        return f"log {name} = log({symbols})", added(logs)
    return f"{name} = {symbols}", joined([factor(value) for value in numbers], "·")


def remarks(values: UnitValues, unit: Unit) -> tuple[str, ...]:
    """What is to be said of the missing variables of an indicator."""
    group = leaf_group(values.circuit, unit)
    if group.family.name != "indicator":
        return ()
    missing = [v for v in group.variables if math.isnan(values.x[v]) and v not in values.soft]
    names = ", ".join(values.circuit.variables[v] for v in missing[:_SHORT])
    if not names:
        return ()
    return (f"{names} {'is' if len(missing) == 1 else 'are'} not observed: all indicators are 1.",)


def _bracket(text: str) -> str:
    return f"({text})" if set(text) & set(" ·(") else text


def _factor(
    values: UnitValues, group: LeafGroup, unit: Unit, place: int, largest: bool
) -> tuple[str, str, float]:
    """(symbol, with numbers, linear value) of one variable's part of a leaf."""
    v = group.variables[place]
    name = values.circuit.variables[v]
    params = parameters(values, group, unit, place)
    soft = values.soft.get(v)
    seen = float(values.x[v])
    symbol = density_symbol(group, name, params)
    if not math.isnan(seen):
        density = math.exp(float(group.family.log_prob(torch.tensor(seen).double(), params)))
        text = f"{symbol} at {name} = {number(seen)}"
        if soft is None:
            return text, number(density), density
        weight = float(soft[int(seen)])
        return f"λ({name}) · {text}", f"{factor(weight)}·{number(density)}", weight * density
    if largest:
        return _maximum(values, group, params, name, v)
    if soft is None:
        sign = "∑" if group.family.support.kind != "real" else "∫"
        return f"{sign} over {name} of {symbol}", "1", 1.0
    chances = group.family.probabilities(params).reshape(-1).tolist()
    pairs = [(c, p, float(soft[c])) for c, p in enumerate(chances)]
    terms = [f"{factor(weight)}·{number(p)}" for _, p, weight in pairs]
    total = sum(p * weight for _, p, weight in pairs)
    cut = terms if len(terms) <= _SHORT else [*terms[: _SHORT - 1], "…"]
    return f"∑ over {name} of λ({name}) · {symbol}", " + ".join(cut), total


def _maximum(
    values: UnitValues, group: LeafGroup, params: torch.Tensor, name: str, v: int
) -> tuple[str, str, float]:
    state, value = best(values, group, params, v)
    symbol = density_symbol(group, name, params)
    known = f"λ({name}) · {symbol}" if v in values.soft else symbol
    return f"max over {name} of {known}, at {name} = {number(state)}", number(value), value


def best(values: UnitValues, group: LeafGroup, params: torch.Tensor, v: int) -> tuple[float, float]:
    """The likeliest value of a missing variable at a leaf, and p(value) lambda(value)."""
    soft = values.soft.get(v)
    if soft is None:
        mode = group.family.mode(params)
        return float(mode), math.exp(float(group.family.log_prob(mode.double(), params)))
    chances = group.family.probabilities(params).reshape(-1).numpy()
    masses = chances * soft[: len(chances)]
    state = int(masses.argmax())
    return float(state), float(masses[state])


def parameters(values: UnitValues, group: LeafGroup, unit: Unit, place: int) -> torch.Tensor:
    """The parameters of one unit and variable, float64."""
    stored = values.circuit.params[group.parameter].detach().cpu().double()
    return stored[place, unit.index]


_LETTERS: Mapping[str, str] = {
    "gaussian": "N",
    "bernoulli": "B",
    "binomial": "Bin",
    "poisson": "Poi",
    "categorical": "P",
}


def density_symbol(group: LeafGroup, name: str, params: torch.Tensor) -> str:
    """`[X1 = 1]`, `P(X1; 0.6)`, `N(X; 0, 1)`."""
    family = group.family.name
    numbers = [number(float(p)) for p in params.reshape(-1)[:3]]
    if family == "indicator":
        return f"[{name} = {numbers[0]}]"
    short = _LETTERS.get(family, family)
    if family == "categorical" or len(params.reshape(-1)) > 3:
        return f"{short}({name})"
    return f"{short}({name}; {', '.join(numbers)})"
