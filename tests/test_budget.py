"""A time budget bounds a fit, the learning rate comes down all the same, and what was made repeats to the bit.

The clock here is a made-up one: every look at it is a second later, so nothing depends on the machine.
"""

import itertools
import json
import tomllib

import numpy as np
import pytest

from gatecast import budget
from gatecast.config import NetworkConfig, RunConfig, TrainingConfig, config_to_toml, settings_from
from gatecast.errors import ModelFileError, SettingsError
from gatecast.forecaster import LSTMForecaster
from gatecast.panel import panel_from_frame

SMALL = NetworkConfig(units=6)
FAST = {"context": 24, "horizon": 6, "batch": 4, "origins": 4, "steps": 4}


@pytest.fixture
def ticking(monkeypatch):
    """A clock on which every update takes a second."""
    ticks = itertools.count()
    monkeypatch.setattr(budget, "now", lambda: float(next(ticks)))


@pytest.fixture
def slowing(monkeypatch):
    """A clock whose seconds grow: no estimate from the first updates holds."""
    ticks = itertools.count()
    monkeypatch.setattr(budget, "now", lambda: float(next(ticks)) ** 1.3)


def series(count=1, steps=160):
    rng = np.random.default_rng(0)
    rows = [
        {"unique_id": f"s{s}", "ds": t, "y": 10 + np.sin(t / 2) + rng.normal(scale=0.2)}
        for s in range(count)
        for t in range(steps)
    ]
    return panel_from_frame({name: [row[name] for row in rows] for name in ("unique_id", "ds", "y")})


def fit(panel, progress=None, **training):
    model = LSTMForecaster(SMALL, TrainingConfig(**{**FAST, **training}), season_length=(1,))
    return model.fit_panel(panel, 16, progress)


def again(model, panel):
    """Fit anew with the settings as a run writes them."""
    ran = model.model_.config
    text = config_to_toml(RunConfig(network=ran.network, training=ran.training))
    assert "budget" not in text
    read = settings_from(tomllib.loads(text), "test")
    return LSTMForecaster(read.network, read.training, season_length=(1,)).fit_panel(panel, 16)


def same(one, other, panel):
    origins = np.arange(100, 150)
    made = [each.predict_many(panel, origins, 6) for each in (one, other)]
    return np.array_equal(*made) and np.array_equal(one.model_.widening_KQ, other.model_.widening_KQ)


@pytest.mark.parametrize("count", [1, 4])
@pytest.mark.parametrize("scaling", ["running", "auto"])
def test_a_budget_that_binds_plans_fewer_updates_and_they_repeat_to_the_bit(count, scaling, ticking):
    panel, rates = series(count), []
    model = fit(panel, rates.append, scaling=scaling, updates=200, budget=200)
    training = model.model_.config.training
    assert budget.REHEARSED < training.updates < 200
    assert training.budget is None and training.stop is None
    assert not model.fitted_.trained.interrupted
    assert rates[0].updates == training.updates  # the learning rate is planned for these
    assert "holds" in model.picked_ and "of the 200" in model.picked_
    assert same(model, again(model, panel), panel)


@pytest.mark.parametrize("count", [1, 4])
def test_a_fit_that_its_clock_ends_repeats_to_the_bit(count, slowing):
    panel = series(count)
    model = fit(panel, scaling="running", updates=200, budget=400)
    training = model.model_.config.training
    assert training.stop is not None and training.stop < training.updates * (1 if count == 1 else 2)
    assert not model.fitted_.trained.interrupted and not model.model_.card["training"]["interrupted"]
    assert "ended by the clock" in model.picked_
    assert same(model, again(model, panel), panel)


def test_a_budget_that_does_not_bind_changes_nothing():
    panel = series()
    free, bounded = fit(panel, scaling="auto", updates=60), fit(panel, scaling="auto", updates=60, budget="1h")
    assert same(free, bounded, panel)
    assert free.model_.config == bounded.model_.config
    assert "all 60 updates fit" in bounded.picked_ and "budget" not in free.picked_


