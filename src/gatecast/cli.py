"""The command line: all commands in their order; what each one asks for and does stands in the modules ``cli_…``.

Nothing is computed in any of them, and what a command needs is imported when it is called: ``--help`` loads nothing
heavy.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from gatecast.cli_data import check, datasets
from gatecast.cli_doors import export, serve, stream
from gatecast.cli_forecast import backtest, forecast
from gatecast.cli_look import inside, lab, show
from gatecast.cli_train import run, tune

if TYPE_CHECKING:
    from gatecast.run import Recipe

if "OMP_NUM_THREADS" not in os.environ:  # the matrices are small: beside a busy program a second thread costs much
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # read when NumPy is loaded, which this module does not do

HELP_NAMES = {"help_option_names": ["-h", "--help"]}

app = typer.Typer(
    name="gatecast",
    help="LSTM forecasting that tells the truth and lets people look inside.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings=HELP_NAMES,
)
for command in (datasets, check, run, forecast, backtest, serve, lab, show, tune, inside, stream, export):
    app.command()(command)


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


def course(recipe: Recipe) -> None:
    """Entry point of the course's door: ``gatecast run`` with the steps of the reading copy."""
    door = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    door.command(context_settings=HELP_NAMES)(run)
    door(obj=recipe, prog_name="run_lstm.py")


def main() -> None:
    """Entry point of the command ``gatecast``."""
    try:
        app()
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output has gone; that is no error


if __name__ == "__main__":
    main()
