"""The commands that forecast and judge without a run: ``forecast`` and ``backtest``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gatecast.cli_messages import note, plain_errors, plain_warnings, print_json
from gatecast.cli_options import (
    Config,
    Data,
    Fix,
    Freq,
    Json,
    Level,
    MaybeData,
    Model,
    Season,
    SeriesId,
    TableOptions,
    Target,
    Time,
    Wide,
    Zone,
    settings_of,
    unfolded,
)
from gatecast.errors import OutsideTraining, SettingsError

if TYPE_CHECKING:
    from gatecast.config import RunConfig


def forecast(  # noqa: PLR0913 (one parameter per option)
    *,
    data: MaybeData = None,
    horizon: Annotated[int | None, typer.Option(help="steps to forecast beyond the end of the data")] = None,
    model: Model = None,
    level: Level = None,
    future: Annotated[
        str | None, typer.Option(help="a table with the future of the columns that the model reads in advance")
    ] = None,
    what_if: Annotated[
        list[str] | None, typer.Option(help="change a column known in advance: price=9.9, price*=1.1")
    ] = None,
    adapt: Annotated[
        bool | None,
        typer.Option(
            "--adapt/--no-adapt", help="let the intervals follow what came after the model's training (they do)"
        ),
    ] = None,
    time: Time = None,
    target: Target = None,
    series_id: SeriesId = None,
    wide: Wide = None,
    zone: Zone = None,
    frequency: Freq = None,
    fix: Fix = None,
    config: Config = None,
    out: Annotated[Path | None, typer.Option(help="write a CSV or Parquet file instead of printing")] = None,
    as_json: Json = False,
) -> None:
    """Forecast beyond the end of the data, at once or with a trained model, with dates and intervals."""
    given = {
        "data": {  # the model says which columns it reads
            "source": data,
            "time": time,
            "target": target,
            "series_id": series_id,
            "wide": wide,
            "zone": zone,
            "frequency": frequency,
            "fix": fix,
        },
        "forecast": {
            "horizon": horizon,
            "model": model,
            "level": level,
            "future": future,
            "what_if": what_if,
            "adapt": adapt,
        },
    }
    with plain_errors():
        forecast_and_show(settings_of(given, config), out=out, as_json=as_json)


def forecast_and_show(settings: RunConfig, *, out: Path | None = None, as_json: bool = False) -> None:
    """Make a forecast and print or write it; warnings go to standard error."""
    from gatecast.forecasts import forecast as make
    from gatecast.tables import check_ending, table_as, write_table

    asked, data = settings.forecast, settings.data
    if asked.horizon is None:
        raise SettingsError("no horizon given; say how many steps to forecast with --horizon")
    if out is not None:
        check_ending(out)
    with plain_warnings(OutsideTraining):
        table = make(
            data.source,
            asked.horizon,
            asked.model,
            level=asked.level,
            future=asked.future,
            what_if=asked.what_if,
            adapt=asked.adapt,
            time=data.time,
            target=data.target,
            series_id=data.series_id,
            wide=data.wide,
            zone=data.zone,
            frequency=data.frequency,
            fix=data.fix,
            note=note,
        )
    if out is not None:
        write_table(table, out)
        typer.echo(f"{table.num_rows:,} forecasts written to {out}", err=True)
    else:
        typer.echo(table_as(table, "json" if as_json else "csv"), nl=False)


@unfolded
def backtest(  # noqa: PLR0913 (one parameter per option)
    *,
    data: Data,
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--models",
            "--model",
            help="LSTM, ZeroShot, LastValue, Drift, SeasonalNaive, AR, AutoETS, AutoTheta, AutoARIMA, MSTL, GARCH, "
            "EWMA, HAR or Combination; several with commas, or given again; the first is judged against the others. "
            "Without it: the first six",
        ),
    ] = None,
    horizon: Annotated[int, typer.Option(help="steps that are judged at each origin")] = 1,
    origins: Annotated[int | None, typer.Option(help="how many; as many as the last fifth holds, if not given")] = None,
    step: Annotated[
        int | None, typer.Option(help="steps from one origin to the next; the horizon, if not given")
    ] = None,
    refit: Annotated[int, typer.Option(help="fit again at every how many origins; 0 fits once")] = 0,
    fresh: Annotated[
        bool,
        typer.Option("--fresh", help="with --refit: a network starts from nothing each time, not from its weights"),
    ] = False,
    window: Annotated[int | None, typer.Option(help="fit on this many of the newest steps; all, if not given")] = None,
    gap: Annotated[int, typer.Option(help="steps between an origin and the first that is judged")] = 0,
    adapt: Annotated[
        bool,
        typer.Option(
            "--adapt/--no-adapt", help="let intervals follow what came of a model's earlier forecasts (they do)"
        ),
    ] = True,
    seconds: Annotated[
        float | None, typer.Option(help="leave out a model whose further fits would take longer than this")
    ] = None,
    season_length: Season = None,
    table: TableOptions,
    out: Annotated[Path | None, typer.Option(help="write every forecast beside what came, CSV or Parquet")] = None,
    as_json: Json = False,
) -> None:
    """Ask models what they would have said at earlier dates, score them on the same origins, and judge the first."""
    with plain_errors():
        from rich.console import Console

        from gatecast.console import print_backtest
        from gatecast.judging import CHEAP
        from gatecast.judging import backtest as ask
        from gatecast.scoring import backtest_as_dict, judge_backtest
        from gatecast.tables import check_ending, write_table

        if out is not None:
            check_ending(out)
        named = [name.strip() for several in model or [] for name in several.split(",")]
        names = named or ["LSTM", *(name for name in CHEAP if name != "LSTM")]
        done = ask(
            data,
            names,
            horizon,
            origins=origins,
            step=step,
            refit=refit or False,
            fresh=fresh,
            window=window,
            gap=gap,
            adapt=adapt,
            seconds=seconds,
            season_length=season_length or None,
            note=note,
            **table.given(),
        )
        judged = names[0] in done.forecasts and len(done.forecasts) > 1
        verdict = judge_backtest(done, names[0]) if judged else None
        if out is not None:
            write_table(done.table(), out)
        if as_json:
            print_json(backtest_as_dict(done, verdict))
        else:
            print_backtest(Console(highlight=False), done, verdict)
