"""The console script `pc-workbench`: start the app with Streamlit's own command line.

What the server and its workers have to know besides is handed on in the environment: each option
has a variable, and the option wins.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib.util
import ipaddress
import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from pc_workbench import limits, settings
from pc_workbench.limits import Limits
from pccore.errors import OptionError

MAIN = Path(__file__).resolve().parent / "serve.py"
#: Uvicorn's own: whose X-Forwarded-For and X-Forwarded-Proto are believed.
_FORWARDED = "FORWARDED_ALLOW_IPS"


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
    if problem is None:
        os.environ.update(_environment(options))
        try:
            limits.current()
        except OptionError as error:
            problem = str(error)
    if problem:
        print(f"{parser.prog}: error: {problem}", file=sys.stderr)
        return 2
    if limits.is_public() and not os.environ.get(settings.ACCESS_CODE, "").strip():
        print("Everybody who reaches this server can use it; --access-code asks for a code.")

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
    parser.add_argument(
        "--jobs", type=_count, metavar="N", help="runs that train at once (default: cores)"
    )
    parser.add_argument(
        "--turn",
        type=_seconds,
        metavar="SECONDS",
        help="that a run trains before it makes room, where those of others wait (default: 30; 0: "
        "as long as it likes)",
    )
    public = parser.add_argument_group(
        "for a server that others reach",
        "Each option can be a variable instead: --job-time is PC_WORKBENCH_JOB_TIME.",
    )
    public.add_argument(
        "--access-code", metavar="CODE", help="what visitors have to know; better as a variable"
    )
    public.add_argument(
        "--public",
        action="store_true",
        help="strangers reach it, so the limits below hold; understood with a --host that is "
        "not this machine",
    )
    public.add_argument(
        "--base-path", metavar="PATH", help="below which path a proxy shows the server"
    )
    public.add_argument(
        "--origin",
        action="append",
        metavar="URL",
        help="an address that visitors see, where a proxy changes the Host header; repeatable",
    )
    public.add_argument(
        "--trust-proxy",
        metavar="ADDRESSES",
        help="of proxies whose X-Forwarded-For is believed (default: none)",
    )
    for one in dataclasses.fields(Limits):
        value = getattr(limits.PUBLIC, one.name) / one.metadata["scale"]
        public.add_argument(
            f"--{one.metadata['option']}",
            dest=one.name,
            metavar=one.metadata["unit"],
            help=f"{one.metadata['help']} (0: unlimited; default: unlimited, public {value:,.0f})",
        )
    return parser


def _environment(options: argparse.Namespace) -> dict[str, str]:
    """What the options say, as variables."""
    given = {
        settings.JOBS: options.jobs,
        settings.TURN: options.turn,
        settings.ACCESS_CODE: options.access_code,
        settings.BASE_PATH: options.base_path,
        settings.ORIGINS: ",".join(options.origin or ()) or None,
        settings.TRUST_PROXY: options.trust_proxy,
        settings.PUBLIC: "1" if options.public or not _is_local(options.host) else None,
        **{limits.variable(f.name): getattr(options, f.name) for f in dataclasses.fields(Limits)},
    }
    found = {name: str(value) for name, value in given.items() if value is not None}
    # Uvicorn believes a proxy on this machine by itself; here none is believed unasked.
    trusted = found.get(settings.TRUST_PROXY, os.environ.get(settings.TRUST_PROXY, ""))
    return {**found, _FORWARDED: trusted}


def _is_local(host: str | None) -> bool:
    """Whether only this machine reaches a server that listens there."""
    host = host or os.environ.get("STREAMLIT_SERVER_ADDRESS", "") or "localhost"
    try:
        return host == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _streamlit_arguments(options: argparse.Namespace) -> list[str]:
    """What is passed on, as the command line of `streamlit`."""
    command = ["run", str(MAIN)]
    if options.port is not None:
        command.append(f"--server.port={options.port}")
    if options.host is not None:
        command.append(f"--server.address={options.host}")
    if options.headless:
        command.append("--server.headless=true")
    base = os.environ.get(settings.BASE_PATH, "").strip("/")
    if base:
        command.append(f"--server.baseUrlPath={base}")
    origins = os.environ.get(settings.ORIGINS, "").split(",")
    command += [f"--server.corsAllowedOrigins={one.strip()}" for one in origins if one.strip()]
    return command


def _count(text: str) -> int:
    """How many at once; argparse reports the error's text as bad usage."""
    if not text.isdecimal() or not 1 <= int(text) <= 4096:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 to 4096")
    return int(text)


def _seconds(text: str) -> int:
    """Seconds, none or some."""
    if not text.isdecimal() or int(text) > 86_400:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds from 0 to 86400")
    return int(text)


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
