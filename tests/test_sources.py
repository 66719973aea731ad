"""Named sets are what they say, files are read as they are, and a file that cannot be read says why."""

import gzip
import io
import subprocess
import sys
import textwrap
import zipfile

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gatecast import sources
from gatecast.errors import DataError, SettingsError
from gatecast.frequency import show_time
from gatecast.sources import DATASETS, chirp, load, read_table, sine

CSV = "Date,Sales,Visitors\n2020-01-30,10,1\n2020-01-31,20,2\n2020-02-01,,3\n2020-02-02,40.5,4\n"


@pytest.fixture
def write(tmp_path):
    def to(content, name="shop.csv"):
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(path)

    return to


def refused(path, pattern, error=DataError, **arguments):
    with pytest.raises(error, match=pattern) as caught:
        load(path, **arguments)
    assert "\n" not in str(caught.value)


# ------------------------------------------------------------------------------------------- named sets

SETS = {  # steps, first and last time, code, missing values
    "sine": (5001, "0", "5000", "1", 0),
    "sp500": (4697, "2000-01-03", "2018-08-31", "B", 0),
    "sp500_returns": (4697, "2000-01-03", "2018-08-31", "B", 0),
    "sp500_variance": (5031, "1999-01-04", "2018-12-31", "B", 0),
    "sunspots": (309, "1700-01-01", "2008-01-01", "YS", 0),
    "co2": (2284, "1958-03-29", "2001-12-29", "W", 59),
    "nile": (100, "1871-01-01", "1970-01-01", "YS", 0),
    "elnino": (732, "1950-01-01", "2010-12-01", "MS", 0),
    "inflation": (202, "1959-04-01", "2009-07-01", "QS", 0),
}


def test_every_set_is_in_the_table():
    assert list(SETS) == list(DATASETS)


@pytest.mark.parametrize("name", SETS)
def test_a_named_set_is_what_it_says(name):
    source = load(name)
    panel = source.panel
    missing = int(np.isnan(panel.values).sum())
    ends = show_time(panel.times[0]), show_time(panel.times[-1])
    assert (len(panel.values), *ends, panel.frequency.code, missing) == SETS[name]
    assert (len(panel), panel.filled) == (1, 0)
    assert source.title
    assert source.unit or source.period  # a wave made here has no unit
    assert source.about.endswith(".")
    assert (source.name, source.season_length) == (name, DATASETS[name].season_length)


def test_the_sine_is_the_course_s():
    source = load("sine")
    np.testing.assert_array_equal(source.panel.values, np.sin(1 + 2 * np.pi * np.arange(5001) / 100))
    assert (source.scaling, source.period, source.season_length) == ("fixed", 100, (1,))


def test_the_index_is_its_close_with_volume_beside_it():
    source = load("sp500", inputs=["Volume"])
    assert (source.panel.values[0], source.panel.values[-1]) == (1455.219971, 2901.52002)
    assert source.panel.inputs["Volume"][0] == 931_800_000
    assert (source.scaling, source.unit) == ("running", "points")
    volume = load("sp500", target="Volume")
    assert volume.panel.values[0] == 931_800_000
    assert volume.unit == "Volume"


def test_returns_are_those_of_the_index_in_percent():
    """The first is taken from the last trading day of 1999, so every day of the index has one."""
    prices, returns = load("sp500").panel, load("sp500_returns").panel
    np.testing.assert_array_equal(returns.times, prices.times)
    np.testing.assert_allclose(returns.values[1:], 100 * np.diff(np.log(prices.values)), rtol=1e-9)
    assert returns.values[0] == pytest.approx(100 * np.log(1455.219971 / 1469.25), rel=1e-9)
    assert returns.values[[0, -1]] == pytest.approx([-0.959499449627, 0.013446856423], rel=1e-9)
    assert load("sp500_returns").unit == "%"


def test_the_variance_of_one_day_by_hand():
    """2008-10-10: open 902.31, high 936.36, low 839.80, close 899.22."""
    panel = load("sp500_variance").panel
    (day,) = np.flatnonzero(panel.times == np.datetime64("2008-10-10"))
    range_, move = 0.1088362479, -0.0034304509  # ln(high / low), ln(close / open)
    by_hand = 0.5 * range_**2 - 0.3862943611 * move**2
    assert panel.values[day] == pytest.approx(np.log(by_hand), rel=1e-8) == pytest.approx(-5.1297366977, rel=1e-8)


