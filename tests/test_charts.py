"""What the charts draw is what the outcome holds, and nothing about it is flattered."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import altair as alt
import numpy as np
import pytest

from gatecast import charts, charts_errors, charts_parts
from gatecast.charts import fan_places, figures
from gatecast.charts_parts import Figure, thin
from gatecast.config import LEVELS, MEDIAN
from gatecast.run import newest
from gatecast.skill import SkillRow
from helpers_outcome import HOSTILE, make_outcome

BANDS = ("its 60, 80 and 95 % bands", "its 90 % interval")
ALONG_TIME = ("point_by_point", "multi_sequence", "full_sequence")


@pytest.fixture(scope="module")
def outcome():
    return make_outcome()


@pytest.fixture(scope="module")
def oracle():
    return make_outcome(oracle=True)


def drawn(figure: Figure, *columns: str) -> list[dict[str, Any]]:
    """The rows a chart draws: those of its one table that has all these columns."""
    tables = [
        list(csv.DictReader(io.StringIO(text))) for text in figure.chart.to_dict(validate=False)["datasets"].values()
    ]
    found = [rows for rows in tables if rows and set(columns) <= set(rows[0])]
    assert len(found) == 1, [list(rows[0]) for rows in tables]
    return [{name: _cell(cell) for name, cell in row.items()} for row in found[0]]


def _cell(text: str) -> float | str | None:
    if text == "":
        return None
    try:
        return float(text)
    except ValueError:
        return text


def named(outcome: Any, name: str) -> Figure:
    """One chart of the outcome, by its name."""
    home = charts if hasattr(charts, f"{name}_chart") else charts_errors
    return getattr(home, f"{name}_chart")(outcome)


# ------------------------------------------------------------------------------------------- the oracle


@pytest.mark.parametrize("name", ALONG_TIME)
def test_an_oracle_has_no_distance_from_the_truth_in_any_chart_along_time(oracle, name):
    rows = [row for row in drawn(named(oracle, name), "truth", "LSTM") if row.get("ahead", 1) != 0]
    assert rows
    bounds = [column for column in rows[0] if column[:2] in ("lo", "hi")]
    assert len(bounds) == (0 if name == "full_sequence" else 4)
    for row in rows:
        assert all(row[column] == row["truth"] for column in ("LSTM", *bounds))


def test_an_oracle_has_no_error_at_any_step_ahead_and_a_ratio_of_zero(oracle):
    assert [row["LSTM"] for row in drawn(named(oracle, "error_by_step"), "ahead")] == [0.0] * 12
    ratios = {(row["mode"], row["model"]): row for row in drawn(named(oracle, "relative"), "ratio", "model")}
    for mode in ("point by point", "multi sequence", "full sequence"):
        assert (ratios[mode, "LSTM"]["rmse"], ratios[mode, "LSTM"]["ratio"]) == (0.0, 0.0)
        assert ratios[mode, "LastValue"]["ratio"] == 1.0


def test_an_oracle_holds_every_truth_in_every_interval(oracle):
    assert [row["LSTM"] for row in drawn(named(oracle, "coverage"), "asked", "LSTM")] == [100.0] * len(LEVELS)


# ------------------------------------------------------------------------------------------- what is drawn


def test_a_point_forecast_stands_at_the_step_it_is_for_and_names_the_step_it_knew(outcome):
    rows, mode = drawn(named(outcome, "point_by_point"), "truth", "LSTM"), outcome.modes["point_by_point"]
    values, times = outcome.source.panel.values, outcome.source.panel.times
    assert len(rows) == len(mode.origins)
    for row, origin in zip(rows, mode.origins, strict=True):
        assert row["t"] == times[origin + 1].astype("datetime64[ms]").astype(int)
        assert (row["ds"], row["cutoff"]) == (str(times[origin + 1])[:10], str(times[origin])[:10])
        assert row["truth"] == pytest.approx(values[origin + 1], abs=1e-5)
        assert row["LastValue"] == pytest.approx(values[origin], abs=1e-5)  # one step late, and drawn so


def test_a_segment_starts_at_the_last_value_known_for_every_model(outcome):
    rows, mode = drawn(named(outcome, "multi_sequence"), "ahead"), outcome.modes["multi_sequence"]
    starts = [row for row in rows if row["ahead"] == 0]
    known = newest(outcome.source.panel.values)[mode.origins]
    assert len(starts) == len(mode.origins) and len(rows) == 13 * len(starts)
    for row, value in zip(starts, known, strict=True):
        for column in ("LSTM", "LastValue", "AR", "lo95", "hi80"):
            assert row[column] == pytest.approx(value, abs=1e-5)


def test_the_truth_of_the_segments_runs_to_the_end_of_the_data(outcome):
    tables = named(outcome, "multi_sequence").chart.to_dict(validate=False)["datasets"].values()
    truth = next(text for text in tables if text.startswith("t,ds,truth\n"))
    assert len(truth.splitlines()) - 1 == outcome.split.total - outcome.modes["multi_sequence"].origins[0]


def test_full_sequence_and_errors_by_step_are_the_medians_of_the_outcome(outcome):
    rows = drawn(named(outcome, "full_sequence"), "truth", "LSTM")
    made = outcome.forecasts["full_sequence"]["LSTM"][0, :, MEDIAN]
    assert np.allclose([row["LSTM"] for row in rows], made, atol=1e-5)
    by_step = charts_errors.errors_by_step(outcome)["LSTM"]
    score = next(row for row in outcome.scores if (row.mode, row.model) == ("multi_sequence", "LSTM"))
    assert np.sqrt(np.mean(by_step**2)) == pytest.approx(score.rmse)


def test_the_coverage_chart_and_the_verdict_say_the_same(outcome):
    rows = {row["asked"]: row for row in drawn(named(outcome, "coverage"), "asked", "LSTM")}
    assert sorted(rows) == list(LEVELS)
    for coverage in outcome.verdict.coverage:
        row = rows[100 * coverage.asked]
        assert row["LSTM"] == pytest.approx(100 * coverage.held)
        assert (row["low"], row["high"]) == pytest.approx(tuple(100 * end for end in coverage.band))


def test_the_best_update_is_marked(outcome):
    assert [row["update"] for row in drawn(named(outcome, "training"), "words")] == [57.0]


def test_a_missing_truth_is_left_open():
    rows = drawn(named(make_outcome(missing=True), "point_by_point"), "truth", "LSTM")
    assert [row["truth"] is None for row in rows].count(True) == 5
    assert all(row["LSTM"] is not None for row in rows)


# ------------------------------------------------------------------------------------------- at a glance


def tables(figure: Figure, *columns: str) -> list[list[dict[str, Any]]]:
    """All tables of a chart that have all these columns."""
    texts = figure.chart.to_dict(validate=False)["datasets"].values()
    read = [list(csv.DictReader(io.StringIO(text))) for text in texts]
    return [
        [{name: _cell(cell) for name, cell in row.items()} for row in rows]
        for rows in read
        if rows and set(columns) <= set(rows[0])
    ]


def test_the_fans_stand_at_the_first_the_last_and_two_origins_between_with_nested_bands():
    outcome = make_outcome(steps=1500)
    figure, mode = named(outcome, "fan"), outcome.modes["multi_sequence"]
    places = fan_places(outcome)
    assert list(places) == [0, round((len(mode.origins) - 1) / 3), round(2 * (len(mode.origins) - 1) / 3), 11]
    fans, truths = tables(figure, "ahead", "LSTM"), tables(figure, "ahead", "truth")
    assert len(fans) == len(truths) == 4
    values, made = outcome.source.panel.values, outcome.forecasts["multi_sequence"]["LSTM"]
    for place, fan, truth in zip(places, fans, truths, strict=True):
        origin = mode.origins[place]
        assert [row["ahead"] for row in fan] == list(range(13))
        assert fan[0]["LSTM"] == fan[0]["lo95"] == fan[0]["hi60"] == pytest.approx(values[origin], abs=1e-5)
        assert np.allclose([row["LSTM"] for row in fan[1:]], made[place, :, MEDIAN], atol=1e-5)
        assert np.allclose([row["truth"] for row in truth], values[origin - 12 : origin + 13], atol=1e-5)
        for row in fan[1:]:
            bounds = [row[name] for name in ("lo95", "lo80", "lo60", "LSTM", "hi60", "hi80", "hi95")]
            assert bounds == sorted(bounds)
    shown = json.dumps(figure.chart.to_dict(validate=False))
    assert all(f"known up to {str(outcome.source.panel.times[mode.origins[k]])[:10]}" in shown for k in places)


def test_few_origins_make_few_fans_and_one_step_makes_none():
    assert len(tables(named(make_outcome(horizon=30), "fan"), "ahead", "LSTM")) == 1
    assert named(make_outcome(horizon=1), "fan") is None and named(make_outcome(horizon=1), "skill") is None


def test_the_gain_is_drawn_as_it_was_found_and_cut_at_the_edge():
    found = (
        SkillRow(1, "AR", 12.5, (3.0, 20.0)),
        SkillRow(2, "Drift", -400.0, (-900.0, -200.0)),
        SkillRow(3, "AR", None, None),
    )
    rows = drawn(charts_errors.skill_figure(found, "RMSE"), "ahead", "gain")
    assert [(row["gain"], row["low"], row["high"]) for row in rows] == [
        (12.5, 3, 20),
        (-100, -100, -100),
        (-100, -100, -100),
    ]
    assert [(row["best"], row["exact"]) for row in rows] == [("AR", "+12.5 %"), ("Drift", "-400.0 %"), ("AR", "exact")]
    assert charts_errors.skill_figure(found[:1], "RMSE") is None


def test_the_gain_by_step_of_a_run_is_that_of_its_outcome(outcome):
    rows = drawn(named(outcome, "skill"), "ahead", "gain")
    assert [row["ahead"] for row in rows] == list(range(1, 13))
    assert [row["gain"] for row in rows] == pytest.approx(
        [float(np.clip(row.gain_percent, -100, 100)) for row in outcome.skill]
    )


def test_the_autocorrelations_are_those_of_the_verdict_and_the_band_is_that_of_noise(outcome):
    figure = named(outcome, "residuals")
    rows, (band,) = drawn(figure, "lag", "autocorrelation"), tables(figure, "low", "high")
    assert [row["lag"] for row in rows] == list(range(1, 9))  # a fifth of 40 errors
    assert rows[0]["autocorrelation"] == pytest.approx(outcome.verdict.residuals.autocorrelation)
    assert (band[0]["low"], band[0]["high"]) == pytest.approx((-1.96 / np.sqrt(40), 1.96 / np.sqrt(40)))
    assert named(make_outcome(oracle=True), "residuals") is None


# ------------------------------------------------------------------------------------------- long and short


def test_detail_is_cut_and_never_thinned(monkeypatch, outcome):
    monkeypatch.setattr(charts, "MOST_STEPS", 24)
    rows = drawn(named(outcome, "point_by_point"), "truth", "LSTM")
    assert len(rows) == 24
    assert np.diff([row["t"] for row in rows]).tolist() == [86_400_000] * 23
    assert rows[-1]["ds"] == str(outcome.source.panel.times[-1])[:10]
    assert {row["cutoff"] for row in drawn(named(outcome, "multi_sequence"), "ahead")} == {
        str(outcome.source.panel.times[origin])[:10] for origin in outcome.modes["multi_sequence"].origins[-2:]
    }


@pytest.mark.parametrize("steps", [10, 399, 400, 5001])
def test_thinning_keeps_every_peak_the_ends_and_only_real_values(steps):
    values = np.random.default_rng(3).normal(size=steps)
    values[steps // 3 : steps // 2] = np.nan
    values[0] = np.nan
    keep = thin(values, 400)
    assert len(keep) <= 400 + 4 and (np.diff(keep) > 0).all() and (keep[0], keep[-1]) == (0, steps - 1)
    assert np.nanmax(values[keep]) == np.nanmax(values) and np.nanmin(values[keep]) == np.nanmin(values)
    if steps <= 400:
        assert len(keep) == steps


def test_a_long_window_is_opened_at_its_end_and_a_short_one_whole(monkeypatch, outcome):
    monkeypatch.setattr(charts, "SHOWN", 10)
    window = _parameter(named(outcome, "point_by_point"), "window")
    steps = outcome.source.panel.times.astype("datetime64[ms]").astype(int)
    assert window["value"] == {"x": [steps[-10], steps[-1]]}
    monkeypatch.setattr(charts, "SHOWN", 100)
    assert _parameter(named(outcome, "point_by_point"), "window") is None


def _parameter(figure: Figure, name: str) -> dict[str, Any] | None:
    return next((part for part in figure.chart.to_dict(validate=False).get("params", []) if part["name"] == name), None)


def test_a_chart_with_nothing_to_show_is_left_out():
    names = [figure.name for figure in figures(make_outcome(horizon=1, untrained=True))]
    assert "error_by_step" not in names and "training" not in names and "point_by_point" in names


# ------------------------------------------------------------------------------------------- how it is drawn


@pytest.mark.parametrize(
    "options", [{"name": HOSTILE}, {"dated": False, "wave": True, "missing": True, "oracle": True}]
)
def test_every_chart_is_a_valid_specification_with_words_beside_it(options):
    for figure in figures(make_outcome(**options)):
        spec = figure.chart.to_dict(validate=True)
        assert figure.alt and figure.title and spec["$schema"].endswith(alt.SCHEMA_VERSION + ".json")


def test_axes_name_the_column_the_unit_and_the_spacing_of_time(outcome):
    text = json.dumps(named(outcome, "point_by_point").chart.to_dict(validate=False))
    assert '"title": "Day, daily"' in text and '"title": "Sales"' in text
    assert '"title": "RMSE (Sales)"' in json.dumps(named(outcome, "error_by_step").chart.to_dict(validate=False))


def test_a_switch_belongs_to_every_model_and_only_some_are_on_at_first(outcome):
    figure = named(outcome, "point_by_point")
    assert {key.label: key.shown for key in figure.keys if key.signal} == {
        "LSTM": True,
        "LastValue": True,
        "Drift": False,
        "SeasonalNaive": False,
        "AR": False,
    }
    for key in figure.keys:
        if key.signal:
            assert _parameter(figure, key.signal) == {"name": key.signal, "value": key.shown}


def test_a_model_has_the_same_colour_in_every_chart_and_no_chart_uses_a_colour_of_its_own(outcome):
    for figure in figures(outcome):
        for key in figure.keys:
            named_otherwise = {"truth": "ink", "noise": "window"} | dict.fromkeys(BANDS, "LSTM")
            assert key.colour == named_otherwise.get(key.label, key.label)
        used = {
            part.strip('"')
            for part in json.dumps(figure.chart.to_dict(validate=False)).split()
            if part.startswith('"#')
        }
        assert {colour.rstrip('",]}') for colour in used} <= set(charts_parts.PALETTE.values())


def test_errors_that_differ_by_orders_of_magnitude_get_a_logarithmic_axis_with_a_zero():
    near = charts_parts.error_axis(np.array([1.0, 1.2]))[0]
    far, axis = charts_parts.error_axis(np.array([0.0, 1e-4, 1.0]))
    assert near == {"zero": True} and far["type"] == "symlog" and axis["values"][0] == 0.0
    assert charts_parts.error_axis(np.array([1e-3, 1.0]))[0]["type"] == "log"
    assert charts_parts.error_axis(np.zeros(3))[0] == {"zero": True}
    assert charts_parts.error_axis(np.array([np.nan, np.inf]))[0] == {"zero": True}
