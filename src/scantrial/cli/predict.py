"""``predict``: a trained network on new files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from scantrial import api
from scantrial.cli.output import out, print_json, print_table, say, say_trust
from scantrial.core.errors import first_of_a_kind
from scantrial.data.left_out import left_out_items


def predict(model: Path, files: Sequence[Path], *, trust_code: bool, as_json: bool) -> None:
    """Print class and probabilities of each file."""
    judged = api.predict(model, files, trust_code=trust_code, on_trust=say_trust)
    if as_json:
        print_json(judged.to_dict())
        return
    table = Table("file", "class", *(f"p {name}" for name in judged.class_names), box=None, padding=(0, 2, 0, 0))
    for row in judged.rows:
        table.add_row(row.file, row.predicted_class, *(f"{p:.4f}" for p in row.y_prob))
    print_table(table)
    if judged.left_out:
        say(f"Left out: {'; '.join(first_of_a_kind(left_out_items(judged.left_out), alike=True))}.", console=out)
    for note in judged.notes:
        say(f"{note}.", console=out)
    out.print(f"model: {judged.identity}")
