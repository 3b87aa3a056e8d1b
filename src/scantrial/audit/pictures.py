"""What an audit shows: mean pictures, histograms, and the scans that look most like their own split.

Plain data, small enough for ``audit.json``: a mean picture is a PNG of 64 x 64 pixels in base64, some three
kilobytes for each split and class of two or more scans. Pictures of single scans are not kept here: the study folder
has them, if the study allows it.
"""

from __future__ import annotations

import base64
from typing import Any

import numpy as np

from scantrial.audit.facts import N_BINS
from scantrial.audit.records import Subject
from scantrial.audit.shift import SplitPair, most_alike, split_pairs, told_apart
from scantrial.data.thumbnails import thumbnail_png


def audit_pictures(subject: Subject) -> dict[str, Any]:
    """Return ``means``, ``histograms`` (by split and class) and ``most_alike`` (by pair of splits)."""
    groups = [
        (split, label, np.flatnonzero((subject.parts == split) & (subject.labels == label)))
        for split in subject.splits or ("",)
        for label in range(len(subject.scans.class_names))
    ]
    names = subject.scans.class_names
    return {
        "means": [
            {"split": split, "class": names[label], "n": len(rows), "png": _mean_png(subject, rows)}
            for split, label, rows in groups
            if len(rows)
        ],
        "histograms": [
            {
                "split": split,
                "class": names[label],
                "n_bins": N_BINS,
                "top": subject.facts.top,
                "share": subject.facts.histograms[rows].mean(axis=0, dtype=np.float64).tolist(),
            }
            for split, label, rows in groups
            if len(rows)
        ],
        "most_alike": [_alike(subject, pair) for pair in split_pairs(subject) if pair.enough],
    }


def _mean_png(subject: Subject, rows: np.ndarray[Any, Any]) -> str | None:
    if len(rows) < 2:
        return None
    mean = np.rint(subject.facts.mean_picture(rows)).astype(np.uint8)
    return base64.b64encode(thumbnail_png(mean)).decode()


def _alike(subject: Subject, pair: SplitPair) -> dict[str, Any]:
    told = told_apart(subject, pair)
    score = dict(zip(pair.rows.tolist(), told.scores.tolist(), strict=True))
    rows = {"second": most_alike(pair, told), "like_second": most_like_the_other(pair, told.scores)}
    return {
        "splits": list(pair.names),
        "auc": told.auc,
        **{
            name: [
                {
                    "case": int(subject.cases[row]),
                    "path": subject.scans.sources[subject.cases[row]],
                    "score": score[row],
                }
                for row in chosen
            ]
            for name, chosen in rows.items()
        },
    }


def most_like_the_other(pair: SplitPair, scores: np.ndarray[Any, Any], n: int = 10) -> list[int]:
    """Return the positions of the cases of the first split that look most like the second."""
    of_first = np.flatnonzero(pair.second == 0)
    order = of_first[np.argsort(-scores[of_first], kind="stable")]
    return [int(row) for row in pair.rows[order[:n]]]
