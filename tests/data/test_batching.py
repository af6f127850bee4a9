"""Batches: the length regulator by hand, crops, epochs, and every random choice a function of (seed, step)."""

from collections import Counter

import numpy as np
import pytest
import torch
from tinycorpus import prepared, tiny_corpus

from ttsbench.config.schema import ModelSize
from ttsbench.data.batching import Batches, Item, Prosody, batches_of_similar_length, collate, crop, item, regulate
from ttsbench.data.corpus import Normalisation, PreparedCorpus
from ttsbench.nn.conditioner import Conditioner

PLAIN = Normalisation(0.0, 1.0, 0.0, 1.0, 0.0, 1.0)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    root = tmp_path_factory.mktemp("batching")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TTSBENCH_CACHE", str(root / "cache"))
        yield PreparedCorpus(prepared(root, tiny_corpus(root / "corpus")).folder / "prepare")


def prosody(durations, log_f0):
    return Prosody(np.array(durations), np.array(log_f0, dtype=np.float32))


# The regulator


def test_regulate_of_a_worked_example():
    alignment, features = regulate(prosody([2, 4], [5.0, 8.0]), PLAIN)
    assert alignment.tolist() == [0, 0, 1, 1, 1, 1]
    assert features.dtype == np.float32
    np.testing.assert_allclose(features[:, 0], [1 / 4, 3 / 4, 1 / 8, 3 / 8, 5 / 8, 7 / 8])
    np.testing.assert_allclose(features[:, 1], 1 - features[:, 0])
    np.testing.assert_allclose(features[:, 2], np.log([2, 2, 4, 4, 4, 4]), rtol=1e-6)
    # Centres at 1 and 4 frames; frames lie at .5, 1.5, ...; held beyond the outer centres.
    np.testing.assert_allclose(features[:, 3], [5.0, 5.5, 6.5, 7.5, 8.0, 8.0], rtol=1e-6)


def test_regulate_normalises():
    norm = Normalisation(0.0, 1.0, 4.0, 2.0, 1.0, 0.5)
    _, features = regulate(prosody([3], [5.0]), norm)
    np.testing.assert_allclose(features[:, 2], (np.log(3) - 1.0) / 0.5, rtol=1e-6)
    np.testing.assert_allclose(features[:, 3], 0.5, rtol=1e-6)


@pytest.mark.parametrize("seed", range(20))
def test_regulate_gives_each_phone_its_frames(seed):
    rng = np.random.default_rng(seed)
    durations = rng.integers(1, 9, rng.integers(1, 12))
    log_f0 = rng.normal(5, 1, len(durations))
    alignment, features = regulate(prosody(durations, log_f0), PLAIN)
    assert np.bincount(alignment).tolist() == durations.tolist()
    assert len(features) == durations.sum()
    assert ((features[:, :2] > 0) & (features[:, :2] < 1)).all()
    assert (features[:, 3] >= log_f0.min() - 1e-5).all()
    assert (features[:, 3] <= log_f0.max() + 1e-5).all()


# Items and crops


def test_another_prosody_replaces_that_of_the_recording(corpus):
    one = corpus.split("test")[0]
    given = prosody([2] * len(one.phones), np.linspace(4, 5, len(one.phones)))
    found = item(corpus, one, "acoustic", given)
    assert len(found.alignment) == len(found.target) == 2 * len(one.phones)
    assert not found.target.any()
    own = item(corpus, one, "acoustic")
    assert len(own.alignment) == one.frames
    np.testing.assert_allclose(own.target, corpus.norm.mel(corpus.features(one).mel))


def test_a_prosody_target_is_normalised_log_f0_and_log_duration(corpus):
    one = corpus.split("train")[0]
    found, features = item(corpus, one, "prosody"), corpus.features(one)
    assert found.target.shape == (len(one.phones), 2)
    log_f0 = found.target[:, 0] * corpus.norm.log_f0_std + corpus.norm.log_f0_mean
    durations = np.exp(found.target[:, 1] * corpus.norm.log_duration_std + corpus.norm.log_duration_mean)
    np.testing.assert_allclose(log_f0, features.phone_log_f0, rtol=1e-5)
    np.testing.assert_allclose(durations, features.durations, rtol=1e-4)


