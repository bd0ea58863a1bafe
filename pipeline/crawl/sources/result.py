"""What a crawl has found so far, wherever it comes from."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from pipeline.crawl.ledger import Visit


@dataclass(frozen=True, order=True)
class Mention:
    """Where a picture is shown, and what is said about it."""

    page_url: str
    caption: str


@dataclass
class CrawlResult:
    """All URLs that were seen: what became of each, which pages mention it, and which source it is from."""

    visits: dict[str, Visit] = field(default_factory=dict)
    mentions: dict[str, set[Mention]] = field(default_factory=lambda: defaultdict(set))
    smaller: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))  # picture -> tried where it fails
    linked_from: dict[str, str] = field(default_factory=dict)  # page -> the smallest page that links to it
    reserved: dict[str, str] = field(default_factory=dict)  # picture -> the opt-out of a page that shows it
    unmatched: list[str] = field(default_factory=list)  # lines of crawl.takedown that name nothing that was seen
    # picture -> its first source: 0 stands for crawl.seeds and crawl.url_lists, then crawl.sources in their order
    sources: dict[str, int] = field(default_factory=dict)
    licences: dict[str, str] = field(default_factory=dict)  # picture -> what its row in its first source says
    labels: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))  # picture -> whom sources see in it

    def note_smaller(self, candidates: Sequence[str], reserved: str | None) -> None:
        """A page offers a picture in several sizes, the largest first, and reserves them or not."""
        for larger, next_largest in pairwise(candidates):
            self.smaller[larger].add(next_largest)
        if reserved:
            self.reserved |= dict.fromkeys(candidates, reserved)

    def take_instead(self, failed: str) -> set[str]:
        """The next candidates of a picture that cannot be had, now mentioned where it was, on its terms."""
        for url in self.smaller[failed]:
            for mention in self.mentions[failed]:
                self.note(url, mention, self.sources[failed], self.licences.get(failed, ""))
        return self.smaller[failed]

    def note(self, url: str, mention: Mention, source: int, licence: str = "", label: str = "") -> None:
        """A source mentions a picture; the terms are those of the first one that does."""
        self.mentions[url].add(mention)
        first = self.sources.get(url)
        if first is None or source < first:
            self.sources[url] = source
            self.licences.pop(url, None)
        if licence and self.sources[url] == source:
            self.licences.setdefault(url, licence)
        if label:
            self.labels[url].add(label)
