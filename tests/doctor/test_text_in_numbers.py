"""Cells that are no numbers are an error; what they seem to mean is said."""

import pyarrow as pa
import pytest
from planted import level, nothing, only, table

from gatecast.config import DataConfig
from gatecast.doctor import check
from gatecast.errors import DataError
from gatecast.opening import open_source
from gatecast.panel import panel_from_frame

TEXT = [f"{value:.3f}" for value in level(60)]


@pytest.mark.parametrize(
    ("cell", "hint"),
    [
        ("1,234", "without thousands separators it is 1234"),
        ("1.234,5", "with a decimal point it is 1234.5"),
        ("12,5", "with a decimal point it is 12.5"),
        ("–", "a value that is not known is an empty cell"),
        ("12 kg", "without units"),
    ],
)
def test_the_cell_is_shown_with_what_it_seems_to_mean(cell, hint):
    found = only(table(y=[*TEXT[:20], cell, *TEXT[21:40], cell, *TEXT[41:]]))
    assert (found.code, found.severity, found.rows, found.count) == ("text-in-numbers", "error", (21, 41), 2)
    assert found.example == cell
    assert hint in found.message
    assert nothing(table(y=TEXT))


# ------------------------------------------------------------------------------------------- no column of plain numbers

GERMAN = [f"{1000 + k % 7 * 1.5:,.2f}".translate(str.maketrans(",.", ".,")) for k in range(60)]  # 1.001,50
PLACES = ["Köln"] * 60


def days(**columns):
    return pa.table({"Datum": table()["ds"], **columns})


@pytest.mark.parametrize(
    "cells",
    [
        GERMAN,
        [cell.replace(".", "") for cell in GERMAN],
        [f"{cell} €" for cell in GERMAN],
        [f"{k}\u202f000" for k in range(1, 61)],
        [f"{k} %" for k in range(60)],
        ["", *GERMAN[1:59], "–"],
    ],
)
def test_the_only_numbers_are_the_target_however_they_are_written_and_what_reads_them_is_said(cells):
    report = check(days(Filiale=PLACES, Umsatz=cells, Notiz=["", "x"] * 30))
    assert report.target == "Umsatz"
    (found,) = (found for found in report.findings if found.severity == "error")
    assert found.code == "text-in-numbers"
    assert found.fix.startswith("--fix separators")
    fixes = ["separators", *(["empty"] if "--fix empty" in found.fix else [])]
    mended = check(days(Filiale=PLACES, Umsatz=cells, Notiz=["", "x"] * 30), fix=fixes)
    assert mended.ok and mended.target == "Umsatz"
    assert mended.mended[0].startswith("separators: ")


def test_where_there_are_plain_numbers_these_are_taken_as_before():
    assert check(days(Umsatz=GERMAN, Kunden=level(60))).target == "Kunden"
    assert check(days(Umsatz=GERMAN, y=PLACES)).target == "y"
    assert check(days(Umsatz=GERMAN, Kunden=level(60)), target="Umsatz").target == "Umsatz"


@pytest.mark.parametrize("words", [PLACES, ["12-a", "b 4"] * 30, ["12:30", "13:45"] * 30, [*GERMAN[:20], *PLACES[:40]]])
def test_a_column_of_words_is_not_taken_for_numbers(words):
    (found,) = check(days(Filiale=PLACES, Umsatz=words)).findings
    assert found.code == "columns"
    assert "No column of numbers to forecast was found" in found.message


def test_all_columns_of_a_wide_table_may_be_written_so():
    wide = days(Nord=GERMAN, Ort=PLACES, Süd=GERMAN[::-1])
    report = check(wide, wide=True, fix=["separators"])
    assert report.ok and report.series == 2


def test_a_number_is_told_as_its_column_has_it():
    """1,234 may be two numbers; beside 12,5 it is one."""
    found = only(days(Umsatz=["1,234", *["12,5", "13,75"] * 29, "1"]))
    assert "with a decimal point it is 1.234." in found.message
    assert found.fix == "--fix separators: '1,234' is 1.234"


def test_the_door_says_that_it_can_be_mended_and_a_word_is_only_a_word():
    with pytest.raises(
        DataError, match=r"'1\.000,00', which is not a number .*it is 1000\.00, and gatecast check says"
    ):
        panel_from_frame(days(Filiale=PLACES, Umsatz=GERMAN))
    with pytest.raises(DataError, match=r"'closed', which is not a number .*write it without thousands") as caught:
        panel_from_frame(days(Umsatz=[*TEXT[:9], "closed", *TEXT[10:]]))
    assert "gatecast check" not in str(caught.value)


def test_a_spreadsheet_from_germany_is_checked_and_opened(tmp_path):
    """Semicolons, days first, decimal commas, UTF-16: nothing but the fix has to be named."""
    path = tmp_path / "umsatz.csv"
    dates = [f"{k + 1:02d}.01.2024" for k in range(31)]
    rows = [f"{date};Köln;{cell}" for date, cell in zip(dates, GERMAN, strict=False)]
    path.write_bytes("\r\n".join(["Datum;Filiale;Umsatz", *rows]).encode("utf-16"))
    assert [found.code for found in check(path).findings] == ["text-in-numbers"]
    source = open_source(DataConfig(source=str(path), fix=("separators",)))
    assert source.panel.values.tolist() == [1000 + k % 7 * 1.5 for k in range(31)]
