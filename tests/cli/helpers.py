"""Running the command line inside the test process."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Result:
    """What one command did."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The one object on stdout."""
        assert self.status in (0, 1), self.err
        assert self.out.endswith("}\n") and self.out.count("\n") == 1
        found = json.loads(self.out)
        assert isinstance(found, dict)
        return found


#: Runs `pccore` with these arguments in an empty folder.
Run = Callable[..., Result]


def assert_one_line(result: Result, *parts: str) -> None:
    """Bad input: status 2, nothing on stdout, one line on stderr that says the parts."""
    assert result.status == 2, result
    assert result.out == ""
    assert result.err.startswith("pccore: error: ") and result.err.count("\n") == 1, result.err
    assert "Traceback" not in result.err
    for part in parts:
        assert part in result.err, f"{part!r} is not in {result.err!r}"
