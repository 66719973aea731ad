"""The course's door: ``python src/run_lstm.py sine | sp500 | FILE``, with the functions of ``lstm.py`` beside it."""

from __future__ import annotations

import sys
from pathlib import Path

from gatecast.cli import course

sys.path.insert(0, str(Path(__file__).resolve().parent))

import lstm

if __name__ == "__main__":
    course(lstm)
