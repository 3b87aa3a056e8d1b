"""Run the two homework reports again, and write every number beside the printed one.

    python examples/replication/replicate.py [--out replication] [--seeds N] [--studies NAME ...] [--no-run]

Each built-in study is run by the public command line, which goes on where it was stopped; then the document is written
from the study folders. With ``--no-run`` only the document is written, from the folders that are there. Exit code 0
if every asked study is complete, 1 if anything failed or is missing (the document names it), 2 if something given is
wrong.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from replicating.document import Problem, Replication, folder_problems, write_document
from replicating.reports import Reports, read_reports
from replicating.runs import StudyView, view_study
from scantrial.core.errors import InputError, ScantrialError
from scantrial.core.files import write_atomic
from scantrial.core.names import listed

ROOT = Path(__file__).resolve().parents[2]

INTERRUPTED = 130


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What was asked for.

    Parameters
    ----------
    out : folder with one study folder for each study
    seeds : of every arm; None is ten for report A's two losses, whose difference is the smallest, and five for the rest
    studies : names, in the order of the reports' file
    run : whether to train, or only to write the document
    """

    out: Path
    seeds: int | None
    studies: tuple[str, ...]
    run: bool
    document: Path


SEEDS = {"report-a-loss": 10}
OTHER_SEEDS = 5

Runner = Callable[[Sequence[str]], int]
"""Carries out a command and returns its exit code."""


def run_command(command: Sequence[str]) -> int:
    """Run a command with our own output; return its exit code."""
    return subprocess.run(command, check=False).returncode


def study_command(name: str, options: Options) -> list[str]:
    """Return the public command that runs one study."""
    target, seeds = str(options.out / name), options.seeds or SEEDS.get(name, OTHER_SEEDS)
    return [sys.executable, "-m", "scantrial", "run", name, "--out", target, "--seeds", str(seeds)]


def run_studies(options: Options, runner: Runner = run_command) -> list[Problem]:
    """Run every asked study; one that fails is noted and the others go on."""
    problems = []
    for name in options.studies:
        print(f"== {name}", file=sys.stderr, flush=True)
        code = runner(study_command(name, options))
        if code != 0:
            problems.append(Problem(study=name, message=f"`scantrial run` ended with code {code}"))
    return problems


def collect(reports: Reports, options: Options, problems: Sequence[Problem]) -> Replication:
    """Open every study folder that is there, and note what is missing."""
    views: list[StudyView] = []
    found = list(problems)
    for study in reports.studies:
        path = options.out / study.name
        if not path.is_dir() and study.name not in options.studies:
            continue
        try:
            view = view_study(study, path)
            found += folder_problems(view)
            views += [view] if view.runs else []
        except ScantrialError as error:
            found.append(Problem(study=study.name, message=str(error)))
    command = "make replicate"
    if any(view.n_seeds != SEEDS.get(view.reported.name, OTHER_SEEDS) for view in views) or not views:
        seeds = max((view.n_seeds for view in views), default=options.seeds or OTHER_SEEDS)
        command = f"python examples/replication/replicate.py --seeds {seeds}"
    return Replication(reports=reports, views=tuple(views), problems=tuple(found), command=command)


def parse(arguments: Sequence[str] | None, reports: Reports) -> Options:
    """Read the command line.

    Raises
    ------
    InputError
        If a study is unknown or the number of seeds is below 1.
    """
    names = tuple(study.name for study in reports.studies)
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--out", type=Path, default=Path("replication"), metavar="DIR", help="the study folders' folder"
    )
    parser.add_argument(
        "--seeds", type=int, metavar="N", help="seeds of every arm, default: 5, and 10 for report-a-loss"
    )
    parser.add_argument("--studies", nargs="+", default=names, metavar="NAME", help=f"only these of {listed(names)}")
    parser.add_argument("--no-run", action="store_true", help="only write the document")
    parser.add_argument(
        "--document", type=Path, default=ROOT / "docs" / "replication.md", metavar="FILE", help="the page"
    )
    given = parser.parse_args(arguments)
    unknown = [name for name in given.studies if name not in names]
    if unknown:
        raise InputError(f"no study of the reports is called {listed(unknown)}", expected=f"some of {listed(names)}")
    if given.seeds is not None and given.seeds < 1:
        raise InputError(f"--seeds {given.seeds}", expected="1 or more")
    asked = tuple(name for name in names if name in given.studies)
    return Options(out=given.out, seeds=given.seeds, studies=asked, run=not given.no_run, document=given.document)


def replicate(arguments: Sequence[str] | None = None, runner: Runner = run_command) -> int:
    """Run what is asked for, write the document, and return the exit code."""
    reports = read_reports(ROOT / "docs" / "data" / "reports.yaml")
    options = parse(arguments, reports)
    problems = run_studies(options, runner) if options.run else []
    replication = collect(reports, options, problems)
    write_atomic(options.document, write_document(replication))
    print(options.document)
    for problem in replication.problems:
        print(f"{problem.study}: {problem.message}", file=sys.stderr)
    return 1 if any(problem.failed for problem in replication.problems) else 0


def main() -> int:
    """Do it from a terminal: no traceback for what the user can mend."""
    try:
        return replicate()
    except ScantrialError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("stopped; the same command goes on from here", file=sys.stderr)
        return INTERRUPTED


if __name__ == "__main__":
    raise SystemExit(main())
