"""Lists of a listening test: everybody hears every system equally often, and every utterance is heard under each."""

import math
from collections import Counter

import pytest

from ttsbench.errors import ConfigError
from ttsbench.listening import commands
from ttsbench.listening.conditions import choose
from ttsbench.listening.design import Size, make_lists, size
from ttsbench.listening.kinds import KINDS, kind_of

KNOWN = ["ground-truth", "copy-synthesis", "a+oracle", "b+oracle", "c+oracle"]
SYSTEMS = ["a", "b", "c", "d"]
UTTERANCES = [f"u{number}" for number in range(16)]


def test_single_clips_are_balanced_within_and_over_lists():
    lists = make_lists("single", UTTERANCES, SYSTEMS, "a", 8)
    assert len(lists) == 2 * 4
    for one in lists:
        assert Counter(trial.systems for trial in one) == dict.fromkeys([(name,) for name in SYSTEMS], 2)
        assert max(Counter(trial.utterance for trial in one).values()) == 1
    heard = Counter((trial.utterance, trial.systems) for one in lists for trial in one)
    assert heard == dict.fromkeys([(id_, (name,)) for id_ in UTTERANCES for name in SYSTEMS], 1)


def test_pairs_are_balanced_and_so_is_their_order():
    lists = make_lists("pair", UTTERANCES[:12], SYSTEMS, "b", 12)
    assert len(lists) == 3
    for one in lists:
        assert max(Counter(trial.utterance for trial in one).values()) == 1
        pairs = Counter(frozenset(trial.systems) for trial in one)
        assert pairs == dict.fromkeys([frozenset({name, "b"}) for name in "acd"], 4)
        assert Counter(trial.systems for trial in one if "a" in trial.systems) == {("a", "b"): 2, ("b", "a"): 2}
    heard = Counter((trial.utterance, frozenset(trial.systems)) for one in lists for trial in one)
    assert set(heard.values()) == {1}
    assert len(heard) == 12 * 3
    for id_ in UTTERANCES[:12]:
        first = sum(trial.systems[0] == "b" for one in lists for trial in one if trial.utterance == id_)
        assert first in (1, 2)


def test_side_by_side_every_utterance_comes_with_all_systems_once():
    lists = make_lists("together", UTTERANCES, SYSTEMS, "a", 4)
    assert [len(one) for one in lists] == [4] * 4
    assert all(trial.systems == tuple(SYSTEMS) for one in lists for trial in one)
    assert Counter(trial.utterance for one in lists for trial in one) == dict.fromkeys(UTTERANCES, 1)


def test_numbers_that_nobody_asked_for_are_balanced_and_fit():
    assert size("single", 9, 60, None, None) == Size(27, 27)
    assert size("single", 9, 20, None, None) == Size(18, 18)
    assert size("single", 9, 60, 54, None) == Size(54, 27)
    assert size("single", 40, 60, None, None) == Size(40, 40)
    assert size("pair", 5, 60, None, None) == Size(25, 25)
    assert size("together", 12, 7, None, None) == Size(7, 7)
    assert size("together", 12, 60, None, 6) == Size(6, 6)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (("single", 9, 60, 54, 20), "a multiple of 9"),
        (("single", 9, 60, 30, 18), "a multiple of "),
        (("together", 5, 8, 9, 9), "of the 8 utterances"),
        (("single", 9, 8, None, None), "fewer --systems"),
        (("single", 9, 60, None, 0), "--per-listener 0"),
        (("single", 9, 60, 0, 9), "--utterances 0"),
        (("single", 9, 60, -27, 27), "--utterances -27"),
    ],
)
def test_numbers_that_give_no_balance_are_refused_with_what_would(asked, told):
    with pytest.raises(ConfigError, match=told):
        size(*asked)


def test_what_is_heard_by_default():
    mos = choose(KINDS["mos"], KNOWN, [], "", None)
    assert mos.systems == ("ground-truth", "copy-synthesis", "anchor-3500Hz", "a+oracle", "b+oracle", "c+oracle")
    assert mos.references == ("ground-truth", "copy-synthesis", "anchor-3500Hz")
    assert mos.baseline == "a+oracle"
    preference = choose(KINDS["preference"], KNOWN, [], "b+oracle", None)
    assert preference.systems == ("a+oracle", "b+oracle", "c+oracle")
    mushra = choose(KINDS["mushra"], KNOWN, ["c+oracle"], "", [3500, 7000])
    assert mushra.systems == ("ground-truth", "anchor-3500Hz", "anchor-7000Hz", "c+oracle")  # the hidden reference


def test_the_command_line_offers_what_there_is():
    assert set(commands.KINDS) == set(KINDS)


def test_what_cannot_be_heard_is_refused():
    with pytest.raises(ConfigError, match=r"no system 'a\+orcale'. Did you mean 'a\+oracle'"):
        choose(KINDS["mos"], KNOWN, ["a+orcale"], "", None)
    with pytest.raises(ConfigError, match="no system 'd'"):
        choose(KINDS["mos"], KNOWN, [], "d", None)
    with pytest.raises(ConfigError, match="compares nothing"):
        choose(KINDS["preference"], KNOWN, ["a+oracle"], "", None)
    with pytest.raises(ConfigError, match="--anchors nan"):
        choose(KINDS["mos"], KNOWN, [], "", [math.nan])
    with pytest.raises(ConfigError, match="at most 12"):
        choose(KINDS["mushra"], [*KNOWN, *(f"s{n}" for n in range(8))], [], "", None)
    with pytest.raises(ConfigError, match="Did you mean 'mushra'"):
        kind_of("mushr")
