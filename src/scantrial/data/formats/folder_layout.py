"""What the folders of a tree stand for: splits, classes, patients, masks, or nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from scantrial.core.errors import first_of_a_kind
from scantrial.core.names import listed
from scantrial.data.formats.base import SPLIT_OF_WORD
from scantrial.data.formats.folder_tree import Folders, FolderTree
from scantrial.data.masks import IMAGE_FOLDERS, MASK_FOLDERS

MANY_PATIENTS = 10
"""With so many folders at the top, folders of the same names in all of them are classes, and those above patients."""


class Meaning(NamedTuple):
    """What the folders above a scan say.

    Its split or "", its class, the folder that may be its patient's or "", and the folders below the class.
    """

    split: str
    class_name: str
    patient: str
    below: Folders


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """What was found out about a tree.

    Parameters
    ----------
    meaning : of each folder with scans that are used
    masks : folders with pictures that lie in folders of masks, beside folders of images
    notes : sentences on what folders were taken for, where it may be wrong
    """

    meaning: Mapping[Folders, Meaning]
    masks: tuple[Folders, ...]
    faults: tuple[str, ...]
    notes: tuple[str, ...]


def layout_of(tree: FolderTree) -> Layout:
    """Find out what the folders of a tree stand for.

    In this order: a folder of masks beside one of images is left out, and the other means nothing by itself; a single
    folder around all means nothing; folders named as splits are splits, above or below the classes; then patients
    above classes, see `_patients_above`; otherwise the first folder is the class, and one below it may be a patient's.
    """
    images, masks = _beside_masks(tree)
    in_masks = tuple(folders for folders in tree.pictures if _is_in(folders, masks))
    short = {
        folders: tuple(name for depth, name in enumerate(folders) if folders[: depth + 1] not in images)
        for folders in tree.others
        if not _is_in(folders, masks)
    }
    around = _wrapper(short.values(), {short[folders] for folders in tree.pictures if folders in short})
    short = {folders: names[len(around) :] for folders, names in short.items() if names[: len(around)] == around}
    used = {folders: names for folders, names in short.items() if folders in tree.pictures}
    split_of, names_of, faults = _splits(used, short)
    faults += _lost_splits(names_of) if not faults else []
    loose = [folders for folders, names in names_of.items() if not names]
    faults += [_loose(tree, folders) for folders in loose]
    named = {folders: names for folders, names in names_of.items() if names}
    if not faults:
        faults += _empty_classes(tree, short, in_masks)
    is_above, doubt = _patients_above(set(named.values()))
    faults += doubt
    meaning = {
        folders: Meaning(split_of.get(folders, ""), names[1], names[0], names[2:])
        if is_above
        else Meaning(split_of.get(folders, ""), names[0], names[1] if len(names) > 1 else "", names[1:])
        for folders, names in named.items()
    }
    notes = (_patients_note(meaning.values()),) if is_above else ()
    return Layout(meaning=meaning, masks=in_masks, faults=tuple(faults), notes=notes)


def _is_in(folders: Folders, places: set[Folders]) -> bool:
    return any(folders[:depth] in places for depth in range(1, len(folders) + 1))


def _beside_masks(tree: FolderTree) -> tuple[set[Folders], set[Folders]]:
    """Return the folders of images that have folders of masks beside them, and these.

    Below a class, a folder of masks also counts where the images lie beside it without a folder of their own.
    """
    children: dict[Folders, list[str]] = {}
    for folders in tree.others:
        if folders:
            children.setdefault(folders[:-1], []).append(folders[-1])
    images, masks = set(), set()
    for above, names in children.items():
        of_images = [(*above, name) for name in names if IMAGE_FOLDERS.fullmatch(name)]
        of_masks = [(*above, name) for name in names if MASK_FOLDERS.fullmatch(name)]
        has_scans = len(of_images) == 1 or (above in tree.pictures and len(above) > 0)
        if of_masks and has_scans and len(of_images) <= 1:
            images.update(of_images)
            masks.update(of_masks)
    return images, masks


def _wrapper(every: Iterable[Folders], used: set[Folders]) -> Folders:
    """Return the folders around everything, such as an archive's own: each the only one at its level, with no scan."""
    folders = set(every)
    around: Folders = ()
    while around not in used:
        level = {names[len(around)] for names in folders if len(names) > len(around) and names[: len(around)] == around}
        inner = (*around, *level)
        if len(level) != 1 or inner in used or inner[-1].lower() in SPLIT_OF_WORD:
            break
        around = inner
    # A class of its own without a scan in it is no wrapper.
    return around if any(names != around for names in used) else ()


