"""Rolling origins: what would each forecaster have said, had it stood at earlier dates, and what came.

The forecaster at an origin is given what was known there and nothing later: tables are cut, and a network that reads
many origins in one pass is causal (a test changes the values after an origin).

Key: S series, O origin, H horizon step, Q quantile.
"""

from __future__ import annotations

import math
import time as clock
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatecast.adapters import Asked, Question, adapt
from gatecast.adaptive import adaptive_factors, rescale
from gatecast.answers import is_interval
from gatecast.config import LEVELS, MEDIAN
from gatecast.dates import show_zoned
from gatecast.errors import DataError, SettingsError
from gatecast.frames import TAKEN, long_table, only, quantile_columns, since
from gatecast.frequency import season_lengths
from gatecast.notebook import shown
from gatecast.panel import Panel
from gatecast.wording import counted

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
Note = Callable[[str], None]
Expect = Callable[[Any, Floats, Question], float | None]

LEAST_HISTORY = 20  # steps before the first origin
LAST_PART = 5  # origins that are not given fill the last fifth


@dataclass(frozen=True)
class Plan:
    """Where forecasts are made, and how often what makes them is fitted.

    Attributes:
        horizon: steps that are judged at each origin.
        origins: how many there are; None: as many as the last fifth of the shortest series holds, and at least one.
        step: steps from one origin to the next; None: ``horizon``, so that no value is judged twice.
        refit: False fits once, at the first origin; True at every origin; k at every k-th.  What cannot be moved
            forward without fitting is fitted at every origin.
        window: None fits on everything up to an origin; a number on that many of the newest steps.  Nothing older is
            seen until the next fit.
        gap: steps between an origin and the first step that is judged.
        fresh: a network that is fitted again goes on from the weights of the fit before, gently and not for long; with
            True it starts from nothing each time.  With a window it always does, to forget what was before.
    """

    horizon: int
    origins: int | None = None
    step: int | None = None
    refit: bool | int = False
    window: int | None = None
    gap: int = 0
    fresh: bool = False

    def __post_init__(self) -> None:
        """Refuse numbers that cannot work."""
        for name, least in {"horizon": 1, "origins": 1, "step": 1, "window": LEAST_HISTORY, "gap": 0}.items():
            number = getattr(self, name)
            left_open = number is None and name in ("origins", "step", "window")
            if not left_open and not (_is_whole(number) and number >= least):
                raise SettingsError(f"{name} = {number!r}: give a whole number of at least {least}")
        if not isinstance(self.refit, bool) and not (_is_whole(self.refit) and self.refit >= 1):
            raise SettingsError(f"refit = {self.refit!r}: give True, False, or every how many origins (1 or more)")

    @property
    def reach(self) -> int:
        """Steps from an origin to the last one judged."""
        return self.gap + self.horizon

    @property
    def from_nothing(self) -> bool:
        """Whether a network starts from nothing at every fit."""
        return self.fresh or self.window is not None

    def fitted_every(self, count: int) -> int:
        """How many of ``count`` origins one fit serves."""
        return count if self.refit is False else min(int(self.refit), count)


