"""Runs every experiment of the lab and writes what came of it to ``benchmarks/results/lab.json``.

``docs/lab.md`` quotes the record, and a test compares the two.  Some four minutes on one thread:

    python scripts/lab_record.py
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from gatecast import lab

RECORD = Path(__file__).parents[1] / "benchmarks" / "results" / "lab.json"


def recorded(result: lab.LabResult) -> dict[str, object]:
    """A result without its charts, which hold the same numbers."""
    return {key: value for key, value in result.as_dict().items() if key not in {"charts", "predicted", "reply"}}


def main() -> None:
    """Run and write."""
    found = {}
    for name, experiment in lab.EXPERIMENTS.items():
        result = experiment.run(lab.USUAL, lambda line: print(line, file=sys.stderr))
        found[name] = recorded(result)
        print(result.sentence)
    RECORD.write_text(json.dumps(found, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
