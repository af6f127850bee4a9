"""Imports run downwards only, plug-ins stand alone, and modules and functions stay small.

The layers are listed from the top down. A module may import from its own layer and from those below it; imports
inside functions and under ``TYPE_CHECKING`` count as well.
"""

import ast
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
LAYERS = (
    {"__init__", "__main__", "figures"},  # what plug-ins import: names of the layers below
    {"cli", "doctor"},
    {"listening"},
    {"checks"},
    {"pipeline"},
    {"stages"},
    {"reporting"},
    {"evaluation"},
    {"backends"},
    {"models"},
    {"nn"},
    {"data"},
    {"audio"},
    {"engine"},
    {"config"},
    {"registry", "factories", "devices", "interfaces", "reductions", "types", "rng", "errors"},
)
MODULE_LINES = 400
FUNCTION_LINES = 60


def sources(*packages):
    return {module_name(path): path for package in packages for path in sorted((REPOSITORY / package).rglob("*.py"))}


def module_name(path):
    parts = path.relative_to(REPOSITORY).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def syntax(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(path):
    """Every absolute name that a module imports, at any depth of its code."""
    for node in ast.walk(syntax(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def import_graph(*packages):
    """Module -> modules of the same packages that it imports."""
    modules = sources(*packages)
    graph = {}
    for module, path in modules.items():
        targets = (name if name in modules else name.rpartition(".")[0] for name in imports(path))
        graph[module] = {target for target in targets if target in modules} - {module}
        # The version is a constant of the package, and importing any module of it has already set it.
        if "ttsbench.__version__" in set(imports(path)):
            graph[module].discard("ttsbench")
    return graph


def layer(module):
    """The number of a module's layer, 0 at the top."""
    room = [*module.split("."), "__init__"][1]
    return next(number for number, rooms in enumerate(LAYERS) if room in rooms)


def functions(path):
    """Qualified name -> number of lines, docstring and decorators included."""

    def walk(node, prefix):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                name = f"{prefix}{child.name}"
                if not isinstance(child, ast.ClassDef):
                    first = min([child.lineno, *(decorator.lineno for decorator in child.decorator_list)])
                    yield name, child.end_lineno - first + 1
                yield from walk(child, f"{name}.")

    return dict(walk(syntax(path), ""))


def test_every_module_of_the_core_has_a_layer():
    rooms = {[*module.split("."), "__init__"][1] for module in sources("ttsbench")}
    assert rooms <= set().union(*LAYERS)


def test_imports_of_the_core_run_downwards():
    graph = import_graph("ttsbench")
    upward = {(user, used) for user, targets in graph.items() for used in targets if layer(used) < layer(user)}
    assert not upward


def test_modules_of_the_core_import_one_another_in_no_circle():
    graph = import_graph("ttsbench")
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"circular import: {' -> '.join(reversed(error.args[1]))}")


@pytest.mark.parametrize("package", ["baselines", "metrics"])
def test_plugins_import_nothing_of_the_repository_but_the_core(package):
    modules = sources(package)
    tops = {name.partition(".")[0] for path in modules.values() for name in imports(path)}
    assert "ttsbench" in tops and not tops & {"baselines", "metrics", "tests", "benchmarks"} - {package}


def test_core_imports_no_plugin():
    tops = {name.partition(".")[0] for path in sources("ttsbench").values() for name in imports(path)}
    assert not tops & {"baselines", "metrics", "tests", "benchmarks"}


def test_no_test_module_imports_another():
    modules = {path.stem: path for path in (REPOSITORY / "tests").rglob("test_*.py")}
    offenders = {
        (module, name)
        for module, path in modules.items()
        for name in imports(path)
        if set(name.split(".")) & (modules.keys() - {module})
    }
    assert not offenders


def test_modules_are_short():
    modules = sources("ttsbench", "baselines", "metrics")
    long = {name for name, path in modules.items() if len(path.read_text(encoding="utf-8").splitlines()) > MODULE_LINES}
    assert not long


def test_functions_are_short():
    modules = sources("ttsbench", "baselines", "metrics")
    long = {
        f"{module}:{function}"
        for module, path in modules.items()
        for function, lines in functions(path).items()
        if lines > FUNCTION_LINES
    }
    assert not long
