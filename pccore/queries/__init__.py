"""Questions to a circuit; every answer is exact unless its licence says otherwise."""

from pccore.queries.change import Change, change_of
from pccore.queries.explain import Explanation, mpe, sample
from pccore.queries.flows import ExpectedFlows, expected_flows
from pccore.queries.likelihood import (
    log_conditional,
    log_likelihood,
    log_partition,
    log_probability,
    log_value,
)
from pccore.queries.marginals import (
    Marginals,
    marginals,
    posterior_mean,
    posterior_moments,
    posterior_of,
)
from pccore.queries.meaning import Meaning, meaning
from pccore.queries.posterior import (
    Posterior,
    licence_of,
    log_probability_of,
    posterior_marginals,
)
from pccore.queries.table import Licence, Query, licence, queries, require
from pccore.queries.trace import trace
from pccore.queries.values import UnitValues, hidden_posterior, unit_values

__all__ = [
    "Change",
    "ExpectedFlows",
    "Explanation",
    "Licence",
    "Marginals",
    "Meaning",
    "Posterior",
    "Query",
    "UnitValues",
    "change_of",
    "expected_flows",
    "hidden_posterior",
    "licence",
    "licence_of",
    "log_conditional",
    "log_likelihood",
    "log_partition",
    "log_probability",
    "log_probability_of",
    "log_value",
    "marginals",
    "meaning",
    "mpe",
    "posterior_marginals",
    "posterior_mean",
    "posterior_moments",
    "posterior_of",
    "queries",
    "require",
    "sample",
    "trace",
    "unit_values",
]
