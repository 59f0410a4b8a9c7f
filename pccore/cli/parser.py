"""The grammar of the command line. Imports nothing of the engine but its errors."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from pccore import __version__
from pccore.cli.arguments import (
    Parser,
    command,
    common,
    computing,
    data_split,
    image,
    output,
    precision,
    settings,
    share,
    states,
    whole,
)
from pccore.cli.data_parser import declare_bundle, declare_datasets
from pccore.cli.learning_parser import (
    declare_distil,
    declare_mixture,
    declare_runs,
    declare_train,
    declare_tune,
)
from pccore.errors import OptionError

ASKS = (
    "probability",
    "log_probability",
    "partition",
    "marginals",
    "mpe",
    "sample",
    "derivatives",
    "values",
    "hidden",
    "polynomial",
)

_EPILOG = """\
MODEL is a model file (.pc.json, .pc.safetensors) or the name of a sample model. D is the name
of a dataset or a path (.npz, .csv, NAME.train.data, a folder of images or of train*.npy); names
are also looked up in the folder PCCORE_DATA. Exit status: 0 done, 1 a negative answer, 2 bad
usage or input.

  pccore build rat --data digits --set depth=4 -o digits.pc.safetensors
  pccore train digits.pc.safetensors --data digits --method em -o trained.pc.safetensors
  pccore complete trained.pc.safetensors --data digits:test --hide bottom --method mean"""


def parse(parser: Parser, arguments: Sequence[str]) -> argparse.Namespace:
    """The parsed command line. Raises OptionError; `--help` and `--version` raise SystemExit."""
    options, rest = parser.parse_known_args(arguments)
    if rest and not options.passes_on:
        raise OptionError(
            f"unrecognized arguments: {' '.join(rest)}",
            hint=f"see pccore {options.command} --help",
        )
    options.rest = rest
    return options


def make_parser() -> Parser:
    """The parser of `pccore` with all its commands."""
    parser = Parser(
        prog="pccore",
        description="Build, check, query and train probabilistic circuits.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"pccore {__version__}")
    common(parser, False)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for declare in (
        _models, _build, declare_tune, declare_train, declare_runs, declare_mixture,
        declare_distil, _eval, _query, _complete, _classify, _tools,
    ):  # fmt: skip
        declare(commands)
    return parser


def _models(commands: argparse._SubParsersAction[Parser]) -> None:  # pyright: ignore[reportPrivateUsage]
    for name, text in (
        ("info", "sizes and properties of a model"),
        ("check", "is the circuit valid? every violation with its place; exit status 1 if any"),
    ):
        parser = command(commands, name, f"models:{name}", text)
        parser.add_argument("model", metavar="MODEL")
        if name == "info":
            parser.add_argument(
                "--batch", type=whole(1, 2**31), default=100, help="rows of a batch, for memory"
            )
            computing(parser)
            precision(parser)
    parser = command(
        commands, "convert", "models:convert", "write a model in another format (by its ending)"
    )
    parser.add_argument("source", metavar="IN")
    parser.add_argument(
        "target",
        metavar="OUT",
        help="models: .pc.json .pc.safetensors .pc.txt .build.py .jpc .spflow; pictures: .svg .pdf "
        ".png .tex .dot; log-likelihoods for programs without pccore: .onnx .numpy.py",
    )
    parser.add_argument(
        "--materialise",
        action="store_true",
        help="write every weight of a HyperSPN, not embeddings and network",
    )
    parser = command(
        commands, "compare", "comparing:compare", "two models: what differs, and how far apart"
    )
    parser.add_argument("first", metavar="A")
    parser.add_argument("second", metavar="B")
    parser.add_argument(
        "--shared", action="store_true", help="sum out the variables that only one has"
    )
    parser.add_argument("--count", type=whole(2, 10_000_000), default=4096, help="samples, if any")
    parser.add_argument("--seed", type=whole(0, 2**62), default=0, help="of the samples")
    parser = command(
        commands, "prune", "pruning:prune", "drop edges of no or little weight, say what it changed"
    )
    parser.add_argument("model", metavar="MODEL")
    parser.add_argument(
        "--threshold",
        type=share,
        default=0.0,
        metavar="W",
        help="drop edges below this share of their sum; 0: only what changes nothing (default)",
    )
    parser.add_argument(
        "--flow",
        type=share,
        default=0.0,
        metavar="F",
        help="drop this share of all edges, those that --data (training rows) use least",
    )
    data_split(parser, required=False)
    computing(parser)
    precision(parser)
    output(parser)
    _grow(commands)
    declare_datasets(commands)
    declare_bundle(commands)


def _grow(commands: argparse._SubParsersAction[Parser]) -> None:  # pyright: ignore[reportPrivateUsage]
    parser = command(commands, "grow", "growing:grow", "split units in two, for more training")
    parser.add_argument("model", metavar="MODEL")
    parser.add_argument(
        "--groups",
        metavar="NAME;...",
        help="these, with what is bound to them; a comma will do where no name has one (all)",
    )
    parser.add_argument(
        "--share",
        type=float,
        default=1.0,
        metavar="F",
        help="of the units of each group; with --data those that the rows use most",
    )
    parser.add_argument(
        "--noise", type=float, default=0.1, metavar="D", help="deviation of new weights (0.1)"
    )
    parser.add_argument("--seed", type=whole(0, 2**62), default=0, help="of the noise")
    data_split(parser, required=False)
    computing(parser)
    precision(parser)
    output(parser)
    parser = command(
        commands,
        "materialise",
        "materialising:materialise",
        "hidden variables of scopes or groups as variables of the model",
    )
    parser.add_argument("model", metavar="MODEL")
    parser.add_argument(
        "--hidden",
        metavar="NAMES",
        help="names of groups whose units are the states of a hidden variable, ; between; noted: "
        "those that the structure has noted",
    )
    parser.add_argument(
        "--latent",
        action="append",
        default=[],
        metavar="Z=X0,X1",
        help="a new variable for the choice among the products over these variables",
    )
    computing(parser)
    output(parser)


def _build(commands: argparse._SubParsersAction[Parser]) -> None:  # pyright: ignore[reportPrivateUsage]
    parser = command(commands, "build", "building:build", "make an untrained circuit")
    parser.add_argument("structure", metavar="STRUCTURE", nargs="?", help="see --list")
    parser.add_argument("--list", action="store_true", help="list structures and their options")
    parser.add_argument("--data", metavar="D", help="dataset that gives variables and start values")
    parser.add_argument(
        "--variables", type=whole(1, 1_000_000), metavar="N", help="instead of --data: how many"
    )
    parser.add_argument(
        "--states",
        type=states,
        default=2,
        metavar="C",
        help="states of each, or real (default: 2)",
    )
    parser.add_argument(
        "--image", type=image, metavar="HxW", help="the variables are an image, HxW or HxWxC"
    )
    settings(parser)
    output(parser)


def _eval(commands: argparse._SubParsersAction[Parser]) -> None:  # pyright: ignore[reportPrivateUsage]
    parser = command(commands, "eval", "evaluating:evaluate", "log-likelihood of data")
    parser.add_argument("model", metavar="MODEL")
    parser.add_argument(
        "--post-order",
        action="store_true",
        help="keep few values at a time (O(k log n) on trees), and say how many; slower",
    )
    data_split(parser)
    computing(parser)
    precision(parser)


def _query(commands: argparse._SubParsersAction[Parser]) -> None:  # pyright: ignore[reportPrivateUsage]
    parser = command(commands, "query", "asking:query", "ask a circuit, given evidence")
    parser.add_argument("model", metavar="MODEL")
    parser.add_argument("--ask", required=True, choices=ASKS, metavar="WHAT", help=", ".join(ASKS))
    parser.add_argument(
        "--evidence", default="", metavar="TEXT", help='such as "X1=1,X3=0" (default: none)'
    )
    parser.add_argument(
        "--soft",
        default="",
        metavar="TEXT",
        help='likelihoods of the states of variables, such as "X1=0.2 0.8,X2=1 0"',
    )
    parser.add_argument(
        "--observe-hidden",
        default="",
        metavar="TEXT",
        help='the child that the hidden variable of a sum names, such as "S=0"',
    )
    parser.add_argument("--count", type=whole(1, 10_000_000), default=1, help="samples to draw")
    parser.add_argument("--seed", type=whole(0, 2**63 - 1), help="of the samples")
    parser.add_argument(
        "--root", type=whole(0, 2**31), default=0, help="which root, of several (default: 0)"
    )
    parser.add_argument(
        "--trace",
        metavar="FILE.json",
        help="write every unit's value and the edges taken (samples are then drawn one by one)",
    )


def _complete(commands: argparse._SubParsersAction[Parser]) -> None:  # pyright: ignore[reportPrivateUsage]
    parser = command(
        commands, "complete", "completing:complete", "fill in the hidden part of images"
    )
    parser.add_argument("model", metavar="MODEL")
    data_split(parser)
    parser.add_argument(
        "--hide",
        required=True,
        metavar="WHERE",
        help="left, right, top, bottom, or a PNG file whose white pixels are hidden",
    )
    parser.add_argument(
        "--method",
        default="mpe",
        metavar="LIST",
        help="mpe (default), mean, sample, tree (sums up, maxima down), or several: mean,mpe",
    )
    parser.add_argument(
        "--baselines",
        default="",
        metavar="LIST",
        help="compare with nn (nearest neighbour), pca, ppca (probabilistic PCA), mean-image",
    )
    parser.add_argument(
        "--uncertainty",
        action="store_true",
        help="of each pixel as well: entropy in bits, the standard deviation of real pixels",
    )
    parser.add_argument("--seed", type=whole(0, 2**63 - 1), default=0, help="of --method sample")
    parser.add_argument(
        "-o", "--output", metavar="DIR", help="write the completions and a contact sheet as PNG"
    )
    parser.add_argument(
        "--table", metavar="FILE.csv", help="write the scores of every image and method"
    )
    computing(parser)
    precision(parser)


def _classify(commands: argparse._SubParsersAction[Parser]) -> None:  # pyright: ignore[reportPrivateUsage]
    parser = command(
        commands,
        "classify",
        "classifying:classify",
        "one circuit for each class of labelled data, each class against the rest",
    )
    parser.add_argument(
        "structure",
        metavar="STRUCTURE",
        help="built for each class; or a MODEL that every class starts from, a MODEL whose root k "
        "is the density of class k, or a folder that -o wrote",
    )
    data_split(parser)
    parser.add_argument(
        "--method", metavar="M", default="online-em", help="see train --list (default: online-em)"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="an option of the structure, the method or the training, repeatable",
    )
    parser.add_argument(
        "-o", "--output", metavar="DIR", help="write the models and the precision-recall curves"
    )
    computing(parser)
    precision(parser)


def _tools(commands: argparse._SubParsersAction[Parser]) -> None:  # pyright: ignore[reportPrivateUsage]
    parser = command(
        commands, "bench", "tools:bench", "run a benchmark of the repository", passes_on=True
    )
    parser.add_argument(
        "name", metavar="NAME", nargs="?", help="without it they are listed; the rest is passed on"
    )
    # Without a help of its own: `pccore app --help` tells what the app can do.
    command(commands, "app", "tools:app", "start the workbench in the browser", True, False)
