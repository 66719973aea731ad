"""One experiment of the lab as a page that works offline, in the frame of a run's report."""

from __future__ import annotations

from pathlib import Path

import vl_convert

from gatecast.errors import OutputError
from gatecast.lab_results import LabResult, with_range
from gatecast.modelfile import write_atomically
from gatecast.report import GRAMMAR, fill

TEMPLATE = "lab.html"


def check_page(path: Path) -> Path:
    """Return the path of a page to be written.

    Raises:
        OutputError: it is no HTML file, or its folder is not there.
    """
    if path.suffix.lower() not in {".html", ".htm"}:
        raise OutputError(f"{path}: the lab writes a page; give a name that ends in .html")
    if not path.parent.is_dir():
        raise OutputError(f"{path}: there is no folder {path.parent}; make it first, or choose another")
    return path


def write_page(result: LabResult, path: Path) -> None:
    """Write a result as one HTML file.

    Raises:
        OutputError: the path cannot be written to, or is no HTML file.
    """
    write_atomically(check_page(path), render(result).encode())


def render(result: LabResult) -> str:
    """The page as text."""
    compiled = {
        figure.name: vl_convert.vegalite_to_vega(figure.chart.to_dict(validate=False), vl_version=GRAMMAR)
        for figure in result.figures
    }
    measures, table = result.table()
    first, *rest = result.sentence.split(". ")
    words = {
        "title": result.question.title,
        "verdict": (f"{first}." if rest else first, [_ended(sentence) for sentence in rest]),
        "unlooked": [] if result.reply is None else [result.reply],
        "question": result.question,
        "answer": result.answer.choice,
        "predicted": result.predicted,
        "confidence": result.confidence,
        "method": result.method,
        "notes": result.notes,
        "measures": measures,
        "table": {what: [None if row is None else with_range(row) for row in rows] for what, rows in table.items()},
        "figures": result.figures,
        "version": "",
    }
    return fill(TEMPLATE, words, compiled)


def _ended(sentence: str) -> str:
    return sentence if sentence.endswith(".") else f"{sentence}."
