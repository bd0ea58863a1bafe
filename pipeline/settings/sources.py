"""Where photographs come from: an entry of `crawl.sources`, each with its own terms."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Annotated, Literal

from pipeline.errors import SettingsError
from pipeline.settings.fields import Word, plain, text

PLACES = ("seeds", "sitemaps", "table", "folder", "tar", "parquet")
NAMES = re.compile("[a-z0-9][a-z0-9_-]*")
# What a source says of people, and the kinds that can say it so.
PEOPLE = {"people": ("folder",), "people_column": ("table", "tar", "parquet")}
COLUMNS = {
    "url_column": ("table",),
    "image_column": ("parquet",),
    "licence_column": ("table", "tar", "parquet"),
}


@dataclass(frozen=True)
class SourceSettings:
    """One source: a place of one kind, the terms of what it holds, and how it is read."""

    collection_mode: Annotated[
        Literal["consented", "licensed", "targeted"],
        plain("faces from pages that nobody chose may not be collected: EU AI Act, Art. 5(1)(e)"),
    ]
    legal_basis: Annotated[str, text("on which basis these pictures are collected")]
    licence: Annotated[str, text("SPDX id of the pictures")]
    name: Annotated[
        str,
        plain("lower-case letters, digits, - and _: what its addresses begin with; else the place's name"),
    ] = ""
    seeds: Annotated[tuple[Word, ...], plain("page URLs where the crawl starts")] = ()
    sitemaps: Annotated[
        tuple[Word, ...],
        plain("URLs, beside the seeds or alone; without any, those that the seeds' robots.txt names"),
    ] = ()
    table: Annotated[str, plain("URLs: text, CSV, TSV, JSON lines or Parquet; a file, a folder or a pattern")] = ""
    folder: Annotated[str, plain("folder of pictures, with their captions beside them (.txt, .caption, .json)")] = ""
    tar: Annotated[str, plain("img2dataset's or WebDataset's tars; a file, a folder or a pattern")] = ""
    parquet: Annotated[str, plain("Parquet with a column of pictures; a file, a folder or a pattern")] = ""
    url_column: Annotated[str, text("of a table")] = "url"
    caption_column: Annotated[str, text("of a table or of Parquet; key of a JSON file beside a picture")] = "caption"
    image_column: Annotated[str, text("of Parquet: bytes, or a struct of bytes and path")] = "image"
    licence_column: Annotated[str, plain("whose value is a row's licence, where it has one")] = ""
    people_column: Annotated[
        str, plain("that names whom a picture shows; it scores the clustering and is read for nothing else")
    ] = ""
    people: Annotated[
        Literal["", "folder"], plain("folder: the name of a picture's folder names whom it shows; scores, as above")
    ] = ""

    @property
    def kind(self) -> str:
        """Which of PLACES the source is; seeds with sitemaps are seeds."""
        return next((place for place in PLACES if getattr(self, place)), "")

    @property
    def title(self) -> str:
        """Its name, or one made of its place's, without the folders above it: addresses are the same everywhere."""
        place = PurePath(str(getattr(self, self.kind)) if self.kind in PLACES[2:] else "")
        parts = [part for part in place.with_suffix("").parts if not re.search(r"[*?\[]", part)]
        return self.name or re.sub("[^a-z0-9]+", "-", parts[-1].lower() if parts else "").strip("-") or self.kind

    @property
    def local(self) -> bool:
        """Whether its pictures lie on this machine."""
        return self.kind in ("folder", "tar", "parquet")


def check(sources: Sequence[SourceSettings], where: str) -> None:
    """Refuse sources that name no place or several, or share a name, or are asked for what their kind has not.

    Raises:
        SettingsError: naming the entry and what to write.
    """
    titles: dict[str, int] = {}
    for number, source in enumerate(sources):
        entry = f"{where}: crawl.sources[{number}]"
        _check_place(source, entry)
        if source.name and not NAMES.fullmatch(source.name):
            raise SettingsError(f"{entry}.name must be lower-case letters, digits, - and _, found {source.name!r}")
        if source.kind not in ("seeds", "sitemaps") and titles.setdefault(source.title, number) != number:
            raise SettingsError(f"{entry} is called {source.title} as entry {titles[source.title]} is: give it a name")


def _check_place(source: SourceSettings, entry: str) -> None:
    places = [place for place in PLACES if getattr(source, place)]
    if len(places) != 1 and places != ["seeds", "sitemaps"]:
        found = " and ".join(places) or "none"
        raise SettingsError(f"{entry} must name one place: {', '.join(PLACES)} (sitemaps beside seeds), found {found}")
    for name, kinds in {**PEOPLE, **COLUMNS}.items():
        given = getattr(source, name)
        if given not in ("", SourceSettings.__dataclass_fields__[name].default) and source.kind not in kinds:
            raise SettingsError(f"{entry}.{name} belongs to a source of the kind {' or '.join(kinds)}: remove it")
