"""Every registered adapter and metric conforms, and each fault is found by the check meant for it."""

import random
from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import EntryPoint
from types import MappingProxyType, SimpleNamespace

import numpy as np
import pytest
import torch
from planted_adapters import (
    Adapter,
    AroundTheCounter,
    BadInfo,
    CostsMore,
    Demanding,
    DetachedLoss,
    DrawsGlobally,
    GivesNan,
    HearsPadding,
    HiddenAverage,
    HiddenCount,
    IgnoresMaskInLoss,
    InfiniteLoss,
    LearnsFromGlobalNoise,
    LooksAtPadding,
    LosesTheDevice,
    LossPerUtterance,
    MissesANetwork,
    NeedsTemperatureOne,
    NoGenerator,
    NoInfo,
    NoRate,
    NormalisesOverBatch,
    NotStochastic,
    OnePassForAnyNfe,
    OutsideParameter,
    PaysTwice,
    Raises,
    RatesOfNobody,
    ReadsEveryRow,
    RemembersTraining,
    RestsForever,
    SecretlyStochastic,
    SharedNetworks,
    SwapsLosses,
    UnknownGroup,
    UnknownTeacher,
    UnusedParameter,
    WritesIntoCondition,
    WrongOrder,
    WrongShape,
)
from planted_metrics import (
    ForgetsTheReference,
    GivesArray,
    LastRow,
    MeasuresSilence,
    Metric,
    NanMetric,
    NeedsMusic,
    NeedsTwoRows,
    RaisesValueError,
    RandomMetric,
    SortsRows,
    TwoNumbers,
    Unseeded,
    Unsigned,
    WritesSamples,
    WrongDirection,
)
from tinyplugins import Variational

from ttsbench import AdapterInfo, ConfigError, registry
from ttsbench.audio.usable import require_usable
from ttsbench.backends.hub import missing
from ttsbench.checks.check import Finding, check, root_causes
from ttsbench.checks.conformance.speech import clip_of, unusable, voice
from ttsbench.checks.global_rng import used_generators
from ttsbench.cli import main


def failures(name):
    return {finding.property: finding.problem for finding in check(name) if not finding.ok}


@pytest.mark.parametrize("name", sorted(registry.registered("adapters")))
def test_registered_adapter_conforms(name):
    assert not failures(name)


# Variants that share the code of another metric and take long: the default run has one of each kind.
SLOW_VARIANTS = {"dnsmos_bak", "dnsmos_p808", "dnsmos_sig", "dnsmos_p808_versa", "f0_rmse_versa_dtw",
                 "f0_correlation_versa_plain"}  # fmt: skip


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] if name in SLOW_VARIANTS else [])
        for name in sorted(registry.registered("metrics"))
    ],
)
def test_registered_metric_conforms(name):
    lacking = missing(registry.load("metrics", name)())
    if lacking:
        pytest.skip(lacking)  # with tiny models in their places: tests of hub, speaker and perceptual metrics
    assert not failures(name)


@pytest.fixture
def plant(monkeypatch):
    """Register a class under the name 'planted', beside the real ones."""

    def register(kind, cls):
        real_registered, real_load = registry.registered, registry.load
        entry = EntryPoint("planted", f"{cls.__module__}:{cls.__name__}", f"ttsbench.{kind}")

        def registered(asked):
            entries: Mapping = real_registered(asked)
            return MappingProxyType({**entries, "planted": entry}) if asked == kind else entries

        def load(asked, name):
            return cls if (asked, name) == (kind, "planted") else real_load(asked, name)

        monkeypatch.setattr(registry, "registered", registered)
        monkeypatch.setattr(registry, "load", load)
        return failures("planted")

    return register


def test_planted_adapter_without_a_fault_conforms(plant):
    assert plant("adapters", Adapter) == {}


def test_adapter_that_uses_every_feature_conforms(plant):
    assert plant("adapters", Demanding) == {}


def test_adapter_with_one_loss_for_two_networks_samples_and_dropout_conforms(plant):
    class Planted(Variational):
        info = replace(Variational.info, name="planted")

    assert plant("adapters", Planted) == {}


def test_samples_are_masked_like_targets(plant):
    problems = {check: text for check, text in plant("adapters", HearsPadding).items() if "padding" in check}
    assert list(problems) == ["acoustic: losses do not depend on padding"], "a prosody model gets no samples"


def test_planted_metric_without_a_fault_conforms(plant):
    assert plant("metrics", Metric) == {}


