"""Captions: the attributes of a photograph in varied words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.world import words
from pipeline.world.attire import Look
from pipeline.world.shade import Light

GROUP_WORDS = 28


def choose(rng: np.random.Generator, wordings: Sequence[str]) -> str:
    """One of several wordings."""
    return wordings[int(rng.integers(len(wordings)))]


def hair_words(look: Look, rng: np.random.Generator) -> str:
    """A look's hair or hat."""
    return choose(rng, words.HAIR_STYLES[look.hair]).format(c=look.hair_colour, h=look.hat_colour)


def glasses_words(look: Look, rng: np.random.Generator) -> str:
    """A look's glasses; empty without."""
    return choose(rng, words.GLASSES[look.glasses]).format(f=look.frame_colour)


def clothes_words(look: Look, rng: np.random.Generator) -> str:
    """A look's clothes."""
    return choose(rng, words.CLOTHES[look.clothes]).format(c=look.cloth_colour)


def background_words(background: str, wall: str, rng: np.random.Generator) -> str:
    """Where it is."""
    return choose(rng, words.BACKGROUNDS[background]).format(w=wall)


def light_words(light: Light, rng: np.random.Generator) -> str:
    """The light and its side."""
    side = "left" if light.direction[0] < 0 else "right"
    return choose(rng, words.LIGHTS[light.kind]).format(s=side)


def portrait_caption(look: Look, light: Light, background: str, wall: str, yaw: float, rng: np.random.Generator) -> str:
    """A sentence like "a photo of a person with long red hair, smiling, wearing a green sweater, in a garden"."""
    worn = " and ".join(filter(None, (hair_words(look, rng), glasses_words(look, rng))))
    middle = [choose(rng, words.EXPRESSIONS[look.expression]), "wearing " + clothes_words(look, rng)]
    if rng.random() < 0.3:
        middle.reverse()
    if abs(yaw) > 16:
        middle.append(choose(rng, words.TURNED["right" if yaw > 0 else "left"]))
    ending = [background_words(background, wall, rng)]
    if rng.random() < 0.7:
        ending.append(light_words(light, rng))
    return ", ".join([f"{choose(rng, words.SUBJECTS)} with {worn}", *middle, *ending])


def group_caption(looks: Sequence[Look], background: str, wall: str, rng: np.random.Generator) -> str:
    """A sentence that lists people from left to right; what they wear is added while it has at most GROUP_WORDS."""
    people = [hair_words(look, rng) for look in looks]
    extras = [glasses_words(look, rng) or clothes_words(look, rng) for look in looks]
    start = choose(rng, words.GROUPS).format(n=words.COUNTS[len(looks)])
    ending = background_words(background, wall, rng)
    for place in rng.permutation(len(looks)):
        longer = [*people[:place], f"{people[place]} and {extras[place]}", *people[place + 1 :]]
        if len(listed(start, longer, ending).split()) <= GROUP_WORDS:
            people = longer
    return listed(start, people, ending)


def listed(start: str, people: Sequence[str], ending: str) -> str:
    """The sentence of a group."""
    return f"{start}, {', '.join(people)}, {ending}"
