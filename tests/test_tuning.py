"""A search sees no test part, repeats, goes on after it was killed, obeys its clock and says when the default wins."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from typer.testing import CliRunner

from gatecast import cli, tuning
from gatecast.config import NetworkConfig, TrainingConfig, read_config
from gatecast.errors import DataError, OutputError, SettingsError
from gatecast.space import Space
from gatecast.tuned import Tried, Tuned, sentence_of
from gatecast.tuning import tune

SMALL = NetworkConfig(units=4)
SHORT = TrainingConfig(updates=4, batch=2, context=16, origins=2, steps=2, hide=0.0, readout=False)


def series(steps=120, seed=0):
    t = np.arange(steps)
    return 10 + 3 * np.sin(t * 2 * np.pi / 12) + np.random.default_rng(seed).normal(0, 0.5, steps)


@pytest.fixture
def light(monkeypatch):
    """A space of small networks only."""
    plain = Space.__init__

    def init(self, start):
        plain(self, start)
        self.choices |= {"units": [2, 4], "layers": [1], "context": [16, 24]}

    monkeypatch.setattr(Space, "__init__", init)


def find(data=None, **changes):
    given = {"trials": 3, "horizon": 4, "network": SMALL, "training": SHORT, **changes}
    return tune(series() if data is None else data, **given)


def seen(tuned):
    return [(each.settings, each.score, each.ended) for each in tuned.trials], tuned.fresh, tuned.config


@pytest.fixture
def found(light):
    return find()


def test_the_test_part_is_not_looked_at(found):
    changed = series()
    changed[-12:] = 1e4 * np.random.default_rng(1).normal(size=12)
    assert seen(find(changed)) == seen(found)
    changed = series()
    changed[-13] += 1
    assert seen(find(changed)) != seen(found)  # the validation part is


def test_the_test_part_of_a_panel_is_not_looked_at(light):
    rows = [(f"s{s}", t, y) for s in range(3) for t, y in enumerate(series(100, s))]
    table = dict(zip(("unique_id", "ds", "y"), map(list, zip(*rows, strict=True)), strict=True))
    one = find(table, trials=2)
    for s in range(3):
        for step in range(92, 100):  # two horizons
            table["y"][100 * s + step] = -1e3 * step
    assert seen(find(table, trials=2)) == seen(one)
    assert {each.settings["scaling"] for each in one.trials} == {"running"}


def test_a_search_that_was_killed_and_goes_on_finds_the_same(found, tmp_path, monkeypatch):
    file = tmp_path / "search.sqlite"

    def killed(*_):
        raise SystemExit

    find(trials=2, storage=file)
    monkeypatch.setattr(tuning, "score", killed)
    with pytest.raises(SystemExit):
        find(storage=file)
    with sqlite3.connect(file) as database:  # as if it had died too quickly to say so
        database.execute("UPDATE trials SET state = 'RUNNING' WHERE number = 2")
    database.close()
    monkeypatch.undo()
    plain = Space.__init__

    def init(self, start):
        plain(self, start)
        self.choices |= {"units": [2, 4], "layers": [1], "context": [16, 24]}

    monkeypatch.setattr(Space, "__init__", init)
    assert seen(find(storage=file)) == seen(found)


def test_a_storage_of_another_search_is_refused(light, tmp_path):
    file = tmp_path / "search.sqlite"
    find(trials=1, storage=file)
    with pytest.raises(SettingsError, match="holds a search on other data"):
        find(series(seed=1), trials=1, storage=file)
    with pytest.raises(SettingsError, match="holds a search on other data"):
        find(trials=1, horizon=3, storage=file)
    (tmp_path / "no.sqlite").write_text("this is no database, it is a text of more than a hundred letters" * 9)
    with pytest.raises(OutputError, match="choose another file"):
        find(trials=1, storage=tmp_path / "no.sqlite")


def test_the_first_trial_is_the_default_and_the_settings_written_are_read_back(found, tmp_path):
    first = found.trials[0].settings
    assert (first["units"], first["context"], first["updates"]) == (4, 16, 1.0)
    found.save(tmp_path / "tuned.toml")
    assert read_config(tmp_path / "tuned.toml") == found.config
    chosen = found.config_of.settings
    assert found.config.network.units == chosen["units"]


def test_the_clock_ends_a_trial(light, monkeypatch):
    """A second passes at every look; the second trial runs out of time and is not among those that ended."""
    ticks = count()
    monkeypatch.setattr(tuning, "time", SimpleNamespace(perf_counter=lambda: float(next(ticks))))
    tuned = find(budget=18, trials=None, training=SHORT.model_copy(update={"updates": 8}))
    assert 1 <= len(tuned.trials) < 3
    assert next(ticks) < 40  # no trial went on after its time


def test_too_little_time_for_the_default_is_said(light, monkeypatch):
    ticks = count()
    monkeypatch.setattr(tuning, "time", SimpleNamespace(perf_counter=lambda: float(next(ticks))))
    with pytest.raises(SettingsError, match="before the default was trained once"):
        find(budget=4, trials=None)


def test_ctrl_c_keeps_what_was_found(light, monkeypatch):
    plain, calls = tuning.score, count()

    def scored(*given):
        if next(calls) == 2:
            raise KeyboardInterrupt
        return plain(*given)

    monkeypatch.setattr(tuning, "score", scored)
    tuned = find(trials=9)
    assert tuned.interrupted and len(tuned.trials) == 2


def test_a_trial_that_lags_behind_is_pruned(light, monkeypatch):
    """Of scripted trials the ones worse than the median end early and are not scored."""
    calls = count()

    def scored(_space, _point, _seed, watch):
        place = next(calls)
        for look in range(20):
            watch(SimpleNamespace(update=look, updates=20, validation=9.0 if place > 5 else 1.0))
        return 1.0 + place

    monkeypatch.setattr(tuning, "score", scored)
    tuned = find(trials=8)
    assert [each.ended for each in tuned.trials] == ["finished"] * 6 + ["pruned"] * 2
    assert [each.score for each in tuned.trials[6:]] == [None, None]
    assert "2 of them ended early" in tuned.sentence


@pytest.mark.parametrize(
    ("default", "best", "fresh", "words", "better"),
    [
        (1.0, None, (), "The default wins", False),
        (1.0, 0.8, ((0.8, 1.0), (0.9, 1.0)), "15.0 % better on the validation part", True),
        (1.0, 0.8, ((1.2, 1.0), (0.9, 1.0)), "The default is written", False),
        (1.0, 0.8, (), "some of this is chance", True),
    ],
)
def test_what_was_won_is_said_honestly(default, best, fresh, words, better):
    space = SimpleNamespace(default={"units": 48})
    first = Tried(0, {"units": 48}, default, "finished", 1.0)
    other = first if best is None else Tried(1, {"units": 64}, best, "finished", 1.0)
    tuned = Tuned(None, (first, other) if best else (first,), first, other, fresh, False, "")
    assert words in sentence_of(tuned, space)
    assert tuned.better is better


def test_what_cannot_work_is_refused(light):
    for wrong, word in (
        ({"trials": None}, "say how long"),
        ({"trials": 0}, "at least 1"),
        ({"budget": "soon"}, "90s, 5m"),
    ):
        with pytest.raises(SettingsError, match=word):
            find(**wrong)
    with pytest.raises(DataError):
        find(series(22))


def test_seasons_that_are_asked_for_are_not_searched(light):
    tuned = find(trials=2, season_length=(12,))
    assert {each.settings["season_length"] for each in tuned.trials} == {"12"}


def test_the_command_writes_settings_that_a_run_takes(light, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = "\n".join(f"{t},{y}" for t, y in enumerate(series(80)))
    (tmp_path / "sales.csv").write_text(f"t,y\n{rows}\n")
    (tmp_path / "start.toml").write_text(
        "[network]\nunits = 4\n[training]\nupdates = 4\nbatch = 2\ncontext = 16\nhide = 0.0\nreadout = false\n"
    )
    words = ["tune", "sales.csv", "--trials", "2", "--horizon", "4", "--config", "start.toml"]
    result = CliRunner().invoke(cli.app, words)
    assert result.exit_code == 0, result.output
    assert "trial     score  settings other than the default's" in result.stdout
    assert "trial 1: " in result.stderr and "settings written to tuned.toml" in result.stderr
    again = CliRunner().invoke(cli.app, [*words, "--json"])
    assert json.loads(again.stdout)["sentence"] == result.stdout.splitlines()[0]
    assert "trial 1: " not in again.stderr  # it is there already
    ran = CliRunner().invoke(cli.app, ["run", "--config", "tuned.toml", "--no-save"])
    assert ran.exit_code == 0, ran.output
    (tmp_path / "tuned.sqlite").unlink()
    refused = CliRunner().invoke(cli.app, words)
    assert refused.exit_code == 5 and "--out" in refused.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--out", "."], ".: is a folder; name a file"),
        (["--out", "there"], "there: is a folder; name a file"),
        (["--out", "found.sqlite"], "found.sqlite: cannot hold both settings and trials"),
        (["--out", "a.toml", "--storage", "../here/a.toml"], "a.toml: cannot hold both settings and trials"),
        (["--out", "nowhere/a.toml"], "there is no folder nowhere"),
    ],
)
def test_places_that_cannot_be_are_refused_before_the_search(words, said, tmp_path, monkeypatch):
    (tmp_path / "here" / "there").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    result = CliRunner().invoke(cli.app, ["tune", "sine", "--trials", "1", *words])
    assert (result.exit_code, said in result.stderr) == (5, True), result.output
    assert [path.name for path in Path().iterdir()] == ["there"]


@pytest.mark.slow
def test_a_process_that_was_killed_goes_on(tmp_path):
    """A whole process is killed amid its trials; what it goes on to find is what another finds at once."""
    rows = "\n".join(f"{t},{y}" for t, y in enumerate(series(100)))
    (tmp_path / "sales.csv").write_text(f"t,y\n{rows}\n")
    (tmp_path / "start.toml").write_text("[training]\nupdates = 30\ncontext = 16\n")
    words = [sys.executable, "-m", "gatecast", "tune", "sales.csv", "--trials", "4", "--config", "start.toml", "--json"]
    first = subprocess.Popen(
        [*words, "--out", "a.toml"], cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    for line in first.stderr:
        if "trial 1" in line:
            break
    os.kill(first.pid, signal.SIGKILL)
    first.communicate()
    time.sleep(0.1)
    found = []
    for out in ("a.toml", "b.toml"):
        done = subprocess.run([*words, "--out", out], cwd=tmp_path, capture_output=True, text=True, check=True)
        found.append([(row["settings"], row["score"]) for row in json.loads(done.stdout)["trials"]])
    assert found[0] == found[1] and len(found[0]) == 4
    assert (tmp_path / "a.toml").read_text() == (tmp_path / "b.toml").read_text()