def test_the_daily_table_is_read_once_for_all_the_sets_made_of_it(monkeypatch):
    read = []
    monkeypatch.setattr(
        sources, "_shipped", lambda *place, shipped=sources._shipped: read.append(place) or shipped(*place)
    )
    sources._sp500_days.cache_clear()
    for name in ("sp500", "sp500_returns", "sp500_variance", "sp500"):
        load(name)
    assert read == [("arch", "data/sp500/sp500.csv.gz")]


def test_spot_values_of_the_samples():
    assert load("elnino").panel.values[[0, 1, 12, -1]].tolist() == [23.11, 24.2, 24.19, 22.07]
    assert load("inflation").panel.values[[0, -1]].tolist() == [2.34, 3.56]
    assert load("co2").panel.values[[0, -1]].tolist() == [316.1, 371.5]
    assert np.isnan(load("co2").panel.values[6])


def test_an_unknown_name_is_refused_with_the_nearest_and_the_list():
    refused("sin", r"unknown data set 'sin'\. Did you mean 'sine'\? Known sets: sine, sp500,", SettingsError)
    refused("zzz", r"unknown data set 'zzz'\. Known sets", SettingsError)
    refused("sp500", "'volume' is not in the table. Did you mean 'Volume'", SettingsError, inputs=["volume"])


# ------------------------------------------------------------------------------------------- waves


def test_waves_are_seeded_and_scale_with_their_amplitude():
    np.testing.assert_array_equal(sine(200, noise=0.1, seed=3), sine(200, noise=0.1, seed=3))
    assert (sine(200, noise=0.1, seed=3) != sine(200, noise=0.1, seed=4)).all()
    np.testing.assert_allclose(sine(200, amplitude=3, period=37, phase=0.2), 3 * sine(200, period=37, phase=0.2))
    noise = sine(5001, noise=0.1) - sine(5001)
    assert 0.09 < noise.std() < 0.11


def test_a_chirp_starts_and_ends_at_its_periods():
    wave = chirp(20_001, first_period=200, last_period=50)
    rises = np.flatnonzero((wave[:-1] < 0) & (wave[1:] >= 0))
    np.testing.assert_allclose(np.diff(rises)[[0, -1]], [200, 50], rtol=0.06)  # a cycle is long enough to change in
    np.testing.assert_allclose(chirp(500, first_period=80, last_period=80, phase=1), sine(500, period=80), atol=1e-12)


# ------------------------------------------------------------------------------------------- files


def test_a_csv_is_read_with_its_missing_values(write):
    source = load(write(CSV), inputs=["Visitors"])
    np.testing.assert_array_equal(source.panel.values, [10, 20, np.nan, 40.5])
    assert source.panel.inputs["Visitors"].tolist() == [1, 2, 3, 4]
    assert (source.name, source.title, source.unit, source.scaling) == ("shop", "Sales", "Sales", "auto")
    assert source.about == "shop.csv: 4 steps, daily."
    assert (source.season_length, source.period) == ((7,), None)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv.gz", gzip.compress(CSV.encode(), mtime=0)),
        ("a.txt", CSV),
        ("a", CSV.replace(",", ";")),
        ("a.tsv", CSV.replace(",", "\t")),
        ("a.csv", CSV.replace("\n", "\r\n")),
        ("b.csv", b"\xef\xbb\xbf" + CSV.encode()),
        ("c.csv", "\n\n" + CSV + "\n\n"),
        ("d.csv", CSV.replace("Date,Sales", '"Date" , "Sales"')),
        ("e.csv", CSV.replace(",", ", ")),
    ],
)
def test_the_usual_spellings_of_a_csv_are_the_same_table(write, name, content):
    panel = load(write(content, name)).panel
    np.testing.assert_array_equal(panel.values, [10, 20, np.nan, 40.5])
    assert panel.names.ds.strip('" ') == "Date"


