"""A file that is no table is a finding; a file that is not there is refused."""

import pytest
from planted import only

from gatecast.doctor import check
from gatecast.errors import DataError, SettingsError


def test_a_ragged_file_is_a_finding(tmp_path):
    path = tmp_path / "ragged.csv"
    path.write_text("ds,y\n2024-01-01,1\n2024-01-02,1,234\n")
    found = only(path)
    assert (found.code, found.severity) == ("unreadable", "error")
    assert "row 2 has 3 cells where the header has 2" in found.message


def test_what_is_not_there_is_refused(tmp_path):
    with pytest.raises(DataError, match="file not found"):
        check(tmp_path / "none.csv")
    with pytest.raises(SettingsError, match="Did you mean 'sunspots'"):
        check("sunspot")
    with pytest.raises(DataError, match="not a table"):
        check(42)
