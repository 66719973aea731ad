"""Random and mutated files, frames and values at one of gatecast's doors, in a process with little memory.

    python helpers_fuzz.py DOOR COUNT SEED FOLDER

Every case ends in a result or in a ``GatecastError`` within seconds, or this process ends with the case's number.
"""

import contextlib
import io
import json
import resource
import signal
import sys
import traceback
import warnings
from pathlib import Path

import numpy as np
import pyarrow as pa

from gatecast.checkpoint import Checkpoint, Kept
from gatecast.doctor import check
from gatecast.errors import GatecastError, ModelFileError
from gatecast.ledger import Ledger, Planned
from gatecast.modelfile import load_model, save_model
from gatecast.panel import panel_from_arrays
from gatecast.predictor import forecast_panel, unlike_training
from gatecast.sealed import seal
from gatecast.show import card_lines, describe_file
from gatecast.stream import Stream
from test_modelfile import ALL_ROLES, contents, make_model

MEMORY = 1 << 30  # bytes that a case may take beyond what is taken when it begins
SECONDS = 20
NUMBERS = (0.0, -0.0, 1.0, -1.0, 1e-320, 1e300, -1e300, float("nan"), float("inf"), -float("inf"), 2.0**53, 1e15)
WORDS = (
    "",
    " ",
    "y",
    "ds",
    "unique_id",
    "2024-01-01",
    "2024-13-45",
    "1,5",
    "1.5",
    "NaN",
    "null",
    "-",
    "é",
    "\x00",
    "😀",
)
WORDS += ("1e999", "12:30", "2024-01-01T00:00:00+05:00", "9" * 400, "=1+1", '"', "TRUE", "31.12.2023", "x" * 5000)
TEXTS = (
    "{",
    "[]",
    "3",
    "null",
    "[" * 9999,
    '{"kind": "running", "seasons": [99999999999]}',
    '{"a": 1e999}',
    "{}",
    '""',
)


# ------------------------------------------------------------------------------------------- bytes


def mutated(content, rng):
    """A file with some bytes changed, cut out, doubled or put in."""
    made = bytearray(content)
    for _ in range(int(rng.integers(1, 5))):
        at = int(rng.integers(0, len(made) + 1))
        match int(rng.integers(0, 6)):
            case 0 if made:
                made[at % len(made)] = int(rng.integers(0, 256))
            case 1:
                del made[at:]
            case 2:
                del made[at : at + int(rng.integers(1, 200))]
            case 3:
                made[at:at] = rng.bytes(int(rng.integers(1, 200)))
            case 4:
                made[at:at] = made[at : at + int(rng.integers(1, 200))]
            case _ if len(made) >= 8:
                made[:8] = int(rng.integers(0, 1 << 62) >> int(rng.integers(0, 62))).to_bytes(8, "little")
    return bytes(made)


def sealed_anew(arrays, header, rng):
    """A file that is whole, with arrays and texts that nobody meant."""
    arrays, header = dict(arrays), dict(header)
    for _ in range(int(rng.integers(1, 4))):
        name = str(rng.choice(sorted(arrays))) if arrays else "a"
        array = arrays.pop(name, np.zeros(3, np.float32))
        match int(rng.integers(0, 8)):
            case 0:
                arrays[name] = array.reshape(-1)
            case 1:
                arrays[name] = np.zeros((), array.dtype)
            case 2:
                arrays[name] = array.astype(str(rng.choice(["int8", "float64", "bool", "uint16", "float16"])))
            case 3:
                arrays[name] = array * float(rng.choice(NUMBERS))
            case 4:
                arrays["layer.5.input_CK"] = array
            case 5:
                arrays[name] = np.zeros((0, *array.shape[1:]), array.dtype)
            case 6:
                arrays[name] = array
                header[str(rng.choice(sorted(header)))] = str(rng.choice(TEXTS))
            case _:
                arrays[name] = array
                key = str(rng.choice(sorted(header)))
                header[key] = changed_json(header[key], rng)
    return seal(arrays, header)


