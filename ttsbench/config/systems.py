"""Systems: the rows of a table, and how an experiment samples the models behind them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from ttsbench import registry
from ttsbench.config.schema import ORACLE, SAME, TEXT, Experiment, pair
from ttsbench.types import MetricInfo

GROUND_TRUTH = "ground-truth"  # the recordings
COPY_SYNTHESIS = "copy-synthesis"  # the vocoder run on the mels of the recordings
ANOTHER_RENDERING = "another-rendering"  # the vocoder run on the mels of recordings that the corpus has drawn again
PROMPT = "prompt"  # the prompts of a list, with their own texts
MADE_REFERENCES = (GROUND_TRUTH, COPY_SYNTHESIS, ANOTHER_RENDERING)  # of a comparison of models
REFERENCES = (*MADE_REFERENCES, PROMPT)


@dataclass(frozen=True)
class System:
    """A row of the table: an acoustic model with a source of prosody, or a reference row.

    ``acoustic`` is a label, or None for a reference row. ``prosody`` is a label, "oracle", or "text" for a free-running
    acoustic model, which takes no prosody.
    """

    name: str
    acoustic: str | None = None
    prosody: str | None = None

    @property
    def prosody_label(self) -> str | None:
        """The label of the prosody model, or None if prosody is not predicted."""
        return None if self.prosody in (None, ORACLE, TEXT) else self.prosody


@dataclass(frozen=True)
class SamplingSettings:
    """Settings with which the model of a label is sampled; ``options`` go to the adapter's ``sample``."""

    label: str
    nfe: int
    temperature: float
    options: dict[str, Any] = field(default_factory=dict)

    def key(self) -> dict[str, Any]:
        """Return the settings that change a draw, as a JSON value for a job's key."""
        return asdict(self)


def systems(experiment: Experiment) -> list[System]:
    """Return the rows of the table in order; "same" is resolved to the label of the acoustic model."""
    product = [(acoustic, source) for source in experiment.prosody for acoustic in experiment.acoustic_labels]
    rows = [System(name) for name in MADE_REFERENCES if name != ANOTHER_RENDERING or _is_redrawable(experiment)]
    rows_by_name = [pair(name) for name in experiment.systems] or product
    for acoustic, source in [*rows_by_name, *(pair(name) for name in experiment.extra_systems)]:
        prosody = acoustic if source == SAME else source
        if registry.load("adapters", experiment.adapters[acoustic].adapter).info.free_running:
            prosody = TEXT
        rows.append(System(f"{acoustic}+{prosody}", acoustic, prosody))
    return list(dict.fromkeys(rows))


def _is_redrawable(experiment: Experiment) -> bool:
    """Return whether the corpus can draw its recordings again, as mels."""
    from ttsbench.interfaces import RedrawableCorpus  # imports torch, which the command line must not need

    config = experiment.corpus
    if config.name not in registry.registered("corpora") or experiment.codec is not None:
        return False
    corpus = registry.load("corpora", config.name)(config.path, **config.options)
    return isinstance(corpus, RedrawableCorpus) and corpus.redrawable


def sampling_settings(experiment: Experiment, label: str) -> SamplingSettings:
    """Return how the models of a label are sampled; the default number of evaluations is the adapter's own."""
    config = experiment.adapters[label]
    nfe = config.nfe or registry.load("adapters", config.adapter).info.nfe[0]
    return SamplingSettings(label, nfe, config.temperature, dict(config.sampling))


def metric_infos(experiment: Experiment) -> dict[str, MetricInfo]:
    """Return the description of every metric of the experiment, built with its options."""
    return {name: registry.load("metrics", name)(**options).info for name, options in experiment.metrics.items()}
