"""Opinion scores predicted from the clip alone: DNSMOS and UTMOSv2.

DNSMOS, with the weights of the package `speechmos`. C. K. A. Reddy, V. Gopal and R. Cutler, "DNSMOS P.835: a
non-intrusive perceptual objective speech quality metric to evaluate noise suppressors", ICASSP 2022,
https://arxiv.org/abs/2110.01763 (speech, background, overall), and the same authors' "DNSMOS", ICASSP 2021,
https://arxiv.org/abs/2010.15258 (P.808). We follow the package: 16 kHz; windows of 9.01 s every second, scores
averaged; a shorter clip is doubled until it is long enough; the level is not normalised and matters. The models were
trained on noisy calls. LJSpeech and LibriSpeech reach about 3.4 overall, and prosody has little influence.
`dnsmos_versa` and `dnsmos_p808_versa` are the numbers of VERSA (https://github.com/wavlab-speech/versa,
utterance_metrics/pseudo_mos.py at c398480), which scales the peak of the clip to 1 first.

UTMOSv2. K. Baba, W. Nakata, Y. Saito and H. Saruwatari, "The T05 system for the VoiceMOS Challenge 2024", SLT 2024,
https://arxiv.org/abs/2409.09305, through the `utmosv2` package. The package analyses random crops drawn from numpy's
global generator. We seed that generator for each clip and restore it, so results are repeatable and clips of equal
length are cropped in the same places. The package's removal of silence is disabled: its threshold is absolute, so its
result depends on the level. A crop takes about 6 s on one core, a window of DNSMOS 0.4 s.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ttsbench.audio.bandwidth import WIDEBAND_HZ
from ttsbench.audio.usable import usable_at
from ttsbench.backends.hub import WEIGHTS, HubModel, offline
from ttsbench.errors import ConfigError
from ttsbench.reductions import Mean
from ttsbench.rng import global_seed
from ttsbench.types import Behaviour, Clip, MetricInfo, Samples

SAMPLE_RATE = 16000  # Hz, for both
P835 = "Reddy et al. 2022, https://arxiv.org/abs/2110.01763"
P808 = "Reddy et al. 2021, https://arxiv.org/abs/2010.15258"
WINDOWS = "windows:9.01s/1s|short:doubled"
UTMOS_PACKAGE = "git+https://github.com/sarulab-speech/UTMOSv2"
UTMOS_CONFIG = "fusion_stage3"  # the published configuration
TRAINING_SEED = 42  # part of the published checkpoints' names
FOLDS = 5
DOMAINS = ("sarulab", "bvcc", "blizzard2008", "blizzard2009", "blizzard2010-EH1", "blizzard2010-EH2",
           "blizzard2010-ES1", "blizzard2010-ES3", "blizzard2011", "somos")  # fmt: skip
# The package builds its networks from these models before it loads its own weights.
BACKBONES = (
    HubModel("facebook/wav2vec2-base", "dnsmos", option=""),
    HubModel("timm/tf_efficientnetv2_s.in21k_ft_in1k", "dnsmos", files=(WEIGHTS,), option=""),
)


@lru_cache(maxsize=1)
def dnsmos() -> Any:
    """Return the package's scorer; each model is loaded once per process and uses one thread."""
    import onnxruntime
    from speechmos import dnsmos as package

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    folder = Path(package.__file__).parent / "dnsmos_models"
    scorer = package.DNSMOS.__new__(package.DNSMOS)  # the constructor would use one thread per core
    scorer.onnx_sess, scorer.p808_onnx_sess = (
        onnxruntime.InferenceSession(str(folder / name), options, providers=["CPUExecutionProvider"])
        for name in ("sig_bak_ovr.onnx", "model_v8.onnx")
    )
    return scorer


def dnsmos_scores(clip: Clip) -> dict[str, float]:
    """Return the package's four scores of a clip at 16 kHz; call it through ``clip.feature``.

    A clip above full scale, which resampling may cause, is scaled down, because the package refuses it.
    """
    samples = clip.samples / max(1.0, float(np.abs(clip.samples).max()))
    return {name: float(score) for name, score in dnsmos()(samples, SAMPLE_RATE, False).items()}


