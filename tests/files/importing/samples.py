"""Small circuits of other programs, written by hand, with what they mean."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pccore.files import Companion, Limits, load_bytes
from pccore.graph import Circuit
from pccore.queries.likelihood import log_value

LOG = math.log


@dataclass(frozen=True)
class Sample:
    """A file, its companions, the states of its variables and the value of each joint state."""

    name: str
    text: str
    states: tuple[int, ...]
    value: Callable[..., float]
    companions: tuple[Companion, ...] = ()
    promises: tuple[str, ...] = ("smooth", "decomposable")

    def load(self, text: str | bytes | None = None, limits: Limits | None = None) -> Circuit:
        """The circuit of the file, or of another text under its name."""
        data = self.text if text is None else text
        data = data.encode() if isinstance(data, str) else data
        return load_bytes(data, self.name, limits or Limits(), self.companions)


VTREE = """c a comment
vtree 5
L 0 1
L 2 2
L 4 3
I 3 2 4
I 1 0 3
"""

_PSDD = f"""c psdd nodes, a wrong count in the header
psdd 99
L 10 0 1
L 11 0 -1
T 20 2 2 {LOG(0.3)!r}
T 30 4 3 {LOG(0.8)!r}
T 31 4 3 {LOG(0.1)!r}
L 21 2 -2
D 40 3 1 20 30 0.0
D 41 3 2 20 31 {LOG(0.25)!r} 21 30 {LOG(0.75)!r}
D 7 1 2 10 40 {LOG(0.6)!r} 11 41 {LOG(0.4)!r}"""


def _psdd_value(a: int, b: int, c: int) -> float:
    b3, c8, c1 = (0.3, 0.7)[1 - b], (0.2, 0.8)[c], (0.9, 0.1)[c]
    return 0.6 * b3 * c8 if a else 0.4 * (0.25 * b3 * c1 + 0.75 * (1 - b) * c8)


# x1 decides: x2 and x3 where it is true, not x3 otherwise (x2 is free); x4 occurs nowhere.
_NNF = """nnf 8 7 4
L 1
L 2
L 3
L -1
L -3
A 4 0 1 2 1
A 2 3 4
O 1 2 5 6
"""
_D4 = """2 4 2 3 0
o 1 0
1 2 1 0
1 3 -1 -3 0
a 2 0
t 3 0
t 4 0
"""
_CNF = Companion("m.cnf", b"c a comment\np cnf 4 1\n1 2 3 4 0\n%\n0\n")


def _models(a: int, b: int, c: int, d: int) -> float:
    return float(bool(a and b and c) or bool(not a and not c))


# (x1 and x2) or (not x1 and x3): the subs are literals far below their side of the vtree.
_SDD = """sdd 7
L 1 0 1
L 2 0 -1
L 3 2 2
L 4 4 3
T 5
F 6
D 0 1 3 1 3 2 4 5 6
"""
_SDD_VTREE = Companion("m.vtree", VTREE.encode())

_AC = f"""(2 3)
v 0 0
v 0 1
v 1 0
v 1 1
v 1 2
n {LOG(0.25)!r}
n {LOG(0.5)!r}
* 5 2
* 6 3
* 5 4
+ 7 8 9
+ 2 3 4
* 0 10
* 1 11 6
+ 12 13
EOF
"""


def _ac_value(x: int, y: int) -> float:
    return (0.25, 0.5, 0.25)[y] if x == 0 else 0.5


_SPN = f"""(2 2)
v 0 0
v 0 1
v 1 0
v 1 1
+ 2 {LOG(0.3)!r} 3 {LOG(0.7)!r}
* 0 4
* 1 3
+ 5 {LOG(0.9)!r} 6 {LOG(0.1)!r}
EOF
"""


def _spn_value(x: int, y: int) -> float:
    return 0.9 * (0.3, 0.7)[y] if x == 0 else 0.1 * y


_JPC = f"""jpc 9
L 0 0 -1
L 1 0 1
C 2 0 2 {LOG(0.5)!r} {LOG(0.25)!r} {LOG(0.25)!r}
I 3 0 2 2
B 4 0 3 2 {LOG(0.5)!r}
P 5 0 3 0 2 4
P 6 0 3 1 3 4
S 7 0 2 5 {LOG(0.4)!r} 6 {LOG(0.6)!r}
"""


def _jpc_value(x: int, y: int, z: int) -> float:
    return (0.4 * (0.5, 0.25, 0.25)[y] if x == 0 else 0.6 * (y == 2)) * (0.25, 0.5, 0.25)[z]


_UAI = """MARKOV
3
2 3 2
4
2 0 1
1 2
2 2 1
0

6
1 2 3
4 5 6
2
 0.5 0
6 1 1 0
 2 2 1

1
0.5
"""


def _uai_value(a: int, b: int, c: int) -> float:
    return (1 + 3 * a + b) * (0.5, 0)[c] * ((1, 1, 0), (2, 2, 1))[c][b] * 0.5


_BIF = """network "a net" { property version 1.0; }
/* a comment
   of two lines */
