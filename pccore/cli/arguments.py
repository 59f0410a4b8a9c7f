"""What the commands share: the parser class, and arguments that several of them take."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from typing import NoReturn

from pccore.errors import OptionError


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one sentence, raised and not printed."""

    def error(self, message: str) -> NoReturn:
        """Raise OptionError instead of printing the usage."""
        raise OptionError(message, hint=f"see {self.prog} --help")


def command(
    commands: argparse._SubParsersAction[Parser],  # pyright: ignore[reportPrivateUsage]
    name: str,
    handler: str,
    text: str,
    passes_on: bool = False,
    add_help: bool = True,
) -> Parser:
    """A command that `handler`, "module:function" below pccore.cli, carries out."""
    parser = commands.add_parser(
        name, help=text, description=text, allow_abbrev=False, add_help=add_help
    )
    # Without a default of their own, these leave alone what was said before the command.
    common(parser, argparse.SUPPRESS)
    parser.set_defaults(handler=f"pccore.cli.{handler}", passes_on=passes_on)
    return parser


def common(parser: Parser, default: object) -> None:
    """Arguments of every command."""
    parser.add_argument(
        "--json", action="store_true", default=default, help="print one JSON object"
    )
    parser.add_argument(
        "--debug", action="store_true", default=default, help="show the traceback of an error"
    )


def settings(parser: Parser) -> None:
    """Options of structures and methods."""
    parser.add_argument("--preset", metavar="NAME", help="a published setting, see --list")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="an option, repeatable"
    )


def output(parser: Parser) -> None:
    """The file of the result."""
    parser.add_argument("-o", "--output", metavar="MODEL", help="where to write the model")


def data_split(parser: Parser, required: bool = True) -> None:
    """Rows of a dataset."""
    parser.add_argument(
        "--data", required=required, metavar="D[:SPLIT]", help=":train, :valid or :test (default)"
    )
    parser.add_argument(
        "--limit", type=whole(1, 2**40), metavar="N", help="only the first N rows of the split"
    )


def computing(parser: Parser, device: str | None = "cpu") -> None:
    """Where to compute, and with how much."""
    parser.add_argument("--device", default=device, help="cpu, cuda, cuda:1, ... (default: cpu)")
    parser.add_argument("--threads", type=whole(1, 4096), metavar="N", help="CPU threads")
    parser.add_argument(
        "--memory", type=size, metavar="SIZE", help="for buffers, as 500M or 2G; tiles follow it"
    )


def precision(parser: Parser) -> None:
    """Single or double."""
    parser.add_argument(
        "--precision",
        choices=("auto", "float32", "float64"),
        default="auto",
        help="auto: that of the model's parameters",
    )


def size(text: str) -> int:
    """Bytes, from a number with an optional K, M or G (powers of 1024)."""
    digits = text.rstrip("bB").upper()
    power = "KMG".find(digits[-1:]) + 1 if digits[-1:] else 0
    number = digits[:-1] if power else digits
    if not re.fullmatch(r"\d{1,12}(\.\d{1,6})?", number) or float(number) <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size such as 500M or 2G")
    return max(1, int(float(number) * 1024**power))


def share(text: str) -> float:
    """A number from 0 up to, but not, 1."""
    if not re.fullmatch(r"0?\.?\d{1,12}(e-\d{1,3})?", text.lower()) or float(text) >= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to below 1")
    return float(text)


def whole(low: int, high: int) -> Callable[[str], int]:
    """A type of argument: an integer from low to high."""

    def read(text: str) -> int:
        if not text.isascii() or not text.isdecimal() or not low <= int(text[:20]) <= high:
            raise argparse.ArgumentTypeError(f"{text!r} is not an integer from {low} to {high}")
        return int(text)

    return read


def states(text: str) -> int | None:
    """A number of states, None for real variables."""
    return None if text == "real" else whole(2, 65_536)(text)


def image(text: str) -> tuple[int, ...]:
    """ "28x28" as (28, 28)."""
    sides = text.lower().split("x")
    if len(sides) not in (2, 3):
        raise argparse.ArgumentTypeError(f"{text!r} is not HxW or HxWxC, such as 28x28")
    return tuple(whole(1, 65_536)(side) for side in sides)
