"""The command ``scantrial``. Commands import what they need when they run, so that ``--help`` is quick."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

import typer

from scantrial.cli.ending import accept_every_character, plain_endings
from scantrial.cli.options import (
    Assets,
    Brief,
    Channels,
    Classes,
    Folder,
    FormatOption,
    Frame,
    Ignore,
    Json,
    LabelColumns,
    PathColumn,
    Patient,
    Pilot,
    Range,
    Sets,
    Size,
    SkipUnreadable,
    Split,
    Study,
    Threads,
    TrustCode,
    Verbose,
    Workers,
)
from scantrial.core.memory import refuse_small_address_space
from scantrial.core.names import DeviceName, EngineName

app = typer.Typer(
    name="scantrial",
    help="Controlled trials for biomedical image classifiers: paired seeds, a locked test set, an honest report.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
data_app = typer.Typer(help="Public data sets: list them, fetch one.", invoke_without_command=True)
app.add_typer(data_app, name="data")


@app.command()
def demo(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="The study folder.")] = Path("demo"),
    verbose: Verbose = False,
    as_json: Json = False,
) -> None:
    """Run a small trial on built-in scans: two arms, three seeds, a report, in under a minute."""
    from scantrial.cli import run

    run.run("demo", out=out, verbose=verbose, as_json=as_json)


@app.command()
def init(
    data: Annotated[str, typer.Argument(metavar="DATA", help="Scans: a folder, a file, a data set of the catalogue.")],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="The study file (default: DATA-study.yaml).")
    ] = None,
    path: PathColumn = None,
    label: LabelColumns = None,
    patient: Patient = None,
    range: Range = None,
    frame: Frame = None,
    as_json: Json = False,
) -> None:
    """Look at scans and write a study file that runs, each line with its reason. Nothing is written over."""
    from scantrial.cli import init

    init.init(data, out=out, as_json=as_json, path=path, label=label, patient=patient, range=range, frame=frame)


@app.command()
def run(  # noqa: PLR0913, PLR0917 - the options of the command
    study: Study,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="The study folder (default: STUDY's name).")
    ] = None,
    seeds: Annotated[
        int | None, typer.Option("--seeds", metavar="N", help="Use seeds 0 to N-1, not the file's.")
    ] = None,
    sets: Sets = [],  # noqa: B006 - typer wants a list and makes a new one each time
    workers: Workers = "1",
    threads: Threads = None,
    engine: Annotated[EngineName, typer.Option("--engine", help="The training engine.")] = "auto",
    device: Annotated[DeviceName, typer.Option("--device", help="Where to train.")] = "auto",
    skip_unreadable: SkipUnreadable = False,
    checkpoint_every: Annotated[
        float, typer.Option("--checkpoint-every", metavar="S", help="Seconds between checkpoints; 0 means every epoch.")
    ] = 60.0,
    reuse: Annotated[
        list[Path],
        typer.Option(
            "--reuse", metavar="DIR", help="Copy equal finished runs from this study folder instead of training them."
        ),
    ] = [],  # noqa: B006 - as above
    trust_code: TrustCode = False,
    verbose: Verbose = False,
    as_json: Json = False,
) -> None:
    """Train the missing runs of a study and write the report. Unfinished runs are resumed."""
    from scantrial.cli import run

    run.run(
        study,
        out=out,
        seeds=seeds,
        sets=[*sets, *(["data.skip_unreadable=true"] if skip_unreadable else [])],
        workers=int(workers) if workers.isdecimal() and len(workers) < 10 else workers,
        threads=threads,
        engine=engine,
        device=device,
        checkpoint_every_s=checkpoint_every,
        reuse=reuse,
        trust_code=trust_code,
        verbose=verbose,
        as_json=as_json,
    )


@app.command()
def plan(  # noqa: PLR0913, PLR0917 - the options of the command
    study: Study,
    pilot: Pilot = None,
    seeds: Annotated[int | None, typer.Option("--seeds", metavar="N", help="Plan with N seeds.")] = None,
    n_cases: Annotated[int | None, typer.Option("--n-cases", metavar="N", help="Plan with N test cases.")] = None,
    sets: Sets = [],  # noqa: B006 - typer wants a list and makes a new one each time
    difference: Annotated[
        float | None,
        typer.Option("--difference", metavar="D", help="The true difference to detect (default: the margin)."),
    ] = None,
    value: Annotated[float | None, typer.Option("--value", metavar="P", help="Assumed value of the metric.")] = None,
    disagreement: Annotated[
        float | None,
        typer.Option(
            "--disagreement", metavar="P", help="Assumed share of cases that only one of two arms gets right."
        ),
    ] = None,
    correlation: Annotated[
        float | None, typer.Option("--correlation", metavar="R", help="Assumed correlation of two arms' AUROC.")
    ] = None,
    sd_training: Annotated[
        float | None, typer.Option("--sd-training", metavar="P", help="Assumed standard deviation over seeds.")
    ] = None,
    shared: Annotated[
        float | None,
        typer.Option(
            "--shared",
            metavar="P",
            help="Assumed part of the disagreement that remains when both arms are trained again.",
        ),
    ] = None,
    time: Annotated[bool, typer.Option("--time", help="Train two epochs of each recipe to estimate the time.")] = False,
    trust_code: TrustCode = False,
    as_json: Json = False,
) -> None:
    """Show, before any training, what a study can detect and how long it takes."""
    from scantrial.cli import plan

    plan.plan(
        study,
        pilot=pilot,
        seeds=seeds,
        n_cases=n_cases,
        sets=sets,
        difference=difference,
        value=value,
        disagreement=disagreement,
        correlation=correlation,
        sd_training=sd_training,
        shared=shared,
        measure=time,
        trust_code=trust_code,
        as_json=as_json,
    )


@app.command()
def about(
    study: Study,
    folder: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Write the answers into this study folder.")
    ] = None,
    as_json: Json = False,
) -> None:
    """List the questions that only the author can answer, with the answers given; --out writes these into a study."""
    from scantrial.cli import about

    about.about(study, folder=folder, as_json=as_json)


@app.command()
def audit(  # noqa: PLR0913, PLR0917 - the options of the command
    data: Annotated[
        str,
        typer.Argument(metavar="DATA", help="Scans (folder, file, data set), a study file or name, a study folder."),
    ],
    path: PathColumn = None,
    label: LabelColumns = None,
    patient: Patient = None,
    split: Split = None,
    size: Size = None,
    channels: Channels = None,
    range: Range = None,
    frame: Frame = None,
    classes: Classes = None,
    ignore: Ignore = [],  # noqa: B006 - typer wants a list and makes a new one each time
    skip_unreadable: SkipUnreadable = False,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Also write a page with pictures.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Check the scans for leakage, duplicates, shift, shortcuts and wrong labels."""
    from scantrial.cli import audit

    audit.audit(
        data,
        path=path,
        label=label,
        patient=patient,
        split=split,
        size=size,
        channels=channels,
        range=range,
        frame=frame,
        classes=classes,
        ignore=ignore,
        skip_unreadable=skip_unreadable,
        html=html,
        as_json=as_json,
    )


