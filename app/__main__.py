"""`python -m pc_workbench`: start the app."""

from __future__ import annotations

from pc_workbench.launch import main

if __name__ == "__main__":
    raise SystemExit(main())
