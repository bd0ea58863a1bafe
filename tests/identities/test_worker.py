"""data/identities: independent of how faces were dealt out, resumable, and with names that survive new photos."""

from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from pipeline import records, runner, shards
from pipeline.errors import MissingInput
from pipeline.identities import summary, tasks, worker
from tests.identities.people import SETTINGS, faces

VECTORS, WHO = faces([5] * 20 + [1] * 10, spread=0.6)
FACES = [f"{abs(hash_):016x}-0" for hash_ in np.random.default_rng(3).integers(0, 2**62, len(WHO)).tolist()]


def face_shards(folder: Path, rows: np.ndarray, pieces: int) -> list[Path]:
    """Rows dealt out to shards in the order given; row 0 was rejected by the faces stage."""
    schema = records.faces(VECTORS.shape[1])
    for number, piece in enumerate(np.array_split(rows, pieces)):
        table = [
            dict.fromkeys(schema.names)
            | {
                "face_id": FACES[row],
                "photo_id": FACES[row][:16],
                "embedding": VECTORS[row].astype(np.float32),
                "reject": "too_small" if row == 0 else None,
            }
            for row in piece
        ]
        shards.write(shards.path_of(folder, "faces", str(number)), pa.Table.from_pylist(table, schema), schema)
    return shards.paths(folder, "faces")


def run(folder: Path, inputs: list[Path]) -> dict[str, str | None]:
    wanted = runner.Wanted(folder, worker.KINDS, tasks.tasks(inputs, SETTINGS))
    runner.make_here([wanted], partial(worker.IdentitiesWorker, SETTINGS, folder))
    table = shards.read_all(folder, "faces")
    return dict(zip(table["face_id"].to_pylist(), table["identity_id"].to_pylist(), strict=True))


def test_rows_people_and_rejects(tmp_path: Path) -> None:
    found = run(tmp_path / "out", face_shards(tmp_path / "in", np.arange(len(WHO)), 2))
    assert FACES[0] not in found
    groups = [{found[FACES[row]] for row in np.flatnonzero(person == WHO) if row} for person in range(20)]
    assert all(len(group) == 1 and None not in group for group in groups)
    people = shards.read_all(tmp_path / "out", "people").to_pylist()
    assert sorted(row["faces"] for row in people) == [4] + [5] * 19
    assert all(0.2 < row["margin"] < 1 and 0.5 < row["cohesion"] < 1 for row in people)
    rows = shards.read_all(tmp_path / "out", "faces").to_pylist()
    assert {row["reject"] for row in rows if WHO[FACES.index(row["face_id"])] >= 20} == {"alone"}
    metrics = summary.summarise(tmp_path / "out")
    assert (metrics["faces"], metrics["kept"], metrics["people"]) == (109, 99, 20)
    assert metrics["rejects"] == {"alone": 10}


def test_neither_order_nor_shards_matter(tmp_path: Path) -> None:
    order = np.random.default_rng(0).permutation(len(WHO))
    first = run(tmp_path / "a", face_shards(tmp_path / "in", np.arange(len(WHO)), 1))
    assert run(tmp_path / "b", face_shards(tmp_path / "other", order, 4)) == first


def test_finished_is_finished_and_killed_is_made_again(tmp_path: Path) -> None:
    inputs = face_shards(tmp_path / "in", np.arange(len(WHO)), 2)
    run(tmp_path / "out", inputs)
    made = list((tmp_path / "out").rglob("*.parquet"))
    written = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in made}
    run(tmp_path / "out", inputs)
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in made} == written
    # Killed before its last shard was written: the same bytes again.
    shards.paths(tmp_path / "out", "faces")[0].unlink()
    run(tmp_path / "out", inputs)
    assert {path: path.read_bytes() for path in made} == {path: content for path, (content, _) in written.items()}


def test_new_photos_keep_names_and_old_shards_go(tmp_path: Path) -> None:
    early = np.flatnonzero(np.arange(len(WHO)) % 5 != 4)
    before = run(tmp_path / "out", face_shards(tmp_path / "in", early, 1))
    after = run(tmp_path / "out", face_shards(tmp_path / "more", np.arange(len(WHO)), 2))
    assert all(after[face] == identity for face, identity in before.items() if identity)
    assert len(shards.paths(tmp_path / "out", "faces")) == 1
    assert {path.parent.name for path in (tmp_path / "out").rglob("*.parquet")} == {"faces", "people", "changes"}
    # Without the memory some would be named after other founders.
    fresh = run(tmp_path / "fresh", shards.paths(tmp_path / "more", "faces"))
    assert set(fresh.values()) != set(after.values())


def test_no_faces_at_all(tmp_path: Path) -> None:
    inputs = face_shards(tmp_path / "in", np.array([0]), 1)
    with pytest.raises(MissingInput, match="no face was kept"):
        run(tmp_path / "out", inputs)
