"""GARCH, EWMA and HAR equal their definitions, read nothing after the origin, and reproduce two known figures."""

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pytest
from arch import arch_model
from arch.data import sp500

from gatecast.baselines import LastValue
from gatecast.config import MEDIAN, QUANTILES
from gatecast.errors import DataError, SettingsError
from gatecast.metrics import coverage, crps, mae
from gatecast.variance import garman_klass, log_variance_table, qlike, qlike_losses, returns_table
from gatecast.volatility import DECAY, DIGITS, EWMA, GARCH, HAR, SHORTEST

TRAINING, STEPS = 700, 1000
each = pytest.mark.parametrize("model", [GARCH, EWMA, HAR], ids=lambda model: model.name)
priced = pytest.mark.parametrize("model", [GARCH, EWMA], ids=lambda model: model.name)


def clustered(seed=0, steps=STEPS):
    """Returns whose variance follows ω 0.05, α 0.1, β 0.85."""
    rng = np.random.default_rng(seed)
    returns, variance = np.empty(steps), 1.0
    for t in range(steps):
        returns[t] = np.sqrt(variance) * rng.normal()
        variance = 0.05 + 0.1 * returns[t] ** 2 + 0.85 * variance
    return returns


def prices(seed=0, steps=STEPS, missing=0.0):
    values = 100 * np.exp(np.cumsum(clustered(seed, steps)) / 100)
    values[1:][np.random.default_rng(seed).random(steps - 1) < missing] = np.nan
    return values


SERIES = {"prices": prices, "crossing zero": lambda **kind: prices(**kind) - 100}
SERIES["returns"] = lambda missing=0.0: np.where(np.isnan(prices(missing=missing)), np.nan, clustered())
kinds = pytest.mark.parametrize("series", SERIES.values(), ids=SERIES)


@pytest.fixture(scope="module")
def daily():
    """The S&P 500 from 1999 to 2018, as arch ships it."""
    frame = sp500.load().reset_index()
    frame["Date"] = frame["Date"].dt.strftime("%Y-%m-%d")
    return pa.Table.from_pandas(frame, preserve_index=False)


def test_the_conditional_variance_is_that_of_arch():
    values = prices()
    made = GARCH().fit_values(values[:TRAINING], 1)
    returns = np.round(np.diff(np.log(values[:TRAINING])) / made.scale, DIGITS)
    model = arch_model(returns, mean="Constant", vol="GARCH", p=1, q=1, dist="t", rescale=False)
    found = model.fit(disp="off", show_warning=False)
    ours = made.variances(values, np.arange(TRAINING - 1), 1)[:, 0] / made.scale**2
    np.testing.assert_allclose(ours, found.conditional_volatility**2, rtol=1e-7)
    ahead = found.forecast(horizon=12).variance.to_numpy()[-1]
    np.testing.assert_allclose(made.variances(values, [TRAINING - 1], 12)[0] / made.scale**2, ahead, rtol=1e-7)


def test_garch_finds_what_it_was_simulated_with():
    made = GARCH().fit_values(prices(steps=8000), 1)
    np.testing.assert_allclose([made.recursion.alpha, made.recursion.beta], [0.1, 0.85], atol=0.03)


def test_ewma_is_its_definition():
    values = prices()
    made = EWMA().fit_values(values[:TRAINING], 1)
    returns = np.diff(np.log(values))
    variance = np.mean(returns[: TRAINING - 1] ** 2)
    for value in returns:
        variance = (1 - DECAY) * value**2 + DECAY * variance
    np.testing.assert_allclose(made.variances(values, [STEPS - 1], 3), np.full((1, 3), variance), rtol=1e-9)
    np.testing.assert_allclose(made.predict_many(values, [STEPS - 1], 9)[0, :, MEDIAN], values[-1], rtol=1e-12)


