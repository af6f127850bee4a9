"""Prompt lists of zero-shot benchmarks: what is said, by whose voice, and the recording if there is one.

Seed-TTS-eval (P. Anastassiou et al., "Seed-TTS", 2024, https://arxiv.org/abs/2406.02430) and later benchmarks publish
lines ``id|prompt text|prompt audio|text`` with a fifth field for a recording of the text; a CSV with a heading names
the same columns (id, text, prompt_text, prompt_audio, recording, speaker, language) in any order. Paths are relative to
the folder of the list.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ttsbench.data.normalisers import language_among, languages_of
from ttsbench.data.text_table import TextRow, read_table
from ttsbench.errors import ConfigError
from ttsbench.evaluation.test_set import EvaluatedUtterance


def read_prompt_list(path: Path, references: Mapping[str, Path]) -> list[EvaluatedUtterance]:
    """Return the utterances of a list; ``references`` are recordings by id, for lists that do not name any.

    Raises ``ConfigError`` for a line without a text and for a prompt or a recording that does not exist.
    """
    rows = read_table(path, "--list")
    if not rows:
        raise ConfigError(f"--list: {path} lists no sentence; lines are 'id|prompt text|prompt audio|text'.")
    utterances = [_utterance(row, path, references) for row in rows]
    if references and not any(utterance.recording for utterance in utterances):
        raise ConfigError(
            f"--reference: no recording has the id of a line of {path}: {min(references)!r} against "
            f"{utterances[0].id!r}. Recordings are matched by stem."
        )
    return utterances


def language_of(utterances: Sequence[EvaluatedUtterance], path: Path) -> str:
    """Return the languages that a list names, such as ``de+en``, and "" if it names none.

    Raises ``ConfigError`` if only some of the sentences name one.
    """
    languages = sorted({utterance.language for utterance in utterances})
    if len(languages) > 1 and not languages[0]:
        unnamed = next(utterance.id for utterance in utterances if not utterance.language)
        raise ConfigError(f"{path} gives no language for {unnamed!r}, but for other sentences; fill the column.")
    return "+".join(languages)


def check_languages(utterances: Sequence[EvaluatedUtterance], language: str, path: Path | None) -> None:
    """Raise ``ConfigError`` for an utterance in a language that ``language``, such as ``de+en``, does not name."""
    for utterance in utterances:
        if utterance.language and language_among(utterance.language, languages_of(language or "en")) is None:
            raise ConfigError(
                f"{path} has {utterance.id!r} in '{utterance.language}', but --language is '{language or 'en'}': name "
                "all languages, joined by '+', or leave the option out."
            )


def _utterance(row: TextRow, path: Path, references: Mapping[str, Path]) -> EvaluatedUtterance:
    text = row.normalised or row.text
    if not text:
        raise ConfigError(f"--list: line {row.line} of {path} has no text.")
    prompt = _existing(row, row.prompt_audio, path)
    recording = _existing(row, row.recording, path) or _resolved(references.get(row.id))
    return EvaluatedUtterance(row.id, text, row.speaker, prompt, {}, row.prompt_text, recording, row.language)


def _existing(row: TextRow, name: str, path: Path) -> str | None:
    if not name:
        return None
    file = path.resolve().parent / Path(name).expanduser()
    if not file.is_file():
        raise ConfigError(
            f"--list: line {row.line} of {path} names {name}, and there is no such file below its folder."
        )
    return str(file)


def _resolved(file: Path | None) -> str | None:
    return str(file.resolve()) if file else None
