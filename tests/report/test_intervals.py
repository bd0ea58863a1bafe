"""Intervals: against closed forms, simulated truth, and cases worked by hand."""

import numpy as np
import pytest

from pipeline.report import intervals

DRAWS = 4000


def spread(casts, values) -> float:
    """Standard deviation of the weighted mean over draws."""
    weights = intervals.case_weights(casts, DRAWS, np.random.default_rng(0))
    return float(np.std((weights @ values) / weights.sum(1)))


def test_one_image_per_person_is_the_plain_bootstrap() -> None:
    """Closed form: the bootstrap's standard error of a mean is the population deviation over sqrt(n)."""
    values = np.random.default_rng(1).normal(size=40)
    casts = [[f"p{index}"] for index in range(40)]
    assert spread(casts, values) == pytest.approx(values.std() / np.sqrt(40), rel=0.05)


def test_images_of_one_person_are_one_piece_of_evidence() -> None:
    """Five equal images of each of 40 people are worth 40, not 200: the deviation of the people's means counts."""
    values = np.random.default_rng(2).normal(size=40)
    casts = [[f"p{index}"] for index in range(40) for _ in range(5)]
    assert spread(casts, np.repeat(values, 5)) == pytest.approx(values.std() / np.sqrt(40), rel=0.05)


def test_casts_that_never_meet_are_drawn_whole() -> None:
    values = np.random.default_rng(3).normal(size=30)
    casts = [[f"a{index}", f"b{index}"] for index in range(30)]
    assert spread(casts, values) == pytest.approx(values.std() / np.sqrt(30), rel=0.05)


def test_people_who_all_meet_weigh_by_products() -> None:
    """All pairs of 20 people, each value the sum of two people's: the truth's spread is 2 sigma / sqrt(20).

    Averaging the counts would give half of that.
    """
    effect = np.random.default_rng(4).normal(size=20)
    casts = [[f"p{i}", f"p{j}"] for i in range(20) for j in range(i)]
    values = np.array([effect[i] + effect[j] for i in range(20) for j in range(i)])
    truth = 2 * effect.std() / np.sqrt(20)
    assert 0.9 * truth < spread(casts, values) < 1.25 * truth


def test_weights_of_a_cast_are_the_product_of_counts() -> None:
    casts = [["a", "b"], ["b", "c"], ["a", "c"]]
    weights = intervals.case_weights(casts, 200, np.random.default_rng(5))
    assert (weights.sum(1) > 0).all()
    assert set(np.unique(weights)) <= {0.0, 1.0, 2.0}  # counts of three people sum to 3: 1*1, 2*1, 0


def test_groups_join_through_others() -> None:
    assert intervals.group_of([["a", "b"], ["c"], ["b", "d"], ["d"]]).tolist() == [0, 1, 0, 0]


def test_the_same_seed_gives_the_same_weights() -> None:
    casts = [[f"p{index % 7}"] for index in range(20)]
    one, two = (intervals.case_weights(casts, 50, np.random.default_rng(6)) for _ in range(2))
    np.testing.assert_array_equal(one, two)


def test_the_interval_of_a_known_sample() -> None:
    assert intervals.interval(np.arange(1001.0), 500.0, 0.9) == pytest.approx((50.0, 950.0))


def test_the_interval_holds_the_estimate() -> None:
    assert intervals.interval(np.array([1.0, 2.0]), 5.0, 0.95)[1] == 5.0


def test_an_unknown_estimate_has_no_interval() -> None:
    assert np.isnan(intervals.interval(np.array([1.0]), float("nan"), 0.95)).all()
    assert np.isnan(intervals.interval(np.array([np.nan]), 1.0, 0.95)).all()


def test_coverage_of_the_interval() -> None:
    """95 % intervals of 60 people with 4 images each hold the truth about 95 times in 100."""
    held = 0
    for seed in range(150):
        rng = np.random.default_rng(seed)
        values = (rng.normal(size=(60, 1)) + 0.5 * rng.normal(size=(60, 4))).ravel()
        weights = intervals.case_weights([[f"p{i}"] for i in range(60) for _ in range(4)], 400, rng)
        low, high = intervals.interval((weights @ values) / weights.sum(1), values.mean(), 0.95)
        held += low <= 0.0 <= high
    assert 0.88 <= held / 150 <= 0.99


@pytest.mark.parametrize(
    ("share", "n", "low", "high"),
    [(0.0, 10, 0.0, 0.2775), (1.0, 10, 0.7225, 1.0), (0.5, 20, 0.2993, 0.7007)],
)
def test_wilson_against_tables(share: float, n: int, low: float, high: float) -> None:
    assert intervals.wilson(share, n, 0.95) == pytest.approx((low, high), abs=1e-4)


def test_ranks_by_hand() -> None:
    """The first is always best; the two others change places in half of the draws."""
    draws = np.array([[3.0, 3.0, 3.0, 3.0], [1.0, 2.0, 1.0, 2.0], [2.0, 1.0, 2.0, 1.0]])
    assert intervals.rank_intervals(draws, "higher", 0.95) == [(1, 1), (2, 3), (2, 3)]
    assert intervals.rank_intervals(draws, "lower", 0.95) == [(3, 3), (1, 2), (1, 2)]


def test_two_sided_level() -> None:
    assert intervals.two_sided(np.array([1.0] * 95 + [-1.0] * 5)) == pytest.approx(0.1)
    assert intervals.two_sided(np.ones(100)) == pytest.approx(0.01)
    assert intervals.two_sided(np.zeros(10)) == 1.0


def test_holm_by_hand() -> None:
    """Sorted 0.01, 0.03, 0.04 times 3, 2, 1, never falling: 0.03, 0.06, 0.06."""
    assert intervals.holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
