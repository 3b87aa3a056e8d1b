"""Predictions of a trained network for new image files: what ``scantrial predict`` does."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scantrial.core.custom_code import CustomClass, allowed, find_class
from scantrial.core.errors import DataError, InputError, UnreadableScansError
from scantrial.core.files import sha256_of
from scantrial.core.format import counted
from scantrial.core.names import listed
from scantrial.core.plain import Plain
from scantrial.core.progress import silent
from scantrial.core.records import RunFacts
from scantrial.core.text import printable
from scantrial.data.arm_images import decoding
from scantrial.data.codecs.base import no_claim, split_suffix
from scantrial.data.codecs.table import frames_of
from scantrial.data.decode import IMAGE_SUFFIXES, ImageError, decode_image
from scantrial.data.fit import fit_image, match_depth
from scantrial.data.formats.base import array_fault, row_decoder
from scantrial.data.new_scans import NewScan, new_scans
from scantrial.data.scanset import Pixels
from scantrial.data.spec import ImageSpec
from scantrial.recipe.networks import ModelSpec
from scantrial.recipe.plan import PlannedArm, read_typed, stored_recipe
from scantrial.store.folder import RunKey, StudyFolder, open_folder
from scantrial.store.run_files import FACTS
from scantrial.store.trust import OnTrust, allowed_before, permit
from scantrial.store.verify import refuse_changed
from scantrial.train.predictor import load_predictor

MAX_IMAGES = 250_000
"""Images of one array of new scans."""
MAX_PIXELS = 250_000_000
"""Pixels of the images of one array, once each has the network's size, unless the array has as many itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictedFile:
    """One image and its probabilities.

    Parameters
    ----------
    file : its path; an image of an array is ``file.npy#0``, ``file.npy#1`` ...
    y_prob : probability of each class, in the order of `JudgedFiles.class_names`
    """

    file: str
    predicted_class: str
    y_prob: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictedFiles(Plain):
    """The predictions of one network, or the mean of all networks of an arm, and what identifies them.

    Parameters
    ----------
    model : study, arm, seed, chosen epoch, SHA-256 of the weights, fingerprint of the training scans; of several
        networks the same of each in `networks`
    left_out : files in folders, archives and tables that were left out, by reason
    notes : sentences on files of other kinds than those that the network was trained on
    """

    class_names: tuple[str, ...]
    rows: tuple[PredictedFile, ...]
    model: dict[str, Any]
    left_out: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def identity(self) -> str:
        """One line that names the network, or the arm whose networks are averaged."""
        if "networks" in self.model:
            n = counted(len(self.model["networks"]), "network")
            return f"{self.model['study']!r}, arm {self.model['arm']}, mean probabilities of {n}"
        run = RunKey.from_dict(self.model).words
        return "{study!r}, arm {arm}, {run}, epoch {chosen_epoch}, weights {weights_sha256:.12}".format(
            run=run, **self.model
        )


def predict_files(
    run_dir: Path, files: Sequence[Path], *, trust_code: bool = False, on_trust: OnTrust = silent
) -> PredictedFiles:
    """Apply the run's preprocessing and its network to each file; of an arm, average the probabilities of its runs.

    Parameters
    ----------
    run_dir : a finished run, ``DIR/runs/ARM/seed-S``, or an arm, ``DIR/runs/ARM``
    files : at least one image file, ``.npy`` array, (n, height, width[, channels]) or one image, folder, archive, table
        or ``.npz`` file, see `scantrial.data.new_scans`
    trust_code, on_trust : see `scantrial.store.trust.permit`

    Raises
    ------
    UnreadableScansError
        If any file cannot be used (unreadable, different channels, more bits, too many images); all such files are
        named.
    InputError
        If `run_dir` is neither a finished run nor an arm with some, or has no weights, or its network is a custom class
        that is not found, not allowed, or not in the file that was trained.
    TrainingError
        If its network is a custom class that cannot be imported.
    DamagedError
        If the run, or what the folder says of the study and its scans, is not what was written.
    """
    folder, keys = _locate(run_dir)
    refuse_changed(folder)
    found = [_predicted(folder, key, files, trust_code=trust_code, on_trust=on_trust) for key in keys]
    return found[0] if run_dir.resolve().name == keys[0].folder_name else _averaged(found)


def _averaged(found: Sequence[PredictedFiles]) -> PredictedFiles:
    """Return the mean probabilities of several networks."""
    first = found[0]
    means = [np.mean([one.y_prob for one in of_file], axis=0) for of_file in zip(*(f.rows for f in found), strict=True)]
    rows = tuple(
        replace(row, predicted_class=first.class_names[int(p.argmax())], y_prob=tuple(p.tolist()))
        for row, p in zip(first.rows, means, strict=True)
    )
    shared = ("study", "arm", "data_fingerprint")
    networks = [{name: value for name, value in one.model.items() if name not in shared} for one in found]
    return replace(first, rows=rows, model={**{name: first.model[name] for name in shared}, "networks": networks})


