"""Files as tables: CSV (plain, gzip or in a zip), Parquet, a folder of Parquet files, and what is piped in.

The content decides what a file is, not its name.  A CSV's cells stay text, so that a bad one can be named by its row.
It is UTF-8, or UTF-16 that says so in its first bytes; which of the many older codes text is in cannot be told, so a
cell in one of them is named, and nothing is guessed.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import re
import sys
import zipfile
import zlib
from collections import Counter
from pathlib import Path
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from gatecast.arrow import first_refused, is_number, is_text, repeated_text, text_of
from gatecast.errors import DataError
from gatecast.wording import counted

STANDARD_INPUT = "-"

_ENDINGS = re.compile(r"(\.csv|\.tsv|\.txt)?\.(gz|zip|csv|tsv|txt|parquet|pq)$", re.IGNORECASE)
_PARQUET = (".parquet", ".pq")
_TABLES = (".csv", ".tsv", ".csv.gz", ".tsv.gz", *_PARQUET)  # a member of a zip that is certainly meant as a table
_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"
_COUNTED = "(rows are counted from 1, without the header and blank lines)"
_SHOWN = 60  # characters of a cell in a message
_LOOKED_AT = 65536  # bytes at the start of a file that tell what it is
_DATA_CELL = (
    r"^\s*([+-]?[\d.,]+([eE][+-]?\d+)?|\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([T ].*)?)\s*$"  # no column is called this
)


def read_table(path: Path | str) -> pa.Table:
    """Return the table in a file or folder, or in standard input (``-``).

    A CSV may be gzipped, or the one table in a zip; commas, semicolons or tabs separate it; it is UTF-8, or UTF-16 with
    a byte order mark.  All Parquet files of a
    folder are one table; folders called ``key=value`` become columns of text.

    Raises:
        DataError: it is empty, binary or damaged, a zip of several tables, a folder without Parquet files or with files
            that do not agree, or the rows of a CSV are not all of the same width, or not all text.
    """
    path = Path(path)
    if str(path) == STANDARD_INPUT:
        return table_of(_piped())
    if path.is_dir():
        return _read_folder(path)
    try:
        with path.open("rb") as file:
            start = file.read(_LOOKED_AT)
        if start[:4] == b"PAR1":
            return _read_parquet(path)
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror or error})") from None
    return table_of(content, path.name)


def table_of(content: bytes, name: str = "") -> pa.Table:
    """Return the table in the bytes of a CSV (plain, gzip, in a zip) or Parquet file, which may have a ``name``."""
    if content[:4] == b"PAR1":
        return _read_parquet(_reader(content))
    if name.lower().endswith(_PARQUET):
        raise DataError("is empty" if not content else "is called Parquet but is not; give a Parquet or CSV file")
    if content[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        return _read_zip(content)
    if content[:2] == b"\x1f\x8b":
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as error:
            raise DataError(f"is a damaged gzip file ({_one_line(error)})") from None
    return _read_csv(content)


def plain_name(path: Path) -> str:
    """Return the name of a file without the ending that says what it is."""
    return _ENDINGS.sub("", path.name) or path.name


def _piped() -> bytes:
    """All of standard input."""
    content = sys.stdin.buffer.read() if sys.stdin is not None else b""
    if not content.strip():
        raise DataError("is empty; pipe a table into it: cat sales.csv | gatecast check -")
    return content


def _read_parquet(source: Path | pa.BufferReader) -> pa.Table:
    try:
        return pq.ParquetFile(source).read()
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"is a damaged Parquet file ({_one_line(error)})") from None


def _read_zip(content: bytes) -> pa.Table:
    """The only table in a zip."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = [each for each in archive.infolist() if not each.is_dir() and not _is_hidden(each.filename)]
            if any(each.filename.startswith("xl/") for each in members):
                raise DataError("is an Excel workbook; save the sheet as CSV")
            tables = [each for each in members if each.filename.lower().endswith(_TABLES)]
            tables = tables or [each for each in members if each.filename.lower().endswith((".txt", ".txt.gz"))]
            if len(tables) != 1:
                found = _some([each.filename for each in tables or members]) or "nothing"
                what = f"holds {len(tables)} tables ({found}); give" if tables else f"holds no table, but {found}; give"
                raise DataError(f"is a zip that {what} one with a single CSV or Parquet file")
            (member,) = tables
            if member.flag_bits & 1:
                raise DataError(f"is a zip whose {member.filename!r} is encrypted; unpack it first")
            inner = archive.read(member)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, ValueError) as error:
        raise DataError(f"is a damaged zip file ({_one_line(error)})") from None
    try:
        return table_of(inner, member.filename)
    except DataError as error:
        raise DataError(f"{member.filename} in it: {error}") from None


