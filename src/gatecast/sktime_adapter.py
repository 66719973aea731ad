"""A gatecast forecaster as one of sktime's; needs sktime (``pip install 'gatecast[sktime]'``).

``SktimeForecaster()`` forecasts with the shipped weights, ``SktimeForecaster(LSTMForecaster())`` trains one on every
series.  It reads the target alone and the times of the index where they have a spacing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from sktime.forecasting.base import BaseForecaster

from gatecast.config import LEVELS, QUANTILES
from gatecast.errors import SettingsError
from gatecast.zeroshot import ZeroShot

__all__ = ["SktimeForecaster"]


class SktimeForecaster(BaseForecaster):  # type: ignore[misc]
    """A gatecast forecaster behind sktime's interface.

    Args:
        forecaster: a ``ZeroShot`` or an ``LSTMForecaster``, copied before it is fitted; None is ``ZeroShot()``.

    Examples:
    --------
    >>> from gatecast.sktime_adapter import SktimeForecaster
    >>> from sktime.datasets import load_airline
    >>> y = load_airline()
    >>> forecaster = SktimeForecaster().fit(y, fh=[1, 2, 3])
    >>> len(forecaster.predict_interval(coverage=0.8))
    3
    """

    _tags = {  # noqa: RUF012 (sktime's way)
        "authors": "gatecast",
        "maintainers": "gatecast",
        "python_dependencies": "gatecast",
        "y_inner_mtype": "pd.Series",
        "X_inner_mtype": "pd.DataFrame",
        "capability:multivariate": False,
        "capability:exogenous": False,
        "capability:insample": False,
        "capability:pred_int": True,
        "capability:pred_int:insample": False,
        "capability:missing_values": True,
        "requires-fh-in-fit": False,
    }

    def __init__(self, forecaster: Any = None) -> None:
        self.forecaster = forecaster
        super().__init__()

    def _fit(self, y: Any, X: Any = None, fh: Any = None) -> SktimeForecaster:
        """Fit a copy of the forecaster; ``y`` is a pandas Series."""
        del X, fh
        given = ZeroShot() if self.forecaster is None else self.forecaster
        self.forecaster_ = type(given)(**given.get_params())
        columns = {"y": pa.array(y.to_numpy(np.float64, na_value=np.nan))}
        index = y.index
        if isinstance(index, (pd.PeriodIndex, pd.DatetimeIndex)) and index.freq is not None:
            times = index.to_timestamp() if isinstance(index, pd.PeriodIndex) else index
            columns = {"ds": pa.array(times.to_numpy("datetime64[us]")), **columns}
        self.forecaster_.fit(pa.table(columns))
        return self

    def _predict(self, fh: Any, X: Any = None) -> Any:
        """The medians of the steps in ``fh``, as a Series."""
        del X
        made_HQ, index = self._quantiles(fh)
        return pd.Series(made_HQ[:, len(QUANTILES) // 2], index=index, name=self._y.name)

    def _predict_quantiles(self, fh: Any, X: Any, alpha: list[float]) -> Any:
        """Quantiles of the steps in ``fh``, between those of the network along straight lines.

        Raises:
            SettingsError: a quantile lies beyond the outermost of the network's.
        """
        del X
        outside = [each for each in alpha if not QUANTILES[0] <= each <= QUANTILES[-1]]
        if outside:
            raise SettingsError(
                f"the quantile {outside[0]:g} is not offered; choose from {QUANTILES[0]:g} to {QUANTILES[-1]:g}, which "
                f"is a coverage of up to {1 - 2 * QUANTILES[0]:g}"
            )
        made_HQ, index = self._quantiles(fh)
        columns = pd.MultiIndex.from_product([self._get_varnames(), alpha])
        return pd.DataFrame([np.interp(alpha, QUANTILES, row) for row in made_HQ], index=index, columns=columns)

    def _quantiles(self, fh: Any) -> tuple[Any, Any]:
        """All quantiles (H, Q) of the steps asked for, and their index."""
        steps = np.asarray(fh.to_relative(self.cutoff).to_pandas(), np.int64)
        table, name = self.forecaster_.predict(int(steps.max()), level=LEVELS), self.forecaster_.name
        low = [f"{name}-lo-{level}" for level in sorted(LEVELS, reverse=True)]
        high = [f"{name}-hi-{level}" for level in sorted(LEVELS)]
        columns = [table.column(column).to_numpy() for column in (*low, name, *high)]
        return np.stack(columns, axis=1)[steps - 1], fh.to_absolute_index(self.cutoff)

    @classmethod
    def get_test_params(cls, parameter_set: str = "default") -> list[dict[str, Any]]:
        """Settings for sktime's tests."""
        del parameter_set
        return [{}, {"forecaster": ZeroShot(season_length=(4,))}]
