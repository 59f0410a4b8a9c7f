"""Parameters from a network: an ordinary circuit, the paper's counts, files, learning."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from pccore import oracle
from pccore.build import bernoulli
from pccore.build import circuit as assemble
from pccore.check import check
from pccore.compile import compile_circuit
from pccore.errors import FileError, OptionError, ParameterError
from pccore.files import describe, load_model, save_bytes, save_model
from pccore.generated import Generated, Network, sector_slots
from pccore.graph import Circuit
from pccore.learn import Epoch, Trainer, TrainOptions
from pccore.learn.hyper import HyperLearner, HyperOptions
from pccore.leaves.base import Support
from pccore.presets import Facts, preset_options
from pccore.queries import log_likelihood, sample
from pccore.structures import Shape, build_structure, estimate
from pccore.transform.generate import dense_shapes, generated, materialised
from tests.learn.support import by_parameter
from tests.random_circuits import random_circuit

#: Variables, parameters of the SPN and of the HyperSPN: Shih et al. 2021, tables 1 to 3.
TABLE_1 = (
    (16, 40050, 9115), (17, 42550, 9615), (64, 160050, 33115), (69, 172550, 35615),
    (100, 250050, 51115), (111, 277550, 56615), (135, 337550, 68615), (163, 407550, 82615),
    (180, 450050, 91115), (190, 475050, 96115), (294, 735050, 148115), (500, 1250050, 251115),
    (839, 2097550, 420615), (889, 2222550, 445615), (910, 2275050, 456115),
    (1058, 2645050, 530115), (1556, 3890050, 779115), (256, 640050, 129115),
)  # fmt: skip
TABLE_2 = (
    (100, 250050, 50655), (34, 85050, 17655), (32, 80050, 16655), (16, 40050, 8655),
    (62, 155050, 31655), (58, 145050, 29655), (36, 90050, 18655), (40, 100050, 20655),
)  # fmt: skip


def small(**options: object) -> Circuit:
    """Three replicas over five binary variables."""
    return build_structure("hyperspn", Shape.of(5), {"units": 3, "replicas": 3, **options})


@pytest.mark.parametrize(
    ("preset", "row"),
    [("hyperspn-paper", row) for row in TABLE_1] + [("hyperspn-baby", row) for row in TABLE_2],
)
def test_parameter_counts_of_the_paper(preset: str, row: tuple[int, int, int]) -> None:
    variables, plain, network = row
    shape, facts = Shape.of(variables), Facts(variables)
    rat = preset_options("rat", "hyperspn-paper", facts)
    hyper = preset_options("hyperspn", preset, facts)
    assert estimate("rat", shape, rat).parameters == plain
    assert estimate("hyperspn", shape, hyper).parameters == network
    assert estimate("hyperspn", shape, {**hyper, "copies": True}).parameters == network
    if variables < 20:
        assert build_structure("rat", shape, rat).num_parameters == plain
        assert build_structure("hyperspn", shape, hyper).num_parameters == network


def test_spn_small_of_table_3() -> None:
    options = {"layout": "sectors", "replicas": 50, "units": 2}
    assert estimate("rat", Shape.of(256), options).parameters == 102450


@pytest.mark.parametrize("base", ["sectors", "rat", "pd"])
def test_the_circuit_is_an_ordinary_one(base: str) -> None:
    shape = Shape.of(6, Support("finite", 3), (2, 3))
    options = {"base": base, "units": 2, "replicas": 2, "sector": 3, "hidden": (4,)}
    circuit = build_structure("hyperspn", shape, options)
    assert isinstance(circuit.params, Generated)
    properties = check(circuit).properties
    assert all(properties[p] == "yes" for p in ("smooth", "decomposable", "normalized"))
    x = np.array([[0, 1, 2, 0, 1, 2], [2, np.nan, 0, np.nan, 1, 1]])
    plain = materialised(circuit)
    assert not isinstance(plain.params, Generated) and plain.params.equal(circuit.params)
    found = log_likelihood(circuit, torch.tensor(x)).numpy()
    for row, value in zip(x, found, strict=True):
        assert value == pytest.approx(oracle.log_probability(plain, row[None]), abs=1e-4)
    assert sample(circuit, 5).shape == (5, 6)


def test_weights_are_what_the_network_says() -> None:
    circuit = small(sector=4)
    params = circuit.params
    assert isinstance(params, Generated)
    name, (size, inputs) = list(params.shapes.items())[2]
    slot = params.slots[name]
    assert slot.stop - slot.start == -(-size * inputs // 4)
    x = params.network.embeddings[slot]
    for number, (weight, bias) in enumerate(params.network.layers):
        x = (x if number == 0 else x.clamp_min(0)) @ weight.T + bias
    raw = x.reshape(-1)[: size * inputs].reshape(size, inputs)
    expected = raw.exp() / raw.exp().sum(1, keepdim=True)
    torch.testing.assert_close(params[name], expected)
    torch.testing.assert_close(params.one(name), expected)
    assert circuit.num_parameters == params.network.count + 3  # and the mixture
    assert materialised(circuit).num_parameters == 3 * 5 * (3 * 2 + 9) + 3
    assert materialised(small(copies=True)).num_parameters == 3 * 5 * (9 + 9) + 3


def test_what_does_not_fit_is_refused() -> None:
    network = Network.initial(3, 2, (4,), 9, 0)
    with pytest.raises(ParameterError, match="2 sectors, and the network has 3"):
        Generated(network, {"a": (3, 3), "b": (3, 3)}, {})
    with pytest.raises(ParameterError, match="stored as well"):
        Generated(network, {"a": (9, 3)}, {"a": torch.ones(1)})
    with pytest.raises(ParameterError, match="do not take 2 numbers"):
        Network(torch.zeros(1, 2), ((torch.zeros(3, 4), torch.zeros(3)),))
    with pytest.raises(ParameterError, match="not finite"):
        Network(torch.full((1, 4), torch.nan), ((torch.zeros(3, 4), torch.zeros(3)),))
    with pytest.raises(OptionError, match="no dense sums"):
        generated(assemble(bernoulli("A", 0.3)), 2, (3,), 4, 0)
    assert sector_slots({"a": (2, 3), "b": (1, 4)}, 4) == {"a": slice(0, 2), "b": slice(2, 3)}


@pytest.mark.parametrize("base", ["sectors", "rat"])
def test_files_hold_the_network_only(base: str, tmp_path: Path) -> None:
    shape = Shape.of(24)
    circuit = build_structure("hyperspn", shape, {"base": base, "units": 4, "replicas": 4})
    path, plain = tmp_path / "a.pc.safetensors", tmp_path / "b.pc.safetensors"
    save_model(circuit, path)
    save_model(materialised(circuit), plain)
    again = load_model(path)
    assert isinstance(again.params, Generated)
    assert again.params.equal(circuit.params) and again.meta == circuit.meta
    assert again.num_parameters == circuit.num_parameters == describe(path).parameters
    assert path.stat().st_size < plain.stat().st_size / 1.5
    assert save_bytes(again, "x.pc.safetensors") == path.read_bytes()
    save_model(again, tmp_path / "c.pc.json")  # the readable format has every weight
    assert load_model(tmp_path / "c.pc.json").params.equal(circuit.params)


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    data = bytearray(save_bytes(small(), "x.pc.safetensors"))
    path = tmp_path / "x.pc.safetensors"
    for old, new in ((b"network/bias.1", b"network/bias.7"), (b"network/emb", b"netwerk/emb")):
        path.write_bytes(bytes(data).replace(old, new))
        with pytest.raises(FileError):
            load_model(path)
    place = data.index(b"\x78\xda")  # where the deflated structure begins
    data[place + 20 : place + 30] = b"\0" * 10
    path.write_bytes(bytes(data))
    with pytest.raises(FileError, match="structure"):
        load_model(path)


@pytest.mark.parametrize("base", ["sectors", "rat"])
def test_the_gradient_is_that_of_the_likelihood(base: str) -> None:
    """Finite differences in embeddings, network and own parameters, through the whole model."""
    shape = Shape.of(6, Support("finite", 3))
    options = {"base": base, "units": 2, "replicas": 2, "embedding": 2, "hidden": (3,)}
    circuit = build_structure("hyperspn", shape, {**options, "sector": 3})
    x = np.random.default_rng(0).integers(0, 3, (30, 6)).astype(float)
    x[:5, 2] = np.nan
    program = compile_circuit(circuit, dtype=torch.float64)
    learner = HyperLearner(program, len(x), HyperOptions(learning_rate=1e-6))
    raw = learner._optimiser.param_groups[0]["params"]

    def score() -> float:
        learner._write()
        return float(log_likelihood(program, x).mean())

    learner.batch(torch.tensor(x))
    gradients = [tensor.grad.clone() for tensor in raw]
    for tensor, gradient in zip(raw, gradients, strict=True):
        for place in range(0, tensor.numel(), max(1, tensor.numel() // 3)):
            entry = np.unravel_index(place, tensor.shape)
            before = float(tensor.data[entry])
            values: list[float] = []
            for step in (1e-4, -1e-4):
                tensor.data[entry] = before + step
                values.append(score())
            tensor.data[entry] = before
            slope = (values[0] - values[1]) / 2e-4
            assert -float(gradient[entry]) == pytest.approx(slope, rel=1e-3, abs=1e-6)


def test_any_circuit_learns_through_a_network_of_its_own() -> None:
    model = random_circuit(3, variables=4)
    if not dense_shapes(model):
        model = build_structure("rat", Shape.of(4), {"units": 2, "replicas": 2})
    x = torch.tensor(np.random.default_rng(0).integers(0, 2, (64, len(model.variables)))).float()
    program = compile_circuit(model)
    learner = HyperLearner(program, 64, HyperOptions(learning_rate=0.05, sector=4))
    scores = [learner.batch(x).log_likelihood for _ in range(30)]
    assert scores[-1] > scores[0]
    kept = learner.params()
    assert isinstance(kept, Generated)
    for bank in program.banks:
        for name, values in by_parameter(program, bank, bank.values).items():
            torch.testing.assert_close(kept[name].to(values), values, rtol=1e-4, atol=1e-5)
    assert learner.unpack(learner.pack(kept)).equal(kept)


def test_a_run_with_tables_continues_bit_for_bit() -> None:
    """Small regions are looked up, from the first batch on, before and after the break."""
    x = np.random.default_rng(2).integers(0, 2, (500, 10)).astype(np.float32)
    model = build_structure("hyperspn", Shape.of(10), {"units": 4, "replicas": 5})

    def trainer(epochs: int) -> Trainer:
        options = TrainOptions(epochs=epochs, batch_size=200, patience=0)
        return Trainer(compile_circuit(model), x[:400], x[400:], "hyper", options=options)

    whole, first, second = trainer(4), trainer(2), trainer(4)
    expected = [event for event in whole.events() if isinstance(event, Epoch)]
    assert whole.learner.expect._tables is not None
    list(first.events())
    second.restore(*first.state())
    found = [event for event in second.events() if isinstance(event, Epoch)]
    assert [(e.train_log_likelihood, e.valid_log_likelihood) for e in found] == [
        (e.train_log_likelihood, e.valid_log_likelihood) for e in expected[-2:]
    ]
    assert isinstance(second.best_params, Generated)
    assert second.best_params.equal(whole.best_params)
