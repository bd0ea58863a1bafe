"""GroupPortrait's own parts: LatentID, the canvas, and attention held to masks."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from pipeline.backbone import load
from pipeline.backbone.align import aligned
from pipeline.backbone.batch import Batch, FaceLayout, People
from pipeline.backbone.decoupled import IdCondition
from pipeline.backbone.frozen import FrozenEncoders
from pipeline.backbone.inject import attention_modules, token_bias
from pipeline.backbone.load import Backbone
from pipeline.encoders.recogniser import SIDE, load_torch_recogniser
from pipeline.head.maps import draw_head, normal_map, pncc_map
from pipeline.head.people import UNIT, people_masks
from pipeline.method import ModelOutput, NoisyBatch
from pipeline.methods.group_portrait import GroupPortrait
from pipeline.methods.group_portrait.attention import mask_loss
from pipeline.methods.group_portrait.latent_id import LATENT_SIDE, LatentId
from pipeline.settings import Models
from pipeline.weights import checkpoint
from tests import tiny_models


@pytest.fixture
def backbone(models: Models) -> Backbone:
    return load.load(models.backbone)


def create(models: Models, backbone: Backbone, name: str = "group_portrait") -> GroupPortrait:
    torch.manual_seed(0)
    frozen = FrozenEncoders(models)
    method = checkpoint.create(name, backbone, frozen)
    assert isinstance(method, GroupPortrait)
    method.attach(backbone.unet)
    return method


def given(method: GroupPortrait, backbone: Backbone, dropped: bool = False) -> NoisyBatch:
    """A pair of people with their places, not noisy."""
    generator = torch.Generator().manual_seed(0)
    features = {
        name: torch.randn(1, 2, 1, *value.shape, generator=generator) for name, value in method.null_features.items()
    }
    people = People(features, torch.ones(1, 2, 1, dtype=torch.bool))
    if dropped:
        people = people.where(torch.tensor([True]), method.null_features)
    points = torch.rand(1, 2, 68, 2, generator=generator) * 0.3 + torch.tensor([[0.1, 0.3], [0.6, 0.3]]).view(
        1, 2, 1, 2
    )
    boxes = torch.tensor([[[0.1, 0.3, 0.4, 0.6], [0.6, 0.3, 0.9, 0.6]]])
    painted = method.render_control(
        tiny_models.head(), [tiny_models.head_pose((32, 32), 16), tiny_models.head_pose((96, 32), 16)], (64, 128)
    )
    canvas = torch.from_numpy(painted).permute(2, 0, 1)[None].float() / 255
    batch = Batch(backbone.encode_text(["a of b"]), people, (8, 16), FaceLayout(boxes, points), control_image=canvas)
    latents, times = torch.randn(1, 4, 8, 16, generator=generator), torch.tensor([100])
    noisy = backbone.noisy(latents, torch.randn(latents.shape, generator=generator), times)
    wanted = F.normalize(torch.randn(1, 2, tiny_models.EMBEDDING, generator=generator), dim=-1)
    return NoisyBatch(batch, latents, noisy, times, noisy, torch.ones(1), 0.0, wanted, backbone)


def test_the_canvas_numbers_people_and_the_larger_one_is_in_front() -> None:
    painted = GroupPortrait.render_control(
        tiny_models.head(), [tiny_models.head_pose((40, 32), 16), tiny_models.head_pose((60, 32), 24)], (64, 128)
    )
    numbers = np.unique(painted[..., -1])
    assert numbers.tolist() == [0, UNIT, 2 * UNIT]
    masks = people_masks(torch.from_numpy(painted[..., -1])[None].float() / 255, 2)
    assert masks.shape == (1, 2, 64, 128)
    assert masks[0, 1, 32, 50] == 1  # both are there
    assert masks.sum(1).max() == 1
    assert painted[masks[0].sum(0).numpy() == 0].sum() == 0


def test_the_canvas_shows_each_person_their_own_normals_and_points() -> None:
    head, size = tiny_models.head(), (64, 128)
    people = [tiny_models.head_pose((40, 32), 16, shape=2.0, yaw=-40.0), tiny_models.head_pose((70, 32), 24, yaw=40.0)]
    people[0] = replace(people[0], expression=np.full(tiny_models.EXPRESSION, 3.0, np.float32))
    canvas = GroupPortrait.render_control(head, people, size).astype(np.float32)
    for number, person in enumerate(people, 1):
        vertices = head.vertices(person.shape, person.expression)
        buffers = draw_head(vertices, head.triangles, person.camera, size)
        normals, points = normal_map(vertices, head.triangles, person.camera, buffers), pncc_map(head, buffers)
        here = canvas[..., -1] == number * UNIT
        assert here.sum() > 300
        assert np.abs(canvas[here][:, :3] / 255 * 2 - 1 - normals[here]).max() < 1 / 127
        assert np.abs(canvas[here][:, 3:6] / 255 - points[here]).max() < 1 / 254
    sides = [canvas[canvas[..., -1] == number * UNIT][:, 0].mean() for number in (1, 2)]
    assert not canvas[canvas[..., -1] == 0].any()
    assert sides[0] < 127 < sides[1]  # one looks to the left, the other to the right


def test_the_mask_loss_by_hand() -> None:
    shares = torch.tensor([[[0.5, 0.0], [0.25, 1.0], [0.0, 0.0]]])
    masks = torch.tensor([[[[1.0, 1.0, 0.0, 0.0]], [[0.0, 0.0, 1.0, 1.0]], [[0.0, 0.0, 0.0, 0.0]]]])
    present = torch.tensor([[True, True, False]])  # an empty slot is right all by itself, and does not count

    def loss(shares: torch.Tensor) -> float:
        return mask_loss(shares, masks, present, (1, 2)).item()

    assert loss(shares) == pytest.approx((0.25 + 0.0625) / 4)
    assert loss(shares[:, [1, 0, 2]]) > loss(shares)


def test_in_drawing_nobody_is_read_outside_of_their_mask(models: Models, backbone: Backbone) -> None:
    method = create(models, backbone).eval()
    layer = next(iter(method.layers.values()))
    masks = torch.zeros(1, 2, 8, 16)
    masks[0, 0, :, :8] = 1.0  # the second person is nowhere
    tokens = torch.randn(1, 2, 3, 16)
    faces = IdCondition(tokens, torch.ones(1, 2, dtype=torch.bool), masks)
    method.attention_state.reset(faces, (8, 16))
    hidden = torch.randn(1, 32, 32)
    query = torch.randn(1, layer.branch.heads, 32, 32 // layer.branch.heads)
    added, shares = layer.branch(query, faces, token_bias(faces.readable_at((4, 8)), hidden.dtype))
    assert shares[0, 1].abs().max() < 1e-6
    inside = shares[0, 0].view(4, 8)
    assert inside[:, 4:].abs().max() < 1e-6
    assert 0 < inside[:, :4].min() < inside[:, :4].max() < 1  # the rest of the attention goes to nobody
    assert added.view(1, layer.branch.heads, 4, 8, -1)[..., 4:, :].abs().max() < 1e-6
    attn, text, other = (
        attention_modules(backbone.unet)[next(iter(method.layers))],
        torch.randn(1, 5, 16),
        tokens.clone(),
    )
    other[:, 1] += 1.0
    for training in (False, True):  # in training it is the loss that holds attention to the masks
        method.train(training)
        found = []
        for each in (tokens, other):
            method.attention_state.reset(replace(faces, tokens=each), (8, 16))
            found.append(layer(attn, hidden, text))
        assert torch.equal(*found) != training


def test_latent_id_learns_from_the_recogniser(models: Models, backbone: Backbone) -> None:
    method = create(models, backbone)
    found, distil = given(method, backbone), method.phases()[0]
    optimiser = torch.optim.Adam(method.latent_id.parameters(), 1e-3)
    losses = []
    for _ in range(30):
        torch.manual_seed(1)
        terms = method.objective(distil, found)
        assert list(terms) == ["distillation"]
        optimiser.zero_grad()
        terms["distillation"].backward()
        optimiser.step()
        losses.append(terms["distillation"].item())
    assert losses[-1] < 0.3 * losses[0]


def test_latent_id_learns_from_photos_and_from_references(
    models: Models, backbone: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.methods.group_portrait.NOISE", 0.0)
    method = create(models, backbone)
    distil, found = method.phases()[0], given(method, backbone)
    both, photos = (
        method.objective(distil, each)["distillation"] for each in (found, given(method, backbone, dropped=True))
    )
    features = {name: value.flatten(0, 2) for name, value in found.batch.people.features.items()}
    assert len(features["latents"]) == 2
    likeness = F.cosine_similarity(method.latent_id(features["latents"]), features["embedding"])
    assert both.item() == pytest.approx((2 * photos + (1 - likeness).sum()).item() / 4)
    wrong = F.cosine_similarity(method.latent_id(features["latents"]), features["embedding"].flip(0))
    assert both.item() != pytest.approx((2 * photos + (1 - wrong).sum()).item() / 4)


@pytest.mark.parametrize("size", [(8, 16), (32, 32)])
def test_latent_id_takes_faces_of_pictures_of_any_size(size: tuple[int, int]) -> None:
    net = LatentId(4, (16, 24), 8)
    landmarks = torch.rand(1, 3, 68, 2, generator=torch.Generator().manual_seed(0))
    faces = aligned(torch.randn(1, 4, *size), landmarks, LATENT_SIDE).flatten(0, 1)
    assert net(faces).shape == (3, 8)
    assert net.features(faces).shape == (3, 24, 7, 7)


def step(method: GroupPortrait, found: NoisyBatch) -> ModelOutput:
    return ModelOutput(**vars(found), prediction=found.noisy, maps=())


def test_the_identity_loss_is_less_for_who_is_like_the_reference(models: Models, backbone: Backbone) -> None:
    method = create(models, backbone)
    first = step(method, given(method, backbone))
    like = method._judged(first).detach().unsqueeze(2)  # (B, N, 1, D): the references are what is seen
    people = first.batch.people
    right = People({**people.features, "embedding": like}, people.given)
    wrong = People({**people.features, "embedding": -like}, people.given)
    near, far = (
        method.loss(replace(first, batch=replace(first.batch, people=each)))["identity"] for each in (right, wrong)
    )
    kept = backbone.alphas[100] * method.settings.identity
    assert near.item() == pytest.approx(0, abs=1e-5)
    assert far.item() == pytest.approx(2 * kept.item(), rel=1e-4)


@pytest.mark.parametrize("name", ["group_portrait", "group_portrait-pixel_id"])
def test_the_identity_loss_moves_the_prediction_within_faces(models: Models, backbone: Backbone, name: str) -> None:
    """Its gradient goes through the judge, the cutting out and the clean latents back to what the UNet said."""
    method = create(models, backbone, name)
    method.prepare(FrozenEncoders(models, backbone))
    found = given(method, backbone)
    prediction = torch.randn(found.noisy.shape, generator=torch.Generator().manual_seed(1)).requires_grad_()
    method.loss(ModelOutput(**vars(found), prediction=prediction, maps=()))["identity"].backward()
    assert prediction.grad is not None
    assert prediction.grad[..., 1:6].abs().sum() > 0  # the two faces, from left to right
    assert prediction.grad[..., 9:15].abs().sum() > 0


def test_where_references_were_dropped_nobody_is_judged(models: Models, backbone: Backbone) -> None:
    method = create(models, backbone)
    assert method.loss(step(method, given(method, backbone, dropped=True)))["identity"] == 0


def test_the_recogniser_judges_pixels_and_is_no_part_of_the_method(models: Models, backbone: Backbone) -> None:
    method = create(models, backbone, "group_portrait-pixel_id")
    names = set(method.state_dict())
    method.prepare(FrozenEncoders(models, backbone))
    assert set(method.state_dict()) == names
    first = step(method, given(method, backbone))
    faces = aligned(backbone.pixels(first.clean()), first.batch.layout.landmarks, SIDE)
    wanted = load_torch_recogniser(models.recogniser_a)(faces.flatten(0, 1))
    assert torch.allclose(method._judged(first).flatten(0, 1), wanted)


def test_variants_leave_their_part_out(models: Models, backbone: Backbone) -> None:
    without = create(models, backbone, "group_portrait-no_controller")
    assert without.net is None
    assert not [name for name, _ in without.named_parameters() if name.startswith("net.")]
    plain = create(models, backbone, "group_portrait-no_latent_id")
    assert "identity" not in plain.loss(step(plain, given(plain, backbone)))
    assert plain.look is None
    assert [phase.share for phase in plain.phases()] == [phase.share for phase in create(models, backbone).phases()]
    loose = create(models, backbone, "group_portrait-no_mask_attention").eval()
    assert loose.condition(given(loose, backbone).batch).faces.masks is None
