"""What may change in a study folder, and what may not once runs are finished."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.study.trial import SPLIT, TEXT, Trial

from scantrial.core.custom_code import CustomClass
from scantrial.core.errors import InputError, StudyConflictError
from scantrial.store.folder import RunKey
from scantrial.study.changes import changed_keys, describe_change, differences
from scantrial.study.to_plan import study_to_plan

SMOOTHED = TEXT.replace(
    "factors: {loss: [bce, ce]}", "design: [{arm: smoothed, set: {loss: {name: ce, label_smoothing: 0.1}}}]"
)
ALL_OF_TWO_SEEDS = ("base/seed-0", "base/seed-1", "loss-ce/seed-0", "loss-ce/seed-1")


def keep_checkpoint(trial: Trial, name: str) -> Path:
    """Leave something unfinished of a run in the folder."""
    arm, _, seed = name.partition("/seed-")
    path = trial.folder.partial_path(RunKey(arm, int(seed))) / "checkpoint.pt"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"state")
    return path


class TestSeedsAndArms:
    """They may go as long as none of their runs is finished."""

    def test_seeds_without_finished_runs_may_go(self, trial: Trial):
        """Fifty were typed for two: the same command with two goes on, and the runs that are there are kept."""
        trial.record(trial.study(seeds=50), finished=ALL_OF_TWO_SEEDS)
        left = keep_checkpoint(trial, "base/seed-2")
        outcome = trial.run(trial.study(seeds=2))
        assert sorted(map(str, outcome.finished)) == sorted(ALL_OF_TWO_SEEDS)
        assert outcome.trained == ()
        assert trial.folder.plan().seeds == (0, 1)
        assert not left.exists()
        assert trial.folder.protocol()[-1]["change"].startswith("removed seeds: 2, 3, 4, ")

    def test_an_arm_without_finished_runs_may_go(self, trial: Trial):
        """It leaves nothing unfinished behind."""
        trial.record(trial.study("factors.loss=[bce, ce, {name: ce, label_smoothing: 0.1}]"), finished=ALL_OF_TWO_SEEDS)
        (third,) = set(trial.folder.plan().arm_names) - {"base", "loss-ce"}
        left = keep_checkpoint(trial, f"{third}/seed-0")
        trial.run()
        assert trial.folder.plan().arm_names == ("base", "loss-ce")
        assert not left.exists()
        assert trial.folder.protocol()[-1]["change"] == f"removed arms: {third}; changed factors"

    def test_seeds_and_arms_may_come(self, trial: Trial):
        """What is added is said in words."""
        one_arm = TEXT.replace("factors: {loss: [bce, ce]}\n", "")
        trial.record(trial.study(text=one_arm), finished=["base/seed-0"])
        words = describe_change(trial.folder, study_to_plan(trial.study(seeds=3)))
        assert words.startswith("added arms: loss-ce; added seeds: 2; changed ")

    @pytest.mark.parametrize(
        ("finished", "seeds", "text", "difference"),
        [
            ("loss-ce/seed-1", 1, TEXT, "seeds 1: have finished runs, but are missing now"),
            (
                "loss-ce/seed-0",
                2,
                TEXT.replace("factors: {loss: [bce, ce]}\n", ""),
                "arm loss-ce: has finished runs, but is missing now",
            ),
            (
                "base/seed-0",
                2,
                TEXT.replace("epochs: 2", "epochs: 3"),
                "arm base.recipe.epochs: was 2, now 3",
            ),
        ],
    )
    def test_what_finished_runs_stand_on_may_not_go(self, trial: Trial, finished, seeds, text, difference):
        """The difference is shown, with a way out, and nothing in the folder is changed."""
        trial.record(finished=[finished])
        keep_checkpoint(trial, "base/seed-1")
        before = trial.contents()
        with pytest.raises(StudyConflictError) as caught:
            trial.run(trial.study(seeds=seeds, text=text))
        assert caught.value.got == f"{trial.folder.path} holds runs of another study; the difference:\n  {difference}"
        assert "--out DIR" in str(caught.value.do)
        assert caught.value.exit_code == 2
        assert trial.contents() == before

    def test_all_differences_are_shown_at_once(self, trial: Trial):
        """Leaf by leaf."""
        trial.record(finished=ALL_OF_TWO_SEEDS)
        with pytest.raises(StudyConflictError) as caught:
            trial.run(trial.study("recipe.epochs=5", "recipe.optimizer.lr=0.5", seeds=1))
        lines = [line.strip() for line in caught.value.got.splitlines()[1:]]
        assert lines == [
            "arm base.recipe.epochs: was 2, now 5",
            "arm base.recipe.optimizer.lr: was 0.001, now 0.5",
            "arm loss-ce.recipe.epochs: was 2, now 5",
            "arm loss-ce.recipe.optimizer.lr: was 0.001, now 0.5",
            "seeds 1: have finished runs, but are missing now",
        ]


class TestRecipes:
    """A recipe may be mended as long as none of its arm's runs is finished."""

    @pytest.mark.parametrize("left", ["failure", "checkpoint"])
    def test_an_arm_that_only_failed_may_change(self, trial: Trial, left: str):
        """What is kept of it belongs to the old recipe and is dropped: no run goes on under another one."""
        old, mended = (trial.study(text=SMOOTHED.replace("0.1", share)) for share in ("0.1", "0.2"))
        trial.record(old, finished=["base/seed-0"])
        of_base, of_arm = RunKey("base", 1), RunKey("smoothed", 0)
        keep_checkpoint(trial, str(of_base))
        if left == "failure":
            trial.folder.write_failure(of_arm, "out of memory")
        else:
            keep_checkpoint(trial, str(of_arm))
        assert changed_keys(trial.folder, study_to_plan(old)) == []
        assert changed_keys(trial.folder, study_to_plan(mended)) == [of_arm]
        heard: list[str] = []
        assert trial.run(mended, hear=heard.append).failed == ()
        assert heard == [f"{trial.folder.path}: the study has changed, and 1 unfinished run is given up"]
        assert {"base/seed-1 goes on", "smoothed/seed-0 starts"} < set(trial.trained())
        assert trial.folder.facts(of_arm).recipe["loss"]["label_smoothing"] == 0.2
        assert trial.folder.unfinished_keys() == []

    def test_an_unfinished_run_that_stays_what_it_was_goes_on(self, trial: Trial):
        """Adding a seed drops nobody's checkpoint."""
        trial.record(finished=["base/seed-0", "loss-ce/seed-0"])
        keep_checkpoint(trial, "base/seed-1")
        trial.run(trial.study(seeds=3))
        assert "base/seed-1 goes on" in trial.trained()

    def test_words_may_change(self, trial: Trial):
        """The question is no part of what was trained; the protocol keeps both versions."""
        trial.record(finished=ALL_OF_TWO_SEEDS)
        trial.run(trial.study("study=Why?"))
        first, second = trial.folder.protocol()
        assert (first["change"], second["change"]) == ("first version", "changed study")
        assert (second["finished_runs"], trial.folder.plan().study) == (4, "Why?")

    def test_the_same_again_changes_nothing(self, trial: Trial):
        """No version is added, no file rewritten."""
        trial.record(finished=ALL_OF_TWO_SEEDS)
        before = trial.contents()
        outcome = trial.run()
        assert trial.contents() == before
        assert (len(outcome.finished), outcome.trained, outcome.failed) == (4, (), ())


