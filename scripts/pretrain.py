"""Make the shipped weights from a seed: train the network on simulated series alone.

    python scripts/pretrain.py --seed 0 --updates 20000 --out weights.pt            resumes where it stopped
    python scripts/pretrain.py --seed 0 --updates 20000 --out weights.pt --seconds 500

Needs torch and numpy.  Nothing real is read: series come from ``gatecast.synthetic``.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

import numpy as np
import torch

from gatecast.config import QUANTILES, NetworkConfig
from gatecast.network import Network, pinball_loss, to_tensors
from gatecast.scaling import CANDIDATES, Question, Running, ask, scale_series
from gatecast.synthetic import KINDS, Kind, Parts, simulate

ORIGINS = 16
STEPS = 12
CELLS = 9000  # steps of all windows of a batch
POOL = 600_000  # cells simulated at a time
USES = 1.5
REACH = 64
OLD = bool(os.environ.get("OLD"))


class Pool:
    def __init__(self, kind: Kind, rng, parts):
        count = max(64, POOL // kind.longest)
        made = simulate(kind, count, rng, parts)
        self.kind, self.truth = kind, made.truth_NT
        self.scaled = scale_series(made.values_NT, Running(kind.seasons))
        self.first = np.argmax(np.isfinite(made.values_NT), axis=1)
        self.last_seen = made.values_NT
        self.size = int(np.clip(CELLS // kind.longest, 12, 96))
        self.left = int(USES * count / self.size)

    def batch(self, rng):
        kind, scaled = self.kind, self.scaled
        rows = rng.integers(0, len(self.truth), self.size)
        first = self.first[rows]
        steps = kind.longest
        usable = (steps - 1 - first)[:, None]
        low = np.minimum(2 + kind.seasons[-1] * (rng.random((self.size, 1)) < 0.7), usable // 2)
        origins = first[:, None] + low + (rng.random((self.size, ORIGINS)) * (usable - low)).astype(np.int64)
        origins = np.minimum(origins, steps - 2)
        horizon = min(REACH, steps // 3)
        k = np.unique(np.exp(rng.uniform(0, np.log(horizon + 0.99), STEPS // 2)).astype(np.int64))
        k = np.unique(np.concatenate([[1], k, rng.integers(1, horizon + 1, STEPS // 2)]))
        begin = int(first.min())
        rows_n, at = np.repeat(rows, ORIGINS), origins.ravel()
        question = ask(scaled, rows_n, at, k, kind.seasons)
        ahead = at[:, None] + k
        truth = self.truth[rows_n[:, None], np.minimum(ahead, steps - 1)]
        level, scale = scaled.level_BT[rows_n, at], scaled.scale_BT[rows_n, at]
        known = np.isfinite(truth) & (ahead < steps) & (scale > 0)[:, None]
        safe = np.where(scale > 0, scale, 1)
        truth = np.where(known, (truth - level[:, None]) / safe[:, None], 0)
        inputs = scaled.inputs_BTC[rows][:, begin:]
        if OLD:
            inputs = inputs.copy(); inputs[..., 16:] = 0
            f, a = question.features_NKF.copy(), question.available_NKA.copy()
            f[..., 14:] = 0; a[..., 4:] = False
            question = Question(f, question.candidates_NKA, a, question.path_KJ)
        self.left -= 1
        return inputs, origins - begin, question, truth, known


def loss_of(net, batch):
    inputs, within, question, truth, known = batch
    h = net.read(torch.from_numpy(np.ascontiguousarray(inputs)))
    h = h.gather(1, torch.from_numpy(within)[..., None].expand(-1, -1, h.shape[-1])).reshape(-1, h.shape[-1])
    q = net(h, to_tensors(question, torch.device("cpu")))
    per = pinball_loss(torch.from_numpy(truth).float(), q)
    mask = torch.from_numpy(known).float()
    each = (per * mask).sum(1) / mask.sum(1).clamp(min=1)
    ok = (mask.sum(1) > 0).float()
    return (each.clamp(max=20) * ok).sum() / ok.sum().clamp(min=1)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--updates", type=int, default=3000)
    p.add_argument("--units", type=int, default=64)
    p.add_argument("--layers", type=int, default=2)
    p.add_argument("--rate", type=float, default=3e-3)
    p.add_argument("--out", type=Path, default=Path("w.pt"))
    p.add_argument("--seconds", type=float, default=1e9)
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--kinds", default="")
    p.add_argument("--parts", default="")
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    rng = np.random.default_rng(a.seed)
    torch.manual_seed(a.seed)
    kinds = [k for i, k in enumerate(KINDS) if not a.kinds or str(i) in a.kinds.split(",")]
    parts = Parts(**{n: float(v) for n, v in (w.split("=") for w in a.parts.split(",") if w)})
    shares = np.array([k.share for k in kinds]); shares /= shares.sum()
    net = Network(NetworkConfig(units=a.units, layers=a.layers))
    print("weights", sum(x.numel() for x in net.parameters()))
    opt = torch.optim.AdamW(net.parameters(), lr=a.rate, weight_decay=1e-4)
    sched = torch.optim.lr_scheduler.OneCycleLR(opt, a.rate, total_steps=a.updates, pct_start=0.1)
    avg = {n: v.clone() for n, v in net.state_dict().items()}
    pools = {}
    begin = time.time(); spent = 0; run = []
    update = 0
    if a.out.exists():
        c = torch.load(a.out, weights_only=False)
        net.load_state_dict(c["net"]); opt.load_state_dict(c["opt"]); sched.load_state_dict(c["sched"]); avg = c["avg"]; update = c["update"]
        rng = np.random.default_rng((a.seed, update))
    sim = 0.0
    while update < a.updates and time.time() - begin < a.seconds:
        i = int(rng.choice(len(kinds), p=shares))
        if i not in pools or pools[i].left <= 0:
            t = time.time(); pools[i] = Pool(kinds[i], rng, parts); sim += time.time() - t
        loss = loss_of(net, pools[i].batch(rng))
        opt.zero_grad(); loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        opt.step(); sched.step()
        update += 1
        rate = min(0.1, max(0.002, 20 / (update + 1)))
        for n, v in net.state_dict().items():
            avg[n].lerp_(v, rate if update < a.updates * 0.5 else max(0.002, 3 / a.updates))
        run.append(float(loss))
        if update % 500 == 0:
            print(update, f"{time.time() - begin:.0f} s (simulating {sim:.0f})", f"{np.mean(run[-500:]):.4f}", flush=True)
            torch.save({"net": net.state_dict(), "opt": opt.state_dict(), "sched": sched.state_dict(), "avg": avg, "update": update, "units": a.units, "layers": a.layers}, a.out)
    torch.save({"net": net.state_dict(), "opt": opt.state_dict(), "sched": sched.state_dict(), "avg": avg, "update": update, "units": a.units, "layers": a.layers}, a.out)


main()