def test_har_is_one_regression_for_each_step():
    values = np.random.default_rng(0).normal(size=300).cumsum() * 0.1 + np.random.default_rng(1).normal(size=300)
    made = HAR().fit_values(values[:200], 1).predict_many(values, [250], 3)[0, :, MEDIAN]

    def row(t):
        return [1.0, values[t], values[t - 4 : t + 1].mean(), values[t - 21 : t + 1].mean()]

    for step in (1, 2, 3):
        rows = np.array([row(t) for t in range(21, 200 - step)])
        weights = np.linalg.lstsq(rows, values[21 + step : 200])[0]
        np.testing.assert_allclose(made[step - 1], np.dot(row(250), weights), rtol=1e-8)


@priced
def test_a_series_of_returns_is_modelled_as_the_prices_they_add_up_to(model):
    """Whether the numbers are prices or their returns, the next return is expected to lie in the same place."""
    values, origins = prices(), np.arange(TRAINING - 1, STEPS - 1)
    returns = 100 * np.diff(np.log(values))
    of_prices = model().fit_values(values[:TRAINING], 1)
    of_returns = model().fit_values(returns[: TRAINING - 1], 1)
    moves = 100 * np.log(of_prices.predict_many(values, origins, 1)[:, 0] / values[origins, None])
    np.testing.assert_allclose(of_returns.predict_many(returns, origins - 1, 1)[:, 0], moves, rtol=1e-6, atol=1e-8)
    variances = (
        made.variances(v, o, 9)
        for made, v, o in zip((of_prices, of_returns), (values, returns), (origins, origins - 1), strict=True)
    )
    np.testing.assert_allclose(next(variances) * 1e4, next(variances), rtol=1e-6)
    far = of_returns.predict_many(returns, [900], 200)[0]
    assert np.ptp(far[-1]) < 2 * np.ptp(far[0]), "a return a long way ahead is one day's, not the sum of all before it"


@priced
def test_only_what_varies_less_than_its_differences_holds_returns(model):
    """A level that is kept, however it is crossed, is a price: its forecast starts at the last value."""
    for values in (prices() - 100, 2 + clustered(), np.cumsum(clustered())):
        made = model().fit_values(values[:TRAINING], 1).predict_many(values, [800], 1)[0, 0, MEDIAN]
        assert abs(made - values[800]) < 0.2
    made = model().fit_values(clustered()[:TRAINING], 1).predict_many(clustered(), np.arange(800, 900), 1)
    assert np.ptp(made[:, 0, MEDIAN]) == 0 and abs(made[0, 0, MEDIAN]) < 0.2


@each
@kinds
def test_values_after_the_origin_change_no_forecast(model, series):
    values = series(missing=0.05)
    made = model().fit_values(values[:TRAINING], 1)
    for origin in (0, 30, TRAINING - 1, 850):
        changed = values.copy()
        changed[origin + 1 :] = np.random.default_rng(origin).normal(size=STEPS - 1 - origin) * 1e6
        before = made.predict_many(values, [origin], 7)
        np.testing.assert_array_equal(before, made.predict_many(changed, [origin], 7))
        np.testing.assert_array_equal(before, made.predict_many(values[: origin + 1], [origin], 7))


@each
@kinds
def test_many_origins_equal_one_at_a_time(model, series):
    values = series()
    made = model().fit_values(values[:TRAINING], 1)
    together = made.predict_many(values, np.arange(0, STEPS, 40), 6)
    alone = np.concatenate([made.predict_many(values, [origin], 6) for origin in range(0, STEPS, 40)])
    np.testing.assert_allclose(together, alone, rtol=1e-10)
    assert together.shape == (25, 6, len(QUANTILES)) and (np.diff(together, axis=-1) >= 0).all()


@each
@pytest.mark.parametrize("factor", [1e-6, 0.3, 1e8])
@kinds
def test_scaling_a_series_scales_its_forecast(model, factor, series):
    values = series()
    plain, scaled = (
        model().fit_values(v[:TRAINING], 1).predict_many(v, [TRAINING, 900], 20) for v in (values, values * factor)
    )
    np.testing.assert_allclose(scaled, plain * factor, rtol=1e-6, atol=1e-6 * factor)


