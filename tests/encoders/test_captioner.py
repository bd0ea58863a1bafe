"""Captions of tiny models of two kinds, with random weights: the same each time, and no other picture's."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.encoders.captioner import Captioner
from pipeline.errors import MissingInput
from tests import tiny_captioner


@pytest.fixture(scope="module", params=["blip", "git"])
def captioner(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Captioner:
    return Captioner(tiny_captioner.write(tmp_path_factory.mktemp(request.param), request.param))


def test_a_caption_is_words_the_same_each_time_and_alone_or_among_others(captioner: Captioner) -> None:
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 256, (*size, 3), np.uint8) for size in ((20, 30), (64, 40), (33, 33))]
    found = captioner(pictures)
    assert len(found) == 3
    assert all(set(text.split()) <= set(tiny_captioner.WORDS) and text for text in found)
    assert found == captioner(pictures) == [captioner([picture])[0] for picture in pictures]


def test_a_directory_without_a_model_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match=r"no config\.json in .*models\.captioner"):
        Captioner(tmp_path / "none")
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(MissingInput, match=r"no image-to-text model in .*models\.captioner"):
        Captioner(tmp_path)
