"""The house rules as functions: each takes source text and returns the violations it finds.

tests/test_architecture.py applies them to the repository, and to small made-up sources.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

MAX_LINES = 400

# The engine in layers, lowest first. A module imports only from its own layer or a lower one.
# A new module has to be given its place here.
LAYERS: tuple[frozenset[str], ...] = (
    frozenset(
        {
            "scope",
            "errors",
            "resources",
            "discovery",
            "logarithm",
            "archives",
            "limits",
            "csv_text",
            "npy",
        }
    ),
    frozenset({"leaves", "params", "generated", "options", "presets"}),
    frozenset({"groups"}),
    frozenset({"graph_checks"}),
    frozenset({"graph"}),
    frozenset({"build", "evidence"}),
    frozenset({"reference"}),
    frozenset({"check", "oracle"}),
    frozenset({"compile"}),
    frozenset({"drawing"}),
    frozenset({"transform"}),
    frozenset({"consequence", "draft", "formula", "polynomial", "repair"}),
    frozenset({"structures", "datasets", "files"}),
    frozenset({"bundle"}),
    frozenset({"queries"}),
    frozenset({"completion", "learn"}),
    frozenset({"classify", "distillation", "nn", "notebook", "tune"}),
    frozenset({"sklearn"}),
    frozenset({"bench", "cli", "__main__"}),
)

FOREIGN_TO_ENGINE = frozenset({"pc_workbench", "app", "streamlit", "plotly"})
EXECUTING_MODULES = frozenset({"pickle", "cloudpickle", "dill", "marshal", "shelve", "joblib"})
CONTAINER_CALLS = frozenset(
    [
        "list",
        "dict",
        "set",
        "bytearray",
        "defaultdict",
        "OrderedDict",
        "Counter",
        "deque",
        "ChainMap",
        "WeakKeyDictionary",
        "WeakValueDictionary",
        "WeakSet",
    ]
)
CONTAINER_NODES = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp)
READ_ONLY_TYPES = re.compile(r"\b(Mapping|Sequence|Collection|Iterable|AbstractSet|Final)\b")


def imports(source: str, module: str, is_package: bool = False) -> Iterator[tuple[str, int]]:
    """(absolute dotted name, line) of everything that `module` imports, anywhere in it.

    `from a import b` yields `a.b`: b may be a module, and the extra part hurts no rule.
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                keep = len(module.split(".")) - node.level + is_package
                base = ".".join(filter(None, [*module.split(".")[:keep], base]))
            yield from ((f"{base}.{alias.name}", node.lineno) for alias in node.names)


def imports_of(source: str, module: str, forbidden: Iterable[str]) -> list[str]:
    """Imports whose top-level name is forbidden."""
    names = frozenset(forbidden)
    return [
        f"{module}:{line} imports {name}"
        for name, line in imports(source, module)
        if name.partition(".")[0] in names
    ]


def layer_of(part: str) -> int | None:
    """The layer of `pccore.<part>`, None if it has none."""
    return next((i for i, layer in enumerate(LAYERS) if part in layer), None)


def wrong_directions(source: str, module: str, is_package: bool = False) -> list[str]:
    """Imports of the engine that point upwards, and modules that no layer lists."""
    parts = module.split(".")
    if len(parts) == 1:  # pccore itself: the facade may import everything
        return []
    own = layer_of(parts[1])
    if own is None:
        return [f"{module} is in no layer: give it one in tests/architecture_rules.py"]
    found: list[str] = []
    for name, line in imports(source, module, is_package):
        target = [*name.split("."), ""]  # a plain `import pccore` has no second part
        if target[0] != "pccore" or target[1] in ("__version__", parts[1]):
            continue
        other = layer_of(target[1])
        if other is None:
            found.append(f"{module}:{line} imports {name}: the facade, or a module in no layer")
        elif other > own:
            found.append(f"{module}:{line} imports {name}, which is above it")
    return found


def cycles(dependencies: Mapping[str, Iterable[str]]) -> list[str]:
    """What is left of a dependency graph when everything importable in some order is removed."""
    left = {name: set(uses) & set(dependencies) - {name} for name, uses in dependencies.items()}
    while ready := {name for name, uses in left.items() if not uses}:
        left = {name: uses - ready for name, uses in left.items() if name not in ready}
    return [f"{name} is in an import cycle with {sorted(uses)}" for name, uses in left.items()]


def too_long(text: str, path: str) -> list[str]:
    """Files over MAX_LINES lines."""
    lines = len(text.splitlines())
    return [f"{path} has {lines} lines, more than {MAX_LINES}"] if lines > MAX_LINES else []


