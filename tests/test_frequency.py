"""The spacing of times is found in spite of holes, and the times that come next are the right ones."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatecast.errors import DataError, SettingsError
from gatecast.frequency import (
    advance,
    future_times,
    infer_frequency,
    parse_frequency,
    season_lengths,
    show_time,
    steps_between,
)


def dates(*texts):
    return np.array(texts, "datetime64[us]")


def span(start, stop, unit):
    return np.arange(start, stop, dtype=f"datetime64[{unit}]").astype("datetime64[us]")


def weekdays(week, start, stop):
    days = np.arange(start, stop, dtype="datetime64[D]")
    return days[np.is_busday(days, weekmask=week)].astype("datetime64[us]")


REGULAR = {  # code: times, name, seasons
    "D": (span("2020-01-01", "2020-03-01", "D"), "daily", (7,)),
    "W": (dates("1958-03-29", "1958-04-05", "1958-04-12"), "weekly", (52,)),
    "2W": (dates("2020-01-01", "2020-01-15", "2020-01-29"), "every 2 weeks", (26,)),
    "h": (span("2020-01-01T00", "2020-01-05T00", "h"), "hourly", (24, 168)),
    "30min": (span("2020-01-01T00:00", "2020-01-02T00:00", "30m"), "every 30 minutes", (48, 336)),
    "15min": (span("2020-01-01T00:00", "2020-01-02T00:00", "15m"), "every 15 minutes", (96, 672)),
    "10min": (span("2020-01-01T00:00", "2020-01-02T00:00", "10m"), "every 10 minutes", (144, 1008)),
    "min": (span("2020-01-01T00:00", "2020-01-01T05:00", "m"), "every minute", (1440,)),
    "7h": (span("2020-01-01T00", "2020-01-05T00", "7h"), "every 7 hours", (24,)),
    "s": (span("2020-01-01T00:00:00", "2020-01-01T00:01:00", "s"), "every second", (1,)),
    "MS": (span("2020-01", "2021-01", "M"), "monthly (first day)", (12,)),
    "ME": (dates("2020-01-31", "2020-02-29", "2020-03-31"), "monthly (last day)", (12,)),
    "M15": (dates("2020-01-15", "2020-02-15", "2020-03-15"), "monthly (day 15)", (12,)),
    "M30": (dates("2020-01-30", "2020-02-29", "2020-03-30"), "monthly (day 30)", (12,)),
    "BME": (dates("2020-01-31", "2020-02-28", "2020-03-31", "2020-05-29"), "monthly (last weekday)", (12,)),
    "2MS": (dates("2020-01-01", "2020-03-01", "2020-05-01"), "every 2 months (first day)", (6,)),
    "QS": (dates("2020-01-01", "2020-04-01", "2020-07-01"), "quarterly", (4,)),
    "QE": (dates("2020-03-31", "2020-06-30", "2020-09-30"), "quarterly", (4,)),
    "YS": (dates("1700-01-01", "1701-01-01"), "yearly", (1,)),
    "YE": (dates("2019-12-31", "2020-12-31"), "yearly", (1,)),
    "B": (np.array([d for d in span("2020-01-01", "2020-02-01", "D") if np.is_busday(d.astype("M8[D]"))]), None, (5,)),
    "D-1111110": (weekdays("1111110", "2020-01-01", "2020-03-01"), "daily except Sunday", (6,)),
    "D-1111001": (weekdays("1111001", "2020-01-01", "2020-03-01"), "daily except Friday and Saturday", (5,)),
    "D-1111000": (weekdays("1111000", "2020-01-06", "2020-03-01"), "daily except Friday, Saturday and Sunday", (4,)),
    "D-0111110": (weekdays("0111110", "2020-01-01", "2020-03-01"), "daily except Monday and Sunday", (5,)),
    "D-1010100": (weekdays("1010100", "2020-01-01", "2020-03-01"), "every Monday, Wednesday and Friday", (3,)),
    "1": (np.arange(10), "steps of 1", (1,)),
    "5": (np.arange(100, 200, 5), "steps of 5", (1,)),
    "7": (np.arange(-1000, -900, 7), "steps of 7", (1,)),
}


@pytest.mark.parametrize("code", REGULAR)
def test_regular_times_are_named_and_their_code_reads_back(code):
    times, name, seasons = REGULAR[code]
    found = infer_frequency(times)
    assert found.code == code
    assert found.name == (name or "business days (Monday to Friday)")
    assert parse_frequency(code) == found
    assert season_lengths(found) == seasons


@pytest.mark.parametrize("code", REGULAR)
def test_the_times_after_the_first_are_the_times_that_came(code):
    times = REGULAR[code][0]
    if code == "BME":
        times = times[:3]
    found = infer_frequency(times)
    np.testing.assert_array_equal(future_times(times[0], found, len(times) - 1), times[1:])
    np.testing.assert_array_equal(steps_between(times[0], times, found)[1:], np.arange(1, len(times)))


@settings(max_examples=40, deadline=None)
@given(
    code=st.sampled_from(["D", "h", "30min", "W", "MS", "ME", "M30", "QE", "YS", "3", "B", "BMS"]),
    hidden=st.sets(st.integers(1, 38), max_size=12),
)
def test_holes_do_not_change_the_frequency(code, hidden):
    frequency = parse_frequency(code)
    last = np.int64(7) if frequency.unit == "numbers" else np.datetime64("2019-12-31T00:00", "us")
    times = np.delete(future_times(last, frequency, 40), list(hidden))
    assert infer_frequency(times) == frequency


@settings(max_examples=40, deadline=None)
@given(
    code=st.sampled_from(["D", "h", "30min", "2W", "MS", "ME", "M30", "QE", "YS", "3", "B", "BME", "D-1111110"]),
    day=st.integers(-20000, 40000),
    first=st.integers(1, 30),
)
def test_steps_add_up_and_increase(code, day, first):
    frequency = parse_frequency(code)
    last = np.int64(day) if frequency.unit == "numbers" else np.datetime64(day, "D").astype("datetime64[us]")
    times = future_times(last, frequency, 60)
    assert (np.diff(times).astype(int) > 0).all()
    assert times[0] > last or frequency.unit == "months"
    np.testing.assert_array_equal(future_times(times[first - 1], frequency, 60 - first), times[first:])


def test_future_times_of_many_series_are_those_of_each():
    last = dates("2020-01-31", "2019-06-30")
    together = future_times(last, parse_frequency("ME"), 4)
    assert together.shape == (2, 4)
    for row, time in zip(together, last, strict=True):
        np.testing.assert_array_equal(row, future_times(time, parse_frequency("ME"), 4))


def test_month_ends_stay_and_the_thirtieth_comes_back():
    ends = [show_time(t) for t in future_times(np.datetime64("2020-01-31"), parse_frequency("ME"), 3)]
    assert ends == ["2020-02-29", "2020-03-31", "2020-04-30"]
    days = [show_time(t) for t in future_times(np.datetime64("2021-01-30"), parse_frequency("M30"), 2)]
    assert days == ["2021-02-28", "2021-03-30"]


def test_business_days_skip_weekends_and_keep_the_time_of_day():
    after = future_times(np.datetime64("2020-01-03T17:30"), parse_frequency("B"), 2)  # a Friday
    assert [show_time(t) for t in after] == ["2020-01-06 17:30", "2020-01-07 17:30"]
    assert show_time(future_times(np.datetime64("2020-01-04"), parse_frequency("B"), 1)[0]) == "2020-01-06"


def test_an_observed_trading_calendar_is_business_days():
    days = span("2020-01-01", "2020-12-31", "D")
    open_ = np.is_busday(days.astype("datetime64[D]"), holidays=["2020-01-01", "2020-01-20", "2020-12-25"])
    assert infer_frequency(days[open_]).code == "B"
    assert infer_frequency(days).code == "D"
    assert infer_frequency(dates("2020-01-06", "2020-01-07", "2020-01-08")).code == "D"  # no weekend was there to skip


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("H", "h"),
        ("15T", "15min"),
        ("M", "ME"),
        ("W-SUN", "W"),
        ("QE-DEC", "QE"),
        ("Q", "QE"),
        (" D ", "D"),
        ("7D", "W"),
    ],
)
def test_other_spellings_are_understood(text, code):
    assert parse_frequency(text).code == code


def test_a_learned_calendar_keeps_its_name_and_goes_on_without_its_holidays():
    days = weekdays("1111100", "2010-01-01", "2020-12-25")
    year_ends = [f"{year}-{day}" for year in range(2009, 2030) for day in ("01-01", "12-25")]
    times = days[~np.isin(days, dates(*year_ends))]
    found = infer_frequency(times)
    assert (found.name, found.code) == ("business days (Monday to Friday)", "B")
    assert found.holidays == ("1 January", "25 December")
    assert found.describe() == "business days (Monday to Friday), closed on 2 holidays"
    assert hash(found) == hash(infer_frequency(times.copy()))
    assert found == infer_frequency(times)
    assert found != parse_frequency("B")
    assert parse_frequency("B").describe() == "business days (Monday to Friday)"
    after = [show_time(t) for t in future_times(times[-1], found, 6)]
    assert after == ["2020-12-28", "2020-12-29", "2020-12-30", "2020-12-31", "2021-01-04", "2021-01-05"]
    np.testing.assert_array_equal(future_times(times[-1500], found, 1499), times[-1499:])  # other series may end sooner
    np.testing.assert_array_equal(steps_between(times[-1500], times[-1499:], found), np.arange(1, 1500))


@settings(max_examples=60, deadline=None)
@given(
    start=st.integers(-20000, 9000), week=st.sampled_from(["1111100", "1111110", "1111001"]), steps=st.integers(1, 400)
)
def test_steps_forward_and_the_steps_between_agree_and_no_closed_day_comes(start, week, steps):
    closed = tuple(np.unique(np.arange(start, start + 7000, 97)).tolist())
    frequency = replace(parse_frequency(f"D-{week}"), closed=closed)
    last = np.datetime64(start + 3, "D").astype("datetime64[us]") + np.timedelta64(9, "h")
    times = future_times(last, frequency, steps)
    assert (np.diff(times).astype(int) > 0).all()
    assert times[0] > last
    days = times.astype("datetime64[D]")
    assert np.is_busday(days, weekmask=week).all()
    assert not np.isin(days.astype(int), closed).any()
    assert (times - days == np.timedelta64(9, "h")).all()
    np.testing.assert_array_equal(
        steps_between(np.broadcast_to(last, steps), times, frequency), np.arange(1, steps + 1)
    )


@pytest.mark.parametrize("code", ["D", "2D", "3D", "4D", "5D", "W", "2W"])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.25])
def test_a_fixed_span_of_days_with_holes_is_no_calendar(code, share):
    rng = np.random.default_rng(3)
    for length in (15, 30, 60, 400):
        full = future_times(np.datetime64("2020-01-01T00:00", "us"), parse_frequency(code), length)
        assert infer_frequency(full[rng.random(length) >= share]).code == code


def test_a_weekly_series_that_was_moved_to_another_weekday_stays_weekly():
    times = np.concatenate((span("2020-01-03", "2021-06-01", "7D"), span("2021-06-02", "2023-01-01", "7D")))
    assert infer_frequency(times).code == "W"


def test_spans_are_exact_far_from_1970():
    step = parse_frequency("7us")
    late = np.datetime64("9999-01-01T00:00:00.000003", "us")
    assert int((advance(late, 10**13, step) - late).astype(np.int64)) == 7 * 10**13
    assert steps_between(late, advance(late, 10**13 + 1, step), step) == 10**13 + 1


@settings(max_examples=100, deadline=None)
@given(start=st.integers(-(2**62), 2**61), step=st.integers(1, 2**40), steps=st.integers(1, 2**20))
def test_whole_numbers_of_any_size_are_exact(start, step, steps):
    frequency = parse_frequency(str(step))
    moved = advance(np.int64(start), steps, frequency)
    assert int(moved) == start + steps * step
    assert int(steps_between(np.int64(start), moved, frequency)) == steps
    assert infer_frequency(np.int64(start) + np.arange(5) * step) == frequency


def test_numbers_that_64_bits_do_not_hold_are_refused():
    with pytest.raises(DataError, match=r"beyond the largest.*9,223,372,036,854,775,807.*number the steps from 0"):
        future_times(np.int64(2**63 - 3), parse_frequency("1"), 3)
    assert future_times(np.int64(2**63 - 3), parse_frequency("1"), 2).tolist() == [2**63 - 2, 2**63 - 1]
    with pytest.raises(DataError, match="beyond the largest"):
        future_times(np.int64(0), parse_frequency(str(2**62)), 2)
    with pytest.raises(DataError, match="beyond the largest"):
        infer_frequency(np.array([-(2**62) - 2**61, 2**62]))
    with pytest.raises(DataError, match="beyond the largest"):
        steps_between(np.int64([-(2**62) - 2**61]), np.int64([2**62]), parse_frequency("1"))


@pytest.mark.parametrize("code", ["999999999999YE", "9999999999999999999M15", "9999999QS", "9000000000000000000MS"])
def test_months_that_no_time_can_be_are_refused(code):
    with pytest.raises(DataError, match=r"beyond the (largest|year 290,000)"):
        future_times(np.datetime64("2020-01-15", "us"), parse_frequency(code), 3)


@pytest.mark.parametrize(
    "text",
    [
        "1" * 5_000,
        "1" * 5_000 + "D",
        "D-0000000",
        "D-1000000",
        "D-1111111",
        "D-111111",
        "B-1111110",
        "daily",
        "",
        "0",
        "-1",
        "M32",
        "M0",
        "3B",
        "D5",
        "MX",
        "1.5h",
    ],
)
def test_an_unknown_code_is_refused_with_the_list(text):
    with pytest.raises(SettingsError, match=r"Known: D, B, W, MS"):
        parse_frequency(text)


def test_a_shorter_common_gap_that_divides_the_most_common_one_is_the_step():
    assert infer_frequency(np.array([0, 5, 7, 9, 11, 13, 15, 16, 17, 18, 19])).code == "1"
    assert infer_frequency(np.array([0, 2, 4, 6, 8, 10, 12, 14, 16, 17])).code == "2"


def test_irregular_times_are_refused():
    with pytest.raises(DataError, match=r"no regular spacing.*multiples"):
        infer_frequency(np.array([0, 7, 18, 31, 48, 67, 90]))
    with pytest.raises(DataError, match="at least 2"):
        infer_frequency(dates("2020-01-01"))


def test_times_are_written_as_short_as_they_can_be():
    assert show_time(np.datetime64("2020-01-31")) == "2020-01-31"
    assert show_time(np.datetime64("2020-01-31T14:30", "us")) == "2020-01-31 14:30"
    assert show_time(np.datetime64("2020-01-31T14:30:05.5", "ms")) == "2020-01-31 14:30:05.5"
    assert show_time(np.int64(7)) == "7"


def test_advancing_by_nothing_changes_nothing():
    for times, _, _ in REGULAR.values():
        np.testing.assert_array_equal(advance(times, 0, infer_frequency(times)), times)
