"""Runs every experiment of the lab and writes what came of it to ``benchmarks/results/lab.json``.

The tables of ``docs/lab.md`` are made of the record, and a test compares the two.  Some four minutes on one thread:

    python scripts/lab_record.py
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from gatecast import lab
from gatecast.lab_results import signed

RECORD = Path(__file__).parents[1] / "benchmarks" / "results" / "lab.json"
PAGE = Path(__file__).parents[1] / "docs" / "lab.md"


def recorded(result: lab.LabResult) -> dict[str, Any]:
    """A result without its charts, which hold the same numbers."""
    return {key: value for key, value in result.as_dict().items() if key not in {"charts", "predicted", "reply"}}


def part(result: dict[str, Any]) -> str:
    """What a page shows of a record: the answer, the table, the notes."""
    measures = list(dict.fromkeys(row["measure"] for row in result["rows"]))
    rows = {(row["what"], row["measure"]): row for row in result["rows"]}
    lines = [f"> {result['sentence']}", "", f"|  | {' | '.join(measures)} |", f"|---|{'---:|' * len(measures)}"]
    for what in dict.fromkeys(row["what"] for row in result["rows"]):
        cells = [_cell(rows.get((what, measure))) for measure in measures]
        lines.append(f"| {what} | {' | '.join(cells)} |")
    return "\n".join([*lines, *(f"\n{note}" for note in result["notes"])])


def _cell(row: dict[str, Any] | None) -> str:
    if row is None:
        return "–"
    middle, low, high = (signed(row[name]) for name in ("median", "low", "high"))
    return middle if low == high else f"{middle} ({low} to {high})"


def fill(text: str, record: dict[str, Any]) -> str:
    """A page with what stands between ``<!-- lab: NAME -->`` and ``<!-- end -->`` made of the record."""

    def put(found: re.Match[str]) -> str:
        return f"<!-- lab: {found[1]} -->\n{part(record[found[1]])}\n<!-- end -->"

    return re.sub(r"<!-- lab: (\w+) -->\n.*?<!-- end -->", put, text, flags=re.DOTALL)


def main() -> None:
    """Run and write."""
    found: dict[str, Any] = {}
    for name, experiment in lab.EXPERIMENTS.items():
        result = experiment.run(lab.USUAL, lambda line: print(line, file=sys.stderr))
        found[name] = recorded(result)
        print(result.sentence)
    RECORD.write_text(json.dumps(found, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(fill(PAGE.read_text(encoding="utf-8"), found), encoding="utf-8")


if __name__ == "__main__":
    main()
