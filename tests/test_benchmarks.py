"""The classic recipe that gatecast is measured against is right: its windows, its scaling, its size, its free run.

Nothing here is timed.
"""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from gatecast.metrics import rmse
from gatecast.modes import modes_of
from gatecast.network import Network, to_tensors
from gatecast.scaling import fixed_from
from gatecast.windows import sample, split_steps, training_set
from helpers_benchmarks import FOLDER, benchmark

course = benchmark("course")
record = benchmark("record")


@pytest.fixture(scope="module", params=["sine", "sp500"])
def data(request):
    return course.load_data(request.param)


@pytest.fixture(scope="module")
def sine():
    return course.load_data("sine")


class LastValuePlus(nn.Module):
    """A network of which everything is known: the newest value of the window, plus a step."""

    def __init__(self, step=0.0):
        super().__init__()
        self.step = step

    def forward(self, x_BT):
        return x_BT[:, -1] + self.step


@pytest.mark.parametrize("total", [200, 4697, 5001])
def test_every_value_is_a_target_exactly_once_and_its_window_ends_just_before_it(total):
    split = split_steps(total)
    parts = course.targets_of(split)
    np.testing.assert_array_equal(np.concatenate(list(parts.values())), np.arange(50, total))
    assert parts["training"][-1] == split.training - 1 and parts["test"][0] == split.validation
    places = np.arange(total, dtype=float)
    for targets in parts.values():
        windows = course.windows_before(places, targets)
        np.testing.assert_array_equal(windows, places[targets][:, None] + np.arange(-50, 0))


def test_both_are_judged_on_the_same_test_values(data):
    ours = modes_of(data.values, data.split, 50)["point_by_point"]
    targets = course.targets_of(data.split)["test"]
    np.testing.assert_array_equal(targets, ours.origins + 1)
    np.testing.assert_array_equal(data.values[targets], ours.truth_OH[:, 0])


def test_denormalising_undoes_normalising():
    rng = np.random.default_rng(0)
    base = rng.normal(size=(100, 1))
    x = rng.normal(size=(100, 50)) * 10.0 ** rng.integers(-3, 4, (100, 50))
    np.testing.assert_allclose(course.denormalise(course.normalise(x, base), base), x, rtol=1e-9, atol=1e-12)


def test_the_index_is_divided_by_the_first_value_of_its_window_and_the_sine_is_left_alone(data):
    targets = course.targets_of(data.split)["test"]
    frames, base = course.framed(data, targets)
    if data.source.name == "sine":
        assert base is None
        np.testing.assert_array_equal(frames, course.windows_before(data.values, targets))
    else:
        assert not frames[:, 0].any()
        np.testing.assert_array_equal(base, data.values[targets - 50])
        np.testing.assert_allclose(course.denormalise(frames[:, -1], base), data.values[targets - 1])


def test_the_recipe_has_as_many_weights_as_the_formula_says():
    def lstm(inputs, units):
        return 4 * (units * (inputs + units) + units)

    network = course.Classic()
    assert network.weights == lstm(1, 50) + lstm(50, 100) + (100 + 1) == 70_901
    network(torch.zeros(2, 50)).sum().backward()
    for layer, units in ((network.first, 50), (network.second, 100)):
        assert layer.bias_hh_l0.grad is None and not layer.bias_hh_l0.any(), "the second bias of torch is not trained"
        gates = layer.bias_ih_l0.detach().view(4, units)
        np.testing.assert_array_equal(gates, np.repeat([[0], [1], [0], [0]], units, axis=1))


def test_dropout_acts_in_training_only():
    network, x = course.Classic(), torch.rand(4, 50)
    assert not torch.equal(network(x), network(x))
    network.eval()
    assert torch.equal(network(x), network(x))


def test_a_network_that_repeats_the_last_value_scores_what_the_last_value_scores(data):
    targets = course.targets_of(data.split)["test"]
    found = course.classic_point_by_point(LastValuePlus(), data, targets)
    assert found == pytest.approx(rmse(data.values[targets], data.values[targets - 1]), rel=1e-4)


def test_the_free_run_reads_its_own_output_and_keeps_the_base_of_its_first_window(data):
    origin, step = data.split.validation - 1, 0.01
    path = course.classic_full_sequence(LastValuePlus(step), data, origin, 120)
    unit = 1.0 if data.source.name == "sine" else data.values[origin - 49]
    expected = data.values[origin] + unit * step * np.arange(1, 121)
    np.testing.assert_allclose(path, expected, atol=1e-4 * unit)


