"""Every reader gives the function that its file describes, state by state."""

from __future__ import annotations

import math
from collections import Counter

import pytest
import torch

from pccore.check import check
from pccore.errors import FileError
from pccore.files import FORMATS, Companion, load_bytes, load_model, save_bytes
from pccore.queries.likelihood import log_value
from tests.files.importing.samples import SAMPLES, VTREE, Sample, joint_states, values

each = pytest.mark.parametrize("sample", SAMPLES.values(), ids=SAMPLES.keys())


def test_every_format_that_is_only_read_has_a_sample():
    ours = ("pc.", "formula", "build.py")
    read = {f.name for f in FORMATS().values() if f.load and not f.name.startswith(ours)}
    names = {"c2d": "nnf", "d4": "nnf", "logistic": "circuit"}
    read -= {"spnc", "einet"}  # are no texts: test_spnc.py and test_einet.py write theirs
    assert read == {names.get(name, name) for name in SAMPLES}


@each
def test_each_joint_state_has_its_value(sample: Sample):
    circuit = sample.load()
    rows = joint_states(sample.states)
    expected = torch.tensor([sample.value(*row) for row in rows], dtype=torch.float64)
    assert len(circuit.variables) == len(sample.states)
    torch.testing.assert_close(values(circuit, rows), expected, atol=1e-12, rtol=1e-12)


@each
def test_missing_values_are_summed_out(sample: Sample):
    circuit = sample.load()
    total = math.fsum(sample.value(*row) for row in joint_states(sample.states))
    if sample.name.endswith(".spflow"):
        total /= 2  # V1 is in no leaf: it is not a variable of the circuit
    none = [[math.nan] * len(sample.states)]
    assert float(values(circuit, none)[0]) == pytest.approx(total, abs=1e-12)


@each
def test_the_promised_properties_hold(sample: Sample):
    report = check(sample.load())
    assert report.valid
    assert {p: report.properties[p] for p in sample.promises} == dict.fromkeys(
        sample.promises, "yes"
    )


@each
def test_a_converted_circuit_is_the_same_function(sample: Sample):
    circuit = sample.load()
    again = load_bytes(save_bytes(circuit, "m.pc.json"), "m.pc.json")
    rows = joint_states(sample.states)
    assert torch.equal(values(again, rows), values(circuit, rows))


@each
def test_the_content_tells_the_format(sample: Sample):
    if sample.name.endswith(".spn"):
        return  # the same lines as .ac
    circuit = load_bytes(sample.text.encode(), "upload", companions=sample.companions)
    rows = joint_states(sample.states)
    assert torch.equal(values(circuit, rows), values(sample.load(), rows))


def test_a_network_of_libra_is_a_folder(tmp_path):
    sample = SAMPLES["libra-spn"]
    (tmp_path / "net.spn").mkdir()
    (tmp_path / "net.spn" / "spac.m").write_text(sample.text)
    for leaf in sample.companions:
        (tmp_path / "net.spn" / leaf.name).write_bytes(leaf.data)
    rows = joint_states(sample.states)
    circuit = load_model(tmp_path / "net.spn")
    assert torch.equal(values(circuit, rows), values(sample.load(), rows))
    (tmp_path / "net.spn" / "spac-3.ac").unlink()
    with pytest.raises(FileError, match=r"there is no spac-3\.ac for the leaf 3"):
        load_model(tmp_path / "net.spn")


def test_units_and_edges_of_a_psdd_are_those_of_the_file():
    circuit = SAMPLES["psdd"].load()
    # 6 terminals, 3 decisions, 5 elements; an element has two children and one parent
    assert (circuit.num_units, circuit.num_edges) == (6 + 3 + 5, 15)
    kinds = Counter(group.kind for group in circuit.groups)
    assert kinds["sum"] == kinds["product"] == 2  # one each for each inner node of the vtree


def test_without_its_formula_d4_knows_the_variables_that_occur(tmp_path):
    path = tmp_path / "m.d4.nnf"
    path.write_text(SAMPLES["d4"].text)
    assert len(load_model(path).variables) == 3
    (tmp_path / "m.dimacs").write_text("p cnf 4 0\n")
    assert len(load_model(path).variables) == 4


