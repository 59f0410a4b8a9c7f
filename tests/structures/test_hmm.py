"""Hidden Markov models as a structure, against the forward and the Baum-Welch algorithm."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from pccore import oracle, reference
from pccore.compile import compile_circuit
from pccore.errors import OptionError
from pccore.graph import Circuit
from pccore.learn.trainer import Trainer, TrainOptions
from pccore.leaves.base import Support
from pccore.structures import Shape, build_structure, estimate, size_of, summarise

NAN = math.nan


def sequences(seed: int, rows: int, length: int, words: int) -> Shape:
    rng = np.random.default_rng(seed)
    data = rng.integers(0, words, (rows, length)).astype(np.float32)
    about = Shape.of(length, Support("finite", words))
    return replace(about, data=data, summary=summarise(data, about.supports))


def tables(circuit: Circuit) -> tuple[np.ndarray, list[np.ndarray], list[np.ndarray]]:
    """Initial [K], transitions from each step to the next [K, K], emissions [K, C]."""
    own = {g.name: circuit.params[g.parameter] for g in circuit.groups if g.kind != "product"}
    names = circuit.variables
    start = own["root"][0].double().numpy()
    moves = [own[f"S({name})"].double().numpy() for name in names[1:]]
    return start, moves, [own[f"L({name})"][0].double().numpy() for name in names]


def forward(circuit: Circuit, x: np.ndarray) -> float:
    start, moves, emit = tables(circuit)
    state = start
    for t, value in enumerate(x):
        state = state if t == 0 else state @ moves[t - 1]
        state = state * (1.0 if math.isnan(value) else emit[t][:, int(value)])
    return math.log(state.sum())


@pytest.mark.parametrize("homogeneous", [True, False])
def test_value_by_the_forward_algorithm(homogeneous: bool) -> None:
    about = sequences(0, 40, 6, 5)
    circuit = build_structure("hmm", about, {"units": 3, "homogeneous": homogeneous})
    assert about.data is not None
    x = about.data[:8].copy()
    x[1:, 2] = NAN
    x[2, :] = NAN
    found = reference.evaluate(circuit, x).root[:, 0]
    np.testing.assert_allclose(found, [forward(circuit, row) for row in x], rtol=1e-6, atol=1e-6)
    ids = {g.parameter for g in circuit.groups if g.kind != "product"}
    assert len(ids) == (3 if homogeneous else 12)
    assert size_of(circuit) == estimate("hmm", about, {"units": 3, "homogeneous": homogeneous})


def test_all_sequences_together_have_probability_one() -> None:
    circuit = build_structure("hmm", Shape.of(4, Support("finite", 3)), {"units": 2})
    assert np.exp(oracle.log_table(circuit)).sum() == pytest.approx(1, abs=1e-6)


def test_one_step_of_em_is_one_of_baum_and_welch() -> None:
    about = sequences(1, 30, 5, 4)
    circuit = build_structure("hmm", about, {"units": 3})
    start, moves, emit = tables(circuit)
    assert about.data is not None
    first, move, out = np.zeros(3), np.zeros((3, 3)), np.zeros((3, 4))
    for row in about.data.astype(int):
        alpha = [start * emit[0][:, row[0]]]
        for t in range(1, 5):
            alpha.append(alpha[-1] @ moves[0] * emit[0][:, row[t]])
        beta = [np.ones(3)]
        for t in range(4, 0, -1):
            beta.insert(0, moves[0] @ (emit[0][:, row[t]] * beta[0]))
        whole = alpha[-1].sum()
        first += alpha[0] * beta[0] / whole
        for t in range(5):
            out[:, row[t]] += alpha[t] * beta[t] / whole
            if t:
                seen = emit[0][:, row[t]] * beta[t]
                move += alpha[t - 1][:, None] * moves[0] * seen / whole
    program = compile_circuit(circuit, dtype=torch.float64)
    from pccore.learn.em import EMOptions

    trainer = Trainer(
        program, about.data, None, "em", EMOptions(pseudocount=0), TrainOptions(epochs=1)
    )
    for _ in trainer.events():
        pass
    after = tables(circuit.with_params(program.params))
    np.testing.assert_allclose(after[0], first / first.sum(), atol=1e-6)
    np.testing.assert_allclose(after[1][2], move / move.sum(1, keepdims=True), atol=1e-6)
    np.testing.assert_allclose(after[2][4], out / out.sum(1, keepdims=True), atol=1e-6)


def test_two_thousand_steps_train_without_a_nan() -> None:
    about = sequences(2, 12, 2000, 20)
    program = compile_circuit(build_structure("hmm", about, {"units": 4}))
    assert about.data is not None
    data = about.data.copy()
    data[:, ::5] = NAN
    trainer = Trainer(program, data, None, "em", options=TrainOptions(epochs=2))
    scores = [
        e.train_log_likelihood for e in trainer.events() if hasattr(e, "train_log_likelihood")
    ]
    assert np.isfinite(scores).all()
    assert scores[-1] > scores[0]
    for tensor in program.params.values():
        assert torch.isfinite(tensor).all()


def test_ten_thousand_words() -> None:
    about = sequences(3, 20, 12, 10_000)
    circuit = build_structure("hmm", about, {"units": 8})
    assert circuit.num_parameters == 8 * 10_000 + 8 * 8 + 8
    program = compile_circuit(circuit)
    assert about.data is not None
    trainer = Trainer(program, about.data, None, "em", options=TrainOptions(epochs=2))
    scores = [
        e.train_log_likelihood for e in trainer.events() if hasattr(e, "train_log_likelihood")
    ]
    assert scores[-1] > scores[0]


def test_clusters_count_all_steps_of_a_tied_chain() -> None:
    about = sequences(4, 300, 6, 3)
    circuit = build_structure("hmm", about, {"units": 2, "start": "clusters"})
    emission = next(g.parameter for g in circuit.groups if g.kind == "leaf")
    assert about.data is not None
    # Whatever the clusters are, together they have seen every word of every step.
    start, moves, emit = tables(circuit)
    chance = np.zeros(3)
    state = start
    for t in range(6):
        state = state if t == 0 else state @ moves[t - 1]
        chance += state @ emit[t] / 6
    share = np.bincount(about.data.astype(int).reshape(-1), minlength=3) / about.data.size
    np.testing.assert_allclose(chance, share, atol=0.03)
    assert circuit.params[emission].shape == (1, 2, 3)


def test_too_large_for_memory() -> None:
    about = Shape.of(3000, Support("finite", 10_000))
    with pytest.raises(OptionError, match="too many to build"):
        build_structure("hmm", about, {"units": 1024, "homogeneous": False})
