"""Reading an experiment: YAML with base and delta, overrides from the command line, and every check before work starts.

A file may name a ``base`` beside it and then holds only what differs; mappings merge, anything else replaces, and a
null removes a mapping of the base. ``--set a.b=value`` is one more delta. A file of claims is named relative to the
experiment that names it; ``claims.yaml`` beside the experiment is taken where none is named.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from ttsbench import registry
from ttsbench.config.schema import ORACLE, SAME, TEXT, AdapterConfig, Experiment, Section, pair
from ttsbench.errors import ConfigError
from ttsbench.models.representation import check_codec, make_codec, make_vocoder
from ttsbench.types import MetricInfo, Role

CLAIMS = "claims.yaml"


def load_experiment(path: Path, overrides: Sequence[str] = (), seeds: Sequence[int] = ()) -> Experiment:
    """Read, merge, validate, and check every plug-in name and option; raises ``ConfigError``."""
    values = read_yaml(path)
    values.setdefault("name", path.stem)
    beside = path.resolve().parent / CLAIMS
    values.setdefault("claims", str(beside) if beside.exists() else None)
    for override in overrides:
        values = merge(values, parse_override(override, values))
    if seeds:
        values["seeds"] = list(seeds)
    experiment = validate(values, str(path))
    check_plugins(experiment)
    return experiment


def read_yaml(path: Path, seen: tuple[Path, ...] = ()) -> dict[str, Any]:
    """One experiment file with its bases merged in."""
    path = path.resolve()
    if path in seen:
        raise ConfigError(f"{path.name} names itself as its base, through {' -> '.join(p.name for p in seen)}.")
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        there = [file.stem for file in path.parent.glob("*.yaml")] if path.parent.is_dir() else []
        raise ConfigError(f"No experiment at {path}. {registry.did_you_mean(path.stem, there)}") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path} cannot be read as YAML: {_one_line(error)}.") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{path} holds no mapping; an experiment is 'key: value' lines.")
    base = values.pop("base", None)
    if isinstance(values.get("claims"), str):
        values["claims"] = str(path.parent / values["claims"])
    if base is None:
        return values
    values.setdefault("name", path.stem)
    return merge(read_yaml(path.parent / str(base), (*seen, path)), values)


def merge(base: Mapping[str, Any], delta: Mapping[str, Any]) -> dict[str, Any]:
    """Base with delta laid over it: mappings merge, null removes a key that the base has, anything else replaces."""
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
    """``a.b=value`` as a nested mapping; the value is YAML. A label of ``values`` may hold a dot itself."""
    key, separator, value = text.partition("=")
    if not separator or not key or not all(key.split(".")):
        raise ConfigError(f"--set takes key=value, got '{text}'; for example --set train.acoustic.steps=500.")
    try:
        nested: Any = yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise ConfigError(f"--set {key}: '{value}' is not YAML: {_one_line(error)}.") from error
    for part in reversed(_path(key.split("."), values)):
        nested = {part: nested}
    result: dict[str, Any] = nested
    return result


def _path(parts: Sequence[str], values: Any) -> list[str]:
    """The keys that a dotted name leads through: where there is a key of several parts, that one."""
    if not parts:
        return []
    known = values if isinstance(values, Mapping) else {}
    name = next((some for count in range(len(parts), 0, -1) if (some := ".".join(parts[:count])) in known), parts[0])
    return [name, *_path(parts[name.count(".") + 1 :], known.get(name))]


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".")


def validate(values: Mapping[str, Any], source: str) -> Experiment:
    """Pydantic's findings as sentences."""
    try:
        return Experiment.model_validate(values)
    except ValidationError as error:
        lines = [_sentence(found["type"], found["loc"], found["msg"], found.get("input")) for found in error.errors()]
        raise ConfigError(f"{source}: " + "\n".join(lines)) from error


def _sentence(kind: str, location: tuple[int | str, ...], message: str, value: Any) -> str:
    where = ".".join(str(part) for part in location)
    if kind != "extra_forbidden":
        shown = "" if kind == "missing" else f" (got {value!r})"
        return f"{where}: {message.removeprefix('Value error, ')}{shown}."
    section = _section_at(location[:-1])
    return f"Unknown key '{where}'. {registry.did_you_mean(str(location[-1]), section.model_fields)}"


