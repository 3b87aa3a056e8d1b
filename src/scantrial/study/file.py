"""Read a study file and report every fault at once; write one with every default spelled out."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from scantrial.core.errors import Fault, InputError, StudyFileError
from scantrial.core.files import clear_os_errors
from scantrial.core.names import listed, nearest
from scantrial.core.trees import value_at
from scantrial.core.yaml import MAX_CHARACTERS, Place, Tree, dotted, read_tree
from scantrial.data.load import check_source, unknown_source
from scantrial.data.spec import SourceSpec
from scantrial.store.folder import StudyFolder
from scantrial.study import builtin
from scantrial.study.arms import ArmBuilder, model_path
from scantrial.study.claims import Claims
from scantrial.study.faults import Problem, shown, validated
from scantrial.study.settings import SettingError, with_setting
from scantrial.study.spec import StudySpec
from scantrial.study.study import Study
from scantrial.study.to_plan import base_of
from scantrial.study.weights import WeightsOfArms


def read_study_file(name_or_path: str | Path, *, sets: Sequence[str] = (), seeds: int | None = None) -> Study:
    """Read a study file, or a built-in study by its name.

    Parameters
    ----------
    name_or_path : the name of a built-in study means the built-in; write ``./demo`` for a file of that name
    sets : changes as ``KEY=VALUE``: dotted keys, values in YAML, such as ``recipe.optimizer.lr=1e-4``
    seeds : number of seeds instead of the file's

    Raises
    ------
    StudyFileError
        With every fault, each with its line or the option that caused it.
    InputError
        If there is no such built-in and no such file.
    """
    is_builtin = isinstance(name_or_path, str) and name_or_path in builtin.builtin_names()
    path = builtin.path(str(name_or_path)) if is_builtin else _existing(name_or_path)
    return parse_study(
        _text_of(path),
        name=path.stem,
        source=f"the built-in study {name_or_path}" if is_builtin else str(path),
        source_path=path,
        base=Path.cwd() if is_builtin else _start_of_paths(path),
        sets=sets,
        seeds=seeds,
    )


def _start_of_paths(path: Path) -> Path:
    """Return where relative paths start: the file's folder, for the file in a study folder where they once started."""
    store = StudyFolder(path.parent)
    known = base_of(store) if path.name == "study.yaml" and store.exists() else None
    return path.parent.absolute() if known is None else known


def parse_study(
    text: str,
    *,
    name: str = "study",
    source: str = "the study",
    source_path: Path | None = None,
    base: Path | None = None,
    sets: Sequence[str] = (),
    seeds: int | None = None,
) -> Study:
    """Read a study from YAML text.

    Parameters
    ----------
    name : what the study is called
    source : the name of the text in messages
    source_path, base : the file it came from, and the folder that its relative paths start from
        (default: the working directory)
    sets, seeds : as in `read_study_file`

    Raises
    ------
    StudyFileError
        With every fault.
    """
    tree = read_tree(text)
    if isinstance(tree.data, dict):
        for change in sets:
            _apply(tree, change)
        if seeds is not None:
            _put(tree, ("seeds",), seeds, origin=f"--seeds {seeds}")
    return study_of(tree, name=name, source=source, source_path=source_path, base=base)


def study_of(
    tree: Tree,
    *,
    name: str = "study",
    source: str = "the study",
    source_path: Path | None = None,
    base: Path | None = None,
) -> Study:
    """Make a study of plain data with the place of every value; parameters and errors as in `parse_study`."""
    base = Path.cwd() if base is None else base
    data = tree.data
    if not isinstance(data, dict):
        wrong = tree.fault((), f"got {shown(data)}; expected keys with values, such as study and data")
        raise StudyFileError(source, tree.faults or [wrong])
    spec, problems = validated(StudySpec, data)
    design = ArmBuilder(data)
    claims = Claims(data, design)
    weights = WeightsOfArms(design.drafts, base)
    others = [*design.problems, *claims.problems, *weights.problems]
    faults = _all_faults(tree, [*problems, *others, *_source_problems(data, base)])
    if faults or spec is None:
        raise StudyFileError(source, faults)
    return Study(
        name=name,
        spec=spec,
        arms=tuple(weights.with_hashes(arm) for arm in design.arms()),
        hypotheses=claims.hypotheses(spec),
        seeds=spec.seed_numbers,
        recipe_given=data.get("recipe", {}),
        source_path=source_path,
        base=base,
        weights_files=weights.files,
        source=source,
        model_places={draft.name: tree.fault(model_path(draft), "") for draft in design.drafts},
    )


def study_to_yaml(study: Study) -> str:
    """Write a study as YAML with every default spelled out; it reads back as an equal study.

    A part whose ``name`` is varied is left as given, because each name has its own defaults.
    """
    content = study.spec.model_dump(mode="json", exclude_none=True)
    content["recipe"] = study.spec.recipe.to_dict()
    for part in _parts_of_varied_name(study):
        content["recipe"][part] = value_at(study.recipe_given, part) or content["recipe"][part]["name"]
    content["factors"] = study.spec.model_dump(mode="json")["factors"]
    if not isinstance(study.spec.design, str):
        content["design"] = study.spec.model_dump(mode="json")["design"]
    return to_yaml(content)


