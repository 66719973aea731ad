"""A combination of a network with exponential smoothing and the theta method, weighted by what they did before.

The end of every series is held back.  All models are fitted before it and forecast it from several origins; the weights
are those of the simplex with the lowest CRPS of the averaged quantiles there, drawn towards equal ones: half-way for a
single series, hardly for hundreds.  Then all models are fitted again, on everything.  One set of weights serves all
series.

Quantiles are averaged, level by level: means, so to speak, of forecasts and not of densities, which keeps a combination
as sharp as its parts (Lichtendahl, Grushka-Cockayne & Winkler, "Is it better to average probabilities or quantiles?",
Management Science 59(7), 2013).  Towards equal: weights estimated from little pay less than they promise, which is
known as the forecast combination puzzle (Claeskens, Magnus, Vasnev & Wang, Int. J. Forecasting 32(3), 2016).

Key: M model, S series, O origin, H horizon step, N series and origin, K step ahead that is weighed, Q quantile.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any, NamedTuple, Self, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

import gatecast
from gatecast import metrics
from gatecast.answers import quantiles_of
from gatecast.baselines import SeriesForecaster
from gatecast.classical import LONGEST_SEASON, MSTL, AutoETS, AutoTheta
from gatecast.config import DIRECT_HORIZON, LEVELS
from gatecast.errors import DataError, SettingsError
from gatecast.frames import forecast_table, only, until
from gatecast.panel import Panel, panel_from_frame
from gatecast.seasons import seasons_of
from gatecast.windows import pad_left

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

MOST_SERIES = 2_000  # each is fitted twice by every classical model
SAMPLED = 256  # series that say the weights, evenly spread
ORIGINS = 8  # of each of them
STEPS = 12  # steps ahead that are weighed, closer together near the origin
LEAST = 24  # values before the part that is held back, of a series that says weights
MOST_ROWS = 8_000  # forecasts on which weights are compared
GRID = 20  # parts into which a weight is divided in the search


class _Weighed(NamedTuple):
    """What the models said of the part held back, and what came, in units of each series' seasonal scale."""

    steps_K: Indices
    truth_NK: Floats
    said_MNKQ: Floats
    series: int


