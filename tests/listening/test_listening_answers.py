"""Answers of listeners: which files and sessions count, and why others do not."""

import copy
import json

import pytest
from honestlisteners import checked, honest
from listeners import answers, as_rows, save

from ttsbench.errors import ConfigError
from ttsbench.listening.answers import find_files
from ttsbench.listening.key import read_key
from ttsbench.listening.kinds import KINDS
from ttsbench.listening.results import import_answers

# Answers that count


def test_json_and_csv_of_the_page_hold_the_same(mos, tmp_path):
    values = answers(mos, honest())
    written = save(tmp_path / "json", values)
    (tmp_path / "anna.csv").write_text(as_rows(values))
    (from_json,), none = checked(mos, written)
    (from_csv,), _ = checked(mos, tmp_path / "anna.csv")
    assert not none
    assert from_json.ratings == from_csv.ratings
    assert (from_json.listener, from_json.list, from_json.checks, from_json.missed) == ("anna", 1, 2, 0)
    assert len(from_json.ratings) == 10
    wanted = {(one.utterance, one.system): one.rating for one in from_json.ratings}
    again = honest()
    key = read_key(mos)
    for id_ in key.lists[0]:
        if key.trials[id_].expected is None:
            clip = key.stimuli[key.trials[id_].stimuli[0]]
            assert wanted[clip.utterance, clip.system] == again(clip.system, clip.utterance)


def test_a_session_saved_twice_counts_once_and_loses_nothing(mos, tmp_path):
    values = answers(mos, honest())
    save(tmp_path / "a", values)
    (tmp_path / "a" / "anna.csv").write_text(as_rows(values))
    counted, (copied,) = checked(mos, tmp_path / "a")
    assert [one.file for one in counted] == ["anna.json"]
    assert copied.copy
    assert copied.lost == {}


def changed(values, change):
    values = copy.deepcopy(values)
    change(values)
    return values


FAULTS = {
    "another test": (lambda v: v.update(testId="mos-ffffffff"), "it belongs to test 'mos-ffffffff'"),
    "no listener": (lambda v: v.update(listener="  "), "does not name the listener"),
    "no such list": (lambda v: v.update(list=6), "the test has 5 lists, and none is '6'"),
    "no list": (lambda v: v.update(list=None), "and none is 'None'"),
    "incomplete": (lambda v: v["answers"].pop(), "incomplete: 1 of 12 ratings are missing"),
    "too high": (lambda v: v["answers"][0].update(ratings=dict.fromkeys(v["answers"][0]["ratings"], 6)), "rated '6'"),
    "a fraction": (lambda v: v["answers"][0].update(ratings=dict.fromkeys(v["answers"][0]["ratings"], 2.5)), "'2.5'"),
    "a word": (lambda v: v["answers"][0].update(ratings=dict.fromkeys(v["answers"][0]["ratings"], "NA")), "'NA'"),
    "true": (lambda v: v["answers"][0].update(ratings=dict.fromkeys(v["answers"][0]["ratings"], True)), "'True'"),
    "huge": (lambda v: v["answers"][0].update(ratings=dict.fromkeys(v["answers"][0]["ratings"], 10**400)), "rated '1"),
    "unknown stimulus": (lambda v: v["answers"][0].update(ratings={"s0": 3}), "'s0' in "),
    "unknown trial": (lambda v: v["answers"][0].update(trial="t0"), "is not rated in list 1"),
    "twice": (lambda v: v["answers"].append(v["answers"][0]), "is rated twice"),
    "another format": (lambda v: v.update(format="x"), "its format is 'x'"),
    "no answers": (lambda v: v.pop("answers"), "it holds no readable answers (KeyError: 'answers')"),
    "answers are a number": (lambda v: v.update(answers=3), "it holds no readable answers (TypeError"),
    "no ratings": (lambda v: v["answers"][0].update(ratings=[1]), "it holds no readable answers (AttributeError"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_wrong_is_refused_with_the_reason(mos, tmp_path, fault):
    change, reason = FAULTS[fault]
    path = save(tmp_path, answers(mos, honest(), "berta", 2))
    path.rename(tmp_path / "good.json")
    (tmp_path / "bad.json").write_text(json.dumps(changed(answers(mos, honest()), change)))
    counted, (rejected,) = checked(mos, tmp_path)
    assert [one.listener for one in counted] == ["berta"]
    assert rejected.file == "bad.json"
    assert reason in rejected.reason


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"{", b"[1]", b"null", b"[" * 100000])
@pytest.mark.parametrize("suffix", [".json", ".csv"])
def test_files_that_hold_nothing_are_refused_and_cost_nothing(mos, tmp_path, content, suffix):
    save(tmp_path, answers(mos, honest()))
    (tmp_path / f"bad{suffix}").write_bytes(content)
    counted, (rejected,) = checked(mos, tmp_path)
    assert len(counted) == 1
    assert "it holds no readable answers" in rejected.reason


