"""Check an experiment before any work starts: names, options, labels, sampling settings, weights and claims.

Every function raises ``ConfigError`` with the key, the value and what to do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ttsbench import registry
from ttsbench.config.schema import ORACLE, SAME, TEXT, AdapterConfig, Experiment, pair
from ttsbench.config.systems import System, metric_infos, sampling_settings, systems
from ttsbench.data.normalisers import base_language, languages_of
from ttsbench.errors import ConfigError, TtsbenchError
from ttsbench.models.representation import check_codec, make_codec, make_vocoder
from ttsbench.models.speech_model import SpeechModel
from ttsbench.pipeline.capacity import check_capacity
from ttsbench.pipeline.corpus_size import check_planned_splits
from ttsbench.pipeline.external_plan import check_external
from ttsbench.registry import Kind
from ttsbench.reporting.claims import read_claims
from ttsbench.stages.sampling import try_sampling
from ttsbench.types import Role


def check_experiment(experiment: Experiment) -> None:
    """Check that every plug-in exists and accepts its options, and that every label in use is defined."""
    if not experiment.adapters and not experiment.external:
        raise ConfigError("adapters: an experiment compares at least one; for example --set adapters.l1={}.")
    for config in experiment.adapters.values():
        _check_adapter(config)
    check_capacity(experiment)
    _check_parts(experiment)
    _check_tuning(experiment)
    check_scoring(experiment)
    _check_labels(experiment)
    for train in (experiment.train.acoustic, experiment.train.prosody):
        if train.start_from and registry.starts_from(train.start_from, {}):
            raise ConfigError(f"start_from: '{train.start_from}' itself starts from another adapter; l2 does not.")
    rows = systems(experiment)
    check_external(experiment)
    names = [system.name for system in rows]
    if taken := sorted(set(experiment.external) & {*names, *experiment.adapters}):
        raise ConfigError(f"external: '{taken[0]}' already names a row or an adapter; choose another name.")
    check_table(experiment, [*names, *experiment.external])
    _check_claims(experiment.claims)
    _check_representation(experiment)
    _check_models(experiment, rows)


def check_scoring(experiment: Experiment) -> None:
    """Check the metrics, the recogniser, and the pretrained models that they load."""
    for name, options in experiment.metrics.items():
        registry.check_options("metrics", name, options, reserved=())
        with _refusal(f"The metric '{name}' does not take {options}"):
            metric = registry.load("metrics", name)(**options)
        _require(metric)
    transcriber = experiment.transcriber
    registry.check_options("transcribers", transcriber.name, transcriber.options, reserved=("vocabulary",))
    if any("transcript" in info.needs for info in metric_infos(experiment).values()):
        languages = getattr(registry.load("transcribers", transcriber.name), "languages", None)
        spoken = {base_language(language) for language in languages_of(experiment.corpus.language)}
        if languages is not None and not spoken <= set(languages):
            raise ConfigError(
                f"The transcriber '{transcriber.name}' knows {', '.join(languages)} only, and the language is "
                f"'{experiment.corpus.language}': use --set transcriber.name=whisper, or leave out the metrics that "
                "read transcripts."
            )
        with _refusal(f"The transcriber '{transcriber.name}' does not take {transcriber.options}"):
            _require(registry.load("transcribers", transcriber.name)(["word"], **transcriber.options))


def check_table(experiment: Experiment, rows: Sequence[str]) -> None:
    """Check that the selection for the paper's table exists, has no duplicates, and gives no two rows one title."""
    table, families = experiment.table, dict.fromkeys(map(experiment.family, rows))
    for key, names, known, kind in (
        ("metrics", table.metrics, experiment.metrics, "metric of this experiment"),
        ("systems", table.systems, rows, "row of this experiment"),
        ("titles", table.titles, [*rows, *families, *experiment.metrics], "row, family or metric of this experiment"),
    ):
        for name in names:
            if name not in known:
                raise ConfigError(f"table.{key}: '{name}' is no {kind}. {registry.did_you_mean(name, known)}")
        if len(set(names)) < len(names):
            raise ConfigError(f"table.{key}: a name is listed twice in {', '.join(names)}; remove the duplicate.")
    titles = [table.titles.get(row, row) for row in rows]
    if duplicates := [title for title in titles if titles.count(title) > 1]:
        raise ConfigError(f"table.titles: two rows have the title '{duplicates[0]}'; rename one of them.")


def _check_adapter(config: AdapterConfig) -> None:
    registry.check_options("adapters", config.adapter, config.options, reserved=("context",))
    registry.check_sampling(config.adapter, config.sampling)
    if config.tuned:
        _check_tuned(config)
    info = registry.load("adapters", config.adapter).info
    if config.nfe is not None and info.nfe == (1,) and config.nfe != 1:
        raise ConfigError(
            f"The adapter '{config.adapter}' samples in 1 function evaluation; nfe {config.nfe} is not possible."
        )


def _check_tuned(config: AdapterConfig) -> None:
    info = registry.load("adapters", config.adapter).info
    if not info.search:
        raise ConfigError(
            f"The adapter '{config.adapter}' declares no sampling settings to search (AdapterInfo.search); remove "
            "`tuned` from its label."
        )
    if info.free_running:
        raise ConfigError(
            f"The adapter '{config.adapter}' decides the length of its output, so its draws have no energy score to be "
            "tuned by; remove `tuned` from its label."
        )


