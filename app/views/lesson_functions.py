"""The functions that lesson texts may call (see `lesson_terms`): each takes the subject first."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from pc_workbench.views.lesson_subject import (
    Given,
    Subject,
    as_text,
    complete_states,
    states_of,
)
from pccore import oracle
from pccore.check import check
from pccore.errors import NotFoundError, OptionError
from pccore.graph import Circuit
from pccore.queries import mpe, posterior_mean
from pccore.structures import figures

#: What an expression can be.
Value = float | int | bool | str | tuple["Value", ...]


def _given(subject: Subject, texts: Sequence[Value], named: Mapping[str, Value]) -> Given:
    """The evidence of a call: texts and names, else what is observed."""
    if not texts and not named:
        return subject.given
    found: dict[str, float] = {}
    for text in texts:
        if not isinstance(text, str):
            raise OptionError(f"{text!r} is no evidence")
        found.update(subject.evidence(text))
    for name, value in named.items():
        subject.circuit.variable_index(name)
        found[name] = float(value)  # pyright: ignore[reportArgumentType]
    return found


def _s(subject: Subject, *texts: Value, **named: Value) -> float:
    return subject.value(_given(subject, texts, named))


def _z(subject: Subject) -> float:
    return subject.partition()


def _p(subject: Subject, text: str = "", /, **named: Value) -> float:
    """`P(X1=1)`, `P("X1=1 | X2=0")`: always relative to nothing or to what is behind the bar."""
    target, _, given = text.partition("|")
    asked = _given(subject, [target] if target.strip() else [], named)
    return subject.probability(asked, subject.evidence(given))


def _measure(subject: Subject, *texts: Value, **named: Value) -> float:
    return subject.measure(_given(subject, texts, named))


def _truth(subject: Subject, *texts: Value, **named: Value) -> float:
    """Phi(e) / Phi(): the probability by enumeration."""
    return subject.measure(_given(subject, texts, named)) / subject.measure({})


def _value(subject: Subject, unit: str, *texts: Value, **named: Value) -> float:
    return subject.values(_given(subject, texts, named)).value_of(subject.unit(unit))


def _derivative(subject: Subject, unit: str, *texts: Value, **named: Value) -> float:
    return subject.values(_given(subject, texts, named)).derivative_of(subject.unit(unit))


def _flow(subject: Subject, unit: str, *texts: Value, **named: Value) -> float:
    return subject.values(_given(subject, texts, named)).flow_of(subject.unit(unit))


def _edge_flow(subject: Subject, parent: str, child: str, *texts: Value, **named: Value) -> float:
    unit = subject.unit(parent)
    flows = subject.values(_given(subject, texts, named)).edge_flows(unit)
    return float(flows[subject.child_number(unit, child)])


def _weight(subject: Subject, parent: str, child: str) -> float:
    unit = subject.unit(parent)
    return float(subject.weights(unit)[subject.child_number(unit, child)])


def _weight_sum(subject: Subject, parent: str) -> float:
    return float(subject.weights(subject.unit(parent)).sum())


def _largest(subject: Subject, unit: str, *texts: Value, **named: Value) -> float:
    """The max-product value of a unit."""
    at = subject.unit(unit)
    maxima = subject.log_maxima(_given(subject, texts, named))
    return math.exp(float(maxima[at.group][at.index]))


def _term(subject: Subject, parent: str, child: str, *texts: Value, **named: Value) -> float:
    """w times the max-product value of the child."""
    unit = subject.unit(parent)
    terms = subject.max_terms(unit, _given(subject, texts, named))
    return float(terms[subject.child_number(unit, child)])


def _winner(subject: Subject, parent: str, *texts: Value, **named: Value) -> str:
    unit = subject.unit(parent)
    number = subject.winner(unit, _given(subject, texts, named))
    return subject.name(subject.children(unit)[number])


def _tree(subject: Subject, *texts: Value, **named: Value) -> tuple[str, ...]:
    tree = subject.mpe_tree(_given(subject, texts, named))
    return tuple(subject.name(unit) for unit in tree)


def _found_state(subject: Subject, *texts: Value, **named: Value) -> str:
    """The complete state at which max-product arrives."""
    given = _given(subject, texts, named)
    row = mpe(subject.program, dict(given)).assignment[0].tolist()
    return as_text(dict(zip(subject.circuit.variables, row, strict=True)))


def _found_value(subject: Subject, *texts: Value, **named: Value) -> float:
    """S(x) of the complete state at which max-product arrives."""
    row = mpe(subject.program, dict(_given(subject, texts, named))).assignment[0].tolist()
    return subject.value(dict(zip(subject.circuit.variables, row, strict=True)))


def _best_state(subject: Subject, *texts: Value, **named: Value) -> str:
    """A most probable complete state, by enumeration."""
    row, _ = oracle.mpe(subject.circuit, dict(_given(subject, texts, named)))
    return as_text(dict(zip(subject.circuit.variables, row.tolist(), strict=True)))


def _best_value(subject: Subject, *texts: Value, **named: Value) -> float:
    return math.exp(oracle.mpe(subject.circuit, dict(_given(subject, texts, named)))[1])


def _rolled(subject: Subject, parent: str, die: float, *texts: Value, **named: Value) -> str:
    """The child that a die in [0, 1) chooses at a sum under the evidence."""
    unit = subject.unit(parent)
    shares = subject.values(_given(subject, texts, named)).edge_flows(unit)
    return subject.name(subject.children(unit)[roll(shares.tolist(), die)])


def roll(shares: Sequence[float], die: float) -> int:
    """The number of the part of the unit interval, cut in these proportions, that a die hits."""
    total, reached = sum(shares), 0.0
    for number, share in enumerate(shares):
        reached += share
        if die * total < reached:
            return number
    return max(number for number, share in enumerate(shares) if share > 0)


def _holds(subject: Subject, name: str) -> str:
    return subject.report.properties[name]


def _offenders(subject: Subject, name: str) -> tuple[str, ...]:
    """The units at which a property fails."""
    return tuple(dict.fromkeys(subject.name(w.unit) for w in subject.report.of(name)))


def _scope(subject: Subject, unit: str) -> str:
    return "{" + ", ".join(subject.scope(subject.unit(unit))) + "}"


def _missing(subject: Subject, parent: str, child: str) -> tuple[str, ...]:
    return subject.missing(subject.unit(parent)).get(child, ())


def _shared(subject: Subject, unit: str) -> tuple[str, ...]:
    return subject.shared(subject.unit(unit))


def _children(subject: Subject, unit: str) -> tuple[str, ...]:
    return tuple(subject.name(child) for child in subject.children(subject.unit(unit)))


def _parents(subject: Subject, unit: str) -> tuple[str, ...]:
    at = subject.unit(unit)
    units = [*subject.of_kind("sum"), *subject.of_kind("product")]
    return tuple(subject.name(one) for one in units if at in subject.children(one))


def _kind(subject: Subject, unit: str) -> str:
    return subject.circuit.groups[subject.unit(unit).group].kind


def _scopes_below(subject: Subject, unit: str) -> str:
    """A sentence with the scopes of a unit's children."""
    at = subject.unit(unit)
    children = subject.children(at)
    if not children:
        return f"{unit} is a leaf and has no children."
    scopes = [f"{subject.shown(c)} over {_scope(subject, subject.name(c))}" for c in children]
    return f"The children of {unit} are {'; '.join(scopes)}."


