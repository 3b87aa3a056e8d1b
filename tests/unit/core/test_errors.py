"""The tree of errors: what a message says, and which exit code it leads to."""

from __future__ import annotations

import json

import pytest

from scantrial.core import errors
from scantrial.core.errors import (
    DamagedError,
    DataError,
    DownloadError,
    Fault,
    InputError,
    LockedError,
    MissingExtraError,
    ScantrialError,
    SeveralShapesError,
    ShapeError,
    StoreError,
    StudyConflictError,
    StudyFileError,
    TrainingError,
    UnreadableScansError,
    error_from_dict,
)


def test_a_message_says_what_was_got_what_was_expected_and_what_to_do():
    """The three parts stand on lines of their own, in this order."""
    error = ScantrialError("epochs is 0", expected="1 or more", do="mend it")
    assert str(error) == "epochs is 0\nexpected: 1 or more\ndo this: mend it"


def test_a_part_that_is_plain_is_left_out():
    """Neither "expected" nor "do this" is printed empty."""
    assert str(ScantrialError("no")) == "no"
    assert str(ScantrialError("no", do="try again")) == "no\ndo this: try again"


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (ScantrialError, 1),
        (InputError, 2),
        (DataError, 2),
        (ShapeError, 2),
        (StoreError, 1),
        (LockedError, 1),
        (StudyConflictError, 2),
        (DownloadError, 1),
        (TrainingError, 1),
    ],
)
def test_exit_codes(kind: type[ScantrialError], code: int):
    """1 is a failure, 2 is something that the user gave."""
    assert kind("x").exit_code == code


def test_every_error_is_in_the_tree_and_in_its_drawing():
    """Every exception of the module but for warnings is a `ScantrialError`, drawn in the docstring below its parent."""
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    kinds = [kind for kind in kinds if not issubclass(kind, Warning)]
    assert all(issubclass(kind, ScantrialError) for kind in kinds)
    assert errors.__doc__ is not None
    lines = errors.__doc__.splitlines()
    drawn = {
        kind: next(line for line in lines if f"{kind.__name__} " in line or line.endswith(kind.__name__))
        for kind in kinds
    }
    for kind in set(kinds) - {ScantrialError}:
        parent = kind.__bases__[0]
        assert lines.index(drawn[kind]) > lines.index(drawn[parent])
        assert drawn[kind].index(kind.__name__) == drawn[parent].index(parent.__name__) + 4


EVERY_KIND: list[ScantrialError] = [
    ScantrialError("got", expected="expected", do="do"),
    InputError("got", expected="expected", do="do"),
    StudyFileError("a.yaml", [Fault(path="a", message="x", line=1), Fault(path="b", message="y")]),
    DataError("got", do="do"),
    UnreadableScansError([("a.png", "cut off")]),
    SeveralShapesError("2 shapes", do="set one"),
    ShapeError("(2, 3)", expected="(2, 2)"),
    StoreError("got"),
    DamagedError("has changed", do="run it again"),
    LockedError("held", do="wait"),
    StudyConflictError("got", expected="expected", do="do"),
    DownloadError("got", do="do"),
    TrainingError("got", expected="expected", do="do"),
    MissingExtraError(extra="train", package="PyTorch", needed_for="training"),
]


class TestAcrossProcesses:
    """`ScantrialError.to_dict` and `error_from_dict`."""

    @pytest.mark.parametrize("error", EVERY_KIND, ids=lambda error: type(error).__name__)
    def test_words_and_exit_code_are_kept(self, error: ScantrialError):
        """Of every class of the tree, also through JSON; and what catches the one catches the other."""
        back = error_from_dict(json.loads(json.dumps(error.to_dict())))
        assert str(back) == str(error)
        assert (back.got, back.expected, back.do) == (error.got, error.expected, error.do)
        assert back.exit_code == error.exit_code
        assert isinstance(error, type(back))

    def test_no_class_is_left_out(self):
        """The list above is the whole tree."""
        kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, ScantrialError)]
        assert {type(error) for error in EVERY_KIND} == set(kinds)

    @pytest.mark.parametrize("name", ["NoSuchError", "", None])
    def test_an_unknown_class_is_a_run_that_failed(self, name: str | None):
        """What a later version may send is not lost."""
        back = error_from_dict({"type": name, "got": "x", "expected": None, "do": None})
        assert type(back) is TrainingError
        assert str(back) == "x"


class TestFault:
    """One thing wrong in a study file, in one line."""

    def test_with_line_and_suggestion(self):
        """Line, key, message and the nearest right name."""
        fault = Fault(path="recipe.loss", message="got 'bcee'", line=7, suggestion="bce")
        assert str(fault) == "line 7: recipe.loss: got 'bcee' (did you mean 'bce'?)"

    def test_of_the_whole_file(self):
        """Without key and line, only the message."""
        assert str(Fault(path="", message="is empty")) == "is empty"

    def test_given_outside_the_file(self):
        """What was given on the command line names that, not a line."""
        fault = Fault(path="recipe.epochs", message="got 0", line=3, origin="--set recipe.epochs=0")
        assert str(fault) == "--set recipe.epochs=0: recipe.epochs: got 0"


def test_a_study_file_error_lists_every_fault():
    """All faults at once, counted, with the way to see every key."""
    error = StudyFileError("a.yaml", [Fault(path="a", message="x", line=1), Fault(path="b", message="y", line=2)])
    assert str(error).startswith("a.yaml has 2 faults:\n  line 1: a: x\n  line 2: b: y\n")
    assert "scantrial schema" in str(error)
    assert StudyFileError("a.yaml", error.faults[:1]).got.startswith("a.yaml has 1 fault:\n")


def test_unreadable_scans_are_all_named():
    """Every file with its reason, and how to go on without them."""
    error = UnreadableScansError([("a.png", "cut off"), ("b.png", "no image")])
    assert error.got == "2 files cannot be used:\n  a.png: cut off\n  b.png: no image"
    assert "--skip-unreadable" in str(error)
    assert UnreadableScansError([("a.png", "cut off")], do="draw it anew").do == "draw it anew"


def test_a_missing_extra_says_how_to_install_it():
    """The message holds the command to type."""
    error = MissingExtraError(extra="train", package="PyTorch", needed_for="training")
    assert error.got == "training needs PyTorch, which is not installed"
    assert error.do == 'pip install "scantrial[train]"'
