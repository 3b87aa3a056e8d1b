"""Where the links of a document may lead: to its own blocks, and to pages of the web."""

from __future__ import annotations

import re
from dataclasses import dataclass

from scantrial.report.document import Document, walk


@dataclass(frozen=True, slots=True)
class Targets:
    """What a link of a document may lead to.

    Parameters
    ----------
    ids : of the document's blocks
    """

    ids: frozenset[str]

    def sound(self, target: str) -> str | None:
        """Return a target that leads to a block or to a page of the web; None for any other, which stays mere words."""
        if target.startswith("#"):
            return target if target[1:] in self.ids else None
        return target if re.fullmatch(r"https?://[!-;=?-\[\]-z~]+", target) else None


def targets_of(document: Document) -> Targets:
    """Return what the links of a document may lead to."""
    return Targets(frozenset(block.id for block in walk(document)))
