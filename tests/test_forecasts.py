"""A forecast beyond the end of a table, in Python and on the command line, whatever the table is kept in."""

import csv
import gzip
import io
import json
import warnings
import zipfile
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tomli_w
from typer.testing import CliRunner

import gatecast
from gatecast.cli import app
from gatecast.config import NetworkConfig, TrainingConfig
from gatecast.errors import DataError, ModelFileError, OutsideTraining, SettingsError
from gatecast.forecaster import LSTMForecaster
from gatecast.forecasts import forecast
from gatecast.panel import panel_from_frame
from gatecast.predictor import forecast_panel
from gatecast.sources import read_table

DAYS, DIRECT, FAR = 80, 6, 20  # steps seen, steps ahead trained for, and beyond them
COLUMNS = ["unique_id", "ds", "LSTM", "LSTM-lo-80", "LSTM-hi-80"]


def call(*arguments, **options):
    return CliRunner().invoke(app, [str(a) for a in arguments], **options)


def day(k):
    return str(date(2024, 1, 1) + timedelta(days=k))


def small():
    training = {"scaling": "running", "context": 24, "horizon": DIRECT, "updates": 10, "batch": 4, "origins": 4}
    return LSTMForecaster(NetworkConfig(units=5), TrainingConfig(**training), season_length=(7,))


def write_csv(path, columns):
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    return path


def rows_of(result):
    assert result.exit_code == 0, result.output
    return list(csv.DictReader(result.stdout.splitlines()))


def noise(count, seed=0):
    return np.random.default_rng(seed).normal(size=count)


# ------------------------------------------------------------------------------------------- tables and models

