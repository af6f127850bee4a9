"""``ttsbench doctor``: what is installed, which models are there, and what to do about the rest.

Nothing is downloaded and nothing raises: whatever goes wrong while looking is itself a finding.
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
from ttsbench.engine.store import cache_dir
from ttsbench.errors import ConfigError

Mark = Literal["ok", "missing", "broken"]
PYTHON = ((3, 11), (3, 13))  # from, and below
SPACE_GB = 2.0  # what an experiment of the default size needs, features and wavs together
DATA_FOLDERS = ("ljspeech-mini", "librispeech-3spk")


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at; ``fatal`` where the default experiment cannot run without it."""

    mark: Mark
    what: str
    advice: str = ""
    fatal: bool = False


def examine() -> list[Finding]:
    """Every finding, in the order in which things depend on one another."""
    parts: tuple[tuple[str, Callable[[], Iterator[Finding]]], ...] = (
        ("Python", _python),
        ("PyTorch", _torch),
        ("compute", _compute),
        ("espeak-ng", _espeak),
        ("packaged models", _packaged),
        ("native packages", _native),
        ("plug-ins", _plugins),
        ("optional models", _optional),
        ("cache folder", _cache),
        ("environment", _environment),
    )
    return [finding for name, part in parts for finding in _guarded(name, part)]


def _guarded(name: str, part: Callable[[], Iterator[Finding]]) -> list[Finding]:
    """The findings of one part, up to where it fails."""
    found: list[Finding] = []
    try:
        found.extend(part())
    except Exception as error:
        found.append(Finding("broken", name, f"{type(error).__name__}: {error}", fatal=True))
    return found


def _python() -> Iterator[Finding]:
    low, high = PYTHON
    text = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    if low <= sys.version_info[:2] < high:
        yield Finding("ok", text)
    else:
        wanted = f"{low[0]}.{low[1]} up to {high[0]}.{high[1] - 1}"
        yield Finding("broken", text, f"Make the environment with Python {wanted}", fatal=True)


def _torch() -> Iterator[Finding]:
    """One release and one build: torchaudio's extension is compiled against exactly its torch."""
    torch_version, audio_version = version("torch"), _version("torchaudio")
    if audio_version is None:
        yield Finding("missing", "torchaudio", _install(f"torchaudio=={_release(torch_version)}.*"), fatal=True)
        return
    pair = f"torch {torch_version} with torchaudio {audio_version}"
    fault = _import_fault("torchaudio")
    if _release(torch_version) != _release(audio_version) or fault:
        advice = _install(f"torch=={_release(torch_version)}.* torchaudio=={_release(torch_version)}.*")
        yield Finding(
            "broken", pair, f"They do not belong together{f' ({fault})' if fault else ''}. {advice}", fatal=True
        )
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
        yield Finding("ok", "no GPU that this torch can use: everything runs on the CPU")


def _espeak() -> Iterator[Finding]:
    """The library is really started: a path that is too long fails only then."""
    fault = _import_fault("espeakng_loader")
    if fault:
        lost = "the espeak corpus and pronunciations of unknown words are lost"
        yield Finding(
            "missing", "espeak-ng library and data", f"{fault}; {lost}. {_install('espeakng-loader')}", fatal=True
        )
        return
    from ttsbench.data.pronunciation import pronounce

    pronounce("ttsbenchling")
    yield Finding("ok", f"espeak-ng library and data (espeakng-loader {_version('espeakng-loader')})")


def _packaged() -> Iterator[Finding]:
    """Models whose weights come with their package."""
    model = ("model/en-us/en-us/mdef", "model/en-us/cmudict-en-us.dict")
    yield _files("English model", "pocketsphinx", model, "WER, CER and forced alignment are lost", fatal=True)
    yield _files("speaker encoder", "resemblyzer", ("pretrained.pt",), "speaker similarity is lost", fatal=True)
    model = ("dnsmos_models/sig_bak_ovr.onnx", "dnsmos_models/model_v8.onnx")
    yield _files("DNSMOS", "speechmos", model, "predicted opinion scores are lost", fatal=False)


def _native() -> Iterator[Finding]:
    lost = {
        "pyworld": "F0 and MCD are lost",
        "pysptk": "MCD is lost",
        "numba": "time warping is lost",
        "onnxruntime": "DNSMOS is lost",
    }
    for package, consequence in lost.items():
        fault = _import_fault(package)
        if fault:
            fatal = package != "onnxruntime"  # no default experiment asks for DNSMOS
            yield Finding("broken", package, f"{fault}; {consequence}. {_install(package)}", fatal)
        else:
            yield Finding("ok", f"{package} {_version(package)}")


