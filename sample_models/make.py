"""Make the sample models: `python sample_models/make.py` rewrites every file beside it.

With `figures` as its argument only those that need no training, which takes a second.

The figures are exact; the others are trained from fixed seeds on one thread, so that
the same versions make the same files.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import torch

from pccore.compile import compile_circuit
from pccore.datasets import load
from pccore.distillation import Assignments, distil, obtain
from pccore.files import save_model
from pccore.graph import Circuit
from pccore.learn import Epoch, Trainer, TrainOptions
from pccore.learn.em import OnlineEMOptions
from pccore.structures import build_structure, shape_of
from pccore.structures.figures import figures
from pccore.transform import hidden_groups

FOLDER = Path(__file__).parent

DIGITS = {
    "digits_rat": (
        "rat",
        "Digits, random binary trees",
        "An EiNet over ten random binary trees, trained by EM on the 8x8 handwritten digits. "
        "It knows nothing of rows and columns: any order of the pixels would do as well.",
    ),
    "digits_pd": (
        "pd",
        "Digits, Poon-Domingos rectangles",
        "An EiNet over all rectangles of a 2x2 grid, trained by EM on the 8x8 handwritten "
        "digits. Its regions are neighbourhoods of the image, which is why it completes better.",
    ),
}


def digits_model(structure: str, title: str, story: str) -> Circuit:
    """Train one structure with the default options."""
    data = load("digits")
    circuit = build_structure(structure, shape_of(data), {})
    trainer = Trainer(
        compile_circuit(circuit),
        data.train,
        data.valid,
        "online-em",
        OnlineEMOptions(),
        TrainOptions(epochs=100),
    )
    for event in trainer.events():
        if isinstance(event, Epoch) and event.epoch % 10 == 0:
            print(f"{structure}: epoch {event.epoch}, valid {event.valid_log_likelihood:.3f}")
    trained = circuit.with_params(trainer.best_params)
    return trained.with_meta({**trained.meta, "title": title, "story": story})


def sentences_model() -> Circuit:
    """A hidden Markov model of words, by latent variable distillation with default options."""
    data = load("sentences")
    circuit = build_structure("hmm", shape_of(data), {"units": 32})
    embeddings = obtain("tokens", data, circuit, hidden_groups(circuit))
    assert not isinstance(embeddings, Assignments), "tokens are embedded, not assigned"
    with tempfile.TemporaryDirectory() as folder:
        trained = distil(folder, circuit, data, embeddings).circuit
    title = "Sentences, hidden Markov model"
    story = (
        "Sentences of a small English grammar, one word a column. Its 32 hidden states, the same "
        "at every word, were found by latent variable distillation: clusters of what a small "
        "transformer makes of each word, then EM. Complete fills in blanks and shows the states."
    )
    return trained.with_meta({**trained.meta, "title": title, "story": story})


def main(trained: bool = True) -> None:
    """Write all files; trained: also those of digits and sentences."""
    torch.set_num_threads(1)
    for name, make in figures().items():
        save_model(make(), FOLDER / f"{name}.pc.json")
    if not trained:
        return
    for name, (structure, title, story) in DIGITS.items():
        save_model(digits_model(structure, title, story), FOLDER / f"{name}.pc.safetensors")
    save_model(sentences_model(), FOLDER / "sentences_hmm.pc.safetensors")


if __name__ == "__main__":
    main(trained="figures" not in sys.argv[1:])
