"""Fingerprints of corpora: what the prepare stage depends on apart from the experiment."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from ttsbench import registry
from ttsbench.config.schema import CorpusConfig
from ttsbench.engine.store import content_hash, sampled_hash
from ttsbench.engine.walk import walk_files
from ttsbench.errors import CorpusError


def corpus_fingerprint(corpus: CorpusConfig) -> str:
    """Return a hash of the corpus code and of every file of the corpus: its name, its size and sampled bytes.

    Reading every byte of a large corpus would take minutes, and modification times would make a copy another corpus.
    A corpus without a path depends on its options and its code alone. Raises ``CorpusError`` for a missing path.
    """
    source = registry.source_hash("corpora", corpus.name)
    if corpus.path is None:
        return source
    if not corpus.path.exists():
        if corpus.options.get("download"):
            return source
        raise CorpusError(f"The corpus path {corpus.path} does not exist. Set corpus.path to the folder of the corpus.")
    return content_hash([source, list(_file_hashes(corpus.path))])


def _file_hashes(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield relative path and hash of every regular file, and the fault of every other entry.

    Reading a FIFO would wait forever. The corpus lists such an entry as a clip that cannot be used.
    """
    for path in walk_files(folder):
        yield os.fsencode(path.relative_to(folder)).decode("utf-8", "backslashreplace"), _hash_or_fault(path)


def _hash_or_fault(path: Path) -> str:
    try:
        return sampled_hash(path) if path.is_file() else "not a regular file"
    except OSError as error:
        return str(error.strerror)
