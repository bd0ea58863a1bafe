"""The words of the world: every attribute that a caption can name, its wordings, and what it looks like.

This is the one place for them: captions are written from it, and prompts of the benchmark are built from it.
Colours are gamma encoded RGB in [0, 1]. Left and right are those of the image.
"""

from __future__ import annotations

Colour = tuple[float, float, float]

HAIR_COLOURS: dict[str, Colour] = {
    "black": (0.11, 0.10, 0.11),
    "brown": (0.33, 0.20, 0.13),
    "red": (0.62, 0.20, 0.08),
    "blond": (0.84, 0.66, 0.36),
    "grey": (0.58, 0.58, 0.60),
    "white": (0.90, 0.89, 0.86),
    "auburn": (0.45, 0.15, 0.11),
    "blue": (0.20, 0.35, 0.72),
    "pink": (0.88, 0.45, 0.62),
    "green": (0.22, 0.52, 0.32),
}
CLOTH_COLOURS: dict[str, Colour] = {
    "red": (0.75, 0.14, 0.14),
    "green": (0.17, 0.50, 0.26),
    "blue": (0.16, 0.33, 0.70),
    "yellow": (0.93, 0.79, 0.22),
    "white": (0.92, 0.92, 0.90),
    "black": (0.13, 0.13, 0.15),
    "grey": (0.52, 0.53, 0.55),
    "orange": (0.92, 0.50, 0.14),
    "purple": (0.45, 0.23, 0.58),
    "pink": (0.92, 0.60, 0.70),
    "brown": (0.42, 0.28, 0.19),
    "teal": (0.10, 0.50, 0.52),
}
WALL_COLOURS: dict[str, Colour] = {
    "red": (0.66, 0.24, 0.22),
    "green": (0.42, 0.60, 0.42),
    "blue": (0.38, 0.54, 0.76),
    "yellow": (0.90, 0.80, 0.46),
    "white": (0.90, 0.90, 0.89),
    "grey": (0.56, 0.57, 0.59),
    "orange": (0.88, 0.60, 0.34),
    "purple": (0.52, 0.41, 0.64),
    "pink": (0.88, 0.68, 0.72),
    "teal": (0.29, 0.56, 0.57),
    "black": (0.15, 0.15, 0.17),
    "brown": (0.47, 0.36, 0.28),
}
FRAME_COLOURS: dict[str, Colour] = {
    "black": (0.08, 0.08, 0.09),
    "red": (0.70, 0.12, 0.12),
    "gold": (0.80, 0.64, 0.28),
    "blue": (0.15, 0.28, 0.65),
    "brown": (0.36, 0.21, 0.12),
}

# wordings of hair; {c} is the colour. The key is the style that hair.py builds.
HAIR_STYLES: dict[str, tuple[str, ...]] = {
    "bald": ("a bald head", "no hair"),
    "cropped": ("cropped {c} hair", "very short {c} hair"),
    "short": ("short {c} hair",),
    "swept": ("side-swept {c} hair", "parted {c} hair"),
    "fringe": ("{c} hair with a fringe", "{c} bangs"),
    "curly": ("curly {c} hair", "{c} curls"),
    "afro": ("a {c} afro", "big round {c} hair"),
    "bob": ("a {c} bob", "chin-length {c} hair"),
    "long": ("long {c} hair", "long straight {c} hair"),
    "wavy": ("wavy {c} hair", "long wavy {c} hair"),
    "bun": ("a {c} bun", "{c} hair in a bun"),
    "pigtails": ("{c} pigtails", "{c} hair in pigtails"),
    "cap": ("a {h} cap", "a {h} baseball cap"),
    "beanie": ("a {h} beanie", "a {h} knitted hat"),
}
GLASSES: dict[str, tuple[str, ...]] = {
    "none": ("",),
    "round": ("round glasses", "round {f} glasses"),
    "square": ("square glasses", "square {f} glasses"),
    "wide": ("large glasses", "large {f} glasses"),
    "tinted": ("tinted glasses", "tinted sunglasses"),
}
EXPRESSIONS: dict[str, tuple[str, ...]] = {
    "neutral": ("with a neutral face", "looking calm"),
    "smile": ("smiling", "with a smile"),
    "grin": ("laughing", "with a wide grin"),
    "surprise": ("looking surprised", "with a surprised face"),
    "frown": ("looking sad", "with a sad face"),
    "angry": ("looking angry", "frowning"),
    "open": ("with an open mouth", "talking"),
    "pucker": ("with pursed lips", "blowing a kiss"),
    "wink": ("winking", "with one eye closed"),
    "puff": ("with puffed cheeks", "holding breath"),
    "squint": ("squinting", "with narrowed eyes"),
}
CLOTHES: dict[str, tuple[str, ...]] = {
    "tshirt": ("a {c} t-shirt",),
    "sweater": ("a {c} sweater", "a {c} pullover"),
    "vneck": ("a {c} v-neck", "a {c} v-neck top"),
    "shirt": ("a {c} shirt", "a {c} shirt with a collar"),
    "striped": ("a striped {c} shirt", "a {c} striped top"),
    "checked": ("a checked {c} shirt", "a {c} plaid shirt"),
    "hoodie": ("a {c} hoodie",),
    "jacket": ("a {c} jacket", "a {c} coat"),
    "turtleneck": ("a {c} turtleneck",),
    "scarf": ("a {c} scarf",),
}
BACKGROUNDS: dict[str, tuple[str, ...]] = {
    "wall": ("in front of a {w} wall", "against a {w} wall"),
    "brick": ("in front of a {w} brick wall", "against {w} bricks"),
    "sky": ("under a blue sky", "with sky and clouds behind"),
    "sunset": ("at sunset", "in front of a sunset"),
    "garden": ("in a garden", "in front of green leaves"),
    "books": ("in front of a bookshelf", "with bookshelves behind"),
    "curtain": ("in front of a {w} curtain", "with a {w} curtain behind"),
    "lights": ("at night with city lights", "in front of city lights"),
    "beach": ("at the beach", "by the sea"),
    "snow": ("in the snow", "in front of snowy hills"),
}
LIGHTS: dict[str, tuple[str, ...]] = {
    "soft": ("soft light from the {s}", "soft {s} light"),
    "hard": ("hard light from the {s}", "strong light from the {s}"),
    "warm": ("warm light from the {s}", "golden light from the {s}"),
    "cool": ("cool light from the {s}", "bluish light from the {s}"),
    "dim": ("dim light", "low light"),
    "bright": ("bright light", "bright even light"),
}
SUBJECTS = (
    "a photo of a person",
    "a portrait of a person",
    "a picture of a person",
    "a photo of someone",
    "a close-up of a person",
)
GROUPS = ("a photo of {n} people", "a group photo of {n} people", "a picture of {n} people", "{n} people")
COUNTS = {2: "two", 3: "three", 4: "four"}
TURNED = {"left": ("turned to the left", "looking left"), "right": ("turned to the right", "looking right")}
