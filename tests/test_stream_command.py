"""``gatecast stream``: a line in, a line out, and a clean end whatever ends it."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace

import pytest

from gatecast.config import NetworkConfig, RunConfig
from gatecast.covariates import Column, Widths
from gatecast.errors import DataError, SettingsError
from gatecast.modelfile import Model, save_model
from gatecast.network import Network, export
from gatecast.runtime import weights_from_arrays
from gatecast.scaling import Running
from gatecast.stream_command import Asked, answer_lines
from gatecast.streams import open_stream
from gatecast.zeroshot import ZeroShot

COMMAND = [sys.executable, "-m", "gatecast", "stream"]
VALUES = [10 + (t % 5) + 0.01 * (t % 3) for t in range(40)]


def answered(lines, **asked):
    written, noted = [], []
    answer_lines(lines, Asked(**asked), written.append, noted.append)
    return written, noted


def rows(written):
    return list(csv.DictReader(io.StringIO("\n".join(written))))


def test_every_value_is_answered_as_a_stream_in_python_answers_it():
    stream, lines = ZeroShot(season_length=(5,)).stream(horizon=2), [f"{value}\n" for value in VALUES]
    made = rows(answered(lines, horizon=2, season_length=(5,))[0])
    assert [row["ahead"] for row in made] == ["1", "2"] * 40
    for t, value in enumerate(VALUES):
        flag = stream.outside(value)
        said = stream.update(value)
        for step, row in enumerate(made[2 * t : 2 * t + 2]):
            assert (int(row["line"]), float(row["y"]), row["anomaly"]) == (t + 1, pytest.approx(value), str(int(flag)))
            assert float(row["ZeroShot"]) == pytest.approx(said[step, 6], rel=1e-5)
            assert float(row["ZeroShot-lo-95"]) == pytest.approx(said[step, 0], rel=1e-5)


def test_json_lines_hold_the_same_and_the_band_that_was_said_before():
    written, _ = answered([f"{value}" for value in [*VALUES, 1000.0]], horizon=3, as_json=True)
    told = [json.loads(line) for line in written]
    assert told[0]["band"] is None and not told[0]["anomaly"]
    assert told[-1]["anomaly"] and told[-1]["band"][1] < 1000
    assert set(told[-1]["forecast"]) == {
        "ZeroShot",
        *(f"ZeroShot-{side}-{n}" for side in ("lo", "hi") for n in (80, 95)),
    }
    assert all(len(column) == 3 for column in told[-1]["forecast"].values())
    assert not any(each["anomaly"] for each in told[20:40])


def test_a_table_with_a_header_and_missing_values_is_read():
    lines = ["ds,y\n", *(f"2024-01-{t + 1:02d},{value}\n" for t, value in enumerate(VALUES[:20])), "2024-01-21,\n"]
    made = rows(answered(lines)[0])
    assert [int(row["line"]) for row in made] == list(range(2, 23))
    assert made[-1]["y"] == "" and made[-1]["anomaly"] == "0" and float(made[-1]["ZeroShot"])
    plain = rows(answered([*(str(value) for value in VALUES[:20]), "nan"])[0])
    assert [row["ZeroShot"] for row in plain] == [row["ZeroShot"] for row in made]


def test_before_the_first_value_a_forecast_is_empty():
    made = rows(answered(["", "NA", "3"])[0])
    assert [row["ZeroShot"] for row in made[:2]] == ["", ""]
    assert float(made[2]["ZeroShot"])
    assert json.loads(answered([""], as_json=True)[0][0])["forecast"]["ZeroShot"] == [None]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["1", "2", "three"], r"line 3: 'three' is no number; leave it empty where a value is missing \(--skip-bad"),
        (["1", "2,3"], r"line 2: '2,3' is no number"),
        (["1", "1e300"], r"line 2: the value is 1e\+300; give numbers up to 1e\+100"),
        (["1", "inf"], r"line 2: 'inf' is no number"),
        (["1", "9" * 200_000], r"line 2: '9{40}' is no number"),
        (["ds,y", "1,2", "5"], r"line 3: it has 1 cell, the header has 2; give a cell for each name"),
    ],
)
def test_a_bad_line_is_named_or_left_out(lines, message):
    with pytest.raises(DataError, match=message):
        answered(lines)
    written, noted = answered([*lines, "4" if "," not in lines[0] else "3,4"], skip_bad=True)
    assert len(noted) == 1 and noted[0].startswith(f"line {len(lines)} is left out: ")
    assert int(rows(written)[-1]["line"]) == len(lines) + 1


def test_columns_and_settings_that_cannot_be_are_refused():
    with pytest.raises(SettingsError, match="which column is forecast"):
        answered(["a,b", "1,2"])
    with pytest.raises(SettingsError, match=r"there is no column 'yy'\. Did you mean 'y'"):
        answered(["ds,y", "1,2"], target="yy", skip_bad=True)
    assert rows(answered(["a,b", "1,2"], target="b")[0])[0]["y"] == "2"
    with pytest.raises(SettingsError, match="level 50 is not offered"):
        answered([], anomaly=50)


def test_a_state_is_left_behind_and_gone_on_from(tmp_path):
    state = str(tmp_path / "s.safetensors")
    whole = rows(answered([str(value) for value in VALUES], season_length=(5,))[0])
    answered([str(value) for value in VALUES[:25]], season_length=(5,), state=state)
    rest = rows(answered([str(value) for value in VALUES[25:]], state=state)[0])
    assert [row["ZeroShot-hi-80"] for row in rest] == [row["ZeroShot-hi-80"] for row in whole[25:]]
    with pytest.raises(DataError):
        answered(["1", "x"], state=state)
    assert answer_lines([], Asked(state=state), print, print).steps == 41  # what was read before the bad line is kept
    with pytest.raises(SettingsError, match="forecasts 1 step"):
        answered([], state=state, horizon=2)
    with pytest.raises(SettingsError, match="leave one of the two out"):
        answered([], state=state, history="sine")


def begun(*more):
    return subprocess.Popen(
        [*COMMAND, "--no-compiled", *more],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_each_line_is_answered_before_the_next_is_sent_and_the_end_is_clean():
    with begun() as process:
        assert process.stdout.readline().startswith("line,y,anomaly,ahead,ZeroShot,")
        for number, value in enumerate([3.0, 4.0, 5.0], 1):
            process.stdin.write(f"{value}\n")
            process.stdin.flush()
            assert process.stdout.readline().startswith(f"{number},{value:g},0,1,")
        out, err = process.communicate()
    assert (process.returncode, out, err) == (0, "", "")


def test_ctrl_c_ends_it_cleanly_and_keeps_the_state(tmp_path):
    with begun("--state", str(tmp_path / "s")) as process:
        process.stdout.readline()
        process.stdin.write("3\n")
        process.stdin.flush()
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
        assert process.stderr.read() == ""
    assert ZeroShot().load_stream(tmp_path / "s").steps == 1


def test_a_reader_that_has_gone_is_a_quiet_end():
    with suppress(BrokenPipeError), begun() as process:  # closing our end may fail too
        process.stdout.readline()
        process.stdout.close()
        with suppress(BrokenPipeError):
            for _ in range(200):
                process.stdin.write("3\n")
                process.stdin.flush()
                time.sleep(0.01)
        assert process.wait(60) == 0
        assert process.stderr.read() == ""
    assert process.returncode == 0


def test_a_bad_line_ends_it_with_the_code_of_bad_data():
    done = subprocess.run(COMMAND, input="1\nx\n", capture_output=True, text=True, check=False, env=dict(os.environ))
    assert done.returncode == DataError.exit_code
    assert done.stderr == (
        "gatecast: line 2: 'x' is no number; leave it empty where a value is missing "
        "(--skip-bad leaves such lines out)\n"
    )


def test_a_model_file_streams_with_its_inputs(tmp_path):
    columns = (Column("wind", "past"),)
    arrays = export(Network(NetworkConfig(units=4), Widths(past=1)))
    model = Model(weights_from_arrays(arrays), Running((7,)), RunConfig(), columns=columns)
    save_model(model, tmp_path / "m.safetensors")
    asked = {"model": str(tmp_path / "m.safetensors"), "compiled": False}
    made = rows(answered(["wind,load", *(f"{t % 3},{value}" for t, value in enumerate(VALUES)), ",12"], **asked)[0])
    stream = open_stream(None, tmp_path / "m.safetensors", horizon=1, compiled=False)
    for t, value in enumerate(VALUES):
        stream.update(value, inputs={"wind": t % 3})
    assert float(made[-1]["LSTM"]) == pytest.approx(stream.update(12.0)[0, 6], rel=1e-5)
    with pytest.raises(SettingsError, match="a trained model has its season"):
        answered([], season_length=(7,), **asked)
    ahead = weights_from_arrays(export(Network(NetworkConfig(units=4), Widths(known=1))))
    save_model(replace(model, weights=ahead, columns=(Column("price", "known"),)), tmp_path / "m.safetensors")
    with pytest.raises(SettingsError, match="the model reads price in advance, which lines cannot give"):
        answered([], **asked)


def test_a_history_comes_before_the_first_line(tmp_path):
    (tmp_path / "h.csv").write_text("y\n" + "".join(f"{value}\n" for value in VALUES))
    made = rows(answered(["10"], history=str(tmp_path / "h.csv"))[0])
    stream = ZeroShot().stream(VALUES, horizon=1)
    assert stream.models[0].scaling.seasons == (5,)
    assert float(made[0]["ZeroShot-hi-95"]) == pytest.approx(stream.update(10.0)[0, -1], rel=1e-5)
