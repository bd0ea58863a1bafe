"""Photographs: same bytes for the same seed, truth that fits the picture, every attribute drawable."""

import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from pipeline.head.camera import Camera, project
from pipeline.world import words
from pipeline.world.attire import Look, expression_weights
from pipeline.world.population import Person, person, world_head
from pipeline.world.scene import draw, draw_light, face_vertices, group, portrait
from tests.conftest import ROOT

LOOK = Look("short", "brown", "red", "none", "black", "tshirt", "blue", "neutral", 1)
GOLDEN = ROOT / "tests" / "world" / "golden"


@pytest.fixture(scope="module")
def cast() -> list[Person]:
    return [person(77, index) for index in range(6)]


def drawn(someone: Person, look: Look) -> np.ndarray:
    """A frontal picture (96, 96, 4) of a look."""
    head, rng = world_head(), np.random.default_rng(0)
    vertices = head.vertices(someone.shape, expression_weights(rng, look, head.expression_names))
    light = draw_light(np.random.default_rng(1))
    return draw(vertices, head.colours(someone.albedo), look, Camera(10, 0, 0, 3.6, 48, 48), light, (96, 96))


def test_the_same_seed_gives_the_same_bytes(cast: list[Person]) -> None:
    one, two, other = portrait(cast[0], 5), portrait(cast[0], 5), portrait(cast[0], 6)
    assert one.image.tobytes() == two.image.tobytes()
    assert one.caption == two.caption
    assert one.image.tobytes() != other.image.tobytes()


DIGEST = """
import hashlib
from pipeline.faces.grade import sharpness
from pipeline.head.camera import project
from pipeline.world.population import person, world_head
from pipeline.world.scene import group, portrait
digest, head = hashlib.sha256(), world_head()
for photo in [portrait(person(3, number), number) for number in range(12)] + [group([person(3, 4), person(3, 5)], 9)]:
    digest.update(photo.image.tobytes() + repr(sharpness(photo.image)).encode())
    for face in photo.faces:
        vertices = head.vertices(person(3, face.person).shape, face.expression)
        digest.update(vertices.tobytes() + project(vertices, face.camera)[0].tobytes())
print(digest.hexdigest())
"""


