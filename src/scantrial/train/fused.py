"""The fused engine: the first layer in one sweep of a compiled kernel, the rest of the network in plain PyTorch.

A multilayer perceptron on pixels has nearly all its weights in the first layer, whose input needs no gradient. The
reference engine reads and writes these weights several times a step; here they are read and written once. The kernel
takes the gradient at the first layer's pre-activations, moves the weights block by block, and returns the
pre-activations of the next batch. Everything after them, and the first layer's bias, is ordinary autograd.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn, optim

from scantrial.core.machine import return_freed_memory
from scantrial.core.records import RunResult
from scantrial.recipe.spec import AdamSpec, Optimizer
from scantrial.recipe.task import RunTask, Tell
from scantrial.train.ensemble import carry_out_run
from scantrial.train.kernel import ADAM, SGD, Kernel, SweepArguments, chosen_variant
from scantrial.train.optimizers import group_of, set_rate
from scantrial.train.run import TrainedEpoch, grad_norm
from scantrial.train.scans import DeviceScans
from scantrial.train.state import Setup, TrainState
from scantrial.train.steps import TrainingStep

_WORTH_SHARING = 1 << 18  # weights


def train_run(task: RunTask, tell: Tell) -> RunResult:
    """Train one arm at one seed, and evaluate the chosen epoch; for recipes where `why_not_fused` returns None.

    Parameters, errors and notes are those of `scantrial.train.reference.train_run`. The numbers are the same except
    for the rounding of sums; initial weights, order of cases and dropout are the same.
    """
    with Kernel(threads=task.threads, variant=chosen_variant()) as kernel:
        return carry_out_run(task, tell, engine="fused", train_epoch=partial(train_epoch, kernel))


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitNetwork:
    """A network cut after the product of its first layer.

    Parameters
    ----------
    first : the first layer; its bias belongs to the part after the cut
    behind : the layers after it, in order
    """

    first: nn.Linear
    behind: tuple[nn.Module, ...]

    def logits(self, products: Tensor) -> Tensor:
        """Return the logits from the first layer's products, shape (n, n_units), without bias."""
        values = products + self.first.bias
        for layer in self.behind:
            values = layer(values)
        return values


@contextmanager
def few_threads_if_small(network: SplitNetwork) -> Iterator[None]:
    """Let PyTorch use one thread for this block if the layers after the first are small.

    Dividing a few thousand weights costs more than it gains, and PyTorch's threads keep spinning for a while
    afterwards, on the cores that the kernel's threads need.
    """
    before = torch.get_num_threads()
    n_behind = sum(parameter.numel() for layer in network.behind for parameter in layer.parameters())
    if n_behind < _WORTH_SHARING:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def split_network(network: nn.Module) -> SplitNetwork:
    """Cut a network that is a chain of Flatten, Linear and more; the modules are the network's own."""
    flatten, first, *behind = _chain(network)
    assert isinstance(flatten, nn.Flatten)
    assert isinstance(first, nn.Linear)
    return SplitNetwork(first=first, behind=tuple(behind))


def _chain(module: nn.Module) -> Iterable[nn.Module]:
    if isinstance(module, nn.Sequential):
        for part in module:
            yield from _chain(part)
    else:
        yield module


def train_epoch(kernel: Kernel, setup: Setup, state: TrainState, steps: Sequence[TrainingStep]) -> TrainedEpoch:
    """Take the steps of one epoch, one after the other.

    Logits that are not finite end the epoch: the weights cannot recover.
    """
    seen = torch.full((sum(len(step.rows) for step in steps), setup.head.n_outputs), torch.nan)
    network = split_network(state.network)
    lay_out_by_inputs(state, network.first.weight)
    sweep = Sweep(kernel, setup, network.first.weight, state.optimizer)
    parts = torch.split(seen, [len(step.rows) for step in steps])
    upcoming = [*(step.rows for step in steps[1:]), steps[0].rows[:0]]
    state.network.train()
    products = sweep.multiply(steps[0].rows)
    with few_threads_if_small(network):
        for step, part, next_rows in zip(steps, parts, upcoming, strict=True):
            logits = step_behind(setup, state.optimizer, network, products.requires_grad_(), step)
            products = sweep.step(step, products.grad, next_rows)
            part.copy_(logits)
            lr = step.lr
            if not logits.isfinite().all():
                break
    last_grad_norm = grad_norm(state.network, squares={network.first.weight: sweep.squares})
    return TrainedEpoch(logits=seen, lr=lr, grad_norm=None, last_grad_norm=last_grad_norm)


def step_behind(
    setup: Setup, optimizer: optim.Optimizer, network: SplitNetwork, products: Tensor, step: TrainingStep
) -> Tensor:
    """Move all weights but the first layer's, leave the gradient in `products`, return the logits before the move."""
    set_rate(optimizer, step.lr)
    optimizer.zero_grad(set_to_none=True)
    logits = network.logits(products)
    torch.autograd.backward(setup.head.loss(logits, setup.y_train[step.rows]))
    optimizer.step()  # skips the first weight, which has no gradient
    return logits.detach()


