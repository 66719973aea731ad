"""The command line: one short function per command; nothing is computed here."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gatecast.errors import INTERRUPTED, DataError, GatecastError, SettingsError

if TYPE_CHECKING:
    from gatecast.config import RunConfig
    from gatecast.panel_run import PanelOutcome
    from gatecast.run import Outcome, Recipe, Report

if "OMP_NUM_THREADS" not in os.environ:  # the matrices are small: beside a busy program a second thread costs much
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # read when NumPy is loaded, which this module does not do

app = typer.Typer(
    name="gatecast",
    help="LSTM forecasting that tells the truth and lets people look inside.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

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
Input = Annotated[
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
Out = Annotated[Path | None, typer.Option(help="the folder to write to, instead of runs/<name>-<time>")]
Json = Annotated[bool, typer.Option("--json", help="print one JSON object and nothing else")]


def _version(asked: bool) -> None:
    if asked:
        from gatecast import __version__

        typer.echo(f"gatecast {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="print the version")
    ] = False,
) -> None:
    """LSTM forecasting that tells the truth and lets people look inside."""


@app.command()
def datasets(as_json: Json = False) -> None:
    """List the named data sets; all of them work offline."""
    from gatecast.sources import DATASETS, load

    with _plain_errors():
        rows = [load(name) for name in DATASETS]
        if as_json:
            listed = [
                {"name": row.name, "title": row.title, "points": int(row.panel.lengths[0]), "about": row.about}
                for row in rows
            ]
            typer.echo(json.dumps(listed, ensure_ascii=False, indent=2))
            return
        width = max(len(row.name) for row in rows)
        for row in rows:
            typer.echo(f"{row.name:<{width}}  {int(row.panel.lengths[0]):>6,} points  {row.title}")


@app.command()
def check(  # noqa: PLR0913, PLR0917 (one parameter per option)
    data: Data,
    time: Time = None,
    target: Target = None,
    series_id: SeriesId = None,
    inputs: Input = None,
    known: Known = None,
    static: Static = None,
    wide: Wide = None,
    zone: Zone = None,
    frequency: Freq = None,
    fix: Fix = None,
    out: Annotated[Path | None, typer.Option(help="with --fix: write the mended table, CSV or Parquet")] = None,
    as_json: Json = False,
) -> None:
    """Say all that is wrong with a table, with rows and what to do; exit code 3 if it cannot be forecast."""
    with _plain_errors():
        from gatecast.doctor import check as examine
        from gatecast.tables import ALL_DIGITS, check_ending, write_table

        if out is not None and not fix:
            raise SettingsError("--out writes a mended table; say what to mend with --fix")
        if out is not None:
            check_ending(out)
        report = examine(
            data,
            time=time,
            target=target,
            series_id=series_id,
            inputs=inputs or (),
            known=known or (),
            static=static or (),
            wide=bool(wide),
            zone=zone,
            frequency=frequency,
            fix=fix or (),
        )
        if out is not None and report.table is not None:
            write_table(report.table, out, ALL_DIGITS)
            typer.echo(f"mended table written to {out}", err=True)
        elif out is not None:
            typer.echo(f"gatecast: nothing was mended, so {out} was not written", err=True)
    typer.echo(json.dumps(report.as_dict(), ensure_ascii=False, indent=2) if as_json else report.as_text())
    if not report.ok:
        raise typer.Exit(DataError.exit_code)


@app.command()
def run(  # noqa: PLR0913, PLR0917 (one parameter per option)
    ctx: typer.Context,
    data: MaybeData = None,
    time: Time = None,
    target: Target = None,
    series_id: SeriesId = None,
    inputs: Input = None,
    known: Known = None,
    static: Static = None,
    wide: Wide = None,
    zone: Zone = None,
    frequency: Freq = None,
    fix: Fix = None,
    horizon: Annotated[
        int | None, typer.Option(help="steps of each multi-sequence forecast; 50, or the test part if shorter")
    ] = None,
    season_length: Season = None,
    scaling: Annotated[str | None, typer.Option(help="auto, running or fixed")] = None,
    units: Annotated[int | None, typer.Option(help="LSTM units per layer")] = None,
    layers: Annotated[int | None, typer.Option(help="LSTM layers")] = None,
    dropout: Annotated[float | None, typer.Option(help="share of state values zeroed in training")] = None,
    cell: Annotated[
        str | None,
        typer.Option(help="lstm, or no_forget, no_input, no_output, peephole, coupled, gru or rnn (docs/lab.md)"),
    ] = None,
    context: Annotated[int | None, typer.Option(help="past steps a training window shows")] = None,
    updates: Annotated[int | None, typer.Option(help="weight updates; follows from the data when not given")] = None,
    budget: Annotated[
        str | None, typer.Option(help="time that training may take, such as 90s, 5m or 1h; fewer updates, if need be")
    ] = None,
    learning_rate: Annotated[float | None, typer.Option(help="peak of the one-cycle schedule")] = None,
    seed: Annotated[int | None, typer.Option(help="same seed, same weights")] = None,
    device: Annotated[str | None, typer.Option(help="where to train: cpu, cuda, …")] = None,
    verdict: Annotated[
        str | None, typer.Option(help="quick, or full: other seeds, leakage and slower baselines are looked at too")
    ] = None,
    seconds: Annotated[
        float | None, typer.Option(help="with --verdict full: leave out a baseline that would take longer (60)")
    ] = None,
    adapt: Annotated[
        bool | None,
        typer.Option(
            "--adapt/--no-adapt", help="let intervals follow what came of a model's earlier forecasts (they do)"
        ),
    ] = None,
    inside: Annotated[
        bool | None, typer.Option("--inside", help="train a plain RNN too, for contrast in the report's tab Inside")
    ] = None,
    config: Config = None,
    out: Out = None,
    no_save: Annotated[bool, typer.Option("--no-save", help="write nothing")] = False,
    resume: Annotated[
        Path | None, typer.Option(help="go on with the run of this folder, which was killed or stopped")
    ] = None,
    as_json: Json = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="answer the course's five questions from this run")
    ] = False,
    open_report: Annotated[bool, typer.Option("--open", help="open the report in the browser when it is done")] = False,
) -> None:
    """Split, train, predict three ways, judge against simple baselines, and write a report."""
    given = {
        "data": {
            "source": data,
            "time": time,
            "target": target,
            "series_id": series_id,
            "inputs": inputs,
            "known": known,
            "static": static,
            "wide": wide,
            "zone": zone,
            "frequency": frequency,
            "fix": fix,
            "season_length": season_length,
        },
        "network": {"units": units, "layers": layers, "dropout": dropout, "cell": cell},
        "training": {
            "scaling": scaling,
            "context": context,
            "updates": updates,
            "budget": budget,
            "learning_rate": learning_rate,
            "seed": seed,
            "device": device,
        },
        "horizon": horizon,
        "adapt": adapt,
        "verdict": verdict,
        "seconds": seconds,
        "inside": inside,
    }
    with _plain_errors():
        if resume is not None:
            config = _resumed(resume, {"--config": config, "--out": out, "--no-save": no_save})
        settings, where = settings_of(given, config), (resume or out, resume is not None)
        if open_report and no_save:
            raise SettingsError("--open shows the report, and --no-save writes none; leave one of them out")
        run_and_show(
            settings,
            recipe=ctx.obj,
            out=where,
            save=not no_save,
            as_json=as_json,
            explained=explain,
            open_report=open_report,
        )


@app.command()
def forecast(  # noqa: PLR0913, PLR0917 (one parameter per option)
    data: MaybeData = None,
    horizon: Annotated[int | None, typer.Option(help="steps to forecast beyond the end of the data")] = None,
    model: Annotated[
        str | None, typer.Option(help="a model file written by gatecast run; without it the shipped weights forecast")
    ] = None,
    level: Annotated[
        list[int] | None,
        typer.Option(help="interval level in percent: 20, 40, 60, 80, 90 or 95; may be given again (80 and 95)"),
    ] = None,
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
        "data": {
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
    with _plain_errors():
        settings = settings_of(given, config)
        forecast_and_show(settings, out=out, as_json=as_json)


@app.command()
def backtest(  # noqa: PLR0913, PLR0917 (one parameter per option)
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
    time: Time = None,
    target: Target = None,
    series_id: SeriesId = None,
    inputs: Input = None,
    known: Known = None,
    static: Static = None,
    wide: Wide = None,
    zone: Zone = None,
    frequency: Freq = None,
    fix: Fix = None,
    out: Annotated[Path | None, typer.Option(help="write every forecast beside what came, CSV or Parquet")] = None,
    as_json: Json = False,
) -> None:
    """Ask models what they would have said at earlier dates, score them on the same origins, and judge the first."""
    with _plain_errors():
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
            note=lambda line: typer.echo(f"gatecast: {line}", err=True),
            time=time,
            target=target,
            series_id=series_id,
            inputs=inputs or (),
            known=known or (),
            static=static or (),
            wide=bool(wide),
            zone=zone,
            frequency=frequency,
            fix=fix or (),
        )
        judged = names[0] in done.forecasts and len(done.forecasts) > 1
        verdict = judge_backtest(done, names[0]) if judged else None
        if out is not None:
            write_table(done.table(), out)
        if as_json:
            typer.echo(json.dumps(backtest_as_dict(done, verdict), ensure_ascii=False, indent=2, allow_nan=False))
        else:
            print_backtest(Console(highlight=False), done, verdict)


@app.command()
def serve(
    host: Annotated[
        str, typer.Option(help="the address to listen on; beyond this machine GATECAST_TOKEN is needed")
    ] = "127.0.0.1",
    port: Annotated[
        int | None, typer.Option(min=0, max=65_535, help="8734, or any that is free if it is taken")
    ] = None,
    folder: Annotated[Path | None, typer.Option(help="where uploads and models are kept; ~/.gatecast")] = None,
    name: Annotated[
        list[str] | None, typer.Option(help="a name that the server is known by; may be given again")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, max=64, help="processes that forecast and check")] = 1,
    open_page: Annotated[bool, typer.Option("--open", help="open the page in the browser")] = False,
) -> None:
    """Serve the page and the API: on this machine alone, unless told otherwise."""
    with _plain_errors():
        from gatecast.guard import Door
        from gatecast.limits import Limits
        from gatecast.serving import listen

        door = Door(host, os.environ.get("GATECAST_TOKEN") or None, tuple(name or ()))

        def ready(url: str) -> None:
            typer.echo(f"gatecast serves at {url}   (Ctrl-C ends it)")
            if open_page:
                import webbrowser

                webbrowser.open(f"{url}?token={door.token}" if door.token else url)

        listen(folder or Path.home() / ".gatecast", door, port, Limits(workers=workers), ready)


@app.command()
def lab(
    name: Annotated[str, typer.Argument(metavar="NAME", help="gradient, recall, reset, ablate, modes or leak")],
    predict: Annotated[str | None, typer.Option(help="your prediction; asked for where a terminal is there")] = None,
    seeds: Annotated[int, typer.Option(help="how many; with fewer than 4 equal things look different")] = 5,
    out: Annotated[Path | None, typer.Option(help="write a page with the charts, NAME.html")] = None,
    as_json: Json = False,
) -> None:
    """Answer one of the course's questions by measurement: first your prediction, then the numbers."""
    with _plain_errors():
        from rich.console import Console

        from gatecast import lab as laboratory
        from gatecast.lab_console import ask_prediction, print_lab
        from gatecast.lab_page import check_page

        experiment = laboratory.experiment(name)
        experiment.question.checked(predict)
        if out is not None:
            check_page(out)
        console = Console(highlight=False)
        watched = not as_json and sys.stdin.isatty() and sys.stdout.isatty()
        if watched and predict is None:
            predict = ask_prediction(console, experiment.question)
        result = experiment.run(seeds, lambda line: typer.echo(f"gatecast: {line}", err=True)).after(predict)
        if out is not None:
            laboratory.write_page(result, out)
            typer.echo(f"gatecast: page written to {out}", err=True)
        if as_json:
            typer.echo(json.dumps(result.as_dict(), ensure_ascii=False, indent=2, allow_nan=False))
        else:
            print_lab(console, result)


