"""The sources that a methods text may cite, from ``references.toml``; what was cited is what is listed."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Reference:
    """One source: who, what, where, when; `doi` is empty where it has none."""

    authors: str
    title: str
    where: str
    year: int
    doi: str = ""

    def to_text(self) -> str:
        """Return the source as a line of a reference list."""
        doi = f" doi:{self.doi}" if self.doi else ""
        return f"{self.authors}. {self.title}. {self.where}, {self.year}.{doi}"


_CONTENT = Path(__file__).with_name("references.toml").read_text(encoding="utf-8")

REFERENCES: dict[str, Reference] = {key: Reference(**content) for key, content in tomllib.loads(_CONTENT).items()}
"""By the key that a text cites them with."""

_CITATION = re.compile(r"\[@([a-z0-9-]+(?:; ?@[a-z0-9-]+)*)\]")


def without_citations(text: str) -> str:
    """Return a text without its citations."""
    return re.sub(rf" ?{_CITATION.pattern}", "", text)


def numbered_references(texts: Sequence[str]) -> tuple[list[str], list[Reference]]:
    """Put numbers in the place of citations, in the order in which sources are first cited, and list those sources.

    A citation is written ``[@holm]``, or ``[@qin; @boyd]`` for two sources.

    Raises
    ------
    KeyError
        If a text cites what `REFERENCES` does not hold.
    """
    order: dict[str, int] = {}

    def number(match: re.Match[str]) -> str:
        keys = [key.strip().removeprefix("@") for key in match[1].split(";")]
        numbers = [order.setdefault(key, len(order) + 1) for key in keys]
        return f"[{', '.join(map(str, sorted(numbers)))}]"

    written = [_CITATION.sub(number, one) for one in texts]
    return written, [REFERENCES[key] for key in order]