def _check_tuning(experiment: Experiment) -> None:
    """Check the scores that choose sampling settings."""
    tuning = experiment.tuning
    for key, name in (("score", tuning.score), ("prosody_score", tuning.prosody_score)):
        info = registry.load("metrics", name)(**experiment.metrics.get(name, {})).info
        if "draws" not in info.needs or info.higher_is_better is None:
            raise ConfigError(
                f"tuning.{key}: '{name}' is no score of draws that is better when higher or lower; use energy_score, "
                "crps, or energy_score_prosody for prosody models."
            )


def _check_parts(experiment: Experiment) -> None:
    parts: list[tuple[Kind, Any, tuple[str, ...]]] = [
        ("corpora", experiment.corpus, ("path",)),
        ("vocoders", experiment.vocoder, ("mel",)),
    ]
    if experiment.codec:
        parts.append(("codecs", experiment.codec, ()))
    for kind, part, reserved in parts:
        registry.check_options(kind, part.name, part.options, reserved)
    check_planned_splits(experiment)


def _check_labels(experiment: Experiment) -> None:
    """Check acoustic and prosody labels, systems, and the labels that models are trained on."""
    for label in experiment.acoustic:
        _check_label("acoustic", label, experiment.adapters)
    prosody = {label: config for label, config in experiment.adapters.items() if not _free_running(config)}
    for label in experiment.prosody:
        _check_label("prosody", label, {**prosody, ORACLE: None, SAME: None})
    for name in (*experiment.systems, *experiment.extra_systems):
        acoustic, source = pair(name)
        _check_label(f"systems: {name}", acoustic, experiment.adapters)
        free_running = acoustic in experiment.adapters and _free_running(experiment.adapters[acoustic])
        known: dict[str, Any] = {TEXT: None} if free_running else {**prosody, ORACLE: None, SAME: None}
        _check_label(f"systems: {name}", source, known)
    for label, config in experiment.adapters.items():
        _check_label(f"adapters.{label}.trained_on", config.trained_on, {**experiment.adapters, ORACLE: None})


def _check_label(key: str, label: str, known: Mapping[str, Any]) -> None:
    if label not in known:
        raise ConfigError(f"{key}: '{label}' is no label under adapters. {registry.did_you_mean(label, known)}")


def _free_running(config: AdapterConfig) -> bool:
    return bool(registry.load("adapters", config.adapter).info.free_running)


def _check_claims(path: Path | None) -> None:
    """Check a file of claims before the run, which would otherwise fail at its end."""
    try:
        if path is not None:
            read_claims(path)
    except ConfigError as error:
        raise ConfigError(f"claims: {error} --set claims=null runs without claims.") from None


def _check_representation(experiment: Experiment) -> None:
    """Check that the vocoder, or the codec that replaces it, can be built, has its weights and fits the mel."""
    kind, plugin = ("codec", experiment.codec) if experiment.codec else ("vocoder", experiment.vocoder)
    with _refusal(f"The {kind} '{plugin.name}' does not take {kind}.options {plugin.options}"):
        codec = make_codec(experiment)
        decoder = codec or make_vocoder(experiment)
    _require(decoder)
    if codec is not None:
        check_codec(experiment, codec)


def _check_models(experiment: Experiment, rows: Sequence[System]) -> None:
    """Build every model once, so that a refused option value is known before training starts."""
    channels: dict[Role, int] = {"acoustic": experiment.mel.n_mels, "prosody": 2}

    def build(adapter: str, options: Mapping[str, Any], role: Role, steps: int = 0) -> SpeechModel:
        sources = {name: build(name, {}, role) for name in registry.starts_from(adapter, options)}
        shape = {"n_phones": 1, "n_speakers": 1, "channels": channels[role]}
        return SpeechModel(adapter, options, role, experiment.model, shape, sources, steps)

    prosody_labels = {system.prosody for system in rows}
    for label, config in experiment.adapters.items():
        roles: list[Role] = ["acoustic", "prosody"] if label in prosody_labels else ["acoustic"]
        for role in roles:
            with _refusal(f"adapters.{label}: '{config.adapter}' does not take {config.options}"):
                steps = config.steps or getattr(experiment.train, role).steps
                model = build(config.adapter, config.options, role, steps)
            if experiment.corpus.held_out_speakers and not model.prompted:
                raise ConfigError(
                    f"corpus.held_out_speakers: '{label}' has one embedding per training speaker and none for held-out "
                    "speakers; compare adapters that take a prompt, such as sled_text with options {prompt: true}."
                )
            with _refusal(f"adapters.{label}: '{config.adapter}' does not sample with {config.sampling}"):
                try_sampling(model, sampling_settings(experiment, label))


def _require(plugin: object) -> None:
    """Call ``require`` of a plug-in that may lack weights; it raises ``ConfigError`` with what to do."""
    require = getattr(plugin, "require", None)
    if require is not None:
        require()


@contextmanager
def _refusal(sentence: str) -> Iterator[None]:
    """Turn any error of a plug-in into a ``ConfigError`` that begins with ``sentence``."""
    try:
        yield
    except TtsbenchError:
        raise
    except (Exception, SystemExit) as error:
        kind = "" if isinstance(error, TypeError | ValueError) else f"{type(error).__name__}: "
        reason = " ".join(str(error).split()).rstrip(".")
        raise ConfigError(f"{sentence}: {kind}{reason}.") from error
