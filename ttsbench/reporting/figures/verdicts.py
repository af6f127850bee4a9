"""Overview of verdicts: claims down, corpora across, one mark each, drawn from ``claims.csv``."""

from __future__ import annotations

import textwrap

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ttsbench.reporting.figures.layout import NARROW_INCHES, Layout, drawing
from ttsbench.reporting.figures.run import Drawing, FinishedRun
from ttsbench.reporting.figures.style import PAGE_INCHES, legend_size, small

# Verdict -> (colour, marker): readable without colours too.
MARKS = {
    "supported": ("#009E73", "o"), "refuted": ("#D55E00", "X"), "equivalent": ("#56B4E9", "P"),
    "underpowered": ("#777777", "D"), "not testable": ("#AAAAAA", "v"), "not converged": ("#E69F00", "^"),
    "unit tested": ("#0072B2", "s"),
}  # fmt: skip
OTHER = ("#BBBBBB", "_")  # verdicts of earlier versions
ROW_INCHES, LINE_INCHES, LETTER_INCHES = 0.2, 0.115, 0.056
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
    letters = max(16, int((width - 0.6 * len(corpora)) / (LETTER_INCHES * scale)))
    lines = 2 if width < NARROW_INCHES else 1
    texts = [_wrapped(f"{row.claim}: {row.statement}", letters, lines) for row in claims.itertuples()]
    rows_inches = max(ROW_INCHES, LINE_INCHES * max(text.count("\n") + 1 for text in texts) + 0.06)
    figure = Figure(figsize=(width, (rows_inches * len(claims) + 0.75) * scale), layout="constrained")
    axes = figure.subplots()
    for place, claim in enumerate(claims["claim"]):
        rows = frame[frame["claim"] == claim]
        for column, corpus in enumerate(corpora):
            own = rows[rows["corpus"].isin([corpus, ""])] if column == 0 else rows[rows["corpus"] == corpus]
            for number, verdict in enumerate(own["verdict"]):
                colour, marker = MARKS.get(verdict, OTHER)
                shift = 0.16 * (number - (len(own) - 1) / 2)
                axes.plot(column + shift, place, marker=marker, color=colour, markersize=5, linestyle="none")
    axes.set_yticks(range(len(claims)), texts, fontsize=small())
    axes.set_xticks(range(len(corpora)), corpora)
    axes.xaxis.tick_top()
    axes.set_xlim(-0.5, len(corpora) - 0.5)
    axes.set_ylim(len(claims) - 0.5, -0.5)
    axes.tick_params(length=0)
    _align_left(figure, axes)
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
    present = set(frame["verdict"])
    marks = {verdict: mark for verdict, mark in MARKS.items() if verdict in present}
    marks |= dict.fromkeys(sorted(present - set(MARKS)), OTHER)
    handles = [Line2D([], [], color=colour, marker=marker, linestyle="none", markersize=5, label=verdict)
               for verdict, (colour, marker) in marks.items()]  # fmt: skip
    figure.legend(handles=handles, loc="outside lower center", ncols=legend_size(list(marks), width)[0])
    return figure


def _wrapped(text: str, letters: int, lines: int) -> str:
    return "\n".join(textwrap.wrap(text, letters, max_lines=lines, placeholder=" …", break_on_hyphens=False))


def _align_left(figure: Figure, axes: Axes) -> None:
    """Align the labels of the rows on the left, as in a table."""
    renderer = FigureCanvasAgg(figure).get_renderer()  # type: ignore[no-untyped-call]
    labels = axes.get_yticklabels()
    widest = max(label.get_window_extent(renderer).width for label in labels)
    for label in labels:
        label.set_horizontalalignment("left")
    axes.tick_params(axis="y", pad=72 * widest / figure.dpi + 4)
