"""Published claims as data. ``experiments/claims.yaml`` holds those of the papers; users can add their own files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import Field, ValidationError, model_validator

from ttsbench.config.section import Section
from ttsbench.config.yaml_text import read_yaml_file
from ttsbench.errors import ConfigError

FORMS = ("less", "more", "nearer", "rising", "falling", "lowest", "contrast")


class Part(Section):
    """A statement about some systems under one metric; the forms are explained in ``experiments/claims.yaml``."""

    metric: str
    margin: float = Field(gt=0.0)  # smallest difference that matters, in the unit of the metric
    less: str = ""
    more: str = ""
    nearer: str = ""
    to: float | None = None
    than: tuple[str, ...] = ()
    rising: dict[str, float] = Field(default_factory=dict)
    falling: dict[str, float] = Field(default_factory=dict)
    lowest: dict[str, float] = Field(default_factory=dict)
    within: tuple[float, float] | None = None
    contrast: dict[str, float] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _margin_of_an_interval(cls, values: object) -> object:
        """The margin of ``lowest`` is half the width of ``within``."""
        if isinstance(values, Mapping) and isinstance(values.get("within"), list | tuple):
            low, high = values["within"]
            return {**values, "margin": (high - low) / 2}
        return values

    @model_validator(mode="after")
    def _exactly_one_form(self) -> Part:
        kinds = [form for form in FORMS if getattr(self, form)]
        if len(kinds) != 1:
            raise ValueError(f"a part takes exactly one of {', '.join(FORMS)}; this part has {kinds}")
        if bool({"less", "more", "nearer"} & set(kinds)) != bool(self.than):
            raise ValueError("'than' belongs to less, more and nearer, and each of them needs it")
        if bool(self.nearer) != (self.to is not None) or bool(self.lowest) != (self.within is not None):
            raise ValueError("nearer needs 'to', lowest needs 'within'")
        for form in ("rising", "falling", "lowest"):
            if len(getattr(self, form)) in (1, 2):
                raise ValueError(f"{form} needs at least three systems, each with its place on the axis")
        return self

    @property
    def systems(self) -> set[str]:
        """Every system that the part names."""
        named = {self.less, self.more, self.nearer, *self.than, *self.rising, *self.falling, *self.lowest}
        return (named | set(self.contrast)) - {""}


class Equality(Section):
    """Two systems whose values of a metric may differ by at most ``margin``."""

    metric: str
    systems: tuple[str, str]
    margin: float = Field(gt=0.0)


class Admission(Section):
    """Conditions without which a claim is not judged; ``admission.py`` has the limits."""

    calibrated: tuple[str, ...] = ()  # samplers whose draws have to spread about as much as they err
    refines: tuple[str, ...] = ()  # refiners whose steps have to point towards the recording
    moved: tuple[str, ...] = ()  # students that have to differ from their teacher
    diverse: tuple[str, ...] = ()  # teachers whose draws have to differ
    equal: tuple[Equality, ...] = ()

    @property
    def systems(self) -> set[str]:
        """Every system that a condition names."""
        named = {*self.calibrated, *self.refines, *self.moved, *self.diverse}
        return named.union(*(equality.systems for equality in self.equal))


class Claim(Section):
    """A statement of a paper with the comparison that tests it.

    A claim has an ``endpoint``, the only comparison that decides, or ``tested_by`` with unit tests of this project (for
    a mathematical claim), or ``not_evaluated`` with the reason why nothing here tests it. ``secondary`` comparisons are
    reported and decide nothing.
    """

    statement: str
    paper: str
    endpoint: Part | None = None
    secondary: tuple[Part, ...] = ()
    admission: Admission = Admission()
    tested_by: tuple[str, ...] = ()
    not_evaluated: str = ""

    @model_validator(mode="after")
    def _exactly_one_source(self) -> Claim:
        if sum(map(bool, (self.endpoint, self.tested_by, self.not_evaluated))) != 1:
            raise ValueError(
                "a claim takes exactly one of endpoint, tested_by (unit tests) and not_evaluated (a reason)"
            )
        return self

    @property
    def without_run(self) -> str:
        """The verdict of a claim that no run can evaluate; empty for a claim with an endpoint."""
        if self.tested_by:
            return f"unit tested: {', '.join(self.tested_by)}"
        return f"not evaluated: {self.not_evaluated}" if self.not_evaluated else ""

    @property
    def metrics(self) -> list[str]:
        """The metrics of endpoint and secondary comparisons, each once."""
        parts = [self.endpoint] if self.endpoint else []
        return list(dict.fromkeys(part.metric for part in [*parts, *self.secondary]))


def read_claims(path: Path) -> dict[str, Claim]:
    """Return the claims of a YAML file by name; raises ``ConfigError`` if it is missing or malformed."""
    try:
        values = read_yaml_file(path)
        return {str(name): Claim.model_validate(value) for name, value in values.items()}
    except FileNotFoundError:
        raise ConfigError(
            f"There is no claims file at {path.resolve()}. Run the command in the repository, or give --claims FILE."
        ) from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"{path}: {where}: {first['msg'].removeprefix('Value error, ')}.") from error
    except (AttributeError, OSError, ValueError) as error:
        raise ConfigError(f"{path} is not a claims file: {' '.join(str(error).split())}.") from error
