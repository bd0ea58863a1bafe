"""The nouns: the Arrow schema of every folder of shards under data/, with a description per folder and per column.

Descriptions are data: they stand in the files, where `pyarrow.dataset.dataset(folder).schema.field(name).metadata` or
`python -m pipeline.records FOLDER` shows them. Rejected rows stay beside the kept ones: `reject` is null for a kept
row, else the reason. Boxes are x1, y1, x2, y2 and points x, y, all in pixels of the photo; embeddings have unit length;
angles are in degrees. A row holds no wall-clock time, port or attempt count.
"""

import pyarrow as pa

from pipeline.records.columns import (
    BOX,
    DESCRIPTION,
    IMAGE,
    KEYPOINTS,
    LANDMARKS,
    POINTS,
    matrix,
    struct,
    table,
    vector,
    vectors,
)

__all__ = ["DESCRIPTION", "IMAGE", "POINTS", "matrix", "table", "vectors"]

SITE = table(
    "data/world/site: the gallery web site, one row per URL that answers with something",
    ("host", pa.string(), "name of the host that answers"),
    ("path", pa.string(), "with its query; a final * stands for anything"),
    ("status", pa.int32(), "HTTP status of the answer"),
    ("headers", pa.list_(pa.string()), "HTTP headers of the answer, each `Name: value`"),
    ("refusals", pa.int32(), "so many requests are first answered 429 with Retry-After: 1"),
    ("body", pa.binary(), "bytes of the answer: a page or a picture"),
)

TRUTH = table(
    "data/world/truth: one row per drawn photo",
    ("url", pa.string(), "where the site shows it"),
    ("offered", pa.string(), "what a polite crawl makes of it: kept, robots or opt_out"),
    ("sha256", pa.string(), "of the file's bytes, so that a crawled photo finds its truth"),
    ("caption", pa.string(), "what the page says of the photo"),
    ("width", pa.int32(), "pixels"),
    ("height", pa.int32(), "pixels"),
    ("background", pa.string(), "what is behind the people"),
    (
        "faces",
        pa.list_(
            struct(
                ("person", pa.int32(), "number in the population"),
                ("box", BOX, "x1, y1, x2, y2: around the face from brows to chin, ear to ear"),
                ("landmarks", LANDMARKS, "68 points x, y, iBUG order"),
                ("shape", pa.list_(pa.float32()), "identity coefficients of the 3D head"),
                ("expression", pa.list_(pa.float32()), "expression coefficients of the 3D head"),
                ("yaw", pa.float32(), "degrees"),
                ("pitch", pa.float32(), "degrees"),
                ("roll", pa.float32(), "degrees"),
                ("scale", pa.float32(), "pixels per head unit"),
                ("translation", pa.list_(pa.float32(), 2), "pixel x, y of the head's origin"),
                ("light", pa.list_(pa.float32()), "main light: direction and colour; colours of sky and ground"),
            )
        ),
        "the people in the photo, from left to right",
    ),
)

URLS = table(
    "data/crawl/urls: one row per URL that was seen, with its outcome",
    ("url", pa.string(), "as it was asked for, in its normal form, or a local picture's address (folder://...)"),
    ("url_id", pa.string(), "first 16 hex digits of the URL's sha256"),
    ("kind", pa.string(), "page, sitemap or image"),
    ("outcome", pa.string(), "kept, read (a page), duplicate, never (not asked again) or later (worth a try)"),
    ("reject", pa.string(), "reason of never and later: robots, opt_out, not_found, bad_image, ...; else null"),
    ("detail", pa.string(), "evidence: the header, the status, the decoder's words"),
    ("final_url", pa.string(), "after redirects"),
    ("status", pa.int32(), "HTTP status, 0 when none was received"),
    ("sha256", pa.string(), "of the bytes received; null when none were"),
    ("photo_id", pa.string(), "the photo that these bytes are or duplicate; else null"),
    ("page_url", pa.string(), "the page that links here"),
)

PHOTOS = table(
    "data/crawl/photos: one row per distinct photo",
    ("photo_id", pa.string(), "first 16 hex digits of the sha256 of the bytes received"),
    ("image", IMAGE, "the picture alone, upright and opaque, as JPEG, PNG or WebP"),
    ("width", pa.int32(), "pixels"),
    ("height", pa.int32(), "pixels"),
    ("url", pa.string(), "where it was found"),
    ("page_url", pa.string(), "the page that shows it"),
    ("caption", pa.string(), "figure caption if there is one, else alt text"),
    ("phash", pa.uint64(), "perceptual hash"),
    ("collection_mode", pa.string(), "how photos were collected, as crawl.collection_mode or their source says"),
    ("legal_basis", pa.string(), "why they may be used, as crawl.legal_basis or their source says"),
    ("licence", pa.string(), "the photos' licence, as crawl.licence, their source or its row says"),
)