@pytest.mark.parametrize(
    ("cls", "name", "words"),
    [
        (IgnoresMaskInLoss, "losses do not depend on padding", "masked_mean"),
        (LooksAtPadding, "samples do not depend on padding", "other content of the padding"),
        (DrawsGlobally, "sampling leaves the global generators alone", "torch"),
        (DrawsGlobally, "samples depend on the seeds", "same seeds differ"),
        (LearnsFromGlobalNoise, "losses leave the global generators alone", "random"),
        (LearnsFromGlobalNoise, "losses depend on nothing but", "step 0"),
        (UnusedParameter, "gradients reach every parameter", "generator.forgotten.bias, generator.forgotten.weight"),
        (OutsideParameter, "every trainable parameter is in one", "outside.weight"),
        (OutsideParameter, "a saved generator samples the same", "outside 'generator'"),
        (WrongShape, "samples are (B, T, C)", "not (B, T, C) = (3,"),
        (WrongOrder, "samples are (B, T, C)", "not (B, T, C) = (3,"),
        (GivesNan, "samples are (B, T, C)", "NaN"),
        (GivesNan, "samples take a temperature", "temperature 0 gives NaN"),
        (NormalisesOverBatch, "samples do not depend on the rest of the batch", "differs by up to"),
        (RestsForever, "every network has a loss within", "critic"),
        (RestsForever, "gradients reach every parameter", "critic."),
        (UnknownGroup, "losses are finite scalars", "'generater'"),
        (LossPerUtterance, "losses are finite scalars", "shape (3,)"),
        (DetachedLoss, "losses are finite scalars", "no gradient"),
        (InfiniteLoss, "losses are finite scalars", "inf"),
        (SharedNetworks, "its networks share no parameters", "is also in generator"),
        (NoGenerator, "can be built", "generator"),
        (NotStochastic, "samples depend on the seeds", "same sample"),
        (SecretlyStochastic, "samples depend on the seeds", "other samples"),
        (OnePassForAnyNfe, "sampling calls the generator", "1 at nfe 1, 1 at nfe 2, 1 at nfe 4"),
        (AroundTheCounter, "sampling calls the generator", "never called"),
        (NeedsTemperatureOne, "samples take a temperature", "TypeError"),
        (WritesIntoCondition, "sampling leaves its condition", "cond.sequence"),
        (RemembersTraining, "a saved generator samples the same", "differently by"),
        (BadInfo, "info is complete", "nfe is empty"),
        (UnknownTeacher, "info is complete", "teacher"),
        (NoRate, "info is complete", "learning_rates"),
        (RatesOfNobody, "can be built", "critic"),
        (NoInfo, "info is complete", "no info"),
        (OutsideParameter, "every trainable parameter is in one", "state()"),
        (HiddenAverage, "resumes from its checkpoint", "state(). Not in networks() or state(): average."),
        (HiddenCount, "resumes from its checkpoint", "after resuming at step 6, the loss 'generator' of step 0"),
        (LosesTheDevice, "losses are computed on the model's device", "on the CPU and"),
        (LosesTheDevice, "losses are computed on the model's device", "planted_adapters.py:"),
        (LosesTheDevice, "samples are drawn on the model's device", "make tensors on the device of an input"),
        (
            ReadsEveryRow,
            "a step hardly waits for the device",
            "waits 6 times for the device, more than 4: support",
        ),
        (SwapsLosses, "every loss trains its own network", "losses of two groups swapped?"),
        (MissesANetwork, "every loss trains its own network", "none for 'posterior'"),
        (PaysTwice, "losses are finite scalars", "two losses for 'posterior' in one step; add them up"),
        (CostsMore, "info.step_cost", "info.step_cost is 1, but a step takes"),
        (Raises, "losses are finite scalars", "planted_adapters.py:"),
    ],
)
def test_broken_adapter_is_caught_by_the_right_check(plant, cls, name, words):
    problems = [problem for check, problem in plant("adapters", cls).items() if name in check]
    assert problems and all(words in problem for problem in problems), problems
    assert len(problems) == (1 if name == "info is complete" else 2)  # the fault shows in both roles


@pytest.mark.parametrize(
    ("cls", "name", "words"),
    [
        (NanMetric, "one finite number per column", "nan"),
        (TwoNumbers, "one finite number per column", "('difference',)"),
        (RandomMetric, "measure leaves the global generators alone", "numpy"),
        (Unseeded, "the same for the same clip", "and then"),
        (WritesSamples, "leaves the clips as they were", "samples of the reference"),
        (MeasuresSilence, "refuses an unusable clip", "is measured as"),
        (RaisesValueError, "refuses an unusable clip", "empty raises ValueError: no samples"),
        (ForgetsTheReference, "refuses an unusable clip", "a reference"),
        (LastRow, "order of the rows", "three orders"),
        (NeedsTwoRows, "single row", "IndexError"),
        (SortsRows, "reduce leaves rows", "writes into the rows"),
        (GivesArray, "finite number for several rows", "array"),
        (WrongDirection, "against itself", "higher_is_better"),
        (Unsigned, "info is complete", "'v1'"),
        (NeedsMusic, "info is complete", "music"),
    ],
)
def test_broken_metric_is_caught_by_the_right_check(plant, cls, name, words):
    problems = [problem for check, problem in plant("metrics", cls).items() if name in check]
    assert len(problems) == 1 and words in problems[0], problems


