"""What the makers of small circuits share."""

from __future__ import annotations

from pccore.build import Expression, Terms, circuit, indicator
from pccore.graph import Circuit


def literals(variable: str) -> tuple[Expression, Expression]:
    """The indicators x and ¬x of a Boolean variable, as shared leaves."""
    name = variable.lower()
    return indicator(variable, 1).named(name), indicator(variable, 0).named(f"¬{name}")


def finish(root: Expression | Terms, variables: list[str], title: str, story: str) -> Circuit:
    """The circuit with its title and story."""
    return circuit(root, variables, {"title": title, "story": story})
