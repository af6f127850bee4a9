"""Plug-ins: find them by name through entry points, and check the options that an experiment gives them."""

from __future__ import annotations

import ast
import difflib
import hashlib
import importlib
import inspect
import io
import json
import tokenize
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_type_hints, overload

from ttsbench.errors import ConfigError

if TYPE_CHECKING:  # these modules import torch, which the command line must not need before it runs a command
    from ttsbench.factories import (
        AdapterFactory,
        CodecFactory,
        CorpusFactory,
        FigureFunction,
        JudgeFactory,
        MetricFactory,
        NormaliserFactory,
        TrainableFactory,
        TranscriberFactory,
        VocoderFactory,
    )

Kind = Literal[
    "adapters",
    "judges",
    "metrics",
    "corpora",
    "vocoders",
    "codecs",
    "transcribers",
    "normalisers",
    "figures",
    "engines",
]
KINDS: tuple[Kind, ...] = (
    "adapters", "judges", "metrics", "corpora", "vocoders", "codecs", "transcribers", "normalisers", "figures",
    "engines",
)  # fmt: skip
SAMPLE_PARAMETERS = ("self", "cond", "nfe", "rng", "temperature")  # parameters of every adapter's `sample`
_temporary: dict[Kind, dict[str, EntryPoint]] = {kind: {} for kind in KINDS}
SINGULAR = {
    "adapters": "adapter",
    "judges": "judge",
    "metrics": "metric",
    "corpora": "corpus",
    "vocoders": "vocoder",
    "codecs": "codec",
    "transcribers": "transcriber",
    "normalisers": "normaliser",
    "figures": "figure",
    "engines": "engine",
}


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return the closest known name as a question, or the list of known names.

    >>> did_you_mean("metrix", ["metrics", "seeds"])
    "Did you mean 'metrics'?"
    >>> did_you_mean("colour", ["metrics", "seeds"])
    'Known: metrics, seeds.'
    """
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    return f"Did you mean '{near[0]}'?" if near else f"Known: {', '.join(names) or 'none'}."


@cache
def registered(kind: Kind) -> Mapping[str, EntryPoint]:
    """Return every entry point of a kind by name; raises ``ConfigError`` if two packages register one name."""
    entries: dict[str, EntryPoint] = {}
    for entry in entry_points(group=f"ttsbench.{kind}"):
        if entry.name in entries and entries[entry.name].value != entry.value:
            raise ConfigError(
                f"Two packages register the {SINGULAR[kind]} '{entry.name}': {entries[entry.name].value} and "
                f"{entry.value}. Uninstall or rename one of them."
            )
        entries[entry.name] = entry
    return entries | _temporary[kind]


@contextmanager
def temporarily_registered(kind: Kind, name: str, reference: str) -> Iterator[None]:
    """Register the class ``module:Class`` inside the block; it replaces any plug-in of the same name."""
    previous = dict(_temporary[kind])
    _temporary[kind][name] = EntryPoint(name, reference, f"ttsbench.{kind}")
    clear_caches()
    try:
        yield
    finally:
        _temporary[kind] = previous
        clear_caches()


def load_reference(reference: str) -> Any:
    """Return the class that ``module:Class`` names; raises ``ConfigError`` if it cannot be imported."""
    try:
        return EntryPoint("", reference, "").load()
    except Exception as error:
        raise ConfigError(
            f"'{reference}' cannot be imported: {type(error).__name__}: {error}. Give module:Class of a module that "
            "Python finds from here, such as my_package.objective:MyObjective."
        ) from error


@overload
def load(kind: Literal["adapters"], name: str) -> AdapterFactory: ...
@overload
def load(kind: Literal["judges"], name: str) -> JudgeFactory: ...
@overload
def load(kind: Literal["metrics"], name: str) -> MetricFactory: ...
@overload
def load(kind: Literal["corpora"], name: str) -> CorpusFactory: ...
@overload
def load(kind: Literal["vocoders"], name: str) -> VocoderFactory: ...
@overload
def load(kind: Literal["codecs"], name: str) -> CodecFactory: ...
@overload
def load(kind: Literal["transcribers"], name: str) -> TranscriberFactory: ...
@overload
def load(kind: Literal["normalisers"], name: str) -> NormaliserFactory: ...
@overload
def load(kind: Literal["figures"], name: str) -> FigureFunction: ...
@overload
def load(kind: Kind, name: str) -> Any: ...
def load(kind: Kind, name: str) -> Any:
    """Return the class (for a figure, the function) of a plug-in.

    Raises ``ConfigError`` with a suggestion for an unknown name, and with the reason if the import fails.
    """
    return _load(kind, name)


@cache
def _load(kind: Kind, name: str) -> Any:
    entries = registered(kind)
    if name not in entries:
        raise ConfigError(f"Unknown {SINGULAR[kind]} '{name}'. {did_you_mean(name, entries)}")
    try:
        return entries[name].load()
    except Exception as error:
        raise ConfigError(
            f"The {SINGULAR[kind]} '{name}' ({entries[name].value}) cannot be imported: "
            f"{type(error).__name__}: {error}. {_import_advice(error)}, or leave it out."
        ) from error


def _import_advice(error: Exception) -> str:
    if isinstance(error, SyntaxError) and error.filename:
        return f"Correct line {error.lineno} of {error.filename}"
    return "Reinstall the package that provides it"


def check_options(kind: Kind, name: str, options: Mapping[str, Any], reserved: tuple[str, ...]) -> None:
    """Raise ``ConfigError`` for an option that the plug-in's constructor does not take, or of a wrong type.

    ``reserved`` are the parameters that the runner passes itself.
    """
    parameters = inspect.signature(load(kind, name)).parameters
    accepts_any = any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters.values())
    known = [parameter for parameter in parameters if parameter not in reserved]
    for option in options:
        if option not in known and not accepts_any:
            raise ConfigError(f"The {SINGULAR[kind]} '{name}' has no option '{option}'. {did_you_mean(option, known)}")
    for option, fault in _type_faults(load(kind, name), options):
        raise ConfigError(f"The {SINGULAR[kind]} '{name}' does not take {option}={options[option]!r}: {fault}.")


def _type_faults(factory: Any, options: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield every option whose value does not match the annotation of the constructor's parameter, with the reason.

    Options are compared as JSON, in which a list may stand for a tuple; a string never stands for a number.
    """
    from pydantic import PydanticUserError, TypeAdapter, ValidationError

    try:
        annotations = get_type_hints(factory.__init__)
    except (NameError, TypeError):  # names that are imported for type checkers only; a function without annotations
        return
    for option in options.keys() & annotations.keys():
        try:
            adapter = TypeAdapter(annotations[option])
        except PydanticUserError:  # no type that JSON can hold
            continue
        try:
            adapter.validate_json(json.dumps(options[option], default=str), strict=True)
        except ValidationError as error:
            yield option, error.errors()[0]["msg"].lower()