def test_of_two_sessions_of_a_listener_the_first_counts(mos, tmp_path):
    save(tmp_path / "b", answers(mos, honest(1), "anna", 2, "2099-01-02T10:00:00Z"))
    save(tmp_path / "c", answers(mos, honest(2), "anna", 1, "2099-01-01T10:00:00Z"))
    (counted,), (rejected,) = checked(mos, tmp_path)
    assert counted.list == 1
    assert rejected.reason == "anna has already answered, in anna.json"
    assert sum(rejected.lost.values()) == 10


def test_an_incomplete_session_does_not_stand_in_the_way_of_a_complete_one(mos, tmp_path):
    broken = changed(answers(mos, honest(), started="2099-01-01T09:00:00Z"), lambda v: v["answers"].pop())
    save(tmp_path / "a", broken)
    save(tmp_path / "b", answers(mos, honest()))
    (counted,), (rejected,) = checked(mos, tmp_path)
    assert len(counted.ratings) == 10
    assert "incomplete" in rejected.reason


def test_codes_of_listeners_are_made_harmless(mos, tmp_path):
    (tmp_path / "x.json").write_text(json.dumps(answers(mos, honest(), "a|b\n% <img>")))
    (counted,), _ = checked(mos, tmp_path)
    assert counted.listener == "a-b-img-"


def test_there_must_be_files_and_a_test(mos, tmp_path):
    with pytest.raises(ConfigError, match="does not exist"):
        find_files([tmp_path / "none"])
    with pytest.raises(ConfigError, match="holds no answer files"):
        find_files([tmp_path])
    with pytest.raises(ConfigError, match=r"holds no key\.json"):
        import_answers(tmp_path, [tmp_path], tmp_path / "out")
    (tmp_path / "key.json").write_text('{"test_id": 1}')
    with pytest.raises(ConfigError, match="is not the key of a listening test"):
        import_answers(tmp_path, [tmp_path], tmp_path / "out")


# webMUSHRA


def written_by_webmushra(test, values, code):
    """The CSV that ``service/write.php`` writes of a session: ids of the test in its columns."""
    key = read_key(test)
    together = KINDS[key.kind].arrangement == "together"
    test_id = f"{key.test_id}-list{values['list']}"
    columns = ["rating_stimulus", "rating_score", "rating_time", "rating_comment"]
    head = f"session_test_id,listener,session_uuid,trial_id,{','.join(columns)}" if together else (
        "session_test_id,listener,trial_id,stimuli_rating,stimuli,rating_time")  # fmt: skip
    lines = [head]
    for answer in values["answers"]:
        for stimulus, rating in answer["ratings"].items():
            if together:
                name = "reference" if key.stimuli[stimulus].system == "ground-truth" else stimulus
                lines.append(f"{test_id},{code},0b8a-{code},{answer['trial']},{name},{rating},5000,")
            else:
                lines.append(f'{test_id},{code},quality,{rating},{stimulus},"5000"')
    return lines


@pytest.mark.parametrize("kind", ["mos", "mushra"])
def test_results_of_webmushra_are_the_same_ratings(kind, request, tmp_path):
    test = request.getfixturevalue(kind)
    rate = honest() if kind == "mos" else (lambda system, utterance: 100 if system == "ground-truth" else 40)
    anna, berta = answers(test, rate, "anna", 1), answers(test, rate, "berta", 1)
    lines = written_by_webmushra(test, anna, "anna")
    lines += written_by_webmushra(test, berta, "berta")[1:]
    (tmp_path / "lss.csv").write_text("\n".join(lines) + "\n")
    counted, rejected = checked(test, tmp_path / "lss.csv")
    assert not rejected
    (direct,), _ = checked(test, save(tmp_path, anna))
    bare = {(one.utterance, one.system, one.rating) for one in direct.ratings}
    assert [one.listener for one in counted] == ["anna", "berta"]
    assert bare == {(one.utterance, one.system, one.rating) for one in counted[0].ratings}


def test_of_two_sessions_with_one_code_the_first_counts(mushra, tmp_path):
    """webMUSHRA tells sessions apart by ``session_uuid``; results that were joined repeat their heading."""
    first, second = (
        written_by_webmushra(mushra, answers(mushra, lambda system, utterance, low=low: 100 if system == "ground-truth"
                                             else low, "1", 1), "1")
        for low in (40, 60)
    )  # fmt: skip
    lines = [*first, *(line.replace("0b8a-1", "0b8a-2") for line in second)]
    (tmp_path / "joined.csv").write_text("\n".join(lines) + "\n")
    (counted,), (rejected,) = checked(mushra, tmp_path / "joined.csv")
    assert {rating.rating for rating in counted.ratings} == {40, 100}
    assert "has already answered" in rejected.reason


def test_a_likert_result_without_codes_is_refused(mos, tmp_path):
    lines = written_by_webmushra(mos, answers(mos, honest()), "")
    (tmp_path / "lss.csv").write_text("\n".join(lines) + "\n")
    counted, (rejected,) = checked(mos, tmp_path)
    assert not counted
    assert "the listener" in rejected.reason
