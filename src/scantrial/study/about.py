"""The ``about`` part of a study file: the author's own words."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from scantrial.core.about import QUESTIONS

_ASKS = {question.key: question.asks for question in QUESTIONS}
_Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Answer = _Text | Annotated[tuple[_Text, ...], Field(min_length=1)] | None


def _asked(key: str) -> Any:
    return Field(default=None, description=_ASKS[key])


class AboutSpec(BaseModel):
    """What only the author can know, for the report; it affects neither training nor verdicts.

    Every key is optional and takes a text or a list of texts. `scantrial.core.about` has the questions.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: Answer = _asked("title")
    authors: Answer = _asked("authors")
    background: Answer = _asked("background")
    intended_use: Answer = _asked("intended_use")
    clinical_role: Answer = _asked("clinical_role")
    users: Answer = _asked("users")
    out_of_scope: Answer = _asked("out_of_scope")
    sites: Answer = _asked("sites")
    dates: Answer = _asked("dates")
    collection: Answer = _asked("collection")
    eligibility: Answer = _asked("eligibility")
    devices: Answer = _asked("devices")
    deidentification: Answer = _asked("deidentification")
    ethics: Answer = _asked("ethics")
    reference_standard: Answer = _asked("reference_standard")
    annotators: Answer = _asked("annotators")
    demographics: Answer = _asked("demographics")
    missing_data: Answer = _asked("missing_data")
    external_test: Answer = _asked("external_test")
    fairness: Answer = _asked("fairness")
    explanation: Answer = _asked("explanation")
    funding: Answer = _asked("funding")
    interests: Answer = _asked("interests")
    registration: Answer = _asked("registration")
    protocol: Answer = _asked("protocol")
    patient_involvement: Answer = _asked("patient_involvement")
    code_availability: Answer = _asked("code_availability")
    data_availability: Answer = _asked("data_availability")
