"""NISQA against the function of torchmetrics, on a tiny network with random weights."""

import numpy as np
import pytest
import torch
from speechlike import speechlike
from torchmetrics.functional.audio import nisqa

from metrics.nisqa import Nisqa, NisqaColoration, NisqaDiscontinuity, NisqaLoudness, NisqaNoisiness
from ttsbench import Clip, ConfigError, MeasurementError

SETTINGS = {
    "cnn_c_out_1": 2, "cnn_c_out_2": 3, "cnn_c_out_3": 4, "cnn_dropout": 0.2, "cnn_kernel_size": (3, 3),
    "cnn_pool_1": [24, 7], "cnn_pool_2": [12, 5], "cnn_pool_3": [6, 3], "ms_fmax": 20_000, "ms_hop_length": 0.01,
    "ms_max_segments": 100, "ms_n_fft": 4096, "ms_n_mels": 48, "ms_seg_hop_length": 4, "ms_seg_length": 15,
    "ms_win_length": 0.02, "pool_att_dropout": 0.1, "pool_att_h": 8, "td_sa_d_model": 8, "td_sa_dropout": 0.1,
    "td_sa_h": 8, "td_sa_nhead": 1, "td_sa_num_layers": 1,
}  # fmt: skip
KINDS = (Nisqa, NisqaNoisiness, NisqaDiscontinuity, NisqaColoration, NisqaLoudness)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("nisqa") / "nisqa.tar"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = nisqa._NISQADIM(SETTINGS)
        for pool in network.pool_layers:  # copies of one another until they are trained
            torch.nn.init.normal_(pool.model.linear3.weight)
    torch.save({"args": SETTINGS, "model_state_dict": network.state_dict()}, path)
    return path


@pytest.mark.parametrize("rate", [16000, 22050, 48000])
def test_scores_are_those_of_torchmetrics(weights, rate, monkeypatch):
    monkeypatch.setattr(nisqa, "NISQA_DIR", str(weights.parent))
    nisqa._load_nisqa_model.cache_clear()
    clip = Clip("u", speechlike(1.2, 120.0, rate), rate)
    expected = nisqa.non_intrusive_speech_quality_assessment(torch.from_numpy(clip.samples), rate).tolist()
    measured = [kind(str(weights)).measure(clip, clip)[0] for kind in KINDS]
    assert measured == pytest.approx(expected, abs=1e-6)
    assert len(set(measured)) == 5


def test_missing_and_damaged_weights_are_refused(weights, tmp_path):
    with pytest.raises(ConfigError, match="not at"):
        Nisqa(str(tmp_path / "none.tar")).require()
    (tmp_path / "bad.tar").write_bytes(b"no checkpoint")
    with pytest.raises(ConfigError, match="no checkpoint of NISQA"):
        Nisqa(str(tmp_path / "bad.tar")).require()
    Nisqa(str(weights)).require()
    assert Nisqa(str(weights)).info.signature.startswith("nisqa|v2@")


def test_clips_that_are_too_short_or_too_long_are_refused(weights):
    metric = Nisqa(str(weights))
    for seconds in (0.05, 5.0):
        clip = Clip("u", speechlike(seconds, 120.0, 16000), 16000)
        with pytest.raises(MeasurementError, match=r"too short|exceeded"):
            metric.measure(clip, clip)
    with pytest.raises(MeasurementError, match="silent"):
        metric.measure(Clip("u", np.zeros(16000, np.float32), 16000), clip)
