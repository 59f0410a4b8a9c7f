"""Questions to a circuit; every answer is exact unless its licence says otherwise."""

from pccore.queries.explain import Explanation, mpe, sample
from pccore.queries.likelihood import (
    log_conditional,
    log_likelihood,
    log_partition,
    log_probability,
    log_value,
)
from pccore.queries.marginals import Marginals, marginals, posterior_mean, posterior_moments
from pccore.queries.table import Licence, Query, licence, queries, require

__all__ = [
    "Explanation",
    "Licence",
    "Marginals",
    "Query",
    "licence",
    "log_conditional",
    "log_likelihood",
    "log_partition",
    "log_probability",
    "log_value",
    "marginals",
    "mpe",
    "posterior_mean",
    "posterior_moments",
    "queries",
    "require",
    "sample",
]
