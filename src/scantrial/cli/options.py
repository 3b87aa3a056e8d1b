"""Arguments and options that several commands share."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class FormatOption(StrEnum):
    """Report formats."""

    html = "html"
    pdf = "pdf"
    md = "md"
    all = "all"


Json = Annotated[bool, typer.Option("--json", help="Print everything as JSON, with unrounded numbers.")]
Verbose = Annotated[bool, typer.Option("--verbose", help="Print everything that the curves and the gaps show.")]
Folder = Annotated[Path, typer.Argument(metavar="DIR", help="A study folder.")]
Study = Annotated[str, typer.Argument(metavar="STUDY", help="A study file, or a built-in study's name.")]
Sets = Annotated[
    list[str], typer.Option("--set", metavar="KEY=VALUE", help="Change a key of the study file: recipe.epochs=2")
]
Ignore = Annotated[
    list[str], typer.Option("--ignore", metavar="PATTERN", help="Files that are no scans: '*_mask.png'; repeatable.")
]
TrustCode = Annotated[
    bool,
    typer.Option(
        "--trust-code",
        help="Import the study's own networks. Their files, and those beside them that they import, are printed.",
    ),
]
