"""``gatecast stream``: lines of values in, lines of forecasts out, as they come.

A line of input is a value, or a row of a CSV table whose header is the first line.  An empty cell is a missing value.
Nothing is held back: every line that is read is answered and flushed before the next one is read.
"""

from __future__ import annotations

import csv
import json
import math
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from gatecast.config import LEVELS, MEDIAN, QUANTILES
from gatecast.errors import DataError, GatecastError, SettingsError, nearest
from gatecast.modelfile import load_model
from gatecast.streaming import Cell, ForecastStream
from gatecast.streams import open_stream, resume_stream
from gatecast.wording import counted

__all__ = ["Asked", "answer_lines"]

MISSING = ("", "na", "n/a", "nan", "null", "none", "-", ".")
Row = Mapping[str, str]
Say = Callable[[str], None]


class Asked(NamedTuple):
    """What the command was asked for."""

    model: str | None = None  # a model file; None takes the shipped weights
    horizon: int = 1
    level: tuple[int, ...] = (80, 95)
    anomaly: int = 95  # a value outside this interval is flagged
    target: str | None = None
    history: str | None = None  # a table to read before the first line
    season_length: tuple[int, ...] | None = None
    state: str | None = None  # a file to go on from, and to leave the state in
    skip_bad: bool = False
    as_json: bool = False
    compiled: bool | None = None


def answer_input(asked: Asked) -> bool:
    """Answer standard input on standard output; returns whether Ctrl-C ended it.

    A reader of the output that has gone is a quiet end, as is the end of the input.

    Raises:
        GatecastError: see ``answer_lines``.
    """

    def write(line: str) -> None:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()

    def note(sentence: str) -> None:
        sys.stderr.write(f"gatecast: {sentence}\n")

    lines = (line.decode("utf-8", "replace") for line in iter(sys.stdin.buffer.readline, b""))
    try:
        answer_lines(lines, asked, write, note)
    except KeyboardInterrupt:
        return True
    except BrokenPipeError:  # what is left in the buffer must not fail once more when Python ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return False


def answer_lines(lines: Iterable[str], asked: Asked, write: Say, note: Say) -> ForecastStream:
    """Answer every line; returns the stream as it is after the last.

    With ``asked.state`` the state is left in that file however the lines end, also by Ctrl-C or a reader that has gone.

    Args:
        lines: what comes in.
        asked: settings.
        write: is given every line of output, and sends it on at once.
        note: is told of lines that are skipped.

    Raises:
        SettingsError: a setting cannot work, or a column is not there.
        DataError: a line is no value; its number is named.
        ModelFileError: the model or the state cannot be read.
    """
    for level in (*asked.level, asked.anomaly):
        if level not in LEVELS:
            raise SettingsError(f"level {level} is not offered; choose from {', '.join(map(str, LEVELS))}")
    stream = _opened(asked)
    try:
        _answer(stream, lines, asked, write, note)
    finally:
        if asked.state is not None:
            stream.save(asked.state)
    return stream


def _opened(asked: Asked) -> ForecastStream:
    """The stream, where it is to begin."""
    begun = asked.state is not None and Path(asked.state).exists()
    if begun and asked.history is not None:
        raise SettingsError(f"--history: {asked.state} says where the stream is; leave one of the two out")
    model = None if asked.model is None else load_model(asked.model)
    if model is not None and model.reads("known"):
        raise SettingsError(
            f"the model reads {', '.join(model.reads('known'))} in advance, which lines cannot give; use "
            "gatecast.open_stream from Python"
        )
    if asked.state is not None and begun:
        stream = resume_stream(asked.state, model, compiled=asked.compiled)
        if stream.horizon < asked.horizon:
            raise SettingsError(f"{asked.state} forecasts {stream.horizon} step(s) ahead; ask for no more than that")
        return stream
    return open_stream(
        asked.history, model, horizon=asked.horizon, season_length=asked.season_length, compiled=asked.compiled
    )


def _answer(
    stream: ForecastStream,
    lines: Iterable[str],
    asked: Asked,
    write: Callable[[str], None],
    note: Callable[[str], None],
) -> None:
    if not asked.as_json:
        bounds = [f"{stream.name}-{side}-{level}" for level in asked.level for side in ("lo", "hi")]
        write(",".join(["line", "y", "anomaly", "ahead", stream.name, *bounds]))
    names = stream.models[0].reads("past")
    for number, row in _rows(lines):
        try:
            value, cells = _value_of(row, asked.target, names)
            flag = value is not None and stream.outside(value, asked.anomaly)
            band = stream.band(asked.anomaly)
            stream.update(value, inputs=cells)
        except SettingsError:
            raise
        except GatecastError as error:
            if not asked.skip_bad:
                raise DataError(f"line {number}: {error} (--skip-bad leaves such lines out)") from None
            note(f"line {number} is left out: {error}")
            continue
        show = _json_lines if asked.as_json else _csv_lines
        for line in show(stream, asked, (number, value, flag, band)):
            write(line)


