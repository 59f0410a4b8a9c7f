"""The Compile view: its numbers against the circuit and the engine, its drawing."""

from __future__ import annotations

import csv
import io
import itertools
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pc_workbench.components.layers import read_layer
from pc_workbench.views import compile_costs, compile_facts, compile_view
from pc_workbench.views.compile_facts import Facts
from pc_workbench.views.outline import Outline
from pc_workbench.views.scene import circuit_scene
from pccore import datasets
from pccore.build import bernoulli, circuit
from pccore.check.walk import child_units
from pccore.compile import Program, compile_circuit
from pccore.compile.profile import layer_costs, measure
from pccore.evidence import evidence_rows
from pccore.files import load_model
from pccore.graph import Circuit, Group, LeafGroup, ProductGroup, SumGroup, Unit
from pccore.leaves.bernoulli import Bernoulli
from tests.random_circuits import random_circuit

MODELS = ("figure1_naive_bayes", "figure3_mixture", "dead_parts", "weather_hmm", "digits_rat")


def model(name: str) -> Circuit:
    return load_model(name)


def irregular(counts: tuple[int, ...], name: str = "s", factors: int = 1) -> Circuit:
    """Scalar sums with these numbers of leaves below a product over all of them."""
    groups: list[Group] = []
    params: dict[str, torch.Tensor] = {}
    for v, count in enumerate(counts):
        for i in range(count):
            leaf = f"l{v}.{i}"
            groups.append(LeafGroup(leaf, 1, Bernoulli(), (v,), leaf))
            params[leaf] = torch.rand(1, 1)
    leaves = len(groups)
    start = 0
    for v, count in enumerate(counts):
        groups.append(SumGroup(f"{name}{v}", 1, tuple(range(start, start + count)), f"w{v}"))
        params[f"w{v}"] = torch.full((1, count), 1 / count)
        start += count
    groups.append(ProductGroup("P", 1, tuple(range(leaves, len(groups)))))
    names = [f"X{v}" for v in range(len(counts))]
    return Circuit(groups, [Unit(len(groups) - 1, 0)], names, params)


def drawn(one: Circuit, **options: Any) -> tuple[compile_view.Drawing, Facts, Program]:
    program = compile_circuit(one)
    found = compile_facts.facts(program)
    return compile_view.drawing(one, found, layer_costs(program, 100), **options), found, program


def reachable(one: Circuit) -> set[int]:
    groups: set[int] = set()
    waiting = [root.group for root in one.roots]
    while waiting:
        position = waiting.pop()
        if position not in groups:
            groups.add(position)
            group = one.groups[position]
            waiting += () if isinstance(group, LeafGroup) else group.inputs
    return groups


def edges_of(one: Circuit, groups: set[int]) -> int:
    inner = [g for g in groups if not isinstance(one.groups[g], LeafGroup)]
    units = (Unit(g, i) for g in inner for i in range(one.groups[g].size))
    return sum(len(child_units(one, unit)) for unit in units)


# -- the numbers add up ----------------------------------------------------------------------


@pytest.mark.parametrize("name", MODELS)
def test_every_reachable_edge_and_group_is_in_one_layer(name: str):
    one = model(name)
    found = compile_facts.facts(compile_circuit(one))
    live = reachable(one)
    assert sum(layer.edges for layer in found.layers) == edges_of(one, live)
    assert {g for g in range(len(one.groups)) if found.where[g] >= 0} == live
    members = [g for layer in found.layers for g in layer.groups]
    assert len(members) == len(set(members)) and set(members) | set(found.plan.fused) == live


@pytest.mark.parametrize("seed", range(12))
def test_random_circuits_add_up(seed: int):
    one = random_circuit(seed, variables=5, max_size=4)
    found = compile_facts.facts(compile_circuit(one))
    assert sum(layer.edges for layer in found.layers) == edges_of(one, reachable(one))
    for layer in found.layers:
        if layer.rows:
            assert sorted(np.concatenate([row.units for row in layer.rows])) == list(
                range(layer.units)
            )
            assert sum(int(row.counts.sum()) for row in layer.rows) == layer.edges
            empty = sum(int((row.width - row.counts).sum()) for row in layer.rows)
            assert empty == layer.padding


