"""The grammar of the commands that are about data and about what is passed on."""

from __future__ import annotations

import argparse

from pccore.cli.arguments import Parser, command, whole

_EPILOG = """\
  pccore datasets                                   the datasets that have a name
  pccore datasets describe table.csv                each variable: type, missing values, histogram
  pccore datasets prepare table.csv ready.npz --type class=label --type id=ignore \\
      --order "size=S,M,L" --split 80/10/10 --seed 0
  pccore datasets fetch mnist                       download a standard set, checked

D is the name of a dataset or a path: .npz, .csv, .tsv, .parquet, a .zip or a folder of images,
NAME.train.data. Types: binary, categorical, ordered, count, real; label makes the column the class
of each row, ignore leaves it out."""


def declare_datasets(commands: argparse._SubParsersAction[Parser]) -> None:  # pyright: ignore[reportPrivateUsage]
    """datasets: list, describe, prepare, fetch."""
    parser = command(
        commands,
        "datasets",
        "data:datasets",
        "the datasets that have a name; describe, prepare or fetch one",
    )
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _EPILOG
    parser.add_argument(
        "words",
        metavar="NAME | describe D | prepare IN OUT.npz | fetch [NAME]",
        nargs="*",
        help="without any, the datasets are listed; a NAME shows its details",
    )
    parser.add_argument(
        "--type",
        action="append",
        default=[],
        metavar="X=TYPE",
        help="of describe and prepare, repeatable: the type of a column",
    )
    parser.add_argument(
        "--order",
        action="append",
        default=[],
        metavar="X=A,B,C",
        help="the states of an ordered column, from the first to the last; repeatable",
    )
    parser.add_argument(
        "--guess", action="store_true", help="also take the types that `describe` suggests"
    )
    parser.add_argument(
        "--split",
        metavar="A/B/C",
        help="of prepare: shares of train, valid and test (default: as the file has them)",
    )
    parser.add_argument(
        "--in-order", action="store_true", help="split without shuffling, rows as they follow"
    )
    parser.add_argument(
        "--seed", type=whole(0, 2**32 - 1), default=0, help="of the shuffling (default: 0)"
    )
    parser.add_argument(
        "--url",
        metavar="URL",
        help="of fetch: the folder of a mirror that has the same files",
    )


def declare_bundle(commands: argparse._SubParsersAction[Parser]) -> None:  # pyright: ignore[reportPrivateUsage]
    """bundle: pack, unpack, info."""
    parser = command(
        commands,
        "bundle",
        "bundling:bundle",
        "circuit, dataset, evidence and a run in one .pcbundle file, and out of it again",
    )
    parser.add_argument("action", choices=("pack", "unpack", "info"), metavar="pack|unpack|info")
    parser.add_argument("source", metavar="FILE.pcbundle")
    parser.add_argument("target", metavar="DIR", nargs="?", help="of unpack: empty or new")
    parser.add_argument("--model", metavar="MODEL", help="of pack, as the following")
    parser.add_argument("--data", metavar="D")
    parser.add_argument("--evidence", metavar="TEXT", default="", help='such as "X1=1,X3=0"')
    parser.add_argument("--run", metavar="DIR", help="a run directory")
    parser.add_argument("--title", metavar="TEXT", default="")
