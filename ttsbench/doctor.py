"""``ttsbench doctor``: check the installation and the environment, and say how to fix what is missing.

Nothing is downloaded and no check raises: an error during a check becomes a finding.
"""

from __future__ import annotations

import importlib
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from ttsbench import registry
from ttsbench.backends.hub import NeedsModel, missing
from ttsbench.config.schema import MelConfig
from ttsbench.engine.layout import RunLayout
from ttsbench.engine.sentinels import DONE, damaged_files
from ttsbench.engine.store import cache_dir
from ttsbench.errors import ConfigError

Mark = Literal["ok", "missing", "broken"]
PYTHON = ((3, 11), (3, 13))  # supported versions: at least the first, below the second
SPACE_GB = 2.0  # features and wavs of an experiment of the default size
DATA_FOLDERS = ("ljspeech-mini", "librispeech-3spk")


@dataclass(frozen=True)
class Finding:
    """Result of one check; ``fatal`` if the default experiment cannot run because of it."""

    mark: Mark
    subject: str
    advice: str = ""
    fatal: bool = False


def examine() -> list[Finding]:
    """Return all findings; a check comes after those that it depends on."""
    parts: tuple[tuple[str, Callable[[], Iterator[Finding]]], ...] = (
        ("Python", _python),
        ("PyTorch", _torch),
        ("compute", _compute),
        ("espeak-ng", _espeak),
        ("packaged models", _packaged),
        ("native packages", _native),
        ("plug-ins", _plugins),
        ("devices", _devices),
        ("optional packages and models", _optional),
        ("cache folder", _cache),
        ("environment", _environment),
    )
    return [finding for name, part in parts for finding in _guarded(name, part)]


def _guarded(name: str, part: Callable[[], Iterator[Finding]]) -> list[Finding]:
    """Return the findings of one group of checks; an error ends the group with a finding."""
    findings: list[Finding] = []
    try:
        findings.extend(part())
    except Exception as error:
        findings.append(Finding("broken", name, f"{type(error).__name__}: {error}", fatal=True))
    return findings


def _python() -> Iterator[Finding]:
    low, high = PYTHON
    text = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    if low <= sys.version_info[:2] < high:
        yield Finding("ok", text)
    else:
        supported = f"{low[0]}.{low[1]} to {high[0]}.{high[1] - 1}"
        yield Finding("broken", text, f"Create the environment with Python {supported}", fatal=True)


def _torch() -> Iterator[Finding]:
    """Compare releases: the extension of torchaudio is compiled against exactly one build of torch."""
    torch_version, audio_version = version("torch"), _version("torchaudio")
    if audio_version is None:
        yield Finding("missing", "torchaudio", _install(f"torchaudio=={_release(torch_version)}.*"), fatal=True)
        return
    pair = f"torch {torch_version} with torchaudio {audio_version}"
    fault = _import_fault("torchaudio")
    if _release(torch_version) != _release(audio_version) or fault:
        advice = _install(f"torch=={_release(torch_version)}.* torchaudio=={_release(torch_version)}.*")
        yield Finding("broken", pair, f"They are incompatible{f' ({fault})' if fault else ''}. {advice}", fatal=True)
    else:
        yield Finding("ok", pair)


def _compute() -> Iterator[Finding]:
    import torch

    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    threads = os.environ.get("OMP_NUM_THREADS") or "not set"
    yield Finding("ok", f"{usable} of {os.cpu_count()} cores usable, OMP_NUM_THREADS {threads}")
    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
        yield Finding("ok", f"{len(names)} GPU: {', '.join(names)}")
    else:
        yield Finding("ok", "no GPU is available to torch: everything runs on the CPU")