@dataclass(frozen=True, eq=False, repr=False)
class Backtest:
    """What every forecaster said, and what came.

    Attributes:
        panel: the series that were judged.
        plan: as it was carried out; nothing is None but ``window``.
        origins_SO: index within each series of the last step known, (S, O).
        truth_SOH: what came, NaN where it is missing.
        forecasts: by model, quantiles (S, O, H, Q) in the series' units; NaN where the model says none.
        seconds: by model, what it took; models of one collection share theirs.
        left_out: what is not among the forecasts, and why: models, and series that were too short.
        like: a frame of the kind that came in.
        season_length: steps per season.
        level: interval levels in percent that were asked for.
        mended: what was mended in the table first.
        adapted: models whose intervals follow what came of their earlier forecasts, see ``adapted``.
    """

    panel: Panel
    plan: Plan
    origins_SO: Indices
    truth_SOH: Floats
    forecasts: dict[str, Floats]
    seconds: dict[str, float]
    left_out: dict[str, str] = field(default_factory=dict)
    like: Any = None
    season_length: int = 1
    level: tuple[int, ...] = (80, 90)
    mended: tuple[str, ...] = ()
    adapted: tuple[str, ...] = ()

    def table(self, level: Sequence[int] | None = None) -> Any:
        """Return one row per series, origin and step: unique_id, ds, cutoff, y, and the models' columns.

        The columns are those that ``utilsforecast.evaluation.evaluate`` reads; the table is of the kind that came in.

        Args:
            level: interval levels in percent; None: those that were asked for.  A model that has no such interval has
                no such columns.

        Raises:
            SettingsError: a level is not offered.
        """
        panel, plan = self.panel, self.plan
        start = panel.offsets[:-1, None] + self.origins_SO
        at = start[..., None] + plan.gap + 1 + np.arange(plan.horizon)
        columns: dict[str, Any] = {"y": self.truth_SOH.reshape(-1)}
        for name, quantiles in self.forecasts.items():
            columns |= quantile_columns(name, quantiles, self.level if level is None else level)
        times = {"ds": panel.times[at], "cutoff": np.repeat(panel.times[start], plan.horizon, axis=1)}
        return long_table(panel, at[0].size, times, columns, self.like)

    def __repr__(self) -> str:
        """What was asked of whom, in a line."""
        series, count = len(self.panel), counted(self.origins_SO.shape[1], "origin")
        return f"Backtest({series:,} series, {count}, horizon {self.plan.horizon}: {', '.join(self.forecasts)})"

    def _repr_html_(self) -> str:
        """What was asked of whom, and how far each was off, in a notebook."""
        facts = {
            "series": len(self.panel),
            "origins": self.origins_SO.shape[1],
            "horizon": self.plan.horizon,
            "season": self.season_length,
        }
        return shown("Backtest", facts, ("model", "mean absolute error", "bias", "seconds"), self._errors())

    def _errors(self) -> Iterator[tuple[str, float | None, float | None, float]]:
        """By model, how far its median was off on average, and in which direction; of several series in no one unit."""
        one = len(self.panel) == 1
        for name, made in self.forecasts.items():
            away = made[..., MEDIAN] - self.truth_SOH
            known = np.isfinite(away).any() and one
            yield (
                name,
                float(np.nanmean(np.abs(away))) if known else None,
                float(np.nanmean(away)) if known else None,
                self.seconds[name],
            )


def roll(  # noqa: PLR0913 (what is asked, and the terms, as keywords)
    panel: Panel,
    forecasters: Any,
    plan: Plan,
    *,
    season_length: int | None = None,
    level: Sequence[int] = (80, 90),
    seconds: float | None = None,
    note: Note | None = None,
    expect: Expect | None = None,
    like: Any = None,
) -> Backtest:
    """Ask every forecaster at rolling origins.

    Args:
        panel: the series; those too short for the first origin are left out, and named.
        forecasters: what is asked: one, several, or a mapping from names.
        plan: where, how far and how often fitted.
        season_length: steps per season for baselines; None follows from the frequency.
        level: interval levels in percent that others are asked for; the LSTM and baselines know them all.
        seconds: at most this long for each forecaster; one that would take longer is left out, and named.
        note: is told what a forecaster that is fitted more than once will cost, and what is left out.
        expect: guesses the seconds of one fit on some values and of what is then asked; None where it cannot.
        like: a frame of the kind that tables are given and returned in; None gives pyarrow.

    Raises:
        SettingsError: two forecasters have one name, there is none, or a setting cannot work.
        DataError: no series is long enough, or a forecaster's answer is not what was asked for; it is named.
    """
    strange = next((percent for percent in level if percent not in LEVELS), None)
    if strange is not None:
        raise SettingsError(f"level {strange} is not offered; choose from {', '.join(map(str, LEVELS))}")
    if seconds is not None and not seconds > 0:
        raise SettingsError(f"seconds = {seconds!r}: give a time above 0, or leave it out")
    season = season_lengths(panel.frequency)[0] if season_length is None else season_length
    if not _is_whole(season) or season < 1:
        raise SettingsError(f"season_length = {season!r}: give a whole number of steps, 1 for no season")
    asked = _named(forecasters)
    panel, plan, origins_SO, left_out = _lay_out(panel, plan)
    budget = _Budget(seconds, note or (lambda line: None), expect)
    question = Question(origins_SO, plan.reach, season, tuple(dict.fromkeys(level)), like, plan.from_nothing)
    made: dict[str, Floats] = {}
    took: dict[str, float] = {}
    for each in asked:
        begin = clock.perf_counter()
        said, why = _through(each, panel, question, plan, budget)
        _check_names([*said, each.name], {*made, *left_out})
        if why:
            left_out |= dict.fromkeys(said or (each.name,), why)
            continue
        made |= {name: quantiles[:, :, plan.gap :] for name, quantiles in said.items()}
        took |= dict.fromkeys(said, clock.perf_counter() - begin)
        if each.refused:
            left_out[f"intervals of {each.name}"] = f"refused: {each.refused}"
    rows = panel.offsets[:-1, None, None] + origins_SO[..., None] + plan.gap + 1 + np.arange(plan.horizon)
    return Backtest(panel, plan, origins_SO, panel.values[rows], made, took, left_out, like, season, question.level)