def _splits(
    used: Mapping[Folders, Folders], every: Mapping[Folders, Folders]
) -> tuple[dict[Folders, str], dict[Folders, Folders], list[str]]:
    """Return the split of each folder of scans, its names without the split's, and faults."""
    first = sorted({names[0] for names in every.values() if names})
    words = [name for name in first if name.lower() in SPLIT_OF_WORD]
    if words and len(words) < len(first):
        others = [name for name in first if name not in words]
        return {}, {}, [f"split folders {listed(words)} beside other folders: {listed(others)}"]
    if words:
        split_of = {folders: SPLIT_OF_WORD[names[0].lower()] for folders, names in used.items() if names}
        return dict(split_of), {folders: names[1:] for folders, names in used.items()}, _same_split(words)
    second = sorted({names[1] for names in used.values() if len(names) > 1})
    is_below = bool(second) and all(len(names) > 1 and names[1].lower() in SPLIT_OF_WORD for names in used.values())
    if is_below:
        split_of = {folders: SPLIT_OF_WORD[names[1].lower()] for folders, names in used.items()}
        return dict(split_of), {f: (names[0], *names[2:]) for f, names in used.items()}, _same_split(second)
    return {}, dict(used), []


def _lost_splits(names_of: Mapping[Folders, Folders]) -> list[str]:
    """Return a fault if folders are named as splits, but not everywhere, or not where splits are looked for."""
    lost = [
        "/".join(folders)
        for folders, names in sorted(names_of.items())
        if any(name.lower() in SPLIT_OF_WORD for name in names[1:])
    ]
    if not lost:
        return []
    return [
        f"folders named as splits that are none: {listed(first_of_a_kind(lost, alike=True))}; expected all scans in a "
        "split folder, at the top or directly below the class folder, or no folder of such a name"
    ]


def _same_split(words: Sequence[str]) -> list[str]:
    seen: dict[str, str] = {}
    faults = []
    for word in words:
        first = seen.setdefault(SPLIT_OF_WORD[word.lower()], word)
        if first != word:
            faults.append(f"{first} and {word} are the same split")
    return faults


def _loose(tree: FolderTree, folders: Folders) -> str:
    files = tree.pictures[folders]
    where = "/".join(folders) or "the folder itself"
    tables = [f"{n} {kind}" for kind, n in tree.others[folders].items() if kind in (".csv", ".tsv")]
    hint = f"; {listed(tables)} beside them: name that file as the source if it has their labels" if tables else ""
    return f"{len(files)} scans are in {where}, not in a class folder: {files[0]} ...{hint}"


def _empty_classes(tree: FolderTree, short: Mapping[Folders, Folders], masks: Sequence[Folders]) -> list[str]:
    """Name class folders without a scan in them or below; one whose files were left out on purpose is none."""
    touched = {*tree.pictures, *tree.emptied, *masks}
    inside = {folders[:depth] for folders in touched for depth in range(len(folders) + 1)}
    has_splits = any(names[0].lower() in SPLIT_OF_WORD for names in short.values() if names)
    return [
        f"the class folder {'/'.join(folders)} holds no scans{tree.kinds_in(folders)}"
        for folders, names in sorted(short.items())
        if len(names) == 1 + has_splits and folders not in inside
    ]


def _patients_note(meanings: Iterable[Meaning]) -> str:
    classes = sorted({meaning.class_name for meaning in meanings})
    return (
        "Folders at the top were read as patients, and those below them as classes "
        f"({listed(first_of_a_kind(classes, alike=True))}); if the folders at the top are the classes, name a table "
        "with the columns path and label as the source instead."
    )


def _patients_above(names: set[Folders]) -> tuple[bool, list[str]]:
    """Return whether the first folders are patients and the second classes; and a fault where both may be.

    They are where the second names, two or more and fewer than the first, are each in several of the first, and every
    first name has a digit, as a number of a patient does. With fewer than `MANY_PATIENTS` first folders the same tree
    may as well have classes at the top (grades 0 to 4, each with folders left and right).
    """
    if not names or any(len(folders) < 2 for folders in names):
        return False, []
    above: dict[str, set[str]] = {}
    for folders in names:
        above.setdefault(folders[1], set()).add(folders[0])
    first = sorted({folders[0] for folders in names})
    is_like_patients = (
        2 <= len(above) < len(first)
        and all(len(found) > 1 for found in above.values())
        and all(any(letter.isdigit() for letter in name) for name in first)
    )
    if not is_like_patients:
        return False, []
    if len(first) >= MANY_PATIENTS:
        return True, []
    return False, [
        f"two ways to read the folders: {listed(first[:5])} ... may be classes, or patients with the classes "
        f"{listed(sorted(above)[:5])} below: write a table with the columns path, label and patient"
    ]
