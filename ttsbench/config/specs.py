"""Specifications of the work of the stages, one frozen dataclass per stage. Folders are relative to the run folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from ttsbench.config.systems import SamplingSettings
from ttsbench.types import Role


@dataclass(frozen=True)
class PrepareSpec:
    """Prepare a corpus of about ``minutes`` of speech."""

    minutes: float


@dataclass(frozen=True)
class PredictedProsody:
    """A prosody model (its folder) whose predicted log-F0 replaces the recorded one in training."""

    model: str
    sampling: SamplingSettings


@dataclass(frozen=True)
class TrainSpec:
    """Train one model.

    ``sources`` maps the adapters that it starts from to their folders, ``start`` is the folder of the model that its
    encoder and backbone start from, and ``budget`` holds what differs from the experiment's budget for the role.
    ``converge`` says that the training ends at a plateau of the validation loss, not after a number of steps.
    """

    adapter: str
    options: Mapping[str, Any]
    role: Role
    seed: int
    sources: Mapping[str, str] = field(default_factory=dict)
    start: str | None = None
    budget: Mapping[str, float] = field(default_factory=dict)
    converge: bool = False
    data_share: float = 1.0
    predicted_prosody: PredictedProsody | None = None

    def folders(self) -> list[str]:
        """Return the folders of all models that this training reads."""
        own = [self.start, self.predicted_prosody.model if self.predicted_prosody else None]
        return [*self.sources.values(), *(folder for folder in own if folder)]

    def description(self) -> dict[str, Any]:
        """Return the spec as JSON values, for ``model.json``."""
        return asdict(self)


@dataclass(frozen=True)
class TuneSpec:
    """Choose among the settings ``trials`` by the metric ``score``, for the model of a label in ``model``."""

    label: str
    role: Role
    seed: int
    model: str
    trials: tuple[SamplingSettings, ...]
    score: str
    draws: int


@dataclass(frozen=True)
class ClipsSpec:
    """The clips of one system and training seed; what every spec that makes or reads clips has."""

    system: str
    seed: int
    samples: int  # clips per utterance


@dataclass(frozen=True)
class SynthesizeSpec(ClipsSpec):
    """Sample models and vocode; no models for the reference rows. ``draws`` is at least ``samples``."""

    draws: int = 1
    models: Mapping[Role, str] = field(default_factory=dict)  # role -> folder of the model
    sampling: Mapping[Role, SamplingSettings] = field(default_factory=dict)
    tuned: Mapping[Role, str] = field(default_factory=dict)  # role -> folder of the job that chooses the settings


@dataclass(frozen=True)
class CollectSpec(ClipsSpec):
    """Record the wavs of the user's folders, one folder per draw; ``phones`` asks for alignment.

    ``listed`` is the field of the utterances that holds the path, for prompts and recordings that a list names.
    """

    folders: tuple[str, ...] = ()
    phones: bool = False
    listed: Literal["", "prompt", "recording"] = ""


@dataclass(frozen=True)
class ExternalSpec(ClipsSpec):
    """Run a command or a function of the user on every test sentence: see ``ExternalConfig``."""

    command: str = ""
    function: str = ""
    timeout_s: float = 600.0


@dataclass(frozen=True)
class TranscribeSpec(ClipsSpec):
    """Transcribe the clips whose records lie in ``wavs``."""

    wavs: str = ""


@dataclass(frozen=True)
class ScoredClips(ClipsSpec):
    """Clips that are scored: their folders, and the keys of the jobs that made them.

    The keys are None for clips of the user's folders, whose content is hashed clip by clip.
    """

    wavs: str = ""
    transcripts: str | None = None
    key: str | None = None
    transcript_key: str | None = None


@dataclass(frozen=True)
class ScoreSpec:
    """Score clips by metrics, or report on them; ``metric_keys`` maps metrics to the hash of code and options.

    ``left_out`` maps systems of the experiment that failed, and have no clips here, to the reason.
    """

    clips: tuple[ScoredClips, ...]
    metric_keys: Mapping[str, str]
    left_out: Mapping[str, str] = field(default_factory=dict)

    @property
    def systems(self) -> list[str]:
        """The systems in the order of the table."""
        return list(dict.fromkeys(clips.system for clips in self.clips))
