"""The methods of a study, written as for a paper: what was done, with what, with sources; only steps that ran.

Each function writes one paragraph from the view and returns its sentences, none where the step did not take place.
Sources are cited as ``[@key]`` of `scantrial.prose.references`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from scantrial.analysis.metrics import METRICS
from scantrial.core.format import SPLIT_WORDS, count, counted, joined, percent
from scantrial.core.records import SPLITS
from scantrial.data.left_out import left_out_items
from scantrial.findings.view import ArmView, ReportView
from scantrial.prose.arm_images import arm_images
from scantrial.prose.methods_statistics import comparison, evaluation
from scantrial.prose.networks import weights_and_test
from scantrial.prose.scan_images import scan_images
from scantrial.prose.study import alike_at_start, epoch_rule, score_of
from scantrial.recipe import losses, optimizers, schedules
from scantrial.recipe import training as training_words
from scantrial.recipe.facts import start_of
from scantrial.recipe.networks import is_timm, network_of
from scantrial.recipe.spec import Recipe


def per_arm(view: ReportView, say: Callable[[Recipe], str]) -> str:
    """Describe the recipe of every arm that ran: once where all agree, else with the arms that it applies to."""
    said: dict[str, list[str]] = {}
    for arm in ran(view):
        said.setdefault(say(arm.recipe), []).append(arm.label)
    if len(said) == 1:
        return next(iter(said))
    return "; ".join(f"{what} ({joined(labels)})" for what, labels in said.items())


def ran(view: ReportView) -> list[ArmView]:
    """Return the arms that have a finished run."""
    return [arm for arm in view.arms if arm.runs]


def has_own(arms: Sequence[ArmView]) -> bool:
    """Whether a network of some arm is a custom class; scantrial does not know what it does internally."""
    return any(arm.recipe.model.is_custom for arm in arms)


# ---------------------------------------------------------------------- design and scans


def design(view: ReportView) -> list[str]:
    """Arms, seeds, pairing, and what was declared beforehand."""
    arms, seeds = counted(len(view.arms), "arm"), counted(len(view.seeds), "seed")
    finished = "" if view.n_finished == view.n_planned else f", {count(view.n_finished)} of them finished"
    said = [
        f"The study has {arms}, each trained once with each of {seeds}: {counted(view.n_planned, 'run')}{finished}."
    ]
    if view.folds:
        n_repeats = len({repeat for repeat, _ in view.folds})
        repeated = f", repeated {n_repeats} times with other folds" if n_repeats > 1 else ""
        said = [
            f"The study is a {len(view.folds) // n_repeats}-fold cross-validation{repeated}: each of {arms} is trained "
            f"once with each of {seeds} for every fold and tested on it, {counted(view.n_planned, 'run')} in "
            f"all{finished}. The folds, divided by class, are the same for all arms; draws differ from fold to fold."
        ]
    if len(view.arms) > 1:
        own = " Custom classes initialise themselves under the run's seed." if has_own(view.arms) else ""
        both = sum(arm.recipe.augment is not None for arm in view.arms) > 1
        drawn = "; where both augment, the same draws" if both else ""
        alike_drawn = len({arm.recipe.sampling for arm in view.arms}) == 1
        order = "the same order of cases" if alike_drawn else "the same order of cases where arms sample alike"
        alike = alike_at_start({start_of(arm.recipe) for arm in view.arms})
        said.append(
            f"Runs of one seed{' and fold' * bool(view.folds)} are paired: {order} and, where {alike} have a parameter "
            f"of the same name and shape, the same initial weights{drawn}.{own}"
        )
    if view.judgement.primary_declared.before_runs:
        margin = view.judgement.margin
        with_margin = "" if margin is None else f", with a margin of {margin:g}"
        metric = f"{METRICS[view.primary_metric].title} on {SPLIT_WORDS[view.primary_split]} cases{with_margin}"
        said.append(f"The primary metric ({metric}) was declared before the first run finished.")
    return said


def scans(view: ReportView) -> list[str]:
    """Source, classes, splits, files that were left out."""
    name = view.data.about.get("title") or view.data.about.get("name")
    source = f" of the source “{name}”" if name else ""
    parts = [
        f"{count(view.data.n_of(split))} for {SPLIT_WORDS[split]}" for split in SPLITS if split in view.data.counts
    ]
    classes = joined([f"“{one}”" for one in view.data.class_names])
    said = [f"The scans{source}, with the classes {classes}, were split into {joined(parts)}."]
    if view.folds:
        share = percent(float(view.data.split.get("val", 0)))
        said = [
            f"The {count(view.data.n_of('test'))} scans{source}, with the classes {classes}, were divided into folds; "
            f"of the folds that train, {share} of the scans were set aside for validation."
        ]
    if view.data.n_unused:
        are, were = ("is", "was") if view.data.n_unused == 1 else ("are", "were")
        said.append(
            f"{counted(view.data.n_unused, 'other scan')} of the source {are} in none of them and {were} not used."
        )
    split = view.data.split
    if split.get("by") == "patient":
        said.append(f"No patient is in more than one {'fold' if view.folds else 'split'}.")
    if view.data.left_out:
        said.append(f"Left out before the split: {'; '.join(left_out_items(view.data.left_out))}.")
    if view.data.skipped:
        said.append(
            f"{counted(len(view.data.skipped), 'file')} could not be read and "
            f"{'was' if len(view.data.skipped) == 1 else 'were'} left out."
        )
    return said


def preprocessing(view: ReportView) -> list[str]:
    """Shape, scaling, normalisation, augmentation."""
    said = [*scan_images(view.data.image), *arm_images(view)]
    if ran(view):
        said.append(f"{_capital(per_arm(view, Recipe.describe_normalization))}.")
        said += _augmentation(view)
    return said


def _augmentation(view: ReportView) -> list[str]:
    """What was changed at random in training cases, or that nothing was."""
    unknown = "what a custom class does to them internally is not known"
    if not any(arm.recipe.augment for arm in ran(view)):
        return [
            f"Scantrial did not augment the data; {unknown}." if has_own(ran(view)) else "The data were not augmented."
        ]
    repeated = any(arm.recipe.augment and arm.recipe.sampling == "oversampled" for arm in ran(view))
    draw_of = "the epoch, the case and its repeat in the epoch" if repeated else "the epoch and the case"
    said = [
        "Training cases were augmented at random, anew for every case and epoch, before any standardisation: "
        f"{per_arm(view, Recipe.describe_augmentation)}. Values were drawn uniformly within these bounds, unless "
        f"another distribution is named. Draws depend on the network's seed, {draw_of} alone; no case was augmented "
        "where it was evaluated, unless the selection says so."
    ]
    return [*said, f"{_capital(unknown.replace('them', 'the data'))}."] if has_own(ran(view)) else said


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


# ---------------------------------------------------------------------- network and training


def network(view: ReportView) -> list[str]:
    """Architecture, size, initial weights."""
    if not ran(view):
        return []
    sizes = {arm.n_parameters for arm in view.arms if arm.n_parameters is not None}
    n = f" with {joined([count(size) for size in sorted(sizes)])} trainable parameters" if sizes else ""
    several = "The networks" if len(view.arms) > 1 else "The network"
    said = [f"{several}{n}: {per_arm(view, lambda recipe: network_of(recipe.model.name).describe(recipe.model))}."]
    return [*said, *_initial_weights(view)]


def _initial_weights(view: ReportView) -> list[str]:
    models = [arm.recipe.model for arm in ran(view)]
    other = [network_of(model.name).draws_own for model in models]
    said = []
    if not all(other):
        of, none = (" of the other networks", "none of these") if any(other) else ("", "no network")
        said.append(
            f"Weights and biases of linear and convolutional layers{of} are initialised uniformly within ±1/√(number "
            f"of inputs); {none} was pretrained."
        )
    if any(is_timm(model.name) for model in models):
        said.append(
            "The last layer of a network of timm is initialised uniformly within ±1/√(number of inputs). Its other "
            "layers are initialised as timm does it, under the run's seed, or take pretrained weights where these are "
            "named above."
        )
    if any(model.is_custom for model in models):
        said.append(
            "A custom class sets its own initial weights: whether these are pretrained, and whether it normalises or "
            "uses dropout internally, is not known."
        )
    return said


def training(view: ReportView) -> list[str]:
    """Loss, optimiser, schedule, batches, epochs, rounds, clipping."""
    if not ran(view):
        return []
    n_classes = len(view.data.class_names)
    said = [
        f"Loss: {per_arm(view, lambda recipe: losses.describe(recipe.loss, n_classes=n_classes))}.",
        f"Optimiser: {per_arm(view, lambda recipe: optimizers.describe(recipe.optimizer))}.",
        f"Learning rate: {per_arm(view, lambda recipe: schedules.describe(recipe.schedule))}.",
        f"Training: {per_arm(view, _length)}.",
    ]
    recipes = [arm.recipe for arm in ran(view)]
    if any(recipe.clip_grad_norm for recipe in recipes):
        said.append(f"Gradients: {per_arm(view, _clipping)}.")
    if any(recipe.early_stopping for recipe in recipes):
        said.append(f"Length of a run: {per_arm(view, _stopping)}; schedules kept the planned length.")
    if any(recipe.precision != "float32" for recipe in recipes):
        said.append(f"Precision: {per_arm(view, lambda recipe: training_words.PRECISIONS[recipe.precision])}.")
    return said


def _length(recipe: Recipe) -> str:
    batches = (
        f"batches of {recipe.batch_size} cases, {training_words.SAMPLINGS[recipe.sampling]}"
        f"{training_words.describe_accumulation(recipe.accumulate)}"
    )
    rounds = recipe.rounds
    if rounds == 1:
        return f"{counted(recipe.epochs, 'epoch')}, {batches}"
    return (
        f"{rounds} rounds of {counted(recipe.epochs, 'epoch')}, each continuing from the last weights with a new "
        f"optimiser and schedule, {batches}"
    )


def _stopping(recipe: Recipe) -> str:
    return training_words.describe_stopping(recipe.early_stopping, score=score_of(recipe.select))


def _clipping(recipe: Recipe) -> str:
    norm = recipe.clip_grad_norm
    return f"clipped to a Euclidean norm of {norm:g}" if norm else "not clipped"


def selection(view: ReportView) -> list[str]:
    """Which weights were evaluated, and what test scans were not used for."""
    if not ran(view):
        return []
    said = [f"Each run is evaluated with the weights of {per_arm(view, lambda recipe: epoch_rule(recipe.select))}."]
    if any(arm.recipe.test_time_views > 1 for arm in ran(view)):
        said.append(f"Test-time augmentation: {per_arm(view, _views)}; epochs were chosen without it.")
    logged = "the single evaluation" if view.n_evaluations == view.n_evaluated else "every evaluation"
    if any(arm.recipe.ema is not None for arm in ran(view)):
        said.append(f"These weights are {per_arm(view, lambda recipe: training_words.describe_average(recipe.ema))}.")
    if view.n_evaluated:
        said.append(
            f"Test scans were not used for training or for choosing an epoch, a threshold or a temperature; {logged} "
            "of each run on them is logged."
        )
    own = has_own(ran(view))
    alone = "" if own or any(arm.recipe.ensemble > 1 for arm in ran(view)) else "; none is an ensemble"
    said.append(f"Each run is {per_arm(view, _members)}{alone}.")
    if own:
        said.append(
            "Whether a custom class is an ensemble internally, or starts from weights that were trained on these test "
            "scans, is not known."
        )
    return [*said, *weights_and_test(view, ran(view))]


def _members(recipe: Recipe) -> str:
    n = recipe.ensemble
    if n == 1:
        return "one network"
    return f"an ensemble of {n} networks, each trained with a seed of its own, whose logits are averaged [@ensemble]"


def _views(recipe: Recipe) -> str:
    n = recipe.test_time_views
    if n == 1:
        return "none"
    return (
        f"logits averaged over {n} views, the scan itself and {n - 1} augmented by the same fixed draws for all scans"
    )


def software(view: ReportView) -> list[str]:
    """Engine, versions, machine, threads, and what changed for later runs."""
    environment = view.environment
    engines = {run.facts.engine for arm in view.arms for run in arm.runs}
    versions = {**environment.get("versions", {}), **_named(environment, "python", "torch")}
    if not engines and not versions:
        return []
    said = []
    if engines:
        said.append(
            "Networks were trained with PyTorch [@pytorch]"
            + (", the first layer by scantrial's fused kernel" if "fused" in engines else "")
            + f" ({joined(sorted(engines))} engine{'s' * (len(engines) > 1)})."
        )
    if versions:
        said.append(f"Versions: {', '.join(f'{name} {number}' for name, number in versions.items())}.")
    later = later_runs(environment)
    said += [f"Later runs: {', '.join(found)}, from {at[:10]}." for at, found in later]
    where = [str(environment[key]) for key in ("machine", "cpu", "device", "gpu") if environment.get(key)]
    if environment.get("threads"):
        where.append(f"{counted(int(environment['threads']), 'thread')} a run")
    if where:
        sure = not later and not has_own(ran(view))
        same = "; the same versions and threads give the same numbers on this machine" if sure else ""
        said.append(f"Machine: {', '.join(where)}{same}.")
    return said


def later_runs(environment: Mapping[str, Any]) -> list[tuple[str, list[str]]]:
    """Return the versions and machines that changed for later runs, and from when, change by change."""
    before, found = _moving(environment), []
    for change in environment.get("changes", []):
        now = {**before, **_moving(change["now"])}
        other = [f"{name} {value}" for name, value in now.items() if value != before.get(name)]
        found += [(change["at"], other)] if other else []
        before = now
    return found


_MOVING = ("python", "torch", "cpu_capability", "kernel", "machine", "system", "cpu", "gpu", "cuda", "cudnn")


def _moving(environment: Mapping[str, Any]) -> dict[str, str]:
    return {**environment.get("versions", {}), **_named(environment, *_MOVING)}


def _named(environment: Mapping[str, Any], *names: str) -> dict[str, str]:
    return {name: str(environment[name]) for name in names if environment.get(name)}


def audit_paragraph(view: ReportView) -> list[str]:
    """Which checks of the scans were made."""
    if view.audit is None:
        return []
    made = {result.code for result in view.audit.results if result.outcome != "not applicable"}
    kinds = [
        ({"AU001", "AU002"}, "patients in two splits"),
        ({"AU003", "AU004"}, "equal images"),
        ({"AU005", "AU006"}, "nearly equal images"),
        ({"AU007"}, "contradicting labels"),
        ({"AU010"}, "shift between splits by a classifier two-sample test [@c2st; @permutation]"),
        ({"AU020", "AU021", "AU022", "AU023", "AU024"}, "shortcuts that give away the label"),
        ({"AU030"}, "suspicious labels [@confident-learning]"),
        ({"AU040", "AU041", "AU042", "AU043"}, "bad images"),
    ]
    looked = [name for codes, name in kinds if codes & made]
    if not looked:
        return []
    return [f"Before training the scans were audited for {joined(looked)}; {counted(len(made), 'check')} applied."]


# ---------------------------------------------------------------------- calibration, thresholds, planning


def calibration(view: ReportView) -> list[str]:
    """What was measured of the probabilities, and recalibration."""
    found = [arm.calibration for arm in view.evaluation.arms if arm.calibration is not None and arm.calibration.runs]
    if not found:
        return []
    said = [
        "Calibration was measured by the debiased root-mean-square error in bins of equal mass [@kumar], by the "
        "expected calibration error compared with chance alone [@guo; @broecker], and by the calibration slope "
        "[@cox]; reliability diagrams are isotonic fits with consistency bands [@corp]."
    ]
    if any(one.error_interval is not None for one in found):
        said.append("The interval of the calibration error comes from a crossed bootstrap [@owen].")
    if any(one.temperature.n for one in found):
        said.append("Temperature scaling [@guo] was fitted on the validation cases of each run and evaluated on test.")
    return said


def thresholds(view: ReportView) -> list[str]:
    """Which thresholds were used, predictive values, decision curves."""
    rules = list(dict.fromkeys(at.rule for arm in view.evaluation.arms for at in arm.operating))
    said = []
    if rules:
        said.append(f"Thresholds: {joined(rules)}; none was chosen on test cases.")
    if view.evaluation.prevalences:
        shown = joined([percent(value) for value in view.evaluation.prevalences])
        said.append(f"Predictive values are given at prevalences of {shown} [@mercaldo].")
    if any(arm.decision is not None and arm.decision.reason is None for arm in view.evaluation.arms):
        said.append("Net benefit is shown as decision curves [@decision-curve].")
    return said


def luck(view: ReportView) -> list[str]:
    """The correction of the best arm's score."""
    found = view.evaluation.winner
    if found is None or found.reason is not None:
        return []
    return [
        "The score of the best arm was corrected for its selection on the same cases by bootstrapping the predictions "
        f"[@bbc] with {found.n_used:,} resamples."
    ]


