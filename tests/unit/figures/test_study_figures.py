"""Curves, variance bars, what the audit shows, and the cases that arms disagree on."""

from __future__ import annotations

import numpy as np
import pytest
from tests.unit.figures.test_figures import EVIL, names_in, texts

from scantrial.analysis.comparison import compare
from scantrial.analysis.contrasts import difference
from scantrial.analysis.estimates import estimate
from scantrial.analysis.mrmc import analyse, components
from scantrial.analysis.runs import RunScores
from scantrial.audit.records import Audit
from scantrial.figures.audit import histogram_figure
from scantrial.figures.ranking import ranking_figure
from scantrial.figures.variance import variance_bars, variance_parts
from scantrial.findings.reading import read_study_folder
from scantrial.findings.view import ReportView, build_view
from scantrial.report.document import Gallery, Paragraph, Table, plain_text
from scantrial.report.sections.disputed import disputed
from scantrial.store.folder import StudyFolder


def view_of(folder: StudyFolder) -> ReportView:
    return build_view(read_study_folder(folder, by="test", purpose="test"))


@pytest.fixture(scope="module")
def two_classes(make_study) -> ReportView:
    return view_of(make_study(n_cases={"train": 12, "val": 40, "test": 60}))


@pytest.fixture(scope="module")
def three_classes(make_study) -> ReportView:
    return view_of(make_study(class_names=("a", "b", "c"), n_cases={"train": 12, "val": 30, "test": 45}))


class TestCurves:
    """ROC and precision-recall."""

    def test_the_points_are_those_of_the_evaluation(self, two_classes):
        """Each arm's fixed thresholds stand on the curve's panel where its sensitivity and specificity are."""
        (curves,) = two_classes.curves
        assert curves.class_name == "pneumonia"
        for arm in two_classes.evaluation.arms:
            marked = curves.arms[arm.arm].points
            assert [(p.rule, p.sensitivity, p.false_alarms) for p in marked] == [
                (at.rule, at.sensitivity.mean, 1 - at.specificity.mean) for at in arm.operating
            ]

    def test_the_precision_of_a_point_is_that_of_its_confusion_matrix(self, two_classes):
        """At p = 0.5 the mean over seeds of true positives among those called positive."""
        (curves,) = two_classes.curves
        for arm in two_classes.arms:
            matrices = [run.confusion["test"] for run in arm.runs]
            wanted = np.mean([m[1, 1] / m[:, 1].sum() for m in matrices])
            assert curves.arms[arm.name].points[-1].precision == pytest.approx(wanted)

    def test_both_panels_and_every_arm_are_drawn(self, two_classes):
        """With a table that holds the bands, a caption that says what they are, and nothing to fetch."""
        figure = ranking_figure(two_classes.curves[0], {"base": EVIL, "loss-ce": "CE"}, title="Curves")
        roc, precision = figure.panel_svgs()
        assert "sensitivity" in texts(roc)
        assert "precision (PPV)" in texts(precision)
        assert {EVIL, "CE"} <= set(texts(roc))
        assert names_in(figure.spec) == []
        assert "lowest to the highest seed" in figure.caption
        assert "not a confidence interval" in figure.caption
        rows = figure.table.to_pylist()
        assert all(row["low"] - 1e-9 <= row["mean"] <= row["high"] + 1e-9 for row in rows if row["threshold"] is None)
        assert len(rows) == 2 * 2 * (51 + 2)

    def test_more_classes_are_drawn_one_against_the_rest(self, three_classes):
        """A figure each, without thresholds, which are of two classes."""
        assert [curves.class_name for curves in three_classes.curves] == ["a", "b", "c"]
        figure = ranking_figure(three_classes.curves[2], three_classes.labels, title="c")
        assert "“c” against the rest" in figure.caption
        assert "thresholds" not in figure.caption
        assert set(figure.table["threshold"].to_pylist()) == {None}

    def test_a_class_without_cases_has_no_curve(self, make_study):
        """One test case is of one class: nothing can be ranked."""
        assert view_of(make_study(n_cases={"train": 12, "val": 8, "test": 1})).curves == ()

    def test_one_seed_has_no_band_in_words(self, make_study):
        """The caption speaks of no seeds where there is one."""
        view = view_of(make_study(seeds=(0,)))
        assert "Band" not in ranking_figure(view.curves[0], view.labels, title="x").caption


