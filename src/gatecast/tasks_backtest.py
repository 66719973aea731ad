"""What a server's backtest workers do; they know every forecaster by name, the heavy ones too."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gatecast.judging import backtest as roll_back
from gatecast.scoring import backtest_as_dict, judge_backtest
from gatecast.tasks_light import Arguments, rows_of, table_from
from gatecast.workers import Say

MOST_ROWS = 20_000  # that are returned


def ready(say: Say) -> None:
    """Load what backtests need: this module has."""


def backtest(say: Say, data: Arguments, most: int, choice: Arguments, models: list[str]) -> dict[str, Any]:
    """Return what ``gatecast backtest --json`` prints, and every forecast beside what came."""
    notes: list[str] = []
    done = roll_back(table_from(data, most), models, note=notes.append, **choice)
    judged = models[0] in done.forecasts and len(done.forecasts) > 1
    made = backtest_as_dict(done, judge_backtest(done, models[0]) if judged else None)
    table = replace(done, like=None).table()
    rows = rows_of(table.slice(0, MOST_ROWS))
    return {**made, "notes": notes, "rows": rows, "rows_left_out": max(0, table.num_rows - MOST_ROWS)}
