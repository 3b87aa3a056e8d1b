"""The parts of training: batches, schedules, optimisers, selection, scans on the device, process, devices."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn, optim

from scantrial.core.errors import InputError
from scantrial.core.records import EpochRecord
from scantrial.core.rng import stream
from scantrial.data.preprocess import METHODS, fit_preprocessing
from scantrial.nets.heads import make_head
from scantrial.recipe.spec import AdamSpec, LossSpec, Recipe, ScheduleSpec, SelectSpec, SgdSpec
from scantrial.train.devices import available_devices, choose_device
from scantrial.train.evaluate import cases_at_once, logits_of, loss_and_accuracy
from scantrial.train.optimizers import make_optimizer
from scantrial.train.process import prepare_process
from scantrial.train.scans import put_on_device
from scantrial.train.schedules import learning_rate
from scantrial.train.selection import Best, selection_rule, selection_score
from scantrial.train.steps import batch_bounds, epoch_order

# Batches


def test_order_of_an_epoch_is_the_documented_stream():
    """Every engine may rely on stream(seed, "order", epoch)."""
    np.testing.assert_array_equal(epoch_order(4, 2, 30), stream(4, "order", 2).permutation(30))
    assert not np.array_equal(epoch_order(4, 2, 30), epoch_order(4, 3, 30))
    assert not np.array_equal(epoch_order(4, 2, 30), epoch_order(5, 2, 30))


@pytest.mark.parametrize("batch_size", [1, 2, 7, 32, 100])
@pytest.mark.parametrize("n", [1, 2, 31, 32, 33, 64, 65])
def test_batches_hold_each_case_once(n, batch_size):
    """Bounds follow on each other; only a batch size of 1 (or a single case) makes batches of one."""
    bounds = batch_bounds(n, batch_size)
    assert bounds[0][0] == 0
    assert bounds[-1][1] == n
    assert all(stop == start for (_, stop), (start, _) in pairwise(bounds))
    sizes = [stop - start for start, stop in bounds]
    assert set(sizes[:-1]) <= {batch_size}
    assert sizes[-1] <= batch_size + 1
    assert batch_size == 1 or n == 1 or 1 not in sizes


# Schedules


def torch_rates(make, *, n_batches: int, n_epochs: int, per: str) -> list[float]:
    """The rate of each step under one of PyTorch's schedulers."""
    optimizer = optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.3)
    scheduler = make(optimizer)
    rates = []
    for _ in range(n_epochs):
        for _ in range(n_batches):
            rates.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            if per == "batch":
                scheduler.step()
        if per == "epoch":
            scheduler.step()
    return rates


def rates_of(spec: ScheduleSpec, *, n_batches: int, n_epochs: int) -> list[float]:
    return [
        learning_rate(spec, 0.3, step=step, n_batches=n_batches, n_epochs=n_epochs)
        for step in range(n_batches * n_epochs)
    ]


@pytest.mark.parametrize(
    ("spec", "make", "per"),
    [
        (ScheduleSpec(name="cosine"), lambda o: optim.lr_scheduler.CosineAnnealingLR(o, T_max=5 * 6), "batch"),
        (
            ScheduleSpec(name="cosine-stepped-per-epoch"),
            lambda o: optim.lr_scheduler.CosineAnnealingLR(o, T_max=5 * 6),
            "epoch",
        ),
        (
            ScheduleSpec(name="step", every=2, gamma=0.5),
            lambda o: optim.lr_scheduler.StepLR(o, step_size=2, gamma=0.5),
            "epoch",
        ),
        (
            ScheduleSpec(name="step", milestones=(1, 3), gamma=0.5),
            lambda o: optim.lr_scheduler.MultiStepLR(o, milestones=[1, 3], gamma=0.5),
            "epoch",
        ),
        (ScheduleSpec(name="constant"), lambda o: optim.lr_scheduler.ConstantLR(o, factor=1.0), "epoch"),
    ],
    ids=["cosine", "cosine-stepped-per-epoch", "step", "milestones", "constant"],
)
def test_schedules_are_pytorchs(spec, make, per):
    """Each rate equals that of the PyTorch scheduler of the same meaning, step by step."""
    expected = torch_rates(make, n_batches=5, n_epochs=6, per=per)
    np.testing.assert_allclose(rates_of(spec, n_batches=5, n_epochs=6), expected, rtol=1e-9)


def test_cosine_reaches_zero_and_the_courses_hardly_moves():
    """The right cosine ends near 0; stepped once an epoch it stays within 0.1 per cent of its start."""
    assert rates_of(ScheduleSpec(name="cosine"), n_batches=50, n_epochs=30)[-1] < 1e-5
    assert rates_of(ScheduleSpec(name="cosine-stepped-per-epoch"), n_batches=50, n_epochs=30)[-1] > 0.3 * 0.999


@pytest.mark.parametrize("name", ["constant", "cosine", "step"])
def test_warm_up_rises_evenly_then_the_schedule_starts(name):
    """lr / W, 2 lr / W, ..., lr; then the schedule from its own beginning over what is left."""
    spec = ScheduleSpec(name=name, warmup_epochs=2)
    rates = rates_of(spec, n_batches=5, n_epochs=6)
    np.testing.assert_allclose(rates[:10], 0.3 * np.arange(1, 11) / 10)
    rest = rates_of(ScheduleSpec(name=name), n_batches=5, n_epochs=4)
    np.testing.assert_allclose(rates[10:], rest)


