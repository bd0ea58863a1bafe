"""The settings of a run as dataclasses, a section per stage. Each field says its range and what it is."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from pipeline.settings.fields import SEEDS, Word, number, optional_path, plain, recogniser, text, whole
from pipeline.settings.sources import SourceSettings

MANY = 10**9


@dataclass(frozen=True)
class Models:
    """Where the pretrained parts lie: the pack of the world, or published weights."""

    recogniser_a: Annotated[
        str, text("FaceAnalysis directory that detects, finds landmarks, conditions and may supervise")
    ]
    recogniser_b: Annotated[str, recogniser("only scores")]
    recogniser_c: Annotated[str, recogniser("only scores")]
    outside: Annotated[
        tuple[Annotated[str, recogniser("a judge")], ...],
        plain("further recognisers that score in columns of their own, never in a main number or rank"),
    ]
    image_text: Annotated[str, text("open_clip directory")]
    backbone: Annotated[str, text("diffusers pipeline directory")]
    head: Annotated[str, text("3D head, .npz of ours")]
    captioner: Annotated[
        str, optional_path("image-to-text directory of transformers (BLIP, GIT, ...) that samples.captions may ask")
    ]
    allow_non_commercial: Annotated[
        bool, plain("false: a part whose licence is not known to allow commercial use stops the run")
    ]


@dataclass(frozen=True)
class WorldSettings:
    """The drawn population and its gallery web site."""

    people: Annotated[int, whole(0, 1_000_000, "0 writes an empty site")]
    portraits_per_person: Annotated[int, whole(0, 10_000)]
    groups: Annotated[int, whole(0, 1_000_000)]
    circle: Annotated[
        int, whole(1, 1_000_000, "people who appear in groups with each other: a split never cuts a circle")
    ]
    seed: Annotated[int, whole(0, SEEDS)]
    photos_per_shard: Annotated[int, whole(1, 100_000)]


@dataclass(frozen=True)
class CrawlSettings:
    """What is fetched, how politely, and on which legal basis."""

    seeds: Annotated[tuple[Word, ...], plain("page URLs where the crawl starts")]
    url_lists: Annotated[
        str,
        optional_path("text file with an image URL per line, a tab and a caption may follow it; or a folder of such"),
    ]
    sources: Annotated[
        tuple[SourceSettings, ...],
        plain("further sources, each with its own terms; they come after seeds and url_lists"),
    ]
    watch: Annotated[
        str, optional_path("file or folder where local files of `sources` lie: the stage runs again when it changes")
    ]
    scope: Annotated[tuple[Word, ...], plain("host patterns that may be asked at all: nothing is collected untargeted")]
    serve: Annotated[str, optional_path("folder that is served over loopback during the crawl")]
    hosts: Annotated[
        Mapping[str, str],
        plain("host pattern -> loopback address or address:port; without a port, that of `serve`"),
    ]
    user_agent: Annotated[str, text("what the crawler calls itself; robots.txt is asked for its first word")]
    collection_mode: Annotated[
        Literal["consented", "licensed", "targeted"],
        plain("faces from pages that nobody chose may not be collected: EU AI Act, Art. 5(1)(e)"),
    ]
    legal_basis: Annotated[str, text("on which basis these pictures are collected")]
    licence: Annotated[str, text("SPDX id of the pictures")]
    requests_per_second: Annotated[float, number(0.001, 100_000, "per host")]
    connections_per_host: Annotated[int, whole(1, 1000)]
    retries: Annotated[int, whole(0, 20, "of a request that failed in passing")]
    timeout_seconds: Annotated[float, number(0.001, 3600)]
    max_bytes: Annotated[int, whole(1, 2**31 - 1, "of a response")]
    min_side: Annotated[int, whole(1, 65_535, "pixels")]
    max_pages: Annotated[int, whole(0, MANY)]
    max_depth: Annotated[int, whole(0, MANY, "clicks from a seed page")]
    takedown: Annotated[
        str, optional_path("text file with a URL, sha256 or photo id per line that is never kept again")
    ]
    near_duplicate_bits: Annotated[
        int, whole(0, 15, "differing bits of the perceptual hash up to which two pictures are one")
    ]
    photos_per_shard: Annotated[int, whole(1, 100_000)]


@dataclass(frozen=True)
class FacesSettings:
    """Detection, alignment, embedding and grading of faces."""

    detector_size: Annotated[int, whole(32, 4096, "pixels", multiple=32)]
    detector_threshold: Annotated[float, number(0, 1, "score from which a face gets a row at all")]
    landmarks: Annotated[Literal["recogniser", "face_alignment"], plain("recogniser: the pack's 68 points")]
    landmark_weights: Annotated[str, optional_path("directory with face-alignment's weight files")]
    min_score: Annotated[float, number(0, 1, "of the detector, below which a row is rejected")]
    min_face: Annotated[int, whole(0, 65_535, "pixels, shorter side of the box")]
    min_sharpness: Annotated[
        float, number(0, 100, "spread of the Laplacian over spread of the grey level: most photos have 0.15 to 0.7")
    ]
    max_yaw: Annotated[float, number(0, 180, "degrees")]


@dataclass(frozen=True)
class IdentitiesSettings:
    """Clustering of embeddings into identities; nothing here is fitted on labels."""

    neighbours: Annotated[int, whole(1, 100_000, "of each face, by cosine, that are candidates for its person")]
    min_faces: Annotated[int, whole(1, 100_000, "fewer make no identity")]
    min_cohesion: Annotated[float, number(-1, 1, "mean cosine over the pairs of an identity's faces")]


@dataclass(frozen=True)
class ShapesSettings:
    """Fitting of the 3D head to landmarks."""

    landmark_noise: Annotated[
        float,
        number(1e-6, 1, "expected error of a landmark, share of the outer eye distance: what the priors weigh against"),
    ]
    contour_weight: Annotated[
        float,
        number(0, 1000, "of the jaw line's 17 points, whose place along the skin nobody marks; inner points weigh 1"),
    ]
    shape_weight: Annotated[float, number(1e-6, 1e6, "of the normal prior on shape coefficients")]
    expression_weight: Annotated[float, number(1e-6, 1e6, "of the normal prior on expression coefficients")]
    iterations: Annotated[int, whole(1, 1000)]
    max_residual: Annotated[float, number(0, 100, "share of the outer eye distance")]
    identities_per_shard: Annotated[int, whole(1, 100_000)]


@dataclass(frozen=True)
class SamplesSettings:
    """Captions, splits and training shards."""

    validation_share: Annotated[float, number(0, 1, "of the people")]
    test_share: Annotated[float, number(0, 1, "of the people")]
    references: Annotated[
        int, whole(1, 1000, "photos per person that generators are given; the rest is held out to score against")
    ]
    photos_per_shard: Annotated[int, whole(1, 100_000)]
    side: Annotated[
        int, whole(0, 8192, "pixels of the square size that all sizes have the area of; 0: the backbone's own")
    ]
    min_face: Annotated[int, whole(0, 8192, "pixels in the sample, shorter side of the box of the smallest face")]
    photos_per_size: Annotated[
        int,
        whole(1, 1_000_000, "fewer training photos of a size are cropped to another: train.batch or more"),
    ]
    captions: Annotated[
        Literal["page", "model", "page_else_model"],
        plain("the page's; models.captioner's; or models.captioner's where the page says nothing"),
    ]
    benchmark: Annotated[str, text("prompt file: one of pipeline/benchmark/prompts/, or your own of that form")]
    cases: Annotated[
        tuple[Annotated[int, whole(0, 1_000_000)], ...], plain("casts of one person, of two, of three, ...")
    ]
    seeds: Annotated[int, whole(1, 10_000, "images per cast and prompt")]
    seed: Annotated[int, whole(0, SEEDS, "of the split")]


@dataclass(frozen=True)
class TrainSettings:
    """The budget that every method gets, and how it is spent."""

    images: Annotated[int, whole(1, 10**12, "training images seen, summed over a method's stages")]
    batch: Annotated[int, whole(1, 1_000_000, "images per step over all ranks")]
    ranks: Annotated[int, whole(1, 100_000, "processes of one thread each")]
    learning_rate: Annotated[float, number(1e-12, 10)]
    min_snr_gamma: Annotated[float, number(1e-6, 1e6, "limit of the timesteps' signal-to-noise weights")]
    face_weight: Annotated[float, number(0, 1e6, "how much more a position within a face counts in the loss")]
    close_ups: Annotated[
        float, number(0, 1, "share of the steps on photos of one person that show close-ups, at a quarter of the cost")
    ]
    half: Annotated[
        bool, plain("calculate in bfloat16 where that is safe and the device is fast at it; weights stay float32")
    ]
    checkpoint_seconds: Annotated[float, number(0, 1e6)]
    preview_images: Annotated[int, whole(0, 1000)]
    seed: Annotated[int, whole(0, SEEDS)]


@dataclass(frozen=True)
class GenerateSettings:
    """Sampling of benchmark cases."""

    protocols: Annotated[tuple[Literal["free", "layout"], ...], plain("without and with a given layout")]
    references: Annotated[int, whole(1, 1000, "photos of each person that a method is given, best first")]
    steps: Annotated[int, whole(1, 1000, "of DDIM")]
    guidance: Annotated[float, number(0, 1000)]
    eta: Annotated[
        float, number(0, 1, "share of DDPM's noise that is added back after every step; 0 is deterministic DDIM")
    ]
    half: Annotated[bool, plain("the UNet calculates in bfloat16 where the device is fast at it")]
    cases_per_shard: Annotated[int, whole(1, 100_000)]


@dataclass(frozen=True)
class EvaluateSettings:
    """Metrics and the faces they score."""

    detector_size: Annotated[int, whole(32, 4096, "pixels", multiple=32)]
    detector_threshold: Annotated[float, number(0, 1)]


@dataclass(frozen=True)
class ReportSettings:
    """Statistics and pages."""

    title: Annotated[str, text()]
    draws: Annotated[int, whole(1, 10_000_000, "of the bootstrap")]
    confidence: Annotated[float, number(0.01, 0.9999, "of the intervals")]
    gallery_cases: Annotated[int, whole(0, 1_000_000)]
    seed: Annotated[int, whole(0, SEEDS)]


@dataclass(frozen=True)
class Settings:
    """Everything a run depends on; one section per stage."""

    profile: Annotated[str, text("the file in profiles/ that these settings were written from")]
    methods: Annotated[tuple[Word, ...], plain("trained: <method> or <method>-<variant>")]
    fewer_references: Annotated[
        tuple[Word, ...], plain("<method>-<n>_references: drawn by a trained method from n photos of a person")
    ]
    bounds: Annotated[
        tuple[Literal["no_id", "pasted_reference", "other_photo", "vae_roundtrip"], ...],
        plain("what is generated beside the methods: pipeline/benchmark/bounds.py"),
    ]
    metrics: Annotated[tuple[Word, ...], plain("files in pipeline/metrics/")]
    profile_digest: Annotated[str, text("of the profile's values, written by `likeness use PROFILE`")]
    models: Models
    world: WorldSettings
    crawl: CrawlSettings
    faces: FacesSettings
    identities: IdentitiesSettings
    shapes: ShapesSettings
    samples: SamplesSettings
    train: TrainSettings
    generate: GenerateSettings
    evaluate: EvaluateSettings
    report: ReportSettings

    @property
    def drawn(self) -> tuple[str, ...]:
        """All that draws the cases beside the bounds."""
        return (*self.methods, *self.fewer_references)

    def parts(self) -> dict[str, str]:
        """The pretrained parts: the setting that names one -> its directory or file."""
        models = {f"models.{name}": value for name, value in dataclasses.asdict(self.models).items()}
        judges = {f"models.outside[{number}]": name for number, name in enumerate(self.models.outside)}
        named = {**models, **judges, "faces.landmark_weights": self.faces.landmark_weights}
        return {name: path for name, path in named.items() if isinstance(path, str) and path}
