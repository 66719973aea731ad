"""A folder of Parquet files on disk is the same as the panel in memory, and needs no more memory when it is longer."""

import gc
import re
import tempfile
import tracemalloc
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatecast import folder as folder_module
from gatecast import placing, store, supply
from gatecast.config import TrainingConfig
from gatecast.errors import DataError, OutputError, SettingsError
from gatecast.forecaster import About, LSTMForecaster, card_of, data_of, learn_columns
from gatecast.panel import panel_from_frame
from gatecast.predictor import forecast_planes
from gatecast.runtime import Weights
from gatecast.store import open_store
from gatecast.supply import MemoryPlanes

DAY = np.timedelta64(1, "D")
START = np.datetime64("2020-01-01", "us")
BESIDE = {"inputs": ["x"], "known": ["price", "word"], "static": ["size", "kind"]}
COLUMNS = ("unique_id", "ds", "y", "x", "price", "word", "size", "kind")


def table_of(series=3, steps=30, seed=0, keep=1.0, by_time=False, start=START, step=DAY):
    """A long table with columns of every role; some rows are left out, some cells are missing."""
    rng = np.random.default_rng(seed)
    rows = series * steps
    code, at = np.divmod(np.arange(rows), steps)
    order = np.lexsort((code, at)) if by_time else np.arange(rows)
    order = order[(rng.random(rows) < keep) | (at < 2)]
    cells = {
        "unique_id": pa.array([f"s{c}" for c in code]),
        "ds": pa.array(start + at * step),
        "y": pa.array(rng.normal(size=rows) * 10 + 50, mask=(rng.random(rows) < 0.1) & (at > 1)),
        "x": pa.array(rng.normal(size=rows), mask=rng.random(rows) < 0.1),
        "price": pa.array(rng.integers(1, 50, rows)),
        "word": pa.array(rng.choice(["sun", "rain", "snow", ""], rows)),
        "size": pa.array(rng.normal(size=series)[code]),
        "kind": pa.array(rng.choice(["b", "a"], series)[code]),
    }
    return pa.table(cells).take(pa.array(order))


def write(folder, table, cuts=(), row_group=None):
    """Write a table as files that end before each of ``cuts``; every other one in a folder of its own."""
    edges = [0, *sorted(cuts), len(table)]
    for number, (begin, end) in enumerate(pairwise(edges)):
        path = (
            Path(folder) / f"part-{number:03d}" / "rows.parquet"
            if number % 2
            else Path(folder) / f"part-{number:03d}.pq"
        )
        path.parent.mkdir(exist_ok=True)
        pq.write_table(table.slice(begin, end - begin), path, row_group_size=row_group)
    return folder