def test_photos_and_their_grades_are_the_same_with_the_matrix_kernels_of_another_processor() -> None:
    """Photos are named by their bytes, and the benchmark by its photos: a grey level would make it another one.

    Grades choose who is shown by which photo.
    """
    processors = ("Prescott", "Haswell", "SkylakeX")  # numpy's BLAS looks for its kernels by these names
    commands = [
        subprocess.Popen(
            [sys.executable, "-c", DIGEST],
            env={**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_CORETYPE": name},
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in processors
    ]
    digests = {command.communicate()[0] for command in commands}
    assert len(digests) == 1
    assert len(digests.pop()) == 65


def test_pixels_are_those_that_the_model_pack_was_trained_on() -> None:
    """Rounding may differ between processors, looks may not: then the whole pack would have to be trained again."""
    cast = [person(11, index) for index in range(3)]
    for name, photo in (("portrait", portrait(cast[0], 1)), ("group", group(cast, 2))):
        expected = np.asarray(Image.open(GOLDEN / f"{name}.png")).astype(int)
        assert np.abs(photo.image.astype(int) - expected).mean() < 0.2


def test_a_portraits_truth_fits_its_picture(cast: list[Person]) -> None:
    head = world_head()
    for seed in range(12):
        photo = portrait(cast[seed % 6], seed)
        (face,) = photo.faces
        assert photo.image.shape == (128, 128, 3)
        vertices = head.vertices(cast[seed % 6].shape, face.expression)
        points, _ = project(vertices, face.camera)
        np.testing.assert_allclose(face.landmarks, points[head.landmarks68], atol=1e-3)
        inside = points[face_vertices()]
        np.testing.assert_allclose(face.box, [*inside.min(0), *inside.max(0)], atol=1e-3)
        assert face.box.min() > 0
        assert face.box.max() < 127
        assert 45 < face.box[3] - face.box[1] < 95
        assert abs(face.camera.yaw) <= 36


def test_the_eyes_are_where_the_landmarks_say(cast: list[Person]) -> None:
    """Iris and pupil are darker than the white beside them: the truth is not shifted against the pixels."""
    head = world_head()
    bare = replace(LOOK, hair="bald")
    vertices = head.vertices(cast[1].shape, np.zeros(len(head.expression_names), np.float32))
    camera = Camera(0, 0, 0, 7.0, 64, 64)
    picture = draw(
        vertices, head.colours(cast[1].albedo), bare, camera, draw_light(np.random.default_rng(2)), (128, 128)
    )
    points, _ = project(vertices, camera)
    for eye in (range(36, 42), range(42, 48)):
        centre = points[head.landmarks68][list(eye)].mean(0)
        column, row = np.round(centre).astype(int)
        assert picture[row, column, :3].mean() < picture[row, [column - 7, column + 7], :3].mean() - 0.1


@pytest.mark.parametrize("count", [2, 3, 4])
def test_groups_stand_in_the_given_order_without_overlap(cast: list[Person], count: int) -> None:
    for seed in range(5):
        photo = group(cast[:count], seed)
        assert photo.image.shape == (128, 256, 3)
        assert [face.person for face in photo.faces] == [someone.index for someone in cast[:count]]
        boxes = np.array([face.box for face in photo.faces])
        assert (np.diff(boxes[:, [0, 2]].mean(1)) > 0).all()
        assert (boxes[:-1, 2] - boxes[1:, 0]).max() < 8
        assert boxes.min() > -4
        assert boxes[:, 2].max() < 260


def test_one_person_is_no_group(cast: list[Person]) -> None:
    with pytest.raises(ValueError, match="2 to 4 people, 1 were given"):
        group(cast[:1], 0)


@pytest.mark.parametrize("hair", words.HAIR_STYLES)
def test_every_hair_changes_the_top_and_leaves_the_face(cast: list[Person], hair: str) -> None:
    bald, shown = drawn(cast[0], replace(LOOK, hair="bald")), drawn(cast[0], replace(LOOK, hair=hair))
    change = np.abs(bald - shown).sum(-1)
    assert hair == "bald" or change[:30].mean() > 0.02
    assert change[50:62, 44:58].mean() < 0.12  # nose and mouth; hair may only shade them


@pytest.mark.parametrize("kind", words.CLOTHES)
def test_clothes_are_of_their_colour(cast: list[Person], kind: str) -> None:
    red, blue = (drawn(cast[0], replace(LOOK, clothes=kind, cloth_colour=colour))[90:] for colour in ("red", "blue"))
    assert (red[..., 0] - blue[..., 0]).mean() > 0.05
    assert (blue[..., 2] - red[..., 2]).mean() > 0.05


@pytest.mark.parametrize("kind", [kind for kind in words.GLASSES if kind != "none"])
def test_glasses_lie_on_the_eyes(cast: list[Person], kind: str) -> None:
    change = np.abs(drawn(cast[0], replace(LOOK, glasses=kind)) - drawn(cast[0], LOOK)).sum(-1)
    assert change[28:48].mean() > 5 * max(change[:20].mean(), change[66:].mean())


@pytest.mark.parametrize("expression", [name for name in words.EXPRESSIONS if name != "neutral"])
def test_every_expression_moves_the_face(cast: list[Person], expression: str) -> None:
    change = np.abs(drawn(cast[0], replace(LOOK, expression=expression)) - drawn(cast[0], LOOK)).sum(-1)
    assert change[25:75].max() > 0.15


def test_two_people_differ_more_than_grain(cast: list[Person]) -> None:
    pictures = [drawn(someone, LOOK)[25:75, 25:75, :3] for someone in cast]
    for one in range(6):
        for two in range(one):
            assert np.abs(pictures[one] - pictures[two]).mean() > 0.02
