"""Training repeats bit for bit, learns from the training part alone, and leaves everything else as it found it."""

import numpy as np
import pytest
import torch

from gatecast.adam import Adam, flatten, one_cycle
from gatecast.config import MEDIAN, NetworkConfig, TrainingConfig
from gatecast.errors import SettingsError
from gatecast.modelfile import Model
from gatecast.network import Network, export
from gatecast.predictor import predict_many
from gatecast.runtime import weights_from_arrays
from gatecast.scaling import Covariates, Running, fixed_from
from gatecast.supply import Part
from gatecast.training import CHECKS, FALL, STEADY, train, updates_for
from helpers_supply import Given

SMALL = NetworkConfig(units=6)
FIELDS = dict(zip(("past", "known", "static"), Covariates._fields, strict=True))


def make_series(seed=0, steps=260, series=1):
    rng = np.random.default_rng(seed)
    return 10 + rng.normal(size=(series, steps)).cumsum(1) + 4 * np.sin(np.arange(steps) * 2 * np.pi / 7)


def settings(**changes):
    return TrainingConfig(
        **{
            "context": 32,
            "horizon": 8,
            "updates": 24,
            "batch": 4,
            "origins": 4,
            "steps": 4,
            "readout": False,
            **changes,
        }
    )


def fit(values=None, training=200, shape=SMALL, scaling=None, more=None, progress=None, **changes):
    values = make_series() if values is None else values
    source = Given(Part(values, training, more))
    return train(source, scaling or Running((7,)), (shape, settings(**changes)), progress)


def same(one, other):
    assert one.keys() == other.keys()
    return all(np.array_equal(array, other[name]) for name, array in one.items())


# ------------------------------------------------------------------------------------------- the same numbers


@pytest.mark.parametrize("changes", [{}, {"readout": True}, {"hide": 0.0}, {"weight_decay": 0.1}])
def test_the_same_seed_gives_the_same_weights_to_the_bit(changes):
    torch.manual_seed(1)
    one = fit(**changes)
    torch.manual_seed(2)  # what the caller's random numbers do is of no concern
    torch.rand(3)
    other = fit(**changes)
    assert same(one.arrays, other.arrays)
    assert one.history == other.history
    assert one.validation == other.validation


def test_dropout_repeats_too():
    shape = NetworkConfig(units=6, layers=2, dropout=0.3)
    assert same(fit(shape=shape).arrays, fit(shape=shape).arrays)


def test_another_seed_gives_other_weights():
    assert not same(fit(seed=0).arrays, fit(seed=1).arrays)


@pytest.mark.parametrize("threads", [1, 2])
def test_torch_is_left_as_it_was_found(threads):
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        torch.manual_seed(123)
        state = torch.random.get_rng_state()
        numbers = np.random.get_state()[1].copy()
        fit(readout=True)
        assert torch.equal(torch.random.get_rng_state(), state)
        assert np.array_equal(np.random.get_state()[1], numbers)
        assert torch.get_num_threads() == threads
        assert torch.is_grad_enabled()
    finally:
        torch.set_num_threads(before)


def test_the_series_are_not_changed():
    values = make_series()
    before = values.copy()
    fit(values, readout=True)
    assert np.array_equal(values, before)


# ------------------------------------------------------------------------------------------- nothing from later


@pytest.mark.parametrize("context", [32, 500])
@pytest.mark.parametrize("beside", [False, True])
def test_values_after_the_training_part_move_no_weight(context, beside):
    """Without early stopping the last weights are those of all updates, whatever validation says of them."""
    values, changed = make_series(), make_series()
    changed[:, 200:] = 1e3 * np.random.default_rng(1).normal(size=changed[:, 200:].shape)
    seen = [], []
    for series, losses in zip((values, changed), seen, strict=True):
        more = Covariates(series[None], series[None] ** 2, np.ones((1, 1))) if beside else None
        fit(series, more=more, progress=lambda p, losses=losses: losses.append(p.loss), context=context, updates=20)
    shorter = min(len(losses) for losses in seen)
    assert shorter >= 8  # patience ends neither run before this
    assert seen[0][:shorter] == seen[1][:shorter]  # bit for bit: not one gradient was another


def test_validation_only_chooses_among_the_weights():
    values, changed = make_series(), make_series()
    changed[:, 200:] += 0.01 * np.random.default_rng(1).normal(size=changed[:, 200:].shape)
    one, other = fit(values), fit(changed)
    if one.best_update == other.best_update:
        assert same(one.arrays, other.arrays)
    assert one.validation != other.validation
    assert [row[:2] for row in one.history] == [row[:2] for row in other.history][: len(one.history)]


def test_training_values_do_move_the_weights():
    changed = make_series()
    changed[:, 150] += 1
    assert not same(fit().arrays, fit(changed).arrays)


# ------------------------------------------------------------------------------------------- the parts of the loop


