"""Encodec's latents, with a tiny model of random weights saved as those of the hub are."""

import numpy as np
import pytest
import torch
from speechlike import speechlike
from tinyhub import publish, save_encodec

from ttsbench import ConfigError, registry
from ttsbench.backends.codecs.encodec import Encodec
from ttsbench.backends.hub import missing

RATE, HOP = 24_000, 320


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("encodec") / "tiny"
    save_encodec(folder)
    return folder


@pytest.fixture(scope="module")
def codec(folder):
    return Encodec(str(folder))


@pytest.fixture(scope="module")
def voice():
    return speechlike(0.7, sample_rate=RATE)


def test_properties_match_the_configuration(codec):
    assert (codec.sample_rate, codec.frame_rate, codec.channels) == (RATE, RATE / HOP, 16)


@pytest.mark.parametrize("length", [3_200, 3_201, 16_800])
def test_a_latent_for_every_frame_and_samples_for_every_latent(codec, voice, length):
    latents = codec.encode(voice[:length])
    assert latents.shape == (-(-length // HOP), 16)
    assert codec.decode(latents).shape == (len(latents) * HOP,)


def test_latents_are_sums_of_codebook_embeddings(codec, voice, folder):
    """Entry by entry from the codebooks, in the order of the codes."""
    from transformers import EncodecModel

    model = EncodecModel.from_pretrained(folder).eval()
    with torch.no_grad():
        codes = model.encode(torch.from_numpy(voice).view(1, 1, -1), bandwidth=6.0).audio_codes[0, 0]
    assert len(codes) == 8
    books = [layer.codebook.embed for layer in model.quantizer.layers]
    expected = sum(book[row] for book, row in zip(books, codes, strict=False))
    torch.testing.assert_close(codec.encode(voice), expected)


def test_decoding_agrees_with_the_model(codec, voice, folder):
    from transformers import EncodecModel

    model = EncodecModel.from_pretrained(folder).eval()
    with torch.no_grad():
        whole = model(torch.from_numpy(voice).view(1, 1, -1), bandwidth=6.0).audio_values[0, 0]
    found = codec.decode(codec.encode(voice))
    torch.testing.assert_close(found[: len(whole)], whole.clamp(-1, 1), rtol=0, atol=1e-5)


def test_a_lower_bandwidth_uses_fewer_codebooks(folder, voice):
    coarse, fine = (Encodec(str(folder), bandwidth=bandwidth).encode(voice) for bandwidth in (1.5, 6.0))
    assert not torch.allclose(coarse, fine)


def test_encoding_is_deterministic_and_leaves_global_generators_alone(codec, voice):
    before = torch.random.get_rng_state()
    first = codec.decode(codec.encode(voice))
    assert torch.equal(first, codec.decode(codec.encode(voice)))
    assert torch.equal(before, torch.random.get_rng_state())
    assert np.isfinite(first.numpy()).all()


def test_unsuitable_models_are_refused(folder, tmp_path):
    with pytest.raises(ConfigError, match=r"bandwidth 7 is not supported by .* 1\.5, 3, 6, 12, 24 kbit/s"):
        Encodec(str(folder), bandwidth=7.0).require()
    save_encodec(tmp_path / "stereo", audio_channels=2)
    with pytest.raises(ConfigError, match="codes 2 audio channels"):
        Encodec(str(tmp_path / "stereo")).require()


def test_absent_weights_are_reported_with_an_alternative(tmp_path, monkeypatch, folder):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    codec = registry.load("codecs", "encodec")()
    assert "run 'hf download facebook/encodec_24khz'" in missing(codec)
    assert "the mel works without it" in missing(codec)
    publish(folder, tmp_path, "facebook/encodec_24khz")
    assert missing(codec) == ""
