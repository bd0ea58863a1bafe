"""Clustering: people are found, whatever the recogniser's scale, the order of faces and the size of the crowd."""

import numpy as np
import pytest

from pipeline.identities.cluster import canonical, cluster
from pipeline.identities.score_norm import genuine_threshold, impostor_level, nearest, s_norm_clustered, s_norm_initial
from pipeline.report.statistics.agreement import bcubed, pairwise
from tests.identities.people import SETTINGS, faces, photos, unit

LONG_TAIL = [30, 20] + [6] * 40 + [2] * 60 + [1] * 60


def labels_of(vectors: np.ndarray) -> np.ndarray:
    found, _ = cluster(canonical(vectors.astype(np.float32)), photos(len(vectors)), SETTINGS)
    return found.labels


@pytest.mark.parametrize("offset", [0.0, 0.6])
@pytest.mark.parametrize("spread", [0.5, 0.8])
def test_people_are_found_whatever_the_scale_of_cosines(offset: float, spread: float) -> None:
    vectors, who = faces(LONG_TAIL, spread, offset)
    labels = labels_of(vectors)
    assert pairwise(labels, who).f > 0.97
    assert bcubed(labels, who).f > 0.97


def test_a_weaker_recogniser_still_finds_most() -> None:
    # In 24 dimensions impostors' cosines spread by 0.2, and half of the pairs of one person are not above their level.
    vectors, who = faces([8] * 100, spread=0.6, dimension=24)
    assert pairwise(labels_of(vectors), who).f > 0.7


def test_merging_goes_on_below_the_impostor_level_where_a_persons_pairs_do() -> None:
    # Their likeness is 3.8 with a spread of 0.44: a sixth of their pairs is below the impostor level of 3.4, and who
    # stops there finds three pairs of four (F 0.86).
    vectors, who = faces([8] * 100, spread=0.7, dimension=32)
    found, level = cluster(canonical(vectors.astype(np.float32)), photos(len(vectors)), SETTINGS)
    assert impostor_level(len(vectors)) - 1.5 <= level < impostor_level(len(vectors)) - 0.2
    assert pairwise(found.labels, who).f > 0.93


def test_an_album_of_few_people_is_not_taken_for_impostors() -> None:
    vectors, who = faces([40] * 10, spread=0.8)
    assert pairwise(labels_of(vectors), who).f > 0.95


def test_order_does_not_matter_once_faces_are_sorted_by_name() -> None:
    vectors, _ = faces(LONG_TAIL, 0.8)
    order = np.random.default_rng(0).permutation(len(vectors))
    shuffled, back = vectors[order], np.argsort(order)
    assert (labels_of(shuffled[back]) == labels_of(vectors)).all()


def test_single_precision_noise_does_not_matter() -> None:
    vectors, _ = faces(LONG_TAIL, 0.8)
    noisy = vectors + np.random.default_rng(0).normal(size=vectors.shape) * 1e-6
    assert (labels_of(noisy) == labels_of(vectors)).all()


@pytest.mark.parametrize("count", [1, 2, 3])
def test_almost_no_faces(count: int) -> None:
    found, _ = cluster(faces([1] * count)[0], photos(count), SETTINGS)
    assert (found.reject == "alone").all()


def test_likeness_counts_deviations_among_impostors() -> None:
    # 5 of 500 faces are one person's; the rest are impostors whose likeness must be standard normal.
    vectors, who = faces([5] + [1] * 495, spread=0.3, offset=0.5)
    for pairing in (s_norm_initial(vectors), s_norm_clustered(vectors, who)):
        impostors = np.array([[i, j] for i in range(5, 105) for j in range(105, 205)])
        likeness = pairing.mean(impostors, np.ones(len(vectors), np.int64))
        assert likeness.mean() == pytest.approx(0, abs=0.15)
        assert likeness.std() == pytest.approx(1, abs=0.15)
        assert pairing.mean(np.array([[0, 1]]), np.ones(len(vectors), np.int64))[0] > 4


def test_a_person_of_many_photos_is_no_crowd() -> None:
    vectors, who = faces([200] + [1] * 200, spread=0.8)
    one = np.ones(len(vectors), np.int64)
    pair = np.array([[0, 1]])
    by_face = s_norm_clustered(vectors, np.arange(len(vectors))).mean(pair, one)[0]
    assert s_norm_clustered(vectors, who).mean(pair, one)[0] > 1.5 * by_face


def test_likeness_among_few_people_by_hand() -> None:
    """Four people whose photos are all alike: mean and spread are those of the three others, whatever their photos."""
    people, counts = unit(np.random.default_rng(3).normal(size=(4, 5))), [1, 2, 3, 4]
    who = np.repeat(np.arange(4), counts)
    cosines = people @ people.T
    others = [np.delete(cosines[person], person) for person in range(4)]
    pairs = np.array([[0, 1], [0, 9], [3, 4], [2, 6]])
    expected = [
        np.mean([(cosines[one, other] - others[each].mean()) / others[each].std() for each in (one, other)])
        for one, other in who[pairs]
    ]
    found = s_norm_clustered(people[who], who).mean(pairs, np.ones(10, np.int64))
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_the_impostor_level_is_a_quartile_of_the_largest() -> None:
    largest = np.random.default_rng(0).normal(size=(2000, 500)).max(axis=1)
    assert (largest < impostor_level(500)).mean() == pytest.approx(0.75, abs=0.03)
    assert impostor_level(100) < impostor_level(10_000)


def test_the_level_of_people_follows_their_mode() -> None:
    merges = np.random.default_rng(0).normal(5.0, 0.6, 3000)
    assert genuine_threshold(merges, 3.8) == pytest.approx(3.8, abs=0.4)
    assert genuine_threshold(merges[merges > 9], 3.8) == np.inf
    # Only impostors' merges, ever fewer above the level: no mode to go by.
    assert genuine_threshold(3.8 + np.random.default_rng(0).exponential(0.3, 500), 3.8) == np.inf


def test_neighbours_are_exact_pairs() -> None:
    vectors = unit(np.array([[1, 0.0], [1, 0.1], [0, 1], [0.1, 1]]))
    assert nearest(vectors, 1).tolist() == [[0, 1], [2, 3]]
    assert len(nearest(vectors, 80)) == 6
