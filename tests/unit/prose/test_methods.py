"""The methods text names what ran and nothing else, and lists what it cites and nothing else."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from scantrial import recipe
from scantrial.figures.all import build_figures
from scantrial.findings.reading import read_study_folder
from scantrial.findings.view import ReportView, build_view
from scantrial.prose import methods as methods_prose
from scantrial.prose import methods_statistics
from scantrial.prose import study as study_prose
from scantrial.prose import verdicts as verdict_prose
from scantrial.prose.methods import methods_text
from scantrial.prose.references import REFERENCES, numbered_references
from scantrial.prose.study_limits import limit_sentences
from scantrial.recipe.networks import ModelSpec
from scantrial.report.compose import build_document
from scantrial.report.sections.methods import methods as methods_section
from scantrial.report.sections.reproduce import again
from scantrial.store.folder import StudyFolder

CASES = {"train": 12, "val": 40, "test": 60}


def view_of(folder: StudyFolder) -> ReportView:
    return build_view(read_study_folder(folder, by="test", purpose="test"))


def said(view: ReportView) -> str:
    return "\n".join(text for _, text in methods_text(view).values())


@pytest.fixture(scope="module")
def plain(make_study) -> ReportView:
    return view_of(make_study(n_cases=CASES))


@pytest.fixture(scope="module")
def rich(make_study) -> ReportView:
    """Three arms in which everything that can be set is set."""
    settings = {
        "base": {},
        "ce": {
            "loss": {"name": "ce", "class_weights": "balanced", "label_smoothing": 0.1, "focal_gamma": 2.0},
            "optimizer": {"name": "adamw", "lr": 1e-4, "weight_decay": 0.01},
            "schedule": {"name": "cosine", "warmup_epochs": 1},
            "clip_grad_norm": 1.0,
        },
        "deep": {
            "model": "mlp-64x3",
            "normalize": "dataset",
            "optimizer": {"name": "sgd", "lr": 0.1, "momentum": 0.9, "nesterov": True},
            "select": "last",
        },
    }
    return view_of(make_study(arms=settings, n_cases=CASES, cases_per_patient=2))


@pytest.fixture(scope="module")
def own(make_study) -> ReportView:
    """Two arms, both a network of the user's own."""
    arms = {"base": {"model": "my.nets:Flipping"}, "loss-ce": {"model": "my.nets:Flipping", "loss": "ce"}}
    return view_of(make_study(arms=arms, n_cases=CASES))


@pytest.fixture(scope="module")
def mixed(make_study) -> ReportView:
    """An arm with a network of scantrial's, and one with the user's own."""
    return view_of(make_study(arms={"base": {}, "own": {"model": "my.nets:Flipping"}}, n_cases=CASES))


def test_what_was_left_out_before_the_split_is_there(make_study):
    """Methods name what `data.ignore` and `data.classes` left out."""
    view = view_of(make_study(about={"name": "x", "excluded": {"files of the pattern *_mask*.png": 60}}))
    assert "Left out before the split: 60 files of the pattern *_mask*.png." in said(view)


def test_what_ran_is_there(plain):
    """Arms, scans, network, training, selection, intervals, comparison, calibration, thresholds, software."""
    text = said(plain)
    for words in (
        "2 arms, each trained once with each of 3 seeds: 6 runs.",
        "12 for training, 40 for validation and 60 for test",
        "1 file could not be read and was left out",
        "one hidden layer of 256 units, ReLU activations",
        "binary cross-entropy on one output (base); cross-entropy on one output per class (loss-ce)",
        "Adam [@adam] with learning rate 0.001",
        "6 epochs, batches of 32 cases",
        "the epoch with the smallest validation loss",
        "[@obuchowski-rockette; @chen]",
        "within ±0.02",
        "Calibration was measured",
        "fixed at p = 0.5",
        "[@decision-curve]",
        "(reference engine)",
    ):
        assert words in text, words


def test_each_setting_is_said_of_the_arms_that_have_it(rich):
    """Where arms differ each value stands with its arms, with its source."""
    text = said(rich)
    for words in (
        "classes weighted by their inverse frequency in training, label smoothing 0.1 [@label-smoothing] and focal "
        "factor γ = 2 [@focal] (ce)",
        "AdamW [@adamw] with learning rate 0.0001",
        "stochastic gradient descent with learning rate 0.1, momentum 0.9, Nesterov's (deep)",
        "falling as a cosine to 0 over each round [@cosine], after a linear rise over 1 epoch (ce)",
        "clipped to a Euclidean norm of 1 (ce)",
        "batch normalisation [@batch-norm] and dropout of 0.5 [@dropout] (deep)",
        "pixels were standardised by mean and standard deviation of the training cases (deep)",
        "the last epoch (deep)",
        "over 2 comparisons by Holm's method [@holm; @lauzon-caffo]",
        "The sampling unit is the patient, not the scan [@rao-scott]",
    ):
        assert words.lower() in text.lower(), words


