"""Make the shipped weights from a seed: train the network on simulated series alone.

    python scripts/pretrain.py --seed 0 --state FILE                  twenty to fifty minutes of one core
    python scripts/pretrain.py --seed 0 --state FILE --seconds 500    one slice of it; call again to go on
    python scripts/pretrain.py --seed 0 --state FILE --export FILE    write what there is as a model file

Nothing real is read: the series come from ``gatecast.synthetic``.  Needs torch, NumPy and safetensors, and no other
package.  The state is saved every ``PART`` updates; a slice that is killed loses those since.  Each part draws from a
generator of its own, seeded by seed and part, so that it does not matter where it was stopped.

Key: S series of a pool, B series of a batch, N origin, K step ahead, T step, C channel.
"""

from __future__ import annotations

import argparse
import json
import math
import time
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gatecast import __version__
from gatecast.constants import DIRECT_HORIZON, FORMAT
from gatecast.network import Network, export, pinball_loss, to_tensors
from gatecast.scaling import Question, Running, Scaled, ask, scale_series
from gatecast.sealed import seal, write_atomically
from gatecast.synthetic import ANY_SEASON, KINDS, Kind, simulate

Floats = NDArray[np.float64]
Random = np.random.Generator

UPDATES = 12_000
PART = 500  # updates between two saves; pools are drawn anew for each part
RATE = 3e-3  # peak of the one-cycle schedule
WARM = 0.1  # share of the updates in which it rises
DECAY = 1e-4
CLIP = 1.0
ORIGINS = 16  # of a series in a batch
STEPS = 12  # ahead, of an origin
CELLS = 9_000  # series x steps of a batch
FEWEST, MOST = 12, 96  # series of a batch
USES = 1.5  # times that a simulated series is looked at, on average
READ, LONG = 400, 1_200  # steps that are read of a series at most, and in LONG_SHARE of the batches; scale and phases
LONG_SHARE = 0.15  # know all before them
REACH = DIRECT_HORIZON
LARGEST_LOSS = 20.0  # of an origin, in scales
LARGEST_WEIGHT = 8.0
HELD = 96  # held-back series of each kind that are judged


class Shape(NamedTuple):
    """What the network is made from."""

    units: int = 64
    layers: int = 2
    dropout: float = 0.0
    forget_bias: float = 1.0
    cell: str = "lstm"


class Batch(NamedTuple):
    """What one update learns from."""

    inputs_BTC: NDArray[np.float32]
    within_BN: NDArray[np.int64]
    question: Question
    truth_NK: Floats
    known_NK: NDArray[np.bool_]
    weight_N: Floats


