"""Check the sizes of the splits against the corpus, before any work starts.

A corpus that plans its own splits, such as the embedded one, knows their sizes before it is generated. Any other corpus
is listed, which reads no audio.
"""

from __future__ import annotations

from ttsbench import registry
from ttsbench.config.schema import Experiment
from ttsbench.errors import ConfigError
from ttsbench.interfaces import PlannedCorpus
from ttsbench.stages.prepare import list_corpus, split_corpus


def check_planned_splits(experiment: Experiment) -> None:
    """Refuse a split that the experiment asks for and that is larger than the corpus plans; raises ``ConfigError``."""
    config = experiment.corpus
    corpus = registry.load("corpora", config.name)(config.path, **config.options)
    if not isinstance(corpus, PlannedCorpus):
        return
    for name, size in corpus.split_sizes().items():
        asked = getattr(config, name)
        if name in config.model_fields_set and asked > size:
            kind = {"test": "test", "valid": "validation"}[name]
            raise ConfigError(
                f"corpus.{name} is {asked}, but the corpus '{config.name}' has {size} {kind} utterances with these "
                f"options. Set corpus.{name} to {size} or less, or make the corpus larger."
            )


def check_listed_splits(experiment: Experiment) -> None:
    """List and split a corpus whose folder is there as ``prepare`` does; raises its errors."""
    config = experiment.corpus
    corpus = registry.load("corpora", config.name)(config.path, **config.options)
    missing = config.path is None or not config.path.is_dir() or not any(config.path.iterdir())
    if missing or isinstance(corpus, PlannedCorpus):
        return  # it is downloaded or generated first
    utterances, _ = list_corpus(config)
    split_corpus(utterances, config)
