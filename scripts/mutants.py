"""Try mutants of the modules that decide a verdict, and print what the tests let pass. What ``make mutate`` runs.

    python scripts/mutants.py [--jobs N] [--only-print] [MODULE...]

A mutant is one small change of the code, such as ``<=`` for ``<``. mutmut makes them and runs the tests that reach the
changed function; where none fails, the mutant survives. Afterwards: a table by module, and each survivor's change. The
modules and tests are those of ``[tool.mutmut]`` in pyproject.toml, the folder is ``mutants``.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MUTMUT = Path(sys.executable).with_name("mutmut")
KILLED = ("killed", "segfault")


def modules() -> list[str]:
    """Return the names of the modules that are mutated."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["mutmut"]
    return [Path(path).stem for path in settings["only_mutate"]]


def statuses(words: str) -> dict[str, str]:
    """Read what ``mutmut results --all`` prints: the status of each mutant, by name."""
    return dict(re.findall(r"^ *(\S+__mutmut_\d+): (.+?) *$", words, flags=re.MULTILINE))


def table(found: Mapping[str, str], names: Iterable[str]) -> list[str]:
    """Return a table in Markdown with a row for each module of which a mutant was tried."""
    lines = [
        "| module | mutants | killed | timed out | survived | not tried |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name in names:
        count = Counter(status for mutant, status in found.items() if module_of(mutant) == name)
        killed, late, left = sum(count[word] for word in KILLED), count["timeout"], count["not checked"]
        if count.total() > left:
            others = count.total() - killed - late - left
            lines.append(f"| `{name}` | {count.total()} | {killed} | {late} | {others} | {left} |")
    return lines


def survivors(found: Mapping[str, str], names: Iterable[str]) -> list[str]:
    """Return the mutants that no test failed on, those that no test reaches among them."""
    chosen = set(names)
    passed = (*KILLED, "timeout", "not checked")
    return [mutant for mutant, status in found.items() if module_of(mutant) in chosen and status not in passed]


def module_of(mutant: str) -> str:
    """Return the module of a mutant such as ``scantrial.analysis.mrmc.x_infer__mutmut_1``."""
    return mutant.split(".")[2]


def _mutmut(*words: str) -> str:
    return subprocess.run([MUTMUT, *words], cwd=ROOT, capture_output=True, text=True, check=True).stdout


def _change(mutant: str) -> str:
    lines = _mutmut("show", mutant).splitlines()
    return "\n".join(line for line in lines if re.match(r"[-+](?![-+])", line))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run mutmut, then print the table and the survivors."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "names", nargs="*", metavar="MODULE", help="try all mutants of these; default: those not tried yet"
    )
    parser.add_argument("--jobs", type=int, default=2, help="how many processes, default 2")
    parser.add_argument("--only-print", action="store_true", help="run nothing")
    options = parser.parse_args(arguments)
    unknown = sorted(set(options.names) - set(modules()))
    if unknown:
        parser.error(f"no module {', '.join(unknown)}; expected some of {', '.join(modules())}")
    if not options.only_print:
        # A test that was removed would stay, and one that was changed would be run for the functions it reached before.
        shutil.rmtree(ROOT / "mutants" / "tests", ignore_errors=True)
        (ROOT / "mutants" / "mutmut-stats.json").unlink(missing_ok=True)
        patterns = [f"scantrial.analysis.{name}.*" for name in options.names]
        subprocess.run([MUTMUT, "run", "--max-children", str(options.jobs), *patterns], cwd=ROOT, check=True)
    found = statuses(_mutmut("results", "--all", "true"))
    names = options.names or modules()
    print("\n".join(table(found, names)))
    for mutant in survivors(found, names):
        print(f"\n{mutant}: {found[mutant]}\n{_change(mutant)}")


if __name__ == "__main__":
    main()