def _espeak() -> Iterator[Finding]:
    """Start the library, because some faults, such as a path that is too long, show only then."""
    fault = _import_fault("espeakng_loader")
    if fault:
        consequence = "the espeak corpus and pronunciations of unknown words are not available"
        advice = f"{fault}; {consequence}. {_install('espeakng-loader')}"
        yield Finding("missing", "espeak-ng library and data", advice, fatal=True)
        return
    from ttsbench.data.pronunciation import pronounce

    pronounce("ttsbenchling")
    yield Finding("ok", f"espeak-ng library and data (espeakng-loader {_version('espeakng-loader')})")


def _packaged() -> Iterator[Finding]:
    """Check the models whose weights are part of a package."""
    model = ("model/en-us/en-us/mdef", "model/en-us/cmudict-en-us.dict")
    yield _files("English model", "pocketsphinx", model, "no WER, CER and forced alignment", fatal=True)
    yield _files("speaker encoder", "resemblyzer", ("pretrained.pt",), "no speaker similarity", fatal=True)
    model = ("dnsmos_models/sig_bak_ovr.onnx", "dnsmos_models/model_v8.onnx")
    yield _files("DNSMOS", "speechmos", model, "no predicted opinion scores", fatal=False)


def _native() -> Iterator[Finding]:
    consequences = {
        "pyworld": "F0 and MCD are not available",
        "pysptk": "MCD is not available",
        "numba": "time warping is not available",
        "onnxruntime": "DNSMOS is not available",
    }
    for package, consequence in consequences.items():
        fault = _import_fault(package)
        if fault:
            fatal = package != "onnxruntime"  # no default experiment uses DNSMOS
            yield Finding("broken", package, f"{fault}; {consequence}. {_install(package)}", fatal)
        else:
            yield Finding("ok", f"{package} {_version(package)}")


def _plugins() -> Iterator[Finding]:
    """Import every entry point; a failure is fatal only in a plug-in of ttsbench itself."""
    for kind in registry.KINDS:
        names = []
        for name, entry in sorted(registry.registered(kind).items()):
            package = entry.dist.name if entry.dist else "an unknown package"
            try:
                entry.load()
            except Exception as error:
                subject = f"{registry.SINGULAR[kind]} '{name}' of {package} ({entry.value})"
                advice = f"{type(error).__name__}: {error}. Reinstall or uninstall {package}"
                yield Finding("broken", subject, advice, fatal=package == "ttsbench")
            else:
                names.append(name if package == "ttsbench" else f"{name} ({package})")
        yield Finding("ok", f"{len(names)} {kind} import: {', '.join(names) or 'none'}")


def _devices() -> Iterator[Finding]:
    """Say what ``compute.accelerator: auto`` runs where: plug-ins with weights have a parameter ``device``."""
    from ttsbench.devices import compute_device, device_name

    device = compute_device("auto")
    movable: list[str] = []
    for kind in ("vocoders", "codecs", "transcribers", "metrics"):
        for name in sorted(registry.registered(kind)):
            try:
                movable += [name] if registry.takes_option(kind, name, "device") else []
            except ConfigError:
                continue  # it cannot be imported, which is reported with the plug-ins
    yield Finding(
        "ok",
        f"compute.accelerator auto: training, sampling, {', '.join(movable)} run on {device_name(device)}, all other "
        "plug-ins on the CPU",
    )


def _optional() -> Iterator[Finding]:
    """Check optional packages and pretrained models: one line for each, with all plug-ins that use it."""
    available: list[str] = []
    users: dict[str, list[str]] = {}  # what is missing -> names of plug-ins
    builders: dict[registry.Kind, Callable[[str], object]] = {
        "metrics": lambda name: registry.load("metrics", name)(),
        "codecs": lambda name: registry.load("codecs", name)(),
        "transcribers": lambda name: registry.load("transcribers", name)(("word",)),
        "vocoders": lambda name: registry.load("vocoders", name)(MelConfig()),
    }
    for kind, build in builders.items():
        for name in sorted(registry.registered(kind)):
            try:
                plugin = build(name)
                fault = missing(plugin)
            except ConfigError:
                continue  # it cannot be imported, which is reported with the plug-ins
            except Exception as error:
                yield Finding("broken", f"{registry.SINGULAR[kind]} '{name}'", f"{type(error).__name__}: {error}")
                continue
            if fault:
                users.setdefault(fault, []).append(name)
            elif isinstance(plugin, NeedsModel):
                available.append(name)
    if available:
        yield Finding("ok", f"optional packages and models are installed for {', '.join(available)}")
    for fault, names in users.items():
        yield Finding("missing", f"{', '.join(names)}, optional", fault)


