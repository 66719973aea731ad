"""A series that stops moving is a stuck sensor, unless it often stands still."""

from planted import level, nothing, only, table


def test_the_rows_of_the_tail_are_named():
    y = level(60)
    y[45:] = [y[45]] * 15
    found = only(table(y=y))
    assert (found.code, found.severity, found.rows, found.count) == (
        "constant-tail",
        "warning",
        tuple(range(46, 56)),
        15,
    )
    assert nothing(table())


def test_standing_still_is_usual_for_some():
    steps = [float(k // 12) for k in range(60)]
    assert nothing(table(y=steps))