@app.command()
def show(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="a model file written by gatecast run")],
    as_json: Json = False,
) -> None:
    """Say what a model file holds: its network, what it has learned from and how, and the verdict of its run."""
    with _plain_errors():
        from gatecast.show import card_lines, describe_file

        told = describe_file(file)
        if as_json:
            typer.echo(json.dumps(told, ensure_ascii=False, indent=2))
            return
        from rich.console import Console
        from rich.table import Table

        table = Table.grid(padding=(0, 2))
        table.add_column(style="bold", no_wrap=True)
        table.add_column(overflow="fold")
        for name, line in card_lines(told):
            table.add_row(name, line)
        Console(highlight=False, markup=False).print(table)


@app.command()
def tune(  # noqa: PLR0913, PLR0917 (one parameter per option)
    data: MaybeData = None,
    budget: Annotated[str | None, typer.Option(help="how long to search, such as 90s, 10m or 1h")] = None,
    trials: Annotated[
        int | None, typer.Option(help="how many trials there are to be in all; the same number repeats exactly")
    ] = None,
    horizon: Annotated[int | None, typer.Option(help="steps ahead that count; as in a run, if not given")] = None,
    season_length: Season = None,
    seed: Annotated[int | None, typer.Option(help="same seed, same search")] = None,
    time: Time = None,
    target: Target = None,
    series_id: SeriesId = None,
    inputs: Input = None,
    known: Known = None,
    static: Static = None,
    wide: Wide = None,
    zone: Zone = None,
    frequency: Freq = None,
    fix: Fix = None,
    config: Config = None,
    out: Annotated[Path, typer.Option(help="the settings found, for gatecast run --config")] = Path("tuned.toml"),
    storage: Annotated[
        Path | None,
        typer.Option(help="keeps the trials, so that a search goes on; --out with the ending .sqlite, if not given"),
    ] = None,
    as_json: Json = False,
) -> None:
    """Search for better settings on the training part; called again, the search goes on."""
    given = {
        "data": {
            "source": data,
            "time": time,
            "target": target,
            "series_id": series_id,
            "inputs": inputs,
            "known": known,
            "static": static,
            "wide": wide,
            "zone": zone,
            "frequency": frequency,
            "fix": fix,
            "season_length": season_length,
        },
        "training": {"seed": seed},
        "horizon": horizon,
    }
    with _plain_errors():
        from gatecast.durations import seconds_of
        from gatecast.opening import open_source
        from gatecast.tuning import Limits, check_places, search, tuned_as_text

        try:
            seconds = None if budget is None else seconds_of(budget)
        except ValueError as error:
            raise SettingsError(f"--budget {error}") from None
        settings, kept = settings_of(given, config), storage or out.with_suffix(".sqlite")
        check_places(out, kept)
        found = search(
            settings,
            open_source(settings.data),
            Limits(seconds, trials, kept),
            lambda line: typer.echo(f"gatecast: {line}", err=True),
        )
        found.save(out)
        typer.echo(f"gatecast: settings written to {out}; trials kept in {kept}", err=True)
    if as_json:
        typer.echo(json.dumps(found.as_dict(), ensure_ascii=False, indent=2, allow_nan=False))
    else:
        typer.echo(tuned_as_text(found))
    if found.interrupted:
        raise typer.Exit(INTERRUPTED)