def test_the_free_run_drops_the_oldest_value_of_its_window(sine):
    class Oldest(nn.Module):
        def forward(self, x_BT):
            return x_BT[:, 0]

    origin = sine.split.validation - 1
    path = course.classic_full_sequence(Oldest(), sine, origin, 120)
    np.testing.assert_allclose(path, np.resize(sine.values[origin - 49 : origin + 1], 120), atol=1e-6)


def test_the_classic_recipe_repeats_at_the_same_seed_and_keeps_every_epoch(sine, monkeypatch):
    monkeypatch.setattr(course, "THREADS", (1,))
    short = sine._replace(values=sine.values[:400], split=split_steps(400))
    first, second = (course.train_classic(short, 3, epochs=2) for _ in range(2))
    assert first.validation == second.validation and len(first.networks) == 2
    targets = course.targets_of(short.split)["validation"]
    again = [course.classic_point_by_point(network, short, targets) for network in first.networks]
    assert again == first.validation


def test_an_epoch_that_another_process_disturbed_does_not_count_and_the_faster_number_of_threads_does(monkeypatch):
    monkeypatch.setattr(course, "THREADS", (1, 2))
    run = course.ClassicRun(0.5, [3.0, 2.0, 3.0, 20.0, 3.0, 2.0], [0.3, 0.2, 0.4, 0.1, 0.5, 0.6], [])
    assert run.epoch_seconds == {1: 3.0, 2: 2.0}
    assert run.best == 3 and run.seconds_until(run.best) == 0.5 + 4 * 2.0


@pytest.mark.parametrize(("degrees", "amplitude"), [(0.0, 1.0), (5.0, 1.02), (-40.0, 0.3)])
def test_phase_and_amplitude_errors_of_a_known_sine_are_found(degrees, amplitude):
    origin, period = 4500, 100
    steps = origin + 1 + np.arange(10_000)
    path = amplitude * np.sin(1 + 2 * np.pi * steps / period + np.radians(degrees))
    found = course.phase_and_amplitude(path, origin, period)
    for cycles in ("10", "100"):
        assert found[cycles] == pytest.approx((degrees, 100 * (amplitude - 1)), abs=1e-6)
    assert list(course.phase_and_amplitude(path[:5000], origin, period)) == ["10"], "a cycle not reached has no error"


def test_a_stopped_training_is_the_beginning_of_the_whole_one(sine):
    whole = course.fit(sine, {"updates": 4}).model.fitted_.trained
    part = course.fit(sine, {"updates": 4}, looks=2).model.fitted_.trained
    assert part.interrupted and part.updates == 2 and not part.readout
    assert part.history == whole.history[:2]


def test_the_operations_of_an_update_are_those_torch_counts(sine):
    """Torch counts the head's; the LSTM's are a formula."""
    model = course.fit(sine, {"updates": 0}).model.model_
    config, shape = model.config.training, model.config.network
    counted = course.update_operations(model.weights, config)
    rng = np.random.default_rng(0)
    values_ST = sine.values[None]
    everything = training_set(values_ST, 4001, fixed_from(values_ST[:, :4001], (1,)), rng)
    batch = sample(everything, config.context, config.horizon, (config.batch, config.origins, config.steps), 0.0, rng)
    network = Network(shape)
    h_ND = torch.zeros(batch.truth_NK.shape[0], shape.units, requires_grad=True)
    for part, backward in (("head_forward", False), ("head_backward", True)):
        counter = FlopCounterMode(display=False)
        with counter:
            out = network(h_ND, to_tensors(batch.question, torch.device("cpu")))
            if backward:
                out.sum().backward()
        done = counted["head_forward"] if backward else 0
        assert counter.get_total_flops() - done == counted[part]
    channels = batch.inputs_BTC.shape[-1]
    steps, gates = config.batch * config.context, 4 * shape.units
    assert counted["lstm_forward"] == 2 * steps * gates * (channels + shape.units)
    assert counted["lstm_backward"] == 2 * steps * gates * (channels + 2 * shape.units)


