"""A training that is killed at any moment goes on and ends with the same weights to the bit; what was saved is kept."""

import errno
import json
import os
import resource
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from gatecast.cards import learn_columns
from gatecast.checkpoint import ABOUT, Checkpoint, CheckpointWarning, Kept
from gatecast.config import NetworkConfig, TrainingConfig
from gatecast.errors import ModelFileError, OutputError, SettingsError
from gatecast.forecaster import LSTMForecaster
from gatecast.panel import panel_from_arrays
from gatecast.sealed import seal
from gatecast.supply import MemoryPlanes, fingerprint
from helpers_kill import fit, panel_of, weights_of

SMALL = NetworkConfig(units=4)
QUICK = {"context": 16, "horizon": 4, "updates": 12, "batch": 3, "origins": 3, "steps": 3, "scaling": "running"}


class Fits:
    """Fits that are processes of their own, see ``helpers_kill``."""

    def __init__(self, folder):
        self.folder = folder
        self._process = subprocess.Popen(
            [sys.executable, Path(__file__).with_name("helpers_kill.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        self._whole = {}

    def start(self, checkpoint, kind, die=("never", 0), **training):
        """Begin a fit; returns its process id."""
        job = {"folder": str(checkpoint or ""), "kind": kind, "die": die, "training": training}
        job |= {name: str(self.folder / name) for name in ("weights", "settings")}
        (self.folder / "weights").unlink(missing_ok=True)
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def end(self):
        """How it ended: 0, or minus the signal."""
        return int(self._process.stdout.readline())

    def weights(self):
        return (self.folder / "weights").read_text()

    def settings(self):
        """Updates and stop, as its settings then say them."""
        return json.loads((self.folder / "settings").read_text())

    def whole(self, kind):
        """What an uninterrupted fit without checkpoints leaves, and how long it takes."""
        if kind not in self._whole:
            begin = time.monotonic()
            self.start(None, kind)
            assert self.end() == 0
            self._whole[kind] = self.weights(), time.monotonic() - begin
        return self._whole[kind]

    def close(self):
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()


@pytest.fixture(scope="module")
def fits(tmp_path_factory):
    made = Fits(tmp_path_factory.mktemp("fits"))
    yield made
    made.close()


def killed(fits, checkpoint, kind, moments):
    """Kill a fit at each of these moments, or until it ends before one; then let it end."""
    for die in moments:
        child = fits.start(checkpoint, kind, die if die[0] != "time" else ("never", 0))
        if die[0] == "time":
            time.sleep(die[1])
            with suppress(ProcessLookupError):  # it has ended by itself
                os.kill(child, signal.SIGKILL)
        if fits.end() == 0:
            break
    fits.start(checkpoint, kind)
    assert fits.end() == 0
    return fits.weights()


# ------------------------------------------------------------------------------------------- killed


@pytest.mark.parametrize(
    ("kind", "moments"),
    [
        ("one", [("update", 9), ("update", 14), ("half", 25), ("before", 12)]),  # in a trial, and in the training
        ("crops", [("after", 40), ("half", 40), ("before", 3), ("update", 40)]),  # and after a pool was drawn anew
    ],
)
def test_a_fit_that_is_killed_ends_with_the_weights_of_one_that_was_not(fits, tmp_path, kind, moments):
    assert killed(fits, tmp_path / "kept", kind, moments) == fits.whole(kind)[0]
    assert not [
        path.name for path in (tmp_path / "kept").iterdir() if path.name.startswith(".")
    ]  # nothing half-written


def test_killed_from_outside_at_random_moments_too(fits, tmp_path):
    _, seconds = fits.whole("panel")
    rng = np.random.default_rng()
    moments = [("time", float(wait)) for wait in rng.uniform(0, seconds, 3)]
    assert killed(fits, tmp_path / "kept", "panel", moments) == fits.whole("panel")[0], moments


@pytest.mark.parametrize("die", [("update", 50), ("half", 90)])
def test_a_fit_with_a_budget_goes_on_with_what_was_planned_and_its_settings_repeat_it(fits, tmp_path, die):
    """A clock decides how many updates there are; the settings that such a fit leaves say what it did."""
    asked = {"updates": 200, "budget": 200, "scaling": "running"}
    fits.start(tmp_path / "kept", "one", die, **asked)
    assert fits.end() == -signal.SIGKILL
    planned = json.loads((tmp_path / "kept" / "budget.json").read_text())
    assert 40 < planned["updates"] < 200 and planned["spent"] > 0
    fits.start(tmp_path / "kept", "one", **asked)
    assert fits.end() == 0
    ran, weights = fits.settings(), fits.weights()
    assert ran["updates"] == planned["updates"]
    fits.start(None, "one", scaling="running", **ran)
    assert fits.end() == 0
    assert fits.weights() == weights


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["one", "panel", "crops"])
def test_twenty_random_moments(fits, tmp_path, kind):
    whole, seconds = fits.whole(kind)
    rng = np.random.default_rng()
    for place in range(20):
        how = ["time", "update", "half", "before", "after"][place % 5]
        when = float(rng.uniform(0, seconds)) if how == "time" else int(rng.integers(1, 100))
        assert killed(fits, tmp_path / f"kept-{place}", kind, [(how, when)]) == whole, (how, when)
    many = [("time", float(wait)) for wait in rng.uniform(0, seconds, 20)]
    assert killed(fits, tmp_path / "kept", kind, many) == whole, many


def test_checkpoints_change_no_weight_and_nothing_is_written_unasked(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    panel = panel_of("panel")
    plain = forecaster(None).fit_panel(panel, 20)
    assert not list(tmp_path.iterdir())
    kept = forecaster(tmp_path / "kept").fit_panel(panel, 20)
    assert weights_of(kept) == weights_of(plain)
    again = forecaster(tmp_path / "kept").fit_panel(panel, 20)  # from the results
    assert weights_of(again) == weights_of(plain)
    late = forecaster(tmp_path / "late", checkpoint_seconds=1000.0).fit_panel(panel, 20)
    assert weights_of(late) == weights_of(plain)
    assert not (tmp_path / "late").exists()  # it was over before the first was due


def forecaster(folder, network=SMALL, **changes):
    training = TrainingConfig(**{**QUICK, "checkpoint_seconds": 0.0, **changes})
    return LSTMForecaster(network, training, season_length=(7,), checkpoint=folder)


def stop_at(update):
    def progress(seen):
        if seen.update == update:
            raise KeyboardInterrupt

    return progress


@pytest.fixture
def stopped(tmp_path):
    """The folder of a fit that Ctrl-C ended in its eighth update."""
    folder = tmp_path / "kept"
    assert forecaster(folder).fit_panel(panel_of("one"), 20, stop_at(8)).fitted_.trained.interrupted
    return folder


def test_a_fit_that_ctrl_c_ended_is_gone_on_with(stopped):
    seen = []
    done = forecaster(stopped).fit_panel(panel_of("one"), 20, seen.append)
    assert seen[0].update == 8  # the last whole update was the seventh
    assert weights_of(done) == weights_of(forecaster(None).fit_panel(panel_of("one"), 20))
    assert not done.fitted_.trained.interrupted


# ------------------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("changes", "network", "said"),
    [
        ({"updates": 13}, SMALL, "with training.updates = 12 where 13 is asked for"),
        ({"seed": 1}, SMALL, "with training.seed = 0 where 1 is asked for"),
        ({}, NetworkConfig(units=5), "with network.units = 4 where 5 is asked for"),
    ],
)
def test_other_settings_are_refused_and_named(stopped, changes, network, said):
    before = {path.name: path.read_bytes() for path in stopped.iterdir()}
    with pytest.raises(SettingsError, match=f"holds the checkpoint of another fit, {said}") as caught:
        forecaster(stopped, network, **changes).fit_panel(panel_of("one"), 20)
    assert str(stopped) in str(caught.value)
    assert {path.name: path.read_bytes() for path in stopped.iterdir()} == before


def test_other_data_are_refused_even_if_one_value_is_another(stopped):
    panel = panel_of("one")
    values = panel.values.copy()
    values[17] += 1e-9
    with pytest.raises(SettingsError, match="of another fit, on other data"):
        forecaster(stopped).fit_panel(panel_from_arrays(values), 20)
    with pytest.raises(SettingsError, match=r"validation = 20 where 21 is asked for"):
        forecaster(stopped).fit_panel(panel, 21)


def test_the_fingerprint_looks_at_every_number_of_every_column():
    rng = np.random.default_rng(0)
    values, price = rng.normal(size=30), rng.normal(size=30)
    panel = panel_from_arrays(values, inputs={"price": price})
    columns = learn_columns(panel, 5)
    seen = {fingerprint(MemoryPlanes(panel, columns))}
    for table in (values, price):
        for place in (0, 29):
            table[place] += 1e-9
            seen.add(fingerprint(MemoryPlanes(panel_from_arrays(values, inputs={"price": price}), columns)))
    assert len(seen) == 5


def test_where_it_trains_and_how_often_it_writes_may_be_others(stopped):
    panel = panel_of("one")
    done = forecaster(stopped, checkpoint_seconds=9.0, device="cpu:0").fit_panel(panel, 20)
    assert weights_of(done)[:9] == weights_of(forecaster(None, device="cpu:0").fit_panel(panel, 20))[:9]


def test_a_fit_that_is_done_gives_way_to_another(tmp_path):
    panel = panel_of("one")
    forecaster(tmp_path).fit_panel(panel, 20)
    other = forecaster(tmp_path, seed=1).fit_panel(panel, 20)
    assert weights_of(other) == weights_of(forecaster(None, seed=1).fit_panel(panel, 20))


def test_nobody_elses_files_are_touched(tmp_path):
    theirs = {".hidden", "notes.txt", "stage-one.txt", "fit.json.bak"}
    for name in theirs:
        (tmp_path / name).write_text(name)
    forecaster(tmp_path).fit_panel(panel_of("one"), 20)
    forecaster(tmp_path, seed=1).fit_panel(panel_of("one"), 20)
    assert theirs <= {path.name for path in tmp_path.iterdir()}


# ------------------------------------------------------------------------------------------- damaged


def slots(folder):
    """The two files of the stage under way, the newer one first."""
    return sorted(folder.glob("stage-training-*.[ab].safetensors"), key=lambda path: -path.stat().st_mtime_ns)


@pytest.mark.parametrize("damage", ["truncated", "emptied", "changed", "foreign"])
def test_a_damaged_file_gives_way_to_the_one_before(stopped, damage):
    newer, older = slots(stopped)
    content = newer.read_bytes()
    if damage == "foreign":
        save_file({"w": np.ones(3)}, newer)
    else:
        half = len(content) // 2
        changed = content[:half] + bytes([content[half] ^ 1]) + content[half + 1 :]
        newer.write_bytes({"truncated": content[:half], "emptied": b"", "changed": changed}[damage])
    seen = []
    with pytest.warns(CheckpointWarning, match=rf"{newer.name}.*going on from update 6"):
        done = forecaster(stopped).fit_panel(panel_of("one"), 20, seen.append)
    assert seen[0].update == 7
    assert weights_of(done) == weights_of(forecaster(None).fit_panel(panel_of("one"), 20))
    assert older.exists() is False  # the stage is done


def test_if_both_are_damaged_that_is_said(stopped):
    for path in slots(stopped):
        path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(ModelFileError, match=r"damaged or not a checkpoint.*delete its folder to begin again"):
        forecaster(stopped).fit_panel(panel_of("one"), 20)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"format": "1"}', b"\xff\xfe", b"[" * 100_000])
def test_a_damaged_description_is_said_to_be_damaged(stopped, content):
    (stopped / ABOUT).write_bytes(content)
    with pytest.raises(ModelFileError, match="damaged or not a checkpoint"):
        forecaster(stopped).fit_panel(panel_of("one"), 20)


def test_a_newer_checkpoint_is_refused_with_what_to_do(stopped):
    about = json.loads((stopped / ABOUT).read_text())
    (stopped / ABOUT).write_text(json.dumps(about | {"format": "2"}))
    with pytest.raises(
        ModelFileError, match=r"a checkpoint of format 2, this gatecast reads 1; go on with the gatecast"
    ):
        forecaster(stopped).fit_panel(panel_of("one"), 20)


@pytest.mark.parametrize(
    ("arrays", "numbers"),
    [
        ({"weights": np.ones(3, np.float32)}, {}),
        ({"random": np.ones(3, np.uint8)}, {}),
        ({}, {"rng": {"bit_generator": "PCG64"}}),
        ({}, {"rng": 3}),
        ({}, {"history": [[1]]}),
        ({}, {"waited": "long"}),
    ],
)
def test_a_checkpoint_that_fits_nothing_is_refused(stopped, arrays, numbers):
    """Nobody writes one, but nothing else is promised of a file."""
    newer, older = slots(stopped)
    older.unlink()
    kept = Checkpoint(stopped, json.loads((stopped / ABOUT).read_text())["identity"], 0.0).stage("training-running")
    kept = kept.newest()
    header = {"gatecast_checkpoint": "1", "numbers": json.dumps({**kept.numbers, **numbers})}
    newer.write_bytes(seal({**kept.arrays, **arrays}, header))
    with pytest.raises(ModelFileError, match="the checkpoint does not fit the network"):
        forecaster(stopped).fit_panel(panel_of("one"), 20)


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "kept").write_text("a diary")
    with pytest.raises(OutputError, match="is a file; a checkpoint is a folder"):
        forecaster(tmp_path / "kept").fit_panel(panel_of("one"), 20)
    assert (tmp_path / "kept").read_text() == "a diary"


