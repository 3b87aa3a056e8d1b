"""Finished runs of other study folders that equal a run of this study, which then need not be trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from scantrial.core.errors import InputError
from scantrial.core.format import counted
from scantrial.core.plain import LEFT_OUT_IF_NONE, Plain
from scantrial.core.records import RunFacts
from scantrial.store.folder import RunKey, StudyFolder, open_folder
from scantrial.store.verify import refuse_changed
from scantrial.study.identity import Identities


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer(Plain):
    """A finished run elsewhere of the same recipe and seed on the same scans.

    Parameters
    ----------
    folder : the study folder that has it
    where : the hash that shows whether it was also trained in the same way
    threads : the number of threads it was trained with
    """

    folder: str
    arm: str
    seed: int
    where: str
    threads: int
    repeat: int | None = field(default=None, metadata=LEFT_OUT_IF_NONE)
    fold: int | None = field(default=None, metadata=LEFT_OUT_IF_NONE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Offers:
    """The runs of other folders that may equal runs of this study.

    Parameters
    ----------
    by_key : every run on offer, in the order of the folders
    notes : which runs cannot be used, in words
    """

    by_key: Mapping[RunKey, tuple[Offer, ...]]
    notes: tuple[str, ...]

    @property
    def threads(self) -> int | None:
        """Threads of the first run on offer: with another number no run would be equal."""
        return next((offer.threads for offers in self.by_key.values() for offer in offers), None)

    def is_worth_its_threads(self, n_keys: int, *, n_workers: int, n_cores: int) -> bool:
        """Whether at least half of the runs to train are on offer, and the machine has cores for their threads.

        All later runs of a folder have the threads of its first run.
        """
        return self.threads is not None and 2 * len(self.by_key) >= n_keys and self.threads * n_workers <= n_cores

    @property
    def threads_note(self) -> str:
        """Say how the runs on offer could be used."""
        n = len(self.by_key)
        return (
            f"{_runs(n)} on offer {'was' if n == 1 else 'were'} trained with another number of threads; to copy equal "
            f"runs, run into a new folder with --threads {self.threads}"
        )

    def not_taken(self, keys: Sequence[RunKey], finished: Sequence[RunKey], reused: Mapping[RunKey, str]) -> list[str]:
        """Say how many runs on offer were trained again, because they were trained differently elsewhere."""
        left = [key for key in keys if key in self.by_key and key in finished and key not in reused]
        folders = {offer.folder for key in left for offer in self.by_key[key]}
        if not left:
            return []
        why = "trained differently there (machine, engine, number of threads, device, version or code)"
        return [f"{', '.join(sorted(folders))}: {_runs(len(left))} of the same recipe and seed, but {why}"]


def open_sources(paths: Sequence[Path], folder: StudyFolder) -> tuple[StudyFolder, ...]:
    """Open the folders whose runs may be copied.

    Raises
    ------
    InputError
        If a folder has no study, or is the study's own folder.
    DamagedError
        If what a folder says of its study or scans is not what was written.
    """
    sources = tuple(open_folder(path) for path in paths)
    for source in sources:
        if source.path.resolve() == folder.path.resolve():
            raise InputError(
                f"--reuse {source.path} is the study's own folder",
                do="leave it out: finished runs in this folder are kept anyway",
            )
        refuse_changed(source)
    return sources


def find_offers(
    sources: Sequence[StudyFolder],
    folder: StudyFolder,
    keys: Sequence[RunKey],
    *,
    with_weights: bool,
    images: Mapping[str, str] | None = None,
) -> Offers:
    """Find finished runs of other folders that equal runs to train, and check that they are undamaged.

    Parameters
    ----------
    folder : this study's, with its plan and its scans
    keys : the runs to train
    with_weights : whether this study keeps weights, so that a run without them cannot be used
    images : as in `scantrial.study.identity.Identities`

    Raises
    ------
    StoreError
        If a run that is on offer, or a folder's record of its runs, is damaged.
    """
    if not sources or not keys:
        return Offers(by_key={}, notes=())
    identities = Identities(folder, images)
    wanted = {what: key for key in keys if (what := identities.what(key)) is not None}
    found: dict[RunKey, list[Offer]] = {}
    notes: list[str] = []
    for source in sources:
        n_before = sum(map(len, found.values()))
        without = {"hash": 0, "weights": 0}
        held = Identities(source)
        for theirs in source.run_keys():
            facts = source.facts(theirs)
            if facts.identity is None:
                without["hash"] += 1
                continue
            key = wanted.get(held.what_stored(facts) or "")
            if key is None:
                continue
            if with_weights and facts.chosen_epoch is not None and not source.has_weights(theirs):
                without["weights"] += 1
                continue
            source.check_run(theirs, strict=True)
            found.setdefault(key, []).append(_offer(source, theirs, facts))
        notes += _notes(source, without, nothing=sum(map(len, found.values())) == n_before)
    return Offers(by_key={key: tuple(found[key]) for key in keys if key in found}, notes=tuple(notes))


def _offer(source: StudyFolder, key: RunKey, facts: RunFacts) -> Offer:
    assert facts.identity is not None
    return Offer(
        folder=str(source.path.resolve()),
        **key.to_dict(),
        where=str(facts.identity["where"]),
        threads=facts.threads,
    )


def _notes(source: StudyFolder, without: Mapping[str, int], *, nothing: bool) -> list[str]:
    reasons = {
        "hash": "without a hash of what they depend on (from an older scantrial, or with a custom network)",
        "weights": "without weights, which this study keeps",
    }
    said = [f"{source.path}: {_runs(n)} {reasons[what]}, not copied" for what, n in without.items() if n]
    if nothing and not said:
        said.append(f"{source.path}: none of its runs matches a run to train (recipe, seed, scans, split)")
    return said


def _runs(n: int) -> str:
    return counted(n, "run")