def made_up(rmse_sine=1e-4, crps_index=8.0, reached=True):
    """What a measurement may have found."""

    def run(data, lstm):
        scores = {"point_by_point": {"LSTM": lstm, "LastValue": {"rmse": 17.0, "crps": 8.5}}}
        return {"seconds": {"fit": 1.0, "predict": 0.1}, "process": 3.0, "scores": scores}

    drift = {"10": (0.01, 0.01), "100": (-0.2, 0.01)}
    measured = {
        "runs": {
            "sine": [run("sine", {"rmse": rmse_sine, "crps": 0.1})],
            "sp500": [run("sp500", {"rmse": 17.0, "crps": crps_index})],
        },
        "seeds": [{"free_run": drift}] * 3,
    }
    worse = {
        "runs": {
            "sine": [run("sine", {"rmse": 0.35, "crps": 0.1})],
            "sp500": [run("sp500", {"rmse": 17.0, "crps": 9.0})],
        },
        "seeds": [{"free_run": {"10": (60.0, 100.0), "100": (60.0, 100.0)}}],
        "validation_rmse": {"sine": 0.35, "sp500": 18.0},
    }
    return measured | {
        "classic": {"sine": [{"seconds_until_best": 20.0, "best_validation_rmse": 0.03}]},
        "until_classic_best": [{"reached": reached, "seconds": 1.0}],
        "recursive_step": {"gatecast": 1e-4},
        "starts": {"gatecast --help": 0.1, "import gatecast": 0.05},
        "untrained": worse,
    }


def judged(**found):
    return {row["what"]: row for row in course.figures_of(made_up(**found))}


def test_a_time_counts_only_together_with_the_accuracy_on_the_same_data():
    rows = judged()
    assert all(row["met"] for row in rows.values())
    assert not any(row["untrained_met"] for row in rows.values()), "doing nothing is quick, and counts for nothing"
    rows = judged(rmse_sine=0.01)
    assert {what for what, row in rows.items() if not row["met"]} == {
        "sine, point by point",
        "sine, fit and predict",
        "sine, whole process with report",
    }
    assert rows["sine, fit and predict"]["goal_met"] is False
    rows = judged(crps_index=8.5)
    assert not rows["sp500, point by point"]["met"], "as good as the last value is not better"
    assert rows["sine, fit and predict"]["met"] and not rows["sp500, fit and predict"]["met"]


def test_an_accuracy_that_is_never_reached_is_not_reached_soon():
    assert judged()[course.SOONER]["value"] == {"times": 20.0}
    never = judged(reached=False)[course.SOONER]
    assert never["value"] == {"times": 0.0} and not never["met"] and never["goal_met"] is False


# ---- the record -----------------------------------------------------------------------------------------------------


def test_a_record_says_when_where_and_of_which_commit():
    made = record.heading(record.note_start(), "torch", "numpy")
    assert list(made) == ["date", "device", "commit", "uncommitted_changes", "load_average", "seconds"]
    assert made["commit"] == record.git("rev-parse", "HEAD") and len(made["commit"]) == 40
    assert (made["device"]["torch"], made["device"]["numpy"]) == (torch.__version__, np.__version__)
    assert made["seconds"] >= 0 and made["date"].endswith("+00:00")


@pytest.mark.parametrize(("changed", "words"), [("", "commit 012345678"), (" M a.py", "commit 012345678 and changes")])
def test_changes_that_no_commit_has_are_said(monkeypatch, changed, words):
    said = {"rev-parse": "0123456789", "status": changed}
    monkeypatch.setattr(record, "git", lambda *arguments: said[arguments[0]])
    made = record.heading(record.note_start())
    assert made["uncommitted_changes"] == bool(changed)
    assert record.state(made) == words


def test_a_result_is_written_as_it_is_and_one_that_is_not_finite_is_not_written(tmp_path, capsys):
    place = tmp_path / "results" / "a.json"
    made = {**record.heading(record.note_start()), "figures": [{"what": "µ", "value": 0.1}]}
    record.write(made, place)
    assert json.loads(place.read_text()) == json.loads(json.dumps(made))
    assert capsys.readouterr().out == f"written: {place}\n"
    with pytest.raises(ValueError, match="JSON"):
        record.write({"value": float("nan")}, tmp_path / "b.json")
    assert not (tmp_path / "b.json").exists()


def test_the_record_loads_nothing_beyond_the_standard_library():
    """Memory is measured in processes that import it."""
    code = (
        "import record, sys; print({m.split('.')[0] for m in sys.modules} & {'numpy', 'torch', 'pyarrow', 'gatecast'})"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=FOLDER, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
