"""What the door refuses is never called fine, even where no check of the doctor's speaks."""

from datetime import datetime

from planted import nothing, table, times

from gatecast.doctor import check


def test_a_spacing_that_cannot_be_right_is_refused():
    seconds = [datetime(2024, 1, 1, 0, 0, k) for k in range(59)]
    found = check(table(ds=[*seconds, datetime(2025, 1, 1)])).findings
    assert [finding.code for finding in found] == ["refused", "holes"]
    assert "steps are missing" in found[0].message
    assert nothing(table(ds=times(60)))
