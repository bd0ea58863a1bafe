"""What a photograph happens to show of a person: hair, glasses, clothes, expression. None of it is identity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pipeline.world import words


@dataclass(frozen=True)
class Look:
    """Names from words.py; `part` (-1 or 1) is the side on which hair is parted or an eye winks."""

    hair: str
    hair_colour: str
    hat_colour: str
    glasses: str
    frame_colour: str
    clothes: str
    cloth_colour: str
    expression: str
    part: int


def draw_look(rng: np.random.Generator) -> Look:
    """A look; glasses on 45 of 100."""
    glasses = pick(rng, words.GLASSES, [0.55, 0.13, 0.12, 0.1, 0.1])
    hair = pick(
        rng, words.HAIR_STYLES, [0.05, 0.07, 0.1, 0.08, 0.09, 0.08, 0.06, 0.09, 0.1, 0.08, 0.06, 0.04, 0.05, 0.05]
    )
    colour = pick(rng, words.HAIR_COLOURS, [0.2, 0.2, 0.13, 0.15, 0.1, 0.06, 0.07, 0.03, 0.03, 0.03])
    expression = pick(rng, words.EXPRESSIONS, [0.15, 0.24, 0.15, 0.09, 0.06, 0.06, 0.07, 0.05, 0.05, 0.04, 0.04])
    return Look(
        hair,
        colour,
        pick(rng, words.CLOTH_COLOURS),
        glasses,
        pick(rng, words.FRAME_COLOURS),
        pick(rng, words.CLOTHES),
        pick(rng, words.CLOTH_COLOURS),
        expression,
        int(rng.choice((-1, 1))),
    )


def pick(rng: np.random.Generator, choices: Mapping[str, object], weights: list[float] | None = None) -> str:
    """One key, by weight."""
    return str(rng.choice(list(choices), p=weights))


PLAY: dict[str, dict[str, float]] = {
    "neutral": {},
    "smile": {"mouthSmile": 0.75, "cheekSquint": 0.4},
    "grin": {
        "mouthSmile": 0.95,
        "cheekSquint": 0.7,
        "mouthUpperUp": 0.65,
        "mouthLowerDown": 0.45,
        "jawOpen": 0.22,
        "eyeSquint": 0.35,
    },
    "surprise": {"browInnerUp": 0.8, "browOuterUp": 0.9, "eyeWide": 0.9, "jawOpen": 0.65, "mouthFunnel": 0.3},
    "frown": {"mouthFrown": 0.85, "browInnerUp": 0.7, "eyeSquint": 0.2},
    "angry": {"browDown": 0.95, "noseSneer": 0.5, "mouthFrown": 0.4, "eyeSquint": 0.4},
    "open": {"jawOpen": 0.75, "mouthLowerDown": 0.25},
    "pucker": {"mouthPucker": 0.85},
    "wink": {"mouthSmile": 0.35},
    "puff": {"cheekPuff": 0.9, "mouthPucker": 0.25},
    "squint": {"eyeSquint": 0.95, "cheekSquint": 0.7, "browDown": 0.35},
}


def expression_weights(rng: np.random.Generator, look: Look, names: tuple[str, ...]) -> np.ndarray:
    """Weights (E,) of a look's expression, never twice the same, with a glance to somewhere."""
    weights = dict.fromkeys(names, 0.0)
    for muscle, strength in PLAY[look.expression].items():
        both = strength * rng.uniform(0.75, 1.05)
        for name in (muscle, muscle + "Left", muscle + "Right"):
            if name in weights:
                weights[name] = both * rng.uniform(0.9, 1.0)
    if look.expression == "wink":
        side = "Left" if look.part > 0 else "Right"
        weights |= {"eyeBlink" + side: 1.0, "cheekSquint" + side: 0.6, "mouthSmile" + side: 0.7}
    glance, up = rng.normal(0, 0.35), rng.normal(0, 0.2)
    weights |= {
        "eyeLookOutLeft": max(glance, 0),
        "eyeLookInRight": max(glance, 0),
        "eyeLookInLeft": max(-glance, 0),
        "eyeLookOutRight": max(-glance, 0),
    }
    weights |= {
        f"eyeLook{way}{side}": max(up * sign, 0)
        for way, sign in (("Up", 1), ("Down", -1))
        for side in ("Left", "Right")
    }
    weights["jawLeft"] += max(0.0, rng.normal(0, 0.15))
    return np.array([min(weights[name], 1.0) for name in names], np.float32)