def test_parquet_is_read(tmp_path):
    frame = pd.DataFrame({"ds": pd.date_range("2020-01-31", periods=4, freq="ME"), "y": [1.0, 2, None, 4]})
    frame.to_parquet(tmp_path / "a.parquet")
    source = load(str(tmp_path / "a.parquet"))
    np.testing.assert_array_equal(source.panel.values, [1, 2, np.nan, 4])
    assert (source.name, source.panel.frequency.code, source.season_length) == ("a", "ME", (12,))


def test_a_file_of_one_column_is_numbered_and_keeps_its_empty_lines(write):
    panel = load(write("v\n1\n2\n\n4\n")).panel
    np.testing.assert_array_equal(panel.values, [1, 2, np.nan, 4])
    assert panel.times.tolist() == [0, 1, 2, 3]


def test_several_series_in_one_file(write):
    source = load(
        write("shop,Date,Sales\na,2020-01-01,1\nNA,2020-01-01,5\na,2020-01-02,2\nNA,2020-01-02,6\n"), series_id="shop"
    )
    assert source.panel.ids == ("a", "NA")
    assert source.about == "shop.csv: 2 series, 4 steps, daily."


def test_a_named_set_wins_over_a_file_and_a_plain_word_can_be_a_file(write, tmp_path, monkeypatch):
    write(CSV, "sine")
    write(CSV, "shop")
    monkeypatch.chdir(tmp_path)
    assert len(load("sine").panel.values) == 5001
    assert len(load("shop").panel.values) == 4


@pytest.mark.parametrize(
    ("content", "pattern"),
    [
        ("", r"shop\.csv: is empty"),
        ("\n \n", "is empty"),
        (b"\xef\xbb\xbf", r"shop\.csv: is empty"),
        (b"\xef\xbb\xbf\r\n\r\n", "is empty"),
        ("Date,Sales\n", r"has a header \(Date, Sales\) and no rows"),
        ("Date,Sales", "and no rows"),
        (b"Date,Sales\n2020,\0\1", "is binary"),
        (b"\x89PNG\r\n\x1a\n\0\0\0", "is binary"),
        ("Größe,v\n1,2\n".encode("latin-1"), "is not UTF-8 text"),
        ("Ort,Date,v\nKöln,2020-01-01,2\n".encode("latin-1"), "is not UTF-8 text"),
        (
            "Date,v\n2020-01-01,1\n2020-01-02,1,234\n",
            r"row 2 has 3 cells where the header has 2: '2020-01-02,1,234'.*thousands",
        ),
        ("\nDate,v\n2020-01-01,1\n2020-01-02\n", r"row 2 has 1 cell where the header has 2: '2020-01-02'"),
        ('Date,v\n2020-01-01,1\n2020-01-02,"1,234"\n', r"row 2 of column 'v' holds '1,234', which is not a number"),
        ("Date;v\n2020-01-01;1\n2020-01-02;1,5\n", "row 2 of column 'v' holds '1,5'"),
        ("Date,v\n2020-01-01,1\n2020-01-02,\n2020-01-03,x\n2020-01-04,4", "row 3 of column 'v' holds 'x'"),
        ("2020-01-01,1\n2020-01-02,2\n", "has no header: the first line is '2020-01-01,1'"),
        ("Date,v,v\n2020-01-01,1,2\n", "the column name 'v' appears twice"),
        ("Date,v\n2020-01-02,1\n2020-01-01,2\n", "row 2 goes back in time"),
        ("Date,v\n2020-01-02,1\n2020-01-02,2\n", "rows 1 and 2 have the same time"),
        ("Date,v\n2020-01-02,1\n", "holds a single value"),
        ("Date,v\n01/02/2020,1\n02/02/2020,2\n", "2020-02-01 read day first and 2020-01-02 read month first"),
    ],
)
def test_a_file_that_cannot_be_forecast_says_why(write, content, pattern):
    refused(write(content), pattern)


def test_a_wrong_column_of_a_file_is_a_setting(write):
    refused(write(CSV), r"shop\.csv: target column 'sales' is not", SettingsError, target="sales")


