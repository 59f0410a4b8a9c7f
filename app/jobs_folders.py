"""Where run directories are, who sees them and who may change them.

The runs of a workspace lie in its folder, those of the server's owner in one for all. Everybody
sees the latter; a run of another workspace only who knows its id, where nobody can guess that.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pc_workbench import paths, workspaces
from pccore.errors import RunError
from pccore.learn import RunDirectory, find_runs

#: Ids that `Registry.start` gives: 64 bits that nobody can guess.
_SECRET = re.compile(r"r-[0-9a-f]{16}")


@dataclass(frozen=True, slots=True)
class RunFolders:
    """shared: the folder for all. open_: whoever sees its runs may pause, stop and resume them, as
    suits a server for one person."""

    shared: Path
    open_: bool = True

    def home_of(self, owner: str) -> Path:
        """Where the runs of an owner are: a workspace, or the server itself."""
        return workspaces.runs_folder(owner) if workspaces.is_workspace(owner) else self.shared

    def find(self, run: str, owner: str = "") -> RunDirectory:
        """The directory of a run. Raises NotFoundError for no id, RunError if there is none."""
        for folder in self._places(run, owner):
            directory = RunDirectory(paths.below(folder, run, "run"))
            if directory.exists():
                return directory
        raise RunError("this run is not on this server")

    def listed(self, owner: str = "") -> list[RunDirectory]:
        """The runs that an owner sees, the newest first; its own come first."""
        own = self.home_of(owner)
        found = [run for run in find_runs(own) if paths.is_id(run.name)]
        if own != self.shared:
            names = {run.name for run in found}
            others = find_runs(self.shared)
            found += [r for r in others if paths.is_id(r.name) and r.name not in names]
        return found

    def may_change(self, run: RunDirectory, owner: str = "") -> bool:
        """Whether an owner may pause, stop and resume a run."""
        return run.path.parent == self.home_of(owner) or (
            self.open_ and run.path.parent == self.shared
        )

    def check_change(self, run: RunDirectory, owner: str = "") -> None:
        """Raise RunError where an owner may only look."""
        if not self.may_change(run, owner):
            whose = (
                "the command line of this server"
                if run.path.parent == self.shared
                else "another workspace"
            )
            raise RunError(f"this run belongs to {whose}: here it can only be looked at")

    def _places(self, run: str, owner: str) -> Iterator[Path]:
        own = self.home_of(owner)
        yield own
        yield self.shared
        if _SECRET.fullmatch(run):
            for path in paths.workspaces_folder().glob(f"w-*/{workspaces.RUNS}/{run}"):
                yield path.parent