def same(opened, panel, columns):
    """Whether the store says of everything what the panel says."""
    assert opened.ids == panel.ids
    assert (opened.frequency, opened.filled, opened.names) == (panel.frequency, panel.filled, panel.names)
    assert (opened.zone, opened.local_days, opened.categories) == (panel.zone, panel.local_days, panel.categories)
    np.testing.assert_array_equal(opened.lengths, panel.lengths)
    np.testing.assert_array_equal(opened.offsets, panel.offsets)
    np.testing.assert_array_equal(opened.last_times, panel.times[panel.offsets[1:] - 1])
    assert (opened.card(), opened.data()) == (card_of(panel), data_of(panel))
    there, here = MemoryPlanes(panel, columns), opened.planes(columns)
    assert here.widths == there.widths
    np.testing.assert_array_equal(here.lengths, there.lengths)
    np.testing.assert_array_equal(here.static_GS, there.static_GS)
    for s, length in enumerate(panel.lengths):
        for begin, end in ((0, length), (length // 3, length - 1), (1, 1)):
            np.testing.assert_array_equal(here.cut(s, begin, end), there.cut(s, begin, end))


@pytest.fixture
def small_parts(monkeypatch):
    """Batches so small that every series is cut into several."""
    make_parts_small(monkeypatch, 7)


def make_parts_small(monkeypatch, rows):
    monkeypatch.setattr(folder_module, "BATCH", rows)
    monkeypatch.setattr(placing, "BATCH", rows + 2)
    monkeypatch.setattr(placing, "GATHERED", 5 * rows)
    monkeypatch.setattr(placing, "CHUNK", rows + 4)
    monkeypatch.setattr(store, "CHUNK", rows + 4)


def refused(folder, pattern, error=DataError, **arguments):
    with pytest.raises(error, match=pattern):
        open_store(folder, **arguments)


# ------------------------------------------------------------------------------------------- the same as a panel


@settings(max_examples=40, deadline=None)
@given(
    st.data(),
    st.integers(1, 5),
    st.integers(3, 40),
    st.integers(0, 1000),
    st.sampled_from([1.0, 0.9, 0.6]),
    st.booleans(),
    st.integers(1, 50),
)
def test_files_and_row_groups_of_any_cut_give_what_the_table_gives(data, series, steps, seed, keep, by_time, rows):
    table = table_of(series, steps, seed, keep, by_time)
    cuts = data.draw(st.lists(st.integers(0, len(table)), max_size=6))
    row_group = data.draw(st.integers(1, 60))
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        make_parts_small(patch, rows)
        write(folder, table, cuts, row_group)
        try:
            panel = panel_from_frame(table, **BESIDE)
        except DataError:
            refused(folder, "", **BESIDE)
            return
        with open_store(folder, **BESIDE) as opened:
            columns = learn_columns(panel, 3)
            same(opened, panel, columns)
            for mine, theirs in zip(opened.learn_columns(3), columns, strict=True):
                for setting, value in theirs.__dict__.items():
                    if isinstance(value, float):
                        value = pytest.approx(value, rel=1e-9, abs=1e-12)  # noqa: PLW2901
                    assert getattr(mine, setting) == value, (mine, theirs)


@pytest.mark.parametrize(
    ("start", "step", "kind"),
    [
        (START, np.timedelta64(1, "h"), pa.timestamp("ns")),
        (START, DAY, pa.date32()),
        (START, DAY, pa.string()),
        (START, DAY, pa.timestamp("us", "UTC")),
        (np.datetime64("2020-03-20T23:00", "us"), np.timedelta64(1, "h"), pa.timestamp("ms", "Europe/Berlin")),
        (START, np.timedelta64(30, "m"), pa.timestamp("us", "+01:00")),
    ],
)
def test_times_of_every_kind(tmp_path, small_parts, start, step, kind):
    table = table_of(start=start, step=step, keep=0.9)
    ds = table["ds"].cast(pa.date32()).cast(pa.string()) if pa.types.is_string(kind) else table["ds"].cast(kind)
    table = table.set_column(1, "ds", ds)
    with open_store(write(tmp_path, table, [20, 41])) as opened:
        same(opened, panel_from_frame(table), ())


def test_local_days_stay_days_when_the_clocks_change(tmp_path, small_parts):
    days = pa.compute.assume_timezone(
        pa.array(np.datetime64("2021-03-01", "us") + np.arange(60) * DAY), "Europe/Berlin"
    )
    table = pa.table({"ds": days, "y": np.arange(60.0)})
    panel = panel_from_frame(table)
    assert (panel.local_days, panel.frequency.code, panel.filled) == (True, "D", 0)
    with open_store(write(tmp_path, table, [20])) as opened:
        same(opened, panel, ())
    hourly = panel_from_frame(table, frequency="h")
    with open_store(tmp_path, frequency="h") as opened:
        same(opened, hourly, ())


def test_whole_numbers_months_and_business_days(tmp_path, small_parts):
    months = (np.datetime64("2015-01", "M") + np.arange(50)).astype("datetime64[us]")
    business = np.busday_offset(np.datetime64("2018-01-01"), np.arange(1100)).astype("datetime64[us]")
    for name, times in {
        "numbers": 5 * np.arange(60),
        "months": months,
        "business": np.delete(business, [30, 700]),
    }.items():
        table = pa.table({"ds": times, "y": np.arange(len(times), dtype=np.float64)})
        (tmp_path / name).mkdir()
        with open_store(write(tmp_path / name, table, [20])) as opened:
            same(opened, panel_from_frame(table), ())


def test_a_file_for_every_day_with_all_series_in_each(tmp_path):
    table = table_of(series=6, steps=25, by_time=True)
    write(tmp_path, table, range(6, 150, 6))
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 25
    with open_store(tmp_path, **BESIDE) as opened:
        panel = panel_from_frame(table, **BESIDE)
        assert opened.learn_columns(4) == learn_columns(panel, 4)
        same(opened, panel, learn_columns(panel, 4))


def test_series_that_are_numbers_or_categories_and_one_without_a_name(tmp_path):
    table = table_of()
    codes = table["unique_id"].combine_chunks().dictionary_encode()
    for name, ids in {"category": codes, "number": codes.indices}.items():
        changed = table.set_column(0, "unique_id", ids)
        pq.write_table(changed, tmp_path / f"{name}.parquet")
        with open_store(tmp_path / f"{name}.parquet") as opened:
            same(opened, panel_from_frame(changed), ())
    alone = table_of(series=1).select(["ds", "y"])
    pq.write_table(alone, tmp_path / "alone.parquet")
    with open_store(tmp_path / "alone.parquet") as opened:
        assert opened.ids == ("y",)
        same(opened, panel_from_frame(alone), ())


def test_a_panel_of_two_rows_each_asks_many_series_for_the_frequency(tmp_path):
    table = table_of(series=20, steps=2)
    with open_store(write(tmp_path, table)) as opened:
        same(opened, panel_from_frame(table), ())


def test_columns_are_found_and_named_as_in_a_frame(tmp_path):
    table = table_of().rename_columns(["shop", "when", "sales", *COLUMNS[3:]])
    write(tmp_path, table)
    named = {"time": "when", "target": "sales", "series_id": "shop"}
    with open_store(tmp_path, **named) as opened:
        same(opened, panel_from_frame(table, **named), ())
    refused(tmp_path, "Did you mean 'sales'", SettingsError, target="sale", series_id="shop")
    refused(tmp_path, "one target at a time", SettingsError, target="sales,x", series_id="shop")


@pytest.mark.parametrize("whole", [True, False])
def test_training_and_forecasting_from_disk_are_those_from_memory_bit_for_bit(tmp_path, monkeypatch, whole):
    if not whole:
        monkeypatch.setattr(supply, "WHOLE", 10)
        monkeypatch.setattr(supply, "CROPS", 8)
    table = table_of(steps=60, keep=0.9)
    panel = panel_from_frame(table, **BESIDE)
    in_memory = LSTMForecaster(training=TrainingConfig(updates=6)).fit_panel(panel, 10)
    with open_store(write(tmp_path, table, [50, 99], 30), **BESIDE) as opened:
        columns = opened.learn_columns(10)
        about = About(opened.frequency, columns, opened.data(), opened.card())
        on_disk = LSTMForecaster(training=TrainingConfig(updates=6)).fit_planes(opened.planes(columns), about, 10)
        assert_equal_weights(on_disk.model_.weights, in_memory.model_.weights)
        np.testing.assert_array_equal(on_disk.model_.widening_KQ, in_memory.model_.widening_KQ)
        assert on_disk.model_.columns == in_memory.model_.columns
        assert on_disk.model_.card["data"] == in_memory.model_.card["data"]
        ahead_JSH = np.ones((opened.planes(columns).widths.known, len(opened), 5))
        here = forecast_planes(on_disk.model_, opened.planes(columns), 5, ahead_JSH)
        there = forecast_planes(in_memory.model_, MemoryPlanes(panel, columns), 5, ahead_JSH)
        np.testing.assert_array_equal(here, there)


def assert_equal_weights(one, other):
    assert type(one) is type(other)
    if isinstance(one, tuple):
        for mine, theirs in zip(one, other, strict=True):
            assert_equal_weights(mine, theirs)
    elif isinstance(one, Weights) or hasattr(one, "__dict__"):
        for name in vars(one):
            assert_equal_weights(getattr(one, name), getattr(other, name))
    else:
        np.testing.assert_array_equal(one, other)


# ------------------------------------------------------------------------------------------- what is read


def test_a_cut_reads_its_own_steps_and_nothing_beyond(tmp_path, monkeypatch):
    table = table_of(series=4, steps=50)
    opened = open_store(write(tmp_path, table), **BESIDE)
    planes = opened.planes(opened.learn_columns(5))
    clean = planes.cut(2, 10, 30)
    total, start = int(opened.offsets[-1]), int(opened.offsets[2])
    poison = np.full(total, 1e300)
    for plane in range(4):
        for begin, end in ((0, start + 10), (start + 30, total)):
            opened._scratch.write(poison[begin:end], plane * total + begin)
    np.testing.assert_array_equal(planes.cut(2, 10, 30), clean)
    for begin, end in ((-1, 3), (4, 3), (0, 51)):
        with pytest.raises(IndexError, match="a series that has 50"):
            planes.cut(2, begin, end)


@pytest.mark.parametrize("by_time", [False, True])
def test_memory_does_not_grow_with_the_rows(tmp_path, monkeypatch, by_time):
    make_parts_small(monkeypatch, 1000)
    monkeypatch.setattr(placing, "SPACED_BY", 1000)
    peaks = []
    for steps in (2_000, 2_000, 8_000):  # the first time only warms up
        here = tmp_path / str(steps)
        here.mkdir(exist_ok=True)
        write(here, table_of(4, steps, by_time=by_time), row_group=2_000)
        gc.collect()
        tracemalloc.start()
        with open_store(here, **BESIDE) as opened:
            opened.learn_columns(100)
            opened.card()
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[2] <= 1.1 * peaks[1]


def test_a_closed_store_refuses_and_a_forgotten_one_leaves_nothing(tmp_path):
    room = tmp_path / "room"
    room.mkdir()
    write(tmp_path, table_of())

    def held():
        return [link for link in Path("/proc/self/fd").iterdir() if link.is_symlink() and str(room) in target(link)]

    def target(link):
        try:
            return str(link.readlink())
        except OSError:
            return ""

    opened = open_store(tmp_path, scratch=room)
    planes = opened.planes()
    assert len(held()) == 1 and list(room.iterdir()) == []
    opened.close()
    opened.close()
    assert held() == []
    with pytest.raises(SettingsError, match=r"the store is closed; open it again"):
        planes.cut(0, 0, 3)
    opened = open_store(tmp_path, scratch=room)
    planes = opened.planes()
    del opened
    gc.collect()
    assert planes.cut(0, 0, 3).shape == (1, 3)  # planes keep their store
    del planes
    gc.collect()
    assert held() == []


def test_a_column_the_store_was_opened_without_is_refused(tmp_path):
    write(tmp_path, table_of())
    with open_store(tmp_path, **BESIDE) as full, open_store(tmp_path, inputs=["x"]) as opened:
        columns = full.learn_columns(3)
        with pytest.raises(SettingsError, match=r"without the column 'price' \(known\)"):
            opened.planes(columns)


# ------------------------------------------------------------------------------------------- what is refused


def test_folders_without_tables_are_refused(tmp_path):
    refused(tmp_path / "none", "not found; give a folder")
    (tmp_path / "notes.txt").write_text("nothing")
    (tmp_path / "_hidden.parquet").write_text("nothing")
    refused(tmp_path, "holds no Parquet files")
    pq.write_table(table_of().slice(0, 0), tmp_path / "a.parquet")
    refused(tmp_path, "hold no rows")


def test_hidden_files_are_left_out(tmp_path):
    table = table_of()
    write(tmp_path, table)
    (tmp_path / "_delta_log").mkdir()
    (tmp_path / "_delta_log" / "x.parquet").write_text("no table")
    (tmp_path / ".part.parquet").write_text("no table")
    with open_store(tmp_path) as opened:
        same(opened, panel_from_frame(table), ())


def test_files_that_differ_are_refused_and_kinds_of_numbers_do_not_matter(tmp_path):
    table = table_of()
    write(tmp_path, table, [40])
    one, other = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    rest = pq.read_table(other)
    pq.write_table(rest.drop_columns("x"), other)
    refused(tmp_path, f"{other} has no column 'x'", inputs=["x"])
    pq.write_table(rest.set_column(1, "ds", rest["ds"].cast(pa.string())), other)
    refused(tmp_path, re.escape(f"'ds' holds dates in {one} and text in {other}"))
    pq.write_table(rest.set_column(4, "price", rest["price"].cast(pa.float64())), other)
    with open_store(tmp_path, **BESIDE) as opened:
        panel = panel_from_frame(table, **BESIDE)
        same(opened, panel, learn_columns(panel, 4))


@pytest.mark.parametrize("where", [2, 200, -40])
def test_a_damaged_file_is_named(tmp_path, where):
    write(tmp_path, table_of(steps=400), [100], 50)
    path = next(tmp_path.rglob("rows.parquet"))
    data = bytearray(path.read_bytes())
    data[where : where + 30] = b"\xff" * 30
    path.write_bytes(data if where != 2 else data[: len(data) // 2])
    refused(tmp_path, f"{path} cannot be read as Parquet", **BESIDE)


def changed(table, name, row, cell):
    cells = table[name].to_pylist()
    cells[row] = cell
    return table.set_column(COLUMNS.index(name), name, pa.array(cells, table.schema.field(name).type))


@pytest.mark.parametrize(
    ("name", "row", "cell", "pattern"),
    [
        (
            "ds",
            55,
            START + 5 * DAY,
            r"row 16: series 's1' goes back in time, from 2020-01-25 to 2020-01-06; .*sort them",
        ),
        (
            "ds",
            55,
            START + 24 * DAY,
            r"row 16: series 's1' has the time 2020-01-25 a second time; keep one row per time",
        ),
        ("ds", 55, None, r"row 16: column 'ds' has no time"),
        ("unique_id", 55, None, r"row 16: column 'unique_id' names no series"),
        ("y", 55, np.inf, r"row 16: column 'y' is infinite"),
        ("x", 55, -np.inf, r"row 16: column 'x' is infinite"),
        (
            "size",
            55,
            7.0,
            r"row 16: static column 'size' holds 7 for series 's1', and -?[\d.]+ before; a static column",
        ),
        (
            "kind",
            55,
            "c",
            r"row 16: static column 'kind' holds 'c' for series 's1', and '[ab]' before; a static column",
        ),
    ],
)
def test_what_is_wrong_is_said_with_file_and_row(tmp_path, small_parts, name, row, cell, pattern):
    table = changed(table_of(), name, row, cell)
    write(tmp_path, table, [40])
    refused(tmp_path, rf"part-001/rows\.parquet, {pattern}.* \(rows are counted from 1 in each file\)", **BESIDE)
    with pytest.raises(DataError):
        panel_from_frame(table, **BESIDE)


def test_text_where_numbers_or_dates_belong(tmp_path, small_parts):
    table = table_of(series=1)
    numbers = [f"{number}" for number in range(30)]
    for name, cells, pattern in (
        ("y", [*numbers[:20], "1,234", *numbers[21:]], r"row 21 of column 'y' holds '1,234'"),
        ("ds", [f"{day}/1/2020" for day in range(1, 31)], r"row 1: column 'ds' holds the text '1/1/2020'; write the"),
        ("ds", [f"2020-02-{day:02d}" for day in range(2, 32)], r"'2020-02-30', which is not a date"),
    ):
        pq.write_table(table.set_column(COLUMNS.index(name), name, pa.array(cells)), tmp_path / "a.parquet")
        refused(tmp_path, pattern)
    pq.write_table(table.set_column(2, "y", pa.array(numbers)), tmp_path / "a.parquet")
    with open_store(tmp_path) as opened:
        assert opened.read(None, 0, 0, 30).tolist() == list(range(30))


def test_too_many_words_are_no_category(tmp_path, small_parts, monkeypatch):
    monkeypatch.setattr(placing, "MOST_WORDS", 10)
    table = table_of().set_column(5, "word", pa.array([f"word {row}" for row in range(90)]))
    refused(write(tmp_path, table), "'word' holds more than 10 different words", known=["word"])


def test_series_off_the_grid_and_holes_that_cannot_be_meant(tmp_path, small_parts):
    daily, hourly = table_of(series=1, steps=40), table_of(series=1, steps=20, step=np.timedelta64(1, "h"))
    other = hourly.set_column(0, "unique_id", pa.array(["other"] * 20))
    write(tmp_path, pa.concat_tables([daily, other]))
    refused(
        tmp_path, r"series 'other' keep to another spacing: 'daily' is the frequency of the longest series, and only 0 "
    )
    refused(tmp_path, r"series 's0' .*goes|does not go with times", SettingsError, frequency="5")
    late = changed(daily, "ds", 39, START + 5000 * DAY)
    write(tmp_path, late)
    refused(
        tmp_path, r"4,961 steps are missing among 40 rows, 4,961 of them in series 's0' between 2020-02-08 and 2033"
    )


def test_targets_without_values(tmp_path):
    table = table_of()
    nothing = [None if row >= 60 else 1.0 for row in range(90)]
    write(tmp_path, table.set_column(2, "y", pa.array(nothing)))
    refused(tmp_path, "'y' of series 's2' holds no value at all; a forecast needs at least 2")
    write(tmp_path, table.take(pa.array([0, 30, 60])))
    refused(tmp_path, "no series has more than one row")
    write(tmp_path, table.set_column(2, "y", pa.array([1.0 if row % 30 == 3 else None for row in range(90)])))
    refused(tmp_path, "'y' of series 's0' holds a single value, and none holds more")


def test_files_that_change_while_they_are_read(tmp_path, monkeypatch):
    write(tmp_path, table_of())
    planned = store.lay_out

    def meanwhile(*arguments):
        write(tmp_path, table_of(steps=20))
        return planned(*arguments)

    monkeypatch.setattr(store, "lay_out", meanwhile)
    refused(tmp_path, "changed while they were read: 90 rows were seen first")


# ------------------------------------------------------------------------------------------- the scratch file


def test_no_room_for_the_scratch_file(tmp_path, monkeypatch):
    write(tmp_path, table_of())
    refused(tmp_path, "the scratch file cannot be made there", OutputError, scratch=tmp_path / "none")
    with monkeypatch.context() as patch:
        usage = placing.shutil.disk_usage(tmp_path)
        patch.setattr(placing.shutil, "disk_usage", lambda _: usage._replace(free=100))
        refused(tmp_path, "0.00 GB free, and the scratch file needs", OutputError)


def test_a_disk_that_is_full_leaves_nothing_behind(tmp_path):
    resource = pytest.importorskip("resource")
    room = tmp_path / "room"
    room.mkdir()
    write(tmp_path, table_of(steps=1000))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    for size in (1000, 50_000):  # while the times are written, and while the numbers are
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
        try:
            refused(
                tmp_path,
                r"room: the scratch file cannot be written there \(File too large\)",
                OutputError,
                scratch=room,
                **BESIDE,
            )
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(room.iterdir()) == []


@pytest.mark.parametrize("call", [0, 5, 12])
def test_a_run_ended_by_ctrl_c_leaves_nothing_behind(tmp_path, monkeypatch, small_parts, call):
    room = tmp_path / "room"
    room.mkdir()
    write(tmp_path, table_of())
    calls, pwrite = [], placing.os.pwrite

    def interrupted(*arguments):
        calls.append(arguments[0])
        if len(calls) > call:
            raise KeyboardInterrupt
        return pwrite(*arguments)

    monkeypatch.setattr(placing.os, "pwrite", interrupted)
    with pytest.raises(KeyboardInterrupt):
        open_store(tmp_path, scratch=room)
    assert list(room.iterdir()) == []
    for descriptor in set(calls):
        with pytest.raises(OSError, match="Bad file descriptor"):
            placing.os.fstat(descriptor)
