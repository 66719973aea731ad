"""Data opened as settings say: found, mended where that was asked for and only there, and made a panel."""

import gzip
import io
import sys

import numpy as np
import pytest

from gatecast.columns import Columns
from gatecast.config import DataConfig
from gatecast.errors import DataError, SettingsError
from gatecast.opening import open_source, open_table
from gatecast.sources import load

DAYS = [f"2024-01-{k:02d}" for k in range(1, 31)]
SOLD = [str(100 + k % 7) for k in range(30)]


def write(path, days=tuple(DAYS), **columns):
    columns = columns or {"sold": SOLD}
    lines = [",".join(["day", *columns])]
    lines += [",".join([each, *(column[place] for column in columns.values())]) for place, each in enumerate(days)]
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def opened(source, *fix, **chosen):
    return open_source(DataConfig(source=source, fix=fix, **chosen))


def test_without_a_fix_nothing_is_mended(tmp_path):
    path = write(tmp_path / "sales.csv")
    source = opened(path)
    assert source.mended == ()
    assert source.panel.values.tolist() == load(path).panel.values.tolist() == [float(cell) for cell in SOLD]
    assert (source.name, source.title) == ("sales", "sold")


def test_a_table_that_needs_mending_is_refused_until_it_is_asked_for(tmp_path):
    path = write(tmp_path / "sales.csv", days=[DAYS[1], DAYS[0], *DAYS[2:]])
    with pytest.raises(DataError, match="row 2 goes back in time"):
        opened(path)
    source = opened(path, "sort")
    assert source.panel.values.tolist() == [float(cell) for cell in [SOLD[1], SOLD[0], *SOLD[2:]]]
    assert len(source.mended) == 1
    assert source.mended[0].startswith("sort: ")


def test_what_was_mended_is_said_fix_by_fix_in_the_order_of_mending(tmp_path):
    sold = ["1,234.5", *SOLD[1:]]
    path = tmp_path / "sales.csv"
    rows = [f'{day},"{cell}"' for day, cell in zip([*DAYS, DAYS[4]], [*sold, "7"], strict=True)]
    path.write_text("\n".join(["day,sold", *rows]))
    source = opened(str(path), "last", "sort", "separators")
    assert [said.partition(":")[0] for said in source.mended] == ["separators", "sort", "last"]
    assert source.panel.values[[0, 4]].tolist() == [1234.5, 7.0]


def test_a_fix_that_finds_nothing_says_so(tmp_path):
    assert opened(write(tmp_path / "sales.csv"), "outliers").mended == ("outliers: nothing to do",)


def test_missing_values_stay_missing_unless_they_are_to_be_filled(tmp_path):
    path = write(tmp_path / "sales.csv", sold=[*SOLD[:9], "", *SOLD[10:]])
    assert np.isnan(opened(path, "sort").panel.values[9])
    filled = opened(path, "interpolate")
    assert filled.panel.values[9] == pytest.approx((float(SOLD[8]) + float(SOLD[10])) / 2)
    assert filled.mended[0].startswith("interpolate: ")


@pytest.mark.parametrize("fix", [["sorted"], ["fill", "zero"], ["regular=fortnight"]])
def test_a_fix_that_cannot_work_is_refused_before_the_table_is_looked_for(fix):
    with pytest.raises(SettingsError, match=r"fix(es)? '|frequency 'fortnight'"):
        opened("nowhere.csv", *fix)


def test_an_error_after_mending_names_the_file(tmp_path):
    path = write(tmp_path / "sales.csv", days=[DAYS[0], *DAYS[:-1]])
    with pytest.raises(DataError, match=r"sales\.csv: rows 1 and 2 have the same time"):
        opened(path, "sort")


@pytest.mark.parametrize("fix", ["separators", "sort"])
def test_an_error_in_mending_names_the_file(tmp_path, fix):
    path = write(tmp_path / "sales.csv")
    with pytest.raises(SettingsError, match=r"sales\.csv.*'sold'"):
        opened(path, fix, target="solt")


def test_a_named_set_is_mended_like_a_file_and_keeps_what_is_known_of_it():
    plain, mended = opened("co2"), opened("co2", "interpolate")
    assert np.isnan(plain.panel.values).any()
    assert not np.isnan(mended.panel.values).any()
    assert (mended.name, mended.title, mended.unit, mended.season_length) == (
        *(plain.name, plain.title, plain.unit),
        plain.season_length,
    )
    assert mended.panel.names.y == plain.panel.names.y == "co2"