def _info(name: str, title: str, paper: str, signature: str, behaviour: Behaviour) -> MetricInfo:
    return MetricInfo(
        name=name,
        title=title,
        unit="MOS",
        higher_is_better=True,
        columns=("mos",),
        signature=f"{name}|{signature}|16kHz|mean:utterances|v1",
        paper=paper,
        needs=frozenset(),
        sample_rate=SAMPLE_RATE,
        band_hz=WIDEBAND_HZ,
        behaviour=behaviour,
    )


def _behaviour(gain: float, noise: bool = True) -> Behaviour:
    """Return tolerances with a margin over means on real recordings; ``noise``: whether noise lowers the score."""
    return Behaviour(gain=gain, shift=0.2, resample=0.1, worsens=frozenset({"noise"} if noise else ()))


class _Dnsmos(Mean):
    """Base of the four scores of DNSMOS; a clip is analysed once for all of them."""

    _score: ClassVar[str]
    _analysis = staticmethod(dnsmos_scores)

    def measure(self, clip: Clip, reference: Clip) -> tuple[float, ...]:
        """Return the score; raise ``MeasurementError`` for an empty, silent or very short clip."""
        return (usable_at(clip, SAMPLE_RATE).feature(self._analysis)[self._score],)


class Dnsmos(_Dnsmos):
    """Overall quality, 1 to 5."""

    info = _info("dnsmos", "DNSMOS overall", P835, f"speechmos:ovrl|{WINDOWS}", _behaviour(gain=0.3))
    _score = "ovrl_mos"


class DnsmosSignal(_Dnsmos):
    """Quality of the speech itself, 1 to 5; a little noise may raise it."""

    info = _info("dnsmos_sig", "DNSMOS speech", P835, f"speechmos:sig|{WINDOWS}", _behaviour(gain=0.3, noise=False))
    _score = "sig_mos"


class DnsmosBackground(_Dnsmos):
    """Quality of the background, 1 to 5; 5 means no audible background."""

    info = _info("dnsmos_bak", "DNSMOS background", P835, f"speechmos:bak|{WINDOWS}", _behaviour(gain=0.4))
    _score = "bak_mos"


class DnsmosP808(_Dnsmos):
    """Overall quality as crowds rate it under P.808, 1 to 5."""

    info = _info("dnsmos_p808", "DNSMOS P.808", P808, f"speechmos:p808|{WINDOWS}", _behaviour(gain=0.05))
    _score = "p808_mos"


def peak_normalised_scores(clip: Clip) -> dict[str, float]:
    """Return the scores of a clip at 16 kHz whose peak is scaled to 1; call it through ``clip.feature``."""
    return dnsmos_scores(replace(clip, samples=clip.samples / np.abs(clip.samples).max()))


def _versa_info(info: MetricInfo) -> MetricInfo:
    """Return the description of a score of VERSA: a gain of the clip does not change it."""
    name = f"{info.name}_versa"
    signature = info.signature.replace(f"{info.name}|", f"{name}|", 1).replace("|windows", "|peak:1|windows")
    behaviour = replace(info.behaviour, gain=0.01)
    return replace(info, name=name, title=f"{info.title} (VERSA)", signature=signature, behaviour=behaviour)


class VersaDnsmos(Dnsmos):
    """Overall quality as VERSA prints it (`dns_overall`), 1 to 5."""

    info = _versa_info(Dnsmos.info)
    _analysis = staticmethod(peak_normalised_scores)


class VersaDnsmosP808(DnsmosP808):
    """Overall quality under P.808 as VERSA prints it (`dns_p808`), 1 to 5."""

    info = _versa_info(DnsmosP808.info)
    _analysis = staticmethod(peak_normalised_scores)


