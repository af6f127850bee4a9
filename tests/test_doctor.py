"""The doctor reports everything that is missing, with its consequence, and never raises."""

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


def findings_about(words):
    return [finding for finding in doctor.examine() if words in finding.subject]


def test_complete_environment_is_healthy():
    findings = doctor.examine()
    assert not [finding for finding in findings if finding.fatal or finding.mark == "broken"]
    assert {finding.mark for finding in findings} <= {"ok", "missing"}
    subjects = "\n".join(finding.subject for finding in findings)
    for part in ("Python 3.", "torchaudio", "cores", "espeak-ng", "pocketsphinx", "resemblyzer", "pyworld"):
        assert part in subjects
    assert all(finding.advice for finding in findings if finding.mark != "ok")


def test_it_says_what_runs_on_which_device():
    (finding,) = findings_about("compute.accelerator auto")
    moved, _, rest = finding.subject.partition(" run on ")
    assert {"training", "hifigan", "encodec", "whisper", "speaker_similarity", "utmosv2", "nisqa"} <= set(
        moved.partition(": ")[2].split(", ")
    )
    assert "griffin_lim" not in moved and rest.endswith("all other plug-ins on the CPU")


def test_exit_status_is_the_health(monkeypatch, capsys):
    assert main(["doctor"]) == 0
    monkeypatch.setenv("TTSBENCH_CACHE", "/dev/null/cache")
    assert main(["doctor"]) == 1
    assert "broken   cache folder /dev/null/cache. Not a directory. Set TTSBENCH_CACHE" in capsys.readouterr().out


def test_full_cache_disk_is_reported_but_not_fatal(monkeypatch):
    monkeypatch.setattr(doctor, "SPACE_GB", 1e9)
    (finding,) = findings_about("cache folder")
    assert finding.mark == "broken" and not finding.fatal and "Free" in finding.advice


def test_old_python_is_fatal(monkeypatch):
    monkeypatch.setattr(doctor, "PYTHON", ((3, 98), (3, 99)))
    (finding,) = findings_about("Python 3.")
    assert (finding.mark, finding.fatal) == ("broken", True) and "3.98" in finding.advice


def test_torchaudio_of_another_release_is_fatal(monkeypatch):
    monkeypatch.setattr(doctor, "_version", lambda package: "2.8.0+cpu")
    (finding,) = findings_about("with torchaudio 2.8.0+cpu")
    assert finding.fatal and "torchaudio==2.11.*" in finding.advice


@pytest.mark.parametrize("package", ["torchaudio", "espeakng_loader", "pyworld", "pysptk"])
def test_package_that_cannot_be_imported_is_fatal(monkeypatch, package):
    real = importlib.import_module

    def refuse(name, *arguments):
        if name == package:
            raise OSError("undefined symbol")
        return real(name, *arguments)

    monkeypatch.setattr(importlib, "import_module", refuse)
    fatal = [finding for finding in doctor.examine() if finding.fatal]
    assert len(fatal) == 1 and "undefined symbol" in fatal[0].advice and "pip install" in fatal[0].advice


@pytest.mark.parametrize(("package", "fatal"), [("pocketsphinx", True), ("resemblyzer", True), ("speechmos", False)])
def test_missing_weights_of_a_package_are_reported(monkeypatch, tmp_path, package, fatal):
    empty = importlib.util.spec_from_loader("empty", None, origin=str(tmp_path / "__init__.py"))
    real = doctor.find_spec
    for spec in (None, empty):
        monkeypatch.setattr(doctor, "find_spec", lambda name, spec=spec: spec if name == package else real(name))
        (finding,) = findings_about(f"of {package}")
        assert (finding.mark, finding.fatal) == ("missing", fatal)
        assert ("no " in finding.advice) and ("There is no" in finding.advice) == (spec is not None)