SALES = {  # the column trained on is not the first one of numbers
    "Date": [day(k) for k in range(DAYS)],
    "Visitors": [5 + k % 3 for k in range(DAYS)],
    "Sales": np.round(100 + noise(DAYS).cumsum(), 3).tolist(),
}
SHOPS = {
    "shop": ["North"] * DAYS + ["South"] * DAYS,
    "ds": [day(k) for k in range(DAYS)] * 2,
    "sold": np.round(50 + noise(2 * DAYS, 1).cumsum(), 3).tolist(),
    "price": np.round(10 + np.clip(noise(2 * DAYS, 2), -2, 2), 2).tolist(),
    "kind": (["work"] * 5 + ["rest"] * 2) * (2 * DAYS // 7) + ["work"] * (2 * DAYS % 7),
    "size": [120] * DAYS + [80] * DAYS,
}
PLAN = {
    "shop": ["North"] * FAR + ["South"] * FAR,
    "ds": [day(DAYS + k) for k in range(FAR)] * 2,
    "price": [10.0, 10.5] * FAR,
    "kind": ["work"] * (2 * FAR),
}
WEATHER = {
    "ds": [day(k) for k in range(DAYS)],
    "high": np.round(20 + noise(DAYS, 3).cumsum(), 3).tolist(),
    "low": np.round(5 + noise(DAYS, 4).cumsum(), 3).tolist(),
}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with the tables as CSV and a model of each."""
    folder = tmp_path_factory.mktemp("forecasts")
    for name, columns in {"sales": SALES, "shops": SHOPS, "plan": PLAN, "weather": WEATHER}.items():
        write_csv(folder / f"{name}.csv", columns)
    small().fit(SALES, target="Sales").save(folder / "sales.safetensors")
    known = {"series_id": "shop", "target": "sold", "known": ["price", "kind"], "static": ["size"]}
    small().fit(SHOPS, **known).save(folder / "shops.safetensors")
    small().fit(WEATHER, target="high,low").save(folder / "weather.safetensors")
    return folder


@pytest.fixture
def ahead(place):
    """A forecast of the sales on the command line."""

    def made(data=None, *arguments, model="sales", horizon=3, **options):
        chosen = ["--horizon", horizon, "--model", place / f"{model}.safetensors", "--level", 80, *arguments]
        return call("forecast", data or place / f"{model}.csv", *chosen, **options)

    return made


def shops_ahead(place, horizon=FAR, **asked):
    asked = {"series_id": "shop", "future": PLAN, "level": [80], **asked}
    return pa.table(forecast(SHOPS, horizon, place / "shops.safetensors", **asked))


# ------------------------------------------------------------------------------------------- in Python


def test_a_path_a_table_and_a_loaded_model_are_forecast_alike(place):
    from_path = forecast(place / "sales.csv", FAR, place / "sales.safetensors")
    from_text = forecast(str(place / "sales.csv"), FAR, str(place / "sales.safetensors"))
    model = LSTMForecaster().load(place / "sales.safetensors").model_
    from_table = forecast(pa.table(SALES), FAR, model)
    assert from_path.equals(from_text)
    assert from_path.equals(from_table)


def test_the_target_trained_on_is_the_one_that_is_forecast(place):
    assert set(forecast(SALES, 2, place / "sales.safetensors")["unique_id"]) == {"Sales"}
    other = {"Date": SALES["Date"], "Visitors": SALES["Visitors"]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OutsideTraining)
        assert set(forecast(other, 2, place / "sales.safetensors")["unique_id"]) == {"Visitors"}
        asked = forecast(SALES, 2, place / "sales.safetensors", target="Visitors")
    assert set(asked["unique_id"]) == {"Visitors"}


def test_the_target_trained_on_comes_before_the_usual_one_of_a_named_set(tmp_path):
    panel = panel_from_frame({"Date": SALES["Date"], "Volume": [1e9 + k for k in range(DAYS)]})
    small().fit(panel).save(tmp_path / "volume.safetensors")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OutsideTraining)
        made = forecast("sp500", 2, tmp_path / "volume.safetensors")
    assert set(made["unique_id"].to_pylist()) == {"Volume"}


@pytest.mark.parametrize("horizon", [0, -1])
def test_a_horizon_without_steps_is_refused(place, horizon):
    with pytest.raises(SettingsError, match=f"a horizon of {horizon} forecasts nothing"):
        forecast(SALES, horizon, place / "sales.safetensors")


@pytest.mark.parametrize(
    ("asked", "error", "said"),
    [
        ({"level": [85]}, SettingsError, "level 85 is not offered; choose from 20, 40"),
        ({"target": "Sale"}, SettingsError, "'Sales'"),
        ({"fix": ["sorted"]}, SettingsError, "'sort'"),
        ({"frequency": "fortnight"}, SettingsError, "frequency 'fortnight' is not known"),
        ({"zone": "Europe/Berlinn"}, SettingsError, "Europe/Berlin"),
        ({"future": PLAN}, SettingsError, "no column is known in advance"),
        ({"what_if": ["price=1"]}, SettingsError, "'price' is not a column known in advance"),
    ],
)
def test_a_setting_that_cannot_work_is_refused(place, asked, error, said):
    with pytest.raises(error, match=said):
        forecast(SALES, 2, place / "sales.safetensors", **asked)


def test_a_model_file_that_is_not_there_is_named(place):
    with pytest.raises(ModelFileError, match=r"none\.safetensors"):
        forecast(SALES, 2, place / "none.safetensors")


# ------------------------------------------------------------------------------------------- what is known in advance


@pytest.mark.parametrize("write", ["csv", "parquet", "frame"])
def test_the_future_may_be_a_table_or_a_file(place, tmp_path, write):
    made = shops_ahead(place)
    if write == "frame":
        future = pd.DataFrame(PLAN)
    elif write == "csv":
        future = place / "plan.csv"
    else:
        future = tmp_path / "plan.parquet"
        pq.write_table(pa.table(PLAN), future)
    assert shops_ahead(place, future=future).equals(made)


def test_a_missing_future_says_what_is_needed(place, ahead):
    result = ahead(None, "--id", "shop", model="shops")
    assert result.exit_code == 3
    assert "reads 'price', 'kind' in advance" in result.stderr
    assert f"3 steps from {day(DAYS)} to {day(DAYS + 2)}" in result.stderr


def test_a_missing_future_value_is_named_by_series_and_time(ahead, tmp_path):
    price = list(PLAN["price"])
    price[FAR + 1] = ""
    plan = write_csv(tmp_path / "plan.csv", {**PLAN, "price": price})
    result = ahead(None, "--id", "shop", "--future", plan, model="shops")
    assert result.exit_code == 3
    assert f"no value of 'price' for series 'South' at {day(DAYS + 1)}" in result.stderr


def test_a_future_that_ends_too_soon_is_named_by_series_and_time(ahead, tmp_path):
    plan = write_csv(tmp_path / "plan.csv", {name: cells[: FAR + 2] for name, cells in PLAN.items()})
    result = ahead(None, "--id", "shop", "--future", plan, model="shops")
    assert result.exit_code == 3
    assert f"'South' at {day(DAYS + 2)}" in result.stderr


@pytest.mark.parametrize("name", ["none.csv", "empty.csv"])
def test_a_future_file_that_cannot_be_read_is_named(ahead, tmp_path, name):
    (tmp_path / "empty.csv").write_text("")
    result = ahead(None, "--id", "shop", "--future", tmp_path / name, model="shops")
    assert result.exit_code == 3
    assert name in result.stderr


# ------------------------------------------------------------------------------------------- what if


@pytest.mark.parametrize(
    ("text", "change"),
    [
        ("price=9.9", {"price": 9.9}),
        ("price = 9.9", {"price": 9.9}),
        ("price*=1.1", {"price": lambda planned: planned * 1.1}),
        ("price+=0.5", {"price": lambda planned: planned + 0.5}),
        ("price-=0.5", {"price": lambda planned: planned - 0.5}),
        ("price-=-0.5", {"price": lambda planned: planned + 0.5}),
        ("price/=1.25", {"price": lambda planned: planned / 1.25}),
        ("kind=rest", {"kind": "rest"}),
        (" kind = rest ", {"kind": "rest"}),
    ],
)
def test_a_change_may_be_written_as_text(place, text, change):
    made = shops_ahead(place, what_if=[text])
    assert made.equals(shops_ahead(place, what_if=text))
    assert made.equals(shops_ahead(place, what_if=change))
    assert not made["WhatIf"].equals(made["LSTM"])


def test_several_changes_are_made_together(place):
    made = shops_ahead(place, what_if=["price*=0.9", "kind=rest"])
    both = {"price": lambda planned: planned * 0.9, "kind": "rest"}
    assert made.equals(shops_ahead(place, what_if=both))
    assert not made["WhatIf"].equals(shops_ahead(place, what_if=["kind=rest"])["WhatIf"])


def test_what_if_stands_beside_the_forecast_as_planned(place):
    made = shops_ahead(place, what_if=["kind=rest"])
    assert made.column_names == [*COLUMNS, "WhatIf", "WhatIf-lo-80", "WhatIf-hi-80"]
    assert made.select(COLUMNS).equals(shops_ahead(place))


def test_a_change_is_what_the_plan_would_give_if_it_were_so(place):
    made = shops_ahead(place, what_if=["price=9"])
    planned = shops_ahead(place, future={**PLAN, "price": [9.0] * (2 * FAR)})
    assert made["WhatIf"].equals(planned["LSTM"])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("price", "'price' is no change; write price=9.9"),
        ("", "is no change"),
        ("=9", "is no change"),
        ("price=", "is no change"),
        ("price*=cheap", "'cheap' is not a number"),
        ("price=cheap", "the change of price is 'cheap', and it holds numbers"),
        ("price==9", "the change of price is '=9'"),
        ("pric=9", "'pric' is not a column known in advance. Did you mean 'price'"),
        ("size=9", "'size' is not a column known in advance"),
        ("kind=feast", "kind has no 'feast'; it has rest, work"),
        ("kind*=2", "kind holds words, which can only be set: kind=2"),
        ("price/=0", "the change makes price inf"),
        ("price=nan", "the change makes price nan"),
        ("price*=1e308", "the change makes price"),
    ],
)
def test_a_change_that_cannot_be_made_is_refused(place, text, said):
    with pytest.raises(SettingsError) as caught:
        shops_ahead(place, what_if=[text])
    assert said in str(caught.value)


def test_two_changes_of_one_column_are_refused(place):
    with pytest.raises(SettingsError, match=r"price is changed twice, the second time by 'price\*=2'"):
        shops_ahead(place, what_if=["price=9", "price*=2"])


def test_a_change_outside_what_training_saw_is_warned_of(place):
    with pytest.warns(OutsideTraining, match="price goes to 99, training saw .*; do not trust this forecast"):
        shops_ahead(place, what_if=["price=99"])


def test_on_the_command_line_the_warning_goes_to_standard_error(place, ahead):
    chosen = ["--id", "shop", "--future", place / "plan.csv"]
    result = ahead(None, *chosen, "--what-if", "price=99", model="shops")
    assert "gatecast: warning: price goes to 99, training saw" in result.stderr
    assert [list(row) for row in rows_of(result)] == [[*COLUMNS, "WhatIf", "WhatIf-lo-80", "WhatIf-hi-80"]] * 6
    fine = ahead(None, *chosen, "--what-if", "price=9.5", "--what-if", "kind=rest", model="shops")
    assert fine.exit_code == 0
    assert fine.stderr == ""


def test_a_wrong_change_ends_with_exit_code_2(place, ahead):
    result = ahead(None, "--id", "shop", "--future", place / "plan.csv", "--what-if", "price", model="shops")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("gatecast: what if: 'price' is no change")


# ------------------------------------------------------------------------------------------- several targets


def test_several_targets_are_remembered_and_are_series_of_their_own(ahead):
    rows = rows_of(ahead(model="weather", horizon=FAR))
    assert [row["unique_id"] for row in rows] == ["high"] * FAR + ["low"] * FAR
    assert [row["ds"] for row in rows] == [day(DAYS + k) for k in range(FAR)] * 2


def test_several_targets_of_several_series_are_called_after_both(place):
    table = {name: list(cells) * 2 for name, cells in WEATHER.items()}
    table["station"] = ["A"] * DAYS + ["B"] * DAYS
    made = forecast(table, 2, place / "weather.safetensors", series_id="station")
    assert made["unique_id"] == [name for name in ("A/high", "A/low", "B/high", "B/low") for _ in range(2)]
    assert made["LSTM"][:4] == pytest.approx(made["LSTM"][4:], rel=1e-9)


def test_the_other_target_is_read_up_to_the_end(place):
    moved = {**WEATHER, "low": [*WEATHER["low"][:-1], WEATHER["low"][-1] + 2]}
    one, other = (forecast(table, DIRECT, place / "weather.safetensors") for table in (WEATHER, moved))
    assert one["LSTM"][:DIRECT] != other["LSTM"][:DIRECT]


def test_beyond_the_end_no_targets_forecast_enters_the_other(place):
    """A target is forecast alike where the other is not forecast at all."""
    model = LSTMForecaster().load(place / "weather.safetensors").model_
    panel = panel_from_frame(WEATHER, target="high,low")
    both = forecast_panel(model, panel, 4 * DIRECT)
    for s in range(2):
        alone = forecast_panel(model, panel.select(s), 4 * DIRECT)
        np.testing.assert_allclose(alone[0], both[s], rtol=1e-9)


@pytest.mark.parametrize("block", [1, DIRECT])
def test_in_a_full_sequence_nothing_of_the_other_target_is_read_after_the_origin(place, block):
    forecaster = LSTMForecaster().load(place / "weather.safetensors")
    origin = 50
    panel = panel_from_frame(WEATHER, target="high,low").select(0)
    later = np.arange(DAYS) > origin
    poisoned = replace(
        panel,
        values=np.where(later, 1e9, panel.values),
        inputs={name: np.where(later, -1e9, column) for name, column in panel.inputs.items()},
    )
    one, other = (forecaster.full_sequence(each, origin, 2 * DIRECT, block) for each in (panel, poisoned))
    assert np.array_equal(one, other)


def test_a_table_that_lacks_one_of_the_targets_is_refused(place):
    alone = {"ds": WEATHER["ds"], "high": WEATHER["high"]}
    with pytest.raises(DataError, match="the model reads other target 1"):
        forecast(alone, 2, place / "weather.safetensors")


# ------------------------------------------------------------------------------------------- what the table is kept in


def kept_as(kind, columns, folder):
    """The table in a file of some kind, or in a folder of Parquet files."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    path = folder / kind
    if kind == "table.csv.gz":
        path.write_bytes(gzip.compress(text.getvalue().encode()))
    elif kind == "table.zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("table.csv", text.getvalue())
    elif kind == "table.tsv":
        path.write_text(text.getvalue().replace(",", "\t"))
    elif kind == "table.parquet":
        pq.write_table(pa.table(columns), path)
    else:
        path.mkdir()
        half = len(next(iter(columns.values()))) // 2
        pq.write_table(pa.table(columns).slice(0, half), path / "a.parquet")
        pq.write_table(pa.table(columns).slice(half), path / "b.parquet")
    return path


@pytest.mark.parametrize("kind", ["table.csv.gz", "table.zip", "table.tsv", "table.parquet", "folder"])
def test_what_a_table_is_kept_in_does_not_matter(ahead, tmp_path, kind):
    result = ahead(kept_as(kind, SALES, tmp_path))
    assert rows_of(result) == rows_of(ahead())
    assert result.stderr == ""


def test_a_table_may_be_piped_in(place, ahead):
    content = (place / "sales.csv").read_bytes()
    assert rows_of(ahead("-", input=content)) == rows_of(ahead())
    assert rows_of(ahead("-", input=gzip.compress(content))) == rows_of(ahead())


def test_an_empty_pipe_is_refused(ahead):
    result = ahead("-", input=b"")
    assert result.exit_code == 3
    assert "standard input: is empty" in result.stderr


def test_a_wide_table_is_forecast_as_the_long_one(place, ahead, tmp_path):
    wide = write_csv(tmp_path / "wide.csv", {"ds": WEATHER["ds"], "A": SALES["Sales"], "B": SALES["Sales"][::-1]})
    long = write_csv(
        tmp_path / "long.csv",
        {
            "unique_id": ["A"] * DAYS + ["B"] * DAYS,
            "ds": WEATHER["ds"] * 2,
            "Sales": [*SALES["Sales"], *SALES["Sales"][::-1]],
        },
    )
    assert rows_of(ahead(wide, "--wide")) == rows_of(ahead(long))


def hours(text):
    """The sales as if they had come hour by hour."""
    return {"Date": [text(k) for k in range(DAYS)], "Sales": SALES["Sales"]}


def test_times_in_a_zone_cross_the_change_of_the_clocks(ahead, tmp_path):
    start = pd.Timestamp("2024-03-31", tz="Europe/Berlin") - pd.Timedelta(hours=DAYS - 1)
    table = hours(lambda k: (start + pd.Timedelta(hours=k)).strftime("%Y-%m-%d %H:%M"))
    path = write_csv(tmp_path / "hours.csv", table)
    zoned = ahead(path, "--zone", "Europe/Berlin", horizon=4)
    assert [row["ds"] for row in rows_of(zoned)] == [
        "2024-03-31T01:00:00+01:00",
        "2024-03-31T03:00:00+02:00",
        "2024-03-31T04:00:00+02:00",
        "2024-03-31T05:00:00+02:00",
    ]
    assert [row["ds"] for row in rows_of(ahead(path, horizon=2))] == ["2024-03-31 01:00", "2024-03-31 02:00"]


def test_the_frequency_may_be_given(ahead, tmp_path):
    path = write_csv(tmp_path / "every_other_day.csv", {**SALES, "Date": [day(2 * k) for k in range(DAYS)]})
    assert [row["ds"] for row in rows_of(ahead(path))] == [day(2 * (DAYS + k)) for k in range(3)]
    daily = ahead(path, "--frequency", "D")
    assert [row["ds"] for row in rows_of(daily)] == [day(2 * DAYS - 1 + k) for k in range(3)]


def test_a_table_is_mended_before_it_is_forecast_when_that_is_asked_for(ahead, tmp_path):
    broken = write_csv(tmp_path / "broken.csv", {name: [*cells[::-1], cells[0]] for name, cells in SALES.items()})
    refused = ahead(broken)
    assert refused.exit_code == 3
    assert "same time" in refused.stderr
    assert rows_of(ahead(broken, "--fix", "sort", "--fix", "first")) == rows_of(ahead())


@pytest.mark.parametrize("fix", [[], ["--fix", "sort"]])
def test_what_is_refused_names_the_file(ahead, tmp_path, fix):
    path = write_csv(tmp_path / "twice.csv", {name: [*cells, cells[-1]] for name, cells in SALES.items()})
    assert ahead(path, *fix).stderr.startswith(f"gatecast: {path}: rows 80 and 81 have the same time")
    assert ahead(path, *fix, "--target", "Sale").stderr.startswith(f"gatecast: {path}: target column 'Sale'")


# ------------------------------------------------------------------------------------------- settings from a file


def test_a_forecast_may_be_asked_for_in_a_file(place, tmp_path, ahead):
    settings = {
        "data": {"source": str(place / "shops.csv"), "series_id": "shop"},
        "forecast": {
            "model": str(place / "shops.safetensors"),
            "horizon": 3,
            "level": [80],
            "future": str(place / "plan.csv"),
            "what_if": ["price*=0.9"],
        },
    }
    path = tmp_path / "forecast.toml"
    path.write_text(tomli_w.dumps(settings))
    chosen = ["--id", "shop", "--future", place / "plan.csv"]
    one = ahead(None, *chosen, "--what-if", "price*=0.9", model="shops")
    assert rows_of(call("forecast", "--config", path)) == rows_of(one)
    other = call("forecast", "--config", path, "--horizon", 5, "--what-if", "kind=rest")
    assert rows_of(other) == rows_of(ahead(None, *chosen, "--what-if", "kind=rest", model="shops", horizon=5))


def test_a_forecast_without_horizon_is_refused(place):
    for model in ([], ["--model", place / "sales.safetensors"]):
        result = call("forecast", place / "sales.csv", *model)
        assert result.exit_code == 2
        assert "no horizon given" in result.stderr


# ------------------------------------------------------------------------------------------- files written


@pytest.mark.parametrize("name", ["ahead.csv", "ahead.parquet"])
def test_a_forecast_is_written_to_a_file(ahead, tmp_path, name):
    result = ahead(None, "--out", tmp_path / name)
    assert (result.exit_code, result.stdout) == (0, "")
    written = read_table(tmp_path / name)
    assert written.column_names == COLUMNS
    numbers = [float(cell) for cell in written["LSTM"].to_pylist()]
    assert numbers == pytest.approx([float(row["LSTM"]) for row in rows_of(ahead())], rel=1e-6)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_json_is_one_list_and_nothing_else(ahead):
    rows = json.loads(ahead(None, "--json").stdout)
    assert [list(row) for row in rows] == [COLUMNS] * 3


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["--target", "Sale"], 2), (["--fix", "sorted"], 2), (["--future", "none.csv"], 3), (["--level", "85"], 2)],
)
def test_a_forecast_that_fails_leaves_what_was_there(ahead, tmp_path, monkeypatch, arguments, code):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ahead.csv").write_text("as it was")
    result = ahead(None, *arguments, "--out", "ahead.csv")
    assert (result.exit_code, result.stdout) == (code, "")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["as it was"]