def test_what_is_no_file_or_a_damaged_one_says_so(write, tmp_path):
    refused(str(tmp_path / "none.csv"), r"none\.csv: file not found")
    refused("none.csv", "none.csv: file not found")
    refused(str(tmp_path), "is a folder")
    refused(write(b"PAR1 and then nothing", "a.parquet"), "is a damaged Parquet file")
    refused(write(CSV, "b.parquet"), "is called Parquet but is not")
    refused(write(b"", "c.parquet"), "is empty")
    refused(write(gzip.compress(CSV.encode(), mtime=0)[:-12], "d.csv.gz"), "is a damaged gzip file")
    refused(write(gzip.compress(b"", mtime=0), "e.csv.gz"), "is empty")


# ------------------------------------------------------------------------------------------- zip


def zipped(**members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def parquet(**columns):
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "members",
    [
        {"sales.csv": CSV},
        {"sales.txt": CSV},
        {"data/Sales.CSV": CSV, "README.txt": "about", "__MACOSX/data/._Sales.CSV": "x", "data/": ""},
        {"sales.csv.gz": gzip.compress(CSV.encode(), mtime=0)},
        {"a.parquet": parquet(ds=["2020-01-30", "2020-01-31", "2020-02-01", "2020-02-02"], y=[10, 20, None, 40.5])},
    ],
)
def test_the_one_table_in_a_zip_is_read(write, members):
    source = load(write(zipped(**members), "shop.zip"))
    np.testing.assert_array_equal(source.panel.values, [10, 20, np.nan, 40.5])
    assert (source.name, source.about) == ("shop", "shop.zip: 4 steps, daily.")


@pytest.mark.parametrize(
    ("content", "pattern"),
    [
        (zipped(**{"a.csv": CSV, "b.parquet": ""}), r"holds 2 tables \(a.csv, b.parquet\); give one with a single CSV"),
        (zipped(**{"a.txt": CSV, "b.txt": CSV}), r"holds 2 tables \(a.txt, b.txt\)"),
        (zipped(**{"a.pdf": "x"}), "holds no table, but a.pdf"),
        (zipped(), "holds no table, but nothing"),
        (zipped(**{"xl/workbook.xml": "x"}), "is an Excel workbook; save the sheet as CSV"),
        (zipped(**{"a.csv": CSV})[:-30], "is a damaged zip file"),
        (zipped(**{"a.csv": "Date,v\n2020-01-01,1,2\n"}), "a.csv in it: row 1 has 3 cells"),
        (zipped(**{"a.csv": ""}), "a.csv in it: is empty"),
    ],
)
def test_a_zip_that_holds_no_one_table_says_why(write, content, pattern):
    refused(write(content, "shop.zip"), rf"shop\.zip: .*({pattern})")


def test_a_damaged_member_of_a_zip_is_noticed(write):
    content = bytearray(zipped(**{"a.csv": CSV * 50}))
    content[60] ^= 0xFF
    refused(write(bytes(content), "shop.zip"), "is a damaged zip file")


def test_an_encrypted_zip_says_so(write):
    content = bytearray(zipped(**{"a.csv": CSV}))
    for start in (b"PK\x03\x04", b"PK\x01\x02"):
        at = content.index(start) + (6 if start[2] == 3 else 8)
        content[at] |= 1
    refused(write(bytes(content), "shop.zip"), "'a.csv' is encrypted; unpack it first")


# ------------------------------------------------------------------------------------------- folders


@pytest.fixture
def folder(tmp_path):
    def make(**files):
        for name, content in files.items():
            path = tmp_path / "lake" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return str(tmp_path / "lake")

    (tmp_path / "lake").mkdir()
    return make


def part(days, values, **columns):
    return parquet(ds=pa.array([f"2020-01-{day:02d}" for day in days]), y=pa.array(values), **columns)


def test_the_files_of_a_folder_are_one_table_in_the_order_of_their_names(folder):
    path = folder(**{"b.parquet": part([3, 4], [3.0, 4.0]), "a.pq": part([1, 2], [1.0, 2.0]), "notes.txt": b"x"})
    source = load(path)
    assert source.panel.values.tolist() == [1, 2, 3, 4]
    assert (source.name, source.about) == ("lake", "lake: 4 steps, daily.")