def _trees(subject: Subject) -> int:
    return subject.induced_trees()


def _total_flow(subject: Subject, parent: str, child: str) -> float:
    unit = subject.unit(parent)
    return float(subject.total_flows(unit)[subject.child_number(unit, child)])


def _log_likelihood(subject: Subject) -> float:
    return subject.log_likelihood()


def _rows(subject: Subject) -> int:
    return len(subject.data)


def _row(subject: Subject, number: int) -> str:
    """A row of the data as evidence, counted from 1."""
    row = subject.data[number - 1].tolist()
    return ",".join(f"{n}={v:g}" for n, v in zip(subject.circuit.variables, row, strict=True))


def _observed(subject: Subject) -> str:
    return as_text(subject.given)


def _observed_names(subject: Subject) -> tuple[str, ...]:
    return tuple(subject.given)


def _count(subject: Subject, what: str) -> int:
    return _size(subject.circuit, what)


def _size(circuit: Circuit, what: str) -> int:
    kinds = [group.kind for group in circuit.groups for _ in range(group.size)]
    sizes: Mapping[str, Callable[[], int]] = {
        "units": lambda: circuit.num_units,
        "edges": lambda: circuit.num_edges,
        "sums": lambda: kinds.count("sum"),
        "products": lambda: kinds.count("product"),
        "leaves": lambda: kinds.count("leaf"),
        "variables": lambda: len(circuit.variables),
        "depth": lambda: circuit.depth,
    }
    if what not in sizes:
        raise NotFoundError(f"there is no size {what!r}; known are {', '.join(sizes)}")
    return sizes[what]()


