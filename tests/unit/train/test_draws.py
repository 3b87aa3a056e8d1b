"""The draws of augmentation depend on seed, epoch, case and repeat alone, and each operation has its own."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from scantrial.data.preprocess import fit_preprocessing
from scantrial.nets.heads import Mixed
from scantrial.recipe.augment import PRESETS, AugmentSpec
from scantrial.recipe.spec import Recipe
from scantrial.train.augment import augmented
from scantrial.train.draws import CaseDraws, DrawTables, affine_maps, erased_boxes, pasted_boxes
from scantrial.train.engines import train_run as train_anywhere
from scantrial.train.evaluate import logits_of
from scantrial.train.predictor import load_predictor
from scantrial.train.reference import train_run
from scantrial.train.run import set_up
from scantrial.train.scans import put_on_device
from scantrial.train.steps import epoch_steps
from scantrial.train.views import views_of

ALL = {
    "rotate": 20,
    "shift": 0.1,
    "scale": 0.2,
    "shear": 5,
    "flip": "both",
    "crop": 0.6,
    "elastic": 0.02,
    "brightness": 0.2,
    "contrast": 0.2,
    "gamma": 0.5,
    "blur": 1.0,
    "low_resolution": 0.5,
    "noise": 0.05,
    "erasing": 0.5,
}
CASES = np.array([7, 3, 11, 0, 5])


def drawn_of(cases: np.ndarray, *, seed: int = 1, epoch: int = 2, n_cases: int = 12, **more: np.ndarray) -> CaseDraws:
    return DrawTables(seed=seed, n_cases=n_cases).of(epoch, cases, **more)


def every_draw(drawn: CaseDraws) -> list[np.ndarray]:
    """Return what is drawn for each case, of every kind."""
    spec = AugmentSpec.model_validate(ALL)
    boxes = [
        erased_boxes(spec, drawn, height=30, width=20),
        pasted_boxes(drawn.share("cutmix", 0.5), drawn, height=30, width=20),
    ]
    return [
        affine_maps(spec, drawn, height=30, width=20),
        affine_maps(AugmentSpec(symmetries=True), drawn, height=9, width=9),
        drawn.uniform("brightness"),
        drawn.share("mixup", 0.3),
        drawn.normals("noise-pixels", (3, 4)),
        *(edge for box in boxes for edge in (box.top, box.bottom, box.left, box.right)),
    ]


def equal(some: list[np.ndarray], others: list[np.ndarray]) -> bool:
    return all(one.tobytes() == other.tobytes() for one, other in zip(some, others, strict=True))


def test_order_batches_and_other_cases_change_no_draw():
    """A case has the same bytes in another order, alone, and in a data set with more cases."""
    whole = every_draw(drawn_of(CASES))
    order = np.array([4, 2, 0, 1, 3])
    assert equal(every_draw(drawn_of(CASES[order])), [part[order] for part in whole])
    alone = [every_draw(drawn_of(CASES[row : row + 1])) for row in range(len(CASES))]
    assert equal([np.concatenate(parts) for parts in zip(*alone, strict=True)], whole)
    assert equal(every_draw(drawn_of(CASES, n_cases=500)), whole)


def test_draws_of_an_earlier_epoch_are_found_again():
    """The tables of one epoch are kept, those of others are made again, with the same bytes."""
    tables = DrawTables(seed=1, n_cases=12)
    first = every_draw(tables.of(2, CASES))
    every_draw(tables.of(3, CASES))
    assert equal(every_draw(tables.of(2, CASES)), first)


def test_seed_epoch_case_and_repeat_each_change_every_draw():
    """None of the kinds of draws is the same for two of them."""
    base = every_draw(drawn_of(CASES))
    again = np.ones_like(CASES)
    for other in (drawn_of(CASES, seed=2), drawn_of(CASES, epoch=3), drawn_of(CASES, repeats=again)):
        assert not any(np.array_equal(one, two) for one, two in zip(base, every_draw(other), strict=True))
    mixed = every_draw(drawn_of(CASES, repeats=np.array([0, 1, 0, 0, 1])))
    assert equal([part[[0, 2, 3]] for part in mixed], [part[[0, 2, 3]] for part in base])


def test_many_repeats_of_few_cases_need_no_memory_for_all_cases():
    """Forty cases drawn 500 times each beside 20,000 others: one table is kept, not one for each repeat."""
    tables = DrawTables(seed=1, n_cases=20_040)
    for repeat in range(500):
        drawn = tables.of(1, np.array([repeat % 40]), repeats=np.array([repeat]))
        drawn.uniform("rotate")
        drawn.share("mixup", 0.4)
    assert sum(table.nbytes for table in tables._kept.values()) == 2 * 20_040 * 8


def test_an_operation_more_changes_no_draw_of_the_others():
    """Rotation alone, and rotation among all the others."""
    images = torch.rand(5, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    drawn = drawn_of(CASES)
    turned = affine_maps(AugmentSpec(rotate=20), drawn, height=16, width=16)[:, :, :2]
    scaled = affine_maps(AugmentSpec(rotate=20, scale=0.2, brightness=0.1), drawn, height=16, width=16)[:, :, :2]
    sizes = np.sqrt(np.linalg.det(scaled))[:, None, None]
    np.testing.assert_allclose(scaled / sizes, turned, atol=1e-12)
    brighter = augmented(images, AugmentSpec(brightness=0.1), drawn)
    assert torch.equal(augmented(images, AugmentSpec(brightness=0.1, erasing=1e-300), drawn), brighter)


def test_draws_are_spread_as_documented():
    """Uniform within their bounds over many cases; half of them flipped; each symmetry for an eighth."""
    cases = np.arange(4000)
    drawn = DrawTables(seed=0, n_cases=4000).of(1, cases)
    degrees = drawn.within("rotate", 10.0)[:, 0]
    assert np.abs(degrees).max() <= 10
    assert degrees.std() == pytest.approx(10 / 3**0.5, rel=0.03)
    assert (drawn.choice("flip", 2) == 1).mean() == pytest.approx(0.5, abs=0.03)
    assert np.bincount(drawn.choice("symmetries", 8)) / 4000 == pytest.approx(np.full(8, 1 / 8), abs=0.02)
    boxes = erased_boxes(AugmentSpec(erasing=0.25), drawn, height=64, width=64)
    areas = boxes.areas(height=64, width=64)
    assert (areas > 0).mean() == pytest.approx(0.25, abs=0.03)
    assert areas[areas > 0].min() > 0.015
    assert areas.max() < 0.35


# ---------------------------------------------------------------------- in a run


def batches_of(task, epoch=1):
    """Return the inputs of each training case in one epoch, by case number, and whatever they are mixed with."""
    setup, _ = set_up(task)
    found = {}
    for step in epoch_steps(task, epoch):
        batch = setup.batches.of(step)
        mixed = batch.mixed or Mixed(y_other=batch.y_true, share=torch.ones(len(step.cases)))
        for row, case in enumerate(step.cases.tolist()):
            found[case] = (batch.inputs[row], int(mixed.y_other[row]), float(mixed.share[row]))
    return found


def same_inputs(some, others) -> bool:
    return some.keys() == others.keys() and all(
        torch.allclose(some[case][0], others[case][0], atol=1e-6, rtol=0) and some[case][1:] == others[case][1:]
        for case in some
    )


@pytest.mark.parametrize("more", [{}, {"mixup": 0.4}, {"cutmix": 1.0}])
@pytest.mark.parametrize(("rgb", "pixel_type"), [(False, "uint8"), (True, "uint16")])
def test_arms_of_one_seed_train_on_the_same_inputs(make_task, more, rgb, pixel_type):
    """Whatever their learning rate, network or batch size is; another seed or epoch gives other inputs."""
    scans = {"rgb": rgb, "pixel_type": pixel_type, "normalize": "image", "augment": {**ALL, **more}}
    base = batches_of(make_task(**scans))
    others = (
        make_task(**scans, optimizer={"name": "sgd", "lr": 1e-4}, batch_size=5),
        make_task(**scans, model="cnn-gap", batch_size=41),
    )
    assert all(same_inputs(base, batches_of(task)) for task in others)
    assert not same_inputs(base, batches_of(make_task(**scans, task={"seed": 4})))
    assert not same_inputs(base, batches_of(make_task(**scans), epoch=2))


@pytest.mark.parametrize(("rgb", "pixel_type"), [(False, "uint8"), (True, "uint16")])
@pytest.mark.parametrize("normalize", ["none", "dataset", "image", "equalize"])
def test_normalisation_comes_after_augmentation(make_task, rgb, pixel_type, normalize):
    """What is augmented enters the network as the stored scan would, and `image` standardises the augmented one."""
    task = make_task(rgb=rgb, pixel_type=pixel_type, normalize=normalize, augment="radiograph")
    setup, _ = set_up(task)
    rows = torch.arange(10)
    plain = setup.train.batch(rows)
    assert torch.allclose(setup.train.inputs_of(setup.train.shares(rows)), plain, atol=2e-3, rtol=1e-4)
    inputs = torch.stack([inputs for inputs, _, _ in batches_of(task).values()])
    if normalize == "image":
        np.testing.assert_allclose(inputs.mean(dim=(2, 3)), 0, atol=1e-4)
        np.testing.assert_allclose(inputs.std(dim=(2, 3), correction=0), 1, atol=1e-3)
    if normalize == "none":
        assert inputs.min() >= 0
        assert inputs.max() <= 1


@pytest.mark.parametrize("pixel_type", ["uint8", "uint16"])
def test_a_constant_scan_becomes_zero_if_each_is_standardised(pixel_type):
    """As without augmentation: rounding is not blown up to noise."""
    images = np.full((2, 40, 40), np.iinfo(pixel_type).max // 3, dtype=pixel_type)
    scans = put_on_device(images, fit_preprocessing(images, np.arange(2), "image"), device="cpu")
    assert scans.inputs_of(scans.shares(slice(0, 2))).abs().max() < 1e-2


def test_only_training_cases_change(make_task, monkeypatch):
    """Validation, `train_eval` and the stored predictions are of scans as they are."""
    task = make_task(augment={"rotate": 90, "noise": 0.2, "mixup": 0.5}, epochs=2, train_eval=True)
    result = train_run(task, lambda record, n_epochs: None)
    network = load_predictor(result.facts, result.weights)
    for part in result.predictions:
        np.testing.assert_array_equal(network(task.images[part.cases]).logits, part.logits)
    chosen = result.history[result.facts.chosen_epoch - 1]
    for split, loss in (("val", chosen.val_loss), ("train", chosen.train_eval_loss)):
        part = next(part for part in result.predictions if part.split == split)
        plain = float(-np.log(part.y_prob[np.arange(len(part.y_true)), part.y_true]).mean())
        assert loss == pytest.approx(plain, rel=1e-6)


def test_without_augmentation_the_batch_is_that_of_the_scans(make_task):
    """To the bit."""
    task = make_task(normalize="dataset")
    setup, _ = set_up(task)
    for step in epoch_steps(task, 1):
        batch = setup.batches.of(step)
        assert torch.equal(batch.inputs, setup.train.batch(step.rows))
        assert batch.mixed is None


@pytest.mark.parametrize("mix", [{"mixup": 0.4}, {"cutmix": 1.0}])
@pytest.mark.parametrize("loss", ["ce", {"name": "bce", "class_weights": [1, 3], "label_smoothing": 0.1}])
def test_the_gradient_of_mixed_cases_is_that_of_a_plain_loop(make_task, mix, loss):
    """Case by case: inputs mixed by hand from the partner's own, and both labels' losses, weighted."""
    task = make_task(augment={"brightness": 0.3, **mix}, loss=loss, batch_size=8)
    setup, state = set_up(task)
    step = epoch_steps(task, 1)[0]
    batch = setup.batches.of(step)
    batch.loss(setup.head, state.network(batch.inputs)).backward()
    found = [parameter.grad.clone() for parameter in state.network.parameters()]

    own = batches_of(make_task(augment={"brightness": 0.3}, loss=loss))
    drawn = setup.batches.draws.of(1, step.cases)
    rows = (drawn.uniform("partner")[:, 0] * len(setup.train)).astype(int)
    partners = task.cases["train"][rows]
    losses, weights = torch.zeros(()), 0.0
    state.network.zero_grad()
    table = setup.head.class_weights or (1.0, 1.0)
    for row, (case, partner) in enumerate(zip(step.cases.tolist(), partners.tolist(), strict=True)):
        image, share = own[case][0].clone(), float(batch.mixed.share[row])
        if "mixup" in mix:
            image = share * image + (1 - share) * own[partner][0]
        else:
            pasted = (batch.inputs[row] != image).any(dim=0)
            assert pasted.float().mean() <= 1 - share + 1e-6
            image[:, pasted] = own[partner][0][:, pasted]
        logits = state.network(image[None])
        for label, part in ((task.labels[case], share), (task.labels[partner], 1 - share)):
            weight = part * table[label]
            losses = losses + weight * setup.head.case_losses(logits, torch.tensor([label]))[0]
            weights += weight
    (losses / weights).backward()
    for parameter, gradient in zip(state.network.parameters(), found, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("weights", [None, (1.0, 3.0)])
def test_a_mixture_of_one_case_alone_has_the_plain_loss(make_task, weights):
    """Where every share is 1 the partners do not count."""
    loss = {"name": "ce", **({"class_weights": list(weights)} if weights else {})}
    setup, _ = set_up(make_task(loss=loss))
    logits, labels = torch.randn(6, 2), torch.tensor([0, 1, 1, 0, 1, 0])
    mixed = Mixed(y_other=1 - labels, share=torch.ones(6))
    assert float(setup.head.mixed_loss(logits, labels, mixed)) == pytest.approx(float(setup.head.loss(logits, labels)))


def test_the_recorded_training_loss_is_that_of_the_mixtures(make_task):
    """At a learning rate of almost nothing, the network that starts gives the epoch's numbers."""
    task = make_task(augment={"mixup": 0.4}, loss="ce", optimizer={"name": "sgd", "lr": 1e-12}, epochs=1)
    record = train_run(task, lambda record, n_epochs: None).history[0]
    setup, state = set_up(task)
    losses, right = [], []
    for step in epoch_steps(task, 1):
        batch = setup.batches.of(step)
        log_p = state.network(batch.inputs).log_softmax(dim=1).detach()
        decided = log_p.argmax(dim=1)
        for row in range(len(step.cases)):
            own, other, share = batch.y_true[row], batch.mixed.y_other[row], batch.mixed.share[row]
            losses.append(float(-share * log_p[row, own] - (1 - share) * log_p[row, other]))
            right.append(float(share * (decided[row] == own) + (1 - share) * (decided[row] == other)))
    assert record.train_loss == pytest.approx(np.mean(losses), rel=1e-5)
    assert record.train_accuracy == pytest.approx(np.mean(right), rel=1e-5)


