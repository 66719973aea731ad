"""Seasons come from the calendar, from whoever asks, or from the numbers; unknown steps are never looked at."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatecast.frequency import parse_frequency
from gatecast.panel import Panel
from gatecast.seasons import FEWEST, find_season, found_season, seasons_in_words, seasons_of


def panel(series, code="1"):
    """Series that end together, at a spacing."""
    frequency = parse_frequency(code)
    lengths = [len(values) for values in series]
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    times = np.concatenate([np.arange(max(lengths) - steps, max(lengths)) for steps in lengths])
    times = times.astype(np.int64) if code == "1" else np.datetime64("2020-01-01", "us") + times.astype("m8[D]")
    return Panel(tuple(f"s{s}" for s in range(len(series))), times, np.concatenate(series), offsets, frequency)


def wave(season, steps=300, noise=0.3, seed=0, trend=0.0):
    """A season of a shape of its own, with noise and a trend."""
    rng = np.random.default_rng(seed)
    shape = rng.normal(size=season)
    shape = (shape - shape.mean()) / shape.std()
    return shape[np.arange(steps) % season] + noise * rng.normal(size=steps) + trend * np.arange(steps)


# ------------------------------------------------------------------------------------------- in the numbers of one


@pytest.mark.parametrize("season", [2, 3, 4, 5, 7, 10, 12, 24, 30, 52, 90])
@pytest.mark.parametrize("trend", [0.0, -0.5])
def test_a_season_is_found_through_noise_and_a_trend(season, trend):
    assert find_season(wave(season, 400, trend=trend)) == season


def test_a_season_is_found_around_missing_values():
    values = wave(12)
    values[np.random.default_rng(1).random(len(values)) < 0.4] = np.nan
    assert find_season(values) == 12


def test_the_shortest_of_several_lengths_that_fit_is_taken():
    values = np.tile([0.0, 1.0, 5.0, 2.0], 60)
    assert find_season(values) == 4


def test_without_a_season_none_is_found():
    rng = np.random.default_rng(0)
    noise = [find_season(rng.normal(size=200)) for _ in range(100)]
    assert noise.count(1) > 95
    for values in (np.arange(100.0), np.full(100, 3.0), np.zeros(100), np.full(100, np.nan), 2.0 ** np.arange(60)):
        assert find_season(values) == 1


def test_too_few_values_show_no_season():
    values = np.tile([0.0, 1.0, 5.0, 2.0], 60)
    assert find_season(values[: FEWEST - 1]) == 1
    assert find_season(values[:FEWEST]) == 4
    sparse = np.full(200, np.nan)
    sparse[: FEWEST - 1] = values[: FEWEST - 1]
    assert find_season(sparse) == 1


def test_a_season_that_came_less_than_three_times_is_none():
    values = np.sin(np.arange(3 * 40) * 2 * np.pi / 40)
    assert find_season(values[1:]) == 1
    assert find_season(values) == 40


@settings(max_examples=30, deadline=None)
@given(
    factor=st.sampled_from([1e-9, 0.5, 3.0, 1e9]),
    shift=st.sampled_from([0.0, -5.0, 100.0]),
    season=st.integers(2, 40),
)
def test_the_unit_of_a_series_does_not_matter(factor, shift, season):
    assert find_season(factor * (wave(season, 240) + shift)) == find_season(wave(season, 240)) == season


# ------------------------------------------------------------------------------------------- of a panel


def test_a_panel_has_the_season_of_most_of_its_series():
    yes, no = [wave(7, seed=s) for s in range(3)], [wave(11, seed=s) for s in range(2)]
    assert found_season(panel([*yes, *no])) == 7
    assert found_season(panel([*yes[:2], *no])) == 1  # a half is not most
    assert found_season(panel([wave(7, FEWEST - 1)])) == 1


@pytest.mark.parametrize("unknown", [1, 50, 250])
def test_unknown_steps_are_never_looked_at(unknown):
    known = wave(7)
    rest = wave(31, unknown, noise=0, seed=5) * 1e6
    assert found_season(panel([np.concatenate([known, rest])]), unknown) == 7
    (seasons, _), *_ = seasons_of(panel([np.concatenate([known, rest])]), unknown=unknown)
    assert seasons == (7,)


def test_a_series_that_is_all_unknown_has_no_season():
    assert found_season(panel([wave(7, 40)]), 40) == 1
    assert found_season(panel([wave(7, 100), wave(7, 90)]), 120) == 1  # nor one that begins after what is known
    assert dict(described(seasons_of(panel([wave(7, 40), wave(7, 200)]), (7,), 45))) == {(1,): [0], (7,): [1]}


def described(found):
    return [(seasons, rows.tolist()) for seasons, rows in found]


@pytest.mark.parametrize(
    ("code", "seasons"),
    [
        ("YS", (1,)),
        ("QS", (4,)),
        ("MS", (12,)),
        ("W", (52,)),
        ("D", (7,)),
        ("B", (5,)),
        ("h", (24, 168)),
        ("30min", (48, 336)),
    ],
)
def test_the_calendar_says_the_season_whatever_the_numbers_look_like(code, seasons):
    assert described(seasons_of(panel([wave(9, 700)], code))) == [(seasons, [0])]


def test_a_series_has_the_seasons_of_which_it_holds_two():
    series = [wave(5, steps) for steps in (47, 336, 335, 48, 3, 1000)]
    assert described(seasons_of(panel(series, "h"))) == [
        ((1,), [0, 4]),
        ((24, 168), [1, 5]),
        ((24,), [2, 3]),
    ]


def test_unknown_steps_do_not_count_among_those_a_series_holds():
    assert described(seasons_of(panel([wave(5, 24)], "MS"), unknown=0)) == [((12,), [0])]
    assert described(seasons_of(panel([wave(5, 24)], "MS"), unknown=1)) == [((1,), [0])]


def test_what_is_asked_for_goes_before_calendar_and_numbers():
    values = wave(7)
    assert described(seasons_of(panel([values], "D"), (30,))) == [((30,), [0])]
    assert described(seasons_of(panel([values]), (30, 90))) == [((30, 90), [0])]
    assert described(seasons_of(panel([values]), (1,))) == [((1,), [0])]


@settings(max_examples=30, deadline=None)
@given(lengths=st.lists(st.integers(1, 60), min_size=1, max_size=12), code=st.sampled_from(["1", "D", "MS", "h"]))
def test_every_series_is_in_one_group(lengths, code):
    rows = [row for _, each in seasons_of(panel([wave(4, steps) for steps in lengths], code)) for row in each]
    assert sorted(rows) == list(range(len(lengths)))


# ------------------------------------------------------------------------------------------- in words


def test_where_a_season_comes_from_is_said():
    assert seasons_in_words(panel([wave(7)], "D")) == ["season of 7 steps, of the calendar"]
    assert seasons_in_words(panel([wave(7)])) == ["season of 7 steps, found in the numbers"]
    assert seasons_in_words(panel([wave(7)], "D"), (30,)) == ["season of 30 steps, as asked for"]
    assert seasons_in_words(panel([wave(7, 12)])) == ["no season"]
    assert seasons_in_words(panel([wave(5, 400), wave(5, 60)], "h")) == [
        "1 of 2 series: season of 24 and 168 steps, of the calendar",
        "1 of 2 series: season of 24 steps, of the calendar",
    ]
