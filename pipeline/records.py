"""The nouns: the Arrow schema of every folder under data/, with a comment per column.

Every folder holds shards of one or two kinds, named <kind>-<fingerprint>.parquet. Rejected rows stay beside the kept
ones: `reject` is null for a kept row, else the reason. Boxes are x1, y1, x2, y2 and points x, y, all in pixels of the
photo; embeddings have unit length; angles are in degrees. A row holds no wall-clock time, port or attempt count.
"""

import json
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

POINTS = 68
IMAGE = pa.struct([pa.field("bytes", pa.binary()), pa.field("path", pa.string())])
# Without this key readers such as Hugging Face datasets show a raw struct instead of a picture.
HUGGINGFACE = {b"huggingface": json.dumps({"info": {"features": {"image": {"_type": "Image"}}}}).encode()}

BOX = pa.list_(pa.float32(), 4)
KEYPOINTS = pa.list_(pa.float32(), 10)  # 5 points (x, y): left eye, right eye, nose, mouth corners, image left first
LANDMARKS = pa.list_(pa.float32(), 2 * POINTS)  # 68 points (x, y), iBUG order


def vector(length: int) -> pa.DataType:
    """A float32 vector of fixed length; lengths are read from the models."""
    return pa.list_(pa.float32(), length)


def vectors(values: NDArray[Any], absent: NDArray[np.bool_] | None = None) -> pa.FixedSizeListArray:
    """A column of float32 vectors from (rows, length); rows where `absent` is true are null."""
    flat = pa.array(np.ascontiguousarray(values, np.float32).ravel())
    mask = None if absent is None else pa.array(absent)
    return pa.FixedSizeListArray.from_arrays(flat, values.shape[1], mask=mask)


def matrix(column: pa.ChunkedArray) -> NDArray[np.float32]:
    """The vectors (rows, length) of a column of fixed-size lists; null rows are NaN."""
    joined = column.combine_chunks()
    values = np.full((len(joined), joined.type.list_size), np.nan, np.float32)
    values[joined.is_valid().to_numpy(zero_copy_only=False)] = joined.flatten().to_numpy().reshape(-1, values.shape[1])
    return values


# data/world, site-*.parquet: the gallery web site, one row per URL that answers with something
SITE = pa.schema(
    [
        ("host", pa.string()),
        ("path", pa.string()),  # with its query; a final * stands for anything
        ("status", pa.int32()),
        ("headers", pa.list_(pa.string())),  # "Name: value"
        ("refusals", pa.int32()),  # so many requests are first answered 429 with Retry-After: 1
        ("body", pa.binary()),
    ]
)