def test_a_run_killed_at_any_epoch_ends_with_equal_bytes(make_task, tmp_path):
    """The draws of the epochs that are left are those that they would have been."""

    def task(name):
        path = tmp_path / name
        return make_task(
            augment={**ALL, "cutmix": 0.5}, epochs=3, task={"checkpoint_path": path, "checkpoint_every_s": 0}
        )

    class Killed(Exception):
        pass

    def kill_after(epoch):
        def tell(record, n_epochs):
            if record.epoch == epoch:
                raise Killed

        return tell

    straight = train_run(task("straight"), lambda record, n_epochs: None)
    for epoch in (1, 2):
        with pytest.raises(Killed):
            train_run(task(f"killed-{epoch}"), kill_after(epoch))
        resumed = train_run(task(f"killed-{epoch}"), lambda record, n_epochs: None)
        assert resumed.history == straight.history
        assert all(resumed.weights[name].tobytes() == straight.weights[name].tobytes() for name in straight.weights)


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_trains(make_task, preset):
    """On RGB scans of 16 bits; the fused engine passes it on and says why."""
    task = make_task(augment=preset, rgb=True, pixel_type="uint16", normalize="image", epochs=1)
    facts = train_anywhere(task, lambda record, n_epochs: None).facts
    assert facts.status == "finished"
    assert facts.engine == "reference"
    assert facts.engine_reason == (
        "auto: augmentation changes the pixels of every step, and the fused engine takes them as they are stored"
    )


