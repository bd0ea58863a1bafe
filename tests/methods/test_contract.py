"""What every method must do, for whatever lies in pipeline/methods, on SD-1.5-like and SDXL-like backbones."""

import json
from dataclasses import asdict, replace
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from pipeline import method as contract
from pipeline import plugins, sampler, settings, shards
from pipeline.backbone import load
from pipeline.backbone.batch import Batch, People, collate
from pipeline.backbone.decoupled import WITHIN, resized
from pipeline.backbone.frozen import FrozenEncoders
from pipeline.backbone.inject import AttentionLayer
from pipeline.backbone.load import Backbone
from pipeline.head.people import people_masks
from pipeline.inference.portrait import shared_out
from pipeline.method import Method, Placing
from pipeline.settings import Models
from pipeline.shards import training_shards
from pipeline.training import loop
from pipeline.training.distributed import SINGLE_PROCESS
from pipeline.training.optimiser import Gradients
from pipeline.training.randomness import StepKey
from pipeline.weights import checkpoint
from tests import tiny_models
from tests.tiny_training import make_plan

pytestmark = pytest.mark.long

NAMES = plugins.names("methods")
# Who brings people in as such, not as words of the caption, can be told where each of them is to be.
PLACING = [name for name in NAMES if contract.method_class(name).placing is not Placing.NOTHING]
# Networks as others published them read sizes that tiny models do not have: tests/weights/test_convert.py.
VARIANTS = [
    f"{name}-{variant}"
    for name in NAMES
    for variant in plugins.load("methods", name).VARIANTS
    if variant and not variant.startswith("released")
]


def create(name: str, backbone: Backbone, models: Models) -> Method:
    torch.manual_seed(0)
    method = checkpoint.create(name, backbone, FrozenEncoders(models))
    method.attach(backbone.unet)
    return method


def shaken(net: nn.Module, spread: float = 0.1) -> nn.Module:
    """The net with noise on all its weights, in the place of training."""
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter += spread * torch.randn(parameter.shape, generator=generator)
    return net


def batch_of(method: Method, backbone: Backbone, people: list[int]) -> Batch:
    """Pictures with so many people each, of random features."""
    generator = torch.Generator().manual_seed(4)
    features = [
        [
            [
                {
                    name: torch.randn(value.shape, generator=generator).numpy()
                    for name, value in method.null_features.items()
                }
            ]
        ]
        * count
        for count in people
    ]
    text, known = backbone.encode_text(["a of b"] * len(people)), collate(features, method.null_features)
    return Batch(text, known, (8, 16), control_image=canvas_of(method, max(people), len(people)))


def canvas_of(method: Method, people: int, pictures: int) -> torch.Tensor | None:
    """The same people on every picture, from left to right."""
    if not method.control_channels:
        return None
    landmarks = np.linspace((0, 0), (1, 1), 68, dtype=np.float32) * 20 + 20
    posed = [replace(tiny_models.head_pose((32 + 48 * n, 32), 16), landmarks=landmarks) for n in range(people)]
    painted = method.render_control(tiny_models.head(), posed, (64, 128))
    assert painted.shape == (64, 128, method.control_channels)
    assert painted.any()
    return torch.from_numpy(painted).permute(2, 0, 1).float().expand(pictures, -1, -1, -1) / 255


