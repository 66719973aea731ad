"""A run over several series: what is judged, what is said, and what is written."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import vl_convert
from typer.testing import CliRunner

from gatecast import panel_report, report
from gatecast.charts_panel import panel_figures, picked_series
from gatecast.cli import app
from gatecast.config import DataConfig, NetworkConfig, RunConfig, TrainingConfig
from gatecast.errors import DataError
from gatecast.metrics import mase, seasonal_scale
from gatecast.opening import open_source
from gatecast.panel_run import Counts, Cut, choose_series, cut_of, judged_words, run_panel
from helpers_pages import Watched
from test_cli import INTERRUPTED
from test_docs import keys_of

ROOT = Path(__file__).parent.parent
HOSTILE = "<script>alert('&\"x')</script>"
FAST = ["--updates", "10", "--units", "4", "--horizon", "6"]
MODELS = ["LSTM", "LastValue", "Drift", "SeasonalNaive", "AR", "ZeroShot"]


def call(*arguments, **options):
    return CliRunner().invoke(app, [str(a) for a in arguments], **options)


def write(path, lengths, *, names=None, flat=(), begin="2015-01"):
    """Monthly series with a season each; those in ``flat`` never change."""
    rng = np.random.default_rng(3)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["unique_id", "Month", "Sales"])
        for s, length in enumerate(lengths):
            months = np.datetime64(begin, "M") + np.arange(length)
            season = 10 * (s + 1) * np.sin(2 * np.pi * np.arange(length) / 12)
            values = 100 * (s + 1) + season + rng.normal(size=length)
            for month, value in zip(months, values, strict=True):
                writer.writerow([names[s] if names else f"shop {s}", f"{month}-01", 5 if s in flat else value])
    return path


def settings(source, updates=10, horizon=6, **data):
    return RunConfig(
        data=DataConfig(source=str(source), **data),
        network=NetworkConfig(units=4),
        training=TrainingConfig(updates=updates),
        horizon=horizon,
    )


def ran(config):
    return run_panel(config, open_source(config.data))


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    lengths = [60, 72, 48, 60, 84, 60, 60, 66, 60, 60, 60, 60, 30, 20, 5]
    return write(tmp_path_factory.mktemp("panel") / "shops.csv", lengths, flat=(3,))


@pytest.fixture(scope="module")
def outcome(path):
    return ran(settings(path))


# ------------------------------------------------------------------------------------------- what is judged


def test_the_test_part_is_whole_horizons_and_follows_the_settings():
    lengths = np.array([50, 100, 150])
    assert cut_of(lengths, RunConfig()) == Cut(horizon=10, origins=1, validation=10)
    assert cut_of(lengths, RunConfig(horizon=2)) == Cut(2, 5, 10)
    assert cut_of(lengths, RunConfig(horizon=18)) == Cut(18, 1, 18)
    assert cut_of(lengths, RunConfig(horizon=50)).validation == 33
    assert cut_of(lengths, RunConfig(horizon=1, data=DataConfig(test=0.5))).origins == 10
    assert cut_of(np.array([3]), RunConfig()) == Cut(1, 1, 1)
    assert cut_of(np.array([5000]), RunConfig()).horizon == 50


def test_every_series_is_trained_on_judged_or_counted(outcome):
    assert outcome.counts == Counts(series=15, judged=13, too_short=2, not_asked=0, not_trained=1, no_scale=1)
    assert outcome.backtest.panel.ids[-1] == "shop 12"
    assert outcome.forecaster._panel.ids == tuple(f"shop {s}" for s in range(14))
    ends = outcome.forecaster._panel.lengths + outcome.cut.test
    assert list(ends) == list(outcome.source.panel.lengths[:14])


def test_the_scores_are_those_of_the_forecasts(outcome):
    backtest = outcome.backtest
    found = []
    for s in range(len(backtest.panel)):
        values, first = backtest.panel.series_values(s), int(backtest.origins_SO[s, 0])
        assert np.array_equal(backtest.truth_SOH[s].ravel(), values[first + 1 :])
        point = backtest.forecasts["AR"][s, ..., 6]
        found.append(mase(backtest.truth_SOH[s], point, seasonal_scale(values[: first + 1], 12)))
    row = next(row for row in outcome.scores if row.model == "AR")
    assert [row.model for row in outcome.scores] == MODELS
    assert row.mase == pytest.approx(np.nanmean(found))
    assert np.isnan(found).sum() == outcome.counts.no_scale == 1
    lstm = outcome.scores[0]
    assert outcome.verdict.mase == pytest.approx(lstm.mase)
    assert outcome.verdict.best_mase == pytest.approx(min(row.mase for row in outcome.scores[1:]))
    steps = outcome.mase_by_step()["AR"]
    assert len(steps) == 6 and np.mean(steps) == pytest.approx(row.mase)


def test_the_test_part_reaches_no_weight(path, outcome):
    config = settings(path)
    source = open_source(config.data)
    panel, cut = source.panel, outcome.cut
    steps = np.concatenate([np.arange(length) - length for length in panel.lengths])
    values = np.where(steps >= -cut.test, np.random.default_rng(0).normal(1000, 300, len(steps)), panel.values)
    changed = run_panel(config, replace(source, panel=replace(panel, values=values)))
    same = changed.forecaster.model_.weights, outcome.forecaster.model_.weights
    assert np.array_equal(same[0].layers[0].input_CK, same[1].layers[0].input_CK)
    for model in MODELS:
        first = changed.backtest.forecasts[model][:, 0], outcome.backtest.forecasts[model][:, 0]
        assert np.allclose(*first, rtol=1e-9), model


def test_many_series_are_judged_on_some_of_them_evenly_spread(path, monkeypatch):
    monkeypatch.setattr("gatecast.panel_run.MOST_JUDGED", 5)
    outcome = ran(settings(path))
    assert (outcome.counts.judged, outcome.counts.not_asked) == (5, 8)
    assert outcome.backtest.panel.ids == ("shop 0", "shop 3", "shop 6", "shop 9", "shop 12")
    assert len(outcome.forecaster._panel) == 14
    assert judged_words(outcome) == "6 steps ahead from one origin at the end of 5 of 15 series"


def test_a_series_without_values_where_it_takes_them_is_not_judged(path):
    panel = open_source(DataConfig(source=str(path))).panel
    values = panel.values.copy()
    values[panel.offsets[1] - 6 : panel.offsets[1]] = np.nan  # no truth
    values[panel.offsets[1] : panel.offsets[2] - 6] = np.nan  # nothing to start from
    judged, counts = choose_series(replace(panel, values=values), Cut(6, 1, 6))
    assert judged.ids[0] == "shop 2"
    assert counts.too_short == 4


def test_no_series_long_enough_is_said_before_training(tmp_path, monkeypatch):
    monkeypatch.setattr("gatecast.training.train", lambda *a, **k: pytest.fail("trained first"))
    short = write(tmp_path / "short.csv", [22, 24])
    with pytest.raises(DataError, match=r"'shop 1', has 24 steps, .* need 26"):
        ran(settings(short))


def test_a_flat_loser_and_a_winner_are_told_apart(tmp_path):
    """Where the last value is right all the time, no network may be praised; and its ratio has no bound."""
    outcome = ran(settings(write(tmp_path / "a.csv", [60] * 12), updates=0))
    assert not outcome.verdict.claimed
    assert "do not use it" in outcome.verdict.sentence
    assert np.isfinite(outcome.ratios).all()


# ------------------------------------------------------------------------------------------- the object


def test_every_key_of_the_object_is_documented_and_every_key_documented_is_printed(outcome):
    text = (ROOT / "docs" / "json.md").read_text(encoding="utf-8")
    single, several = text.split("\n## A table of several series\n")
    several = several.split("\n## ")[0]
    documented = set(re.findall(r"^- `([^`]+)` –", several, flags=re.MULTILINE))
    documented |= {
        key
        for key in re.findall(r"^\| `([^`]+)` \|", single, flags=re.MULTILINE)
        if key.split(".")[0] in {"data", "network", "left_out", "interrupted", "files"}
    }
    printed = json.loads(json.dumps(outcome.as_dict(), allow_nan=False))
    printed["files"] = {"report": "runs/x/report.html"}
    printed["verdict"]["worse_than"] = []
    kinds = {
        r"^verdict\.p_worse\.\w+$": "verdict.p_worse.<model>",
        r"^mase_by_step\.\w+$": "mase_by_step.<model>",
        r"^files\.\w+$": "files.<name>",
        r"^left_out\..+$": "left_out.<name>",
    }
    found = set()
    for key in keys_of(printed):
        for pattern, general in kinds.items():
            key = re.sub(pattern, general, key)  # noqa: PLW2901
        found.add(key)
    assert found == documented


def test_what_was_mended_is_in_both_objects_and_on_the_screen(tmp_path):
    several, one = write(tmp_path / "several.csv", [60, 60, 60]), write(tmp_path / "one.csv", [80])
    for table in (several, one):
        lines = table.read_text().splitlines()
        table.write_text("\n".join(lines[:20] + lines[21:]))  # a missing month
        fast = [*FAST, "--fix", "interpolate", "--no-save"]
        mended = json.loads(call("run", table, *fast, "--json").stdout)["data"]["mended"]
        assert mended and "interpolate" in mended[0]
        shown = call("run", table, *fast).stdout
        assert f"mended: {mended[0]}" in shown
        assert "The fix 'interpolate' reads values that come later" in shown
        assert "columns: time Month; target Sales" in shown
        assert "monthly (first day)" in shown and "season length 12" in shown


# ------------------------------------------------------------------------------------------- the command


def test_a_run_prints_the_verdict_first_and_leaves_a_folder(path, tmp_path):
    out = tmp_path / "out"
    result = call("run", path, *FAST, "--out", out, "--explain")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0].startswith("On 12 series of 1 origin the LSTM is ")
    assert lines[1].startswith("Not looked at: other seeds and slower baselines (--verdict full does)")
    for part in ("5 to 84 points each", "series unique_id", "LSTM better on", *MODELS, "answered for one series"):
        assert part in result.stdout
    assert "2 series too short to be judged" in result.stdout and "1 series without a MASE" in result.stdout
    files = {file.name for file in out.iterdir()}
    assert {"report.html", "config.toml", "forecasts.parquet", "model.safetensors", "ratios.png"} <= files
    table = pq.read_table(out / "forecasts.parquet")
    assert table.column_names[:6] == ["unique_id", "ds", "cutoff", "y", "LSTM", "LSTM-lo-95"]
    assert table.num_rows == 13 * 6
    model = out / "model.safetensors"
    ahead = call("forecast", path, "--horizon", 3, "--model", model)
    rows = list(csv.DictReader(ahead.stdout.splitlines()))
    assert len(rows) == 15 * 3 and rows[0]["unique_id"] == "shop 0"


def test_the_settings_written_repeat_the_run(path, outcome, tmp_path):
    assert call("run", path, *FAST, "--out", tmp_path / "one").exit_code == 0
    again = call("run", "--config", tmp_path / "one" / "config.toml", "--no-save", "--json")
    assert json.loads(again.stdout)["scores"] == json.loads(json.dumps(outcome.as_dict()))["scores"]


def test_standard_input_is_read_once(path):
    command = [sys.executable, "-m", "gatecast", "run", "-", *FAST, "--no-save", "--json"]
    made = subprocess.run(command, check=False, input=path.read_bytes(), capture_output=True)
    assert made.returncode == 0, made.stderr
    assert json.loads(made.stdout)["data"]["series"] == 15


def test_the_courses_door_still_looks_at_one_series(path):
    command = [sys.executable, ROOT / "src" / "run_lstm.py", path, "--updates", "2", "--no-save"]
    made = subprocess.run(command, check=False, capture_output=True, text=True)
    assert made.returncode == 3
    assert "15 series; a course run looks at one" in made.stderr


def test_ctrl_c_in_training_keeps_the_best_model(path, tmp_path):
    out = tmp_path / "run"
    stopped = INTERRUPTED.replace("== 60", "== 30")
    command = [sys.executable, "-c", stopped, "run", path, "--updates", "600", "--units", "4", "--out", out]
    made = subprocess.run([str(word) for word in command], check=False, capture_output=True, text=True)
    assert made.returncode == 130, made.stderr
    assert "stopped by Ctrl-C" in made.stdout
    assert (out / "model.safetensors").exists()
    assert "Training was stopped early" in (out / "report.html").read_text(encoding="utf-8")


# ------------------------------------------------------------------------------------------- the report


def page_of(outcome, drawn=()):
    compiled = {each.name: vl_convert.vegalite_to_vega(each.chart.to_dict(validate=False)) for each in drawn}
    return panel_report.render_panel(outcome, drawn, compiled)


def test_the_report_shows_the_verdict_first_and_six_series_by_their_place(outcome):
    html = page_of(outcome, panel_figures(outcome))
    assert html.index('id="verdict"') < html.index('id="scores"') < html.index('id="ratios"')
    for part in re.split(r"(?<=[.:]) (?=[A-Z])", outcome.verdict.sentence):
        assert part.replace("&", "&amp;").replace("<", "&lt;") in html.replace("\u00a0", " ")
    picked = picked_series(outcome)
    assert [each.name for each in picked] == [f"series_{place}" for place in range(1, 7)]
    for each in picked:
        assert f"{each.words}: {outcome.backtest.panel.ids[each.series]}" in html
    ratios = outcome.ratios
    assert (ratios[picked[0].series], ratios[picked[-1].series]) == (np.nanmin(ratios), np.nanmax(ratios))
    assert html.count('<div class="chart"') == 10
    assert not re.search(r'(src|href)="(?!#)', html.replace(report.javascript(), ""))
    identifiers = re.findall(r' id="(\w+)"', html.split("<script>")[0])
    assert len(identifiers) == len(set(identifiers))


def test_a_hostile_name_is_shown_and_never_run(tmp_path):
    names = [f"{HOSTILE}{s}" for s in range(3)]
    html = page_of(
        found := ran(settings(write(tmp_path / "a.csv", [40] * 3, names=names), horizon=1)), panel_figures(found)
    )
    body = html.replace(report.javascript(), "")
    assert HOSTILE not in body and "&lt;script&gt;alert" in body
    names = [figure.name for figure in panel_figures(found)]
    assert names[:2] == ["coverage", "ratios"]  # a horizon of one has no steps to draw


def test_ratios_beyond_the_axis_are_counted_at_its_end(outcome):
    far = replace(outcome, errors=outcome.errors | {"LSTM": outcome.errors["LSTM"] * 1e6})
    chart = next(figure for figure in panel_figures(far) if figure.name == "ratios")
    drawn = chart.chart.to_dict(validate=False)["datasets"].values()
    rows = list(csv.DictReader(next(text for text in drawn if "share" in text).splitlines()))
    counts = [int(row["series"]) for row in rows]
    assert counts[-1] == sum(counts) == 12  # the flat series has no MASE
    assert "12 series lie beyond 4 times" in panel_report.captions(far)["ratios"]


@pytest.mark.browser
def test_the_page_draws_every_chart_and_fits_laptop_and_phone(browser, outcome, tmp_path):
    path = tmp_path / "report.html"
    path.write_text(page_of(outcome, panel_figures(outcome)), encoding="utf-8")
    drawn = "document.querySelectorAll('.chart[data-drawn]').length === 10"
    right = "Math.max(...[...document.querySelectorAll('.chart svg')].map(e => e.getBoundingClientRect().right))"
    for width in (1280, 390):
        seen = Watched(browser, width)
        seen.page.goto(path.as_uri())
        seen.page.wait_for_function(drawn)
        assert seen.page.evaluate("document.documentElement.scrollWidth") == width
        assert seen.page.evaluate(right) <= width
        assert seen.problems == [] and seen.requests == [path.as_uri()]
        seen.close()