def adapted(backtest: Backtest, models: Collection[str]) -> Backtest:
    """Return the backtest with intervals of some models that follow what came of their forecasts at earlier origins.

    At every origin only truths known by then are read, see ``adaptive``; medians stay.  A forecast that lacks some of
    the quantiles stays as it is, and teaches nothing.
    """
    origins_SO, gap, made = backtest.origins_SO, backtest.plan.gap, dict(backtest.forecasts)
    chosen = tuple(name for name in made if name in models)
    for name in chosen:
        quantiles = made[name]
        factors = adaptive_factors(backtest.truth_SOH, quantiles, origins_SO + gap, origins_SO)
        whole = np.isfinite(quantiles).all(axis=-1, keepdims=True)
        made[name] = np.where(whole, rescale(quantiles, factors), quantiles)
    return replace(backtest, forecasts=made, adapted=chosen)


@dataclass(frozen=True)
class _Budget:
    """What a forecaster may take, who is told, and who can guess."""

    seconds: float | None
    note: Note
    expect: Expect | None

    def over(self, guess: float) -> str:
        """Why it is left out, if it is."""
        if self.seconds is None or guess <= self.seconds:
            return ""
        return f"would take about {guess:.2g} s, more than the {self.seconds:g} s given"


def _through(
    each: Asked, panel: Panel, question: Question, plan: Plan, budget: _Budget
) -> tuple[dict[str, Floats], str]:
    """One forecaster through all origins: what it said, and why it is left out, if it is."""
    count = question.origins_SO.shape[1]
    served = 1 if each.refits else plan.fitted_every(count)
    firsts = range(0, count, served)
    fits = f"{each.name}: {len(firsts)} fits"
    guess = _guess(each, panel, question, served, budget) if len(firsts) > 1 or budget.seconds is not None else None
    why = "" if guess is None else budget.over(guess)
    if guess is not None and len(firsts) > 1 and not why:
        budget.note(f"{fits}, about {guess:.2g} s")
    parts: list[dict[str, Floats]] = []
    uncounted = (
        1 if each.goes_on and not plan.from_nothing else 0
    )  # the first fit says nothing about those that go on from it
    begin, spent = clock.perf_counter(), 0.0
    while not why and len(parts) < len(firsts):
        first = firsts[len(parts)]
        block = replace(question, origins_SO=question.origins_SO[:, first : first + served])
        try:
            parts.append(_ask(each, panel, block, plan))
        except Exception as error:
            error.add_note(f"asked: {each.name}, origin {_when(panel, block)}")
            raise
        counted = len(parts) - uncounted
        if counted == 0:
            spent = clock.perf_counter() - begin
            continue
        in_all = clock.perf_counter() - begin
        left = (in_all - spent) / counted * (len(firsts) - len(parts))
        if counted == 1 and left > 0 and guess is None:
            budget.note(f"{fits}, about {in_all + left:.2g} s")
        if left > 0:
            why = budget.over(in_all + left)
    if why:
        budget.note(f"{each.name} is left out: it {why}")
        return {name: np.empty(0) for name in (parts[0] if parts else ())}, why
    if len(parts) == 1:
        return parts[0], ""
    return {name: np.concatenate([part[name] for part in parts], axis=1) for name in parts[0]}, ""


