"""The training loop, in the open: sample windows, ask, compare, step; keep the best weights seen on validation.

Without a time budget the number of updates follows from the data alone, and a run repeats bit for bit on one machine.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from gatecast import runtime
from gatecast.checkpoint import Kept, Stage
from gatecast.config import NetworkConfig, TrainingConfig
from gatecast.covariates import Widths
from gatecast.errors import ModelFileError, SettingsError
from gatecast.network import Asked, Network, export, pinball_loss, restore, to_tensors
from gatecast.scaling import CANDIDATES, PATH, Floats, Scaling
from gatecast.supply import RENEW, Part
from gatecast.windows import Batch, TrainingSet, sample, training_set, validation_batch

CHECKS = 20  # looks at the validation part, if not said otherwise
PATIENCE = 8  # looks without an improvement after which training stops
LARGEST_ERROR = 20.0  # one absurd truth weighs no more than this many scales
AVERAGING = 0.02  # share of the newest weights in the average that is judged and kept
BETAS = (0.9, 0.999)
RUN_IN = 4  # contexts the state runs in before a refit looks at it
LEAST_KNOWN = 0.5  # share of the truths of an origin that it takes to learn from it where none has them all
REFILLS = 12  # times that missing truths are filled from the fit before
RIDGES = (1e-10, 1e-7, 1e-4)


class Progress(NamedTuple):
    """What a progress bar may show, and at a look at the validation part the weights that were judged."""

    update: int
    updates: int
    loss: float
    validation: float | None
    weights: Mapping[str, np.ndarray[Any, Any]] | None = None
    scaling: Scaling | None = None
    plain: bool = False  # of the plain RNN that is trained for contrast


class Trained(NamedTuple):
    """What training leaves."""

    arrays: dict[str, np.ndarray[Any, Any]]
    validation: float  # pinball loss in units of the training part's mean absolute change
    history: list[tuple[int, float, float]]  # update, training loss, validation loss
    updates: int  # made
    planned: int  # asked for, or derived from the data: the learning rate follows from it
    best_update: int
    readout: bool  # whether the refitted path was kept
    interrupted: bool
    snapshots: tuple[tuple[int, dict[str, np.ndarray[Any, Any]]], ...] = ()  # weights at first and midway, by update


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


def train(  # noqa: PLR0912, PLR0913, PLR0915, PLR0917 (the loop stays in one piece)
    source: Source,
    scaling: Scaling,
    configs: tuple[NetworkConfig, TrainingConfig],
    progress: Callable[[Progress], None] | None = None,
    choose: bool = True,
    start: Mapping[str, np.ndarray[Any, Any]] | None = None,
    checks: int = CHECKS,
    back: float = 0.0,
    stage: Stage | None = None,
) -> Trained:
    """Train one network on training parts; the validation parts only choose the weights kept.

    Args:
        source: the series, with what is known beside them.
        scaling: how the series are scaled.
        configs: the network's and the training's settings.
        progress: called after every update.
        choose: whether the validation parts choose; else the weights at the end are kept.
        start: weights of a network of this shape to begin with, as ``Trained.arrays``; None begins with random ones.
        checks: looks at the validation parts, evenly spread over the updates.
        back: share of the way that what was learned is drawn back to ``start`` in the end.  Between the two lie weights
            that forecast about as well what was learned from, and better what comes after (Wortsman et al. 2022,
            "Robust fine-tuning of zero-shot models").
        stage: where a checkpoint is written from time to time, and gone on from; None writes nothing.

    Ctrl-C stops the loop; the best weights so far are returned and ``interrupted`` is set.
    """
    shape, config = configs
    rng = np.random.default_rng(config.seed)
    drawn = rng.bit_generator.state  # the random numbers before the pool was drawn
    data = _pool(source, scaling, config, rng)
    updates = config.updates if config.updates is not None else updates_for(source.steps)
    horizon = min(config.horizon, max(1, data.training - 2))
    size = (config.batch or batch_for(source), config.origins, config.steps)
    place = _device(config.device)
    held = data
    if choose and not source.whole:
        part = source.judged()
        held = training_set(part.values_ST, part.training, scaling, rng, part.more, hidden_copies=False)
    judge = validation_batch(held, config.context, horizon) if choose else None
    with _own_random_numbers(config.seed, place):
        network = Network(shape, source.widths).to(place)
        if start is not None:
            restore(network, start)
        weights = flatten(network)
        adam = Adam(weights, config.weight_decay)
        first, average, best = weights.data.clone(), weights.data.clone(), weights.data.clone()
        seen_on_the_way = {0: first}
        best_loss, best_update = _judge(network, judge, place) if judge is not None else np.inf, 0
        history: list[tuple[int, float, float]] = []
        update, waited, interrupted = 0, 0, False
        tensors = {"weights": weights.data, "mean": adam.mean, "square": adam.square, "average": average, "best": best}
        if stage is not None and (kept := stage.newest()) is not None:
            update, waited, best_loss, best_update, history = _put_back(kept, tensors, place)
            adam.steps, drawn = update, kept.numbers["drawn"]
            if not source.whole:
                rng.bit_generator.state = drawn
                data = _pool(source, scaling, config, rng)
            rng.bit_generator.state = kept.numbers["rng"]
        looks = {round(updates * (look + 1) / checks) for look in range(checks)}
        try:
            # ---------------------------------------------------------------------------------------------------
            # The training loop
            # ---------------------------------------------------------------------------------------------------
            while update < updates:
                if stage is not None and stage.due():
                    counts = {"update": update, "waited": waited, "best_loss": best_loss, "best_update": best_update}
                    numbers = {**counts, "history": history, "drawn": drawn, "rng": rng.bit_generator.state}
                    stage.keep(Kept(_arrays_of(tensors, place), numbers))
                if update % RENEW == 0 and update and not source.whole:
                    drawn = rng.bit_generator.state
                    data = _pool(source, scaling, config, rng)
                batch = sample(data, config.context, horizon, size, config.hide, rng)
                weights.gradient.zero_()
                loss = _loss(network, batch, place)
                loss.backward()  # type: ignore[no-untyped-call]
                adam.step(one_cycle(update, updates, config.learning_rate), config.clip)
                average.lerp_(weights.data, AVERAGING)
                update += 1
                validation, judged = None, None
                if judge is not None and update in looks:
                    live = weights.data.clone()
                    weights.data.copy_(average)
                    validation = _judge(network, judge, place)
                    judged = export(network) if progress is not None else None
                    weights.data.copy_(live)
                    seen_on_the_way[update] = average.clone()
                    history.append((update, float(loss.detach()), validation))
                    waited += 1
                    if validation < best_loss:
                        best.copy_(average)
                        best_loss, best_update, waited = validation, update, 0
                if progress is not None:
                    progress(Progress(update, updates, float(loss.detach()), validation, judged, scaling))
                if waited >= PATIENCE:
                    break
        except KeyboardInterrupt:
            interrupted = True
        if judge is None:
            best, best_update = average, update
        snapshots = _first_and_midway(network, weights, seen_on_the_way, best_update)
        weights.data.copy_(best)
        if back and best_update:
            weights.data.lerp_(first, back)
            best_loss = _judge(network, judge, place) if judge is not None else best_loss
        readout = False
        if config.readout and judge is not None and update and not interrupted:
            best_loss, readout = _refit_path(network, data, judge, best_loss, (config, horizon, rng))
    made = export(network)
    return Trained(made, best_loss, history, update, updates, best_update, readout, interrupted, snapshots)


def _first_and_midway(
    network: Network, weights: Flat, seen: Mapping[int, Tensor], best_update: int
) -> tuple[tuple[int, dict[str, np.ndarray[Any, Any]]], ...]:
    """The weights that training began with, and those nearest half the way to the best, for whoever looks inside."""
    midway = min(seen, key=lambda update: abs(update - best_update / 2))
    snapshots = []
    for update in sorted({0, midway}):
        weights.data.copy_(seen[update])
        snapshots.append((update, export(network)))
    return tuple(snapshots)


def _pool(source: Source, scaling: Scaling, config: TrainingConfig, rng: np.random.Generator) -> TrainingSet:
    """What windows are sampled from until the next pool is drawn."""
    part = source.pool(rng)
    return training_set(part.values_ST, part.training, scaling, rng, part.more, config.hide > 0)


def _arrays_of(tensors: Mapping[str, Tensor], place: torch.device) -> dict[str, np.ndarray[Any, Any]]:
    """What a checkpoint keeps as arrays: the vectors of the loop, and where torch's random numbers stand."""
    arrays = {name: tensor.cpu().numpy() for name, tensor in tensors.items()}
    arrays["random"] = torch.get_rng_state().numpy()
    if place.type == "cuda":
        arrays["random.cuda"] = torch.cuda.get_rng_state(place).numpy()
    return arrays


