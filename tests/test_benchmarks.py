"""The harness of the speed benchmarks, on tiny sizes and with pccore alone; times do not matter."""

from __future__ import annotations

import argparse
import json
import math
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pccore.check import check
from pccore.compile import compile_circuit
from tests.benchmarks import einet, gpu
from tests.benchmarks._speed import blocks, compare, growth, plot, processes, scalars
from tests.benchmarks._speed.child import data, measure, peak_mib
from tests.benchmarks._speed.circuits import (
    regions_circuit,
    structure_circuit,
    structure_parameters,
)
from tests.benchmarks._speed.gpu_ours import blocks_circuit
from tests.benchmarks._speed.job import Job
from tests.benchmarks._speed.ours import Ours, parity
from tests.benchmarks._speed.output import Output, short, table
from tests.benchmarks._speed.regions import Regions
from tests.benchmarks._speed.scalar_numpy import NodeByNode
from tests.benchmarks._speed.trees import tree_regions

TINY = Job(variables=8, depth=2, replicas=2, units=3, rows=40, batch=20, seconds=0.01)


# -- jobs and data ---------------------------------------------------------------------------------


def test_a_job_survives_the_command_line():
    job = TINY.but(structure="pd", delta=(4, 7), leaf="categorical")
    assert Job.from_json(job.to_json()) == job
    assert job.title == "PD 28x28 step 4, 7 K=3 categorical"
    assert (job.width, TINY.width) == (784, 8)


def test_data_suit_the_leaves():
    assert data(TINY).shape == (40, 8)
    values = data(TINY.but(leaf="categorical", states=5)).unique().tolist()
    assert values == [0, 1, 2, 3, 4]
    assert data(TINY.but(leaf="bernoulli")).unique().tolist() == [0, 1]


def test_measuring_takes_at_least_three_steps_and_says_how_much_memory():
    seen: list[int] = []
    times = measure(lambda x: seen.append(len(x)), torch.zeros(6, 1).split(2), 0.0)
    assert len(times) == 3 and set(seen) == {2}
    assert 10 < peak_mib() < 10**6


# -- what peers write ------------------------------------------------------------------------------


def random_regions(rng: np.random.Generator, leaf: str) -> Regions:
    """Four variables; the root has three partitions, two of which share a region."""

    def weights(rows: int, columns: int) -> np.ndarray:
        return rng.dirichlet(np.ones(columns), rows)

    def new_leaf(*variables: int) -> int:
        shape = (len(variables), 2)
        if leaf == "gaussian":
            return regions.leaf(
                variables, mean=rng.normal(size=shape), variance=rng.uniform(0.5, 2, shape)
            )
        return regions.leaf(variables, probabilities=rng.dirichlet(np.ones(3), shape))

    regions = Regions()
    a, b, cd, c, d = new_leaf(0), new_leaf(1), new_leaf(3, 2), new_leaf(2), new_leaf(3)
    ab = regions.inner([(a, b, weights(2, 4)), (b, a, weights(2, 4))], weights(2, 2))
    acd = regions.inner([(a, cd, weights(3, 4))])
    dc = regions.inner([(d, c, weights(1, 4))])
    ways = [(ab, cd, weights(1, 4)), (b, acd, weights(1, 6)), (dc, ab, weights(1, 2))]
    regions.inner(ways, weights(1, 3))
    return regions


def by_hand(regions: Regions, x: np.ndarray) -> np.ndarray:
    """Log-likelihoods, region by region in float64."""
    values: list[np.ndarray] = []
    for region in regions.items:
        if region.parameters:
            columns = x[:, region.variables, None]
            if "mean" in region.parameters:
                mean, variance = region.parameters["mean"], region.parameters["variance"]
                each = -0.5 * ((columns - mean) ** 2 / variance + np.log(2 * np.pi * variance))
            else:
                table = np.log(region.parameters["probabilities"])
                state = columns[:, :, 0].astype(int)
                each = np.stack([table[d][:, state[:, d]].T for d in range(len(table))], 1)
            values.append(np.exp(each.sum(1)))
            continue
        sums: list[np.ndarray] = []
        for left, right, w in region.ways:
            cube = w.reshape(len(w), values[left].shape[1], values[right].shape[1])
            sums.append(np.einsum("bi,bj,oij->bo", values[left], values[right], cube))
        mixing = np.ones((1, 1)) if region.mixing is None else region.mixing
        values.append((np.stack(sums, -1) * mixing).sum(-1))
    return np.log(values[-1][:, 0])


@pytest.mark.parametrize("leaf", ["gaussian", "categorical"])
def test_a_written_circuit_is_computed_as_by_hand(leaf: str, tmp_path: Path):
    rng = np.random.default_rng(3)
    regions = random_regions(rng, leaf)
    x = rng.normal(size=(7, 4)) if leaf == "gaussian" else rng.integers(0, 3, (7, 4)).astype(float)
    truth = by_hand(regions, x)
    path = str(tmp_path / "circuit.npz")
    regions.save(path, x.astype(np.float32), truth)
    found = parity(path)
    assert found["difference"] < 1e-6
    assert (
        check(regions_circuit(Regions.load(path)[0]), ("smooth", "decomposable")).violations == ()
    )
    # A likelihood that is off by as little as a permutation of the variables is noticed.
    regions.save(path, x[:, [1, 0, 2, 3]].astype(np.float32), truth)
    assert parity(path)["difference"] > 1e-3


