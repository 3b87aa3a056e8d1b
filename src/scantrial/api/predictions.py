"""Predictions: `predict` makes them with a trained network; `compare_predictions` and `compare_arrays` judge them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from numpy.typing import NDArray

from scantrial.core.errors import InputError
from scantrial.core.progress import silent
from scantrial.core.records import SPLITS
from scantrial.store.trust import OnTrust

if TYPE_CHECKING:
    from scantrial.analysis.comparison import Comparison
    from scantrial.analysis.cross_validation import FoldComparison
    from scantrial.findings.predictions_file import Pairs, Rescored, Rule
    from scantrial.train.predict import PredictedFiles


from scantrial.api.checks import one_of, require_torch


class CompareOptions(TypedDict, total=False):
    """How to compare predictions, as keywords of `compare_predictions`.

    Parameters
    ----------
    metric : default accuracy
    split : the split that is judged, default ``test``; a file without such a column has test rows only
    threshold : a case is called positive when its score exceeds it; default for probabilities: 0.5
    threshold_rule : ``sensitivity`` or ``youden``: chosen for each run on validation rows
    target_sensitivity : of the first rule, default 0.90
    positive : the class that the scores are for, where labels are names
    margin : the smallest difference that matters, in the metric's unit; without it nothing is called equivalent
    control : every other arm is compared with it
    pairs : ``all`` or ``control``; default: all pairs, or each arm with the control if one is named
    level : confidence level, default 0.95
    bootstrap : whether to cross-check by a crossed bootstrap; default: where it takes some 20 s at most
    class_counts_fixed : whether the design fixed how many cases of each class there are, such as 200 of each; default
        False
    """

    metric: str
    split: str
    threshold: float | None
    threshold_rule: Rule | None
    target_sensitivity: float | None
    positive: str | None
    margin: float | None
    control: str | None
    pairs: Pairs | None
    level: float
    bootstrap: bool | None
    class_counts_fixed: bool


def compare_predictions(file: str | Path, **options: Unpack[CompareOptions]) -> Rescored:
    """Compare arms by anyone's predictions: a CSV or Parquet file with a row for each run and case.

    Its columns are ``arm, seed, case, label`` and either ``score`` or ``p_CLASS`` for each class; if known also
    ``patient`` and ``split``. Of cross-validations ``fold`` is the one that tested the case, and ``repeat`` numbers
    them; then ``seed`` may be left out.

    Parameters
    ----------
    options : see `CompareOptions`

    Raises
    ------
    InputError
        With every fault of the file, each with its rows.
    """
    from scantrial.findings.predictions_file import ComparisonRequest, rescore  # noqa: PLC0415 - SciPy takes a moment to load
    from scantrial.store.prediction_files import read_prediction_file  # noqa: PLC0415 - as above

    for name in options:
        one_of("option", name, CompareOptions.__annotations__)
    chosen: dict[str, Any] = dict(options)
    positive, rule = chosen.pop("positive", None), chosen.pop("threshold_rule", None)
    asked = ComparisonRequest(rule=rule, **chosen)
    one_of("split", asked.split, SPLITS)
    wanted = (asked.split,) if rule is None or asked.split == "val" else (asked.split, "val")
    return rescore(read_prediction_file(file, splits=wanted, positive=positive), asked)


def compare_arrays(y_true: NDArray[Any], scores: NDArray[Any], **options: Any) -> Comparison | FoldComparison:
    """Compare arms by arrays of predictions.

    `scantrial.analysis.comparison.compare` names the options; with ``folds`` the scores are out-of-fold, and
    `scantrial.analysis.cross_validation.compare_arrays_by_fold` does.

    Parameters
    ----------
    y_true : shape (n_cases,), class indices
    scores : shape (n_runs, n_cases), scores of class 1 of any range; or (n_runs, n_cases, n_classes), probabilities
    options : ``arms`` and ``seeds``, length n_runs; if wanted ``patients``, ``metric``, ``threshold``, ``margin``,
        ``control``, ``level``, ``class_counts_fixed``; ``folds``, shape (n_cases,) or (n_runs, n_cases): the fold that
        tested each case, and ``repeats``, length n_runs: of which cross-validation each row is

    Raises
    ------
    ShapeError, InputError
        If arrays do not belong together, or the metric cannot be had from them.
    """
    from scantrial.analysis.comparison import compare as compare_them  # noqa: PLC0415 - SciPy takes a moment to load
    from scantrial.analysis.cross_validation import compare_arrays_by_fold  # noqa: PLC0415 - as above

    if options.get("folds") is not None:
        fixed = options.pop("class_counts_fixed", False)
        if fixed:
            raise InputError("class_counts_fixed with folds", expected="it without folds only", do="leave it out")
        return compare_arrays_by_fold(y_true, scores, **options)
    options.pop("folds", None)
    if options.pop("repeats", None) is not None:
        raise InputError("repeats without folds", expected="folds: the fold of its repeat that tested each case")
    return compare_them(y_true, scores, **options)


def predict(
    run_dir: str | Path, files: Sequence[str | Path], *, trust_code: bool = False, on_trust: OnTrust = silent
) -> PredictedFiles:
    """Classify new image files with a trained network and its own preprocessing.

    Parameters
    ----------
    run_dir : folder of a finished run, ``DIR/runs/ARM/seed-S``; or of an arm, ``DIR/runs/ARM``, all of whose networks
        are then averaged by their probabilities
    files : image files of any readable format, ``.npy`` arrays of one or more images, ``.npz`` files, tables of files,
        and folders and archives, of which every image file in them and below is taken, without those that the study
        ignores (`data.ignore`) and masks
    trust_code : import a network of your own that you have not allowed in this folder before; kept for the folder
    on_trust : called with each such network and its files before it is imported

    Raises
    ------
    UnreadableScansError
        If a file cannot be judged; all such files are named, and none is judged.
    InputError
        If the network is a custom class that is not found or not allowed.
    """
    require_torch("predicting")
    from scantrial.train.predict import predict_files  # noqa: PLC0415 - PyTorch only where it is needed

    return predict_files(Path(run_dir), [Path(file) for file in files], trust_code=trust_code, on_trust=on_trust)
