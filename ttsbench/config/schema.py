"""What an experiment is: frozen sections that refuse every key they do not know. Every default is in this file."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

ORACLE = "oracle"
SAME = "same"
TEXT = "text"  # the place of the prosody of a model that is given none
LABEL = r"[A-Za-z0-9][A-Za-z0-9._-]*"  # no separator and no '+', which joins the two models of a system


class Section(BaseModel):
    """A part of an experiment: frozen, and no key is taken that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class MelConfig(Section):
    """The log-mel spectrogram every system predicts."""

    sample_rate: int = Field(22_050, ge=8_000, le=96_000)  # Hz
    n_fft: int = Field(1024, ge=64)
    hop_length: int = Field(256, ge=16)  # samples
    n_mels: int = Field(80, ge=4)
    f_min: float = Field(0.0, ge=0.0)  # Hz
    f_max: float = Field(8_000.0, gt=0.0)  # Hz

    @model_validator(mode="after")
    def _consistent(self) -> MelConfig:
        if self.f_max > self.sample_rate / 2 or self.f_min >= self.f_max:
            raise ValueError(
                f"the band {self.f_min:g}-{self.f_max:g} Hz does not fit below half of sample_rate {self.sample_rate}"
            )
        if self.hop_length > self.n_fft // 2 or (self.n_fft - self.hop_length) % 2:
            raise ValueError(
                f"hop_length {self.hop_length} must be at most half of n_fft {self.n_fft} and differ by an even number"
            )
        return self


class CorpusConfig(Section):
    """Where speech comes from and how it is split."""

    name: str = "espeak"
    path: Path | None = None  # environment variables and ~ are filled in
    options: dict[str, Any] = Field(default_factory=dict)
    test: int = Field(60, ge=1)  # utterances wanted in the test split
    valid: int = Field(12, ge=1)
    split_seed: int = 0
    held_out_speakers: tuple[str, ...] = ()  # never trained on; where there are any, they alone are tested
    max_s: float = Field(20.0, gt=0.5)  # longer clips are left out and counted
    alignment: Literal["auto", "textgrid", "pocketsphinx"] = "auto"

    @field_validator("path", mode="before")
    @classmethod
    def _expanded(cls, path: Any) -> Any:
        if not isinstance(path, str):
            return path
        expanded = os.path.expandvars(path)
        if "$" in expanded:
            raise ValueError(
                f"{path} names an environment variable that is not set; export it or use --set corpus.path"
            )
        return Path(expanded).expanduser()


