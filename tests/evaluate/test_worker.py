"""From images to rows of scores, with toy models: red cells for faces, blueness for identity."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from pipeline import images, records, settings, shards
from pipeline.benchmark import cases
from pipeline.benchmark.cases import Benchmark, Case
from pipeline.errors import MissingInput
from pipeline.evaluate import folder, summary, tasks
from pipeline.evaluate.casts import Gallery
from pipeline.evaluate.observe import ScoredDetections
from pipeline.evaluate.real import RealWorker
from pipeline.evaluate.worker import Observation, ScoreWorker, _faces, evidence
from pipeline.head.model import load_head
from tests import tiny_models, toy_pack
from tests.benchmark import fairness_data
from tests.metrics.evidence import SCALES, person, turned

BLUE = {"a": 0, "b": 85, "c": 170, "d": 255}
LEFT, RIGHT = (1, 1), (5, 1)  # cells of the layout's two places
NEUTRAL = np.zeros(len(load_head(settings.load().models.head).expression))


def laid_out(case: Case) -> Case:
    """With expressions of the pack's head."""
    return replace(case, layout=tuple(replace(pose, expression=NEUTRAL) for pose in case.layout))


CASES = [
    laid_out(fairness_data.case(*names, index=index))
    for index, names in enumerate([("a", "b"), ("c", "d"), ("a", "c")])
]
ASKED = Benchmark("v1", cases.hash_of_cases(CASES), tuple(CASES))
METRICS = ("identity", "headcount", "confusion", "layout", "pose", "expression", "landmarks", "prompt")


def picture(cells: dict[tuple[int, int], int], seed: int = 0) -> np.ndarray:
    return toy_pack.photo(256, 128, cells, seed)


def sample(name: str, number: int) -> dict:
    face = dict.fromkeys(records.face_struct(8, 2, 2).names) | {
        "face_id": f"{name}{number}-0", "identity_id": f"{name}", "box": [64.0, 32.0, 96.0, 64.0],
        "keypoints": [64 + 32 * share if index % 2 == 0 else 32 + 32 * share
                      for index, share in enumerate(np.ravel(toy_pack.KEYPOINTS))],
        "landmarks": ([64, 32] + 32 * toy_pack.landmark_shares()).ravel().tolist(),
    }  # fmt: skip
    data = images.encode_png(picture({(2, 1): BLUE[name]}, seed=number))
    row = {"photo_id": f"{name}{number}", "image": {"bytes": data, "path": "p.png"}, "width": 256, "height": 128}
    row |= {"crop": [0.0, 0.0, 256.0, 128.0], "size": [256, 128]}
    return row | {"caption": "a person", "split": "test", "faces": [face], "reject": None}


def generated(case: Case, protocol: str, cells: dict[tuple[int, int], int] | None) -> dict:
    data = images.encode_png(picture(cells, seed=9)) if cells is not None else b""
    reject = None if cells is not None else "out of memory"
    row = {"case_id": case.case_id, "protocol": protocol, "method": "ours", "width": 256, "height": 128}
    return row | {"benchmark": ASKED.hash, "image": {"bytes": data, "path": "p.png"}, "reject": reject}


@pytest.fixture(scope="module")
def params(tmp_path_factory: pytest.TempPathFactory) -> settings.Settings:
    models = tmp_path_factory.mktemp("models")
    (models / "faces").mkdir()
    tiny_models.clip(models / "clip")
    toy_pack.write(models / "faces")
    loaded, faces = settings.load(), str(models / "faces")
    chosen = replace(
        loaded.models, recogniser_a=faces, recogniser_b=faces, recogniser_c=faces, image_text=str(models / "clip")
    )
    return replace(loaded, models=chosen, metrics=METRICS, evaluate=replace(loaded.evaluate, detector_size=256))