def test_a_forecast_that_cannot_be_written_leaves_nothing(ahead, tmp_path):
    (tmp_path / "file").write_text("no folder")
    result = ahead(None, "--out", tmp_path / "file" / "ahead.csv")
    assert result.exit_code == 5
    assert result.stderr.startswith("gatecast: ")
    result = ahead(None, "--out", tmp_path / "ahead.xlsx")
    assert result.exit_code == 5
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


# ------------------------------------------------------------------------------------------- check


BROKEN = {
    "Date": [*SALES["Date"][:5][::-1], *SALES["Date"][5:]],
    "Sales": ["1,234.5", *SALES["Sales"][1:]],
    "note": ["x"] * DAYS,
}


@pytest.mark.parametrize("name", ["mended.csv", "mended.parquet"])
def test_check_writes_the_mended_table_and_finds_nothing_in_it(tmp_path, name):
    path = write_csv(tmp_path / "broken.csv", BROKEN)
    assert call("check", path).exit_code == 3
    result = call("check", path, "--fix", "sort", "--fix", "separators", "--out", tmp_path / name)
    assert result.exit_code == 0, result.output
    assert "mended     sort:" in result.stdout
    assert "mended     separators:" in result.stdout
    assert f"written to {tmp_path / name}" in result.stderr
    again = call("check", tmp_path / name, "--json")
    assert again.exit_code == 0
    assert json.loads(again.stdout)["mended"] == []
    written = read_table(tmp_path / name)
    assert written.column_names == list(BROKEN)
    assert [float(cell) for cell in written["Sales"].to_pylist()] == pytest.approx(
        [float(cell) for cell in [*BROKEN["Sales"][4:0:-1], 1234.5, *BROKEN["Sales"][5:]]]
    )


