"""Clips of a small espeak corpus, with everything that is known of them."""

from dataclasses import replace

import soundfile

from ttsbench import Clip
from ttsbench.data.espeak.corpus import EspeakCorpus
from ttsbench.data.textgrid import read_textgrid


def clips(folder, **options):
    """Return the clips of an espeak corpus in ``folder``."""
    made = []
    for utterance in EspeakCorpus(folder, **options).utterances():
        samples, rate = soundfile.read(utterance.audio, dtype="float32")
        phones, attributes = tuple(read_textgrid(utterance.textgrid)), utterance.attributes
        made.append(Clip(utterance.id, samples, rate, utterance.text, utterance.speaker, phones=phones,
                         attributes=attributes))  # fmt: skip
    return made


def renderings(corpus):
    """Return triples (clip, reference, phrases of the clip), where the clip is another rendering of the reference."""
    tested = [clip for clip in corpus if clip.attributes["split"] == "test"]
    return [
        (replace(clip, id=reference.id, attributes=reference.attributes), reference, clip.attributes["phrases"])
        for clip in tested
        for reference in tested
        if clip.text == reference.text and clip.id != reference.id
    ]
