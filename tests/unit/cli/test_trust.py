"""Code from data: no name in a study file or a study folder runs anything that the user has not allowed."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from tests.studies import StudyShape, cases_of, run_of, write_study

from scantrial.cli.main import main
from scantrial.core.custom_code import CustomClass
from scantrial.core.errors import InputError
from scantrial.recipe.networks import ModelSpec
from scantrial.store.folder import StudyFolder
from scantrial.store.trust import MAX_SHOWN, permit, state_folder

CANARY = "canary"
MARKER = "imported"
WRITE = f"open({CANARY!r}, 'w').close()"

# Would each leave a file named canary, or do other harm, if it were called with these arguments.
CALLABLES: dict[str, dict[str, Any]] = {
    "os:system": {"command": f"touch {CANARY}"},
    "os:popen": {"cmd": f"touch {CANARY}"},
    "posix:system": {"command": f"touch {CANARY}"},
    "subprocess:run": {"args": ["touch", CANARY]},
    "subprocess:Popen": {"args": f"touch {CANARY}", "shell": True},
    "subprocess:getoutput": {"cmd": f"touch {CANARY}"},
    "builtins:eval": {"source": WRITE},
    "builtins:exec": {"source": WRITE},
    "builtins:open": {"file": CANARY, "mode": "w"},
    "io:FileIO": {"file": CANARY, "mode": "w"},
    "runpy:run_path": {"path_name": "own.py"},
    "runpy:run_module": {"mod_name": "own"},
    "importlib:import_module": {"name": "own"},
    "code:interact": {},
    "timeit:timeit": {"stmt": WRITE, "number": 1},
    "pdb:run": {"statement": WRITE},
    "pickle:loads": {"data": "cos\nsystem\n"},
    "logging:FileHandler": {"filename": CANARY},
    "pathlib:Path": {},
    "webbrowser:open": {"url": "file:///"},
    "shutil:rmtree": {"path": "."},
    "torch:load": {"f": "weights.pt", "weights_only": False},
    "torch:compile": {},
    "torch.hub:load": {"repo_or_dir": ".", "model": "own", "source": "local"},
    "torch.jit:load": {"f": "own.pt"},
    "torch.jit:CompilationUnit": {"lang": "def f(): return 1"},
    "torch.package:PackageImporter": {"file_or_buffer": "own.zip"},
    "torch.fx:GraphModule": {"root": {}, "graph": "x"},
    "torch.utils.cpp_extension:load_inline": {"name": "own", "cpp_sources": "int x;"},
    "torch.nn:Module": {},
    "torch.nn:Sequential": {},
    "torch.nn.modules.linear:Linear": {"in_features": 2, "out_features": 2},
    "scantrial.core.files:write_atomic": {"path": CANARY, "content": ""},
    "scantrial.core.names:resolve": {"name": "own:Net"},
}
OWN = ["own:Net", "own:factory", "own:absent", "own:__builtins__", "ownö:Nét", "package.own:Net", "package:Net"]
NO_NAMES = ["", ":", "own:", ":Net", ".own:Net", "own.:Net", "own:Net.forward", "own:Net()", "own:Net\n", "../own:Net",
            "own/net:Net", "own:Net:Net", "own Net:Net", "${HOME}:Net", "ówn:Nét"]  # fmt: skip

OWN_MODULES = {"own", "ówn", "ownö", "package", "package.own", "kinds"}

SOURCE = f"""
import pathlib, torch
pathlib.Path({MARKER!r}).touch()
def factory(**words):
    pathlib.Path({CANARY!r}).touch()
class Net(torch.nn.Module):
    def __init__(self, **words):
        super().__init__()
        pathlib.Path({CANARY!r}).touch()
"""

KINDS = """
import functools, pathlib, torch
from own import Net as Imported
def factory(**words):
    pathlib.Path("canary").touch()
    return torch.nn.Flatten()
partial = functools.partial(factory)
unnamed = lambda **words: factory()
decorated = functools.cache(factory)
made = torch.nn.Flatten()
class NoModule:
    def __init__(self, **words):
        factory()
    def __call__(self, **words):
        factory()
instance = object.__new__(NoModule)
class Meta(type):
    def __call__(cls, **words):
        return factory()
    def __subclasscheck__(cls, item):
        return True
class Tricky(metaclass=Meta):
    pass
def __getattr__(name):
    return factory
