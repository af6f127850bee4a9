"""Overview of verdicts: claims down, corpora across, one mark each, drawn from ``claims.csv``."""

from __future__ import annotations

import textwrap

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ttsbench.reporting.figures.layout import Layout, drawing
from ttsbench.reporting.figures.run import Drawing, FinishedRun
from ttsbench.reporting.figures.style import PAGE_INCHES, small

# Verdict -> (colour, marker): readable without colours too.
MARKS = {
    "supported": ("#009E73", "o"), "refuted": ("#D55E00", "X"), "equivalent": ("#56B4E9", "P"),
    "underpowered": ("#777777", "D"), "not testable": ("#AAAAAA", "v"), "not converged": ("#E69F00", "^"),
    "unit tested": ("#0072B2", "s"),
}  # fmt: skip
ROW_INCHES = 0.2
FILE = "claims.csv"


def verdicts(run: FinishedRun) -> Drawing | None:
    """Draw the verdicts of the run; None without verdicts."""
    path = run.folder / FILE
    if not path.exists():
        return None
    frame = verdicts_frame(pd.read_csv(path, keep_default_na=False))
    if not frame["verdict"].isin(MARKS).any():
        return None
    caption = "Verdicts on published claims. A verdict holds for the corpus and the models of the run."
    return Drawing(draw_verdicts(frame), caption, frame)


def verdicts_frame(claims: pd.DataFrame) -> pd.DataFrame:
    """Return one row per claim and run of ``claims.csv``: claim, statement, corpus, run, verdict."""
    return claims[["claim", "statement", "corpus", "run", "verdict"]].drop_duplicates(ignore_index=True)


@drawing("No verdicts: no claim was evaluated.")
def draw_verdicts(frame: pd.DataFrame, layout: Layout) -> Figure:
    """Draw a line per claim and a column per corpus; several runs on a corpus share its column, side by side."""
    claims = frame.drop_duplicates("claim")
    corpora = [corpus for corpus in dict.fromkeys(frame["corpus"]) if corpus] or [""]
    width = layout.width or PAGE_INCHES
    scale = layout.font_size / 8
    letters = int((width - 0.75 * len(corpora)) / (0.062 * scale)) - 4
    texts = [f"{row.claim}  {textwrap.shorten(str(row.statement), max(12, letters), placeholder=' …')}"
             for row in claims.itertuples()]  # fmt: skip
    figure = Figure(figsize=(width, (ROW_INCHES * len(claims) + 0.75) * scale), layout="constrained")
    axes = figure.subplots()
    for place, claim in enumerate(claims["claim"]):
        rows = frame[frame["claim"] == claim]
        for column, corpus in enumerate(corpora):
            own = rows[rows["corpus"].isin([corpus, ""])] if column == 0 else rows[rows["corpus"] == corpus]
            for number, verdict in enumerate(own["verdict"]):
                colour, marker = MARKS.get(verdict, ("#BBBBBB", "_"))
                shift = 0.16 * (number - (len(own) - 1) / 2)
                axes.plot(column + shift, place, marker=marker, color=colour, markersize=5, linestyle="none")
    axes.set_yticks(range(len(claims)), texts, fontsize=small())
    axes.set_xticks(range(len(corpora)), corpora)
    axes.xaxis.tick_top()
    axes.set_xlim(-0.5, len(corpora) - 0.5)
    axes.set_ylim(len(claims) - 0.5, -0.5)
    axes.tick_params(length=0)
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
    handles = [Line2D([], [], color=colour, marker=marker, linestyle="none", markersize=5, label=verdict)
               for verdict, (colour, marker) in MARKS.items() if verdict in set(frame["verdict"])]  # fmt: skip
    figure.legend(handles=handles, loc="outside lower center", ncols=min(4, max(1, int(width / 1.1))))
    return figure
