"""A small masked autoencoder of patches, trained on the images themselves.

Some patches are hidden, an encoder sees the others, a decoder fills in what is hidden; what the
encoder makes of a patch is its embedding. A patch is read together with its ancestors in the
maximum spanning tree of the correlations of what patches are alone (Liu, Zhang and Van den Broeck
2023, sec. 5 and app. B.2; He et al., "Masked autoencoders are scalable vision learners", 2022).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from pccore.datasets import Dataset
from pccore.datasets.base import SPLITS, Split
from pccore.distillation.assign import Embeddings
from pccore.distillation.windows import windows
from pccore.options import option
from pccore.structures.spanning import Tree, at_centre, spanning_tree

Array = npt.NDArray[np.float32]

#: Rows that are embedded at a time.
_ROWS = 1024


@dataclass(frozen=True)
class AutoencoderOptions:
    """The network and its training."""

    width: int = option(64, help="numbers in an embedding", minimum=8, maximum=1024)
    layers: int = option(2, help="layers of the encoder; the decoder has one", minimum=1)
    heads: int = option(4, help="heads of attention", minimum=1, maximum=64)
    hidden: float = option(
        0.75, help="share of the patches that are hidden while it learns", minimum=0.1, maximum=0.95
    )
    epochs: int = option(10, help="passes over the training images", minimum=1, maximum=10_000)
    batch_size: int = option(128, help="images per update", minimum=1, maximum=100_000)
    learning_rate: float = option(1e-3, help="of Adam", minimum=1e-6, maximum=1.0)
    context: bool = option(True, help="a patch is read together with its ancestors in the tree")
    seed: int = option(0, help="of the network and of what is hidden", minimum=0)


class MaskedAutoencoder(nn.Module):
    """Patches [B, L, P] in, patches out."""

    def __init__(self, patches: int, pixels: int, options: AutoencoderOptions) -> None:
        super().__init__()
        width = options.width
        self.enter = nn.Linear(pixels, width)
        self.place = nn.Parameter(0.02 * torch.randn(patches, width))
        self.unseen = nn.Parameter(0.02 * torch.randn(width))
        self.encoder = transformer(width, options.heads, options.layers)
        self.decoder = transformer(width, options.heads, 1)
        self.leave = nn.Linear(width, pixels)

    def encode(self, x: Tensor, chosen: Tensor, padding: Tensor | None = None) -> Tensor:
        """Embeddings [B, S, D] of the chosen patches [B, S], given each other alone."""
        rows = torch.arange(len(x)).unsqueeze(1)
        tokens = self.enter(x[rows, chosen]) + self.place[chosen]
        return self.encoder(tokens, src_key_padding_mask=padding)

    def forward(self, x: Tensor, seen: Tensor) -> Tensor:
        """All patches [B, L, P] from the seen ones [B, S]."""
        tokens = self.unseen.expand(len(x), len(self.place), -1).clone()
        rows = torch.arange(len(x)).unsqueeze(1)
        tokens[rows, seen] = self.encode(x, seen)
        return self.leave(self.decoder(tokens + self.place))


def transformer(width: int, heads: int, layers: int) -> nn.TransformerEncoder:
    """Layers of attention over [B, S, width], without dropout."""
    layer = nn.TransformerEncoderLayer(
        width, heads, 2 * width, dropout=0.0, batch_first=True, norm_first=True
    )
    return nn.TransformerEncoder(layer, layers, nn.LayerNorm(width), enable_nested_tensor=False)


def embed_patches(
    dataset: Dataset,
    scopes: Sequence[Sequence[int]],
    options: AutoencoderOptions | None = None,
    listener: Callable[[int, float], None] | None = None,
) -> Embeddings:
    """Train on the training images; the embedding of each patch of every image.

    scopes: the columns of each patch. listener: told of each epoch and its mean squared error of
    hidden patches, in units of the pixels' variance.
    """
    o = options or AutoencoderOptions()
    data = windows(dataset, scopes)
    count = len(scopes)
    with torch.random.fork_rng(devices=[]):  # the caller's random numbers stay as they are
        torch.manual_seed(o.seed)
        network = MaskedAutoencoder(count, data["train"].shape[2], o)
        if count > 1:
            _train(network, torch.from_numpy(data["train"]), o, listener)
        with torch.no_grad():
            return _embeddings(network.eval(), data, count, o)


def _train(
    network: MaskedAutoencoder,
    x: Tensor,
    o: AutoencoderOptions,
    listener: Callable[[int, float], None] | None,
) -> None:
    count = x.shape[1]
    seen = max(1, min(count - 1, round(count * (1 - o.hidden))))
    adam = torch.optim.AdamW(network.parameters(), o.learning_rate, weight_decay=0.05)
    for epoch in range(1, o.epochs + 1):
        total = 0.0
        for rows in torch.randperm(len(x)).split(o.batch_size):
            batch = x[rows]
            order = torch.rand(len(batch), count).argsort(1)
            made = network(batch, order[:, :seen])
            hidden = order[:, seen:, None].expand(-1, -1, x.shape[2])
            loss = nn.functional.mse_loss(made.gather(1, hidden), batch.gather(1, hidden))
            adam.zero_grad()
            loss.backward()
            adam.step()
            total += float(loss.detach()) * len(batch)
        if listener is not None:
            listener(epoch, total / len(x))


def _embeddings(
    network: MaskedAutoencoder, data: dict[Split, Array], count: int, o: AutoencoderOptions
) -> Embeddings:
    alone = _read(network, data["train"], [[i] for i in range(count)])
    sets = [[i] for i in range(count)]
    if o.context and count > 1:
        tree = at_centre(spanning_tree(_correlations(alone)))
        sets = [[i, *_ancestors(tree, i)] for i in range(count)]
    return {split: _read(network, data[split], sets) for split in SPLITS}


def _read(network: MaskedAutoencoder, x: Array, sets: Sequence[Sequence[int]]) -> list[Array]:
    """The embedding of the first patch of each set, given the set: L arrays [N, D]."""
    found: list[Array] = []
    rows = torch.from_numpy(x)
    for members in sets:
        chosen = torch.tensor(members)
        parts = [
            network.encode(part, chosen.expand(len(part), -1))[:, 0].numpy()
            for part in rows.split(_ROWS)
        ]
        width = network.place.shape[1]
        found.append(np.concatenate(parts) if parts else np.zeros((0, width), np.float32))
    return found


def _correlations(alone: Sequence[Array]) -> npt.NDArray[np.float64]:
    """Mean squared correlation between the numbers of two embeddings, [L, L]."""
    scaled = [(e - e.mean(0)) / np.maximum(e.std(0), 1e-6) / np.sqrt(max(1, len(e))) for e in alone]
    count = len(scaled)
    found = np.zeros((count, count))
    for i in range(count):
        for j in range(i):
            found[i, j] = found[j, i] = float(((scaled[i].T @ scaled[j]) ** 2).mean())
    return found


def _ancestors(tree: Tree, node: int) -> list[int]:
    found: list[int] = []
    parent = tree.parent[node]
    while parent >= 0:
        found.append(parent)
        parent = tree.parent[parent]
    return found
