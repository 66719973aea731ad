"""The command line: one short function per command; nothing is computed here."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gatecast.errors import INTERRUPTED, DataError, GatecastError, SettingsError

if TYPE_CHECKING:
    from gatecast.config import RunConfig
    from gatecast.run import Recipe

app = typer.Typer(
    name="gatecast",
    help="LSTM forecasting that tells the truth and lets people look inside.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Data = Annotated[
    str, typer.Argument(metavar="DATA", help="a named data set (see: gatecast datasets) or a CSV or Parquet file")
]
Time = Annotated[str | None, typer.Option(help="the time column; found by itself when not given")]
Target = Annotated[str | None, typer.Option(help="the column to forecast; found by itself when not given")]
SeriesId = Annotated[str | None, typer.Option("--id", help="the column that names the series, when there are several")]
Input = Annotated[list[str] | None, typer.Option(help="a further column the network may read; may be given again")]
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
def check(
    data: Data,
    time: Time = None,
    target: Target = None,
    series_id: SeriesId = None,
    input: Input = None,
    as_json: Json = False,
) -> None:
    """Say all that is wrong with a table, with rows and what to do; exit code 3 if it cannot be forecast."""
    with _plain_errors():
        from gatecast.doctor import check as examine

        report = examine(data, time=time, target=target, series_id=series_id, inputs=input or ())
    typer.echo(json.dumps(report.as_dict(), ensure_ascii=False, indent=2) if as_json else report.as_text())
    if not report.ok:
        raise typer.Exit(DataError.exit_code)


@app.command()
def run(  # noqa: PLR0913, PLR0917 (one parameter per option)
    ctx: typer.Context,
    data: Annotated[
        str | None,
        typer.Argument(
            metavar="DATA",
            help="a named data set (see: gatecast datasets) or a CSV or Parquet file; may stand in --config instead",
        ),
    ] = None,
    time: Time = None,
    target: Target = None,
    series_id: SeriesId = None,
    input: Input = None,
    horizon: Annotated[
        int | None, typer.Option(help="steps of each multi-sequence forecast; 50, or the test part if shorter")
    ] = None,
    season_length: Season = None,
    scaling: Annotated[str | None, typer.Option(help="auto, running or fixed")] = None,
    units: Annotated[int | None, typer.Option(help="LSTM units per layer")] = None,
    layers: Annotated[int | None, typer.Option(help="LSTM layers")] = None,
    dropout: Annotated[float | None, typer.Option(help="share of state values zeroed in training")] = None,
    context: Annotated[int | None, typer.Option(help="past steps a training window shows")] = None,
    updates: Annotated[int | None, typer.Option(help="weight updates; follows from the data when not given")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="peak of the one-cycle schedule")] = None,
    seed: Annotated[int | None, typer.Option(help="same seed, same weights")] = None,
    device: Annotated[str | None, typer.Option(help="where to train: cpu, cuda, …")] = None,
    config: Annotated[Path | None, typer.Option(help="settings from a TOML file, such as a run's config.toml")] = None,
    out: Out = None,
    no_save: Annotated[bool, typer.Option("--no-save", help="write nothing")] = False,
    as_json: Json = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="answer the course's five questions from this run")
    ] = False,
) -> None:
    """Split, train, predict three ways, judge against simple baselines, and write a report."""
    given = {
        "data": {
            "source": data,
            "time": time,
            "target": target,
            "series_id": series_id,
            "inputs": input,
            "season_length": season_length,
        },
        "network": {"units": units, "layers": layers, "dropout": dropout},
        "training": {
            "scaling": scaling,
            "context": context,
            "updates": updates,
            "learning_rate": learning_rate,
            "seed": seed,
            "device": device,
        },
        "horizon": horizon,
    }
    with _plain_errors():
        settings = settings_of(given, config)
        run_and_show(settings, recipe=ctx.obj, out=out, save=not no_save, as_json=as_json, explained=explain)


@app.command()
def forecast(  # noqa: PLR0913, PLR0917 (one parameter per option)
    data: Data,
    horizon: Annotated[int, typer.Option(help="steps to forecast beyond the end of the data")],
    model: Annotated[Path, typer.Option(help="a model file written by gatecast run")],
    time: Time = None,
    target: Target = None,
    series_id: SeriesId = None,
    level: Annotated[
        list[int] | None, typer.Option(help="interval level in percent; may be given again (80 and 95)")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="write a CSV or Parquet file instead of printing")] = None,
    as_json: Json = False,
) -> None:
    """Forecast beyond the end of the data with a trained model, with dates and intervals in the data's own units."""
    with _plain_errors():
        from gatecast.modelfile import load_model
        from gatecast.panel import forecast_frame
        from gatecast.predictor import forecast_panel, unlike_training
        from gatecast.sources import load
        from gatecast.tables import check_ending, table_as, write_table

        if horizon < 1:
            raise SettingsError(f"a horizon of {horizon} forecasts nothing; give 1 or more steps")
        if out is not None:
            check_ending(out)
        trained = load_model(model)
        source = load(data, time=time, target=target, series_id=series_id, inputs=trained.inputs)
        for sentence in unlike_training(trained, source.panel):
            typer.echo(f"gatecast: warning: {sentence}; do not trust this forecast", err=True)
        quantiles = forecast_panel(trained, source.panel, horizon)
        table = forecast_frame(source.panel, quantiles, "LSTM", tuple(level or (80, 95)))
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
    out: Path | None = None,
    save: bool = True,
    as_json: bool = False,
    explained: bool = False,
) -> None:
    """Do a run, print it and write its folder; ends with exit code 130 when Ctrl-C cut the training short."""
    from contextlib import ExitStack

    from rich.console import Console

    from gatecast.console import print_outcome, training_bar
    from gatecast.explain import explain
    from gatecast.output import folder_for, write_outcome
    from gatecast.report import prepare
    from gatecast.run import Standard, with_files
    from gatecast.run import run as whole_run

    console = Console(highlight=False)
    with ExitStack() as stack:
        place = stack.enter_context(folder_for(Path(settings.data.source).stem, out)) if save else None
        if place is not None:
            prepare()  # the report's JavaScript is bundled beside the training
        with training_bar(console if not as_json else Console(quiet=True)) as progress:
            outcome = whole_run(settings, recipe or Standard(), progress)
        if place is not None:
            outcome = with_files(outcome, write_outcome(outcome, *place))
    if as_json:
        typer.echo(json.dumps(outcome.as_dict(), ensure_ascii=False, indent=2, allow_nan=False))
    else:
        print_outcome(console, outcome)
        if explained:
            console.print()
            console.print(explain(outcome), markup=False, soft_wrap=True)
        if place is not None:
            report, model = outcome.files["report"], outcome.files["model"]
            console.print(
                f"\nReport: {report}\nModel:  {model}   (gatecast forecast DATA --horizon N --model …)",
                markup=False,
                soft_wrap=True,
            )
    if outcome.interrupted:
        raise typer.Exit(INTERRUPTED)


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