def test_check_mends_what_is_piped_in(tmp_path):
    content = write_csv(tmp_path / "broken.csv", BROKEN).read_bytes()
    chosen = ["--fix", "sort", "--fix", "separators", "--out", tmp_path / "mended.csv"]
    assert call("check", "-", *chosen, input=content).exit_code == 0
    assert call("check", tmp_path / "mended.csv").exit_code == 0


def test_check_without_a_fix_has_nothing_to_write(place, tmp_path):
    result = call("check", place / "sales.csv", "--out", tmp_path / "mended.csv")
    assert result.exit_code == 2
    assert "--fix" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_check_writes_nothing_where_the_table_cannot_be_mended(tmp_path):
    path = write_csv(tmp_path / "broken.csv", {"Date": ["3/4/2024"] * 5, "Sales": [1, 2, 3, 4, "x"]})
    out = tmp_path / "mended.csv"
    result = call("check", path, "--fix", "separators", "--out", out)
    assert result.exit_code == 3
    assert call("check", path, "--fix", "sort", "--out", tmp_path / "mended.xlsx").exit_code == 5
    assert not (tmp_path / "mended.xlsx").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--known", "price", "--known", "kind", "--static", "size"], []),
        (["--static", "price"], ["static-changes", "price"]),
        (["--known", "prise"], ["'price'"]),
    ],
)
def test_check_looks_at_columns_known_in_advance_and_static_ones(place, arguments, words):
    result = call("check", place / "shops.csv", "--id", "shop", "--target", "sold", *arguments)
    assert result.exit_code == (0 if not words else 2 if "prise" in arguments else 3), result.output
    for word in words:
        assert word in result.output


