"""The schema of an experiment: frozen sections that reject unknown keys. Every default value is in this file.

Limits lie far beyond sensible values: they exist so that a typing error is refused before work starts, not after hours.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from ttsbench.config.resources import ResourcesConfig
from ttsbench.config.section import Section

ORACLE = "oracle"
SAME = "same"
TEXT = "text"  # in place of a prosody label for a model that takes no prosody
MAX_SEED = 2**32 - 1  # the largest seed of NumPy's and torch's generators
Seed = Annotated[int, Field(ge=0, le=MAX_SEED)]
LABEL = r"[A-Za-z0-9][A-Za-z0-9._-]*"  # no separator and no '+', which joins the two models of a system


def _expanded_path(path: Any, key: str) -> Any:
    """Return a path with environment variables and ``~`` expanded; other values are left to the type check."""
    if not isinstance(path, str):
        return path
    if "\0" in path:
        raise ValueError("a path cannot contain a null character")
    expanded = os.path.expandvars(path)
    if "$" in expanded:
        raise ValueError(f"{path} contains an environment variable that is not set; export it or use --set {key}")
    return Path(expanded).expanduser()


class MelConfig(Section):
    """The log-mel spectrogram that every system predicts."""

    sample_rate: int = Field(22_050, ge=8_000, le=96_000)  # Hz
    n_fft: int = Field(1024, ge=64, le=65_536)
    hop_length: int = Field(256, ge=16)  # samples
    n_mels: int = Field(80, ge=4, le=2_048)
    f_min: float = Field(0.0, ge=0.0)  # Hz
    f_max: float = Field(8_000.0, gt=0.0)  # Hz

    @property
    def signature(self) -> str:
        """Short name of the definition, for signatures of metrics that compare mels."""
        return f"mel{self.n_mels}-{self.f_min:g}-{self.f_max:g}Hz-hop{self.hop_length}/{self.sample_rate}"

    @model_validator(mode="after")
    def _consistent(self) -> MelConfig:
        if self.f_max > self.sample_rate / 2 or self.f_min >= self.f_max:
            raise ValueError(
                f"the band {self.f_min:g}-{self.f_max:g} Hz is empty or exceeds half of sample_rate {self.sample_rate}"
            )
        if self.hop_length > self.n_fft // 2 or (self.n_fft - self.hop_length) % 2:
            raise ValueError(
                f"hop_length {self.hop_length} must be at most half of n_fft {self.n_fft} and differ by an even number"
            )
        return self


class CorpusConfig(Section):
    """The corpus and its split."""

    name: str = "espeak"
    path: Path | None = None  # environment variables and ~ are expanded
    options: dict[str, Any] = Field(default_factory=dict)
    # Of the texts, such as en, de or zh; de+en for a corpus whose utterances name one of several languages.
    language: str = Field("en", pattern=r"^[a-z]{2,3}([-_][A-Za-z0-9]+)*(\+[a-z]{2,3}([-_][A-Za-z0-9]+)*)*$")
    test: int = Field(60, ge=1)  # utterances in the test split
    valid: int = Field(12, ge=1)
    split_seed: Seed = 0
    held_out_speakers: tuple[str, ...] = ()  # excluded from training; if given, only these are tested
    max_s: float = Field(20.0, gt=0.5, le=3_600)  # longer clips are excluded and counted
    alignment: Literal["auto", "textgrid", "pocketsphinx"] = "auto"

    @field_validator("path", mode="before")
    @classmethod
    def _expanded(cls, path: Any) -> Any:
        return _expanded_path(path, "corpus.path")


class ModelSize(Section):
    """The shared architecture of the controlled track."""

    dim: int = Field(192, ge=8)
    encoder_layers: int = Field(3, ge=1)
    backbone_layers: int = Field(6, ge=1)
    kernel: int = Field(7, ge=3)

    @property
    def encoder_reach(self) -> int:
        """Number of phones on either side on which the state of a phone depends."""
        return self.encoder_layers * (self.kernel // 2)

    @field_validator("kernel")
    @classmethod
    def _odd(cls, kernel: int) -> int:
        if kernel % 2 == 0:
            raise ValueError(f"kernel must be odd so that blocks stay centred, got {kernel}")
        return kernel


class ConvergenceConfig(Section):
    """The end of a training with the budget `converged`; see ``ttsbench/stages/training_budget.py``."""

    improvement: float = Field(0.01, gt=0, lt=1)  # of the lowest validation loss; less is a plateau
    within: int = Field(1000, ge=1)  # steps
    decay: float = Field(0.2, gt=0, le=1)  # steps in which the learning rate falls, as a share of those before
    cap: int = Field(4000, ge=1)  # largest number of steps


class TrainConfig(Section):
    """The optimizer budget that all objectives of a role share."""

    steps: int = Field(1000, ge=1)  # with the budget `quick`
    convergence: ConvergenceConfig = ConvergenceConfig()  # with the budget `converged`
    start_from: str = ""  # adapter from whose encoder and backbone all models of the role start; "" for random weights
    start_steps: int = Field(500, ge=1)  # steps of the training of that adapter
    batch_size: int = Field(16, ge=1)
    crop_frames: int | None = Field(192, ge=8)  # None for whole utterances, which prosody models always use
    learning_rate: float = Field(1e-3, gt=0)
    warmup_steps: int = Field(100, ge=0)
    weight_decay: float = Field(0.01, ge=0)
    clip_norm: float = Field(1.0, gt=0)
    ema: float = Field(0.995, ge=0, lt=1)
    log_every: int = Field(25, ge=1)
    validate_every: int = Field(250, ge=1)


class ProsodyTrainConfig(TrainConfig):
    """The budget of prosody models, which has defaults of its own."""

    steps: int = Field(200, ge=1)  # an hour of speech has few phones; more steps overfit
    crop_frames: int | None = Field(None, ge=8)
    validate_every: int = Field(50, ge=1)


class TrainConfigs(Section):
    """Budgets by role."""

    acoustic: TrainConfig = TrainConfig()
    prosody: ProsodyTrainConfig = ProsodyTrainConfig()


class Compute(Section):
    """Devices, processes and checkpoints. No setting changes a result by more than rounding."""

    accelerator: Literal["auto", "cpu", "gpu", "cuda", "mps", "tpu"] = "auto"
    devices: int = Field(1, ge=1, le=1_024)
    precision: Literal["32-true", "bf16-mixed"] = "32-true"
    tf32: bool = False  # whether a GPU may round the inputs of float32 products to 10 bits
    compile: bool = False  # whether training compiles backbones with `torch.compile` (ttsbench/stages/compiling.py)
    threads: int = Field(1, ge=1, le=1_024)  # per worker; fixed, so that sums do not depend on the number of workers
    task_timeout_s: float | None = Field(None, gt=0)  # without progress, after which a task is stopped and repeated
    checkpoint_s: float = Field(30.0, gt=0)  # seconds between checkpoints
    resources: ResourcesConfig = ResourcesConfig()  # of tasks, by stage
    reuse: bool = True  # reuse models that other runs on this machine trained (ttsbench/stages/model_cache.py)


class AdapterConfig(Section):
    """An objective of the comparison."""

    adapter: str = ""  # the registered name (default: the label)
    options: dict[str, Any] = Field(default_factory=dict)
    nfe: int | None = Field(None, ge=1, le=100_000)  # function evaluations (default: the adapter's)
    temperature: float = Field(1.0, ge=0)
    sampling: dict[str, Any] = Field(default_factory=dict)  # options of the adapter's `sample`; they retrain nothing
    tuned: bool = False  # choose nfe, temperature and sampling on the validation split: see `tuning`
    data_share: float = Field(1.0, gt=0, le=1)  # of training speech by duration; smaller shares are subsets
    batch_size: int | None = Field(None, ge=1)  # for this label only (default: that of the budget)
    steps: int | None = Field(None, ge=1)  # for this label only; a student may need fewer than its teacher
    learning_rate: float | None = Field(None, gt=0)  # for this label only (default: that of the budget)
    draws: int | None = Field(None, ge=1, le=1_000)  # for this label only (default: that of synthesis)
    samples: int | None = Field(None, ge=1, le=1_000)  # for this label only (default: that of synthesis)
    trained_on: str = ORACLE  # source of log-F0 in training: the recordings, or the predictions of a label

    @property
    def training(self) -> dict[str, Any]:
        """The settings of training: labels with equal settings share their models, however they are sampled."""
        return self.model_dump(exclude={"nfe", "temperature", "sampling", "tuned", "draws", "samples"})


class ExternalConfig(Section):
    """A system that the run does not train: exactly one of a folder, a command, a function and a checkpoint.

    See ``ttsbench.stages.external`` for the placeholders of a command and the arguments of a function.
    """

    folder: Path | None = None  # of wavs that are named by the ids of the test sentences
    command: str = ""  # such as "piper --model voice.onnx --output_file {output}"
    function: str = ""  # module:function
    checkpoint: Path | None = None  # the folder of an acoustic model that another run has trained on the same corpus
    timeout_s: float = Field(600.0, gt=0)  # of a command, per sentence

    @field_validator("folder", "checkpoint", mode="before")
    @classmethod
    def _expanded(cls, path: Any) -> Any:
        return _expanded_path(path, "external.NAME.folder")

    @model_validator(mode="after")
    def _one_source(self) -> ExternalConfig:
        sources = [self.folder, self.command, self.function, self.checkpoint]
        if sum(bool(source) for source in sources) != 1:
            raise ValueError("an external system has one of folder, command, function and checkpoint")
        return self


class Plugin(Section):
    """A plug-in with its options."""

    name: str
    options: dict[str, Any] = Field(default_factory=dict)


class VocoderConfig(Plugin):
    """The vocoder, from mel to samples."""

    name: str = "griffin_lim"


class CodecConfig(Plugin):
    """The codec whose latents replace mels."""

    name: str = "encodec"


class TranscriberConfig(Plugin):
    """The recogniser for word error rates."""

    name: str = "pocketsphinx"


class Synthesis(Section):
    """Sampling of the test split."""

    samples: int = Field(1, ge=1, le=1_000)  # clips per utterance: draws that are vocoded and transcribed
    draws: int = Field(8, ge=1, le=1_000)  # samples per utterance of a stochastic system, for scores of distributions
    batch_size: int = Field(8, ge=1)  # draws per batch on an accelerator; a CPU samples them one by one


class Tuning(Section):
    """The choice of sampling settings for labels with `tuned`; see ``ttsbench/stages/tune.py``."""

    trials: int = Field(8, ge=2, le=1_000)  # settings that are tried for each label, its own among them
    utterances: int = Field(12, ge=1)  # of the validation split
    draws: int = Field(4, ge=1, le=1_000)  # per utterance
    score: str = "energy_score"  # metric of draws that chooses for acoustic models
    prosody_score: str = "energy_score_prosody"  # and for prosody models


class Statistics(Section):
    """Confidence intervals and verdicts."""

    resamples: int = Field(1000, ge=100, le=100_000)
    level: float = Field(0.95, gt=0.5, lt=1)
    decision_seeds: int = Field(5, ge=2)  # training seeds that a verdict on a claim takes
    seed: Seed = 0


class TableConfig(Section):
    """The selection for ``paper.md`` and ``paper.tex``, which are written beside the whole table."""

    metrics: tuple[str, ...] = ()  # columns in order (default: all)
    systems: tuple[str, ...] = ()  # rows in order (default: all)
    titles: dict[str, str] = Field(default_factory=dict)  # row, family of rows or metric -> its title
    intervals: bool = True  # in paper.md and paper.tex
    significance: bool = True  # marks of significance in paper.md and paper.tex
    layout: Literal["rows", "groups", "side_by_side"] = "rows"  # of paper.tex: one list of rows, a group of rows per
    # source of prosody, or a row per acoustic model with a block of columns per source of prosody
    signatures: Literal["below", "file"] = "below"  # below the tables of the paper, or in paper-signatures.md

    @field_validator("titles", mode="before")
    @classmethod
    def _given(cls, titles: Any) -> Any:
        """Drop titles that a delta removed with null."""
        if isinstance(titles, Mapping):
            return {name: title for name, title in titles.items() if title is not None}
        return titles

    @property
    def chosen(self) -> bool:
        """True if the experiment selects columns or rows."""
        return bool(self.metrics or self.systems)


def pair(system: str) -> tuple[str, str]:
    """Return the two labels of "acoustic+prosody"; without "+" the second is empty."""
    acoustic, _, prosody = system.partition("+")
    return acoustic, prosody


class Experiment(Section):
    """Everything that the result of a run depends on."""

    name: str = Field(pattern=f"^{LABEL}$")
    title: str = ""
    corpus: CorpusConfig = CorpusConfig()
    mel: MelConfig = MelConfig()
    model: ModelSize = ModelSize()
    adapters: dict[str, AdapterConfig] = Field(default_factory=dict)  # empty if folders of wavs are compared
    external: dict[str, ExternalConfig] = Field(default_factory=dict)  # rows that the run does not train
    acoustic: tuple[str, ...] = ()  # labels that serve as acoustic models (default: all)
    prosody: tuple[str, ...] = (ORACLE, SAME)  # "oracle", "same" (the label of the acoustic model), or a label
    systems: tuple[str, ...] = ()  # rows as "acoustic+prosody" (default: all combinations)
    extra_systems: tuple[str, ...] = ()  # rows beside these
    budget: Literal["quick", "converged"] = "quick"  # when trainings end: see ttsbench/stages/training_budget.py
    train: TrainConfigs = TrainConfigs()
    compute: Compute = Compute()
    tuning: Tuning = Tuning()
    synthesis: Synthesis = Synthesis()
    vocoder: VocoderConfig = VocoderConfig()
    codec: CodecConfig | None = None  # its latents replace mels, and its decoder the vocoder
    transcriber: TranscriberConfig = TranscriberConfig()
    metrics: dict[str, dict[str, Any]] = Field(min_length=1)
    statistics: Statistics = Statistics()
    table: TableConfig = TableConfig()
    claims: Path | None = None  # claims to test (default: claims.yaml beside the experiment)
    seeds: tuple[Seed, ...] = Field((0,), max_length=1_000)

    @field_validator("adapters", mode="before")
    @classmethod
    def _labels(cls, adapters: Any) -> Any:
        if isinstance(adapters, Mapping):
            return {
                label: {"adapter": label, **(value or {})} if isinstance(value or {}, Mapping) else value
                for label, value in adapters.items()
            }
        return adapters

    @field_validator("adapters")
    @classmethod
    def _safe(cls, adapters: dict[str, AdapterConfig]) -> dict[str, AdapterConfig]:
        for label in adapters:
            if not re.fullmatch(LABEL, label) or label in (ORACLE, SAME):
                raise ValueError(
                    f"the label '{label}' cannot name folders and rows: use letters, digits, '.', '_' and '-', "
                    f"and neither '{ORACLE}' nor '{SAME}'"
                )
        return adapters

    @field_validator("external")
    @classmethod
    def _safe_names(cls, external: dict[str, ExternalConfig]) -> dict[str, ExternalConfig]:
        for name in external:
            if not re.fullmatch(LABEL, name):
                raise ValueError(f"'{name}' cannot name a row: use letters, digits, '.', '_' and '-'")
        return external

    @field_validator("metrics", mode="before")
    @classmethod
    def _metrics(cls, metrics: Any) -> Any:
        if isinstance(metrics, Mapping):
            return {name: options or {} for name, options in metrics.items()}
        return metrics

    @field_validator("seeds")
    @classmethod
    def _distinct(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if not seeds:
            raise ValueError("give at least one seed")
        if len(set(seeds)) < len(seeds):
            raise ValueError(f"seeds must differ, got {list(seeds)}")
        return seeds

    @property
    def acoustic_labels(self) -> tuple[str, ...]:
        """Labels that serve as acoustic models."""
        return self.acoustic or tuple(self.adapters)

    def family(self, system: str) -> str:
        """Return a system's adapters, "acoustic+prosody": rows that differ in training or sampling share a family."""
        parts = [part for part in pair(system) if part]
        return "+".join(self.adapters[part].adapter if part in self.adapters else part for part in parts)
