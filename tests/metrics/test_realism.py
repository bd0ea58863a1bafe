"""realism: KID by hand, against the textbook sum, invariances, and weights as copies."""

import numpy as np
import pytest

from pipeline.metrics import realism
from pipeline.report.statistics import intervals
from tests.metrics.evidence import random_units, unit


def plain(drawn: np.ndarray, real: np.ndarray) -> float:
    return float(realism.distance(drawn, real, np.ones((1, len(drawn))), np.ones((1, len(real))))[0])


def textbook(drawn: np.ndarray, real: np.ndarray) -> float:
    """The three sums of Binkowski et al. 2018, equation 4, one pair after the other."""
    size = drawn.shape[1]
    kernel = lambda x, y: (float(x @ y) * size / size + 1.0) ** 3  # noqa: E731 - features stretched to sqrt(size)
    inner = [
        np.mean([kernel(x[i], x[j]) for i in range(len(x)) for j in range(len(x)) if i != j]) for x in (drawn, real)
    ]
    return 1000 * (sum(inner) - 2 * np.mean([kernel(x, y) for x in drawn for y in real]))


def test_by_hand() -> None:
    """Two equal drawn images at right angles to two equal real ones: 8 + 8 - 2 * 1 = 14."""
    drawn, real = np.array([unit(1, 0)] * 2), np.array([unit(0, 1)] * 2)
    assert plain(drawn, real) == pytest.approx(14000.0)


def test_against_the_textbook() -> None:
    rng = np.random.default_rng(0)
    drawn, real = random_units(rng, 7), random_units(rng, 9)
    assert plain(drawn, real) == pytest.approx(textbook(drawn, real))


def test_the_order_of_images_does_not_matter() -> None:
    rng = np.random.default_rng(1)
    drawn, real = random_units(rng, 6), random_units(rng, 5)
    assert plain(drawn[::-1], real[::-1]) == pytest.approx(plain(drawn, real))


def test_unbiased_for_equal_sources() -> None:
    """Two samples of one source: about zero, below it as often as above."""
    found = [plain(*np.split(random_units(np.random.default_rng(seed), 24), 2)) for seed in range(400)]
    assert abs(np.mean(found)) < 3 * np.std(found) / 20
    assert 0.35 < np.mean(np.array(found) > 0) < 0.65


def test_a_narrow_set_is_not_a_wide_one() -> None:
    """The distance is symmetric, but weights belong to their side: swapping them changes the value."""
    rng = np.random.default_rng(2)
    drawn, real = random_units(rng, 4), random_units(rng, 4)
    weights = np.array([[3.0, 1.0, 0.0, 2.0], [1.0, 1.0, 2.0, 0.0]]), np.ones((2, 4))
    straight = realism.distance(drawn, real, *weights)
    swapped = realism.distance(drawn, real, *weights[::-1])
    assert straight[0] != pytest.approx(swapped[0])
    assert realism.distance(real, drawn, *weights[::-1])[0] == pytest.approx(straight[0])


def test_an_image_never_meets_its_copy() -> None:
    """Doubling every weight changes nothing; a plain bootstrap with copies would raise the value."""
    rng = np.random.default_rng(3)
    drawn, real = random_units(rng, 5), random_units(rng, 6)
    double = realism.distance(drawn, real, np.full((1, 5), 2.0), np.full((1, 6), 2.0))
    assert double[0] == pytest.approx(plain(drawn, real))


def test_a_persons_images_weigh_what_others_do() -> None:
    """The first two are of one person, who is drawn 2, 1 and 0 times, the third of another, drawn 1, 0 and 2 times.

    Mean weights are (4 + 1 + 0) / 3 of the first pair and (2 + 0 + 0) / 3 of the other two, so that the first draw has
    4 / (5 / 3) = 2.4 of the one and 2 / (2 / 3) = 3 of the others.
    """
    drawn, real = random_units(np.random.default_rng(5), 3), np.array([unit(*[1] * 8)] * 2)
    weights = np.array([[2.0, 2.0, 1.0], [1.0, 1.0, 0.0], [0.0, 0.0, 2.0]])
    kernel = realism.kernel(drawn, drawn)
    within = (2.4 * kernel[0, 1] + 3.0 * kernel[0, 2] + 3.0 * kernel[1, 2]) / 8.4
    across = weights @ realism.kernel(drawn, real)[:, 0] / weights.sum(1)
    found = realism.distance(drawn, real, weights, np.ones((3, 2)))
    assert found[:2] == pytest.approx(1000 * (np.array([within, kernel[0, 1]]) + 8.0 - 2.0 * across[:2]))
    assert np.isnan(found[2])


@pytest.mark.parametrize("people", [1, 2])
def test_draws_lie_around_the_estimate(people: int) -> None:
    """Six images of each of 24 people: squared weights would lift the draws by two thirds of a deviation."""
    rng = np.random.default_rng(6)
    looks = rng.normal(size=(24, 16))
    casts = [
        tuple((number + step * place) % 24 for place in range(people)) for step in range(1, 7) for number in range(24)
    ]
    drawn = np.array([unit(*(looks[list(cast)].sum(0) + 0.5 * rng.normal(size=16) + 2.0)) for cast in casts])
    real = np.array([unit(*row) for row in rng.normal(2.0, 1.2, (40, 16))])
    weights = intervals.case_weights([[str(who) for who in cast] for cast in casts], 1000, rng)
    photographs = rng.multinomial(40, np.full(40, 1 / 40), 1000).astype(np.float64)
    draws = realism.distance(drawn, real, weights, photographs)
    assert abs(draws.mean() - plain(drawn, real)) < 0.1 * draws.std()


def test_too_few_images_have_no_distance() -> None:
    rng = np.random.default_rng(4)
    assert np.isnan(plain(random_units(rng, 1), random_units(rng, 3)))
