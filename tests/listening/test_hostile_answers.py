"""A malformed or forged file costs its own line of the list; a bad address for answers is refused."""

import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from listeners import answers, as_rows, make_run, noisy, save

from ttsbench import cli
from ttsbench.errors import ConfigError
from ttsbench.listening.answers import find_files, read_answers
from ttsbench.listening.export import ExportRequest, export
from ttsbench.listening.key import read_key
from ttsbench.listening.kinds import KINDS
from ttsbench.listening.page import check_address

MEANS = {"ground-truth": 4.6, "anchor-3500Hz": 1.8, "l1+oracle": 3.0}
BOUNDED = settings(
    max_examples=100, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5) | st.sampled_from([10**400, "1" * 5000, -1, 1]),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=5), children, max_size=3),
    max_leaves=4,
)


@pytest.fixture(scope="module")
def mos(tmp_path_factory):
    root = tmp_path_factory.mktemp("hostile")
    run = make_run(root / "run", 8)
    export(run, ExportRequest("mos", ("ground-truth", "l1+oracle"), utterances=6, checks=1), root / "test")
    return root / "test"


def honest(seed=0):
    return noisy(MEANS, np.random.default_rng(seed), 1, 5)


def checked(test, folder):
    key = read_key(test)
    return read_answers(find_files([folder]), key, KINDS[key.kind])


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("short.csv", "test_id,list,listener,trial,stimulus,rating,position,seconds,started\nmos\n", "belongs to test"),
        ("long.csv", "test_id,list,listener,trial,stimulus,rating\na,b,c,d,e,f,g,h,i\n", "belongs to test"),
        ("mushra.csv", "session_test_id,session_uuid,trial_id,rating_stimulus,rating_score\nmos\n", "belongs to test"),
        ("null.csv", "test_id,list\n\x00\n", "no readable answers"),
    ],
)
def test_malformed_table_costs_its_own_line(mos, tmp_path, name, content, reason):
    save(tmp_path, answers(mos, honest()))
    (tmp_path / name).write_text(content, encoding="utf-8")
    (accepted,), (rejected,) = checked(mos, tmp_path)
    assert accepted.listener == "anna" and rejected.file == name and reason in rejected.reason


def test_row_of_one_field_costs_its_own_session(mos, tmp_path):
    (tmp_path / "anna.csv").write_text(as_rows(answers(mos, honest())) + "stray\n", encoding="utf-8")
    (accepted,), (rejected,) = checked(mos, tmp_path)
    assert accepted.listener == "anna" and "it belongs to test 'stray'" in rejected.reason


@pytest.mark.parametrize("number", ["1" * 5000, "١", "01", "+1", 10**30, [], {}, True])
def test_number_of_a_list_that_does_not_exist_is_refused(mos, tmp_path, number):
    save(tmp_path, {**answers(mos, honest(), "berta"), "list": number})
    save(tmp_path, answers(mos, honest()))
    (accepted,), (rejected,) = checked(mos, tmp_path)
    assert accepted.listener == "anna" and "the test has" in rejected.reason


@BOUNDED
@given(
    field=st.sampled_from(["format", "testId", "list", "listener", "started", "device", "answers"]), value=JSON_VALUES
)
def test_any_value_in_a_file_costs_at_most_that_file(mos, tmp_path, field, value):
    save(tmp_path, answers(mos, honest()))
    (tmp_path / "zz.json").write_text(json.dumps({**answers(mos, honest(1), "berta"), field: value}), encoding="utf-8")
    accepted, rejected = checked(mos, tmp_path)
    assert "anna.json" in {session.file for session in accepted} and len(accepted) + len(rejected) == 2


@pytest.mark.parametrize(
    "started", ["0", "!", "1970-01-01T00:00:00Z", "2020-01-01", "", "-", "0001-01-01T00:00:00+23:59"]
)
def test_forged_early_time_does_not_displace_a_listener(mos, tmp_path, started):
    save(tmp_path / "b", answers(mos, honest(), "anna", 1))
    save(tmp_path / "a", answers(mos, honest(5), "anna", 1, started))
    (accepted,), (rejected,) = checked(mos, tmp_path)
    genuine = {
        (rating.utterance, rating.system, rating.rating) for rating in checked(mos, tmp_path / "b")[0][0].ratings
    }
    assert {(rating.utterance, rating.system, rating.rating) for rating in accepted.ratings} == genuine
    assert rejected.reason == "anna has already answered, in anna.json"


@pytest.mark.parametrize("address", ["", "https://host/answers", "http://10.0.0.1:8000/a?b=c", "https://[::1]:80/x"])
def test_address_of_a_server_is_accepted(address):
    check_address(address)


@pytest.mark.parametrize(
    "address",
    ["host/answers", "ftp://host", "javascript:alert(1)", "https://", "https://host; script-src *", "https://[", "https://*",
     "https://host:99999/", "https://host:0/", "https://a@host/", "https://ho\nst/", "https://host/'", "https://hö.de/"],
)  # fmt: skip
def test_bad_address_is_refused_before_anything_is_written(address, tmp_path, capsys):
    assert cli.main(["listen", "export", str(tmp_path), "--test", "mos", f"--post={address}", "--output",
                     str(tmp_path / "out")]) == 2  # fmt: skip
    assert "--post" in capsys.readouterr().err and not (tmp_path / "out").exists()


@BOUNDED
@given(address=st.text(max_size=12).map(lambda text: f"https://{text}") | st.text(max_size=12))
def test_any_address_is_accepted_or_refused(address):
    try:
        check_address(address)
    except ConfigError as error:
        assert "--post" in str(error)
    else:
        assert not set(address) & set(" ;,'\"\n*")
