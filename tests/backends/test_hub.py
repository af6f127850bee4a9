"""Models are found by name and by folder and distinguished by content; a missing one is refused with a sentence."""

import ast
import contextlib
import json
import shutil
from pathlib import Path

import pytest
import tinyhub
import torch

from metrics.perceptual import Utmosv2
from metrics.speaker import EcapaSimilarity, SpeakerSimilarity, WavlmSimilarity
from metrics.speechbertscore import SpeechBertF1
from ttsbench import ConfigError, registry
from ttsbench.backends import hub
from ttsbench.backends.hub import HubModel, NeedsModel, fingerprint, load, missing
from ttsbench.backends.transcribers.hubert_ctc import HubertCtc
from ttsbench.backends.transcribers.whisper import Whisper
from ttsbench.checks.global_rng import used_generators

REPOSITORY = Path(__file__).parents[2]
NAME = "tiny-people/tiny-wavlm"


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    """An empty cache of the hub."""
    for variable in ("HF_HUB_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "hub"


@pytest.fixture(scope="module")
def wavlm(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "tiny wavlm"
    tinyhub.save_wavlm(folder, head="xvector")
    return folder


def test_the_cache_folder_is_that_of_the_hub_tools(monkeypatch, cache, tmp_path):
    from huggingface_hub import constants

    assert hub.cache_folder() == cache
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "elsewhere"))
    assert hub.cache_folder() == tmp_path / "elsewhere"
    for variable in ("HF_HUB_CACHE", "HF_HOME"):
        monkeypatch.delenv(variable)
    assert str(hub.cache_folder()).endswith("/.cache/huggingface/hub")
    assert constants.HF_HUB_CACHE.endswith("hub")


def test_a_name_resolves_to_the_snapshot_of_main(wavlm, cache):
    from huggingface_hub import snapshot_download

    source = HubModel(NAME, "mcd")
    assert source.find() is None and source.label == f"{NAME}@absent"
    snapshot = tinyhub.publish(wavlm, cache, NAME)
    assert (
        source.require() == snapshot == type(snapshot)(snapshot_download(NAME, cache_dir=cache, local_files_only=True))
    )
    assert source.label == f"{NAME}@{tinyhub.COMMIT[:8]}"
    model, extractor = load(source, "AutoModelForAudioXVector", "AutoFeatureExtractor")
    assert not model.training and model.dtype == torch.float32 and extractor.sampling_rate == 16000
    assert load(HubModel(NAME, "mcd"), "AutoModelForAudioXVector", "AutoFeatureExtractor")[0] is model


def test_half_precision_weights_are_loaded_in_float32(wavlm, tmp_path):
    from transformers import WavLMForXVector

    WavLMForXVector.from_pretrained(wavlm).half().save_pretrained(tmp_path / "half")
    (tmp_path / "half" / "preprocessor_config.json").write_text((next(wavlm.glob("*processor*"))).read_text())
    assert load(HubModel(str(tmp_path / "half"), "mcd"), "AutoModel", "AutoFeatureExtractor")[0].dtype == torch.float32


def test_folders_have_fingerprints_of_their_content(wavlm, tmp_path):
    tinyhub.save_wavlm(tmp_path / "tiny wavlm", head="xvector", seed=1)
    ours, other = HubModel(str(wavlm), "mcd"), HubModel(str(tmp_path / "tiny wavlm"), "mcd")
    assert ours.label.startswith("tiny_wavlm@") and " " not in ours.label
    assert fingerprint(wavlm) == fingerprint(wavlm) != fingerprint(tmp_path / "tiny wavlm")
    assert ours.label != other.label and str(tmp_path) not in other.label


@pytest.mark.parametrize("metric", [EcapaSimilarity, WavlmSimilarity, SpeechBertF1, Utmosv2])
def test_a_plugin_without_weights_can_be_built_and_refuses(metric, cache, monkeypatch):
    monkeypatch.setattr("metrics.perceptual.find_spec", lambda name: name)
    plugin = metric()
    assert isinstance(plugin, NeedsModel) and "@absent" in plugin.info.signature
    with pytest.raises(ConfigError) as caught:
        plugin.require()
    said = str(caught.value)
    assert said == missing(plugin)
    assert str(cache) in said and "hf download" in said and said.endswith("works without it.")


@pytest.mark.parametrize("transcriber", [Whisper, HubertCtc])
def test_without_weights_a_transcriber_names_pocketsphinx(transcriber, cache):
    with pytest.raises(ConfigError, match=f"is not in {cache}.*pocketsphinx works without it"):
        transcriber(["word"]).require()


def test_alternatives_are_registered_and_need_no_weights():
    for metric in (EcapaSimilarity(), WavlmSimilarity(), SpeechBertF1(), Utmosv2()):
        instead = missing(metric).split(" works without it")[0].split()[-1]
        assert missing(registry.load("metrics", instead)()) == ""
    assert not isinstance(SpeakerSimilarity(), NeedsModel)


def test_an_interrupted_download_is_incomplete(wavlm, cache):
    snapshot = tinyhub.publish(wavlm, cache, NAME)
    (snapshot / "model.safetensors").unlink()
    with pytest.raises(ConfigError, match=r"lacks model\.safetensors or .* in .*hf download"):
        HubModel(NAME, "mcd").require()
    (snapshot / "config.json").write_text("{")
    with pytest.raises(ConfigError, match="is damaged"):
        HubModel(NAME, "mcd", files=(), head="ForXVector").require()