def power_paragraph(view: ReportView) -> list[str]:
    """How power was computed."""
    if view.judgement.outlook is None:
        return []
    return ["Power and the smallest detectable difference follow Hillis, Obuchowski and Berbaum [@hillis-2011]."]


PARAGRAPHS: Sequence[tuple[str, str, Callable[[ReportView], list[str]]]] = (
    ("design", "Design", design),
    ("scans", "Scans", scans),
    ("audit", "Audit", audit_paragraph),
    ("preprocessing", "Preprocessing", preprocessing),
    ("network", "Network", network),
    ("training", "Training", training),
    ("selection", "Selection and testing", selection),
    ("evaluation", "Metrics and intervals", evaluation),
    ("comparison", "Comparison", comparison),
    ("calibration", "Calibration", calibration),
    ("thresholds", "Thresholds", thresholds),
    ("luck", "The best arm", luck),
    ("power", "Power", power_paragraph),
    ("software", "Software", software),
)
"""Name and title of each paragraph, and the function that writes it, in order."""


def methods_text(view: ReportView) -> dict[str, tuple[str, str]]:
    """Return title and text of every paragraph that has something to say, by name; citations as ``[@key]``."""
    harmless = _without_marks(view)
    found = {name: (title, " ".join(write(harmless))) for name, title, write in PARAGRAPHS}
    return {name: (title, said) for name, (title, said) in found.items() if said}


def _without_marks(view: ReportView) -> ReportView:
    """Return the view with the user's words unmarked: in a name, ``[@holm]`` is no citation."""
    about = {key: _unmarked(value) if isinstance(value, str) else value for key, value in view.data.about.items()}
    return replace(
        view,
        arms=tuple(replace(arm, label=_unmarked(arm.label)) for arm in view.arms),
        data=replace(view.data, class_names=tuple(map(_unmarked, view.data.class_names)), about=about),
        judgement=replace(view.judgement, family=_unmarked(view.judgement.family)),
    )


def _unmarked(words: str) -> str:
    return words.replace("[@", "[ @")
