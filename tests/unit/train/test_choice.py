"""Which engine trains what, and what is said about it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from scantrial.core.errors import InputError, StudyConflictError
from scantrial.recipe.networks import NETWORKS
from scantrial.recipe.spec import Recipe
from scantrial.train import choice, engines
from scantrial.train.choice import ENGINES, choose_engine, why_not_fused
from scantrial.train.kernel import KernelState, kernel_state

NO_KERNEL = KernelState(variants=(), reason="there is no compiler")
HERE = pytest.mark.skipif(not kernel_state().available, reason=f"no kernel: {kernel_state().reason}")


def recipe(**keys) -> Recipe:
    return Recipe.model_validate(keys)


def choose(asked: str, *, fixed: str | None = None, device: str = "auto", **recipes: Recipe):
    return choose_engine(asked, recipes or {"base": recipe()}, device=device, fixed=fixed)


@pytest.mark.parametrize("model", NETWORKS)
def test_networks_that_are_linear_on_pixels_can_be_fused(model):
    """The perceptrons and no others."""
    reason = why_not_fused(recipe(model=model), device="cpu")
    assert (reason is None) == model.startswith("mlp")


def test_what_cannot_be_fused_says_why():
    """Clipping, accumulated gradients, averaged weights, bfloat16, a class of one's own, another device."""
    assert "clip_grad_norm needs the whole gradient" in why_not_fused(recipe(clip_grad_norm=1.0), device="cpu")
    assert "accumulate needs the sum" in why_not_fused(recipe(accumulate=2), device="cpu")
    assert "ema reads all weights" in why_not_fused(recipe(ema=0.9), device="cpu")
    assert "in float32, not in bf16" in why_not_fused(recipe(precision="bf16"), device="cpu")
    assert "whether the first layer of a custom class is linear on pixels is not known" in why_not_fused(
        recipe(model="my:Net"), device="cpu"
    )
    assert "not on cuda" in why_not_fused(recipe(), device="cuda")


@HERE
def test_auto_takes_the_fused_engine_where_it_is():
    """For a new folder, and for one begun with it."""
    assert choose("auto").engine == choose("auto", fixed=ENGINES["fused"]).engine == ENGINES["fused"]


def test_a_folder_keeps_the_reference_engine():
    """Its later runs are trained as its first."""
    chosen = choose("auto", fixed=ENGINES["reference"])
    assert (chosen.engine, chosen.reason) == (ENGINES["reference"], "auto: it trained the folder's first runs")


def test_the_reason_that_is_kept_names_no_folder_of_the_machine(monkeypatch):
    """It is written into every run; the loader names the library that it cannot load."""
    state = replace(NO_KERNEL, reason="its library cannot be loaded: /home/ada/venv/sweep.so: wrong ELF class")
    monkeypatch.setattr(choice, "kernel_state", lambda: state)
    assert choose("auto").reason == "auto: no fused engine, its library cannot be loaded: sweep.so: wrong ELF class"


def test_without_a_kernel(monkeypatch):
    """auto takes the reference and says why; a folder begun otherwise, or asking for it, is refused with the reason."""
    monkeypatch.setattr(choice, "kernel_state", lambda: NO_KERNEL)
    chosen = choose("auto")
    assert (chosen.engine, chosen.reason) == (ENGINES["reference"], "auto: no fused engine, there is no compiler")
    with pytest.raises(StudyConflictError, match="not available here: there is no compiler"):
        choose("auto", fixed=ENGINES["fused"])
    with pytest.raises(InputError, match="it is not available: there is no compiler"):
        choose("fused")
    assert choose("reference").reason == "asked for"


@HERE
def test_asking_for_what_cannot_be_names_every_arm():
    """All at once; the arms that can be fused are not among them."""
    with pytest.raises(InputError) as caught:
        choose("fused", a=recipe(), b=recipe(model="cnn"), c=recipe(clip_grad_norm=1.0))
    assert "arm b: the first layer of cnn" in str(caught.value)
    assert "arm c: clip_grad_norm" in str(caught.value)
    assert "arm a" not in str(caught.value)


@HERE
def test_each_run_records_its_own_engine(make_task):
    """Where some arms can be fused and some cannot, each says what trained it and why."""
    tell = lambda record, n_epochs: None  # noqa: E731
    facts = engines.train_run(make_task(epochs=1, task={"engine_reason": "auto: quick"}), tell).facts
    assert (facts.engine, facts.engine_reason) == ("fused", "auto: quick")
    facts = engines.train_run(make_task(epochs=1, clip_grad_norm=1.0), tell).facts
    assert facts.engine == "reference"
    assert facts.engine_reason.startswith("auto: clip_grad_norm needs the whole gradient")


def test_keys_that_change_no_arithmetic_can_be_fused():
    """Draws of cases, early stopping, groups of weights, one cycle."""
    keys = {
        "sampling": "oversampled",
        "early_stopping": {"patience": 2},
        "optimizer": {"name": "adamw", "weight_decay_on": "weights", "layer_decay": 0.5},
        "schedule": "one-cycle",
    }
    assert why_not_fused(recipe(**keys), device="cpu") is None


def test_of_a_custom_class_nothing_is_claimed():
    """Its first layer may be linear on pixels."""
    reason = why_not_fused(recipe(model="mine:Net"), device="cpu")
    assert (
        reason
        == "whether the first layer of a custom class is linear on pixels is not known, and the fused engine needs it"
    )