def test_folders_named_key_value_are_columns_of_text(folder):
    files = {f"shop={shop}/year=2020/x.parquet": part([1, 2], [1.0, 2.0]) for shop in ("b%20c", "a")}
    path = folder(**files, **{"_temporary/0/x.parquet": b"", "_SUCCESS": b"", "shop=a/.x.parquet": b""})
    source = load(path, series_id="shop", known=["year"])
    assert source.panel.ids == ("a", "b c")
    assert source.panel.known["year"].tolist() == [2020] * 4
    unknown = folder(**{"shop=__HIVE_DEFAULT_PARTITION__/year=2020/x.parquet": part([1], [1.0])})
    refused(unknown, "row 1 of column 'shop' names no series", series_id="shop")


@pytest.mark.parametrize(
    ("kinds", "kind"),
    [
        (("int32", "int64"), "int64"),
        (("int32", "uint8"), "int64"),
        (("int64", "uint64"), "double"),
        (("int16", "float32"), "double"),
        (("float32", "float64", "int8"), "double"),
        (("null", "int32"), "int32"),
        (("string", "large_string"), "large_string"),
        (("timestamp[s]", "timestamp[ns]"), "timestamp[us]"),
    ],
)
def test_kinds_are_widened(folder, kinds, kind):
    def cells(kind):
        made = pa.nulls(1) if kind == "null" else pa.array([1])
        time = kind.startswith("timestamp")
        return made.cast(
            {"timestamp[s]": pa.timestamp("s"), "timestamp[ns]": pa.timestamp("ns")}[kind] if time else kind
        )

    path = folder(**{f"{k}.parquet": parquet(x=cells(kind)) for k, kind in enumerate(kinds)})
    assert str(read_table(path).schema.field("x").type) == kind


def test_columns_may_stand_in_another_order(folder):
    path = folder(**{"a.parquet": parquet(x=[1], y=["a"]), "b.parquet": parquet(y=["b"], x=[2])})
    assert read_table(path).to_pydict() == {"x": [1, 2], "y": ["a", "b"]}


@pytest.mark.parametrize(
    ("files", "pattern"),
    [
        ({}, "is a folder without Parquet files; it holds nothing"),
        ({"a.csv": b"x", "b/c.csv": b"x", "d": b"x"}, r"it holds 3 other files: 2 \(.csv\), 1 \(no ending\)"),
        ({"a.parquet": parquet(x=[1]), "b.parquet": parquet(z=[1])}, "column 'x' is in a.parquet and not in b.parquet"),
        ({"a.parquet": parquet(x=[1]), "b.parquet": parquet(x=[1], z=[1])}, "'z' is in b.parquet and not in a.parquet"),
        (
            {"a.parquet": parquet(x=[1]), "b.parquet": parquet(x=[1.5]), "c/c.parquet": parquet(x=["a"])},
            "column 'x' is int64 in a.parquet and string in c/c.parquet; write one kind",
        ),
        (
            {"k=1/a.parquet": parquet(x=[1]), "a.parquet": parquet(x=[1])},
            "'k' is in k=1/a.parquet and not in a.parquet",
        ),
        ({"k=1/a.parquet": parquet(k=[1])}, "k=1/a.parquet in it: column 'k' is in the file and in the names"),
        ({"a.parquet": b"PAR1 and nothing"}, "a.parquet in it: is a damaged Parquet file"),
    ],
)
def test_a_folder_that_is_no_table_says_why(folder, files, pattern):
    refused(folder(**files), rf"lake: .*{pattern}")


# ------------------------------------------------------------------------------------------- standard input


@pytest.fixture
def pipe(monkeypatch):
    def through(content):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))

    return through


@pytest.mark.parametrize(
    "content",
    [
        CSV.encode(),
        gzip.compress(CSV.encode(), mtime=0),
        zipped(**{"sales.csv": CSV}),
        parquet(ds=["2020-01-30", "2020-01-31", "2020-02-01", "2020-02-02"], y=[10, 20, None, 40.5]),
    ],
)
def test_a_table_can_be_piped_in(pipe, content):
    pipe(content)
    source = load("-")
    np.testing.assert_array_equal(source.panel.values, [10, 20, np.nan, 40.5])
    assert (source.name, source.about) == ("standard input", "standard input: 4 steps, daily.")


@pytest.mark.parametrize(
    ("content", "pattern"),
    [(b"", "is empty"), (b"\n ", "is empty"), (b"PAR1x", "is a damaged Parquet file"), (b"a\n\0", "is binary")],
)
def test_what_is_piped_in_says_what_is_wrong(pipe, content, pattern):
    pipe(content)
    refused("-", rf"^standard input: {pattern}")


