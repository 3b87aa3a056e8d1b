"""How grave a note is, in a word: colour alone would not reach everybody."""

from __future__ import annotations

from scantrial.report.document import Note, Severity

SEVERITIES: dict[Severity, str] = {"blocker": "Blocker", "warning": "Warning", "note": "Note"}


def severity_label(note: Note) -> str:
    """Return what to print before a note's title: ``Warning: ``; nothing where the title begins with that word."""
    word = SEVERITIES[note.severity]
    return "" if note.title.startswith(word) else f"{word}: "
