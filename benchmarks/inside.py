"""How long the page Inside takes to open: 64 units over 1,000 steps, in Debian's Chromium, from a file.

Opened means that everything is computed from the weights and drawn.  The page is the one of ``gatecast.write_inside``,
with random weights; what a run over so many steps took before it is of no concern.  Beside it, how long one change (all
forget gates of the network shut) takes until the new forecast is drawn.

    python benchmarks/inside.py [--quick]
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
from playwright.sync_api import Browser, sync_playwright
from record import RESULTS, heading, note_start, say, write

from gatecast import write_inside
from gatecast.config import NetworkConfig, RunConfig, TrainingConfig
from gatecast.modelfile import Model
from gatecast.network import Network, export
from gatecast.runtime import weights_from_arrays
from gatecast.scaling import Running

UNITS, STEPS, SEASON = 64, 1000, 12
GOAL = 2.0
CHANGE = """() => new Promise(resolve => {
  const begin = performance.now(), inside = gatecastInside;
  inside.now.held[0].forget.fill(inside.now.held[0].forget[0] === 0 ? NaN : 0);
  inside.compute();
  requestAnimationFrame(() => setTimeout(() => resolve((performance.now() - begin) / 1000), 0));
})"""


def page(path: Path, units: int, steps: int) -> int:
    """Write the page of a network with random weights; returns its size in bytes."""
    rng = np.random.default_rng(0)
    shapes = export(Network(NetworkConfig(units=units)))
    weights = weights_from_arrays({name: rng.normal(scale=0.2, size=array.shape) for name, array in shapes.items()})
    model = Model(weights, Running((SEASON,)), RunConfig(training=TrainingConfig(horizon=50)))
    values = 50 + rng.normal(size=steps).cumsum() + 5 * np.sin(np.arange(steps) * 2 * np.pi / SEASON)
    write_inside(values, path, model)
    return path.stat().st_size


def open_once(browser: Browser, path: Path) -> tuple[float, float]:
    """Seconds until the page is drawn, and until a change of it is."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    opened = context.new_page()
    begin = perf_counter()
    opened.goto(path.as_uri())
    opened.wait_for_selector("#inside[data-drawn]:not([aria-busy=true])")
    seconds = perf_counter() - begin
    change = min(opened.evaluate(CHANGE) for _ in range(3))
    context.close()
    return seconds, change


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="tiny counts: to see that it runs; writes nothing")
    quick = parser.parse_args().quick
    chromium = shutil.which("chromium")
    if chromium is None:
        raise SystemExit("there is no chromium; install Debian's")
    start = note_start()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        path = Path(folder) / "inside.html"
        size = page(path, 4 if quick else UNITS, 50 if quick else STEPS)
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        runs = [open_once(browser, path) for _ in range(1 if quick else 9)]
        found: dict[str, Any] = {
            "units": UNITS,
            "steps": STEPS,
            "goal_seconds": GOAL,
            "page_bytes": size,
            "chromium": browser.version,
            "open_seconds": median(opening for opening, _ in runs),
            "change_seconds": median(change for _, change in runs),
            "runs": [{"open": opening, "change": change} for opening, change in runs],
        }
        browser.close()
    say(f"open {found['open_seconds']:.2f} s (goal {GOAL} s), change {found['change_seconds']:.3f} s, {size:,} bytes")
    if not quick:
        write({**heading(start, "numpy", "playwright"), **found}, RESULTS / "inside.json")


if __name__ == "__main__":
    main()
