"""YAML text as plain data, with the line of every key, so that a fault can point at its place.

The core rules of YAML 1.2 hold: ``1e-3`` is a number, ``no`` is a text, a date is a text. In
addition, keys are unique texts, numbers are finite, and there are no custom tags and no merge
keys.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    CollectionEndEvent,
    CollectionStartEvent,
    DocumentStartEvent,
    Event,
)
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from scantrial.core.errors import Fault

Path = tuple[str | int, ...]
"""Keys and list positions from the root to a value."""

MAX_CHARACTERS = 128_000
MAX_DEPTH = 40
MAX_NODES = 10_000

_TAG = "tag:yaml.org,2002:"
_TEXTS = {_TAG + kind for kind in ("str", "timestamp", "value")}
_PLAIN = {_TAG + kind for kind in ("null", "bool", "int", "float")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a value comes from: a line of the file, or an option of the command."""

    line: int | None = None
    origin: str | None = None


@dataclass(slots=True, kw_only=True)
class Tree:
    """A study file as plain data, with the place of every value.

    Parameters
    ----------
    data : mappings, lists, texts, finite numbers, true, false, None
    places : by path from the root; the root itself, ``()``, is the file as a whole and has no line
    faults : the faults of the text itself
    """

    data: Any = None
    places: dict[Path, Place] = field(default_factory=lambda: {(): Place()})
    faults: list[Fault] = field(default_factory=list)

    def place(self, path: Path) -> Place:
        """Return the place of `path`, or of the nearest value above it."""
        while path and path not in self.places:
            path = path[:-1]
        return self.places[path]

    def fault(self, path: Path, message: str, suggestion: str | None = None) -> Fault:
        """Return a fault at `path`."""
        place = self.place(path)
        return Fault(path=dotted(path), message=message, line=place.line, suggestion=suggestion, origin=place.origin)


