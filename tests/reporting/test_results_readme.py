"""The README of archived runs: what its functions give, what they refuse, and that the committed one is current."""

from pathlib import Path

import pytest

from ttsbench.cli import main
from ttsbench.engine.store import write_json
from ttsbench.errors import TtsbenchError
from ttsbench.reporting.results import render_results

REPOSITORY = Path(__file__).parents[2]
SUMMARY = """system,metric,value,low,high,n,n_failed,unit,higher_is_better,signature,floor
ground-truth,mcd,0,0,0,60,0,dB,false,mcd|v1,
ground-truth,wer,0.114,0.088,0.14,60,0,ratio,false,wer|v1,
l1+oracle,mcd,4.9468,4.77,5.12,60,0,dB,false,mcd|v1,
l1+oracle,wer,0.0712,0.047,0.096,60,0,ratio,false,wer|v1,
"""
DIFFERENCES = """system,baseline,metric,difference,low,high,p,p_holm,effect_size,mde,n,seeds,unit
l2+oracle,l1+oracle,mcd,0.1248,0.098,0.151,0.001,0.002,1,0.1,60,3,dB
"""
CLAIMS = """claim,statement,paper,corpus,run,verdict,sentence
C1,One is better,p,espeak,first,supported,mcd: a below b
C1,One is better,p,espeak,first,supported,wer: a below b
C2,Unit test,p,,,unit tested,tests/x.py
"""


@pytest.fixture
def folder(tmp_path):
    for name in ("first", "second"):
        run = tmp_path / name
        (run / "figures").mkdir(parents=True)
        (run / "summary.csv").write_text(SUMMARY)
        (run / "differences.csv").write_text(DIFFERENCES)
        (run / "table.md").write_text("# T\n\n| system | MCD |\n| --- | --- |\n| L1  |  4.9 |\n\n| second block |\n")
    (tmp_path / "second" / "claims.csv").write_text(CLAIMS.replace("first", "second").replace("supported", "refuted"))
    (tmp_path / "second" / "paper.md").write_text("| paper | WER |\n| --- | --- |\n| L1 | 7.1 |\n")
    (tmp_path / "first" / "figures" / "ranks.png").write_bytes(b"")
    write_json(tmp_path / "first" / "figures" / "captions.json", {"ranks": "Ranks of systems. Shaded: best."})
    (tmp_path / "claims.csv").write_text(CLAIMS)
    return tmp_path


def rendered(folder, template):
    (folder / "README.md.jinja").write_text(template, encoding="utf-8")
    return render_results(folder)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        ('value("first", "l1+oracle", "mcd")', "4.95 [4.77, 5.12]"),
        ('value("first", "l1+oracle", "wer")', "7.1 [4.7, 9.6]"),
        ('difference("first", "l2+oracle", "mcd")', "0.125 [0.098, 0.151]"),
        ('table("first")', "| system | MCD |\n|---|---:|\n| L1 | 4.9 |"),
        ('table("second")', "| paper | WER |\n|---|---:|\n| L1 | 7.1 |"),
        ('verdicts("first")', "|---|---|---|\n| C1 | One is better | supported |"),
        ('verdicts("second")', "| C1 | One is better | refuted |"),
        ("claims()", "| C1 | One is better | first: supported |\n| C2 | Unit test | unit tested |"),
        ('figure("first", "ranks")', "![Ranks of systems](first/figures/ranks.png)"),
        ('csv("claims.csv")', "| claim | statement |"),
    ],
)
def test_functions_of_the_template(folder, call, text):
    assert text in rendered(folder, f"{{{{ {call} }}}}")


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ('table("firsts")', "no archived run 'firsts'. Did you mean 'first'?"),
        ('value("first", "l1+oracel", "mcd")', "no system 'l1+oracel'. Did you mean 'l1+oracle'?"),
        ('value("first", "l1+oracle", "mdc")', "no metric 'mdc'"),
        ('figure("first", "rank")', "Did you mean 'ranks'?"),
        ('csv("none.csv")', "has no none.csv"),
        ("unknown", "'unknown' is undefined"),
    ],
)
def test_unknown_names_are_refused(folder, call, words):
    with pytest.raises(TtsbenchError) as error:
        rendered(folder, f"{{{{ {call} }}}}")
    assert words in str(error.value)


def test_a_folder_without_a_template_is_refused(folder):
    with pytest.raises(TtsbenchError, match="has no README"):
        render_results(folder)


def test_archives_that_the_template_leaves_out_follow_with_table_and_verdicts(folder):
    text = rendered(folder, '# Mine\n{{ table("second") }}')
    assert "# Mine" in text and "## first" in text and "## second" not in text
    assert text.index("# Mine") < text.index("## first") < text.index("| C1 |")
    assert text.startswith("<!-- Written by `ttsbench results`")


def test_the_committed_readme_is_what_the_command_writes():
    """After an archive has changed, run `ttsbench results`."""
    written = (REPOSITORY / "results" / "README.md").read_text(encoding="utf-8")
    assert written == render_results(REPOSITORY / "results")


def test_the_command_writes_the_readme(folder, capsys):
    rendered(folder, "# Mine")
    assert main(["results", str(folder)]) == 0
    assert (folder / "README.md").read_text(encoding="utf-8") == render_results(folder)
