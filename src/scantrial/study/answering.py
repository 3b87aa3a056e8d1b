"""Write the author's answers into a study folder, without training, scans or PyTorch."""

from __future__ import annotations

from hashlib import sha256

from scantrial.core.errors import DamagedError, StudyConflictError
from scantrial.core.yaml import plain_yaml
from scantrial.store.folder import CHANGED_ABOUT, StudyFolder
from scantrial.store.lock import StudyLock
from scantrial.store.protocol import STUDY_FILES
from scantrial.store.verify import refuse_changed
from scantrial.study.file import to_yaml
from scantrial.study.study import Study


def record_answers(study: Study, folder: StudyFolder) -> bool:
    """Copy the ``about`` part of a study file and log it as a version; return whether anything changed.

    Only the answers are copied: the folder keeps its arms, seeds and hypotheses, whatever else the file says.

    Raises
    ------
    StudyConflictError
        If the folder has a different question.
    LockedError
        If another process holds the folder.
    DamagedError
        If the folder's study file or plan is not what was written.
    """
    with StudyLock(folder.path):
        # A new version of a study that was changed outside scantrial would pass for one that was run.
        refuse_changed(folder, STUDY_FILES)
        plan = folder.plan()
        if plan.study != study.spec.study:
            raise StudyConflictError(
                f"{folder.path} asks {plan.study!r}, but the study file asks {study.spec.study!r}",
                expected="answers about the same study",
                do="use the study file that the folder was run with",
            )
        given = {} if study.spec.about is None else study.spec.about.model_dump(mode="json", exclude_none=True)
        if (plan.about or {}) == given:
            return False
        text = _with_answers(folder.study_text(), given)
        new = plan.model_copy(update={"about": given or None})
        folder.write_study(text, new, sha256=sha256(text.encode()).hexdigest(), change=CHANGED_ABOUT)
        return True


def _with_answers(text: str, given: dict[str, object]) -> str:
    content = plain_yaml(text)
    if not isinstance(content, dict):
        raise DamagedError("study.yaml in the folder is damaged", do="restore it from a copy")
    content = {key: value for key, value in content.items() if key != "about"}
    return to_yaml({**content, "about": given} if given else content)