def test_unknown_name_is_compared_with_both_kinds():
    with pytest.raises(ConfigError, match="Did you mean 'mcd'"):
        check("mcdd")
    with pytest.raises(ConfigError, match=r"Unknown adapter or metric 'nonesuch'.*l1.*mcd"):
        check("nonesuch")


def test_command_prints_findings_and_fails_with_them(plant, capsys):
    plant("adapters", UnusedParameter)
    assert main(["check", "planted"]) == 1
    out = capsys.readouterr().out
    assert "FAIL  acoustic: gradients reach every parameter: its own network's loss gives no gradient" in out
    assert "ok    acoustic: can be built" in out
    assert main(["check", "l1"]) == 0


def test_command_prints_root_causes_and_counts_their_consequences(plant, capsys):
    plant("adapters", Raises)
    findings = check("planted")
    failed = sum(not finding.ok for finding in findings)
    assert main(["check", "planted"]) == 1
    lines = capsys.readouterr().out.splitlines()
    printed = [line.split(": ")[:2] for line in lines if line.startswith("FAIL")]
    assert printed == [
        [f"FAIL  {role}", "losses are finite scalars with a gradient"] for role in ("acoustic", "prosody")
    ]
    assert failed > 10 and lines[-2:] == [
        f"{failed - 2} further checks fail as a consequence.",
        f"planted: {len(findings) - failed} of {len(findings)} checks passed.",
    ]


def test_the_same_error_in_both_roles_is_one_root_cause():
    first, second = (Finding(f"{role}: losses", False, "ValueError: x (mine.py:3)") for role in ("acoustic", "prosody"))
    other = Finding("acoustic: samples", False, "shape (3, 2)")
    assert root_causes([first, other, Finding("acoustic: padding", True), second]) == [first, other]


def test_consequences_name_their_root_cause(plant):
    plant("adapters", GivesNan)
    findings = check("planted")
    causes = {finding.property: finding.follows_from for finding in findings if not finding.ok}
    nan = "acoustic: samples are (B, T, C) and finite at every nfe"
    assert causes[nan] == "" and causes["acoustic: samples take a temperature"] == nan
    assert nan in [finding.property for finding in root_causes(findings)]


def test_draws_from_a_global_generator_explain_dependence_on_seeds_and_batch(plant):
    plant("adapters", DrawsGlobally)
    causes = {finding.property: finding.follows_from for finding in check("planted") if not finding.ok}
    rng = "prosody: sampling leaves the global generators alone"
    assert causes[rng] == ""
    assert causes["prosody: samples do not depend on padding"] == rng
    assert causes["prosody: samples depend on the seeds as info.stochastic says"] == rng


def test_exception_in_one_method_leaves_the_checks_of_the_others(plant):
    plant("adapters", Raises)
    findings = {finding.property: finding for finding in check("planted")}
    assert findings["acoustic: samples do not depend on padding"].ok
    first = "acoustic: losses are finite scalars with a gradient"
    assert findings["acoustic: losses do not depend on padding"].follows_from == first


def test_class_that_is_not_registered_is_checked_by_its_reference(capsys):
    assert main(["check", "planted_adapters:Adapter"]) == 0
    assert main(["check", "planted_metrics:Metric"]) == 0
    assert main(["check", "planted_adapters:Nonesuch"]) == 2
    assert "module:Class" in capsys.readouterr().err
    assert "planted" not in registry.registered("adapters")


def test_options_reach_the_constructor(capsys):
    assert main(["check", "planted_adapters:TakesOption"]) == 1
    assert main(["check", "planted_adapters:TakesOption", "--set", "scale=1.0"]) == 0
    assert main(["check", "planted_adapters:TakesOption", "--set", "scael=1.0"]) == 2
    assert "Did you mean 'scale'?" in capsys.readouterr().err


def test_checks_leave_the_global_generators_as_they_were():
    assert used_generators(lambda: [check("l1"), check("nfe")]) == []
    for name, draw in (("torch", lambda: torch.rand(1)), ("numpy", np.random.rand), ("random", random.random)):
        assert used_generators(draw) == [name]


def test_unusable_clips_are_refused_and_the_voice_is_not():
    require_usable(clip_of(voice(140.0, 1.0)))
    for samples in unusable().values():
        with pytest.raises(registry.ConfigError.__base__):
            require_usable(clip_of(samples))


def test_name_of_two_kinds_is_checked_as_both(monkeypatch):
    entries = {"adapters": {"both": SimpleNamespace()}, "metrics": {"both": SimpleNamespace()}}
    classes = {
        "adapters": type("A", (Adapter,), {"info": AdapterInfo("both", "B", "none", stochastic=True)}),
        "metrics": Metric,
    }
    monkeypatch.setattr(registry, "registered", entries.__getitem__)
    monkeypatch.setattr(registry, "load", lambda kind, name: classes[kind])
    found = {finding.property.partition(":")[0] for finding in check("both")}
    assert found == {"adapter", "acoustic", "prosody", "metric"}