def test_a_unit_is_where_the_view_says():
    one = model("digits_rat")
    program = compile_circuit(one)
    found = compile_facts.facts(program)
    outline = Outline.of(one)
    state = program.evaluate(datasets.load("digits").train[:3])
    group = next(g for g in found.layers[2].groups[3:] if one.groups[g].size > 2)
    text, number = compile_facts.place(one, found, outline, f"u:{group}:2")
    assert number == 2
    row = int(text.split("value buffer row ")[1].rstrip(".").replace(",", ""))
    assert torch.equal(state.values[row], program.log_values(state, group)[:, 2])
    fused = next(iter(found.plan.fused))
    text, number = compile_facts.place(one, found, outline, f"g:{fused}")
    assert "fused" in text and number == found.where[fused] >= 0


def test_what_no_root_reaches_is_said():
    one = model("dead_parts")
    program = compile_circuit(one)
    found, outline = compile_facts.facts(program), Outline.of(one)
    dead = sorted(set(range(len(one.groups))) - reachable(one))
    assert dead
    text, number = compile_facts.place(one, found, outline, f"u:{dead[0]}:0")
    assert "No root reaches" in text and number is None
    assert compile_facts.place(one, found, outline, "u:999:0") == ("", None)


# -- the drawing -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", MODELS)
def test_layers_from_the_root_down_without_overlap(name: str):
    scene, found, _ = drawn(model(name))
    rows = scene["rows"]
    assert [row["number"] for row in rows] == list(range(len(found.layers)))[::-1]
    for above, below in itertools.pairwise(rows):
        assert above["y"] + above["height"] <= below["y"] + 1e-9
    for row in rows:
        for block in row["blocks"]:
            assert block["x"] + block["w"] <= compile_view.WIDTH
            assert row["y"] < block["y"] and block["y"] + block["h"] < row["y"] + row["height"]
    assert sum(row["share"] for row in rows) == pytest.approx(1)


def test_padding_is_drawn_where_there_is_some_and_nowhere_else():
    scene, found, program = drawn(irregular((2, 3, 9, 9, 11, 12)))
    layer = next(one for one in found.layers if one.kind == "edge_sum")
    # 9 is rounded up to 10, 11 and 12 to 13.
    assert layer.padding == 1 + 1 + 2 + 1 == layer_costs(program, 1)[layer.number].padding
    for row in scene["rows"]:
        there = found.layers[row["number"]].padding
        shown = [len(block.get("padding", ())) for block in row["blocks"]]
        assert sum(shown) == there
        assert ("padding" in row["detail"]) == bool(there)
        assert any("padding" in fact[1] for fact in row["facts"]) == bool(there)
    cells = {
        cell
        for row in scene["rows"]
        for b in row["blocks"]
        for cell in map(tuple, b.get("cells", ()))
    }
    empty = {
        cell
        for row in scene["rows"]
        for b in row["blocks"]
        for cell in map(tuple, b.get("padding", ()))
    }
    assert not cells & empty


def test_padding_of_wide_rows_remains_to_be_seen():
    scene, found, _ = drawn(irregular((200, 2)))
    assert found.layers[1].padding > 0
    block = next(b for b in scene["rows"][1]["blocks"] if b["padding"])
    assert len(block["cells"]) + len(block["padding"]) == compile_view.COLUMNS


def test_a_fused_product_is_one_block_of_two_kinds():
    scene, found, _ = drawn(model("digits_rat"))
    einsums = [row for row in scene["rows"] if found.layers[row["number"]].kind == "einsum"]
    assert einsums and all(row["signs"] == ["product", "sum"] for row in einsums)
    assert "einsum" in einsums[0]["label"] and "80 × [8 × 64]" in [row["detail"] for row in einsums]


def test_more_inputs_are_wider_and_more_units_higher():
    sizes = [compile_view.block_size(units, units) for units in (3, 8, 40, 1000, 10**6)]
    assert all(a[0] < b[0] and a[1] <= b[1] for a, b in itertools.pairwise(sizes))
    assert max(sizes[-1]) <= 40 * 5