# Optimisers


@pytest.mark.parametrize(
    ("spec", "kind", "values"),
    [
        (AdamSpec(name="adam", betas=(0.8, 0.9), eps=1e-6), optim.Adam, {"betas": (0.8, 0.9), "eps": 1e-6}),
        (AdamSpec(name="adamw", weight_decay=0.1), optim.AdamW, {"weight_decay": 0.1}),
        (SgdSpec(name="sgd", momentum=0.9, nesterov=True), optim.SGD, {"momentum": 0.9, "nesterov": True}),
    ],
)
def test_optimizers_are_pytorchs_with_the_recipes_numbers(spec, kind, values):
    """The kind, every number, and the fused kernels."""
    optimizer = make_optimizer(spec, [nn.Parameter(torch.zeros(2))], device="cpu")
    assert type(optimizer) is kind
    assert values.items() <= optimizer.defaults.items()
    assert optimizer.defaults["lr"] == spec.lr
    assert optimizer.defaults["fused"] is True


def test_frozen_parameters_are_left_out():
    """What needs no gradient is not given to the optimiser."""
    frozen = nn.Parameter(torch.zeros(2), requires_grad=False)
    trained = nn.Parameter(torch.zeros(3))
    optimizer = make_optimizer(SgdSpec(name="sgd"), [frozen, trained], device="cpu")
    assert optimizer.param_groups[0]["params"] == [trained]


# Selection


def record(**values) -> EpochRecord:
    base = {"round": 1, "epoch": 1, "lr": 0.1, "train_loss": 1, "train_accuracy": 0.5}
    return EpochRecord(**{**base, "val_loss": 0.7, "val_accuracy": 0.6, **values})


Y = np.array([0, 0, 0, 1, 1, 2])
PROB = np.random.default_rng(0).dirichlet(np.ones(3), 6)


def score(spec: dict, y=Y, prob=PROB) -> float:
    return selection_score(SelectSpec.model_validate(spec), record(epoch=4), y, lambda: prob)


def test_scores_of_the_rules():
    """Each rule's score, metrics against scikit-learn."""
    from sklearn.metrics import balanced_accuracy_score, roc_auc_score

    metric = "best-val-metric"
    assert score({"name": "best-val-loss"}) == -0.7
    assert score({"name": "last"}) == 4
    assert score({"name": metric}) == 0.6
    balanced = balanced_accuracy_score(Y, PROB.argmax(axis=1))
    assert score({"name": metric, "metric": "balanced_accuracy"}) == pytest.approx(balanced)
    macro = roc_auc_score(Y, PROB, multi_class="ovr", average="macro")
    assert score({"name": metric, "metric": "auroc"}) == pytest.approx(macro)
    two = PROB[:, :2] / PROB[:, :2].sum(axis=1, keepdims=True)
    binary = roc_auc_score(np.minimum(Y, 1), two[:, 1])
    assert score({"name": metric, "metric": "auroc"}, np.minimum(Y, 1), two) == pytest.approx(binary)


def test_rules_in_words():
    """The words that the run's facts hold."""
    assert selection_rule(SelectSpec(name="best-val-loss")) == "best val_loss"
    assert selection_rule(SelectSpec.model_validate({"name": "best-val-metric"})) == "best val_accuracy"
    assert selection_rule(SelectSpec(name="last")) == "last"


def test_the_first_of_equal_epochs_stays():
    """An equal score does not replace the weights, a greater one does, NaN never."""
    network = nn.Linear(1, 1, bias=False)
    best = Best(weights={"weight": torch.zeros(1, 1)})
    for epoch, (value, points) in enumerate([(1.0, 0.5), (2.0, 0.5), (3.0, np.nan), (4.0, 0.6)], start=1):
        nn.init.constant_(network.weight, value)
        best.offer(network, epoch, points)
        assert (best.epoch, best.weights["weight"].item()) == {1: (1, 1.0), 4: (4, 4.0)}.get(epoch, (1, 1.0))


