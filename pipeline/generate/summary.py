"""data/images/<name>/_metrics.json: how many images were drawn."""

from pathlib import Path

from pipeline import shards


def summarise(folder: Path) -> dict[str, int]:
    """Counts of images and of failures."""
    rejects = shards.read_all(folder, "images", ["reject"])["reject"]
    return {"images": rejects.null_count, "failed": len(rejects) - rejects.null_count}
