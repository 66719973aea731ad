"""The commands for other programs: ``serve`` over HTTP, ``stream`` through a pipe, ``export`` to another runtime."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import typer

from gatecast.cli_messages import plain_errors
from gatecast.cli_options import Level, Model, Season, Target
from gatecast.errors import INTERRUPTED, SettingsError


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
    with plain_errors():
        from gatecast.guard import Door
        from gatecast.limits import Limits
        from gatecast.serving import listen

        door = Door(host, os.environ.get("GATECAST_TOKEN") or None, tuple(name or ()))

        def ready(url: str) -> None:
            typer.echo(f"gatecast serves at {url}   (Ctrl-C ends it)")
            if open_page:
                import webbrowser

                webbrowser.open(f"{url}?token={quote(door.token, safe='')}" if door.token else url)

        listen(folder or Path.home() / ".gatecast", door, port, Limits(workers=workers), ready)


def stream(  # noqa: PLR0913 (one parameter per option)
    *,
    model: Model = None,
    horizon: Annotated[int, typer.Option(help="steps ahead of every forecast")] = 1,
    level: Level = None,
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
    with plain_errors():
        from gatecast.stream_command import Asked, answer_input

        seasons = tuple(season_length) if season_length else None
        levels = tuple(level) if level else (80, 95)
        asked = Asked(model, horizon, levels, anomaly, target, history, seasons, state, skip_bad, as_json, compiled)
        if answer_input(asked):
            raise typer.Exit(INTERRUPTED)


def export(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE...", help="a model file, or several that become one; shipped: the package's own"),
    ],
    to: Annotated[str, typer.Option(help="the format: onnx")] = "onnx",
    out: Annotated[Path | None, typer.Option(help="the file to write, instead of FILE with another ending")] = None,
) -> None:
    """Write a trained model for another runtime; docs/export.md says what the graph takes and gives."""
    with plain_errors():
        from gatecast.export import export_onnx
        from gatecast.modelfile import load_model
        from gatecast.zeroshot import shipped

        if to != "onnx":
            raise SettingsError(f"--to: {to!r} is not offered; choose onnx")
        known = Path("shipped")
        models = [each for file in files for each in (shipped() if file == known else (load_model(file),))]
        path = out or files[0].with_suffix(".onnx")
        export_onnx(models, path)
        typer.echo(path)
