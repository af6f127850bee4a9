"""Describe a run in sentences: the test for captions, and notes on row names, starting points and training budgets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ttsbench import registry
from ttsbench.config.schema import ORACLE, TEXT, Experiment, pair
from ttsbench.engine.layout import RunLayout, tune_folder
from ttsbench.engine.store import read_json
from ttsbench.evaluation.metric_rows import MetricRows
from ttsbench.evaluation.test_set import evaluated_utterances
from ttsbench.evaluation.training_summary import divergence_notes, training_table
from ttsbench.evaluation.tuning import TUNED, describe_settings
from ttsbench.models.representation import maker
from ttsbench.reporting.provenance import preparation_notes
from ttsbench.reporting.tables import heading

SMALL_VOCABULARY = 100  # words: about ten sentences; ``ttsbench.backends.transcribers.pocketsphinx`` has error rates


def description(folder: Path, experiment: Experiment) -> str:
    """Return the test set, the number of draws and seeds, and the meaning of intervals, in one sentence each."""
    units = "training seeds and utterances" if len(experiment.seeds) > 1 else "utterances"
    level = f"Intervals: {experiment.statistics.level:.0%}, bootstrap over {units}."
    count = len(evaluated_utterances(folder))
    if RunLayout(folder).compares_folders:
        return f"{count} reference recordings. {level}"
    clips, draws = experiment.synthesis.samples, max(experiment.synthesis.samples, experiment.synthesis.draws)
    return (
        f"Corpus {experiment.corpus.name}, {count} test utterances, {clips} vocoded clip{'s' * (clips > 1)} and "
        f"{draws} draw{'s' * (draws > 1)} of each; "
        f"{maker(experiment)}; training seed{'s' * (len(experiment.seeds) > 1)} "
        f"{', '.join(map(str, experiment.seeds))}. {level}"
    )


def run_notes(folder: Path, experiment: Experiment, systems: Sequence[str]) -> list[str]:
    """Return notes on the displayed systems: divergence, names, starting points, budgets, earlier stages."""
    if RunLayout(folder).compares_folders:
        notes: list[str] = read_json(RunLayout(folder).folder_request)["notes"]
        return notes
    titles = _label_titles(experiment, systems)
    return [
        *divergence_notes(training_table(folder), titles),
        *_row_names(experiment, systems),
        *_starting_points(experiment, titles),
        *_own_budgets(experiment, titles),
        *_tuned_settings(folder, experiment, titles),
        *preparation_notes(folder),
    ]


def vocabulary_notes(metrics: Sequence[MetricRows], size: int | None) -> list[str]:
    """Warn of a recogniser with so small a vocabulary that error rates are low; ``size`` None means an open one."""
    titles = [heading(rows.info).title for rows in metrics if "transcript" in rows.info.needs]
    if not titles or size is None or size >= SMALL_VOCABULARY:
        return []
    return [
        f"{', '.join(titles)}: the recogniser knows only {size} word{'s' * (size != 1)}, those of the texts, and has "
        "little to confuse. Compare these rates only with rates of the same vocabulary. For higher and more general "
        "ones, name a larger vocabulary by transcriber.options.word_list, or use whisper."
    ]


def _label_titles(experiment: Experiment, systems: Sequence[str]) -> dict[str, str]:
    """Return the labels of displayed models with their displayed titles.

    A label without a title of its own takes the title of its first row, as acoustic model if there is one.
    """
    titles = experiment.table.titles
    labels: dict[str, str] = {}
    for place in (0, 1):
        for system in systems:
            label = (*pair(system), "")[place]
            if label in experiment.adapters:
                labels.setdefault(label, titles.get(label, titles.get(system, label)))
    return {label: labels[label] for label in experiment.adapters if label in labels}


def _row_names(experiment: Experiment, systems: Sequence[str]) -> list[str]:
    """Explain names of the form "acoustic+prosody", if any is displayed."""
    named = [system for system in systems if "+" in system and system not in experiment.table.titles]
    if not named:
        return []
    sources = {pair(system)[1] for system in named}
    meanings = {
        ORACLE: f'"{ORACLE}" is the prosody of the recording',
        TEXT: f'with "{TEXT}" the acoustic model reads text alone and needs no prosody model',
    }
    special = "".join(f"; {meaning}" for source, meaning in meanings.items() if source in sources)
    return [f"Rows are named acoustic model + prosody model{special}."]


def _starting_points(experiment: Experiment, titles: dict[str, str]) -> list[str]:
    """Name the models that start from other models, and those that were optimised with judges."""
    lines: dict[registry.Kind, list[str]] = {"adapters": [], "judges": []}
    for label, title in titles.items():
        config = experiment.adapters[label]
        sources = registry.starts_from(config.adapter, config.options)
        for kind, items in lines.items():
            names = [_source_title(kind, name) for name in sources if registry.kind_of(name) == kind]
            items += [f"{title} ({', '.join(names)})"] if names else []
    notes = {
        "Start from other trained models, whose training is not part of their budget": lines["adapters"],
        "Optimised with judges of the mel spectrogram, which are not used for evaluation": lines["judges"],
    }
    return [f"{text}: {', '.join(items)}." for text, items in notes.items() if items]


def _source_title(kind: registry.Kind, name: str) -> str:
    return str(registry.load("adapters", name).info.title) if kind == "adapters" else name


def _own_budgets(experiment: Experiment, titles: dict[str, str]) -> list[str]:
    """Name the models with another number of steps, batch size or learning rate than the rest."""
    items = []
    for label, title in titles.items():
        config = experiment.adapters[label]
        budget = {
            "{} steps": config.steps,
            "batches of {}": config.batch_size,
            "learning rate {:g}": config.learning_rate,
        }
        text = ", ".join(form.format(value) for form, value in budget.items() if value)
        items += [f"{title} ({text})"] if text else []
    return [f"Trained with a different budget: {', '.join(items)}."] if items else []


def _tuned_settings(folder: Path, experiment: Experiment, titles: dict[str, str]) -> list[str]:
    """Name the settings of tuned models, and the rule that chose them."""
    items = []
    for label, title in titles.items():
        for role in ("acoustic", "prosody"):
            chosen = RunLayout(folder).root / tune_folder(label, role)
            if (chosen / TUNED).exists():
                suffix = " (prosody)" if role == "prosody" else ""
                items.append(f"{title}{suffix}: {describe_settings(chosen)}")
    tuning = experiment.tuning
    rule = (
        f"Sampling settings of tuned rows are the best of {tuning.trials} trials each, chosen from the search space of "
        f"the objective on {tuning.utterances} validation utterances with {tuning.draws} draws by {tuning.score} "
        f"({tuning.prosody_score} for prosody), with the model of the first training seed"
    )
    return [f"{rule}. {'; '.join(items)}."] if items else []