def test_a_model_of_another_kind_is_refused_before_it_is_loaded(wavlm, tmp_path):
    tinyhub.save_wavlm(tmp_path / "bare")
    with pytest.raises(ConfigError, match=r"is WavLMModel, but a kind that ends in ForXVector"):
        WavlmSimilarity(model=str(tmp_path / "bare")).require()
    WavlmSimilarity(model=str(wavlm)).require()
    with pytest.raises(ConfigError, match="ForCTC"):
        HubertCtc([], model=str(wavlm)).require()


def test_missing_weights_are_refused(wavlm, tmp_path):
    """transformers would fill the head with random numbers and go on."""
    tinyhub.save_wavlm(tmp_path / "bare")
    config = json.loads((tmp_path / "bare" / "config.json").read_text())
    config["architectures"] = ["WavLMForXVector"]
    (tmp_path / "bare" / "config.json").write_text(json.dumps(config))
    with pytest.raises(ConfigError, match=r"are not those of a WavLMForXVector: \d+ are missing, such as "):
        load(HubModel(str(tmp_path / "bare"), "mcd"), "AutoModelForAudioXVector", "AutoFeatureExtractor")


def test_pickled_objects_are_refused(wavlm, tmp_path):
    """In PyTorch's own format too: what is not a tensor is not read, and its code is not run."""
    shutil.copytree(wavlm, tmp_path / "evil")
    (tmp_path / "evil" / "model.safetensors").unlink()
    torch.save({"weight": _Evil()}, tmp_path / "evil" / "pytorch_model.bin")
    with pytest.raises(Exception, match=r"[Ww]eights.only|Unsupported|Unpickl"):
        load(HubModel(str(tmp_path / "evil"), "mcd"), "AutoModelForAudioXVector", "AutoFeatureExtractor")
    assert not _Evil.ran


class _Evil:
    ran = False

    def __reduce__(self):
        return _run, ()


def _run():
    _Evil.ran = True


def test_code_beside_the_weights_is_not_run(wavlm, tmp_path):
    """A configuration may name classes in files of the repository, which transformers would import if it may."""
    shutil.copytree(wavlm, tmp_path / "evil")
    mark = tmp_path / "ran"
    (tmp_path / "evil" / "code.py").write_text(f"open({str(mark)!r}, 'w')\nclass Model: pass\n", encoding="utf-8")
    for name, classes in (("config.json", ("AutoConfig", "AutoModel", "AutoModelForAudioXVector")),
                          ("preprocessor_config.json", ("AutoFeatureExtractor",))):  # fmt: skip
        path = tmp_path / "evil" / name
        values = {**json.loads(path.read_text()), "auto_map": dict.fromkeys(classes, "code.Model")}
        path.write_text(json.dumps(values))
    with contextlib.suppress(Exception):  # refused, or loaded by transformers' own classes
        load(HubModel(str(tmp_path / "evil"), "mcd"), "AutoModelForAudioXVector", "AutoFeatureExtractor")
    assert not mark.exists()


@pytest.mark.parametrize(
    ("function", "keyword", "value"), [("from_pretrained", "trust_remote_code", False), ("load", "weights_only", True)]
)
def test_every_call_that_could_run_code_of_a_model_forbids_it(function, keyword, value):
    calls = 0
    for path in (file for folder in ("ttsbench", "metrics", "baselines", "examples") for file in
                 (REPOSITORY / folder).rglob("*.py")):  # fmt: skip
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            owner = node.func.value
            if node.func.attr != function or (function == "load" and getattr(owner, "id", "") != "torch"):
                continue
            given = {item.arg: getattr(item.value, "value", None) for item in node.keywords}
            assert given.get(keyword) is value, f"{path}:{node.lineno} lacks {keyword}={value}"
            calls += 1
    assert calls > 1


def test_loading_and_running_leave_the_global_generators_alone(wavlm):
    source = HubModel(str(wavlm), "mcd")
    hub._load.cache_clear()
    assert used_generators(lambda: load(source, "AutoModelForAudioXVector", "AutoFeatureExtractor")) == []
    model, _ = load(source, "AutoModelForAudioXVector", "AutoFeatureExtractor")

    def run():
        with hub.inference():
            assert not model(torch.zeros(1, 8000) + torch.rand(1)).embeddings.requires_grad

    assert used_generators(run) == []
    assert used_generators(lambda: torch.rand(1)) == ["torch"]


def test_offline_mode_is_restored():
    from huggingface_hub import constants, is_offline_mode

    before = constants.HF_HUB_OFFLINE
    with hub.offline():
        assert is_offline_mode()
    assert before == constants.HF_HUB_OFFLINE


@pytest.mark.parametrize("name", ["", "../x", "/nowhere/at/all", "a/b/c", 3, "org/na me"])
def test_invalid_names_are_refused(name):
    with pytest.raises(ConfigError, match="correct it"):
        HubModel(name, "mcd")


def test_devices_are_checked(wavlm, monkeypatch):
    with pytest.raises(ConfigError, match="'tpu' is unknown"):
        HubModel(NAME, "mcd", device="tpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    source = HubModel(str(wavlm), "mcd", device="cuda:1")
    assert source.label == HubModel(str(wavlm), "mcd").label, "a device changes results by rounding only"
    with pytest.raises(ConfigError, match="finds no GPU; use 'cpu'"):
        source.require()