@pytest.mark.parametrize(("package", "fatal"), [("ttsbench", True), ("ttsbench-mine", False)])
def test_broken_plugin_is_named_with_its_package(monkeypatch, package, fatal):
    entry = EntryPoint("odd", "nonesuch_module:Odd", "ttsbench.metrics")._for(type("Dist", (), {"name": package}))
    real = registry.registered
    monkeypatch.setattr(
        registry, "registered", lambda kind: {**real(kind), "odd": entry} if kind == "metrics" else real(kind)
    )
    (finding,) = findings_about("metric 'odd'")
    assert finding.subject == f"metric 'odd' of {package} (nonesuch_module:Odd)"
    assert finding.mark == "broken" and finding.fatal == fatal and "nonesuch_module" in finding.advice
    assert any("9 metrics" in finding.subject or "metrics import" in finding.subject for finding in doctor.examine())


def test_real_speech_is_optional(monkeypatch, tmp_path):
    (unset,) = findings_about("TTSBENCH_DATA")
    assert unset.mark == "missing" and not unset.fatal
    monkeypatch.setenv("TTSBENCH_DATA", str(tmp_path))
    assert findings_about("TTSBENCH_DATA")[0].mark == "missing"
    (tmp_path / "ljspeech-mini").mkdir()
    assert findings_about("TTSBENCH_DATA")[0].subject == f"TTSBENCH_DATA {tmp_path}: ljspeech-mini"


def test_check_that_raises_becomes_a_finding(monkeypatch):
    def fail(*_):
        raise RuntimeError("no registry")

    monkeypatch.setattr(registry, "registered", fail)
    (finding,) = findings_about("plug-ins")
    assert finding == doctor.Finding("broken", "plug-ins", "RuntimeError: no registry", fatal=True)
    assert findings_about("TTSBENCH_CACHE"), "later checks still run"
    monkeypatch.setitem(sys.modules, "torch", None)
    assert any(finding.fatal for finding in doctor.examine())


def test_missing_optional_model_is_reported_with_its_folder_and_an_alternative(tmp_path):
    lines = {finding.subject: finding for finding in findings_about(", optional") if "DATA" not in finding.subject}
    ecapa = lines["speaker_similarity_ecapa, speaker_similarity_ecapa_prompt, optional"]
    assert (ecapa.mark, ecapa.fatal) == ("missing", False)
    assert ecapa.advice.startswith(f"The model 'speechbrain/spkrec-ecapa-voxceleb' is not in {tmp_path / 'hf' / 'hub'}")
    assert ecapa.advice.endswith("speaker_similarity works without it.")
    assert "pocketsphinx works" in lines["whisper, optional"].advice
    assert "griffin_lim works" in lines["hifigan, optional"].advice
    assert "dnsmos works" in lines["utmosv2, optional"].advice
    assert "the mel works" in lines["encodec, optional"].advice
    assert {mark.mark for mark in lines.values()} == {"missing"} and len(lines) == 9, "one line for each model"


def test_installed_optional_model_is_reported(tmp_path):
    tinyhub.save_ecapa(tmp_path / "model")
    tinyhub.publish(tmp_path / "model", tmp_path / "hf" / "hub", "speechbrain/spkrec-ecapa-voxceleb")
    (present,) = findings_about("optional packages and models are installed")
    assert ", speaker_similarity_ecapa, speaker_similarity_ecapa_prompt" in present.subject
    assert not [finding for finding in findings_about("ecapa") if finding.mark == "missing"]


def test_plugin_that_cannot_be_built_is_not_fatal(monkeypatch):
    real = registry.load

    def fail():
        raise RuntimeError("no such thing")

    monkeypatch.setattr(registry, "load", lambda kind, name: fail if name == "mcd" else real(kind, name))
    (finding,) = [finding for finding in findings_about("metric 'mcd'") if finding.mark == "broken"]
    assert not finding.fatal and finding.advice == "RuntimeError: no such thing"


def test_missing_runtime_of_dnsmos_is_not_fatal(monkeypatch):
    real, missing = importlib.import_module, "onnxruntime"

    def refuse(name, *arguments):
        if name == missing:
            raise ImportError("no wheel")
        return real(name, *arguments)

    monkeypatch.setattr(importlib, "import_module", refuse)
    (finding,) = findings_about("onnxruntime")
    assert (finding.mark, finding.fatal) == ("broken", False) and "DNSMOS is not available" in finding.advice
