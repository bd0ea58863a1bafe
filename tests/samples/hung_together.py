"""People of circles, with some photographs of pairs across circles, and three plain ways to cut them."""

import hashlib
import random
from collections import Counter, deque
from collections.abc import Sequence

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import eigsh

from pipeline.samples.splits import components

Groups = list[tuple[str, ...]]


def photos(people: int, seed: int, across: float = 0.2, circle: int = 10) -> Groups:
    """Two portraits of each, and four group photographs to five people, of which `across` show a random pair."""
    rng = random.Random(seed)
    names = [f"p{number}" for number in range(people)]
    circles = [names[start : start + circle] for start in range(0, people, circle)]

    def group() -> tuple[str, ...]:
        if rng.random() < across:
            return tuple(rng.sample(names, 2))
        return tuple(rng.sample(rng.choice(circles), rng.choice((2, 2, 2, 3, 4))))

    return [(name,) for name in names for _ in range(2)] + [group() for _ in range(people * 4 // 5)]


def largest(groups: Groups) -> list[str]:
    """The people of the largest component, in the order of their hashes."""
    component = components(groups)
    name, _ = Counter(component.values()).most_common(1)[0]
    return sorted((person for person in component if component[person] == name), key=digest)


def given_up(groups: Groups, split: dict[str, str]) -> int:
    return sum(len({split[name] for name in group}) > 1 for group in groups)


def digest(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


def sides(order: Sequence[str], test: int, validation: int) -> dict[str, str]:
    """The first ones test, the next validate, the others train."""
    names = ["test"] * test + ["validation"] * validation + ["train"] * (len(order) - test - validation)
    return dict(zip(order, names, strict=True))


def breadth_first(order: list[str], groups: Groups) -> list[str]:
    """Grown from the person of the first hash: friends, then friends of friends."""
    friends: dict[str, set[str]] = {name: set() for name in order}
    for group in groups:
        for name in friends.keys() & set(group):
            friends[name] |= set(group)
    found = dict.fromkeys(order[:1])
    waiting = deque(found)
    while waiting:
        new = sorted(friends[waiting.popleft()] - found.keys(), key=digest)
        found |= dict.fromkeys(new)
        waiting += new
    return list(found)


def spectral(order: list[str], groups: Groups) -> list[str]:
    """In the order of the second eigenvector of the normalised Laplacian (Shi & Malik 2000)."""
    number = {name: index for index, name in enumerate(order)}
    joined = np.array([(number[a], number[b]) for group in groups for a in group for b in group if a != b])
    weights = sparse.csr_matrix((np.ones(len(joined)), joined.T), shape=(len(order), len(order)))
    scale = sparse.diags(1 / np.sqrt(np.asarray(weights.sum(axis=1)).ravel()))
    start = np.random.default_rng(0).normal(size=len(order))
    values, vectors = eigsh(scale @ weights @ scale + sparse.identity(len(order)), k=2, which="LA", v0=start)
    place = scale @ vectors[:, np.argmin(values)]
    return [order[index] for index in np.argsort(place)]
