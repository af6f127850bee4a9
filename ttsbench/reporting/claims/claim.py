"""Published claims as data. ``experiments/claims.yaml`` holds those of the papers; users can add their own files."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, ValidationError, model_validator

from ttsbench.config.schema import Section
from ttsbench.config.yaml_text import read_yaml_file
from ttsbench.errors import ConfigError


class Part(Section):
    """A statement about some systems under one metric, in one of six forms; see ``experiments/claims.yaml``."""

    metric: str
    less: str = ""
    more: str = ""
    nearer: str = ""
    to: float | None = None
    than: tuple[str, ...] = ()
    rising: tuple[str, ...] = ()
    lowest: tuple[str, ...] = ()
    within: tuple[str, ...] = ()
    contrast: dict[str, float] = Field(default_factory=dict)
    margin: float = Field(0.0, ge=0.0)

    @model_validator(mode="after")
    def _exactly_one_form(self) -> Part:
        compared = [kind for kind in ("less", "more", "nearer") if getattr(self, kind)]
        kinds = [*compared, *(kind for kind in ("rising", "lowest", "contrast") if getattr(self, kind))]
        if len(kinds) != 1:
            raise ValueError(
                f"a part takes exactly one of less, more, nearer, rising, lowest and contrast; this part has {kinds}"
            )
        if bool(compared) != bool(self.than):
            raise ValueError("'than' belongs to less, more and nearer, and each of them needs it")
        if bool(self.nearer) != (self.to is not None) or bool(self.lowest) != bool(self.within):
            raise ValueError("nearer needs 'to', lowest needs 'within'")
        if not set(self.within) <= set(self.lowest):
            raise ValueError("'within' names systems that 'lowest' does not")
        return self

    @property
    def systems(self) -> set[str]:
        """Every system that the part names."""
        return {self.less, self.more, self.nearer, *self.than, *self.rising, *self.lowest, *self.contrast} - {""}


class Claim(Section):
    """A statement of a paper with the comparisons that test it.

    A claim has ``parts`` that runs evaluate, or ``tested_by`` with unit tests of this project (for a mathematical
    claim), or ``not_evaluated`` with the reason why nothing here tests it.
    """

    statement: str
    paper: str
    parts: tuple[Part, ...] = ()
    tested_by: tuple[str, ...] = ()
    not_evaluated: str = ""

    @model_validator(mode="after")
    def _exactly_one_source(self) -> Claim:
        if sum(map(bool, (self.parts, self.tested_by, self.not_evaluated))) != 1:
            raise ValueError("a claim takes exactly one of parts, tested_by (unit tests) and not_evaluated (a reason)")
        return self

    @property
    def without_run(self) -> str:
        """The verdict of a claim that no run can evaluate; empty for a claim with parts."""
        if self.tested_by:
            return f"unit tested: {', '.join(self.tested_by)}"
        return f"not evaluated: {self.not_evaluated}" if self.not_evaluated else ""


def read_claims(path: Path) -> dict[str, Claim]:
    """Return the claims of a YAML file by name; raises ``ConfigError`` if it is missing or malformed."""
    try:
        values = read_yaml_file(path)
        return {str(name): Claim.model_validate(value) for name, value in values.items()}
    except FileNotFoundError:
        raise ConfigError(f"There is no claims file at {path}. Give --claims FILE.") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"{path}: {where}: {first['msg'].removeprefix('Value error, ')}.") from error
    except (AttributeError, OSError, ValueError) as error:
        raise ConfigError(f"{path} is not a claims file: {' '.join(str(error).split())}.") from error
