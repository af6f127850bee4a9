"""Titles and display units of metrics in tables and figures.

``summary.csv`` holds values in a metric's own unit. Papers have little room and give error rates in per cent, so tables
show short titles, and values multiplied by ``scale``. A metric without a short title here is shown by its own title.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ttsbench.types import MetricInfo

BY_TIME = "_plain"  # suffix of metrics that compare frames at equal times, without time warping
SHORT: Mapping[str, str] = {
    "mcd": "MCD",
    "wer": "WER",
    "cer": "CER",
    "ffe": "FFE",
    "gpe": "GPE",
    "vde": "VDE",
    "log_f0_rmse": "log-F0 RMSE",
    "speaker_similarity": "speaker cosine",
    "speaker_similarity_prompt": "speaker cosine to prompt",
    "speaker_similarity_ecapa": "ECAPA cosine",
    "speaker_similarity_ecapa_prompt": "ECAPA cosine to prompt",
    "speaker_similarity_wavlm": "WavLM cosine",
    "speaker_similarity_wavlm_prompt": "WavLM cosine to prompt",
    "dnsmos": "DNSMOS",
    "energy_score": "energy score",
    "energy_score_window": "energy score, 10 frames",
    "crps": "CRPS",
    "energy_score_prosody": "energy score, prosody",
    "crps_prosody": "CRPS, prosody",
    "calibration": "spread / error, ideal 1",
    "calibration_prosody": "spread / error of prosody, ideal 1",
    "coverage_50": "coverage, ideal 50",
    "coverage_75": "coverage, ideal 75",
    "coverage_90": "coverage, ideal 90",
    "coverage_50_prosody": "coverage of prosody, ideal 50",
    "js_log_f0": "JS log-F0",
    "js_delta_log_f0": "JS delta log-F0",
    "js_duration": "JS duration",
    "js_energy": "JS energy",
    "js_mel": "JS mel",
    "js_known_log_f0": "JS known pitch",
    "js_known_rate": "JS known rate",
    "js_known_effort": "JS known effort",
    "js_known_formant_scale": "JS known formants",
    "std_ratio_log_f0": "log-F0 std ratio",
    "std_ratio_phone_log_f0": "phone log-F0 std ratio",
    "std_ratio_duration": "duration std ratio",
    "gv_ratio": "global variance ratio",
    "cv_f0": "CV of F0",
    "diversity_mel": "mel diversity",
    "w1_same_input_f0": "W1 F0, one input",
    "w1_different_input_f0": "W1 F0, other texts",
    "w1_different_speaker_f0": "W1 F0, other voices",
    "w1_same_input_energy": "W1 energy, one input",
    "w1_different_input_energy": "W1 energy, other texts",
    "w1_different_speaker_energy": "W1 energy, other voices",
    "rtf": "RTF",
    "rtf_model": "RTF without vocoder",
    "nfe": "NFE",
    "params": "parameters",
    "flops": "operations",
    "peak_memory": "peak memory",
}
PERCENT = (
    "wer", "cer", "ffe", "gpe", "vde", "coverage_50", "coverage_75", "coverage_90", "coverage_50_prosody"
)  # fmt: skip
UNITS: Mapping[str, tuple[str, float]] = {  # unit -> (displayed unit, scale)
    "ratio": ("", 1.0),
    "cosine": ("", 1.0),
    "correlation": ("", 1.0),
    "calls": ("", 1.0),
    "parameters": ("M", 1e-6),
    "GFLOP/s of audio": ("GFLOP/s", 1.0),
}


@dataclass(frozen=True)
class Heading:
    """Displayed title and unit of a metric, and the factor from its own unit.

    ``direction`` is an arrow: up, down, or to the ideal value; it is empty for a metric without a preferred direction.
    """

    title: str
    unit: str
    scale: float
    direction: str

    @property
    def plain(self) -> str:
        """Title and unit."""
        return f"{self.title} ({self.unit})" if self.unit else self.title

    @property
    def text(self) -> str:
        """Title, unit and arrow."""
        return f"{self.plain} {self.direction}".rstrip()


def heading(info: MetricInfo, title: str = "") -> Heading:
    """Return the heading of a metric; ``title`` replaces its default title."""
    base, by_time = info.name.removesuffix(BY_TIME), info.name.endswith(BY_TIME)
    short = SHORT.get(info.name) or (f"{SHORT[base]} by time" if by_time and base in SHORT else info.title)
    percent = base in PERCENT and info.unit == "ratio"
    unit, scale = ("%", 100.0) if percent else UNITS.get(info.unit, (info.unit, 1.0))
    return Heading(title or short, unit, scale, _direction(info))


def _direction(info: MetricInfo) -> str:
    if info.higher_is_better is not None:
        return "↑" if info.higher_is_better else "↓"
    ideal = info.behaviour.identity  # value of a recording compared with itself
    return "" if ideal is None else f"→ {ideal:g}"