def _is_hidden(name: str) -> bool:
    return name.startswith("__MACOSX/") or Path(name).name.startswith(".")


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5:,} more" if len(names) > 5 else "")


# ------------------------------------------------------------------------------------------- a folder of Parquet


def _read_folder(folder: Path) -> pa.Table:
    """All Parquet files of a folder, in the order of their names, as one table."""
    inside = sorted(path for path in folder.rglob("*") if path.is_file())
    files = [path for path in inside if path.suffix.lower() in _PARQUET and not _is_private(path.relative_to(folder))]
    if not files:
        kinds = Counter(path.suffix or "no ending" for path in inside)
        what = ", ".join(f"{count:,} ({kind})" for kind, count in kinds.most_common(3))
        found = f"{len(inside):,} other files: {what}" if inside else "nothing"
        raise DataError(f"is a folder without Parquet files; it holds {found}; give a CSV or Parquet file")
    tables = {}
    for path in files:
        name = str(path.relative_to(folder))
        try:
            tables[name] = _with_keys(_read_parquet(path), path.relative_to(folder))
        except DataError as error:
            raise DataError(f"{name} in it: {error}") from None
    schema = _common_schema({name: table.schema for name, table in tables.items()})
    return pa.concat_tables([table.select(schema.names).cast(schema, safe=False) for table in tables.values()])


def _is_private(path: Path) -> bool:
    """Whether a file or one of its folders is none of the table: hidden, or of a half-finished job."""
    return any(part.startswith((".", "_")) and "=" not in part for part in path.parts)


def _with_keys(table: pa.Table, path: Path) -> pa.Table:
    """The table without what pandas wrote beside it, with the folders ``key=value`` it lies in as columns of text."""
    table = table.replace_schema_metadata(None)
    for part in path.parts[:-1]:
        key, equals, value = part.partition("=")
        if not equals:
            continue
        if key in table.column_names:
            raise DataError(f"column {key!r} is in the file and in the names of the folders; rename one of them")
        cells = text_of([None] * len(table)) if value == _NO_VALUE else repeated_text([unquote(value)], len(table))
        table = table.append_column(key, cells)
    return table


def _common_schema(schemas: dict[str, pa.Schema]) -> pa.Schema:
    """The columns of all files with kinds that hold those of each."""
    first, *others = schemas
    kinds = dict(zip(schemas[first].names, schemas[first].types, strict=True))
    for file in others:
        schema = schemas[file]
        for name in [*kinds, *schema.names]:
            if (name in kinds) != (name in schema.names):
                has, lacks = (first, file) if name in kinds else (file, first)
                raise DataError(f"its files do not agree: column {name!r} is in {has} and not in {lacks}")
            kind = schema.field(name).type
            both = _common_kind(kinds[name], kind)
            if both is None:
                before = next(each for each in schemas if _common_kind(schemas[each].field(name).type, kind) is None)
                found = f"{schemas[before].field(name).type} in {before} and {kind} in {file}"
                raise DataError(f"its files do not agree: column {name!r} is {found}; write one kind in all of them")
            kinds[name] = both
    return pa.schema([pa.field(name, kind) for name, kind in kinds.items()])


def _common_kind(one: pa.DataType, two: pa.DataType) -> pa.DataType | None:
    """The narrowest kind that holds both; None if there is none."""
    one, two = (kind.value_type if pa.types.is_dictionary(kind) and one != two else kind for kind in (one, two))
    if one == two or pa.types.is_null(two):
        return one
    if pa.types.is_null(one):
        return two
    if is_number(one) and is_number(two):
        whole = all(pa.types.is_integer(kind) and not pa.types.is_uint64(kind) for kind in (one, two))
        return pa.int64() if whole else pa.float64()
    if is_text(one) and is_text(two):
        return pa.large_string()
    if pa.types.is_timestamp(one) and pa.types.is_timestamp(two) and one.tz == two.tz:
        return pa.timestamp("us", one.tz)
    return None


# ------------------------------------------------------------------------------------------- CSV