def _cache() -> Iterator[Finding]:
    folder = cache_dir()
    subject = f"cache folder {folder}"
    advice = "Set TTSBENCH_CACHE to a writable folder"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            free_gb = shutil.disk_usage(folder).free / 1e9
    except OSError as error:
        yield Finding("broken", subject, f"{error.strerror}. {advice}", fatal=True)
        return
    if free_gb < SPACE_GB:
        advice = f"Free {SPACE_GB:g} GB, or set TTSBENCH_CACHE to a folder on another disk"
        yield Finding("broken", f"{subject}, {free_gb:.2f} GB free", advice)
    else:
        yield Finding("ok", f"{subject}, {free_gb:.0f} GB free")


def _environment() -> Iterator[Finding]:
    cache = os.environ.get("TTSBENCH_CACHE")
    yield Finding(
        "ok", f"TTSBENCH_CACHE {cache}" if cache else "TTSBENCH_CACHE is not set, so the default folder is used"
    )
    data = os.environ.get("TTSBENCH_DATA")
    consequence = "tests and experiments on real speech are skipped"
    if not data:
        yield Finding("missing", "TTSBENCH_DATA, optional", f"It is not set: {consequence}")
        return
    present = [name for name in DATA_FOLDERS if (Path(data) / name).is_dir()]
    if present:
        yield Finding("ok", f"TTSBENCH_DATA {data}: {', '.join(present)}")
    else:
        yield Finding(
            "missing", f"TTSBENCH_DATA {data}", f"It contains none of {', '.join(DATA_FOLDERS)}: {consequence}"
        )


def _files(model: str, package: str, files: Sequence[str], consequence: str, fatal: bool) -> Finding:
    """Check that a package is installed and contains the files of its model."""
    subject = f"{model} of {package}"
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        return Finding("missing", subject, f"{consequence}. {_install(package)}", fatal)
    absent = [path for name in files if not (path := Path(spec.origin).parent / name).is_file()]
    if absent:
        return Finding("missing", subject, f"There is no {absent[0]}; {consequence}. {_install(package)}", fatal)
    return Finding("ok", f"{subject} {_version(package)}")


def _import_fault(package: str) -> str:
    """Return why a package cannot be imported, or an empty string."""
    try:
        importlib.import_module(package)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _release(text: str) -> str:
    """Return major and minor version: 2.11 for 2.11.0+cu128."""
    return ".".join(text.split(".")[:2])


def _install(requirement: str) -> str:
    return f"Run: pip install --force-reinstall {' '.join(repr(package) for package in requirement.split())}"


def examine_run(folder: Path) -> list[Finding]:
    """Return what the sentinels of a run and of the model cache say about their files; hashes every file."""
    layout = RunLayout(folder)
    if not layout.experiment.exists():
        raise ConfigError(
            f"{folder} is no run folder: it has no {layout.experiment.name}. Give the --output of a compare."
        )
    findings = []
    for root, advice in (
        (folder, "run its compare again, which makes the damaged files again"),
        (cache_dir() / "models", "the next run that needs it removes it and trains the model again"),
    ):
        jobs = sorted(path.parent for path in root.rglob(DONE)) if root.is_dir() else []
        for job in jobs:
            damaged = damaged_files(job, thorough=True)
            findings += [Finding("broken", f"{path}: missing or damaged", advice) for path in damaged]
        findings.append(Finding("ok", f"{len(jobs)} finished jobs in {root} checked"))
    return findings
