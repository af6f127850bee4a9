"""Load an experiment: YAML with a base and a delta, and overrides from the command line.

A file may name a ``base`` in its own folder and then holds only the differences: mappings are merged, other values are
replaced, and a null removes a mapping of the base. ``--set a.b=value`` is one more delta. The path of a file of claims
is relative to the experiment that names it; without one, ``claims.yaml`` in the folder of the experiment is used.

Plug-in names and options are not checked here: see ``ttsbench.pipeline.validation``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ttsbench import registry
from ttsbench.config.schema import AdapterConfig, Experiment
from ttsbench.config.section import Section
from ttsbench.config.yaml_text import parse_yaml, read_yaml_file
from ttsbench.errors import ConfigError

CLAIMS = "claims.yaml"


def load_experiment(path: Path, overrides: Sequence[str] = (), seeds: Sequence[int] = ()) -> Experiment:
    """Return the merged and validated experiment; raises ``ConfigError``."""
    values = read_yaml(path)
    values.setdefault("name", path.stem)
    beside = path.resolve().parent / CLAIMS
    values.setdefault("claims", str(beside) if beside.exists() else None)
    for override in overrides:
        values = merge(values, parse_override(override, values))
    if seeds:
        values["seeds"] = list(seeds)
    return validate(values, str(path))


def read_yaml(path: Path, visited: tuple[Path, ...] = ()) -> dict[str, Any]:
    """Return the values of an experiment file, merged with those of its bases."""
    path = path.resolve()
    if path in visited:
        chain = " -> ".join(file.name for file in visited)
        raise ConfigError(f"{path.name} is its own base, through {chain}. Remove one of these bases.")
    try:
        values = read_yaml_file(path)
    except FileNotFoundError:
        folders = (path.parent, Path("experiments"))
        known = {file.stem for folder in folders for file in folder.glob("[!.]*.yaml")}
        raise ConfigError(f"There is no experiment {path}. {registry.did_you_mean(path.stem, known)}") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise ConfigError(f"{path} cannot be read as YAML: {_one_line(error)}.") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{path} is not a mapping; an experiment consists of 'key: value' lines.")
    base = values.pop("base", None)
    if isinstance(values.get("claims"), str):
        values["claims"] = str(path.parent / values["claims"])
    if base is None:
        return values
    values.setdefault("name", path.stem)
    return merge(read_yaml(path.parent / str(base), (*visited, path)), values)


def merge(base: Mapping[str, Any], delta: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``base`` with ``delta`` applied: mappings merge, other values replace, null removes a mapping."""
    merged = dict(base)
    for key, value in delta.items():
        if value is None and isinstance(merged.get(key), Mapping):
            del merged[key]
        elif isinstance(value, Mapping) and isinstance(merged.get(key), Mapping):
            merged[key] = merge(merged[key], value)
        else:
            merged[key] = value
    return merged


def parse_override(text: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``a.b=value`` as a nested mapping; the value is YAML. Labels in ``values`` may contain dots."""
    key, separator, value = text.partition("=")
    if not separator or not key or not all(key.split(".")):
        raise ConfigError(f"--set takes key=value, got '{text}'; for example --set train.acoustic.steps=500.")
    try:
        nested: Any = parse_yaml(value)
    except ValueError as error:
        raise ConfigError(f"--set {key}: '{value}' cannot be read as YAML: {_one_line(error)}.") from error
    for part in reversed(_path(key.split("."), values)):
        nested = {part: nested}
    result: dict[str, Any] = nested
    return result


def _path(parts: Sequence[str], values: Any) -> list[str]:
    """Split a dotted name into keys, and prefer the longest key that exists in ``values``."""
    if not parts:
        return []
    known = values if isinstance(values, Mapping) else {}
    prefixes = (".".join(parts[:count]) for count in range(len(parts), 0, -1))
    name = next((prefix for prefix in prefixes if prefix in known), parts[0])
    return [name, *_path(parts[name.count(".") + 1 :], known.get(name))]


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".")


def validate(values: Mapping[str, Any], source: str) -> Experiment:
    """Return the experiment that ``values`` describe; raises ``ConfigError`` with a sentence for every invalid key."""
    infinite = [f"{key}: the number must be finite (got {value})." for key, value in _infinite_numbers(values)]
    if infinite:
        raise ConfigError(f"{source}: " + "\n".join(infinite))
    try:
        return with_language(Experiment.model_validate(values))
    except ValidationError as error:
        lines = [_sentence(item["type"], item["loc"], item["msg"], item.get("input")) for item in error.errors()]
        raise ConfigError(f"{source}: " + "\n".join(lines)) from error


def with_language(experiment: Experiment) -> Experiment:
    """Return the experiment with the language of its corpus among the options of every plug-in that takes one."""
    language = experiment.corpus.language
    if language == "en":
        return experiment
    corpus, transcriber = experiment.corpus, experiment.transcriber
    if registry.takes_option("corpora", corpus.name, "language"):
        corpus = corpus.model_copy(update={"options": {"language": language, **corpus.options}})
    if registry.takes_option("transcribers", transcriber.name, "language"):
        transcriber = transcriber.model_copy(update={"options": {"language": language, **transcriber.options}})
    metrics = {
        name: {"language": language, **options} if registry.takes_option("metrics", name, "language") else options
        for name, options in experiment.metrics.items()
    }
    return experiment.model_copy(update={"corpus": corpus, "transcriber": transcriber, "metrics": metrics})


def _infinite_numbers(value: Any, key: str = "") -> Iterator[tuple[str, float]]:
    """Yield every infinite or undefined number with its dotted key, options of plug-ins included."""
    if isinstance(value, float) and not math.isfinite(value):
        yield key, value
    items = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    for name, item in items:
        yield from _infinite_numbers(item, f"{key}.{name}" if key else str(name))


def _sentence(kind: str, location: tuple[int | str, ...], message: str, value: Any) -> str:
    where = ".".join(str(part) for part in location)
    if kind != "extra_forbidden":
        shown = "" if kind == "missing" else f" (got {value!r})"
        return f"{where}: {message.removeprefix('Value error, ')}{shown}."
    section = _section_at(location[:-1])
    return f"Unknown key '{where}'. {registry.did_you_mean(str(location[-1]), section.model_fields)}"


def _section_at(location: tuple[int | str, ...]) -> type[Section]:
    """Return the section that the location of a pydantic error refers to."""
    section: type[Section] = Experiment
    for part in location:
        if section is Experiment and part == "adapters":
            section = AdapterConfig
        elif isinstance(part, str) and part in section.model_fields:
            annotation = section.model_fields[part].annotation
            if isinstance(annotation, type) and issubclass(annotation, Section):
                section = annotation
    return section
