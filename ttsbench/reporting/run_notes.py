"""What has to be said of a run beside its numbers: for the table, its caption and those of the figures."""

from __future__ import annotations

from pathlib import Path

from ttsbench import registry
from ttsbench.config.schema import ORACLE, TEXT, Experiment
from ttsbench.config.systems import systems
from ttsbench.engine.layout import RunLayout
from ttsbench.engine.store import read_json
from ttsbench.evaluation.test_set import evaluated_utterances
from ttsbench.models.representation import maker


def about(folder: Path, experiment: Experiment) -> str:
    """What was measured on what, how often, and what brackets mean."""
    over = "training seeds and utterances" if len(experiment.seeds) > 1 else "utterances"
    level = f"Intervals: {experiment.statistics.level:.0%} by bootstrap over {over}."
    count = len(evaluated_utterances(folder))
    if RunLayout(folder).compares_folders:
        return f"{count} references. {level}"
    draws = experiment.synthesis.samples
    return (
        f"Corpus {experiment.corpus.name}, {count} test utterances, {draws} draw{'s' * (draws > 1)} of each; "
        f"{maker(experiment)}; training seed{'s' * (len(experiment.seeds) > 1)} "
        f"{', '.join(map(str, experiment.seeds))}. {level}"
    )


def remarks(folder: Path, experiment: Experiment) -> list[str]:
    """How rows are named, who started from what, and what preparing or matching the clips had to say."""
    if RunLayout(folder).compares_folders:
        notes: list[str] = read_json(RunLayout(folder).folder_request)["notes"]
        return notes
    prepared = read_json(folder / "prepare" / "notes.json")
    return [_naming(experiment), *_starts(experiment), *_own_budgets(experiment), *prepared]


def _naming(experiment: Experiment) -> str:
    """What stands on both sides of the plus."""
    sources = {system.prosody for system in systems(experiment)}
    special = {ORACLE: "oracle is the recording's", TEXT: "text is nobody's: a speaks from text alone"}
    told = [meaning for source, meaning in special.items() if source in sources]
    return f"In a row's name a+b, a is the acoustic model and b the prosody's{'; '.join(['', *told])}."


def _starts(experiment: Experiment) -> list[str]:
    """Who starts from other models, and who was optimised by judges."""
    told: dict[registry.Kind, list[str]] = {"adapters": [], "judges": []}
    for label, config in experiment.adapters.items():
        sources = registry.starts_from(config.adapter, config.options)
        for kind, lines in told.items():
            names = [name for name in sources if registry.kind_of(name) == kind]
            lines += [f"{label} ({', '.join(names)})"] if names else []
    budget = "Start from other models, whose training is not in their own budget: "
    judged = "Optimised by judges of the mel, which evaluate nothing here: "
    notes = {budget: told["adapters"], judged: told["judges"]}
    return [f"{what}{', '.join(lines)}." for what, lines in notes.items() if lines]


def _own_budgets(experiment: Experiment) -> list[str]:
    """Who was trained for other steps or in other batches than the rest."""
    lines = []
    for label, config in experiment.adapters.items():
        own = {"steps": config.steps, "in a batch": config.batch_size}
        said = " of ".join(f"{value} {unit}" for unit, value in own.items() if value)
        lines += [f"{label} ({said})"] if said else []
    return [f"Have a budget of their own: {', '.join(lines)}."] if lines else []
