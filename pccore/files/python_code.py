"""NAME.build.py: a small circuit as Python that builds it; `python_source` is the way back."""

from __future__ import annotations

import keyword
import pprint
import re
from collections.abc import Iterator
from typing import BinaryIO

from torch import Tensor

from pccore.errors import FileError, OptionError
from pccore.files import checks
from pccore.files.base import Format
from pccore.files.python_source import from_code
from pccore.files.texts import readers
from pccore.graph import Circuit, LeafGroup, Unit
from pccore.leaves import LeafFamily
from pccore.leaves.bernoulli import Bernoulli
from pccore.leaves.binomial import Binomial
from pccore.leaves.categorical import Categorical
from pccore.leaves.gaussian import Gaussian
from pccore.leaves.indicator import Indicator
from pccore.leaves.poisson import Poisson
from pccore.limits import current_limits

#: More units than this are no code that anyone reads.
MAX_UNITS = 300

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_BUILDERS = ("bernoulli", "binomial", "categorical", "gaussian", "indicator", "poisson")
_RESERVED: frozenset[str] = frozenset(
    (*_BUILDERS, "Leaf", "circuit", "mix", "model", "product", "torch")
)


def to_code(circuit: Circuit) -> str:
    """A Python module whose `model` is this circuit, built by `pccore.build`.

    Units become expressions, one a line, named as in the circuit: groups of more than one
    unit are expanded, a factorised leaf becomes a product of its leaves, and units that no
    root reaches are left out. Parameters become float64 with the same values; ties between
    them are not kept. Strings are written as literals, so nothing in a model can become code.

    Raises OptionError for more than MAX_UNITS units, ParameterError for illegal parameters,
    FileError for notes that cannot be written down.
    """
    if circuit.num_units > MAX_UNITS:
        raise OptionError(
            f"the circuit has {circuit.num_units} units, too many for code (at most {MAX_UNITS})",
            hint="export a part of it, or save it as a model",
        )
    circuit.validate_params()
    writer = _Writer(circuit)
    reachable = _reachable(circuit)
    body = [line for unit in reachable for line in writer.unit(unit)]
    roots = [writer.identifier[unit] for unit in circuit.roots]
    top = roots[0] if len(roots) == 1 else f"[{', '.join(roots)}]"
    meta = checks.plain_meta(circuit.meta, current_limits())
    notes = f",\n    meta={pprint.pformat(meta, width=90, sort_dicts=False)}" if meta else ""
    names = _call("", [_literal(name) for name in circuit.variables], "[]")
    end = f"model = circuit(\n    {top},\n    variables={names}{notes},\n)"
    return "\n".join([*writer.imports(), "", *body, "", end]) + "\n"


def save(circuit: Circuit, stream: BinaryIO) -> None:
    """Write the code; raises FileError where `to_code` raises OptionError."""
    try:
        text = to_code(circuit)
    except OptionError as error:
        raise FileError(error.message, hint=error.hint) from None
    stream.write(text.encode(errors="backslashreplace"))


