"""Embeddings of the rest of a sequence, from a small masked transformer or from one that is there.

The hidden state of a chain at step t is behind the suffix x_t, x_t+1, ...; its embedding is the
mean of what a network makes of these tokens, the nearest counting most (Liu, Zhang and Van
den Broeck 2023, sec. 2, with BERT). The small network is trained here, on the sequences themselves,
to fill in hidden tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from pccore.datasets import Dataset
from pccore.datasets.base import SPLITS, Split
from pccore.distillation.assign import Embeddings
from pccore.distillation.autoencoder import transformer
from pccore.errors import DataError, OptionError
from pccore.options import option

Array = npt.NDArray[np.float32]

#: Sequences that are embedded at a time.
_ROWS = 256


@dataclass(frozen=True)
class TokenOptions:
    """The network and its training."""

    width: int = option(64, help="numbers in an embedding", minimum=8, maximum=1024)
    layers: int = option(2, help="layers of the encoder", minimum=1, maximum=48)
    heads: int = option(4, help="heads of attention", minimum=1, maximum=64)
    hidden: float = option(
        0.15, help="share of the tokens that are hidden while it learns", minimum=0.01, maximum=0.9
    )
    epochs: int = option(10, help="passes over the training sequences", minimum=1, maximum=10_000)
    batch_size: int = option(64, help="sequences per update", minimum=1, maximum=100_000)
    learning_rate: float = option(1e-3, help="of Adam", minimum=1e-6, maximum=1.0)
    decay: float = option(
        0.5,
        help="a token further on counts this much less in the embedding of a suffix",
        minimum=0.0,
        maximum=1.0,
    )
    whiten: bool = option(
        False,
        help="all directions of the embeddings count alike; with decay=0 good for few states",
    )
    seed: int = option(0, help="of the network and of what is hidden", minimum=0)


class MaskedTransformer(nn.Module):
    """Tokens [B, T] in, scores of the words [B, T, C] out."""

    def __init__(self, words: int, steps: int, options: TokenOptions) -> None:
        super().__init__()
        self.words = nn.Embedding(words + 1, options.width)  # the last one stands for hidden
        nn.init.normal_(self.words.weight, std=0.02)
        self.place = nn.Parameter(0.02 * torch.randn(steps, options.width))
        self.encoder = transformer(options.width, options.heads, options.layers)
        self.bias = nn.Parameter(torch.zeros(words))

    def encode(self, x: Tensor) -> Tensor:
        """Embeddings [B, T, D]."""
        return self.encoder(self.words(x) + self.place)

    def forward(self, x: Tensor) -> Tensor:
        """Scores [B, T, C], by likeness to the words' own embeddings."""
        return self.encode(x) @ self.words.weight[:-1].T + self.bias


def embed_suffixes(
    dataset: Dataset,
    options: TokenOptions | None = None,
    listener: Callable[[int, float], None] | None = None,
) -> Embeddings:
    """Train on the training sequences; the embedding of the suffix at every step of every row.

    Missing tokens are hidden ones. listener: told of each epoch and its mean cross-entropy of
    hidden tokens in nats. Raises DataError for columns that are no tokens of one vocabulary.
    """
    o = options or TokenOptions()
    words = _vocabulary(dataset)
    with torch.random.fork_rng(devices=[]):  # the caller's random numbers stay as they are
        torch.manual_seed(o.seed)
        network = MaskedTransformer(words, dataset.num_variables, o)
        _train(network, _tokens(dataset.train, words), words, o, listener)
        network.eval()
        found = _suffixes(dataset, words, o.decay, network.encode)
    return _whitened(found) if o.whiten else found