@pytest.mark.parametrize("name", NAMES)
def test_an_untrained_method_that_is_given_nobody_is_the_plain_backbone(name: str, any_models: Models) -> None:
    backbone = load.load(any_models.backbone)
    text, times = backbone.encode_text(["a of b"] * 2), torch.tensor([10, 900])
    noisy = torch.randn(2, 4, 8, 16, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        plain = backbone.denoise(noisy, times, text)
        method = create(name, backbone, any_models).eval()
        for people in ([1, 1], [2, 3]):
            batch = batch_of(method, backbone, people)
            condition = method.condition(
                replace(batch, people=batch.people.where(torch.tensor([True]), method.null_features))
            )
            # a batch of one and a batch of two round differently
            assert torch.allclose(method.predict(backbone, noisy, times, condition), plain, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
@torch.no_grad()
def test_who_else_is_in_the_batch_changes_nothing(name: str, any_models: Models) -> None:
    backbone = load.load(any_models.backbone)
    noisy, times = torch.randn(1, 4, 8, 16, generator=torch.Generator().manual_seed(0)), torch.tensor([900])
    plain = backbone.denoise(noisy, times, backbone.encode_text(["a of b"]))
    method = create(name, backbone, any_models).eval()
    found = []
    for people in ([2], [2, 4]):
        batch, count = batch_of(method, backbone, people), len(people)
        condition = method.condition(replace(batch, control_image=canvas_of(method, 2, count)))
        found.append(method.predict(backbone, noisy.expand(count, -1, -1, -1), times.expand(count), condition)[0])
    assert torch.allclose(*found, atol=1e-4)
    assert not torch.allclose(found[0], plain[0], atol=1e-3)


class Pair:
    """A method with noise on its weights, and a picture of two people: one in the left half, one in the right."""

    def __init__(self, name: str, models: Models) -> None:
        self.backbone = load.load(models.backbone)
        self.method = create(name, self.backbone, models).eval()
        shaken(self.method)
        alike, masks = batch_of(self.method, self.backbone, [2]), torch.zeros(1, 2, 8, 16)
        masks[0, 0, :, :8], masks[0, 1, :, 8:] = 1.0, 1.0
        self.batch = with_another_second(replace(alike, masks=masks))

    def predict(self, batch: Batch) -> torch.Tensor:
        noisy = torch.randn(1, 4, 8, 16, generator=torch.Generator().manual_seed(0))
        return self.method.predict(self.backbone, noisy, torch.tensor([500]), self.method.condition(batch))

    def layers(self, batch: Batch, before: list[torch.Tensor] | None = None) -> list[torch.Tensor]:
        """What each attention layer says, (B, L, C); what they said `before` is what goes on, if it is given."""
        found: list[torch.Tensor] = []

        def listen(layer: nn.Module, given: object, said: torch.Tensor) -> torch.Tensor:
            found.append(said)
            return said if before is None else before[len(found) - 1]

        layers = [each for each in self.method.modules() if isinstance(each, AttentionLayer)]
        hooks = [each.register_forward_hook(listen) for each in layers]
        self.predict(batch)
        for hook in hooks:
            hook.remove()
        return found

    def places(self, positions: int) -> torch.Tensor:
        """(2, L) bool: whose place a layer's positions are, by the masks or by a canvas that numbers people."""
        masks = self.batch.masks
        if self.method.placing is Placing.CONTROL_IMAGE:
            assert self.batch.control_image is not None
            masks = people_masks(self.batch.control_image[:, -1], 2)
        assert masks is not None
        return resized(masks, self.method.attention_state.grid(positions))[0] >= WITHIN


def with_another_second(batch: Batch) -> Batch:
    """The same picture, its second person somebody else."""
    features = {name: torch.cat([value[:, :1], -value[:, 1:]], 1) for name, value in batch.people.features.items()}
    return replace(batch, people=People(features, batch.people.given))


def exchanged(batch: Batch) -> Batch:
    """The same picture with the two people in the other order; their masks stay."""
    features = {name: value.flip(1) for name, value in batch.people.features.items()}
    return replace(batch, people=People(features, batch.people.given.flip(1)))


@pytest.mark.parametrize("name", NAMES)
def test_masks_reach_whoever_can_place_people(name: str, models: Models) -> None:
    """A canvas that numbers people says itself where they are."""
    pair = Pair(name, models)
    condition, placing = pair.method.condition(pair.batch), pair.method.placing
    assert (condition.faces is not None) == (placing is not Placing.NOTHING)
    assert shared_out(condition, pair.batch) == (placing is Placing.MASKS)
    assert (pair.method.most_people is not None) == (placing is Placing.CONTROL_IMAGE)


@pytest.mark.parametrize("name", NAMES)
def test_its_file_says_what_it_is(name: str) -> None:
    kind = contract.method_class(name)
    assert kind.title
    assert kind.paper
    claims = getattr(plugins.load("methods", name), "CLAIMS", {})
    assert all(contract.claims(f"{name}-{change}") == found for change, found in claims.items())
    for change in claims:
        variant, fewer = settings.parse_reference_count(f"{name}-{change}")
        assert fewer or contract.find(variant)


@pytest.mark.parametrize("name", PLACING)
@torch.no_grad()
def test_another_person_changes_only_the_positions_in_their_own_mask(name: str, models: Models) -> None:
    """Layer by layer: what one says, the next ones carry everywhere."""
    pair = Pair(name, models)
    before = pair.layers(pair.batch)
    found = pair.layers(with_another_second(pair.batch), before)
    changes = [(new - old).abs().amax(-1)[0] for new, old in zip(found, before, strict=True)]
    heard = [(change, *pair.places(len(change))) for change in changes if change.any()]
    crossing = [own for own, each in pair.method.named_modules() if isinstance(each, AttentionLayer) and "attn2" in own]
    assert len(heard) == len(crossing)
    for change, first, second in heard:
        assert change[first].max() < 1e-6
        assert change[second].min() > 1e-4


@pytest.mark.parametrize("name", PLACING)
@torch.no_grad()
def test_masks_and_not_the_order_of_people_say_who_is_where(name: str, models: Models) -> None:
    pair = Pair(name, models)
    plain, turned = pair.predict(pair.batch), exchanged(pair.batch)
    assert not torch.allclose(pair.predict(turned), plain, atol=1e-3)
    if pair.method.placing is Placing.MASKS:  # else their numbers on the canvas are part of what is drawn
        assert pair.batch.masks is not None
        moved = replace(turned, masks=pair.batch.masks.flip(1))
        assert torch.allclose(pair.predict(moved), plain, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_it_trains_and_draws_one_person_and_several(name: str, any_models: Models, tmp_path: Path) -> None:
    train_and_draw(name, any_models, tmp_path)


@pytest.mark.parametrize("name", NAMES)
def test_its_card_says_what_it_was_made_from(name: str, models: Models, tmp_path: Path) -> None:
    plan = make_plan(tmp_path, models, name, images=8)
    loop.fit(plan)
    card = json.loads((plan.out / checkpoint.CARD).read_text())
    assert card["method"] == name
    own = asdict(create(name, load.load(models.backbone), models).settings)
    assert card["settings"] == json.loads(json.dumps(own))  # JSON has no tuples
    assert card["data_fingerprint"] == shards.fingerprint(*(path.name for path in training_shards(plan.samples)))
    assert card["images_seen"] == 8
    assert card["part_licences"]["head"] == "Apache-2.0"
    assert card["licence"].startswith("Apache-2.0")
    assert "consent" in card["intended_use"]


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_trains_and_draws(name: str, models: Models, tmp_path: Path) -> None:
    train_and_draw(name, models, tmp_path)


def train_and_draw(name: str, models: Models, folder: Path) -> None:
    plan = make_plan(folder, models, name, images=32)
    loop.fit(plan)
    backbone = load.load(models.backbone)
    untouched = {key: value.clone() for key, value in backbone.unet.state_dict().items()}
    method = checkpoint.load(plan.out, backbone)
    fresh = create(name, load.load(models.backbone), models).state_dict()
    assert any(not torch.equal(value, fresh[key]) for key, value in method.state_dict().items())
    for people in (1, 2):
        batch = batch_of(method, backbone, [people])
        pictures = sampler.sample(backbone, method, batch, [1], sampler.SamplerSettings(steps=2, guidance=2.0, eta=0.5))
        assert pictures.shape == (1, 3, 64, 128)
        assert pictures.isfinite().all()
    assert all(torch.equal(value, untouched[key]) for key, value in backbone.unet.state_dict().items())


@pytest.mark.parametrize("name", NAMES)
def test_a_run_that_was_stopped_in_every_phase_ends_with_the_same_bytes(
    name: str, any_models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a kill leaves is the last checkpoint (tests/training/test_loop.py kills); here every method goes on."""
    monkeypatch.setattr(loop, "EVERY", 1)  # steps between checkpoints
    undisturbed, stopped = (make_plan(tmp_path / each, any_models, name, images=40, batch=2) for each in ("one", "two"))
    loop.fit(undisturbed)
    write, places = checkpoint.Checkpoint.write, []

    def write_and_stop(kept: checkpoint.Checkpoint, state: checkpoint.TrainingState) -> None:
        write(kept, state)
        if state.phase not in places:
            places.append(state.phase)
            raise KeyboardInterrupt

    monkeypatch.setattr(checkpoint.Checkpoint, "write", write_and_stop)
    phases = len(create(name, load.load(any_models.backbone), any_models).phases())
    for _ in range(phases):
        with pytest.raises(KeyboardInterrupt):
            loop.fit(stopped)
    loop.fit(stopped)
    assert places == list(range(phases))
    for file in (checkpoint.WEIGHTS, checkpoint.CARD):
        assert (stopped.out / file).read_bytes() == (undisturbed.out / file).read_bytes(), file


@pytest.mark.parametrize("name", NAMES)
def test_its_phases_spend_the_whole_budget_on_parameters_that_exist(name: str, models: Models) -> None:
    method = create(name, load.load(models.backbone), models)
    assert sum(phase.share for phase in method.phases()) == pytest.approx(1.0)
    for phase in method.phases():
        assert contract.trainable(method, phase)


@pytest.mark.parametrize("name", NAMES)
def test_its_layers_learn_from_the_first_step(name: str, models: Models, tmp_path: Path) -> None:
    plan = make_plan(tmp_path, models, name, images=4)
    trainer = loop.Trainer(plan, SINGLE_PROCESS)
    for phase in trainer.phases:
        gradients = Gradients(trainer.optimiser(phase).parameters, len(phase.losses))
        trainer.method.on_phase_resume(phase)
        terms = trainer._step(phase, StepKey(*phase.people, 0), trainer.data.eligible(phase.people)[:4], gradients)
        assert next(iter(terms.values())) > 0  # the diffusion loss, or what a distillation learns by
        for pattern in phase.rates:
            named = trainer.method.named_parameters()
            learning = [each.grad for own, each in named if fnmatch(own, pattern)]
            assert any(each is not None and each.any() for each in learning), pattern


def shown(name: str, folder: Path, models: Models, monkeypatch: pytest.MonkeyPatch) -> dict[StepKey, list[object]]:
    """Photos, noise, times and number of references of every step of a whole training, by the step's key."""
    trainer = loop.Trainer(make_plan(folder / name, models, name, images=80), SINGLE_PROCESS)
    found: dict[StepKey, list[object]] = {}

    def look(phase: contract.Phase, key: StepKey, photos: list[int], gradients: object) -> dict[str, float]:
        given, references = trainer.batches.at(phase, key, photos), trainer.batches.references(phase, key)
        assert key not in found
        found[key] = [photos, references, given.noisy.tolist(), given.times.tolist()]
        return {"diffusion": 1.0}

    monkeypatch.setattr(trainer, "_step", look)
    for number, phase in enumerate(trainer.phases):
        trainer.run(number, phase, 0)
    return found


def test_all_methods_are_shown_the_same_photos_in_one_order(
    models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However a method cuts its budget: GroupPortrait's distillation is on the photos that others begin with."""
    steps = {name: shown(name, tmp_path, models, monkeypatch) for name in NAMES}
    assert {len(found) for found in steps.values()} == {20}
    everybody = [found for found in steps.values() if len(found) == sum(key[:2] == (1, 1) for key in found)]
    assert len(everybody) >= 2  # spend all on pictures of one person
    most = everybody[0]
    for found in steps.values():
        common = found.keys() & most.keys()
        assert common == {key for key in found if key[:2] == (1, 1)}
        assert all(found[key] == most[key] for key in common)


@pytest.mark.parametrize("name", NAMES)
def test_references_change_the_prediction_and_their_absence_is_unconditional(
    name: str, models: Models, tmp_path: Path
) -> None:
    plan = make_plan(tmp_path, models, name, images=80, learning_rate=1e-2)
    loop.fit(plan)
    backbone = load.load(models.backbone)
    method = checkpoint.load(plan.out, backbone)
    batch, times = batch_of(method, backbone, [1]), torch.tensor([900])
    noisy = torch.randn(1, 4, 8, 16, generator=torch.Generator().manual_seed(0))
    empty = backbone.encode_text([""])
    with torch.no_grad():
        given, without = (
            method.predict(backbone, noisy, times, method.condition(each))
            for each in (batch, batch.unconditional(batch.text, method.null_features))
        )
    assert not torch.allclose(given, without)
    assert torch.equal(batch.unconditional(empty, method.null_features).text.hidden, empty.hidden)


def test_a_misspelt_method_or_variant_is_one_clear_sentence() -> None:
    from pipeline.errors import SettingsError

    with pytest.raises(SettingsError, match="did you mean uniportrait"):
        contract.find("uniportrat")
    with pytest.raises(SettingsError, match="did you mean no_structure"):
        contract.find("uniportrait-no_structur")
