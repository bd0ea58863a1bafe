"""What is particular to UniPortrait, and its variants."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """What is particular to UniPortrait."""

    queries: int = 16  # ID tokens per person
    depth: int = 0  # layers of the Q-Former; 0: one per 128 of the width, at least two
    rank: int = 128  # of the low-rank changes, at most two fifths of a layer's width
    embedding: bool = True  # the queries are the recogniser's embedding, and the tokens begin with it
    relative: bool = True  # tokens are relative to those of no reference
    normalised: bool = True  # features are normalised before the two MLPs
    places: bool = True  # context tokens get learned positions
    structure: bool = True  # the face structure branch
    path_drop: float = 0.33  # share of training faces without the structure branch
    token_drop: float = 0.33  # share of training faces whose structure tokens are thinned
    token_keep: float = 0.5  # probability that a token stays when they are thinned
    structure_scale: float = 1.0  # beta in sampling; lower follows the prompt more freely
    face_scale: float = 1.0  # of the ID branch in sampling
    route_weight: float = 10.0  # lambda
    gathered: bool = True  # routers add to the evidence of the layers before them
    background: bool = False  # a slot of the router for positions of nobody
    single_share: float = 0.85  # of the budget, for stage I


VARIANTS = {
    "": Settings(),
    "no_route_loss": Settings(route_weight=0.0),
    "lone_routers": Settings(gathered=False),
    "no_embedding": Settings(embedding=False),
    "no_structure": Settings(structure=False),
    "no_drop": Settings(path_drop=0.0, token_drop=0.0),
    "background": Settings(background=True),
    "released": Settings(
        embedding=False,
        relative=False,
        normalised=False,
        places=False,
        gathered=False,
        structure_scale=0.1,
        face_scale=0.7,
    ),
}