class TestOwnNetwork:
    """A class of the user's own is part of the recipe with its source."""

    NET = TEXT.replace("model: {name: mlp, hidden: [4]}", "model: {name: 'mynet:Net'}")

    def test_another_source_is_another_study(self, trial: Trial):
        """Once runs are finished; the difference names the hash."""
        (trial.path / "mynet.py").write_text("class Net: ...\n")
        trial.record(trial.study(text=self.NET), finished=ALL_OF_TWO_SEEDS)
        trial.run(trial.study(text=self.NET))
        (trial.path / "mynet.py").write_text("class Net: x = 1\n")
        with pytest.raises(
            StudyConflictError, match=r"arm base\.source_sha256: was '[0-9a-f]{64}', now '[0-9a-f]{64}'"
        ):
            trial.run(trial.study(text=self.NET))
        with pytest.raises(StudyConflictError, match="To mend or add one class, write it into a file of its own"):
            trial.run(trial.study(text=self.NET))

    def test_another_file_that_it_imports_is_another_study(self, trial: Trial):
        """Else seeds of two networks would stand in one arm."""
        (trial.path / "mynet.py").write_text("from blocks import ACT\nclass Net: ...\n")
        (trial.path / "blocks.py").write_text("ACT = 'GELU'\n")
        trial.record(trial.study(text=self.NET), finished=ALL_OF_TWO_SEEDS)
        trial.run(trial.study(text=self.NET))
        (trial.path / "blocks.py").write_text("ACT = 'Tanh'\n")
        with pytest.raises(StudyConflictError, match=r"arm base\.helpers_sha256\.blocks: was '[0-9a-f]{64}', now"):
            trial.run(trial.study(text=self.NET, seeds=3))

    def test_an_earlier_version_kept_no_hash_of_what_it_imports(self, trial: Trial, monkeypatch):
        """Its folder goes on; with more seeds the hashes are kept."""
        (trial.path / "mynet.py").write_text("from blocks import ACT\nclass Net: ...\n")
        (trial.path / "blocks.py").write_text("ACT = 'GELU'\n")
        with monkeypatch.context() as patch:
            patch.setattr(CustomClass, "helpers_sha256", None)
            trial.record(trial.study(text=self.NET), finished=ALL_OF_TWO_SEEDS)
        trial.run(trial.study(text=self.NET, seeds=3))
        (trial.path / "blocks.py").write_text("ACT = 'Tanh'\n")
        with pytest.raises(StudyConflictError, match=r"helpers_sha256"):
            trial.run(trial.study(text=self.NET, seeds=3))

    def test_before_that_it_may_be_mended(self, trial: Trial):
        """What is kept unfinished was trained with the old source, and goes."""
        (trial.path / "mynet.py").write_text("class Net: ...\n")
        trial.record(trial.study(text=self.NET))
        left = keep_checkpoint(trial, "base/seed-0")
        (trial.path / "mynet.py").write_text("class Net: x = 1\n")
        trial.run(trial.study(text=self.NET))
        assert "base/seed-0 starts" in trial.trained()
        assert not left.exists()


