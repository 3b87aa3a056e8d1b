"""What the author tells about a study: optional, checked as the rest of the file, and free to change at any time."""

from __future__ import annotations

import pytest
from tests.unit.study.trial import TEXT, Trial

from scantrial.core.about import QUESTIONS, answers, how_many, unanswered
from scantrial.core.errors import DamagedError, StudyConflictError, StudyFileError
from scantrial.study.about import AboutSpec
from scantrial.study.answering import record_answers
from scantrial.study.file import parse_study, study_to_yaml

FINISHED = ("base/seed-0", "base/seed-1", "loss-ce/seed-0", "loss-ce/seed-1")
ANSWERED = TEXT + "about:\n  title: A title\n  authors: [A. One, B. Two]\n"


def test_the_file_takes_exactly_the_questions() -> None:
    """Every question has its key under ``about``, in the order in which they are asked, and no key is left over."""
    assert list(AboutSpec.model_fields) == [question.key for question in QUESTIONS]


def test_what_is_asked_and_not_answered_is_counted() -> None:
    """A list is one answer; an empty one is none."""
    given = {"title": "T", "authors": ["A", "B"], "funding": []}
    assert answers(given) == {"title": "T", "authors": "A; B"}
    assert len(unanswered(given)) == len(QUESTIONS) - 2
    assert how_many(None) == f"questions to the author: {len(QUESTIONS)} of {len(QUESTIONS)} not answered"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("titel: x", "about.titel: no such key"),
        ("title: 3", "about.title: got 3; expected a text"),
        ("title: ' '", "about.title: got ' '; expected a text that is not empty"),
        ("authors: [1]", "about.authors[0]: got 1; expected a text"),
        ("authors: []", "about.authors: got []; expected at least 1 in the list"),
    ],
)
def test_mistakes_are_refused_with_their_line(line: str, message: str) -> None:
    """An unknown key and an empty answer are faults like any other."""
    with pytest.raises(StudyFileError) as caught:
        parse_study(f"{TEXT}about:\n  {line}\n")
    assert message in str(caught.value)


def test_answers_survive_being_written_out() -> None:
    """study.yaml reads back as the same study."""
    study = parse_study(ANSWERED)
    assert parse_study(study_to_yaml(study)) == study


class TestFinishedStudy:
    """Nothing is trained again for a word of the author."""

    @pytest.mark.parametrize("name", ["plan.json", "study.yaml"])
    def test_a_study_that_was_changed_outside_is_refused(self, trial: Trial, name: str) -> None:
        """Answers would make a new version of it, which would pass for one that was run."""
        trial.record(finished=FINISHED)
        path = trial.folder.path / name
        path.write_text(path.read_text().replace("accuracy", "f1"))
        with pytest.raises(DamagedError, match=f"{name} is not what was written"):
            record_answers(parse_study(ANSWERED), trial.folder)
        assert len(trial.folder.protocol()) == 1

    def test_running_again_with_answers_trains_nothing(self, trial: Trial) -> None:
        """The log of versions has one more, which says what changed; the first one and its hash stay."""
        trial.record(finished=FINISHED)
        first = trial.folder.protocol()[0]
        outcome = trial.run(trial.study(text=ANSWERED))
        assert outcome.trained == ()
        assert trial.folder.protocol()[0] == first
        assert [version["change"] for version in trial.folder.protocol()] == ["first version", "changed about"]
        assert trial.folder.plan().about == {"title": "A title", "authors": ["A. One", "B. Two"]}

    def test_answers_are_taken_over_without_scans(self, trial: Trial) -> None:
        """Only ``about`` is: seeds and arms stay the folder's own, and the same answers again change nothing."""
        trial.record(finished=FINISHED)
        assert record_answers(trial.study(text=ANSWERED, seeds=7), trial.folder)
        assert trial.folder.plan().seeds == (0, 1)
        assert trial.folder.study_text() == study_to_yaml(trial.study(text=ANSWERED))
        assert trial.folder.protocol()[-1]["change"] == "changed about"
        before = trial.contents()
        assert not record_answers(trial.study(text=ANSWERED, seeds=7), trial.folder)
        assert trial.run(trial.study(text=ANSWERED)).trained == ()
        assert trial.contents() == before

    def test_answers_may_go_again(self, trial: Trial) -> None:
        """That is a change, too."""
        trial.record(trial.study(text=ANSWERED), finished=FINISHED)
        assert trial.run().trained == ()
        assert "about" not in trial.folder.plan().to_dict()
        assert trial.folder.protocol()[-1]["change"] == "changed about"

    def test_another_study_is_refused(self, trial: Trial) -> None:
        """By its question."""
        trial.record(finished=FINISHED)
        with pytest.raises(StudyConflictError, match=r"asks 'Which\?', but the study file asks 'Why\?'"):
            record_answers(trial.study("study=Why?", text=ANSWERED), trial.folder)
