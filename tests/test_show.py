"""``gatecast show``: the card of a model file, from the golden files of every format to one of a run."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gatecast.cli import app
from gatecast.config import NetworkConfig, TrainingConfig
from gatecast.forecaster import LSTMForecaster
from gatecast.modelfile import FORMAT, load_model, save_model
from gatecast.scaling import Fixed
from gatecast.show import card_lines, describe_file
from gatecast.zeroshot import shipped
from test_modelfile import ALL_ROLES, GOLDEN, make_model

CARD = {
    "data": {"series": 2, "steps": 400, "first": "2020-01-01", "last": "2020-07-18", "frequency": "daily"}
    | {"lowest": -1.5, "highest": 22.0, "fingerprint": "0123456789abcdef"},
    "training": {"updates": 300, "best_update": 285, "interrupted": False},
    "verdict": {"sentence": "On 50 origins the LSTM is 3 % better.", "looked_at": "quick", "gain_claimed": False},
    "written": "2026-01-02T03:04:05+00:00",
    "versions": {"gatecast": "0.1", "numpy": "2.0"},
    "start": {"what": "weights that saw no data"},
}


@pytest.fixture
def path(tmp_path):
    save_model(replace(make_model(columns=ALL_ROLES), card=CARD), tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors"


def call(*words):
    return CliRunner().invoke(app, ["show", *map(str, words)], env={"COLUMNS": "200"})


def test_all_that_a_card_says_is_shown(path):
    text = call(path).stdout
    for part in (
        "On 50 origins the LSTM is 3 % better.",
        "2 LSTM layers of 4 units",
        "12 steps ahead",
        "running; season of 4 and 28 steps",
        "past volume, weather; known in advance price, day; static area",
        "2 series, 400 steps, 2020-01-01 to 2020-07-18, daily; values from -1.5 to 22; fingerprint 0123456789abcdef",
        "weights that saw no data",
        "300 updates, best on validation after 285",
        "gatecast 0.1, numpy 2.0",
        f"{path.stat().st_size:,} bytes",
        f"format {FORMAT}",
    ):
        assert part in text


def test_json_holds_the_same_and_nothing_else_is_printed(path):
    told = json.loads(call(path, "--json").stdout)
    assert told == json.loads(json.dumps(describe_file(path)))
    assert (told["data"], told["training"], told["verdict"]) == (CARD["data"], CARD["training"], CARD["verdict"])
    assert told["columns"]["known"] == ["price", "day"]
    size = load_model(path).weights.size
    assert told["network"] == {"cell": "lstm", "layers": 2, "units": 4, "weights": size, "horizon": 12}


def test_a_fixed_scaling_shows_its_numbers(path):
    save_model(make_model(Fixed((1,), 3.25, 2.0)), path)
    assert "fixed (level 3.25, scale 2); no season" in call(path).stdout


@pytest.mark.parametrize("name", [f"model-format-{version}" for version in range(1, FORMAT + 1)] + ["sealed-format-3"])
def test_files_of_every_format_are_shown(name):
    told = describe_file(GOLDEN / f"{name}.safetensors")
    assert f"format-{told['format']}" in name
    assert {"network", "scaling", "file"} <= {heading for heading, _ in card_lines(told)}


def test_the_shipped_weights_are_shown():
    folder = Path(sys.modules["gatecast"].__file__).parent / "weights"
    files = sorted(folder.glob("*.safetensors"))
    assert len(files) == len(shipped())
    assert "saw no real data" in call(files[0]).stdout


def test_a_file_that_cannot_be_read_is_refused_with_exit_code_4(path):
    path.write_bytes(path.read_bytes()[:-1])
    result = call(path)
    assert result.exit_code == 4
    assert result.stderr.startswith(f"gatecast: {path}: damaged or not a model file")


def test_torch_and_pandas_are_not_loaded(path):
    code = (
        "import sys; from gatecast.cli import app; app(['show', sys.argv[1]], standalone_mode=False);"
        "print([name for name in ('torch', 'pandas', 'scipy', 'statsmodels', 'altair') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_network_of_other_cells_is_not_called_an_lstm(tmp_path):
    model = LSTMForecaster(NetworkConfig(units=3, cell="gru"), TrainingConfig(updates=1, context=8, horizon=3))
    model.fit([float(t % 5) for t in range(40)]).save(tmp_path / "gru.safetensors")
    text = call(tmp_path / "gru.safetensors").stdout
    assert "1 layer of 3 units (gru), " in text and "LSTM" not in text
    assert model.picked_.startswith("1 layer of 3 units (gru); ")
