"""Equations of SPFlow 0.x (`spn_to_str_equation`), such as

    (0.4*((Gaussian(V0|mean=0;stdev=1) * Bernoulli(V1|p=0.3))) + 0.6*(...))

Names V0, V1 ... are columns; other names are columns in the order of their first appearance.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from types import MappingProxyType
from typing import BinaryIO

from pccore.errors import FileError
from pccore.files import checks
from pccore.files.base import Limits, Source
from pccore.files.importing.assemble import assemble
from pccore.files.importing.formats import reading
from pccore.files.importing.lines import log_weight
from pccore.files.importing.nodes import LEAF, PRODUCT, Nodes
from pccore.files.importing.unroll import unrolled
from pccore.graph import Circuit
from pccore.leaves.base import LeafFamily
from pccore.leaves.bernoulli import Bernoulli
from pccore.leaves.categorical import Categorical
from pccore.leaves.gaussian import Gaussian
from pccore.leaves.indicator import Indicator
from pccore.leaves.poisson import Poisson

_PLAIN = r"(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"
_NUMBER = "[-+]?" + _PLAIN
_TOKEN = re.compile(
    r"\s*(?:(?P<leaf>[A-Za-z]\w{0,40})\(\s*+(?P<name>[^|]{1,200}?)\s*+\|(?P<rest>[^()]*)\)"
    rf"|(?P<number>{_PLAIN})|(?P<mark>[()*+]))\s*",
    re.ASCII,
)
_VALUE = re.compile(
    rf"\s*(?:(?P<key>\w+)\s*=)?\s*"
    rf"(?:\[(?P<list>[^\[\]]*)\]|\{{(?P<dict>[^{{}}]*)\}}|(?P<one>{_NUMBER}))\s*",
    re.ASCII,
)
#: How numpy 2 writes a number of a list.
_NUMPY = re.compile(r"\bnp\.(?:float|int)[0-9]{1,3}\(([-+0-9.eE]{1,40})\)", re.ASCII)

_DEEPEST = 200_000

_Made = tuple[LeafFamily, tuple[float, ...]]


def _gaussian(values: Mapping[str, list[float]]) -> _Made:
    (mean,), (deviation,) = values["mean"], values["stdev"]
    if not 0 < deviation < 1e150:
        raise FileError(f"the standard deviation {deviation:g} is not positive and finite")
    return Gaussian(), (mean, deviation * deviation)


def _bernoulli(values: Mapping[str, list[float]]) -> _Made:
    (p,) = values["p"]
    if not 0 <= p <= 1:
        raise FileError(f"p = {p:g} is not a probability")
    return Bernoulli(), (p,)


def _poisson(values: Mapping[str, list[float]]) -> _Made:
    (mean,) = values["mean"]
    if not 0 <= mean < math.inf:
        raise FileError(f"the mean {mean:g} of a Poisson leaf is not a number >= 0")
    return Poisson(), (mean,)


def _categorical(values: Mapping[str, list[float]]) -> _Made:
    return _distribution(values["p"])


def _histogram(values: Mapping[str, list[float]]) -> _Made:
    """Whole breaks: the states from breaks[i] to below breaks[i + 1] have densities[i] each."""
    breaks, densities = values["0"], values["1"]
    if len(breaks) != len(densities) + 1 or any(b != int(b) for b in breaks):
        raise FileError("a histogram needs whole breaks, one more than densities")
    if breaks[0] < 0 or breaks[-1] > 2**20 or any(a >= b for a, b in pairwise(breaks)):
        raise FileError("the breaks of a histogram must rise from 0 or more")
    states = [0.0] * int(breaks[0])
    for low, high, density in zip(breaks[:-1], breaks[1:], densities, strict=True):
        states += [density] * int(high - low)
    return _distribution(states)


def _distribution(p: list[float]) -> _Made:
    total = math.fsum(p)
    if not p or min(p) < 0 or abs(total - 1) > 1e-2:
        raise FileError(f"the probabilities add up to {total:g}, not to 1")
    # Printed with few digits they may miss 1 by a little.
    return Categorical(len(p)), tuple(value / total for value in p)


_LEAVES: Mapping[str, Callable[[Mapping[str, list[float]]], _Made]] = MappingProxyType(
    {
        "Gaussian": _gaussian,
        "Bernoulli": _bernoulli,
        "Poisson": _poisson,
        "Categorical": _categorical,
        "CategoricalDictionary": _categorical,
        "Histogram": _histogram,
    }
)


@dataclass(slots=True)
class _Frame:
    """What is open: factors of a product, or terms of a sum; `weight` awaits its term."""

    factors: list[int] = field(default_factory=list[int])
    terms: list[tuple[float, int]] = field(default_factory=list[tuple[float, int]])
    weight: float | None = None


class _Parser:
    """Reads tokens without recursion: equations may be nested thousands deep."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.nodes = Nodes(limits)
        self.names: dict[str, int] = {}
        self.stack = [_Frame()]
        self.operand = True  # whether a node or a weight may come next

    def leaf(self, family: str, name: str, rest: str) -> None:
        """A leaf as an operand."""
        make = _LEAVES.get(family)
        if make is None:
            raise FileError(
                f"the leaf {family} is not supported", hint=f"supported are {', '.join(_LEAVES)}"
            )
        try:
            made, values = make(_values(rest))
        except FileError:
            raise
        except (KeyError, ValueError):
            raise FileError(f"the parameters of the leaf {family} are not complete") from None
        checks.name(name, "the variable name", self.limits)
        column = self.names.setdefault(name, len(self.names))
        self.deliver(self.nodes.add_leaf(made, column, values))

    def number(self, text: str) -> None:
        """The weight of a term."""
        top = self.stack[-1]
        if not self.operand or top.factors or top.weight is not None:
            raise FileError("a weight is not expected here")
        top.weight = log_weight(float(text))
        self.operand = False

    def mark(self, mark: str) -> None:
        """A bracket or an operator."""
        top = self.stack[-1]
        if mark == "(":
            if not self.operand:
                raise FileError("an operator is expected before '('")
            if len(self.stack) > _DEEPEST:
                raise FileError(f"brackets are nested more than {_DEEPEST} deep")
            self.stack.append(_Frame())
        elif mark == ")":
            if self.operand or top.weight is not None or len(self.stack) < 2:
                raise FileError("')' is not expected here")
            self.stack.pop()
            self.operand = True
            self.deliver(self._close(top))
        else:
            fits = bool(top.terms) if mark == "+" else bool(top.factors) or top.weight is not None
            if self.operand or not fits:
                raise FileError(f"{mark!r} is not expected here")
            self.operand = True

    def deliver(self, node: int) -> None:
        """A finished node becomes a factor or a term of what is open."""
        top = self.stack[-1]
        if not self.operand or (top.terms and top.weight is None):
            raise FileError("a node is not expected here")
        if top.weight is None:
            top.factors.append(node)
        else:
            top.terms.append((top.weight, node))
            top.weight = None
        self.operand = False

    def _close(self, frame: _Frame) -> int:
        if frame.terms:
            return self.nodes.add_sum([n for _, n in frame.terms], [w for w, _ in frame.terms])
        if len(frame.factors) == 1:
            return frame.factors[0]
        return self.nodes.add_product(frame.factors)

    def finish(self) -> int:
        """The root."""
        top = self.stack[-1]
        if len(self.stack) > 1 or self.operand or top.weight is not None:
            raise FileError("the equation ends too early")
        return self._close(top)


