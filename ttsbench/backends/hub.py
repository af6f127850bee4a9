"""Models of the Hugging Face hub, found on this machine by name or by folder. Nothing is ever downloaded.

A name such as "microsoft/wavlm-large" is looked for where the hub's own tools keep it: in ``HF_HUB_CACHE`` or ``hub``
of ``HF_HOME``, as ``models--microsoft--wavlm-large/snapshots/<commit>``, with the commit that ``refs/main`` names.
Weights are loaded at first use, once per process, in float32; those in PyTorch's own format are read as tensors, and no
pickled object is run. A weight that the files lack is an error: a network with random parts would give numbers too.

A plug-in that needs such a model has a method ``require`` (``NeedsModel``), so that building it, and its ``info``, work
on a machine without the weights, and an experiment that names it is refused before anything long starts.
"""

from __future__ import annotations

import importlib
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch

from ttsbench.engine.store import content_hash, sampled_hash
from ttsbench.errors import ConfigError
from ttsbench.rng import global_seed

Alternatives = tuple[str, ...]  # names of files of which one is enough
CONFIG = "config.json"
WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")
PREPROCESSOR = ("preprocessor_config.json", "processor_config.json")
TRANSFORMERS: tuple[Alternatives, ...] = ((CONFIG,), WEIGHTS, PREPROCESSOR)
UNUSED_WEIGHT = "masked_spec_embed"  # stands for masked frames in training; several published files leave it out
NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")


@runtime_checkable
class NeedsModel(Protocol):
    """A plug-in whose model may be absent."""

    def require(self) -> None:
        """Raise ``ConfigError`` saying what is missing, where it was looked for and what serves without it."""
        ...


def missing(plugin: object) -> str:
    """What a plug-in lacks to be used, as a sentence; nothing where it lacks nothing."""
    try:
        if isinstance(plugin, NeedsModel):
            plugin.require()
    except ConfigError as error:
        return str(error)
    return ""


def cache_folder() -> Path:
    """Where the hub's own tools keep models: ``HF_HUB_CACHE``, ``HF_HOME``/hub or ~/.cache/huggingface/hub."""
    if os.environ.get("HF_HUB_CACHE"):
        return Path(os.environ["HF_HUB_CACHE"]).expanduser()
    home = os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "huggingface")
    return Path(home).expanduser() / "hub"


