"""Scenes: complete for small circuits, bounded and quick for large ones, faults in place."""

from __future__ import annotations

import itertools
import time
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pc_workbench.components.graph import check_scene
from pc_workbench.views import labels
from pc_workbench.views.outline import MOST, Outline, toggle
from pc_workbench.views.scene import MOST_EDGES, circuit_scene, node_of
from pc_workbench.views.unit_details import details, to_csv
from pc_workbench.views.violations import findings, permissions, summary, verdicts
from pccore.build import bernoulli, categorical, circuit, gaussian, indicator
from pccore.check import check
from pccore.graph import Circuit, ProductGroup, Unit
from pccore.leaves.base import Support
from pccore.structures import Shape, build_structure
from pccore.structures.figures import figure3_parity, figures
from tests.random_circuits import random_circuit

FIGURES = sorted(figures())


def rat(variables: int = 64, **options: int) -> Circuit:
    shape = Shape.of(variables, Support("finite", 2))
    return build_structure("rat", shape, {"depth": 4, "replicas": 6, "units": 4} | options)


def nodes(scene: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    return {node["id"]: node for node in scene["nodes"]}


def bounded(scene: Mapping[str, Any]) -> None:
    check_scene(scene)
    assert len(scene["nodes"]) <= 300 and len(scene["edges"]) <= MOST_EDGES
    for node in scene["nodes"]:
        assert 0 <= node["x"] <= scene["width"] and 0 <= node["y"] <= scene["height"]


@pytest.mark.parametrize("name", FIGURES)
def test_a_small_circuit_is_drawn_whole(name: str):
    drawn = figures()[name]()
    scene = circuit_scene(drawn, check(drawn))
    bounded(scene)
    assert len(scene["nodes"]) == drawn.num_units
    assert len(scene["edges"]) == drawn.num_edges
    assert not any(node.get("expandable") for node in scene["nodes"])


def test_weights_stand_on_the_edges():
    scene = circuit_scene(figures()["figure1_naive_bayes"]())
    drawn = figures()["figure1_naive_bayes"]()
    root = drawn.root
    weights = {
        edge["label"]: edge["width"]
        for edge in scene["edges"]
        if edge["source"] == f"u:{root.group}:{root.index}"
    }
    assert weights == {"0.5": 1.0, "0.2": 0.4, "0.3": pytest.approx(0.6)}


def test_leaves_say_what_they_are():
    x, y, z = bernoulli("X1", 0.6), gaussian("Y", 0, 2.25), categorical("Long name", [0.2, 0.8])
    model = circuit(x * y * z * indicator("B1", 0) * indicator("B2", 1) * indicator("Rain", 1))
    texts = [labels.leaf_text(model, Unit(g, 0)) for g in range(6)]
    assert set(texts) == {"B(X1; 0.6)", "N(Y; 0, 2.25)", "Cat(Long name)", "b̄1", "b2", "Rain=1"}


@pytest.mark.parametrize("name", FIGURES)
def test_faults_are_marked_where_they_are(name: str):
    drawn = figures()[name]()
    report = check(drawn)
    marked = {k for k, node in nodes(circuit_scene(drawn, report)).items() if "violation" in node}
    assert marked == {f"u:{w.unit.group}:{w.unit.index}" for w in report.violations}


def test_the_violation_looked_at_stands_out():
    drawn = figures()["incomplete"]()
    report = check(drawn)
    witness = report.violations[0]
    scene = circuit_scene(drawn, report, witness=witness)
    faint = {k for k, node in nodes(scene).items() if node.get("emphasis", 1) < 1}
    assert f"u:{witness.unit.group}:{witness.unit.index}" not in faint and faint
    red = {(e["source"], e["target"]) for e in scene["edges"] if e.get("violation")}
    steps = [
        (f"u:{a.group}:{a.index}", f"u:{b.group}:{b.index}")
        for path in witness.paths
        for a, b in itertools.pairwise((witness.unit, *path))
    ]
    assert red == set(steps) and len(steps) == 4
    texts = {k: node["value"] for k, node in nodes(scene).items() if "value" in node}
    assert sorted(texts.values()) == ["lacks X2", "path 1", "path 1", "path 1"]
    assert texts[steps[-1][1]] == "lacks X2" and not faint & set(texts)


def test_a_unit_on_both_paths_says_so():
    drawn = figures()["two_paths"]()
    report = check(drawn)
    scene = circuit_scene(drawn, report, witness=report.of("decomposable")[0])
    texts = [node["value"] for node in scene["nodes"] if "value" in node]
    assert sorted(texts) == ["path 1", "path 2", "paths 1 + 2", "paths 1 + 2"]


def test_the_paths_are_drawn_in_a_large_circuit():
    """A variable that arrives twice far below a collapsed top: both ends are on the screen."""
    good = rat(64, replicas=4)
    top = good.root
    groups = [*good.groups, ProductGroup("twice", 1, (top.group, top.group))]
    drawn = Circuit(groups, [(len(groups) - 1, 0)], good.variables, good.params)
    report = check(drawn, ("decomposable",))
    (witness,) = report.witnesses
    outline = Outline.of(drawn)
    scene = circuit_scene(drawn, report, outline=outline, witness=witness)
    bounded(scene)
    assert not outline.fine
    shown = {node_of(scene, outline, path[-1]) for path in witness.paths}
    assert all(one is not None and one[0] in "gu" for one in shown)
    for unit in (u for path in witness.paths for u in path):
        node = nodes(scene)[str(node_of(scene, outline, unit))]
        assert str(node.get("value", "")).startswith("path")


@given(st.integers(0, 400))
def test_random_circuits_can_be_drawn(seed: int):
    drawn = random_circuit(seed)
    report = check(drawn)
    outline = Outline.of(drawn)
    view: tuple[str, ...] = ()
    for _ in range(4):
        scene = circuit_scene(drawn, report, outline=outline, view=view)
        bounded(scene)
        for unit in (drawn.root, Unit(0, 0)):
            assert node_of(scene, outline, unit) in nodes(scene)
        for node in scene["nodes"]:
            assert details(drawn, outline, node["id"]) is not None
        able = [n["id"] for n in scene["nodes"] if n.get("expandable")]
        if not able:
            break
        view = toggle(outline, view, able[seed % len(able)])


def test_a_large_circuit_opens_collapsed_and_expands():
    drawn = rat()
    outline = Outline.of(drawn)
    scene = circuit_scene(drawn, outline=outline)
    bounded(scene)
    assert 10 < len(scene["nodes"]) < 60
    assert sum(int(n.get("size_badge", "×1")[1:]) for n in scene["nodes"] if n["id"][0] == "l") > 50
    cluster = next(k for k, n in nodes(scene).items() if k[0] == "l" and n["kind"] == "leaf")
    view = toggle(outline, (), cluster)
    wider = circuit_scene(drawn, outline=outline, view=view)
    bounded(wider)
    assert len(wider["nodes"]) > len(scene["nodes"]) + 20
    assert nodes(wider)[cluster]["expanded"]
    group = next(k for k in nodes(wider) if k.startswith("g:"))
    units = circuit_scene(drawn, outline=outline, view=toggle(outline, view, group))
    assert f"u:{group[2:]}:0" in nodes(units)
    assert toggle(outline, view, cluster) == ()


@pytest.mark.parametrize(
    "node", ["", "x", "g:99999999", "u:0:99", "u:0", "g:-1", "l:1:what", "u:²:0"]
)
def test_unknown_ids_change_nothing(node: str):
    outline = Outline.of(rat())
    assert toggle(outline, ("g:3",), node) == ("g:3",)
    assert details(rat(), outline, node) is None
    bounded(circuit_scene(rat(), outline=outline, view=(node,)))


def test_everything_open_stays_within_bounds():
    drawn = rat(256, depth=6, replicas=20, units=40)
    outline = Outline.of(drawn)
    view = tuple(outline.cluster_id(c) for c in range(outline.num_clusters))
    view += tuple(f"g:{g}" for g in range(0, len(drawn.groups), 3))
    scene = circuit_scene(drawn, outline=outline, view=view)
    bounded(scene)
    assert len(scene["nodes"]) <= MOST + outline.num_clusters


def test_a_deep_circuit_is_joined_to_bands():
    drawn = figure3_parity(300)
    scene = circuit_scene(drawn)
    bounded(scene)
    assert len(scene["nodes"]) < 40


def test_a_buried_fault_is_dug_out():
    drawn = rat()
    unit = Unit(3, 1)
    outline = Outline.of(drawn)
    assert "g:3" not in nodes(circuit_scene(drawn, outline=outline))
    scene = circuit_scene(drawn, outline=outline, focus=[unit])
    assert node_of(scene, outline, unit) == "g:3"


@pytest.mark.slow
def test_a_million_edges_open_within_a_second():
    drawn = rat(1024, depth=8, replicas=14, units=6)
    assert drawn.num_edges > 1_000_000 and len(drawn.groups) > 10_000
    start = time.perf_counter()
    scene = circuit_scene(drawn, outline=Outline.of(drawn))
    seconds = time.perf_counter() - start
    bounded(scene)
    assert seconds < 1, f"{seconds:.2f} s"


def test_details_of_units():
    drawn = figures()["figure1_naive_bayes"]()
    outline = Outline.of(drawn)
    found = details(drawn, outline, f"u:{drawn.root.group}:0")
    assert found is not None and found.formula == "S = 0.5 · C1 + 0.2 · C2 + 0.3 · C3"
    assert [row["weight"] for row in found.children] == [0.5, 0.2, 0.3]
    lines = to_csv(found.children).splitlines()
    assert lines[:2] == ["child,weight,kind,scope", 'C1,0.5,product,"{X1, X2}"']
    leaf = details(drawn, outline, f"u:{drawn.group_index('¬x1')}:0")
    assert leaf is not None and leaf.formula == "¬x1 = 1 if X1 = 0, else 0"
    big = rat()
    cut = details(big, Outline.of(big), f"u:{len(big.groups) - 3}:0", rows=5)
    assert cut is not None and len(cut.children) <= 5
    assert to_csv(()) == ""


def test_details_survive_broken_parameters():
    drawn = figures()["figure1_naive_bayes"]()
    broken = drawn.with_params({k: v[..., :0] for k, v in drawn.params.items()})
    outline = Outline.of(broken)
    bounded(circuit_scene(broken, check(broken), outline=outline))
    for group in range(len(broken.groups)):
        assert details(broken, outline, f"u:{group}:0") is not None


@pytest.mark.parametrize("name", FIGURES)
def test_the_check_in_words(name: str):
    report = check(figures()[name]())
    found = findings(report)
    assert [one.fault for one in found] == sorted((one.fault for one in found), reverse=True)
    assert sum(one.fault for one in found) == len(report.violations)
    assert all(one.sentence.endswith(".") for one in found)
    assert ("no violations" in summary(report)) == (not report.violations)
    names = [one.name for one in verdicts(report)]
    assert names[:6] == list(report.properties)[:6]
    for one in permissions(report):
        assert one.granted == (one.reason == "")
