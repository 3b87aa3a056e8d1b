"""From factors to arms: the name, the settings and the recipe of each arm."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from scantrial.core.names import is_arm_name, nearest, own_slug, slug
from scantrial.core.numbering import MAX_TEXT
from scantrial.core.yaml import Path
from scantrial.data.arm_images import without_own_size
from scantrial.data.spec import ImageSpec
from scantrial.recipe.image import SIZE, own_size
from scantrial.recipe.plan import MAX_ARMS
from scantrial.recipe.spec import Recipe
from scantrial.study.faults import Problem, known_keys, shown, validated
from scantrial.study.settings import SettingError, with_setting
from scantrial.study.study import Arm

BASE = "base"
MAX_NAME = 100

RECIPE_KEYS = known_keys(Recipe)
_OPEN_PARTS = ("model.activation.", "model.args.")
"""Keys below these are a module's own arguments, which the recipe itself checks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """An arm that is being made: its recipe may be faulty.

    Parameters
    ----------
    path : where faults of the arm as a whole are reported
    places : where faults of each setting are reported, by its dotted key
    """

    name: str
    label: str
    settings: Mapping[str, Any]
    path: Path
    places: Mapping[str, Path] = field(default_factory=dict)
    recipe: Recipe | None = None


class ArmBuilder:
    """Make the arms of a study's plain data as far as possible, and collect all problems.

    Parameters
    ----------
    data : the study file as plain data, which may have any fault
    """

    def __init__(self, data: Mapping[str, Any]) -> None:
        self.problems: list[Problem] = []
        given = data.get("recipe")
        self.given: Mapping[str, Any] = given if isinstance(given, Mapping) else {}
        self._own = _own_image(data)
        self.base, base_problems = self._validated(self.given)
        self._known_problems = {(problem.path, problem.message) for problem in base_problems}
        self._seen_in_combinations: set[Any] = set()
        self._data = data
        self.factors = self._usable_factors()
        self.drafts = self._checked(list(self._drafts()))

    def arms(self) -> tuple[Arm, ...]:
        """Return the arms; call it only if there are no problems."""
        return tuple(_arm(draft) for draft in self.drafts)

    # ------------------------------------------------------------------ recipes

    def changed(self, settings: Mapping[str, Any]) -> tuple[Recipe | None, list[Problem]]:
        """Return the base recipe with some settings, and the problems that these cause."""
        data: dict[str, Any] = {"recipe": self.given}
        try:
            for key, value in settings.items():
                data = with_setting(data, ("recipe", *key.split(".")), value)
        except SettingError as error:
            return None, [Problem(path=(), message=str(error))]
        recipe, problems = self._validated(data["recipe"])
        return recipe, [item for item in problems if (item.path, item.message) not in self._known_problems]

    def _validated(self, given: Any) -> tuple[Recipe | None, tuple[Problem, ...]]:
        """Return a recipe and its problems; a size of its images that is the study's own is left out."""
        recipe, problems = validated(Recipe, given)
        if recipe is not None:
            recipe = recipe.model_copy(update={"image": without_own_size(recipe.image, self._own)})
        return recipe, problems

    def _try(self, draft: Draft) -> Recipe | None:
        """Return the recipe of one arm; its problems are reported at its settings."""
        recipe, problems = self.changed(draft.settings)
        for problem in problems:
            combination = (problem.path, problem.message) if not draft.places else None
            if combination is None or combination not in self._seen_in_combinations:
                self.problems.append(at_setting(problem, draft))
            self._seen_in_combinations.add(combination)
        return recipe

    def _takes(self, key: str, path: Path) -> bool:
        """Return whether the recipe has that dotted key; if not, report it at `path`."""
        problem = key_problem(key, path)
        self.problems += [] if problem is None else [problem]
        return problem is None

    # ------------------------------------------------------------------ factors

    def _usable_factors(self) -> dict[str, list[Any]]:
        """Return the factors that have a key of the recipe and a list of levels."""
        factors = self._data.get("factors")
        if not isinstance(factors, Mapping):
            return {}
        return {
            key: levels
            for key, levels in factors.items()
            if self._takes(key, ("factors", key)) and isinstance(levels, list) and self._not_too_many(key, levels)
        }

    def _not_too_many(self, key: str, levels: Sequence[Any]) -> bool:
        if len(levels) > MAX_ARMS:
            self._report(("factors", key), f"{len(levels)} levels; a study has at most {MAX_ARMS} arms")
        return len(levels) <= MAX_ARMS

    def _other_levels(self) -> list[list[Draft]]:
        """Return for each factor the arms of its sound levels that differ from the base."""
        return [list(self._sound_levels(key, levels)) for key, levels in self.factors.items()]

    def _sound_levels(self, key: str, levels: Sequence[Any]) -> Iterator[Draft]:
        seen: list[Any] = []
        for number, level in enumerate(levels):
            draft = self._draft({key: level}, ("factors", key, number))
            before = len(self.problems)
            recipe = self._try(draft)
            if len(self.problems) > before:
                continue
            what = level if recipe is None else recipe
            if what in seen:
                self._report(draft.path, f"the level {shown(level)} is listed twice")
                continue
            seen.append(what)
            if recipe is None or recipe != self.base:
                yield replace(draft, recipe=recipe)

    # ------------------------------------------------------------------ designs

    def _drafts(self) -> Iterator[Draft]:
        design = self._data.get("design", "one-at-a-time")
        others = self._other_levels()
        yield self._base_draft()
        if isinstance(design, list):
            yield from self._listed(design)
        elif design == "factorial":
            yield from self._factorial(others)
        elif (n_arms := sum(map(len, others))) > MAX_ARMS:
            self._report(("factors",), f"{n_arms:,} levels in all; a study has at most {MAX_ARMS} arms")
        else:
            yield from itertools.chain.from_iterable(others)

    def _base_draft(self) -> Draft:
        label = BASE
        if len(self.factors) == 1 and self.base is not None:
            key = next(iter(self.factors))
            value = self.base.value_at(key)
            value = own_size(self._own.size) if key == SIZE and value is None else value
            if key == "augment" and self.base.augment is not None:
                value = self.base.augment.preset or self.base.augment.beyond_defaults()
            value = value["name"] if isinstance(value, Mapping) and "name" in value else value
            label = f"{self._short(key)} = {text_for_people(value)} (base)"
        return Draft(name=BASE, label=label, settings={}, path=("recipe",))

    def _draft(self, settings: Mapping[str, Any], path: Path) -> Draft:
        parts = [(self._short(key), level) for key, level in settings.items()]
        name = "_".join(f"{short}-{slug(text_for_slug(level))}" for short, level in parts)
        label = ", ".join(f"{short} = {text_for_people(level)}" for short, level in parts)
        places = {key: path for key in settings} if len(settings) == 1 else {}
        return Draft(name=name, label=label, settings=settings, path=path, places=places)

    def _short(self, key: str) -> str:
        """Return the last part of a factor's key, or all of it if another factor has the same end."""
        ends = [short_key(other) for other in self.factors]
        return short_key(key) if ends.count(short_key(key)) <= 1 else key

    def _factorial(self, others: Sequence[Sequence[Draft]]) -> Iterator[Draft]:
        n_arms = math.prod(len(drafts) + 1 for drafts in others)
        if n_arms > MAX_ARMS:
            self._report(("factors",), f"{n_arms:,} combinations; a study has at most {MAX_ARMS} arms")
        elif self._no_overlap(list(self.factors), ("factors",)):
            for chosen in itertools.product(*([None, *drafts] for drafts in others)):
                yield from self._combined([draft for draft in chosen if draft is not None])

    def _combined(self, drafts: Sequence[Draft]) -> Iterator[Draft]:
        if len(drafts) == 1:
            yield drafts[0]
        elif drafts:
            settings = {key: level for draft in drafts for key, level in draft.settings.items()}
            yield self._draft(settings, ("factors",))

    def _listed(self, design: Sequence[Any]) -> Iterator[Draft]:
        if self.factors:
            message = "factors and a list of arms cannot be combined: move the settings of the factors into the arms"
            self._report(("factors",), message)
        if len(design) > MAX_ARMS:
            self._report(("design",), f"{len(design)} arms; a study has at most {MAX_ARMS}")
            return
        taken: set[str] = set()
        for number, item in enumerate(design):
            name = item.get("arm") if isinstance(item, Mapping) else None
            settings = item.get("set") if isinstance(item, Mapping) else None
            if isinstance(name, str) and isinstance(settings, Mapping) and settings:
                short = slug(name)
                if not name.isascii() and (short in taken or short == "x"):
                    short = own_slug(name)  # little or nothing of a name in another script is left in a slug
                taken.add(short)
                yield from self._listed_arm(("design", number), name, short, settings)

    def _listed_arm(self, path: Path, name: str, short: str, settings: Mapping[str, Any]) -> Iterator[Draft]:
        places = {key: (*path, "set", key) for key in settings}
        known = [self._takes(key, place) for key, place in places.items()]
        if all(known) and self._no_overlap(list(settings), (*path, "set")):
            yield Draft(name=short, label=name.strip(), settings=settings, path=(*path, "arm"), places=places)

    def _no_overlap(self, keys: Sequence[str], path: Path) -> bool:
        pairs = [(a, b) for a in keys for b in keys if b.startswith(f"{a}.")]
        for a, b in pairs:
            self._report(path, f"{a} and {b} overlap: one would override the other")
        return not pairs

    # ------------------------------------------------------------------ checks

    def _checked(self, drafts: Sequence[Draft]) -> list[Draft]:
        """Return the drafts with their recipes; report clashes of names and recipes."""
        result: list[Draft] = []
        names: dict[str, Draft] = {}
        for draft in drafts:
            recipe = self._recipe_of(draft)
            whole = replace(draft, recipe=recipe)
            if draft.name in names:
                self._report(draft.path, self._clash(draft, names[draft.name]))
            elif (n := len(draft.name.encode())) > MAX_NAME:
                unit = "characters" if draft.name.isascii() else "bytes"
                self._report(draft.path, f"the arm's name has {n} {unit}: use a list of named arms with shorter names")
            elif not is_arm_name(draft.name):
                self._report(draft.path, f"no folder is called {shown(draft.name)}: use a list of named arms")
            elif (same := _with_recipe(result, recipe)) is not None:
                self._report(draft.path, f"the arm {draft.name} has the same settings as {same.name}")
            names.setdefault(draft.name, whole)
            result.append(whole)
        return result

    def _recipe_of(self, draft: Draft) -> Recipe | None:
        if draft.recipe is not None:
            return draft.recipe
        if not draft.settings or (self.base is None and not draft.places):
            return self.base
        return self._try(draft)

    def _clash(self, draft: Draft, other: Draft) -> str:
        if other.name == BASE:
            return f"the name {BASE} is reserved for the unchanged recipe"
        return f"two arms are called {draft.name}: {other.label}, and {draft.label}; use a list of named arms"

    def _report(self, path: Path, message: str) -> None:
        self.problems.append(Problem(path=path, message=message))


