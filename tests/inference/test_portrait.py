"""Pictures of a user's people by methods that nobody has trained: what reaches the method, and what is refused."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from pipeline import plugins
from pipeline.backbone.batch import Batch
from pipeline.errors import MissingInput, SettingsError
from pipeline.head.head_pose import HeadPose
from pipeline.inference import Options, Portrait, read
from pipeline.inference import portrait as draw
from pipeline.inference.layout import WantedHead
from pipeline.sampler import SamplerSettings
from pipeline.settings import Settings
from tests import tiny_models

PAINTERS = [name for name in plugins.names("methods") if plugins.load("methods", name).METHOD.control_channels]
Loader = Callable[[str], Portrait]


@pytest.fixture(scope="module")
def portraits(params: Settings, weights: Callable[[str], Path]) -> Loader:
    """A method's Portrait by its name, loaded once."""
    loaded: dict[str, Portrait] = {}

    def load(name: str) -> Portrait:
        if name not in loaded:
            loaded[name] = Portrait.load(weights(name), params, Path("nowhere/_cases.json"))
        return loaded[name]

    return load


@pytest.fixture
def people(photos: Path) -> list[list[Path]]:
    return [[photos / "ada.png", photos / "ada2.png"], [photos / "ben.png"]]


def seen(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, Batch]]:
    """Every method and batch that is drawn from now on; the pictures are grey."""
    found: list[tuple[Any, Batch]] = []

    def look(backbone: Any, method: Any, batch: Batch, seeds: list[int], *_: object) -> torch.Tensor:
        found.append((method, batch))
        height, width = (side * backbone.factor for side in batch.size)
        return torch.zeros(len(seeds), 3, height, width)

    monkeypatch.setattr(draw.sampler, "sample", look)
    return found


def test_a_seed_means_one_picture(portraits: Loader, people: list[list[Path]]) -> None:
    portrait = portraits("uniportrait")
    one, other = portrait.series(people, "a of b", [3, 4])
    assert one.size == (128, 64)  # two sides of the tiny backbone by one
    assert portrait.draw(people, "a of b", seed=4).tobytes() == other.tobytes() != one.tobytes()
    assert portrait.draw(people, "c, c, c", seed=4).tobytes() != other.tobytes()


@pytest.mark.parametrize("half", [False, True])
def test_pictures_are_drawn_as_params_and_options_say(
    portraits: Loader, people: list[list[Path]], params: Settings, monkeypatch: pytest.MonkeyPatch, half: bool
) -> None:
    portrait, asked = portraits("uniportrait"), []
    usual = replace(params.generate, half=half)
    monkeypatch.setattr(portrait, "_params", replace(params, generate=usual))

    def look(
        backbone: Any, method: Any, batch: Batch, seeds: list[int], how: SamplerSettings, *_: object
    ) -> torch.Tensor:
        asked.append(how)
        return torch.zeros(len(seeds), 3, *(side * backbone.factor for side in batch.size))

    monkeypatch.setattr(draw.sampler, "sample", look)
    portrait.draw(people, "a")
    portrait.draw(people, "a", options=Options(steps=1, guidance=5.0, eta=0.1))
    assert asked == [SamplerSettings(usual.steps, usual.guidance, usual.eta, half), SamplerSettings(1, 5.0, 0.1, half)]