def test_trees_of_peers_become_regions():
    rng = torch.Generator().manual_seed(1)
    scopes = torch.zeros(8, 4, 2)
    for r in range(2):
        for place, v in enumerate(torch.randperm(8, generator=rng).tolist()):
            scopes[v, place // 2, r] = 1
    mean = torch.randn(8, 3, 2, generator=rng)
    layers = [torch.rand(2, 3, 2, 3, 3, generator=rng), torch.rand(1, 1, 2, 3, 3, generator=rng)]
    regions = tree_regions(scopes, mean, torch.ones(8, 3, 2), layers, torch.tensor([0.3, 0.7]))
    x = torch.randn(5, 8, generator=rng)
    # The peers' own recursion: features 2f and 2f + 1 are multiplied.
    leaf = torch.distributions.Normal(mean, 1).log_prob(x[:, :, None, None])
    value = torch.einsum("bvkr,vor->bokr", leaf, scopes).exp()
    for w in layers:
        value = torch.einsum("bfir,bfjr,forij->bfor", value[:, 0::2], value[:, 1::2], w)
    truth = torch.log((value[:, 0, 0] * torch.tensor([0.3, 0.7])).sum(-1))
    ours = compile_circuit(regions_circuit(regions), dtype=torch.float64)(x)
    torch.testing.assert_close(ours.float(), truth, rtol=1e-4, atol=1e-4)


# -- circuits --------------------------------------------------------------------------------------


def test_the_size_is_known_without_building():
    for job in (TINY, TINY.but(structure="pd", side=8, delta=(4, 3), leaf="categorical", states=4)):
        assert structure_parameters(job) == structure_circuit(job).num_parameters


def test_operations_are_those_of_the_bound_in_the_documentation():
    assert 2000 * compare.flops(Job()) / 1e9 == pytest.approx(2.66, abs=0.005)
    assert 2000 * compare.flops(Job(units=40)) / 1e9 == pytest.approx(113.4, abs=0.05)


@pytest.mark.parametrize("size", [1, 2, 7])
def test_random_scalar_circuits_are_the_same_for_every_engine(size: int, tmp_path: Path):
    graph = scalars.random_graph(size, 6, seed=size)
    path = str(tmp_path / "graph.npz")
    graph.save(path)
    grouped, scalar = graph.grouped_circuit(), graph.scalar_circuit()
    assert grouped.num_edges == scalar.num_edges == graph.num_edges
    for circuit in (grouped, scalar):
        assert check(circuit, ("smooth", "decomposable")).violations == ()
    for begin, end in zip(graph.offsets[:-1], graph.offsets[1:], strict=True):
        assert len(np.unique(graph.children[begin:end])) == end - begin
    job = TINY.but(structure="scalar", leaf="bernoulli", variables=6, graph=path)
    engines = [Ours(job), Ours(job.but(structure="scalar-grouped")), NodeByNode(job)]
    assert len({engine.parameters for engine in engines}) == 1
    x = data(job)[:20]
    for _ in range(2):  # the baseline does the same step of EM
        values = [engine.infer(x).double() for engine in engines]
        for value in values[1:]:
            torch.testing.assert_close(value, values[0], rtol=1e-4, atol=1e-4)
        for engine in engines:
            engine.train(x)


@pytest.mark.parametrize("structure", ["blocks-pd", "blocks-hclt"])
def test_the_circuits_of_the_gpu(structure: str):
    job = TINY.but(structure=structure, side=6, variables=36, delta=(2,), units=4, states=3)
    made = blocks.blocks(job)
    circuit = blocks_circuit(job, made)
    assert check(circuit, ("smooth", "decomposable")).violations == ()
    sums = sum(circuit.parameter_shape(g)[1] * g.size for g in circuit.groups if g.kind == "sum")
    assert blocks.sizes(made)["edges"] == sums
    assert len(circuit.scopes[circuit.root.group]) == 36


# -- comparing -------------------------------------------------------------------------------------


def options(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    processes.add_options(parser)
    return parser.parse_args(arguments)


class Fake:
    """Answers in place of processes: a peer that is `slow` times slower and `off` by so much."""

    def __init__(self, off: float = 0.0, theirs: dict[str, Any] | None = None) -> None:
        self.off, self.theirs = off, theirs
        self.tasks: list[str] = []

    def ours(self, job: Job, module: str = "ours") -> dict[str, Any]:
        self.tasks.append(f"ours {job.task}")
        if job.task == "compare":
            return {"parameters": 10, "difference": self.off}
        return result(1.0, job)

    def peer(self, name: str, module: str, job: Job, allocator: str) -> dict[str, Any]:
        self.tasks.append(f"{name} {job.task}")
        if self.theirs is not None:
            return self.theirs
        if job.task == "parity":
            return {"parameters": 10}
        return result(8.0 if allocator == "as shipped" else 4.0, job)


def result(epoch: float, job: Job) -> dict[str, Any]:
    return {
        "epoch": epoch,
        "epoch_best": epoch,
        "inference_us": 2 * epoch,
        "inference_us_best": epoch,
        "peak_mib": 300 * epoch,
        "parameters": structure_parameters(job),
    }


def comparison(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> compare.Comparison:
    monkeypatch.setattr(compare, "LARGEST_FILE", 0)  # the small circuit only
    peers = processes.chosen_peers("spflow")
    found = compare.Comparison(fake, peers, Output(options(), "test"))  # type: ignore[arg-type]
    found.row(TINY)
    found.summary()
    return found


def test_parity_comes_before_timing_and_ratios_are_to_the_fastest(monkeypatch: pytest.MonkeyPatch):
    fake = Fake()
    found = comparison(fake, monkeypatch)
    assert fake.tasks == ["spflow parity", "ours compare", "ours time", *["spflow time"] * 2]
    assert not found.failed
    ratios = found.rows[0]["ratios"]
    assert ratios["epoch as shipped"] == ratios["inference_us as shipped"] == 8
    assert ratios["epoch best"] == ratios["epoch_best best"] == 4
    assert ratios["least_peer_mib"] == 2400


@pytest.mark.parametrize("off", [1e-3, math.nan])
def test_a_peer_that_computes_something_else_fails_the_run(
    off: float, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    found = comparison(Fake(off), monkeypatch)
    assert found.failed and found.rows[0]["peers"] == []
    assert "PARITY FAILED" in capsys.readouterr().out


@pytest.mark.parametrize("answer", [{"missing": "no module"}, {"error": "out of memory"}])
def test_a_peer_that_is_not_there_is_a_line(
    answer: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    found = comparison(Fake(theirs=answer), monkeypatch)
    assert not found.failed and found.rows[0]["ratios"] == {}
    assert next(iter(answer.values())) in capsys.readouterr().out


def test_peers_by_name():
    every = processes.chosen_peers("")
    assert {peer.name for peer, _ in every} == {peer.name for peer in processes.PEERS}
    assert [(p.name, t) for p, t in processes.chosen_peers("cirkit:em")] == [("cirkit", "em")]
    assert processes.chosen_peers("none") == []
    with pytest.raises(SystemExit, match="no peer 'spn'"):
        processes.chosen_peers("spn")
    with pytest.raises(SystemExit):
        processes.runner(options("--peer-python", "spflow"))


def test_an_interpreter_that_is_not_there_is_a_missing_peer():
    run = processes.runner(options("--peer-python", "spflow=/nowhere/python"))
    assert "missing" in run.peer("spflow", "peer_spflow", TINY, "as shipped")


# -- printing and drawing --------------------------------------------------------------------------


def test_exponents_are_those_of_power_laws():
    sizes = [10.0, 20.0, 50.0, 100.0]
    assert growth.exponent(sizes, [3 * size**1.5 for size in sizes]) == pytest.approx(1.5)


def test_tables_and_numbers():
    assert table(["a", "b"], [["x", "1"]], markdown=True)[1:] == [
        "| a | b |",
        "|---|---|",
        "| x | 1 |",
    ]
    assert table(["a", "b"], [["x", "10"]], markdown=False)[1:] == ["a   b", "x  10"]
    assert [short(v) for v in (0.01234, 1.5, 1234.5)] == ["0.0123", "1.5", "1,234"]


def test_plots_are_svg(tmp_path: Path):
    path = tmp_path / "plot.svg"
    chart = plot.Chart("cost < edges", "edges", "ms", [plot.Line("pccore", [(10, 1), (1000, 99)])])
    empty = plot.Bars("nothing", [])
    plot.write(path, [chart, plot.Bars("ratios", [("K=10", 7.0, 5.0)]), empty])
    text = "".join(ElementTree.parse(path).getroot().itertext())
    assert "cost < edges" in text and "7.0" in text and "nothing" not in text
    assert plot.ticks(1, 100) == [1, 2, 5, 10, 20, 50, 100]
    assert plot.ticks(1.98, 2.27) == pytest.approx([2, 2.05, 2.1, 2.15, 2.2, 2.25])


# -- commands --------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_command_from_end_to_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    path = tmp_path / "einet.svg"
    arguments = ["--quick", "--peers", "none", "--only", "K=4 ", "--seconds", "0.05", "--no-growth"]
    monkeypatch.setattr(sys, "argv", ["einet", *arguments, "--json", "--plot", str(path)])
    assert einet.main() == 0
    found = json.loads(capsys.readouterr().out)
    (row,) = found["rows"]
    assert row["ours"]["parameters"] == row["parameters"]
    assert math.isfinite(row["ours"]["ll_after"])
    assert path.exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_the_command_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(sys, "argv", ["gpu"])
    assert gpu.main() == 0
    assert "no CUDA device" in capsys.readouterr().out