def test_names_stay_plain_text():
    name = "<b onclick='x'>&"
    one = Circuit(
        [LeafGroup(name, 2, Bernoulli(), (0,), "l"), SumGroup("S", 1, (0,), "w")],
        [Unit(1, 0)],
        ["X"],
        {"l": torch.tensor([[0.5, 0.2]]), "w": torch.tensor([[0.5, 0.5]])},
    )
    scene, found, _ = drawn(one)
    titles = [block["title"] for row in scene["rows"] for block in row["blocks"]]
    assert any(name in title for title in titles), "the browser shows it by textContent"
    text, _ = compile_facts.place(one, found, Outline.of(one), "g:0")
    assert text.startswith(name)
    source = Path(compile_view.__file__).parents[1] / "components" / "layers"
    for script in source.glob("*.js"):
        assert "innerHTML" not in script.read_text() and "insertAdjacent" not in script.read_text()


def test_the_block_of_a_unit_is_marked_and_drawn_even_if_it_is_the_last():
    one = model("digits_rat")
    last = compile_facts.facts(compile_circuit(one)).layers[1].groups[-1]
    scene, found, _ = drawn(one, focus=Unit(last, 0))
    marked = [b for row in scene["rows"] for b in row["blocks"] if b.get("chosen")]
    assert len(marked) == 1 and marked[0]["title"].startswith(one.groups[last].name)
    product = next(p for p, user in found.plan.fused.items() if user == last)
    again, _, _ = drawn(one, focus=Unit(product, 0))
    assert [b["title"] for r in again["rows"] for b in r["blocks"] if b.get("chosen")] == [
        marked[0]["title"]
    ]
    small = model("figure1_naive_bayes")
    scene, _, _ = drawn(small, focus=small.root)
    chosen = [b for row in scene["rows"] for b in row["blocks"] if b.get("chosen_row") is not None]
    assert len(chosen) == 1


def test_nothing_is_drawn_for_each_group_of_a_large_circuit():
    scene, found, _ = drawn(irregular((3,) * 4000 + (10,) * 400))
    assert sum(len(layer.groups) for layer in found.layers) > 20_000
    blocks = [block for row in scene["rows"] for block in row["blocks"]]
    cells = sum(len(b.get("cells", ())) + len(b.get("padding", ())) for b in blocks)
    assert len(blocks) < 100 and cells < 1000
    assert any("× 4,000" in note["text"] for row in scene["rows"] for note in row["notes"])


def test_of_many_layers_the_ends_and_the_selected_one_are_drawn():
    one = bernoulli("X0", 0.5)
    for v in range(1, 150):
        one = 0.5 * (one * bernoulli(f"X{v}", 0.5)) + 0.5 * (one * bernoulli(f"X{v}", 0.1))
    scene, found, _ = drawn(circuit(one), selected=140)
    numbers = [row["number"] for row in scene["rows"] if "number" in row]
    gaps = [row["more"] for row in scene["rows"] if "more" in row]
    assert len(found.layers) > 250 and len(numbers) <= compile_view.LAYERS + 2
    assert {0, 140, len(found.layers) - 1} <= set(numbers) and numbers == sorted(numbers)[::-1]
    hidden = sum(int(text.split()[0].replace(",", "")) for text in gaps)
    assert len(gaps) == 2 and hidden + len(numbers) == len(found.layers)


# -- marks in the graph ----------------------------------------------------------------------


def test_the_units_of_a_layer_are_marked():
    one = model("figure1_naive_bayes")
    outline, found = Outline.of(one), compile_facts.facts(compile_circuit(one))
    for layer in found.layers:
        scene = compile_facts.mark(
            circuit_scene(one, outline=outline), found, layer.number, outline
        )
        marked = {node["id"] for node in scene["nodes"] if node.get("mark") == "layer"}
        assert marked == {f"u:{g}:0" for g in layer.groups}
        assert all("emphasis" in n for n in scene["nodes"] if n["id"] not in marked)


