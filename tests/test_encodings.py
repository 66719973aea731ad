"""Text of other codes than UTF-8: UTF-16 is read, and what cannot be told is refused with its row and what to do."""

import gzip
import io
import zipfile

import pyarrow as pa
import pyarrow.csv as pacsv
import pytest
from typer.testing import CliRunner

from gatecast.cli import app
from gatecast.doctor import check
from gatecast.errors import DataError
from gatecast.sources import load
from gatecast.tablefiles import read_table, table_of

TABLE = "Datum;Größe;Ort\n2024-01-01;1.5;Köln\n2024-01-02;;Łódź\n2024-01-03;2;東京 🗼\n"
COLUMNS = {
    "Datum": ["2024-01-01", "2024-01-02", "2024-01-03"],
    "Größe": ["1.5", "", "2"],
    "Ort": ["Köln", "Łódź", "東京 🗼"],
}
TO_DO = "iconv -f WINDOWS-1252 -t UTF-8"


def zipped(content):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("table.csv", content)
    return buffer.getvalue()


@pytest.mark.parametrize("packed", [bytes, gzip.compress, zipped])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("code", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_a_table_in_utf_8_or_utf_16_is_read_as_what_it_is(code, newline, packed):
    mark = "\ufeff" if code in {"utf-16-le", "utf-16-be"} else ""
    content = (mark + TABLE.replace("\n", newline)).encode(code)
    assert table_of(packed(content)).to_pydict() == COLUMNS


def test_what_a_spreadsheet_calls_unicode_text_is_forecast(tmp_path):
    path = tmp_path / "sales.txt"
    rows = "\r\n".join(f"2024-01-{day:02d}\t{100 + day % 7}" for day in range(1, 32))
    path.write_bytes(f"Tag\tVerkäufe\r\n{rows}\r\n".encode("utf-16"))
    panel = load(str(path)).panel
    assert panel.names.y == "Verkäufe"
    assert panel.values.tolist() == [100.0 + day % 7 for day in range(1, 32)]
    assert CliRunner().invoke(app, ["check", str(path)]).exit_code == 0


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("\ufeffa,b\n1,".encode("utf-16-le") + b"2", r"is damaged UTF-16 text \(.* at byte 15\)"),
        ("\ufeff".encode("utf-16-le"), "is empty"),
        (TABLE.encode("utf-16-le"), "is binary"),  # nothing says that it is UTF-16
    ],
)
def test_utf_16_that_is_damaged_empty_or_unmarked_is_refused(content, words):
    with pytest.raises(DataError, match=words):
        table_of(content)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("Ort,v\nA,1\nB,2\nKöln,3\nMünchen,4\n", r"row 3 of column 'Ort' is not UTF-8 text .*'Köln'"),
        ("v,Ort\n1,A\n\n\n2,Köln\n", r"row 2 of column 'Ort' is not UTF-8 text \(rows are counted from 1.*'Köln'"),
        ('v,Ort\n1,"two\nlines"\n2,Köln\n', r"row 2 of column 'Ort' is not UTF-8 text .*'Köln'"),
        ("a,b\nx,ö\ny,z\nß,z\n", r"row 1 of column 'b' is not UTF-8 text .*'ö'"),
        ("v,Größe\n1,2\n", r"has a header that is not UTF-8 text; .*'v,Größe'"),
        ("a,b\n1,2\nKöln,2,3\n", "row 2 has 3 cells where the header has 2"),
    ],
)
def test_text_in_an_older_code_is_refused_with_its_first_row_and_what_to_do(text, place):
    with pytest.raises(DataError, match=place) as caught:
        table_of(text.encode("latin-1"))
    assert (TO_DO in str(caught.value)) == ("UTF-8" in place)


def test_the_first_row_is_found_in_a_table_of_many():
    rows = ["1,a"] * 70_000
    rows[65_432] = "1,ä"
    with pytest.raises(DataError, match=r"row 65433 of column 'w'"):
        table_of("\n".join(["v,w", *rows]).encode("latin-1"))


def test_a_long_cell_is_shown_in_part():
    with pytest.raises(DataError) as caught:
        table_of(b"v,w\n1," + b"\xe4" * 500 + b"\n")
    assert "'" + "ä" * 60 + "…'" in str(caught.value)
    assert len(str(caught.value)) < 400


def test_what_the_message_says_to_do_is_enough(tmp_path):
    """The converted file is read, and holds what the message showed."""
    old, new = tmp_path / "old.csv", tmp_path / "new.csv"
    old.write_bytes("Ort,v\nKöln €,1\n".encode("cp1252"))
    with pytest.raises(DataError, match="'Köln €'"):
        read_table(old)
    new.write_bytes(old.read_bytes().decode("cp1252").encode())
    assert read_table(new)["Ort"].to_pylist() == ["Köln €"]


def test_the_doctor_and_the_commands_say_the_row_too(tmp_path):
    path = tmp_path / "sales.csv"
    path.write_bytes("Tag,Ort,v\n2024-01-01,A,1\n2024-01-02,Köln,2\n".encode("latin-1"))
    (found,) = check(path).findings
    assert found.code == "unreadable"
    assert "sales.csv: row 2 of column 'Ort' is not UTF-8 text" in found.message
    for command in (["check"], ["run", "--no-save"]):
        result = CliRunner().invoke(app, [command[0], str(path), *command[1:]])
        assert result.exit_code == 3
        assert "row 2 of column 'Ort' is not UTF-8 text" in result.output


def test_a_table_that_arrow_refuses_for_another_reason_says_that_reason(monkeypatch):
    plain = pacsv.read_csv

    def refusing(*arguments, convert_options, **more):
        if "string" in map(str, convert_options.column_types.values()):
            raise pa.ArrowInvalid("something else")
        return plain(*arguments, convert_options=convert_options, **more)

    monkeypatch.setattr(pacsv, "read_csv", refusing)
    with pytest.raises(DataError, match=r"cannot be read as CSV \(something else\)"):
        table_of(b"a,b\n1,2\n")
