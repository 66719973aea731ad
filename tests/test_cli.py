"""The command line as a user meets it: what it prints, what it writes, and what it says to wrong input."""

import csv
import json
import os
import re
import subprocess
import sys
from datetime import date, timedelta
from html import unescape
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import load_file
from typer.testing import CliRunner

from gatecast.cli import app

ROOT = Path(__file__).parent.parent
FAST = ["--updates", "10", "--units", "4", "--horizon", "5"]


def call(*arguments, **options):
    return CliRunner().invoke(app, [str(a) for a in arguments], **options)


@pytest.fixture
def sales(tmp_path):
    path = tmp_path / "sales.csv"
    with path.open("w") as file:
        writer = csv.writer(file)
        writer.writerow(["Date", "Sales", "Visitors", "Note"])
        for k in range(120):
            writer.writerow([day(k), 100 + k % 7 + k / 10, k * 2, "x"])
    return path


def day(k):
    return str(date(2024, 1, 1) + timedelta(days=k))


def test_a_run_prints_its_parts_and_writes_its_folder(tmp_path):
    out = tmp_path / "deep" / "out"
    result = call("run", "sine", *FAST, "--out", out, "--explain")
    assert result.exit_code == 0, result.output
    for part in ("Split", "Target", "Architecture", "Point by point", "Multi-sequence", "Full sequence", "LastValue"):
        assert part in result.output
    for question in range(1, 6):
        assert f"\n{question}. " in result.output
    assert "rows      1 to  4,001" in result.output
    first, second, *rest = result.output.splitlines()
    assert first.startswith("On 500 origins the LSTM is ") and first == sentence_of(out)
    assert second == "Not looked at: other seeds, leakage and slower baselines; --verdict full does."
    assert "The sine of the course" in rest
    assert "\x1b" not in result.output  # no colour in a pipe
    files = {path.name for path in out.iterdir()}
    assert {"report.html", "config.toml", "forecasts.parquet", "model.safetensors", "point_by_point.png"} <= files
    assert pq.read_table(out / "forecasts.parquet").column_names[:5] == ["mode", "unique_id", "ds", "cutoff", "y"]
    assert sorted(path.name for path in out.parent.iterdir()) == ["out"]  # nothing half-written is left


def sentence_of(folder):
    """The verdict's sentence as the report's page says it, its heading and the points below."""
    html = (folder / "report.html").read_text(encoding="utf-8").split("<body>")[1]
    box = html[html.index('<h1 id="verdict">') : html.index("</section>")]
    heading, points = re.search(r"<h1[^>]*>(.*?)</h1>", box)[1], re.findall(r"<li[^>]*>(.*?)</li>", box)
    return unescape(" ".join([heading, *points])).replace("\u00a0", " ")


