"""Every metric declares what it yields, and yields what it declares: generic over whatever lies in metrics/."""

import numpy as np
import pytest

from pipeline import plugins
from pipeline.metric import WHOLE_IMAGE, Card
from tests.metrics.evidence import nobody, random_case, random_units, unit

NAMES = plugins.names("metrics")
SCORING = [name for name in NAMES if hasattr(plugins.load("metrics", name), "score")]
MEASURING = [name for name in NAMES if name not in SCORING]


@pytest.mark.parametrize("name", NAMES)
def test_cards_are_complete(name: str) -> None:
    module = plugins.load("metrics", name)
    assert hasattr(module, "score") != hasattr(module, "distance")
    for card in module.CARDS:
        assert card.better in ("higher", "lower")
        assert card.low < card.high
        assert card.description.endswith(".")
        assert card.title
        assert card.unit
        assert card.absent
        assert card.version >= 1


def test_no_name_is_used_twice() -> None:
    names = [card.name for name in NAMES for card in plugins.load("metrics", name).CARDS]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("name", SCORING)
@pytest.mark.parametrize(("people", "faces"), [(1, 1), (1, 0), (2, 2), (3, 2), (2, 4)])
def test_scores_are_as_the_cards_say(name: str, people: int, faces: int) -> None:
    module = plugins.load("metrics", name)
    cards = {card.name: card for card in module.CARDS}
    for seed in range(5):
        for each in module.score(random_case(np.random.default_rng(seed), people, faces)):
            card = cards[each.metric]
            assert card.least_people <= people
            assert not card.share_of
            assert each.slot == WHOLE_IMAGE or 0 <= each.slot < people
            assert np.isnan(each.value) or card.low - 1e-9 <= each.value <= card.high + 1e-9
            assert each.missing or not np.isnan(each.value)


@pytest.mark.parametrize("name", MEASURING)
def test_distances_are_as_the_card_says(name: str) -> None:
    """Random sets, and those furthest from and nearest to each other: opposite, and two pairs of opposites."""
    module = plugins.load("metrics", name)
    card, one, other = module.CARDS[0], unit(1, 0), unit(-1, 0)
    sets = [tuple(random_units(np.random.default_rng(seed), 2 + seed, 2) for _ in range(2)) for seed in range(5)]
    sets += [(np.array([one, one]), np.array([other, other])), (np.array([one, other]), np.array([one, other]))]
    for drawn, real in sets:
        found = module.distance(drawn, real, np.ones((1, len(drawn))), np.ones((1, len(real))))[0]
        assert card.low - 1e-9 <= found <= card.high + 1e-9


@pytest.mark.parametrize(
    "card", [card for name in NAMES for card in plugins.load("metrics", name).CARDS if card.share_of]
)
def test_shares_of_the_reachable_have_no_bounds(card: Card) -> None:
    """Floor and ceiling are pictures like others: a share may be below 0 and above 1."""
    assert (card.low, card.high) == (-np.inf, np.inf)


@pytest.mark.parametrize("name", SCORING)
def test_no_image_is_missing_in_every_score(name: str) -> None:
    case = nobody(random_case(np.random.default_rng(0), 2, 0).people)
    assert all(each.missing for each in plugins.load("metrics", name).score(case))