@dataclass(frozen=True)
class HubModel:
    """A pretrained model that a plug-in uses. Raises ``ConfigError`` for a name or device that is none.

    ``name`` is that of the hub or a folder, ``instead`` the plug-in that serves without it, ``files`` what its folder
    must hold, ``head`` how the architecture in its configuration must end, ``option`` what the plug-in's user names it
    with.
    """

    name: str
    instead: str
    files: tuple[Alternatives, ...] = TRANSFORMERS
    head: str = ""
    device: str = "cpu"
    option: str = "model"

    def __post_init__(self) -> None:
        named = isinstance(self.name, str) and self.name.strip()
        if not named or not (self._own_folder.is_dir() or NAME.fullmatch(self.name)):
            raise ConfigError(
                f"model {self.name!r} is no folder, and no name of the hub such as 'microsoft/wavlm-large'; correct it."
            )
        if not re.fullmatch(r"cpu|cuda(:\d+)?", str(self.device)):
            raise ConfigError(f"device {self.device!r} is unknown; it is 'cpu', 'cuda' or 'cuda:<number>'.")

    @property
    def _own_folder(self) -> Path:
        return Path(self.name).expanduser()

    def find(self) -> Path | None:
        """The folder that holds its files; None where there is none."""
        if self._own_folder.is_dir():
            return self._own_folder
        place = cache_folder() / f"models--{self.name.replace('/', '--')}"
        main = place / "refs" / "main"
        if not main.is_file():
            return None
        snapshot = place / "snapshots" / main.read_text(encoding="utf-8").strip()
        return snapshot if snapshot.is_dir() else None

    @property
    def label(self) -> str:
        """Name and revision for a signature, "microsoft/wavlm-large@c1423ed9"; of a folder its name and fingerprint."""
        folder = self.find()
        if folder is None:
            return f"{self.name}@absent"
        own = self._own_folder.is_dir()
        name = re.sub(r"[^\w./-]", "_", folder.resolve().name) if own else self.name
        device = "" if self.device == "cpu" else f"|device:{self.device.partition(':')[0]}"
        return f"{name}@{fingerprint(folder) if own else folder.name[:8]}{device}"

    def require(self) -> Path:
        """The folder of the model, whole and of the right kind; raises ``ConfigError`` with what to do."""
        folder = self.find()
        if folder is None:
            raise ConfigError(self._sentence(f"is not in {cache_folder()}"))
        for alternatives in self.files:
            if not any((folder / name).is_file() for name in alternatives):
                raise ConfigError(self._sentence(f"lacks {' or '.join(alternatives)} in {folder}"))
        if self.head:
            self._check_head()
        if self.device != "cpu" and not torch.cuda.is_available():
            raise ConfigError(f"device '{self.device}' is asked for and this torch finds no GPU; use 'cpu'.")
        return folder

    def config(self) -> dict[str, Any]:
        """The model's ``config.json``; raises ``ConfigError`` where there is none that can be read."""
        path = (self.find() or cache_folder()) / CONFIG
        try:
            values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ConfigError(self._sentence(f"is damaged, {path} cannot be read")) from error
        return values

    def _check_head(self) -> None:
        built = self.config().get("architectures") or []
        if not any(name.endswith(self.head) for name in built):
            raise ConfigError(
                f"The model '{self.name}' is {' or '.join(built) or 'of no stated kind'}, and one whose kind ends in "
                f"{self.head} is needed; name another. {self.instead} works without it."
            )

    def _sentence(self, fault: str) -> str:
        advice = "get it again"
        if not self._own_folder.is_dir():
            choice = f", or give its folder as '{self.option}'" if self.option else ""
            advice = f"run 'hf download {self.name}'{choice}"
        return f"The model '{self.name}' {fault}: {advice}; {self.instead} works without it."


def fingerprint(folder: Path) -> str:
    """Eight digits for the files right in a folder."""
    files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    return content_hash([[path.name, sampled_hash(path)] for path in files])[:8]


@contextmanager
def inference() -> Iterator[None]:
    """No gradients, and the global generators left as they were: some models draw from them even in eval mode."""
    with torch.no_grad(), global_seed(0):
        yield


@contextmanager
def offline() -> Iterator[None]:
    """No request to the hub, also by packages that load models by name themselves."""
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def load(source: HubModel, model_class: str, processor_class: str) -> tuple[Any, Any]:
    """Model in eval mode and its processor, through classes of ``transformers``, once per process.

    Raises ``ConfigError`` where the model is absent, or its files lack weights that these classes need.
    """
    return _load(source, source.require(), model_class, processor_class)


@cache
def _load(source: HubModel, folder: Path, model_class: str, processor_class: str) -> tuple[Any, Any]:
    transformers: Any = importlib.import_module("transformers")  # late: it takes seconds
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()  # a bar for each process would break the run's own
    loader, processor = getattr(transformers, model_class), getattr(transformers, processor_class)
    with global_seed(0):
        model, found = loader.from_pretrained(
            folder, dtype=torch.float32, local_files_only=True, output_loading_info=True, weights_only=True
        )
        lost = sorted(key for key in found["missing_keys"] if not key.endswith(UNUSED_WEIGHT))
        if lost:
            raise ConfigError(
                f"The weights in {folder} do not make a {type(model).__name__}: {len(lost)} are not there, such as "
                f"{lost[0]}; get the model again, or name another. {source.instead} works without it."
            )
        return model.eval().to(source.device), processor.from_pretrained(folder, local_files_only=True)