# ---------------------------------------------------------------------- views


def test_logits_are_the_mean_over_the_views(make_task):
    """The scan itself and its mirror image, by hand; the same numbers by a loaded network, one case at a time."""
    task = make_task(augment={"flip": "horizontal", "noise": 0.3}, test_time_views=2, epochs=1, model="cnn")
    result = train_run(task, lambda record, n_epochs: None)
    predictor = load_predictor(result.facts, result.weights)
    part = next(part for part in result.predictions if part.split == "test")
    images = task.images[part.cases]
    plain = put_on_device(images, predictor.preprocessing, device="cpu")
    mirrored = put_on_device(np.ascontiguousarray(images[:, :, ::-1]), predictor.preprocessing, device="cpu")
    both = [logits_of(predictor.network, scans, n_at_once=50).numpy() for scans in (plain, mirrored)]
    np.testing.assert_allclose(part.logits, (both[0] + both[1]) / 2, atol=1e-5)
    np.testing.assert_array_equal(predictor(images).logits, part.logits)
    alone = np.concatenate([predictor(image[None]).logits for image in images])
    np.testing.assert_allclose(alone, part.logits, atol=1e-5)


def test_views_are_made_in_single_precision_whatever_the_network_computes_in(make_task):
    """A network without layers shows the views themselves: in bfloat16 a blurred scan would have 8 bits."""
    task = make_task(augment={"blur": 2, "flip": "horizontal"}, test_time_views=3)
    setup, _ = set_up(task)
    views = views_of(task.recipe)
    exact, mixed = (
        logits_of(nn.Flatten(), setup.val, n_at_once=50, precision=precision, views=views)
        for precision in ("float32", "bf16")
    )
    assert torch.equal(exact, mixed)


