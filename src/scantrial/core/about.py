"""What only the author of a study can know: the questions that its report asks, in the order of the report.

The study file answers them under ``about``; the report lists a question without an answer as not answered.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

NOT_ANSWERED = "not answered"


@dataclass(frozen=True, slots=True)
class Question:
    """One question to the author.

    Parameters
    ----------
    key : below ``about`` in the study file
    title : how the report heads the answer
    asks : what is wanted, in one line
    """

    key: str
    title: str
    asks: str


QUESTIONS: tuple[Question, ...] = (
    Question("title", "Title", "the title of a paper on this study: technique, target condition, measure of accuracy"),
    Question("authors", "Authors", "who is responsible, with affiliations; a text or a list of texts"),
    Question("background", "Background", "the clinical question, current practice, and what is known already"),
    Question("intended_use", "Intended use", "what a network of this kind would be used for, and in which patients"),
    Question("clinical_role", "Clinical role", "replacement, triage or add-on, and where in the pathway"),
    Question("users", "Users", "who would use it, and what they have to know"),
    Question("out_of_scope", "Out of scope", "uses and patients that it is not meant for"),
    Question("sites", "Sites", "where the scans are from: setting, centres, countries"),
    Question("dates", "Dates", "dates of the first and of the last scan"),
    Question(
        "collection",
        "Collection",
        "prospective or retrospective; from routine care or for this study; consecutive or selected",
    ),
    Question("eligibility", "Eligibility", "inclusion and exclusion criteria for patients and for scans"),
    Question("devices", "Devices and acquisition", "manufacturers, models, protocol, how raw data became these files"),
    Question("deidentification", "De-identification", "what was removed from the scans, and by what standard"),
    Question("ethics", "Ethics", "committee and approval number, consent or its waiver, or why none was needed"),
    Question(
        "reference_standard", "Reference standard", "how a scan's true class was established, and why in this way"
    ),
    Question("annotators", "Annotators", "who labelled: qualifications, number per scan, blinding, agreement"),
    Question(
        "demographics",
        "Demographics",
        "age, sex, severity and other characteristics of the patients, by split if known",
    ),
    Question(
        "missing_data", "Missing data", "scans or labels that were missing or indeterminate, and how they were handled"
    ),
    Question(
        "external_test", "External test", "a test on scans from other sites, how they differ, or why there is none"
    ),
    Question("fairness", "Fairness", "groups for which results may be worse, and what was analysed"),
    Question(
        "explanation", "Explanation", "the method that shows what a network looks at and how it was checked, or none"
    ),
    Question("funding", "Funding", "sources, and the role of the funders"),
    Question("interests", "Interests", "conflicts of interest of every author"),
    Question("registration", "Registration", "registry and number, or that it was not registered"),
    Question("protocol", "Protocol", "where the full protocol is, or that there is none"),
    Question(
        "patient_involvement", "Patient involvement", "how patients and the public were involved, or that they were not"
    ),
    Question("code_availability", "Code and networks", "where code and trained networks are, and on which terms"),
    Question("data_availability", "Data", "where the scans are, and on which terms"),
)
"""Every question, in order."""


def answers(about: Mapping[str, Any] | None) -> dict[str, str]:
    """Return the answers that were given, by key, as text: items of a list are joined by ``; ``."""
    found = about or {}
    given = {question.key: found.get(question.key) for question in QUESTIONS}
    return {key: _as_text(value) for key, value in given.items() if value}


def _as_text(value: Any) -> str:
    return "; ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def unanswered(about: Mapping[str, Any] | None) -> tuple[Question, ...]:
    """Return the questions that have no answer."""
    given = answers(about)
    return tuple(question for question in QUESTIONS if question.key not in given)


def how_many(about: Mapping[str, Any] | None) -> str:
    """Say how many questions have no answer: ``questions to the author: 14 of 28 not answered``."""
    return f"questions to the author: {len(unanswered(about))} of {len(QUESTIONS)} not answered"