def test_without_updates_asked_for_those_of_the_data_are_kept():
    panel = series()
    free, bounded = fit(panel, scaling="running"), fit(panel, scaling="running", budget=3600)
    assert free.model_.config.training.updates == bounded.model_.config.training.updates == 300
    assert same(free, bounded, panel)


def test_a_budget_that_holds_hardly_anything_keeps_the_rehearsal(ticking):
    panel = series()
    model = fit(panel, scaling="running", updates=200, budget=10)
    training, trained = model.model_.config.training, model.fitted_.trained
    assert 1 <= trained.updates < budget.REHEARSED
    assert training.updates == budget.REHEARSED and training.stop == trained.updates
    assert same(model, again(model, panel), panel)


def test_ctrl_c_is_still_ctrl_c(ticking):
    def stop(step):
        if step.update == 50:
            raise KeyboardInterrupt

    assert fit(series(), stop, scaling="running", updates=200, budget=10_000).fitted_.trained.interrupted


def test_tuning_a_model_is_bounded_too(ticking):
    panel = series()
    start = fit(panel, scaling="running", updates=20)
    model = LSTMForecaster(training=TrainingConfig(**FAST, budget=150), season_length=(1,))
    model.model_ = start.model_
    model.fine_tune(panel)
    assert budget.REHEARSED < model.model_.config.training.updates < 200
    assert model.model_.config.training.learning_rate == 1e-3  # that of tuning, as without a budget


# ------------------------------------------------------------------------------------------- killed, and gone on with


class Killed(Exception):  # noqa: N818 (it stands for the end of the process)
    """Ends a fit in the middle, with its files as they are."""


def kept(folder, panel, die=None, seen=None, **training):
    """A fit that writes a checkpoint after every update, killed at one if asked to."""

    def progress(step):
        if seen is not None:
            seen.append(step)
        if step.update == die:
            raise Killed

    model = LSTMForecaster(
        SMALL, TrainingConfig(**{**FAST, "checkpoint_seconds": 0, **training}), season_length=(1,), checkpoint=folder
    )
    return model.fit_panel(panel, 16, progress)


@pytest.mark.parametrize("count", [1, 4])
def test_killed_within_a_budget_it_goes_on_with_the_updates_that_were_planned(count, ticking, tmp_path):
    panel, before, after = series(count), [], []
    asked = {"scaling": "running", "updates": 200, "budget": 200}
    with pytest.raises(Killed):
        kept(tmp_path, panel, 60, before, **asked)
    model = kept(tmp_path, panel, None, after, **asked)
    assert after[0].update == 60  # the last whole update was the 59th
    assert after[0].updates == before[0].updates == model.model_.config.training.updates < 200
    assert same(model, again(model, panel), panel)
    assert "holds" in model.picked_ and "of the 200" in model.picked_


@pytest.mark.parametrize("count", [1, 4])
def test_a_fit_that_its_clock_ended_ends_there_again(count, slowing, tmp_path):
    """Killed while it trained, and once more after that: a run is judged, and may be killed then."""
    panel, asked = series(count), {"scaling": "running", "updates": 200, "budget": 400}
    with pytest.raises(Killed):
        kept(tmp_path, panel, 50, **asked)
    model = kept(tmp_path, panel, **asked)
    stop = model.model_.config.training.stop
    assert 50 <= stop < model.model_.config.training.updates * (1 if count == 1 else 2)
    assert "ended by the clock" in model.picked_
    once_more = kept(tmp_path, panel, **asked)
    assert once_more.model_.config.training.stop == stop
    for other in (once_more, again(model, panel)):
        assert same(model, other, panel)


