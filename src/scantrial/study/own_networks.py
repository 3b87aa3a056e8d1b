"""Networks of the user's own, tried before any run begins: a mistake in one is a fault of the study at its line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from scantrial.core.custom_code import CustomClass
from scantrial.core.errors import ScantrialError, StudyFileError, TrainingError, error_from_dict
from scantrial.data.arm_images import decoding
from scantrial.data.scanset import ScanSet
from scantrial.store.folder import RunKey, StudyFolder
from scantrial.study.executor import WORKER_VARIABLES
from scantrial.study.study import Arm, Study

_PROGRAM = "scantrial.nets.one_step"
"""Named as a text: `study` does not import PyTorch. In a process of its own no module stays loaded that may change."""

_LAST_LINES = 3


def try_own_networks(
    study: Study, scans: ScanSet, classes: Sequence[CustomClass], *, folder: StudyFolder | None
) -> tuple[str, ...]:
    """Build each custom network that has a run to train, and make one step of training with two of its scans.

    Parameters
    ----------
    classes : those that the user has allowed
    folder : of the study; None where it has none

    Returns
    -------
    sentences about what is probably a mistake

    Raises
    ------
    StudyFileError
        With every network that cannot be trained, at the line that names it.
    TrainingError
        If the process ends before it answers.
    """
    arms = [arm for arm in study.arms if arm.recipe.model.is_custom and _is_missing(arm, study, folder)]
    if not arms:
        return ()
    train = scans.cases_of("train")
    rows = [int(train[scans.labels[train] == label][0]) for label in np.unique(scans.labels[train])][:2]
    networks = [
        {
            "recipe": arm.recipe.to_dict(),
            "images": str(scans.shaped(decoding(arm.recipe.image, study.spec.data.image)).images_path.resolve()),
            "rows": rows,
            "labels": scans.labels[rows].tolist(),
            "n_classes": len(scans.class_names),
        }
        for arm in arms
    ]
    answers = _ask({"classes": [asdict(item) for item in classes], "networks": networks})
    faults = [
        replace(study.model_places[arm.name], message=_in_one_line(error_from_dict(answer["error"])))
        for arm, answer in zip(arms, answers, strict=True)
        if answer["error"] is not None
    ]
    if faults:
        raise StudyFileError(study.source, list(dict.fromkeys(faults)))
    return tuple(dict.fromkeys(note for answer in answers for note in answer["notes"]))


def _is_missing(arm: Arm, study: Study, folder: StudyFolder | None) -> bool:
    places = study.folds or ((None, None),)
    keys = (RunKey(arm.name, seed, *place) for seed in study.seeds for place in places)
    return folder is None or not all(map(folder.is_finished, keys))


def _ask(message: dict[str, Any]) -> list[dict[str, Any]]:
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(
            # -P: the working directory must not shadow Python's own modules.
            [sys.executable, "-P", "-m", _PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            env={**os.environ, **WORKER_VARIABLES},
            text=True,
            encoding="utf-8",
            errors="replace",
        ) as process,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        with suppress(BrokenPipeError):  # it ended at once, and says why
            # Its input stays open: it ends where this process does.
            process.stdin.write(json.dumps(message) + "\n")
            process.stdin.flush()
        answer = process.stdout.read()
        code = process.wait()
        said.seek(0)
        last = " / ".join(said.read().decode(errors="replace").strip().splitlines()[-_LAST_LINES:])
    if code:
        raise TrainingError(
            f"trying the networks of your own ended with code {code}" + (f": {last}" if last else ""),
            do="build the network and apply it to two scans by yourself, in Python",
        )
    found: list[dict[str, Any]] = json.loads(answer)
    return found


def _in_one_line(error: ScantrialError) -> str:
    parts = [error.got, error.expected and f"expected {error.expected}", error.do]
    return "; ".join(" ".join(part.split()) for part in parts if part)
