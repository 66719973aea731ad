"""Intervals are judged by how often they held, and by when they did not."""

import numpy as np
import pytest
from scipy import stats

from gatecast.config import QUANTILES
from gatecast.coverage import christoffersen, clopper_pearson, judge_coverage, judge_panel_coverage
from gatecast.errors import DataError, SettingsError

NORMAL = stats.norm.ppf(QUANTILES)


def right(truth):
    """The intervals that standard normal truths ask for."""
    return np.broadcast_to(NORMAL, (*truth.shape, len(QUANTILES)))


# ---- Christoffersen's tests


def test_a_sequence_worked_by_hand():
    """1 1 0 1 0 0 1 1 1 1: 3 misses of 10; after a miss 1 of 3 misses, after a hit 2 of 6."""
    found = christoffersen([1, 1, 0, 1, 0, 0, 1, 1, 1, 1], 0.9)
    best, asked = 3 * np.log(0.3) + 7 * np.log(0.7), 3 * np.log(0.1) + 7 * np.log(0.9)
    assert (found.misses, found.origins) == (3, 10)
    assert found.p_unconditional == pytest.approx(stats.chi2.sf(2 * (best - asked), 1))
    assert found.p_independence == pytest.approx(1.0), "a third of the misses after hits, a third after misses"
    assert found.p_conditional == pytest.approx(stats.chi2.sf(2 * (best - asked), 2))


def test_independence_worked_by_hand():
    found = christoffersen([0, 0, 0, 0, 1, 1, 1, 1, 1, 1], 0.6)
    apart = 3 * np.log(3 / 4) + np.log(1 / 4)  # after a miss 3 of 4 misses; after a hit none of 5
    together = 3 * np.log(3 / 9) + 6 * np.log(6 / 9)
    assert found.p_unconditional == pytest.approx(1.0)
    assert found.p_independence == pytest.approx(stats.chi2.sf(2 * (apart - together), 1))


@pytest.mark.parametrize("asked", [0.8, 0.9])
def test_five_percent_of_right_intervals_are_rejected(asked):
    rng = np.random.default_rng(0)
    found = np.array([christoffersen(rng.random(500) < asked, asked)[2:] for _ in range(2_000)])
    np.testing.assert_allclose((found < 0.05).mean(axis=0), 0.05, atol=0.02)


def test_misses_that_come_in_clusters_are_found():
    rng, found = np.random.default_rng(1), []
    for _ in range(100):
        inside, miss = np.ones(500), False
        for t in range(500):  # a tenth of all, and four in ten after a miss
            miss = rng.random() < (0.4 if miss else 0.6 / 9)
            inside[t] = not miss
        found.append(christoffersen(inside, 0.9)[2:])
    number, independence, both = (np.asarray(found) < 0.05).mean(axis=0)
    assert independence > 0.98 and both > 0.98 and number < 0.25


def test_no_misses_and_nothing_but_misses_are_defined():
    none, alone = christoffersen(np.ones(50), 0.9), christoffersen(np.zeros(50), 0.9)
    assert none.p_independence == alone.p_independence == 1
    assert none.p_unconditional == pytest.approx(stats.chi2.sf(-100 * np.log(0.9), 1))
    assert alone.p_unconditional < 1e-20 and 0 < none.p_conditional < 0.05
    assert christoffersen([1.0], 0.9).p_independence == 1
    assert christoffersen([0, 1, 0, 1], 0.5).p_unconditional == pytest.approx(1)


def test_pairs_with_a_missing_truth_are_no_neighbours():
    together = christoffersen([0, 0, 1, 1], 0.5)
    apart = christoffersen([0, np.nan, 0, 1, 1], 0.5)
    assert apart.misses == together.misses and apart.p_independence != together.p_independence


# ---- exact intervals and bands


@pytest.mark.parametrize(("hits", "n"), [(0, 10), (7, 10), (10, 10), (455, 500)])
def test_equals_the_exact_interval_of_scipy(hits, n):
    exact = stats.binomtest(hits, n).proportion_ci(0.95, method="exact")
    assert clopper_pearson(hits, n) == pytest.approx((exact.low, exact.high))


