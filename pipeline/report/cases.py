"""Cases to look at: evenly spaced ones, by case (gallery) and by method (sheets), and those that went wrong."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.benchmark.cases import Case
from pipeline.images import decode
from pipeline.report.pictures import Album, Picture, faces_of, generated

KINDS = {
    "no_image": "no image",
    "no_face": "no face",
    "wrong_count": "wrong number of people",
    "swap": "swapped",
    "confusion": "confused",
    "duplicate": "doubled",
    "unlike": "least similar",
}
PER_METRIC = ("swap", "confusion", "duplicate")  # kinds that are a metric of that name
WORST = 6  # of each kind, method, protocol and number of people
LEAST_SIMILAR = 6
PER_SHEET = 8  # cases of each number of people


@dataclass(frozen=True)
class Box:
    """A detected face on a picture, in pixels: its similarity, and whether it stands for somebody (taken, surplus)."""

    x: float
    y: float
    width: float
    height: float
    label: str
    kind: str


@dataclass(frozen=True)
class Shown:
    """A generated image with what was found in it."""

    method: str
    kind: str  # method, ablation, elsewhere or bound
    picture: Picture | None
    boxes: tuple[Box, ...]
    similarity: str  # mean over the people, missing = 0


@dataclass(frozen=True)
class PersonShown:
    """Somebody who was asked for."""

    references: tuple[Picture, ...]
    held_out: tuple[Picture, ...]


@dataclass(frozen=True)
class CaseShown:
    """One case side by side."""

    case_id: str
    protocol: str
    count: int
    prompt: str
    seed: int
    people: tuple[PersonShown, ...]
    images: tuple[Shown, ...]


@dataclass(frozen=True)
class Sheet:
    """One method's images of the cases that every sheet shows; a case has one image per protocol, or none."""

    method: str
    path: str  # relative to the page
    protocols: tuple[str, ...]
    rows: tuple[tuple[CaseShown, tuple[Shown | None, ...]], ...]


@dataclass(frozen=True)
class Failure:
    """One image that went wrong, and how."""

    case: CaseShown
    method: str
    kinds: tuple[str, ...]
    asked: int
    found: int


@dataclass(frozen=True)
class Tally:
    """How often each kind of failure occurred."""

    method: str
    kind: str  # method or ablation
    protocol: str
    people: int
    images: int
    counts: Mapping[str, int | None]  # None where a kind cannot occur: no swaps without a layout


class CaseGallery:
    """Puts cases together from the case list, the images, the detected faces and the photographs."""

    def __init__(
        self,
        cases: Sequence[Case],
        scores: pd.DataFrame,
        found: pd.DataFrame,
        kinds: Mapping[str, str],
        album: Album,
    ) -> None:
        """`kinds` names what is shown, in order: method, ablation or bound."""
        self._cases = {case.case_id: case for case in cases}
        self._kinds, self._album = kinds, album
        own = scores[(scores["metric"] == "sim_heldout") & scores["method"].isin(list(kinds))]
        self._similarity = own.groupby(["method", "protocol", "case_id"])["value"].mean().to_dict()
        self._found = dict(iter(found.groupby(["method", "protocol", "case_id"])))
        self._images: Mapping[tuple[str, str, str], bytes | None] = {}
        self._faces: dict[str, Picture] = {}

    def load(self, wanted: Iterable[tuple[str, str]], images: Path, samples: Path) -> None:
        """Read the pictures of (protocol, case id) pairs."""
        keys = set(wanted)
        self._images = generated(images, list(self._kinds), keys)
        people = [person for _, case_id in keys for person in self._cases[case_id].people]
        faces = {shot.face_id for person in people for shot in (*person.references, *person.held_out)}
        self._faces = {name: self._album.add(pixels) for name, pixels in sorted(faces_of(samples, faces).items())}

    def show(self, protocol: str, case_id: str, methods: Sequence[str] | None = None) -> CaseShown:
        """A case with the images of `methods`, by default of all."""
        case = self._cases[case_id]
        people = tuple(
            PersonShown(
                tuple(self._faces[shot.face_id] for shot in person.references if shot.face_id in self._faces),
                tuple(self._faces[shot.face_id] for shot in person.held_out if shot.face_id in self._faces),
            )
            for person in case.people
        )
        names = [name for name in methods or self._kinds if (name, protocol, case_id) in self._images]
        images = tuple(self._shown(name, protocol, case_id) for name in names)
        return CaseShown(case_id, protocol, len(case.people), case.prompt, case.seed, people, images)

    def _shown(self, method: str, protocol: str, case_id: str) -> Shown:
        data = self._images[method, protocol, case_id]
        rows = self._found.get((method, protocol, case_id))
        boxes = () if rows is None else tuple(_box(row) for row in rows.sort_values("index").itertuples())
        similarity = self._similarity.get((method, protocol, case_id), float("nan"))
        picture = self._album.add(decode(data)) if data else None
        return Shown(method, self._kinds[method], picture, boxes, f"{similarity:.2f}")


def spread(names: Sequence[str], count: int) -> list[str]:
    """`count` evenly spaced names: the choice knows nothing of results."""
    places = np.linspace(0, len(names) - 1, min(count, len(names)))
    return [names[int(place)] for place in np.round(places)]