class TestVariance:
    """What a difference's variance is due to."""

    RNG = np.random.default_rng(2)
    Y = np.arange(200) % 2
    SCORES = RNG.normal(Y * 1.5, 1.0, (10, 200)) + RNG.normal(0, 0.8, 200) + RNG.normal(0, 0.2, (10, 1))
    ARMS, SEEDS = ["a"] * 5 + ["b"] * 5, [0, 1, 2, 3, 4] * 2

    @pytest.mark.parametrize("metric", ["accuracy", "auroc"])
    def test_the_parts_are_those_of_the_model(self, metric):
        """For two arms they are Obuchowski and Rockette's components, and they add up to SE^2 where q is above 0."""
        runs = RunScores.from_scores(self.Y, self.SCORES, arms=self.ARMS, seeds=self.SEEDS)
        found = estimate(runs, metric)
        result, model = analyse(found, difference("b", "a")), components(found)
        parts = variance_parts(result)
        assert parts is not None
        common = model.cov2 - model.cov3
        assert parts.seeds == pytest.approx(2 * model.var_arm_seed / 5, abs=1e-12)
        assert parts.cases == pytest.approx(2 * common, abs=1e-12)
        assert parts.both == pytest.approx(2 * (model.var_error - model.cov1 - common) / 5, abs=1e-12)
        assert parts.total == pytest.approx(result.s2 / 5 + result.q_untruncated, abs=1e-12)

    def test_negative_parts_are_drawn_and_explained(self):
        """Two arms that move together over cases: what is below 0 stays there."""
        same = np.concatenate([self.SCORES[:5], self.SCORES[:5][::-1]])
        found = compare(self.Y, same, arms=self.ARMS, seeds=self.SEEDS, metric="auroc", control="a")
        figure = variance_bars(found, title="x")
        assert figure is not None
        values = dict(zip(figure.table["part"].to_pylist(), figure.table["variance"].to_pylist(), strict=True))
        assert min(values.values()) < 0
        assert "may be negative" in figure.caption
        assert len(figure.panel_svgs()) == 1

    def test_one_seed_has_no_parts(self):
        """The variance over seeds is not known from one."""
        found = compare(self.Y, self.SCORES[::5], arms=["a", "b"], seeds=[0, 0], control="a")
        assert variance_bars(found, title="x") is None


def audit_with(**pictures: object) -> Audit:
    return Audit(
        key="k", n_cases={"train": 2}, class_names=("normal", EVIL), results=(), findings=(), pictures=pictures
    )


class TestAuditPictures:
    """Histograms as a figure."""

    ROWS = tuple(
        {"split": split, "class": name, "n_bins": 64, "top": 255, "share": [1 / 64] * 64}
        for split in ("train", "test")
        for name in ("normal", EVIL)
    )

    def test_a_line_for_each_split_and_class(self):
        """Half the bins, the same shares in sum, and the words of a label stay words."""
        figure = histogram_figure(audit_with(histograms=self.ROWS))
        assert figure is not None
        rows = figure.table.to_pylist()
        assert len(rows) == 4 * 32
        assert sum(row["share"] for row in rows) == pytest.approx(4)
        assert [row["grey"] for row in rows[:2]] == [4.0, 12.0]
        (svg,) = figure.panel_svgs()
        assert {"training", "test", "normal", EVIL} <= set(texts(svg))

    def test_nothing_kept_is_nothing_shown(self):
        """An audit without pictures has none."""
        assert histogram_figure(audit_with()) is None


class TestDisputed:
    """The cases on which arms disagree."""

    def test_they_are_those_with_the_largest_difference_of_means(self, two_classes, make_study):
        """Computed again from the stored predictions, in order, and none is shown twice."""
        folder = make_study(n_cases={"train": 12, "val": 40, "test": 60})
        study = read_study_folder(folder, by="test", purpose="test")
        means = {}
        for arm in ("base", "loss-ce"):
            parts = [run.predictions["test"] for run in study.runs_of(arm)]
            means[arm] = np.mean([part.y_prob[np.arange(60), part.y_true] for part in parts], axis=0)
        gaps = np.abs(means["base"] - means["loss-ce"])
        cases = parts[0].cases
        wanted = [int(cases[i]) for i in np.lexsort((cases, -gaps))[:8]]
        found = build_view(study).disputed
        assert [one.case for one in found] == wanted
        assert [one.spread for one in found] == pytest.approx(sorted(gaps, reverse=True)[:8])
        assert all(arm.n_runs == 3 and 0 <= arm.n_right <= 3 for one in found for arm in one.arms)

    def test_the_section_shows_picture_and_numbers(self, two_classes):
        """A gallery and a table of the same cases, each arm with its share of right runs."""
        section = disputed(two_classes, {two_classes.disputed[0].case: b"png"})
        (gallery,) = (block for block in section.blocks if isinstance(block, Gallery))
        (table,) = (block for block in section.blocks if isinstance(block, Table))
        assert [picture.png for picture in gallery.pictures][:2] == [b"png", None]
        assert [row[0].value for row in table.rows] == [one.case for one in two_classes.disputed]
        assert all("of 3 right" in row[-1].below[0] for row in table.rows)

    def test_one_arm_has_nobody_to_disagree_with(self, make_study):
        """The section says so."""
        view = view_of(make_study(arms={"base": {}}))
        (only,) = disputed(view, {}).blocks
        assert isinstance(only, Paragraph)
        assert plain_text(only.content) == "There is one arm."