@dataclass(frozen=True)
class Utmosv2Predictor:
    """UTMOSv2 with its settings; equal objects share the result of ``clip.feature``."""

    source: HubModel
    folds: tuple[int, ...]
    crops: int
    domain: str
    seed: int

    def __call__(self, clip: Clip) -> float:
        """Return the mean over folds and crops for a clip at 16 kHz."""
        with global_seed(self.seed):
            return float(np.mean([self._predict(load_utmosv2(self.source, fold), clip.samples) for fold in self.folds]))

    def _predict(self, model: Any, samples: Samples) -> float:
        scores = model.predict(
            data=samples,
            sr=SAMPLE_RATE,
            predict_dataset=self.domain,
            device=self.source.device,
            num_workers=0,
            batch_size=1,
            num_repetitions=self.crops,
            remove_silent_section=False,
            verbose=False,
        )
        return float(scores[0])


@cache
def load_utmosv2(source: HubModel, fold: int) -> Any:
    """Return the network of one fold, loaded from local files once per process."""
    import utmosv2

    checkpoint, output = source.require() / checkpoint_name(fold), io.StringIO()
    with offline(), global_seed(0), contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        return utmosv2.create_model(
            pretrained=True, config=UTMOS_CONFIG, fold=fold, checkpoint_path=checkpoint, device=source.device
        )


def checkpoint_name(fold: int) -> str:
    """Return the file name of one fold in the published repository.

    >>> checkpoint_name(0)
    'fold0_s42_best_model.pth'
    """
    return f"fold{fold}_s{TRAINING_SEED}_best_model.pth"


class Utmosv2(Mean):
    """Naturalness predicted by UTMOSv2, 1 to 5. Raises ``ConfigError`` for invalid options.

    ``folds`` are the networks that are averaged (five exist, 0 to 4) and ``crops`` the number of random crops for each;
    the paper uses five of each, and time grows with both. ``domain`` is the listening test that is imitated, ``seed``
    determines the crops.
    """

    def __init__(
        self,
        model: str = "sarulab-speech/UTMOSv2",
        folds: Sequence[int] = (0,),
        crops: int = 5,
        domain: str = "sarulab",
        seed: int = 0,
        device: str = "cpu",
    ) -> None:
        if not folds or not set(folds) <= set(range(FOLDS)):
            raise ConfigError(f"utmosv2's folds are {folds!r}; give a non-empty selection of 0 to {FOLDS - 1}.")
        if not (isinstance(crops, int) and crops >= 1):
            raise ConfigError(f"utmosv2's crops is {crops!r}; give 1 or more.")
        if domain not in DOMAINS:
            raise ConfigError(f"utmosv2's domain is {domain!r}; choose one of {', '.join(DOMAINS)}.")
        unique_folds = tuple(sorted(set(folds)))
        files = tuple((checkpoint_name(fold),) for fold in unique_folds)
        source = HubModel(model, "dnsmos", files, device=device)
        self._predictor = Utmosv2Predictor(source, unique_folds, crops, domain, seed)
        details = f"folds:{'+'.join(map(str, unique_folds))}|crops:{crops}|silence:kept|domain:{domain}|seed:{seed}"
        paper = "Baba et al. 2024, https://arxiv.org/abs/2409.09305"
        self.info = _info("utmosv2", "UTMOSv2", paper, f"{source.label}|{details}", Behaviour())

    def require(self) -> None:
        """Raise ``ConfigError`` if the package, its weights or its backbones are missing."""
        if find_spec("utmosv2") is None:
            raise ConfigError(
                f"The package utmosv2 is not installed and is not on a package index; run 'pip install {UTMOS_PACKAGE}'"
                ". dnsmos works without it."
            )
        for source in (self._predictor.source, *BACKBONES):
            source.require()

    def measure(self, clip: Clip, reference: Clip) -> tuple[float, ...]:
        """Return the score; raise ``MeasurementError`` for an empty, silent or very short clip."""
        usable = usable_at(clip, SAMPLE_RATE)
        self.require()
        return (usable.feature(self._predictor),)
