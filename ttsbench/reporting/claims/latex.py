"""Verdicts for a paper: a table of all claims, then tables of the comparisons behind them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from ttsbench.reporting import latex as tex
from ttsbench.reporting.claims.effect import Effect
from ttsbench.reporting.claims.judgement import Judgement
from ttsbench.reporting.claims.markdown import LEGEND, evaluated, notes, number

LINES = 42  # of a table on one page
LABEL = "tab:claims"
TEXT = r">{\raggedright\arraybackslash}p"
Group = tuple[str, str, Judgement]  # name of the claim, label of the run, verdict
PREAMBLE = f"{tex.PREAMBLE} and \\usepackage{{array}}"


def claims_latex(judged: Mapping[str, Sequence[Judgement]]) -> str:
    """Return floats of page width, labelled ``tab:claims``, ``tab:claims-2`` and so on; none without verdicts."""
    lines = [f"% {PREAMBLE}"]
    if judged:
        lines += ["", *_verdicts(judged)]
    for index, block in enumerate(_blocks(list(_groups(judged))), start=2):
        lines += ["", *_evidence(block, f"{LABEL}-{index}")]
    return "\n".join(lines) + "\n"


def _verdicts(judged: Mapping[str, Sequence[Judgement]]) -> list[str]:
    rows = []
    for name, judgements in judged.items():
        claim = judgements[0].claim
        verdicts = "; ".join(
            rf"{tex.escape(where)}: \textbf{{{item.verdict}}}" for where, item in evaluated(judgements)
        )
        cells = [tex.escape(name), tex.escape(claim.statement), tex.escape(claim.paper)]
        rows.append(rf"{' & '.join([*cells, verdicts or tex.escape(claim.without_run or 'not evaluated')])} \\")
    tabular = [
        rf"\begin{{tabular}}{{l{TEXT}{{.36\textwidth}}{TEXT}{{.26\textwidth}}{TEXT}{{.24\textwidth}}}}", r"\toprule",
        r" & Claim & Paper & Verdict \\", r"\midrule", *rows, r"\bottomrule", r"\end{tabular}",
    ]  # fmt: skip
    caption = "Published claims and their verdicts. A verdict holds for the given corpus, models and training seeds."
    return tex.table(tabular, caption, LABEL, [], tex.TEXT_POINTS)


def _groups(judged: Mapping[str, Sequence[Judgement]]) -> Iterator[Group]:
    return ((name, where, item) for name, judgements in judged.items() for where, item in evaluated(judgements))


def _blocks(groups: Sequence[Group]) -> Iterator[list[Group]]:
    """Split the groups into blocks that fit one page."""
    block: list[Group] = []
    count = 0
    for name, where, judgement in groups:
        lines = 2 + len(judgement.findings) + len(judgement.secondary)
        if block and count + lines > LINES:
            yield block
            block, count = [], 0
        block.append((name, where, judgement))
        count += lines
    if block:
        yield block


def _evidence(block: Sequence[Group], label: str) -> list[str]:
    rows, remarks = [], []
    for name, where, judgement in block:
        first = judgement.findings[0]
        about = f"{tex.escape(where)}, $n={first.n}$, {first.seeds} seeds"
        rows += [r"\midrule", rf"\multicolumn{{6}}{{l}}{{\textbf{{{tex.escape(name)}}}, {about}}} & "
                 rf"\textbf{{{judgement.verdict}}} \\"]  # fmt: skip
        rows += [_row(effect, "") for effect in judgement.findings]
        rows += [_row(effect, "secondary: ") for effect in judgement.secondary]
        if sentences := notes(judgement):
            remarks += [rf"\textbf{{{tex.escape(name)}}}, {tex.escape(where)}: {tex.escape(' '.join(sentences))}"]
    tabular = [
        rf"\begin{{tabular}}{{{TEXT}{{.38\textwidth}}crrrrl}}", r"\toprule",
        r"Comparison & effect & margin & $p$ & $d$ & MDE & \\", *rows, r"\bottomrule", r"\end{tabular}",
    ]  # fmt: skip
    return tex.table(tabular, f"Evidence for the verdicts. {tex.escape(LEGEND)}", label, remarks, tex.TEXT_POINTS)


def _row(effect: Effect, role: str) -> str:
    difference = effect.difference
    bounds = "" if math.isnan(difference.low) else tex.number(f"[{difference.low:.3g}, {difference.high:.3g}]")
    cells = [
        rf"\quad {role}{tex.escape(effect.sentence)}",
        tex.number(f"{difference.value:.3g}") + (rf" {{\scriptsize {bounds}}}" if bounds else ""),
        f"{effect.margin:g}", number(difference.p, ".3f"), tex.number(number(effect.effect_size)), number(effect.mde),
        effect.outcome,
    ]  # fmt: skip
    return rf"{' & '.join(cells)} \\"