def _values(rest: str) -> dict[str, list[float]]:
    """`key=number`, `key=[numbers]` or `key={state: number}`, with semicolons between; without a
    key its position."""
    found: dict[str, list[float]] = {}
    for position, part in enumerate(rest.split(";")):
        match = _VALUE.fullmatch(part)
        if match is None:
            raise FileError(f"a parameter is key=value, not {checks.shown(part.strip())}")
        if match["one"] is not None:
            values = [float(match["one"])]
        elif match["dict"] is not None:
            values = _by_state(match["dict"])
        else:
            values = [float(word) for word in match["list"].replace(",", " ").split()]
        if not all(map(math.isfinite, values)):
            raise FileError("a parameter is not finite")
        found[match["key"] or str(position)] = values
    return found


def _by_state(pairs: str) -> list[float]:
    """`state: probability` with commas between; states that are missing have none."""
    found: dict[int, float] = {}
    for pair in pairs.split(","):
        state, _, value = pair.partition(":")
        found[int(state)] = float(value)
    if min(found) < 0 or max(found) >= 2**20:
        raise FileError(f"the states of a leaf are numbers from 0 to {2**20 - 1}")
    return [found.get(state, 0.0) for state in range(max(found) + 1)]


def load(source: Source) -> Circuit:
    """The circuit of an equation. Raises FileError with line and column."""
    if source.size > source.limits.max_json_bytes:
        raise FileError(
            f"{source.size} bytes are too many for an equation",
            hint=source.limits.way_out("max_json_bytes"),
        )
    try:
        text = source.stream.read(source.size).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FileError(f"the text is not UTF-8 at byte {error.start}") from None
    text = _NUMPY.sub(r"\1", text)
    parser, at = _Parser(source.limits), len(text) - len(text.lstrip())
    end = len(text.rstrip())
    while at < end:
        match = _TOKEN.match(text, at)
        try:
            if match is None:
                raise FileError(f"{checks.shown(text[at : at + 20])} is not expected here")
            if match["leaf"] is not None:
                parser.leaf(match["leaf"], match["name"], match["rest"])
            elif match["number"] is not None:
                parser.number(match["number"])
            else:
                parser.mark(match["mark"])
        except FileError as error:
            line = text.count("\n", 0, at) + 1
            where = f"line {line}, column {at - text.rfind(chr(10), 0, at)}"
            raise FileError(error.message, where=where, hint=error.hint) from None
        at = match.end()
    root = parser.finish()
    return _named(parser, root)


