"""The options that commands share, and how they become settings.

A command that takes a table has one parameter ``table`` for the ten options that say how it is read: ``unfolded`` shows
them to typer one by one, so that they are written here only.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gatecast.errors import SettingsError

if TYPE_CHECKING:
    from gatecast.config import RunConfig

DATA_HELP = (
    "a named data set (see: gatecast datasets), a CSV (also gzip or zip) or Parquet file, a folder of Parquet files, "
    "or - for standard input"
)
Data = Annotated[str, typer.Argument(metavar="DATA", help=DATA_HELP)]
MaybeData = Annotated[str | None, typer.Argument(metavar="DATA", help=f"{DATA_HELP}; may stand in --config instead")]
Time = Annotated[str | None, typer.Option(help="the time column; found by itself when not given")]
Target = Annotated[
    str | None, typer.Option(help="the column to forecast, or several (a,b); found by itself when not given")
]
SeriesId = Annotated[
    str | None, typer.Option("--series-id", "--id", help="the column that names the series, when there are several")
]
Inputs = Annotated[
    list[str] | None,
    typer.Option("--inputs", "--input", help="a further column, known up to now only; may be given again"),
]
Known = Annotated[
    list[str] | None, typer.Option(help="a column known in advance, such as holidays or prices; may be given again")
]
Static = Annotated[list[str] | None, typer.Option(help="a column that stays the same for a series; may be given again")]
Wide = Annotated[bool | None, typer.Option("--wide", help="each column of numbers is a series")]
Zone = Annotated[str | None, typer.Option(help="the time zone of times that carry none, such as Europe/Berlin")]
Freq = Annotated[str | None, typer.Option("--frequency", help="the spacing, such as D, h or MS; found when not given")]
Fix = Annotated[
    list[str] | None,
    typer.Option(help="mend the table first: sort, drop, fill, interpolate, … (docs/data.md); may be given again"),
]
Config = Annotated[Path | None, typer.Option(help="settings from a TOML file, such as a run's config.toml")]
Season = Annotated[list[int] | None, typer.Option(help="steps per season; 1 for none; may be given twice")]
Level = Annotated[
    list[int] | None,
    typer.Option(help="interval level in percent: 20, 40, 60, 80, 90 or 95; may be given again (80 and 95)"),
]
Model = Annotated[
    str | None, typer.Option(help="a model file written by gatecast run; without it the shipped weights forecast")
]
ModelFile = Annotated[Path, typer.Argument(metavar="FILE", help="a model file written by gatecast run")]
Json = Annotated[bool, typer.Option("--json", help="print one JSON object and nothing else")]


@dataclass(frozen=True, kw_only=True)
class TableOptions:
    """How a table is read, as it was asked for; None where nothing was said."""

    time: Time = None
    target: Target = None
    series_id: SeriesId = None
    inputs: Inputs = None
    known: Known = None
    static: Static = None
    wide: Wide = None
    zone: Zone = None
    frequency: Freq = None
    fix: Fix = None

    def given(self) -> dict[str, Any]:
        """What was said, under the names of the settings and of the Python calls."""
        return chosen(vars(self))


def unfolded(command: Callable[..., None]) -> Callable[..., None]:
    """The command as typer is to see it: in the place of its parameter ``table``, the options of ``TableOptions``."""
    own = inspect.signature(command, eval_str=True)
    options = inspect.signature(TableOptions, eval_str=True).parameters
    shown = [each for name, one in own.parameters.items() for each in (options.values() if name == "table" else [one])]

    @functools.wraps(command)
    def called(**asked: Any) -> None:
        table = TableOptions(**{name: asked.pop(name) for name in options})
        command(table=table, **asked)

    called.__signature__ = own.replace(parameters=shown)  # type: ignore[attr-defined]
    called.__annotations__ = {each.name: each.annotation for each in shown}
    return called


def chosen(options: dict[str, Any]) -> dict[str, Any]:
    """Those of some options that were given; an option that may be given again is an empty list when it was not."""
    return {name: value for name, value in options.items() if value is not None and value != []}


def settings_of(given: dict[str, Any], file: Path | None) -> RunConfig:
    """Settings from a file, overridden by what was given on the command line.

    Args:
        given: the groups of the settings and what was given for each, and the settings that are in no group.
        file: a TOML file, or None.

    Raises:
        SettingsError: an unknown key, an impossible value, or no data named anywhere.
    """
    from gatecast.config import read_config, settings_from

    values = read_config(file).model_dump(exclude_unset=True) if file else {}
    for group, settings in given.items():
        if isinstance(settings, dict):
            values[group] = {**values.get(group, {}), **chosen(settings)}
        elif settings is not None:
            values[group] = settings
    if not values.get("data", {}).get("source"):
        raise SettingsError("no data named; give a named data set (gatecast datasets lists them) or a file")
    return settings_from(values, "command line" if file is None else f"command line and {file}")