# ------------------------------------------------------------------------------------------- from a run to a forecast


def test_a_run_with_a_column_known_in_advance_then_a_forecast_with_its_plan(tmp_path):
    table = {"ds": WEATHER["ds"], "sold": SALES["Sales"], "price": SHOPS["price"][:DAYS]}
    path = write_csv(tmp_path / "table.csv", table)
    out = tmp_path / "run"
    fast = ["--updates", 4, "--units", 4, "--horizon", 4]
    made = call("run", path, "--target", "sold", "--known", "price", *fast, "--out", out)
    assert made.exit_code == 0, made.output
    plan = write_csv(tmp_path / "plan.csv", {"ds": [day(DAYS + k) for k in range(5)], "price": [10.0] * 5})
    chosen = ["--horizon", 5, "--model", out / "model.safetensors", "--future", plan, "--what-if", "price=9"]
    rows = rows_of(call("forecast", path, *chosen))
    assert [row["ds"] for row in rows] == [day(DAYS + k) for k in range(5)]
    assert all(np.isfinite(float(row[name])) for row in rows for name in ("LSTM", "WhatIf"))


# ------------------------------------------------------------------------------------------- what was not asked for


def test_another_target_than_the_one_trained_on_is_said():
    days = pl.date_range(pl.date(2024, 1, 1), pl.date(2024, 3, 30), eager=True)
    sold = np.random.default_rng(0).normal(size=90) + 20
    wide = pl.DataFrame({"day": days, "north": sold, "south": sold + 0.01})
    config = gatecast.TrainingConfig(updates=3)
    model = gatecast.LSTMForecaster(training=config).fit(wide, target="south").model_
    other = wide.rename({"south": "west"})
    with pytest.warns(OutsideTraining, match="trained on south, and north is forecast"):
        gatecast.forecast(other, 2, model)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gatecast.forecast(wide, 2, model)
        gatecast.forecast(other, 2, model, target="west")