def _rows(lines: Iterable[str]) -> Iterator[tuple[int, Row]]:
    """Line numbers, from 1, and each line's cells by the header's names; without a header the one name is empty."""
    header: list[str] | None = None
    for number, line in enumerate(lines, 1):
        text = line.lstrip("\ufeff").rstrip("\r\n") if number == 1 else line.rstrip("\r\n")
        try:
            cells = [cell.strip() for cell in next(csv.reader([text])) or [""]]
        except csv.Error:  # a cell of more than 131,072 characters
            cells = [text]
        if header is None:
            plain = len(cells) == 1 and (cells[0].lower() in MISSING or _is_number(cells[0]))
            header = [""] if plain else cells
            if not plain:
                continue
        if len(cells) != len(header):
            yield (
                number,
                {"": text}
                if header == [""]
                else {"\n": f"{counted(len(cells), 'cell')}, the header has {len(header)}"},
            )
        else:
            yield number, dict(zip(header, cells, strict=True))


def _value_of(row: Row, target: str | None, names: Sequence[str]) -> tuple[float | None, dict[str, Cell]]:
    """The value of a row, None where it is missing, and what stands beside it."""
    if "\n" in row:
        raise DataError(f"it has {row[chr(10)]}; give a cell for each name, an empty one where a value is missing")
    name = _target_of(row, target, names)
    text = row[name]
    if text.lower() in MISSING:
        value = None
    elif _is_number(text):
        value = float(text)
    else:
        raise DataError(f"{text[:40]!r} is no number; leave it empty where a value is missing")
    return value, {each: row[each] or None for each in names if each in row}


def _target_of(row: Row, target: str | None, names: Sequence[str]) -> str:
    """Which column is forecast: the one asked for, ``y``, or the only one that is no time nor beside the target."""
    if target is not None and "" not in row:
        if target not in row:
            raise SettingsError(
                f"--target: there is no column {target!r}.{nearest(target, row)} It has {', '.join(row)}"
            )
        return target
    if "" in row or "y" in row:
        return "" if "" in row else "y"
    left = [name for name in row if name not in names and name.lower() not in ("ds", "unique_id", "date", "time")]
    if len(left) != 1:
        raise SettingsError(f"which column is forecast? Say --target; there are {', '.join(row)}")
    return left[0]


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


Seen = tuple[int, float | None, bool, tuple[float, float]]  # line, value, whether it is an anomaly, its band


def _bounds(level: int) -> tuple[int, int]:
    low = QUANTILES.index(round((100 - level) / 200, 3))
    return low, len(QUANTILES) - 1 - low


def _csv_lines(stream: ForecastStream, asked: Asked, seen: Seen) -> Iterator[str]:
    """One line for each step ahead."""
    number, value, flag, _ = seen
    assert stream.forecast is not None
    for ahead, quantiles_Q in enumerate(stream.forecast[: asked.horizon].tolist(), 1):
        bounds = [quantiles_Q[place] for level in asked.level for place in _bounds(level)]
        told = ["" if math.isnan(x) else f"{x:.6g}" for x in (quantiles_Q[MEDIAN], *bounds)]
        y = "" if value is None else f"{value:.10g}"
        yield ",".join([str(number), y, str(int(flag)), str(ahead), *told])


def _json_lines(stream: ForecastStream, asked: Asked, seen: Seen) -> Iterator[str]:
    """One object."""
    number, value, flag, band = seen
    assert stream.forecast is not None
    made_QH = stream.forecast[: asked.horizon].T.tolist()
    columns: dict[str, Sequence[float]] = {stream.name: made_QH[MEDIAN]}
    for level in asked.level:
        for side, place in zip(("lo", "hi"), _bounds(level), strict=True):
            columns[f"{stream.name}-{side}-{level}"] = made_QH[place]
    told: dict[str, Any] = {
        "line": number,
        "y": value,
        "anomaly": flag,
        "band": None if math.isnan(band[0]) else band,
        "forecast": {name: [None if math.isnan(x) else x for x in column] for name, column in columns.items()},
    }
    yield json.dumps(told, allow_nan=False)
