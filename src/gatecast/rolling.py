"""Rolling origins: what would each forecaster have said, had it stood at earlier dates, and what came.

The forecaster at an origin is given what was known there and nothing later: tables are cut, and a network that reads
many origins in one pass is causal (a test changes the values after an origin).

Key: S series, O origin, H horizon step, Q quantile.
"""

from __future__ import annotations

import time as clock
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gatecast.adapters import Asked, Question, adapt
from gatecast.errors import DataError, SettingsError
from gatecast.frames import keep, long_table, quantile_columns, since
from gatecast.frequency import season_lengths, show_time
from gatecast.panel import Panel

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
Note = Callable[[str], None]

LEAST_HISTORY = 20  # steps before the first origin


@dataclass(frozen=True)
class Plan:
    """Where forecasts are made, and how often what makes them is fitted.

    Attributes:
        horizon: steps that are judged at each origin.
        origins: how many there are; None: as many as the last fifth of the shortest series holds, and at least one.
        step: steps from one origin to the next; None: ``horizon``, so that no value is judged twice.
        refit: False fits once, before the first origin; True at every origin; k at every k-th.
        window: None fits on everything up to an origin; a number on that many of the newest steps.
        gap: steps between an origin and the first step that is judged.
    """

    horizon: int
    origins: int | None = None
    step: int | None = None
    refit: bool | int = False
    window: int | None = None
    gap: int = 0

    def __post_init__(self) -> None:
        """Refuse numbers that cannot work."""
        least = {"horizon": 1, "origins": 1, "step": 1, "window": LEAST_HISTORY, "gap": 0}
        for name, smallest in least.items():
            number = getattr(self, name)
            if number is not None and (isinstance(number, bool) or int(number) != number or number < smallest):
                raise SettingsError(f"{name} = {number!r}: give a whole number of at least {smallest}")
        if not isinstance(self.refit, bool) and self.refit < 1:
            raise SettingsError(f"refit = {self.refit!r}: give True, False, or every how many origins (1 or more)")


