"""Circuits as text, both ways, in the notation of Poon & Domingos 2011.

    # title: A mixture
    S = 0.5*(0.6*x1 + 0.4*!x1)*(0.3*x2 + 0.7*!x2) + 0.5 x1 x̄2

`x` is the indicator [x = 1]; `!x`, `¬x` and `x̄` are [x = 0]; `[X=2]` is a state of a variable with
several. Leaves are `N(X; mean, variance)`, `Bern(X; p)`, `Cat(X; p0, p1, ...)`, `Binom(X; n, p)`,
`Pois(X; rate)`.
`+` and `⊕` add; `*`, `·`, `×`, `⊗` or nothing at all multiply; a number is a weight. A line
`name = expression` names a unit that may be used many times: it is one shared unit. What has no
name is the root; without such a line the last name is, or those of a line `roots: a, b`. Lines
`variables: x1, x2` and `X in {0..3}` fix the order of the variables and their states. Names with
other characters stand in backticks. A product in parentheses is a unit of its own.
"""

from pccore.formula.build import parse_formula
from pccore.formula.printer import format_formula

__all__ = ["format_formula", "parse_formula"]
