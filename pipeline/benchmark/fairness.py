"""The fairness contract as checks: each raises a FairnessError that names what breaks it.

The samples stage calls the first three on what it wrote, train and evaluate the last, the generate stage all of them
before it draws an image.
That methods see the same photos in the same order, on the same budget, is not checked but built in: only the shared
loop chooses photos.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import combinations

from pipeline.benchmark.cases import Case
from pipeline.encoders.judges import network_file
from pipeline.errors import FairnessError
from pipeline.settings import Models
from pipeline.shards import file_fingerprint


def check_splits(photos: Iterable[tuple[str, str, Sequence[str]]], cases: Sequence[Case]) -> None:
    """Everybody is on one side, the cast of every case are test people, and layouts come from the right side.

    Args:
        photos: photo id, split and the people of every sample.

    Raises:
        FairnessError: naming the person, case or photo.
    """
    split_of_person: dict[str, str] = {}
    split_of_photo: dict[str, str] = {}
    for photo_id, split, people in photos:
        split_of_photo[photo_id] = split
        for name in people:
            if split_of_person.setdefault(name, split) != split:
                raise FairnessError(f"person {name} is in {split_of_person[name]} and, by photo {photo_id}, in {split}")
    for case in cases:
        for person in case.people:
            _expect(split_of_person.get(person.identity_id), "test", f"person {person.identity_id}", case)
            for shot in (*person.references, *person.held_out, person.other):
                _expect(split_of_photo.get(shot.photo_id), "test", f"photo {shot.photo_id}", case)
        for photo_id in case.layout_photos:
            _expect(split_of_photo.get(photo_id), "test", f"layout photo {photo_id}", case)
        for photo_id in case.prior_photos:
            _expect(split_of_photo.get(photo_id), "train", f"prior photo {photo_id}", case)


def check_references(case: Case) -> None:
    """Nobody is twice in a case; what a generator is given is never what is scored, nor where the layout comes from.

    Raises:
        FairnessError: naming the case and the person.
    """
    names = [person.identity_id for person in case.people]
    if len(set(names)) < len(names):
        raise FairnessError(f"case {case.case_id} asks for somebody twice: {names}")
    shown: set[str] = set()
    for person in case.people:
        kinds = [{shot.photo_id for shot in person.references}, {shot.photo_id for shot in person.held_out}]
        kinds.append({person.other.photo_id})
        if not all(kinds):
            raise FairnessError(
                f"case {case.case_id}: {person.identity_id} has no reference or nothing to score against"
            )
        if sum(map(len, kinds)) > len(set().union(*kinds)):
            raise FairnessError(
                f"case {case.case_id}: a photo of {person.identity_id} is both given and scored against"
            )
        shown |= set().union(*kinds)
    if taken := shown & set(case.layout_photos):
        raise FairnessError(f"case {case.case_id} takes its layout from a photo of its own people: {sorted(taken)}")


def check_prompts(captions: Iterable[str], cases: Sequence[Case], normal: Callable[[str], str]) -> None:
    """No prompt of the benchmark is a training caption.

    Args:
        captions: of the training split.
        normal: the form in which captions are compared.

    Raises:
        FairnessError: naming the prompt.
    """
    prompts = {normal(case.prompt): case.prompt for case in cases}
    for caption in captions:
        if (found := prompts.get(normal(caption))) is not None:
            raise FairnessError(f"the benchmark's prompt {found!r} is a training caption: run the samples stage again")


def check_recognisers(models: Models) -> None:
    """The recognisers that score, judges from outside too, are not the one that conditions, nor each other.

    Packs may share a detector and landmarks, and published ones that differ in these share their recogniser (buffalo_l
    and buffalo_m of insightface): what is compared is the file that recognises.

    Raises:
        FairnessError: two directories have the same recogniser.
        MissingInput: a directory has none.
    """
    named = {f"models.recogniser_{role}": getattr(models, f"recogniser_{role}") for role in "abc"}
    named |= {f"models.outside[{number}]": name for number, name in enumerate(models.outside)}
    found = {setting: file_fingerprint([network_file(name)]) for setting, name in named.items()}
    for first, second in combinations(found, 2):
        if found[first] == found[second]:
            raise FairnessError(
                f"{first} and {second} have the same recogniser: what scores must differ from what conditions, and "
                "those that score from each other; name another pack"
            )


def _expect(found: str | None, wanted: str, what: str, case: Case) -> None:
    if found != wanted:
        raise FairnessError(f"case {case.case_id}: {what} must be in the {wanted} split, it is in {found}")
