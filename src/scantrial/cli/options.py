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
Assets = Annotated[
    Path | None,
    typer.Option("--assets", metavar="DIR", help="Also write every figure and table there, as files for a paper."),
]
Brief = Annotated[
    bool, typer.Option("--brief", help="The first page alone: answer, arms, weaknesses. As PDF one sheet.")
]
Folder = Annotated[Path, typer.Argument(metavar="DIR", help="A study folder.")]
Study = Annotated[str, typer.Argument(metavar="STUDY", help="A study file, or a built-in study's name.")]
Sets = Annotated[
    list[str], typer.Option("--set", metavar="KEY=VALUE", help="Change a key of the study file: recipe.epochs=2")
]
Ignore = Annotated[
    list[str], typer.Option("--ignore", metavar="PATTERN", help="Files that are no scans: '*_mask.png'; repeatable.")
]
SkipUnreadable = Annotated[
    bool, typer.Option("--skip-unreadable", help="Leave out scans that cannot be read; the report counts them.")
]
TrustCode = Annotated[
    bool,
    typer.Option(
        "--trust-code",
        help="Import the study's own networks. Their files, and those beside them that they import, are printed.",
    ),
]
Pilot = Annotated[
    Path | None,
    typer.Option("--pilot", metavar="DIR", help="A study folder whose measurements replace the assumptions."),
]
Workers = Annotated[
    str,
    typer.Option("--workers", metavar="N|auto", help="Runs trained at the same time; auto measures what is fastest."),
]
Threads = Annotated[
    int | None,
    typer.Option(
        "--threads", metavar="N", help="Threads of each run (default: the cores are divided among the workers)."
    ),
]
PathColumn = Annotated[
    str | None, typer.Option("--path", metavar="COLUMN", help="Of a table: the column of the scans' files or ids.")
]
LabelColumns = Annotated[
    str | None,
    typer.Option("--label", metavar="COLUMN[,...]", help="Of a table: the column of labels, or several of 0 and 1."),
]
Patient = Annotated[
    str | None,
    typer.Option(
        "--patient",
        metavar="COLUMN|folder|REGEX",
        help="The patient: a column, the folder, or a pattern for a file's name: '(p[0-9]+)_'",
    ),
]
Range = Annotated[
    str | None, typer.Option("--range", metavar="[LOW,HIGH]", help="Values that are black and white, such as '[0, 1]'.")
]
Frame = Annotated[
    str | None, typer.Option("--frame", metavar="N|all", help="Of volumes: one frame or slice, from 0, or all.")
]
Split = Annotated[
    str | None,
    typer.Option("--split", metavar="YAML", help="The split, as data.split in a study: '{test: given, val: 0.2}'"),
]
Size = Annotated[
    str | None, typer.Option("--size", metavar="N", help="Bring scans to N x N pixels; '[height, width]' for two.")
]
Channels = Annotated[str | None, typer.Option("--channels", metavar="1|3", help="Read gray (1) or RGB (3).")]
Classes = Annotated[
    str | None,
    typer.Option("--classes", metavar="NAMES", help="Classes in their order, the positive one last: 'normal,ill'"),
]
