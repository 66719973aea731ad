"""The simulator repeats from a seed, keeps to its bounds, and every part does what its share says.

Most parts draw the same random numbers whether they occur or not, so that a series with a part can be laid beside the
same series without it.
"""

import itertools
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from gatecast.errors import SettingsError
from gatecast.synthetic import ANY_SEASON, CALM, KINDS, Kind, Parts, simulate

PAGE = Path(__file__).parents[1] / "docs" / "zeroshot.md"
PATHS = ("smoothing", "poles", "process", "regimes", "walk", "counts")
OFF = Parts(**(dict.fromkeys([part.name for part in fields(Parts)], 0.0) | {"smoothing": 1.0}))
MONTHS = Kind((12,), 192, 192, 0.33, 1.0)  # of one length, so that series can be compared
PLAIN = Kind((1,), 200, 200, 0.33, 1.0)
EVERY = [kind if kind.seasons else kind._replace(seasons=(ANY_SEASON[1],)) for kind in KINDS]


def made(kind=PLAIN, count=60, seed=0, path="smoothing", **parts):
    """Series with nothing but a path and the parts asked for."""
    shares = dict.fromkeys(PATHS, 0.0) | {path: 1.0} | parts
    return simulate(kind, count, np.random.default_rng(seed), replace(OFF, **shares))


def with_and_without(part, kind=PLAIN, **more):
    return tuple(made(kind, **{part: share}, **more).truth_NT for share in (1.0, 0.0))


def correlation(y_NT, lag):
    """Autocorrelation of each series."""
    y_NT = y_NT - y_NT.mean(1, keepdims=True)
    return (y_NT[:, lag:] * y_NT[:, :-lag]).mean(1) / (y_NT**2).mean(1)


# ------------------------------------------------------------------------------------------- every kind


@pytest.mark.parametrize("kind", EVERY, ids=str)
def test_a_kind_has_its_lengths_ends_together_and_is_finite(kind):
    values_NT, truth_NT = simulate(kind, 40, np.random.default_rng(1))
    assert values_NT.shape == truth_NT.shape == (40, kind.longest)
    lengths_N = np.isfinite(truth_NT).sum(1)
    assert kind.shortest <= lengths_N.min() < lengths_N.max() <= kind.longest
    begun_NT = np.arange(kind.longest) >= kind.longest - lengths_N[:, None]
    assert (np.isfinite(truth_NT) == begun_NT).all()
    assert not np.isinf(truth_NT).any()


@pytest.mark.parametrize("kind", EVERY, ids=str)
def test_what_is_not_missing_is_the_truth_and_the_newest_value_is_there(kind):
    values_NT, truth_NT = simulate(kind, 160, np.random.default_rng(2))
    seen_NT = np.isfinite(values_NT)
    assert (values_NT[seen_NT] == truth_NT[seen_NT]).all()
    assert seen_NT[:, -1].all()
    assert (np.isfinite(truth_NT) & ~seen_NT).any()


@pytest.mark.parametrize("kind", EVERY, ids=str)
def test_the_same_seed_gives_the_same_series_and_another_gives_others(kind):
    one, same, other = (simulate(kind, 12, np.random.default_rng(seed)) for seed in (3, 3, 4))
    for part in (0, 1):
        np.testing.assert_array_equal(one[part], same[part])
    both = np.isfinite(one.truth_NT) & np.isfinite(other.truth_NT)
    assert (one.truth_NT[both] != other.truth_NT[both]).mean() > 0.9


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("kind", [KINDS[0], KINDS[2], KINDS[7]], ids=str)
def test_every_path_makes_finite_series_that_move(kind, path):
    truth_NT = simulate(kind, 30, np.random.default_rng(5), replace(Parts(), **dict.fromkeys(PATHS, 0.0) | {path: 1.0}))
    assert not np.isinf(truth_NT.truth_NT).any()
    assert (np.nanstd(truth_NT.truth_NT, axis=1) > 0).mean() > 0.8


def test_short_kinds_can_be_made_too():
    for kind in (Kind((1,), 6, 6, 1.0, 1.0), Kind((12,), 2, 7, 1.0, 1.0)):
        lengths_N = np.isfinite(simulate(kind, 50, np.random.default_rng(0)).truth_NT).sum(1)
        assert kind.shortest <= lengths_N.min() <= lengths_N.max() <= kind.longest


# ------------------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize("part", [part.name for part in fields(Parts)])
@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_outside_0_to_1_is_refused_by_name(part, share):
    with pytest.raises(SettingsError, match=f"^{part} = .*from 0 to 1"):
        Parts(**{part: share})


def test_nothing_to_simulate_is_refused():
    rng = np.random.default_rng(0)
    with pytest.raises(SettingsError, match="0 series"):
        simulate(KINDS[0], 0, rng)
    with pytest.raises(SettingsError, match="1 steps"):
        simulate(KINDS[0]._replace(longest=1), 3, rng)
    with pytest.raises(SettingsError, match="every path has share 0"):
        made(path="smoothing", smoothing=0.0)