@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize("clip", [1e9, 0.05])
def test_our_adam_is_torchs(decay, clip):
    torch.manual_seed(0)
    ours, theirs = (Network(SMALL) for _ in range(2))
    theirs.load_state_dict(ours.state_dict())
    flat = flatten(ours)
    adam, reference = Adam(flat, decay), torch.optim.AdamW(theirs.parameters(), lr=1.0, weight_decay=decay)
    rng = np.random.default_rng(0)
    for update in range(30):
        rate = one_cycle(update, 30, 0.05)
        for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
            gradient = torch.from_numpy(rng.normal(size=one.shape) * 10.0 ** rng.integers(-4, 1)).float()
            one.grad.copy_(gradient)
            other.grad = gradient.clone()
        torch.nn.utils.clip_grad_norm_(theirs.parameters(), clip)
        reference.param_groups[0]["lr"] = rate
        reference.step()
        adam.step(rate, clip)
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-6)


def test_flattened_weights_are_views_of_one_vector():
    network = Network(SMALL)
    before = [parameter.detach().clone() for parameter in network.parameters()]
    flat = flatten(network)
    assert all(torch.equal(one, other) for one, other in zip(before, network.parameters(), strict=True))
    flat.data.zero_()
    assert not any(parameter.any() for parameter in network.parameters())
    network(torch.zeros(1, 6), asked_of_nothing()).sum().backward()
    assert flat.gradient.any()


def asked_of_nothing():
    from gatecast.network import to_tensors
    from gatecast.scaling import CANDIDATES, question_from

    question = question_from(np.zeros((1, 2, CANDIDATES)), (np.zeros(1), np.ones(1)), np.array([1, 2]), (1,))
    return to_tensors(question, torch.device("cpu"))


@pytest.mark.parametrize("updates", [1, 10, 300, 1000])
def test_the_learning_rate_rises_over_a_tenth_and_falls_to_almost_nothing(updates):
    rates = np.array([one_cycle(update, updates, 0.01) for update in range(updates)])
    assert (rates > 0).all()
    assert rates.max() <= 0.01 * (1 + 1e-4)
    if updates >= 300:
        peak = int(np.argmax(rates))
        assert rates[0] == pytest.approx(0.0004)
        assert peak == pytest.approx(updates / 10, abs=1)
        assert rates[peak] == pytest.approx(0.01, rel=1e-4)
        assert (np.diff(rates[: peak + 1]) > 0).all()
        assert (np.diff(rates[peak:]) < 0).all()
        assert rates[-1] < 1e-4 * 0.01 + 1e-6


def test_the_number_of_updates_follows_from_the_data_alone():
    assert [updates_for(steps) for steps in (10, 600, 1000, 10**6)] == [300, 300, 500, 800]


