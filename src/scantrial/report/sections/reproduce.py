"""How to run it again: the command, the study file, its versions, the environment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scantrial.core import format as fmt
from scantrial.core.trees import flattened
from scantrial.findings.view import ReportView
from scantrial.prose.methods import has_own
from scantrial.report.document import Bullets, Code, CodeBlock, Details, Paragraph, Section, text
from scantrial.report.sections.parts import blocks, left, right, settings, table


def again(view: ReportView) -> Section:
    """Say how to repeat the study, and what it ran on."""
    source = _source_elsewhere(view)
    how = text(
        "Save the study file below as ",
        Code("study.yaml"),
        "; relative paths in it start from its folder. The same file, scans, versions and threads give "
        "the same numbers on the same machine",
        ", provided that custom classes draw random numbers from PyTorch's generators only."
        if has_own(view.arms)
        else ".",
        *((" PATH is where the scans lie, ", Code(source), " or a copy of it.") if source else ()),
    )
    more = " --set data.source.name=PATH" if source else ""
    commands = f"scantrial run study.yaml --out again{more}\nscantrial report again"
    file = CodeBlock(id="study-file-text", content=view.study_text, language="yaml")
    environment = settings("environment-list", flattened(_of_the_run(view.environment)))
    return Section(
        id="again",
        title="Run it again",
        blocks=blocks(
            [
                Paragraph(id="again-how", content=how),
                *_files(view),
                CodeBlock(id="again-commands", content=commands, language="sh"),
            ],
            [Details(id="study-file", summary="The study file with all defaults", blocks=(file,))],
            _versions(view),
            [Details(id="environment", summary="Environment", blocks=environment)] if environment else [],
        ),
    )


def _files(view: ReportView) -> list[Bullets]:
    """List the files beside the scans that the study needs: of custom networks, and of pretrained weights."""
    code = {name: sha256 for arm in view.arms for name, sha256 in arm.code.items()}
    models = [arm.recipe.model for arm in view.arms]
    weights = {model.weights_file: model.weights_sha256 or "not known" for model in models if model.weights_file}
    needed = [(name, "the module of a network", sha256) for name, sha256 in code.items()]
    needed += [(str(name), "pretrained weights", sha256) for name, sha256 in weights.items()]
    items = tuple(text(Code(name), f", {what}, SHA-256 ", Code(sha256)) for name, what, sha256 in needed)
    return [Bullets(id="again-files", items=items)] if items else []


def _source_elsewhere(view: ReportView) -> str:
    """Return the source's name if it is the last part of a path, whose folders no study folder names; else nothing."""
    about = view.data.about
    name = str(about.get("name", ""))
    # The phantom and what has a title, from the catalogue, are found by their names.
    is_path = "title" not in about and about.get("format", "phantom") != "phantom"
    return name if is_path and "/" not in name else ""


def _of_the_run(environment: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out where the files of the study lay: a report may be handed on."""
    return {name: value for name, value in environment.items() if name not in ("import_paths", "paths_start_above")}


def _versions(view: ReportView) -> tuple[Details, ...]:
    n = len(view.protocol) - 1
    if n < 1:
        return ()
    rows = [
        [
            fmt.moment(str(version.get("at", ""))),
            fmt.cell(version.get("finished_runs", "")),
            str(version.get("change", "")),
            str(version.get("study_sha256", ""))[:12],
        ]
        for version in view.protocol
    ]
    columns = [*left("When"), *right("Runs finished by then"), *left("Change", "SHA-256")]
    inside = table("versions-table", "Versions of the study file that were run", columns, rows)
    summary = f"The study file was changed {fmt.counted(n, 'time')}"
    return (Details(id="versions", summary=summary, blocks=(inside,)),)
