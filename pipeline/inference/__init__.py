"""A trained method drawing an image that a user wishes for: own photos, own words, own layout.

    from likeness import Portrait

    portrait = Portrait.load("data/weights/uniportrait")
    image = portrait.draw([["ada.jpg", "ada2.jpg"], ["ben.jpg"]], "a photo of two people in a garden", seed=0)
    image.save("x.png")

The same from a shell: `likeness draw --help`.
"""

from pipeline.inference.layout import read
from pipeline.inference.portrait import Options, Portrait

__all__ = ["Options", "Portrait", "read"]
