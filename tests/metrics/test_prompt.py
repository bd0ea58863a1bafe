"""prompt: CLIP-T of one image."""

import pytest

from pipeline.metrics import prompt
from tests.metrics.evidence import evidence, missing, nobody, person, turned, values

WHO = [person("p", [turned(0)], [turned(0)])]


@pytest.mark.parametrize(("cosine", "expected"), [(0.25, 25.0), (-0.3, 0.0), (1.0, 100.0)])
def test_by_hand(cosine: float, expected: float) -> None:
    asked = evidence(WHO, [turned(0)], [0], prompt_cosine=cosine)
    assert values(prompt.score(asked), "clip_t") == pytest.approx([expected])


def test_no_image_counts_as_zero() -> None:
    assert values(prompt.score(nobody(WHO)), "clip_t") == [0.0]
    assert missing(prompt.score(nobody(WHO)), "clip_t") == [True]


def test_faces_play_no_part() -> None:
    one = evidence(WHO, [turned(0)], [0], prompt_cosine=0.4)
    other = evidence(WHO, [turned(0), turned(30)], [-1], prompt_cosine=0.4)
    assert prompt.score(one) == prompt.score(other)