@app.command()
def inside(  # noqa: PLR0913, PLR0917 (one parameter per option)
    data: Data,
    model: Annotated[
        str | None,
        typer.Option(
            help="a model file written by gatecast run; without it a network of the shipped ensemble is opened"
        ),
    ] = None,
    series: Annotated[
        str | None, typer.Option(help="the name of the series to open it over; the first if not given")
    ] = None,
    season_length: Season = None,
    time: Time = None,
    target: Target = None,
    series_id: SeriesId = None,
    out: Annotated[Path, typer.Option(help="the page to write")] = Path("inside.html"),
) -> None:
    """Open a network over a series: a page with its gates and states, where everything can be changed."""
    with _plain_errors():
        from gatecast.report import write_inside

        write_inside(
            data,
            out,
            model,
            series=series,
            season_length=tuple(season_length) if season_length else None,
            time=time,
            target=target,
            series_id=series_id,
        )
        typer.echo(f"Page: {out}")


@app.command()
def stream(  # noqa: PLR0913, PLR0917 (one parameter per option)
    model: Annotated[
        str | None, typer.Option(help="a model file written by gatecast run; without it the shipped weights forecast")
    ] = None,
    horizon: Annotated[int, typer.Option(help="steps ahead of every forecast")] = 1,
    level: Annotated[
        list[int] | None,
        typer.Option(help="interval level in percent: 20, 40, 60, 80, 90 or 95; may be given again (80 and 95)"),
    ] = None,
    anomaly: Annotated[int, typer.Option(help="flag a value outside the interval of this level")] = 95,
    target: Target = None,
    history: Annotated[str | None, typer.Option(help="a table to read before the first line")] = None,
    season_length: Season = None,
    state: Annotated[
        str | None, typer.Option(help="a file to go on from, if it is there, and to leave the stream's state in")
    ] = None,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="leave lines out that are no values, and say so")
    ] = False,
    compiled: Annotated[
        bool | None,
        typer.Option("--compiled/--no-compiled", help="compile the step at once or never, not after 1,000 values"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print a JSON object for each line")] = False,
) -> None:
    """Read values from standard input and answer each with a forecast, at once; say which fall outside their band."""
    with _plain_errors():
        from gatecast.stream_command import Asked, answer_input

        seasons = tuple(season_length) if season_length else None
        levels = tuple(level) if level else (80, 95)
        asked = Asked(model, horizon, levels, anomaly, target, history, seasons, state, skip_bad, as_json, compiled)
        if answer_input(asked):
            raise typer.Exit(INTERRUPTED)


@app.command()
def export(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="a model file written by gatecast run")],
    to: Annotated[str, typer.Option(help="the format: onnx")] = "onnx",
    out: Annotated[Path | None, typer.Option(help="the file to write, instead of FILE with another ending")] = None,
) -> None:
    """Write a trained model for another runtime; docs/export.md says what the graph takes and gives."""
    with _plain_errors():
        from gatecast.export import export_onnx
        from gatecast.modelfile import load_model

        if to != "onnx":
            raise SettingsError(f"--to: {to!r} is not offered; choose onnx")
        path = out or file.with_suffix(".onnx")
        export_onnx(load_model(file), path)
        typer.echo(path)


