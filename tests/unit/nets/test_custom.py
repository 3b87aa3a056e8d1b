"""The import of a custom class: only what was allowed, only its own source, only a network that it defines."""

from __future__ import annotations

import importlib.util
import marshal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from torch import nn

from scantrial.core.custom_code import allowed, find_class
from scantrial.core.errors import InputError, TrainingError
from scantrial.nets.build import build_network
from scantrial.recipe.networks import ModelSpec

NETWORK = """
import torch
class Net(torch.nn.Module):
    def __init__(self, n_outputs, width=4):
        super().__init__()
        self.layers = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.LazyLinear(width), torch.nn.Linear(width, n_outputs))
    def forward(self, images):
        return self.layers(images)
"""

NOT_NETWORKS = """
import functools, os, pathlib, torch
from own_elsewhere import Net as Imported
CANARY = pathlib.Path(__file__).with_name("canary")
def factory(**words):
    CANARY.touch()
    return torch.nn.Linear(2, 2)
decorated = functools.cache(factory)
partial = functools.partial(factory)
unnamed = lambda **words: factory()
sequential = torch.nn.Sequential()
Sequential = torch.nn.Sequential
system = os.system
class NoModule:
    def __init__(self, **words):
        CANARY.touch()
class Called:
    def __call__(self, **words):
        CANARY.touch()
instance = Called()
class Disguise(Called):
    __class__ = type
disguise = Disguise()
class Meta(type):
    def __call__(cls, **words):
        CANARY.touch()
        return torch.nn.Linear(2, 2)
    def __instancecheck__(cls, item):
        return True
    def __subclasscheck__(cls, item):
        return True
class Tricky(metaclass=Meta):
    pass
class Outer:
    class Net(torch.nn.Module):
        pass
def __getattr__(name):
    CANARY.touch()
    return torch.nn.Linear
"""

ATTRIBUTES = [
    "factory", "decorated", "partial", "unnamed", "sequential", "Sequential", "system", "NoModule", "Called", "instance",
    "disguise", "Meta", "Tricky", "Outer", "Imported", "torch", "os", "CANARY", "absent", "__getattr__", "__builtins__",
    "__class__", "__spec__", "__loader__",
]  # fmt: skip

Build = Callable[..., nn.Module]


@pytest.fixture
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Build]:
    """Build a network from the test's folder, as somebody does who has allowed it."""
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)

    def make(name: str, **args: object) -> nn.Module:
        with allowed([find_class(name, [str(tmp_path)])]):
            return build_network(ModelSpec(name=name, args=args), image_shape=(1, 4, 4), n_outputs=2, seed=0)

    yield make
    for name in set(sys.modules) - before:
        if name.startswith("own"):
            del sys.modules[name]


@pytest.mark.parametrize("attribute", ATTRIBUTES)
def test_what_is_no_network_of_its_module_is_never_called(attribute, build, tmp_path):
    """Functions, instances, classes of other kinds and classes from elsewhere are refused before anything is called."""
    (tmp_path / "own_elsewhere.py").write_text(NETWORK)
    (tmp_path / "own_kinds.py").write_text(NOT_NETWORKS)
    with pytest.raises(TrainingError, match=r"has no class|is no class|is defined in another module"):
        build(f"own_kinds:{attribute}")
    assert not (tmp_path / "canary").exists()


def test_a_class_from_elsewhere_is_told_with_its_name(build, tmp_path):
    """The message has the name to write, and that name works."""
    (tmp_path / "own_elsewhere.py").write_text(NETWORK)
    (tmp_path / "own_kinds.py").write_text(NOT_NETWORKS)
    with pytest.raises(TrainingError, match="write own_elsewhere:Net"):
        build("own_kinds:Imported")
    assert type(build("own_elsewhere:Net")).__module__ == "own_elsewhere"


def test_nothing_is_imported_that_was_not_allowed(build, tmp_path):
    """By default, and after the block has ended, the name of a class leads to no import."""
    (tmp_path / "own.py").write_text("raise SystemExit('imported')")
    spec = ModelSpec(name="own:Net")
    for _ in range(2):
        with pytest.raises(InputError, match="may not be imported"):
            build_network(spec, image_shape=(1, 4, 4), n_outputs=2, seed=0)
        with allowed([find_class("own:Net", [str(tmp_path)])]):
            pass
    assert "own" not in sys.modules


