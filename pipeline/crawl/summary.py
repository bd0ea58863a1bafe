"""data/crawl/_metrics.json: what became of the URLs."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any


def summarise(
    addresses: Sequence[Mapping[str, Any]], photos: Sequence[Mapping[str, Any]], unmatched: Sequence[str] = ()
) -> dict[str, Any]:
    """Counts by outcome and by reject, from all rows of URLs and of photos.

    Args:
        unmatched: the lines of crawl.takedown that name nothing that was seen.
    """
    captioned = sum(bool(row["caption"]) for row in photos)
    return {
        "urls": len(addresses),
        "pages": sum(row["kind"] == "page" for row in addresses),
        "photos": len(photos),
        "captioned_share": round(captioned / max(len(photos), 1), 4),
        "outcomes": dict(sorted(Counter(row["outcome"] for row in addresses).items())),
        "rejects": dict(sorted(Counter(row["reject"] for row in addresses if row["reject"]).items())),
        "takedown_unmatched": len(unmatched),
    }
