"""No configuration ends in a traceback: whatever a file or an option contains, it is accepted or refused by name."""

import inspect
import math

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ttsbench import registry
from ttsbench.config.loading import load_experiment, parse_override
from ttsbench.config.schema import Experiment
from ttsbench.config.section import Section
from ttsbench.config.yaml_text import parse_yaml
from ttsbench.errors import ConfigError
from ttsbench.pipeline import capacity
from ttsbench.pipeline.validation import check_scoring

BOUNDED = settings(
    max_examples=150, deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([0, -1, 1, 7, 2**31, 2**32, 2**63, 2**64, 10**30]),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(
        ["l1", "l2", "oracle", "same", "auto", "cpu", "espeak", "mcd", "~", "$NOT_SET", "../up", "\x00", ".inf"]
    ),
)
VALUES = st.recursive(
    SCALARS,
    lambda children: st.one_of(
        st.lists(children, max_size=3), st.dictionaries(st.text(max_size=6), children, max_size=3)
    ),
    max_leaves=6,
)


def known_keys(section=Experiment, prefix=()):
    """Every path of keys in the schema."""
    for name, field in section.model_fields.items():
        yield (*prefix, name)
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            yield from known_keys(field.annotation, (*prefix, name))


KEYS = st.one_of(
    st.sampled_from(sorted(known_keys())),
    st.sampled_from(
        [("adapters", "l1", key) for key in ("adapter", "options", "nfe", "sampling", "steps", "trained_on")]
    ),
    st.lists(st.text(max_size=6), min_size=1, max_size=3).map(tuple),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz")


def with_value(path, value):
    """The smallest valid experiment with one value replaced."""
    values = {"adapters": {"l1": {}}, "metrics": {"mcd": {}}}
    section = values
    for key in path[:-1]:
        if not isinstance(section.get(key), dict):
            section[key] = {}
        section = section[key]
    section[path[-1]] = value
    return values


@BOUNDED
@given(path=KEYS, value=VALUES)
def test_any_value_of_any_key_is_accepted_or_refused(folder, path, value):
    file = folder / "experiment.yaml"
    file.write_text(yaml.safe_dump(with_value(path, value)), encoding="utf-8", errors="surrogatepass")
    try:
        experiment = load_experiment(file)
        capacity.check_capacity(experiment)
    except ConfigError as error:
        assert str(error)
    else:
        assert Experiment.model_validate(experiment.model_dump(mode="json")) == experiment
        assert all(math.isfinite(rate) for rate in (experiment.train.acoustic.learning_rate, experiment.mel.f_max))


@BOUNDED
@given(content=st.one_of(st.binary(max_size=80), st.text("{}[]:&*!<-?|>%@#'\" \nab1", max_size=60).map(str.encode)))
def test_any_content_of_a_file_is_accepted_or_refused(folder, content):
    file = folder / "content.yaml"
    file.write_bytes(content)
    with pytest.raises(ConfigError):  # it never names adapters and metrics
        load_experiment(file)


@BOUNDED
@given(text=st.text("{}[]:&*!<-?|>%@#'\" \nab1.=", max_size=60))
def test_any_text_is_parsed_or_refused(text):
    for parse in (parse_yaml, lambda text: parse_override(text, {})):
        try:
            parse(text)
        except (ValueError, ConfigError) as error:
            assert parse is not parse_yaml or "\n" not in str(error)


def options_of_metrics():
    """Name and option of every metric with options."""
    for name in sorted(registry.registered("metrics")):
        yield from ((name, option) for option in inspect.signature(registry.load("metrics", name)).parameters)


OPTIONS = sorted(options_of_metrics()) or [("mcd", "none")]


@settings(BOUNDED, max_examples=80)
@given(option=st.sampled_from(OPTIONS), value=VALUES)
def test_any_option_of_any_metric_is_accepted_or_refused(option, value):
    name, key = option
    values = {"name": "x", "metrics": {name: {key: value}}}
    try:
        check_scoring(Experiment.model_validate(values))
    except ConfigError as error:
        assert str(error)
    except ValueError as error:  # pydantic refuses non-finite numbers only in loading
        assert "metrics" in str(error)
