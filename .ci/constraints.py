"""Write constraints.txt: the versions installed here of all that this project needs.

    .venv/bin/python .ci/constraints.py > constraints.txt

Run it in an environment in which `make test` has just passed.
"""

from __future__ import annotations

import importlib.metadata as metadata

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

HEADER = """\
# What the tests ran with, to the exact version (.ci/constraints.py writes this file).
# `torch` is without its local label, so that both the CPU and the CUDA build satisfy it; the CUDA
# build's own dependencies are pinned by torch itself.
"""


def closure(distribution: str, extras: frozenset[str]) -> dict[str, str]:
    """Versions by name of everything installed that `distribution` with `extras` needs."""
    versions: dict[str, str] = {}
    seen: set[tuple[str, frozenset[str]]] = set()
    todo = [(distribution, extras)]
    while todo:
        name, wanted = todo.pop()
        if (name, wanted) in seen:
            continue
        seen.add((name, wanted))
        try:
            found = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue  # optional on this platform
        versions[name] = found.version.partition("+")[0]
        for text in found.requires or []:
            need = Requirement(text)
            if need.marker is None or any(
                need.marker.evaluate({"extra": extra}) for extra in ("", *wanted)
            ):
                todo.append((canonicalize_name(need.name), frozenset(need.extras)))
    del versions[distribution]
    return versions


if __name__ == "__main__":
    pins = closure("pc-workbench", frozenset({"test", "dev"}))
    print(HEADER + "\n".join(f"{name}=={pins[name]}" for name in sorted(pins)))
