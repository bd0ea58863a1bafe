import io
import itertools
import random

import numpy as np
from PIL import Image

from pipeline import images
from pipeline.crawl import duplicates
from pipeline.crawl.duplicates import Candidate
from tests.crawl.conftest import jpeg


def brute_force(candidates: list[Candidate], bits: int) -> dict[str, str]:
    """The same greedy choice by comparing all pairs."""
    kept: list[Candidate] = []
    chosen = {}
    for one in sorted(candidates, key=lambda item: item.rank):
        near = [other for other in kept if (one.phash ^ other.phash).bit_count() <= bits]
        best = min(near, key=lambda other: ((one.phash ^ other.phash).bit_count(), other.rank), default=one)
        chosen[one.sha256] = best.sha256
        kept += [one] if best is one else []
    return chosen


def candidates(count: int) -> list[Candidate]:
    """Clouds of near hashes."""
    chance = random.Random(3)
    centres = [chance.getrandbits(64) for _ in range(count // 10)]
    found = []
    for number in range(count):
        phash = chance.choice(centres)
        for _ in range(chance.randrange(6)):
            phash ^= 1 << chance.randrange(64)
        found.append(
            Candidate(f"{number:064x}", phash, chance.choice((1, 2)), chance.randrange(9), f"http://a/{number}")
        )
    return found


def test_bands_find_exactly_what_all_pairs_find() -> None:
    for bits in (0, 1, 3, 7):
        some = candidates(300)
        assert duplicates.winners(some, bits, lambda *_: True) == brute_force(some, bits)


def test_the_choice_does_not_depend_on_the_order_of_arrival() -> None:
    some = candidates(60)
    expected = duplicates.winners(some, 3, lambda *_: True)
    for seed in range(5):
        random.Random(seed).shuffle(some)
        assert duplicates.winners(some, 3, lambda *_: True) == expected


def test_the_largest_picture_wins_then_the_longest_file_then_the_smallest_url() -> None:
    some = [
        Candidate("a", 7, 100, 50, "http://a/z"),
        Candidate("b", 7, 200, 10, "http://a/y"),
        Candidate("c", 7, 200, 20, "http://a/x"),
        Candidate("d", 7, 200, 20, "http://a/w"),
    ]
    assert set(duplicates.winners(some, 0, lambda *_: True).values()) == {"d"}


def test_near_hashes_of_different_pictures_are_both_kept() -> None:
    some = [Candidate("a", 7, 1, 1, "u"), Candidate("b", 7, 1, 1, "v")]
    assert duplicates.winners(some, 3, lambda *_: False) == {"a": "a", "b": "b"}


def test_compression_and_size_change_few_bits_and_no_thumbnail() -> None:
    for number in range(20):
        one = images.decode(jpeg(number))
        for other in (images.decode(jpeg(number, quality=60)), images.decode(jpeg(number, size=108))):
            distance = duplicates.perceptual_hash(one) ^ duplicates.perceptual_hash(other)
            assert distance.bit_count() <= 6
            assert duplicates.alike(duplicates.thumbnail(one), duplicates.thumbnail(other))


def test_different_pictures_have_far_hashes_and_other_thumbnails() -> None:
    pictures = [images.decode(jpeg(number)) for number in range(20)]
    for one, other in itertools.combinations(pictures, 2):
        distance = duplicates.perceptual_hash(one) ^ duplicates.perceptual_hash(other)
        assert distance.bit_count() > 8
        assert not duplicates.alike(duplicates.thumbnail(one), duplicates.thumbnail(other))


def test_the_hash_is_the_sign_of_low_frequencies() -> None:
    # A horizontal cosine of frequency 1 is bit (row 0, column 1) of the 8 x 8 spectrum, counted from the top.
    wave = 128 + 100 * np.cos(np.pi * (2 * np.arange(32) + 1) / 64)
    pixels = np.repeat(np.repeat(wave[None, :, None], 32, 0), 3, 2).astype(np.uint8)
    assert duplicates.perceptual_hash(pixels) >> 62 & 1
    assert not duplicates.perceptual_hash(np.ascontiguousarray(pixels[:, ::-1])) >> 62 & 1


def test_a_jpeg_of_a_jpeg_is_alike() -> None:
    buffer = io.BytesIO()
    Image.fromarray(images.decode(jpeg(1))).save(buffer, "JPEG", quality=40)
    assert duplicates.alike(
        duplicates.thumbnail(images.decode(jpeg(1))), duplicates.thumbnail(images.decode(buffer.getvalue()))
    )
