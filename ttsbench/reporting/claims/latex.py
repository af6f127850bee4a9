"""Verdicts for a paper: one table of them all, then the comparisons that they rest on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ttsbench.reporting import latex as tex
from ttsbench.reporting.claims.judgement import Judgement
from ttsbench.reporting.claims.markdown import LEGEND, found, notes, number

LINES = 42  # of a table that a page holds
LABEL = "tab:claims"
TEXT = r">{\raggedright\arraybackslash}p"
Group = tuple[str, str, Judgement]  # a claim, where it was judged, and what was found there
PREAMBLE = f"{tex.PREAMBLE} and \\usepackage{{array}}"


def claims_latex(judged: Mapping[str, Sequence[Judgement]]) -> str:
    """Floats of a page's width: ``tab:claims``, then ``tab:claims-2`` and so on; nothing where nothing was judged."""
    lines = [f"% {PREAMBLE}"]
    if judged:
        lines += ["", *_verdicts(judged)]
    for number_, block in enumerate(_blocks(list(_groups(judged))), start=2):
        lines += ["", *_evidence(block, f"{LABEL}-{number_}")]
    return "\n".join(lines) + "\n"


def _verdicts(judged: Mapping[str, Sequence[Judgement]]) -> list[str]:
    rows = []
    for name, judgements in judged.items():
        claim = judgements[0].claim
        said = "; ".join(rf"{tex.escape(where)}: \textbf{{{one.verdict}}}" for where, one in found(judgements))
        cells = [tex.escape(name), tex.escape(claim.says), tex.escape(claim.paper)]
        rows.append(rf"{' & '.join([*cells, said or tex.escape(claim.without_run or 'not run')])} \\")
    tabular = [
        rf"\begin{{tabular}}{{l{TEXT}{{.36\textwidth}}{TEXT}{{.26\textwidth}}{TEXT}{{.24\textwidth}}}}", r"\toprule",
        r" & Claim & Paper & Verdict \\", r"\midrule", *rows, r"\bottomrule", r"\end{tabular}",
    ]  # fmt: skip
    caption = "Published claims held to what was measured. A verdict holds for the corpus, the models and the seeds."
    return tex.table(tabular, caption, LABEL, [], tex.TEXT_POINTS)


def _groups(judged: Mapping[str, Sequence[Judgement]]) -> Iterator[Group]:
    return ((name, where, one) for name, judgements in judged.items() for where, one in found(judgements))


def _blocks(groups: Sequence[Group]) -> Iterator[list[Group]]:
    """Claims in runs that a page holds."""
    block: list[Group] = []
    count = 0
    for name, where, one in groups:
        lines = 2 + len(one.findings)
        if block and count + lines > LINES:
            yield block
            block, count = [], 0
        block.append((name, where, one))
        count += lines
    if block:
        yield block


def _evidence(block: Sequence[Group], label: str) -> list[str]:
    rows, told = [], []
    for name, where, one in block:
        first = one.findings[0].comparison
        about = f"{tex.escape(where)}, $n={first.n}$, {first.seeds} seeds"
        rows += [r"\midrule", rf"\multicolumn{{5}}{{l}}{{\textbf{{{tex.escape(name)}}}, {about}}} & "
                 rf"\textbf{{{one.verdict}}} \\"]  # fmt: skip
        rows += [_row(one, index) for index in range(len(one.findings))]
        told += [rf"\textbf{{{tex.escape(name)}}}, {tex.escape(where)}: {tex.escape(' '.join(notes(one)))}"]
    tabular = [
        rf"\begin{{tabular}}{{{TEXT}{{.42\textwidth}}crrrl}}", r"\toprule",
        r"What would be seen & difference & $p$ & $d$ & MDE & \\", *rows, r"\bottomrule", r"\end{tabular}",
    ]  # fmt: skip
    return tex.table(tabular, f"What the verdicts rest on. {tex.escape(LEGEND)}", label, told, tex.TEXT_POINTS)


def _row(judgement: Judgement, index: int) -> str:
    finding = judgement.findings[index]
    one = finding.comparison
    cells = [
        rf"\quad {tex.escape(finding.sentence)}",
        tex.number(f"{one.value:.3g}") + rf" {{\scriptsize {tex.number(f'[{one.low:.3g}, {one.high:.3g}]')}}}",
        number(one.p_holm, ".3f"), tex.number(number(one.effect_size)), number(one.mde), finding.verdict,
    ]  # fmt: skip
    return rf"{' & '.join(cells)} \\"