def test_columns_beside_the_target_are_kept_through_mending(tmp_path):
    columns = {"sold": SOLD, "price": SOLD[::-1], "kind": ["work", "rest"] * 15, "visitors": SOLD, "shop": ["A"] * 30}
    path = write(tmp_path / "sales.csv", days=DAYS[::-1], **columns)
    chosen = {"target": "sold", "known": ("price", "kind"), "inputs": ("visitors",), "series_id": "shop"}
    panel = opened(path, "sort", **chosen).panel
    assert panel.ids == ("A",)
    assert panel.values.tolist() == [float(cell) for cell in SOLD[::-1]]
    assert panel.known["price"].tolist() == [float(cell) for cell in SOLD]
    assert panel.categories["kind"] == ("rest", "work")
    assert panel.inputs["visitors"].tolist() == panel.values.tolist()


def test_several_targets_are_mended_together(tmp_path):
    path = write(tmp_path / "sales.csv", days=DAYS[::-1], high=SOLD, low=SOLD[::-1])
    panel = opened(path, "sort", target="high,low").panel
    assert panel.ids == ("high", "low")
    assert panel.series_values(0).tolist() == panel.series_values(1)[::-1].tolist()


def test_a_wide_table_is_mended_and_opened(tmp_path):
    path = write(tmp_path / "wide.csv", days=DAYS[::-1], A=SOLD, B=SOLD)
    source = opened(path, "sort", wide=True)
    assert source.panel.ids == ("A", "B")
    assert source.mended


def test_a_zone_and_a_frequency_hold_after_mending_too(tmp_path):
    hours = [f"2024-03-{30 + k // 24} {k % 24:02d}:00" for k in range(48) if k != 26][::-1]
    path = write(tmp_path / "hours.csv", days=hours, sold=["1"] * 47)
    panel = opened(path, "sort", zone="Europe/Berlin", frequency="h").panel
    assert panel.zone == "Europe/Berlin"
    assert (len(panel.values), panel.filled) == (47, 0)


@pytest.mark.parametrize("fix", [(), ("sort",)])
def test_standard_input_is_read_once(monkeypatch, fix):
    text = "\n".join(["day,sold", *(f"{day},{cell}" for day, cell in zip(DAYS, SOLD, strict=True))])

    class Piped:
        buffer = io.BytesIO(gzip.compress(text.encode()))

    monkeypatch.setattr(sys, "stdin", Piped)
    source = opened("-", *fix)
    assert source.name == "standard input"
    assert len(source.panel.values) == 30


# ------------------------------------------------------------------------------------------- whatever is given as data


@pytest.mark.parametrize("fix", [(), ("interpolate",)])
@pytest.mark.parametrize("asked", [{}, {"target": "price"}, {"time": "day", "known": ("price",), "target": "sold"}])
def test_a_file_is_opened_alike_by_its_settings_and_by_a_call(tmp_path, asked, fix):
    path = write(tmp_path / "sales.csv", sold=[*SOLD[:9], "", *SOLD[10:]], price=SOLD[::-1])
    source, given = opened(path, *fix, **asked), open_table(path, Columns(**asked), fix=fix)
    assert source.mended == given.mended
    assert source.season_length == given.season_length == (7,)
    assert source.panel.names == given.panel.names
    np.testing.assert_array_equal(source.panel.values, given.panel.values)
    assert list(source.panel.known) == list(given.panel.known)


@pytest.mark.parametrize("fix", [(), ("sort",)])
@pytest.mark.parametrize(("target", "column", "seasons"), [(None, "Close", (1,)), ("Open", "Open", (5,))])
def test_a_named_set_has_its_own_columns_and_season_unless_others_are_asked_for(fix, target, column, seasons):
    given = open_table("sp500", Columns(target=target), fix=fix)
    assert (given.panel.names.ds, given.panel.names.y) == ("Date", column)
    assert given.season_length == seasons
    source = opened("sp500", *fix, target=target)
    assert (source.panel.names.ds, source.panel.names.y) == ("Date", column)
    assert source.unit == ("points" if target is None else "Open")


@pytest.mark.parametrize(
    "ask", [lambda path: opened(path, target="solt"), lambda path: open_table(path, Columns("dai"))]
)
def test_what_is_refused_names_the_file_once(tmp_path, ask):
    with pytest.raises(SettingsError) as caught:
        ask(write(tmp_path / "sales.csv"))
    assert str(caught.value).count("sales.csv: ") == 1


def test_rows_of_plain_numbers_stay_such_through_mending():
    values = np.stack([np.arange(30.0), 100 + np.arange(30.0)], axis=1)
    values[9, 0] = np.nan
    given = open_table(values, Columns(), fix=["interpolate"])
    assert given.panel.ids == ("0", "1") and given.like is values
    assert given.panel.values.tolist() == [*map(float, range(30)), *map(float, range(100, 130))]
    assert np.isnan(values[9, 0])
