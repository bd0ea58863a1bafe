"""The size of picture that a backbone was made for, read from its configs alone: no weights are loaded."""

from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import MissingInput, SettingsError
from pipeline.files import read_json

FINE, LARGE = 64, 512  # pixels: from the second on, sides are multiples of the first, as those of SDXL's training are


@dataclass(frozen=True)
class Resolution:
    """What sizes of pictures a backbone draws."""

    side: int  # pixels: pictures were this wide and this high, or as large in area
    multiple: int  # pixels: sides that its UNet halves and doubles again without a rest

    def rounded(self, width: float, height: float) -> tuple[int, int]:
        """The size nearest to sides in pixels, each a multiple and none smaller than one."""
        across, down = (max(self.multiple, round(value / self.multiple) * self.multiple) for value in (width, height))
        return across, down


def of(backbone: Path | str, side: int = 0) -> Resolution:
    """The resolution of a diffusers directory: 512 of Stable Diffusion 1.5, 1024 of SDXL, 128 of the pack.

    Args:
        side: `samples.side`, pixels: draws at this size in place of the backbone's own; 0: its own.

    Raises:
        MissingInput: a config is not there.
        SettingsError: the configs do not say it.
    """
    unet, vae = (_config(Path(backbone) / part) for part in ("unet", "vae"))
    try:
        factor = 2 ** (len(vae["block_out_channels"]) - 1)
        cells = unet["sample_size"]
        side = side or int(max(cells) if isinstance(cells, list) else cells) * factor
        halved = factor * 2 ** (len(unet["block_out_channels"]) - 1)
        return Resolution(side, max(halved, FINE) if side >= LARGE else halved)
    except (KeyError, TypeError, ValueError) as error:
        raise SettingsError(
            f"{backbone}: unet/config.json and vae/config.json must state sample_size and block_out_channels, as "
            f"diffusers writes them ({error!r}): without them nobody knows how large its pictures are"
        ) from error


def _config(folder: Path) -> dict:
    path = folder / "config.json"
    if not path.is_file():
        raise MissingInput(f"no {path}: models.backbone must be a diffusers pipeline directory")
    return dict(read_json(path))
