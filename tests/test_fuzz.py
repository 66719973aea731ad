"""Whatever is handed over is used or refused by name: no crash, no hang, no memory blow-up; see ``helpers_fuzz``."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from gatecast.doctor import check
from gatecast.errors import DataError
from gatecast.panel import panel_from_frame

HELPER = Path(__file__).with_name("helpers_fuzz.py")
DOORS = ("load", "checkpoint", "check", "stream")


def fuzz(door, cases, folder, seed):
    command = [sys.executable, str(HELPER), door, str(cases), str(seed), str(folder)]
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout)


@pytest.mark.parametrize("door", DOORS)
def test_a_hundred_cases_at_every_door(door, tmp_path):
    told = fuzz(door, 100, tmp_path, 0)
    assert told["cases"] == 100
    if door in {"load", "checkpoint"}:
        assert 10 < told["refused"] < 100  # some get through, and many do not


@pytest.mark.parametrize("kind", ["lists", "records"])
def test_series_that_are_named_by_lists_are_refused(kind):
    """Found by the cases above."""
    names = [[1.0], [2.0]] if kind == "lists" else [{"a": 1}, {"a": 2}]
    table = pa.table({"unique_id": names * 10, "ds": list(range(20)), "y": [1.0, 2.0] * 10})
    for ask in (panel_from_frame, check):
        with pytest.raises(DataError, match=r"column 'unique_id' holds .*give words or numbers"):
            ask(table)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(4))
@pytest.mark.parametrize("door", DOORS)
def test_ten_thousand_cases_at_every_door(door, part, tmp_path):
    assert fuzz(door, 2_500, tmp_path, 1 + part)["cases"] == 2_500