def test_progress_is_told_of_every_update_and_validation_looks_are_evenly_spread():
    told = []
    trained = fit(progress=told.append, updates=40)
    assert [report.update for report in told] == list(range(1, len(told) + 1))
    assert all(report.updates == 40 for report in told)
    looks = [report.update for report in told if report.validation is not None]
    assert looks == [row[0] for row in trained.history]
    assert (np.diff(looks) == 40 // CHECKS).all()
    assert trained.updates == len(told)
    assert trained.best_update in (0, *looks)
    assert trained.validation == min(
        [row[2] for row in trained.history if row[0] == trained.best_update], default=trained.validation
    )


# ------------------------------------------------------------------------------------------- ended early


def test_ctrl_c_keeps_the_best_weights_so_far():
    stop, told = 15, []

    def progress(report):
        told.append(report)
        if report.update == stop:
            raise KeyboardInterrupt

    trained = fit(progress=progress, updates=40, readout=True)
    assert trained.interrupted
    assert trained.updates == stop
    assert not trained.readout
    best = min(row[2] for row in trained.history)
    if trained.best_update:
        assert trained.validation == best
    assert trained.best_update <= stop
    assert all(np.isfinite(array).all() for array in trained.arrays.values())
    whole = fit(updates=40)
    assert whole.history[: len(trained.history)] == trained.history
    assert not whole.interrupted


def test_ctrl_c_leaves_torch_as_it_was_found():
    def progress(_):
        raise KeyboardInterrupt

    torch.manual_seed(5)
    state, threads = torch.random.get_rng_state(), torch.get_num_threads()
    trained = fit(progress=progress)
    assert trained.interrupted
    assert trained.best_update <= 1
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.get_num_threads() == threads


def test_no_updates_leave_the_weights_as_they_began():
    trained = fit(updates=0, readout=True)
    assert (trained.updates, trained.best_update, trained.history) == (0, 0, [])
    assert not trained.readout
    assert np.isfinite(trained.validation)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        assert same(trained.arrays, export(Network(SMALL)))


def test_an_unknown_device_is_refused():
    with pytest.raises(SettingsError, match=r"device 'abacus' cannot be used.*cpu always can"):
        fit(device="abacus")


# ------------------------------------------------------------------------------------------- every series


def series_of_every_kind():
    plain = make_series()
    holes = plain.copy()
    holes[np.random.default_rng(3).random(holes.shape) < 0.2] = np.nan
    late = make_series(series=3)
    late[1, :150] = np.nan
    late[2, :230] = np.nan  # all of it in the validation part
    absurd = plain.copy()
    absurd[0, 100] = 1e12
    return {
        "plain": plain,
        "a fifth missing": holes,
        "late starts": late,
        "constant": np.full((1, 260), 3.0),
        "zero": np.zeros((1, 260)),
        "absurd": absurd,
        "tiny": 1e-9 * plain,
        "huge": 1e12 * plain,
    }


@pytest.mark.parametrize("kind", ["running", "fixed"])
@pytest.mark.parametrize("name", series_of_every_kind())
def test_training_on_any_series_gives_finite_weights_and_forecasts(kind, name):
    values = series_of_every_kind()[name]
    scaling = Running((7,)) if kind == "running" else fixed_from(values[:, :200], (7,))
    trained = fit(values, scaling=scaling, readout=True, updates=20)
    assert all(np.isfinite(array).all() for array in trained.arrays.values())
    model = Model(weights_from_arrays(trained.arrays), scaling)
    assert np.isfinite(predict_many(model, values, np.array([210, 259]), 20)).all()


def test_training_on_a_short_series_works():
    for steps, training in ((20, 16), (14, 12)):
        trained = fit(make_series(steps=steps), training, context=128, horizon=50, readout=True)
        assert np.isfinite(trained.validation)


@pytest.mark.parametrize(("role", "channels", "features"), [("past", 3, 0), ("known", 3, 2), ("static", 1, 0)])
def test_columns_of_every_role_are_learnt_from(role, channels, features):
    values, rng = make_series(series=2), np.random.default_rng(4)
    column = rng.normal(size=(1, 2) if role == "static" else (1, 2, 260))
    plain, one, other = (
        fit(values, more=None if column is None else Covariates(**{FIELDS[role]: column})).arrays
        for column in (None, column, 2 + column**3)
    )
    assert len(one["layer.0.input_CK"]) == len(plain["layer.0.input_CK"]) + channels
    assert len(one["head.question_FE"]) == len(plain["head.question_FE"]) + features
    assert not same(one, other)


@pytest.mark.parametrize("role", ["past", "known", "static"])
def test_what_is_missing_from_a_column_harms_no_training(role):
    values, rng = make_series(series=2), np.random.default_rng(4)
    column = rng.normal(size=(1, 2) if role == "static" else (1, 2, 260))
    for missing in (rng.random(column.shape) < 0.4, np.ones(column.shape, bool)):
        trained = fit(values, more=Covariates(**{FIELDS[role]: np.where(missing, np.nan, column)}), readout=True)
        assert all(np.isfinite(array).all() for array in trained.arrays.values())


# ------------------------------------------------------------------------------------------- it learns


def sine_rmse(**changes):
    """Error of one step ahead on the unseen end of a sine, after a small training."""
    values = np.sin(1 + 2 * np.pi * np.arange(1200) / 50)[None]
    scaling = fixed_from(values[:, :900], (1,))
    config = TrainingConfig(**{"context": 100, "horizon": 16, "updates": 150, "readout": True, **changes})
    trained = train(Given(Part(values, 900)), scaling, (NetworkConfig(units=16), config))
    model = Model(weights_from_arrays(trained.arrays), scaling)
    origins = np.arange(1000, 1199)
    made = predict_many(model, values, origins, 1)[0, :, 0, MEDIAN]
    return float(np.sqrt(np.mean((made - values[0, origins + 1]) ** 2))), trained


def test_a_sine_is_learnt_and_without_updates_it_is_not():
    learnt, trained = sine_rmse()
    assert trained.readout
    assert learnt <= 3e-3
    assert sine_rmse(updates=0)[0] > 0.04  # the last value, at best


def test_training_lowers_the_loss_on_unseen_values():
    trained = fit(updates=120)
    assert trained.validation < 0.9 * fit(updates=0).validation


def test_where_validation_sees_no_gain_the_rate_comes_down_and_training_ends(monkeypatch):
    """Every look is worse than the one before: after STEADY updates the fall begins, FALL looks long."""
    monkeypatch.setattr("gatecast.training._judge", lambda network, batch, place, seen=[]: seen.append(1) or len(seen))
    rates, step = [], Adam.step
    monkeypatch.setattr(Adam, "step", lambda self, rate, clip: rates.append(rate) or step(self, rate, clip))
    trained = fit(updates=200, readout=False)
    assert trained.updates == STEADY + FALL * 200 // CHECKS == len(rates)
    assert trained.best_update == 0 and trained.planned == 200
    usual = [one_cycle(update, 200, settings().learning_rate) for update in range(STEADY + 1)]
    assert rates[: STEADY + 1] == usual
    assert (np.diff(rates[STEADY:]) < 0).all()
    assert rates[-1] < 0.1 * rates[STEADY]


def test_planned_updates_are_all_made_while_validation_sees_gains(monkeypatch):
    monkeypatch.setattr("gatecast.training._judge", lambda network, batch, place, seen=[]: seen.append(1) or -len(seen))
    assert fit(updates=60, readout=False).updates == 60
