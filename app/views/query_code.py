"""What the Query page answers, as a command line and as Python."""

from __future__ import annotations

import shlex

from pc_workbench.views.query_evidence import Given, observed_text


def asking(model: str, given: Given, seed: int) -> tuple[str, str]:
    """(Python, command) that ask a model under some evidence."""
    observed = {name: _plain(value) for name, value in given.observed.items()}
    options = [repr(observed)]
    if given.soft:
        options.append(f"soft={ {name: list(values) for name, values in given.soft.items()}!r}")
    if given.hidden:
        options.append(f"hidden={given.hidden!r}")
    python = (
        "from pccore.files import load_model\n"
        "from pccore.queries import log_probability_of, posterior_marginals, unit_values\n"
        "from pccore.queries.steps import explain, sample_steps, up_steps\n\n"
        f"circuit = load_model({model!r})\n"
        f"values = unit_values(circuit, {', '.join(options)})\n"
        "print(values.value_of(circuit.root), log_probability_of(values))\n"
        "print(posterior_marginals(values).probabilities)\n"
        "for step in up_steps(values):\n"
        "    print(step.title, '|', step.equation, '|', step.filled)\n"
        "print(explain(values).assignment)\n"
        f"print(sample_steps(values, seed={seed})[-1].notes)\n"
    )
    words = ["pccore", "query", model]
    if observed:
        words += ["--evidence", observed_text(given)]
    if given.soft:
        soft = (f"{n}={' '.join(f'{v:g}' for v in values)}" for n, values in given.soft.items())
        words += ["--soft", ",".join(soft)]
    if given.hidden:
        hidden = (f"{unit}={child}" for unit, child in given.hidden.items())
        words += ["--observe-hidden", ",".join(hidden)]
    return python, shlex.join([*words, "--ask", "marginals", "--trace", "trace.json"])


def _plain(value: float) -> float | int:
    return int(value) if value == int(value) else value
