"""Published claims as data, and what runs say of them."""

from ttsbench.claims.claim import Claim, Part, read_claims
from ttsbench.claims.files import judge_all, write_claims, write_run_claims
from ttsbench.claims.frame import claims_frame
from ttsbench.claims.judgement import Finding, Judgement, ScoredRun, judge
from ttsbench.claims.latex import claims_latex
from ttsbench.claims.markdown import claims_markdown

__all__ = [
    "Claim",
    "Finding",
    "Judgement",
    "Part",
    "ScoredRun",
    "claims_frame",
    "claims_latex",
    "claims_markdown",
    "judge",
    "judge_all",
    "read_claims",
    "write_claims",
    "write_run_claims",
]