def test_a_file_that_has_changed_is_not_run(build, tmp_path):
    """Between the permission and the import the file is replaced."""
    (tmp_path / "own.py").write_text(NETWORK)
    found = find_class("own:Net", [str(tmp_path)])
    (tmp_path / "own.py").write_text("raise SystemExit('imported')")
    with allowed([found]), pytest.raises(TrainingError, match="has changed since it was allowed"):
        build_network(ModelSpec(name="own:Net"), image_shape=(1, 4, 4), n_outputs=2, seed=0)
    assert "own" not in sys.modules


def plant(source: Path) -> None:
    """Write a compilation that claims to be of a source as it stands there, and ends the process."""
    cached = Path(importlib.util.cache_from_source(str(source)))
    cached.parent.mkdir(exist_ok=True)
    facts = source.stat()
    numbers = (0, int(facts.st_mtime), facts.st_size)
    head = importlib.util.MAGIC_NUMBER + b"".join(number.to_bytes(4, "little") for number in numbers)
    cached.write_bytes(head + marshal.dumps(compile("raise SystemExit('compiled')", str(source), "exec")))


def test_a_compiled_file_beside_the_source_is_not_run(build, tmp_path):
    """Python itself would run it."""
    (tmp_path / "own.py").write_text(NETWORK)
    plant(tmp_path / "own.py")
    assert isinstance(build("own:Net", width=3), nn.Module)
    del sys.modules["own"]
    importlib.invalidate_caches()
    with pytest.raises(SystemExit, match="compiled"):
        importlib.import_module("own")


def test_nor_where_a_package_imports_the_module_first(build, tmp_path):
    """An ``__init__.py`` that imports the class gets it from the source that was allowed, too."""
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "small.py").write_text(NETWORK)
    (tmp_path / "own" / "__init__.py").write_text("from own.small import Net")
    for name in ("small.py", "__init__.py"):
        plant(tmp_path / "own" / name)
    assert isinstance(build("own.small:Net", width=3), nn.Module)
    with pytest.raises(TrainingError, match=r"write own\.small:Net"):
        build("own:Net")


@pytest.mark.parametrize("has_init", [False, True])
def test_packages_are_run_from_the_outside_in(has_init, build, tmp_path):
    """Each ``__init__.py`` on the way is a file that was allowed; modules of a package import each other."""
    inner = tmp_path / "own" / "nets"
    inner.mkdir(parents=True)
    if has_init:
        (tmp_path / "own" / "__init__.py").write_text("SIZE = 7")
        (inner / "__init__.py").touch()
    (inner / "wide.py").write_text("WIDTH = 5")
    (inner / "small.py").write_text(NETWORK.replace("width=4", "width=WIDTH") + "\nfrom .wide import WIDTH\n")
    (inner / "small.py").write_text("from .wide import WIDTH\n" + NETWORK.replace("width=4", "width=WIDTH"))
    found = find_class("own.nets.small:Net", [str(tmp_path)])
    files = ["own/__init__.py", "own/nets/__init__.py"] * has_init + ["own/nets/small.py", "own/nets/wide.py"]
    assert found.files == tuple(str(tmp_path / file) for file in files)
    assert build("own.nets.small:Net").layers[1].out_features == 5