def _plugins() -> Iterator[Finding]:
    """Every entry point is imported. One of another package that fails costs nobody else anything."""
    for kind in registry.KINDS:
        names = []
        for name, entry in sorted(registry.registered(kind).items()):
            package = entry.dist.name if entry.dist else "an unknown package"
            try:
                entry.load()
            except Exception as error:
                what = f"{registry.SINGULAR[kind]} '{name}' of {package} ({entry.value})"
                advice = f"{type(error).__name__}: {error}. Reinstall or uninstall {package}"
                yield Finding("broken", what, advice, fatal=package == "ttsbench")
            else:
                names.append(name if package == "ttsbench" else f"{name} ({package})")
        yield Finding("ok", f"{len(names)} {kind} import: {', '.join(names) or 'none'}")


def _optional() -> Iterator[Finding]:
    """Models that nothing needs by default, one line for each; plug-ins that lack the same one share it."""
    there: list[str] = []
    lacking: dict[str, list[str]] = {}
    given: dict[registry.Kind, tuple[object, ...]]
    given = {"metrics": (), "codecs": (), "transcribers": (("word",),), "vocoders": (MelConfig(),)}
    for kind, arguments in given.items():
        for name in sorted(registry.registered(kind)):
            try:
                plugin = registry.load(kind, name)(*arguments)
                fault = missing(plugin)
            except ConfigError:
                continue  # it cannot be imported: said above, among the plug-ins
            except Exception as error:
                yield Finding("broken", f"{registry.SINGULAR[kind]} '{name}'", f"{type(error).__name__}: {error}")
                continue
            if fault:
                lacking.setdefault(fault, []).append(name)
            elif isinstance(plugin, NeedsModel):
                there.append(name)
    if there:
        yield Finding("ok", f"optional models are there for {', '.join(there)}")
    for fault, names in lacking.items():
        yield Finding("missing", f"{', '.join(names)}, optional", fault)


def _cache() -> Iterator[Finding]:
    folder = cache_dir()
    what = f"cache folder {folder}"
    advice = "Set TTSBENCH_CACHE to a folder that can be written"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            free_gb = shutil.disk_usage(folder).free / 1e9
    except OSError as error:
        yield Finding("broken", what, f"{error.strerror}. {advice}", fatal=True)
        return
    if free_gb < SPACE_GB:
        yield Finding(
            "broken", f"{what}, {free_gb:.2f} GB free", f"Free {SPACE_GB:g} GB, or set TTSBENCH_CACHE elsewhere"
        )
    else:
        yield Finding("ok", f"{what}, {free_gb:.0f} GB free")


def _environment() -> Iterator[Finding]:
    cache = os.environ.get("TTSBENCH_CACHE")
    yield Finding("ok", f"TTSBENCH_CACHE {cache}" if cache else "TTSBENCH_CACHE is not set: the default folder is used")
    data = os.environ.get("TTSBENCH_DATA")
    lost = "tests and experiments on real speech are left out"
    if not data:
        yield Finding("missing", "TTSBENCH_DATA, optional", f"Real speech is not known: {lost}")
        return
    there = [name for name in DATA_FOLDERS if (Path(data) / name).is_dir()]
    if there:
        yield Finding("ok", f"TTSBENCH_DATA {data}: {', '.join(there)}")
    else:
        yield Finding("missing", f"TTSBENCH_DATA {data}", f"It holds none of {', '.join(DATA_FOLDERS)}: {lost}")


def _files(model: str, package: str, wanted: Sequence[str], lost: str, fatal: bool) -> Finding:
    """Whether a package is there and carries the files of its model."""
    what = f"{model} of {package}"
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        return Finding("missing", what, f"{lost}. {_install(package)}", fatal)
    absent = [path for name in wanted if not (path := Path(spec.origin).parent / name).is_file()]
    if absent:
        return Finding("missing", what, f"There is no {absent[0]}; {lost}. {_install(package)}", fatal)
    return Finding("ok", f"{what} {_version(package)}")


def _import_fault(package: str) -> str:
    """Why a package cannot be imported, nothing where it can."""
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
    """Major and minor number: 2.11 of 2.11.0+cu128."""
    return ".".join(text.split(".")[:2])


def _install(requirement: str) -> str:
    return f"Run: pip install --force-reinstall {' '.join(repr(one) for one in requirement.split())}"
