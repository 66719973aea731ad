"""Can anything from the future reach a forecast?  Change the future and see whether the forecast moves.

The probe knows nothing of the pipeline: any callable from the full raw table to forecasts, whoever wrote it, with its
preprocessing and its split inside.  A scaler fitted on the whole table, a centred average, a shuffled split or a gap
filled backwards all show in the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Any, NamedTuple

import narwhals as nw
import numpy as np
import numpy.typing as npt

from gatecast.columns import column_of
from gatecast.dates import times_of
from gatecast.errors import DataError, SettingsError, nearest
from gatecast.layouts import eager_frame

Array = npt.NDArray[np.float64]
Booleans = npt.NDArray[np.bool_]
Pipeline = Callable[[Any], Any]

ROUNDING = 1e-9  # a move below this share of the forecasts' size is rounding
REPEATS = 5  # unchanged runs of a pipeline that is not deterministic
FAR = 10.0  # ranges of a column by which its future is shifted


class Change(NamedTuple):
    """What one way of changing the future did to the forecasts."""

    name: str
    moved: float  # the farthest that a forecast moved, in its own units; inf when their number changed
    share: float  # of the forecasts that moved
    leaks: bool  # farther than rounding, or than unchanged runs differ


@dataclass(frozen=True)
class LeakageReport:
    """Whether values after the cutoff reach the forecasts."""

    leaks: bool
    deterministic: bool  # two unchanged runs gave the same
    reads_past: bool  # the forecasts move when values up to the cutoff change: otherwise the probe proves nothing
    spread: float  # root mean square by which unchanged runs differ, in the forecasts' units
    changes: tuple[Change, ...]
    forecasts: int
    rows: int  # of the table that were changed
    cutoff: str
    sentence: str


def leakage_probe(
    pipeline: Pipeline,
    table: Any,
    cutoff: Any,
    time: str | None = None,
    series_id: str | None = None,
    known: Sequence[str] = (),
    seed: int = 0,
) -> LeakageReport:
    """Run a pipeline on a table, and again with every value after the cutoff changed: the forecasts must not move.

    It runs twice on the table as it is; if the two differ the pipeline is not deterministic, runs three times more,
    and is judged against the spread of the five: a change leaks when it takes the forecasts farther from every
    unchanged run than these are from each other.  Smaller leaks cannot be seen then; fix the seeds to see them.

    Then every value after the cutoff is changed in four ways, one run each: shifted up by 10 times the column's range
    (a scaler's mean, width or maximum moves); mirrored within the range of the future (a centred average moves, and no
    value leaves its range); shuffled (nothing moves but the order); replaced by random values of the past, missing
    ones included (one value after a gap is enough).  Shifted, mirrored and shuffled values stay missing where they
    were.  Times, series names and the columns ``known`` in advance stay as they are.  Columns that are no numbers are
    shuffled and replaced only.

    In a last run the *past* is changed.  A pipeline that does not move then does not read this table at all.

    Args:
        pipeline: takes the table, returns the forecasts **made at or before the cutoff** and nothing later: an array,
            a frame, or a list or mapping of these.  Of a frame its numbers are compared, without times, without
            columns named like one of the table's (if there are others) and, if it has a column ``cutoff``, without
            rows whose own lies later.
        table: a frame that narwhals knows (pandas, polars, pyarrow …), or an array (T,) or (T, C) whose rows are
            steps; it is copied for each run.
        cutoff: the last step known: a time for a frame with times, the number of a row counted from 0 otherwise.
        time: the frame's time column; None takes ``ds`` or else the first of dates.
        series_id: the column that names the series; None takes ``unique_id`` if it is there.
        known: columns whose future is known when a forecast is made (of an array: "0", "1" …).
        seed: of the random values.

    Raises:
        DataError: nothing lies after (or up to) the cutoff, or the pipeline returns no number.
        SettingsError: a column is not there, or the cutoff is no time of this table.
    """
    probe = _Probe(table, cutoff, time, series_id, known)
    rng = np.random.default_rng(seed)
    forecasts = _Forecasts(pipeline, probe)
    unchanged = [forecasts.of(None, "past"), forecasts.of(None, "past")]
    reference = unchanged[0]
    if not np.isfinite(reference).any():
        raise DataError("the pipeline returned no finite number; return the forecasts made at or before the cutoff")
    rounding = ROUNDING * float(np.sqrt(np.mean(reference[np.isfinite(reference)] ** 2)))
    deterministic = _distance(*unchanged) <= rounding
    if not deterministic:
        unchanged += [forecasts.of(None, "past") for _ in range(REPEATS - 2)]
    spread = max(_distance(a, b) for place, a in enumerate(unchanged) for b in unchanged[:place])
    reach = rounding if deterministic else spread
    changes = []
    for name in _WAYS:
        found = forecasts.of(rng, name)
        distance = min(_distance(found, each) for each in unchanged)
        changes.append(Change(name, *_farthest(reference, found, rounding), distance > reach))
    past = forecasts.of(rng, "past")
    report = LeakageReport(
        leaks=any(change.leaks for change in changes),
        deterministic=deterministic,
        reads_past=min(_distance(past, each) for each in unchanged) > reach,
        spread=0.0 if deterministic else spread,
        changes=tuple(changes),
        forecasts=int(np.isfinite(reference).sum()),
        rows=int(probe.future.sum()),
        cutoff=probe.cutoff_text,
        sentence="",
    )
    return _with_sentence(report)


# --------------------------------------------------------------------------------------- the table and its changes


def _shifted(values: Array, future: Booleans, rng: np.random.Generator) -> Array:
    return values[future] + FAR * (_range(values) or 1.0)


def _mirrored(values: Array, future: Booleans, rng: np.random.Generator) -> Array:
    own = values[future]
    return np.nanmin(own) + np.nanmax(own) - own if not np.isnan(own).all() else own


def _shuffled(values: Array, future: Booleans, rng: np.random.Generator) -> Array:
    own = values[future]
    there = np.flatnonzero(~np.isnan(own))
    own[there] = own[rng.permutation(there)]
    return own


def _replaced(values: Array, future: Booleans, rng: np.random.Generator) -> Array:
    past = values[~future]
    past = past[~np.isnan(past)]
    return rng.choice(past, int(future.sum())) if past.size else values[future]


_WAYS = {"shifted": _shifted, "mirrored": _mirrored, "shuffled": _shuffled, "replaced": _replaced}


def _moved_past(values: Array, past: Booleans, rng: np.random.Generator) -> Array:
    """One to two ranges up, each value by another amount, so that neither level nor changes stay."""
    return values[past] + (_range(values) or 1.0) * (1 + rng.random(int(past.sum())))


def _range(values: Array) -> float:
    known = values[~np.isnan(values)]
    return float(np.ptp(known)) if known.size else 0.0


class _Probe:
    """A table that can be handed out unchanged, or with one part of it changed."""

    def __init__(self, table: Any, cutoff: Any, time: str | None, series_id: str | None, known: Sequence[str]) -> None:
        self._array = table if isinstance(table, np.ndarray) else None
        if self._array is not None and self._array.ndim not in (1, 2):
            raise DataError(f"the table has shape {self._array.shape}; give (T,), or (T, C) with a row for each step")
        frame = eager_frame(table)
        for name in (time, series_id, *known):
            if name is not None and name not in frame.columns:
                raise SettingsError(f"the table has no column {name!r}.{nearest(name, frame.columns)}")
        dates = [name for name, kind in frame.schema.items() if kind in (nw.Date, nw.Datetime)]
        self.time = time or ("ds" if "ds" in frame.columns else dates[0] if dates else None)
        series_id = series_id or ("unique_id" if "unique_id" in frame.columns else None)
        self.cutoff: Any = None
        if self.time is None or self._array is not None:
            if not isinstance(cutoff, int | np.integer):
                raise SettingsError(f"cutoff is {cutoff!r}; this table has no times, so give a row, counted from 0")
            self.future = np.arange(len(frame)) > cutoff
            self.cutoff_text = f"row {cutoff}"
        else:
            times = times_of(column_of(frame, self.time), self.time)
            self.cutoff = _time_like(cutoff, times)
            self.future = np.asarray(times > self.cutoff)
            self.cutoff_text = str(cutoff)
        if not 0 < self.future.sum() < len(frame):
            raise DataError(f"{int(self.future.sum())} of {len(frame)} rows lie after {cutoff}; give a time in between")
        self._native = None if self._array is not None else _native(table)
        own = frame.columns if self._native is None else self._native.columns
        self.changed = [name for name in own if name not in {self.time, series_id, *known}]
        if not self.changed:
            raise DataError("no column is left to change: all are times, names or known in advance")

    def table(self, rng: np.random.Generator | None, way: str) -> Any:
        """Return a fresh copy, changed in one way unless there is no ``rng``; in the way "past", up to the cutoff."""
        rows = np.flatnonzero(~self.future if way == "past" else self.future)
        if self._array is not None:
            return self._changed_array(self._array.copy(), rows, rng, way)
        frame = self._native.clone()  # type: ignore[union-attr]
        if rng is None:
            return frame.to_native()
        made = [self._changed_column(frame[name], rows, rng, way) for name in self.changed]
        return frame.with_columns(*made).to_native()

    def _changed_array(self, array: Any, rows: npt.NDArray[np.int64], rng: np.random.Generator | None, way: str) -> Any:
        if rng is None:
            return array
        columns = array.reshape(len(array), -1)  # a view
        for place in range(columns.shape[1]):
            if array.ndim == 1 or str(place) in self.changed:
                columns[rows, place] = self._numbers(columns[:, place].astype(np.float64), rng, way)
        return array

    def _changed_column(
        self, column: nw.Series[Any], rows: npt.NDArray[np.int64], rng: np.random.Generator, way: str
    ) -> nw.Series[Any]:
        if column.dtype.is_integer() or column.dtype.is_float():
            values = column.to_numpy().astype(np.float64)
            found = self._numbers(values, rng, way)
            there = ~np.isnan(found)
            if column.dtype.is_integer():
                kind = np.iinfo(str(column.dtype).lower())
                new: list[Any] = [int(min(max(x, kind.min), kind.max)) for x in found[there]]
            else:
                new = found[there].astype(str(column.dtype).lower()).tolist()  # rounded, so that float32 can hold it
            return column.scatter(rows[there].tolist(), new)
        if way in {"shifted", "mirrored"}:
            return column
        cells, past = column.to_list(), np.flatnonzero(~self.future)
        source = rng.choice(past, rows.size) if way == "replaced" else rng.permutation(rows)
        return column.scatter(rows.tolist(), [cells[row] for row in source])

    def _numbers(self, values: Array, rng: np.random.Generator, way: str) -> Array:
        if way == "past":
            return _moved_past(values, ~self.future, rng)
        return _WAYS[way](values, self.future, rng)


def _native(table: Any) -> nw.DataFrame[Any]:
    try:
        frame: nw.DataFrame[Any] = nw.from_native(table, eager_only=True)
    except TypeError:
        raise DataError(f"the table is a {type(table).__name__}; give a frame or an array") from None
    return frame


def _time_like(cutoff: Any, times: npt.NDArray[Any]) -> Any:
    """Return the cutoff as one of these times."""
    try:
        if times.dtype.kind != "M":
            return int(cutoff)
        if isinstance(cutoff, int | np.integer):
            raise ValueError("a number")
        if getattr(cutoff, "tzinfo", None) is not None:
            cutoff = cutoff.astimezone(UTC).replace(tzinfo=None)
        return np.datetime64(cutoff, "us")
    except (TypeError, ValueError) as error:
        kind = "a date such as 2020-01-31" if times.dtype.kind == "M" else "a whole number"
        raise SettingsError(f"cutoff is {cutoff!r} ({error}); the times of this table ask for {kind}") from None


# ------------------------------------------------------------------------------------------------- the forecasts


class _Forecasts:
    """The numbers a pipeline makes of a table."""

    def __init__(self, pipeline: Pipeline, probe: _Probe) -> None:
        self._pipeline, self._probe = pipeline, probe

    def of(self, rng: np.random.Generator | None, way: str) -> Array:
        """Run the pipeline on the table changed in one way, and return what it forecasts, flat."""
        return self._flat(self._pipeline(self._probe.table(rng, way)))

    def _flat(self, result: Any) -> Array:
        if isinstance(result, Mapping):
            result = list(result.values())
        if isinstance(result, list | tuple):
            return np.concatenate([np.empty(0), *(self._flat(each) for each in result)])
        if hasattr(result, "columns"):
            return self._of_frame(nw.from_native(result, eager_only=True))
        try:
            return np.asarray(result, np.float64).ravel()
        except (TypeError, ValueError) as error:
            raise DataError(f"the pipeline returned {type(result).__name__}: {error}; return numbers") from None

    def _of_frame(self, frame: nw.DataFrame[Any]) -> Array:
        names = [name for name, kind in frame.schema.items() if kind.is_numeric()]
        names = [name for name in names if name not in {self._probe.time, "ds", "cutoff", "unique_id"}]
        names = [name for name in names if name not in self._probe.changed] or names
        kept = np.ones(len(frame), np.bool_)
        if "cutoff" in frame.columns and self._probe.cutoff is not None:
            kept = np.asarray(times_of(column_of(frame, "cutoff"), "cutoff") <= self._probe.cutoff)
        columns = [frame[name].to_numpy().astype(np.float64)[kept] for name in names]
        return np.concatenate([np.empty(0), *columns])


def _distance(a: Array, b: Array) -> float:
    """Return the root mean square by which two sets of forecasts differ; inf when they cannot be compared."""
    if a.shape != b.shape or (np.isfinite(a) != np.isfinite(b)).any():
        return float("inf")
    there = np.isfinite(a)
    return float(np.sqrt(np.mean((a[there] - b[there]) ** 2))) if there.any() else 0.0


def _farthest(reference: Array, found: Array, rounding: float) -> tuple[float, float]:
    """Return the largest move of a forecast, and the share of them that moved."""
    if reference.shape != found.shape:
        return float("inf"), 1.0
    other = np.isfinite(reference) != np.isfinite(found)
    there = np.isfinite(reference) & np.isfinite(found)
    moves = np.where(other, np.inf, np.abs(np.where(there, reference, 0.0) - np.where(there, found, 0.0)))
    return float(moves.max()), float((moves > rounding).mean())


def _with_sentence(report: LeakageReport) -> LeakageReport:
    """Say in plain words what was found."""
    rows = f"{report.rows:,} row{'s' if report.rows > 1 else ''}"
    unsteady = (
        ""
        if report.deterministic
        else f" The pipeline is not deterministic: unchanged runs differ by {report.spread:.3g}, and smaller leaks "
        "cannot be seen; fix its seeds."
    )
    if not report.reads_past:
        text = "The forecasts do not move even when the past is changed: this table is not read, and nothing is proved."
    if report.leaks:
        ways = [change for change in report.changes if change.leaks]
        worst = max(ways, key=lambda change: change.moved)
        text = (
            f"The future leaks: with the values of the {rows} after {report.cutoff} {worst.name}, "
            f"{100 * worst.share:.0f} % of {report.forecasts:,} forecasts move, by up to {worst.moved:.3g} "
            f"(seen in {len(ways)} of {len(report.changes)} ways to change them)."
        )
    elif report.reads_past:
        beyond = "" if report.deterministic else " farther than chance does"
        text = (
            f"Nothing leaks: with the values of the {rows} after {report.cutoff} changed in {len(report.changes)} "
            f"ways, none of {report.forecasts:,} forecasts moves{beyond}."
        )
    values = {**vars(report), "sentence": text + unsteady}
    return LeakageReport(**values)
