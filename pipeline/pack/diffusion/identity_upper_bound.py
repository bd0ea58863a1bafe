"""How well the backbone draws whom it is told of: what an adapter can hope for, before there is any adapter.

People of p9 are told to the backbone by their true coefficients (identity_conditioning.py), drawn with the caption of a
photograph of theirs, and compared with another photograph by recognisers A and B: A has judged the training, B nothing.
A picture without a face counts as zero.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm import tqdm

from pipeline import sampler, shards
from pipeline.backbone.batch import Batch, Condition, FaceLayout, People
from pipeline.backbone.inject import attention_layers
from pipeline.backbone.load import Backbone
from pipeline.encoders.recogniser import Recogniser, align, face_analysis, kps_from_landmarks68
from pipeline.images import Pixels, from_unit
from pipeline.method import Method
from pipeline.pack import dataset, export, settings
from pipeline.pack.diffusion import identity_conditioning, vae
from pipeline.pack.recognition.detector import DET_SIZE

# As `generate` in the project's params.yaml.
HOW = sampler.SamplerSettings(steps=20, guidance=3.0, eta=0.7, half=True)
AT_ONCE = 8
KNOWN = "coefficients"
Rows = NDArray[np.int64]


class OracleMethod(Method):
    """The backbone told of people, as a method that the benchmark's sampler draws with."""

    def __init__(self, backbone: Backbone, projector: identity_conditioning.IdentityProjector) -> None:
        super().__init__(backbone, {KNOWN: torch.zeros(projector.map.in_features)})
        self.projector = projector
        self.layers = nn.ModuleDict(dict(identity_conditioning.layers(backbone.unet)))
        self.attach(backbone.unet)

    def condition(self, batch: Batch) -> Condition:
        """Nothing is told of people whose coefficients are all zero: the unconditional ones."""
        assert batch.layout is not None
        known = batch.people.features[KNOWN][:, :, 0]  # (B, N, K)
        return Condition(
            batch.text,
            identity_conditioning.IdentityCondition(self.projector(known), known.any(-1), batch.layout.boxes),
        )


def load_oracle(backbone: Backbone, weights: Mapping[str, Tensor]) -> OracleMethod:
    """The backbone with a stored map from coefficients to tokens."""
    width, coefficients = weights["map.weight"].shape
    context = next(site.context for site in attention_layers(backbone.unet) if site.context)
    projector = identity_conditioning.IdentityProjector(coefficients, width // context, context)
    projector.load_state_dict(dict(weights))
    return OracleMethod(backbone, projector.eval())


def measure(backbone: Backbone, weights: Mapping[str, Tensor], data: dataset.Drawn, photos: Rows) -> dict[str, Any]:
    """Similarity by A and B of people of p9: drawn when told of, drawn when not, kept by the autoencoder.

    `photos` are portraits in `data` that another one of the same person follows; the backbone is on the CPU.
    """
    seed = settings.section("draw")["populations"]["p9"]["seed"]
    method, cast = load_oracle(backbone, weights), identity_conditioning.cast(data, seed)
    pictures = {
        "told": drawn(backbone, method, data, cast, photos),
        "untold": drawn(backbone, method, data, cast, photos, told=False),
        "kept": [vae.roundtrip(backbone.vae, np.asarray(data.images[photo])) for photo in photos],
    }
    judges = {name[-1]: Recogniser(settings.MODELS / name) for name in export.RECOGNISERS[:2]}
    wanted = [aligned(data, int(photo) + 1) for photo in photos]
    made = {kind: [found(each) for each in images] for kind, images in pictures.items()}
    scores = {
        kind: {name: similarity(judge, faces, wanted) for name, judge in judges.items()} for kind, faces in made.items()
    }
    return {"people": len(photos), **scores, "share": {name: share(scores, name) for name in judges}}


def first_photos(data: dataset.Drawn) -> Rows:
    """The first photograph of every person."""
    return data.photo[np.unique(data.person, return_index=True)[1]]


def drawn(
    backbone: Backbone,
    method: OracleMethod,
    data: dataset.Drawn,
    cast: identity_conditioning.Cast,
    photos: Rows,
    told: bool = True,
) -> list[Pixels]:
    """A picture for each photograph: its caption, its people in their places."""
    size = tuple(side // backbone.factor for side in data.images.shape[1:3])
    made: list[Pixels] = []
    for part in tqdm(shards.chunks(photos.tolist(), AT_ONCE), desc="told" if told else "untold", mininterval=5):
        known = torch.from_numpy(cast.people[part]).unsqueeze(2) * told  # (B, N, 1, K)
        boxes = torch.from_numpy(cast.boxes[part])
        given = torch.from_numpy(cast.present[part]).unsqueeze(2)
        layout = FaceLayout(boxes, torch.zeros(*boxes.shape[:2], dataset.LANDMARKS, 2))
        text = backbone.encode_text([data.captions[photo] for photo in part])
        batch = Batch(text, People({KNOWN: known}, given), (size[0], size[1]), layout)
        images = sampler.sample(backbone, method, batch, part, HOW)
        made += list(from_unit(images.float().permute(0, 2, 3, 1).cpu().numpy()))
    return made


def aligned(data: dataset.Drawn, photo: int) -> Pixels:
    """The only face of a portrait, (112, 112, 3)."""
    (one,) = data.faces_of(photo)
    return align(np.asarray(data.images[photo]), kps_from_landmarks68(data.landmarks[one]))


def found(image: Pixels) -> Pixels | None:
    """The largest face of a picture as the pack's detector finds it, (112, 112, 3), if there is one."""
    faces = finder().get(np.ascontiguousarray(image[..., ::-1]))
    if not faces:
        return None
    largest = max(faces, key=lambda face: (face.bbox[2] - face.bbox[0]) * (face.bbox[3] - face.bbox[1]))
    return align(image, largest.kps)


@cache
def finder() -> Any:
    """The pack's detector."""
    app = face_analysis(settings.MODELS / export.RECOGNISERS[0], allowed_modules=["detection"])
    app.prepare(-1, det_size=DET_SIZE)
    return app


def similarity(judge: Recogniser, made: Sequence[Pixels | None], wanted: Sequence[Pixels]) -> float:
    """Mean cosine of faces and those wanted; a missing face counts as 0."""
    there = [index for index, face in enumerate(made) if face is not None]
    if not there:
        return 0.0
    faces = judge.embed(np.stack([face for face in made if face is not None]))
    right = judge.embed(np.stack([wanted[index] for index in there]))
    return float((faces * right).sum() / len(made))


def share(scores: Mapping[str, Mapping[str, float]], judge: str) -> float | None:
    """Where `told` lies between `untold` (0) and what the autoencoder keeps (1), like the benchmark's `sim_share`.

    None where the autoencoder keeps no more than anybody's picture has: then there is no scale to lie on.
    """
    floor, ceiling = scores["untold"][judge], scores["kept"][judge]
    return (scores["told"][judge] - floor) / (ceiling - floor) if ceiling > floor else None