# data/world, truth-*.parquet: one row per drawn photo
TRUTH = pa.schema(
    [
        ("url", pa.string()),  # where the site shows it
        ("offered", pa.string()),  # what a polite crawl makes of it: kept, robots or opt_out
        ("sha256", pa.string()),  # of the file's bytes, so that a crawled photo finds its truth
        ("caption", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("background", pa.string()),
        (
            "faces",
            pa.list_(
                pa.struct(
                    [
                        ("person", pa.int32()),  # number in the population
                        ("box", BOX),
                        ("landmarks", LANDMARKS),
                        ("shape", pa.list_(pa.float32())),
                        ("expression", pa.list_(pa.float32())),
                        ("yaw", pa.float32()),
                        ("pitch", pa.float32()),
                        ("roll", pa.float32()),
                        ("scale", pa.float32()),
                        ("translation", pa.list_(pa.float32(), 2)),
                        ("light", pa.list_(pa.float32())),
                    ]
                )
            ),
        ),
    ]
)

# data/crawl, urls-*.parquet: one row per URL that was seen, with its outcome
URLS = pa.schema(
    [
        ("url", pa.string()),
        ("url_id", pa.string()),  # first 16 hex digits of the URL's sha256
        ("kind", pa.string()),  # page or image
        ("outcome", pa.string()),  # kept, read (a page), duplicate, never (not asked again) or later (worth a try)
        ("reject", pa.string()),  # reason of never and later: robots, opt_out, not_found, bad_image, ...; else null
        ("detail", pa.string()),  # evidence: the header, the status, the decoder's words
        ("final_url", pa.string()),  # after redirects
        ("status", pa.int32()),  # HTTP status, 0 when none was received
        ("sha256", pa.string()),  # of the bytes received; null when none were
        ("photo_id", pa.string()),  # the photo that these bytes are or duplicate; else null
        ("page_url", pa.string()),  # the page that links here
    ]
)

# data/crawl, photos-*.parquet: one row per distinct photo
PHOTOS = pa.schema(
    [
        ("photo_id", pa.string()),  # first 16 hex digits of the sha256 of the bytes received
        ("image", IMAGE),  # those bytes without their metadata (camera, place, owner)
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("url", pa.string()),
        ("page_url", pa.string()),
        ("caption", pa.string()),  # figure caption if there is one, else alt text
        ("phash", pa.uint64()),  # perceptual hash
        ("collection_mode", pa.string()),
        ("legal_basis", pa.string()),
        ("licence", pa.string()),
    ],
    metadata=HUGGINGFACE,
)


def faces(embedding: int) -> pa.Schema:
    """data/faces: one row per detected face, kept or rejected; a photo without a face has one row with index -1."""
    return pa.schema(
        [
            ("face_id", pa.string()),  # <photo_id>-<index>
            ("photo_id", pa.string()),
            ("index", pa.int32()),  # faces of a photo from left to right
            ("width", pa.int32()),  # of the photo
            ("height", pa.int32()),
            ("box", BOX),
            ("keypoints", KEYPOINTS),
            ("landmarks", LANDMARKS),
            ("score", pa.float32()),  # of the detector
            ("embedding", vector(embedding)),  # recogniser A
            ("sharpness", pa.float32()),
            ("yaw", pa.float32()),  # rough, from the landmarks
            ("quality", pa.float32()),  # in [0, 1]
            ("reject", pa.string()),
        ]
    )


# data/identities, faces-*.parquet: one row per face of data/faces that was kept there
IDENTITIES = pa.schema(
    [
        ("face_id", pa.string()),
        ("photo_id", pa.string()),
        ("identity_id", pa.string()),  # null when rejected
        ("similarity", pa.float32()),  # cosine to the centre of its cluster, that of rejected faces too
        ("reject", pa.string()),  # same_photo_twice, outlier, incoherent or alone
    ]
)

# data/identities, people-*.parquet: one row per identity
PEOPLE = pa.schema(
    [
        ("identity_id", pa.string()),
        ("faces", pa.int32()),
        ("cohesion", pa.float32()),  # mean cosine over the pairs of its faces
        ("margin", pa.float32()),  # cohesion minus the mean cosine to the faces of the nearest other identity
    ]
)

# data/identities, changes-*.parquet: what became of the identities of the output before
CHANGES = pa.schema(
    [
        ("identity_id", pa.string()),
        ("event", pa.string()),  # founded, merged (into the other), split (the other took faces from it) or ended
        ("other_id", pa.string()),
        ("faces", pa.int32()),  # founded: all its faces; merged and split: those that the other has now
    ]
)


def shapes(identity: int, expression: int) -> pa.Schema:
    """data/shapes: the fitted head, one row per face that has an identity; `shape` is equal within an identity."""
    return pa.schema(
        [
            ("face_id", pa.string()),
            ("identity_id", pa.string()),
            ("shape", vector(identity)),
            ("expression", vector(expression)),
            ("yaw", pa.float32()),
            ("pitch", pa.float32()),
            ("roll", pa.float32()),
            ("scale", pa.float32()),  # pixels per head unit
            ("translation", pa.list_(pa.float32(), 2)),  # pixels
            ("light", vector(9)),  # spherical harmonics of the grey level
            ("residual", pa.float32()),  # mean landmark distance, share of the outer eye distance
            ("reject", pa.string()),
        ]
    )


def face_struct(embedding: int, identity: int, expression: int) -> pa.DataType:
    """One person in a training sample."""
    return pa.struct(
        [
            ("face_id", pa.string()),
            ("identity_id", pa.string()),
            ("box", BOX),
            ("keypoints", KEYPOINTS),
            ("landmarks", LANDMARKS),
            ("embedding", vector(embedding)),
            ("shape", vector(identity)),
            ("expression", vector(expression)),
            ("yaw", pa.float32()),
            ("pitch", pa.float32()),
            ("roll", pa.float32()),
            ("scale", pa.float32()),
            ("translation", pa.list_(pa.float32(), 2)),
        ]
    )


def samples(embedding: int, identity: int, expression: int) -> pa.Schema:
    """data/samples, <split>-*.parquet: one row per photo whose every face has an identity.

    The other photos are rows of rejected-*.parquet, with a reason, without faces and without their bytes.
    """
    return pa.schema(
        [
            ("photo_id", pa.string()),
            ("image", IMAGE),
            ("width", pa.int32()),
            ("height", pa.int32()),
            ("caption", pa.string()),
            ("split", pa.string()),  # train, validation or test; people and their groups are on one side
            ("faces", pa.list_(face_struct(embedding, identity, expression))),  # from left to right
            ("reject", pa.string()),
        ],
        metadata=HUGGINGFACE,
    )


# data/samples, references-*.parquet: the photos of a person from which references are taken, best first
REFERENCES = pa.schema(
    [
        ("identity_id", pa.string()),
        ("split", pa.string()),
        ("face_id", pa.string()),
        ("photo_id", pa.string()),
        ("rank", pa.int32()),  # 0 is the best
        ("held_out", pa.bool_()),  # never given to a generator; never true in the training split
    ]
)

# data/images/<method>, images-*.parquet: one row per generated image
IMAGES = pa.schema(
    [
        ("case_id", pa.string()),
        ("protocol", pa.string()),  # free or layout
        ("method", pa.string()),
        ("benchmark", pa.string()),  # hash of the cases that it was drawn for
        ("image", IMAGE),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("reject", pa.string()),  # why there is no image, counted as a failure
    ],
    metadata=HUGGINGFACE,
)

# data/scores/<method>, scores-*.parquet: one row per case, metric and face (slot -1: the whole image)
SCORES = pa.schema(
    [
        ("case_id", pa.string()),
        ("protocol", pa.string()),
        ("people", pa.int32()),
        ("method", pa.string()),
        ("metric", pa.string()),
        ("encoder", pa.string()),  # recogniser or image-text model; empty when none is used
        ("slot", pa.int32()),
        ("identity_ids", pa.list_(pa.string())),  # the cluster that intervals resample
        ("value", pa.float64()),
        ("missing", pa.bool_()),  # the face or image that this scores is not there
    ]
)

# data/scores/<method>, found-*.parquet: one row per face that was detected in a generated image, from left to right
FOUND = pa.schema(
    [
        ("case_id", pa.string()),
        ("protocol", pa.string()),
        ("index", pa.int32()),
        ("box", BOX),
        ("score", pa.float32()),  # of the detector
        ("slot", pa.int32()),  # the person it is taken for, -1 for none
        ("similarity", pa.float64()),  # to that person's held-out photographs, mean of B and C; null for none
    ]
)

# data/scores/<method>, features-*.parquet: one row per generated image; data/scores/real: one row per test photo
FEATURES = pa.schema(
    [
        ("case_id", pa.string()),  # of a test photo its photo_id
        ("protocol", pa.string()),  # empty for a test photo
        ("people", pa.int32()),
        ("identity_ids", pa.list_(pa.string())),
        ("embedding", pa.list_(pa.float32())),  # of the image-text model, unit length
    ]
)

# data/scores/real, faces-*.parquet: the faces of test people as the scoring recognisers see them, and their landmarks
REAL_FACES = pa.schema(
    [
        ("face_id", pa.string()),
        ("photo_id", pa.string()),
        ("identity_id", pa.string()),
        ("embedding_b", pa.list_(pa.float32())),
        ("embedding_c", pa.list_(pa.float32())),
        ("landmarks", LANDMARKS),
    ]
)