@final
class Combination:
    """A network, ETS and Theta with their quantiles averaged; in place of ETS, MSTL for seasons above 24 steps.

    Args:
        network: any forecaster of panels with ``fit_panel`` and ``predict_many``; None takes an ``LSTMForecaster``.
            It is copied, never fitted.
        season_length: steps per season, at most two; None takes those of the calendar, or finds one.
        held_back: share of the steps at the end of each series that say the weights.

    Attributes after ``fit``:
        weights_: by model, its weight over all steps that were weighed.
        note_: why the weights are equal, if they are for want of data; else empty.
    """

    name = "Combination"

    def __init__(
        self, network: Any = None, *, season_length: tuple[int, ...] | None = None, held_back: float = 0.2
    ) -> None:
        if not 0 < held_back < 1:
            raise SettingsError(f"held_back = {held_back!r}: give a share of the steps, between 0 and 1")
        self.network, self.season_length, self.held_back = network, season_length, held_back

    def fit(
        self, table: Any, *, time: str | None = None, target: str | None = None, series_id: str | None = None
    ) -> Self:
        """Find the weights and fit all models.

        Args:
            table: any data frame narwhals knows, long, with one row per series and time; or a panel.
            time: its time column; columns not named are found, see ``panel_from_frame``.
            target: the column to forecast.
            series_id: the column that names the series.

        Raises:
            SettingsError: a named column is not there.
            DataError: the table cannot be forecast as it is, or has too many series.
        """
        given = isinstance(table, Panel)
        panel = table if given else panel_from_frame(table, time=time, target=target, series_id=series_id)
        if len(panel) > MOST_SERIES:
            raise DataError(
                f"{len(panel):,} series: a combination fits ETS and Theta to each, twice, and takes {MOST_SERIES:,} at "
                "most; give fewer, or train an LSTM on all of them"
            )
        self._panel, self._like = panel, None if given else table
        self.note_, self._found = "", dict[int, Floats]()
        self._weighed = self._weigh(panel)
        self._members = self._fitted(panel, panel)
        most = 1 if self._weighed is None else int(self._weighed.steps_K[-1])
        self.weights_ = dict(zip(self._members.names, self.weights(most).tolist(), strict=True))
        return self

    fit_panel = fit

    def weights(self, horizon: int) -> Floats:
        """Return the models' weights (M,) in forecasts of so many steps: what was weighed up to there counts."""
        if self._weighed is None:
            count = len(self._members.names)
            return np.full(count, 1 / count)
        near = max(1, int((self._weighed.steps_K <= horizon).sum()))
        if near not in self._found:
            _, truth_NK, said_MNKQ, series = self._weighed
            self._found[near] = simplex_weights(truth_NK[:, :near], said_MNKQ[:, :, :near], series)
        return self._found[near]

    def predict(self, horizon: int, level: Sequence[int] = (), future: Any = None) -> Any:
        """Forecast the ``horizon`` steps after each series' end: a table of the kind that came in.

        Args:
            horizon: steps ahead.
            level: interval levels in percent, from ``config.LEVELS``.
            future: a table with the values of the columns known in advance, which the network alone reads.

        Raises:
            SettingsError: nothing was fitted yet, or a level is not offered.
        """
        if not hasattr(self, "_panel"):
            raise SettingsError("predict: fit the combination first")
        panel = self._panel
        now = np.array([int(panel.lengths.max()) - 1])
        of_network_SHQ = self._members.network_ahead(horizon, future)
        said_MSHQ = np.stack([of_network_SHQ, *self._members.classical(panel, now, horizon)[:, :, 0]])
        made = np.tensordot(self.weights(horizon), said_MSHQ, axes=1)
        return forecast_table(panel, {self.name: made}, level, self._like)

    def predict_many(self, panel: Panel, origins: ArrayLike, horizon: int) -> Floats:
        """Return quantiles (S, O, H, Q) at config.QUANTILES from every origin, each from what was known there.

        Args:
            panel: series that were fitted, aligned at their ends.
            origins: index of the last step known, counted from the start of the longest series.
            horizon: steps ahead.

        Raises:
            DataError: a series was not fitted.
        """
        said_MSOHQ = self._members.say(panel, np.asarray(origins, np.int64), horizon)
        return np.asarray(np.tensordot(self.weights(horizon), said_MSOHQ, axes=1))

    def _fitted(self, panel: Panel, classical: Panel, unknown: int = 0) -> _Members:
        """All models, fitted on what a panel holds before its last ``unknown`` steps; ETS and Theta on some series."""
        network = copy.copy(self.network)
        if network is None:
            network = gatecast.LSTMForecaster(season_length=self.season_length)
        network.fit(until(panel, np.maximum(panel.lengths - unknown, 0)))
        per_series: dict[str, tuple[SeriesForecaster, ...]] = {}
        for seasons, rows in seasons_of(classical, self.season_length, unknown):
            for s in rows.tolist():
                values = classical.series_values(s)[: int(classical.lengths[s]) - unknown]
                models = smoothing_for(seasons), AutoTheta()
                per_series[classical.ids[s]] = tuple(model.fit_values(values, seasons[0]) for model in models)
        return _Members(network, per_series)

    def _weigh(self, panel: Panel) -> _Weighed | None:
        """What all models say of the part held back; None, and why, if no series is long enough."""
        held = max(1, round(self.held_back * float(np.median(panel.lengths))))
        long = np.flatnonzero(panel.lengths >= held + LEAST)
        if not long.size:
            self.note_ = f"no series has the {held + LEAST:,} steps from which weights are learned, so they are equal"
            return None
        chosen = np.zeros(len(panel), np.bool_)
        chosen[long[np.unique(np.linspace(0, long.size - 1, SAMPLED).round().astype(np.int64))]] = True
        few = only(panel, chosen)
        members = self._fitted(panel, few, held)
        last, reach = int(few.lengths.max()) - 1, min(held, DIRECT_HORIZON)
        origins = np.unique(np.linspace(last - held, last - 1, ORIGINS).round().astype(np.int64))
        steps_K = np.unique(np.geomspace(1, reach, STEPS).round().astype(np.int64))
        said_MSOKQ = members.say(few, origins, reach)[:, :, :, steps_K - 1]
        values_ST = pad_left([few.series_values(s) for s in range(len(few))])
        ahead_OK = origins[:, None] + steps_K
        truth_SOK = np.where(ahead_OK <= last, values_ST[:, np.minimum(ahead_OK, last)], np.nan)
        scale_S = np.array([_scale(values[: last + 1 - held]) for values in values_ST])
        moving = scale_S > 0
        if not np.isfinite(truth_SOK[moving]).any():
            self.note_ = "nothing varies where weights are learned, so they are equal"
            return None
        truth_SOK, said_MSOKQ = truth_SOK[moving], said_MSOKQ[:, moving]
        scale_S11 = scale_S[moving, None, None]
        return _Weighed(
            steps_K,
            (truth_SOK / scale_S11).reshape(-1, len(steps_K)),
            (said_MSOKQ / scale_S11[..., None]).reshape(len(said_MSOKQ), -1, *said_MSOKQ.shape[3:]),
            int(moving.sum()),
        )


