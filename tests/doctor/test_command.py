"""``gatecast check`` as a user meets it."""

import json

import pytest
from typer.testing import CliRunner

import gatecast
from gatecast import doctor
from gatecast.cli import app


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
