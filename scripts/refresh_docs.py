"""Run the commands shown in the documents and paste what they print now, shortened as before.

Every ``console`` block whose commands begin with ``$`` is run, page by page, in one empty folder with the page's Python
blocks.  A line of output that is shown is looked for in the new output by its words, whatever its numbers; a line of …
stands for any number of lines.  A block whose words have changed is reported and left as it is.

    OMP_NUM_THREADS=1 python scripts/refresh_docs.py [--check] [PAGE …]
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = (ROOT / "README.md", ROOT / "docs" / "course" / "part2.md", ROOT / "docs" / "zeroshot.md")
LEFT_OUT = "…"
BLOCK = re.compile(r"^```(console|python)\n(.*?)^```$", flags=re.DOTALL | re.MULTILINE)
NUMBER = re.compile(r"[+-]?\d[\d,.]*(e[+-]?\d+)?%?")


def words(line: str) -> str:
    """A line without its numbers and its columns."""
    return " ".join(NUMBER.sub("#", line).split())


def steps(block: str) -> Iterator[tuple[str, list[str]]]:
    """Each command of a ``console`` block with the lines shown below it."""
    command, shown = "", list[str]()
    for line in block.splitlines():
        if line.startswith("$ "):
            if command:
                yield command, shown
            command, shown = line[2:], []
        elif command:
            shown.append(line)
    if command:
        yield command, shown


def pasted(shown: list[str], printed: list[str]) -> list[str] | None:
    """``shown`` with the numbers of ``printed``; None where the words are others."""
    place, free, lines = 0, False, list[str]()
    for line in shown:
        if line == LEFT_OUT:
            free = True
            lines.append(line)
            continue
        end = len(printed) if free else place + 1
        found = next((at for at in range(place, min(end, len(printed))) if words(printed[at]) == words(line)), None)
        if found is None:
            return None
        lines.append(printed[found].rstrip())
        place, free = found + 1, False
    return lines if free or not shown or place == len(printed) else None


def printed_by(command: str, folder: Path) -> list[str]:
    """What a command prints when typed in ``folder``; ``python src/…`` and ``gatecast`` are this checkout's."""
    first, *rest = shlex.split(command)
    if first == "gatecast":
        typed = [sys.executable, "-m", "gatecast", *rest]
    elif first == "python":
        typed = [sys.executable, str(ROOT / rest[0]), *rest[1:]]
    else:
        typed = [first, *rest]
    done = subprocess.run(
        typed, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, env=os.environ
    )
    return done.stdout.splitlines()


def refreshed(page: str, folder: Path) -> tuple[str, list[str]]:
    """The page with its outputs pasted again, and what could not be."""
    wrong, parts, end = list[str](), list[str](), 0
    for block in BLOCK.finditer(page):
        if block[1] == "python":
            subprocess.run([sys.executable, "-c", block[2]], cwd=folder, check=True)
            continue
        text = block[2]
        for command, shown in steps(text):
            if not shown:
                continue
            lines = pasted(shown, printed_by(command, folder))
            if lines is None:
                wrong.append(command)
                continue
            old, new = ("\n".join([f"$ {command}", *part]) for part in (shown, lines))
            text = text.replace(old, new)
        parts += [page[end : block.start(2)], text]
        end = block.end(2)
    return "".join([*parts, page[end:]]), wrong


def main() -> None:
    """Refresh, or only look."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("pages", nargs="*", type=Path, default=PAGES, metavar="PAGE")
    parser.add_argument("--check", action="store_true", help="change nothing; say what prints other words")
    given = parser.parse_args()
    failed = False
    for page in given.pages:
        with tempfile.TemporaryDirectory() as folder:
            text, wrong = refreshed(page.read_text(encoding="utf-8"), Path(folder))
        for command in wrong:
            print(f"{page.name}: other words now: {command}", file=sys.stderr)
        failed = failed or bool(wrong)
        if not given.check:
            page.write_text(text, encoding="utf-8")
    sys.exit(failed)


if __name__ == "__main__":
    main()
