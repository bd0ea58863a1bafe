"""data/world/_metrics.json: counts of what was drawn, read from the truth."""

from pathlib import Path
from typing import Any

from pipeline import shards


def summarise(folder: Path) -> dict[str, Any]:
    """Counts of what was drawn, read from the truth."""
    truth = shards.read_all(folder, "truth", ["offered", "faces"])
    offered = truth["offered"].to_pylist()
    people = [[face["person"] for face in faces] for faces in truth["faces"].to_pylist()]
    return {
        "photos": len(offered),
        "groups": sum(len(shown) > 1 for shown in people),
        "people": len({person for shown in people for person in shown}),
        "faces": sum(map(len, people)),
        "offered": {name: offered.count(name) for name in sorted(set(offered))},
    }
