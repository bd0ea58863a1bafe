"""Bytes that a URL or a file gave as a picture: its size and hash, or the reason why they are none."""

from dataclasses import replace

from pipeline import images
from pipeline.crawl.duplicates import perceptual_hash
from pipeline.crawl.ledger import Visit


def inspect(visit: Visit, body: bytes) -> Visit:
    """A visit with the size and perceptual hash of the image that it received, or with the reason why it is none."""
    if body.lstrip()[:1] == b"<":
        return replace(visit, reject="not_an_image", detail="the bytes are markup")
    try:
        pixels = images.decode(body)
    except images.BadImage as error:
        # A decoder may be installed before the next run.
        permanent = not isinstance(error, images.NoDecoder)
        return replace(visit, reject="bad_image", detail=str(error), permanent=permanent)
    height, width = pixels.shape[:2]
    return replace(visit, width=width, height=height, phash=perceptual_hash(pixels))


def still_decodes(visit: Visit, start: bytes) -> Visit:
    """A remembered picture with its first bytes as it is, or rejected for now: its decoder may be gone since then."""
    try:
        images.refuse_undecodable(start)
        return visit
    except images.NoDecoder as error:
        return replace(visit, reject="bad_image", detail=str(error), permanent=False)
