"""A series with no value cannot be forecast, nor can a table in which no series has two."""

import pytest
from planted import level, only, table

from gatecast.doctor import check
from gatecast.errors import DataError
from gatecast.panel import panel_from_frame


def test_a_series_without_values_is_an_error():
    frame = table(60, y=[*level(30), *[None] * 30], unique_id=["a"] * 30 + ["b"] * 30)
    found = only(frame)
    assert (found.code, found.severity, found.rows[0], found.count) == ("no-values", "error", 31, 30)
    assert "no value at all" in found.message
    assert "series 'b'" in found.message
    assert found.fix.startswith("--fix drop")
    with pytest.raises(DataError, match="no value at all"):
        panel_from_frame(frame)


def test_a_single_value_is_an_error_if_no_series_has_more():
    found = only(table(60, y=[5.0, *[None] * 59]))
    assert (found.code, found.count) == ("no-values", 60)
    assert "a single value" in found.message
    assert found.fix == "name another column with --target"


def test_a_single_value_among_others_is_a_short_series():
    frame = table(60, y=[*level(30), 5.0, *[None] * 29], unique_id=["a"] * 30 + ["b"] * 30)
    assert [found.code for found in check(frame).findings] == ["missing-values", "too-short"]
    panel_from_frame(frame)


def test_a_table_without_rows_is_an_error():
    assert only(table(60).slice(0, 0)).code == "no-values"
