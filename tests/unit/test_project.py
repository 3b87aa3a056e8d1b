"""The files around the code say what is so."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import lock
import sbom
import size
import size_page

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCKS, WORKFLOWS = ROOT / "locks", sorted((ROOT / ".github" / "workflows").iterdir())
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


def lock_entries(name: str) -> dict[str, str]:
    """Return the entry of each package in a lock file."""
    text = "\n" + (LOCKS / f"{name}.txt").read_text()
    return {entry.partition("==")[0]: entry for entry in re.split(r"\n(?=[A-Za-z0-9])", text)[1:]}


def test_make_env_installs_every_extra_and_every_group():
    """What pyproject.toml offers is what a checkout gets, but for tools that their targets install."""
    included = {item["include-group"] for item in PROJECT["dependency-groups"]["dev"]}
    assert included == PROJECT["dependency-groups"].keys() - {"dev", "mutate", "release"}
    assert set(lock.EXTRAS) == PROJECT["project"]["optional-dependencies"].keys()
    assert lock.GROUPS["env"] == ("dev",)
    makefile = (ROOT / "Makefile").read_text()
    for name in ("env", "built", "torch", "torch-cpu", "mutate", "release"):
        assert f"--requirement locks/{name}.txt" in makefile


def test_every_pin_is_locked_by_hashes():
    """The locks hold the pinned versions and no others, each entry with hashes, and name no host."""
    locked = {}
    for name in ("env", "built", "torch", "build", "mutate", "release"):
        for package, entry in lock_entries(name).items():
            assert re.search(r"\n    --hash=sha256:[0-9a-f]{64}( \\)?(\n|$)", entry), entry
            locked[package] = re.split(r"[ ;\\]", entry.partition("==")[2])[0]
    assert {name: version for name, version in locked.items() if not lock.OF_CUDA.match(name)} == pins()
    assert lock_entries("torch-cpu")["torch"].startswith(f"torch=={pins()['torch']}+cpu \\\n    --hash=sha256:")
    assert {"jax", "lightning", "optax"} <= lock_entries("peers").keys()
    for path in LOCKS.iterdir():
        entries = lock_entries(path.stem)
        assert "://" not in path.read_text()
        assert all("\n    --hash=sha256:" in entry for entry in entries.values()), path


def test_make_installs_by_hash_alone():
    """Each call of pip asks for hashes, but that for scantrial itself."""
    calls = [line for line in (ROOT / "Makefile").read_text().splitlines() if re.search(r"pip install|\$\(PIP\)", line)]
    assert calls == [
        "PIP := pip install --quiet --disable-pip-version-check --no-deps",
        "HASHED := $(PIP) --require-hashes",
        "\t$(PY) -m $(PIP) --no-build-isolation --editable .",
    ]


def test_the_bill_of_materials_holds_what_scantrial_runs_on():
    """All that the installed packages ask for is locked; tools of developers are left out."""
    names = sbom.needed("scantrial", frozenset({"nets", "pdf", "train", "web"}), set()) - {"scantrial"}
    assert {"numpy", "pyarrow", "torch", "typst", "uvicorn", "jinja2"} <= names <= sbom.locked().keys()
    assert not {"pytest", "ruff", "mkdocs"} & names


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_may_do_little(workflow: Path):
    """Actions are pinned by commit with their version beside it; no permission by default, and no secret."""
    text = workflow.read_text()
    used = re.findall(r"uses: (.*)", text)
    assert used
    assert all(re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", use) for use in used), used
    assert "\npermissions: {}\n" in text
    assert "secrets." not in text
    assert "pull_request_target" not in text
    assert text.count("persist-credentials: false") == sum("actions/checkout" in use for use in used)


def test_a_workflow_tests_every_python_from_the_least_on():
    """From the one that pyproject.toml asks for, without a gap."""
    tested = sorted(map(int, re.findall(r'"3\.(\d+)"', (ROOT / ".github" / "workflows" / "check.yml").read_text())))
    assert f">=3.{tested[0]}" == PROJECT["project"]["requires-python"]
    assert tested == list(range(tested[0], tested[-1] + 1))
    assert tested[-1] >= 14


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
        assert lines["lines of code"] == "6"

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("def f():\n" + "    x = 1\n" * 61, "f has 61 lines, at most 60"),
            ("x = 1\n" * 501, "501 lines, at most 500"),
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
        """Sixty lines and eight parameters pass, and so does a function that says why it takes more."""
        (tmp_path / "src").mkdir()
        (tmp_path / "src" / "a.py").write_text(
            "def f(a, b, c, d, e, g, h, i):\n"
            + "    x = 1\n" * 60
            + "def g(a, b, c, d, e, g, h, i, j):  # noqa: PLR0913\n    pass\n"
        )
        assert self.run(tmp_path).returncode == 0

    def test_lines_of_code_are_neither_blank_nor_words(self, tmp_path: Path):
        """No comment, no docstring, also of an attribute; each line of a text or call that goes over several counts."""
        (tmp_path / "a.py").write_text(
            '"""Words\n\nand words."""\n\n# More words.\nX = 1  # and here\n"""Of X."""\nY = """one\n\nthree"""\nprint(\n    X\n)\n'
        )
        (found,) = size.measure_folder(tmp_path)
        assert found.n_code_lines == 7

    def test_the_row_counts_many_parameters_and_shared_names(self, tmp_path: Path):
        """Shares of all functions and of the classes of modules; six parameters are many, tests are left out."""
        (tmp_path / "tests").mkdir()
        (tmp_path / "tests" / "test_a.py").write_text("class A: pass\n")
        (tmp_path / "a.py").write_text("class A: pass\nclass B:\n    def f(self, a, b, c, d, e): pass\n")
        (tmp_path / "b.py").write_text("class A: pass\nclass C: pass\ndef f(a, b, c, *, d, e, g): pass\n")
        row = size.row_of(size.measure_folder(tmp_path), name="both")
        assert (row.n_files, row.many_parameters, row.shared_names) == (2, 0.5, 0.5)

    def test_peers_are_kept_with_version_and_day(self, tmp_path: Path):
        """An unpacked wheel is measured; a folder that is none is refused."""
        (tmp_path / "peer").mkdir()
        (tmp_path / "peer" / "a.py").write_text("def f():\n    return 1\n")
        with pytest.raises(SystemExit, match="no unpacked wheel; expected a package beside its"):
            size.keep_peers([tmp_path], tmp_path / "kept.json")
        (tmp_path / "peer-1.2.dist-info").mkdir()
        size.keep_peers([tmp_path], tmp_path / "kept.json")
        kept = json.loads((tmp_path / "kept.json").read_text())
        (row,) = kept["codebases"]
        assert re.fullmatch(r"\d{4}-\d\d-\d\d", kept["measured"])
        assert (row["name"], row["version"], row["n_code_lines"], row["body_lines"]) == ("peer", "1.2", 2, [1, 1, 1, 1])

    @pytest.mark.parametrize(
        ("now", "near"),
        [
            ("| 105 | 1,049 | 5 / 15 | 1.7 % |", True),
            ("| 106 | 1,000 | 5 / 15 | 1.7 % |", False),
            ("| 100 | 1,000 | 6 / 14 | 2.5 % |", True),
            ("| 100 | 1,000 | 5 / 17 | 1.7 % |", False),
            ("| 100 | 1,000 | 5 / 15 | - |", False),
        ],
    )
    def test_our_own_row_may_be_off_a_little(self, now: str, near: bool):
        """By 5 % of a number, or by 1; then the page is not written again."""
        assert size_page.is_near("| 100 | 1,000 | 5 / 15 | 1.7 % |", now) is near

    def test_a_row_that_is_far_off_is_written_again(self, tmp_path: Path):
        """And what stands around the table stays."""
        own = size_page.PAGE.read_text(encoding="utf-8")
        changed = re.sub(r"^\| \*\*scantrial\*\* \| \d+ ", "| **scantrial** | 9 ", own, flags=re.MULTILINE)
        (tmp_path / "page.md").write_text(changed)
        assert changed != own
        assert "| **scantrial** | 9 " not in size_page.page(tmp_path / "page.md")
        assert size_page.page(tmp_path / "page.md").partition(size_page.BEGIN)[0] == own.partition(size_page.BEGIN)[0]
        (tmp_path / "page.md").write_text("# No table\n")
        with pytest.raises(SystemExit, match="has no place for the table"):
            size_page.page(tmp_path / "page.md")