"""

STUDY = """
study: Which?
data: {source: {name: phantom, n_cases: 40, size: 32}, split: {test: given, val: 0.25}}
recipe: {epochs: 1, loss: bce, model: MODEL}
factors: {loss: [ce]}
"""


class Told(NamedTuple):
    """How a command ended, and what it said."""

    code: object
    out: str
    err: str


Tell = Callable[..., Told]


@pytest.fixture
def tell(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Iterator[Tell]:
    """Carry out a command in this process, in a folder with modules that leave a mark when they are imported."""
    (tmp_path / "package").mkdir()
    for name in ("own.py", "ówn.py", "ownö.py", "package/own.py", "package/__init__.py"):
        (tmp_path / name).write_text(SOURCE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("SCANTRIAL_STATE", str(tmp_path / "state"))

    def carry_out(*words: str | Path) -> Told:
        monkeypatch.setattr(sys, "argv", ["scantrial", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return Told(ended.value.code, said.out, said.err)

    yield carry_out
    for name in OWN_MODULES & set(sys.modules):
        del sys.modules[name]


def nothing_ran(folder: Path) -> bool:
    """Return whether neither a module was imported nor anything called."""
    return not OWN_MODULES & set(sys.modules) and not (folder / CANARY).exists() and not (folder / MARKER).exists()


def received(folder: Path, name: str, args: dict[str, Any]) -> Path:
    """Write a study folder whose run names a network, and return the run's folder."""
    named = {"model": {"name": name, "args": args}}
    try:
        ModelSpec(**named["model"])
    except ValueError:
        study = write_study(folder, StudyShape(arms={"base": {"model": {"name": "own:Net", "args": args}}}, seeds=(0,)))
        run = study.path / "runs" / "base" / "seed-0"
        facts = json.loads((run / "run.json").read_text())
        facts["recipe"] |= named
        (run / "run.json").write_text(json.dumps(facts))
    else:
        study = write_study(folder, StudyShape(arms={"base": named}, seeds=(0,)))
    study.write_environment({"engine": "scantrial.train.reference:train_run", "threads": 1, "device": "cpu"})
    return study.path / "runs" / "base" / "seed-0"


@pytest.mark.parametrize("trust", [(), ("--trust-code",)], ids=["", "trusting"])
@pytest.mark.parametrize("name", CALLABLES)
def test_no_callable_of_python_or_pytorch_is_called(name, trust, tell, tmp_path):
    """By ``predict`` on a received folder, and by ``run`` on a received study file; even if all code is trusted."""
    run = received(tmp_path / "received", name, CALLABLES[name])
    model = json.dumps({"name": name, "args": CALLABLES[name]})
    (tmp_path / "study.yaml").write_text(STUDY.replace("MODEL", model))
    for words in (["predict", run, "one.npy"], ["run", "study.yaml"]):
        told = tell(*words, *trust)
        assert told.code == 2, told
        assert f"{name} is not a network of your own" in told.err
        assert "Traceback" not in told.err
    assert nothing_ran(tmp_path)
    assert not state_folder().exists()


@pytest.mark.parametrize("name", OWN)
def test_no_module_is_imported_without_being_trusted(name, tell, tmp_path):
    """The refusal names the class, each file that would be run, and the option."""
    run = received(tmp_path / "received", name, {})
    (tmp_path / "study.yaml").write_text(STUDY.replace("MODEL", json.dumps(name, ensure_ascii=False)))
    for words in (["predict", run, "one.npy"], ["run", "study.yaml"], ["run", "study.yaml", "--out", "received"]):
        told = tell(*words)
        assert told.code == 2, told
        assert name in told.err
        module = name.partition(":")[0].replace(".", "/")
        assert str(tmp_path / module) in told.err
        if module.startswith("package"):
            assert str(tmp_path / "package" / "__init__.py") in told.err
        assert "--trust-code" in told.err
    assert nothing_ran(tmp_path)


@pytest.mark.parametrize(
    "attribute",
    ["factory", "partial", "unnamed", "decorated", "made", "NoModule", "instance", "Meta", "Tricky", "Imported",
     "functools", "absent", "__getattr__", "__builtins__", "__dict__", "__loader__"],
)  # fmt: skip
def test_what_trusted_code_calls_a_network_must_be_one(attribute, tell, tmp_path):
    """The module is run, because the user said so; nothing in it is called that is no network of its own."""
    (tmp_path / "kinds.py").write_text(KINDS)
    run = received(tmp_path / "received", f"kinds:{attribute}", {})
    shape = StudyShape(arms={"base": {"model": {"name": f"kinds:{attribute}"}}}, seeds=(0,))
    shutil.rmtree(run)
    made = run_of(shape, cases_of(shape), "base", 0)
    StudyFolder(tmp_path / "received").write_run(replace(made, weights={"w": np.zeros(1, "f4")}), keep_weights=True)
    np.save(tmp_path / "one.npy", np.zeros((32, 32), np.uint8))
    told = tell("predict", run, "one.npy", "--trust-code")
    assert told.code == 1, told
    assert "--trust-code imports kinds:" in told.err
    assert re.search("is no class of networks|has no class|is defined in another module", told.err), told
    assert "Traceback" not in told.err
    assert not (tmp_path / CANARY).exists()