def _named(parser: _Parser, root: int) -> Circuit:
    names, nodes = list(parser.names), parser.nodes
    numbered = [re.fullmatch(r"V(0|[1-9][0-9]{0,6})", name, re.ASCII) for name in names]
    if all(numbered):
        columns = [int(match[1]) for match in numbered if match]
        if max(columns) >= parser.limits.max_variables:
            raise FileError(
                f"variables must be below V{parser.limits.max_variables}",
                hint=parser.limits.way_out("max_variables"),
            )
        for leaf, column in enumerate(nodes.leaf_variable):
            nodes.leaf_variable[leaf] = columns[column]
        names = [f"V{v}" for v in range(max(columns) + 1)]
    return assemble(nodes, root, names, {})


def recognises(start: bytes) -> bool:
    """Whether the text starts with a leaf of SPFlow, perhaps after brackets and weights."""
    leaves = "|".join(_LEAVES)
    pattern = rf"[\s(*0-9.eE+-]*(?:{leaves})\([^|]{{1,200}}\|".encode()
    return re.match(pattern, start) is not None


#: Characters of an equation: shared nodes are written out at each use.
_LONGEST = 50_000_000


def save(circuit: Circuit, stream: BinaryIO) -> None:
    """Write the equation, columns as V0, V1 ...; raises FileError for several roots, leaves
    without a counterpart and equations that sharing makes too long."""
    nodes = unrolled(circuit)
    pieces: list[list[str | int]] = []
    lengths: list[int] = []
    for node, kind in enumerate(nodes.kinds):
        edges = slice(nodes.offsets[node], nodes.offsets[node + 1])
        children = nodes.children[edges]
        parts: list[str | int]
        if kind == LEAF:
            parts = [_leaf(nodes, nodes.leaf[node])]
        elif kind == PRODUCT:
            parts = ["(", *(x for child in children for x in (child, " * "))]
            parts[-1] = ")"
        else:
            pairs = zip(children, nodes.log_weights[edges], strict=True)
            parts = [x for child, w in pairs for x in (f" + {math.exp(w)!r}*(", child, ")")]
            parts[0] = "(" + str(parts[0])[3:]
            parts.append(")")
        pieces.append(parts)
        lengths.append(sum(len(x) if isinstance(x, str) else lengths[x] for x in parts))
        if lengths[-1] > _LONGEST:
            raise FileError(f"the format cannot hold so much sharing: {_LONGEST} characters")
    waiting: list[str | int] = [len(nodes) - 1]
    while waiting:
        piece = waiting.pop()
        if isinstance(piece, str):
            stream.write(piece.encode())
        else:
            waiting += reversed(pieces[piece])
    stream.write(b"\n")


def _leaf(nodes: Nodes, leaf: int) -> str:
    family, values = nodes.families[nodes.leaf_family[leaf]], nodes.leaf_values[leaf]
    name = f"V{nodes.leaf_variable[leaf]}"
    if isinstance(family, Gaussian):
        return f"Gaussian({name}|mean={values[0]!r};stdev={math.sqrt(values[1])!r})"
    if isinstance(family, Bernoulli):
        return f"Bernoulli({name}|p={values[0]!r})"
    if isinstance(family, Poisson):
        return f"Poisson({name}|mean={values[0]!r})"
    if isinstance(family, Categorical):
        return f"Categorical({name}|p=[{', '.join(map(repr, values))}])"
    if isinstance(family, Indicator):
        p = [float(state == int(values[0])) for state in range(family.categories)]
        return f"Categorical({name}|p=[{', '.join(map(repr, p))}])"
    raise FileError(f"the format cannot hold {family.name} leaves")


SPFLOW = reading(
    "spflow",
    "SPFlow 0.x equation",
    (".spflow", ".spflow.txt"),
    load,
    recognises,
    save=save,
    families=("gaussian", "bernoulli", "poisson", "categorical", "indicator"),
)