def _predicted(
    folder: StudyFolder, key: RunKey, files: Sequence[Path], *, trust_code: bool, on_trust: OnTrust
) -> PredictedFiles:
    facts = folder.facts(key)
    classes = _allowed_here(folder, key, stored_recipe(facts).model, trust_code=trust_code, on_trust=on_trust)
    weights = folder.weights(key)
    spec = _image_spec(folder, facts)
    data = folder.plan().data
    found = new_scans(files, ignore=tuple(data.get("ignore", ())), options=_source_options(data))
    with allowed(classes):
        predictor = load_predictor(facts, weights)
        batches = _batches(found.scans, facts, spec, n_at_once=predictor.n_at_once)
        scored = [(names, predictor(images).logits) for names, images in batches]
    # Of all files at once, as in training: the last bit of a probability can depend on its place in the array.
    y_prob = predictor.probabilities(np.concatenate([logits for _, logits in scored])) if scored else ()
    names = [name for names, _ in scored for name in names]
    rows = tuple(
        PredictedFile(file=name, predicted_class=facts.class_names[int(p.argmax())], y_prob=tuple(map(float, p)))
        for name, p in zip(names, y_prob, strict=True)
    )
    model = {
        "study": folder.plan().study,
        **key.to_dict(),
        "chosen_epoch": facts.chosen_epoch,
        "weights_sha256": sha256_of(folder.run_path(key) / "best.safetensors"),
        "data_fingerprint": folder.data()["fingerprint"],
    }
    return PredictedFiles(
        class_names=facts.class_names,
        rows=rows,
        model=model,
        left_out=found.left_out,
        notes=_other_kinds(folder, found.kinds),
    )


def _other_kinds(folder: StudyFolder, kinds: Mapping[str, int]) -> tuple[str, ...]:
    """Say of files that their kind, by the suffix, is that of no scan of the study; of the study's all names tell."""
    sources = folder.cases(["source"])["source"].to_pylist()
    known = {_kind_of(split_suffix(PurePosixPath(source).name)[1]) for source in sources}
    if not known <= IMAGE_SUFFIXES:
        return ()
    return tuple(
        f"{counted(n, f'{kind} file'.lstrip())} of another kind than the scans of the study ({listed(sorted(known))})"
        for kind, n in kinds.items()
        if _kind_of(kind) not in known
    )


def _kind_of(suffix: str) -> str:
    return {".jpeg": ".jpg", ".tiff": ".tif"}.get(suffix.lower(), suffix.lower())


def _source_options(data: Mapping[str, Any]) -> dict[str, Any]:
    source = data.get("source", {})
    return dict(source) if isinstance(source, Mapping) else {}


def _locate(run_dir: Path) -> tuple[StudyFolder, list[RunKey]]:
    """Return the study, and the run or all finished runs of the arm that have weights."""
    path = run_dir.resolve()
    if path.parent.name == "runs" and (path.parents[1] / "plan.json").is_file():
        folder = open_folder(path.parents[1])
        keys = [key for key in folder.run_keys() if key.arm == path.name and folder.has_weights(key)]
        if not keys:
            raise InputError(
                f"{run_dir} has no finished run with weights",
                expected="an arm with finished runs of a study that keeps weights (`keep_weights: best`)",
                do="run `scantrial status DIR` to list the runs",
            )
        return folder, keys
    key = RunKey.of_folder(path.parent.name, path.name)
    if key is None or not (path / FACTS).is_file() or path.parents[1].name != "runs":
        raise InputError(
            f"{run_dir} is not a finished run",
            expected="the folder of a run inside its study, such as DIR/runs/ARM/seed-0, or of an arm, DIR/runs/ARM",
            do="run `scantrial status DIR` to list the runs",
        )
    return open_folder(path.parents[2]), [key]


def _image_spec(folder: StudyFolder, facts: RunFacts) -> ImageSpec:
    """Return how the run's images were decoded, with the actual size of the study's scans."""
    image = folder.data()["image"]
    size = facts.image_shape[1:] if image["size"] else None
    kept = {key: value for key, value in image.items() if key in ImageSpec.model_fields}
    own = read_typed(ImageSpec, {**kept, "size": size}, where=f"{folder.path / 'data.json'}, image")
    return decoding(stored_recipe(facts).image, own) or own


def _allowed_here(
    folder: StudyFolder, key: RunKey, model: ModelSpec, *, trust_code: bool, on_trust: OnTrust
) -> tuple[CustomClass, ...]:
    """Look for a custom network where it was allowed before, in the working directory, and where Python looks."""
    before = [item.folder for item in allowed_before(folder.path).values()]
    search = (*before, str(Path.cwd()), *sys.path)
    trained = next((arm for arm in folder.plan().arms if arm.name == key.arm), None)
    if model.is_custom and trained is not None:
        _refuse_other_code(trained, find_class(model.name, search))
    return permit(folder.path, [model], search=search, trust_code=trust_code, on_trust=on_trust)