def _read_csv(content: bytes) -> pa.Table:
    """The rows of a CSV as columns of text."""
    content = _as_utf8(content).removeprefix(codecs.BOM_UTF8)
    start = content[:_LOOKED_AT]
    if not start.strip():
        raise DataError("is empty; give a header and one row per time")
    if b"\0" in start:
        raise DataError("is binary, not text; give a CSV or Parquet file")
    lines = start.splitlines()
    before = next(row for row, line in enumerate(lines) if line.strip())
    try:
        header = lines[before].decode()
    except UnicodeDecodeError:
        raise DataError(f"has a header that {_not_utf8(lines[before])}") from None
    delimiter = max(",;\t", key=header.count)
    names = [name.strip() for name in next(csv.reader([header], delimiter=delimiter))]
    if all(re.match(_DATA_CELL, name) for name in names):
        raise DataError(
            f"has no header: the first line is {header!r}; put a line with the names of the columns above it"
        )
    repeated = next((name for place, name in enumerate(names) if name in names[:place]), None)
    if repeated is not None:
        raise DataError(f"the column name {repeated!r} appears twice; rename one of them")
    if len(content) == len(start) and not b"".join(lines[before + 1 :]).strip():
        raise DataError(f"has a header ({', '.join(names)}) and no rows")
    options = pacsv.ParseOptions(delimiter=delimiter, ignore_empty_lines=len(names) > 1)

    def read(threads: bool, kind: pa.DataType) -> pa.Table:
        how = pacsv.ReadOptions(column_names=names, skip_rows=before + 1, use_threads=threads)
        cells = pacsv.ConvertOptions(column_types=dict.fromkeys(names, kind), strings_can_be_null=False)
        return pacsv.read_csv(_reader(content), read_options=how, parse_options=options, convert_options=cells)

    try:
        return read(threads=True, kind=pa.string())
    except pa.ArrowInvalid as error:
        try:
            table = read(threads=False, kind=pa.large_binary())  # slower, but its error names the row
        except pa.ArrowInvalid as named:
            raise DataError(_csv_problem(str(named), before)) from None
        raise DataError(_first_undecodable(table) or _csv_problem(str(error), before)) from None


def _as_utf8(content: bytes) -> bytes:
    """UTF-16, which its first bytes tell, as UTF-8; all else as it is."""
    if not content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content
    try:
        return content.decode("utf-16").encode()
    except UnicodeDecodeError as error:
        raise DataError(f"is damaged UTF-16 text ({error.reason} at byte {error.start + 1:,}); save it anew") from None


def _first_undecodable(table: pa.Table) -> str:
    """The first cell of columns of bytes that is not UTF-8, in words; empty if all are."""

    def read(part: pa.Array) -> pa.Array:
        return part.cast(pa.large_string())

    rows: dict[str, int] = {}
    for name in table.column_names:
        cells = table[name].combine_chunks()
        try:
            read(cells)
        except pa.ArrowInvalid:
            rows[name] = first_refused(cells, read)
    if not rows:
        return ""
    name = min(rows, key=rows.__getitem__)
    cell = table[name][rows[name] - 1].as_py()
    return f"row {rows[name]} of column {name!r} {_not_utf8(cell, _COUNTED)}"


def _not_utf8(text: bytes, counted: str = "") -> str:
    """What is wrong with text in an older code, what it reads in the usual one, and what to do."""
    shown = text.decode("cp1252", errors="replace").strip()
    shown = shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}…"
    where = f"is not UTF-8 text {counted}" if counted else "is not UTF-8 text"
    return (
        f"{where}; in Windows-1252 it reads {shown!r}; save the table as UTF-8 (in Excel: CSV UTF-8), or convert it: "
        "iconv -f WINDOWS-1252 -t UTF-8 OLD.csv > NEW.csv"
    )


def _reader(content: bytes) -> pa.BufferReader:
    """Bytes as a stream in memory of arrow's own.

    A worker of arrow's that still holds Python's bytes when the program ends would abort it.
    """
    buffer = pa.allocate_buffer(len(content))
    pa.FixedSizeBufferWriter(buffer).write(content)
    return pa.BufferReader(buffer)


def _csv_problem(message: str, before: int) -> str:
    """What pyarrow could not read, in our words; ``before`` is the number of blank lines above the header."""
    width = re.search(r"Row #(\d+): Expected (\d+) columns, got (\d+): (.*)", message, flags=re.DOTALL)
    if width is not None:
        row, line = int(width[1]) - before - 1, width[4].splitlines()[0]
        hint = "; write numbers without thousands separators" if int(width[3]) > int(width[2]) else ""
        return (
            f"row {row} has {counted(int(width[3]), 'cell')} where the header has {width[2]}: {line!r} {_COUNTED}{hint}"
        )
    return f"cannot be read as CSV ({message})"


def _one_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