class _Writer:
    """Turns units into lines and remembers which names they need."""

    def __init__(self, circuit: Circuit) -> None:
        self.circuit = circuit
        self.used = {"circuit"}
        self.families: dict[str, str] = {}
        self.names = _unit_names(circuit)
        self.identifier = _identifiers(self.names)

    def unit(self, unit: Unit) -> Iterator[str]:
        """The line that builds one unit; its children were built before."""
        group = self.circuit.groups[unit.group]
        if group.kind == "leaf":
            params = self.circuit.params[group.parameter].detach().cpu().double()
            factors = [
                self._leaf(group, params[position, unit.index], variable)
                for position, variable in enumerate(group.variables)
            ]
            if len(factors) == 1:
                text = factors[0]
            else:
                self.used.add("product")
                text = _call("product", factors)
        else:
            edges = self.circuit.children(unit)
            children = [self.identifier[edge.child] for edge in edges]
            if group.kind == "product":
                self.used.add("product")
                text = _call("product", children)
            else:
                self.used.add("mix")
                weights = [repr(edge.weight) for edge in edges]
                text = f"mix({_call('', weights, '[]')}, {_call('', children, '[]')})"
        yield f"{self.identifier[unit]} = {text}.named({_literal(self.names[unit])})"

    def imports(self) -> Iterator[str]:
        """The import statements, sorted."""
        if "torch" in self.used:
            yield "import torch"
            yield ""
        yield f"from pccore.build import {', '.join(sorted(self.used - {'torch'}))}"
        for name, module in sorted(self.families.items(), key=lambda pair: pair[1]):
            yield f"from {module} import {name}"

    def _leaf(self, group: LeafGroup, params: Tensor, variable: int) -> str:
        name = _literal(self.circuit.variables[variable])
        values = params.tolist()
        family: LeafFamily = group.family
        builder = type(family).__name__.lower()
        if family in (Bernoulli(), Poisson()):
            arguments = f"{values!r}"
        elif isinstance(family, Binomial):
            arguments = f"{family.trials}, {values!r}"
        elif isinstance(family, Categorical):
            arguments = f"{values!r}"
        elif family == Gaussian():
            arguments = f"{values[0]!r}, {values[1]!r}"
        elif isinstance(family, Indicator):
            arguments = f"{int(params)}, categories={family.categories}"
        else:
            # A family or hyperparameters that no builder offers.
            self.used |= {"Leaf", "torch"}
            self.families[type(family).__name__] = type(family).__module__
            tensor = f"torch.tensor({values!r}, dtype=torch.float64)"
            return f"Leaf({name}, {family!r}, {tensor})"
        self.used.add(builder)
        return f"{builder}({name}, {arguments})"


def _reachable(circuit: Circuit) -> list[Unit]:
    """The units below the roots, children first."""
    marked = set(circuit.roots)
    for position in range(len(circuit.groups) - 1, -1, -1):
        for index in range(circuit.groups[position].size):
            unit = Unit(position, index)
            if unit in marked:
                marked.update(edge.child for edge in circuit.children(unit))
    return sorted(marked)


def _unit_names(circuit: Circuit) -> dict[Unit, str]:
    """The names of all units, made distinct ("s[1]" can be a group's own name, too)."""
    names: dict[Unit, str] = {}
    taken = {group.name for group in circuit.groups}
    for position, group in enumerate(circuit.groups):
        for index in range(group.size):
            unit = Unit(position, index)
            name = circuit.unit_name(unit)
            if group.size > 1:
                while name in taken:
                    name += "'"
                taken.add(name)
            names[unit] = name
    return names


def _identifiers(names: dict[Unit, str]) -> dict[Unit, str]:
    """A distinct Python identifier for each unit, close to its name."""
    found: dict[Unit, str] = {}
    taken = set[str](_RESERVED)
    for unit, name in names.items():
        wish = re.sub(r"[^A-Za-z0-9_]+", "_", name).strip("_")[:40]
        if not _IDENTIFIER.fullmatch(wish) or keyword.iskeyword(wish):
            wish = f"u_{wish}".rstrip("_")
        # Families are imported under their class names; a capital is left to them.
        wish = wish[0].lower() + wish[1:]
        text, number = wish, 1
        while text in taken or keyword.iskeyword(text):
            number += 1
            text = f"{wish}_{number}"
        taken.add(text)
        found[unit] = text
    return found


def _literal(text: str) -> str:
    """`text` as a Python string, in double quotes where that needs no escapes."""
    literal = repr(text)
    return literal if "'" in text or '"' in text else f'"{literal[1:-1]}"'


def _call(function: str, arguments: list[str], brackets: str = "()") -> str:
    """`function(arguments)`, one argument a line where one line would be too long."""
    one_line = ", ".join(arguments)
    if len(one_line) <= 70:
        return f"{function}{brackets[0]}{one_line}{brackets[1]}"
    lines = "".join(f"    {argument},\n" for argument in arguments)
    return f"{function}{brackets[0]}\n{lines}{brackets[1]}"


load, meta, describe = readers("build.py", from_code)

FORMAT = Format(
    name="build.py",
    title="Python code",
    suffixes=(".build.py",),
    save=save,
    load=load,
    meta=meta,
    describe=describe,
    exact=False,
)