def test_how_cases_weights_and_steps_were_treated_is_said(make_study):
    """Sampling, accumulation, averaged weights, early stopping, precision, groups of weights and one cycle."""
    trained = {
        "sampling": "undersampled",
        "accumulate": 4,
        "ema": 0.99,
        "early_stopping": {"patience": 2, "min_delta": 0.01},
        "precision": "bf16",
        "optimizer": {"name": "adamw", "weight_decay_on": "weights", "head_lr_factor": 5.0, "layer_decay": 0.75},
        "schedule": "one-cycle",
        "epochs": 10,
    }
    view = view_of(make_study(arms={"base": {}, "new": trained}, n_cases=CASES))
    text = said(view)
    for words in (
        "reshuffled each epoch (base); 10 epochs, batches of 32 cases, each epoch with all cases of the smallest class "
        "and as many of every other class, drawn anew [@class-imbalance], the weights moved once every 4 batches by "
        "the mean gradient over their cases (new)",
        "weight decay 0.01 (none on biases and normalisation layers) [@bag-of-tricks], the rate of the last layer "
        "multiplied by 5, rates multiplied by 0.75 for each layer before the last [@layer-rates] (new)",
        "one cycle over each round [@one-cycle]: rising along a cosine from 1/25 of it in the first 30 % of the steps, "
        "then falling along a cosine to 1/10000 of where it began (new)",
        "to the last epoch (base); until 2 epochs in a row did not improve the validation loss by more than 0.01 "
        "[@prechelt] (new); schedules kept the planned length",
        "single precision (float32) (base); mixed precision: layers that allow it compute in bfloat16 [@bf16]",
        "the weights as trained (base); an exponential moving average of the weights (decay 0.99 at each move) [@ema]",
    ):
        assert words in text, words
    done = " ".join(study_prose.what_was_done(view))
    assert (
        "Early stopping ended 3 of 3 runs of new, which trained 6 of the 10 planned epochs on average (6 to 6)." in done
    )
    assert "6 of 10, stopped early" in str(build_document(view, build_figures(view), {}))


@pytest.mark.parametrize(
    ("options", "absent"),
    [
        (
            {},
            [
                "arly stopping",
                "moving average",
                "Precision:",
                "Holm",
                "Patients, not scans",
                "audited",
                "clipped",
                "dropout",
                "SGDR",
                "unpaired",
                "McNemar",
                "DeLong",
            ],
        ),
        ({"class_names": ("a", "b", "c")}, ["alibration", "Temperature", "Thresholds", "Net benefit", "Predictive"]),
        ({"arms": {"base": {}}}, ["Compared:", "two one-sided", "best arm", "Runs of one seed are paired"]),
        ({"seeds": (0,)}, ["seeds and cases", "effective number", "[@hillis-2007]", "Power", "averaged vertically"]),
        (
            {"n_cases": {"train": 12, "val": 0, "test": 30}},
            ["Temperature", "sensitivity of at least", "for validation"],
        ),
    ],
)
def test_what_did_not_run_is_not_there(make_study, options, absent):
    """No sentence about a step that did not take place."""
    text = said(view_of(make_study(**{"n_cases": CASES, **options})))
    assert [words for words in absent if words in text] == []


def test_without_a_margin_nothing_is_called_equivalent(plain):
    """No sentence on equivalence, and none on a margin."""
    without = replace(plain, judgement=replace(plain.judgement, margin=None))
    assert "equivalent" in said(plain)
    assert "equivalent" not in said(without)
    assert "margin" not in said(without)


def test_one_seed_is_compared_by_mcnemar(make_study):
    """Two networks on accuracy: mid-p and its interval, and no word of degrees of freedom."""
    text = said(view_of(make_study(seeds=(0,), n_cases=CASES)))
    assert "[@mcnemar]" in text
    assert "[@bonett-price]" in text


def test_auroc_is_compared_by_delong(make_study):
    """The covariance is that of the metric."""
    text = said(view_of(make_study(primary="auroc", n_cases=CASES)))
    assert "The covariance over cases was estimated by DeLong's method [@delong]." in text