def faces(embedding: int) -> pa.Schema:
    """The schema of data/faces/faces for embeddings of a length."""
    return table(
        "data/faces/faces: one row per detected face, kept or rejected; a photo without a face has one row of index -1",
        ("face_id", pa.string(), "<photo_id>-<index>"),
        ("photo_id", pa.string(), "of data/crawl/photos"),
        ("index", pa.int32(), "faces of a photo from left to right; -1 where there is none"),
        ("width", pa.int32(), "of the photo, in pixels"),
        ("height", pa.int32(), "of the photo, in pixels"),
        ("box", BOX, "x1, y1, x2, y2"),
        ("keypoints", KEYPOINTS, "5 points x, y: left eye, right eye, nose, mouth corners, image left first"),
        ("landmarks", LANDMARKS, "68 points x, y, iBUG order"),
        ("score", pa.float32(), "of the detector"),
        ("embedding", vector(embedding), "of recogniser A, unit length"),
        ("sharpness", pa.float32(), "of the aligned face, at least 0"),
        ("yaw", pa.float32(), "degrees; rough, from the landmarks"),
        ("quality", pa.float32(), "in [0, 1]"),
        ("reject", pa.string(), "why the face is not used; null for a kept one"),
    )


IDENTITIES = table(
    "data/identities/faces: one row per face of data/faces/faces that was kept there",
    ("face_id", pa.string(), "of data/faces/faces"),
    ("photo_id", pa.string(), "of data/crawl/photos"),
    ("identity_id", pa.string(), "null when rejected"),
    ("similarity", pa.float32(), "cosine to the centre of its cluster, that of rejected faces too"),
    ("reject", pa.string(), "same_photo_twice, outlier, incoherent or alone; null for a kept face"),
)

PEOPLE = table(
    "data/identities/people: one row per identity",
    ("identity_id", pa.string(), "named after the faces that founded it; lasts while most of its faces stay together"),
    ("faces", pa.int32(), "how many there are"),
    ("cohesion", pa.float32(), "mean cosine over the pairs of its faces"),
    ("margin", pa.float32(), "cohesion minus the mean cosine to the faces of the nearest other identity"),
)

CHANGES = table(
    "data/identities/changes: what became of the identities of the output before",
    ("identity_id", pa.string(), "of this output, or of the one before"),
    ("event", pa.string(), "founded, merged (into the other), split (the other took faces from it) or ended"),
    ("other_id", pa.string(), "the other identity of merged and split; else null"),
    ("faces", pa.int32(), "founded: all its faces; merged and split: those that the other has now"),
)


def shapes(identity: int, expression: int) -> pa.Schema:
    """The schema of data/shapes/shapes for a head with so many coefficients."""
    return table(
        "data/shapes/shapes: the fitted head, one row per face that has an identity",
        ("face_id", pa.string(), "of data/faces/faces"),
        ("identity_id", pa.string(), "of data/identities/people"),
        ("shape", vector(identity), "identity coefficients of the 3D head, equal within an identity"),
        ("expression", vector(expression), "expression coefficients of the 3D head"),
        ("yaw", pa.float32(), "degrees"),
        ("pitch", pa.float32(), "degrees"),
        ("roll", pa.float32(), "degrees"),
        ("scale", pa.float32(), "pixels per head unit"),
        ("translation", pa.list_(pa.float32(), 2), "pixel x, y of the head's origin"),
        ("light", vector(9), "spherical harmonics of the grey level"),
        ("residual", pa.float32(), "mean landmark distance, share of the outer eye distance"),
        ("reject", pa.string(), "landmarks or residual: not fitted, or badly; null for a kept face"),
    )


def face_struct(embedding: int, identity: int, expression: int) -> pa.DataType:
    """One person in a training sample."""
    return struct(
        ("face_id", pa.string(), "of data/faces/faces"),
        ("identity_id", pa.string(), "of data/identities/people"),
        ("box", BOX, "x1, y1, x2, y2"),
        ("keypoints", KEYPOINTS, "5 points x, y: left eye, right eye, nose, mouth corners, image left first"),
        ("landmarks", LANDMARKS, "68 points x, y, iBUG order"),
        ("embedding", vector(embedding), "of recogniser A, unit length"),
        ("shape", vector(identity), "identity coefficients of the 3D head"),
        ("expression", vector(expression), "expression coefficients of the 3D head"),
        ("yaw", pa.float32(), "degrees, of the fitted head"),
        ("pitch", pa.float32(), "degrees"),
        ("roll", pa.float32(), "degrees"),
        ("scale", pa.float32(), "pixels per head unit"),
        ("translation", pa.list_(pa.float32(), 2), "pixel x, y of the head's origin"),
    )


