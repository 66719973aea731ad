"""Every setting of a run, typed, frozen and refused early; written to and read from TOML.

Settings live in three small groups (data, network, training) so that none has to be repeated elsewhere.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Literal, TypeVar

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from gatecast.constants import DIRECT_HORIZON, LEVELS, MEDIAN, QUANTILES, USUAL_HORIZON
from gatecast.durations import seconds_of
from gatecast.errors import SettingsError, nearest

__all__ = [
    "DIRECT_HORIZON",
    "LEVELS",
    "MEDIAN",
    "QUANTILES",
    "USUAL_HORIZON",
    "DataConfig",
    "ForecastConfig",
    "NetworkConfig",
    "RunConfig",
    "TrainingConfig",
    "config_to_toml",
    "describe",
    "read_config",
    "settings_from",
    "with_defaults",
]


class _Settings(BaseModel):
    """What all groups share: frozen, and no key that is not known."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class DataConfig(_Settings):
    """Where the table comes from and how it is cut; column names are those of the user's table."""

    source: str = Field(
        default="",
        description="a named data set, a CSV or Parquet file, a folder of Parquet files, or - (standard input)",
    )
    time: str | None = Field(default=None, description="the time column; found by itself when not given")
    target: str | tuple[str, ...] | None = Field(
        default=None, description="the column to forecast, or several; found by itself when not given"
    )
    series_id: str | None = Field(default=None, description="the column that names the series, when there are several")
    inputs: tuple[str, ...] = Field(
        default=(), description="further columns the network may read, known up to now only"
    )
    known: tuple[str, ...] = Field(
        default=(), description="columns known in advance, such as holidays or prices: the forecast reads their future"
    )
    static: tuple[str, ...] = Field(default=(), description="columns that stay the same for a series")
    wide: bool = Field(default=False, description="each column of numbers is a series")
    zone: str | None = Field(default=None, description="the time zone of times that carry none, such as Europe/Berlin")
    frequency: str | None = Field(default=None, description="the spacing, such as D, h or MS; found when not given")
    fix: tuple[str, ...] = Field(default=(), description="what to mend in the table: fill, interpolate, drop, sort, …")
    season_length: tuple[int, ...] | None = Field(
        default=None, description="steps per season, at most two; (1,) is none"
    )
    test: float = Field(default=0.1, gt=0, le=0.5, description="share of the steps at the end kept for the test")
    validation: float = Field(
        default=0.1, gt=0, le=0.5, description="share of the steps before the test for validation"
    )

    @model_validator(mode="after")
    def _seasons(self) -> DataConfig:
        seasons = self.season_length
        if seasons is not None and (not 1 <= len(seasons) <= 2 or min(seasons) < 1):
            raise ValueError(f"season_length has {seasons}: give one or two whole numbers of steps, 1 for no season")
        return self


class NetworkConfig(_Settings):
    """The shape of the network; no shape depends on the season or the horizon."""

    units: int = Field(default=48, ge=1, le=1024, description="LSTM units per layer: numbers in the cell state")
    layers: int = Field(default=1, ge=1, le=8, description="LSTM layers; each after the first adds to the one before")
    dropout: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="share of state values zeroed in training, between layers and before the head",
    )
    forget_bias: float = Field(default=1.0, description="start of the forget gate's bias: higher remembers longer")
    cell: Literal["lstm", "no_forget", "no_input", "no_output", "peephole", "coupled", "gru", "rnn"] = Field(
        default="lstm", description="the recurrent cell: the LSTM, one with a part taken away, or a relative"
    )


class TrainingConfig(_Settings):
    """How the weights are found."""

    scaling: Literal["auto", "running", "fixed"] = Field(
        default="auto", description="follow level and scale as they move, or fix them on the training part"
    )
    start: Literal["auto", "nothing", "shipped"] = Field(
        default="auto",
        description="what the network knows before it learns: nothing, or what the shipped weights know (the seed says "
        "from which); auto: the shipped weights, but nothing where there are columns beside the target, a shape of the "
        "network or a fixed scaling is asked for, or a single series is far better learned from nothing",
    )
    context: int = Field(default=128, ge=2, description="number of past steps a training window shows")
    horizon: int = Field(default=50, ge=1, le=DIRECT_HORIZON, description="steps ahead the head is trained for")
    updates: int | None = Field(default=None, ge=0, description="weight updates; None follows from the data alone")
    stop: int | None = Field(
        default=None,
        ge=0,
        description="end after this many updates of those planned: what a budget that ran out leaves in the settings",
    )
    budget: float | None = Field(
        default=None,
        gt=0,
        description="time that training may take, in seconds or such as 90s, 5m, 1h; the updates made are written down",
    )
    batch: int | None = Field(
        default=None, ge=1, description="windows in a batch; None: 16, and up to 64 in large panels"
    )
    origins: int = Field(default=8, ge=1, description="origins in a window at which a forecast is asked for")
    steps: int = Field(default=8, ge=1, description="steps ahead asked for at each origin, redrawn every update")
    learning_rate: float = Field(default=0.01, gt=0, description="peak of the one-cycle schedule")
    weight_decay: float = Field(default=0.0, ge=0, description="pull of every weight towards zero")
    clip: float = Field(default=1.0, gt=0, description="largest norm of a gradient")
    hide: float = Field(default=0.2, ge=0, le=1, description="share of windows in which a run of steps is hidden")
    retrain: bool = Field(
        default=True, description="train a panel again with its validation part, once that part has chosen the updates"
    )
    readout: bool = Field(default=True, description="offer a least-squares refit of the path; validation decides")
    seed: int = Field(default=0, ge=0, description="start of the random numbers: same seed, same weights")
    device: str = Field(default="cpu", description="where to train, as torch names it; forecasts are made in NumPy")
    checkpoint_seconds: float = Field(
        default=30.0, ge=0, description="seconds between two checkpoints of a training, where any are written"
    )

    @field_validator("budget", mode="before")
    @classmethod
    def _budget(cls, given: Any) -> Any:
        try:
            return None if given is None else seconds_of(given)
        except ValueError as error:
            raise ValueError(f"training.budget = {error}") from None


