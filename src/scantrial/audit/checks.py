"""The table of all checks. A code is never used twice, not even after its check is removed."""

from __future__ import annotations

from scantrial.audit import (
    burned_in,
    depth,
    duplicates,
    labels,
    left_out,
    patients,
    pretraining,
    quality,
    sharpness,
    shift,
    shortcuts,
)
from scantrial.audit.records import ScanCheck
from scantrial.core.registry import Registry

_CHECKS = (
    ScanCheck(
        code="AU001",
        title="Patients in more than one split",
        severity="blocker",
        needs="patients, two splits",
        rule="any patient has scans in two splits; a warning if none of them has a test scan",
        source="Kaufman et al. 2012; Kapoor, Narayanan 2023",
        action="split by patient, not by scan (split: {..., by: patient}); if equal names are different patients, show "
        "it and acknowledge the finding with this reason",
        run=patients.check_leakage,
    ),
    ScanCheck(
        code="AU002",
        title="Patients not known",
        severity="warning",
        needs="nothing",
        rule="neither the source nor the study names the patients",
        source="Kapoor, Narayanan 2023",
        action="give data.patient, a regular expression that finds the patient in each file's name or the word folder, "
        "or a patient column",
        run=patients.check_known,
    ),
    ScanCheck(
        code="AU003",
        title="The same scan in more than one split",
        severity="blocker",
        needs="two splits",
        rule="SHA-256 of decoded pixels, shape and type is equal for two scans in different splits; a warning if none "
        "of them is a test scan",
        source="Barz, Denzler 2020",
        action="remove the copies from training and validation, or the scans concerned from test; of copies in "
        "training and validation alone, those in one of the two",
        run=duplicates.check_exact_across,
    ),
    ScanCheck(
        code="AU004",
        title="The same scan more than once in a split",
        severity="warning",
        needs="nothing",
        rule="SHA-256 of decoded pixels, shape and type is equal for two scans of one split",
        source="Barz, Denzler 2020",
        action="remove the copies: in training they count double, in test they make intervals too narrow",
        run=duplicates.check_exact_within,
    ),
    ScanCheck(
        code="AU005",
        title="Nearly the same scan in more than one split",
        severity="warning",
        needs="two splits",
        rule="two scans in different splits are not equal, but their 64-bit perceptual hashes differ in at most 10 "
        "bits in one of eight orientations (in fewer bits if 0.1 % of pairs of different patients are nearer; for "
        "n scans, n above 10,000, if a share of 10 / n is), and their 64 x 64 pictures correlate at 0.95 or more, "
        "both unchanged and without the mean picture",
        source="Zauner 2010; Krawetz 2011; Barz, Denzler 2020; docs/decisions, the audit",
        action="look at the pairs; if both are the same scan, remove one of them and see how the metric changes",
        run=duplicates.check_near_across,
    ),
    ScanCheck(
        code="AU006",
        title="Nearly the same scan more than once in a split",
        severity="note",
        needs="nothing",
        rule="as AU005, for two scans of one split",
        source="Zauner 2010; Krawetz 2011; Barz, Denzler 2020; docs/decisions, the audit",
        action="look at the pairs; they may be one scan that was edited or turned",
        run=duplicates.check_near_within,
    ),
    ScanCheck(
        code="AU007",
        title="The same scan with different labels",
        severity="warning",
        needs="nothing",
        rule="two scans that are equal (AU003, AU004) or nearly so (AU005, AU006) have different labels",
        source="Northcutt et al. 2021",
        action="find out which label is right: at least one of each pair is wrong, or the class cannot be seen",
        run=duplicates.check_contradicting,
    ),
    ScanCheck(
        code="AU008",
        title="Weights that have seen these scans",
        severity="blocker",
        needs="where a network starts from a file of weights, that this is the file of a run, in its study folder",
        rule="the run whose weights training starts from was trained, or its epoch chosen, on a scan of test "
        "or validation: the same case where the fingerprints of the scans are equal; if not, a small picture (at most "
        "128 pixels) that is equal, or as near as in AU005 with at most 4 bits; a warning if no test scan is concerned",
        source="Kapoor, Narayanan 2023",
        action="train these weights without the scans of validation and test, or leave those scans out of both; if "
        "they are not the same scans, show it and acknowledge the finding with this reason",
        run=pretraining.check_weights,
    ),
    ScanCheck(
        code="AU010",
        title="Scans of two splits look different",
        severity="warning",
        needs="two splits of 10 patients each",
        rule="a ridge classifier on 16 x 16 gray values, eight statistics of the histogram and the size tells the "
        "splits apart out of fold with AUC 0.60 or more and permutation p < 0.01 (200 permutations of whole patients); "
        "strong from 0.70",
        source="Lopez-Paz, Oquab 2017; Phipson, Smyth 2010",
        action="find out how the scans were taken and split; a result on these test scans is a result on scans that "
        "differ from the training scans. Look at the AUC within classes too: a different class mix does not explain it",
        run=shift.check_look,
    ),
    ScanCheck(
        code="AU011",
        title="Scans of two splits do not come from one distribution",
        severity="note",
        needs="two splits of 10 patients each",
        rule="unbiased squared maximum mean discrepancy on the features of AU010, Gaussian kernel with the median "
        "distance as bandwidth, permutation p < 0.01",
        source="Gretton et al. 2012",
        action="read it together with AU010, which says how large the difference is",
        run=shift.check_kernel,
    ),
    ScanCheck(
        code="AU012",
        title="Networks score test and validation scans differently",
        severity="warning",
        needs="a study folder with finished runs",
        rule="Kolmogorov-Smirnov test on the probability of the true class within each class, validation against test, "
        "p < 0.01 after Holm over classes",
        source="Rabanser et al. 2019",
        action="do not use validation results as an estimate of test results; look at AU010 for a reason",
        run=shift.check_scores,
    ),
    ScanCheck(
        code="AU013",
        title="A class is more frequent in one split than in another",
        severity="warning",
        needs="two splits",
        rule="Fisher's exact test on patients (scans where patients are not known) by split and class, p < 0.01, after "
        "Holm where there are more than two classes",
        source="Lipton et al. 2018; Newcombe 1998",
        action="do not compare accuracy or predictive values between the splits: they depend on the class mix; "
        "AUROC and balanced accuracy do not",
        run=shift.check_prevalence,
    ),
    ScanCheck(
        code="AU015",
        title="Masks among the scans",
        severity="blocker",
        needs="nothing",
        rule="a file is called X_mask (or _seg, _label, _annotation, _contour, _roi, _gt, with or without a number) "
        "beside a file X; or it lies in a folder of masks, and a file of the same name in another folder",
        source="method of this project",
        action="leave them out with data.ignore, or --ignore; if they are scans, acknowledge the finding and say so",
        run=left_out.check_masks,
    ),
    ScanCheck(
        code="AU020",
        title="The border predicts the label",
        severity="warning",
        needs="10 patients of each class in training and validation",
        rule="a ridge classifier on the outer tenth of the picture predicts the label out of fold with an AUC whose "
        "95 % interval lies at or above 0.65, and permutation p < 0.01; the AUC of the whole picture is told beside it",
        source="Maguolo, Nanni 2021; DeGrave et al. 2021; Newcombe 2006; docs/decisions, shortcuts that matter",
        action="look for marks, letters and collimation at the border; crop the border and train again",
        run=shortcuts.check_border,
    ),
    ScanCheck(
        code="AU021",
        title="The corners predict the label",
        severity="warning",
        needs="10 patients of each class in training and validation",
        rule="as AU020, on the four corners, each with an eighth of the side",
        source="Maguolo, Nanni 2021; DeGrave et al. 2021",
        action="look for marks and letters in the corners; cover them and train again",
        run=shortcuts.check_corners,
    ),
    ScanCheck(
        code="AU022",
        title="Metadata predict the label",
        severity="warning",
        needs="10 patients of each class in training and validation",
        rule="as AU020, on mean brightness and, where scans are files, width, height, pixel mode, format and file "
        "size; the AUC of each of them alone says which it is",
        source="Zech et al. 2018; Geirhos et al. 2020",
        action="find out whether the classes were taken or saved in different ways; bring all scans to one size "
        "and format",
        run=shortcuts.check_metadata,
    ),
    ScanCheck(
        code="AU023",
        title="A size, type or format occurs in one class only",
        severity="warning",
        needs="scans that are image files",
        rule="a value of size, pixel mode or file format occurs in one class only, Fisher's exact test on patients "
        "p < 0.01 after Holm over all values",
        source="Zech et al. 2018; Holm 1979",
        action="find out whether the classes come from different places; bring all scans to one size and format",
        run=shortcuts.check_one_class_values,
    ),
    ScanCheck(
        code="AU024",
        title="Sharpness differs between classes or splits",
        severity="warning",
        needs="10 patients of each class in training and validation, or of one class in two splits",
        rule="the mean absolute Laplacian of the picture, scaled to at most 128 pixels, separates a class from the "
        "others with an AUC whose 95 % interval lies at or above 0.65, or, within a class, two splits with AUC 0.60 or "
        "more; permutation p < 0.01 of the largest AUC over the classes",
        source="Pertuz et al. 2013; Geirhos et al. 2020; Phipson, Smyth 2010",
        action="find out whether the classes were taken, scaled or compressed in different ways; an illness can blur a "
        "picture too. Train again on scans of one source, or blurred alike, and see how the metric changes",
        run=sharpness.check_sharpness,
    ),
    ScanCheck(
        code="AU030",
        title="Labels worth a second look",
        severity="note",
        needs="10 patients of each class in training and validation, or a study folder with finished runs",
        rule="confident learning lists scans that look like another class; found if, with 95 % confidence, more than "
        "1 % of the scans are listed and have a probability of at most 0.1 for their labelled class",
        source="Northcutt et al. 2021; docs/decisions, the audit",
        action="have someone read these scans again, the least likely labels first; remove none without looking at it",
        run=labels.check_suspicious,
    ),
    ScanCheck(
        code="AU031",
        title="Classes are unbalanced",
        severity="warning",
        needs="nothing",
        rule="the commonest class holds more than 75 % of a split",
        source="method of this project",
        action="use AUROC or balanced accuracy as primary metric, and compare accuracy with that of always answering "
        "the commonest class",
        run=labels.check_balance,
    ),
    ScanCheck(
        code="AU040",
        title="Files that could not be read",
        severity="warning",
        needs="nothing",
        rule="files were left out with skip_unreadable",
        source="method of this project",
        action="repair or replace them: unreadable files are seldom a random sample",
        run=quality.check_unreadable,
    ),
    ScanCheck(
        code="AU041",
        title="Images that show almost nothing",
        severity="warning",
        needs="nothing",
        rule="the standard deviation is below 1 % of the brightest value; where 8 and 16 bits are mixed, of the "
        "brightest value of the scan's own depth",
        source="method of this project",
        action="remove them, or find out what went wrong when they were taken or converted",
        run=quality.check_constant,
    ),
    ScanCheck(
        code="AU042",
        title="Saturated images",
        severity="note",
        needs="nothing",
        rule="more than half of the image is at the largest value of its type, or more than 98 % at 0",
        source="method of this project",
        action="look at them: the intensity window may be wrong, or the image is mostly background",
        run=quality.check_saturated,
    ),
    ScanCheck(
        code="AU043",
        title="Files of an unusual size",
        severity="note",
        needs="scans that are image files",
        rule="a side is three times longer or shorter than the median side, before any resizing",
        source="method of this project",
        action="look at them: resizing distorts them, and they may be another kind of scan",
        run=quality.check_size,
    ),
    ScanCheck(
        code="AU044",
        title="Files, rows or classes that were left out",
        severity="note",
        needs="nothing",
        rule="data.ignore, data.classes or a folder of masks beside one of images left some out; a warning where "
        "skip_unreadable left out rows of a table that had no file or no label",
        source="method of this project",
        action="see that these are the ones that were meant",
        run=left_out.check_left_out,
    ),
    ScanCheck(
        code="AU045",
        title="Files of 8 and of 16 bits are mixed",
        severity="warning",
        needs="scans of 16 bits",
        rule="some scans hold multiples of 257 only, as 8 bits become 16, and others do not; a note if the median of "
        "the largest pixels differs less than 2-fold between the two",
        source="method of this project",
        action="save all scans anew with one depth and one white, or write `normalize: image`, which gives each scan "
        "its own mean and deviation. The scans are sound: leave none out for this",
        run=depth.check_mixed_depth,
    ),
    ScanCheck(
        code="AU046",
        title="16 bits of which few are used",
        severity="warning",
        needs="scans of 16 bits, none of them from a file of 8",
        rule="no pixel of any scan needs more than 14 bits",
        source="method of this project",
        action="write `normalize: dataset` in the recipe, which gives the pixels mean 0 and deviation 1, or "
        "data.image.range with the values that are black and white; with `normalize: none` every arm learns from "
        "nearly black scans",
        run=depth.check_unused_bits,
    ),
    ScanCheck(
        code="AU050",
        title="Text may be burned into the pixels",
        severity="warning",
        needs="DICOM files",
        rule="BurnedInAnnotation (0028,0301) is YES, or is not there; a note where it is only not there",
        source="DICOM PS3.3 C.7.6.1.1; PS3.15 E.3.1",
        action="look at the scans before anything is handed on: names in the pixels stay, and networks can read them; "
        "crop them (under recipe, image: {crop_border: ...}) or leave these files out. No pictures of single scans are "
        "kept unless data.thumbnails is true",
        run=burned_in.check_burned_in,
    ),
)

CHECKS: Registry[ScanCheck] = Registry("check", {check.code: check for check in _CHECKS})

LEAKING = ("AU001", "AU003", "AU005")
"""Checks that find cases both in training and in test, or close to it."""

KNOWN_BEFORE = (*LEAKING, "AU008")
"""Checks that find cases which may be known from training: a metric is shown with and without them."""
