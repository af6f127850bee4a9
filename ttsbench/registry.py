"""Finding plug-ins by name through entry points, and checking the options they are given."""

from __future__ import annotations

import ast
import difflib
import hashlib
import importlib
import inspect
import io
import tokenize
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Literal

from ttsbench.errors import ConfigError

Kind = Literal["adapters", "judges", "metrics", "corpora", "vocoders", "codecs", "transcribers", "figures"]
KINDS: tuple[Kind, ...] = ("adapters", "judges", "metrics", "corpora", "vocoders", "codecs", "transcribers", "figures")
SAMPLE_PARAMETERS = ("self", "cond", "nfe", "rng", "temperature")  # what `sample` of every adapter takes
SINGULAR = {
    "adapters": "adapter",
    "judges": "judge",
    "metrics": "metric",
    "corpora": "corpus",
    "vocoders": "vocoder",
    "codecs": "codec",
    "transcribers": "transcriber",
    "figures": "figure",
}


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The nearest known name as a question, or the list of what exists."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    return f"Did you mean '{near[0]}'?" if near else f"Known: {', '.join(names) or 'none'}."


@cache
def registered(kind: Kind) -> Mapping[str, EntryPoint]:
    """Every entry point of a group, by name. Two packages claiming one name is an error: neither would be trusted."""
    found: dict[str, EntryPoint] = {}
    for entry in entry_points(group=f"ttsbench.{kind}"):
        if entry.name in found and found[entry.name].value != entry.value:
            raise ConfigError(
                f"Two packages register the {SINGULAR[kind]} '{entry.name}': {found[entry.name].value} and "
                f"{entry.value}. Uninstall or rename one."
            )
        found[entry.name] = entry
    return found


@cache
def load(kind: Kind, name: str) -> Any:
    """The plug-in's class. An unknown name gets a suggestion; one that fails to import says which package and why."""
    entries = registered(kind)
    if name not in entries:
        raise ConfigError(f"Unknown {SINGULAR[kind]} '{name}'. {did_you_mean(name, entries)}")
    try:
        return entries[name].load()
    except Exception as error:
        raise ConfigError(
            f"The {SINGULAR[kind]} '{name}' ({entries[name].value}) cannot be imported: "
            f"{type(error).__name__}: {error}. Reinstall the package that provides it, or leave it out."
        ) from error


def check_options(kind: Kind, name: str, options: Mapping[str, Any], reserved: tuple[str, ...]) -> None:
    """Refuse options that the plug-in's constructor does not take; ``reserved`` are those the runner passes itself."""
    parameters = inspect.signature(load(kind, name)).parameters
    if any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters.values()):
        return
    known = [parameter for parameter in parameters if parameter not in reserved]
    for option in options:
        if option not in known:
            raise ConfigError(f"The {SINGULAR[kind]} '{name}' has no option '{option}'. {did_you_mean(option, known)}")


def check_sampling(name: str, sampling: Mapping[str, Any]) -> None:
    """Refuse what an adapter's ``sample`` does not take beyond what every adapter's does."""
    own = sampling_options(name)
    for option in sampling:
        if option not in own:
            raise ConfigError(f"The adapter '{name}' does not sample with '{option}'. {did_you_mean(option, own)}")


def sampling_options(name: str) -> dict[str, Any]:
    """What an adapter's ``sample`` takes beyond what every adapter's does, with its defaults."""
    parameters = inspect.signature(load("adapters", name).sample).parameters
    return {key: one.default for key, one in parameters.items() if key not in SAMPLE_PARAMETERS}


def trainable(name: str) -> Any:
    """The class of an adapter, or of a judge that adapters start from."""
    return load(kind_of(name), name)


def kind_of(name: str) -> Kind:
    """Whether a name that is trained is that of a judge; any other is taken for an adapter's."""
    return "judges" if name in registered("judges") else "adapters"


def starts_from(name: str, options: Mapping[str, Any]) -> tuple[str, ...]:
    """What has to be trained before this adapter: what it always needs, or what its options ask for."""
    adapter = trainable(name)
    asked = getattr(adapter, "starts_from", None)
    found: tuple[str, ...] = tuple(asked(**options)) if asked else adapter.info.starts_from
    for source in found:
        trainable(source)
    return found


@cache
def source_hash(kind: Kind, name: str) -> str:
    """Hash of the plug-in's module, comments, docstrings and blank lines left out: editing an objective retrains it.

    Of the text and not of the syntax tree, whose form changes between releases of Python.
    """
    module = importlib.import_module(load(kind, name).__module__)
    source = Path(str(module.__file__)).read_text(encoding="utf-8")
    return hashlib.blake2b(bare_source(source).encode(), digest_size=8).hexdigest()


def plugin_key(kind: Kind, name: str, options: Mapping[str, Any]) -> list[Any]:
    """What a result depends on of a plug-in: its name, its options and its module."""
    return [name, options, source_hash(kind, name)]


def bare_source(source: str) -> str:
    """A module without what cannot change what it does."""
    lines = source.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    for node in ast.walk(ast.parse(source)):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr):
            value = body[0].value
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                for row in range(value.lineno - 1, value.end_lineno or value.lineno):
                    lines[row] = ""
    return "\n".join(line.rstrip() for line in lines if line.strip())