class TestModulesBesideIt:
    """What a network imports from its own folder: known before the import, and nothing else from there."""

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path):
        """A network, the module that it imports, and one that this imports in a function."""
        (tmp_path / "own.py").write_text("import own_near\n" + NETWORK.replace("width=4", "width=own_near.width()"))
        (tmp_path / "own_near.py").write_text("def width():\n    from own_pack.far import WIDTH\n    return WIDTH")
        (tmp_path / "own_pack").mkdir()
        (tmp_path / "own_pack" / "far.py").write_text("WIDTH = 6")

    @staticmethod
    def build_elsewhere(folder: Path) -> nn.Module:
        """Build it where Python does not look into the folder by itself."""
        sys.path.remove(str(folder))
        with allowed([find_class("own:Net", [str(folder)])]):
            return build_network(ModelSpec(name="own:Net"), image_shape=(1, 4, 4), n_outputs=2, seed=0)

    def test_are_found_without_being_on_the_path(self, build, tmp_path):
        """Each is named; the import path stays as it is."""
        files = find_class("own:Net", [str(tmp_path)]).files
        assert files == tuple(str(tmp_path / name) for name in ("own.py", "own_near.py", "own_pack/far.py"))
        assert self.build_elsewhere(tmp_path).layers[1].out_features == 6
        assert str(tmp_path) not in sys.path

    def test_are_refused_if_they_have_changed(self, build, tmp_path):
        """Between the permission and the import."""
        found = find_class("own:Net", [str(tmp_path)])
        (tmp_path / "own_near.py").write_text("raise SystemExit('imported')")
        with allowed([found]), pytest.raises(TrainingError, match=r"own_near\.py has changed since it was allowed"):
            build_network(ModelSpec(name="own:Net"), image_shape=(1, 4, 4), n_outputs=2, seed=0)

    def test_are_never_run_from_a_compiled_file(self, build, tmp_path):
        """Python runs one without looking at the source if its head says so."""
        for source in (tmp_path / "own_near.py", tmp_path / "own_pack" / "far.py"):
            plant(source)
            cached = Path(importlib.util.cache_from_source(str(source)))
            content = cached.read_bytes()
            cached.write_bytes(content[:4] + (1).to_bytes(4, "little") + content[8:])
        assert self.build_elsewhere(tmp_path).layers[1].out_features == 6

    @pytest.mark.parametrize("statement", ["importlib.import_module('own_' + 'hid')", "__import__('own_pack.hid')"])
    def test_are_not_found_if_no_statement_names_them(self, statement, build, tmp_path):
        """A name that is put together at run time leads to no file of the folder, nor of a package in it."""
        (tmp_path / "own_near.py").write_text(f"import importlib\nimport own_pack.far\n{statement}")
        for name in ("own_hid.py", "own_pack/hid.py"):
            (tmp_path / name).write_text("raise SystemExit('imported')")
        with pytest.raises(TrainingError, match="ModuleNotFoundError: No module named 'own_"):
            self.build_elsewhere(tmp_path)

    def test_shadow_no_module_that_python_finds(self, build, tmp_path):
        """Installed packages and Python's own modules are not taken from the folder."""
        (tmp_path / "own_near.py").write_text("import colorsys, yaml\ndef width():\n    return 6")
        for name in ("colorsys.py", "yaml.py"):
            (tmp_path / name).write_text("raise SystemExit('imported')")
        assert [Path(file).name for file in find_class("own:Net", [str(tmp_path)]).files] == ["own.py", "own_near.py"]
        assert self.build_elsewhere(tmp_path).layers[1].out_features == 6

    def test_of_an_installed_package_are_left_to_python(self, build, tmp_path, monkeypatch):
        """Python finds them by itself; the file of the class is what is hashed."""
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        assert find_class("own:Net", [str(tmp_path)]).files == (str(tmp_path / "own.py"),)
        assert build("own:Net").layers[1].out_features == 6


def test_a_module_of_the_same_name_from_elsewhere_is_not_taken_for_it(build, tmp_path):
    """In one process, a second folder with a module of that name is refused, not answered with the first one's class."""
    (tmp_path / "own.py").write_text(NETWORK)
    build("own:Net")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "own.py").write_text(NETWORK)
    with (
        allowed([find_class("own:Net", [str(tmp_path / "other")])]),
        pytest.raises(TrainingError, match="this process has loaded"),
    ):
        build_network(ModelSpec(name="own:Net"), image_shape=(1, 4, 4), n_outputs=2, seed=0)


def test_a_constructor_that_fails_is_told(build, tmp_path):
    """With its arguments."""
    (tmp_path / "own.py").write_text(NETWORK)
    with pytest.raises(TrainingError, match=r"could not be constructed with n_outputs=2, depth=3: TypeError"):
        build("own:Net", depth=3)
    (tmp_path / "own_torn.py").write_text("import there_is_no_such_module")
    with pytest.raises(TrainingError, match="could not be imported: ModuleNotFoundError"):
        build("own_torn:Net")
