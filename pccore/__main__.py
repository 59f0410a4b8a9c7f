"""`python -m pccore`: the command line."""

from __future__ import annotations

from pccore.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