def test_views_are_the_same_for_all_scans_and_seeds_and_differ_from_each_other():
    """They are made by fixed numbers; of the eight symmetries eight views take all."""
    image = torch.rand(1, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    views = views_of(Recipe.model_validate({"augment": {"symmetries": True}, "test_time_views": 8}))
    found = [image, *(views.view(image, number) for number in range(1, 8))]
    assert len({tuple(one.flatten().mul(1e4).round().tolist()) for one in found}) == 8
    views = views_of(Recipe.model_validate({"augment": "radiograph", "test_time_views": 4}))
    many = image.expand(3, 1, 8, 8).contiguous()
    for number in range(1, 4):
        assert torch.equal(views.view(many, number), views.view(image, number).expand(3, 1, 8, 8))
        assert not torch.allclose(views.view(image, number), image, atol=1e-3)


def test_views_leave_out_what_only_takes_information_away():
    """Noise, erasing and mixing have no place in them; one view is none."""
    recipe = Recipe.model_validate({"augment": {**ALL, "mixup": 1}, "test_time_views": 3})
    spec = views_of(recipe).spec
    assert (spec.noise, spec.erasing, spec.mixup, spec.cutmix) == (0, 0, 0, 0)
    assert spec.rotate == 20
    assert views_of(Recipe.model_validate({"augment": ALL})) is None


def test_the_epoch_is_chosen_without_views(make_task):
    """Validation during training is of the scans as they are: the choice is the same with one view and with three."""
    one = train_run(make_task(augment="radiograph"), lambda record, n_epochs: None)
    three = train_run(make_task(augment="radiograph", test_time_views=3), lambda record, n_epochs: None)
    assert one.history == three.history
    assert all(np.array_equal(one.weights[name], three.weights[name]) for name in one.weights)
    assert not np.array_equal(one.predictions[1].logits, three.predictions[1].logits)
