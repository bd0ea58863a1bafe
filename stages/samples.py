"""Pack photos with captions and faces into training shards, split by identity; choose references and benchmark cases.

Reads data/crawl, data/faces, data/identities, data/shapes; writes data/samples. Run: python -m stages.samples
"""

from argparse import Namespace
from functools import partial
from typing import TYPE_CHECKING

from pipeline import runner

if TYPE_CHECKING:
    from pipeline.samples.faces import FaceTable
    from pipeline.settings import Settings

DATA, FOLDER = runner.DATA, runner.DATA / "samples"


def stage(settings: "Settings", _: Namespace) -> None:
    """Write what is missing of the shards, then the reference sets and the case list, and check the contract."""
    from pipeline.benchmark.spec import read_spec
    from pipeline.samples import cases, selection, summary, tasks, worker
    from pipeline.samples.faces import FaceTable

    spec, faces = read_spec(settings.samples.benchmark), FaceTable(DATA)
    rules, made = selection.rules(settings), captions(faces, settings)
    photos = selection.decide(DATA, faces, settings.samples, spec.all_prompts(), rules, made)
    todo = tasks.tasks(photos, faces, settings.samples)
    wanted = [runner.Wanted(FOLDER, (kind,), found) for kind, found in todo.items()]
    runner.make("samples", wanted, partial(worker.SampleWorker, DATA))
    people, benchmark = cases.write(spec, photos, faces, settings, FOLDER)
    runner.finish(
        FOLDER,
        summary.summarise(photos, people, benchmark),
        "{photos} photos, {groups} of them with more than one person, {given_up} given up because their people are in "
        "several splits; benchmark: {benchmark}",
        kept="photos",
        nothing="no photo became a sample ({rejected}): look at `reject` in {folder}, in data/faces and in data/shapes",
    )


def captions(faces: "FaceTable", settings: "Settings") -> dict[str, str | None]:
    """Make the captions that a model is to make, and read them."""
    from pipeline.samples import model_captions

    todo = model_captions.tasks(DATA, faces, settings)
    source, directory = settings.samples.captions, settings.models.captioner
    wanted = runner.Wanted(FOLDER, (model_captions.KIND,), todo)
    runner.make("captions", [wanted], partial(model_captions.CaptionWorker, directory, source, FOLDER))
    return model_captions.read(FOLDER, todo)


if __name__ == "__main__":
    runner.run(__doc__, stage)
