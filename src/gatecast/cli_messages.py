"""What every command says in the same way: notes and errors on standard error, one JSON object, exit codes."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer

from gatecast.errors import INTERRUPTED, GatecastError


def note(line: str) -> None:
    """A line on standard error, beside what was asked for."""
    typer.echo(f"gatecast: {line}", err=True)


def print_json(value: Any) -> None:
    """One JSON value on standard output, and nothing else there.

    Raises:
        ValueError: a number that JSON does not have, such as NaN.
    """
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False))


@contextmanager
def plain_errors() -> Iterator[None]:
    """One clear message and a stable exit code instead of a traceback."""
    try:
        yield
    except GatecastError as error:
        note(str(error))
        raise typer.Exit(error.exit_code) from None
    except KeyboardInterrupt:
        note("stopped by Ctrl-C before there was anything to keep; nothing was written")
        raise typer.Exit(INTERRUPTED) from None


@contextmanager
def plain_warnings(kind: type[Warning]) -> Iterator[None]:
    """Warnings of one kind are said in one line each, every time and at once."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", kind)
        warnings.showwarning = lambda message, *_, **__: note(f"warning: {message}")
        yield
