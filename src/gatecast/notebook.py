"""How things show themselves in a notebook: a heading, facts and a table, as HTML in which everything is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape

from gatecast.wording import number

MOST_ROWS = 30
_BOX = "border-left:4px solid #0068b0;padding:.25em .9em;margin:.5em 0;overflow-x:auto"


def shown(
    title: str,
    facts: Mapping[str, object] | None = None,
    head: Sequence[str] = (),
    rows: Iterable[Sequence[object]] = (),
    words: str = "",
) -> str:
    """Return HTML for a notebook.

    Args:
        title: what it is.
        facts: by name.
        head: of a table.
        rows: of it; numbers are written with three digits, None as a dash.
        words: a paragraph under the title.
    """
    parts = [f"<strong>{escape(title)}</strong>"]
    if words:
        parts.append(f"<p style='margin:.4em 0'>{escape(words)}</p>")
    if facts:
        listed = " · ".join(f"{escape(name)} <b>{escape(_cell(value))}</b>" for name, value in facts.items())
        parts.append(f"<div>{listed}</div>")
    kept = list(rows)
    if kept:
        columns = "".join(f"<th>{escape(name)}</th>" for name in head)
        lines = "".join(
            f"<tr>{''.join(f'<td>{escape(_cell(cell))}</td>' for cell in row)}</tr>" for row in kept[:MOST_ROWS]
        )
        parts.append(f"<table><thead><tr>{columns}</tr></thead><tbody>{lines}</tbody></table>")
        if len(kept) > MOST_ROWS:
            parts.append(f"<div>… and {len(kept) - MOST_ROWS:,} more</div>")
    return f"<div style='{_BOX}'>{''.join(parts)}</div>"


def _cell(value: object) -> str:
    if value is None or (isinstance(value, float) and value != value):  # noqa: PLR0124 (NaN)
        return "–"
    if isinstance(value, float):
        return number(value) if abs(value) != float("inf") else "∞"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