def forecast_and_show(settings: RunConfig, *, out: Path | None = None, as_json: bool = False) -> None:
    """Make a forecast and print or write it; warnings go to standard error."""
    import warnings

    from gatecast.errors import OutsideTraining
    from gatecast.forecasts import forecast as make
    from gatecast.tables import check_ending, table_as, write_table

    asked, data = settings.forecast, settings.data
    if asked.horizon is None:
        raise SettingsError("no horizon given; say how many steps to forecast with --horizon")
    if out is not None:
        check_ending(out)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", OutsideTraining)
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
            note=lambda sentence: typer.echo(f"gatecast: {sentence}", err=True),
        )
    for warning in caught:
        typer.echo(f"gatecast: warning: {warning.message}", err=True)
    if out is not None:
        write_table(table, out)
        typer.echo(f"{table.num_rows:,} forecasts written to {out}", err=True)
    else:
        typer.echo(table_as(table, "json" if as_json else "csv"), nl=False)


def settings_of(given: dict[str, Any], file: Path | None) -> RunConfig:
    """Settings from a file, overridden by what was given on the command line.

    Raises:
        SettingsError: an unknown key, an impossible value, or no data named anywhere.
    """
    from gatecast.config import read_config, settings_from

    values = read_config(file).model_dump(exclude_unset=True) if file else {}
    for group, settings in given.items():
        if isinstance(settings, dict):
            chosen = {name: value for name, value in settings.items() if value is not None and value != []}
            values[group] = {**values.get(group, {}), **chosen}
        elif settings is not None:
            values[group] = settings
    if not values.get("data", {}).get("source"):
        raise SettingsError("no data named; give a named data set (gatecast datasets lists them) or a file")
    return settings_from(values, "command line" if file is None else f"command line and {file}")


