"""Where the workbench keeps what its sessions share; ids are checked before they touch a path."""

from __future__ import annotations

import os
import re
from pathlib import Path

from pccore.errors import NotFoundError

HOME_VARIABLE = "PC_WORKBENCH_HOME"
_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,79}")


def home() -> Path:
    """The folder of models and runs: PC_WORKBENCH_HOME, else ~/.local/share/pc-workbench."""
    named = os.environ.get(HOME_VARIABLE)
    return Path(named) if named else Path.home() / ".local" / "share" / "pc-workbench"


def models_folder() -> Path:
    """Models by content hash."""
    return home() / "models"


def datasets_folder() -> Path:
    """Datasets by content hash."""
    return home() / "datasets"


def runs_folder() -> Path:
    """Runs of the server's owner, that `pccore train --run` put there; all visitors see them."""
    return home() / "runs"


def workspaces_folder() -> Path:
    """The workspaces by id."""
    return home() / "workspaces"


def published_folder() -> Path:
    """What was published, by id."""
    return home() / "published"


def is_id(text: str) -> bool:
    """Whether a text may be the name of a model or run: no separator, no leading dot."""
    return _ID.fullmatch(text) is not None


def below(folder: Path, name: str, what: str) -> Path:
    """The path of `name` in a folder. Raises NotFoundError where the name is no id."""
    if not is_id(name):
        raise NotFoundError(f"there is no {what} of this name")
    return folder / name