@pytest.mark.parametrize(
    "kind", [Kind((1,), 2, 5, 1.0, 1.0), Kind((1,), 10, 3, 1.0, 1.0), Kind((), 20, 30, 1.0, 1.0)], ids=str
)
def test_a_kind_that_cannot_be_made_is_refused_in_words(kind):
    with pytest.raises(SettingsError, match="steps"):
        simulate(kind, 50, np.random.default_rng(0))


# ------------------------------------------------------------------------------------------- paths


def test_a_smooth_process_remembers_and_a_random_walk_does_not():
    changes = {path: np.diff(made(path=path).truth_NT, axis=1) for path in ("process", "walk")}
    assert np.quantile(correlation(changes["process"], 1), 0.75) > 0.8
    assert abs(np.median(correlation(changes["walk"], 1))) < 0.15
    assert np.median(correlation(made(path="walk").truth_NT, 1)) > 0.9


def test_regimes_stay_a_while_and_then_jump():
    moved = {path: np.abs(np.diff(made(path=path).truth_NT, axis=1)) for path in ("regimes", "walk")}
    calm = {path: np.median(np.median(each, axis=1) / each.max(1)) for path, each in moved.items()}
    assert calm["regimes"] < calm["walk"] / 2
    assert np.median(correlation(made(path="regimes").truth_NT, 1)) > 0.5


def test_series_from_poles_remember_in_many_ways_and_do_not_run_away():
    truth_NT = made(path="poles").truth_NT
    low, high = np.quantile(correlation(truth_NT, 1), [0.1, 0.9])
    assert high - low > 0.5
    assert 0.5 < np.median(truth_NT[:, 100:].std(1) / truth_NT[:, :100].std(1)) < 2


def test_counts_are_whole_not_negative_and_often_zero():
    truth_NT = made(path="counts", mixed=1.0, warped=1.0, multiplicative=1.0, flipped=1.0).truth_NT
    assert (truth_NT == np.round(truth_NT)).all()
    assert truth_NT.min() == 0
    assert 0.1 < (truth_NT == 0).mean() < 0.9


@pytest.mark.parametrize("part", ["broken", "outliers"])
def test_counts_stay_counts_whatever_happens_to_them(part):
    truth_NT = made(path="counts", **{part: 1.0}).truth_NT
    assert (truth_NT == np.round(truth_NT)).all()
    assert truth_NT.min() >= 0


# ------------------------------------------------------------------------------------------- seasons


def test_a_season_comes_back_and_without_one_nothing_does():
    with_it, without = (np.diff(each, axis=1) for each in with_and_without("seasonal", MONTHS, calm=1.0))
    assert np.median(correlation(with_it, 12)) > 0.8
    assert abs(np.median(correlation(without, 12))) < 0.1


def test_of_two_seasons_the_longer_holds_the_shorter():
    hours = Kind((24, 168), 672, 672, 0.02, 1.0)
    truth_NT = np.diff(made(hours, 30, seasonal=1.0, calm=1.0).truth_NT, axis=1)
    assert np.median(correlation(truth_NT, 168)) > 0.7
    assert np.median(correlation(truth_NT, 24)) > 0.3
    assert np.median(correlation(truth_NT, 168) - correlation(truth_NT, 24)) > 0


def test_a_drifting_season_moves_away_from_its_first_shape():
    drifting, fixed = with_and_without("drifting", MONTHS, seasonal=1.0)
    moved = drifting - fixed
    first, last = moved[:, :12].std(1), moved[:, -12:].std(1)
    assert (3 * first < last).mean() > 0.8


def test_spiky_seasons_are_flat_but_for_a_few_phases():
    def flat(spiky):
        truth_NT = made(MONTHS, spiky=spiky, seasonal=1.0, calm=1.0).truth_NT
        change = np.abs(np.diff(truth_NT[:, -25:], axis=1))
        return np.median(np.median(change, axis=1) / change.max(1))

    assert flat(1.0) < flat(0.0)


# ------------------------------------------------------------------------------------------- noise


def test_coloured_noise_remembers():
    coloured, white = (np.diff(each, axis=1) for each in with_and_without("coloured"))
    assert np.mean(correlation(coloured, 1) - correlation(white, 1)) > 0.05


def test_calm_series_have_less_noise_each_and_are_made_where_seasons_are_long_only():
    for kind, made_calm in ((Kind((CALM,), 200, 200, 0.33, 1.0), True), (MONTHS, False), (PLAIN, False)):
        calm, usual = (np.diff(each, axis=1).std(1) for each in with_and_without("calm", kind, path="walk"))
        if made_calm:
            assert (calm < usual).all()
            assert np.median(calm / usual) < 0.5
        else:
            np.testing.assert_array_equal(calm, usual)


