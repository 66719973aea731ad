"""What volatility forecasts are about and judged by: a day's variance from its open, high, low and close, and QLIKE.

Plain arrays and tables: what is needed to make the set ``sp500_variance`` loads nothing heavy.

Sources: Garman & Klass, "On the estimation of security price volatilities from historical data", J. Business 53(1),
1980; Patton, "Volatility forecast comparison using imperfect volatility proxies", J. Econometrics 160(1), 2011.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from gatecast.arrow import to_arrow
from gatecast.errors import DataError

Array = npt.NDArray[np.float64]

PRICES = ("Open", "High", "Low", "Close")


def garman_klass(
    opened: npt.ArrayLike, high: npt.ArrayLike, low: npt.ArrayLike, close: npt.ArrayLike
) -> npt.NDArray[np.float64]:
    """Return each day's variance, ½ ln(high/low)² − (2 ln 2 − 1) ln(close/open)², (T,); NaN where a price is missing.

    In squared log returns, the night left out.  0 on a day on which the price stood still.

    Raises:
        DataError: a price is not above 0, or a day's high and low do not hold its open and close.
    """
    o, h, low_, c = (np.asarray(each, np.float64) for each in (opened, high, low, close))
    for name, prices in zip(PRICES, (o, h, low_, c), strict=True):
        if (prices <= 0).any():
            raise DataError(f"row {int(np.argmax(prices <= 0)) + 1} of {name} is not above 0; its logarithm is needed")
    wrong = (h < np.maximum(o, c)) | (low_ > np.minimum(o, c))
    if wrong.any():
        raise DataError(
            f"row {int(np.argmax(wrong)) + 1}: Open and Close must lie between Low and High "
            f"({int(wrong.sum())} rows where they do not)"
        )
    return np.asarray(0.5 * np.log(h / low_) ** 2 - (2 * np.log(2) - 1) * np.log(c / o) ** 2)


def log_variance_table(daily: pa.Table) -> pa.Table:
    """Return Date and log_variance, the logarithm of each day's Garman-Klass variance; missing where that is 0.

    Args:
        daily: columns Date, Open, High, Low and Close, numbers or text.

    Raises:
        DataError: a column is missing, or a price cannot be.
    """
    missing = [name for name in ("Date", *PRICES) if name not in daily.column_names]
    if missing:
        raise DataError(f"the daily table has no column {', '.join(missing)}; it has {', '.join(daily.column_names)}")
    variance = garman_klass(*(np.array(daily[name].to_pylist(), np.float64) for name in PRICES))
    logs = np.full(len(variance), np.nan)
    np.log(variance, out=logs, where=variance > 0)
    return pa.table({"Date": daily["Date"], "log_variance": to_arrow(logs, np.isnan(logs))})


def qlike(truth_variance: npt.ArrayLike, forecast_variance: npt.ArrayLike) -> float:
    """Return mean (v/f − ln(v/f) − 1) of true variances v and forecasts f, both (...): 0 only when they are equal.

    Forecasting half of a variance costs more than forecasting twice of it, and noise in v does not change which of two
    forecasts wins.  Steps whose truth is missing or 0 are left out; NaN when none is left, or when a forecast is.

    Raises:
        DataError: the shapes differ, or a forecast is not above 0.
    """
    v, f = np.asarray(truth_variance, np.float64), np.asarray(forecast_variance, np.float64)
    if v.shape != f.shape:
        raise DataError(f"the truth has shape {v.shape} and the forecast {f.shape}; they must be the same")
    if (f <= 0).any():
        raise DataError(f"{int((f <= 0).sum())} forecasts of a variance are not above 0")
    ratio = v[v > 0] / f[v > 0]
    return float(np.mean(ratio - np.log(ratio) - 1.0)) if ratio.size else float("nan")