def run_and_show(
    settings: RunConfig,
    *,
    recipe: Recipe | None = None,
    out: tuple[Path | None, bool] = (None, False),
    save: bool = True,
    as_json: bool = False,
    explained: bool = False,
    open_report: bool = False,
) -> None:
    """Do a run, print it and write its folder; ends with exit code 130 when Ctrl-C cut the training short.

    Args:
        settings: all settings.
        recipe: the steps, when they are not the standard ones.
        out: the folder, and whether to go on with the run that it holds.
        save: whether anything is written.
        as_json: print one JSON object.
        explained: answer the course's five questions.
        open_report: open the report in the browser.
    """
    from contextlib import ExitStack

    from rich.console import Console

    from gatecast.console import training_bar
    from gatecast.output import folder_for, write_outcome, write_panel_outcome
    from gatecast.panel_run import PanelOutcome, with_panel_files
    from gatecast.report import prepare
    from gatecast.run import with_files

    if settings.network.cell != "lstm":
        typer.echo(f"gatecast: the network's cell is {settings.network.cell}; columns and words say LSTM", err=True)
    console = Console(highlight=False)
    with ExitStack() as stack:
        name = Path(settings.data.source).stem.strip("-") or "stdin"
        stack.enter_context(_plain_warnings())
        folder, again = out
        place = stack.enter_context(folder_for(name, folder, settings, folder if again else None)) if save else None
        if place is not None:
            prepare()  # the report's JavaScript is bundled beside the training
        with training_bar(console if not as_json else Console(quiet=True)) as progress:
            outcome = _run_either(settings, recipe, progress, None if place is None else place.checkpoint)
        if place is not None and isinstance(outcome, PanelOutcome):
            outcome = with_panel_files(outcome, write_panel_outcome(outcome, place.work, place.final))
        elif place is not None and not isinstance(outcome, PanelOutcome):
            outcome = with_files(outcome, write_outcome(outcome, place.work, place.final))
        if place is not None:
            place.stopped = outcome.interrupted
    if as_json:
        typer.echo(json.dumps(outcome.as_dict(), ensure_ascii=False, indent=2, allow_nan=False))
    else:
        _print_either(console, outcome, explained)
    typer.echo(f"gatecast: {outcome.forecaster.picked_}", err=True)
    if open_report:
        import webbrowser

        webbrowser.open(Path(outcome.files["report"]).resolve().as_uri())
    if outcome.interrupted:
        raise typer.Exit(INTERRUPTED)


