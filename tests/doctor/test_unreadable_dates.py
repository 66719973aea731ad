"""Cells that are no dates are an error; the others are still read."""

from planted import nothing, table, times

from gatecast.doctor import check


def test_the_cells_are_named():
    when = [str(time.date()) for time in times(60)]
    assert nothing(table(ds=when))
    when[30], when[59] = "2024-02-30", "soon"
    report = check(table(ds=when))
    found = report.findings[0]
    assert (found.code, found.severity, found.rows, found.count) == ("unreadable-dates", "error", (31, 60), 2)
    assert found.example == "2024-02-30"
    assert report.frequency_code == "D"


def test_a_time_column_of_fractions_is_an_error():
    found = check(table(ds=[k / 3 for k in range(60)])).findings[0]
    assert found.code == "unreadable-dates"
