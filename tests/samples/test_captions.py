"""Nothing by which somebody could be reached stays in a caption, and ordinary words do."""

import pytest

from pipeline.samples import captions


@pytest.mark.parametrize(
    ("page", "kept"),
    [
        ("Ann at the sea, ann.b@mail.example.com", "Ann at the sea"),
        ("Call +49 (30) 1234-5678 now", "Call now"),
        ("write to ann (at) mail (dot) com please", "write to please"),
        ("more at https://a.example/x?y=1 and www.b.org", "more at and"),
        ("portrait | photos.example.com/ann", "portrait"),
        ("by @ann_b", "by"),
        ("taken in 2019, 3 people, 1/250 s", "taken in 2019, 3 people, 1/250 s"),
        ("  a <b>bold</b>\n face ", "a bold face"),
        ("visit gallery.world.test", "visit"),
        ("call 555-123-4567.", "call."),
    ],
)
def test_clean(page: str, kept: str) -> None:
    assert captions.clean(page, 1) == kept


@pytest.mark.parametrize("empty", [None, "", "  ", "...", "ann@mail.com", "http://a.b/c"])
def test_an_empty_caption_counts_people(empty: str | None) -> None:
    assert captions.clean(empty, 1) == "a photo of a person"
    assert captions.clean(empty, 3) == "a photo of three people"
    assert captions.clean(empty, 11) == "a photo of 11 people"


def test_normal_ignores_case_and_punctuation() -> None:
    assert captions.normal("A photo,  of Two people!") == captions.normal("a photo of two people")
    assert captions.normal("two people") != captions.normal("three people")
