"""Honest listeners, and what is read of their files."""

import numpy as np
import pandas as pd
from listeners import noisy

from ttsbench.listening.answers import find_files, read_answers
from ttsbench.listening.key import read_key
from ttsbench.listening.kinds import KINDS

FOUR = ("ground-truth", "copy-synthesis", "l1+oracle", "flow+oracle")
MEANS = {"ground-truth": 4.6, "copy-synthesis": 4.0, "anchor-3500Hz": 1.8, "l1+oracle": 3.0, "flow+oracle": 3.6}


def honest(seed=0, listener=0.0):
    return noisy(MEANS, np.random.default_rng(seed), 1, 5, listener)


def checked(test, *paths):
    key = read_key(test)
    return read_answers(find_files(list(paths)), key, KINDS[key.kind])


def sessions(output):
    return pd.read_csv(output / "sessions.csv", keep_default_na=False).set_index("file")