def numbered(frames, phones=3):
    steps = np.arange(frames)
    return Item(np.arange(1, phones + 1), 0, np.full(phones, frames // phones), steps * phones // frames,
                np.stack([steps] * 4, axis=1).astype(np.float32), steps[:, None].astype(np.float32))  # fmt: skip


def test_a_crop_is_consecutive_in_all_arrays():
    starts = set()
    for seed in range(60):
        found = crop(numbered(12), 8, np.random.default_rng(seed), reach=3)
        start = int(found.target[0, 0])
        starts.add(start)
        expected = np.arange(start, start + 8)
        assert np.array_equal(found.target[:, 0], expected)
        assert np.array_equal(found.frame_features[:, 2], expected)
        assert np.array_equal(found.alignment, expected * 3 // 12)
        assert len(found.phones) == len(found.durations) == 3
    assert starts == {0, 1, 2, 3, 4}


@pytest.mark.parametrize("frames", [5, 8])
def test_a_short_clip_is_not_cropped(frames):
    found = crop(numbered(frames), 8, np.random.default_rng(0), reach=0)
    assert np.array_equal(found.target, numbered(frames).target)


@pytest.mark.parametrize("reach", [0, 1, 4])
def test_a_crop_has_its_phones_and_those_within_reach(reach):
    whole = numbered(60, phones=20)
    for seed in range(20):
        found = crop(whole, 9, np.random.default_rng(seed), reach)
        start = int(found.target[0, 0])
        spoken = whole.alignment[start : start + 9]
        kept = np.arange(max(0, spoken[0] - reach), min(20, spoken[-1] + reach + 1))
        assert np.array_equal(found.phones, whole.phones[kept])
        assert np.array_equal(found.durations, whole.durations[kept])
        assert np.array_equal(found.phones[found.alignment], whole.phones[spoken])


def test_a_crop_within_the_encoders_reach_is_conditioned_as_in_its_sentence():
    size = ModelSize(dim=16, encoder_layers=2, kernel=3)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        conditioner = Conditioner("acoustic", 30, 1, size.dim, size.encoder_layers, size.kernel)
    whole = numbered(60, phones=30)
    complete = conditioner(collate([whole], "acoustic")).sequence[0]
    for seed in range(10):
        part = crop(whole, 9, np.random.default_rng(seed), size.encoder_reach)
        start = int(part.target[0, 0])
        found = conditioner(collate([part], "acoustic")).sequence[0]
        torch.testing.assert_close(found, complete[start : start + 9])
        short = crop(whole, 9, np.random.default_rng(seed), size.encoder_reach - 1)
        if 6 < start < 45:
            assert not torch.allclose(conditioner(collate([short], "acoustic")).sequence[0], found)


# Collating


def test_masks_and_padding():
    batch = collate([numbered(4, 2), numbered(7, 3)], "acoustic")
    assert batch.mask.tolist() == [[True] * 4 + [False] * 3, [True] * 7]
    assert batch.phone_mask.tolist() == [[True, True, False], [True] * 3]
    assert batch.phones.tolist() == [[1, 2, 0], [1, 2, 3]]
    assert batch.target[0, :, 0].tolist() == [0, 1, 2, 3, 0, 0, 0]
    assert batch.frame_features.shape == (2, 7, 4)
    assert torch.equal(collate([numbered(4, 2), numbered(7, 3)], "prosody").mask, batch.phone_mask)


def test_parts_are_rows():
    batch = collate([numbered(length) for length in (3, 6, 9, 12, 4)], "acoustic")
    first, second = batch.part(0, 2), batch.part(1, 2)
    assert torch.equal(first.target, batch.target[[0, 2, 4]])
    assert torch.equal(second.mask, batch.mask[[1, 3]])


# Training batches


def batches(corpus, seed=0, size=3, crop_frames=24, role="acoustic"):
    return Batches(corpus, role, size, crop_frames, seed, reach=9)


def same(left, right):
    return all(
        torch.equal(getattr(left, name), getattr(right, name)) for name in ("phones", "target", "frame_features")
    )


def test_a_batch_is_a_function_of_seed_and_step(corpus):
    one, other = batches(corpus), batches(corpus)
    order = [4, 0, 2, 1, 3, 0]
    found = {step: other(step) for step in order}
    assert all(same(one(step), found[step]) for step in range(5))
    assert not same(one(0), one(1))
    assert not same(one(0), batches(corpus, seed=1)(0))
    np.random.seed(3)  # noqa: NPY002 (the global generator must not matter)
    torch.manual_seed(3)
    assert same(one(2), batches(corpus)(2))


def test_crops_have_the_requested_size(corpus):
    batch = batches(corpus)(0)
    assert batch.target.shape == (3, 24, 20)
    assert batch.mask.all()
    whole = batches(corpus, crop_frames=None)(0)
    assert whole.target.shape[1] > 24
    assert batches(corpus, role="prosody")(0).target.shape[1:] == (batches(corpus)(0).phones.shape[1], 2)


def test_no_utterance_occurs_twice_in_an_epoch_and_none_is_left_out_for_good(corpus):
    training = batches(corpus, size=3)
    assert len(corpus.split("train")) == 7
    epochs = [
        [index for step in (2 * epoch, 2 * epoch + 1) for index in training._indices(step).tolist()]
        for epoch in range(12)
    ]
    assert all(max(Counter(epoch).values()) == 1 and len(epoch) == 6 for epoch in epochs)
    assert set().union(*epochs) == set(range(7))


def test_batches_hold_utterances_of_similar_length_in_changing_company():
    lengths = np.random.default_rng(0).integers(200, 500, 320)
    first, second = (batches_of_similar_length(lengths, 4, np.random.default_rng(epoch)) for epoch in (1, 2))
    assert sorted(first.ravel()) == list(range(320))
    assert lengths[first].sum() / (4 * lengths[first].max(axis=1).sum()) > 0.94
    random = np.random.default_rng(3).permutation(lengths).reshape(-1, 4)
    assert random.sum() / (4 * random.max(axis=1).sum()) < 0.88
    shared = {frozenset(batch) for batch in first.tolist()} & {frozenset(batch) for batch in second.tolist()}
    assert len(shared) < 4
    assert abs(np.corrcoef(lengths[first].mean(axis=1), np.arange(80))[0, 1]) < 0.3  # long batches do not come last


def test_only_training_clips_are_trained_on(corpus):
    found = batches(corpus)
    ids = {found._utterances[index].id for step in range(24) for index in found._indices(step)}
    assert ids == {one.id for one in corpus.split("train")}


def test_a_batch_is_never_larger_than_the_split(corpus):
    assert len(batches(corpus, size=50)(0).phones) == 7


# A share of the training speech


def test_shares_are_nested_balanced_and_leave_other_splits_unchanged(corpus):
    whole = corpus.split("train")
    total = sum(one.frames for one in whole)
    before: set[str] = set()
    for share in (0.01, 0.3, 0.6, 1.0):
        part = corpus.with_share(share)
        ids = {one.id for one in part.split("train")}
        assert before <= ids
        frames = sum(one.frames for one in part.split("train"))
        longest = max(one.frames for one in whole)
        assert frames <= max(share * total, longest)
        assert frames > share * total - longest
        counts = Counter(one.speaker for one in part.split("train"))
        if len(ids) > 1 and share < 1:
            assert max(counts.values()) - min(counts.values()) <= 1
        assert part.split("test") == corpus.split("test")
        before = ids
    assert corpus.with_share(1.0).split("train") == whole
    assert len(corpus.with_share(0.01).split("train")) == 1


def test_training_uses_only_the_share(corpus):
    part = corpus.with_share(0.4)
    batch = Batches(part, "acoustic", 100, None, seed=0, reach=0)(0)
    assert len(batch.phones) == len(part.split("train")) < len(corpus.split("train"))
