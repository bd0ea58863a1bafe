"""Captions name what is shown, stay short, and use few words; every word's thing can be drawn."""

import numpy as np
import pytest

from pipeline.world import attire, backdrop, glasses, hair, words
from pipeline.world.attire import Look, draw_look
from pipeline.world.captions import GROUP_WORDS, group_caption, portrait_caption
from pipeline.world.scene import draw_light

LOOK = Look("long", "red", "blue", "round", "gold", "sweater", "green", "smile", 1)


def test_a_portrait_names_hair_glasses_face_clothes_and_place() -> None:
    for seed in range(20):
        rng = np.random.default_rng(seed)
        caption = portrait_caption(LOOK, draw_light(rng), "garden", "red", 25.0, rng)
        for expected in ("long", "red", "round", "glasses", "green"):
            assert expected in caption
        assert "smil" in caption
        assert any(wording in caption for wording in words.BACKGROUNDS["garden"])
        assert any(wording in caption for wording in words.TURNED["right"])


def test_wordings_vary() -> None:
    light = draw_light(np.random.default_rng(0))
    captions = {portrait_caption(LOOK, light, "wall", "red", 0.0, np.random.default_rng(seed)) for seed in range(30)}
    assert len(captions) > 20


@pytest.mark.parametrize("count", [2, 3, 4])
def test_groups_are_listed_from_left_to_right_in_few_words(count: int) -> None:
    for seed in range(60):
        rng = np.random.default_rng(seed)
        looks = [draw_look(rng) for _ in range(count)]
        caption = group_caption(looks, "wall", "blue", rng)
        assert len(caption.split()) <= GROUP_WORDS + 1  # four people's hair alone can take one more
        assert words.COUNTS[count] in caption
        places = [caption.index(look.hair_colour) for look in looks if look.hair not in ("bald", "cap", "beanie")]
        assert len(places) < 2 or places[0] <= places[-1]


def test_the_side_of_the_light_is_the_images() -> None:
    rng = np.random.default_rng(0)
    seen = set()
    for _ in range(200):
        light = draw_light(rng)
        caption = portrait_caption(LOOK, light, "garden", "red", 0.0, rng)
        for side, sign in (("left", -1), ("right", 1)):
            if f"from the {side}" in caption:
                assert np.sign(light.direction[0]) == sign
                seen.add(side)
    assert seen == {"left", "right"}


def test_the_vocabulary_is_small() -> None:
    vocabulary = set()
    for seed in range(1500):
        rng = np.random.default_rng(seed)
        look = draw_look(rng)
        background, wall = attire.pick(rng, words.BACKGROUNDS), attire.pick(rng, words.WALL_COLOURS)
        caption = portrait_caption(look, draw_light(rng), background, wall, rng.normal(0, 20), rng)
        vocabulary |= set(caption.replace(",", "").split())
    assert 100 < len(vocabulary) < 300


def test_every_attribute_that_has_words_can_be_drawn() -> None:
    assert set(words.HAIR_STYLES) == set(hair.STYLES) | {"bald"}
    assert set(words.GLASSES) == set(glasses.RIMS) | {"none"}
    assert set(words.EXPRESSIONS) == set(attire.PLAY)
    assert set(words.BACKGROUNDS) == set(backdrop.PAINTERS)