class ForecastConfig(_Settings):
    """A forecast beyond the end of the data."""

    model: str | None = Field(
        default=None, description="a model file written by gatecast run; without it the shipped weights forecast"
    )
    horizon: int | None = Field(default=None, ge=1, description="steps to forecast beyond the end of the data")
    level: tuple[int, ...] = Field(default=(80, 95), description="interval levels in percent")
    future: str | None = Field(default=None, description="a table with the future of the columns known in advance")
    what_if: tuple[str, ...] = Field(
        default=(), description="a change of a column known in advance, such as price=9.9, and what then comes"
    )
    adapt: bool = Field(default=True, description="let the intervals follow what came after the model's training")

    @model_validator(mode="after")
    def _levels(self) -> ForecastConfig:
        for percent in self.level:
            if percent not in LEVELS:
                raise ValueError(f"level {percent} is not offered; choose from {', '.join(map(str, LEVELS))}")
        return self


class RunConfig(_Settings):
    """One whole run."""

    data: DataConfig = DataConfig()
    network: NetworkConfig = NetworkConfig()
    training: TrainingConfig = TrainingConfig()
    forecast: ForecastConfig = ForecastConfig()
    horizon: int | None = Field(
        default=None, ge=1, description="steps of each multi-sequence forecast; None: 50, or the test part if shorter"
    )
    adapt: bool = Field(default=True, description="let all models' intervals follow what came of earlier forecasts")
    verdict: Literal["quick", "full"] = Field(
        default="quick", description="full: look at other seeds, at leakage and at slower baselines too"
    )
    seconds: float = Field(
        default=60.0, gt=0, description="with a full verdict: leave out a baseline that would take longer than this"
    )
    inside: bool = Field(
        default=False, description="train a plain RNN beside the LSTM, for contrast in the report's tab Inside"
    )


RIGHT = {  # what would be right, for the kinds of problem a setting can have
    "greater_than_equal": "give at least {ge}",
    "greater_than": "give more than {gt}",
    "less_than_equal": "give at most {le}",
    "less_than": "give less than {lt}",
    "int_parsing": "give a whole number",
    "int_from_float": "give a whole number",
    "int_type": "give a whole number",
    "float_parsing": "give a number",
    "float_type": "give a number",
    "literal_error": "give {expected}",
}

S = TypeVar("S", bound=_Settings)


def describe(model: type[BaseModel]) -> dict[str, str]:
    """Return what each setting of a group does, by name."""
    return {name: field.description or "" for name, field in model.model_fields.items()}


def settings_from(values: dict[str, Any], origin: str) -> RunConfig:
    """Check ``values`` (as read from TOML) and return them as settings.

    Raises:
        SettingsError: a key is unknown (the nearest right one is named) or a value cannot work; ``origin`` says where.
    """
    try:
        return RunConfig.model_validate(values)
    except ValidationError as error:
        raise SettingsError("\n".join(_sentence(problem, origin) for problem in error.errors())) from None


def _sentence(problem: Any, origin: str) -> str:
    """One validation problem in words."""
    where = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        *groups, key = problem["loc"]
        parts: dict[str, type[BaseModel]] = {
            "data": DataConfig,
            "network": NetworkConfig,
            "training": TrainingConfig,
            "forecast": ForecastConfig,
        }
        known = parts.get(str(groups[-1]) if groups else "", RunConfig).model_fields
        return f"{origin}: unknown key {where!r}.{nearest(str(key), known)} Known here: {', '.join(known)}."
    if problem["type"] == "value_error":  # of several settings together, or with words of our own
        return f"{origin}: {problem['msg'].removeprefix('Value error, ')}."
    right = RIGHT.get(problem["type"])
    words = right.format(**problem.get("ctx", {})) if right else problem["msg"]
    return f"{origin}: {where} = {problem['input']!r}: {words}."


def with_defaults(settings: S, **numbers: Any) -> S:
    """``settings`` with these numbers for whatever was not set on purpose (on the command line or in a file).

    Raises:
        SettingsError: a name is unknown or a value cannot work.
    """
    chosen = {name: value for name, value in numbers.items() if name not in settings.model_fields_set}
    try:
        return type(settings).model_validate({**settings.model_dump(exclude_unset=True), **chosen})
    except ValidationError as error:
        raise SettingsError("\n".join(_sentence(problem, "settings") for problem in error.errors())) from None


def read_config(path: Path) -> RunConfig:
    """Read settings from a TOML file.

    Raises:
        SettingsError: the file is missing, is not TOML, or holds an unknown key or an impossible value.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read ({error.strerror}); give a TOML file of settings") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: is not TOML ({error}); a run writes one as config.toml") from None
    return settings_from(values, str(path))


def config_to_toml(config: RunConfig) -> str:
    """Write settings as TOML text; settings that are None are left out, since TOML has no such value."""
    return tomli_w.dumps(config.model_dump(mode="json", exclude_none=True))
