"""The items of three reporting guidelines by number, each with where a report may speak of it and who has to answer.

Labels are our own short words for an item; the guidelines' texts are what a journal asks for. CLAIM 2024: Tejani et al,
Radiology: Artificial Intelligence 2024;6:e240300 (c) RSNA, of which numbers alone are used. TRIPOD+AI: Collins et al,
BMJ 2024;385:e078378, CC BY 4.0. STARD-AI: Sounderajah et al, Nature Medicine 2025;31:3283, CC BY.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Item:
    """One item of a guideline.

    Parameters
    ----------
    number : as the guideline counts
    label : our own words
    needs : ids of blocks of the report that all have to be there
    asks : keys of the study file's ``about`` that all have to be answered
    """

    number: str
    label: str
    needs: tuple[str, ...] = ()
    asks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Guideline:
    """A guideline, who wrote it and on which terms, and its items in order."""

    key: str
    name: str
    credit: str
    items: tuple[Item, ...]


def _items(text: str) -> tuple[Item, ...]:
    """Read items from lines ``number | label | needs | asks``; needs and asks are words with blanks between."""
    rows = [[part.strip() for part in line.split("|")] for line in text.strip().splitlines()]
    return tuple(Item(number, label, tuple(needs.split()), tuple(asks.split())) for number, label, needs, asks in rows)


CLAIM = Guideline(
    key="claim",
    name="CLAIM 2024",
    credit="Tejani AS, Klontzas ME, Gatti AA, et al. Checklist for Artificial Intelligence in Medical Imaging (CLAIM): "
    "2024 update. Radiology: Artificial Intelligence 2024;6(4):e240300, doi:10.1148/ryai.240300. © RSNA: item numbers "
    "only, with our own labels.",
    items=_items("""
        1 | AI and its kind in the title | | title
        2 | Abstract | short |
        3 | Background, intended use, clinical role | | background intended_use clinical_role
        4 | Aims and hypotheses | hypotheses-answers |
        5 | Prospective or retrospective | | collection
        6 | Goal of the study | compared | intended_use
        7 | Sources of the data | about-data | sites
        8 | Inclusion and exclusion | flow | eligibility
        9 | Preprocessing | methods-preprocessing |
        10 | Subsets that were taken | flow | collection
        11 | De-identification | | deidentification
        12 | Missing data | flow | missing_data
        13 | Acquisition | | devices
        14 | Reference standard | | reference_standard
        15 | Why this reference standard | | reference_standard
        16 | Annotators | | annotators
        17 | Annotation of the test scans | | annotators
        18 | Agreement of annotators | | annotators
        19 | Shares of the splits | methods-scans flow |
        20 | What keeps the splits apart | methods-scans checks |
        21 | Size of the test set | power |
        22 | Architecture | methods-network arms-table |
        23 | Software and versions | methods-software |
        24 | Initial weights | methods-network |
        25 | Training and its settings | methods-training methods-preprocessing arms-table |
        26 | Choice of the weights that are evaluated | methods-selection |
        27 | Ensembles | methods-selection |
        28 | Metrics | methods-evaluation |
        29 | Uncertainty and tests | methods-evaluation methods-comparison |
        30 | Robustness | variance |
        31 | Explanation and its check | | explanation
        32 | Training against internal test | results-train results-test |
        33 | External test, or why none | | external_test
        34 | Registration | | registration
        35 | Flow of cases with numbers | flow |
        36 | Demographics of each split | | demographics
        37 | Performance of the final networks | results-test |
        38 | Accuracy with intervals, ROC | intervals-table ranking |
        39 | Confusion matrix and wrong cases | confusion worst-said |
        40 | Limitations | limits-list |
        41 | What follows for practice | | intended_use clinical_role
        42 | Where the protocol is | study-file | protocol
        43 | Availability of code, networks and data | again-how | code_availability data_availability
        44 | Funding | | funding
    """),
)

TRIPOD_AI = Guideline(
    key="tripod-ai",
    name="TRIPOD+AI",
    credit="Collins GS, Moons KGM, Dhiman P, et al. TRIPOD+AI statement: updated guidance for reporting clinical "
    "prediction models that use regression or machine learning methods. BMJ 2024;385:e078378, "
    "doi:10.1136/bmj-2023-078378. CC BY 4.0; labels shortened by us.",
    items=_items("""
        1 | Title: model, population, outcome | | title
        2 | Abstract | short |
        3a | Context and rationale | | background
        3b | Target population, purpose, users | | intended_use users
        3c | Known health inequalities | | fairness
        4 | Objectives | hypotheses-answers |
        5a | Data sources and how representative | about-data | collection
        5b | Dates of collection | | dates
        6a | Setting and centres | | sites
        6b | Eligibility | | eligibility
        6c | Treatments received | |
        7 | Data preparation and quality checks | methods-preprocessing checks |
        8a | Outcome and its assessment | | reference_standard
        8b | Assessors of the outcome | | annotators
        8c | Blinding of the outcome | | annotators
        9a | Choice of predictors | methods-preprocessing |
        9b | Definition of predictors | methods-preprocessing | devices
        9c | Assessors of predictors | |
        10 | Sample size | power flow |
        11 | Missing data | flow | missing_data
        12a | How the data were used and split | methods-scans flow |
        12b | How predictors were handled | methods-preprocessing |
        12c | Type of model, building, internal validation | methods-network methods-training methods-selection |
        12d | Differences between clusters | |
        12e | Measures and plots of performance | methods-evaluation |
        12f | Model updating | methods-calibration |
        12g | How predictions were calculated | methods-network again-how |
        13 | Class imbalance | methods-training |
        14 | Approach to fairness | | fairness
        15 | Output, and thresholds | methods-thresholds thresholds-table |
        16 | Development against evaluation data | checks | sites
        17 | Ethics approval and consent | | ethics
        18a | Funding | | funding
        18b | Conflicts of interest | | interests
        18c | Protocol | study-file | protocol
        18d | Registration | | registration
        18e | Availability of data | | data_availability
        18f | Availability of code | again-how | code_availability
        19 | Patient and public involvement | | patient_involvement
        20a | Flow of participants | flow |
        20b | Characteristics of participants | | demographics
        20c | Evaluation against development data | histograms | demographics
        21 | Cases and events of each analysis | flow |
        22 | The full model | again-how study-file | code_availability
        23a | Performance with intervals | intervals-table |
        23b | Performance across clusters | |
        24 | Results of model updating | temperature-said |
        25 | Interpretation | short | fairness
        26 | Limitations | limits-list |
        27a | Poor or missing inputs in use | |
        27b | Users' part and expertise | | users
        27c | Next steps | outlook |
    """),
)

STARD_AI = Guideline(
    key="stard-ai",
    name="STARD-AI",
    credit="Sounderajah V, Guni A, Liu X, et al. The STARD-AI reporting guideline for diagnostic accuracy studies "
    "using artificial intelligence. Nature Medicine 2025;31:3283-3289, doi:10.1038/s41591-025-03953-8. CC BY; labels "
    "shortened by us.",
    items=_items("""
        1 | Title: AI and a measure of accuracy | | title
        2 | Abstract | short |
        3 | Background, intended use, workflow | | background intended_use clinical_role
        4 | Objectives and hypotheses | hypotheses-answers |
        5 | Prospective or retrospective | | collection
        6 | Ethics approval | | ethics
        7 | Eligibility of participants and data | flow | eligibility
        8 | How participants were identified | | collection
        9 | Setting and dates | | sites dates
        10 | Consecutive, random or convenience | | collection
        11 | Source of the data | about-data | collection
        12 | Annotation | | annotators
        13 | Devices and software | methods-software | devices
        14 | Acquisition and preprocessing | methods-preprocessing | devices
        15a | Index test | methods-network methods-training |
        15b | Development and sample sizes | methods-scans methods-selection flow |
        15c | Cut-offs, prespecified or not | methods-thresholds thresholds-table |
        15d | Users and their expertise | | users
        16a | Reference standard | | reference_standard
        16b | Why this reference standard | | reference_standard
        16c | Cut-offs of the reference standard | | reference_standard
        17a | Blinding of the index test | methods-selection |
        17b | Blinding of the reference standard | | annotators
        18 | Statistical methods | methods-evaluation methods-comparison |
        19 | Indeterminate results | | missing_data
        20 | Missing data | flow | missing_data
        21 | Variability | variance |
        22 | Sample size | power |
        23 | Error analysis, bias and fairness | worst-said | fairness
        24 | Flow diagram | flow |
        25 | Characteristics of each split | flow | demographics
        26a | Severity of disease | | demographics
        26b | Alternative diagnoses | |
        27 | Time between test and reference | |
        28 | Whether test scans represent use | |
        29 | How an external set differs | | external_test
        30 | Cross-tabulation | confusion |
        31 | Accuracy with intervals | intervals-table |
        32 | Adverse events | |
        33 | Limitations | limits-list |
        34 | What follows for practice | | intended_use clinical_role
        35 | Ethics of use and fairness | | ethics fairness
        36 | Registration | | registration
        37 | Protocol | study-file | protocol
        38 | Funding | | funding
        39 | Commercial interests | | interests
        40a | Availability of data and code | again-how | data_availability code_availability
        40b | Whether outputs can be audited | readings |
    """),
)

GUIDELINES = (CLAIM, TRIPOD_AI, STARD_AI)
