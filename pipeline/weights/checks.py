"""Trained weights before they draw: they are there, may be used, and belong to the parts that they are to work with."""

from pathlib import Path
from typing import Any

from pipeline import method as contract
from pipeline import shards
from pipeline.errors import FairnessError, MissingInput, SettingsError
from pipeline.files import read_json
from pipeline.settings import Models, TrainSettings
from pipeline.shards import training_shards
from pipeline.weights import checkpoint, convert

# The parts that weights are made for, and where their card says which.
PARTS = {
    "backbone": "backbone_fingerprint",
    "recogniser_a": "recogniser_fingerprint",
    "image_text": "image_text_fingerprint",
    "head": "head_fingerprint",
}


def read_card(weights: Path) -> dict[str, Any]:
    """The card of trained weights.

    Raises:
        MissingInput: there is none.
    """
    path = weights / checkpoint.CARD
    if not path.is_file():
        trained = sorted(card.parent.name for card in weights.parent.glob(f"*/{checkpoint.CARD}"))
        hint = f"; trained: {', '.join(trained)}" if trained else ""
        raise MissingInput(f"no {path}: train the method (`python -m stages.train {weights.name}`){hint}")
    return read_json(path)


def check_contract(weights: Path, samples: Path, train: TrainSettings) -> None:
    """Refuse weights that were trained on other photos, or on another budget, than this run's.

    Converted weights are not asked: they stand in tables as made elsewhere.

    Raises:
        FairnessError: saying which.
    """
    card = read_card(weights)
    if "data_fingerprint" not in card:
        return
    if card["data_fingerprint"] != shards.fingerprint(*(path.name for path in training_shards(samples))):
        raise FairnessError(
            f"{weights} was trained on other photos than those of {samples}, and the benchmark's people may be among "
            f"them: train it again (`python -m stages.train {weights.name}`)"
        )
    if card["train"]["images"] != train.images:
        raise FairnessError(
            f"{weights} was trained on {card['train']['images']:,} images, train.images is {train.images:,}: methods "
            "are compared on one budget; train it again, or name its budget in params.yaml"
        )


def check(weights: Path, models: Models, another_base: bool = False) -> None:
    """Refuse weights that these parts do not fit, or that the settings do not allow.

    Args:
        another_base: the backbone may be another one of the same sizes, a relative of the one that was trained on.

    Raises:
        MissingInput: there are no weights.
        SettingsError: they are known to be made with another part.
        LicenceError: they were converted, and their licence is not known to allow commercial use.
    """
    card = read_card(weights)
    convert.check_use(weights, models)
    free = {"backbone"} if another_base else set()
    if not contract.find(card["method"])[0].control_channels:
        free.add("head")  # it places the people of such a method, which reads nothing of it
    for part, key in PARTS.items():
        path, made_with = getattr(models, part), card.get(key)
        if made_with and part not in free and made_with != shards.path_fingerprint(path):
            raise SettingsError(
                f"{weights} was made with another {part} ({card.get('parts', {}).get(part, 'not said which')}) than "
                f"models.{part} in params.yaml, {path}: name the one it was made with, or train it again"
            )