@priced
def test_intervals_hold_and_breathe(model):
    values = prices(seed=5, steps=6000)
    origins = np.arange(3000, 5970)
    made = model().fit_values(values[:3000], 1).predict_many(values, origins, 20)
    for step in (1, 5, 20):
        truth, quantiles = values[origins + step], made[:, step - 1]
        assert coverage(truth, quantiles, 90) == pytest.approx(0.9, abs=0.04)
    width = (made[:, 0, -2] - made[:, 0, 1]) / values[origins]
    variance = np.convolve(clustered(5, 6000) ** 2, np.ones(20) / 20)[origins]
    assert np.corrcoef(width, np.sqrt(variance))[0, 1] > 0.8


@each
@pytest.mark.parametrize(
    "values",
    [
        np.full(100, 4.2),
        np.zeros(100),
        np.array([3.0]),
        np.arange(100.0),
        np.array([np.nan, 3.0, np.nan, np.nan, 5.0, np.nan]),
        np.append(np.ones(99), 2.0),
        np.append(np.linspace(1, 2, 40), np.full(9000, 2.0)),
        np.random.default_rng(0).normal(size=SHORTEST),
    ],
    ids=["constant", "zeros", "one", "line", "mostly missing", "one jump", "still", "short noise"],
)
def test_odd_training_parts_do_not_crash(model, values):
    made = model().fit_values(values, 12)
    forecast = made.predict_many(values, [len(values) - 1], 80)
    assert np.isfinite(forecast).all() and (np.diff(forecast, axis=-1) >= 0).all()
    known = values[~np.isnan(values)]
    if len(known) < 10:
        assert "repeats the last value" in made.note
    if len(known) < 10 or np.ptp(known) == 0:
        np.testing.assert_allclose(forecast[..., MEDIAN], known[-1])


@priced
def test_a_price_at_zero_is_forecast_by_the_last_value(model):
    values = prices()
    values[800] = 0.0
    made = model().fit_values(values[:TRAINING], 1).predict_many(values, [799, 800, 900], 3)
    last = LastValue().fit_values(values[:TRAINING], 1).predict_many(values, [799, 800, 900], 3)
    np.testing.assert_array_equal(made[1:], last[1:])
    assert (made[0] != last[0]).any()


@each
def test_what_cannot_work_is_refused(model):
    made = model().fit_values(prices(), 1)
    with pytest.raises(SettingsError, match="horizon is 0"):
        made.predict_many(prices(), [3], 0)
    with pytest.raises(DataError, match="lie outside"):
        made.predict_many(prices(), [STEPS], 1)
    assert made.predict_many(prices(), [], 3).shape == (0, 3, len(QUANTILES))
    with pytest.raises(DataError, match="no observed value"):
        model().fit_values(np.full(4, np.nan), 1)


def test_garman_klass_is_the_variance_of_a_simulated_day():
    rng = np.random.default_rng(0)
    paths = np.exp(np.cumsum(rng.normal(size=(2000, 2000)) * 0.01 / np.sqrt(2000), axis=1))
    opened = np.ones(2000)
    high, low = np.maximum(paths.max(axis=1), 1), np.minimum(paths.min(axis=1), 1)
    made = garman_klass(opened, high, low, paths[:, -1])
    assert made.mean() == pytest.approx(1e-4, rel=0.08)  # discrete steps miss a little of the range
    assert np.var(made) < np.var(np.log(paths[:, -1]) ** 2) / 5
    assert garman_klass([2.0], [2.0], [2.0], [2.0])[0] == 0
    assert np.isnan(garman_klass([2.0], [np.nan], [2.0], [2.0])[0])
    with pytest.raises(DataError, match="row 2 of Low is not above 0"):
        garman_klass([2.0, 2.0], [2.0, 2.0], [2.0, 0.0], [2.0, 2.0])
    with pytest.raises(DataError, match="row 1: Open and Close must lie between"):
        garman_klass([2.0], [2.0], [2.0], [3.0])


