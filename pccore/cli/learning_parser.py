"""The grammar of the commands that learn. Imports nothing of the engine but its errors."""

from __future__ import annotations

import argparse

from pccore.cli.arguments import (
    Parser,
    command,
    computing,
    output,
    settings,
    whole,
)


def declare_tune(commands: argparse._SubParsersAction[Parser]) -> None:  # pyright: ignore[reportPrivateUsage]
    """tune: options chosen on held-out rows."""
    parser = command(
        commands,
        "tune",
        "tuning:tune",
        "choose options of a structure on validation rows, then build it from all rows; for what "
        "needs no training: learned structures, and start=clusters",
    )
    parser.add_argument("structure", metavar="STRUCTURE", help="see pccore build --list")
    parser.add_argument("--data", metavar="D", required=True)
    parser.add_argument(
        "--try",
        dest="grid",
        action="append",
        nargs="+",
        default=[],
        metavar=("KEY", "VALUE"),
        help="values of an option, repeatable (default, for pd and images: what matters for "
        "completion)",
    )
    parser.add_argument(
        "--score",
        choices=("completion", "likelihood"),
        default="completion",
        help="completion (default): squared error of posterior means; likelihood",
    )
    parser.add_argument(
        "--hide", default="left,bottom", metavar="LIST", help="for completion (left,bottom)"
    )
    parser.add_argument(
        "--no-mirror", action="store_true", help="do not try mirror images of the training images"
    )
    parser.add_argument(
        "--folds",
        type=whole(1, 1000),
        default=3,
        metavar="N",
        help="up to 2000 rows take turns at validating, in N parts (default: 3; 1: the rows for "
        "validation alone)",
    )
    parser.add_argument(
        "--rows",
        type=whole(2, 2**31),
        default=5000,
        metavar="N",
        help="training rows for the trials at most; the result sees all (default: 5000)",
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="an option that stays"
    )
    output(parser)


def declare_train(commands: argparse._SubParsersAction[Parser]) -> None:  # pyright: ignore[reportPrivateUsage]
    """train: a run."""
    parser = command(commands, "train", "training:train", "learn the parameters from data")
    parser.add_argument("model", metavar="MODEL", nargs="?", help="not needed with --resume")
    parser.add_argument("--data", metavar="D")
    parser.add_argument("--method", metavar="M", help="see --list (default: em)")
    parser.add_argument("--list", action="store_true", help="list methods and their options")
    # torchrun takes --run for an abbreviation of an option of its own.
    parser.add_argument(
        "--run", "--run-dir", metavar="DIR", help="run directory (default: runs/TIME)"
    )
    parser.add_argument(
        "--resume", action="store_true", help="continue the run in DIR, or begin it there"
    )
    parser.add_argument("--title", default="", help="a name for the run")
    parser.add_argument(
        "--label", type=whole(0, 2**31), metavar="K", help="learn from the rows of class K alone"
    )
    parser.add_argument(
        "--restarts",
        type=whole(1, 1000),
        default=1,
        metavar="N",
        help="train N times, from MODEL and from other random parameters, in DIR/00, DIR/01 ...; "
        "the best on validation is written",
    )
    parser.add_argument(
        "--peer-timeout",
        type=whole(1, 86_400),
        metavar="SECONDS",
        help="with torchrun: a process that does not answer for so long is lost (default: 60)",
    )
    settings(parser)
    computing(parser, None)
    output(parser)


def declare_runs(commands: argparse._SubParsersAction[Parser]) -> None:  # pyright: ignore[reportPrivateUsage]
    """runs: what was trained."""
    parser = command(commands, "runs", "overview:runs", "what was trained, side by side")
    parser.add_argument(
        "folders", metavar="DIR", nargs="*", help="runs, or folders of them (default: runs)"
    )
    parser.add_argument(
        "--where",
        action="append",
        default=[],
        metavar="CONDITION",
        help='only runs such as "method=em", "step<0.1", "state!=failed", repeatable',
    )
    parser.add_argument(
        "--diff", action="store_true", help="the settings in which they differ, a run a column"
    )
    parser.add_argument("--csv", metavar="FILE", help="write results and all settings")
    parser.add_argument(
        "--tensorboard", metavar="FOLDER", help="write curves and settings for TensorBoard"
    )


def declare_mixture(commands: argparse._SubParsersAction[Parser]) -> None:  # pyright: ignore[reportPrivateUsage]
    """mixture: a circuit for each cluster."""
    parser = command(
        commands,
        "mixture",
        "mixing:mixture",
        "a circuit for each cluster of the data, joined into one",
    )
    parser.add_argument("structure", metavar="STRUCTURE", help="see pccore build --list")
    parser.add_argument("--data", metavar="D", required=True)
    parser.add_argument("--components", type=whole(1, 10_000), default=10, metavar="N")
    parser.add_argument("--method", metavar="M", default="em", help="see pccore train --list")
    parser.add_argument(
        "--restarts",
        type=whole(1, 1000),
        default=1,
        metavar="N",
        help="trainings of each component, the best on validation is kept; with --components 1 "
        "these are random restarts of one circuit",
    )
    parser.add_argument(
        "--jobs", type=whole(1, 1024), metavar="N", help="trainings at once (default: all cores)"
    )
    parser.add_argument("--seed", type=whole(0, 2**31 - 1), default=0, help="of the clusters")
    parser.add_argument("--run", metavar="DIR", help="folder of the runs (default: runs/TIME)")
    parser.add_argument("--resume", action="store_true", help="continue the runs in DIR")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="an option of the structure, the method or training (or of several), repeatable",
    )
    output(parser)


def declare_distil(commands: argparse._SubParsersAction[Parser]) -> None:  # pyright: ignore[reportPrivateUsage]
    """distil: hidden variables first."""
    parser = command(
        commands,
        "distil",
        "distilling:distil",
        "learn hidden variables from clusters of embeddings first, then everything",
    )
    parser.add_argument(
        "model", metavar="MODEL", help="a circuit with hidden variables: hclt, hmm, patches"
    )
    parser.add_argument("--data", metavar="D", required=True, help="dataset name or path")
    parser.add_argument(
        "--embeddings",
        metavar="E",
        default="values",
        help="what is clustered: values, autoencoder (of patches), tokens (of sequences), hf:MODEL "
        "(of the transformers package, on this machine) or FILE.npz (default: values)",
    )
    parser.add_argument(
        "--hidden",
        metavar="GROUPS",
        help="names of the groups whose units are states, separated by ';' (default: those that "
        "the structure has noted)",
    )
    parser.add_argument("--run", metavar="DIR", help="gets a run for each stage")
    parser.add_argument("--resume", action="store_true", help="go on with the stages in --run")
    parser.add_argument("-o", "--output", metavar="MODEL", help="the circuit that was learned")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="an option of the stages, or embed.KEY=VALUE of the embeddings' network, repeatable",
    )
    computing(parser)