def _put_back(
    kept: Kept, tensors: Mapping[str, Tensor], place: torch.device
) -> tuple[int, int, float, int, list[tuple[int, float, float]]]:
    """Set the loop's vectors and torch's random numbers to those of a checkpoint; returns the loop's numbers.

    Raises:
        ModelFileError: the checkpoint is of another network.
    """
    numbers = kept.numbers
    try:
        for name, tensor in tensors.items():
            if kept.arrays[name].shape != tuple(tensor.shape):
                raise ValueError(f"{name} has shape {kept.arrays[name].shape}, it should be {tuple(tensor.shape)}")
            tensor.copy_(torch.from_numpy(kept.arrays[name]))
        torch.set_rng_state(torch.from_numpy(kept.arrays["random"]))
        if place.type == "cuda" and "random.cuda" in kept.arrays:
            torch.cuda.set_rng_state(torch.from_numpy(kept.arrays["random.cuda"]), place)
        history = [(int(update), float(loss), float(validation)) for update, loss, validation in numbers["history"]]
        counts = int(numbers["update"]), int(numbers["waited"]), float(numbers["best_loss"])
        np.random.default_rng().bit_generator.state = numbers["rng"]  # refuses what is none
        np.random.default_rng().bit_generator.state = numbers["drawn"]
        return *counts, int(numbers["best_update"]), history
    except (LookupError, TypeError, ValueError, OverflowError, RuntimeError) as error:
        raise ModelFileError(f"the checkpoint does not fit the network ({error}); begin again without it") from None


