from collections import Counter
from dataclasses import replace

import pytest

from pipeline.settings import WorldSettings
from pipeline.world.gallery import plan

WORLD = WorldSettings(people=25, portraits_per_person=6, groups=17, circle=10, seed=20, photos_per_shard=50)


def test_everybody_is_photographed_as_often_as_asked() -> None:
    shots = plan.shots(WORLD)
    assert Counter(shot.people[0] for shot in shots if len(shot.people) == 1) == dict.fromkeys(range(25), 6)
    assert sum(len(shot.people) > 1 for shot in shots) == 17
    assert [shot.number for shot in shots] == list(range(len(shots)))


def test_groups_stay_within_a_circle_and_have_two_to_four_people() -> None:
    for shot in plan.shots(WORLD):
        assert len({person // WORLD.circle for person in shot.people}) == 1
        assert len(set(shot.people)) == len(shot.people) <= 4


def test_seeds_and_addresses_are_all_different() -> None:
    shots = plan.shots(WORLD)
    assert len({shot.seed for shot in shots}) == len(shots)
    assert len({plan.address(shot) for shot in shots}) == len(shots)


def test_an_address_tells_nobody_who_is_shown() -> None:
    for shot in plan.shots(WORLD):
        name = plan.address(shot).rpartition("/")[2]
        assert len(name) == 16
        assert str(shot.people[0]) + "-" not in name


def test_more_people_change_no_photograph_of_the_others() -> None:
    alone = replace(WORLD, groups=0)
    more = plan.shots(replace(alone, people=40))
    assert {(shot.people, shot.seed) for shot in plan.shots(alone)[: 20 * 6]} <= {
        (shot.people, shot.seed) for shot in more
    }


def test_every_mishap_is_met_by_its_share() -> None:
    shots = plan.shots(replace(WORLD, people=600, groups=800))
    assert len(shots) == 4400
    met = Counter(mishap for shot in shots for mishap in shot.mishaps)
    assert set(met) == set(plan.EVERY)
    for name in plan.WITHHELD:
        assert met[name] == 88
    assert all(shot.mishaps == {"private"} for shot in shots if shot.offered == "robots")
    assert all(plan.headers(shot) for shot in shots if shot.offered == "opt_out")
    assert sum(plan.refusals(shot) for shot in shots if "busy" in shot.mishaps) >= 3


@pytest.mark.parametrize(("people", "expected"), [(0, 0), (1, 6), (2, 12 + 17)])
def test_small_worlds(people: int, expected: int) -> None:
    shots = plan.shots(replace(WORLD, people=people))
    assert len(shots) == expected
    assert all(len(shot.people) <= 2 for shot in shots)
