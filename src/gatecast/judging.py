"""``gatecast.backtest``: any data, any forecasters, rolling origins, in one call.

This module knows every forecaster by name, the heavy ones too, and is imported for backtests only.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatecast.adapters import Question
from gatecast.baselines import AR, Drift, LastValue, SeasonalNaive
from gatecast.classical import MSTL, AutoARIMA, AutoETS, AutoTheta, estimate_seconds
from gatecast.columns import Columns, names_in
from gatecast.combination import Combination
from gatecast.errors import SettingsError, nearest
from gatecast.forecaster import LSTMForecaster
from gatecast.frequency import season_lengths
from gatecast.mending import READ_LATER
from gatecast.opening import open_table
from gatecast.panel import Panel
from gatecast.rolling import Backtest, Note, Plan, adapted, roll
from gatecast.volatility import EWMA, GARCH, HAR
from gatecast.zeroshot import NAME, ZeroShot

__all__ = ["CHEAP", "NAMED", "Backtest", "backtest"]

NAMED: dict[str, Callable[[tuple[int, ...]], Any]] = {  # from the steps per season; () follows from the frequency
    "LSTM": lambda seasons: LSTMForecaster(season_length=seasons or None),
    "ZeroShot": lambda seasons: ZeroShot(season_length=seasons or None),
    "LastValue": lambda seasons: LastValue(),
    "Drift": lambda seasons: Drift(),
    "SeasonalNaive": lambda seasons: SeasonalNaive(),
    "AR": lambda seasons: AR(),
    "AutoETS": lambda seasons: AutoETS(),
    "AutoTheta": lambda seasons: AutoTheta(),
    "AutoARIMA": lambda seasons: AutoARIMA(),
    "MSTL": lambda seasons: MSTL(*(season for season in seasons[1:2] if season > 1)),
    "GARCH": lambda seasons: GARCH(),
    "EWMA": lambda seasons: EWMA(),
    "HAR": lambda seasons: HAR(),
    "Combination": lambda seasons: Combination(season_length=seasons or None),
}
FINDING = ("LSTM", "ZeroShot", "Combination")  # they find seasons themselves that they are not told
CHEAP = ("LastValue", "Drift", "SeasonalNaive", "AR", "ZeroShot", "LSTM")


def backtest(  # noqa: PLR0913 (the plan and the choice of columns, as keywords)
    data: Any,
    forecasters: Any = None,
    horizon: int = 1,
    *,
    origins: int | None = None,
    step: int | None = None,
    refit: bool | int = False,
    window: int | None = None,
    gap: int = 0,
    level: Sequence[int] = (80, 90),
    season_length: int | Sequence[int] | None = None,
    adapt: bool | None = None,
    fresh: bool = False,
    seconds: float | None = None,
    note: Note | None = None,
    time: str | None = None,
    target: str | Sequence[str] | None = None,
    series_id: str | None = None,
    inputs: Sequence[str] = (),
    known: Sequence[str] = (),
    static: Sequence[str] = (),
    wide: bool = False,
    zone: str | None = None,
    frequency: str | None = None,
    fix: Sequence[str] = (),
) -> Backtest:
    """Ask forecasters what they would have said at earlier dates; ``.table()`` shows it beside what came.

    Args:
        data: a frame, numbers, a panel, a named set, or the path of a file or folder; it is not changed.
        forecasters: one, several, or a mapping from names: names of ``NAMED``; forecasters and baselines of gatecast;
            models and collections of statsforecast, mlforecast and neuralforecast; functions of a table and a horizon.
            None asks the cheap baselines and the LSTM.
        horizon: steps that are judged at each origin.
        origins: how many; None: as many as the last fifth of the shortest series holds.
        step: steps from one origin to the next; None: ``horizon``.
        refit: False fits once, True at every origin, k at every k-th.
        window: None fits on everything up to an origin, a number on that many of the newest steps.
        gap: steps between an origin and the first that is judged.
        level: interval levels in percent.
        season_length: steps per season, or two of them; None follows from the frequency.
        adapt: let the intervals of every model follow what came of its own earlier forecasts, see ``adaptive``, or of
            none.  None: of those asked for by name; a forecaster that is handed over is judged as it is.
        fresh: with ``refit``, fit a network from nothing each time; usually it goes on from the weights of the fit
            before, gently and not for long, and keeps what was decided then.  With a ``window`` it always starts from
            nothing.
        seconds: at most this long for each forecaster; one that would take longer is left out, and named.
        note: is told what refitting will cost before it is done, and what is left out; ``print``, say.
        time: the column of times; this and the following as for ``panel_from_frame``.
        target: the column to forecast, or several.
        series_id: the column that names the series.
        inputs: columns known up to now only.
        known: columns known in advance.
        static: columns that stay the same for a series.
        wide: each column of numbers is a series.
        zone: the time zone of times that carry none.
        frequency: the spacing.
        fix: what to mend first, see ``mending``.

    Raises:
        SettingsError: a setting cannot work, a name is not known, or two forecasters have the same.
        DataError: the data cannot be read or are too short, or a forecaster's answer is not what was asked for.
    """
    plan = Plan(horizon, origins, step, refit, window, gap, fresh)
    late = next((each for each in fix if each in READ_LATER), None)
    if late is not None:
        instead = (
            f"use {READ_LATER[late]!r}" if READ_LATER[late] else "mend the table yourself with what was known by then"
        )
        raise SettingsError(f"fix {late!r} reads values that come later, which no backtest may; {instead}")
    asked = Columns(time, target, series_id, names_in(inputs), names_in(known), names_in(static), wide, zone)
    if isinstance(data, Panel) and (asked != Columns() or fix or frequency):
        raise SettingsError("a panel has its columns, frequency and zone already; leave out what chooses them")
    opened = open_table(data, asked, frequency=frequency, fix=fix)
    usual = season_lengths(opened.panel.frequency)
    seasons = _seasons(season_length) or opened.season_length
    told = seasons if season_length is not None or seasons != usual else ()
    chosen = CHEAP if forecasters is None else forecasters
    done = roll(
        opened.panel,
        _made(chosen, seasons, told),
        plan,
        season_length=seasons[0],
        level=level,
        seconds=seconds,
        note=note,
        expect=_expected,
        like=opened.like,
    )
    done = replace(done, mended=opened.mended)
    following = _named(chosen) if adapt is None else done.forecasts if adapt else ()
    return adapted(done, following) if following else done


def _seasons(given: int | Sequence[int] | None) -> tuple[int, ...]:
    if given is None:
        return ()
    seasons = tuple(given) if isinstance(given, Sequence) else (given,)
    if not 1 <= len(seasons) <= 2 or any(isinstance(each, bool) or int(each) != each or each < 1 for each in seasons):
        raise SettingsError(f"season_length = {given!r}: give one or two whole numbers of steps, 1 for no season")
    return seasons


def _made(forecasters: Any, seasons: tuple[int, ...], told: tuple[int, ...]) -> Any:
    """Forecasters with the names among them made into objects."""

    def one(each: Any) -> Any:
        if not isinstance(each, str):
            return each
        if each not in NAMED:
            raise SettingsError(
                f"unknown forecaster {each!r}.{nearest(each, NAMED)} Known by name: {', '.join(NAMED)}; or give an "
                "object that fits and predicts, or a function of a table and a horizon"
            )
        return NAMED[each](told if each in FINDING else seasons)

    if isinstance(forecasters, Mapping):
        return {name: one(each) for name, each in forecasters.items()}
    if isinstance(forecasters, Iterable) and not isinstance(forecasters, str):
        return [one(each) for each in forecasters]
    return one(forecasters)


def _named(forecasters: Any) -> tuple[str, ...]:
    """What those are called that were asked for by name and whose intervals do not follow by themselves."""
    if isinstance(forecasters, Mapping):
        return tuple(name for name, each in forecasters.items() if isinstance(each, str) and each != NAME)
    several = forecasters if isinstance(forecasters, Iterable) and not isinstance(forecasters, str) else [forecasters]
    return tuple(each for each in several if isinstance(each, str) and each != NAME)


def _expected(forecaster: Any, training: NDArray[np.float64], question: Question) -> float | None:
    """About how many seconds a classical model takes for one fit and its forecasts; None for what is not one."""
    if not isinstance(forecaster, AutoETS | AutoTheta | AutoARIMA | MSTL):
        return None
    origins = question.origins_SO.shape[1]
    return estimate_seconds(
        lambda: copy.deepcopy(forecaster), training, question.season_length, origins, question.horizon
    )