def _own_image(data: Mapping[str, Any]) -> ImageSpec:
    """Return the `data.image` of a study's plain data; the default one if it is faulty."""
    part = data.get("data")
    given = part.get("image") if isinstance(part, Mapping) else None
    return validated(ImageSpec, {} if given is None else given)[0] or ImageSpec()


def at_setting(problem: Problem, draft: Draft) -> Problem:
    """Return a problem of an arm's recipe as a problem of the setting that caused it, or else of the arm."""
    for key, place in draft.places.items():
        steps = tuple(key.split("."))
        if problem.path[: len(steps)] == steps:
            rest = problem.path[len(steps) :]
            return Problem(path=(*place, *rest), message=problem.message, suggestion=problem.suggestion)
    where = next(iter(draft.places.values())) if len(draft.places) == 1 else draft.path
    named = "" if draft.places else f"the arm {draft.name}: "
    return Problem(path=where, message=named + problem.message, suggestion=problem.suggestion)


def model_path(draft: Draft) -> Path:
    """Return where the study file names the network of an arm."""
    if not any(key == "model" or key.startswith("model.") for key in draft.settings):
        return ("recipe", "model")
    return at_setting(Problem(path=("model",), message=""), draft).path


def key_problem(key: str, path: Path) -> Problem | None:
    """Return the problem of a dotted key that the recipe does not have, or None."""
    in_open_part = any(key.startswith(part) and all(key.split(".")) for part in _OPEN_PARTS)
    if in_open_part or key in RECIPE_KEYS:
        return None
    message = "the recipe has no such key; only its keys can be varied, such as loss or optimizer.lr"
    return Problem(path=path, message=message, suggestion=_nearest_key(key))