def _refuse_other_code(trained: PlannedArm, found: CustomClass) -> None:
    """Refuse files of a custom network that are not those that were trained: its weights mean nothing in others."""
    known = {found.sources[-1].module: trained.source_sha256}
    known |= {} if found.installed else trained.helpers_sha256 or {}
    files = {source.module: source for source in found.modules}
    for module, sha256 in known.items():
        source = files.get(module)
        if sha256 is None or (source is not None and source.sha256 == sha256):
            continue
        what = f"there is no {module}" if source is None else f"{printable(source.path)} has SHA-256 {source.sha256}"
        raise InputError(
            f"{found.name} is not in the file that was trained: {what}",
            expected=f"the file with the SHA-256 {sha256}",
            do="put that file in its place, or into the working directory; whoever trained the network has it",
        )


def _batches(
    files: Iterable[NewScan], facts: RunFacts, spec: ImageSpec, *, n_at_once: int
) -> Iterator[tuple[list[str], Pixels]]:
    """Yield the images of all files with their names, some at a time; in the end raise if any file cannot be used."""
    batch: list[tuple[str, Pixels]] = []
    problems: list[tuple[str, str]] = []
    for file in files:
        try:
            for name, image in _images_of(file, facts, spec):
                batch.append((name, _fitted(image, file.path, facts, spec)))
                if len(batch) == n_at_once and not problems:
                    yield _stacked(batch)
                if len(batch) == n_at_once:
                    batch = []
        except ImageError as error:
            problems.append((file.name, error.reason))
        except DataError as error:
            problems.append((file.name, f"{error.got}; the network was trained on {facts.pixel_type}"))
    if problems:
        raise UnreadableScansError(problems, do="leave these files out, or choose a network trained on such files")
    if batch:
        yield _stacked(batch)


def _stacked(batch: Sequence[tuple[str, Pixels]]) -> tuple[list[str], Pixels]:
    images: Pixels = np.stack([image for _, image in batch])  # type: ignore[assignment] # one type, the network's
    return [name for name, _ in batch], images


def _images_of(scan: NewScan, facts: RunFacts, spec: ImageSpec) -> Iterator[tuple[str, Pixels]]:
    """Yield the images of a file with their names: one image, those of an array, or all frames or slices."""
    file = scan.path
    if scan.decode is not None:
        yield scan.name, scan.decode(no_claim, spec)
        return
    if file.suffix.lower() not in (".npy", ".npz"):
        frames = frames_of(file) if spec.frame == "all" else range(1)
        if len(frames) == 1:
            yield scan.name, decode_image(file, image=spec)
            return
        for frame in frames:
            yield f"{scan.name}#{frame}", decode_image(file, image=spec.model_copy(update={"frame": frame}))
        return
    rows = _array_of(file, spec)
    _, height, width = facts.image_shape
    n_pixels = len(rows) * height * width
    if len(rows) > MAX_IMAGES:
        raise ImageError(file, f"{len(rows):,} images, at most {MAX_IMAGES:,} in one file: divide it")
    if n_pixels > max(MAX_PIXELS, rows.size):
        why = f"{len(rows):,} images would take {n_pixels:,} pixels at the network's size of {height}x{width}"
        raise ImageError(file, f"{why}, at most {MAX_PIXELS:,} in one file: divide it")
    for number in range(len(rows)):
        yield f"{scan.name}#{number}", row_decoder(rows, number, image=spec)


def _array_of(file: Path, spec: ImageSpec) -> NDArray[Any]:
    """Map an array of shape (n, height, width[, channels]); a single image becomes n = 1."""
    try:
        rows = np.load(file, mmap_mode="r", allow_pickle=False)
    except OSError as error:
        raise ImageError(file, (error.strerror or str(error)).lower()) from error
    except Exception as error:  # a damaged header raises nearly anything
        raise ImageError(file, f"not a complete .npy array ({' '.join(str(error).split())[:160]})") from error
    if not isinstance(rows, np.ndarray):
        rows.close()
        raise ImageError(file, "an .npz archive: save its images as a .npy array")
    has_channels = spec.keeps_samples and spec.n_channels != 1
    one_image = rows.ndim == 2 or (rows.ndim == 3 and (has_channels or rows.shape[2] in (1, 3, 4)))
    rows = rows[None] if one_image else rows
    fault = array_fault(rows.shape, rows.dtype)
    if fault:
        raise ImageError(file, fault)
    return rows


def _fitted(image: Pixels, file: Path, facts: RunFacts, spec: ImageSpec) -> Pixels:
    """Bring an image to the shape and type that the network was trained on, or raise the reason why not."""
    channels, height, width = facts.image_shape
    shape = (height, width) if channels == 1 else (height, width, channels)
    image = match_depth(fit_image(image, spec), facts.pixel_type)
    if image.shape != shape:
        raise ImageError(file, f"is {_size(image.shape)}, but the network was trained on {_size(shape)}")
    return image


def _size(shape: tuple[int, ...]) -> str:
    colour = "gray" if len(shape) == 2 else f"{shape[2]} channels"
    return f"{shape[0]}x{shape[1]} {colour}"