class Flat(NamedTuple):
    """All weights of a network as one vector, and their gradients as another; the network's own tensors are views."""

    data: Tensor
    gradient: Tensor


def flatten(network: Network) -> Flat:
    """Lay a network's weights end to end, so that an update is a handful of vector operations."""
    parameters = list(network.parameters())
    data = torch.cat([parameter.detach().flatten() for parameter in parameters])
    flat = Flat(data, torch.zeros_like(data))
    begin = 0
    for parameter in parameters:
        end = begin + parameter.numel()
        parameter.data = data[begin:end].view_as(parameter)
        parameter.grad = flat.gradient[begin:end].view_as(parameter)
        begin = end
    return flat


class Adam:
    """Adam with decoupled weight decay (Kingma & Ba 2015; Loshchilov & Hutter 2019) on one vector.

    torch.optim computes the same (a test compares them); its first step imports the compiler, which costs more than
    training these networks does.
    """

    def __init__(self, weights: Flat, weight_decay: float) -> None:
        self.weights, self.weight_decay, self.steps = weights, weight_decay, 0
        self.mean, self.square = torch.zeros_like(weights.data), torch.zeros_like(weights.data)

    def step(self, rate: float, clip: float) -> None:
        """Clip the gradient to the norm ``clip`` and move the weights against it."""
        gradient = self.weights.gradient
        norm = float(torch.linalg.vector_norm(gradient))
        gradient.mul_(min(1.0, clip / (norm + 1e-6)))
        self.steps += 1
        self.mean.lerp_(gradient, 1 - BETAS[0])
        self.square.mul_(BETAS[1]).addcmul_(gradient, gradient, value=1 - BETAS[1])
        spread = (self.square / (1 - BETAS[1] ** self.steps)).sqrt_().add_(1e-8)
        self.weights.data.mul_(1 - rate * self.weight_decay)
        self.weights.data.addcdiv_(self.mean, spread, value=-rate / (1 - BETAS[0] ** self.steps))


def one_cycle(update: int, updates: int, peak: float) -> float:
    """The learning rate of an update: up over the first tenth, then down to almost nothing (Smith & Topin 2018)."""
    warm = max(1.0, 0.1 * updates)
    if update < warm:
        return float(peak * (0.04 + 0.96 * 0.5 * (1 - np.cos(np.pi * update / warm))))
    return float(peak * (1e-5 + 0.5 * (1 + np.cos(np.pi * (update - warm) / max(1.0, updates - warm)))))


