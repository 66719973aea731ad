"""What an experiment of the lab looks like in a terminal; plain text in a pipe."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from gatecast.lab_results import LabResult, Question, signed


def ask_prediction(console: Console, question: Question) -> str | None:
    """Ask for a prediction before anything is measured; an empty line goes on without one."""
    console.print(question.text, markup=False, soft_wrap=True)
    keys = list(question.choices)
    for number_, text in enumerate(question.choices.values(), start=1):
        console.print(f"  {number_}  {text}", markup=False, soft_wrap=True)
    while True:
        said = console.input(f"Your prediction, 1 to {len(keys)} (Enter for none): ").strip()
        if not said or said in keys:
            return said or None
        if said.isdecimal() and 1 <= int(said) <= len(keys):
            return keys[int(said) - 1]
        console.print(f"{said!r} is none of these", markup=False)


def print_lab(console: Console, result: LabResult) -> None:
    """The answer, then the numbers it was written from."""
    console.print(result.question.text, markup=False, soft_wrap=True)
    console.print(f"\n{result.sentence}", style="bold", markup=False, soft_wrap=True)
    if result.reply is not None:
        console.print(result.reply, markup=False, soft_wrap=True)
    for measure in dict.fromkeys(row.measure for row in result.rows):
        table = Table(title=measure, title_justify="left", title_style="bold", box=None, pad_edge=False)
        table.add_column("")
        for heading in ("median", "lowest", "highest"):
            table.add_column(heading, justify="right")
        for row in result.rows:
            if row.measure == measure:
                table.add_row(row.what, *(signed(value) for value in (row.median, row.low, row.high)))
        console.print()
        console.print(table)
    console.print(f"\n{result.confidence}", markup=False, soft_wrap=True)
    console.print(result.method, markup=False, soft_wrap=True)
    for note in result.notes:
        console.print(note, markup=False, soft_wrap=True)