class _Members:
    """The fitted models of a combination.

    Args:
        network: one for all series.
        per_series: by the series' name, its own models.
    """

    def __init__(self, network: Any, per_series: Mapping[str, tuple[SeriesForecaster, ...]]) -> None:
        self._network, self._per_series = network, per_series
        second = {models[0].name for models in per_series.values()}
        self.names = (str(network.name), "MSTL" if second == {"MSTL"} else "AutoETS", "AutoTheta")

    def say(self, panel: Panel, origins: Indices, horizon: int) -> Floats:
        """What every model says, (M, S, O, H, Q)."""
        others = self.classical(panel, origins, horizon)  # refuses series that were not fitted
        of_network = np.asarray(self._network.predict_many(panel, origins, horizon), np.float64)
        return np.concatenate([of_network[None], others])

    def classical(self, panel: Panel, origins: Indices, horizon: int) -> Floats:
        """What all but the network say, (M - 1, S, O, H, Q).

        Raises:
            DataError: a series was not fitted.
        """
        unknown = next((name for name in panel.ids if name not in self._per_series), None)
        if unknown is not None:
            raise DataError(f"series {unknown!r} was not among those the combination was fitted on; fit it with these")
        longest, made = int(panel.lengths.max()), []
        for s, name in enumerate(panel.ids):
            values = panel.series_values(s)
            own = origins - (longest - len(values))
            made.append([model.predict_many(values, own, horizon) for model in self._per_series[name]])
        return np.stack([np.stack(each) for each in zip(*made, strict=True)])

    def network_ahead(self, horizon: int, future: Any) -> Floats:
        """What the network says of the steps after each series' end, (S, H, Q)."""
        table = self._network.predict(horizon, level=LEVELS, future=future)
        numbers = {
            name: np.asarray(table[name]).reshape(-1, horizon)
            for name in table.column_names
            if name.startswith(self.names[0])
        }
        return quantiles_of(numbers)[self.names[0]]


def smoothing_for(seasons: tuple[int, ...]) -> SeriesForecaster:
    """Exponential smoothing for one season of up to 24 steps, else with seasons taken out by STL."""
    if len(seasons) == 1 and seasons[0] <= LONGEST_SEASON:
        return AutoETS()
    return MSTL(*seasons[1:2])


def simplex_weights(truth_NK: Floats, said_MNKQ: Floats, series: int = 1) -> Floats:
    """Return weights (M,), not negative and of sum 1: those with the lowest CRPS, drawn towards equal ones.

    The best are looked for on a grid of twentieths; of equals, the nearest to equal weights.  Of as many parts as
    there are series and one more, equal weights have one.

    Args:
        truth_NK: what came; NaN is left out.
        said_MNKQ: what each model said of it.
        series: how many series say it.
    """
    models = len(said_MNKQ)
    equal_M = np.full(models, 1 / models)
    known = np.isfinite(truth_NK) & np.isfinite(said_MNKQ).all(axis=(0, 3))
    rows = np.flatnonzero(known.ravel())
    if not rows.size:
        return equal_M
    rows = rows[np.unique(np.linspace(0, rows.size - 1, MOST_ROWS).round().astype(np.int64))]
    truth_R = truth_NK.ravel()[rows]
    said_MRQ = said_MNKQ.reshape(models, -1, said_MNKQ.shape[-1])[:, rows]
    shares = [parts for parts in product(range(GRID + 1), repeat=models) if sum(parts) == GRID]
    shares.sort(key=lambda parts: sum((part / GRID - 1 / models) ** 2 for part in parts))
    grid_GM = np.array(shares) / GRID
    losses = [metrics.crps(truth_R, np.tensordot(weights_M, said_MRQ, axes=1)) for weights_M in grid_GM]
    return np.asarray((series * grid_GM[int(np.argmin(losses))] + equal_M) / (series + 1))


def _scale(values: Floats) -> float:
    """Mean absolute change of what is known, (T,); NaN or 0 where nothing varies."""
    known = values[np.isfinite(values)]
    return float(np.abs(np.diff(known)).mean()) if len(known) > 1 else float("nan")