@pytest.fixture(scope="module")
def data(params: settings.Settings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Samples, images of one method, and their scores. Treat as read-only."""
    root = tmp_path_factory.mktemp("data")
    schema = records.samples(8, 2, 2)
    rows = [sample(name, number) for name in BLUE for number in range(5)]
    shards.write(root / "samples/test/0.parquet", pa.Table.from_pylist(rows, schema=schema), schema)
    cases.save_cases(ASKED, root / "samples" / cases.CASES_FILE)
    made = [
        generated(CASES[0], "layout", {LEFT: BLUE["a"], RIGHT: BLUE["b"]}),
        generated(CASES[1], "layout", {LEFT: BLUE["d"], RIGHT: BLUE["c"]}),
        generated(CASES[2], "layout", None),
        generated(CASES[0], "free", {(3, 2): BLUE["a"]}),
        generated(CASES[1], "free", {}),
        generated(CASES[2], "free", {LEFT: BLUE["a"], (3, 1): BLUE["a"], RIGHT: BLUE["c"]}),
    ]
    path = root / "images/ours/images/0.parquet"
    shards.write(path, pa.Table.from_pylist(made, schema=records.IMAGES), records.IMAGES)
    score(root, params)
    return root


def score(root: Path, params: settings.Settings, method: str = "ours") -> None:
    real = tasks.real_tasks(params, root / "samples")
    for task in shards.missing(root / "scores" / "real", "faces", real):
        RealWorker(params.models, params.evaluate, str(root / "scores" / "real"))(task)
    worker = ScoreWorker(params, str(root / "samples"), str(root / "scores"))
    for task in tasks.score_tasks(params, method, root / "samples", root / "images", real):
        worker(task)


def values(data: Path, metric: str, case: int, protocol: str, method: str = "ours") -> list[float]:
    table = shards.read_all(data / "scores" / "ours", "scores").to_pandas()
    chosen = (table["metric"] == metric) & (table["case_id"] == CASES[case].case_id)
    chosen &= (table["protocol"] == protocol) & (table["method"] == method)
    return table[chosen].sort_values("slot")["value"].tolist()


def test_realism_sees_of_a_test_photo_what_is_shown_of_it(params: settings.Settings, tmp_path: Path) -> None:
    whole = sample("a", 0)
    pixels = images.decode(whole["image"]["bytes"])
    wider = np.concatenate([pixels, np.full_like(pixels, 255)], axis=1)
    cropped = whole | {"photo_id": "wider", "image": {"bytes": images.encode_png(wider), "path": "p.png"}}
    schema = records.samples(8, 2, 2)
    shards.write(tmp_path / "0.parquet", pa.Table.from_pylist([whole, cropped], schema=schema), schema)
    RealWorker(params.models, params.evaluate, str(tmp_path))(shards.Task("key", tmp_path / "0.parquet"))
    first, second = shards.read_all(tmp_path, "features")["embedding"].to_pylist()
    assert first == pytest.approx(second, abs=1e-5)


def test_the_right_people_in_the_right_places(data: Path) -> None:
    assert values(data, "sim_heldout", 0, "layout") == pytest.approx([1.0, 1.0], abs=1e-3)
    assert values(data, "swap", 0, "layout") == [0.0, 0.0]
    assert values(data, "count_exact", 0, "layout") == [1.0]


def test_swapped_people_are_themselves_but_in_the_wrong_places(data: Path) -> None:
    assert values(data, "sim_heldout", 1, "layout") == pytest.approx([1.0, 1.0], abs=1e-3)
    assert values(data, "swap", 1, "layout") == [1.0, 1.0]
    assert values(data, "confusion", 1, "layout") == [0.0, 0.0]


def test_an_image_that_is_not_there_is_two_missing_people(data: Path) -> None:
    assert values(data, "sim_heldout", 2, "layout") == [0.0, 0.0]
    assert values(data, "no_face", 2, "layout") == [1.0]
    assert values(data, "clip_t", 2, "layout") == [0.0]


def test_one_face_of_two(data: Path) -> None:
    assert values(data, "sim_heldout", 0, "free") == pytest.approx([1.0, 0.0], abs=1e-3)
    assert values(data, "count_error", 0, "free") == [1.0]


def test_an_empty_picture_is_there_but_has_nobody(data: Path) -> None:
    assert values(data, "no_face", 1, "free") == [1.0]
    table = shards.read_all(data / "scores" / "ours", "scores").to_pandas()
    own = table[(table["case_id"] == CASES[1].case_id) & (table["protocol"] == "free")]
    assert not own[own["metric"] == "clip_t"]["missing"].any()


def test_a_person_twice_is_a_double(data: Path) -> None:
    assert values(data, "duplicate", 2, "free") == [1.0]
    assert values(data, "count_error", 2, "free") == [1.0]
    found = shards.read_all(data / "scores" / "ours", "found").to_pandas()
    own = found[(found["case_id"] == CASES[2].case_id) & (found["protocol"] == "free")]
    assert sorted(own["slot"]) == [-1, 0, 1]


def test_without_a_layout_there_are_no_swaps(data: Path) -> None:
    assert values(data, "swap", 0, "free") == []


def test_faces_are_measured_in_their_places_whoever_they_show(data: Path) -> None:
    right, swapped = (values(data, "pose_error", case, "layout") for case in (0, 1))
    assert np.isfinite(right).all()
    assert right == pytest.approx(swapped)
    assert len(values(data, "expression_error", 1, "layout")) == len(values(data, "landmark_nme", 1, "layout")) == 2


def test_poses_without_a_layout_are_not_measured_and_without_an_image_are_missing(data: Path) -> None:
    for metric in ("layout_iou", "pose_error", "pose_met", "expression_error", "landmark_nme"):
        assert values(data, metric, 0, "free") == []
    assert values(data, "pose_met", 2, "layout") == values(data, "landmarks_met", 2, "layout") == [0.0, 0.0]
    assert np.isnan(values(data, "pose_error", 2, "layout")).all()


def test_shuffled_casts_are_scored_per_person_and_lower(data: Path) -> None:
    shuffled = values(data, "sim_heldout", 0, "layout", "shuffled_id:ours")
    assert len(shuffled) == 2
    assert max(shuffled) < 0.95
    assert values(data, "clip_t", 0, "layout", "shuffled_id:ours") == []


def test_set_features_are_kept_of_images_that_are_there(data: Path) -> None:
    features = shards.read_all(data / "scores" / "ours", "features").to_pandas()
    assert len(features) == 5
    assert set(shards.read_all(data / "scores" / "real", "features")["people"].to_pylist()) == {1}


def test_scoring_again_gives_the_same_bytes(data: Path, params: settings.Settings) -> None:
    before = {path: path.read_bytes() for path in (data / "scores" / "ours").rglob("*.parquet")}
    score(data, params)
    assert {path: path.read_bytes() for path in (data / "scores" / "ours").rglob("*.parquet")} == before


def test_other_settings_make_other_shards(data: Path, params: settings.Settings) -> None:
    real = tasks.real_tasks(params, data / "samples")
    stricter = replace(params, evaluate=replace(params.evaluate, detector_threshold=0.7))
    assert tasks.real_tasks(stricter, data / "samples")[0].key != real[0].key
    fewer = replace(params, metrics=("identity",))
    keys = [tasks.score_tasks(each, "ours", data / "samples", data / "images", real)[0].key for each in (params, fewer)]
    assert keys[0] != keys[1]


def test_another_head_fit_or_landmark_model_makes_other_scores(
    data: Path, params: settings.Settings, tmp_path: Path
) -> None:
    real = tasks.real_tasks(params, data / "samples")
    (tmp_path / "head.npz").write_bytes(Path(params.models.head).read_bytes() + b" ")
    (tmp_path / "marks").mkdir()
    (tmp_path / "marks" / "2DFAN4.pth.tar").write_bytes(b"weights")
    others = [
        replace(params, models=replace(params.models, head=str(tmp_path / "head.npz"))),
        replace(params, models=replace(params.models, recogniser_a=settings.load().models.recogniser_a)),
        replace(params, shapes=replace(params.shapes, iterations=9)),
        replace(
            params,
            faces=replace(params.faces, landmarks="face_alignment", landmark_weights=str(tmp_path / "marks")),
        ),
    ]
    keys = {
        tasks.score_tasks(each, "ours", data / "samples", data / "images", real)[0].key for each in (params, *others)
    }
    assert len(keys) == 5


def test_scores_of_other_images_are_in_no_table(data: Path, params: settings.Settings, tmp_path: Path) -> None:
    copied = tmp_path / "data"
    shutil.copytree(data, copied)
    tasks.check_scored(params, ["ours"], copied)
    (path,) = shards.paths(copied / "images" / "ours", "images")
    path.rename(path.with_name("other.parquet"))
    with pytest.raises(MissingInput, match="scores/ours does not fit"):
        tasks.check_scored(params, ["ours"], copied)


def test_a_metric_knows_how_many_references_were_given(data: Path, params: settings.Settings, tmp_path: Path) -> None:
    found = {}
    for name in ("uniportrait", "uniportrait-1_references", "no_id", "theirs"):
        shutil.copytree(data / "images" / "ours", tmp_path / name)
        found[name] = [task.inputs.given for task in tasks.score_tasks(params, name, data / "samples", tmp_path, [])]
    every = params.generate.references
    assert found == {"uniportrait": [every], "uniportrait-1_references": [1], "no_id": [None], "theirs": [None]}


def test_summaries(data: Path) -> None:
    found = summary.of(data / "scores" / "ours")
    assert found["images"] == 3
    assert found["means"]["layout"]["2"]["sim_heldout"] == pytest.approx(4 / 6, abs=1e-3)
    scales = summary.of_real(data / "scores" / "real")["calibration"]
    assert scales["b"]["genuine"] > scales["b"]["impostor"]


def test_images_made_elsewhere_take_the_same_road(data: Path, params: settings.Settings, tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    file = tmp_path / "theirs" / f"{CASES[0].case_id}.PNG"
    file.write_bytes(images.encode_png(picture({LEFT: BLUE["a"], RIGHT: BLUE["b"]}, seed=9)))
    (tmp_path / "theirs" / f"{CASES[1].case_id}.png").write_bytes(b"no image")
    (tmp_path / "theirs" / f"{CASES[2].case_id}.png").write_bytes(images.encode_png(np.zeros((8, 8, 3), np.uint8)))
    (tmp_path / "theirs" / "notes.PNG").write_bytes(b"of no case")
    said = folder.take_in(tmp_path / "theirs", "theirs", "layout", ASKED, data / "images")
    assert said == (
        f"1 of 3 cases have their image in {tmp_path / 'theirs'}; failures: bad_image 1, size 1; "
        "named after no case: notes.PNG"
    )
    rejects = shards.read_all(data / "images" / "theirs", "images")["reject"].to_pylist()
    assert rejects[0] is None
    assert rejects[1].startswith("bad_image")
    assert rejects[2].startswith("size: 8 x 8 pixels, the case asks for")
    assert tasks.fault(data / "images" / "theirs", ASKED) is None
    assert tasks.fault(data / "images" / "nobody's", ASKED) == "has no images"
    score(data, params, "theirs")
    rows = shards.read_all(data / "scores" / "theirs", "scores").to_pandas()
    own = rows[(rows["metric"] == "sim_heldout") & (rows["method"] == "theirs")]
    assert own.groupby("case_id")["value"].mean().tolist() == pytest.approx([1.0, 0.0, 0.0], abs=1e-3)
    assert own["missing"].sum() == 4


def test_a_folder_without_any_case(data: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match="named after the cases"):
        folder.take_in(tmp_path, "theirs", "free", ASKED, tmp_path / "images")


def test_the_schema_opens_in_pandas(data: Path) -> None:
    table = pd.read_parquet(data / "scores/ours/scores")
    assert list(table.columns) == records.SCORES.names


def test_faces_are_matched_by_references_and_never_by_what_they_are_scored_against() -> None:
    """Each person's held-out photograph looks like the other's reference: going by it would swap the two faces."""
    here, there = turned(0), turned(90)
    people = [person("p", held_out=[there], references=[here]), person("q", held_out=[here], references=[there])]
    embeddings = {name: np.stack([here, there]) for name in ("b", "c")}
    detected = ScoredDetections(np.zeros((2, 4)), np.zeros((2, 5, 2)), np.ones(2), embeddings)
    asked = evidence(Observation(True, detected, None, None, None), people, Gallery({}, SCALES, {}, {}))
    assert asked.matched.tolist() == [0, 1]
    assert asked.to_held_out("b")[[0, 1], asked.matched].tolist() == pytest.approx([0.0, 0.0])
    # Whose face it is follows from references, the number beside it in the report from held-out photographs.
    assert [face["similarity"] for face in _faces(detected, asked)] == pytest.approx([0.0, 0.0])
