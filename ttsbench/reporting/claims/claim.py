"""A claim as data: ``experiments/claims.yaml`` holds those of the papers, and anybody may write more."""

from __future__ import annotations

from pathlib import Path

import yaml
from pydantic import Field, ValidationError, model_validator

from ttsbench.config.schema import Section
from ttsbench.errors import ConfigError


class Part(Section):
    """What is said of some systems under one metric, in one of six ways; see ``experiments/claims.yaml``."""

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
    def _one_kind(self) -> Part:
        compared = [kind for kind in ("less", "more", "nearer") if getattr(self, kind)]
        kinds = [*compared, *(kind for kind in ("rising", "lowest", "contrast") if getattr(self, kind))]
        if len(kinds) != 1:
            raise ValueError(
                f"a part says one of less, more, nearer, rising, lowest and contrast, this one says {kinds}"
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
        """Every system that is spoken of."""
        return {self.less, self.more, self.nearer, *self.than, *self.rising, *self.lowest, *self.contrast} - {""}


class Claim(Section):
    """A sentence of a paper with what has to be seen, or with why no run can show it."""

    says: str
    paper: str
    parts: tuple[Part, ...] = ()
    told_by: tuple[str, ...] = ()  # tests of this project that tell, where a claim is one of mathematics
    not_run: str = ""  # why nothing here tells

    @model_validator(mode="after")
    def _judged_one_way(self) -> Claim:
        if sum(map(bool, (self.parts, self.told_by, self.not_run))) != 1:
            raise ValueError(
                "a claim has parts, or else tests that tell (told_by), or a reason why none does (not_run)"
            )
        return self

    @property
    def without_run(self) -> str:
        """What is to be said of a claim that no run judges; empty for one that runs do."""
        if self.told_by:
            return f"told by a test: {', '.join(self.told_by)}"
        return f"not run: {self.not_run}" if self.not_run else ""


def read_claims(path: Path) -> dict[str, Claim]:
    """The claims of a file, by name; raises ``ConfigError``."""
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
        return {str(name): Claim.model_validate(value) for name, value in values.items()}
    except FileNotFoundError:
        raise ConfigError(f"No claims at {path}; give --claims FILE.") from None
    except (AttributeError, OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path} holds no claims: {' '.join(str(error).split())}.") from error
    except ValidationError as error:
        found = error.errors()[0]
        where = ".".join(str(part) for part in found["loc"])
        raise ConfigError(f"{path}: {where}: {found['msg'].removeprefix('Value error, ')}.") from error
