"""HiFi-GAN: SpeechBrain's files, its own decoding, and where the samples lie in time."""

from pathlib import Path

import pytest
import tinyhub
import torch

from ttsbench import ConfigError
from ttsbench.backends.vocoders.hifigan import HifiGan
from ttsbench.config.schema import MelConfig
from ttsbench.doctor import examine
from ttsbench.pipeline.commands import read_experiment

MEL = MelConfig()
NAME = "speechbrain/tts-hifigan-ljspeech"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hifigan") / "model"
    return folder, tinyhub.save_hifigan(folder)


@pytest.fixture
def log_mel():
    return torch.randn(23, MEL.n_mels, generator=torch.Generator().manual_seed(3)) - 4


def test_samples_agree_with_speechbrain_half_a_hop_later(tiny, log_mel):
    folder, network = tiny
    found = HifiGan(MEL, model=str(folder)).synthesize(log_mel)
    assert found.shape == (23 * MEL.hop_length,)
    decoded = network.eval().inference(log_mel.T[None]).flatten()
    start = 5 * MEL.hop_length - MEL.hop_length // 2
    torch.testing.assert_close(found, decoded[start : start + len(found)], atol=1e-6, rtol=0)
    assert found.abs().max() > 1e-4


def test_a_name_is_resolved_in_the_hub_cache(tiny, log_mel, tmp_path, monkeypatch):
    folder, _ = tiny
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ConfigError, match=f"hf download {NAME}.*griffin_lim works without it"):
        HifiGan(MEL).require()
    assert any(NAME in finding.advice for finding in examine() if "hifigan" in finding.subject)
    tinyhub.publish(folder, tmp_path, NAME)
    here = HifiGan(MEL, model=str(folder)).synthesize(log_mel)
    torch.testing.assert_close(HifiGan(MEL).synthesize(log_mel), here)


def test_an_experiment_is_refused_before_any_work(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ConfigError, match="hf download"):
        read_experiment(Path("experiments/smoke.yaml"), ["vocoder.name=hifigan"])


@pytest.mark.parametrize(("settings", "what"), [({"bands": 40}, "40 bands"), ({"factors": (8, 8, 2)}, "every 128")])
def test_other_mels_are_refused(settings, what, tmp_path):
    tinyhub.save_hifigan(tmp_path / "other", **settings)
    with pytest.raises(ConfigError, match=what):
        HifiGan(MEL, model=str(tmp_path / "other")).require()


@pytest.mark.parametrize(("old", "new"), [("resblock_kernel_sizes: [3]", "resblock_kernel_sizes: [5]"),
                                          ("generator: !new", "other: !new"), ("32", "[")])  # fmt: skip
def test_files_of_another_model_are_refused(old, new, tmp_path, log_mel):
    tinyhub.save_hifigan(tmp_path / "broken")
    path = tmp_path / "broken" / "hyperparams.yaml"
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(ConfigError, match="does not hold a HiFi-GAN"):
        HifiGan(MEL, model=str(tmp_path / "broken")).synthesize(log_mel)
