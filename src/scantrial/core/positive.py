"""Which class is the positive one, and whether its name stands for health.

Of two classes the second is positive: sensitivity, specificity, F1, average precision, thresholds and predictive
values depend on it. Names in alphabetical order may put the healthy class there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from itertools import pairwise

_HEALTH = re.compile(
    "normals?|healthy?|controls?|ctrls?|negatives?|neg|benign|nevus|nevi|naevus|naevi|cn|hc|nc|uninfected|unaffected|"
    "uninvolved|unremarkable|absent|absence|none|nothing"
)
"""Words, as parts of a name, that stand for health; CN, HC and NC are controls in studies of dementia."""

_ABSENCE = ("no", "non", "not", "without")

_NOT_ABSENCE = re.compile(
    "small|specific|hodgkins?|alcoholic|isch(a)?emic|proliferative|clear|convulsive|epileptic|union|responders?|"
    "survivors?|survival|viable|diagnostic"
)
"""After `non`, these words name a disease or a failure: non-small-cell lung cancer, non-specific pneumonia."""

_NOT_HEALTH = (("triple", "negative"), ("normal", "pressure"))
"""Two words together that name a disease."""

_PLAIN_YAML = re.compile(r"[A-Za-z]([\w ./+-]*[\w.+])?", re.ASCII)
_RESERVED = ("true", "false", "null", "yes", "no", "on", "off", "y", "n")


def positive_class(class_names: Sequence[str]) -> str | None:
    """Return the name of the positive class; None unless there are two classes."""
    return class_names[1] if len(class_names) == 2 else None


def positive_facts(class_names: Sequence[str]) -> dict[str, str | None]:
    """Return for JSON which class is positive, and the warning where its name stands for health."""
    return {"positive_class": positive_class(class_names), "positive_class_warning": health_warning(class_names)}


def class_word(index: int, class_names: Sequence[str]) -> str:
    """Name a class in a sentence: by its name, or as ``class 1`` where it has none but a number."""
    name = class_names[index] if class_names else str(index)
    return f"class {name}" if name.isdigit() else name


def stands_for_health(name: str, *, other: str = "") -> bool:
    """Tell whether a class's name is a word for health, or for the absence of what is looked for.

    Case does not matter. A name is divided at signs, spaces and changes of case: ``NonCOVID`` is ``non covid``.

    Parameters
    ----------
    other : the other class's name: ``notumor`` is told from a word such as ``nodule`` by it
    """
    words = _words(name)
    if not words or any(pair in pairwise(words) for pair in _NOT_HEALTH):
        return False
    first, rest = words[0], words[1:]
    if first in _ABSENCE and rest:
        return not (rest[0].isdigit() or _NOT_ABSENCE.fullmatch(rest[0]) or any(map(_HEALTH.fullmatch, rest)))
    if first == "no" or any(map(_HEALTH.fullmatch, words)):
        return True
    after = first.removeprefix("non")
    if first.startswith("non") and after:
        return not (_NOT_ABSENCE.fullmatch(after) or _HEALTH.fullmatch(after))
    return first.startswith("no") and first.removeprefix("no") in _words(other)


def health_warning(class_names: Sequence[str]) -> str | None:
    """Warn where the positive class of two stands for health and the other does not; None elsewhere.

    The warning holds the line of the study file that turns the classes round.
    """
    positive = positive_class(class_names)
    if positive is None:
        return None
    other = class_names[0]
    if not stands_for_health(positive, other=other) or stands_for_health(other, other=positive):
        return None
    return (
        f"The positive class is “{positive}”, a name for health: sensitivity is the share of “{positive}” that is "
        f"found, not of “{other}”. To make “{other}” positive, write under data: in the study file: "
        f"{classes_line((positive, other))}"
    )


def classes_line(class_names: Sequence[str]) -> str:
    """Return the line of a study file, below ``data:``, that gives classes their order; the last of two is positive."""
    return f"classes: [{', '.join(map(yaml_value, class_names))}]"


def yaml_value(name: str) -> str:
    """Return a text as one plain or quoted value of YAML."""
    plain = _PLAIN_YAML.fullmatch(name) is not None and name.lower() not in _RESERVED
    return name if plain else json.dumps(name, ensure_ascii=False)


def yaml_flow(values: Mapping[str, str | Sequence[str]]) -> str:
    """Return texts, and lists of them, by their keys as a mapping of YAML on one line."""
    return f"{{{', '.join(f'{yaml_value(key)}: {_one_or_list(value)}' for key, value in values.items())}}}"


def _one_or_list(value: str | Sequence[str]) -> str:
    return yaml_value(value) if isinstance(value, str) else f"[{', '.join(map(yaml_value, value))}]"


def _words(name: str) -> tuple[str, ...]:
    """Divide a name into lower-case words: at signs, and where a small letter or an abbreviation ends."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z]{2})", " ", name)
    return tuple(re.findall(r"[^\W\d_]+|\d+", spaced.lower()))