def test_an_sdd_without_its_vtree_counts_what_occurs(tmp_path):
    path = tmp_path / "m.sdd"
    path.write_text(SAMPLES["sdd"].text)
    none = [[math.nan] * 3]
    assert float(values(load_model(path), none)[0]) == pytest.approx(4)
    (tmp_path / "m.vtree").write_text(VTREE.replace("vtree 5", "vtree 7") + "L 6 4\nI 9 1 6\n")
    assert float(values(load_model(path), [*[[math.nan] * 4]])[0]) == pytest.approx(8)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("nnf 1 0 3\nA 0\n", 8),
        ("nnf 1 0 3\nO 0 0\n", 0),
        ("nnf 2 1 3\nL -2\nA 1 0\n", 4),
        ("nnf 3 2 2\nL 1\nA 0\nO 0 2 0 1\n", 6),  # not deterministic: counted as it stands
    ],
)
def test_constants_are_folded_away(text: str, count: int):
    circuit = load_bytes(text.encode(), "m.nnf")
    none = [[math.nan] * len(circuit.variables)]
    assert float(values(circuit, none)[0]) == pytest.approx(count)
    assert check(circuit).properties["smooth"] == "yes"


def test_many_free_variables_cost_little():
    circuit = load_bytes(b"nnf 1 0 1000\nL 7\n", "m.nnf")
    none = torch.full((1, 1000), math.nan)
    assert float(log_value(circuit, none)[0]) == pytest.approx(999 * math.log(2))
    assert circuit.num_edges < 6000


def test_a_format_that_is_only_read_refuses_to_write(tmp_path):
    with pytest.raises(FileError, match="for reading only"):
        save_bytes(SAMPLES["psdd"].load(), "m.psdd")


def test_names_of_spflow_are_columns_in_their_order():
    text = "(Gaussian(tall|mean=1;stdev=2) * Bernoulli(sex|p=0.5))"
    circuit = load_bytes(text.encode(), "m.spflow")
    assert circuit.variables == ("tall", "sex")
    density = math.exp(-0.5 * 0.25) / math.sqrt(2 * math.pi * 4) * 0.5
    assert float(values(circuit, [[2.0, 1.0]])[0]) == pytest.approx(density)


def test_deep_equations_are_no_problem():
    depth = 20_000
    text = "(" * depth + "Bernoulli(V0|p=0.25)" + ")" * depth
    assert float(values(load_bytes(text.encode(), "m.spflow"), [[1.0]])[0]) == 0.25


def test_states_of_a_bif_are_in_the_notes():
    circuit = SAMPLES["bif"].load()
    assert circuit.variables == ("rain", "wet grass", "tap")
    assert circuit.meta["states"] == {
        "rain": ["yes", "no"],
        "wet grass": ["low", "mid", "high"],
        "tap": ["on", "off"],
    }


WEIGHTS = {1: 0.5, -1: 2.0, 4: 0.25, -4: 0.0}


@pytest.mark.parametrize(
    "lines",
    [
        "".join(f"c p weight {literal} {w} 0\n" for literal, w in WEIGHTS.items()),
        "".join(f"c p weight {literal} {w}\n" for literal, w in WEIGHTS.items()),
    ],
)
@pytest.mark.parametrize("which", ["c2d", "d4"])
def test_weights_of_the_formula_count(which: str, lines: str):
    sample = SAMPLES[which]
    formula = Companion("m.cnf", b"p cnf 4 1\n" + lines.encode())
    circuit = load_bytes(sample.text.encode(), "m.nnf", companions=[formula])
    rows = joint_states(sample.states)

    def weight(row: tuple[int, ...]) -> float:
        literals = [v + 1 if state else -v - 1 for v, state in enumerate(row)]
        return sample.value(*row) * math.prod(WEIGHTS.get(literal, 1.0) for literal in literals)

    expected = torch.tensor([weight(row) for row in rows], dtype=torch.float64)
    torch.testing.assert_close(values(circuit, rows), expected)
    none = [[math.nan] * 4]
    assert float(values(circuit, none)[0]) == pytest.approx(float(expected.sum()))


def test_weights_of_cachet_are_probabilities():
    formula = Companion("m.cnf", b"p cnf 2 1\nw 1 0.25\nw 2 -1\n1 2 0\n")
    circuit = load_bytes(b"nnf 1 0 2\nL 1\n", "m.nnf", companions=[formula])
    assert float(values(circuit, [[math.nan] * 2])[0]) == pytest.approx(0.25 * 2)


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        ("1 2 0\n", "m.cnf: there is no line: p cnf"),
        ("p cnf 2 1\nc p weight 1 0.5 0\n", "literal 1 has a weight and literal -1 has none"),
        ("p cnf 2 1\nw 9 0.5\n", "the weight of 9 is that of no literal"),
        ("p cnf 2 1\nw 1 1.5\n", "m.cnf: the weight 1.5 of 1 is no probability, and -1 has none"),
        ("p cnf 2 1\nw 1 x\n", "m.cnf, line 2: a number was expected"),
    ],
)
def test_a_wrong_formula_is_blamed(formula: str, message: str):
    companion = Companion("m.cnf", formula.encode())
    with pytest.raises(FileError) as caught:
        load_bytes(b"nnf 1 0 2\nL 1\n", "m.nnf", companions=[companion])
    assert message in str(caught.value)