def to_yaml(content: Mapping[str, Any]) -> str:
    """Write plain data as a study folder's ``study.yaml`` is written."""
    yaml: Any = YAML(typ="safe", pure=True)
    yaml.default_flow_style = None
    yaml.allow_unicode = True
    yaml.width = 110
    yaml.sort_base_mapping_type_on_output = False
    yaml.representer.ignore_aliases = lambda *_: True
    stream = io.StringIO()
    yaml.dump(dict(content), stream)
    return stream.getvalue()


def _parts_of_varied_name(study: Study) -> Iterator[str]:
    varied = {*study.spec.factors, *(key for arm in study.arms for key in arm.settings)}
    for part in study.spec.recipe.to_dict():
        if f"{part}.name" in varied:
            yield part


# ---------------------------------------------------------------------- finding and reading


def _existing(name_or_path: str | Path) -> Path:
    path = Path(name_or_path)
    try:
        is_file, is_folder = path.is_file(), path.is_dir()
    except (OSError, ValueError):
        is_file = is_folder = False
    if is_file:
        return path
    if is_folder:
        raise InputError(f"{path} is a folder", expected="a study file, or the name of a built-in study")
    guess = nearest(path.stem, builtin.builtin_names())
    hint = f" (did you mean {guess!r}?)" if guess else ""
    raise InputError(
        f"there is no study file {shown(str(name_or_path))}, and no built-in study of that name{hint}",
        expected=f"a path to a file, or one of {listed(builtin.builtin_names())}",
    )


def _text_of(path: Path) -> str:
    with clear_os_errors(path), path.open("rb") as handle:
        raw = handle.read(4 * MAX_CHARACTERS + 1)
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        fault = Fault(path="", message=f"not UTF-8 text (byte {raw[error.start]:#04x}); save it as UTF-8", line=line)
        raise StudyFileError(str(path), [fault]) from error


# ---------------------------------------------------------------------- changes from the command line


def _apply(tree: Tree, change: str) -> None:
    """Put one ``KEY=VALUE`` into the tree; its faults are added to the tree's faults."""
    origin = f"--set {change}"
    key, equals, text = change.partition("=")
    path = _path_of(key.strip())
    value = read_tree(text) if text.strip() else Tree()
    faults = [Fault(path=key.strip(), message=fault.message, origin=origin) for fault in value.faults]
    if not equals or not all(path):
        faults.append(Fault(path="", message="expected KEY=VALUE, such as recipe.epochs=10", origin=origin))
    tree.faults += faults
    if not faults:
        _put(tree, path, value.data, origin=origin)


def _path_of(key: str) -> tuple[str, ...]:
    """Split a dotted key; below ``factors`` the rest is one key."""
    head, dot, rest = key.partition(".")
    return (head, rest) if head == "factors" and dot else tuple(key.split("."))


def _put(tree: Tree, path: tuple[str, ...], value: Any, *, origin: str) -> None:
    try:
        tree.data = with_setting(tree.data, path, value)
    except SettingError as error:
        tree.faults.append(Fault(path=dotted(path), message=str(error), origin=origin))
        return
    tree.places = {known: place for known, place in tree.places.items() if known[: len(path)] != path}
    tree.places[path] = Place(origin=origin)
    for depth in range(1, len(path)):
        tree.places.setdefault(path[:depth], Place(origin=origin))


# ---------------------------------------------------------------------- faults


def _source_problems(data: Mapping[str, Any], base: Path) -> Iterator[Problem]:
    """Yield the problems that the source finds in its options, if its form is valid."""
    part = data.get("data")
    given = part.get("source") if isinstance(part, Mapping) else None
    source, _ = validated(SourceSpec, {"name": given} if isinstance(given, str) else given)
    if source is not None:
        for message in check_source(source, base=base):
            option, colon, rest = message.partition(": ")
            is_option = bool(colon) and option in source.options
            advice = "; if it lies elsewhere, add --set data.source.name=PATH"
            yield Problem(
                path=("data", "source", option) if is_option else ("data", "source"),
                message=rest if is_option else message + advice * (message == unknown_source(source.name)),
            )


def _all_faults(tree: Tree, problems: Sequence[Problem]) -> list[Fault]:
    """Return the tree's faults and the problems in the order of the file, one fault for each place and message."""
    spoilt = {(fault.path, fault.line, fault.origin) for fault in tree.faults}
    found = [tree.fault(problem.path, problem.message, problem.suggestion) for problem in problems]
    new = [fault for fault in found if (fault.path, fault.line, fault.origin) not in spoilt]
    faults = list(dict.fromkeys([*tree.faults, *new]))
    return sorted(faults, key=lambda fault: (fault.origin is not None, fault.line or 0))