def test_intervals_of_one_arm_are_named_by_what_was_used(plain, make_study):
    """Recalls are combined for balanced accuracy, ROC areas of few cases take Newcombe's score; patients are said."""
    few = said(plain)
    assert "the limits of each recall by the recovery of variances [@zou-donner] for balanced accuracy" in few
    assert "Newcombe's score [@newcombe-2006] for ROC areas with few cases or near 1" in few
    assert "[@bell-mccaffrey]" not in few
    many = said(view_of(make_study(n_cases={**CASES, "test": 400})))
    assert "[@newcombe-2006]" not in many
    assert "the logit scale [@qin] for areas" in many
    by_patient = said(view_of(make_study(n_cases=CASES, cases_per_patient=2)))
    assert "the correction for few of them and its degrees of freedom [@bell-mccaffrey]" in by_patient


def test_before_any_run_nothing_was_trained(make_study):
    """A study without runs has a design and scans, and neither network nor training."""
    every = [(arm, seed) for arm in ("base", "loss-ce") for seed in (0, 1, 2)]
    found = methods_text(view_of(make_study(missing=every)))
    assert not {"network", "training", "selection", "evaluation", "comparison", "calibration"} & found.keys()
    assert "6 runs, 0 of them finished" in found["design"][1]


def test_later_runs_under_other_versions_are_told(plain):
    """Each change with its date; then nobody is promised the same numbers."""
    first = {"torch": "2.7", "python": "3.11", "versions": {"numpy": "2"}, "machine": "x86_64", "cpu": "A"}
    changes = [
        {"at": "2026-01-02T10:00:00+00:00", "now": {**first, "torch": "2.8"}},
        {"at": "2026-02-03T10:00:00+00:00", "now": {**first, "torch": "2.8", "cpu": "B", "versions": {"numpy": "3"}}},
    ]
    alone, changed = (said(replace(plain, environment={**first, **more})) for more in ({}, {"changes": changes}))
    assert "Versions: numpy 2, python 3.11, torch 2.7." in alone
    assert "Machine: x86_64, A; the same versions and threads give the same numbers on this machine." in alone
    assert "Later runs" not in alone
    assert "Later runs: torch 2.8, from 2026-01-02. Later runs: numpy 3, cpu B, from 2026-02-03." in changed
    assert "same numbers" not in changed


def test_networks_that_differ_are_told_apart(make_study):
    """Arguments of an activation, a network without a hidden layer, each layer's units where they are not all equal."""
    networks = {
        "gentle": {"activation": {"name": "LeakyReLU", "negative_slope": 0.01}, "hidden": [8]},
        "steep": {"activation": {"name": "LeakyReLU", "negative_slope": 0.3}, "hidden": [8]},
        "linear": {"hidden": []},
        "hourglass": {"hidden": [64, 32, 64]},
        "even": {"hidden": [64, 64, 64]},
    }
    text = said(view_of(make_study(arms={name: {"model": {"name": "mlp", **net}} for name, net in networks.items()})))
    for words in (
        "one hidden layer of 8 units, LeakyReLU activations (negative_slope = 0.01) (gentle)",
        "LeakyReLU activations (negative_slope = 0.3) (steep)",
        "a single linear layer (logistic regression) (linear)",
        "3 hidden layers of 64, 32 and 64 units, ReLU activations (hourglass)",
        "3 hidden layers of 64 units, ReLU activations (even)",
    ):
        assert words in text, words


CLAIMS = [
    (
        "preprocessing",
        "The data were not augmented.",
        "Scantrial did not augment the data; what a custom class does to them internally",
    ),
    ("network", "no network was pretrained", "whether these are pretrained, and whether it normalises or uses dropout"),
    (
        "selection",
        "none is an ensemble",
        "Whether a custom class is an ensemble internally, or starts from weights",
    ),
    (
        "design",
        "where networks have a parameter",
        "Custom classes initialise themselves under the run's seed.",
    ),
    ("software", "the same versions and threads give the same numbers on this machine", ""),
]


@pytest.mark.parametrize(("step", "claim", "instead"), CLAIMS, ids=[step for step, _, _ in CLAIMS])
def test_what_a_network_of_the_users_own_does_inside_is_not_claimed(plain, own, mixed, step, claim, instead):
    """Augmentation, dropout, normalisation, pretrained weights, ensembles, equal numbers: claimed of scantrial's networks
    alone; of the user's own it is said that they are not known."""
    known, unknown, both = (methods_text(view)[step][1] for view in (plain, own, mixed))
    assert claim in known
    assert "custom class" not in known.lower()
    for text in (unknown, both):
        assert claim not in text
        assert instead in text