def test_clusters_say_how_many_of_their_groups_a_layer_computes():
    one = model("digits_pd")
    outline, found = Outline.of(one), compile_facts.facts(compile_circuit(one))
    scene = compile_facts.mark(circuit_scene(one, outline=outline), found, 2, outline)
    titles = [node["title"] for node in scene["nodes"] if "mark" in node]
    counted = [int(t.split("; ")[-1].split(" of ")[0]) for t in titles if " groups computed" in t]
    # 58 einsum layers are as many sums and as many products, which are fused into them.
    assert sum(counted) == 2 * 58


# -- costs -----------------------------------------------------------------------------------


def test_the_table_and_the_csv_say_what_the_engine_says():
    one = model("digits_rat")
    program = compile_circuit(one)
    found = compile_facts.facts(program)
    costs = layer_costs(program, 50)
    shown = compile_costs.table(found, costs)
    assert shown.bars == ("MFLOP", "MB") and len(shown.rows) == len(costs)
    assert [row["MFLOP"] for row in shown.rows] == [cost.flops / 1e6 for cost in costs]
    rows = list(csv.DictReader(io.StringIO(compile_costs.to_csv(found, costs, 50))))
    assert [int(row["flops"]) for row in rows] == [cost.flops for cost in costs]
    assert sum(int(row["edges"]) for row in rows) == one.num_edges
    assert {row["seconds_up"] for row in rows} == {""}
    assert dict(compile_costs.totals(found, costs))["Edges"] == f"{one.num_edges:,}"


def test_measured_times_are_shown():
    one = model("figure1_naive_bayes")
    program = compile_circuit(one)
    found = compile_facts.facts(program)
    costs = measure(program, compile_costs.random_rows(one, 20), repeats=1)
    shown = compile_costs.table(found, costs)
    assert shown.bars[2:] == ("µs up", "µs flow") and all(row["µs up"] > 0 for row in shown.rows)
    assert "GFLOP/s" in dict(compile_costs.totals(found, costs))["Speed"]
    times = [compile_costs.seconds_of(cost) or 0 for cost in costs]
    assert compile_view.shares(costs) == pytest.approx([t / sum(times) for t in times])


def test_amounts_have_three_digits():
    assert compile_costs.amount(999.6, "B") == "1 kB" and compile_costs.amount(0, "B") == "0 B"
    assert compile_costs.amount(12_345_678, "FLOP") == "12.3 MFLOP"
    assert compile_costs.time_text(0.0000123) == "12.3 µs"
    assert compile_costs.time_text(0.0123) == "12.3 ms"
    assert compile_facts.share_text(0.001) == "< 1 %" and compile_facts.share_text(0) == "0 %"


def test_random_rows_are_legal():
    for name in ("weather_hmm", "old_geyser", "digits_rat", "naive_bayes_spam"):
        one = model(name)
        rows = compile_costs.random_rows(one, 30)
        assert rows.shape == (30, len(one.variables)) and len(evidence_rows(one, rows)) == 30


def test_rows_of_a_dataset_only_where_the_circuit_takes_them():
    digits = datasets.load("digits")
    rows = compile_costs.rows_of(model("digits_rat"), digits, len(digits.train) + 5)
    assert rows is not None and np.array_equal(rows[-5:], digits.train[:5])
    assert compile_costs.rows_of(model("weather_hmm"), digits, 5) is None
    binary = circuit(np.prod([bernoulli(f"X{v}", 0.5) for v in range(64)]))
    assert compile_costs.rows_of(binary, digits, 5) is None


@pytest.mark.parametrize(("name", "data"), [("digits_rat", "digits"), ("weather_hmm", "")])
def test_the_code_runs(name: str, data: str):
    script = compile_costs.python(name, 10, data)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    program = compile_circuit(model(name))
    lines = done.stdout.splitlines()
    assert len(lines) == len(program.layers) + 2
    first = layer_costs(program, 10)[0]
    assert lines[0].startswith(f"0 leaf {len(first.groups)} {first.units}")


@pytest.mark.parametrize("sent", [None, {}, {"layer": "1"}, {"layer": True}, {"layer": -1}, [3]])
def test_a_malformed_choice_is_ignored(sent: object):
    assert read_layer(sent) is None
    assert read_layer({"layer": 3}) == 3 and read_layer({"layer": None}) == -1