def _nearest_key(key: str) -> str | None:
    """Return the most likely key of the recipe: ``optimizer.lr`` for ``lr``."""
    bare = key.removeprefix("recipe.")
    same_end = [known for known in RECIPE_KEYS if known.rpartition(".")[2] == bare]
    if bare in RECIPE_KEYS:
        return bare
    return same_end[0] if len(same_end) == 1 else nearest(bare, RECIPE_KEYS)


def _with_recipe(drafts: Sequence[Draft], recipe: Recipe | None) -> Draft | None:
    return next((draft for draft in drafts if recipe is not None and draft.recipe == recipe), None)


def _arm(draft: Draft) -> Arm:
    if draft.recipe is None:
        raise ValueError(f"the arm {draft.name} has no recipe")
    only = next(iter(draft.settings.items())) if len(draft.settings) == 1 else (None, None)
    return Arm(
        name=draft.name,
        label=draft.label[:MAX_TEXT],
        settings=dict(draft.settings),
        factor=only[0],
        level=only[1],
        recipe=draft.recipe,
    )


def short_key(key: str) -> str:
    """Return the meaningful end of a dotted key: ``lr`` of ``optimizer.lr``, ``loss`` of ``loss.name``."""
    return key.removesuffix(".name").rpartition(".")[2]