def test_a_day_that_stands_still_has_no_log_variance():
    text = b"Date,Open,High,Low,Close\n2024-01-02,1,2,1,2\n2024-01-03,2,2,2,2\n"
    table = log_variance_table(pacsv.read_csv(pa.BufferReader(text)))
    assert table.column_names == ["Date", "log_variance"] and table["log_variance"].null_count == 1
    as_text = pa.table({name: ["1", "2"] for name in ("Date", "Open", "High", "Low", "Close")})
    assert log_variance_table(as_text)["log_variance"].null_count == 2
    with pytest.raises(DataError, match="no column High, Low"):
        log_variance_table(as_text.drop_columns(["High", "Low"]))


def test_a_return_is_taken_from_the_row_before():
    text = b"Date,Close\n2024-01-02,100\n2024-01-03,110\n2024-01-04,\n2024-01-05,99\n2024-01-08,99\n"
    table = returns_table(pacsv.read_csv(pa.BufferReader(text)))
    assert table.column_names == ["Date", "log_return"]
    assert table["log_return"].to_pylist() == [None, pytest.approx(9.531018), None, None, 0]
    with pytest.raises(DataError, match="no column Close"):
        returns_table(table)
    with pytest.raises(DataError, match="row 2 of Close is not above 0"):
        returns_table(pa.table({"Date": ["a", "b"], "Close": ["1", "0"]}))


def test_qlike_is_least_at_the_truth_and_hates_too_low_a_forecast():
    truth = np.array([1.0, 2.0, np.nan, 0.0])
    assert qlike(truth, np.array([1.0, 2.0, 1.0, 1.0])) == 0
    half, double = (qlike(truth[:2], truth[:2] * factor) for factor in (0.5, 2.0))
    assert half == pytest.approx(1 - np.log(2)) and double == pytest.approx(np.log(2) - 0.5) and half > double
    assert np.isnan(qlike([np.nan], [1.0])) and np.isnan(qlike([1.0], [np.nan]))
    np.testing.assert_allclose(qlike_losses([2.0, 0.0, np.nan], [1.0] * 3), [1 - np.log(2), np.nan, np.nan])
    rng = np.random.default_rng(0)
    noisy = rng.exponential(size=100_000)  # the noise of a proxy whose mean is the variance
    assert qlike(noisy, np.full(100_000, 1.0)) < min(qlike(noisy, np.full(100_000, f)) for f in (0.95, 1.05))
    with pytest.raises(DataError, match="1 forecasts of a variance are not above 0"):
        qlike([1.0], [0.0])
    with pytest.raises(DataError, match="shape"):
        qlike([1.0], [1.0, 2.0])


def test_the_known_figures_of_the_sp500(daily):
    """On 1999 to 2018, last 30 %: 12.13 points from day to day; log variance 1.031 by the last value, 0.756 by HAR."""
    close = daily["Close"].to_numpy()
    y = log_variance_table(daily)["log_variance"].to_numpy()
    cut = round(0.7 * len(y))
    origins = np.arange(cut - 1, len(y) - 1)
    assert mae(close[origins + 1], close[origins]) == pytest.approx(12.13, abs=0.005)
    persistence, har = (
        np.mean((m.fit_values(y[:cut], 1).predict_many(y, origins, 1)[:, 0, MEDIAN] - y[origins + 1]) ** 2)
        for m in (LastValue(), HAR())
    )
    assert persistence == pytest.approx(1.031, abs=0.001) and har == pytest.approx(0.756, abs=0.001)


def test_on_the_sp500_the_variance_models_beat_constant_width(daily):
    close = daily["Close"].to_numpy()
    cut = round(0.7 * len(close))
    origins = np.arange(cut - 1, len(close) - 1)
    score = {
        m.name: crps(close[origins + 1], m().fit_values(close[:cut], 1).predict_many(close, origins, 1)[:, 0])
        for m in (LastValue, GARCH, EWMA)
    }
    assert max(score["GARCH"], score["EWMA"]) < score["LastValue"]