def test_coverage_has_the_binomial_band_of_its_origins():
    truth = np.random.default_rng(1).normal(size=50)
    found = judge_coverage(truth, right(truth), 90)
    assert found.band == pytest.approx((0.82, 0.98)) and found.holds and found.independent == 50
    assert found.confidence == pytest.approx(clopper_pearson(found.held * 50, 50))
    assert found.christoffersen.misses == round(50 * (1 - found.held))
    assert not judge_coverage(truth, right(truth) / 4, 90).holds


def test_the_band_and_the_interval_hold_as_they_should():
    rng = np.random.default_rng(2)
    found = [judge_coverage(truth, right(truth), 80) for truth in rng.normal(size=(1_000, 60))]
    inside = np.mean([each.band[0] <= each.held <= each.band[1] for each in found])
    around = np.mean([each.confidence[0] <= 0.8 <= each.confidence[1] for each in found])
    assert 0.94 < inside < 0.99 and 0.94 < around < 0.99


def test_overlapping_forecasts_count_as_fewer():
    """A random walk, one to ten steps ahead from every origin: neighbours miss together."""
    rng = np.random.default_rng(3)
    held = {1: [], 10: []}
    for _ in range(200):
        moves = rng.normal(size=(1, 209))
        truth = np.lib.stride_tricks.sliding_window_view(moves, 10, axis=-1)[0].cumsum(axis=1)
        quantiles = NORMAL * np.sqrt(np.arange(1, 11))[:, None] + np.zeros((200, 10, 1))
        for overlap, all_found in held.items():
            found = judge_coverage(truth, quantiles, 80, overlap)
            all_found.append(found.band[0] <= found.held <= found.band[1])
    assert found.independent == 20 and found.christoffersen.origins == 200
    assert np.mean(held[10]) > 0.95 > 0.9 > np.mean(held[1])


def test_a_panel_that_misses_together_has_a_wide_band():
    rng = np.random.default_rng(4)
    common, alone = [], []
    for _ in range(200):
        shock = rng.normal(size=100)
        together = np.sqrt(0.8) * shock + np.sqrt(0.2) * rng.normal(size=(30, 100))
        own = rng.normal(size=(30, 100))
        common.append(judge_panel_coverage(together, right(together), 80))
        alone.append(judge_panel_coverage(own, right(own), 80))
    for found in (common, alone):
        assert np.mean([each.confidence[0] <= 0.8 <= each.confidence[1] for each in found]) == pytest.approx(
            0.95, abs=0.05
        )
    width = [np.mean([each.band[1] - each.band[0] for each in found]) for found in (common, alone)]
    assert width[0] > 3 * width[1]
    short = judge_panel_coverage(own[:, :5], right(own[:, :5]), 80)
    assert short.independent == 30 and short.christoffersen is None
    assert judge_panel_coverage(own[:, :5], right(own[:, :5]), 80, overlap=4).independent == 30  # series share no step
    assert judge_panel_coverage(own, right(own), 80, overlap=4).independent == 25  # and origins do


def test_what_does_not_fit_is_refused():
    truth = np.zeros(5)
    with pytest.raises(DataError, match="no truth is known"):
        judge_coverage(np.full(5, np.nan), right(truth), 80)
    with pytest.raises(DataError, match="no truth is known"):
        judge_panel_coverage(np.full((1, 5), np.nan), right(truth)[None], 80)
    with pytest.raises(SettingsError, match="level 85"):
        judge_coverage(truth, right(truth), 85)
    with pytest.raises(SettingsError, match="asked is 90"):
        christoffersen([1, 0], 90)
    with pytest.raises(DataError, match="0 known"):
        christoffersen([np.nan], 0.9)
    with pytest.raises(SettingsError, match="11 hits of 10"):
        clopper_pearson(11, 10)
