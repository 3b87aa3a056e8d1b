"""The files around the code say what is so."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("*.md"))
PAGES = sorted({*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "tests" / "README.md"})
HEADINGS = ["Context", "Options", "Decision", "Consequences", "How we will know it was wrong"]


def pins() -> dict[str, str]:
    """Return the pinned versions by normalised name."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pairs = (line.split("==") for line in lines if line and not line.startswith("#"))
    return {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in pairs}


def makefile_targets() -> set[str]:
    return set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))


def test_everything_that_is_installed_is_pinned():
    """Every requirement of every extra and group has a version in constraints.txt, a plain public one."""
    project = PROJECT["project"]
    groups = [item for group in PROJECT["dependency-groups"].values() for item in group if isinstance(item, str)]
    extras = [item for extra in project["optional-dependencies"].values() for item in extra]
    wanted = [*project["dependencies"], *extras, *groups, *PROJECT["build-system"]["requires"], "pip"]
    names = {re.sub(r"[-_.]+", "-", re.split(r"[^A-Za-z0-9._-]", item)[0]).lower() for item in wanted}
    assert names <= pins().keys()
    assert all(re.fullmatch(r"[0-9.]+(post[0-9]+)?", version) for version in pins().values())
    assert pins()["torch"] == "2.13.0"


def test_make_env_installs_every_extra_and_every_group():
    """What pyproject.toml offers is what a checkout gets."""
    extras = re.search(r"^EXTRAS := (.*)$", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    assert extras is not None
    assert set(extras[1].split(",")) == PROJECT["project"]["optional-dependencies"].keys()
    included = {item["include-group"] for item in PROJECT["dependency-groups"]["dev"]}
    assert included == PROJECT["dependency-groups"].keys() - {"dev"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_and_make_targets_exist(page: Path):
    """No page sends its reader nowhere."""
    text = page.read_text(encoding="utf-8")
    links = [link.split("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text)]
    missing = [link for link in links if link and "://" not in link and not (page.parent / link).exists()]
    assert missing == []
    assert set(re.findall(r"`make ([a-z]+)`", text)) <= makefile_targets()


@pytest.mark.parametrize("record", DECISIONS, ids=lambda record: record.stem)
def test_a_decision_is_whole_and_short(record: Path):
    """Status, all five headings in their order, at most forty lines."""
    text = record.read_text(encoding="utf-8")
    assert re.match(rf"# {int(record.stem[:4])}\. \S.*\n\nStatus: (accepted|superseded by \d{{4}})", text)
    assert re.findall(r"^## (.*)$", text, flags=re.MULTILINE) == HEADINGS
    assert len(text.splitlines()) <= 40


def test_decisions_are_numbered_without_gaps():
    """One number, one decision."""
    assert [int(record.stem[:4]) for record in DECISIONS] == list(range(1, len(DECISIONS) + 1))


def test_the_codemap_names_every_folder():
    """docs/architecture.md has a row for each folder of the package, and none for what is not there."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = set(re.findall(r"^\| `([a-z_]+)/`", text, flags=re.MULTILINE))
    package = ROOT / "src" / "scantrial"
    assert rows == {path.name for path in package.iterdir() if any(path.glob("*.py")) or any(path.glob("*.yaml"))}


def test_contributing_is_short():
    """At most 150 lines, so that it is read."""
    assert len((ROOT / "CONTRIBUTING.md").read_text().splitlines()) <= 150


class TestSize:
    """`scripts/size.py`."""

    def run(self, root: Path) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(ROOT / "scripts" / "size.py"), str(root)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def test_counts_bodies_without_docstrings(self, tmp_path: Path):
        """A body of three lines below a docstring of four counts three; ``self`` is no parameter."""
        (tmp_path / "src").mkdir()
        (tmp_path / "src" / "a.py").write_text(
            'class A:\n    def f(self, x: int, y) -> int:\n        """One.\n\n        Two.\n        """\n'
            "        z = x\n\n        return z\n\n\ndef _private():\n    pass\n"
        )
        (tmp_path / "src" / "only_words.py").write_text('"""Nothing."""\n')
        lines = dict(re.split(r"  +", line) for line in self.run(tmp_path).stdout.splitlines())
        assert lines["modules, functions, lines"] == "1, 2, 13"
        assert lines["function body: median / p90 / p99 / max"] == "3 / 3 / 3 / 3"
        assert lines["public functions with docstring"] == "100 %"
        assert lines["parameters annotated"] == "50 %"
        assert lines["parameters: max"] == "2"

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("def f():\n" + "    x = 1\n" * 81, "f has 81 lines, at most 80"),
            ("x = 1\n" * 601, "601 lines, at most 600"),
            ("def f(a, b, c, d, e, g, h, *, i, j): pass\n", "f takes 9 parameters, at most 8"),
        ],
    )
    def test_a_broken_budget_fails(self, tmp_path: Path, text: str, said: str):
        """Exit code 1, and the place is named."""
        (tmp_path / "src").mkdir()
        (tmp_path / "src" / "a.py").write_text(text)
        result = self.run(tmp_path)
        assert result.returncode == 1
        assert said in result.stderr
        assert "a.py" in result.stderr

    def test_at_the_budget_is_within_it(self, tmp_path: Path):
        """Eighty lines and eight parameters pass, and so does a function that says why it takes more."""
        (tmp_path / "src").mkdir()
        (tmp_path / "src" / "a.py").write_text(
            "def f(a, b, c, d, e, g, h, i):\n"
            + "    x = 1\n" * 80
            + "def g(a, b, c, d, e, g, h, i, j):  # noqa: PLR0913\n    pass\n"
        )
        assert self.run(tmp_path).returncode == 0
