"""What sampling a clip is said to take."""

from tinycorpus import prepared, tiny_corpus

from ttsbench.data.corpus import PreparedCorpus
from ttsbench.engine.store import mark_done, open_folder
from ttsbench.pipeline.plan import make_plan
from ttsbench.stages import synthesize, train


def test_loading_a_model_is_no_part_of_sampling(tmp_path, monkeypatch):
    """The first clip of a process takes what every other takes."""
    monkeypatch.setenv("TTSBENCH_CACHE", str(tmp_path / "cache"))
    run = prepared(tmp_path, tiny_corpus(tmp_path / "corpus", 12), adapters={"diffusion": {}}, prosody=["oracle"])
    jobs = {job.id: job for job in make_plan(run.experiment)}
    training = jobs["train diffusion-acoustic-seed0"]
    open_folder(training.path(run), training.key)
    for task in train.tasks(run, training):
        train.work(run, training, task, lambda fraction: None)
    mark_done(training.path(run), training.key)
    corpus, job = PreparedCorpus(run.folder / "prepare"), jobs["synthesize diffusion+oracle seed0"]
    one = (corpus.split("test")[0], 0)
    fresh, again = (synthesize._meter(run, job, corpus, one, None) for _ in range(2))
    assert fresh == again
    weights = (training.path(run) / "weights.safetensors").stat().st_size
    assert fresh.peak_bytes > 0.9 * weights and fresh.flops > 0