def samples(embedding: int, identity: int, expression: int) -> pa.Schema:
    """The schema of data/samples/<split> and data/samples/rejected for vectors of these lengths."""
    return table(
        "data/samples/<split>: one row per photo of people with identities; data/samples/rejected: the other photos, "
        "with a reason, without faces, crop and bytes",
        ("photo_id", pa.string(), "of data/crawl/photos"),
        ("image", IMAGE, "the photo as it was crawled"),
        ("width", pa.int32(), "of the photo, in pixels"),
        ("height", pa.int32(), "of the photo, in pixels"),
        ("crop", BOX, "x1, y1, x2, y2: what of the photo is shown, in its pixels from the edge; fractions count"),
        ("size", pa.list_(pa.int32(), 2), "width and height at which the crop is shown"),
        ("scale", pa.float32(), "pixels of the sample per pixel of the photo"),
        ("caption", pa.string(), "what the page says of the photo, without addresses, telephone numbers and links"),
        ("split", pa.string(), "train, validation or test; null where nobody is known, or people are in several"),
        ("faces", pa.list_(face_struct(embedding, identity, expression)), "who is shown, from left to right"),
        ("reject", pa.string(), "why the photo is no sample; null for a kept one"),
    )


REFERENCES = table(
    "data/samples/references: the photos of a person from which references are taken, best first",
    ("identity_id", pa.string(), "of data/identities/people"),
    ("split", pa.string(), "train, validation or test"),
    ("face_id", pa.string(), "of data/faces/faces"),
    ("photo_id", pa.string(), "of data/crawl/photos"),
    ("rank", pa.int32(), "0 is the best"),
    ("held_out", pa.bool_(), "never given to a generator; never true in the training split"),
)

IMAGES = table(
    "data/images/<method>/images: one row per generated image",
    ("case_id", pa.string(), "of data/samples/_cases.json"),
    ("protocol", pa.string(), "free or layout"),
    ("method", pa.string(), "a trained method, a bound or a folder of images"),
    ("benchmark", pa.string(), "hash of the cases that it was drawn for"),
    ("image", IMAGE, "PNG; null where there is no image"),
    ("width", pa.int32(), "pixels"),
    ("height", pa.int32(), "pixels"),
    ("reject", pa.string(), "why there is no image, counted as a failure; else null"),
)

SCORES = table(
    "data/scores/<method>/scores: one row per case, metric and face",
    ("case_id", pa.string(), "of data/samples/_cases.json"),
    ("protocol", pa.string(), "free or layout"),
    ("people", pa.int32(), "how many people were asked for"),
    ("method", pa.string(), "shuffled_id:<method> where the same image is scored against other people"),
    ("metric", pa.string(), "name of the metric's card"),
    ("encoder", pa.string(), "recogniser or image-text model; empty when none is used"),
    ("slot", pa.int32(), "the person, from left to right; -1: the whole image"),
    ("identity_ids", pa.list_(pa.string()), "the people asked for: the cluster that intervals resample"),
    ("value", pa.float64(), "in the metric's unit"),
    ("missing", pa.bool_(), "the face or image that this scores is not there"),
)

FOUND = table(
    "data/scores/<method>/found: one row per face that was detected in a generated image, from left to right",
    ("case_id", pa.string(), "of data/samples/_cases.json"),
    ("protocol", pa.string(), "free or layout"),
    ("index", pa.int32(), "faces of an image from left to right"),
    ("box", BOX, "x1, y1, x2, y2"),
    ("score", pa.float32(), "of the detector"),
    ("keypoints", pa.list_(pa.float32()), "x, y of five points: eyes, nose, corners of the mouth"),
    ("slot", pa.int32(), "the person it is taken for, -1 for none"),
    ("similarity", pa.float64(), "to that person's held-out photographs, mean of B and C; null for none"),
)

FEATURES = table(
    "data/scores/<method>/features: one row per generated image; data/scores/real/features: one row per test photo",
    ("case_id", pa.string(), "of data/samples/_cases.json; of a test photo its photo_id"),
    ("protocol", pa.string(), "free or layout; empty for a test photo"),
    ("people", pa.int32(), "how many people were asked for, or are in the photo"),
    ("identity_ids", pa.list_(pa.string()), "who they are"),
    ("embedding", pa.list_(pa.float32()), "of the image-text model, unit length"),
)

REAL_FACES = table(
    "data/scores/real/faces: the faces of test people as the scoring recognisers see them, and their landmarks",
    ("face_id", pa.string(), "of data/faces/faces"),
    ("photo_id", pa.string(), "of data/crawl/photos"),
    ("identity_id", pa.string(), "of data/identities/people"),
    ("embedding_b", pa.list_(pa.float32()), "of recogniser B, unit length"),
    ("embedding_c", pa.list_(pa.float32()), "of recogniser C, unit length"),
    ("keypoints", pa.list_(pa.float32()), "x, y of the five points that the faces were aligned by"),
    ("landmarks", LANDMARKS, "68 points x, y, iBUG order"),
)