class TestScans:
    """The same scans, wherever they lie."""

    def test_scans_that_were_moved_go_on(self, trial: Trial):
        """Another data.source with the same fingerprint is said in the protocol, and no more."""
        trial.record(finished=ALL_OF_TWO_SEEDS)
        moved = trial.study("data.source={name: phantom, n_cases: 150}")
        outcome = trial.run(moved, trial.scans(file="elsewhere/scans.npy"))
        assert len(outcome.finished) == 4
        assert trial.folder.protocol()[-1]["change"] == "changed data"

    def test_other_pixels_are_refused(self, trial: Trial):
        """Before anything is written."""
        trial.record(finished=["base/seed-0"])
        before = trial.contents()
        with pytest.raises(StudyConflictError, match="the scans have changed: fingerprint") as caught:
            trial.run(trial.study("study=Why?"), trial.scans(brighter=1))
        assert "--out DIR" in str(caught.value.do)
        assert trial.contents() == before

    def test_another_split_is_refused(self, trial: Trial):
        """The number of cases that stand elsewhere is told."""
        trial.record(finished=["base/seed-0"])
        before = trial.contents()
        with pytest.raises(StudyConflictError, match="the splits have changed: 2 cases in another split"):
            trial.run(scans=trial.scans(split=("val", *SPLIT[1:-1], "")))
        assert trial.contents() == before

    @pytest.mark.parametrize("how", [{"brighter": 1}, {"split": ("val", *SPLIT[1:])}])
    def test_without_finished_runs_other_scans_are_taken(self, trial: Trial, how: dict):
        """And checkpoints from the old ones are dropped: a run never sees two sets of scans."""
        trial.record()
        keep_checkpoint(trial, "base/seed-0")
        scans = trial.scans(**how)
        trial.run(scans=scans)
        assert "base/seed-0 starts" in trial.trained()
        assert trial.folder.data()["fingerprint"] == scans.fingerprint
        assert trial.folder.cases()["split"].to_pylist() == list(scans.split)


class TestForeign:
    """Somebody else's folder is refused before a lock, a plan or a process is made."""

    @pytest.mark.parametrize("name", ["notes.txt", "study.yaml", "data.json", ".mydata.tmp/scans.npy"])
    def test_is_untouched(self, trial: Trial, name: str):
        """Not even a lock file is left in it."""
        path = trial.folder.path / name
        path.parent.mkdir(parents=True)
        path.write_text("theirs")
        with pytest.raises(InputError, match="is not a study folder"):
            trial.run()
        assert [found for found in trial.folder.path.rglob("*") if found.is_file()] == [path]
        assert path.read_text() == "theirs"


def test_differences_are_leaves():
    """What is missing on one side is None; what is equal is not told."""
    old, new = {"a": 1, "b": {"c": [1], "d": 2}}, {"a": 1, "b": {"c": [2], "e": 3}}
    assert list(differences("x", old, new)) == [
        "x.b.c: was [1], now [2]",
        "x.b.d: was 2, now None",
        "x.b.e: was None, now 3",
    ]
