"""Where a network looks, for a page; needs PyTorch, the weights and the scans."""

from __future__ import annotations

import threading
from collections import OrderedDict

from scantrial import api
from scantrial.core.errors import InputError
from scantrial.core.records import SaliencyMaps
from scantrial.data.scanset import ScanSet
from scantrial.store.folder import RunKey
from scantrial.web.pictures import draw_map
from scantrial.web.queries import CaseQuery
from scantrial.web.records import CasePage, Saliency
from scantrial.web.studies import OpenStudy, Shelf
from scantrial.web.study_page import fault_in_words

KEPT_MAPS = 64

NOTE = (
    "Input gradient: pixels where a small change would move the log odds of this decision most. Occlusion: how much "
    "its probability falls (warm) or rises (cold) when a patch is covered with the scan's mean. Neither shows why the "
    "network decides as it does, or whether it uses signs of disease. Both describe this one network; another seed may "
    "look elsewhere. Each picture has its own scale."
)


class Explainer:
    """Compute maps and keep the last ones; call it from one thread at a time.

    Parameters
    ----------
    shelf : the studies to explain
    """

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._scans: dict[str, ScanSet] = {}
        self._maps: OrderedDict[tuple[str, int, str, int], SaliencyMaps] = OrderedDict()
        self._guard = threading.RLock()

    def describe(self, study: OpenStudy, case: int, run: str, page: CasePage) -> Saliency:
        """Describe the maps, or say why there are none.

        Raises
        ------
        InputError
            If the study has no such finished run.
        """
        arm, seed = _parts(run, page.saliency_choices)
        try:
            found = self._find(study, case, run)
        except Exception as error:  # scans, weights or PyTorch may be missing or damaged: the page says so
            why = fault_in_words(error)
            return Saliency(
                arm=arm,
                seed=seed,
                state="missing",
                note=f"It cannot be shown where the network looks: {why}.",
                target=None,
                p_target=None,
                p_least=None,
                patch_px=None,
            )
        return Saliency(
            arm=arm,
            seed=seed,
            state="ready",
            note=NOTE,
            target=page.class_names[found.target],
            p_target=found.p_target,
            p_least=found.p_least,
            patch_px=found.patch_px,
        )

    def picture(self, study: OpenStudy, case: int, run: str, kind: str, *, is_closed: bool) -> bytes:
        """Draw the scan, or one of the maps over it, as PNG.

        Raises
        ------
        InputError
            If there is no such case or run, or it is a test case and test rows stay closed.
        """
        if self._row(study, case)["split"] == "test":
            if is_closed:
                CaseQuery(saliency=run).refuse_scores()
            study.open_test()
        done = tuple(f"{key.arm}/{key.seed}" for key in study.finished() if key.place is None)
        _parts(run, done)
        maps = self._find(study, case, run)
        values = {"scan": None, "gradient": maps.gradient, "occlusion": maps.occlusion}[kind]
        arm, seed = run.rsplit("/", 1)
        images = api.run_images(study.folder.path, arm=arm, seed=int(seed), scans=self._scans[study.name])
        return draw_map(images[case], values)

    def _row(self, study: OpenStudy, case: int) -> dict[str, object]:
        index = self._shelf.cases(study)
        if case not in index.row_of:
            raise InputError(f"case {case} is in no split of the study")
        return dict(index.rows[index.row_of[case]])

    def _find(self, study: OpenStudy, case: int, run: str) -> SaliencyMaps:
        arm, seed = run.rsplit("/", 1)
        with self._guard:
            key = study.name, case, run, study.finished()[RunKey(arm, int(seed))].stamp
            if key not in self._maps:
                self._maps[key] = api.saliency(
                    study.folder.path, case, arm=arm, seed=int(seed), scans=self._scans_of(study)
                )
                while len(self._maps) > KEPT_MAPS:
                    self._maps.popitem(last=False)
            return self._maps[key]

    def _scans_of(self, study: OpenStudy) -> ScanSet:
        if study.name not in self._scans:
            api.require_torch("saliency")
            self._scans[study.name] = api.study_scans(study.folder.path)
        return self._scans[study.name]


def _parts(run: str, known: tuple[str, ...]) -> tuple[str, int]:
    if run not in known:
        expected = f"one of {', '.join(known[:20])}" if known else "a finished run of a study with one test set"
        raise InputError(f"there is no finished run {run!r}", expected=expected)
    arm, seed = run.rsplit("/", 1)
    return arm, int(seed)
