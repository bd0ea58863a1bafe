"""What is drawn, by whom and how, and which shards of images are wanted of it."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path

from pipeline import code, records, shards
from pipeline.benchmark.bounds import BOUNDS
from pipeline.benchmark.cases import CASES_FILE, load_cases
from pipeline.settings import GenerateSettings, Models, Settings, ShapesSettings, parse_reference_count
from pipeline.weights import checkpoint


@dataclass(frozen=True)
class GenerationJob:
    """What a worker of `name` needs; small and picklable."""

    name: str
    models: Models
    generate: GenerateSettings
    shapes: ShapesSettings  # how the references' shape is fitted
    cases: Path  # data/samples/_cases.json
    samples: Path  # data/samples
    weights: Path  # data/weights/<name>
    out: Path  # data/images/<name>


def job(name: str, settings: Settings, data: Path) -> GenerationJob:
    """What draws `name` from what lies below `data`."""
    trained, how = with_reference_count(name, settings.generate)
    samples, weights, out = data / "samples", data / "weights" / trained, data / "images" / name
    return GenerationJob(name, settings.models, how, settings.shapes, samples / CASES_FILE, samples, weights, out)


def tasks(job: GenerationJob) -> list[shards.Task]:
    """One task per piece of the case list, named by all that its images follow from."""
    benchmark, models = load_cases(job.cases), job.models
    made_by = [
        job.name,
        benchmark.hash,
        {name: value for name, value in asdict(job.generate).items() if name != "cases_per_shard"},
        *(shards.directory_fingerprint(each) for each in (models.backbone, models.recogniser_a, models.image_text)),
        code.schema_parts(records.IMAGES),
    ]
    trained = [] if job.name in BOUNDS else [code.plugin("methods", job.name)]
    made_by.append(code.code_fingerprint("pipeline.generate.worker", *trained))
    if trained:
        made_by += [
            shards.file_fingerprint([job.weights / checkpoint.WEIGHTS, Path(models.head)]),
            asdict(job.shapes),
        ]
    size = job.generate.cases_per_shard
    pieces = [(start, min(start + size, len(benchmark.cases))) for start in range(0, len(benchmark.cases), size)]
    return [shards.Task(shards.fingerprint(*made_by, piece), piece) for piece in pieces]


def with_reference_count(name: str, generate: GenerateSettings) -> tuple[str, GenerateSettings]:
    """Whose weights draw `name`, and how: <method>-<n>_references gives a method n photos of each person."""
    method, count = parse_reference_count(name)
    return method, replace(generate, references=count or generate.references)
