"""A calendar is learned from its own dates: the week, and the holidays that come back."""

import calendar
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.tseries.holiday import USFederalHolidayCalendar

from gatecast.calendars import easter, learn_holidays, learn_week
from gatecast.frequency import future_times, infer_frequency, season_lengths
from gatecast.sources import load

WORKWEEK = "1111100"


def day(text):
    return int(np.datetime64(text, "D").astype(np.int64))


def open_days(start, stop, closed=(), week=WORKWEEK):
    """The dates from ``start`` up to, and not with, ``stop`` on which a calendar is open."""
    days = np.arange(start, stop, dtype="datetime64[D]")
    return days[np.is_busday(days, weekmask=week, holidays=np.array(sorted(closed), "datetime64[D]"))]


def texts(days):
    return sorted(str(np.datetime64(int(one), "D")) for one in days)


def expected_and_told(closed, dates, stop, week=WORKWEEK):
    """The days from the end of ``dates`` up to ``stop`` that are closed, and those that the calendar learned tells."""
    last = day(dates[-1])
    told, _ = learn_holidays(dates, week)
    masked = np.is_busday(np.array(sorted(closed), "datetime64[D]"), weekmask=week)
    really = np.array(sorted(closed), "datetime64[D]")[masked].astype(np.int64)
    return texts(k for k in really if last < k < day(stop)), texts(k for k in told if last < k < day(stop))


def easter_of(year):
    return date.fromordinal(date(1970, 1, 1).toordinal() + int(easter(np.array([year]))[0]))


def german():
    """An exchange that closes on fixed dates, whatever their weekday, and on two days around Easter."""
    for year in range(1990, 2050):
        yield from (easter_of(year) + timedelta(days=k) for k in (-2, 1))
        yield from (date(year, *md) for md in ((1, 1), (5, 1), (12, 25), (12, 26)))


def british():
    """Bank holidays with substitute days: Christmas on a Saturday is kept on Monday, and its second day on Tuesday."""
    for year in range(1990, 2050):
        yield from (easter_of(year) + timedelta(days=k) for k in (-2, 1))
        yield from (
            np.busday_offset(f"{year}-{md}", k, "forward") for md, k in (("01-01", 0), ("12-25", 0), ("12-25", 1))
        )
        for month, last in ((5, False), (5, True), (8, True)):
            mondays = [week[0] for week in calendar.monthcalendar(year, month) if week[0]]
            yield date(year, month, mondays[-1 if last else 0])


def american():
    return USFederalHolidayCalendar().holidays("1990-01-01", "2050-01-01").to_numpy().astype("datetime64[D]")


@pytest.mark.parametrize(
    ("year", "sunday"),
    [
        (1818, "03-22"),
        (1943, "04-25"),
        (1954, "04-18"),
        (1981, "04-19"),
        (2000, "04-23"),
        (2019, "04-21"),
        (2025, "04-20"),
    ],
)
def test_easter_sunday(year, sunday):
    assert str(easter_of(year)) == f"{year}-{sunday}"


def test_easter_is_a_sunday_between_22_march_and_25_april():
    for sunday in map(easter_of, range(1583, 4000)):
        assert sunday.weekday() == 6
        assert (3, 22) <= (sunday.month, sunday.day) <= (4, 25)


# ------------------------------------------------------------------------------------------------------- the week


@pytest.mark.parametrize("week", ["1111100", "1111001", "1111110", "0111111", "1010100", "1001000", "1111011"])
@pytest.mark.parametrize("weeks", [5, 10, 300])
def test_the_week_is_that_of_the_dates(week, weeks):
    start = np.datetime64("2020-01-06")
    dates = open_days(start, start + 7 * weeks, week=week)
    assert learn_week(dates) == week
    assert season_lengths(infer_frequency(dates.astype("datetime64[us]"))) == (week.count("1"),)


def test_fewer_than_four_weeks_are_no_calendar():
    dates = open_days("2020-01-06", "2020-01-26", week="1111110")
    assert learn_week(dates) is None
    assert infer_frequency(dates.astype("datetime64[us]")).code == "D"


def test_a_few_dates_on_closed_weekdays_are_no_matter_and_many_are():
    dates = open_days("2018-01-01", "2020-12-31", week="1111110")
    sundays = open_days("2018-01-01", "2020-12-31", week="0000001")
    assert learn_week(np.sort(np.append(dates, sundays[[7, 90]]))) == "1111110"
    assert learn_week(np.sort(np.append(dates, sundays[::10]))) is None


