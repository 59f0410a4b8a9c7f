"""pccore: build, check, query and train probabilistic circuits."""

from __future__ import annotations

__version__ = "0.1.0"