# ------------------------------------------------------------------------------------------- no room


def test_a_full_disk_loses_nothing_that_was_saved_and_stops_no_training(stopped, monkeypatch):
    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    before = {path.name: path.read_bytes() for path in stopped.iterdir()}
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.warns(CheckpointWarning, match=r"No space left.*what was written before stays"):
            done = forecaster(stopped).fit_panel(panel_of("one"), 20)
    assert {path.name: path.read_bytes() for path in stopped.iterdir()} == before
    assert weights_of(done) == weights_of(forecaster(None).fit_panel(panel_of("one"), 20))
    again = forecaster(stopped).fit_panel(panel_of("one"), 20)  # with room
    assert weights_of(again) == weights_of(done)


def test_a_limit_on_the_size_of_files_is_like_a_full_disk(stopped):
    before = {path.name: path.read_bytes() for path in stopped.iterdir()}
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.warns(CheckpointWarning, match="File too large"):
            forecaster(stopped).fit_panel(panel_of("one"), 20)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    assert {path.name: path.read_bytes() for path in stopped.iterdir()} == before


# ------------------------------------------------------------------------------------------- elsewhere


def test_a_checkpoint_from_a_gpu_goes_on_on_a_cpu(stopped):
    """It holds where the GPU's random numbers stood, too, which nothing asks for there."""
    about = json.loads((stopped / ABOUT).read_text())
    checkpoint = Checkpoint(stopped, about["identity"], 0.0)
    stage = checkpoint.stage("training-running")
    kept = stage.newest()
    stage.keep(Kept({**kept.arrays, "random.cuda": np.zeros(16, np.uint8)}, kept.numbers))
    seen = []
    forecaster(stopped).fit_panel(panel_of("one"), 20, seen.append)
    assert seen[0].update == 8


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_trains_the_same_network(tmp_path):
    panel = panel_of("one")
    on_cpu, on_gpu = (forecaster(None, device=device, readout=False).fit_panel(panel, 20) for device in ("cpu", "cuda"))
    for name, array in on_cpu.fitted_.trained.arrays.items():
        np.testing.assert_allclose(on_gpu.fitted_.trained.arrays[name], array, rtol=0, atol=2e-3)
    one, other = (each.predict_many(panel, np.array([100, 139]), 4) for each in (on_cpu, on_gpu))
    np.testing.assert_allclose(other, one, rtol=0.01, atol=0.01)
    forecaster(tmp_path / "kept", device="cuda").fit_panel(panel, 20, stop_at(8))
    seen = []
    forecaster(tmp_path / "kept", device="cpu").fit_panel(panel, 20, seen.append)
    assert seen[0].update == 8


def test_fits_are_the_same_in_this_process_and_in_one_of_their_own(fits):
    assert weights_of(fit(None, "one")) == fits.whole("one")[0]