def first_of_casts(cases: Sequence[Case]) -> dict[int, list[str]]:
    """The first case of every cast, by number of people, in the order of their ids."""
    firsts: dict[frozenset[str], Case] = {}
    for case in sorted(cases, key=lambda case: case.case_id):
        firsts.setdefault(frozenset(person.identity_id for person in case.people), case)
    groups: dict[int, list[str]] = {}
    for case in firsts.values():
        groups.setdefault(len(case.people), []).append(case.case_id)
    return dict(sorted(groups.items()))


def gallery_keys(cases: Sequence[Case], protocols: Sequence[str], count: int) -> list[tuple[str, str]]:
    """(protocol, case id) of about `count` cases per protocol, evenly from every number of people."""
    groups = first_of_casts(cases).values()
    each = max(1, round(count / max(1, len(groups))))
    return [(protocol, name) for protocol in protocols for names in groups for name in spread(names, each)]


def sheet_cases(cases: Sequence[Case]) -> list[str]:
    """The cases of every sheet: PER_SHEET of each number of people, spread evenly over the casts."""
    return [name for names in first_of_casts(cases).values() for name in spread(names, PER_SHEET)]


def sheet(exhibition: CaseGallery, method: str, names: Sequence[str], protocols: Sequence[str]) -> Sheet:
    """A method's images of the named cases under every protocol."""
    rows = []
    for name in names:
        shown = [exhibition.show(protocol, name, [method]) for protocol in protocols]
        rows.append((shown[0], tuple(next(iter(each.images), None) for each in shown)))
    return Sheet(method, f"sheet-{method}.html", tuple(protocols), tuple(rows))


def failure_flags(scores: pd.DataFrame, methods: Sequence[str]) -> pd.DataFrame:
    """One row per image of `methods` with its similarity and a true or false column per kind of failure."""
    own = scores[scores["method"].isin(list(methods))]
    keys = ["method", "protocol", "people", "case_id"]
    wide = own.pivot_table(index=keys, columns="metric", values="value", aggfunc="max")
    wide = wide.reindex(own.set_index(keys).index.unique()).sort_index()
    means = own[own["metric"] == "sim_heldout"].groupby(keys)["value"].mean()
    counted = own[own["metric"] == "count_exact"].set_index(keys)["missing"]

    def above(metric: str) -> pd.Series:
        return wide[metric].fillna(0.0) > 0 if metric in wide else pd.Series(False, wide.index)

    absent = counted.reindex(wide.index).fillna(False).astype(bool)
    table = pd.DataFrame({"similarity": means.reindex(wide.index), "no_image": absent}, index=wide.index)
    table["no_face"] = above("no_face") & ~absent
    table["wrong_count"] = above("count_error") & ~absent & ~table["no_face"]
    for kind in PER_METRIC:
        table[kind] = above(kind)
    order = table["similarity"].groupby(level=[0, 1, 2]).rank(method="first")
    table["unlike"] = order <= LEAST_SIMILAR
    return table.reset_index()


def tallies(table: pd.DataFrame, scores: pd.DataFrame, kinds: Mapping[str, str]) -> list[Tally]:
    """Counts per method, protocol and number of people; the least similar are no failure in themselves.

    `kinds` says what each name is, and gives their order.
    """
    known = set(scores[["protocol", "people", "metric"]].drop_duplicates().itertuples(index=False, name=None))
    found = [_tally(own, known, kinds) for _, own in table.groupby(["method", "protocol", "people"])]
    places = {name: index for index, name in enumerate(kinds)}
    return sorted(found, key=lambda each: places[each.method])


def _tally(own: pd.DataFrame, known: set[tuple[str, int, str]], kinds: Mapping[str, str]) -> Tally:
    method, protocol, people = (own[name].iloc[0] for name in ("method", "protocol", "people"))
    counts: dict[str, int | None] = {}
    for kind in KINDS:
        if kind in PER_METRIC and (protocol, people, kind) not in known:
            counts[kind] = None
        elif kind != "unlike":
            counts[kind] = int(own[kind].sum())
    return Tally(str(method), kinds[method], str(protocol), int(people), len(own), counts)


def worst(table: pd.DataFrame) -> list[tuple[str, str, str, tuple[str, ...]]]:
    """(method, protocol, case id, kinds) of the least similar images of every kind of failure."""
    chosen: dict[tuple[str, str, str], None] = {}
    for _, own in table.groupby(["method", "protocol", "people"]):
        for kind in KINDS:
            for row in own[own[kind]].sort_values(["similarity", "case_id"]).head(WORST).itertuples():
                chosen[str(row.method), str(row.protocol), str(row.case_id)] = None
    kinds = {(row.method, row.protocol, row.case_id): row for row in table.itertuples()}
    return [(*key, tuple(kind for kind in KINDS if getattr(kinds[key], kind))) for key in chosen]


def failures(exhibition: CaseGallery, chosen: Sequence[tuple[str, str, str, tuple[str, ...]]]) -> Iterator[Failure]:
    """The chosen images, ready to be shown."""
    for method, protocol, case_id, kinds in chosen:
        case = exhibition.show(protocol, case_id, [method])
        if case.images:
            yield Failure(case, method, kinds, case.count, len(case.images[0].boxes))


def _box(row: object) -> Box:
    x1, y1, x2, y2 = (float(value) for value in row.box)  # type: ignore[attr-defined]
    similarity = row.similarity  # type: ignore[attr-defined]
    taken = similarity is not None and np.isfinite(similarity)
    label = f"{similarity:.2f}" if taken else ""
    return Box(round(x1, 1), round(y1, 1), round(x2 - x1, 1), round(y2 - y1, 1), label, "taken" if taken else "surplus")
