"""``gatecast check`` as a user meets it."""

import json

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

import gatecast
from gatecast import doctor
from gatecast.cli import app
from gatecast.mending import mend, mend_columns
from gatecast.sources import DATASETS
from gatecast.tablefiles import read_table


def call(*arguments):
    return CliRunner().invoke(app, ["check", *map(str, arguments)])


@pytest.fixture
def sales(tmp_path):
    path = tmp_path / "sales.csv"
    rows = [f"2024-01-{day:02d},{shop},{day * 10 + day % 3}" for shop in "ab" for day in range(1, 32)]
    path.write_text("\n".join(["Date,Shop,Sales", *rows]))
    return path


def test_a_clean_table_shows_what_was_inferred_and_ends_with_0(sales):
    result = call(sales, "--id", "Shop")
    assert result.exit_code == 0, result.output
    assert "time       Date, 2024-01-01 to 2024-01-31" in result.output
    assert "target     Sales" in result.output
    assert "series     2 (column Shop)" in result.output
    assert "frequency  daily (D)" in result.output
    assert "season     7 steps" in result.output
    assert result.output.endswith("Nothing wrong was found.\n")


def test_an_error_is_shown_with_rows_and_what_to_do_and_ends_with_3(sales):
    result = call(sales)
    assert result.exit_code == 3
    assert "error: duplicate-times" in result.output
    assert "column 'Shop' tells them apart" in result.output
    assert "rows:  32, 33, 34, 35, 36, 37, 38, 39, 40, 41 …" in result.output
    assert "to do: --id Shop" in result.output


def test_warnings_alone_end_with_0():
    result = call("co2")
    assert result.exit_code == 0
    assert "warning: missing-values" in result.output
    assert result.output.endswith("\n1 warning\n")


def test_json_is_one_object_and_nothing_else(sales):
    result = call(sales, "--json")
    assert result.exit_code == 3
    found = json.loads(result.stdout)
    assert found == doctor.check(sales).as_dict()
    assert found["ok"] is False
    assert found["findings"][0]["rows"][0] == 32


def test_a_wrong_column_is_a_wrong_setting(sales):
    result = call(sales, "--target", "Sale")
    assert result.exit_code == 2
    assert "Did you mean 'Sales'?" in result.output
    assert call(sales.parent / "none.csv").exit_code == 3


def test_the_options_are_those_of_the_function(sales):
    result = call(sales, "--time", "Date", "--target", "Sales", "--id", "Shop", "--json")
    report = gatecast.check(sales, time="Date", target="Sales", series_id="Shop")
    assert json.loads(result.stdout) == report.as_dict()
    assert gatecast.Finding is doctor.Finding


# ------------------------------------------------------------------------------------------- the mended table


@pytest.fixture
def shuffled(tmp_path):
    """One shop's sales, two rows in the wrong order."""
    path = tmp_path / "shuffled.csv"
    days = [1, 2, 4, 3, *range(5, 32)]
    path.write_text("\n".join(["Date,Sales", *(f"2024-01-{day:02d},{day * 10 + day % 3}" for day in days)]))
    return path


def test_the_mended_table_is_the_one_that_the_report_is_about(shuffled):
    report = gatecast.check(shuffled, fix=["sort"])
    assert report.ok and report.mended == ("sort: 2 rows moved, first in row 3",)
    assert report.table.equals(mend(read_table(shuffled), ["sort"]).table)
    assert "table" not in report.as_dict()
    assert gatecast.check(shuffled).table is None


def test_the_mended_table_is_written_and_mended_once(shuffled, tmp_path, monkeypatch):
    times = []

    def counted(*arguments, **more):
        times.append(1)
        return mend_columns(*arguments, **more)

    monkeypatch.setattr(doctor, "mend_columns", counted)
    out = tmp_path / "mended.csv"
    result = call(shuffled, "--fix", "sort", "--out", out)
    assert result.exit_code == 0, result.output
    assert f"mended table written to {out}" in result.stderr
    assert out.read_text().splitlines()[3:5] == ["2024-01-03,30", "2024-01-04,41"]
    assert len(times) == 1


def test_a_named_set_is_said_and_written_as_it_is(tmp_path):
    """What is known of the set stays known: --out changes nothing that is printed."""
    out = tmp_path / "sp500.parquet"
    plain, written = call("sp500", "--fix", "sort", "--json"), call("sp500", "--fix", "sort", "--json", "--out", out)
    assert written.stdout == plain.stdout
    assert json.loads(plain.stdout)["season_length"] == [1]
    assert pq.read_table(out)["Close"].to_pylist() == DATASETS["sp500"].read()["Close"].to_pylist()


def test_standard_input_is_checked_mended_and_written(shuffled, tmp_path):
    out = tmp_path / "mended.csv"
    result = CliRunner().invoke(app, ["check", "-", "--fix", "sort", "--out", str(out)], input=shuffled.read_bytes())
    assert result.exit_code == 0, result.output
    assert "mended     sort: 2 rows moved, first in row 3" in result.stdout
    assert len(out.read_text().splitlines()) == 32


def test_what_cannot_be_mended_is_said_and_not_written(tmp_path):
    path, out = tmp_path / "both.csv", tmp_path / "mended.csv"
    path.write_text('ds,y\n2024-01-01,"1,234"\n2024-01-02,"12"\n2024-01-03,"13"\n')
    result = call(path, "--target", "y", "--fix", "separators", "--out", out)
    assert result.exit_code == 3
    assert "1234 with a decimal point and 1.234 with a decimal comma" in result.stdout
    assert f"nothing was mended, so {out} was not written" in result.stderr
    assert not out.exists()
    path.write_text("ds,y\n2024-01-01,1\n2024-01-02,1,234\n")
    result = call(path, "--fix", "sort", "--out", out)
    assert (result.exit_code, out.exists()) == (3, False)
    assert "row 2 has 3 cells where the header has 2" in result.stdout