def _whitened(embeddings: Embeddings) -> Embeddings:
    """Uncorrelated and of variance 1 over all steps of the training rows, but for directions in
    which they hardly differ."""
    points = np.concatenate(embeddings["train"])
    mean = points.mean(0)
    variances, axes = np.linalg.eigh(np.cov((points - mean).T))
    least = max(1e-4 * float(variances.max()), 1e-12)
    scaled = (axes / np.sqrt(np.maximum(variances, least))).astype(np.float32)
    return {split: [(e - mean) @ scaled for e in embeddings[split]] for split in SPLITS}


def embed_with_transformers(dataset: Dataset, model: str, decay: float = 0.5) -> Embeddings:
    """The same from a model of the `transformers` package whose weights are on this machine.

    model: a folder, or the name of a model in the local cache; nothing is downloaded. The
    columns are token numbers of its vocabulary. Raises OptionError without the package,
    and where the model cannot be read or has fewer words than the data.
    """
    try:
        # Optional, and slow to import.
        from transformers import AutoModel  # pyright: ignore[reportMissingImports, reportUnknownVariableType]
    except ImportError:
        raise OptionError(
            "embeddings of a Hugging Face model need the package transformers",
            hint="pip install transformers",
        ) from None
    words = _vocabulary(dataset)
    try:
        network = AutoModel.from_pretrained(model, local_files_only=True)
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise OptionError(f"cannot be read: {reason}", where=str(Path(model))) from None
    network.eval()
    if network.config.vocab_size < words:
        raise OptionError(
            f"the model has {network.config.vocab_size} words, the data {words}", where=model
        )

    def encode(x: Tensor) -> Tensor:
        known = x < words
        ids = torch.where(known, x, 0)
        return network(input_ids=ids, attention_mask=known.long()).last_hidden_state

    return _suffixes(dataset, words, decay, encode)


def _vocabulary(dataset: Dataset) -> int:
    states = [support.states for support in dataset.supports]
    if any(count is None for count in states):
        raise DataError("sequences of tokens need finite columns", where=dataset.name)
    return max(count or 0 for count in states)


def _tokens(rows: Array, words: int) -> Tensor:
    """int64 [N, T]; a missing token is the one that stands for hidden."""
    return torch.from_numpy(np.nan_to_num(rows, nan=float(words)).astype(np.int64))


def _train(
    network: MaskedTransformer,
    x: Tensor,
    words: int,
    o: TokenOptions,
    listener: Callable[[int, float], None] | None,
) -> None:
    adam = torch.optim.AdamW(network.parameters(), o.learning_rate)
    for epoch in range(1, o.epochs + 1):
        total, count = 0.0, 0
        for rows in torch.randperm(len(x)).split(o.batch_size):
            batch = x[rows]
            hidden = (torch.rand(batch.shape) < o.hidden) & (batch < words)
            if not bool(hidden.any()):
                continue
            scores = network(torch.where(hidden, words, batch))[hidden]
            loss = nn.functional.cross_entropy(scores, batch[hidden])
            adam.zero_grad()
            loss.backward()
            adam.step()
            total += float(loss.detach()) * len(scores)
            count += len(scores)
        if listener is not None:
            listener(epoch, total / max(1, count))


@torch.no_grad()
def _suffixes(
    dataset: Dataset, words: int, decay: float, encode: Callable[[Tensor], Tensor]
) -> Embeddings:
    """For each split, for each step, [N, D]."""
    found: dict[Split, list[Array]] = {}
    steps = dataset.num_variables
    weights = decay ** (torch.arange(steps)[None] - torch.arange(steps)[:, None]).clamp(min=0)
    weights = torch.triu(weights.float())
    weights /= weights.sum(1, keepdim=True)
    for split in SPLITS:
        parts: Iterable[Tensor] = _tokens(dataset.split(split), words).split(_ROWS)
        made = [torch.einsum("ts,bsd->btd", weights, encode(part)).numpy() for part in parts]
        # torch splits no rows into one part of no rows.
        whole = np.concatenate(made)
        found[split] = [np.ascontiguousarray(whole[:, t]) for t in range(steps)]
    return found