def _print_either(console: Any, outcome: Outcome | PanelOutcome, explained: bool) -> None:
    """A run in words, and where its files are if it wrote any."""
    from gatecast.console import print_outcome, print_panel
    from gatecast.explain import explain
    from gatecast.panel_run import PanelOutcome

    if isinstance(outcome, PanelOutcome):
        print_panel(console, outcome)
        answers = "The course's five questions are answered for one series; this table holds several."
    else:
        print_outcome(console, outcome)
        answers = explain(outcome) if explained else ""
    if explained:
        console.print()
        console.print(answers, markup=False, soft_wrap=True)
    if outcome.files:
        report, model = outcome.files["report"], outcome.files["model"]
        console.print(
            f"\nReport: {report}\nModel:  {model}   (gatecast forecast DATA --horizon N --model …)",
            markup=False,
            soft_wrap=True,
        )


def _resumed(folder: Path, others: dict[str, Any]) -> Path:
    """The settings of a run that is gone on with; options that would say where it is otherwise are refused."""
    from gatecast.output import settings_to_resume

    for option, value in others.items():
        if value:
            raise SettingsError(f"{option} with --resume: settings and results stand in {folder}; leave {option} out")
    return settings_to_resume(folder)


def _run_either(
    settings: RunConfig, recipe: Recipe | None, progress: Report | None, checkpoint: Path | None = None
) -> Outcome | PanelOutcome:
    """A run over one series, or over several; the course's recipes know one only."""
    from time import perf_counter

    from gatecast import panel_run
    from gatecast import run as single
    from gatecast.opening import open_source

    gather: single.Gather = single.quick
    gather_panel: panel_run.GatherPanel = panel_run.quick
    if settings.verdict == "full":
        from gatecast import evidence

        gather, gather_panel = evidence.gather, evidence.gather_panel
    if recipe is None:
        begin = perf_counter()
        source = open_source(settings.data)
        if len(source.panel) > 1:
            return panel_run.run_panel(settings, source, progress, gather_panel, checkpoint)
        recipe = single.Standard(source, settings.data, perf_counter() - begin)
    return single.run(settings, recipe, progress, gather, checkpoint)


@contextmanager
def _plain_warnings() -> Iterator[None]:
    """A checkpoint that could not be written or read is said in one line, at once."""
    import warnings

    from gatecast.checkpoint import CheckpointWarning

    with warnings.catch_warnings():
        warnings.simplefilter("always", CheckpointWarning)
        warnings.showwarning = lambda message, *_, **__: typer.echo(f"gatecast: warning: {message}", err=True)
        yield


@contextmanager
def _plain_errors() -> Iterator[None]:
    """One clear message and a stable exit code instead of a traceback."""
    try:
        yield
    except GatecastError as error:
        typer.echo(f"gatecast: {error}", err=True)
        raise typer.Exit(error.exit_code) from None
    except KeyboardInterrupt:
        typer.echo("gatecast: stopped by Ctrl-C before there was anything to keep; nothing was written", err=True)
        raise typer.Exit(INTERRUPTED) from None


def course(recipe: Recipe) -> None:
    """Entry point of the course's door: ``gatecast run`` with the steps of the reading copy."""
    door = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    door.command(context_settings={"help_option_names": ["-h", "--help"]})(run)
    door(obj=recipe, prog_name="run_lstm.py")


def main() -> None:
    """Entry point of the command ``gatecast``."""
    try:
        app()
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output has gone; that is no error


if __name__ == "__main__":
    main()
