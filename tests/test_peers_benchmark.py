"""Peers are asked on the same series, in their own environment, and skipped visibly where there is none."""

import json
import sys

import numpy as np
import pytest

from gatecast.config import QUANTILES
from gatecast.errors import SettingsError
from helpers_benchmarks import benchmark

accuracy, peers = benchmark("accuracy"), benchmark("peers")

PACKAGE = """
import json
import pandas as pd

class NeuralForecast:
    def __init__(self, models, freq):
        self.model, self.freq = models[0], freq
        assert freq == 1

    def fit(self, frame):
        self.last = frame.groupby("unique_id")["y"].last()

    def predict(self):
        levels = self.model["loss"]["level"]
        rows, name = [], self.model["name"]
        for place, last in self.last.items():
            for step in range(self.model["h"]):
                row = {"unique_id": place, "ds": 100 + step, name: 0.0, f"{name}-median": last}
                for level in levels:
                    row |= {f"{name}-lo-{level}.0": last - level, f"{name}-hi-{level}.0": last + level}
                rows.append(row)
        with open(r"SEEN", "w") as file:
            json.dump({k: v for k, v in self.model.items() if k != "loss"}, file)
        return pd.DataFrame(rows).iloc[::-1]
"""
MODELS = """
def LSTM(**given):
    return {"name": "LSTM", **given}

def DeepAR(**given):
    return {"name": "DeepAR", **given}
"""
LOSSES = """
def MQLoss(level):
    return {"level": level}

def DistributionLoss(distribution, level):
    assert distribution == "StudentT"
    return {"level": level}
"""


@pytest.fixture
def library(tmp_path, monkeypatch):
    """A package that looks like theirs, and says the last value; returns where it writes what it was given."""
    seen, home = tmp_path / "seen.json", tmp_path / "packages" / "neuralforecast"
    (home / "losses").mkdir(parents=True)
    (home / "__init__.py").write_text(PACKAGE.replace("SEEN", str(seen)))
    (home / "models.py").write_text(MODELS)
    (home / "losses" / "__init__.py").write_text("")
    (home / "losses" / "pytorch.py").write_text(LOSSES)
    monkeypatch.setenv("PYTHONPATH", str(home.parent))
    return seen


SERIES = [np.array([3.0, 1.0, 2.0, 5.0]), np.array([10.0, 20.0, 30.0])]


@pytest.mark.parametrize(("model", "seconds"), [("NF-LSTM", None), ("NF-DeepAR@equal", 2.5)])
def test_a_peer_gives_our_quantiles_of_every_series(library, model, seconds):
    said = peers.ask(model, SERIES, 2, 7, seconds, sys.executable)
    assert said.quantiles_SHQ.shape == (2, 2, len(QUANTILES)) and said.seconds > 0
    around = [-95, -90, -80, -60, -40, -20, 0, 20, 40, 60, 80, 90, 95]
    assert np.array_equal(said.quantiles_SHQ, np.array([5.0, 30.0])[:, None, None] + np.tile(around, (2, 2, 1)))
    given = json.loads(library.read_text())
    assert (given["h"], given["random_seed"]) == (2, 7)
    assert given.get("max_time") == (None if seconds is None else {"seconds": 2.5})


def test_the_levels_are_those_of_our_quantiles():
    low = [round(0.5 - level / 200, 3) for level in peers.LEVELS]
    assert [*low, 0.5, *[round(1 - each, 3) for each in reversed(low)]] == list(QUANTILES)


def test_without_an_environment_a_peer_is_skipped_and_that_is_said(tmp_path, capsys, monkeypatch):
    with pytest.raises(peers.Missing, match="make peers"):
        peers.ask("NF-LSTM", SERIES, 2, 0, None, str(tmp_path / "python"))
    with pytest.raises(peers.Missing, match="cannot be imported"):
        peers.ask("NF-LSTM", SERIES, 2, 0, None, sys.executable)
    monkeypatch.setattr(accuracy, "forecasts", lambda *_: pytest.fail("it was asked"))
    monkeypatch.setattr(accuracy, "load", lambda *_: [accuracy.Series(np.arange(30.0) % 7, np.ones(6))])
    words = [accuracy.TASKS["M1-yearly"]]
    found = accuracy.measure(["NF-LSTM"], words, [0], accuracy.settings_of([]), False, str(tmp_path / "python"))
    assert found["models"] == {} and "make peers" in found["skipped"]["NF-LSTM"]
    assert "skipped" in capsys.readouterr().err


def test_equal_time_needs_ours_first():
    with pytest.raises(SettingsError, match="name LSTM before it"):
        accuracy.peer("NF-LSTM@equal", accuracy.TASKS["M1-yearly"], False, 0, {}, sys.executable)


def test_equal_time_is_the_mean_of_ours_on_the_task(monkeypatch):
    seen = []
    monkeypatch.setattr(accuracy, "ask", lambda *given: seen.append(given))
    monkeypatch.setattr(accuracy, "load", lambda *_: [accuracy.Series(np.arange(9.0), np.ones(6))])
    ours = {"LSTM": [{"seconds": {"M1-yearly": 4.0}}, {"seconds": {"M1-yearly": 6.0}}]}
    accuracy.peer("NF-LSTM@equal", accuracy.TASKS["M1-yearly"], False, 3, ours, "python")
    accuracy.peer("NF-LSTM", accuracy.TASKS["M1-yearly"], False, 3, ours, "python")
    assert [given[4] for given in seen] == [5.0, None]


def test_a_failing_peer_is_an_error_and_not_skipped(library):
    package = library.parent / "packages" / "neuralforecast" / "models.py"
    package.write_text(MODELS.replace('return {"name": "LSTM"', 'raise ValueError("no such"); return {"name": "LSTM"'))
    with pytest.raises(RuntimeError, match="no such"):
        peers.ask("NF-LSTM", SERIES, 2, 0, None, sys.executable)
