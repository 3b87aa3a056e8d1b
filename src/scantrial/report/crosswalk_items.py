"""The items of three reporting guidelines by number: where a report may cover each, and what the author has to answer.

Labels are our own short words for an item; the guidelines' texts are what a journal asks for. CLAIM 2024: Tejani et al,
Radiology: Artificial Intelligence 2024;6:e240300 (c) RSNA, only its numbers are used. TRIPOD+AI: Collins et al,
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


CLAIM = Guideline(
    key="claim",
    name="CLAIM 2024",
    credit="Tejani AS, Klontzas ME, Gatti AA, et al. Checklist for Artificial Intelligence in Medical Imaging (CLAIM): "
    "2024 update. Radiology: Artificial Intelligence 2024;6(4):e240300, doi:10.1148/ryai.240300. © RSNA: item numbers "
    "only, with our own labels.",
    items=(
        Item("1", "AI and its kind in the title", asks=("title",)),
        Item("2", "Abstract", needs=("short",)),
        Item("3", "Background, intended use, clinical role", asks=("background", "intended_use", "clinical_role")),
        Item("4", "Aims and hypotheses", needs=("hypotheses-answers",)),
        Item("5", "Prospective or retrospective", asks=("collection",)),
        Item("6", "Goal of the study", needs=("compared",), asks=("intended_use",)),
        Item("7", "Sources of the data", needs=("about-data",), asks=("sites",)),
        Item("8", "Inclusion and exclusion", needs=("flow",), asks=("eligibility",)),
        Item("9", "Preprocessing", needs=("methods-preprocessing",)),
        Item("10", "Subsets that were taken", needs=("flow",), asks=("collection",)),
        Item("11", "De-identification", asks=("deidentification",)),
        Item("12", "Missing data", needs=("flow",), asks=("missing_data",)),
        Item("13", "Acquisition", asks=("devices",)),
        Item("14", "Reference standard", asks=("reference_standard",)),
        Item("15", "Why this reference standard", asks=("reference_standard",)),
        Item("16", "Annotators", asks=("annotators",)),
        Item("17", "Annotation of the test scans", asks=("annotators",)),
        Item("18", "Agreement of annotators", asks=("annotators",)),
        Item("19", "Shares of the splits", needs=("methods-scans", "flow")),
        Item("20", "What keeps the splits apart", needs=("methods-scans", "checks")),
        Item("21", "Size of the test set", needs=("power",)),
        Item("22", "Architecture", needs=("methods-network", "arms-table")),
        Item("23", "Software and versions", needs=("methods-software",)),
        Item("24", "Initial weights", needs=("methods-network",)),
        Item("25", "Training and its settings", needs=("methods-training", "methods-preprocessing", "arms-table")),
        Item("26", "Choice of the weights that are evaluated", needs=("methods-selection",)),
        Item("27", "Ensembles", needs=("methods-selection",)),
        Item("28", "Metrics", needs=("methods-evaluation",)),
        Item("29", "Uncertainty and tests", needs=("methods-evaluation", "methods-comparison")),
        Item("30", "Robustness", needs=("variance",)),
        Item("31", "Explanation and its check", asks=("explanation",)),
        Item("32", "Training against internal test", needs=("results-train", "results-test")),
        Item("33", "External test, or why none", asks=("external_test",)),
        Item("34", "Registration", asks=("registration",)),
        Item("35", "Flow of cases with numbers", needs=("flow",)),
        Item("36", "Demographics of each split", asks=("demographics",)),
        Item("37", "Performance of the final networks", needs=("results-test",)),
        Item("38", "Accuracy with intervals, ROC", needs=("intervals-table", "ranking")),
        Item("39", "Confusion matrix and wrong cases", needs=("confusion", "worst-said")),
        Item("40", "Limitations", needs=("limits-list",)),
        Item("41", "What follows for practice", asks=("intended_use", "clinical_role")),
        Item("42", "Where the protocol is", needs=("study-file",), asks=("protocol",)),
        Item(
            "43",
            "Availability of code, networks and data",
            needs=("again-how",),
            asks=("code_availability", "data_availability"),
        ),
        Item("44", "Funding", asks=("funding",)),
    ),
)

TRIPOD_AI = Guideline(
    key="tripod-ai",
    name="TRIPOD+AI",
    credit="Collins GS, Moons KGM, Dhiman P, et al. TRIPOD+AI statement: updated guidance for reporting clinical "
    "prediction models that use regression or machine learning methods. BMJ 2024;385:e078378, "
    "doi:10.1136/bmj-2023-078378. CC BY 4.0; labels shortened by us.",
    items=(
        Item("1", "Title: model, population, outcome", asks=("title",)),
        Item("2", "Abstract", needs=("short",)),
        Item("3a", "Context and rationale", asks=("background",)),
        Item("3b", "Target population, purpose, users", asks=("intended_use", "users")),
        Item("3c", "Known health inequalities", asks=("fairness",)),
        Item("4", "Objectives", needs=("hypotheses-answers",)),
        Item("5a", "Data sources and how representative", needs=("about-data",), asks=("collection",)),
        Item("5b", "Dates of collection", asks=("dates",)),
        Item("6a", "Setting and centres", asks=("sites",)),
        Item("6b", "Eligibility", asks=("eligibility",)),
        Item("6c", "Treatments received"),
        Item("7", "Data preparation and quality checks", needs=("methods-preprocessing", "checks")),
        Item("8a", "Outcome and its assessment", asks=("reference_standard",)),
        Item("8b", "Assessors of the outcome", asks=("annotators",)),
        Item("8c", "Blinding of the outcome", asks=("annotators",)),
        Item("9a", "Choice of predictors", needs=("methods-preprocessing",)),
        Item("9b", "Definition of predictors", needs=("methods-preprocessing",), asks=("devices",)),
        Item("9c", "Assessors of predictors"),
        Item("10", "Sample size", needs=("power", "flow")),
        Item("11", "Missing data", needs=("flow",), asks=("missing_data",)),
        Item("12a", "How the data were used and split", needs=("methods-scans", "flow")),
        Item("12b", "How predictors were handled", needs=("methods-preprocessing",)),
        Item(
            "12c",
            "Type of model, building, internal validation",
            needs=("methods-network", "methods-training", "methods-selection"),
        ),
        Item("12d", "Differences between clusters"),
        Item("12e", "Measures and plots of performance", needs=("methods-evaluation",)),
        Item("12f", "Model updating", needs=("methods-calibration",)),
        Item("12g", "How predictions were calculated", needs=("methods-network", "again-how")),
        Item("13", "Class imbalance", needs=("methods-training",)),
        Item("14", "Approach to fairness", asks=("fairness",)),
        Item("15", "Output, and thresholds", needs=("methods-thresholds", "thresholds-table")),
        Item("16", "Development against evaluation data", needs=("checks",), asks=("sites",)),
        Item("17", "Ethics approval and consent", asks=("ethics",)),
        Item("18a", "Funding", asks=("funding",)),
        Item("18b", "Conflicts of interest", asks=("interests",)),
        Item("18c", "Protocol", needs=("study-file",), asks=("protocol",)),
        Item("18d", "Registration", asks=("registration",)),
        Item("18e", "Availability of data", asks=("data_availability",)),
        Item("18f", "Availability of code", needs=("again-how",), asks=("code_availability",)),
        Item("19", "Patient and public involvement", asks=("patient_involvement",)),
        Item("20a", "Flow of participants", needs=("flow",)),
        Item("20b", "Characteristics of participants", asks=("demographics",)),
        Item("20c", "Evaluation against development data", needs=("histograms",), asks=("demographics",)),
        Item("21", "Cases and events of each analysis", needs=("flow",)),
        Item("22", "The full model", needs=("again-how", "study-file"), asks=("code_availability",)),
        Item("23a", "Performance with intervals", needs=("intervals-table",)),
        Item("23b", "Performance across clusters"),
        Item("24", "Results of model updating", needs=("temperature-said",)),
        Item("25", "Interpretation", needs=("short",), asks=("fairness",)),
        Item("26", "Limitations", needs=("limits-list",)),
        Item("27a", "Poor or missing inputs in use"),
        Item("27b", "Users' part and expertise", asks=("users",)),
        Item("27c", "Next steps", needs=("outlook",)),
    ),
)

STARD_AI = Guideline(
    key="stard-ai",
    name="STARD-AI",
    credit="Sounderajah V, Guni A, Liu X, et al. The STARD-AI reporting guideline for diagnostic accuracy studies "
    "using artificial intelligence. Nature Medicine 2025;31:3283-3289, doi:10.1038/s41591-025-03953-8. CC BY; labels "
    "shortened by us.",
    items=(
        Item("1", "Title: AI and a measure of accuracy", asks=("title",)),
        Item("2", "Abstract", needs=("short",)),
        Item("3", "Background, intended use, workflow", asks=("background", "intended_use", "clinical_role")),
        Item("4", "Objectives and hypotheses", needs=("hypotheses-answers",)),
        Item("5", "Prospective or retrospective", asks=("collection",)),
        Item("6", "Ethics approval", asks=("ethics",)),
        Item("7", "Eligibility of participants and data", needs=("flow",), asks=("eligibility",)),
        Item("8", "How participants were identified", asks=("collection",)),
        Item("9", "Setting and dates", asks=("sites", "dates")),
        Item("10", "Consecutive, random or convenience", asks=("collection",)),
        Item("11", "Source of the data", needs=("about-data",), asks=("collection",)),
        Item("12", "Annotation", asks=("annotators",)),
        Item("13", "Devices and software", needs=("methods-software",), asks=("devices",)),
        Item("14", "Acquisition and preprocessing", needs=("methods-preprocessing",), asks=("devices",)),
        Item("15a", "Index test", needs=("methods-network", "methods-training")),
        Item("15b", "Development and sample sizes", needs=("methods-scans", "methods-selection", "flow")),
        Item("15c", "Cut-offs, prespecified or not", needs=("methods-thresholds", "thresholds-table")),
        Item("15d", "Users and their expertise", asks=("users",)),
        Item("16a", "Reference standard", asks=("reference_standard",)),
        Item("16b", "Why this reference standard", asks=("reference_standard",)),
        Item("16c", "Cut-offs of the reference standard", asks=("reference_standard",)),
        Item("17a", "Blinding of the index test", needs=("methods-selection",)),
        Item("17b", "Blinding of the reference standard", asks=("annotators",)),
        Item("18", "Statistical methods", needs=("methods-evaluation", "methods-comparison")),
        Item("19", "Indeterminate results", asks=("missing_data",)),
        Item("20", "Missing data", needs=("flow",), asks=("missing_data",)),
        Item("21", "Variability", needs=("variance",)),
        Item("22", "Sample size", needs=("power",)),
        Item("23", "Error analysis, bias and fairness", needs=("worst-said",), asks=("fairness",)),
        Item("24", "Flow diagram", needs=("flow",)),
        Item("25", "Characteristics of each split", needs=("flow",), asks=("demographics",)),
        Item("26a", "Severity of disease", asks=("demographics",)),
        Item("26b", "Alternative diagnoses"),
        Item("27", "Time between test and reference"),
        Item("28", "Whether test scans represent use"),
        Item("29", "How an external set differs", asks=("external_test",)),
        Item("30", "Cross-tabulation", needs=("confusion",)),
        Item("31", "Accuracy with intervals", needs=("intervals-table",)),
        Item("32", "Adverse events"),
        Item("33", "Limitations", needs=("limits-list",)),
        Item("34", "What follows for practice", asks=("intended_use", "clinical_role")),
        Item("35", "Ethics of use and fairness", asks=("ethics", "fairness")),
        Item("36", "Registration", asks=("registration",)),
        Item("37", "Protocol", needs=("study-file",), asks=("protocol",)),
        Item("38", "Funding", asks=("funding",)),
        Item("39", "Commercial interests", asks=("interests",)),
        Item(
            "40a",
            "Availability of data and code",
            needs=("again-how",),
            asks=("data_availability", "code_availability"),
        ),
        Item("40b", "Whether outputs can be audited", needs=("readings",)),
    ),
)

GUIDELINES = (CLAIM, TRIPOD_AI, STARD_AI)
