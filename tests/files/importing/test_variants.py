"""The same circuits as other programs and editors write them."""

from __future__ import annotations

import gzip
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from pccore.errors import FileError
from pccore.files import Companion, Limits, load_bytes, load_model, load_together
from pccore.graph import Circuit
from tests.files.importing.samples import SAMPLES, Sample, joint_states, values

each = pytest.mark.parametrize("sample", SAMPLES.values(), ids=SAMPLES.keys())

WRITTEN: dict[str, Callable[[bytes], bytes]] = {
    "windows": lambda text: text.replace(b"\n", b"\r\n"),
    "byte order mark": lambda text: b"\xef\xbb\xbf" + text,
    "no end of line": bytes.strip,
    "blank lines": lambda text: b"\n" + text.replace(b"\n", b"  \n\n"),
    "compressed": gzip.compress,
    "joined": lambda text: gzip.compress(text[:20]) + gzip.compress(text[20:]),
}


def same(circuit: Circuit, sample: Sample) -> None:
    rows = joint_states(sample.states)
    torch.testing.assert_close(values(circuit, rows), values(sample.load(), rows))


@each
@pytest.mark.parametrize("how", WRITTEN)
def test_however_it_is_written(sample: Sample, how: str) -> None:
    data = WRITTEN[how](sample.text.encode())
    name = sample.name + (".gz" if data.startswith(b"\x1f\x8b") else "")
    beside = [Companion(c.name, WRITTEN[how](c.data)) for c in sample.companions]
    same(load_bytes(data, name, companions=beside), sample)


@each
def test_compressed_files_have_companions_and_no_telling_name(
    sample: Sample, tmp_path: Path
) -> None:
    path = tmp_path / f"{sample.name}.gz"
    path.write_bytes(gzip.compress(sample.text.encode()))
    for companion in sample.companions:
        (tmp_path / f"{companion.name}.gz").write_bytes(gzip.compress(companion.data))
    same(load_model(path), sample)
    files = [Companion(p.name, p.read_bytes()) for p in tmp_path.iterdir()]
    same(load_together(files), sample)


def test_what_unpacks_to_too_much_or_is_damaged_is_refused() -> None:
    data = gzip.compress(b"c " * 2**20)
    with pytest.raises(FileError, match="unpacked it has more than the 65536 bytes"):
        load_bytes(data, "m.psdd.gz", Limits(max_bytes=2**16))
    for damaged, message in (
        (data[:-9], "cut off"),
        (data[:10] + b"\xff" + data[11:], "damaged"),
        (gzip.compress(b""), "the file is empty"),
        (data + b"rest", "damaged"),
    ):
        with pytest.raises(FileError, match=message):
            load_bytes(damaged, "m.psdd.gz")


# -- arithmetic circuits of Libra ----------------------------------------------------------------

# Constants as they are, and the features behind the circuit.
_LIBRA = """(2 2)
n 0.3
v 0 0
* 0 1
n 7.000000e-01
v 0 1
* 3 4
+ 2 5
n 1.5
n 2
v 1 1
* 9 7
v 1 0
* 11 8
+ 10 12
* 13 6
EOF

0 0.3 +v0_0
3 0.7 +v0_1
7 1.5 +v1_1
8 2 -v1_1
EOF
"""


def test_constants_of_libra_are_no_logarithms() -> None:
    expected = [[0.3 * 2, 0.3 * 1.5], [0.7 * 2, 0.7 * 1.5]]
    rows = joint_states((2, 2))
    logs = _LIBRA
    for word, value in (("0.3", 0.3), ("7.000000e-01", 0.7), ("1.5", 1.5), ("2", 2.0)):
        logs = logs.replace(f"n {word}\n", f"n {math.log(value)!r}\n")
    for text in (_LIBRA, logs):
        got = values(load_bytes(text.encode(), "m.ac"), rows)
        assert got.tolist() == pytest.approx([expected[a][b] for a, b in rows])


def test_a_zero_is_the_logarithm_of_one_where_nothing_else_stands() -> None:
    text = b"(2)\nv 0 0\nv 0 1\nn 0\n* 0 2\n+ 3 1\nEOF\n"
    assert values(load_bytes(text, "m.ac"), [[0], [1]]).tolist() == [1, 1]
    text = b"(2)\nv 0 0\nv 0 1\nn 0\nn 0.5\n* 0 2\n* 1 3\n+ 4 5\nEOF\n"
    assert values(load_bytes(text, "m.ac"), [[0], [1]]).tolist() == [0, 0.5]


