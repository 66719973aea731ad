"""The commands that look inside: ``show`` a model file, open a network (``inside``), and the experiments of the lab."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from gatecast.cli_messages import note, plain_errors, print_json
from gatecast.cli_options import Data, Json, ModelFile, Season, SeriesId, Target, Time


def show(file: ModelFile, as_json: Json = False) -> None:
    """Say what a model file holds: its network, what it has learned from and how, and the verdict of its run."""
    with plain_errors():
        from gatecast.show import card_lines, describe_file

        told = describe_file(file)
        if as_json:
            print_json(told)
            return
        from rich.console import Console
        from rich.table import Table

        table = Table.grid(padding=(0, 2))
        table.add_column(style="bold", no_wrap=True)
        table.add_column(overflow="fold")
        for name, line in card_lines(told):
            table.add_row(name, line)
        Console(highlight=False, markup=False).print(table)


def inside(  # noqa: PLR0913 (one parameter per option)
    *,
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
    with plain_errors():
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


def lab(
    name: Annotated[str, typer.Argument(metavar="NAME", help="gradient, recall, reset, ablate, modes or leak")],
    predict: Annotated[str | None, typer.Option(help="your prediction; asked for where a terminal is there")] = None,
    seeds: Annotated[int, typer.Option(help="how many; with fewer than 4 equal things look different")] = 5,
    out: Annotated[Path | None, typer.Option(help="write a page with the charts, NAME.html")] = None,
    as_json: Json = False,
) -> None:
    """Answer one of the course's questions by measurement: first your prediction, then the numbers."""
    with plain_errors():
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
        result = experiment.run(seeds, note).after(predict)
        if out is not None:
            laboratory.write_page(result, out)
            note(f"page written to {out}")
        if as_json:
            print_json(result.as_dict())
        else:
            print_lab(console, result)
