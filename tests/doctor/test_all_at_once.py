"""Looking at all series at once finds what looking at one after the other finds."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatecast.reading import Read
from gatecast.symptoms_of_times import _change_of_frequency, _suspects
from gatecast.symptoms_of_values import _hits, least_of, places_of

VALUES = {
    "walk": lambda rng, n: 100 + rng.normal(size=n).cumsum(),
    "noise": lambda rng, n: rng.normal(size=n),
    "counts": lambda rng, n: rng.poisson(0.4, n).astype(float),
    "constant": lambda rng, n: np.full(n, 5.0),
    "stuck": lambda rng, n: np.r_[rng.normal(size=n), np.full(12, 3.0)][12 : n + 12],
    "unit": lambda rng, n: (500 + rng.normal(size=n)) * np.where(np.arange(n) < n // 2, 1, 1000),
    "spike": lambda rng, n: 100 + rng.normal(size=n) + 500 * (np.arange(n) == n // 2),
    "below": lambda rng, n: np.where(np.arange(n) == n // 3, -1.0, 1 + rng.random(n)),
    "huge": lambda rng, n: rng.choice([1e308, -1e308, 1.0, 1e-300], n),
    "tails": lambda rng, n: 1000 + rng.standard_t(2, n).cumsum(),
}
LENGTHS = [0, 1, 2, 9, 10, 11, 19, 20, 21, 22, 50, 51, 120]


def panel(kinds, lengths, share, seed):
    """Series of several kinds, some of whose values are missing, and some of those spoilt."""
    rng = np.random.default_rng(seed)
    series = [VALUES[kind](rng, n) for kind, n in zip(kinds, lengths, strict=True)]
    values = np.concatenate([np.empty(0), *series])
    gone = rng.random(len(values)) < share
    spoilt = gone & (rng.random(len(values)) < 0.05)
    values[gone] = np.nan
    codes = np.repeat(np.arange(len(kinds)), lengths)
    ids = tuple(f"{kind} {place}" for place, kind in enumerate(kinds))
    return Read(np.arange(1, len(values) + 1), codes, ids, None, values, spoilt, has_id=True)


def one_after_the_other(read):
    bounds, found = read.bounds(), {}
    known = np.array([np.count_nonzero(~np.isnan(read.values[a:b])) for a, b in pairwise(bounds)])
    for s in range(len(read.ids)):
        own = slice(bounds[s], bounds[s + 1])
        for code, hit in _hits(read.values[own], read.spoilt[own], least_of(known)):
            found.setdefault(code, []).append((s, (bounds[s] + hit.at).tolist()))
    return found


@settings(max_examples=200, deadline=None)
@given(
    data=st.lists(st.tuples(st.sampled_from(sorted(VALUES)), st.sampled_from(LENGTHS)), min_size=1, max_size=12),
    share=st.sampled_from([0.0, 0.1, 0.9, 1.0]),
    seed=st.integers(0, 1000),
)
def test_the_quick_look_overlooks_nothing(data, share, seed):
    read = panel(*zip(*data, strict=True), share, seed)
    slow, quick = one_after_the_other(read), places_of(read)
    assert slow.keys() == quick.keys()
    for code, hits in slow.items():
        series, places = quick[code]
        assert series.tolist() == [s for s, _ in hits]
        assert places.tolist() == [place for _, at in hits for place in at]


def test_every_kind_is_among_the_examples():
    read = panel(sorted(VALUES), [120] * len(VALUES), 0.0, 0)
    assert {"constant", "constant-tail", "unit-jump", "outliers", "negative-values"} <= places_of(read).keys()


@pytest.mark.parametrize("seed", range(20))
def test_a_frequency_changes_only_in_a_suspect(seed):
    rng = np.random.default_rng(seed)
    hour = 3_600_000_000
    gaps = [
        hour * rng.choice([1, 24, 24 * 7, 24 * 30, 24 * 31], 2)[np.r_[np.zeros(n), np.ones(n)].astype(int)]
        for n in rng.integers(1, 40, 12)
    ]
    series = [np.cumsum(np.r_[0, own]) for own in gaps]
    bounds = np.cumsum([0, *map(len, series)])
    times = np.concatenate(series).astype("datetime64[us]")
    changing = [s for s, own in enumerate(series) if _change_of_frequency(own.astype("datetime64[us]")) is not None]
    assert set(changing) <= set(_suspects(times, bounds))