class Sweep:
    """The first layer's weight and the optimiser's memory of it, laid out for the kernel.

    The weight keeps its place in the network and in the optimiser, with its shape (n_units, n_inputs); only its
    strides change, so that checkpoints, evaluation and stored files do not depend on it.
    """

    def __init__(self, kernel: Kernel, setup: Setup, weight: Tensor, optimizer: optim.Optimizer) -> None:
        self._kernel = kernel
        self._spec = setup.task.recipe.optimizer
        self._state = optimizer.state[weight]
        self._lr_factor = group_of(optimizer, weight).get("lr_factor", 1.0)
        self._memory = optimizer_memory(self._spec, weight, optimizer)
        scans = setup.train
        assert isinstance(scans, DeviceScans)  # a perceptron has no frozen part
        # The arrays that the arguments point to must live as long as the arguments.
        self._scans = scans
        self._tables = tuple(_stored_table(scans, table) for table in (scans.centre, scans.width))
        self._squares = torch.zeros((), dtype=torch.float64)
        self._n_units = weight.shape[0]
        self._arguments = SweepArguments(
            weight=weight.data_ptr(),
            pixels=scans.pixels.data_ptr(),
            pixel_bytes=scans.pixels.element_size(),
            n_planes=setup.image_shape[0],
            n_pixels=setup.image_shape[1] * setup.image_shape[2],
            n_units=self._n_units,
            centre=self._tables[0].data_ptr(),
            width=self._tables[1].data_ptr(),
            n_tables=len(self._tables[0]),
            **{name: tensor.data_ptr() for name, tensor in self._memory.items()},
        )

    @property
    def squares(self) -> float | None:
        """The sum of squares of the last step's gradient, or None if that step was not taken."""
        return float(self._squares) if self._arguments.squares else None

    def multiply(self, rows: Tensor) -> Tensor:
        """Return the products of a batch with the current weight, shape (len(rows), n_units)."""
        return self._sweep(rows[:0], None, rows)

    def step(self, step: TrainingStep, delta: Tensor | None, upcoming: Tensor) -> Tensor:
        """Move the weight once, and return the products of the batch that comes next.

        Parameters
        ----------
        delta : shape (len(step.rows), n_units), the loss's gradient at the batch's products
        upcoming : rows of the next batch, or none: then the sum of squares of this last step's gradient is taken
        """
        self._arguments.squares = None if len(upcoming) else self._squares.data_ptr()
        for name, value in self._coefficients(step.lr * self._lr_factor).items():
            setattr(self._arguments, name, value)
        return self._sweep(step.rows, delta, upcoming)

    def _sweep(self, rows: Tensor, delta: Tensor | None, upcoming: Tensor) -> Tensor:
        rows, upcoming = self._scans.places(rows), self._scans.places(upcoming)
        products = torch.empty(len(upcoming), self._n_units)
        delta = torch.empty(0) if delta is None else delta.contiguous()
        arguments = self._arguments
        arguments.rows, arguments.n_cases, arguments.delta = rows.data_ptr(), len(rows), delta.data_ptr()
        arguments.next_rows, arguments.n_next, arguments.next = upcoming.data_ptr(), len(upcoming), products.data_ptr()
        self._kernel.sweep(arguments)
        return products

    def _coefficients(self, lr: float) -> dict[str, float]:
        """Return the numbers of one step, formed in double precision as PyTorch forms them."""
        spec = self._spec
        if not isinstance(spec, AdamSpec):
            return {
                "optimizer": SGD,
                "shrink": 1.0,
                "decay": spec.weight_decay,
                "momentum": spec.momentum,
                "nesterov": int(spec.nesterov),
                "rate": lr,
            }
        self._state["step"] += 1
        n_steps = self._state["step"].item()
        mean_keep, square_keep = spec.betas
        decoupled = spec.name == "adamw"
        return {
            "optimizer": ADAM,
            "shrink": 1.0 - lr * spec.weight_decay if decoupled else 1.0,
            "decay": 0.0 if decoupled else spec.weight_decay,
            "average_gain": 1.0 - mean_keep,
            "square_keep": square_keep,
            "square_gain": 1.0 - square_keep,
            "root_scale": (1.0 - square_keep**n_steps) ** -0.5,
            "eps": spec.eps,
            "rate": lr / (1.0 - mean_keep**n_steps),
        }


def _stored_table(scans: DeviceScans, table: Tensor) -> Tensor:
    """Return the channels' numbers, for all scans the same or in a row for each that is stored, as the kernel asks."""
    by_scan = table.reshape(len(table), -1)
    if len(by_scan) == 1 or scans.stored_rows is None:
        return by_scan
    return by_scan.new_zeros(len(scans.pixels), by_scan.shape[1]).index_copy_(0, scans.stored_rows, by_scan)


@torch.no_grad()
def lay_out_by_inputs(state: TrainState, weight: Tensor) -> None:
    """Bring the weight, and the copy of the best one, into the kernel's layout; the first epoch has something to do."""
    if weight.t().is_contiguous():
        return
    name = next(name for name, parameter in state.network.named_parameters() if parameter is weight)
    weight.data = by_inputs(weight.data)
    state.best.weights[name] = by_inputs(state.best.weights[name])
    return_freed_memory()  # as much as both weights, in the old layout


def by_inputs(tensor: Tensor) -> Tensor:
    """Return values of shape (n_units, n_inputs) with each input's units side by side in memory."""
    return tensor.t().contiguous().t()


def optimizer_memory(spec: Optimizer, weight: Tensor, optimizer: optim.Optimizer) -> dict[str, Tensor]:
    """Return the optimiser's state of the weight under the kernel's names; made where there is none yet.

    It is the same state, under the same names, that the reference engine's optimiser keeps.
    """
    state = optimizer.state[weight]
    kept = {"average": "exp_avg", "square": "exp_avg_sq"} if isinstance(spec, AdamSpec) else {}
    if not isinstance(spec, AdamSpec) and spec.momentum:
        kept = {"average": "momentum_buffer"}
    if isinstance(spec, AdamSpec):
        state.setdefault("step", torch.tensor(0.0))
    for theirs in kept.values():
        tensor = state.get(theirs)
        state[theirs] = torch.zeros_like(weight) if tensor is None else by_inputs(tensor)
    return {ours: state[theirs] for ours, theirs in kept.items()}
