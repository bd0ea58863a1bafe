"""Captions: what a page or a model says of a photo, without anything by which somebody could be reached."""

import re

COUNTS = {1: "a person", 2: "two people", 3: "three people", 4: "four people", 5: "five people", 6: "six people"}
# Broad on purpose: a caption that loses a word is a small loss, an address that stays is not.
PRIVATE = [
    re.compile(r"<[^<>]*>"),  # markup that a page has escaped twice
    re.compile(r"\b(?:https?|ftp)://\S+|\bwww\.\S+", re.IGNORECASE),
    re.compile(
        r"\b(?:mailto:)?[\w.+-]+\s*(?:@|\(at\)|\[at\])\s*[\w-]+(?:\s*(?:\.|\(dot\)|\[dot\])\s*[\w-]+)+", re.IGNORECASE
    ),
    re.compile(r"(?<!\w)@\w{2,}"),  # handles
    re.compile(r"(?<![\w.])\+?\(?\d(?:[\s().\-/]*\d){6,14}(?!\w)"),  # telephone numbers: seven digits or more
    re.compile(r"\b(?:[a-z0-9-]+\.)+(?:com|org|net|info|io|de|fr|uk|eu|invalid|test)(?:/\S*)?\b", re.IGNORECASE),
]
LEFTOVER = re.compile(r"[\s,;:|(\[\-]+$|^[\s,;:|)\].\-]+")


def clean(caption: str | None, people: int) -> str:
    """A caption without addresses, telephone numbers and links; a plain one where nothing is left.

    Args:
        people: how many the photo shows.
    """
    return _scrubbed(caption) or plain(people)


def from_model(source: str, page: str | None) -> bool:
    """Whether a photo is to have a model's caption: by the setting `samples.captions`, and what its page says."""
    return source == "model" or (source == "page_else_model" and not _scrubbed(page))


def choose(source: str, page: str | None, made: str | None, people: int) -> str:
    """The caption of a photo: the page's or the model's, by the setting `samples.captions`; cleaned either way."""
    return clean(made if from_model(source, page) else page, people)


def plain(people: int) -> str:
    """A caption that says nothing but how many people there are."""
    return f"a photo of {COUNTS.get(people, f'{people} people')}"


def _scrubbed(caption: str | None) -> str:
    """What may stay; empty where no word is left."""
    text = caption or ""
    for pattern in PRIVATE:
        text = pattern.sub(" ", text)
    text = LEFTOVER.sub("", re.sub(r"\s+([.,;:!?])", r"\1", re.sub(r"\s+", " ", text)))
    return text if re.search(r"\w", text) else ""


def normal(caption: str) -> str:
    """The form in which captions and prompts are compared: words alone, in lower case."""
    return " ".join(re.findall(r"\w+", caption.casefold()))