# -- weights of formulas -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "lines",
    [
        "p wpcnf 2 1\nvp 1 2 0\nw 1 0.25\nw -1 0.75\nw 2 3\nw -2 0.5\n1 2 0\n",
        "c weights of two variables\np cnf 2 1\nw -1 0.75 0\nw 2 3 0\nw -2 0.5 0\n",
    ],
)
def test_every_way_to_weigh_literals(lines: str) -> None:
    formula = Companion("m.cnf", lines.encode())
    circuit = load_bytes(b"nnf 4 4 2\nL 1\nL 2\nO 0 2 0 1\nA 1 2\n", "m.nnf", companions=[formula])
    # a sum, not a logical or: models are counted as the circuit stands
    expected = [2 * 0.0, 0.75 * 3, 0.25 * 0.5, 2 * 0.25 * 3]
    assert values(circuit, joint_states((2, 2))).tolist() == pytest.approx(expected)


# -- networks ------------------------------------------------------------------------------------

_JAVABAYES = """// Bayesian Network in the Interchange Format
network "Dog-Problem" { //2 variables and 2 probability distributions
  property "credal-set constant-density-bounded 1.1" ;
}
variable  "light-on" { //2 values
  type discrete[2] {  "true"  "false" };
  property "position = (218, 195)" ;
}
variable  "out" {
  type discrete [ 3 ] { <1, 1-2, >2 }
  property position = (73, 165) ;
}
probability (  "light-on"  "out" ) { //2 variable(s) and 6 values
  table
    0.6 5e-2 .25  // true for each state of out
    0.4 0.95 0.75;
}
probability (  "out" ) { property "nothing"; table 0.15 0.25 0.6 ; }
"""


def test_networks_of_older_programs() -> None:
    circuit = load_bytes(_JAVABAYES.replace("nothing", "só").encode("latin-1"), "m.bif")
    out, on = (0.15, 0.25, 0.6), (0.6, 0.05, 0.25)
    for x, y in joint_states((2, 3)):
        expected = out[y] * (on[y] if x == 0 else 1 - on[y])
        assert float(values(circuit, [[x, y]])[0]) == pytest.approx(expected)


@pytest.mark.parametrize(
    "text",
    [
        "bayes\n2\n2 2\n2\n1 0\n2 0 1\n2\n 4e-1 6.0E-1\n4\n .1 .9\n 1 0\n",
        "# two coins\nMARKOV 2 2 2 2 1 0 2 0 1 2 0.4 0.6 4 0.1 0.9 1 0",
        "MARKOV\n2\n2 2\n3\n0\n1 0\n2 1 0\n\n1\n 1\n\n2\n 0.4 0.6\n\n4\n 0.1 1 0.9 0\n",
    ],
)
def test_networks_in_every_layout(text: str) -> None:
    got = values(load_bytes(text.encode(), "m.uai"), joint_states((2, 2)))
    assert got.tolist() == pytest.approx([0.04, 0.36, 0.6, 0])


# -- equations -----------------------------------------------------------------------------------


def test_names_with_brackets_and_numbers_of_numpy() -> None:
    text = (
        "(0.25*((Gaussian(petal length (cm)|mean=1;stdev=2) * "
        "Categorical([kind]|p=[np.float64(0.5), np.float64(5e-1)]))) + "
        "0.75*((CategoricalDictionary([kind]|p={0: 0.1, 2: 0.9}) * "
        "Gaussian(petal length (cm)|mean=-1;stdev=1))))"
    )
    circuit = load_bytes(text.encode(), "upload")
    assert circuit.variables == ("petal length (cm)", "[kind]")
    normal = [math.exp(-0.5 * d * d / v) / math.sqrt(2 * math.pi * v) for d, v in ((0, 4), (2, 1))]
    expected = [
        0.25 * normal[0] * 0.5 + 0.75 * normal[1] * 0.1,
        0.25 * normal[0] * 0.5,
        0.75 * normal[1] * 0.9,
    ]
    rows = [[1.0, state] for state in range(3)]
    assert values(circuit, rows).tolist() == pytest.approx(expected)


def test_leaves_without_a_counterpart_are_named() -> None:
    with pytest.raises(FileError, match="the leaf Gamma is not supported"):
        load_bytes(b"Gamma(V0|alpha=1.0;beta=2.0)", "m.spflow")
