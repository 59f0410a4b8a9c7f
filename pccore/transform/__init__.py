"""Circuits made from circuits; each function says what happens to S."""

from pccore.transform.augment import augment, augment_groups, states_of
from pccore.transform.drop_dead import drop_dead
from pccore.transform.fold import condition, marginalise
from pccore.transform.grow import grow, growable
from pccore.transform.hidden import hidden_groups, hidden_names, with_states
from pccore.transform.join import join
from pccore.transform.materialise import materialise
from pccore.transform.normalise import normalise
from pccore.transform.prune import prune
from pccore.transform.scalar import Scalar, scalar
from pccore.transform.smooth import smooth
from pccore.transform.soft_text import parse_hidden, parse_likelihoods, parse_soft
from pccore.transform.soften import Softened, observe_hidden, soften, unit_named

__all__ = [
    "Scalar",
    "Softened",
    "augment",
    "augment_groups",
    "condition",
    "drop_dead",
    "grow",
    "growable",
    "hidden_groups",
    "hidden_names",
    "join",
    "marginalise",
    "materialise",
    "normalise",
    "observe_hidden",
    "parse_hidden",
    "parse_likelihoods",
    "parse_soft",
    "prune",
    "scalar",
    "smooth",
    "soften",
    "states_of",
    "unit_named",
    "with_states",
]