class ModelSize(Section):
    """The shared architecture of the controlled track."""

    dim: int = Field(192, ge=8)
    encoder_layers: int = Field(3, ge=1)
    backbone_layers: int = Field(6, ge=1)
    kernel: int = Field(7, ge=3)

    @property
    def encoder_reach(self) -> int:
        """Phones on either side that the state of a phone depends on."""
        return self.encoder_layers * (self.kernel // 2)

    @field_validator("kernel")
    @classmethod
    def _odd(cls, kernel: int) -> int:
        if kernel % 2 == 0:
            raise ValueError(f"kernel must be odd so that a block stays centred, got {kernel}")
        return kernel


class TrainConfig(Section):
    """One optimizer budget for every objective of a role."""

    steps: int = Field(1000, ge=1)
    start_from: str = ""  # adapter whose encoder and backbone every model of the role starts from; "" is from scratch
    start_steps: int = Field(500, ge=1)  # for which that one is trained first
    batch_size: int = Field(16, ge=1)
    crop_frames: int | None = Field(192, ge=8)  # None trains on whole utterances; prosody models always do
    learning_rate: float = Field(1e-3, gt=0)
    warmup_steps: int = Field(100, ge=0)
    weight_decay: float = Field(0.01, ge=0)
    clip_norm: float = Field(1.0, gt=0)
    ema: float = Field(0.995, ge=0, lt=1)
    log_every: int = Field(25, ge=1)
    validate_every: int = Field(250, ge=1)


class ProsodyTrainConfig(TrainConfig):
    """The budget of prosody models: what a delta leaves out keeps these defaults, not the acoustic ones."""

    steps: int = Field(200, ge=1)  # an hour of speech has few phones: more steps raise the validation loss
    crop_frames: int | None = Field(None, ge=8)
    validate_every: int = Field(50, ge=1)


class TrainConfigs(Section):
    """Budgets by role."""

    acoustic: TrainConfig = TrainConfig()
    prosody: ProsodyTrainConfig = ProsodyTrainConfig()


class Compute(Section):
    """Where the work runs. Nothing here changes a result beyond rounding."""

    accelerator: str = "auto"
    devices: int = Field(1, ge=1)
    precision: Literal["32-true", "bf16-mixed"] = "32-true"
    threads: int = Field(1, ge=1)  # per worker; fixed so that the number of workers never changes a sum
    task_timeout_s: float | None = Field(None, gt=0)  # without progress, after which a task is stopped and repeated
    checkpoint_s: float = Field(30.0, gt=0)  # seconds between checkpoints
    reuse: bool = True  # take models that another run on this machine has trained (ttsbench/stages/model_cache.py)


class AdapterConfig(Section):
    """One objective of the comparison."""

    adapter: str = ""  # the registered name; the label where left out
    options: dict[str, Any] = Field(default_factory=dict)
    nfe: int | None = Field(None, ge=1)  # the adapter's own default where left out
    temperature: float = Field(1.0, ge=0)
    sampling: dict[str, Any] = Field(default_factory=dict)  # what else its `sample` takes; a change trains nothing
    data_share: float = Field(1.0, gt=0, le=1)  # of the training speech, by duration; smaller shares lie in larger ones
    batch_size: int | None = Field(None, ge=1)  # of its own training alone; that of the budget where left out
    steps: int | None = Field(None, ge=1)  # the same: a student may need fewer than what it is distilled from
    trained_on: str = ORACLE  # whose log-F0 its acoustic model learns with: recorded, or a label's draws

    @property
    def training(self) -> dict[str, Any]:
        """What its models learn by: labels that are equal in this share them, however they are sampled."""
        return self.model_dump(exclude={"nfe", "temperature", "sampling"})


class Plugin(Section):
    """A registered part with its options."""

    name: str
    options: dict[str, Any] = Field(default_factory=dict)


class VocoderConfig(Plugin):
    """From mel to samples."""

    name: str = "griffin_lim"


class CodecConfig(Plugin):
    """Latents in the place of mels, and speech from them."""

    name: str = "encodec"


class TranscriberConfig(Plugin):
    """The recogniser behind word error rates."""

    name: str = "pocketsphinx"


class Synthesis(Section):
    """How the test split is sampled."""

    samples: int = Field(1, ge=1)  # draws per utterance
    batch_size: int = Field(8, ge=1)  # utterances sampled together on an accelerator; a CPU samples each on its own


class Statistics(Section):
    """How intervals are made."""

    resamples: int = Field(1000, ge=100)
    level: float = Field(0.95, gt=0.5, lt=1)
    seed: int = 0


class TableConfig(Section):
    """What a paper shows of a comparison: ``paper.md`` and ``paper.tex`` beside the whole table."""

    metrics: tuple[str, ...] = ()  # columns, in this order; all where left out
    systems: tuple[str, ...] = ()  # rows, in this order; all where left out
    titles: dict[str, str] = Field(default_factory=dict)  # what a row, a family of rows or a metric is called

    @field_validator("titles", mode="before")
    @classmethod
    def _given(cls, titles: Any) -> Any:
        """Without those that were taken back by null, as when a row of the base is left out."""
        if isinstance(titles, Mapping):
            return {name: title for name, title in titles.items() if title is not None}
        return titles

    @property
    def chosen(self) -> bool:
        """Whether there is anything to choose."""
        return bool(self.metrics or self.systems)


def pair(system: str) -> tuple[str, str]:
    """The labels of "acoustic+prosody"; the second is empty where there is no "+"."""
    acoustic, _, prosody = system.partition("+")
    return acoustic, prosody


class Experiment(Section):
    """Everything a run depends on."""

    name: str = Field(pattern=f"^{LABEL}$")
    title: str = ""
    corpus: CorpusConfig = CorpusConfig()
    mel: MelConfig = MelConfig()
    model: ModelSize = ModelSize()
    adapters: dict[str, AdapterConfig] = Field(default_factory=dict)  # none where folders of wavs are compared
    acoustic: tuple[str, ...] = ()  # labels that serve as acoustic models; all where left out
    prosody: tuple[str, ...] = (ORACLE, SAME)  # "oracle", "same" (the acoustic model's objective), or a label
    systems: tuple[str, ...] = ()  # rows as "acoustic+prosody"; every acoustic with every prosody where left out
    train: TrainConfigs = TrainConfigs()
    compute: Compute = Compute()
    synthesis: Synthesis = Synthesis()
    vocoder: VocoderConfig = VocoderConfig()
    codec: CodecConfig | None = None  # where there is one, its latents are predicted and its decoder is the vocoder
    transcriber: TranscriberConfig = TranscriberConfig()
    metrics: dict[str, dict[str, Any]] = Field(min_length=1)
    statistics: Statistics = Statistics()
    table: TableConfig = TableConfig()
    claims: Path | None = None  # held to the run at its end; claims.yaml beside the experiment where left out
    seeds: tuple[int, ...] = Field((0,), min_length=1)

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
                    f"the label '{label}' names folders and rows of the table: use letters, digits, '.', '_' and '-', "
                    f"and neither '{ORACLE}' nor '{SAME}'"
                )
        return adapters

    @field_validator("metrics", mode="before")
    @classmethod
    def _metrics(cls, metrics: Any) -> Any:
        if isinstance(metrics, Mapping):
            return {name: options or {} for name, options in metrics.items()}
        return metrics

    @field_validator("seeds")
    @classmethod
    def _distinct(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(seeds)) < len(seeds):
            raise ValueError(f"seeds must differ, got {list(seeds)}")
        return seeds

    @property
    def acoustic_labels(self) -> tuple[str, ...]:
        """Labels that serve as acoustic models."""
        return self.acoustic or tuple(self.adapters)

    def family(self, system: str) -> str:
        """The adapters of a system's models, which rows that are sampled or trained differently share."""
        parts = [part for part in pair(system) if part]
        return "+".join(self.adapters[part].adapter if part in self.adapters else part for part in parts)
