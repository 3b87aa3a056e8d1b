"""The methods as a text to copy into a paper, with the sources it cites."""

from __future__ import annotations

from scantrial.findings.view import ReportView
from scantrial.prose.methods import methods_text as methods_of
from scantrial.prose.methods import ran
from scantrial.prose.references import numbered_references
from scantrial.recipe.facts import not_known
from scantrial.report.document import Bullets, Pairs, Section, text
from scantrial.report.sections.parts import blocks, paragraph


def methods(view: ReportView) -> Section:
    """Print what ran, step by step, and list what was cited."""
    found = methods_of(view)
    written, sources = numbered_references([said for _, said in found.values()])
    steps = [
        Pairs(id=f"methods-{name}", items=((title, text(said)),))
        for (name, (title, _)), said in zip(found.items(), written, strict=True)
    ]
    listed = Bullets(id="references", items=tuple(text(one.to_text()) for one in sources), ordered=True)
    lead = "Written from what ran, ready to copy; steps that did not run are left out."
    return Section(
        id="methods",
        title="Methods",
        blocks=blocks(
            paragraph("methods-lead", lead, "small"),
            steps,
            [Section(id="sources", title="References", blocks=(listed,))] if sources else [],
        ),
    )


def partly_known(view: ReportView) -> frozenset[str]:
    """Return the ids of those steps which say that something is not known, such as what a custom class does."""
    return frozenset(f"methods-{name}" for name in not_known(arm.recipe for arm in ran(view)))
