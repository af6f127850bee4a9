"""No sentence on both sides, speakers balanced, the same answer whatever the order of the listing."""

import random
from collections import Counter
from pathlib import Path

import pytest

from ttsbench.data.splits import split
from ttsbench.errors import ConfigError, CorpusError
from ttsbench.types import Utterance

NUMBERS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]


def say(id, text, speaker="s", **attributes):
    return Utterance(id, speaker, text, Path("none.wav"), None, attributes)


def corpus(speakers=("ann", "bob"), clips=20):
    texts = [f"{a} {b}" for a in NUMBERS for b in NUMBERS]
    listing = []
    for number, speaker in enumerate(speakers):
        mine = texts[number * clips : (number + 1) * clips]
        listing += [say(f"{speaker}-{index:02}", text, speaker) for index, text in enumerate(mine)]
    return listing


def test_splits_have_the_requested_sizes_and_balance_speakers():
    splits, notes = split(corpus(("ann", "bob", "cid")), test=9, valid=4, seed=1)
    assert Counter(splits.values()) == {"test": 9, "valid": 4, "train": 47}
    assert Counter(id[:3] for id, name in splits.items() if name == "test") == {"ann": 3, "bob": 3, "cid": 3}
    assert list(splits) == sorted(splits)
    assert notes == []


def test_speakers_with_unequal_counts_are_balanced():
    listing = corpus(("ann", "bob"), clips=40)[:45]  # 40 of ann, 5 of bob
    splits, _ = split(listing, test=8, valid=0, seed=1)
    assert Counter(id[:3] for id, name in splits.items() if name == "test") == {"ann": 4, "bob": 4}
    splits, _ = split(listing, test=12, valid=0, seed=1)  # bob keeps one clip to train on
    assert Counter(id[:3] for id, name in splits.items() if name == "test") == {"ann": 8, "bob": 4}


def test_splits_depend_on_the_seed_but_not_on_the_listing_order():
    listing = corpus()
    first, _ = split(listing, test=5, valid=5, seed=3)
    for shuffle in range(5):
        random.Random(shuffle).shuffle(listing)
        assert split(listing, test=5, valid=5, seed=3)[0] == first
    others = [split(listing, test=5, valid=5, seed=seed)[0] for seed in range(10, 15)]
    assert all(other != first for other in others)


def test_test_split_does_not_depend_on_the_size_of_the_valid_split():
    splits = [split(corpus(), test=5, valid=valid, seed=0)[0] for valid in (0, 9)]
    tests = [{id for id, name in one.items() if name == "test"} for one in splits]
    assert tests[0] == tests[1]


def test_utterances_with_the_same_words_share_a_split():
    listing = corpus()
    for row in corpus():  # everything once more, spelt otherwise and by two other speakers
        listing.append(say("again-" + row.id, row.text.upper() + "!", "cid" if row.id < "b" else "dan"))
    for seed in range(20):
        splits, _ = split(listing, test=10, valid=6, seed=seed)
        assert all(splits[row.id] == splits["again-" + row.id] for row in corpus())
        assert Counter(splits.values()) == {"test": 10, "valid": 6, "train": 64}


def test_sentences_read_by_all_speakers_do_not_fit():
    speakers = [f"s{number}" for number in range(7)]
    listing = [say(f"{name}-{text}", text, name) for name in speakers for text in NUMBERS]
    splits, notes = split(listing, test=10, valid=7, seed=0)
    assert Counter(splits.values()) == {"test": 7, "valid": 7, "train": 56}
    assert len(notes) == 1
    assert "test split has 7 utterances instead of 10" in notes[0]
    with pytest.raises(CorpusError, match="No sentence fits into the test split of 5"):
        split(listing, test=5, valid=7, seed=0)
    with pytest.raises(CorpusError, match="valid split of 2"):
        split(listing, test=7, valid=2, seed=0)


def test_speaker_with_one_clip_is_trained_on_and_reported():
    listing = [*corpus(clips=6), say("solo-00", "something else", "solo")]
    for seed in range(30):
        splits, notes = split(listing, test=4, valid=2, seed=seed)
        assert splits["solo-00"] == "train"
        assert notes == ["Speaker solo has a single clip, which is in the training split."]


def test_every_tested_speaker_is_trained_on():
    listing = [say(f"{name}-{i}", f"{text} {i_text}", name) for name, text in zip("abcdef", NUMBERS, strict=False)
               for i, i_text in enumerate(NUMBERS[:2])]  # fmt: skip
    for seed in range(30):
        splits, _ = split(listing, test=4, valid=2, seed=seed)
        by_split = {name: {id[0] for id, s in splits.items() if s == name} for name in ("train", "valid", "test")}
        assert by_split["train"] == set("abcdef")
        assert not by_split["valid"] & by_split["test"]


def test_too_little_data_is_refused():
    with pytest.raises(CorpusError, match=r"12 usable utterances .* 6 test and 2 validation.* at most 6"):
        split(corpus(clips=6), test=6, valid=2, seed=0)
    split(corpus(clips=6), test=4, valid=2, seed=0)


@pytest.mark.parametrize(("test", "valid"), [(0, 1), (-1, 1), (1, -1)])
def test_invalid_counts_are_refused(test, valid):
    with pytest.raises(ConfigError, match=r"corpus\.test is"):
        split(corpus(), test=test, valid=valid, seed=0)


def test_the_splits_of_a_corpus_are_used():
    listing = [
        say("a", "one", split="train"),
        say("b", "two", split="valid"),
        say("c", "three", split="test"),
        say("d", "One.", split="train"),
    ]
    splits, notes = split(listing, test=100, valid=100, seed=0)
    assert splits == {"a": "train", "b": "valid", "c": "test", "d": "train"}
    told = "The corpus sets its own splits, which override corpus.test and corpus.valid: 2 train, 1 valid, 1 test."
    assert notes == [told]


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (say("d", "THREE!", split="train"), r"c \(test\) and d \(train\) have the same words"),
        (say("d", "Two?", split="test"), r"b \(valid\) and d \(test\) have the same words"),
        (say("d", "four"), "d has the split None"),
        (say("d", "four", split="dev"), "d has the split 'dev'"),
        (say("d", "four", "new", split="test"), "new are tested but not trained on"),
    ],
)
def test_the_splits_of_a_corpus_are_checked(extra, message):
    listing = [say("a", "one", split="train"), say("b", "two", split="valid"), say("c", "three", split="test")]
    with pytest.raises(CorpusError, match=message):
        split([*listing, extra], test=1, valid=1, seed=0)


def test_a_corpus_without_train_or_test_split_is_refused():
    with pytest.raises(CorpusError, match="train and test"):
        split([say("a", "one", split="train"), say("b", "two", split="valid")], test=1, valid=1, seed=0)


def test_real_speech_shares_no_sentence(speech_data):
    from ttsbench.data.layouts import LibriSpeech

    listing = LibriSpeech(speech_data / "librispeech-3spk").utterances()
    splits, _ = split(listing, test=30, valid=12, seed=0)
    texts = {name: {row.text for row in listing if splits[row.id] == name} for name in ("train", "valid", "test")}
    assert not texts["train"] & (texts["test"] | texts["valid"])
    assert not texts["valid"] & texts["test"]
    speakers = Counter(row.speaker for row in listing if splits[row.id] == "test")
    assert max(speakers.values()) - min(speakers.values()) <= 1
