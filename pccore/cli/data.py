"""datasets: what `load` knows by name, what is in it, getting it ready and fetching it."""

from __future__ import annotations

import argparse
import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pccore.cli.output import Progress, clean, emit, listing, pairs, table
from pccore.datasets import (
    SPLITS,
    ColumnType,
    Dataset,
    VariableSummary,
    describe,
    load,
    names,
    parse_shares,
    parse_type,
    resplit,
    retype,
    save_dataset,
    suggested_types,
    types_of,
)
from pccore.datasets.fetch import SETS, fetch, find_set
from pccore.errors import OptionError

_BLOCKS = " ▁▂▃▄▅▆▇█"
_SPARK = 24  # columns of a histogram in a line


def datasets(options: argparse.Namespace) -> int:
    """The list, one dataset in detail, or what the first word says."""
    words: Sequence[str] = options.words
    if not words:
        return _all(options)
    if words[0] == "describe" and len(words) == 2:
        return _describe(options, words[1])
    if words[0] == "prepare" and len(words) == 3:
        return _prepare(options, words[1], Path(words[2]))
    if words[0] == "fetch" and len(words) <= 2:
        return _fetch(options, words[1]) if len(words) == 2 else _sets(options)
    if len(words) > 1 or words[0] in ("describe", "prepare"):
        raise OptionError(
            "expected NAME, describe D, prepare IN OUT.npz or fetch [NAME]",
            hint="see pccore datasets --help",
        )
    return _one(options, words[0])


def _all(options: argparse.Namespace) -> int:
    infos = names()
    payload = {
        "datasets": [
            {
                "name": i.name,
                "kind": i.kind,
                "rows": i.rows,
                "variables": i.num_variables,
                "description": i.description,
                "path": None if i.path is None else str(i.path),
            }
            for i in infos
        ]
    }
    rows = [(i.name, i.kind, i.rows, i.num_variables, i.description) for i in infos]
    emit(options, payload, table(("name", "kind", "rows", "variables", "description"), rows))
    return 0


def _facts(dataset: Dataset) -> dict[str, Any]:
    return {
        **dataset.summary(),
        "variable_names": dataset.variables,
        "label_names": dataset.label_names,
        "fingerprint": dataset.fingerprint(),
    }


def _one(options: argparse.Namespace, name: str) -> int:
    dataset = load(name)
    payload = _facts(dataset)
    emit(options, payload, _lines(dataset, payload))
    return 0


def _lines(dataset: Dataset, payload: dict[str, Any]) -> list[str]:
    return pairs(
        [
            ("name", dataset.name),
            ("description", dataset.description),
            ("variables", listing(dataset.variables)),
            *((split, f"{len(dataset.rows(split))} rows") for split in SPLITS),
            ("supports", payload["supports"]),
            ("missing", f"{payload['missing']:.2%}"),
            ("image", payload["image"] or "no"),
            ("labels", "yes" if payload["labels"] else "no"),
        ]
    )


# -- describe and prepare --------------------------------------------------------------------


def _describe(options: argparse.Namespace, name: str) -> int:
    dataset = _loaded(options, name)
    found = describe(dataset)
    suggested = suggested_types(dataset)
    payload = {**_facts(dataset), "columns": [one.to_dict() for one in found]}
    payload["suggested"] = suggested
    header = ("variable", "type", "missing", "different", "minimum", "mean", "maximum", "values")
    rows = [
        (
            one.name,
            one.type + (f" ({suggested[one.name]}?)" if one.name in suggested else ""),
            one.missing,
            one.different,
            *((one.minimum, one.mean, one.maximum) if not one.words else ("", "", "")),
            _spark(one) + (f"  {', '.join(one.words[:6])}" if one.words else ""),
        )
        for one in found[:200]
    ]
    more = [f"... and {len(found) - 200} more"] if len(found) > 200 else []
    emit(options, payload, [*_lines(dataset, payload), "", *table(header, rows), *more])
    return 0


def _spark(one: VariableSummary) -> str:
    """The histogram as blocks."""
    counts = [bar.count for bar in one.bars[:_SPARK]]
    top = max(counts, default=0) or 1
    return "".join(_BLOCKS[-(-count * (len(_BLOCKS) - 1) // top)] for count in counts)


def _prepare(options: argparse.Namespace, source: str, target: Path) -> int:
    if target.suffix.lower() != ".npz":
        raise OptionError("the result is a .npz file", where=str(target))
    dataset = _loaded(options, source)
    if options.split is not None:
        dataset = resplit(
            dataset, parse_shares(options.split), options.seed, in_order=options.in_order
        )
    save_dataset(dataset, target)
    payload = {
        **_facts(dataset),
        "types": types_of(dataset),
        "output": str(target),
        "bytes": target.stat().st_size,
    }
    emit(options, payload, [f"wrote {clean(target)}", *_lines(dataset, payload)])
    return 0


def _loaded(options: argparse.Namespace, name: str) -> Dataset:
    """The dataset with the types that the options give. Raises OptionError, DataError."""
    types: dict[str, ColumnType] = {}
    for text in options.type:
        variable, one = _assignment(text, "--type", "X=categorical")
        types[variable] = parse_type(one, variable)
    orders = {
        variable: [word.strip() for word in next(csv.reader([words], skipinitialspace=True), [])]
        for variable, words in (_assignment(text, "--order", "X=A,B,C") for text in options.order)
    }
    dataset = load(name, types=types, orders=orders)
    if options.guess:
        suggested = suggested_types(dataset)
        further: dict[str, ColumnType] = {n: suggested[n] for n in suggested if n not in types}
        dataset = retype(dataset, further) if further else dataset
    return dataset


def _assignment(text: str, option: str, example: str) -> tuple[str, str]:
    name, equals, value = text.rpartition("=") if option == "--type" else text.partition("=")
    if not equals or not name.strip() or not value.strip():
        raise OptionError(f"{text!r} is not of the form {example}", where=option)
    return name.strip(), value.strip()


# -- fetch -----------------------------------------------------------------------------------


def _sets(options: argparse.Namespace) -> int:
    payload = {
        "sets": [
            {
                "name": s.name,
                "description": s.description,
                "files": len(s.files),
                "pinned": s.pinned,
            }
            for s in SETS
        ]
    }
    header = ("name", "files", "checked by", "description")
    rows = [
        (s.name, len(s.files), "published digests" if s.pinned else "the first download",
         s.description)
        for s in SETS
    ]  # fmt: skip
    emit(options, payload, table(header, rows))
    return 0


def _fetch(options: argparse.Namespace, name: str) -> int:
    progress = Progress()
    try:
        fetched = fetch(find_set(name), mirror=options.url, listener=progress.update)
    finally:
        progress.clear()
    dataset = load(fetched.path)
    payload = {**_facts(dataset), "path": str(fetched.path), "new": fetched.new,
               "trusted": fetched.trusted}  # fmt: skip
    lines = [f"{'wrote' if fetched.new else 'already there:'} {clean(fetched.path)}"]
    if fetched.trusted:
        lines.append(
            "no digest of these files is known: those of this download were recorded, later ones "
            "have to agree"
        )
    emit(options, payload, [*lines, *_lines(dataset, payload)])
    return 0