def test_a_run_of_what_is_no_network_fails(tell, tmp_path, quick_workers):
    """It is tried before any run begins, as a fault of the study at its line; no more is called than by ``predict``."""
    (tmp_path / "kinds.py").write_text(KINDS)
    (tmp_path / "study.yaml").write_text(STUDY.replace("MODEL", "'kinds:factory'") + "seeds: 1\n")
    told = tell("run", "study.yaml", "--out", "out", "--trust-code", "--json")
    assert told.code == 2, told
    assert re.search(r"line \d+: recipe.model: kinds:factory is no class of networks; expected one of", told.err), told
    assert not (tmp_path / "out").exists()
    assert (tmp_path / MARKER).exists()
    assert not (tmp_path / CANARY).exists()


@pytest.mark.parametrize("name", NO_NAMES)
def test_what_is_no_name_leads_nowhere(name, tell, tmp_path):
    """Refused in words by both commands, also where all code is trusted."""
    run = received(tmp_path / "received", name, {})
    (tmp_path / "study.yaml").write_text(STUDY.replace("MODEL", json.dumps({"name": name})))
    for words in (["predict", run, "one.npy", "--trust-code"], ["run", "study.yaml", "--trust-code"]):
        told = tell(*words)
        assert told.code in (1, 2), told
        assert "Traceback" not in told.err
    assert nothing_ran(tmp_path)


def test_a_folder_in_a_received_environment_is_not_searched(tell, tmp_path):
    """``import_paths``, as scantrial 0.1.0 wrote them, lead nowhere; nor does a module inside the folder itself."""
    run = received(tmp_path / "received", "hidden:Net", {})
    (tmp_path / "elsewhere").mkdir()
    for folder in (tmp_path / "elsewhere", run, tmp_path / "received"):
        (folder / "hidden.py").write_text(SOURCE)
    environment = tmp_path / "received" / "environment.json"
    environment.write_text(
        json.dumps(json.loads(environment.read_text()) | {"import_paths": [str(tmp_path / "elsewhere")]})
    )
    told = tell("predict", run, "one.npy", "--trust-code")
    assert told.code == 2
    assert "the network hidden:Net was not found" in told.err
    assert nothing_ran(tmp_path)


def test_timing_a_plan_needs_the_option_too(tell, tmp_path):
    """``plan --time`` trains two epochs; ``plan`` alone imports nothing."""
    (tmp_path / "study.yaml").write_text(STUDY.replace("MODEL", "'own:Net'"))
    assert tell("plan", "study.yaml").code in (0, None)
    told = tell("plan", "study.yaml", "--time")
    assert (told.code, nothing_ran(tmp_path)) == (2, True)
    assert "--trust-code" in told.err


