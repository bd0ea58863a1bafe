"""Likeness from Python: a trained method draws a picture of people by their photos.

    from likeness import Options, Portrait, read

    portrait = Portrait.load("data/weights/group_portrait")
    options = Options(layout=read("layout.json"))
    picture = portrait.draw([["ada.jpg", "ada2.jpg"], ["ben.jpg"]], "a photo of two people, in a garden", 7, options)
    picture.save("x.png")

`Portrait` is a trained method, `Options` what a user may set, `read` takes a layout from a file. The names are loaded
when they are first used: `import likeness` takes no time. The same from a shell: `likeness draw --help`.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.inference import Options, Portrait, read

__all__ = ["Options", "Portrait", "read"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"likeness has no {name}: it has {', '.join(__all__)}")
    return getattr(importlib.import_module("pipeline.inference"), name)


def __dir__() -> list[str]:
    return __all__