# ------------------------------------------------------------------------------------------- settings


def test_settings_reach_the_panel(write):
    wide = write("Date,a,b,promo\n2020-01-01 05:00,1,2,x\n2020-01-01 07:00,3,,y\n2020-01-01 09:00,5,6,x\n")
    source = load(wide, wide=True, known=["promo"], zone="Europe/Berlin", frequency="h")
    panel = source.panel
    assert (panel.ids, panel.frequency.code, panel.zone, panel.filled) == (("a", "b"), "h", "Europe/Berlin", 4)
    assert panel.categories == {"promo": ("x", "y")}
    both = load("sp500", target="Close,Volume", frequency="D")
    assert (both.panel.ids, both.unit, both.panel.frequency.code) == (("Close", "Volume"), "Close,Volume", "D")
    assert load("sp500", wide=True, inputs=["Volume"]).panel.ids == ("Open", "High", "Low", "Close", "Adj Close")
    shops = write("s,t,y,size\na,1,1,S\nb,1,1,L\na,2,1,S\nb,2,1,L\n", "shops.csv")
    assert load(shops, series_id="s", time="t", target="y", static=["size"]).panel.static["size"].tolist() == [1, 0]


def test_a_wrong_setting_of_a_file_names_the_file(write):
    refused(write(CSV), r"shop\.csv: time zone 'Berlin' is not known", SettingsError, zone="Berlin")
    refused(write(CSV), r"shop\.csv: frequency 'hours' is not known", SettingsError, frequency="hours")


def test_reading_loads_no_heavy_package(write, tmp_path):
    """A fresh process reads every set, a CSV and a Parquet file, meets a bad cell, and writes a forecast frame."""
    days = write("Date,v,shop,v2\n31/1/2020,1,a,1\n1/2/2020, 3,a,2\n3/2/2020,NA,a,3\n", "days.csv")
    bad = write("Date,v\n2020-01-31,1\n2020-02-02,x\n", "bad.csv")
    code = f"""
    import sys
    from pathlib import Path

    import numpy as np
    import pyarrow.parquet as pq

    from gatecast.errors import DataError
    from gatecast.frames import forecast_table
    from gatecast.future import read_future
    from gatecast.panel import panel_from_frame
    from gatecast.sources import DATASETS, load, read_table
    from gatecast.tables import table_as

    for name in DATASETS:
        load(name)
    panel = load({days!r}, series_id="shop").panel
    assert panel.filled == 1
    pq.write_table(read_table(Path({days!r})), {days + ".parquet"!r})
    load({days + ".parquet"!r})
    assert forecast_table(panel, {{"LSTM": np.zeros((1, 3, 13))}}, [80]).num_rows == 3
    (Path({str(tmp_path)!r}) / "k=1").mkdir()
    Path({days + ".parquet"!r}).rename(Path({str(tmp_path)!r}) / "k=1" / "a.parquet")
    further = {{"series_id": "shop", "static": ["k"], "known": ["v"], "target": "v2", "zone": "Europe/Berlin"}}
    zoned = load({str(tmp_path)!r}, **further).panel
    made = forecast_table(zoned, {{"LSTM": np.zeros((1, 2, 13))}}, [80])
    assert "+01:00" in table_as(made, "csv")
    for like in (np.zeros(1), [1], {{"ds": []}}):
        assert forecast_table(zoned, {{"LSTM": np.zeros((1, 2, 13))}}, [80], like)["ds"][0].year == 2020
    wide = {{"ds": [1, 2], "y": [1.0, None], "a": np.ones(2), "x": ["u", "v"]}}
    words = panel_from_frame(wide, wide=True, known=["x"])
    assert read_future({{"ds": [3], "x": ["u"]}}, words, 1)["x"].tolist() == [[0], [0]]
    panel_from_frame(np.ones((3, 2)))
    try:
        load({bad!r})
    except DataError as error:
        assert "row 2" in str(error)
    heavy = {{"pandas", "polars", "scipy", "statsmodels", "arch", "torch"}} & set(sys.modules)
    assert not heavy, heavy
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