def test_scantrials_networks_beside_the_users_own_keep_what_is_known_of_them(mixed):
    """How they start, and that they were not pretrained, is said of them alone."""
    text = methods_text(mixed)["network"][1]
    assert "layers of the other networks are initialised uniformly" in text
    assert "none of these was pretrained" in text
    assert "my.nets:Flipping, a custom class (own)" in text


def test_the_arguments_of_the_users_own_are_told(make_study):
    """As they were given; what looks like a citation is none."""
    model = {"name": "my.nets:Net", "args": {"width": 6, "kind": "[@holm]"}}
    text = methods_text(view_of(make_study(arms={"base": {"model": model}})))["network"][1]
    assert 'my.nets:Net, a custom class with the arguments width = 6, kind = "[ @holm]"' in text


def test_scans_that_were_not_used_are_told(plain):
    """How many, where there are any."""
    told = {n: methods_text(replace(plain, data=replace(plain.data, n_unused=n)))["scans"][1] for n in (0, 7)}
    assert "7 other scans of the source are in none of them and were not used." in told[7]
    assert "in none of them" not in told[0]


def test_the_files_that_a_study_needs_are_named_with_their_hashes(plain, own):
    """The modules of the user's own networks, and pretrained weights."""
    arm = replace(own.arms[0], code={"my.nets": "a" * 64})
    model = ModelSpec(name="timm/resnet18", pretrained="w/x.safetensors", weights_sha256="b" * 64)
    other = replace(own.arms[0], recipe=own.arms[0].recipe.model_copy(update={"model": model}))
    said_there = str(again(replace(own, arms=(arm, other))).blocks[1])
    assert all(words in said_there for words in ("my.nets", "a" * 64, "w/x.safetensors", "b" * 64))
    assert "again-files" not in str(again(plain).blocks)
    known = methods_text(replace(own, arms=(other,)))["selection"][1]
    assert "Nobody knows whether the file of weights that training started from (w/x.safetensors) had seen" in known


def test_limits_name_what_is_not_known_of_the_users_own(plain, own):
    """Among the limits, and where it is said how to run it again."""
    assert any("does internally is not known" in said for said in limit_sentences(own))
    assert not any("custom class" in said.lower() for said in limit_sentences(plain))
    assert "draw random numbers from PyTorch's generators only" in str(again(own).blocks[0])
    assert "custom class" not in str(again(plain).blocks[0])


def test_guidelines_are_filled_in_part_by_what_is_not_known(plain, own):
    """Initial weights, architecture and ensembles of the user's own network are no filled items."""
    for view, status in ((plain, "filled"), (own, "in part")):
        section = build_document(view, build_figures(view), {}).sections[-1]
        rows = {row[0].text: row for row in section.blocks[1].blocks[1].rows}  # type: ignore[union-attr] # a table
        assert [rows[number][2].text for number in ("9", "22", "24", "25", "27")] == [status] * 5
        said = "part of it is not known to scantrial" in str(rows["24"])
        assert said == (status == "in part")


def test_how_the_last_layer_of_the_users_own_starts_is_not_claimed(plain, own):
    """BCE and CE are explained for networks whose last layer is known."""
    assert verdict_prose.loss_note(plain.recipes, n_classes=2)
    assert verdict_prose.loss_note(own.recipes, n_classes=2) == []


def test_sources_are_numbered_as_they_are_cited(plain, rich):
    """From 1 without a gap, each cited one listed once, none else."""
    for view in (plain, rich):
        texts = [text for _, text in methods_text(view).values()]
        written, sources = numbered_references(texts)
        used = [int(n) for found in re.findall(r"\[([\d, ]+)\]", "\n".join(written)) for n in found.split(",")]
        first_uses = list(dict.fromkeys(used))
        assert sorted(first_uses) == list(range(1, len(sources) + 1))
        assert len(set(sources)) == len(sources)
        assert "@" not in "\n".join(written)
        (listed,) = [block for block in methods_section(view).blocks if block.id == "sources"]
        assert len(listed.blocks[0].items) == len(sources)  # type: ignore[union-attr] # a list


def test_names_of_the_users_cite_nothing(make_study):
    """A class, an arm and a source called like a citation, of a source that is known or not, stand as words."""
    folder = make_study(class_names=("well [@x]", "ill [@holm]"), labels={"base": "[@brown]", "loss-ce": "[@y]"})
    view = view_of(folder)
    view = replace(view, data=replace(view.data, about={"name": "scans [@guo; @z]"}))
    written, sources = numbered_references([text for _, text in methods_text(view).values()])
    for words in ("“well [ @x]” and “ill [ @holm]”", "([ @brown])", "([ @y])", "“scans [ @guo; @z]”"):
        assert words in " ".join(written), words
    assert REFERENCES["holm"] not in sources
    assert methods_section(view).id == "methods"