def _guess(each: Asked, panel: Panel, question: Question, served: int, budget: _Budget) -> float | None:
    """About how many seconds all fits and their forecasts will take, from the series of median length."""
    if budget.expect is None:
        return None
    s = int(np.argsort(panel.lengths, kind="stable")[len(panel) // 2])
    origins_SO = question.origins_SO[s : s + 1]
    count = origins_SO.shape[1]
    one = replace(question, origins_SO=origins_SO[:, :served])
    fitted_until = int(origins_SO[0, (count - 1) // 2]) + 1 if served < count else int(origins_SO[0, 0]) + 1
    guess = budget.expect(each.forecaster, panel.series_values(s)[:fitted_until].copy(), one)
    return None if guess is None else guess * len(panel) * math.ceil(count / served)


def _ask(each: Asked, panel: Panel, question: Question, plan: Plan) -> dict[str, Floats]:
    """One fit and what follows from it; a sliding window takes the older rows away first."""
    if plan.window is None:
        return each.answer(panel, question)
    begin_S = np.maximum(question.origins_SO[:, 0] + 1 - plan.window, 0)
    return each.answer(since(panel, begin_S), replace(question, origins_SO=question.origins_SO - begin_S[:, None]))


def _named(forecasters: Any) -> list[Asked]:
    if isinstance(forecasters, Mapping):
        asked = [adapt(each, str(name)) for name, each in forecasters.items()]
    elif isinstance(forecasters, Iterable) and not isinstance(forecasters, str):
        asked = [adapt(each) for each in forecasters]
    else:
        asked = [adapt(forecasters)]
    if not asked:
        raise SettingsError("no forecaster is given; give at least one")
    seen: set[str] = set()
    for each in asked:
        _check_names([each.name], seen)
        seen.add(each.name)
    return asked


def _check_names(names: Iterable[str], others: set[str]) -> None:
    """Refuse names that the columns of the table could not have."""
    for name in dict.fromkeys(names):
        if name in others:
            raise SettingsError(f"two forecasters are called {name!r}; give them as a mapping of names")
        if not name or name in TAKEN or is_interval(name):
            raise SettingsError(f"a forecaster cannot be called {name!r}: the table has a column of that name")


def _lay_out(panel: Panel, plan: Plan) -> tuple[Panel, Plan, Indices, dict[str, str]]:
    """The series that are long enough, the plan with every number, and the origins."""
    step = plan.step or plan.horizon
    room = panel.lengths - LEAST_HISTORY - plan.reach  # steps from the first possible origin to the last
    count = plan.origins
    if count is None:
        shortest = int(panel.lengths[room >= 0].min(initial=int(panel.lengths.max())))
        fifth = shortest // LAST_PART - plan.reach
        count = 1 + max(0, min(fifth, shortest - LEAST_HISTORY - plan.reach) // step)
    needed = LEAST_HISTORY + plan.reach + (count - 1) * step
    long = panel.lengths >= needed
    if not long.any():
        s = int(np.argmax(panel.lengths))
        gap = f" after a gap of {plan.gap}" if plan.gap else ""
        raise DataError(
            f"the longest series, {panel.ids[s]!r}, has {panel.lengths[s]:,} steps; {count} "
            f"origin{'s' if count > 1 else ''} every {step} steps with a horizon of {plan.horizon}{gap} need "
            f"{needed:,} ({LEAST_HISTORY} before the first); ask for fewer origins or a shorter horizon"
        )
    left_out: dict[str, str] = {}
    _leave_out(left_out, panel, ~long, f"fewer than the {needed:,} steps needed")
    panel = only(panel, long)
    origins_SO = panel.lengths[:, None] - 1 - plan.reach - np.arange(count)[::-1] * step
    seen = _observed(panel, origins_SO, plan.window)
    if not seen.any():
        raise DataError(
            f"no series has a value up to its first origin; {counted(count, 'origin')} asked for: ask for fewer, or "
            "give more rows"
        )
    _leave_out(left_out, panel, ~seen, "no value where one has to be known")
    plan = replace(plan, origins=count, step=step)
    return only(panel, seen), plan, origins_SO[seen], left_out


def _leave_out(left_out: dict[str, str], panel: Panel, gone: NDArray[np.bool_], why: str) -> None:
    """Say which series are left out: by name up to three, else the first and their number."""
    names = [panel.ids[s] for s in np.flatnonzero(gone)]
    if len(names) <= 3:
        left_out |= {f"series {name}": f"has {why}" for name in names}
    else:
        left_out[f"{len(names):,} series, {names[0]} first"] = f"have {why}"


def _observed(panel: Panel, origins_SO: Indices, window: int | None) -> NDArray[np.bool_]:
    """Which series have a value before every origin, within the window if there is one, (S,)."""
    count = np.concatenate(([0], np.cumsum(np.isfinite(panel.values))))
    start = panel.offsets[:-1, None]
    end = start + origins_SO + 1
    begin = np.broadcast_to(start, end.shape) if window is None else np.maximum(end - window, start)
    return np.asarray((count[end] > count[begin]).all(axis=1))


def _when(panel: Panel, question: Question) -> str:
    """The first origin of the first series."""
    time = panel.times[panel.offsets[0] + question.origins_SO[0, 0]]
    return show_zoned(time, panel.zone, panel.local_days)


def _is_whole(number: Any) -> bool:
    return isinstance(number, Integral) and not isinstance(number, bool)