def _section_at(location: tuple[int | str, ...]) -> type[Section]:
    """The section that a location of pydantic's error points into."""
    section: type[Section] = Experiment
    for part in location:
        if section is Experiment and part == "adapters":
            section = AdapterConfig
        elif isinstance(part, str) and part in section.model_fields:
            annotation = section.model_fields[part].annotation
            if isinstance(annotation, type) and issubclass(annotation, Section):
                section = annotation
    return section


def check_plugins(experiment: Experiment) -> None:
    """Every name is registered, every option is taken, every label that is used is defined."""
    from ttsbench.pipeline.plan import systems

    if not experiment.adapters:
        raise ConfigError("adapters: an experiment compares at least one; for example --set adapters.l1={}.")
    for config in experiment.adapters.values():
        registry.check_options("adapters", config.adapter, config.options, reserved=("context",))
        registry.check_sampling(config.adapter, config.sampling)
        info = registry.load("adapters", config.adapter).info
        if config.nfe is not None and info.nfe == (1,) and config.nfe != 1:
            raise ConfigError(
                f"The adapter '{config.adapter}' samples in 1 function evaluation; nfe {config.nfe} is not one."
            )
    for kind, part, reserved in (
        ("corpora", experiment.corpus, ("path",)),
        ("vocoders", experiment.vocoder, ("mel",)),
        *((("codecs", experiment.codec, ()),) if experiment.codec else ()),
    ):
        registry.check_options(kind, part.name, part.options, reserved)
    check_scoring(experiment)
    for label in experiment.acoustic:
        _check_label("acoustic", label, experiment.adapters)
    speaks_prosody = {label: config for label, config in experiment.adapters.items() if not _free_running(config)}
    for label in experiment.prosody:
        _check_label("prosody", label, {**speaks_prosody, ORACLE: None, SAME: None})
    for system in experiment.systems:
        acoustic, prosody = pair(system)
        _check_label(f"systems: {system}", acoustic, experiment.adapters)
        free = acoustic in experiment.adapters and _free_running(experiment.adapters[acoustic])
        known: dict[str, Any] = {TEXT: None} if free else {**speaks_prosody, ORACLE: None, SAME: None}
        _check_label(f"systems: {system}", prosody, known)
    for train in (experiment.train.acoustic, experiment.train.prosody):
        if train.start_from and registry.starts_from(train.start_from, {}):
            raise ConfigError(f"start_from: '{train.start_from}' itself starts from another adapter; l2 does not.")
    for label, config in experiment.adapters.items():
        _check_label(f"adapters.{label}.trained_on", config.trained_on, {**experiment.adapters, ORACLE: None})
    check_table(experiment, [system.name for system in systems(experiment)])
    _check_claims(experiment.claims)
    _check_values(experiment)


def check_table(experiment: Experiment, rows: Sequence[str]) -> None:
    """What is chosen for a paper's table is there, is chosen once, and no two rows have one title."""
    table, families = experiment.table, dict.fromkeys(map(experiment.family, rows))
    for key, names, known, what in (
        ("metrics", table.metrics, experiment.metrics, "metric of this experiment"),
        ("systems", table.systems, rows, "row of this experiment"),
        ("titles", table.titles, [*rows, *families, *experiment.metrics], "row, family or metric of this experiment"),
    ):
        for name in names:
            if name not in known:
                raise ConfigError(f"table.{key}: '{name}' is no {what}. {registry.did_you_mean(name, known)}")
        if len(set(names)) < len(names):
            raise ConfigError(f"table.{key}: a name stands there twice, in {', '.join(names)}; remove one.")
    called = [table.titles.get(row, row) for row in rows]
    if twice := [title for title in called if called.count(title) > 1]:
        raise ConfigError(f"table.titles: two rows are called '{twice[0]}'; call one of them something else.")


