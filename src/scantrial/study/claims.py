"""From a hypothesis in the file to the two arms that it compares."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from scantrial.core.names import listed, nearest
from scantrial.core.trees import value_at
from scantrial.core.yaml import Path
from scantrial.recipe.plan import PlannedHypothesis
from scantrial.study.arms import ArmBuilder, Draft, key_problem
from scantrial.study.faults import Problem, shown
from scantrial.study.spec import StudySpec

_ARM = "arm"


class Claims:
    """Read the hypotheses of a study's plain data, and collect all problems.

    Parameters
    ----------
    data : the study file as plain data, which may have any fault
    design : its arms
    """

    def __init__(self, data: Mapping[str, Any], design: ArmBuilder) -> None:
        self.problems: list[Problem] = []
        self._design = design
        items = data.get("hypotheses")
        self._pairs = [self._pair(item, ("hypotheses", n)) for n, item in enumerate(_items(items))]
        primary = data.get("primary")
        if not isinstance(primary, Mapping) or primary.get("margin") is None:
            self._margin_needed(items)

    def hypotheses(self, spec: StudySpec) -> tuple[PlannedHypothesis, ...]:
        """Return the hypotheses with the names of their arms; call it only if there are no problems."""
        return tuple(
            PlannedHypothesis(
                claim=item.claim, kind="equivalent" if item.equivalent else "better", arms=(first, second)
            )
            for item, (first, second) in zip(spec.hypotheses, self._pairs, strict=True)
        )

    def _margin_needed(self, items: Any) -> None:
        for number, item in enumerate(_items(items)):
            if isinstance(item, Mapping) and item.get("equivalent") is not None:
                message = "needs primary.margin, the difference below which two arms are equivalent"
                self._report(("hypotheses", number, "equivalent"), message)

    def _pair(self, item: Any, path: Path) -> tuple[str, str]:
        """Return the names of the two arms; an empty name has been reported, here or by the check of the file."""
        names = [self._arm(reference, place) for reference, place in _references(item, path)]
        if len(names) != 2:
            return "", ""
        if names[0] and names[0] == names[1]:
            self._report(path, f"both sides are the same arm, {names[0]}")
        return names[0], names[1]

    def _arm(self, reference: Any, path: Path) -> str:
        if not isinstance(reference, Mapping) or not reference:
            return ""
        if _ARM in reference:
            return self._by_name(reference, path)
        problems = [key_problem(key, (*path, key)) for key in reference]
        self.problems += [problem for problem in problems if problem is not None]
        return "" if any(problems) else self._by_settings(reference, path)

    def _by_name(self, reference: Mapping[str, Any], path: Path) -> str:
        name = reference[_ARM]
        drafts = self._design.drafts
        names = {**{draft.label: draft.name for draft in drafts}, **{draft.name: draft.name for draft in drafts}}
        if len(reference) > 1:
            self._report(path, "arm names the whole arm; leave out the other keys")
        elif isinstance(name, str) and name in names:
            return names[name]
        else:
            guess = nearest(name, names.values()) if isinstance(name, str) else None
            self._report((*path, _ARM), f"no arm is called {shown(name)}; {self._listed_arms()}", guess)
        return ""

    def _by_settings(self, reference: Mapping[str, Any], path: Path) -> str:
        recipe, _ = self._design.changed(reference)
        for draft in self._design.drafts:
            if dict(draft.settings) == dict(reference) or (recipe is not None and draft.recipe == recipe):
                return draft.name
        if recipe is None and all(self._is_listed(key, level) for key, level in reference.items()):
            return ""
        words = ", ".join(f"{key} = {shown(level)}" for key, level in reference.items())
        self._report(path, f"no arm has {words}; {self._listed_arms()}", self._nearest_level(reference))
        return ""

    def _is_listed(self, key: str, level: Any) -> bool:
        """Whether a level is in the file although the base or the level itself is faulty and was reported."""
        given = value_at(self._design.given, key)
        return level in self._design.factors.get(key, ()) or (self._design.base is None and level == given)

    def _nearest_level(self, reference: Mapping[str, Any]) -> str | None:
        for key, level in reference.items():
            levels = [item for item in self._design.factors.get(key, ()) if isinstance(item, str)]
            if isinstance(level, str) and level not in levels:
                return nearest(level, levels)
        return None

    def _listed_arms(self) -> str:
        drafts = self._design.drafts
        names = [_with_label(draft) for draft in drafts[:8]]
        more = f" and {len(drafts) - 8} more" if len(drafts) > 8 else ""
        return f"the arms are {listed(names)}{more}"

    def _report(self, path: Path, message: str, suggestion: str | None = None) -> None:
        self.problems.append(Problem(path=path, message=message, suggestion=suggestion))


def _with_label(draft: Draft) -> str:
    return draft.name if draft.label == draft.name else f"{draft.name} ({draft.label.removesuffix(' (base)')})"


def _items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _references(item: Any, path: Path) -> Iterator[tuple[Any, Path]]:
    if not isinstance(item, Mapping):
        return
    for key in ("better", "than"):
        if item.get(key) is not None:
            yield item[key], (*path, key)
    equivalent = item.get("equivalent")
    for number, reference in enumerate(_items(equivalent)):
        yield reference, (*path, "equivalent", number)
