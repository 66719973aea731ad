"""What volatility forecasts are about and judged by: daily returns, a day's variance from its prices, and QLIKE.

Plain arrays and tables: what is needed to make the sets ``sp500_returns`` and ``sp500_variance`` loads nothing heavy.

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
        _check_positive(name, prices)
    wrong = (h < np.maximum(o, c)) | (low_ > np.minimum(o, c))
    if wrong.any():
        raise DataError(
            f"row {int(np.argmax(wrong)) + 1}: Open and Close must lie between Low and High "
            f"({int(wrong.sum())} rows where they do not)"
        )
    return np.asarray(0.5 * np.log(h / low_) ** 2 - (2 * np.log(2) - 1) * np.log(c / o) ** 2)


def returns_table(daily: pa.Table) -> pa.Table:
    """Return Date and log_return, 100 · ln(close / close of the row before), in percent; missing in the first row.

    Args:
        daily: columns Date and Close, numbers or text.

    Raises:
        DataError: a column is missing, or a price is not above 0.
    """
    (close,) = _prices(daily, ("Close",))
    _check_positive("Close", close)
    returns = 100 * np.diff(np.log(close), prepend=np.nan)
    return pa.table({"Date": daily["Date"], "log_return": to_arrow(returns, np.isnan(returns))})


def log_variance_table(daily: pa.Table) -> pa.Table:
    """Return Date and log_variance, the logarithm of each day's Garman-Klass variance; missing where that is 0.

    Args:
        daily: columns Date, Open, High, Low and Close, numbers or text.

    Raises:
        DataError: a column is missing, or a price cannot be.
    """
    variance = garman_klass(*_prices(daily, PRICES))
    logs = np.full(len(variance), np.nan)
    np.log(variance, out=logs, where=variance > 0)
    return pa.table({"Date": daily["Date"], "log_variance": to_arrow(logs, np.isnan(logs))})


def _prices(daily: pa.Table, names: tuple[str, ...]) -> list[Array]:
    """Return columns of prices as numbers."""
    missing = [name for name in ("Date", *names) if name not in daily.column_names]
    if missing:
        raise DataError(f"the daily table has no column {', '.join(missing)}; it has {', '.join(daily.column_names)}")
    return [np.array(daily[name].to_pylist(), np.float64) for name in names]


def _check_positive(name: str, prices: Array) -> None:
    if (prices <= 0).any():
        raise DataError(f"row {int(np.argmax(prices <= 0)) + 1} of {name} is not above 0; its logarithm is needed")


def qlike_losses(truth_variance: npt.ArrayLike, forecast_variance: npt.ArrayLike) -> Array:
    """Return v/f − ln(v/f) − 1 of each true variance v and its forecast f, (...): 0 only where they are equal.

    Forecasting half of a variance costs more than forecasting twice of it, and noise in v does not change which of two
    forecasts wins.  NaN where the truth is missing or 0, or the forecast is missing.

    Raises:
        DataError: the shapes differ, or a forecast is not above 0.
    """
    v, f = np.asarray(truth_variance, np.float64), np.asarray(forecast_variance, np.float64)
    if v.shape != f.shape:
        raise DataError(f"the truth has shape {v.shape} and the forecast {f.shape}; they must be the same")
    if (f <= 0).any():
        raise DataError(f"{int((f <= 0).sum())} forecasts of a variance are not above 0")
    ratio = np.divide(v, f, out=np.full(v.shape, np.nan), where=v > 0)
    return np.asarray(ratio - np.log(ratio) - 1.0)


def qlike(truth_variance: npt.ArrayLike, forecast_variance: npt.ArrayLike) -> float:
    """Return the mean of ``qlike_losses``; see there for formula, shapes and errors.

    Steps whose truth is missing or 0 are left out; NaN when none is left, or when a forecast is.
    """
    losses = qlike_losses(truth_variance, forecast_variance)
    known = losses[np.asarray(truth_variance, np.float64) > 0]
    return float(known.mean()) if known.size else float("nan")
