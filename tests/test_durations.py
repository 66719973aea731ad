"""Lengths of time are read as people write them, and what is none is refused with what would be right."""

import pytest

from gatecast.config import TrainingConfig
from gatecast.durations import in_words, seconds_of


@pytest.mark.parametrize(
    ("time", "seconds"),
    [
        ("90s", 90),
        ("90", 90),
        ("5m", 300),
        ("1h", 3600),
        ("1h30m", 5400),
        ("1h 30m 5s", 5405),
        ("1.5h", 5400),
        ("0.5", 0.5),
        (".5s", 0.5),
        (" 2M ", 120),
        (12, 12),
        (0.25, 0.25),
    ],
)
def test_a_time_is_read(time, seconds):
    assert seconds_of(time) == seconds
    assert TrainingConfig(budget=time).budget == seconds


@pytest.mark.parametrize(
    "time", ["", " ", "soon", "5 minutes", "m", "-5s", "30s1m", "1d", "0s", 0, -3, True, float("nan"), float("inf"), []]
)
def test_what_is_no_time_is_refused_with_what_is_one(time):
    with pytest.raises(ValueError, match="90s, 5m, 1h or 1h30m"):
        seconds_of(time)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.43, "0.4 s"), (12.2, "12 s"), (60, "1 min"), (200, "3 min 20 s"), (3600, "1 h"), (7500, "2 h 5 min")],
)
def test_a_time_is_written_briefly(seconds, words):
    assert in_words(seconds) == words