def test_the_newest_three_years_say_which_week():
    dates = np.append(open_days("1940-01-01", "1952-06-01", week="1111110"), open_days("1952-06-01", "1960-01-01"))
    assert learn_week(dates) == WORKWEEK
    assert infer_frequency(dates.astype("datetime64[us]")).code == "B"


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), days=st.integers(28, 800), share=st.sampled_from([0.05, 0.2, 0.4, 0.6]))
def test_daily_dates_with_random_holes_keep_to_no_week(seed, days, share):
    rng = np.random.default_rng(seed)
    kept = np.append(0, 1 + np.flatnonzero(rng.random(days) >= share))
    assert learn_week(np.datetime64("2020-01-01") + kept) is None


# --------------------------------------------------------------------------------------------------- the holidays


@pytest.mark.parametrize("until", ["2010-12-31", "2012-12-31", "2014-12-31", "2016-12-31"])
def test_the_closed_days_of_the_stock_exchange_are_told_years_ahead(until):
    dates = load("sp500").panel.times.astype("datetime64[D]")
    weekdays = open_days(dates[0], dates[-1])
    storm = {day("2012-10-29"), day("2012-10-30")}
    closed = set(weekdays[~np.isin(weekdays, dates)].astype(np.int64).tolist()) - storm
    really, told = expected_and_told(closed, dates[dates <= np.datetime64(until)], "2018-08-31")
    assert told == really
    assert len(really) > 14


def test_the_future_of_the_stock_exchange_is_the_days_it_was_open():
    dates = load("sp500").panel.times
    seen = dates[dates < np.datetime64("2015-01-01")]
    after = dates[len(seen) :]
    found = infer_frequency(seen)
    assert found.holidays == (
        "1 January, or the day after it",
        "third Monday of January",
        "third Monday of February",
        "Good Friday",
        "last Monday of May",
        "4 July, or the open day nearest to it",
        "first Monday of September",
        "fourth Thursday of November",
        "25 December, or the open day nearest to it",
    )
    np.testing.assert_array_equal(future_times(seen[-1], found, len(after)), after)


@pytest.mark.parametrize("make", [german, british, american])
@pytest.mark.parametrize("years", [8, 12, 20])
def test_the_holidays_of_other_calendars_are_told_ten_years_ahead(make, years):
    closed = np.array(sorted({np.datetime64(one, "D") for one in make()}))
    if make is american:  # one holiday came in 2021
        closed = closed[~((closed.astype(object) >= date(2021, 6, 17)) & np.isin(_month_day(closed), (618, 619, 620)))]
    dates = open_days(f"{2020 - years}-03-02", "2020-03-02", closed)
    really, told = expected_and_told(closed, dates, "2030-03-02")
    assert told == really


def _month_day(days):
    return np.array([one.month * 100 + one.day for one in days.astype(object)])


def test_fixed_dates_stay_where_they_are_if_they_were_seen_to_stay():
    dates = open_days("2010-01-04", "2020-12-20", set(german()))
    _, names = learn_holidays(dates, WORKWEEK)
    assert set(names) == {"1 January", "Good Friday", "Easter Monday", "1 May", "25 December", "26 December"}


def test_a_holiday_that_is_new_is_told_after_three_years():
    closed = american()
    _, names = learn_holidays(open_days("2012-01-01", "2024-12-31", closed), WORKWEEK)
    assert "19 June, or the open day nearest to it" in names
    _, names = learn_holidays(open_days("2012-01-01", "2022-12-31", closed), WORKWEEK)
    assert not any("June" in name for name in names)


def test_a_holiday_that_was_given_up_is_not_told():
    kept = [f"{year}-12-24" for year in range(2000, 2018)] + [f"{year}-12-25" for year in range(2000, 2030)]
    _, names = learn_holidays(open_days("2005-01-01", "2020-12-31", kept), WORKWEEK)
    assert names == ("25 December",)


