"""A backtest's scores and verdict, in Python and on the command line."""

import json

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

import gatecast
from gatecast.cli import app
from gatecast.errors import SettingsError
from gatecast.scoring import backtest_as_dict, judge_backtest, score_backtest
from gatecast.significance import diebold_mariano
from gatecast.verdict import PanelVerdict, Verdict

BASELINES = ["LastValue", "SeasonalNaive", "AR"]


def seasonal(seed=0, steps=200):
    rng = np.random.default_rng(seed)
    return 50 + 10 * np.sin(np.arange(steps) * 2 * np.pi / 7) + rng.normal(size=steps)


def oracle(truth):
    """A function that knows what comes."""
    return lambda table, horizon: truth[len(table["y"]) :][:horizon]


@pytest.fixture(scope="module")
def table():
    return pl.DataFrame({"ds": pl.date_range(pl.date(2024, 1, 1), pl.date(2024, 7, 18), eager=True), "y": seasonal()})


@pytest.fixture(scope="module")
def done(table):
    return gatecast.backtest(table, BASELINES, 7, origins=5)


def test_every_model_has_a_score_and_the_best_has_the_lowest(done):
    rows = {row.model: row for row in score_backtest(done)}
    assert list(rows) == BASELINES
    assert rows["SeasonalNaive"].mase < rows["LastValue"].mase
    assert rows["LastValue"].mae == pytest.approx(
        np.mean(np.abs(done.forecasts["LastValue"][..., 6] - done.truth_SOH)), rel=1e-12
    )


def test_an_oracle_scores_exactly_nothing(table):
    done = gatecast.backtest(table, {"Oracle": oracle(seasonal()), "LastValue": "LastValue"}, 3, origins=12, step=3)
    best, other = score_backtest(done)
    assert (best.mase, best.mae) == (0, 0)
    assert best.wql is None and best.coverage_80 is None  # it says no intervals
    assert other.mase > 0.5
    verdict = judge_backtest(done, "Oracle")
    assert isinstance(verdict, Verdict) and verdict.best_baseline == "LastValue"


@pytest.mark.parametrize(("horizon", "gap", "step"), [(1, 9, 1), (3, 4, 2), (2, 5, 7)])
def test_forecasts_after_a_gap_overlap_as_far_as_they_reach(horizon, gap, step):
    """An error of one step after a gap of nine is one of ten steps ahead: neighbouring ones share nine changes."""
    walk = np.random.default_rng(0).normal(size=400).cumsum()
    done = gatecast.backtest(walk, ["Drift", "LastValue"], horizon, gap=gap, step=step, origins=40)
    verdict, overlap = judge_backtest(done, "Drift"), -(-(gap + horizon) // step)
    squares = [
        np.mean((done.forecasts[name][0, ..., 6] - done.truth_SOH[0]) ** 2, axis=1) for name in ("Drift", "LastValue")
    ]
    assert verdict.p_value == pytest.approx(diebold_mariano(*squares, overlap).p_better)
    assert (verdict.gap, verdict.coverage[0].independent) == (gap, -(-40 // overlap))
    assert [row.step for row in verdict.horizons] == list(range(gap + 1, gap + horizon + 1))
    assert (verdict.coverage[0].christoffersen is None) == (gap >= step)


def test_after_a_gap_it_is_said_which_steps_are_judged_and_a_repeated_series_is_found():
    wave = np.tile(seasonal(steps=50), 6)
    done = gatecast.backtest(wave, {"Oracle": oracle(wave), "LastValue": "LastValue"}, 2, gap=3, step=1, origins=60)
    verdict = judge_backtest(done, "Oracle")
    assert "use it for this series, 4 to 5 steps ahead" in verdict.sentence
    assert (verdict.period, verdict.seen_before) == (50, 100)


def test_several_series_are_judged_together_and_each_counts_once():
    frame = pl.concat(
        pl.DataFrame({"unique_id": name, "ds": range(150), "y": scale * seasonal(seed, 150)})
        for seed, (name, scale) in enumerate({"small": 1.0, "large": 1e6, "middle": 30.0}.items())
    )
    done = gatecast.backtest(frame, BASELINES, 7, origins=3, season_length=7)
    verdict = judge_backtest(done, "SeasonalNaive")
    assert isinstance(verdict, PanelVerdict)
    each = [
        score_backtest(gatecast.backtest(part, BASELINES, 7, origins=3, season_length=7))
        for part in frame.partition_by("unique_id", maintain_order=True)
    ]
    for place, row in enumerate(score_backtest(done)):
        assert row.mae is None
        assert row.mase == pytest.approx(np.mean([rows[place].mase for rows in each]), rel=1e-9)


def test_the_object_for_json_holds_no_number_that_json_has_not(done):
    made = backtest_as_dict(done, judge_backtest(done, "AR"))
    assert json.loads(json.dumps(made, allow_nan=False)) == made
    assert made["plan"]["origins"] == 5


def test_the_command_line_says_the_same(table, done, tmp_path):
    file, out = tmp_path / "sales.csv", tmp_path / "judged.parquet"
    table.write_csv(file)
    words = ["backtest", str(file), "--horizon", "7", "--origins", "5", "--out", str(out)]
    words += [word for name in BASELINES for word in ("--models", name)]
    told = CliRunner().invoke(app, [*words, "--json"])
    assert told.exit_code == 0, told.output
    scores = json.loads(told.stdout)["scores"]
    assert [row["model"] for row in scores] == BASELINES
    for row, same in zip(scores, score_backtest(done), strict=True):
        assert row["mase"] == pytest.approx(same.mase, rel=1e-9)
    assert pl.read_parquet(out).columns[:4] == ["unique_id", "ds", "cutoff", "y"]
    shown = CliRunner().invoke(app, words)
    assert "7 steps ahead from 5 origins, fitted once" in shown.stdout
    assert all(name in shown.stdout for name in BASELINES)
    assert "no verdict" not in shown.stdout


def test_where_nothing_stands_beside_a_model_it_is_said_why_there_is_no_verdict(table, tmp_path):
    file = tmp_path / "sales.csv"
    table.write_csv(file)
    shown = CliRunner().invoke(app, ["backtest", str(file), "--horizon", "7", "--origins", "5", "--models", "AR"])
    assert shown.exit_code == 0
    assert "no verdict: the first model named is judged against others, and one of the two is lacking" in shown.stdout


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--models", "AutoEST"], 2, "Did you mean 'AutoETS'"),
        (["--horizon", "0"], 2, "horizon = 0"),
        (["--origins", "500", "--horizon", "7"], 3, "ask for fewer origins"),
        (["--fix", "interpolate"], 2, "reads values that come later"),
        (["--out", "judged.txt"], 5, "name a file ending in .csv or .parquet"),
    ],
)
def test_wrong_words_are_refused(table, tmp_path, words, code, said):
    file = tmp_path / "sales.csv"
    table.write_csv(file)
    told = CliRunner().invoke(app, ["backtest", str(file), "--models", "LastValue", "--models", "AR", *words])
    assert told.exit_code == code
    assert said in told.stderr


def test_models_may_be_named_with_commas(table, tmp_path):
    file = tmp_path / "sales.csv"
    table.write_csv(file)
    told = CliRunner().invoke(app, ["backtest", str(file), "--models", "AR, LastValue", "--horizon", "7", "--json"])
    assert [row["model"] for row in json.loads(told.stdout)["scores"]] == ["AR", "LastValue"]


def test_a_model_that_is_not_there_is_not_judged(done):
    with pytest.raises(SettingsError, match="LSTM"):
        judge_backtest(done, "LSTM")