def text_for_slug(level: Any) -> str:
    """Write a level for the name of an arm: ``LeakyReLU-negative_slope-0.1``."""
    if isinstance(level, Mapping):
        name = _name_key(level)
        rest = [f"{key}-{text_for_slug(item)}" for key, item in level.items() if key != name]
        return "-".join([*([text_for_slug(level[name])] if name else []), *rest])
    if isinstance(level, list | tuple):
        return "-".join(text_for_slug(item) for item in level) or "none"
    return _word(level)


def text_for_people(level: Any) -> str:
    """Write a level for the label of an arm: ``LeakyReLU (negative_slope 0.1)``."""
    if isinstance(level, Mapping):
        key_of_name = _name_key(level)
        rest = ", ".join(f"{key} {text_for_people(item)}" for key, item in level.items() if key != key_of_name)
        name = text_for_people(level[key_of_name]) if key_of_name else ""
        return f"{name} ({rest})".strip() if rest else name
    if isinstance(level, list | tuple):
        return f"[{', '.join(text_for_people(item) for item in level)}]"
    return _word(level)


def _name_key(level: Mapping[str, Any]) -> str | None:
    """Return the key under which a level has its name, or None."""
    return next((key for key in ("name", "preset") if key in level), None)


def _word(level: Any) -> str:
    if level is None:
        return "none"
    if isinstance(level, bool):
        return "true" if level else "false"
    try:
        return str(level)
    except ValueError:
        return "huge"
