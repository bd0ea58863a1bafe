"""On a backbone with two text encoders every method trains, draws the cases, and is scored."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from pipeline import images, plugins, records, settings, shards
from pipeline.benchmark.cases import CASES_FILE, load_cases
from pipeline.evaluate import tasks as scoring
from pipeline.evaluate.real import RealWorker
from pipeline.evaluate.worker import ScoreWorker
from pipeline.generate import tasks as generation
from pipeline.generate.tasks import GenerationJob
from pipeline.generate.worker import worker
from pipeline.settings import Models, Settings
from pipeline.training import loop
from tests import tiny_models, toy_pack
from tests.tiny_training import make_plan

pytestmark = pytest.mark.long

NAMES = plugins.names("methods")
PROTOCOLS = ("free", "layout")
SIDE, CELL = 192, 64  # of test photos and, in them, the upper left corner of the face: toy_pack's detector looks so


@pytest.fixture(scope="module")
def drawn_with(tmp_path_factory: pytest.TempPathFactory) -> Models:
    """Models of SDXL's layout, to train and to draw with."""
    return tiny_models.models(tmp_path_factory.mktemp("sdxl"), "sdxl")


@pytest.fixture(scope="module")
def scored_with(drawn_with: Models, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The same with toy recognisers, which find red cells, as judges."""
    judge, chosen = str(toy_pack.write(tmp_path_factory.mktemp("judge"))), settings.load()
    models = replace(drawn_with, recogniser_a=judge, recogniser_b=judge, recogniser_c=judge)
    generate = replace(chosen.generate, protocols=PROTOCOLS, references=2, steps=2)
    return replace(chosen, models=models, generate=generate, evaluate=replace(chosen.evaluate, detector_size=SIDE))


@pytest.fixture(scope="module")
def data(scored_with: Settings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Test photos, cases of one person and of two, and what the judges see in the photos."""
    folder = tmp_path_factory.mktemp("data")
    tiny_models.tested(folder / "samples")
    [path] = shards.paths(folder / "samples", "test")
    rows = [with_red_face(row) for row in shards.read(path).to_pylist()]
    wanted = records.samples(tiny_models.EMBEDDING, tiny_models.SHAPE, tiny_models.EXPRESSION)
    shards.write(path, pa.Table.from_pylist(rows, schema=wanted), wanted)
    for task in scoring.real_tasks(scored_with, folder / "samples"):
        RealWorker(scored_with.models, scored_with.evaluate, str(folder / "scores" / scoring.REAL))(task)
    return folder


def with_red_face(row: dict) -> dict:
    """The row with a photo in which the judges find its face; people differ by how blue they are."""
    blue = 40 * (int(row["photo_id"][1]) + 1)
    picture = toy_pack.photo(SIDE, SIDE, {(CELL // toy_pack.CELL,) * 2: blue}, seed=len(row["photo_id"]))
    face = row["faces"][0] | {
        "box": [float(CELL), float(CELL), CELL + 32.0, CELL + 32.0],
        "keypoints": (CELL + 32 * np.array(toy_pack.KEYPOINTS)).ravel().tolist(),
        "landmarks": (CELL + 32 * toy_pack.landmark_shares()).ravel().tolist(),
    }
    shown = {"crop": [0.0, 0.0, SIDE, SIDE], "size": [SIDE, SIDE], "width": SIDE, "height": SIDE, "faces": [face]}
    return row | shown | {"image": {"bytes": images.encode_png(picture), "path": "p.png"}}


@pytest.mark.parametrize("name", NAMES)
def test_it_is_trained_drawn_and_scored(
    name: str, drawn_with: Models, scored_with: Settings, data: Path, tmp_path: Path
) -> None:
    plan = make_plan(tmp_path, drawn_with, name, images=32)
    loop.fit(plan)
    shapes, generate = scored_with.shapes, scored_with.generate
    job = GenerationJob(
        name, drawn_with, generate, shapes, data / "samples" / CASES_FILE, data / "samples", plan.out,
        data / "images" / name,
    )  # fmt: skip
    draw = worker(job)
    assert sum(draw(task)["images"] for task in generation.tasks(job)) == len(PROTOCOLS) * 6
    found = scores(name, scored_with, data)
    people = {case.case_id: len(case.people) for case in load_cases(data / "samples" / CASES_FILE).cases}
    rows = Counter((row.case_id, row.protocol) for row in found[found["metric"] == "sim_heldout"].itertuples())
    assert rows == {(case, protocol): count for case, count in people.items() for protocol in PROTOCOLS}
    assert not found[found["metric"] == "clip_t"]["missing"].any()  # there is a picture, whatever it shows
    assert set(found["metric"]) >= {"sim_heldout", "count_exact", "confusion", "layout_iou", "clip_t"}
    assert np.isfinite(found["value"][~found["missing"]]).all()


def scores(name: str, scored_with: Settings, data: Path) -> pd.DataFrame:
    """The rows of scores of what a method drew."""
    real = scoring.real_tasks(scored_with, data / "samples")
    work = ScoreWorker(scored_with, str(data / "samples"), str(data / "scores"))
    for task in scoring.score_tasks(scored_with, name, data / "samples", data / "images", real):
        work(task)
    found = shards.read_all(data / "scores" / name, "scores").to_pandas()
    return found[found["method"] == name]
