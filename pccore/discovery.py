"""Finding plug-ins by name: leaf families, structures, datasets, formats; views of notebooks."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from types import ModuleType
from typing import TypeVar

T = TypeVar("T")


class Shown:
    """What shows itself in a notebook. How is written in `pccore.notebook`, which imports what it
    draws and is found by name, like every plug-in."""

    __slots__ = ()

    def _repr_html_(self) -> str | None:
        return importlib.import_module("pccore.notebook").html(self)

    def _repr_svg_(self) -> str | None:
        return importlib.import_module("pccore.notebook").svg(self)


def modules_in(package: str) -> list[ModuleType]:
    """Every module directly inside `package`, imported, in alphabetical order."""
    parent = importlib.import_module(package)
    names = sorted(info.name for info in pkgutil.iter_modules(parent.__path__))
    return [importlib.import_module(f"{package}.{name}") for name in names]


def subclasses_in(package: str, base: type[T]) -> list[type[T]]:
    """Every concrete subclass of `base` defined in a module of `package`."""
    return [
        member
        for module in modules_in(package)
        for member in vars(module).values()
        if isinstance(member, type)
        and issubclass(member, base)
        and member is not base
        and member.__module__ == module.__name__
        and not inspect.isabstract(member)
    ]


def instances_in(package: str, kind: type[T]) -> list[T]:
    """Every module-level instance of `kind` defined in a module of `package`."""
    found: list[T] = []
    for module in modules_in(package):
        found += [
            member
            for name, member in vars(module).items()
            if isinstance(member, kind) and name.isupper()
        ]
    return found