def _device(name: str) -> torch.device:
    try:
        place = torch.device(name)
        torch.zeros(1, device=place)
    except (RuntimeError, AssertionError) as error:
        found = str(error).splitlines()[0]
        raise SettingsError(f"device {name!r} cannot be used ({found}); cpu always can") from None
    return place


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


def _refit_path(
    network: Network,
    data: TrainingSet,
    judge: Batch,
    best_loss: float,
    how: tuple[TrainingConfig, int, np.random.Generator],
) -> tuple[float, bool]:
    """Offer least-squares refits of the path, the centre's linear part; keep the best if validation gets better.

    Gradient steps leave a noise-free signal at an error of their own step size; the path is linear in the state, so its
    best weights are one linear system away (a ridge read-out, as in Jaeger 2001, "The echo state approach").  Offered
    on top of what mixture and correction say, and alone, from the level.
    """
    config, horizon, rng = how
    place = next(network.parameters()).device
    batch = sample(data, RUN_IN * config.context, horizon, (64, 12, horizon), 0.0, rng)
    use_N = batch.known_NK.all(1)
    if use_N.sum() < 2 * network.path.in_features:  # values are missing nearly everywhere
        use_N = batch.known_NK.mean(1) >= LEAST_KNOWN
    if use_N.sum() < 2 * network.path.in_features:
        return best_loss, False
    weights = runtime.weights_from_arrays(export(network))
    h_BTD, _ = runtime.read(weights, batch.inputs_BTC)
    h_ND = np.take_along_axis(h_BTD, batch.within_BN[..., None], axis=1).reshape(-1, weights.units)
    kept = copy.deepcopy(network.state_dict())
    improved = False
    for alone in (False, True):
        offered = copy.deepcopy(kept)
        offered["path.weight"].zero_()
        offered["path.bias"].zero_()
        if alone:
            offered["out.weight"][: CANDIDATES + 1] = 0
            offered["out.bias"][: CANDIDATES + 1] = 0
            offered["out.bias"][0] = 40.0  # the level, and nothing else, in the mixture
        network.load_state_dict(offered)
        rest = runtime.answer(runtime.weights_from_arrays(export(network)).head, h_ND, batch.question)
        left_NK = np.clip(batch.truth_NK - rest[..., rest.shape[-1] // 2], -LARGEST_ERROR, LARGEST_ERROR)
        left_NK = np.where(batch.known_NK, left_NK, np.nan)[use_N]
        for path_DJ, bias_J in _ridge(h_ND[use_N], left_NK, batch.question.path_KJ):
            offered["path.weight"] = torch.as_tensor(path_DJ.T, dtype=torch.float32, device=place)
            offered["path.bias"] = torch.as_tensor(bias_J, dtype=torch.float32, device=place)
            network.load_state_dict(offered)
            loss = _judge(network, judge, place)
            if loss < best_loss:
                best_loss, improved, best = loss, True, copy.deepcopy(offered)
    network.load_state_dict(best if improved else kept)
    return best_loss, improved


def _ridge(h_ND: Floats, left_NK: Floats, path_KJ: Floats) -> Iterator[tuple[Floats, Floats]]:
    """Least squares for left = [h, 1] W path', with a ridge; the two small eigenproblems serve every ridge.

    What is missing (NaN) takes the value that the fit before gives it, again and again (Dempster, Laird, Rubin 1977).
    """
    h1_ND = np.concatenate([h_ND, np.ones((len(h_ND), 1))], axis=1)
    of_state, u = np.linalg.eigh(h1_ND.T @ h1_ND)
    of_path, v = np.linalg.eigh(path_KJ.T @ path_KJ)
    power = np.maximum(of_state, 0)[:, None] * np.maximum(of_path, 0)
    known_NK = np.isfinite(left_NK)
    for ridge in RIDGES:
        filled_NK = np.where(known_NK, left_NK, 0.0)
        for _ in range(1 if known_NK.all() else REFILLS):
            turned = u.T @ (h1_ND.T @ filled_NK @ path_KJ) @ v
            solved = u @ (turned / (power + ridge * power.mean())) @ v.T
            filled_NK = np.where(known_NK, left_NK, h1_ND @ solved @ path_KJ.T)
        yield solved[:-1].reshape(-1, PATH), solved[-1]
