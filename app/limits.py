"""What a server gives each workspace: disk, jobs, training time, sizes of models.

    current() -> Limits       as the environment says; `pccore app --help` has an option for each

Without a word everything is unlimited, as suits one person on one machine. On a public server
(`is_public`) what is not set has the value of `PUBLIC`.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pc_workbench import settings
from pccore.errors import OptionError, QuotaError

MEGABYTE = 10**6
_MOST = 10**12
_YES = frozenset({"1", "yes", "true", "on"})


def _limit(option: str, scale: int, unit: str, help_: str) -> Any:
    """A limit: its option on the command line, and how many of ours one of its units is."""
    facts = {"option": option, "scale": scale, "unit": unit, "help": help_}
    return field(default=None, metadata=facts)


@dataclass(frozen=True, slots=True)
class Limits:
    """Each is a whole number in the smallest unit (bytes, seconds, parameters), None: no limit."""

    disk: int | None = _limit(
        "workspace-disk", MEGABYTE, "MB", "disk for the models, drawings and runs of a workspace"
    )
    total_disk: int | None = _limit(
        "total-disk", MEGABYTE, "MB", "disk for all workspaces together"
    )
    job_seconds: int | None = _limit("job-time", 60, "MIN", "training time of one run")
    jobs: int | None = _limit("job-count", 1, "N", "runs of a workspace that train or wait")
    parameters: int | None = _limit("model-size", 1, "N", "parameters of a model")
    keep_seconds: int | None = _limit(
        "keep-days", 86_400, "DAYS", "time after which a workspace that nobody opened is removed"
    )

    publication_seconds: int | None = _limit(
        "publication-days", 86_400, "DAYS", "time after which what nobody opened is withdrawn"
    )

    def check_model(self, parameters: int) -> None:
        """Raise QuotaError for a model of too many parameters."""
        if self.parameters is not None and parameters > self.parameters:
            raise QuotaError(
                f"the model has {parameters:,} parameters, this server allows {self.parameters:,}",
                hint="build it on the command line, on a machine of your own",
            )

    def check_jobs(self, jobs: int) -> None:
        """Raise QuotaError where a workspace with so many jobs cannot have another."""
        if self.jobs is not None and jobs >= self.jobs:
            raise QuotaError(
                f"{jobs} runs of this workspace train or wait, and this server allows {self.jobs}",
                hint="stop one, or wait until one has finished",
            )

    def check_disk(self, used: int, more: int, everything: int) -> None:
        """Raise QuotaError where `more` bytes do not fit. used: by the workspace; everything: by
        all of them."""
        if self.disk is not None and used + more > self.disk:
            raise QuotaError(
                f"this workspace has {size(used)} of {size(self.disk)} in use and this needs "
                f"{size(more)}",
                hint="delete runs or models on the page Workspace",
            )
        if self.total_disk is not None and everything + more > self.total_disk:
            raise QuotaError(
                f"the disk space of this server, {size(self.total_disk)}, is in use",
                hint="try again later, or ask whoever runs the server",
            )

    def check_time(self, seconds: float) -> None:
        """Raise QuotaError for a run that has trained as long as one may."""
        if self.job_seconds is not None and seconds >= self.job_seconds:
            raise QuotaError(f"this run has had its {self.time()} of training on this server")

    def time(self) -> str:
        """The training time of one run in words; "unlimited" where it is."""
        if self.job_seconds is None:
            return "unlimited"
        if self.job_seconds < 60:
            return f"{self.job_seconds} s"
        return f"{self.job_seconds / 60:g} min"


#: What a public server gives where nothing else is set.
PUBLIC = Limits(
    disk=500 * MEGABYTE,
    total_disk=20_000 * MEGABYTE,
    job_seconds=30 * 60,
    jobs=40,
    parameters=20_000_000,
    keep_seconds=90 * 86_400,
    publication_seconds=365 * 86_400,
)
UNLIMITED = Limits()


def variable(name: str) -> str:
    """The environment variable of a field of Limits."""
    option = _field(name).metadata["option"]
    return "PC_WORKBENCH_" + option.upper().replace("-", "_")


def parse(name: str, text: str) -> int | None:
    """A limit from a text in its unit; "0" and "none" mean no limit. Raises OptionError."""
    facts = _field(name).metadata
    if text.strip().lower() in ("0", "none"):
        return None
    try:
        value = float(text)
        if not 0 < value < _MOST:  # NaN is refused as well
            raise ValueError
    except ValueError:
        raise OptionError(
            f"{text[:40]!r} is no number above 0, and not 0 for no limit",
            where=f"--{facts['option']}",
        ) from None
    return max(1, round(value * facts["scale"]))


def is_public(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether strangers reach this server."""
    return environment.get(settings.PUBLIC, "").strip().lower() in _YES


def current(environment: Mapping[str, str] = os.environ) -> Limits:
    """The limits of this server. Raises OptionError for a variable that says no number."""
    base = PUBLIC if is_public(environment) else UNLIMITED
    given = {
        one.name: parse(one.name, environment[variable(one.name)])
        for one in dataclasses.fields(Limits)
        if environment.get(variable(one.name), "").strip()
    }
    return dataclasses.replace(base, **given)


def size(count: float) -> str:
    """Bytes for people: "640 B", "12.3 MB"."""
    for scale, name in ((10**9, "GB"), (MEGABYTE, "MB"), (10**3, "kB")):
        if count >= scale:
            return f"{count / scale:.3g} {name}"
    return f"{count:.0f} B"


def _field(name: str) -> dataclasses.Field[Any]:
    return next(one for one in dataclasses.fields(Limits) if one.name == name)
