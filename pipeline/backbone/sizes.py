"""What a diffusers directory's own configs say of the pictures it was made for, read without loading a weight."""

from pathlib import Path

from pipeline.errors import SettingsError
from pipeline.files import read_json

FINE = 64  # pixels: from this side on, sizes of photographs are multiples of it, as those of SDXL's training are
LARGE = 512


def own_side(folder: Path | str) -> int:
    """Side of the square pictures that a backbone was made for, in pixels: 512 for SD 1.5, 1024 for SDXL.

    Raises:
        MissingInput: there is no such directory.
        SettingsError: its UNet does not say so.
    """
    found = read_json(Path(folder) / "unet/config.json").get("sample_size")
    if not isinstance(found, int) or found < 1:
        raise SettingsError(
            f"{folder}/unet/config.json gives no whole sample_size (found {found}): say in samples.side how "
            "many pixels the sides of its square pictures have"
        )
    return found * vae_factor(folder)


def vae_factor(folder: Path | str) -> int:
    """Pixels per latent cell, along one side."""
    return int(2 ** (len(read_json(Path(folder) / "vae/config.json")["block_out_channels"]) - 1))


def multiple(folder: Path | str, side: int) -> int:
    """What both sides of a picture are multiples of, in pixels.

    Each level of the UNet then halves a whole number of cells, which skip connections and spatial nets need.
    """
    levels = len(read_json(Path(folder) / "unet/config.json")["down_block_types"])
    needed = vae_factor(folder) * int(2 ** (levels - 1))
    return max(needed, FINE) if side >= LARGE else needed
