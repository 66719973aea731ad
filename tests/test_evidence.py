"""A full verdict: other seeds, the leakage probe on the run's own steps, slow baselines; what is left out is named."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from typer.testing import CliRunner

from gatecast import evidence
from gatecast.cli import app
from gatecast.config import DataConfig, NetworkConfig, RunConfig, TrainingConfig
from gatecast.errors import DataError, SettingsError
from gatecast.evidence import SEEDS, clusters, gather, gather_panel, slow_baselines, with_numbers
from gatecast.opening import open_source
from gatecast.panel_run import run_panel
from gatecast.run import Halfway, Standard, inputs_read, run
from gatecast.sources import find_table, sine

CHEAP = ["LSTM", "LastValue", "Drift", "SeasonalNaive", "AR", "ZeroShot"]
SLOW = ["AutoETS", "AutoTheta", "AutoARIMA"]
FAST = ["--updates", "5", "--units", "4", "--horizon", "5"]


def settings(source, **more):
    data = {name: more.pop(name) for name in ("time", "zone", "fix", "inputs", "known", "test") if name in more}
    return RunConfig(
        data=DataConfig(source=str(source), season_length=(1,), **data),
        network=NetworkConfig(units=4),
        training=TrainingConfig(updates=5),
        horizon=5,
        verdict="full",
        **more,
    )


def write(path, times, values, **columns):
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["Date", "Sales", *columns])
        writer.writerows(zip(times, values, *columns.values(), strict=True))
    return path


def days(count, step="D"):
    return [str(time).replace("T", " ") for time in np.datetime64("2024-01-01", step) + np.arange(count)]


@pytest.fixture(scope="module")
def noise():
    return 100 + np.cumsum(np.random.default_rng(4).normal(size=160))


@pytest.fixture(scope="module")
def sales(tmp_path_factory, noise):
    return write(tmp_path_factory.mktemp("evidence") / "sales.csv", days(160), noise)


@pytest.fixture(scope="module")
def full(sales):
    return run(settings(sales), gather=gather)


# ------------------------------------------------------------------------------------------- what is looked at


def test_a_full_verdict_has_the_slow_baselines_in_every_table_and_beats_or_names_them(full):
    for mode, made in full.forecasts.items():
        assert list(made) == [*CHEAP, *SLOW], mode
    assert {row.baseline for row in full.verdict.tests} == {*CHEAP[1:], *SLOW}
    assert full.left_out == {} and full.unlooked == []


def test_a_full_verdict_has_the_spread_over_three_seeds_and_the_runs_own_is_the_first(full, sales):
    assert full.verdict.seeds.seeds == SEEDS == 3
    assert "Over 3 seeds its error differs by" in full.verdict.sentence
    errors = [full.verdict.rmse]
    for seed in (1, 2):
        config = settings(sales)
        other = run(
            config.model_copy(
                update={"verdict": "quick", "training": config.training.model_copy(update={"seed": seed})}
            )
        )
        errors.append(other.verdict.rmse)
    assert (full.verdict.seeds.lowest, full.verdict.seeds.highest) == pytest.approx((min(errors), max(errors)))


def test_a_full_verdict_probes_its_own_steps_and_says_how_long_it_trained(full):
    leakage = full.verdict.leakage
    assert (leakage.leaks, leakage.deterministic, leakage.reads_past) == (False, True, True)
    assert leakage.rows == full.split.total - full.split.validation == 16
    assert leakage.cutoff == str(full.source.panel.times[full.split.validation - 1])[:10]
    assert leakage.forecasts == 13 + 5 * 13 + 16  # a step, a forecast of five, and the whole test part
    assert leakage.sentence.startswith("Nothing leaks")
    assert leakage.sentence.endswith("none of 94 forecasts moves; each of the probe's trainings made 5 updates.")
    assert leakage.sentence in full.verdict.sentence


class ScaledByAll(Standard):
    """A learner's mistake: values are divided by the largest of all, the test part's too."""

    def load_and_split(self, config):
        source, split = super().load_and_split(config)
        panel = source.panel
        return replace(source, panel=replace(panel, values=panel.values / np.nanmax(panel.values))), split


class Deaf(Standard):
    """Reads its own data, whatever the settings name."""

    def load_and_split(self, config):
        data = config.data.model_copy(update={"source": "nile", "time": None, "target": None})
        return super().load_and_split(config.model_copy(update={"data": data}))


def test_a_leak_in_a_learners_own_steps_is_found_and_nothing_is_believed(sales):
    outcome = run(settings(sales), ScaledByAll(), gather=gather)
    assert outcome.verdict.leakage.leaks and not outcome.verdict.claimed
    assert "The future leaks" in outcome.verdict.sentence


def test_a_fix_that_carries_later_values_across_the_border_is_a_leak(tmp_path, noise):
    gone = np.arange(160) == 143  # the last day before the test part
    holes = ["" if hole else value for hole, value in zip(gone, noise, strict=True)]
    path = write(tmp_path / "hole.csv", days(160), holes)
    assert run(settings(path, fix=("interpolate",)), gather=gather).verdict.leakage.leaks
    assert not run(settings(path), gather=gather).verdict.leakage.leaks


def test_steps_that_do_not_read_the_table_prove_nothing(sales):
    outcome = run(settings(sales), Deaf(), gather=gather)
    assert not outcome.verdict.leakage.leaks and not outcome.verdict.leakage.reads_past
    assert "this table is not read" in outcome.verdict.sentence


def test_text_that_is_numbers_is_changed_as_numbers_and_other_text_stays():
    cells = {"Date": ["2024-01-01", "2024-01-02"], "Sales": ["1.5", ""], "code": ["7", "8"], "note": ["a", "b"]}
    table = with_numbers(pa.table({name: pa.array(column) for name, column in cells.items()}), {"Date", "code"})
    assert table.to_pydict() == {**cells, "Sales": [1.5, None]}


@pytest.mark.parametrize("source", ["nile", "elnino"])
def test_a_named_set_is_probed_as_it_was_read(source, tmp_path):
    """Years, which are whole numbers, and months."""
    config = settings(source).model_copy(update={"seconds": 1e-9})
    outcome = run(config, gather=gather)
    assert outcome.verdict.leakage.rows == outcome.split.total - outcome.split.validation
    assert not outcome.verdict.leakage.leaks and outcome.verdict.leakage.reads_past


@pytest.mark.parametrize("zone", [None, "America/New_York"])
def test_the_cut_stands_where_the_panel_has_it_whatever_the_zone(tmp_path, noise, zone):
    path = write(tmp_path / "hours.csv", days(160, "h"), noise)
    outcome = run(settings(path, zone=zone, seconds=1e-9), gather=gather)
    leakage = outcome.verdict.leakage
    assert (leakage.rows, leakage.cutoff, leakage.leaks) == (16, "2024-01-06 23:00", False)


def test_an_hour_that_comes_twice_at_the_cut_is_not_probed_and_that_is_said(tmp_path, noise):
    first = np.datetime64("2024-11-03T04:00", "h") - 142  # in UTC; the clocks go back at 06:00
    utc = first + np.arange(160)
    local = utc - np.where(utc < np.datetime64("2024-11-03T06:00", "h"), 4, 5).astype("timedelta64[h]")
    path = write(tmp_path / "autumn.csv", [str(time).replace("T", " ") for time in local], noise)
    outcome = run(settings(path, zone="America/New_York", seconds=1e-9), gather=gather)
    assert outcome.verdict.leakage is None
    assert "not in order without their zone" in outcome.left_out["leakage"]


# ------------------------------------------------------------------------------------------- what is left out


def test_slow_baselines_over_the_budget_are_left_out_and_named(sales):
    outcome = run(settings(sales, seconds=1e-9), gather=gather)
    assert list(outcome.forecasts["point_by_point"]) == CHEAP
    assert set(outcome.left_out) == set(SLOW)
    for name, line in zip(SLOW, outcome.unlooked, strict=True):
        assert line.startswith(f"left out: {name}: would take about ") and line.endswith("more than the 1e-09 s given")


def test_a_quick_verdict_says_what_it_did_not_look_at_and_has_none_of_it(sales):
    outcome = run(settings(sales).model_copy(update={"verdict": "quick"}))
    assert (outcome.verdict.seeds, outcome.verdict.leakage) == (None, None)
    assert set(outcome.left_out) == {"seeds", "leakage", "slow baselines"}
    assert outcome.unlooked == ["Not looked at: other seeds, leakage and slower baselines; --verdict full does."]
    assert list(outcome.forecasts["point_by_point"]) == CHEAP


def test_a_full_verdict_is_not_silently_a_quick_one(sales):
    with pytest.raises(SettingsError, match=r"hand over evidence\.gather"):
        run(settings(sales))
    with pytest.raises(SettingsError, match=r"hand over evidence\.gather_panel"):
        run_panel(settings(sales), open_source(settings(sales).data))


def test_ctrl_c_ends_the_looking_and_keeps_what_was_found(sales, monkeypatch):
    trained = Standard.train

    def stopped(self, model, series, split, progress):
        if model.training.seed == 2:
            raise KeyboardInterrupt
        return trained(self, model, series, split, progress)

    monkeypatch.setattr(Standard, "train", stopped)
    outcome = run(settings(sales), gather=gather)
    assert outcome.left_out == {"seeds": "stopped by Ctrl-C", "leakage": "stopped by Ctrl-C"}
    assert outcome.verdict.seeds is None and "AutoETS" in outcome.forecasts["point_by_point"]
    assert not outcome.interrupted


def test_after_a_training_that_was_stopped_nothing_more_is_trained(full):
    fitted = full.forecaster.fitted_
    stopped = fitted._replace(trained=fitted.trained._replace(interrupted=True))
    forecaster = type("Stopped", (), {"fitted_": stopped})()
    found = gather(Halfway(full.config, Standard(), full.source, full.split, forecaster, None))
    assert set(found.left_out) == {"seeds", "leakage", "slow baselines"} and found.baselines == ()


def test_what_cannot_be_probed_is_said(sales, monkeypatch):
    def refused(*_):
        raise DataError("no such luck")

    monkeypatch.setattr(evidence, "leakage_probe", refused)
    outcome = run(settings(sales, seconds=1e-9), gather=gather)
    assert outcome.left_out["leakage"] == "no such luck" and outcome.verdict.seeds is not None


# ------------------------------------------------------------------------------------------- which baselines


def names(training, seasons=(1,), trading=False):
    return [make().name for make in slow_baselines(training, seasons, trading)]


def test_the_baselines_suit_the_series():
    price = find_table("sp500").table["Close"].to_numpy()[:2000].astype(float)
    assert names(price, trading=True) == [*SLOW, "GARCH", "EWMA", "HAR"]
    assert names(sine(2000)) == SLOW
    assert names(np.random.default_rng(0).normal(size=500), (24,)) == SLOW
    assert names(np.random.default_rng(0).normal(size=500), (48,)) == ["MSTL", "AutoTheta"]


def test_only_unrest_in_clusters_around_changes_that_cannot_be_foretold_is_called_so():
    rng = np.random.default_rng(0)
    calm = rng.normal(size=3000)
    restless = calm * np.repeat(np.tile([1.0, 4.0], 15), 100)
    assert clusters(1000 + np.cumsum(restless)) and not clusters(1000 + np.cumsum(calm))
    assert clusters(restless) and not clusters(calm)  # returns already
    assert not clusters(np.cumsum(np.cumsum(restless)))  # changes that go on as they were
    assert not clusters(np.full(50, 3.0)) and not clusters(np.arange(5.0)) and not clusters(np.full(50, -3.0))
    gaps = np.where(np.arange(3000) < 5, np.nan, 1000 + np.cumsum(restless))
    assert clusters(gaps)


# ------------------------------------------------------------------------------------------- inputs


def test_an_input_that_runs_ahead_of_the_target_reaches_the_judge(tmp_path, noise):
    ahead, late = np.append(noise[1:], noise[-1]), np.append(noise[0], noise[:-1])
    path = write(tmp_path / "ahead.csv", days(160), noise, index=3 * ahead + 7, visitors=late)
    config = settings(path, inputs=("index", "visitors"), test=0.25).model_copy(update={"verdict": "quick"})
    outcome = run(config)
    copies = {copy.input: copy for copy in outcome.verdict.copies}
    assert set(copies) == {"index", "visitors"}
    assert copies["index"].holds_future and not copies["visitors"].holds_future
    assert not outcome.verdict.claimed and "believe none of these figures" in outcome.verdict.sentence


def test_a_column_known_in_advance_that_is_the_target_holds_the_future(tmp_path, noise):
    promo = (np.arange(160) % 7 == 0).astype(int)
    path = write(tmp_path / "known.csv", days(160), noise, plan=2 * noise, promo=promo)
    config = settings(path, known=("plan", "promo")).model_copy(update={"verdict": "quick"})
    (copy,) = run(config).verdict.copies
    assert (copy.input, copy.lead, copy.holds_future) == ("plan", 1, True)
    panel = open_source(config.data).panel
    read = inputs_read(panel, 100)
    assert np.array_equal(read["plan"][:99], 2 * noise[1:100])
    assert np.isnan(read["plan"][99])  # nothing of what comes after is handed over


# ------------------------------------------------------------------------------------------- several series


@pytest.fixture(scope="module")
def shops(tmp_path_factory):
    rng, path = np.random.default_rng(5), tmp_path_factory.mktemp("shops") / "shops.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["unique_id", "ds", "y"])
        for s in range(4):
            writer.writerows([f"shop {s}", day, x] for day, x in zip(days(60), 50 + rng.normal(size=60), strict=True))
    return path


def test_several_series_get_seeds_and_slow_baselines_and_are_told_that_leakage_is_not_probed(shops):
    config = settings(shops)
    outcome = run_panel(config, open_source(config.data), gather=gather_panel)
    assert [row.model for row in outcome.scores] == [*CHEAP, *SLOW]
    assert outcome.verdict.seeds.seeds == 3 and outcome.verdict.leakage is None
    assert list(outcome.left_out) == ["leakage"] and "gatecast.leakage_probe" in outcome.left_out["leakage"]
    assert outcome.unlooked == [f"left out: leakage: {outcome.left_out['leakage']}"]
    assert set(outcome.mase_by_step()) == {*CHEAP, *SLOW}
    json.dumps(outcome.as_dict(), allow_nan=False)


def test_of_several_series_too_the_budget_leaves_out_visibly(shops):
    config = settings(shops, seconds=1e-9)
    outcome = run_panel(config, open_source(config.data), gather=gather_panel)
    assert [row.model for row in outcome.scores] == CHEAP
    assert set(outcome.left_out) == {"leakage", *SLOW}
    assert "more than the 1e-09 s given" in outcome.left_out["AutoETS"]


def test_of_several_series_too_a_quick_verdict_says_what_it_did_not_look_at(shops):
    config = settings(shops).model_copy(update={"verdict": "quick"})
    outcome = run_panel(config, open_source(config.data))
    assert outcome.verdict.seeds is None and set(outcome.left_out) == {"seeds", "leakage", "slow baselines"}
    (line,) = outcome.unlooked
    assert line.startswith("Not looked at: other seeds and slower baselines (--verdict full does), and leakage")


# ------------------------------------------------------------------------------------------- the command


def call(*arguments, **options):
    return CliRunner().invoke(app, [str(a) for a in arguments], **options)


@pytest.mark.parametrize("table", ["sales", "shops"])
def test_the_command_begins_with_the_verdict_and_what_was_left_out(table, request, tmp_path):
    path, out = request.getfixturevalue(table), tmp_path / "out"
    result = call("run", path, *FAST, "--verdict", "full", "--seconds", "1e-9", "--out", out)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0].startswith("On ") and "Over 3 seeds" in lines[0]
    assert any(line.startswith("left out: AutoETS: would take about") for line in lines[1:5])
    again = json.loads(call("run", "--config", out / "config.toml", "--no-save", "--json").stdout)
    assert again["verdict"]["seeds"]["seeds"] == 3 and "AutoETS" in again["left_out"]
    html = Path(out / "report.html").read_text(encoding="utf-8")
    assert "left out: AutoETS: would take about" in html


def test_standard_input_is_not_probed_and_that_is_said(sales):
    result = call("run", "-", *FAST, "--verdict", "full", "--no-save", "--json", input=sales.read_bytes())
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["verdict"]["leakage"] is None and "give a file" in found["left_out"]["leakage"]
    assert found["verdict"]["seeds"]["seeds"] == 3


def test_an_unknown_kind_of_verdict_is_refused():
    result = call("run", "sine", "--verdict", "harsh", "--no-save")
    assert result.exit_code == 2
    assert "verdict = 'harsh'" in result.stderr and "'quick' or 'full'" in result.stderr
