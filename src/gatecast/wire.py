"""What a client may send, typed and refused early; the words are those of the command line and the library."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from gatecast.constants import LEVELS
from gatecast.lab_questions import FEWEST, USUAL

Level = Annotated[int, Field(json_schema_extra={"enum": sorted(LEVELS)}, description="interval level in percent")]
Number = Annotated[float, Field(allow_inf_nan=False)]
Cell = Number | str | None
Name = Annotated[str, Field(min_length=1, max_length=200)]
Id = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$", description="as the server gave it")]
Season = Annotated[int, Field(ge=1, le=10_000)]


def _levels(given: tuple[int, ...]) -> tuple[int, ...]:
    for percent in given:
        if percent not in LEVELS:
            raise ValueError(f"level {percent} is not offered; choose from {', '.join(map(str, sorted(LEVELS)))}")
    return given


Levels = Annotated[tuple[Level, ...], Field(max_length=6), AfterValidator(_levels)]


class _Body(BaseModel):
    """What all requests share: no key that is not known."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Data(_Body):
    """A table, given in exactly one of five ways, and which of its columns are what."""

    dataset: Name | None = Field(default=None, description="a bundled set, see GET /v1/datasets")
    upload: Id | None = Field(default=None, description="a file sent before, see POST /v1/uploads")
    csv: str | None = Field(default=None, description="the text of a CSV")
    values: list[Number | None] | None = Field(default=None, description="one series, oldest first; null is missing")
    columns: dict[str, list[Cell]] | None = Field(default=None, description="a table by columns, all of one length")
    time: Name | None = Field(default=None, description="the time column; found by itself when not given")
    target: Name | list[Name] | None = Field(default=None, description="the column to forecast, or several")
    series_id: Name | None = Field(default=None, description="the column that names the series")
    wide: bool = Field(default=False, description="each column of numbers is a series")
    zone: Name | None = Field(default=None, description="the time zone of times that carry none")
    frequency: Name | None = Field(default=None, description="the spacing, such as D, h or MS")
    fix: list[Name] = Field(default=[], max_length=12, description="what to mend first: sort, drop, fill, …")

    @model_validator(mode="after")
    def _one_table(self) -> Data:
        ways = ("dataset", "upload", "csv", "values", "columns")
        given = [way for way in ways if getattr(self, way) is not None]
        if len(given) != 1:
            found = " and ".join(given) if given else "none"
            raise ValueError(f"give one table, as one of {', '.join(ways)}; found {found}")
        return self


class Check(Data):
    """Ask what is wrong with a table."""

    inputs: list[Name] = Field(default=[], max_length=50, description="further columns, known up to now only")
    known: list[Name] = Field(default=[], max_length=50, description="columns known in advance")
    static: list[Name] = Field(default=[], max_length=50, description="columns that stay the same for a series")


class Preview(Data):
    """Ask for the newest values of one series, to draw them."""

    unique_id: str | None = Field(default=None, max_length=1_000, description="which series; the first if not given")
    points: int = Field(default=1_000, ge=1, le=5_000, description="of the newest values, at most so many")


class Forecast(Data):
    """Ask what comes after the end of a table."""

    horizon: int = Field(ge=1, description="steps to forecast beyond the end of the data")
    model: Id | None = Field(default=None, description="a model trained here; without it the shipped weights forecast")
    level: Levels = Field(default=(80, 95), description="interval levels in percent")
    adapt: bool = Field(default=True, description="let the intervals follow what came after the model's training")
    future: dict[str, list[Cell]] | None = Field(
        default=None, description="for a model that reads columns in advance: their future, by columns, with the times"
    )


class Backtest(Check):
    """Ask models what they would have said at earlier dates."""

    models: list[Name] = Field(
        default=["ZeroShot", "LastValue", "Drift", "SeasonalNaive", "AR"],
        min_length=1,
        max_length=12,
        description="the first is judged against the others",
    )
    horizon: int = Field(default=1, ge=1, description="steps that are judged at each origin")
    origins: int | None = Field(default=None, ge=1, le=5_000, description="how many; the last fifth if not given")
    step: int | None = Field(default=None, ge=1, description="steps from one origin to the next")
    refit: int = Field(default=0, ge=0, description="fit anew at every how many origins; 0 fits once")
    window: int | None = Field(default=None, ge=1, description="fit on this many of the newest steps")
    gap: int = Field(default=0, ge=0, le=1_000, description="steps between an origin and the first that is judged")
    season_length: list[Season] | None = Field(default=None, min_length=1, max_length=2, description="steps per season")
    adapt: bool = Field(default=True, description="let intervals follow what came of earlier forecasts")


