"""The command line: `pccore COMMAND ...`, also `python -m pccore`.

Scripts rely on: one JSON object on stdout with --json, progress and errors on stderr; exit
status 0 done, 1 a negative answer, 2 bad usage or input, 3 a fault of the program, 130
interrupted. Nothing heavy is imported before a command needs it: `--help` is immediate.
"""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from collections.abc import Sequence

from pccore.cli.output import one_line
from pccore.cli.parser import make_parser, parse
from pccore.errors import PCError, PropertyError

__all__ = ["main"]

DONE, BAD_INPUT, FAULT, INTERRUPTED, BROKEN_PIPE = 0, 2, 3, 130, 141


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status.

    argv: the command line without the program's name; `sys.argv` if None.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    _tolerate_unprintable()
    try:
        options = parse(make_parser(), arguments)
        module, _, function = str(options.handler).partition(":")
        status = int(getattr(importlib.import_module(module), function)(options))
        sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        print("pccore: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has gone; nor can the interpreter flush to it at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except Exception as error:
        if "--debug" in arguments:
            traceback.print_exc()
        text, status = _explain(error)
        print(f"pccore: error: {one_line(text)}", file=sys.stderr)
        return status


def _explain(error: Exception) -> tuple[str, int]:
    """One sentence and the exit status."""
    if isinstance(error, PropertyError):
        return f"{error.message} (`pccore check` lists every violation)", BAD_INPUT
    if isinstance(error, PCError):
        return str(error), BAD_INPUT
    if isinstance(error, OSError):
        place = f"{error.filename}: " if error.filename else ""
        return f"{place}{error.strerror or error}", BAD_INPUT
    text = str(error)
    if isinstance(error, MemoryError) or "out of memory" in text or "allocate memory" in text:
        return "there is not enough memory for this", FAULT
    return f"a fault of the program, {type(error).__name__}: {text} (--debug shows where)", FAULT


def _tolerate_unprintable() -> None:
    """A terminal that cannot show a character shows its code instead."""
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None and getattr(sys.stdout, "errors", "") == "strict":
        reconfigure(errors="backslashreplace")