class TestWhatWasAllowed:
    """The user's own state folder says what was allowed, and nothing in a study folder does."""

    @pytest.fixture
    def folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        (tmp_path / "own.py").write_text(SOURCE)
        monkeypatch.setenv("SCANTRIAL_STATE", str(tmp_path / "state"))
        return tmp_path / "study"

    @staticmethod
    def is_allowed(folder: Path, *, trust: bool = False, **args: object) -> bool:
        told: list[object] = []
        model = ModelSpec(name="own:Net", args=dict(args))
        try:
            permit(folder, [model], search=[str(folder.parent)], trust_code=trust, on_trust=told.append)
        except InputError:
            return False
        return len(told) <= trust

    def test_is_asked_once(self, folder: Path):
        """For this folder, network and arguments; each of another kind is asked for by itself."""
        assert not self.is_allowed(folder)
        assert self.is_allowed(folder, trust=True, width=3)
        assert self.is_allowed(folder, width=3)
        assert not self.is_allowed(folder, width=4)
        assert not self.is_allowed(folder.parent / "copy", width=3)
        assert self.is_allowed(folder, trust=True, width=4)
        assert self.is_allowed(folder, width=3)

    def test_ends_when_the_file_changes(self, folder: Path):
        """By a byte, or by another file of that name that is found first."""
        assert self.is_allowed(folder, trust=True)
        source = folder.parent / "own.py"
        source.write_text(SOURCE + "#")
        assert not self.is_allowed(folder)
        source.write_text(SOURCE)
        assert self.is_allowed(folder)
        (folder.parent / "own").mkdir()
        (folder.parent / "own" / "__init__.py").write_text(SOURCE)
        assert not self.is_allowed(folder)

    @pytest.mark.parametrize("changed", ["own_near.py", "own_far.py", "own_new.py"])
    def test_ends_when_a_file_changes_that_it_imports(self, folder: Path, changed: str):
        """At any distance, or when one appears that was not there."""
        (folder.parent / "own.py").write_text(f"import own_near\n{SOURCE}")
        (folder.parent / "own_near.py").write_text("import own_far\ntry:\n    import own_new\nexcept: pass")
        (folder.parent / "own_far.py").touch()
        (folder.parent / "own_other.py").touch()
        assert self.is_allowed(folder, trust=True)
        (folder.parent / "own_other.py").write_text("#")
        assert self.is_allowed(folder)
        (folder.parent / changed).write_text("#")
        assert not self.is_allowed(folder)
        assert self.is_allowed(folder, trust=True)
        assert self.is_allowed(folder)

    def test_is_told_with_its_arguments(self, folder: Path):
        """Whole and in one line, before and when it is allowed; nothing in it can act on a terminal."""
        model = ModelSpec(name="own:Net", args={"command": "\x1b[2Jtouch\n", "long": "x" * 500})
        told: list[CustomClass] = []
        with pytest.raises(InputError) as refused:
            permit(folder, [model], search=[str(folder.parent)])
        permit(folder, [model], search=[str(folder.parent)], trust_code=True, on_trust=told.append)
        (line,) = (line for line in refused.value.got.splitlines() if "own.py" in line)
        for text in (line, told[0].listing):
            assert 'own.py, with {"command": "\\u001b[2Jtouch\\n", "long": "xxx' in text
            assert text.endswith('xxx"}')
            assert text.count("x") >= 500

    def test_is_told_of_every_network(self, folder: Path):
        """Of all arms, however many there are; their files once."""
        models = [ModelSpec(name="own:Net", args={"width": width}) for width in range(30)]
        with pytest.raises(InputError) as refused:
            permit(folder, models, search=[str(folder.parent)])
        _, *lines = refused.value.got.splitlines()
        assert [line.partition(", with ")[2] for line in lines] == [f'{{"width": {width}}}' for width in range(30)]
        assert [line for line in lines if "own.py" in line] == lines[:1]

    @pytest.mark.parametrize("trust", [False, True])
    def test_is_never_given_to_what_is_too_long_to_be_read(self, folder: Path, trust: bool):
        """In one argument or in the sum of many; what was allowed before does not count."""
        assert self.is_allowed(folder, trust=True, word="x" * (MAX_SHOWN - 12))
        assert self.is_allowed(folder, trust=True, word="y" * (MAX_SHOWN - 12))
        for words in (["x" * MAX_SHOWN], ["y" * 11_000, "z" * 11_000]):
            models = [ModelSpec(name="own:Net", args={"word": word}) for word in words]
            with pytest.raises(InputError, match=r"have 2\d,\d{3} characters"):
                permit(folder, models, search=[str(folder.parent)], trust_code=trust)

    def test_is_private(self, folder: Path):
        """Folder and file are the user's alone; a file that others may write, or that is a link, is not believed."""
        assert self.is_allowed(folder, trust=True)
        (file,) = (state_folder() / "trusted").iterdir()
        assert file.stat().st_mode & 0o777 == 0o600
        assert file.parent.stat().st_mode & 0o777 == 0o700
        file.chmod(0o622)
        assert not self.is_allowed(folder)
        file.chmod(0o600)
        file.parent.chmod(0o777)
        assert not self.is_allowed(folder)
        file.parent.chmod(0o700)
        assert self.is_allowed(folder)
        moved = file.rename(folder.parent / "moved.json")
        file.symlink_to(moved)
        assert not self.is_allowed(folder)

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files to another user")
    def test_of_another_user_is_not_believed(self, folder: Path):
        """A file that somebody else owns allows nothing."""
        assert self.is_allowed(folder, trust=True)
        (file,) = (state_folder() / "trusted").iterdir()
        os.chown(file, 12345, 12345)
        assert not self.is_allowed(folder)

    @pytest.mark.parametrize("content", ["", "[]", "{}", "null", '{"schema_version": 1}', "[" * 100_000, "\0"])
    def test_damaged_allows_nothing(self, folder: Path, content: str):
        """And the option writes it anew."""
        assert self.is_allowed(folder, trust=True)
        (file,) = (state_folder() / "trusted").iterdir()
        file.write_text(content)
        assert not self.is_allowed(folder)
        assert self.is_allowed(folder, trust=True)
        assert self.is_allowed(folder)

    def test_cannot_be_kept_where_the_state_folder_cannot_be_made(self, folder: Path, monkeypatch):
        """Then it is asked for each time."""
        (folder.parent / "file").touch()
        monkeypatch.setenv("SCANTRIAL_STATE", str(folder.parent / "file"))
        assert self.is_allowed(folder, trust=True)
        assert not self.is_allowed(folder)