def test_json_is_one_object_and_nothing_else(sales, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = call("run", sales, "--target", "Sales", *FAST, "--no-save", "--json")
    found = json.loads(result.stdout)
    assert found["data"]["points"] == 120
    assert found["files"] == {}
    assert list(tmp_path.iterdir()) == [sales]


def test_a_file_of_ones_own_then_a_forecast_beyond_its_end(sales, tmp_path):
    out = tmp_path / "run"
    chosen = ["--time", "Date", "--target", "Sales"]
    result = call("run", sales, *chosen, "--input", "Visitors", *FAST, "--out", out)
    assert result.exit_code == 0, result.output
    model = out / "model.safetensors"
    result = call("forecast", sales, *chosen, "--horizon", 28, "--model", model, "--level", 80)
    rows = list(csv.DictReader(result.stdout.splitlines()))
    assert list(rows[0]) == ["unique_id", "ds", "LSTM", "LSTM-lo-80", "LSTM-hi-80"]
    assert [row["ds"] for row in rows] == [day(k) for k in range(120, 148)]
    assert all(float(r["LSTM-lo-80"]) <= float(r["LSTM"]) <= float(r["LSTM-hi-80"]) for r in rows)
    as_json = call("forecast", sales, *chosen, "--horizon", 28, "--model", model, "--level", 80, "--json")
    assert [row["ds"] for row in json.loads(as_json.stdout)] == [row["ds"] for row in rows]
    for name in ("ahead.csv", "ahead.parquet"):
        result = call("forecast", sales, *chosen, "--horizon", 28, "--model", model, "--out", tmp_path / name)
        assert result.exit_code == 0
        assert (tmp_path / name).stat().st_size > 0


def test_the_settings_written_are_read_back(sales, tmp_path):
    out = tmp_path / "one"
    first = call("run", sales, "--target", "Sales", *FAST, "--out", out, "--json")
    assert first.exit_code == 0, first.output
    again = call("run", "--config", out / "config.toml", "--no-save", "--json")
    assert json.loads(again.stdout)["scores"] == json.loads(first.stdout)["scores"]


def test_datasets_lists_every_named_set():
    result = call("datasets")
    assert result.exit_code == 0
    for name in ("sine", "sp500", "sunspots", "co2"):
        assert f"\n{name}" in f"\n{result.output}"
    assert {row["name"] for row in json.loads(call("datasets", "--json").stdout)} >= {"sine", "sp500"}


def test_the_courses_door_uses_the_reading_copy(sales, tmp_path):
    """Changing the layers in a copy of lstm.py changes the architecture printed."""
    for name in ("lstm.py", "run_lstm.py"):
        (tmp_path / name).write_text((ROOT / "src" / name).read_text())
    copy = tmp_path / "lstm.py"
    changed = copy.read_text()
    for old, new in (
        ("units=48", "units=6"),
        ("layers=1", "layers=2"),
        ("dropout=0.0", "dropout=0.25"),
        ("context=128", "context=64"),
    ):
        assert old in changed
        changed = changed.replace(old, new)
    copy.write_text(changed)
    asked = [sales, "--target", "Sales", "--updates", "5", "--no-save", "--explain"]
    command = [sys.executable, tmp_path / "run_lstm.py", *asked]
    made = subprocess.run(command, check=False, capture_output=True, text=True, cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    assert "LSTM 2     6 → 6 units" in made.stdout
    assert "units          6" in made.stdout
    assert "dropout        0.25" in made.stdout
    assert "context        64" in made.stdout


def test_the_door_and_the_command_give_the_same_numbers():
    door = [sys.executable, ROOT / "src" / "run_lstm.py", "sine", "--updates", "10", "--no-save", "--json"]
    one = json.loads(subprocess.run(door, capture_output=True, text=True, check=True).stdout)
    two = json.loads(call("run", "sine", "--updates", "10", "--no-save", "--json").stdout)
    assert one["scores"] == two["scores"]


@pytest.mark.parametrize("arguments", [("--help",), ("run", "--help"), ("forecast", "--help"), ("--version",)])
def test_help_is_there(arguments):
    result = call(*arguments)
    assert result.exit_code == 0
    assert result.output.strip()


BAD = [
    (("run", "sinus"), 2, ["unknown data set 'sinus'", "'sine'"]),
    (("run",), 2, ["no data named"]),
    (("run", "sine", "--units", "0"), 2, ["network.units", "0"]),
    (("run", "sine", "--scaling", "robust"), 2, ["training.scaling", "robust"]),
    (("run", "sine", "--horizon", "0"), 2, ["horizon", "0"]),
    (("run", "sine", "--horizon", "501"), 2, ["501", "500 steps"]),
    (("run", "sine", "--device", "abacus"), 2, ["device 'abacus'", "cpu"]),
    (("run", "sine", "--season-length", "0"), 2, ["season_length"]),
    (("run", "missing.csv"), 3, ["missing.csv", "not found"]),
    (("forecast", "sine", "--horizon", "5", "--model", "missing.safetensors"), 4, ["missing.safetensors"]),
]


@pytest.mark.parametrize(("arguments", "code", "words"), BAD)
def test_bad_input_gets_one_clear_message(arguments, code, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = call(*arguments)
    assert result.exit_code == code, result.output
    assert result.stderr.startswith("gatecast: ")
    assert "Traceback" not in result.output
    for word in words:
        assert word in result.stderr
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


FILES = [
    ("", 3, "empty"),
    ("Date,Sales\n", 3, "no rows"),
    ("Date,Sales\n2024-01-01,1\n2024-01-02,2\n", 3, "too few"),
    ("\0\1\2", 3, "binary"),
]


@pytest.mark.parametrize(("content", "code", "word"), FILES)
def test_a_bad_file_gets_one_clear_message(content, code, word, tmp_path):
    path = tmp_path / "bad.csv"
    path.write_text(content)
    result = call("run", path, "--no-save")
    assert (result.exit_code, "Traceback" in result.output) == (code, False)
    assert word in result.stderr


def test_a_missing_column_and_text_in_the_target(sales):
    result = call("run", sales, "--target", "Sale", "--no-save")
    assert result.exit_code == 2
    assert "'Sales'" in result.stderr
    lines = sales.read_text().splitlines()
    lines[11] = lines[11].replace(",1", ",about 1", 1)
    sales.write_text("\n".join(lines))
    result = call("run", sales, "--target", "Sales", "--no-save")
    assert result.exit_code == 3
    assert "row 11" in result.stderr
    assert "about" in result.stderr


def test_an_unknown_key_in_the_settings_names_the_nearest(tmp_path):
    path = tmp_path / "settings.toml"
    path.write_text('[data]\nsource = "sine"\n[network]\nunit = 3\n')
    result = call("run", "--config", path)
    assert result.exit_code == 2
    assert "'units'" in result.stderr
    path.write_text("this is not toml")
    assert call("run", "--config", path).exit_code == 2


def test_a_folder_that_cannot_be_written_is_known_before_training(tmp_path, monkeypatch):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    monkeypatch.setattr("gatecast.training.train", lambda *a, **k: pytest.fail("trained first"))
    result = call("run", "sine", "--out", blocked / "run")
    assert result.exit_code == 5
    assert "--out" in result.stderr
    result = call("run", "sine", "--out", tmp_path)
    assert result.exit_code == 5
    assert "not an empty folder" in result.stderr
    assert blocked.read_text() == "not a folder"


def test_a_failing_run_leaves_no_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert call("run", "sine", *FAST, "--device", "abacus").exit_code == 2
    assert [path for path in tmp_path.rglob("*") if path.is_file() or path.name.startswith(".")] == []


INTERRUPTED = """
import contextlib, os, signal, sys
import gatecast.console
from gatecast.cli import main

@contextlib.contextmanager
def bar(console):
    def report(progress):
        if progress.update == 60:
            os.kill(os.getpid(), signal.SIGINT)
    yield report

gatecast.console.training_bar = bar
main()
"""


def test_ctrl_c_in_training_keeps_the_best_model(sales, tmp_path):
    """A real process gets a real signal in the middle of training."""
    out = tmp_path / "run"
    asked = ["run", sales, "--target", "Sales", "--updates", "1000", "--units", "4", "--out", out]
    command = [sys.executable, "-c", INTERRUPTED, *asked]
    made = subprocess.run(command, check=False, capture_output=True, text=True)
    assert made.returncode == 130, made.stderr
    assert "stopped by Ctrl-C" in made.stdout
    assert " 60 updates in" in made.stdout
    assert (out / "model.safetensors").exists()
    assert (out / "report.html").exists()


def test_a_run_that_was_killed_is_gone_on_with_and_ends_as_if_it_never_was(sales, tmp_path):
    """A real process is killed for real; its folder says all that is needed to go on."""
    config, out, whole = tmp_path / "often.toml", tmp_path / "out", tmp_path / "whole"
    config.write_text("[training]\ncheckpoint_seconds = 0\n")
    asked = ["run", str(sales), "--target", "Sales", *FAST, "--updates", "40", "--config", str(config)]
    killing = INTERRUPTED.replace("SIGINT", "SIGKILL").replace("== 60", "== 30")
    made = subprocess.run([sys.executable, "-c", killing, *asked, "--out", str(out)], check=False, capture_output=True)
    assert made.returncode == -9, made.stderr
    assert [path.name for path in out.iterdir()] == ["checkpoint"]
    refused = call(*asked, "--out", out)
    assert refused.exit_code == 5 and f"or go on with that run: --resume {out}" in refused.stderr
    other = call("run", "--resume", out, "--updates", "41")
    assert other.exit_code == 2 and "with training.updates = 40 where 41 is asked for" in other.stderr
    for option in (["--out", tmp_path], ["--no-save"], ["--config", config]):
        wrong = call("run", "--resume", out, *option)
        assert wrong.exit_code == 2 and f"leave {option[0]} out" in wrong.stderr
    done = call("run", "--resume", out)
    assert done.exit_code == 0, done.output
    assert "checkpoint" not in {path.name for path in out.iterdir()}
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == []
    assert call(*asked, "--out", whole).exit_code == 0
    one, other = (load_file(folder / "model.safetensors") for folder in (out, whole))
    assert one.keys() == other.keys()
    assert all(np.array_equal(array, other[name]) for name, array in one.items())
    again = call("run", "--resume", out)
    assert again.exit_code == 2 and "that run is finished" in again.stderr
    nowhere = call("run", "--resume", tmp_path / "none")
    assert nowhere.exit_code == 2 and "there is no such folder" in nowhere.stderr


def test_ctrl_c_before_training_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("gatecast.run.Standard.load_and_split", interrupted)
    result = call("run", "sine")
    assert result.exit_code == 130
    assert "nothing was written" in result.stderr
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_exit_codes_are_those_of_the_error_tree():
    from gatecast import errors

    tree = (errors.__doc__ or "").splitlines()
    for line in tree:
        words = line.replace("├──", "").replace("└──", "").split()
        if words and words[0].endswith("Error") and len(words) > 1 and words[1].isdigit():
            assert getattr(errors, words[0]).exit_code == int(words[1])
    assert sum("Error" in line for line in tree) >= 5
    assert errors.INTERRUPTED == 130


def test_a_model_warns_of_data_unlike_its_own(sales, tmp_path):
    out = tmp_path / "run"
    assert call("run", sales, "--target", "Sales", *FAST, "--out", out).exit_code == 0
    model = out / "model.safetensors"
    fine = call("forecast", sales, "--target", "Sales", "--horizon", 2, "--model", model)
    assert "warning" not in fine.stderr
    other = call("forecast", "co2", "--horizon", 2, "--model", model)
    assert other.exit_code == 0
    assert "trained on data that are daily, these are weekly" in other.stderr
    assert "trained on values from" in other.stderr


def test_a_run_that_stops_early_is_repeated_by_its_settings(tmp_path):
    one = call("run", "sp500", "--units", "4", "--horizon", "5", "--out", tmp_path / "one", "--json")
    found = json.loads(one.stdout)
    two = call("run", "--config", tmp_path / "one" / "config.toml", "--no-save", "--json")
    assert json.loads(two.stdout)["scores"] == found["scores"]
    assert json.loads(two.stdout)["network"]["updates"] == found["network"]["updates"]


# ------------------------------------------------------------------------------------------- threads

DOORS = {
    "gatecast": "import gatecast.cli; import numpy",
    "run_lstm": f"import runpy; runpy.run_path({str(ROOT / 'src' / 'run_lstm.py')!r}, run_name='door')",
}
THREADS = """
import threadpoolctl
print(*(pool["num_threads"] for pool in threadpoolctl.threadpool_info() if pool["internal_api"] == "openblas"))
"""


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(("asked", "threads"), [(None, 1), ("2", 2)])
def test_one_thread_multiplies_unless_more_are_asked_for(door, asked, threads):
    left = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    given = left if asked is None else {**left, "OMP_NUM_THREADS": asked}
    words = [sys.executable, "-c", DOORS[door] + THREADS]
    done = subprocess.run(words, check=True, env=given, capture_output=True, text=True)
    assert set(done.stdout.split()) == {str(min(threads, os.cpu_count()))}
