"""The gain at each step ahead: its size, whose it is over, and how sure it is."""

import numpy as np
import pytest

from gatecast.errors import SettingsError
from gatecast.gains import gain_interval
from gatecast.skill import FEWEST, MOST_STEPS, panel_skill_by_step, skill_by_step


def as_quantiles(points):
    return np.repeat(points[..., None], 13, axis=-1)


@pytest.fixture
def truth():
    return np.random.default_rng(0).normal(size=(80, 4))


def with_errors(truth, **sizes):
    """Forecasts that err by noise of these sizes, a size per step ahead."""
    rng = np.random.default_rng(1)
    return {name: as_quantiles(truth + np.array(size) * rng.normal(size=truth.shape)) for name, size in sizes.items()}


def test_the_gain_is_over_the_baseline_that_is_best_at_that_step(truth):
    made = with_errors(truth, LSTM=[1, 1, 1, 1], AR=[0.5, 1.5, 1.5, 3], Drift=[2, 2, 0.5, 3])
    rows = skill_by_step(truth, made)
    assert [row.step for row in rows] == [1, 2, 3, 4]
    assert [row.best_baseline for row in rows][:3] == ["AR", "AR", "Drift"]
    errors = {name: each[..., 6] - truth for name, each in made.items()}
    for k, row in enumerate(rows):
        own, best = (np.sqrt(np.mean(errors[name][:, k] ** 2)) for name in ("LSTM", row.best_baseline))
        assert row.gain_percent == pytest.approx(100 * (1 - own / best))
        assert row.interval_percent[0] <= row.gain_percent <= row.interval_percent[1]
    assert rows[0].interval_percent[1] < 0 < rows[3].interval_percent[0]


def test_the_interval_is_the_moving_block_bootstrap_with_blocks_as_long_as_forecasts_overlap(truth):
    made = with_errors(truth, LSTM=[1] * 4, AR=[1.2] * 4)
    squares = {name: (each[..., 6] - truth) ** 2 for name, each in made.items()}
    for apart, block in ((1, 8), (4, 5)):
        long = np.tile(truth, (1, 2))
        rows = skill_by_step(long, {name: np.tile(each, (1, 2, 1)) for name, each in made.items()}, apart=apart)
        expected = gain_interval(squares["LSTM"][:, 3], squares["AR"][:, 3], 90, block, root=True)
        assert rows[7].interval_percent == (expected.lower, expected.upper)


def test_an_exact_baseline_gives_no_size_and_few_origins_no_interval(truth):
    made = with_errors(truth, LSTM=[1] * 4, AR=[0, 1, 1, 1])
    assert skill_by_step(truth, made)[0][2:] == (None, None)
    nearly = with_errors(truth, LSTM=[1] * 4, AR=[1e-12, 1, 1, 1])
    assert skill_by_step(truth, nearly)[0][2:] == (None, None)
    few = {name: each[: FEWEST - 1] for name, each in made.items()}
    second = skill_by_step(truth[: FEWEST - 1], few)[1]
    assert second.gain_percent is not None and second.interval_percent is None


def test_a_step_without_truth_has_no_row_and_many_steps_are_thinned():
    truth = np.random.default_rng(0).normal(size=(30, 201))
    truth[:, 0] = np.nan
    rows = skill_by_step(truth, with_errors(truth, LSTM=[1] * 201, AR=[2] * 201))
    assert len(rows) == MOST_STEPS - 1 and rows[-1].step == 201


def test_series_count_alike_and_those_without_a_scale_do_not():
    truth = np.random.default_rng(0).normal(size=(12, 3, 2))
    made = {"LSTM": as_quantiles(truth + 1.0), "AR": as_quantiles(truth + np.array([2.0, 0.5]))}
    size = np.arange(1.0, 13.0)
    grown = {name: each * size[:, None, None, None] for name, each in made.items()}
    scales = np.where(size == 3, np.nan, size)
    rows = panel_skill_by_step(truth * size[:, None, None], grown, scales)
    assert [(row.best_baseline, row.gain_percent) for row in rows] == [
        ("AR", pytest.approx(50)),
        ("AR", pytest.approx(-100)),
    ]
    assert rows[0].interval_percent == pytest.approx((50, 50))


def test_a_model_alone_is_refused(truth):
    with pytest.raises(SettingsError, match="give LSTM and a baseline"):
        skill_by_step(truth, with_errors(truth, LSTM=[1] * 4))
