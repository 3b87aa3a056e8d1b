"""The page of the best networks: a prior from scores, and looks at the test scans, which are counted."""

from __future__ import annotations

import numpy as np
import pytest

import best_radiograph


@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_the_prior_of_new_cases_is_found_from_their_scores(share: float) -> None:
    """Scores are the log odds of two normal distributions under equal priors; the cases have another prior."""
    rng = np.random.default_rng(3)
    positive = rng.random(40_000) < share
    logits = 2 * rng.normal(np.where(positive, 1.0, -1.0))
    found = 1 / (1 + np.exp(-best_radiograph.log_odds_of_new_prior(logits)))
    assert found == pytest.approx(share, abs=0.01)


def test_every_look_is_counted() -> None:
    """The runs of the other studies and those before them."""
    measured = {key: [0.9, 0.8, 1.0] for key in best_radiograph.SHOWN}
    others = [
        {"name": name, "arms": [{"label": "base", "n_seeds": n, "test": measured} for n in counts]}
        for name, counts in (("one", (5, 5)), ("two", (10,)))
    ]
    words = "\n".join(best_radiograph.sections({"arms": [], "operating": [], "averaged": []}, others))
    assert "19 runs were looked at" in words
    assert "20 runs of the studies" in words
    assert "10 by [one](one.md), 10 by [two](two.md)" in words
