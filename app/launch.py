"""The console script `pc-workbench`: start the app with Streamlit's own command line."""

from __future__ import annotations

import argparse
import importlib.util
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

MAIN = Path(__file__).resolve().parent / "main.py"


def main(arguments: Sequence[str] | None = None) -> int:
    """Start the workbench and serve until interrupted.

    Streamlit reads `.streamlit/config.toml` beside `main.py`; only what is given here goes on the
    command line, so that STREAMLIT_* variables keep working for the rest.

    Args:
        arguments: the command line without the program's name; `sys.argv` if None.

    Returns:
        The exit status: 0 done, 2 bad usage (with one line on stderr).
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    problem = _problem(options.host, options.port)
    if problem:
        print(f"{parser.prog}: error: {problem}", file=sys.stderr)
        return 2

    # Imported late: `--help` and errors should not wait for it.
    from streamlit.web import cli

    from pc_workbench.upkeep import upkeep

    upkeep()  # reads torch while the server starts, so that the first page need not wait
    status = cli.main(_streamlit_arguments(options), prog_name="streamlit", standalone_mode=False)
    return int(status or 0)


class _Parser(argparse.ArgumentParser):
    """A parser whose errors take one line, without the usage before it."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message}\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="pc-workbench", description="Start the PC Workbench and serve it to the browser."
    )
    parser.add_argument("--port", type=_port, help="default: 8501, or the next free one")
    parser.add_argument(
        "--host", help="address to listen on (default: localhost, this machine only)"
    )
    parser.add_argument("--headless", action="store_true", help="do not open a browser window")
    return parser


def _streamlit_arguments(options: argparse.Namespace) -> list[str]:
    """What is passed on, as the command line of `streamlit`."""
    command = ["run", str(MAIN)]
    if options.port is not None:
        command.append(f"--server.port={options.port}")
    if options.host is not None:
        command.append(f"--server.address={options.host}")
    if options.headless:
        command.append("--server.headless=true")
    return command


def _port(text: str) -> int:
    """A port as a number; argparse reports a ValueError's text as bad usage."""
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port (1 to 65535)")
    return int(text)


def _problem(host: str | None, port: int | None) -> str | None:
    """Why the server could not start, in one sentence, or None."""
    if not MAIN.is_file():
        return f"{MAIN} is missing: the installation is incomplete, reinstall pc-workbench"
    if importlib.util.find_spec("streamlit") is None:
        return "streamlit is not installed: run `pip install pc-workbench`"
    address = host or "localhost"
    try:
        candidates = socket.getaddrinfo(address, port or 0, type=socket.SOCK_STREAM)
    except OSError:
        return f"the address {address!r} is not known"
    return (
        None
        if any(_can_listen(*entry[:3], entry[4]) for entry in candidates)
        else (f"cannot listen on {address}" + (f":{port}, is the port in use?" if port else ""))
    )


def _can_listen(family: int, kind: int, protocol: int, target: tuple[object, ...]) -> bool:
    """Whether a socket can be bound to `target` at this moment."""
    try:
        with socket.socket(family, kind, protocol) as probe:
            # As servers do: a port whose last connection is still closing is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(target)
    except OSError:
        return False
    return True


if __name__ == "__main__":
    raise SystemExit(main())