def test_what_is_mended_before_a_forecast_is_said():
    days = pl.date_range(pl.date(2024, 1, 1), pl.date(2024, 3, 30), eager=True)
    table = pl.DataFrame({"ds": days, "y": np.random.default_rng(0).normal(size=90) + 20})
    model = gatecast.LSTMForecaster(training=gatecast.TrainingConfig(updates=3)).fit(table).model_
    said = []
    shuffled = table[[1, 0, *range(2, 90)]]
    made = gatecast.forecast(shuffled, 2, model, fix=["sort"], note=said.append)
    assert said == ["sort: 2 rows moved, first in row 1"]
    assert made.equals(gatecast.forecast(table, 2, model))


@pytest.fixture(scope="module")
def shops():
    """Two series under each other, named in a column of their own, and a model of them."""
    days = pl.date_range(pl.date(2024, 1, 1), pl.date(2024, 3, 30), eager=True)
    rng = np.random.default_rng(0)
    promo = 1.0 * (rng.random(90) < 0.2)
    table = pl.concat(
        pl.DataFrame({"shop": name, "day": days, "sales": rng.normal(size=90) + 20, "promo": promo})
        for name in ("north", "south")
    )
    config = gatecast.TrainingConfig(updates=3, horizon=4)
    model = gatecast.LSTMForecaster(training=config).fit(table, series_id="shop", target="sales", known="promo")
    return table, model