def test_days_that_hang_on_easter():
    offsets = (-48, -47, 39, 50, 60)
    closed = [easter_of(year) + timedelta(days=k) for year in range(2000, 2030) for k in offsets]
    told, names = learn_holidays(open_days("2008-01-01", "2019-01-01", closed), WORKWEEK)
    assert names == ("Carnival Monday", "Shrove Tuesday", "Ascension Day", "Whit Monday", "Corpus Christi")
    assert {"2025-06-09", "2025-06-19"} <= set(texts(told))


def test_single_closures_and_holes_are_no_holidays():
    rng = np.random.default_rng(0)
    weekdays = open_days("2000-01-01", "2018-01-01")
    assert learn_holidays(weekdays, WORKWEEK) == ((), ())
    assert learn_holidays(np.delete(weekdays, [444, 445, 446, 447, 1200, 3000]), WORKWEEK) == ((), ())
    assert learn_holidays(np.delete(weekdays, slice(1000, 1300)), WORKWEEK) == ((), ())
    assert learn_holidays(weekdays[rng.random(len(weekdays)) > 0.2], WORKWEEK) == ((), ())


def test_random_holes_do_not_hide_the_holidays():
    rng = np.random.default_rng(1)
    closed = set(german())
    dates = open_days("2005-01-03", "2019-12-31", closed)
    seen = np.append(dates[:-1][rng.random(len(dates) - 1) > 0.1], dates[-1])
    really, told = expected_and_told(closed, seen, "2030-01-01")
    assert set(really) <= set(told)
    assert len(told) <= len(really) + 3  # a hole on the only 2 May after a Sunday looks like a day moved


def test_less_than_three_years_show_no_holiday():
    closed = set(german())
    assert learn_holidays(open_days("2010-01-01", "2012-06-01", closed), WORKWEEK) == ((), ())
    assert learn_holidays(open_days("2010-01-01", "2016-06-01", closed), WORKWEEK)[0]


def test_a_shop_closed_on_sundays_has_holidays_too():
    closed = set(german())
    dates = open_days("2010-01-02", "2020-01-01", closed, week="1111110")
    found = infer_frequency(dates.astype("datetime64[us]"))
    assert found.code == "D-1111110"
    after = future_times(dates[-1].astype("datetime64[us]"), found, 1500)
    np.testing.assert_array_equal(after, open_days("2020-01-01", "2030-01-01", closed, week="1111110")[:1500])


def test_past_closed_days_are_those_that_were_seen():
    dates = load("sp500").panel.times.astype("datetime64[D]")
    told, _ = learn_holidays(dates, WORKWEEK)
    past = np.array([one for one in told if one <= day(dates[-1])]).astype("datetime64[D]")
    assert not np.isin(past, dates).any()
    assert np.datetime64("2001-09-11") not in past
    assert np.datetime64("2001-09-03") in past
    assert max(told) < day(dates[-1]) + 20 * 366


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    start=st.integers(-200_000, 200_000),
    count=st.integers(1, 4000),
    gaps=st.lists(st.sampled_from([1, 1, 1, 1, 1, 2, 3, 9, 200]), min_size=1, max_size=8),
    week=st.sampled_from([WORKWEEK, "1111110", "0101000", "1111001"]),
)
def test_learning_copes_with_any_dates(seed, start, count, gaps, week):
    days = (start + np.cumsum(np.random.default_rng(seed).choice(gaps, count))).astype("datetime64[D]")
    learn_week(days)
    dates = np.unique(np.busday_offset(days, 0, "forward", weekmask=week))
    closed, names = learn_holidays(dates, week)
    assert bool(closed) == bool(names)
    assert list(closed) == sorted(set(closed))
    told = np.array(closed, "datetime64[D]")
    assert np.is_busday(told, weekmask=week).all()
    assert not np.isin(told, dates).any()


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), years=st.integers(1, 25), share=st.sampled_from([0.0, 0.01, 0.1]))
def test_future_times_increase_and_are_never_closed(seed, years, share):
    rng = np.random.default_rng(seed)
    dates = open_days("1995-01-02", f"{1995 + years}-07-01", set(german()))
    dates = dates[rng.random(len(dates)) >= share].astype("datetime64[us]")
    found = infer_frequency(dates)
    after = future_times(dates[-1], found, 600)
    assert (np.diff(after) > np.timedelta64(0)).all()
    assert after[0] > dates[-1]
    assert np.is_busday(after.astype("datetime64[D]"), holidays=np.array(found.closed, "datetime64[D]")).all()