@pytest.mark.parametrize("name", PAINTERS)
def test_a_layout_reaches_the_canvas(
    portraits: Loader, people: list[list[Path]], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    drawn, portrait = seen(monkeypatch), portraits(name)
    for left in (0.1, 0.6):
        portrait.draw(people[:1], "a", options=Options(layout=[{"box": (left, 0.3, left + 0.3, 0.7)}]))
        canvas = drawn[-1][1].control_image
        assert canvas is not None
        assert canvas.shape == (1, portrait._method.control_channels, 64, 64)
        rows, columns = np.nonzero(canvas[0].amax(0).numpy())
        assert left < columns.mean() / 64 < left + 0.3
        assert 0.2 < rows.mean() / 64 < 0.8


@pytest.mark.parametrize("name", PAINTERS)
@pytest.mark.parametrize("change", [{"yaw": 40.0}, {"expression": {"jawOpen": 1.0}}])
def test_pose_and_expression_reach_the_canvas_of_the_person_whose_they_are(
    portraits: Loader, people: list[list[Path]], monkeypatch: pytest.MonkeyPatch, name: str, change: dict[str, Any]
) -> None:
    drawn, portrait = seen(monkeypatch), portraits(name)
    left, right = {"box": (0.1, 0.3, 0.3, 0.7)}, {"box": (0.7, 0.3, 0.9, 0.7)}
    for second in (right, right | change):
        portrait.draw(people, "a", options=Options(layout=[left, second]))
    before, after = (batch.control_image for _, batch in drawn)
    assert before is not None
    assert after is not None
    half = before.shape[-1] // 2
    assert torch.equal(before[..., :half], after[..., :half])
    assert not torch.equal(before[..., half:], after[..., half:])


def test_people_are_given_from_left_to_right(
    portraits: Loader, people: list[list[Path]], monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn, portrait = seen(monkeypatch), portraits("uniportrait")
    near, far = {"box": (0.1, 0.2, 0.3, 0.8)}, {"box": (0.7, 0.2, 0.9, 0.8)}
    portrait.draw(people, "a", options=Options(layout=[far, near]))
    batch = drawn[0][1]
    assert batch.layout is not None
    assert batch.masks is not None
    np.testing.assert_allclose(batch.layout.boxes[0], [near["box"], far["box"]], atol=1e-4)
    assert batch.people.given[0].tolist() == [[True, False], [True, True]]  # ben, who has one photo, is on the left
    assert batch.masks[0, 0, :, 0].all()


def test_masks_override_where_people_are(
    portraits: Loader, people: list[list[Path]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    sides = np.zeros((2, 64, 128, 3), np.uint8)
    sides[0, :, :100], sides[1, :, 100:] = 255, 255
    paths = [tmp_path / f"{number}.png" for number in range(2)]
    for path, side in zip(paths, sides, strict=True):
        Image.fromarray(side).save(path)
    drawn = seen(monkeypatch)
    portraits("uniportrait").draw(people, "a", options=Options(masks=paths))
    masks = drawn[0][1].masks
    assert masks is not None
    np.testing.assert_array_equal(masks[0], sides[..., 0] / 255)
    with pytest.raises(SettingsError, match="fastcomposer reads no masks"):
        portraits("fastcomposer").draw(people, "a", options=Options(masks=paths))
    painter, boxes = portraits("instantid"), [{"box": (0.1, 0.3, 0.3, 0.7)}, {"box": (0.6, 0.3, 0.8, 0.7)}]
    prior = [HeadPose.from_layout(each, (128, 64), painter._frozen.head) for each in boxes]
    monkeypatch.setattr(draw.layout, "prior", lambda *_: prior)
    with pytest.raises(SettingsError, match="instantid draws heads where a layout says: give one"):
        painter.draw(people, "a", options=Options(masks=paths))
    painter.draw(people, "a", options=Options(masks=paths, layout=boxes))
    with pytest.raises(SettingsError, match=r"0.png is 128 x 64 pixels, the image is to be 64 x 64"):
        portraits("uniportrait").draw(people[:1], "a", options=Options(masks=paths[:1]))


def test_an_interpolation_runs_from_the_first_to_the_second_person(
    portraits: Loader, people: list[list[Path]], monkeypatch: pytest.MonkeyPatch
) -> None:
    portrait = portraits("uniportrait")
    ends = [portrait.draw(people, "a", options=Options(interpolate=share)) for share in (0.0, 1.0)]
    assert ends[0].size == (64, 64)
    drawn = seen(monkeypatch)
    for share in (0.0, 0.5, 1.0):
        portrait.draw(people, "a", options=Options(interpolate=share))
    for someone in people:
        portrait.draw([someone], "a")
    first, middle, second, *alone = [method.condition(batch).faces.tokens for method, batch in drawn]
    assert first.shape == alone[0].shape
    torch.testing.assert_close([first, second], alone, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(middle, (first + second) / 2, rtol=1e-4, atol=1e-5)
    with pytest.raises(SettingsError, match=r"must be from 0 to 1, found 1\.5"):
        portrait.draw(people, "a", options=Options(interpolate=1.5))
    with pytest.raises(SettingsError, match="between two persons, 1 were given"):
        portrait.draw(people[:1], "a", options=Options(interpolate=0.5))
    with pytest.raises(SettingsError, match="instantid has no ID interpolation"):
        portraits("instantid").draw(people, "a", options=Options(interpolate=0.5))


def test_scales_hold_for_one_picture(
    portraits: Loader, people: list[list[Path]], monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn, portrait, scales = seen(monkeypatch), portraits("uniportrait"), []
    for options in (Options(scales={"face_scale": 0.3}), Options()):
        portrait.draw(people[:1], "a", options=options)
        scales.append(drawn[-1][0].condition(drawn[-1][1]).faces.scale)
    assert scales == [0.3, 1.0]
    with pytest.raises(SettingsError, match="uniportrait has no net_scale"):
        portrait.draw(people[:1], "a", options=Options(scales={"net_scale": 1.0}))
    with pytest.raises(SettingsError, match="instantid has no structure_scale"):
        portraits("instantid").draw(people[:1], "a", options=Options(scales={"structure_scale": 1.0}))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            Options(layout=[{"box": (0, 0, 1, 1)}] * 2),
            "layout: one is needed for each face; the image has 1, found 2",
        ),
        (Options(masks=["a.png", "b.png"]), "masks: one is needed for each face; the image has 1, found 2"),
        (Options(width=100), "multiples of 8, found 100 x 64"),
        (Options(steps=0), "steps must be from 1 to 1000, found 0"),
        (Options(eta=1.5), "eta must be from 0 to 1, found 1.5"),
    ],
)
def test_options_that_do_not_fit(portraits: Loader, people: list[list[Path]], options: Options, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        portraits("uniportrait").draw(people[:1], "a", options=options)


def test_more_people_than_a_method_tells_apart_are_refused(portraits: Loader, people: list[list[Path]]) -> None:
    layout = [{"box": (0.1, 0.1, 0.3, 0.3)}] * 7
    with pytest.raises(SettingsError, match="GroupPortrait tells 6 people apart, found 7: ask for fewer"):
        portraits("group_portrait").draw(people[:1] * 7, "a", options=Options(128, 128, layout=layout))


def test_people_that_do_not_fit(portraits: Loader, people: list[list[Path]]) -> None:
    portrait = portraits("uniportrait")
    with pytest.raises(SettingsError, match="give at least one person"):
        portrait.draw([], "a")
    with pytest.raises(SettingsError, match="every person at least one photo"):
        portrait.draw([people[0], []], "a")
    with pytest.raises(SettingsError, match="no image of 9 people: give width and height"):
        portrait.draw(people[1:] * 9, "a")
    with pytest.raises(MissingInput, match="needs a layout: give one"):
        portraits("instantid").draw(people, "a")


def test_weights_of_another_backbone_and_none(params: Settings, weights: Callable[[str], Path], tmp_path: Path) -> None:
    other = replace(params, models=replace(params.models, backbone=params.models.image_text))
    with pytest.raises(
        SettingsError, match=r"made with another backbone \(.*backbone\) than models\.backbone in params"
    ):
        Portrait.load(weights("uniportrait"), other)
    with pytest.raises(MissingInput, match=r"train the method .*; trained: .*uniportrait"):
        Portrait.load(weights("uniportrait").parent / "none", params)


def test_a_relative_of_the_base_draws_when_it_is_asked_for(
    params: Settings, weights: Callable[[str], Path], people: list[list[Path]], tmp_path: Path
) -> None:
    folder = tiny_models.backbone(tmp_path / "relative")
    (folder / "README.md").write_text("a relative")
    other = replace(params, models=replace(params.models, backbone=str(folder)))
    drawn = Portrait.load(weights("uniportrait"), other, another_base=True).draw(people, "a of b")
    assert drawn.size == (128, 64)


@pytest.fixture
def style(portraits: Loader, tmp_path: Path) -> Path:
    """A LoRA of rank 1 for one layer of the backbone."""
    layer = "mid_block.attentions.0.transformer_blocks.0.ff.net.2"
    outputs, inputs = portraits("uniportrait")._backbone.unet.get_submodule(layer).weight.shape
    parts = {"lora_A": torch.ones(1, inputs), "lora_B": torch.ones(outputs, 1)}
    save_file({f"unet.{layer}.{part}.weight": value for part, value in parts.items()}, tmp_path / "style.safetensors")
    return tmp_path / "style.safetensors"


def test_a_lora_changes_the_picture_by_its_scale(
    portraits: Loader, params: Settings, weights: Callable[[str], Path], people: list[list[Path]], style: Path
) -> None:
    plain = portraits("uniportrait").draw(people, "a of b").tobytes()
    nothing, some, more = (
        Portrait.load(weights("uniportrait"), params, loras={style: scale}).draw(people, "a of b").tobytes()
        for scale in (0.0, 0.5, 1.0)
    )
    assert nothing == plain
    assert len({plain, some, more}) == 3
    with pytest.raises(MissingInput, match=r"nowhere\.safetensors is no safetensors file with a LoRA"):
        Portrait.load(weights("uniportrait"), params, loras={"nowhere.safetensors": 1.0})


TURNED = [{"box": (0.1, 0.3, 0.3, 0.8), "yaw": 10}, {"box": (0.6, 0.2, 0.85, 0.7)}]


@pytest.mark.parametrize(
    ("name", "layout", "words"),
    [
        ("uniportrait", TURNED, "uniportrait does not turn heads"),
        ("uniportrait", TURNED[1:], "uniportrait does not place one person"),
        ("fastcomposer", TURNED, "fastcomposer does not place people"),
        ("uniportrait", [{"box": each["box"]} for each in TURNED], ""),
        ("group_portrait", TURNED, ""),
        ("group_portrait", TURNED[1:], ""),
    ],
)
def test_what_a_method_does_not_follow_is_said_once(
    portraits: Loader,
    people: list[list[Path]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    layout: list[WantedHead],
    words: str,
) -> None:
    seen(monkeypatch)
    list(portraits(name).series(people[: len(layout)], "a", [1, 2], Options(layout=layout)))
    said = capsys.readouterr().err
    assert said.count("\n") == bool(words)
    assert words in said


def test_the_layout_file_gives_the_options_heads(photos: Path) -> None:
    assert [wanted.get("yaw", 0.0) for wanted in read(photos / "layout2.json")] == [10, 0.0]