def _parity(subject: Subject, n: int, what: str) -> int:
    """A size of the deep circuit of figure 3."""
    return _figure_size("parity", n, what)


def _mixture(subject: Subject, n: int, what: str) -> int:
    """A size of the flat mixture of figure 3."""
    return _figure_size("mixture", n, what)


@functools.lru_cache(maxsize=256)
def _figure_size(figure: str, n: int, what: str) -> int:
    """Remembered: tables ask for many of them, and the mixtures are large."""
    make = figures.figure3_parity if figure == "parity" else figures.figure3_mixture
    return _size(make(n), what)


def _posterior(subject: Subject, *texts: Value, **named: Value) -> float:
    """P(target | what is observed)."""
    return subject.probability(_given(subject, texts, named), subject.given)


def _mean(subject: Subject, variable: str, *texts: Value, **named: Value) -> float:
    """The posterior mean of a variable."""
    given = _given(subject, texts, named)
    row = posterior_mean(subject.program, dict(given))[0]
    return float(row[subject.circuit.variable_index(variable)])


def _parameter(subject: Subject, leaf: str, number: int) -> float:
    """A parameter of a leaf, such as the mean (0) and the variance (1) of a Gaussian."""
    group = subject.circuit.groups[subject.unit(leaf).group]
    assert group.kind == "leaf"
    return float(subject.circuit.params[group.parameter].flatten()[number])


def _states(subject: Subject) -> tuple[str, ...]:
    """The complete states, as evidence."""
    states = complete_states(subject.circuit)
    if states is None:
        raise OptionError("there are too many states")
    names = subject.circuit.variables
    return tuple(
        ", ".join(f"{n}={v:g}" for n, v in zip(names, row, strict=True) if not math.isnan(v))
        for row in states.tolist()
    )


def _wrong_evidences(subject: Subject) -> int:
    """For how much evidence S(e) differs from the sum of S(x) over the states that agree."""
    names = subject.circuit.variables
    choices = [(None, *range(states_of(subject.circuit, v) or 1)) for v in range(len(names))]
    if math.prod(map(len, choices)) > 729:
        raise OptionError("there is too much evidence to try")
    wrong = 0
    for values in itertools.product(*choices):
        given = {n: float(v) for n, v in zip(names, values, strict=True) if v is not None}
        wrong += abs(subject.value(given) - subject.measure(given)) > 1e-9
    return wrong


def _likeliest(subject: Subject, parent: str, *texts: Value, **named: Value) -> str:
    """The child of a sum with the largest share of its value."""
    unit = subject.unit(parent)
    flows = subject.values(_given(subject, texts, named)).edge_flows(unit)
    return subject.name(subject.children(unit)[int(flows.argmax())])


def _after_em(subject: Subject, parent: str, updates: int) -> float:
    """The log-likelihood of the data after so many EM updates of the weights of one sum."""
    for _ in range(updates):
        subject = subject.em_update(subject.unit(parent))
    return subject.log_likelihood()


def _valid(subject: Subject) -> bool:
    return check(subject.circuit, ("smooth", "consistent", "weights")).valid


#: By the name under which an expression calls them.
FUNCTIONS: Mapping[str, Callable[..., Value]] = MappingProxyType(
    {
        "S": _s,
        "Z": _z,
        "P": _p,
        "Phi": _measure,
        "truth": _truth,
        "value": _value,
        "derivative": _derivative,
        "flow": _flow,
        "edge_flow": _edge_flow,
        "weight": _weight,
        "weight_sum": _weight_sum,
        "largest": _largest,
        "term": _term,
        "winner": _winner,
        "tree": _tree,
        "found_state": _found_state,
        "found_value": _found_value,
        "best_state": _best_state,
        "best_value": _best_value,
        "rolled": _rolled,
        "holds": _holds,
        "offenders": _offenders,
        "scope": _scope,
        "missing": _missing,
        "shared": _shared,
        "children": _children,
        "parents": _parents,
        "kind": _kind,
        "scopes_below": _scopes_below,
        "induced_trees": _trees,
        "total_flow": _total_flow,
        "log_likelihood": _log_likelihood,
        "rows": _rows,
        "row": _row,
        "observed": _observed,
        "observed_names": _observed_names,
        "count": _count,
        "parity": _parity,
        "mixture": _mixture,
        "valid": _valid,
        "posterior": _posterior,
        "mean": _mean,
        "parameter": _parameter,
        "states": _states,
        "wrong_evidences": _wrong_evidences,
        "likeliest": _likeliest,
        "after_em": _after_em,
    }
)