variable rain { type discrete [ 2 ] { yes, no }; property position = (1, 2); }
variable "wet grass" { type discrete[3] { low, mid, high }; }
variable tap { type discrete [ 2 ] { on, off }; } // the end
probability ( rain ) { table 0.2, 0.8; }
probability ( tap | rain ) { table 0.01, 0.4, 0.99, 0.6; }
probability ( "wet grass" | rain, tap ) {
  (yes, on) 0.1, 0.2, 0.7;
  (yes, off) .3 .3 .4;
  default 0.5, 0.25, 0.25;
}
"""


def _bif_value(rain: int, wet: int, tap: int) -> float:
    rows = {(0, 0): (0.1, 0.2, 0.7), (0, 1): (0.3, 0.3, 0.4)}
    grass = rows.get((rain, tap), (0.5, 0.25, 0.25))[wet]
    return (0.2, 0.8)[rain] * ((0.01, 0.99), (0.4, 0.6))[rain][tap] * grass


_SPFLOW = (
    "(0.25*((Bernoulli(V0|p=0.3) * Categorical(V2|p=[0.5, 0.5]))) + "
    "0.75*((Bernoulli(V0|p=0.9) * Histogram(V2|[0.,1.,2.];[0.1,0.9];[0.5,1.5]))))\n"
)


def _spflow_value(x: int, _: int, z: int) -> float:
    return 0.25 * (0.7, 0.3)[x] * 0.5 + 0.75 * (0.1, 0.9)[x] * (0.1, 0.9)[z]


# Leaf 1 is over all variables and not normalised; 3 and 4 list theirs in another order.
_SPAC = f"""spac
6
n 0 + -1
1 2
{LOG(0.25)!r} {LOG(0.75)!r}
0 1 2
n 1 ac 0
0 1 2
n 2 * 0
4 3
2 1 0
n 3 ac 2
2 0
n 4 ac 2
1
n 5 null 4
"""
_SPAC_LEAVES = (
    Companion("spac-1.ac", b"(2 2 2)\nv 0 0\nv 0 1\nv 1 1\nv 1 0\nv 2 0\nv 2 1\nn 3\nn 1.5\n"
              b"+ 0 1\n+ 2 3\n+ 4 5\n* 0 6\n* 1 7\n+ 11 12\n* 13 9 10\nEOF\n\n6 3 +v0_0\nEOF\n"),
    Companion("spac-3.ac", b"(2 2)\nv 0 0\nv 0 1\nv 1 0\nv 1 1\nn 0.25\nn 0.75\n* 0 2 4\n"
              b"* 1 3 5\n+ 6 7\nEOF\n"),
    Companion("spac-4.ac", b"(2)\nv 0 1\nn 7\n* 0 1\nEOF\n"),
)  # fmt: skip


def _spac_value(a: int, b: int, c: int) -> float:
    """Leaf 1: 3 or 1.5 by the first variable, of 18 in all; leaf 3: a = c; leaf 4: b = 1."""
    one = (3, 1.5)[a] / (4 * 4.5)
    two = b * (0.25, 0.75)[a] if a == c else 0
    return 0.25 * one + 0.75 * two


# One output; a parameter that needs several sums to be passed on.
_LOGISTIC = """c a comment
Logisitic Circuit
T 0 0 1 0.5
T 2 2 2 -100.25
F 1 0 1 -0.25
F 3 2 2 0.75
D 4 1 2 (0 2 1.5) (1 3 -2.0)
D 5 1 3 (0 2 0.5) (0 3 0.25) (1 3 -1.0)
B 0.125
"""


def _logistic_value(a: int, b: int) -> float:
    wires = {(1, 1): 0.5, (1, 0): 0.25, (0, 0): -1.0}
    if (a, b) not in wires:
        return 0.0
    return math.exp((0.5 if a else -0.25) + (-100.25 if b else 0.75) + wires[a, b] + 0.125)


_LOGIC = ("smooth", "decomposable", "deterministic")

SAMPLES: Mapping[str, Sample] = {
    "psdd": Sample(
        "m.psdd", _PSDD, (2, 2, 2), _psdd_value, promises=(*_LOGIC[:2], "structured_decomposable")
    ),
    "c2d": Sample("m.nnf", _NNF, (2, 2, 2, 2), _models, promises=_LOGIC),
    "d4": Sample("m.nnf", _D4, (2, 2, 2, 2), _models, (_CNF,), _LOGIC),
    "sdd": Sample(
        "m.sdd",
        _SDD,
        (2, 2, 2),
        lambda a, b, c: float(bool(b if a else c)),
        (_SDD_VTREE,),
        (*_LOGIC, "structured_decomposable"),
    ),
    "ac": Sample("m.ac", _AC, (2, 3), _ac_value, promises=_LOGIC),
    "spn": Sample("m.spn", _SPN, (2, 2), _spn_value, promises=_LOGIC[:2]),
    "jpc": Sample("m.jpc", _JPC, (2, 3, 3), _jpc_value),
    "uai": Sample("m.uai", _UAI, (2, 3, 2), _uai_value, promises=_LOGIC),
    "bif": Sample("m.bif", _BIF, (2, 3, 2), _bif_value, promises=_LOGIC),
    "logistic": Sample("m.circuit", _LOGISTIC, (2, 2), _logistic_value, promises=_LOGIC),
    "libra-spn": Sample("spac.m", _SPAC, (2, 2, 2), _spac_value, _SPAC_LEAVES),
    "spflow": Sample("m.spflow", _SPFLOW, (2, 2, 2), _spflow_value),
}


def values(circuit: Circuit, rows: Sequence[Sequence[float]] | Tensor) -> Tensor:
    """S(row) of each row, NaN for missing values."""
    return log_value(circuit, torch.as_tensor(rows, dtype=torch.float64)).exp()


def joint_states(states: Sequence[int]) -> list[tuple[int, ...]]:
    """Every joint state."""
    return list(itertools.product(*(range(count) for count in states)))