def executed_data(source: str, path: str) -> list[str]:
    """pickle and its kin, eval, exec, and the loaders that unpickle when asked to."""
    found = [
        f"{path}:{line} imports {name}"
        for name, line in imports(source, "x")
        if name.partition(".")[0] in EXECUTING_MODULES
    ]
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        given = {keyword.arg: keyword.value for keyword in node.keywords}
        called = ast.unparse(node.func)
        if called in ("eval", "exec", "builtins.eval", "builtins.exec"):
            found.append(f"{path}:{node.lineno} calls {called}")
        if called == "torch.load" and not _is_true(given.get("weights_only")):
            found.append(f"{path}:{node.lineno} calls torch.load without weights_only=True")
        if "allow_pickle" in given and not _is_false(given["allow_pickle"]):
            found.append(f"{path}:{node.lineno} allows pickle")
    return found


def mutable_state(source: str, path: str) -> list[str]:
    """Containers and `global` statements that every session of the process would share.

    A list, dict or set at module or class level is accepted when its annotation is a read-only type
    (the type checker then holds everybody to it); an empty one never is: it could only be there to
    be filled. Better still are a tuple, a frozenset, a MappingProxyType.
    """
    tree = ast.parse(source)
    found = [
        f"{path}:{node.lineno} has a global statement"
        for node in ast.walk(tree)
        if isinstance(node, ast.Global)
    ]
    for statement in _shared_statements(tree):
        match statement:
            case ast.Assign(value=value):
                annotation = ""
                names = [ast.unparse(target) for target in statement.targets]
            case ast.AnnAssign(value=ast.expr() as value):
                annotation = ast.unparse(statement.annotation)
                names = [ast.unparse(statement.target)]
            case _:
                continue
        if not _is_container(value) or names in (["__all__"], ["__slots__"]):
            continue
        if _is_empty(value) or not READ_ONLY_TYPES.search(annotation):
            found.append(f"{path}:{statement.lineno} {names[0]} is mutable shared state")
    return found


def no_assertion(source: str, path: str) -> list[str]:
    """Test files that cannot fail: no assert, pytest.raises/warns/fail or expect(...)."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Assert):
            return []
        if isinstance(node, ast.Call) and re.fullmatch(
            r"(pytest\.)?(raises|warns|fail)|expect|(\w+\.)+assert_\w+", ast.unparse(node.func)
        ):
            return []
    return [f"{path} asserts nothing"]


def browser_risks(text: str, path: str) -> list[str]:
    """Markup built from strings, and anything fetched from elsewhere, in html, css, js, python."""
    patterns: Sequence[tuple[str, str]] = (
        (r"\b(innerHTML|outerHTML|insertAdjacentHTML|document\.write)\b", "writes markup: {}"),
        (r":material/", "uses a {} icon, which fetches a font"),
        (r"(?:src|href|url|import|fetch)\W{1,3}(?:https?:)?//\w", "fetches from elsewhere: {}"),
    )
    return [
        f"{path}:{number} " + message.format(match[0])
        for number, line in enumerate(text.splitlines(), start=1)
        for pattern, message in patterns
        if (match := re.search(pattern, line))
    ]


def _shared_statements(tree: ast.Module) -> Iterator[ast.stmt]:
    """The statements that run once per process: module and class bodies, with their branches."""
    todo: list[ast.AST] = [tree]
    while todo:
        for child in ast.iter_child_nodes(todo.pop()):
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.expr):
                continue
            if isinstance(child, ast.stmt):
                yield child
            todo.append(child)


def _is_container(value: ast.expr) -> bool:
    if isinstance(value, ast.Call):
        return ast.unparse(value.func).rpartition(".")[2] in CONTAINER_CALLS
    return isinstance(value, CONTAINER_NODES)


def _is_empty(value: ast.expr) -> bool:
    match value:
        case ast.List(elts=[]) | ast.Dict(keys=[]):
            return True
        case ast.Call(args=[], keywords=[]):
            return True
        case _:
            # defaultdict(int), Counter(), deque(maxlen=9): made to be filled
            return isinstance(value, ast.Call) and ast.unparse(value.func).rpartition(".")[2] in (
                "defaultdict",
                "deque",
            )


def _is_true(value: ast.expr | None) -> bool:
    return isinstance(value, ast.Constant) and value.value is True


def _is_false(value: ast.expr | None) -> bool:
    return isinstance(value, ast.Constant) and value.value is False