def test_changing_noise_is_restless_for_a_while():
    changing, steady = (np.abs(np.diff(each, axis=1)) for each in with_and_without("changing", path="walk"))
    assert np.median(correlation(changing, 1)) > np.median(correlation(steady, 1)) + 0.05


# ------------------------------------------------------------------------------------------- as real ones are


def test_a_bent_trend_turns():
    def turned(y_NT):
        half = y_NT.shape[1] // 2
        first, last = (np.polyfit(np.arange(half), part.T, 1)[0] for part in (y_NT[:, :half], y_NT[:, half:]))
        return np.median(np.abs(first - last) / (np.abs(first) + np.abs(last)))

    bent, straight = (turned(each) for each in with_and_without("bent", calm=1.0, count=200))
    assert bent > straight + 0.1


def test_a_multiplicative_series_is_positive_and_grows_in_proportion():
    multiplied, added = with_and_without("multiplicative")
    assert (multiplied > 0).all()
    assert (added < 0).any()
    assert np.median(multiplied.max(1) / multiplied.min(1)) > 1.5


def test_flipped_series_are_upside_down():
    flipped, upright = with_and_without("flipped")
    for pair in zip(flipped, upright, strict=True):
        assert np.corrcoef(*pair)[0, 1] == pytest.approx(-1, abs=1e-6)


def test_a_broken_series_jumps_once_to_three_times_and_stays_there():
    broken, whole = with_and_without("broken")
    difference = np.diff(broken - whole, axis=1)
    jumps = (np.abs(difference) > 1e-9 * np.abs(whole).max(1, keepdims=True)).sum(1)
    assert 1 <= np.median(jumps) <= jumps.max() <= 3


def test_outliers_hit_a_step_here_and_there():
    hit, whole = with_and_without("outliers")
    share_N = (hit != whole).mean(1)
    assert 0 < np.median(share_N) < share_N.max() < 0.1
    moved = np.abs(hit - whole)[hit != whole]
    assert np.median(moved) > np.median(np.abs(whole - np.median(whole, axis=1, keepdims=True)))


def test_a_censored_series_has_nothing_below_zero_and_rests_there():
    censored, whole = with_and_without("censored")
    assert (whole < 0).any()
    assert (censored >= 0).all()
    assert ((censored == 0).any(1)).mean() > 0.9


def test_rounded_series_hold_whole_numbers():
    rounded, whole = with_and_without("rounded")
    assert (rounded == np.round(rounded)).all()
    assert not (whole == np.round(whole)).any()
    assert (rounded.std(1) > 0).mean() > 0.9


def test_missing_runs_are_holes_in_nearly_every_series():
    values_NT, truth_NT = made(missing=1.0)
    gone_NT = np.isnan(values_NT)
    assert np.isfinite(truth_NT).all()
    assert gone_NT.any(1).mean() > 0.9
    assert 0.01 < gone_NT.mean() < 0.5
    assert not np.isnan(made(missing=0.0).values_NT).any()


def test_time_is_warped_only_where_there_is_no_season():
    warped, even = with_and_without("warped", path="process")
    assert (warped != even).any(1).all()
    seasonal, unwarped = with_and_without("warped", MONTHS)
    np.testing.assert_array_equal(seasonal, unwarped)


def test_a_mixed_series_is_part_of_another_too():
    mixed, alone = with_and_without("mixed")
    other = [np.corrcoef(*pair)[0, 1] for pair in zip(mixed, alone, strict=True)]
    assert np.median(other) < 0.99
    assert not np.isinf(mixed).any()


# ------------------------------------------------------------------------------------------- in words


def rows_of(page, *heads):
    """The rows of a table of a document, by the words at its head."""
    _, _, rest = page.partition(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}\n")
    lines = itertools.takewhile(lambda line: line.startswith("| "), rest.splitlines())
    return [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in lines]


def test_the_page_names_every_part_with_its_share():
    shares = {f"`{part.name}`": f"{100 * getattr(Parts(), part.name):g} %" for part in fields(Parts)}
    told = {}
    for heads in (("path", "share", "what it is"), ("part", "share", "what it does")):
        for name, share, words in rows_of(PAGE.read_text(encoding="utf-8"), *heads):
            told[name] = share
            assert len(words) > 10
    assert told == shares
    assert sum(getattr(Parts(), path) for path in PATHS) == pytest.approx(1)  # or these are no shares of all series


def test_the_page_names_every_kind_with_its_length_and_its_share():
    everything = sum(kind.share for kind in KINDS)
    kinds = []
    for kind in KINDS:
        season = " and ".join(str(length) for length in kind.seasons if length > 1) or "none"
        steps = f"{kind.shortest:,} to {kind.longest:,}"
        if not kind.seasons:
            season, steps = "{} to {}".format(*ANY_SEASON), "by the season"
        kinds.append((season, steps, f"{100 * kind.share / everything:.1f} %"))
    rows = rows_of(PAGE.read_text(encoding="utf-8"), "series", "season", "steps shown", "share")
    assert [row[1:] for row in rows] == kinds
