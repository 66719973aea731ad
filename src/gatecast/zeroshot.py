"""Forecasts of series never seen before, without training: the shipped weights, which know simulated series only.

A series is read once and every member of the shipped ensemble says its quantiles; their mean is the forecast.  Its
centre and its widths are then set right by the same pass: what it said at past origins, against what came there (see
``hindsight``).  In a panel all series say so together, so that short ones borrow from the others.  Nothing here needs
torch.

Key: S series, T step, O origin asked for, H horizon step, Q quantile.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

import gatecast
from gatecast import runtime
from gatecast.config import QUANTILES, TrainingConfig
from gatecast.covariates import Floats
from gatecast.errors import ModelFileError, SettingsError
from gatecast.frames import forecast_table
from gatecast.frequency import require_season_lengths
from gatecast.hindsight import ALONE, Seen, Shared, from_origins, see, share
from gatecast.manners import Estimator
from gatecast.modelfile import Model, load_model, with_seasons
from gatecast.notebook import shown
from gatecast.panel import Panel, panel_from_frame
from gatecast.predictor import CELLS
from gatecast.scaling import Running
from gatecast.seasons import seasons_of
from gatecast.streaming import HORIZON, ForecastStream, Manner, load_stream, start_from
from gatecast.tracing import Mute, Pin, Trace, arrays_of, one_series, trace
from gatecast.windows import pad_left

Indices = NDArray[np.int64]

NAME = "ZeroShot"
CONTEXT = 4096  # newest steps that are read; older ones no longer move a forecast
FEWEST = 5  # series of the same seasons that are corrected together, and say together how wide intervals should be
SAMPLED = 256  # of them that are asked
SAMPLED_CELLS = 120_000  # series x steps that are asked


@lru_cache(maxsize=1)
def shipped() -> tuple[Model, ...]:
    """Return the shipped ensemble, in float32.

    Raises:
        ModelFileError: the installation lacks the weights.
    """
    folder = Path(str(files("gatecast"))) / "weights"
    found = tuple(load_model(path) for path in sorted(folder.glob("*.safetensors")))
    if not found:
        raise ModelFileError(f"{folder}: holds no weights; install gatecast again")
    return tuple(replace(model, weights=runtime.with_dtype(model.weights, np.float32)) for model in found)


class ZeroShot(Estimator):
    """A forecaster that is not trained: the shipped weights forecast any series at once.

    Args:
        season_length: steps per season, at most two; None takes them from the table's frequency or finds them.
        weights: model files to use in place of the shipped ones: with a running scaling, and of the target alone.
        correct: correct forecasts by a regression of their past errors, see ``postprocess``; False gives the centre as
            the networks say it.
    """

    name = NAME

    def __init__(
        self,
        *,
        season_length: tuple[int, ...] | None = None,
        weights: Sequence[str | Path] | None = None,
        correct: bool = True,
    ) -> None:
        self.season_length = season_length
        self.weights = weights
        self.correct = correct

    def fit(
        self, table: Any, *, time: str | None = None, target: str | None = None, series_id: str | None = None
    ) -> Self:
        """Take the series that are to be continued; nothing is trained.

        Args:
            table: any data frame narwhals knows, long, with one row per series and time; or a panel.
            time: its time column; columns not named are found, see ``panel_from_frame``.
            target: the column to forecast.
            series_id: the column that names the series.

        Raises:
            SettingsError: a named column is not there.
            DataError: the table cannot be forecast as it is; the message says where.
        """
        given = isinstance(table, Panel)
        panel = table if given else panel_from_frame(table, time=time, target=target, series_id=series_id)
        self._panel, self._like = panel, None if given else table
        return self

    def fit_panel(self, panel: Panel, validation_steps: int = 0, progress: Any = None) -> Self:
        """Take a panel, as ``fit`` does; there is no validation part, since nothing is trained."""
        del validation_steps, progress
        return self.fit(panel)

    def predict(self, horizon: int, level: Sequence[int] = (), future: Any = None) -> Any:
        """Forecast the ``horizon`` steps after each series' end: a table of the kind that came in.

        Args:
            horizon: steps ahead.
            level: interval levels in percent, from ``config.LEVELS``.
            future: must be left out: the shipped weights read no other columns.

        Raises:
            SettingsError: nothing was given to ``fit`` yet, or a level is not offered.
        """
        if future is not None:
            raise SettingsError("future: the shipped weights read no columns beside the target; leave it out")
        if not hasattr(self, "_panel"):
            raise SettingsError("predict: give the series to fit first")
        return forecast_table(self._panel, {self.name: self.forecast_panel(self._panel, horizon)}, level, self._like)

    def forecast_panel(self, panel: Panel, horizon: int) -> Floats:
        """Return quantiles (S, H, Q) of the steps after each series' end, in original units.

        Raises:
            SettingsError: the horizon has no steps.
        """
        _require_steps(horizon)
        made = np.empty((len(panel), horizon, len(QUANTILES)))
        now = np.zeros(1, np.int64)
        for seasons, rows in seasons_of(panel, self.season_length):
            members = self._members(seasons)
            shared = _shared(members, panel, rows, now, horizon, self.correct)
            for part in _alike(panel, rows, shared is None):
                seen = see(members, pad_left([panel.series_values(int(s))[-CONTEXT:] for s in part]))
                made[part] = from_origins(members, seen, now, horizon, shared, self.correct)[:, 0]
        return made

    def predict_many(self, panel: Panel, origins: NDArray[np.int64], horizon: int) -> Floats:
        """Return quantiles (S, O, H, Q) at config.QUANTILES from every origin, each from what was known there.

        Seasons are those that a series had shown by the earliest of the origins.

        Args:
            panel: the series, aligned at their ends.
            origins: index of the last step known, counted from the start of the longest series.
            horizon: steps ahead.

        Raises:
            SettingsError: the horizon has no steps.
        """
        _require_steps(horizon)
        longest = int(panel.lengths.max())
        now = np.asarray(origins, np.int64) - (longest - 1)
        made = np.empty((len(panel), len(now), horizon, len(QUANTILES)))
        shown = CONTEXT - int(now.min())
        for seasons, rows in seasons_of(panel, self.season_length, -int(now.min())):
            members = self._members(seasons)
            shared = _shared(members, panel, rows, now, horizon, self.correct)
            for part in _alike(panel, rows, shared is None):
                values = [panel.series_values(int(s))[-shown:] for s in part]
                seen = see(members, pad_left(values, 1 - int(now.min())))  # a series may begin after an origin
                made[part] = from_origins(members, seen, now, horizon, shared, self.correct)
        return made

    def fine_tune(
        self,
        table: Any,
        *,
        time: str | None = None,
        target: str | None = None,
        series_id: str | None = None,
        training: TrainingConfig | None = None,
    ) -> gatecast.LSTMForecaster:
        """Return an ``LSTMForecaster`` whose network is the first of these, adapted to a table's series; needs torch.

        What is shipped stays as it is, and this forecaster too.

        Args:
            table: any data frame narwhals knows, or a panel; this and the following as for ``fit``.
            time: its time column.
            target: the column to forecast.
            series_id: the column that names the series.
            training: settings in place of those of tuning, see ``LSTMForecaster.fine_tune``.

        Raises:
            SettingsError: a named column is not there, or the table is a panel with columns beside the target.
            DataError: the table cannot be forecast as it is; the message says where.
        """
        adapted = gatecast.LSTMForecaster(training=training, season_length=self.season_length)
        if self.weights is not None:
            adapted.load(Path(self.weights[0]))
        return adapted.fine_tune(table, time=time, target=target, series_id=series_id)

    def _repr_html_(self) -> str:
        """What it is, in a notebook."""
        panel: Panel | None = getattr(self, "_panel", None)
        season = "found in the series" if self.season_length is None else " and ".join(map(str, self.season_length))
        facts: dict[str, object] = {"season": season}
        if panel is not None:
            facts |= {"series": len(panel), "steps": len(panel.values)}
        return shown(
            "Zero-shot forecaster", facts, words="The shipped weights forecast any series; nothing is trained."
        )

    def inspect(
        self,
        series: str | None = None,
        *,
        member: int = 0,
        pins: Sequence[Pin] = (),
        mutes: Sequence[Mute] = (),
        since: int = 0,
    ) -> Trace:
        """Look inside one member of the ensemble over a series that was given to ``fit``, its newest 4,096 steps.

        Args:
            series: the name of the series; None is the first.
            member: which network, counted from 0; a forecast is the mean of all, corrected by its past.
            pins: gates to hold, from step ``since`` on.
            mutes: units that show nothing from then on.
            since: the first step that is traced.

        Raises:
            SettingsError: nothing was given to ``fit`` yet, or a member, series, gate, unit or layer is not there.
        """
        if not hasattr(self, "_panel"):
            raise SettingsError("inspect: give the series to fit first")
        one = one_series(self._panel, series)
        model = self.member(one, member)
        values, _ = arrays_of(one, model, CONTEXT)
        return trace(model, values, pins=pins, mutes=mutes, since=since)

    def member(self, panel: Panel, member: int = 0) -> Model:
        """Return one network of the ensemble, with the seasons of the first series of a panel.

        Raises:
            SettingsError: there is no such member.
        """
        seasons = next(found for found, rows in seasons_of(panel, self.season_length) if 0 in rows)
        members = self._members(seasons)
        if not 0 <= member < len(members):
            raise SettingsError(f"there is no member {member}; the ensemble has members 0 to {len(members) - 1}")
        return members[member]

    def stream(
        self, history: Any = None, *, horizon: int = HORIZON, adapt: bool = True, compiled: bool | None = None
    ) -> ForecastStream:
        """Return a stream that goes on where a history ends: ``stream.update(value)`` gives the next forecast.

        The season is the one of the history, or what ``season_length`` says; from nothing and without it there is none.

        Args:
            history: one series, as a table, a panel or numbers; None takes what was given to ``fit``, or nothing.
            horizon: steps ahead of every forecast.
            adapt: let widths follow what comes of earlier forecasts, those at the history's newest steps included.
            compiled: compile the step at once, or never; None compiles after 1,000 values.

        Raises:
            SettingsError: the history holds several series, or a setting cannot work.
            DataError: the history cannot be forecast as it is.
        """
        given = getattr(self, "_panel", None) if history is None else history
        panel = given if given is None or isinstance(given, Panel) else panel_from_frame(given)
        if panel is None:
            seasons = self.season_length or (1,)
            require_season_lengths(seasons)
        else:
            seasons = next(seasons for seasons, _ in seasons_of(panel, self.season_length))
        members = self._members(seasons)
        start = start_from(members[0], panel)
        stream = ForecastStream(members, self.name, ALONE, Manner(horizon, adapt, compiled), start.static_G)
        stream.read(start)
        return stream

    def load_stream(self, path: str | Path, *, compiled: bool | None = None) -> ForecastStream:
        """Return the stream that was saved with ``ForecastStream.save``, over these weights.

        Raises:
            ModelFileError: the file is missing, damaged, foreign, newer, or of a stream over other weights.
        """
        return load_stream(path, self._members((1,)), self.name, ALONE, compiled)

    def _members(self, seasons: tuple[int, ...]) -> tuple[Model, ...]:
        given = shipped() if self.weights is None else tuple(_load_weights(Path(path)) for path in self.weights)
        if len({model.direct_horizon for model in given}) > 1:
            horizons = ", ".join(str(model.direct_horizon) for model in given)
            raise SettingsError(f"weights: they forecast {horizons} steps directly; give those of one direct horizon")
        # how wide intervals are is found in the series themselves
        return tuple(replace(with_seasons(model, seasons), widening_KQ=None) for model in given)


def _require_steps(horizon: int) -> None:
    if horizon < 1:
        raise SettingsError(f"a horizon of {horizon} has no steps; choose 1 or more")


def _load_weights(path: Path) -> Model:
    """A model file as weights for any series.

    Raises:
        ModelFileError: it is damaged, foreign or newer.
        SettingsError: its network knows one level and scale alone, or reads columns beside the target.
    """
    model = load_model(path)
    if not isinstance(model.scaling, Running):
        raise SettingsError(
            f"weights: the level and scale of {path} are fixed to the series it was trained on; give a model trained "
            "with scaling = 'running'"
        )
    if model.columns:
        names = ", ".join(column.name for column in model.columns)
        raise SettingsError(f"weights: {path} reads {names} beside the target; give a model of the target alone")
    return model


class ZeroShotSeries:
    """The shipped weights as one more row beside the baselines of a series; nothing is fitted.

    Args:
        seasons: steps per season, at most two.
    """

    name = NAME

    def __init__(self, seasons: tuple[int, ...] = (1,)) -> None:
        self._seasons = seasons
        self._seen: Seen | None = None  # what was read last

    def fit_values(self, values: Floats, season_length: int) -> Self:
        """Take nothing but the season, where none was given: (T,) values of the training part are not needed."""
        del values
        if self._seasons == (1,):
            self._seasons = (season_length,)
        return self

    def predict_many(self, values: Floats, origins: ArrayLike, horizon: int) -> Floats:
        """Return quantiles (O, H, Q) from every origin of a series (T,), each from what was known there.

        Asked again of the same series, or of its beginning, it does not read it again.
        """
        at = np.asarray(origins, np.int64)
        first, last = int(at.min()), int(at.max())
        seasons = tuple(m for m in self._seasons if m > 1 and 2 * m <= first + 1) or (1,)
        members = tuple(with_seasons(model, seasons) for model in shipped())
        cut = max(0, first + 1 - CONTEXT)
        shown_ST = np.asarray(values, np.float64)[None, cut : last + 1]
        if self._seen is None or not self._seen.serves(shown_ST, seasons):
            self._seen = see(members, shown_ST)
        seen = self._seen.until(shown_ST.shape[1])
        return np.asarray(from_origins(members, seen, at - last, horizon, None)[0])


def _alike(panel: Panel, rows: Indices, each: bool = False) -> Iterator[Indices]:
    """Groups of series of like length, as many as are read together; or each by itself."""
    lengths = panel.lengths
    order = rows[np.argsort(lengths[rows], kind="stable")]
    begin = 0
    while begin < len(order):
        end = begin + 1
        while not each and end < len(order) and (end - begin + 1) * min(lengths[order[end]], CONTEXT) <= CELLS:
            end += 1
        yield order[begin:end]
        begin = end


def _shared(
    members: Sequence[Model], panel: Panel, rows: Indices, now_O: Indices, horizon: int, correct: bool
) -> Shared | None:
    """What the series of a panel say together; None if they are too few."""
    if len(rows) < FEWEST:
        return None
    shown = CONTEXT - int(now_O.min())
    steps = int(np.minimum(panel.lengths[rows], shown).mean())
    count = min(len(rows), SAMPLED, max(FEWEST, SAMPLED_CELLS // steps))
    sampled = rows[np.unique(np.linspace(0, len(rows) - 1, count).round().astype(np.int64))]
    parts = [
        see(members, pad_left([panel.series_values(int(s))[-shown:] for s in part])) for part in _alike(panel, sampled)
    ]
    return share(members, parts, now_O, horizon, correct)
