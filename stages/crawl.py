"""crawl: from seed pages, URL lists and sources to data/crawl, politely and safely; one row per URL with its outcome.

What was fetched is remembered in .work/crawl/, so that a killed crawl goes on where it was and a repeated one asks
only for what is new. That folder may be deleted: the next crawl fetches everything again.
"""

import sys
from argparse import Namespace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline import runner

if TYPE_CHECKING:
    from pipeline.settings import Settings

FOLDER, WORK = runner.DATA / "crawl", Path(".work/crawl")


def stage(settings: "Settings", _: Namespace) -> None:
    """Crawl, then write the missing shards."""
    from pipeline.crawl import summary, takedown, tasks, walk, worker
    from pipeline.crawl.web import permission

    permission.check_basis(settings.crawl)
    with walk.crawled(settings.crawl, WORK) as (found, ledger):
        urls, photos = tasks.rows(found, ledger, settings.crawl)
        todo = tasks.tasks(urls, photos, settings.crawl, tasks.label_rows(urls, found))
        wanted = [runner.Wanted(FOLDER, (kind,), each) for kind, each in todo.items()]
        runner.make_here(wanted, partial(worker.CrawlWorker, lambda url: ledger.body(found.visits[url]), FOLDER))
    if said := takedown.warning(settings.crawl.takedown, found.unmatched):
        print(said, file=sys.stderr)
    runner.finish(
        FOLDER,
        summary.summarise(urls, photos, found.unmatched),
        "{photos} photos from {urls} URLs: {outcomes}",
        kept="photos",
        nothing="the crawl kept no photo of {urls} URLs ({rejects}): look at {folder}/urls, and at "
        "crawl.seeds, crawl.sources, crawl.scope and crawl.min_side in params.yaml",
    )


if __name__ == "__main__":
    runner.run(__doc__, stage)