def _check_claims(path: Path | None) -> None:
    """A file of claims that cannot be read is told of now and not after the run, which it would cost nothing then."""
    from ttsbench.reporting.claims import read_claims

    try:
        if path is not None:
            read_claims(path)
    except ConfigError as error:
        raise ConfigError(f"claims: {error} --set claims=null does without.") from None


def _free_running(config: AdapterConfig) -> bool:
    free: bool = registry.load("adapters", config.adapter).info.free_running
    return free


def check_scoring(experiment: Experiment) -> None:
    """What folders of wavs are scored with is there: metrics, recogniser, and the models that they load."""
    for name, options in experiment.metrics.items():
        registry.check_options("metrics", name, options, reserved=())
        with _refusal(f"The metric '{name}' does not take {options}"):
            metric = registry.load("metrics", name)(**options)
        _require(metric)
    transcriber = experiment.transcriber
    registry.check_options("transcribers", transcriber.name, transcriber.options, reserved=("vocabulary",))
    if any("transcript" in metric_info(name, experiment).needs for name in experiment.metrics):
        with _refusal(f"The transcriber '{transcriber.name}' does not take {transcriber.options}"):
            _require(registry.load("transcribers", transcriber.name)(["word"], **transcriber.options))


def metric_info(name: str, experiment: Experiment) -> MetricInfo:
    """What a metric of the experiment says of itself."""
    info: MetricInfo = registry.load("metrics", name)(**experiment.metrics[name]).info
    return info


def _require(plugin: object) -> None:
    """A plug-in whose weights may be absent says so in ``require``, with what to do."""
    require = getattr(plugin, "require", None)
    if require is not None:
        require()


def _check_values(experiment: Experiment) -> None:
    """Build every plug-in once: a value that one refuses must be known before anything long starts."""
    from ttsbench.models.speech_model import SpeechModel
    from ttsbench.pipeline.plan import sampling_of, systems
    from ttsbench.stages.synthesize import try_sampling

    _check_representation(experiment)
    channels: dict[Role, int] = {"acoustic": experiment.mel.n_mels, "prosody": 2}

    def built(adapter: str, options: Mapping[str, Any], role: Role) -> SpeechModel:
        sources = {name: built(name, {}, role) for name in registry.starts_from(adapter, options)}
        shape = {"n_phones": 1, "n_speakers": 1, "channels": channels[role]}
        return SpeechModel(adapter, options, role, experiment.model, shape, sources)

    speaks_prosody = {system.prosody for system in systems(experiment)}
    for label, config in experiment.adapters.items():
        roles: list[Role] = ["acoustic", "prosody"] if label in speaks_prosody else ["acoustic"]
        for role in roles:
            with _refusal(f"adapters.{label}: '{config.adapter}' does not take {config.options}"):
                model = built(config.adapter, config.options, role)
            if experiment.corpus.held_out_speakers and not model.prompted:
                raise ConfigError(
                    f"corpus.held_out_speakers: '{label}' tells speakers by what it learnt of them, and learns nothing "
                    "of those; compare adapters that take a prompt, such as sled_text with options {prompt: true}."
                )
            with _refusal(f"adapters.{label}: '{config.adapter}' does not sample with {config.sampling}"):
                try_sampling(model, sampling_of(experiment, label))


def _check_representation(experiment: Experiment) -> None:
    """The vocoder, or the codec in its place, can be built, has its weights, and fits the mel."""
    kind, plugin = ("codec", experiment.codec) if experiment.codec else ("vocoder", experiment.vocoder)
    with _refusal(f"The {kind} '{plugin.name}' does not take {kind}.options {plugin.options}"):
        codec = make_codec(experiment)
        built = codec or make_vocoder(experiment)
    _require(built)
    if codec is not None:
        check_codec(experiment, codec)


@contextmanager
def _refusal(what: str) -> Iterator[None]:
    try:
        yield
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{what}: {_one_line(error)}.") from error


def _check_label(key: str, label: str, known: Mapping[str, Any]) -> None:
    if label not in known:
        raise ConfigError(f"{key}: '{label}' is no label under adapters. {registry.did_you_mean(label, known)}")