def test_what_was_used_before_a_kill_is_used(ticking, tmp_path):
    panel, asked = series(), {"scaling": "running", "updates": 200, "budget": 200}
    with pytest.raises(Killed):
        kept(tmp_path, panel, 70, **asked)
    path = tmp_path / "budget.json"
    told = json.loads(path.read_text())
    assert 70 < told["spent"] < 200
    path.write_text(json.dumps(told | {"spent": 10_000.0}))
    model = kept(tmp_path, panel, **asked)
    assert model.model_.config.training.stop == 70  # one update, and its time is up


@pytest.mark.parametrize("kind", ["fine_tune", "continue_fit"])
def test_a_budget_that_was_used_by_one_fit_is_whole_for_the_next(kind, ticking, tmp_path):
    panel, asked = series(), {"scaling": "running", "updates": 200, "budget": 200}
    model = kept(tmp_path, panel, **asked)
    getattr(model, kind)(panel)
    assert model.model_.config.training.stop is None  # its clock did not end it, as where all is used
    assert model.fitted_.trained.planned > budget.REHEARSED


def test_a_stop_is_reached_whether_or_not_it_was_killed_before(tmp_path):
    panel, asked = series(4), {"scaling": "running", "updates": 60, "stop": 75}
    for die in (20, 70):  # in the first training, and in the second one
        with pytest.raises(Killed):
            kept(tmp_path, panel, die, **asked)
    model, whole = kept(tmp_path, panel, **asked), fit(panel, **asked)
    assert same(model, whole, panel)
    assert model.model_.config == whole.model_.config.model_copy(
        update={"training": whole.model_.config.training.model_copy(update={"checkpoint_seconds": 0.0})}
    )
    other = kept(tmp_path, panel, **asked | {"seed": 1})  # it is done: the folder may be used for another one
    assert same(other, fit(panel, **asked, seed=1), panel)


def test_another_budget_or_other_data_are_refused_while_a_fit_is_not_done(ticking, tmp_path):
    panel, asked = series(), {"scaling": "running", "updates": 200, "budget": 200}
    with pytest.raises(Killed):
        kept(tmp_path, panel, 60, **asked)
    with pytest.raises(SettingsError, match=r"of another fit, with training\.budget = 200.0 where 300.0 is asked for"):
        kept(tmp_path, panel, **asked | {"budget": 300})
    with pytest.raises(SettingsError, match="of another fit, on other data"):
        kept(tmp_path, series(steps=161), **asked)
    kept(tmp_path, panel, **asked)
    assert kept(tmp_path, series(steps=161), **asked | {"budget": 300}).model_.config.training.updates > 60


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"format": "1"}', b"\xff\xfe", b"[" * 100_000])
def test_a_damaged_plan_is_said_to_be_damaged(content, ticking, tmp_path):
    panel, asked = series(), {"scaling": "running", "updates": 200, "budget": 200}
    with pytest.raises(Killed):
        kept(tmp_path, panel, 45, **asked)
    (tmp_path / "budget.json").write_bytes(content)
    with pytest.raises(ModelFileError, match=r"damaged or not a budget's .*; delete its folder to begin again"):
        kept(tmp_path, panel, **asked)


def test_a_newer_plan_is_refused(ticking, tmp_path):
    panel, asked = series(), {"scaling": "running", "updates": 200, "budget": 200}
    with pytest.raises(Killed):
        kept(tmp_path, panel, 45, **asked)
    path = tmp_path / "budget.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": "2"}))
    with pytest.raises(ModelFileError, match="of format 2, this gatecast reads 1"):
        kept(tmp_path, panel, **asked)


def test_no_time_at_all_is_refused():
    with pytest.raises(SettingsError, match=r"training\.budget = 'soon' is no length of time"):
        settings_from({"training": {"budget": "soon"}}, "test")


def test_what_was_picked_is_said():
    words = fit(series(), scaling="auto", updates=20).picked_
    assert words.startswith("1 LSTM layer of 6 units; context of 24 steps; 6 steps ahead at once; no season; ")
    assert "running" in words and "fixed" in words and "20 updates of 4 windows" in words
