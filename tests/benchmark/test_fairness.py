"""Every rule of the contract is noticed when it is broken."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline import settings
from pipeline.benchmark import fairness
from pipeline.benchmark.cases import Case
from pipeline.errors import FairnessError, MissingInput
from tests.benchmark.fairness_data import case

ONE, TWO = case("ann"), case("ann", "bea")


def photos(*cases: Case) -> list[tuple[str, str, list[str]]]:
    people = {person.identity_id: person for found in cases for person in found.people}
    own = [
        (shot.photo_id, "test", [name])
        for name, person in people.items()
        for shot in (*person.references, *person.held_out, person.other)
    ]
    return [*own, ("source", "test", ["cyd"]), ("prior", "train", ["dan"])]


def test_a_clean_run_passes() -> None:
    fairness.check_splits(photos(ONE, TWO), [ONE, TWO])
    fairness.check_references(TWO)
    fairness.check_prompts(["a photo of a person in a garden"], [ONE], str.lower)


def test_a_person_on_two_sides() -> None:
    with pytest.raises(FairnessError, match="person ann is in test and, by photo group, in train"):
        fairness.check_splits([*photos(ONE), ("group", "train", ["ann", "dan"])], [ONE])


@pytest.mark.parametrize("moved", ["ann0", "ann2", "ann4", "source"])
def test_photos_of_cases_from_the_training_side(moved: str) -> None:
    rows = [(name, "train" if name == moved else split, ["x"] * (name == moved)) for name, split, _ in photos(ONE)]
    rows.append(("another", "test", ["ann"]))
    with pytest.raises(FairnessError, match="must be in the test split, it is in train"):
        fairness.check_splits(rows, [ONE])


def test_a_prior_from_test_photos() -> None:
    rows = [(name, "test", people) for name, _, people in photos(ONE)]
    with pytest.raises(FairnessError, match="prior photo prior must be in the train split"):
        fairness.check_splits(rows, [ONE])


def test_a_reference_that_is_scored_against() -> None:
    ann = ONE.people[0]
    for bad in (
        replace(ann, held_out=ann.references),
        replace(ann, other=ann.references[0]),
        replace(ann, other=ann.held_out[0]),
    ):
        with pytest.raises(FairnessError, match="both given and scored against"):
            fairness.check_references(replace(ONE, people=(bad,)))


def test_nothing_to_score_against_and_somebody_twice() -> None:
    with pytest.raises(FairnessError, match="nothing to score against"):
        fairness.check_references(replace(ONE, people=(replace(ONE.people[0], held_out=()),)))
    with pytest.raises(FairnessError, match="asks for somebody twice"):
        fairness.check_references(case("ann", "ann"))


def test_a_layout_of_the_scored_photo() -> None:
    with pytest.raises(FairnessError, match="takes its layout from a photo of its own people"):
        fairness.check_references(replace(ONE, layout_photos=("ann3",)))


def test_a_prompt_that_is_a_caption() -> None:
    with pytest.raises(FairnessError, match="is a training caption"):
        fairness.check_prompts(["A photo of a person at the BEACH"], [ONE], str.lower)


def test_recognisers_that_score_differ_from_the_one_that_conditions(tmp_path: Path) -> None:
    """Packs whose other models differ may have one recogniser: buffalo_l and buffalo_m of insightface do."""
    models = settings.load().models
    fairness.check_recognisers(models)
    shutil.copytree(models.recogniser_c, tmp_path / "c")
    (tmp_path / "c" / "recognition.onnx").write_bytes((Path(models.recogniser_a) / "recognition.onnx").read_bytes())
    (tmp_path / "c" / "landmarks.onnx").unlink()
    with pytest.raises(FairnessError, match=r"recogniser_a and models\.recogniser_c have the same recogniser"):
        fairness.check_recognisers(replace(models, recogniser_c=str(tmp_path / "c")))
    with pytest.raises(MissingInput, match=r"no \.onnx file"):
        fairness.check_recognisers(replace(models, recogniser_b=str(tmp_path)))
