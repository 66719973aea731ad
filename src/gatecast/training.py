"""The training loop, in the open: sample windows, ask, compare, step; keep the best weights seen on validation.

Where the validation part sees no gain for a while, the learning rate comes down and the training ends with it.

Without a time budget the number of updates follows from the data alone, and a run repeats bit for bit on one machine.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gatecast.adam import Adam, flatten, one_cycle
from gatecast.checkpoint import Kept, Stage
from gatecast.config import NetworkConfig, TrainingConfig
from gatecast.covariates import Widths
from gatecast.errors import ModelFileError, SettingsError
from gatecast.network import Asked, Network, export, pinball_loss, restore, to_tensors
from gatecast.readout import LARGEST_ERROR, refit_path
from gatecast.runtime import weights_from_arrays, weights_to_arrays, with_dtype
from gatecast.scaling import Scaling
from gatecast.supply import RENEW, Part
from gatecast.windows import Batch, sample, training_set, validation_batch

Array = NDArray[Any]

CHECKS = 20  # looks at the validation part, if not said otherwise
PATIENCE = 3  # looks without an improvement after which the learning rate comes down
STEADY = 30  # updates without one that it takes at least
SEEN = "seen."  # before the update, in a checkpoint's names of weights for those who look inside
FALL = 2  # looks that the learning rate then takes to come down
AVERAGING = 0.02  # share of the newest weights in the average that is judged and kept, at least
RECENT = 4  # early on it is about an average of the last quarter of all updates
COUNTS = {"update": int, "waited": int, "best_loss": float, "best_update": int, "ends": int, "falls": int}


class Progress(NamedTuple):
    """What a progress bar may show, and at a look at the validation part the weights that were judged."""

    update: int
    updates: int
    loss: float
    validation: float | None
    weights: Mapping[str, Array] | None = None
    scaling: Scaling | None = None
    plain: bool = False  # of the plain RNN that is trained for contrast


class Trained(NamedTuple):
    """What training leaves."""

    arrays: dict[str, Array]
    validation: float  # pinball loss in units of the training part's mean absolute change
    history: list[tuple[int, float, float]]  # update, training loss, validation loss
    updates: int  # made
    planned: int  # asked for, or derived from the data: the learning rate follows from it
    best_update: int
    readout: bool  # whether the refitted path was kept
    interrupted: bool
    snapshots: tuple[tuple[int, dict[str, Array]], ...] = ()  # weights at first and midway, by update


def updates_for(steps: int) -> int:
    """How many updates the data alone ask for: half as many as observed steps, 300 to 800."""
    return int(np.clip(steps // 2, 300, 800))


class Source(Protocol):
    """Where the loop gets its series from, see ``supply``."""

    whole: bool  # every pool is everything there is
    series: int
    steps: int
    widths: Widths

    def pool(self, rng: np.random.Generator) -> Part:
        """Series to train on."""

    def judged(self) -> Part:
        """Series whose last columns choose the weights."""


def batch_for(source: Source) -> int:
    """How many windows a batch has: 16, and in a panel one for every 1,500 steps, up to 64."""
    return int(np.clip(source.steps // 1500, 16, 64)) if source.series > 1 else 16


class Terms(NamedTuple):
    """What a training is asked beside its settings.

    ``back`` draws what was learned back in the end: between where it began and where it ended lie weights that
    forecast about as well what was learned from, and better what comes after (Wortsman et al. 2022, "Robust
    fine-tuning of zero-shot models").
    """

    choose: bool = True  # whether the validation parts choose; else the weights at the end are kept
    start: Mapping[str, Array] | None = None  # weights to begin with, as ``Trained.arrays``; None: random ones
    checks: int = CHECKS  # looks at the validation parts, evenly spread over the updates
    back: float = 0.0  # share of the way that what was learned is drawn back to ``start`` in the end
    stage: Stage | None = None  # where a checkpoint is written now and then, and gone on from; None writes nothing


def train(
    source: Source,
    scaling: Scaling,
    configs: tuple[NetworkConfig, TrainingConfig],
    progress: Callable[[Progress], None] | None = None,
    terms: Terms = Terms(),  # noqa: B008 (it cannot be changed)
) -> Trained:
    """Train one network on training parts; the validation parts choose the weights kept, and when to come to an end.

    Args:
        source: the series, with what is known beside them.
        scaling: how the series are scaled.
        configs: the network's and the training's settings.
        progress: called after every update.
        terms: what is asked beside them.

    Ctrl-C stops the loop; the best weights so far are returned and ``interrupted`` is set.
    """
    shape, config = configs
    updates = config.updates if config.updates is not None else updates_for(source.steps)
    rng, place = np.random.default_rng(config.seed), _device(config.device)
    pool = _Pool(source, scaling, config, rng)
    horizon = min(config.horizon, max(1, pool.data.training - 2))
    size = (config.batch or batch_for(source), config.origins, config.steps)
    judge = _judged(pool, horizon) if terms.choose else None
    with _own_random_numbers(config.seed, place):
        network = Network(shape, source.widths).to(place)
        course = _Course(network, config.weight_decay, updates, terms)
        course.best_loss = _judge(network, judge, place) if judge is not None else float("inf")
        course.go_on(terms.stage, pool)
        interrupted = False
        try:
            # ---------------------------------------------------------------------------------------------------
            # The training loop
            # ---------------------------------------------------------------------------------------------------
            while course.update < course.ends:
                if terms.stage is not None and terms.stage.due():
                    terms.stage.keep(course.kept(pool))
                if course.update % RENEW == 0 and course.update:
                    pool.renew()
                batch = sample(pool.data, config.context, horizon, size, config.hide, rng)
                course.weights.gradient.zero_()
                loss = _loss(network, batch, place)
                loss.backward()  # type: ignore[no-untyped-call]
                course.step(config.learning_rate, config.clip)
                validation, judged = None, None
                if judge is not None and course.update in course.looks:
                    with course.averaged():
                        validation = _judge(network, judge, place)
                        judged = export(network) if progress is not None else None
                    course.look(float(loss.detach()), validation)
                if progress is not None:
                    progress(Progress(course.update, updates, float(loss.detach()), validation, judged, scaling))
        except KeyboardInterrupt:
            interrupted = True
        snapshots = course.first_and_midway()
        course.settle(judge, terms.back)
        made, best_loss, readout = export(network), course.best_loss, None
    if config.readout and judge is not None and course.update and not interrupted:
        readout = refit_path(weights_from_arrays(made), pool.data, judge, best_loss, rng, horizon)
    if readout is not None:
        made, best_loss = weights_to_arrays(with_dtype(readout.weights, np.float32)), readout.loss
    counts = course.update, updates, course.best_update
    return Trained(made, best_loss, course.history, *counts, readout is not None, interrupted, snapshots)


class _Pool:
    """What windows are sampled from, until the next pool is drawn."""

    def __init__(self, source: Source, scaling: Scaling, config: TrainingConfig, rng: np.random.Generator) -> None:
        self.source, self.scaling, self.config, self.rng = source, scaling, config, rng
        self._draw()

    def renew(self) -> None:
        """Draw another, where there is more than one."""
        if not self.source.whole:
            self._draw()

    def put_back(self, drawn: Any, now: Any) -> None:
        """Draw the pool of a checkpoint again; the random numbers then go on from where they stood there."""
        if not self.source.whole:
            self.rng.bit_generator.state = drawn
            self._draw()
        self.drawn = drawn
        self.rng.bit_generator.state = now

    def _draw(self) -> None:
        self.drawn = self.rng.bit_generator.state  # the random numbers before it was drawn
        part = self.source.pool(self.rng)
        hidden = self.config.hide > 0
        self.data = training_set(part.values_ST, part.training, self.scaling, self.rng, part.more, hidden)


class _Course:
    """Where a training stands: its weights, their average, the best seen, and how the validation part has judged."""

    def __init__(self, network: Network, weight_decay: float, updates: int, terms: Terms) -> None:
        self.network, self.updates, self.place = network, updates, next(network.parameters()).device
        if terms.start is not None:
            restore(network, terms.start)
        self.weights = flatten(network)
        self.adam = Adam(self.weights, weight_decay)
        self.first, self.average, self.best = (self.weights.data.clone() for _ in range(3))
        self.seen = {0: self.first}  # the average at every look
        self.update, self.ends, self.falls, self.waited, self.best_update = 0, updates, updates, 0, 0
        self.best_loss = float("inf")
        self.looks = {round(updates * (look + 1) / terms.checks) for look in range(terms.checks)}
        self.history: list[tuple[int, float, float]] = []
        self._fall = max(1, round(FALL * updates / terms.checks))

    def step(self, peak: float, clip: float) -> None:
        """Move the weights, and their average after them."""
        rate = one_cycle(min(self.update, self.falls), self.updates, peak)
        if self.update > self.falls:
            rate *= 0.5 * (1 + float(np.cos(np.pi * (self.update - self.falls) / (self.ends - self.falls))))
        self.adam.step(rate, clip)
        self.update += 1
        self.average.lerp_(self.weights.data, max(AVERAGING, RECENT / (self.update + RECENT)))

    @contextlib.contextmanager
    def averaged(self) -> Iterator[None]:
        """The network with the average of its weights inside, and with its own again outside."""
        live = self.weights.data.clone()
        self.weights.data.copy_(self.average)
        yield
        self.weights.data.copy_(live)

    def look(self, loss: float, validation: float) -> None:
        """Take note of what the validation part says of the average; where it gets no better, the end begins."""
        self.seen[self.update] = self.average.clone()
        self.history.append((self.update, loss, validation))
        self.waited += 1
        if validation < self.best_loss:
            self.best.copy_(self.average)
            self.best_loss, self.best_update, self.waited = validation, self.update, 0
        waited_long = self.waited >= PATIENCE and self.update - self.best_update >= STEADY
        if waited_long and self.ends == self.updates:
            self.falls, self.ends = self.update, min(self.updates, self.update + self._fall)

    def settle(self, judge: Batch | None, back: float) -> None:
        """Give the network the weights that are kept: the best seen, some of the way drawn back to the first."""
        if judge is None:
            self.best.copy_(self.average)
            self.best_update = self.update
        self.weights.data.copy_(self.best)
        if back and self.best_update:
            self.weights.data.lerp_(self.first, back)
            self.best_loss = _judge(self.network, judge, self.place) if judge is not None else self.best_loss

    def first_and_midway(self) -> tuple[tuple[int, dict[str, Array]], ...]:
        """The weights that training began with, and those nearest half the way to the best, to look inside."""
        midway = min(self.seen, key=lambda update: abs(update - self.best_update / 2))
        snapshots = []
        for update in sorted({0, midway}):
            self.weights.data.copy_(self.seen[update])
            snapshots.append((update, export(self.network)))
        return tuple(snapshots)

    # ---------------------------------------------------------------------------------------- checkpoints

    def _tensors(self) -> dict[str, Tensor]:
        vectors = {"weights": self.weights.data, "mean": self.adam.mean, "square": self.adam.square}
        return {**vectors, "average": self.average, "best": self.best}

    def kept(self, pool: _Pool) -> Kept:
        """All that goes on from here needs, torch's random numbers among it."""
        seen = {f"{SEEN}{update}": average for update, average in self.seen.items()}
        arrays = {name: tensor.cpu().numpy() for name, tensor in (self._tensors() | seen).items()}
        arrays["random"] = torch.get_rng_state().numpy()
        if self.place.type == "cuda":
            arrays["random.cuda"] = torch.cuda.get_rng_state(self.place).numpy()
        numbers = {name: getattr(self, name) for name in COUNTS}
        return Kept(
            arrays, {**numbers, "history": self.history, "drawn": pool.drawn, "rng": pool.rng.bit_generator.state}
        )

    def go_on(self, stage: Stage | None, pool: _Pool) -> None:
        """Take up the newest checkpoint of a stage, if there is one.

        Raises:
            ModelFileError: it is of another network.
        """
        if stage is None or (kept := stage.newest()) is None:
            return
        numbers = kept.numbers
        try:
            for name, tensor in self._tensors().items():
                if kept.arrays[name].shape != tuple(tensor.shape):
                    raise ValueError(f"{name} has shape {kept.arrays[name].shape}, it should be {tuple(tensor.shape)}")
                tensor.copy_(torch.from_numpy(kept.arrays[name]))
            for name, array in kept.arrays.items():
                if name.startswith(SEEN):
                    self.seen[int(name.removeprefix(SEEN))] = torch.from_numpy(array).to(self.first).view_as(self.first)
            torch.set_rng_state(torch.from_numpy(kept.arrays["random"]))
            if self.place.type == "cuda" and "random.cuda" in kept.arrays:
                torch.cuda.set_rng_state(torch.from_numpy(kept.arrays["random.cuda"]), self.place)
            self.history = [(int(update), float(loss), float(seen)) for update, loss, seen in numbers["history"]]
            for name, kind in COUNTS.items():
                setattr(self, name, kind(numbers[name]))
            self.adam.steps = self.update
            pool.put_back(numbers["drawn"], numbers["rng"])
        except (LookupError, TypeError, ValueError, OverflowError, RuntimeError) as error:
            raise ModelFileError(f"the checkpoint does not fit the network ({error}); begin again without it") from None


def _device(name: str) -> torch.device:
    try:
        place = torch.device(name)
        torch.zeros(1, device=place)
    except (RuntimeError, AssertionError) as error:
        found = str(error).splitlines()[0]
        raise SettingsError(f"device {name!r} cannot be used ({found}); cpu always can") from None
    return place


def _judged(pool: _Pool, horizon: int) -> Batch:
    """The question that the validation parts are."""
    data = pool.data
    if not pool.source.whole:
        part = pool.source.judged()
        data = training_set(part.values_ST, part.training, pool.scaling, pool.rng, part.more, hidden_copies=False)
    return validation_batch(data, pool.config.context, horizon)


def _loss(network: Network, batch: Batch, place: torch.device) -> Tensor:
    """Mean pinball loss of a batch, each error in scales of its origin."""
    inputs_BTC = torch.from_numpy(batch.inputs_BTC).to(place)
    h_BTD = network.read(inputs_BTC)
    within_BN = torch.from_numpy(batch.within_BN).to(place)
    h_BND = h_BTD.gather(1, within_BN[..., None].expand(-1, -1, h_BTD.shape[-1]))
    truth_NK = torch.as_tensor(batch.truth_NK, dtype=torch.float32, device=place)
    known_NK = torch.from_numpy(batch.known_NK).to(place)
    quantiles_NKQ = network(h_BND.flatten(0, 1), to_tensors(batch.question, place))
    loss_NK = pinball_loss(truth_NK, quantiles_NKQ).clamp(max=LARGEST_ERROR)
    return (loss_NK * known_NK).sum() / known_NK.sum().clamp(min=1)


@torch.no_grad()
def _judge(network: Network, batch: Batch, place: torch.device) -> float:
    """Mean pinball loss over the validation part, in units of the series' mean absolute change."""
    network.eval()
    h_BTD = network.read(torch.from_numpy(batch.inputs_BTC).to(place))
    network.train()
    rows = torch.arange(len(h_BTD), device=place)[:, None]
    h_ND = h_BTD[rows, torch.from_numpy(batch.within_BN).to(place)].flatten(0, 1)
    asked: Asked = to_tensors(batch.question, place)
    truth_NK = torch.as_tensor(batch.truth_NK, dtype=torch.float32, device=place)
    loss_NK = pinball_loss(truth_NK, network(h_ND, asked)).cpu().numpy() * batch.scale_N[:, None]
    return float(np.mean(loss_NK[batch.known_NK])) if batch.known_NK.any() else float("inf")


@contextlib.contextmanager
def _own_random_numbers(seed: int, place: torch.device) -> Iterator[None]:
    """Seeded random numbers and one thread inside; outside, torch is left as it was found.

    These networks are small: a second thread gains nothing, and where a core is busy it costs much.
    """
    threads = torch.get_num_threads()
    with torch.random.fork_rng(devices=[place] if place.type == "cuda" else []):
        torch.manual_seed(seed)
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(threads)