def takes_option(kind: Kind, name: str, option: str) -> bool:
    """Return whether the plug-in exists and its constructor has a parameter of this name."""
    return name in registered(kind) and option in inspect.signature(load(kind, name)).parameters


def device_options(kind: Kind, name: str, options: Mapping[str, Any], device: str) -> dict[str, Any]:
    """Return the options of a plug-in, with the device of the run if it takes one and the experiment sets none."""
    is_open = "device" not in options and takes_option(kind, name, "device")
    return {**options, "device": device} if is_open else dict(options)


def check_sampling(name: str, sampling: Mapping[str, Any]) -> None:
    """Raise ``ConfigError`` for a sampling option that the adapter's ``sample`` does not take."""
    known = sampling_options(name)
    for option in sampling:
        if option not in known:
            raise ConfigError(f"The adapter '{name}' has no sampling option '{option}'. {did_you_mean(option, known)}")


def sampling_options(name: str) -> dict[str, Any]:
    """Return the adapter's own sampling options with their defaults: the further parameters of its ``sample``."""
    parameters = inspect.signature(load("adapters", name).sample).parameters
    return {key: parameter.default for key, parameter in parameters.items() if key not in SAMPLE_PARAMETERS}


def trainable(name: str) -> TrainableFactory:
    """Return the class of an adapter, or of a judge that adapters start from."""
    factory: TrainableFactory = load(kind_of(name), name)
    return factory


def kind_of(name: str) -> Literal["adapters", "judges"]:
    """Return "judges" for the name of a judge and "adapters" for any other name."""
    return "judges" if name in registered("judges") else "adapters"


def starts_from(name: str, options: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of the models that must be trained before this adapter, given its options."""
    adapter = trainable(name)
    from_options = getattr(adapter, "starts_from", None)
    sources: tuple[str, ...] = tuple(from_options(**options)) if from_options else adapter.info.starts_from
    for source in sources:
        trainable(source)
    return sources


@cache
def source_hash(kind: Kind, name: str) -> str:
    """Return a hash of the plug-in's module without comments, docstrings and blank lines.

    Editing an objective therefore retrains it, and editing its comments does not. The text is hashed rather than the
    syntax tree, whose form differs between releases of Python.
    """
    module = importlib.import_module(load(kind, name).__module__)
    source = Path(str(module.__file__)).read_text(encoding="utf-8")
    return hashlib.blake2b(bare_source(source).encode(), digest_size=8).hexdigest()


def plugin_key(kind: Kind, name: str, options: Mapping[str, Any]) -> list[Any]:
    """Return the part of a job's key that describes a plug-in: its name, its options and the hash of its module."""
    return [name, options, source_hash(kind, name)]


def bare_source(source: str) -> str:
    """Return the source of a module without comments, docstrings and blank lines."""
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


def clear_caches() -> None:
    """Forget which plug-ins are installed, for example after a package was installed in this process."""
    registered.cache_clear()
    _load.cache_clear()
    source_hash.cache_clear()
