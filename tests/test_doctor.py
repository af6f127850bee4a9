"""The doctor finds what was taken away, says what is lost, and never raises."""

import importlib
import importlib.util
import sys
from importlib.metadata import EntryPoint

import pytest
import tinyhub

from ttsbench import doctor, registry
from ttsbench.cli import main


@pytest.fixture(autouse=True)
def own_folders(monkeypatch, tmp_path):
    for name in ("HF_HUB_CACHE", "TTSBENCH_DATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TTSBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setattr(doctor, "SPACE_GB", 0.0)


def found(words):
    return [finding for finding in doctor.examine() if words in finding.what]


def test_a_whole_environment_is_healthy():
    findings = doctor.examine()
    assert not [finding for finding in findings if finding.fatal or finding.mark == "broken"]
    assert {finding.mark for finding in findings} <= {"ok", "missing"}
    said = "\n".join(finding.what for finding in findings)
    for part in ("Python 3.", "torchaudio", "cores", "espeak-ng", "pocketsphinx", "resemblyzer", "pyworld"):
        assert part in said
    assert all(finding.advice for finding in findings if finding.mark != "ok")


def test_command_exits_with_the_health(monkeypatch, capsys):
    assert main(["doctor"]) == 0
    monkeypatch.setenv("TTSBENCH_CACHE", "/dev/null/cache")
    assert main(["doctor"]) == 1
    assert "broken   cache folder /dev/null/cache. Not a directory. Set TTSBENCH_CACHE" in capsys.readouterr().out


def test_full_cache_disk_is_told_but_not_fatal(monkeypatch):
    monkeypatch.setattr(doctor, "SPACE_GB", 1e9)
    (finding,) = found("cache folder")
    assert finding.mark == "broken" and not finding.fatal and "Free" in finding.advice


def test_old_python_is_fatal(monkeypatch):
    monkeypatch.setattr(doctor, "PYTHON", ((3, 98), (3, 99)))
    (finding,) = found("Python 3.")
    assert (finding.mark, finding.fatal) == ("broken", True) and "3.98" in finding.advice


def test_torchaudio_of_another_release_is_fatal(monkeypatch):
    monkeypatch.setattr(doctor, "_version", lambda package: "2.8.0+cpu")
    (finding,) = found("with torchaudio 2.8.0+cpu")
    assert finding.fatal and "torchaudio==2.11.*" in finding.advice


@pytest.mark.parametrize("package", ["torchaudio", "espeakng_loader", "pyworld", "pysptk"])
def test_package_that_cannot_be_imported(monkeypatch, package):
    real = importlib.import_module

    def refuse(name, *arguments):
        if name == package:
            raise OSError("undefined symbol")
        return real(name, *arguments)

    monkeypatch.setattr(importlib, "import_module", refuse)
    fatal = [finding for finding in doctor.examine() if finding.fatal]
    assert len(fatal) == 1 and "undefined symbol" in fatal[0].advice and "pip install" in fatal[0].advice


@pytest.mark.parametrize(("package", "fatal"), [("pocketsphinx", True), ("resemblyzer", True), ("speechmos", False)])
def test_weights_that_are_gone(monkeypatch, tmp_path, package, fatal):
    empty = importlib.util.spec_from_loader("empty", None, origin=str(tmp_path / "__init__.py"))
    real = doctor.find_spec
    for spec in (None, empty):
        monkeypatch.setattr(doctor, "find_spec", lambda name, spec=spec: spec if name == package else real(name))
        (finding,) = found(f"of {package}")
        assert (finding.mark, finding.fatal) == ("missing", fatal)
        assert "lost" in finding.advice and ("There is no" in finding.advice) == (spec is not None)


@pytest.mark.parametrize(("package", "fatal"), [("ttsbench", True), ("ttsbench-mine", False)])
def test_broken_plugin_is_named_with_its_package(monkeypatch, package, fatal):
    entry = EntryPoint("odd", "nonesuch_module:Odd", "ttsbench.metrics")._for(type("Dist", (), {"name": package}))
    real = registry.registered
    monkeypatch.setattr(
        registry, "registered", lambda kind: {**real(kind), "odd": entry} if kind == "metrics" else real(kind)
    )
    (finding,) = found("metric 'odd'")
    assert finding.what == f"metric 'odd' of {package} (nonesuch_module:Odd)"
    assert finding.mark == "broken" and finding.fatal == fatal and "nonesuch_module" in finding.advice
    assert any("9 metrics" in one.what or "metrics import" in one.what for one in doctor.examine())


def test_real_speech_is_optional_and_named(monkeypatch, tmp_path):
    (unset,) = found("TTSBENCH_DATA")
    assert unset.mark == "missing" and not unset.fatal
    monkeypatch.setenv("TTSBENCH_DATA", str(tmp_path))
    assert found("TTSBENCH_DATA")[0].mark == "missing"
    (tmp_path / "ljspeech-mini").mkdir()
    assert found("TTSBENCH_DATA")[0].what == f"TTSBENCH_DATA {tmp_path}: ljspeech-mini"


def test_a_part_that_raises_becomes_a_finding(monkeypatch):
    def fail(*_):
        raise RuntimeError("no registry")

    monkeypatch.setattr(registry, "registered", fail)
    (finding,) = found("plug-ins")
    assert finding == doctor.Finding("broken", "plug-ins", "RuntimeError: no registry", fatal=True)
    assert found("TTSBENCH_CACHE"), "what comes after is still looked at"
    monkeypatch.setitem(sys.modules, "torch", None)
    assert any(finding.fatal for finding in doctor.examine())


def test_optional_models_are_named_with_their_place_and_what_serves_instead(tmp_path):
    lines = {finding.what: finding for finding in found(", optional") if "DATA" not in finding.what}
    ecapa = lines["speaker_similarity_ecapa, speaker_similarity_ecapa_prompt, optional"]
    assert (ecapa.mark, ecapa.fatal) == ("missing", False)
    assert ecapa.advice.startswith(f"The model 'speechbrain/spkrec-ecapa-voxceleb' is not in {tmp_path / 'hf' / 'hub'}")
    assert ecapa.advice.endswith("speaker_similarity works without it.")
    assert "pocketsphinx works" in lines["whisper, optional"].advice
    assert "griffin_lim works" in lines["hifigan, optional"].advice
    assert "dnsmos works" in lines["utmosv2, optional"].advice
    assert "the mel works" in lines["encodec, optional"].advice
    assert {mark.mark for mark in lines.values()} == {"missing"} and len(lines) == 8, "one line for each model"


def test_optional_models_that_are_there(tmp_path):
    tinyhub.save_ecapa(tmp_path / "model")
    tinyhub.publish(tmp_path / "model", tmp_path / "hf" / "hub", "speechbrain/spkrec-ecapa-voxceleb")
    (there,) = found("optional models are there")
    assert there.what == "optional models are there for speaker_similarity_ecapa, speaker_similarity_ecapa_prompt"
    assert not [finding for finding in found("ecapa") if finding.mark == "missing"]


def test_a_plugin_that_cannot_be_built_is_told_and_not_fatal(monkeypatch):
    real = registry.load

    def fail():
        raise RuntimeError("no such thing")

    monkeypatch.setattr(registry, "load", lambda kind, name: fail if name == "mcd" else real(kind, name))
    (finding,) = [one for one in found("metric 'mcd'") if one.mark == "broken"]
    assert not finding.fatal and finding.advice == "RuntimeError: no such thing"


def test_dnsmos_is_missed_and_not_fatal(monkeypatch):
    real, missing = importlib.import_module, "onnxruntime"

    def refuse(name, *arguments):
        if name == missing:
            raise ImportError("no wheel")
        return real(name, *arguments)

    monkeypatch.setattr(importlib, "import_module", refuse)
    (finding,) = found("onnxruntime")
    assert (finding.mark, finding.fatal) == ("broken", False) and "DNSMOS is lost" in finding.advice