def test_a_model_remembers_the_column_of_the_series(shops):
    table, model = shops
    plan = pl.DataFrame({"day": [date(2024, 3, 31), date(2024, 4, 1)], "promo": [0.0, 1.0]})
    made = gatecast.forecast(table, 2, model.model_, future=plan)
    assert made["unique_id"].to_list() == ["north", "north", "south", "south"]


def test_a_wide_model_remembers_that_each_column_is_a_series(shops):
    table, _ = shops
    wide = table.pivot("shop", index="day", values="sales")
    panel = panel_from_frame(wide, wide=True)
    model = gatecast.LSTMForecaster(training=gatecast.TrainingConfig(updates=3)).fit(panel).model_
    assert gatecast.forecast(wide, 1, model)["unique_id"].to_list() == ["north", "south"]


def test_a_single_name_is_not_taken_apart_into_letters(shops):
    table, model = shops
    assert model.model_.reads("known") == ("promo",)
    assert gatecast.check(table, series_id="shop", target="sales", inputs="promo").inputs == ("promo",)


def test_one_level_needs_no_list(shops):
    _, model = shops
    plan = pl.DataFrame({"day": [date(2024, 3, 31)], "promo": [0.0]})
    made = model.predict(1, level=80, future=plan)
    assert made.columns == ["unique_id", "ds", "LSTM", "LSTM-lo-80", "LSTM-hi-80"]


def test_a_model_file_is_named_by_text_too(shops, tmp_path):
    _, model = shops
    model.save(tmp_path / "m.safetensors")
    assert gatecast.load_model(str(tmp_path / "m.safetensors")).reads("known") == ("promo",)


def test_a_horizon_beyond_the_trained_one_is_said(shops):
    table, model = shops
    days = pl.date_range(pl.date(2024, 3, 31), pl.date(2024, 4, 9), eager=True)
    plan, said = pl.DataFrame({"day": days, "promo": [0.0] * 10}), []
    gatecast.forecast(table, 4, model.model_, future=plan, note=said.append)
    assert said == []
    made = gatecast.forecast(table, 10, model.model_, future=plan, level=(80, 95), note=said.append)
    assert len(said) == 1 and "trained for 4 steps ahead" in said[0]
    assert (made["LSTM-lo-95"] < made["LSTM-lo-80"]).all() and (made["LSTM-hi-95"] > made["LSTM-hi-80"]).all()


def test_a_panel_is_trained_for_no_more_updates_than_asked_for(shops):
    _, model = shops
    assert model.fitted_.trained.updates <= 3
