"""Fill the README's figures from ``benchmarks/results/course.json`` and, when asked, draw its pictures from two runs.

python scripts/readme_figures.py              the table between the marks
python scripts/readme_figures.py --pictures   the pictures in docs/images too; two runs, half a minute
"""

from __future__ import annotations

import argparse
import json
import struct
import zlib
from pathlib import Path
from typing import Any

import vl_convert

from gatecast.charts import multi_sequence_chart
from gatecast.config import DataConfig, RunConfig
from gatecast.report import GRAMMAR, SHARPNESS, still
from gatecast.run import run

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "README.md"
RESULTS = ROOT / "benchmarks" / "results" / "course.json"
PICTURES = ROOT / "docs" / "images"
BEGIN, END = "<!-- benchmark -->", "<!-- /benchmark -->"


def figures_table(results: dict[str, Any]) -> str:
    """The benchmark's rows as a markdown table: what was measured, and what it had to be."""
    device, met = results["device"], {True: "yes", False: "**no**", None: "–"}
    where = f"{device['cpu']}, {device['cores']} cores, one thread"
    changed = " and changes" if results["uncommitted_changes"] else ""
    lines = [
        f"Measured {results['date'][:10]} on {where}; commit {results['commit'][:7]}{changed}.",
        "",
        "| what | measured | required | met |",
        "|---|---|---|---|",
    ]
    for row in results["figures"]:
        sooner = any(name == "times" for name in row["must"])
        bound = f"{'at least' if sooner else 'under'} {in_words(row['must'])}"
        lines.append(f"| {row['what']} | {in_words(row['value'])} | {bound} | {met[row['met']]} |")
    return "\n".join(lines)


def in_words(values: dict[str, float]) -> str:
    """Numbers with their names, short."""
    return "; ".join(f"{x:.3g} {name}" for name, x in values.items())


def fill(page: str, text: str) -> str:
    """The page with ``text`` between its marks."""
    before, rest = page.split(BEGIN, 1)
    _, after = rest.split(END, 1)
    return f"{before}{BEGIN}\n\n{text}\n\n{END}{after}"


def draw(source: str) -> None:
    """The multi-sequence picture of a run, as its report shows it."""
    outcome = run(RunConfig(data=DataConfig(source=source)))
    chart = multi_sequence_chart(outcome).chart.to_dict(validate=False)
    drawn = vl_convert.vegalite_to_vega(chart, vl_version=GRAMMAR)
    PICTURES.mkdir(exist_ok=True)
    (PICTURES / f"{source}.png").write_bytes(packed(vl_convert.vega_to_png(still(drawn), scale=SHARPNESS)))


def packed(png: bytes) -> bytes:
    """The same picture, its pixels packed as tightly as zlib can: a half to a third of the size."""
    parts, pixels, place = [png[:8]], b"", 8
    while place < len(png):
        size, kind = struct.unpack(">I4s", png[place : place + 8])
        chunk = png[place : place + 12 + size]
        place += len(chunk)
        if kind == b"IDAT":
            pixels += chunk[8:-4]
            continue
        if kind == b"IEND":
            body = b"IDAT" + zlib.compress(zlib.decompress(pixels), 9)
            parts.append(struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body)))
        parts.append(chunk)
    return b"".join(parts)


def main() -> None:
    """Write the table and, when asked, the pictures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pictures", action="store_true", help="draw the pictures too")
    if parser.parse_args().pictures:
        draw("sine")
        draw("sp500")
    if not RESULTS.exists():
        raise SystemExit(f"{RESULTS.relative_to(ROOT)} is not there; make bench writes it")
    table = figures_table(json.loads(RESULTS.read_text(encoding="utf-8")))
    PAGE.write_text(fill(PAGE.read_text(encoding="utf-8"), table), encoding="utf-8")


if __name__ == "__main__":
    main()