@app.command()
def status(folder: Folder, as_json: Json = False) -> None:
    """Show what is finished, running and waiting, and the time left."""
    from scantrial.cli import status

    status.status(folder, as_json=as_json)


@app.command()
def verify(folder: Folder, as_json: Json = False) -> None:
    """Check that a study folder is what was written, and name what is not checked. Exit code 1 if a file is not."""
    from scantrial.cli import verify

    verify.verify(folder, as_json=as_json)


@app.command()
def show(  # noqa: PLR0913, PLR0917 - the options of the command
    folder: Folder,
    case: Annotated[
        str | None,
        typer.Option("--case", metavar="K|NAME", help="Case number, as in the report, or the name of the scan's file."),
    ] = None,
    augmented: Annotated[
        bool, typer.Option("--augmented", help="Instead: draw training scans as augmentation changes them.")
    ] = False,
    files: Annotated[
        bool, typer.Option("--files", help="Instead: print which file each case is, or the one of --case.")
    ] = False,
    arm: Annotated[str | None, typer.Option("--arm", metavar="A", help="Only this arm.")] = None,
    seed: Annotated[int | None, typer.Option("--seed", metavar="S", help="Only this seed.")] = None,
    n: Annotated[int, typer.Option("--n", metavar="N", min=1, max=64, help="Scans for --augmented.")] = 8,
    png: Annotated[
        Path | None,
        typer.Option("--png", metavar="FILE", help="Also draw it to a PNG file (--augmented: augmented-ARM.png)."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Show one scan under every arm: probability, decision, right or wrong."""
    from scantrial.cli import show

    if augmented + files > 1 or (not files and (case is None) != augmented):
        raise typer.BadParameter("give one of --case K, --case NAME, --augmented and --files")
    chosen = int(case) if case is not None and re.fullmatch("-?[0-9]{1,18}", case) else case
    if files:
        show.show_files(folder, chosen, as_json=as_json)
    elif chosen is None:
        show.show_augmented(folder, arm=arm, seed=seed, n=n, png=png, as_json=as_json)
    else:
        show.show(folder, chosen, arm=arm, seed=seed, png=png, as_json=as_json)


@app.command()
def report(
    folder: Folder,
    formats: Annotated[
        list[FormatOption] | None,
        typer.Option("--format", help="Report format (default: html); can be given several times.", show_default=False),
    ] = None,
    assets: Assets = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="The folder to write it to (default: DIR/report).")
    ] = None,
    brief: Brief = False,
    as_json: Json = False,
) -> None:
    """Write the report from the study folder alone."""
    from scantrial.cli import report

    asked = dict.fromkeys(formats or [FormatOption.html])
    every = [choice.value for choice in FormatOption if choice is not FormatOption.all]
    names = every if FormatOption.all in asked else [choice.value for choice in asked]
    report.report(folder, formats=names, assets=assets, out_folder=out, brief=brief, as_json=as_json)


@app.command()
def serve(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A study folder, or a folder of study folders.")],
    port: Annotated[
        int | None,
        typer.Option("--port", metavar="N", min=1, max=65535, help="The port (default: a free one near 8765)."),
    ] = None,
    host: Annotated[str, typer.Option("--host", metavar="H", help="The address to bind to.")] = "127.0.0.1",
    allow_remote: Annotated[
        bool, typer.Option("--allow-remote", help="Accept requests from other machines; they need the token too.")
    ] = False,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the address in a browser.")] = True,
    as_json: Json = False,
) -> None:
    """Show studies in a browser, live: progress, curves, results, every case. Read-only; Ctrl-C stops it."""
    from scantrial.cli import serve

    serve.serve(folder, host=host, port=port, allow_remote=allow_remote, open_browser=browser, as_json=as_json)


@app.command()
def compare(  # noqa: PLR0913, PLR0917 - the options of the command
    folder: Annotated[Path | None, typer.Argument(metavar="DIR", help="A study folder.", show_default=False)] = None,
    predictions: Annotated[
        Path | None,
        typer.Option("--predictions", metavar="FILE", help="Predictions of any framework: CSV or Parquet."),
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option(
            "--metric", metavar="NAME", help="The metric, such as auroc or f1 (default: the study's, or accuracy)."
        ),
    ] = None,
    margin: Annotated[
        float | None, typer.Option("--margin", metavar="X", help="The smallest difference that matters: 0.02.")
    ] = None,
    control: Annotated[
        str | None, typer.Option("--control", metavar="ARM", help="Compare every other arm with this one.")
    ] = None,
    pairs: Annotated[
        Literal["all", "control"] | None,
        typer.Option("--pairs", help="Which pairs to compare (default: all, or each arm with the control)."),
    ] = None,
    level: Annotated[float, typer.Option("--level", metavar="X", help="Confidence level.")] = 0.95,
    split: Annotated[Literal["train", "val", "test"], typer.Option("--split", help="The split to evaluate.")] = "test",
    threshold: Annotated[
        float | None, typer.Option("--threshold", metavar="X", help="Scores above it are positive (default: 0.5).")
    ] = None,
    threshold_rule: Annotated[
        Literal["sensitivity", "youden"] | None,
        typer.Option("--threshold-rule", help="Choose the threshold of each run on validation rows."),
    ] = None,
    target_sensitivity: Annotated[
        float | None,
        typer.Option("--target-sensitivity", metavar="X", help="Target of the rule sensitivity (default: 0.9)."),
    ] = None,
    positive: Annotated[
        str | None,
        typer.Option("--positive", metavar="NAME", help="The class that the scores are for."),
    ] = None,
    bootstrap: Annotated[
        bool | None,
        typer.Option(
            "--bootstrap/--no-bootstrap", help="Cross-check by a crossed bootstrap (default: if it is quick)."
        ),
    ] = None,
    class_counts_fixed: Annotated[
        bool,
        typer.Option("--class-counts-fixed", help="The design fixed the number of cases of each class."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Compare arms: intervals over seeds and cases, verdicts in words. Takes a study folder or predictions."""
    from scantrial.cli import compare

    compare.compare(
        folder,
        predictions,
        metric=metric,
        margin=margin,
        control=control,
        pairs=pairs,
        level=level,
        split=split,
        threshold=threshold,
        threshold_rule=threshold_rule,
        target_sensitivity=target_sensitivity,
        positive=positive,
        bootstrap=bootstrap,
        class_counts_fixed=class_counts_fixed,
        as_json=as_json,
    )


@app.command()
def predict(
    model: Annotated[Path, typer.Argument(metavar="RUN_DIR", help="DIR/runs/ARM/seed-S, or DIR/runs/ARM: their mean.")],
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Image files, folders or archives of them, tables, arrays.")
    ],
    trust_code: TrustCode = False,
    as_json: Json = False,
) -> None:
    """Classify new image files with a trained network."""
    from scantrial.cli import predict

    predict.predict(model, files, trust_code=trust_code, as_json=as_json)


@app.command()
def studies(as_json: Json = False) -> None:
    """List the built-in studies."""
    from scantrial.cli import listing

    listing.studies(as_json=as_json)


@app.command()
def schema(as_json: Json = False) -> None:  # noqa: ARG001 - the schema is JSON either way
    """Print the JSON Schema of study files, for editors."""
    from scantrial.cli import listing

    listing.schema()


@app.command()
def env(as_json: Json = False) -> None:
    """Show versions, cores, devices and engines."""
    from scantrial.cli import listing

    listing.env(as_json=as_json)


@data_app.callback()
def data(context: typer.Context, as_json: Json = False) -> None:
    """Public data sets: list them, fetch one."""
    if context.invoked_subcommand is None:
        data_list(as_json=as_json)
    elif as_json:
        raise typer.BadParameter(f"put --json after {context.invoked_subcommand}")


@data_app.command("list")
def data_list(as_json: Json = False) -> None:
    """List the public data sets, and which of them are downloaded."""
    from scantrial.cli import listing

    listing.data_sets(as_json=as_json)


@data_app.command("fetch")
def data_fetch(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A data set of `scantrial data list`.")],
    as_json: Json = False,
) -> None:
    """Download a public data set into the cache; an interrupted download is resumed."""
    from scantrial.cli import listing

    listing.fetch(name, as_json=as_json)


@app.callback(invoke_without_command=True)
def _top(version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False) -> None:
    if version:
        from scantrial import __version__

        typer.echo(f"scantrial {__version__}")
        raise typer.Exit


def main() -> None:
    """Run the command line; every error ends in a message, not in a traceback."""
    accept_every_character()
    with plain_endings():
        refuse_small_address_space()
        app()


if __name__ == "__main__":
    main()