def dotted(path: Path) -> str:
    """Write a path for people: ``factors.loss[1]``."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}"
    return text.lstrip(".")


def read_tree(text: str) -> Tree:
    """Read one YAML document; its faults are in the tree.

    Never raises on any text, and takes bounded time: size, depth and the growth through aliases
    are limited.
    """
    if len(text) > MAX_CHARACTERS:
        return _refused(f"{len(text):,} characters; a study file has at most {MAX_CHARACTERS:,}")
    try:
        node = _compose(text)
    except _TextError as error:
        return _refused(error.message, error.line)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        return _refused(_syntax(error), None if mark is None else mark.line + 1)
    except (YAMLError, ValueError, OverflowError) as error:
        return _refused(f"not YAML: {str(error).splitlines()[0]}")
    if node is None:
        return _refused("the file is empty; it needs at least study and data")
    builder = _Builder()
    try:
        builder.tree.data = builder.build(node, ())
    except _TextError as error:
        return _refused(error.message, error.line)
    return builder.tree


@lru_cache(maxsize=256)
def plain_yaml(text: str) -> Any:
    """Return YAML text as plain data, or None if it has any fault; what is returned must not be changed."""
    tree = read_tree(text)
    return None if tree.faults else tree.data


class _TextError(Exception):
    def __init__(self, message: str, line: int | None) -> None:
        super().__init__(message)
        self.message = message
        self.line = line


def _refused(message: str, line: int | None = None) -> Tree:
    return Tree(faults=[Fault(path="", message=message, line=line)])


def _syntax(error: MarkedYAMLError) -> str:
    problem = error.problem or error.context or "cannot be read"
    if "'\\t'" in problem:
        return "a tab; YAML is indented with spaces only"
    return f"not YAML: {problem}"


def _compose(text: str) -> Node | None:
    """Compose the document after a check of its events, so that no depth can exhaust the stack."""
    depth = 0
    for number, event in enumerate(YAML(typ="safe", pure=True).parse(text)):
        depth += isinstance(event, CollectionStartEvent) - isinstance(event, CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise _TextError(f"nested more than {MAX_DEPTH} deep", event.start_mark.line + 1)
        if number > 2 * MAX_NODES:
            raise _TextError(f"more than {MAX_NODES:,} values", event.start_mark.line + 1)
        _check_version(event)
    reader = YAML(typ="safe", pure=True)
    reader.composer.warn_double_anchors = False  # YAML allows it; the warning would be printed once for each
    node: Node | None = reader.compose(text)
    return node


def _check_version(event: Event) -> None:
    version = event.version if isinstance(event, DocumentStartEvent) else None
    if version is not None and tuple(version) != (1, 2):
        shown = ".".join(map(str, version))
        raise _TextError(f"YAML {shown}; study files are YAML 1.2", event.start_mark.line + 1)


class _Builder:
    """Turn nodes into plain data, and note places and faults."""

    def __init__(self) -> None:
        self.tree = Tree()
        self._n_nodes = 0
        self._open: set[int] = set()
        self._scalars = YAML(typ="safe", pure=True).constructor

    def build(self, node: Node, path: Path) -> Any:
        line = node.start_mark.line + 1
        self.tree.places.setdefault(path, Place(line=line))
        self._n_nodes += 1
        if self._n_nodes > MAX_NODES:
            raise _TextError(f"more than {MAX_NODES:,} values, counting aliases (*name) written out", line)
        if len(path) > MAX_DEPTH:
            raise _TextError(f"nested more than {MAX_DEPTH} deep, counting aliases (*name) written out", line)
        if isinstance(node, ScalarNode):
            return self._scalar(node, path)
        if id(node) in self._open:
            self._wrong(path, "an alias (*name) that contains itself")
            return None
        self._open.add(id(node))
        try:
            return self._collection(node, path)
        finally:
            self._open.discard(id(node))

    def _collection(self, node: Node, path: Path) -> Any:
        if str(node.tag) not in (_TAG + "map", _TAG + "seq"):
            self._wrong(path, f"the tag {node.tag} has no meaning in a study file")
            return None
        if isinstance(node, MappingNode):
            return self._mapping(node, path)
        if isinstance(node, SequenceNode):
            return [self.build(item, (*path, position)) for position, item in enumerate(node.value)]
        self._wrong(path, "neither a value, a list, nor keys with values")
        return None

    def _mapping(self, node: MappingNode, path: Path) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = self._key(key_node, path)
            if key is None:
                continue
            line = key_node.start_mark.line + 1
            if key in result:
                first = self.tree.places[(*path, key)].line
                self._wrong((*path, key), f"the key is given twice; the first is on line {first}", line)
                continue
            self.tree.places[(*path, key)] = Place(line=line)
            result[key] = self.build(value_node, (*path, key))
        return result

    def _key(self, node: Node, path: Path) -> str | None:
        line = node.start_mark.line + 1
        if str(node.tag) == _TAG + "merge":
            self._wrong(path, "merge keys (<<) are not part of YAML 1.2; write the keys out", line)
            return None
        key = self._scalar(node, path) if isinstance(node, ScalarNode) else None
        if isinstance(key, str) and key:
            return key
        self._wrong(path, f"keys are texts; got {node.value if key is not None else 'none'!r}", line)
        return None

    def _scalar(self, node: ScalarNode, path: Path) -> Any:
        tag = str(node.tag)
        if tag in _TEXTS:
            return self._text(node, path)
        if tag not in _PLAIN:
            self._wrong(path, f"the tag {tag} has no meaning in a study file", node.start_mark.line + 1)
            return None
        try:
            value = self._scalars.construct_object(node)
        except (ValueError, LookupError, OverflowError):
            self._wrong(path, f"{node.value[:40]!r} is not a valid {tag.removeprefix(_TAG)}")
            return None
        if isinstance(value, float) and not math.isfinite(value):
            self._wrong(path, f"{node.value}: numbers in a study file must be finite")
            return None
        return value

    def _text(self, node: ScalarNode, path: Path) -> str | None:
        text = str(node.value)
        odd = next((c for c in text if (c < " " and c not in "\t\n") or c == "\x7f" or "\ud800" <= c <= "\udfff"), None)
        if odd is not None:
            self._wrong(path, f"the character U+{ord(odd):04X} is not allowed in a study file")
            return None
        return text

    def _wrong(self, path: Path, message: str, line: int | None = None) -> None:
        self.tree.faults.append(Fault(path=dotted(path), message=message, line=line or self.tree.place(path).line))