# Scans on the device


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("shape", [(9, 5, 6), (9, 5, 6, 3)], ids=["gray", "rgb"])
def test_batches_are_what_the_preprocessing_says(shape, dtype, method):
    """Bit for bit the same input as `Preprocessing.apply`, and the caller's images stay as they are."""
    images = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape, endpoint=True).astype(dtype)
    images.setflags(write=False)
    moments = ((0.5, 0.4, 0.3), (0.2, 0.3, 0.1)) if method == "pretrained" else None
    fitted = fit_preprocessing(images, np.arange(5), method, moments=moments)
    scans = put_on_device(images, fitted, device="cpu")
    rows = np.array([7, 0, 3])
    batch = scans.batch(torch.from_numpy(rows))
    assert batch.is_contiguous()
    np.testing.assert_array_equal(batch.numpy(), fitted.apply(images)[rows])
    np.testing.assert_array_equal(scans.batch(slice(2, 6)).numpy(), fitted.apply(images)[2:6])
    assert scans.pixels.element_size() == images.itemsize


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_some_cases_of_a_mapped_file_are_not_copied(tmp_path, dtype, method):
    """Their batches are those of a copy; where no other pixels are made, they are the file's own pages."""
    images = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, (9, 5, 6), endpoint=True).astype(dtype)
    np.save(tmp_path / "images.npy", images)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    moments = ((0.5, 0.4, 0.3), (0.2, 0.3, 0.1)) if method == "pretrained" else None
    cases = np.array([1, 2, 5, 7, 8])
    fitted = fit_preprocessing(mapped, cases, method, moments=moments)
    assert fitted == fit_preprocessing(images, cases, method, moments=moments)
    scans = put_on_device(mapped, fitted, device="cpu", cases=cases)
    expected = fitted.apply(images[cases])
    rows = torch.tensor([4, 0, 3])
    assert len(scans) == 5
    np.testing.assert_array_equal(scans.batch(rows).numpy(), expected[rows])
    np.testing.assert_array_equal(scans.batch(slice(1, 9)).numpy(), expected[1:])
    np.testing.assert_array_equal(
        scans.shares(rows).numpy(), put_on_device(images[cases], fitted, device="cpu").shares(rows)
    )
    is_shared = scans.pixels.data_ptr() == mapped.__array_interface__["data"][0]
    assert is_shared != fitted.changes_pixels
    recipe = {"normalize": method, **({"model": "timm/resnet18"} if method == "pretrained" else {})}
    assert Recipe.model_validate(recipe).changes_pixels == fitted.changes_pixels


# Evaluation


def test_evaluation_does_not_depend_on_how_many_go_together():
    """Logits in small and in large batches agree, in evaluation mode, without a gradient."""
    images = np.random.default_rng(0).integers(0, 255, (11, 6, 6)).astype(np.uint8)
    scans = put_on_device(images, fit_preprocessing(images, np.arange(11), "none"), device="cpu")
    network = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(36, 2))
    whole = logits_of(network, scans, n_at_once=100)
    assert whole.shape == (11, 2)
    assert not whole.requires_grad
    torch.testing.assert_close(logits_of(network, scans, n_at_once=3), whole)


def test_cases_at_once_looks_at_the_largest_layer():
    """A layer that widens the image is what counts; there is always room for one."""
    plain = cases_at_once(nn.Flatten(), (1, 64, 64), device="cpu")
    wide = cases_at_once(nn.Sequential(nn.Conv2d(1, 8, 1), nn.Flatten()), (1, 64, 64), device="cpu")
    assert plain == (128 << 20) // (4 * 3 * 64 * 64)
    assert wide == plain // 8
    assert cases_at_once(nn.Upsample(scale_factor=64), (1, 128, 128), device="cpu") == 1


def test_measure_is_nan_where_the_loss_is():
    """A loss that is not finite has no accuracy beside it."""
    head = make_head(LossSpec(name="ce"), n_classes=2)
    y = torch.tensor([0, 1])
    good = loss_and_accuracy(head, torch.tensor([[2.0, 0.0], [2.0, 0.0]]), y)
    assert good.accuracy == 0.5
    bad = loss_and_accuracy(head, torch.tensor([[2.0, 0.0], [torch.nan, 0.0]]), y)
    assert np.isnan([bad.loss, bad.accuracy]).all()


# Process and devices


def test_choose_device():
    """`auto` takes the best there is; an absent or unknown one is refused."""
    assert choose_device("auto") == available_devices()[0]
    assert choose_device("cpu") == "cpu"
    with pytest.raises(InputError, match="no device is called 'gpu'"):
        choose_device("gpu")
    for absent in {"cuda", "mps"} - set(available_devices()):
        with pytest.raises(InputError, match=f"{absent} is not available"):
            choose_device(absent)


def test_prepare_process_flushes_subnormals_in_every_thread():
    """In a fresh process: two threads, subnormal results become 0 throughout a parallel operation."""
    code = """if True:
        from scantrial.train.process import prepare_process
        facts = prepare_process("cpu", 2)
        import torch
        from scantrial.core.machine import processor_name
        assert facts["device"] == "cpu" and facts["torch"] == torch.__version__, facts
        assert facts["cpu"] == processor_name() and "gpu" not in facts, facts
        assert torch.get_num_threads() == 2
        tiny = torch.full((4_000_000,), 1e-30)
        assert not (tiny * 1e-10).any()
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("value", "kept"), [("1", True), ("0", False)])
def test_the_allocator_can_be_left_alone(monkeypatch, value, kept):
    """SCANTRIAL_KEEP_MEMORY=0 keeps the C library's allocator as it is."""
    from scantrial.train import process

    asked = []
    monkeypatch.setenv("SCANTRIAL_KEEP_MEMORY", value)
    monkeypatch.setattr(process, "keep_freed_memory", lambda: asked.append(True))
    threads = torch.get_num_threads()
    try:
        prepare_process("cpu", threads)
    finally:
        torch.set_flush_denormal(False)
    assert bool(asked) is kept