@dataclass(frozen=True)
class Backtest:
    """What every forecaster said, and what came.

    Attributes:
        panel: the series that were judged.
        plan: as it was carried out; nothing is None but ``window``.
        origins_SO: index within each series of the last step known, (S, O).
        truth_SOH: what came, NaN where it is missing.
        forecasts: by model, quantiles (S, O, H, Q) in the series' units; NaN where the model says none.
        seconds: by model, what it took.
        left_out: models that were not asked to the end, and why; series that were too short.
        like: a frame of the kind that came in.
        season_length: steps per season.
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

    def table(self, level: Sequence[int] = (80, 90)) -> Any:
        """Return one row per series, origin and step: unique_id, ds, cutoff, y, and the models' columns.

        The columns are those that ``utilsforecast.evaluation.evaluate`` reads; the table is of the kind that came in.

        Raises:
            SettingsError: a level is not one of the model's.
        """
        panel, origins = self.panel, self.origins_SO.shape[1]
        steps = self.plan.gap + 1 + np.arange(self.plan.horizon)
        start = panel.offsets[:-1, None] + self.origins_SO
        at = start[..., None] + steps
        columns: dict[str, Any] = {"y": self.truth_SOH.reshape(-1)}
        for name, quantiles in self.forecasts.items():
            columns |= quantile_columns(name, quantiles, level)
        times = {"ds": panel.times[at], "cutoff": np.repeat(panel.times[start], self.plan.horizon, axis=1)}
        return long_table(panel, origins * self.plan.horizon, times, columns, self.like)


def roll(
    panel: Panel,
    forecasters: Mapping[str, Any] | Iterable[Any],
    plan: Plan,
    *,
    season_length: int | None = None,
    seconds: float | None = None,
    note: Note | None = None,
    like: Any = None,
) -> Backtest:
    """Ask every forecaster at rolling origins.

    Args:
        panel: the series; those too short for the first origin are left out, and named.
        forecasters: what is asked, by name or with names of their own.
        plan: where, how far and how often fitted.
        season_length: steps per season for baselines; None follows from the frequency.
        seconds: at most this long for each forecaster; one that would take longer is left out, and named.
        note: is told what is about to be done and how long it may take.
        like: a frame of the kind that tables are given and returned in; None gives pyarrow.

    Raises:
        SettingsError: two forecasters have one name, or there is none.
        DataError: no series is long enough.
    """
    asked = _named(forecasters)
    season = season_length or season_lengths(panel.frequency)[0]
    panel, plan, origins_SO, left_out = _lay_out(panel, plan)
    steps = plan.gap + 1 + np.arange(plan.horizon)
    truth_SOH = panel.values[(panel.offsets[:-1, None] + origins_SO)[..., None] + steps]
    every = origins_SO.shape[1] if plan.refit is False else int(plan.refit)
    made: dict[str, Floats] = {}
    took: dict[str, float] = {}
    for each in asked:
        begin = clock.perf_counter()
        parts: list[Floats] = []
        blocks = range(0, origins_SO.shape[1], 1 if each.refits else every)
        for count, first in enumerate(blocks):
            block = origins_SO[:, first : first + (1 if each.refits else every)]
            question = Question(block, plan.gap + plan.horizon, season, (80, 90), like)
            parts.append(_ask(each, panel, question, plan))
            spent = clock.perf_counter() - begin
            left = spent / (count + 1) * (len(blocks) - count - 1)
            if count == 0 and note is not None and len(blocks) > 1:
                note(f"{each.name}: {len(blocks)} fits, about {spent + left:.0f} s")
            if seconds is not None and spent + left > seconds:
                left_out[each.name] = f"would take about {spent + left:.0f} s, more than the {seconds:g} s given"
                break
        else:
            made[each.name] = np.concatenate(parts, axis=1)[:, :, plan.gap :]
            took[each.name] = clock.perf_counter() - begin
    return Backtest(panel, plan, origins_SO, truth_SOH, made, took, left_out, like, season)


def _ask(each: Asked, panel: Panel, question: Question, plan: Plan) -> Floats:
    """One fit and what follows from it; a sliding window takes the older rows away first."""
    first = question.origins_SO[:, 0] + 1
    if plan.window is None:
        return each.answer(panel, question, first)
    begin = np.maximum(first - plan.window, 0)
    shorter = since(panel, begin)
    moved = Question(
        question.origins_SO - begin[:, None], question.horizon, question.season_length, question.level, question.like
    )
    return each.answer(shorter, moved, first - begin)


def _named(forecasters: Mapping[str, Any] | Iterable[Any]) -> list[Asked]:
    if isinstance(forecasters, Mapping):
        asked = [adapt(each, str(name)) for name, each in forecasters.items()]
    else:
        asked = [adapt(each) for each in forecasters]
    names = [each.name for each in asked]
    if not names:
        raise SettingsError("no forecaster is given; give at least one")
    twice = next((name for place, name in enumerate(names) if name in names[:place]), None)
    if twice is not None:
        raise SettingsError(f"two forecasters are called {twice!r}; give them as a mapping of names")
    return asked


def _lay_out(panel: Panel, plan: Plan) -> tuple[Panel, Plan, Indices, dict[str, str]]:
    """The series that are long enough, the plan with every number, and the origins."""
    step = plan.step or plan.horizon
    reach = plan.gap + plan.horizon
    count = plan.origins or max(1, int((panel.lengths.min() // 5 - reach) // step + 1))
    needed = LEAST_HISTORY + reach + (count - 1) * step
    long = panel.lengths >= needed
    left_out = {}
    if not long.any():
        s = int(np.argmax(panel.lengths))
        raise DataError(
            f"the longest series, {panel.ids[s]!r}, has {panel.lengths[s]:,} steps, to "
            f"{show_time(panel.series_times(s)[-1])}; {count} origin(s) every {step} steps with a horizon of {reach} "
            f"need {needed:,}; ask for fewer origins or a shorter horizon"
        )
    if not long.all():
        few = np.flatnonzero(~long)
        left_out[f"{len(few)} series"] = (
            f"have fewer than the {needed:,} steps needed, first {panel.ids[int(few[0])]!r} with "
            f"{panel.lengths[few[0]]:,}"
        )
        panel = keep(panel, np.repeat(long, panel.lengths))
    back = reach + np.arange(count)[::-1] * step
    origins_SO = panel.lengths[:, None] - 1 - back
    return panel, Plan(plan.horizon, count, step, plan.refit, plan.window, plan.gap), origins_SO, left_out