class Train(Check):
    """Ask for a network of one's own: it is trained, judged and kept."""

    horizon: int | None = Field(default=None, ge=1, description="steps of each multi-sequence forecast")
    season_length: list[Season] | None = Field(default=None, min_length=1, max_length=2, description="steps per season")
    scaling: Literal["auto", "running", "fixed"] | None = Field(default=None, description="follow the level or fix it")
    start: Literal["auto", "nothing", "shipped"] | None = Field(
        default=None, description="begin with the shipped weights, or with nothing"
    )
    units: int | None = Field(default=None, ge=1, le=256, description="LSTM units per layer")
    layers: int | None = Field(default=None, ge=1, le=4, description="LSTM layers")
    dropout: float | None = Field(default=None, ge=0, lt=1, description="share of state values zeroed in training")
    context: int | None = Field(default=None, ge=2, le=1_024, description="past steps a training window shows")
    updates: int | None = Field(default=None, ge=0, le=10_000, description="weight updates")
    learning_rate: float | None = Field(default=None, gt=0, le=1, description="peak of the one-cycle schedule")
    seed: int | None = Field(default=None, ge=0, le=2**31, description="same seed, same weights")
    inside: bool | None = Field(default=None, description="train a plain RNN too, for contrast on the tab Inside")


class Lab(_Body):
    """Ask for an experiment of the lab to be measured."""

    name: Name = Field(description="of the experiment, see GET /v1/lab")
    predict: Name | None = Field(default=None, description="one of its choices, said before it is measured")
    seeds: int = Field(default=USUAL, ge=FEWEST, le=20, description="how many; with fewer than 4 equal things differ")


class NewStream(_Body):
    """Ask for a stream: a model that reads one series, value by value, and keeps its state."""

    model: Id | None = Field(default=None, description="a model trained here; without it the first shipped network")
    season_length: list[Season] | None = Field(
        default=None,
        min_length=1,
        max_length=2,
        description="steps per season, of the shipped network; none if not given",
    )
    values: list[Number | None] = Field(default=[], description="what came before, oldest first; null is missing")


class Update(_Body):
    """The next values of a stream, and how far to look ahead."""

    values: list[Number | None] = Field(description="oldest first; null is missing")
    horizon: int | None = Field(default=None, ge=1, description="also forecast so many steps")
    level: Levels = Field(default=(80, 95), description="interval levels in percent")


# ------------------------------------------------------------------------------------------------------ answers


class Wrong(BaseModel):
    """What went wrong."""

    code: str = Field(description="a stable word")
    message: str = Field(description="what was found and what would be right")
    status: int = Field(description="of HTTP")


class Refused(BaseModel):
    """Every answer that is no success."""

    error: Wrong


class Made(BaseModel):
    """A forecast: rows as the command line prints them."""

    model: str = Field(description="ZeroShot or LSTM, as the columns are called")
    rows: list[dict[str, Any]] = Field(description="unique_id, ds, MODEL, MODEL-lo-80, MODEL-hi-80 …")
    notes: list[str] = Field(description="what was mended, what season was found, and warnings")


class Flow(BaseModel):
    """A stream as it stands."""

    id: Id
    steps: int = Field(description="values read so far")
    model: str = Field(description="ZeroShot or LSTM, as the columns are called")
    rows: list[dict[str, Any]] | None = Field(description="step, MODEL, MODEL-lo-80 …, where a forecast was asked for")


class Kept(BaseModel):
    """An upload."""

    id: Id
    name: str
    bytes: int
    rows: int
    columns: list[str]


class State(BaseModel):
    """A model, or one that is being made."""

    id: Id
    name: str = Field(description="of its data")
    state: Literal["queued", "running", "done", "failed", "cancelled"]
    stage: Literal["waiting", "reading", "training", "contrast", "judging", "writing", "finished"]
    created: str = Field(description="UTC, ISO 8601")
    update: int = Field(description="training updates made")
    updates: int = Field(description="training updates planned, 0 before that is known")
    sentence: str = Field(description="the verdict, once there is one")
    files: list[str] = Field(description="what can be fetched under /v1/models/ID/files/")
    error: Wrong | None = Field(description="why it failed")


class Experiment(BaseModel):
    """What the lab offers."""

    name: str
    title: str
    question: str
    choices: list[dict[str, str]] = Field(description="key and text")
    seeds: int = Field(description="as many as usual")
    seconds: int = Field(description="about how long it then takes, on one free processor")


class LabRun(BaseModel):
    """An experiment that is, or was, measured."""

    id: Id
    name: str
    predicted: str | None
    seeds: int
    seconds: int = Field(description="about how long it takes, on one free processor")
    state: Literal["queued", "running", "done", "failed", "cancelled"]
    stage: Literal["waiting", "measuring", "writing", "finished"]
    created: str = Field(description="UTC, ISO 8601")
    result: dict[str, Any] | None = Field(description="once it is done: what gatecast lab NAME --json prints")
    error: Wrong | None = Field(description="why it failed")
