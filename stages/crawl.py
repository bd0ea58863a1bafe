"""crawl: from seed pages and URL lists to data/crawl, politely and safely; one row per URL with its outcome.

What was fetched is remembered in .work/crawl/, so that a killed crawl goes on where it was and a repeated one asks
only for what is new. That folder may be deleted: the next crawl fetches everything again.
"""

import argparse
import asyncio
from pathlib import Path

from pipeline import settings, shards
from pipeline.crawl import addresses, server, takedown, tasks, walk
from pipeline.crawl.ledger import Ledger
from pipeline.errors import MissingInput, SettingsError, run

FOLDER, WORK = Path("data/crawl"), Path(".work/crawl")
MODES = ("consented", "licensed", "targeted")


def check(crawl: settings.CrawlSettings) -> None:
    """Refuse a crawl that nobody answers for.

    Raises:
        SettingsError: no named collection mode, legal basis, seed or scope.
    """
    if crawl.collection_mode not in MODES:
        raise SettingsError(
            f"crawl.collection_mode must be one of {', '.join(MODES)}, found {crawl.collection_mode!r}: "
            "collecting faces from pages that nobody chose is forbidden (EU AI Act, Art. 5(1)(e))"
        )
    if not crawl.legal_basis.strip():
        raise SettingsError("crawl.legal_basis is empty: say on which basis these pictures are collected")
    if not (crawl.seeds or crawl.url_lists) or not crawl.scope:
        raise SettingsError("crawl.seeds (or crawl.url_lists) and crawl.scope must name what is collected")


def main() -> None:
    """Crawl, then tasks."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    crawl = settings.load().crawl
    check(crawl)
    banned = takedown.read(crawl.takedown)
    work = WORK / (server.contents(Path(crawl.serve)) if crawl.serve else "web")
    with Ledger(work) as ledger, server.served(crawl.serve, work / "requests.log") as port:
        hosts = addresses.loopback_hosts(crawl.hosts, port)
        found = asyncio.run(walk.crawl(crawl, hosts, ledger, banned))
        ledger.purge(banned.names)
        metrics = tasks.write(FOLDER, found, ledger, crawl)
    shards.write_metrics(FOLDER, metrics)
    if not metrics["photos"]:
        raise MissingInput(
            f"the crawl kept no photo of {metrics['urls']} URLs ({metrics['rejects']}): look at "
            f"{FOLDER}/urls, and at crawl.seeds, crawl.scope and crawl.min_side in params.yaml"
        )
    print(f"{metrics['photos']} photos from {metrics['urls']} URLs: {metrics['outcomes']}")


if __name__ == "__main__":
    run(main)
