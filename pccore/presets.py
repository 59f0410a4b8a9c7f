"""Published settings by name, for structures and for learning methods.

A preset is a mapping from option to value; options that are given as well win. Where the paper
ties a value to the data (an image's size or scale) the preset computes it.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from pccore.errors import OptionError

Value = int | float | str | tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Facts:
    """What a preset may know of the data: V, and the largest pixel value of an image."""

    num_variables: int
    maximum: float = 1.0


@dataclass(frozen=True, slots=True)
class Preset:
    """One setting. subject: the structure or method it is for. source: where it is published."""

    subject: str
    name: str
    source: str
    make: Callable[[Facts], Mapping[str, Value]]


def _einet_rat(facts: Facts) -> Mapping[str, Value]:
    return {"depth": 4, "replicas": 10, "units": 10}


def _einet_pd(facts: Facts) -> Mapping[str, Value]:
    # Steps of 8 for 32 pixels and 32 for 128, which is the default, a quarter of the side.
    # The variances are meant for intensities from 0 to 1.
    square = float(facts.maximum) ** 2
    return {
        "axes": "vertical",
        "units": 40,
        "leaf": "gaussian",
        "min_variance": 1e-6 * square,
        "max_variance": 1e-2 * square,
    }


def _hyperspn_rat(facts: Facts) -> Mapping[str, Value]:
    return {"layout": "sectors", "replicas": 50, "units": 5}


def _hyperspn(facts: Facts) -> Mapping[str, Value]:
    return {"replicas": 50, "units": 5, "embedding": 5, "hidden": (20, 20)}


def _hyperspn_baby(facts: Facts) -> Mapping[str, Value]:
    # Table 2 has 460 parameters less than table 1 would have: the second layer has 10 units.
    return {**_hyperspn(facts), "hidden": (20, 10)}


def _einet_em(facts: Facts) -> Mapping[str, Value]:
    return {"step": 0.5, "batch_size": 500, "epochs": 25}


def _hyperspn_adam(facts: Facts) -> Mapping[str, Value]:
    # The authors' weight decay of 0.001 goes with the sum over a batch, ours with the mean.
    return {"learning_rate": 0.02, "weight_decay": 1e-3 / 500, "batch_size": 500}


def _hyperspn_network(facts: Facts) -> Mapping[str, Value]:
    return {"learning_rate": 5e-3, "batch_size": 500, "embedding": 5, "hidden": (20, 20)}


def _spn_hard_em(facts: Facts) -> Mapping[str, Value]:
    return {"smoothing": 1.0, "memory": 1.0, "threshold": 0.1, "patience": 0}


_PRESETS = (
    Preset("rat", "einet-paper", "Peharz et al. 2020, sec. 4.1: D = 4, R = 10, K = 10", _einet_rat),
    Preset("pd", "einet-paper", "Peharz et al. 2020, sec. 4.2: K = 40, vertical cuts", _einet_pd),
    Preset("rat", "hyperspn-paper", "Shih et al. 2021, sec. 4.1: k = 5, r = 50", _hyperspn_rat),
    Preset(
        "hyperspn",
        "hyperspn-paper",
        "Shih et al. 2021, sec. 4.1, table 1: k = 5, r = 50, h = 5, layers of 20",
        _hyperspn,
    ),
    Preset(
        "hyperspn",
        "hyperspn-baby",
        "Shih et al. 2021, sec. 4.2, table 2: k = 5, r = 50, h = 5, layers of 20 and 10",
        _hyperspn_baby,
    ),
    Preset(
        "online-em",
        "einet-paper",
        "Peharz et al. 2020, sec. 4.2: step 0.5, batches of 500, 25 epochs",
        _einet_em,
    ),
    Preset(
        "hard-em",
        "spn-paper",
        "Poon & Domingos 2011, sec. 4: add-one smoothing, all counts kept, until the mean "
        "log-likelihood gains less than 0.1",
        _spn_hard_em,
    ),
    Preset(
        "adam",
        "hyperspn-paper",
        "Shih et al. 2021, table 4: Adam 0.02, weight decay 0.001 of a sum over batches of 500",
        _hyperspn_adam,
    ),
    Preset(
        "hyper",
        "hyperspn-paper",
        "Shih et al. 2021, table 4: Adam 0.005, batches of 500, h = 5, layers of 20",
        _hyperspn_network,
    ),
)


def presets(subject: str) -> Mapping[str, Preset]:
    """The presets of a structure or a method by name."""
    return MappingProxyType({p.name: p for p in _PRESETS if p.subject == subject})


def preset_options(subject: str, name: str, facts: Facts) -> dict[str, Value]:
    """The options that a preset sets. Raises OptionError for an unknown name."""
    known = presets(subject)
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1)
        guess = f"; did you mean {close[0]!r}?" if close else ""
        listed = ", ".join(known) or "there are none"
        raise OptionError(
            f"unknown preset {name[:80]!r}, known are: {listed}{guess}", where=subject
        )
    return dict(known[name].make(facts))
