"""What the measurements of the generative part count."""

import numpy as np
import torch

from pipeline.pack.dataset import Drawn
from pipeline.pack.diffusion import evaluate, vae


def drawn() -> Drawn:
    people = [1, 3, 2, 3]
    photo = np.repeat(np.arange(4), people)
    return Drawn(
        images=np.zeros((4, 16, 32, 3), np.uint8),
        captions=["a", "b", "c", "d"],
        photo=photo,
        person=photo,
        box=np.zeros((9, 4), np.float32),
        landmarks=np.zeros((9, 68, 2), np.float32),
    )


def test_photographs_are_chosen_by_the_number_of_people() -> None:
    assert evaluate.of_people(drawn(), 3).tolist() == [1, 3]
    assert evaluate.spread_out(np.arange(10), 4).tolist() == [0, 3, 6, 9]
    assert evaluate.spread_out(np.arange(3), 100).tolist() == [0, 1, 2]


def test_a_picture_follows_its_prompt_when_its_own_is_nearest() -> None:
    class Model:
        def image(self, images: torch.Tensor) -> torch.Tensor:
            return torch.nn.functional.normalize(images.flatten(2).mean(2), dim=1)

        def text(self, prompts: list[str]) -> torch.Tensor:
            return torch.eye(3)[["rgb".index(prompt) for prompt in prompts]]

    images = np.zeros((3, 8, 8, 3), np.uint8)
    for number in range(3):
        images[number, ..., number] = 255
    assert evaluate.followed(Model(), images, ["r", "g", "b"])["own_prompt_first"] == 1  # type: ignore[arg-type]
    assert evaluate.followed(Model(), images, ["g", "r", "b"])["own_prompt_first"] < 0.4  # type: ignore[arg-type]


def test_psnr_of_one_grey_level() -> None:
    wanted = np.full((4, 4, 3), 100, np.uint8)
    assert round(vae.psnr(wanted, wanted + np.uint8(1)), 2) == 48.13