def changed_json(text, rng):
    """JSON with one of its values replaced by another one."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    other = [None, -1, 0, 10**30, 1.5, "word", [], {}, True, [[1]], 1e308][int(rng.integers(0, 11))]
    place = value
    while isinstance(place, dict | list) and place:
        key = str(rng.choice(sorted(place))) if isinstance(place, dict) else int(rng.integers(0, len(place)))
        if not isinstance(place[key], dict | list) or rng.random() < 0.3:
            place[key] = other
            return json.dumps(value)
        place = place[key]
    return json.dumps(other)


# ------------------------------------------------------------------------------------------- doors


def load_door(folder, rng):
    """A model file is loaded, shown and asked, or refused."""
    path, whole = folder / "model.safetensors", folder / "whole.safetensors"
    if not whole.exists():
        save_model(make_model(columns=ALL_ROLES[:1]), whole)
    kind = rng.integers(0, 3)
    content = whole.read_bytes()
    if kind == 0:
        content = rng.bytes(int(rng.integers(0, 400)))
    elif kind == 1:
        content = mutated(content, rng)
    else:
        content = sealed_anew(*contents(whole), rng)
    path.write_bytes(content)
    model = load_model(path)
    card_lines(describe_file(path))
    panel = panel_from_arrays(rng.normal(size=40).cumsum(), inputs={"volume": rng.normal(size=40)})
    unlike_training(model, panel)
    forecast_panel(model, panel, 3)


def checkpoint_door(folder, rng):
    """A checkpoint is taken up, or refused."""
    identity, kept = (
        {"data": "abc"},
        Kept({"weights": np.arange(9, dtype=np.float32)}, {"update": 3, "rng": {"state": 1}}),
    )
    place = folder / "kept"
    if not place.exists():
        checkpoint = Checkpoint(place, identity, 0.0)
        checkpoint.stage("training").keep(kept)
        Ledger(place, identity, 0.0).write(Planned(40, 0.5, 2.0, None))
    files = sorted(path for path in place.iterdir() if path.name[0] != ".")
    whole = {path: path.read_bytes() for path in files}
    path = files[int(rng.integers(0, len(files)))]
    try:
        if rng.random() < 0.5 or path.suffix == ".json":
            path.write_bytes(mutated(whole[path], rng))
        else:
            path.write_bytes(sealed_anew(*contents(path), rng))
        Ledger(place, identity, 0.0)
        Checkpoint(place, identity, 0.0).stage("training").newest()
    finally:
        for path, content in whole.items():
            path.write_bytes(content)


def check_door(folder, rng):
    """A table is examined: a frame of anything, or the bytes of a file."""
    if rng.random() < 0.6:
        steps = int(rng.integers(0, 40))
        table = pa.table(
            {random_name(rng, place): random_column(rng, steps) for place in range(int(rng.integers(0, 5)))}
        )
        report = check(table)
    else:
        rows = "".join(f"2024-01-{k % 31 + 1:02d},{k * 1.5},{k % 3}\n" for k in range(int(rng.integers(0, 40))))
        path = folder / str(rng.choice(["table.csv", "table.csv.gz", "table.zip", "table.parquet"]))
        path.write_bytes(mutated(b"ds,y,unique_id\n" + rows.encode(), rng))
        report = check(str(path))
    report.as_text()
    json.dumps(report.as_dict(), allow_nan=False)


def random_name(rng, place):
    return str(rng.choice(WORDS))[:50] + ("" if rng.random() < 0.9 else str(place))


def random_column(rng, steps):
    """Numbers, days, words, truths, lists or nothing, with holes."""
    match int(rng.integers(0, 9)):
        case 0:
            values = rng.normal(size=steps).tolist()
        case 1:
            values = [float(number) for number in rng.choice(NUMBERS, steps)]
        case 2:
            values = rng.integers(-(2**62), 2**62, steps).tolist()
        case 3:
            days = np.datetime64("1970-01-01") + rng.integers(-700_000, 700_000, steps)
            values = days.astype("datetime64[us]").tolist()
        case 4:
            values = (np.datetime64("2024-01-01") + np.arange(steps)).astype("datetime64[us]").tolist()
        case 5:
            values = [str(word) for word in rng.choice(WORDS, steps)]
        case 6:
            values = [[float(k)] for k in range(steps)]
        case 7:
            values = (rng.random(steps) < 0.5).tolist()
        case _:
            values = [None] * steps
    if rng.random() < 0.3:
        values = [None if rng.random() < 0.2 else value for value in values]
    return pa.array(values)


def stream_door(_, rng):
    """Values of every kind are read one by one; what is forecast then is finite, and in order."""
    stream = Stream(make_model(columns=ALL_ROLES[:1], layers=1))
    scale = 10.0 ** int(rng.integers(-12, 13))
    for value in (rng.normal(size=int(rng.integers(1, 40))) * scale).tolist():
        strange = float(rng.choice([0.0, -0.0, 1e15, -1e15, float("nan"), 1e-300]))
        stream.update(strange if rng.random() < 0.2 else value, [strange] if rng.random() < 0.5 else [])
    made = stream.forecast(int(rng.integers(1, 20)), None)
    assert np.isfinite(made).all() and (np.diff(made, axis=-1) >= -1e-6 * np.abs(made).max()).all(), made


DOORS = {"load": load_door, "checkpoint": checkpoint_door, "check": check_door, "stream": stream_door}


def run_case(door, folder, seed, case):
    """Whether a case was refused by name."""
    rng = np.random.default_rng([seed, case])
    signal.alarm(SECONDS)
    try:
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            DOORS[door](folder, rng)
        return False
    except ModelFileError as error:
        assert error.exit_code == 4
        return True
    except GatecastError as error:
        assert str(error)
        return True
    finally:
        signal.alarm(0)


def main():
    door, count, seed, folder = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MEMORY, resource.RLIM_INFINITY))
    refused = 0
    for case in range(count):
        try:
            refused += run_case(door, folder, seed, case)
        except BaseException:  # noqa: BLE001 (whatever it is, the case is named)
            print(f"door {door}, seed {seed}, case {case}:", file=sys.stderr)
            traceback.print_exc()
            sys.exit(1)
    print(json.dumps({"door": door, "cases": count, "refused": refused}))


def hangs(*_):
    raise TimeoutError(f"a case takes longer than {SECONDS} s")


if __name__ == "__main__":
    signal.signal(signal.SIGALRM, hangs)
    main()
