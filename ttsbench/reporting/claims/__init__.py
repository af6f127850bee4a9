"""Published claims as data, and their verdicts on finished runs."""

from ttsbench.reporting.claims.claim import Claim, Part, read_claims
from ttsbench.reporting.claims.effect import Effect, effects
from ttsbench.reporting.claims.files import judge_all, write_claims, write_run_claims
from ttsbench.reporting.claims.frame import claims_frame
from ttsbench.reporting.claims.judgement import Judgement, judge, judge_run
from ttsbench.reporting.claims.latex import claims_latex
from ttsbench.reporting.claims.markdown import claims_markdown
from ttsbench.reporting.claims.scored_run import ScoredRun, signature_notes

__all__ = [
    "Claim",
    "Effect",
    "Judgement",
    "Part",
    "ScoredRun",
    "claims_frame",
    "claims_latex",
    "claims_markdown",
    "effects",
    "judge",
    "judge_all",
    "judge_run",
    "read_claims",
    "signature_notes",
    "write_claims",
    "write_run_claims",
]
