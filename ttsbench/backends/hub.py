"""Pretrained models of the Hugging Face hub in local folders. Nothing is ever downloaded.

A name such as "microsoft/wavlm-large" is resolved in the cache of the hub's own tools: ``HF_HUB_CACHE``, or ``hub`` in
``HF_HOME``, as ``models--microsoft--wavlm-large/snapshots/<commit>`` with the commit in ``refs/main``. Weights are
loaded on first use, once per process, in float32. Files in PyTorch's own format are read as tensors, so that no pickled
object is executed. A missing weight is an error, because a partly random network would still return numbers.

A plug-in with such a model has a method ``require`` (``NeedsModel``). It can be constructed without the weights, and an
experiment that uses it is refused before any long work starts.
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

from ttsbench.backends.packages import require_package
from ttsbench.devices import compute_device
from ttsbench.engine.store import content_hash, sampled_hash
from ttsbench.errors import ConfigError
from ttsbench.rng import global_seed

Alternatives = tuple[str, ...]  # file names; one of them must exist
CONFIG = "config.json"
WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")
PREPROCESSOR = ("preprocessor_config.json", "processor_config.json")
TRANSFORMERS: tuple[Alternatives, ...] = ((CONFIG,), WEIGHTS, PREPROCESSOR)
UNUSED_WEIGHT = "masked_spec_embed"  # replaces masked frames in training; several published files omit it
NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")


@runtime_checkable
class NeedsModel(Protocol):
    """A plug-in whose pretrained model may be absent."""

    def require(self) -> None:
        """Raise ``ConfigError`` with the missing model, the searched folder and an alternative that needs no model."""
        ...


def missing(plugin: object) -> str:
    """Return a sentence on what a plug-in lacks; "" if it is ready."""
    try:
        if isinstance(plugin, NeedsModel):
            plugin.require()
    except ConfigError as error:
        return str(error)
    return ""


def cache_folder() -> Path:
    """Return the cache of the hub's own tools: ``HF_HUB_CACHE``, ``HF_HOME``/hub or ~/.cache/huggingface/hub."""
    if os.environ.get("HF_HUB_CACHE"):
        return Path(os.environ["HF_HUB_CACHE"]).expanduser()
    home = os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "huggingface")
    return Path(home).expanduser() / "hub"


@dataclass(frozen=True)
class HubModel:
    """A pretrained model that a plug-in uses. Raises ``ConfigError`` for an invalid name or device.

    ``name`` is a hub name or a folder, ``instead`` the alternative that needs no model, ``files`` the required files,
    ``head`` the required suffix of the architecture, ``option`` the name of the user's option for ``name``, and
    ``package`` the package that loads the model.
    """

    name: str
    instead: str
    files: tuple[Alternatives, ...] = TRANSFORMERS
    head: str = ""
    device: str = "cpu"
    option: str = "model"
    package: str = "transformers"

    def __post_init__(self) -> None:
        named = isinstance(self.name, str) and self.name.strip()
        if not named or not (self._own_folder.is_dir() or NAME.fullmatch(self.name)):
            raise ConfigError(
                f"model {self.name!r} is neither a folder nor a hub name such as 'microsoft/wavlm-large'; correct it."
            )
        if not re.fullmatch(r"cpu|mps|cuda(:\d+)?", str(self.device)):
            raise ConfigError(f"device {self.device!r} is unknown; use 'cpu', 'cuda', 'cuda:<number>' or 'mps'.")

    @property
    def _own_folder(self) -> Path:
        return Path(self.name).expanduser()

    def find(self) -> Path | None:
        """Return the folder of the model, or None if it is absent."""
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
        """Name and revision for a signature, such as "microsoft/wavlm-large@c1423ed9"; a folder has a fingerprint.

        The device is no part of it: it changes results by rounding only, and the provenance of a run names it.
        """
        folder = self.find()
        if folder is None:
            return f"{self.name}@absent"
        own = self._own_folder.is_dir()
        name = re.sub(r"[^\w./-]", "_", folder.resolve().name) if own else self.name
        return f"{name}@{fingerprint(folder) if own else folder.name[:8]}"

    def require(self) -> Path:
        """Return the folder after a check of package, files, kind and device.

        Raises ``ConfigError`` with the next action.
        """
        require_package(self.package, self.instead)
        folder = self.find()
        if folder is None:
            raise ConfigError(self._message(f"is not in {cache_folder()}"))
        for alternatives in self.files:
            if not any((folder / name).is_file() for name in alternatives):
                raise ConfigError(self._message(f"lacks {' or '.join(alternatives)} in {folder}"))
        if self.head:
            self._check_head()
        kind = self.device.partition(":")[0]
        if kind not in ("cpu", compute_device(kind).type):
            raise ConfigError(f"device is '{self.device}', but torch finds no GPU; use 'cpu'.")
        return folder

    def config(self) -> dict[str, Any]:
        """Return the model's ``config.json``; raises ``ConfigError`` if it cannot be read."""
        path = (self.find() or cache_folder()) / CONFIG
        try:
            values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ConfigError(self._message(f"is damaged, {path} cannot be read")) from error
        return values

    def _check_head(self) -> None:
        architectures = self.config().get("architectures") or []
        if not any(name.endswith(self.head) for name in architectures):
            raise ConfigError(
                f"The model '{self.name}' is {' or '.join(architectures) or 'of no stated kind'}, but a kind that ends "
                f"in {self.head} is needed; use another model. {self.instead} works without it."
            )

    def _message(self, fault: str) -> str:
        advice = "get it again"
        if not self._own_folder.is_dir():
            choice = f", or give its folder as '{self.option}'" if self.option else ""
            advice = f"run 'hf download {self.name}'{choice}"
        return f"The model '{self.name}' {fault}: {advice}; {self.instead} works without it."


def fingerprint(folder: Path) -> str:
    """Return eight hexadecimal digits that identify the files directly in a folder."""
    files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    return content_hash([[path.name, sampled_hash(path)] for path in files])[:8]


@contextmanager
def inference() -> Iterator[None]:
    """Disable gradients and preserve the global generators, which some models use even in eval mode."""
    with torch.no_grad(), global_seed(0):
        yield


@contextmanager
def offline() -> Iterator[None]:
    """Prevent requests to the hub, also by packages that load models by name."""
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def load(source: HubModel, model_class: str, processor_class: str) -> tuple[Any, Any]:
    """Load a model in eval mode and its processor through classes of ``transformers``, once per process.

    Raises ``ConfigError`` if the model is absent or its files lack weights of these classes.
    """
    return _load(source, source.require(), model_class, processor_class)


@cache
def _load(source: HubModel, folder: Path, model_class: str, processor_class: str) -> tuple[Any, Any]:
    transformers: Any = importlib.import_module("transformers")  # imported here because it takes seconds
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()  # it would garble the progress display of the run
    loader, processor = getattr(transformers, model_class), getattr(transformers, processor_class)
    with global_seed(0):
        model, report = loader.from_pretrained(
            folder, dtype=torch.float32, local_files_only=True, output_loading_info=True, weights_only=True,
            trust_remote_code=False,
        )  # fmt: skip
        absent = sorted(key for key in report["missing_keys"] if not key.endswith(UNUSED_WEIGHT))
        if absent:
            raise ConfigError(
                f"The weights in {folder} are not those of a {type(model).__name__}: {len(absent)} are missing, such "
                f"as {absent[0]}; get the model again, or use another. {source.instead} works without it."
            )
        return model.eval().to(source.device), processor.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