class Pool:
    """Simulated series of one kind, scaled."""

    def __init__(self, kind: Kind, count: int, rng: Random) -> None:
        if not kind.seasons:
            low, high = ANY_SEASON
            season = int(np.exp(rng.uniform(np.log(low), np.log(high + 1))))
            longest, shortest = int(np.clip(16 * season, 80, 500)), int(np.clip(2 * season, 10, 100))
            kind = kind._replace(seasons=(season,), longest=longest, shortest=shortest)
        made = simulate(kind, count, rng)
        self.kind, self.truth_ST = kind, made.truth_NT
        self.scaled: Scaled = scale_series(made.values_NT, Running(kind.seasons))
        self.first_S = np.argmax(np.isfinite(made.values_NT), axis=1)
        self.order_S = np.argsort(self.first_S, kind="stable")
        self.unit_S = _easiest(made.truth_NT, kind.seasons)
        self.left = USES * count

    def batch(self, rng: Random) -> Batch:
        """Series of like length, origins anywhere in them, and steps ahead that are the same for all."""
        kind, scaled, steps = self.kind, self.scaled, self.truth_ST.shape[1]
        read = LONG if rng.random() < LONG_SHARE else READ
        middle = int(rng.integers(0, len(self.order_S)))
        shown = max(1, steps - int(self.first_S[self.order_S[middle]]))
        size = min(int(np.clip(CELLS // min(shown, read), FEWEST, MOST)), len(self.order_S))
        begin = int(np.clip(middle - size // 2, 0, len(self.order_S) - size))
        rows_B = self.order_S[begin : begin + size]
        self.left -= size
        unread = steps - int(self.first_S[rows_B].max()) - read
        end = steps - int(rng.integers(0, max(1, unread + 1)))  # what is read of long series ends anywhere in them
        first_B = np.maximum(self.first_S[rows_B], end - read)
        usable_B1 = (end - 1 - first_B)[:, None]
        young_B1 = rng.random((size, 1)) < 0.3  # asked before they have shown a whole season
        low_B1 = np.minimum(2 + kind.seasons[-1] * ~young_B1, usable_B1 // 2)
        chosen_BN = low_B1 + (rng.random((size, ORIGINS)) * (usable_B1 - low_B1)).astype(np.int64)
        origins_BN = np.minimum(first_B[:, None] + chosen_BN, end - 2)
        begin = int(first_B.min())
        rows_N, at_N = np.repeat(rows_B, ORIGINS), origins_BN.ravel()
        steps_K = _ahead(min(REACH, steps // 3), rng)
        ahead_NK = at_N[:, None] + steps_K
        truth_NK = self.truth_ST[rows_N[:, None], np.minimum(ahead_NK, steps - 1)]
        level_N, scale_N = scaled.level_BT[rows_N, at_N], scaled.scale_BT[rows_N, at_N]
        known_NK = np.isfinite(truth_NK) & (ahead_NK < steps) & (scale_N > 0)[:, None]
        safe_N = np.where(scale_N > 0, scale_N, 1.0)
        return Batch(
            scaled.inputs_BTC[rows_B, begin:end],
            origins_BN - begin,
            ask(scaled, rows_N, at_N, steps_K, kind.seasons),
            np.where(known_NK, (truth_NK - level_N[:, None]) / safe_N[:, None], 0.0),
            known_NK,
            np.clip(safe_N / self.unit_S[rows_N], 1.0, LARGEST_WEIGHT),
        )


def _ahead(horizon: int, rng: Random) -> NDArray[np.int64]:
    """Steps ahead, near ones more often than far ones; the next one is always among them."""
    near = np.exp(rng.uniform(0, np.log(horizon + 0.99), STEPS // 2)).astype(np.int64)
    return np.unique(np.concatenate([[1], near, rng.integers(1, horizon + 1, STEPS // 2)]))


def _easiest(truth_ST: Floats, seasons: tuple[int, ...]) -> Floats:
    """The smaller mean change over one of two seasons: in its unit a series counts whose scale is of the other one."""
    if len(seasons) == 1:
        return np.full(len(truth_ST), np.inf)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # the mean of nothing
        means = [np.nanmean(np.abs(truth_ST[:, m:] - truth_ST[:, :-m]), axis=1) for m in seasons]
    unit_S = np.nanmin(np.stack([*means, np.full(len(truth_ST), np.inf)]), axis=0)
    return np.where(unit_S > 0, unit_S, np.inf)


class Training:
    """The network, its optimiser and its late average, at some update."""

    def __init__(self, seed: int, updates: int, device: str) -> None:
        torch.manual_seed(seed)
        self.seed, self.updates, self.device, self.update = seed, updates, torch.device(device), 0
        self.network = Network(Shape()).to(self.device)
        with torch.no_grad():
            self.network.out.bias.zero_()  # all candidates alike: what is simulated is of every kind
        self.adam = torch.optim.AdamW(self.network.parameters(), lr=RATE, weight_decay=DECAY)
        self.average = {name: value.clone() for name, value in self.network.state_dict().items()}
        self.log: list[dict[str, float]] = []
        self.seconds = 0.0

    def part(self, shares: Floats) -> None:
        """Make the updates up to the next save."""
        rng = np.random.default_rng((self.seed, 1, self.update))
        pools: dict[int, Pool] = {}
        begin, losses = time.perf_counter(), []
        for _ in range(min(PART, self.updates - self.update)):
            which = int(rng.choice(len(KINDS), p=shares))
            if which not in pools or pools[which].left <= 0:
                cells = shares[which] * PART * CELLS / USES
                pools[which] = Pool(KINDS[which], max(64, int(cells) // min(KINDS[which].longest, READ)), rng)
            for group in self.adam.param_groups:
                group["lr"] = RATE * one_cycle(self.update / self.updates)
            self.adam.zero_grad()
            loss = self.loss(pools[which].batch(rng))
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), CLIP)
            self.adam.step()
            self.update += 1
            new = max(0.002, 3 / self.updates, 20 / (self.update + 200))
            for name, value in self.network.state_dict().items():
                self.average[name].lerp_(value, new)
            losses.append(float(loss.detach()))
        self.seconds += time.perf_counter() - begin
        self.log.append({"update": self.update, "loss": float(np.mean(losses)), "seconds": round(self.seconds, 1)})

    def loss(self, batch: Batch) -> Tensor:
        """Mean pinball loss over origins, in scales, each by its weight."""
        inputs_BTC = torch.as_tensor(np.ascontiguousarray(batch.inputs_BTC), device=self.device)
        within_BN = torch.as_tensor(batch.within_BN, device=self.device)
        h_BTD = self.network.read(inputs_BTC)
        units = h_BTD.shape[-1]
        h_ND = h_BTD.gather(1, within_BN[..., None].expand(-1, -1, units)).reshape(-1, units)
        said_NKQ = self.network(h_ND, to_tensors(batch.question, self.device))
        truth_NK, known_NK, weight_N = (
            torch.as_tensor(part, dtype=torch.float32, device=self.device)
            for part in (batch.truth_NK, batch.known_NK, batch.weight_N)
        )
        each_NK = pinball_loss(truth_NK, said_NKQ) * known_NK
        each_N = (each_NK.sum(1) / known_NK.sum(1).clamp(min=1) * weight_N).clamp(max=LARGEST_LOSS)
        some_N = (known_NK.sum(1) > 0).float()
        return (each_N * some_N).sum() / some_N.sum().clamp(min=1)

    def judged(self) -> dict[str, float]:
        """The network's loss on held-back simulated series of every kind."""
        found = {}
        for which, kind in enumerate(KINDS):
            rng = np.random.default_rng((0, 2, which))  # the same for every seed; those trained on have a 1 here
            pool = Pool(kind, HELD, rng)
            with torch.inference_mode():
                losses = [float(self.loss(pool.batch(rng))) for _ in range(4)]
            season = " and ".join(map(str, kind.seasons)) or "any"
            found[f"season {season}, up to {kind.longest} steps"] = float(np.mean(losses))
        return found

    def save(self, path: Path) -> None:
        """Write everything that the rest of the training depends on; a file that is there is replaced at once."""
        state = {name: getattr(self, name) for name in ("seed", "updates", "update", "average", "log", "seconds")}
        state |= {"network": self.network.state_dict(), "adam": self.adam.state_dict()}
        beside = path.with_suffix(".part")
        torch.save(state, beside)
        beside.replace(path)

    def load(self, path: Path) -> None:
        """Go on from a saved state.

        Raises:
            SystemExit: it belongs to another training.
        """
        state = torch.load(path, map_location=self.device, weights_only=True)
        if (state["seed"], state["updates"]) != (self.seed, self.updates):
            raise SystemExit(f"{path}: is of seed {state['seed']} and {state['updates']} updates; give another --state")
        self.network.load_state_dict(state["network"])
        self.adam.load_state_dict(state["adam"])
        for name in ("update", "average", "log", "seconds"):
            setattr(self, name, state[name])

    def export(self, path: Path) -> None:
        """Write the averaged network and its card as ``gatecast.modelfile`` reads them; the training stays as it is."""
        live = {name: value.clone() for name, value in self.network.state_dict().items()}
        self.network.load_state_dict(self.average)
        training = {"horizon": REACH, "seed": self.seed, "updates": self.update, "scaling": "running"}
        training |= {"learning_rate": RATE, "weight_decay": DECAY, "clip": CLIP, "origins": ORIGINS, "steps": STEPS}
        card = {
            "what": "zero-shot weights of gatecast: the weights saw no real data",
            "generator": "gatecast.synthetic",
            "seed": self.seed,
            "updates": self.update,
            "seconds": round(self.seconds),
            "held_back_loss": {name: round(loss, 4) for name, loss in self.judged().items()},
            "versions": {"gatecast": __version__, "numpy": np.__version__, "torch": torch.__version__},
        }
        header = {
            "gatecast_format": str(FORMAT),
            "scaling": json.dumps(Running((1,)).as_dict()),
            "config": json.dumps({"network": Shape()._asdict(), "training": training}),
            "columns": "[]",
            "card": json.dumps(card),
        }
        write_atomically(path, seal(export(self.network), header))
        self.network.load_state_dict(live)


def one_cycle(share: float) -> float:
    """The learning rate as a share of its peak: up from a 25th along a cosine, and down to nothing."""
    if share < WARM:
        return 0.04 + 0.96 * 0.5 * (1 - math.cos(math.pi * share / WARM))
    return 0.5 * (1 + math.cos(math.pi * (share - WARM) / (1 - WARM)))


def main() -> None:
    """Train from where the state stands, part by part."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--updates", type=int, default=UPDATES)
    parser.add_argument("--state", type=Path, help="where the training is kept; pretrain-SEED.pt if not given")
    parser.add_argument("--seconds", type=float, default=math.inf, help="stop after so long; call again to go on")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--export", type=Path, help="write a model file at the end")
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    state = asked.state or Path(f"pretrain-{asked.seed}.pt")
    for path in (state, asked.export or state):
        if not path.parent.is_dir():
            parser.error(f"{path}: there is no folder {path.parent}; make it first")
    training = Training(asked.seed, asked.updates, asked.device)
    if state.exists():
        training.load(state)
    shares = np.array([kind.share for kind in KINDS])
    begin = time.perf_counter()
    while training.update < asked.updates and time.perf_counter() - begin < asked.seconds:
        training.part(shares / shares.sum())
        training.save(state)
        print(json.dumps(training.log[-1]), flush=True)
    if asked.export:
        training.export(asked.export)
        print(f"{asked.export}: {training.update} of {asked.updates} updates")


if __name__ == "__main__":
    main()