def test_every_key_of_our_own_texts_is_known():
    """Whatever a paragraph may cite, in whatever study, stands among the sources."""
    texts = [
        Path(methods_prose.__file__),
        Path(methods_statistics.__file__),
        *Path(recipe.__file__).parent.glob("*.py"),
    ]
    keys = {key for text in texts for key in re.findall(r"(?:\[|; |\")@([a-z][a-z0-9-]*)", text.read_text())}
    assert len(keys) > 30
    assert keys - {"key"} <= REFERENCES.keys()


def test_a_source_is_whole():
    """Authors, title, place, a year that can be, and a DOI where there is one."""
    for key, one in REFERENCES.items():
        assert all((one.authors, one.title, one.where)), key
        assert 1950 < one.year < 2030, key
        assert not one.doi or re.fullmatch(r"10\.\d{4,5}/\S+", one.doi), key
    with pytest.raises(KeyError):
        numbered_references(["[@nobody]"])


def test_augmentation_is_described_by_its_values_with_sources(make_study):
    """Of the arms that have it, and of those that have none; with the views at test time, and what seeds change."""
    arms = {
        "base": {},
        "preset": {"augment": "radiograph", "test_time_views": 4},
        "own": {"augment": {"preset": "radiograph", "rotate": 5, "mixup": 0.2}},
    }
    view = view_of(make_study(arms=arms, n_cases=CASES))
    text = said(view)
    for words in (
        "not augmented (base); rotation up to ±10°, scaling by 0.85 to 1.15, shifts up to ±10 % of each side and "
        "brightness times 0.9 to 1.1, borders filled with black, as in the preset radiograph [@covid-net] (preset); "
        "rotation up to ±5°",
        ", then mixup of normalised scans, shares from Beta(0.2, 0.2) [@mixup]",
        "before any standardisation: ",
        "Values were drawn uniformly within these bounds, unless another distribution is named. Draws depend on the "
        "network's seed, the epoch and the case alone;",
        "same order of cases and, where",
        "where both augment, the same draws",
        "Test-time augmentation: none (base and own); logits averaged over 4 views, the scan itself and 3 augmented by "
        "the same fixed draws for all scans (preset); epochs were chosen without it.",
    ):
        assert words in text, words
    assert "The data were not augmented." not in text
    assert "the draws of augmentation" in " ".join(limit_sentences(view))
    listed = numbered_references([text])[1]
    assert {REFERENCES["covid-net"], REFERENCES["mixup"]} <= set(listed)


def test_augmentation_is_told_in_its_order_and_by_its_distributions(make_study):
    """What comes before it, what is not uniform, repeats of a case, and the order of cases where sampling differs."""
    own = {
        "normalize": "equalize",
        "image": {"clip_percentiles": [1, 99]},
        "augment": {"gamma": 0.5, "noise": 0.1, "elastic": 0.02},
        "sampling": "oversampled",
    }
    text = said(view_of(make_study(arms={"base": {"augment": "oct"}, "own": own}, n_cases=CASES)))
    for words in (
        "after clipping and equalisation, elastic deformation, normal with a standard deviation of 2 % of the side "
        "[@u-net], gamma of 0.667 to 1.5, uniform in its logarithm and Gaussian noise with a standard deviation up to "
        "10 % of the range",
        "the epoch, the case and its repeat in the epoch alone",
        "Runs of one seed are paired: the same order of cases where arms sample alike and, where",
    ):
        assert words in text, words


def test_what_a_network_of_ones_own_does_stays_unknown_beside_augmentation(make_study):
    """Both are said."""
    view = view_of(make_study(arms={"base": {"model": "my.nets:Flipping", "augment": "oct"}}, n_cases=CASES))
    assert "as in the preset oct [@octdl]" in said(view)
    assert "What a custom class does to the data internally is not known." in said(view)


def test_the_score_that_a_run_stops_by_is_called_as_everywhere_else(make_study):
    """A metric's name inside a sentence."""
    arms = {
        metric: {"select": {"name": "best-val-metric", "metric": metric}, "early_stopping": {"patience": 2}}
        for metric in ("balanced_accuracy", "auroc")
    }
    text = said(view_of(make_study(arms=arms, n_cases=CASES)))
    for words in ("validation balanced accuracy", "validation AUROC"):
        assert f"the epoch with the highest {words}" in text
        assert f"did not improve the {words} [@prechelt]" in text
