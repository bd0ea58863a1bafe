"""ICT-FaceKit (Li et al. 2020; MIT licence): the `.npz` of its light model."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pipeline.head.model import Floats, Head, Ints

SKIN_COLOUR = (0.77, 0.58, 0.48)
ICT_KEYS = ("mean", "identity", "expression", "expression_names", "quads", "landmarks68")
# parts of the mesh by first and last vertex, from ICT-FaceKit's README; the rest lies over the eyes and would hide them
ICT_PARTS = {
    "skin": [(0, 9408)],
    "neck": [(9409, 11247)],
    "mouth": [(11248, 13293), (14062, 21450)],
    "left_eye": [(13294, 13677), (21451, 23020)],
    "right_eye": [(13678, 14061), (23021, 24590)],
}


def import_ict(path: str | Path) -> Head:
    """ICT-FaceKit (Li et al. 2020; MIT licence) from the `.npz` of its light model, in centimetres.

    Its identity modes are scaled to standard deviations already; `_L` and `_R` become ARKit's Left and Right.
    It has no albedo, so the colour is flat. Raises ValueError naming the keys that are missing.
    """
    with np.load(path, allow_pickle=False) as file:
        missing = [key for key in ICT_KEYS if key not in file.files]
        if missing:
            raise ValueError(f"{path} is no ICT-FaceKit file, it lacks {', '.join(missing)}")
        data = {key: file[key] for key in ICT_KEYS}
    regions, shown = ict_regions(len(data["mean"]))
    quads = data["quads"][shown[data["quads"]].all(1)]
    return Head(
        mean=data["mean"].astype(np.float32),
        identity=data["identity"].astype(np.float32),
        expression=data["expression"].astype(np.float32),
        triangles=halve(quads),
        landmarks68=data["landmarks68"].astype(np.int32),
        albedo_mean=flat_colour(len(data["mean"])),
        albedo=np.zeros((0, *data["mean"].shape), np.float32),
        regions=regions,
        expression_names=tuple(arkit_name(str(name)) for name in data["expression_names"]),
        region_names=tuple(ICT_PARTS),
        name="ICT-FaceKit Light",
        version="1",
        licence="MIT",
        unit="cm",
    )


def ict_regions(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Region number (V,) of each vertex, and whether it is drawn (V,)."""
    regions, shown = np.zeros(count, np.uint8), np.zeros(count, bool)
    for number, spans in enumerate(ICT_PARTS.values()):
        for first, last in spans:
            regions[first : last + 1] = number
            shown[first : last + 1] = True
    return regions, shown


def halve(quads: np.ndarray) -> Ints:
    """Triangles (2Q, 3) of quadrilaterals (Q, 4), turning the same way."""
    return np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]]).astype(np.int32)


def flat_colour(count: int) -> Floats:
    """One skin colour (V, 3) for a head that has no albedo."""
    return np.tile(np.array(SKIN_COLOUR, np.float32), (count, 1))


def arkit_name(name: str) -> str:
    """`mouthSmile_L` as ARKit writes it: `mouthSmileLeft`."""
    for ending, side in (("_L", "Left"), ("_R", "Right")):
        if name.endswith(ending):
            return name.removesuffix(ending) + side
    return name
