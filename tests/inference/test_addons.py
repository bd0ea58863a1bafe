"""Methods beside a ControlNet, an image prompt, a style and a changed base, with random weights."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers import ControlNetModel
from safetensors.torch import save_file
from torch import Tensor

from pipeline import plugins, sampler
from pipeline.backbone import load
from pipeline.backbone.batch import Batch, People
from pipeline.backbone.load import Backbone
from pipeline.errors import MissingInput
from pipeline.inference.addons import (
    ControlNet,
    ControlNetBackbone,
    ImagePrompt,
    add_residuals,
    image_prompt_tensors,
    merge_lora,
    read_image_prompt,
    read_lora,
)
from pipeline.method import Method
from pipeline.settings import Models
from pipeline.weights import checkpoint
from tests.methods.test_contract import batch_of, create, shaken

NAMES = plugins.names("methods")
HOW = sampler.SamplerSettings(steps=2, guidance=2.0)
LAYER = "down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_q"
CONVOLUTION = "mid_block.resnets.0.conv1"


def made(name: str, models: Models) -> tuple[Backbone, Method, Batch]:
    """A fresh backbone, a method on it with noise on its weights, and a picture of one person to draw."""
    backbone = load.load(models.backbone)
    method = shaken(create(name, backbone, models)).eval()
    return backbone, method, batch_of(method, backbone, [1])  # type: ignore[arg-type, return-value]


def other_person(batch: Batch) -> Batch:
    """The same picture of somebody else."""
    features = {name: -value for name, value in batch.people.features.items()}
    return replace(batch, people=People(features, batch.people.given))


def draw(backbone: Backbone, method: Method, batch: Batch) -> Tensor:
    return sampler.sample(backbone, method, batch, [1], HOW)


def check(with_scale: Callable[[float], tuple[Backbone, Method, Batch]], alone: tuple[Backbone, Method, Batch]) -> None:
    """At scale 0 the method's own picture, else another one, in which the reference still counts."""
    assert torch.equal(draw(*with_scale(0.0)), draw(*alone))
    backbone, method, batch = with_scale(1.0)
    found = draw(backbone, method, batch)
    assert found.isfinite().all()
    assert not torch.allclose(found, draw(*alone), atol=1e-5)
    assert not torch.allclose(found, draw(backbone, method, other_person(batch)), atol=1e-5)


def control_of(backbone: Backbone, scale: float) -> ControlNet:
    net = ControlNetModel.from_unet(backbone.unet, conditioning_embedding_out_channels=(8, 8, 8, 8)).eval()
    return ControlNet(shaken(net), torch.rand(1, 3, 64, 128, generator=torch.Generator().manual_seed(2)), scale)


@pytest.mark.parametrize("name", NAMES)
def test_a_controlnet_and_a_method_both_count(name: str, any_models: Models) -> None:
    def controlled(scale: float) -> tuple[Backbone, Method, Batch]:
        backbone, method, batch = made(name, any_models)
        return ControlNetBackbone(backbone, [control_of(backbone, scale)]), method, batch

    check(controlled, made(name, any_models))


def test_residuals_of_several_nets_are_added_up(models: Models) -> None:
    first, second = (([torch.full((1,), value)], torch.full((1,), 10 * value)) for value in (1.0, 2.0))
    assert add_residuals(None, second) is second
    down, middle = add_residuals(first, second)
    assert [float(part) for part in (*down, middle)] == [3.0, 30.0]
    backbone, method, batch = made("uniportrait", models)
    once = control_of(backbone, 1.0)
    halves = ControlNetBackbone(backbone, [replace(once, scale=0.5)] * 2)
    assert torch.allclose(
        draw(halves, method, batch), draw(ControlNetBackbone(backbone, [once]), method, batch), atol=1e-4
    )


def test_a_picture_for_each_of_a_batch_is_read_by_both_halves_of_guidance(models: Models) -> None:
    backbone, method, _ = made("uniportrait", models)
    once = control_of(backbone, 1.0)
    several = replace(once, image=torch.cat([once.image, 1 - once.image]))
    two = batch_of(method, backbone, [1, 1])
    found = sampler.sample(ControlNetBackbone(backbone, [several]), method, two, [1, 1], HOW)
    assert torch.allclose(
        found[:1], draw(ControlNetBackbone(backbone, [once]), method, batch_of(method, backbone, [1])), atol=1e-4
    )
    assert not torch.allclose(found[:1], found[1:], atol=1e-5)


def prompt_of(backbone: Backbone) -> ImagePrompt:
    torch.manual_seed(3)
    return shaken(ImagePrompt(backbone.unet, 24)).eval()  # type: ignore[return-value]


@pytest.mark.parametrize("name", NAMES)
def test_an_image_prompt_and_a_method_both_count(name: str, any_models: Models) -> None:
    def prompted(scale: float) -> tuple[Backbone, Method, Batch]:
        backbone, method, batch = made(name, any_models)
        prompt = prompt_of(backbone)
        prompt.scale = scale
        prompt.attach(backbone.unet)
        prompt.show(torch.ones(1, 24))
        return backbone, method, batch

    check(prompted, made(name, any_models))


def test_without_an_image_nothing_is_added_and_images_differ(models: Models) -> None:
    backbone, method, batch = made("uniportrait", models)
    prompt = prompt_of(backbone)
    prompt.attach(backbone.unet)
    assert torch.equal(draw(backbone, method, batch), draw(*made("uniportrait", models)))
    found = []
    for embedding in (torch.ones(1, 24), -torch.ones(1, 24)):
        prompt.show(embedding)
        found.append(draw(backbone, method, batch))
    assert not torch.allclose(*found, atol=1e-5)


def test_a_published_image_prompt_does_what_diffusers_makes_of_it(models: Models) -> None:
    ours, theirs = load.load(models.backbone), load.load(models.backbone)
    tensors = image_prompt_tensors(ours.unet, prompt_of(ours))
    prompt = read_image_prompt(ours.unet, tensors)
    prompt.attach(ours.unet)
    embeddings, noisy, times = torch.randn(2, 24), torch.randn(2, 4, 8, 8), torch.tensor([10, 900])
    prompt.show(embeddings, guided=False)
    parts = {
        part: {name.removeprefix(f"{part}."): value for name, value in tensors.items() if name.startswith(part)}
        for part in ("image_proj", "ip_adapter")
    }
    theirs.unet._load_ip_adapter_weights([parts])
    text = ours.encode_text(["a of b", "b"])
    with torch.no_grad():
        wanted = theirs.unet(
            noisy, times, text.hidden, added_cond_kwargs={"image_embeds": [embeddings[:, None]]}
        ).sample
        assert torch.allclose(ours.denoise(noisy, times, text), wanted, atol=1e-5)


@pytest.mark.filterwarnings("ignore:.*a no-op")  # a tensor without storage keeps nothing
def test_an_image_prompt_is_where_its_base_is(models: Models) -> None:
    unet = load.load(models.backbone).unet
    tensors = image_prompt_tensors(unet, prompt_of(load.load(models.backbone)))
    found = read_image_prompt(unet.to("meta"), tensors)
    assert {each.device.type for each in found.parameters()} == {"meta"}


def test_a_file_that_is_no_image_prompt_for_this_base_is_one_clear_sentence(models: Models) -> None:
    unet = load.load(models.backbone).unet
    with pytest.raises(MissingInput, match="no IP-Adapter"):
        read_image_prompt(unet, {})
    tensors = image_prompt_tensors(unet, ImagePrompt(unet, 24))
    with pytest.raises(MissingInput, match="no IP-Adapter"):
        read_image_prompt(unet, {name: value.repeat_interleave(2, -1) for name, value in tensors.items()})


def lora(spread: float = 1.0) -> dict[str, Tensor]:
    """A style in peft's layout: a linear layer and a convolution."""
    draw = torch.Generator().manual_seed(5)
    sizes = {LAYER: ((3, 32), (32, 3)), CONVOLUTION: ((3, 32, 3, 3), (32, 3, 1, 1))}
    return {
        f"unet.{layer}.{factor}.weight": spread * torch.randn(size, generator=draw)
        for layer, both in sizes.items()
        for factor, size in zip(("lora_A", "lora_B"), both, strict=True)
    }


@pytest.mark.parametrize("name", NAMES)
def test_a_style_and_a_method_both_count(name: str, models: Models) -> None:
    def styled(scale: float) -> tuple[Backbone, Method, Batch]:
        backbone, method, batch = made(name, models)
        assert merge_lora(backbone.unet, lora(), scale) == 2
        return backbone, method, batch

    check(styled, made(name, models))


def test_a_style_is_added_by_hand_the_same_under_all_names(models: Models) -> None:
    names = {"lora_A": ("lora.down", "lora_down"), "lora_B": ("lora.up", "lora_up")}

    def renamed(which: int) -> dict[str, Tensor]:
        found = lora()
        for theirs, ours in names.items():
            found = {key.replace(theirs, ours[which]): value for key, value in found.items()}
        return found

    kohya = {
        "lora_unet_" + layer.replace(".", "_") + key.removeprefix(f"unet.{layer}"): value
        for key, value in renamed(1).items()
        for layer in (LAYER, CONVOLUTION)
        if layer in key
    }
    kohya |= {f"lora_unet_{layer.replace('.', '_')}.alpha": torch.tensor(6.0) for layer in (LAYER, CONVOLUTION)}
    plain, style = load.load(models.backbone).unet, lora()
    down, up = (style[f"unet.{CONVOLUTION}.lora_{factor}.weight"] for factor in "AB")
    change = torch.einsum("or,rikl->oikl", up[..., 0, 0], down)
    for tensors, times in ((style, 1.0), (renamed(0), 1.0), (kohya, 2.0)):
        unet = load.load(models.backbone).unet
        merge_lora(unet, tensors, 0.5)
        moved = unet.get_submodule(CONVOLUTION).weight - plain.get_submodule(CONVOLUTION).weight
        assert torch.allclose(moved, 0.5 * times * change, atol=1e-5)
        assert not torch.equal(unet.get_submodule(LAYER).weight, plain.get_submodule(LAYER).weight)


def moved(models: Models, file: Path) -> Tensor:
    """How far a file of a change moves the weight of LAYER, in multiples of up @ down."""
    plain, unet, style = load.load(models.backbone).unet, load.load(models.backbone).unet, lora()
    merge_lora(unet, read_lora(file))
    full = style[f"unet.{LAYER}.lora_B.weight"] @ style[f"unet.{LAYER}.lora_A.weight"]
    off = unet.get_submodule(LAYER).weight - plain.get_submodule(LAYER).weight
    share = (off * full).sum() / (full * full).sum()
    torch.testing.assert_close(off, share * full, atol=1e-5, rtol=1e-4)
    return share.detach()


CONFIG = {"r": 3, "lora_alpha": 12}


@pytest.mark.parametrize(
    ("config", "share"),
    [
        ({}, 1),
        (CONFIG, 4),
        (CONFIG | {"alpha_pattern": {"attn2.to_q": 6}}, 2),
        (CONFIG | {"alpha_pattern": {"attn1.to_q": 6}}, 4),
        (CONFIG | {"use_rslora": True}, 12 / 3**0.5),
    ],
)
def test_a_style_is_as_strong_as_its_header_says(models: Models, tmp_path: Path, config: dict, share: float) -> None:
    """alpha / rank, or alpha / sqrt(rank) where it is rank-stabilised."""
    told = json.dumps({f"unet.{name}": value for name, value in config.items()})
    save_file(lora(), tmp_path / "x.safetensors", {"lora_adapter_metadata": told})
    assert moved(models, tmp_path / "x.safetensors") == pytest.approx(share, rel=1e-4)
    bare = {key.removeprefix("unet."): value for key, value in lora().items()}  # as unet.save_lora_adapter writes it
    save_file(bare, tmp_path / "bare.safetensors", {"lora_adapter_metadata": json.dumps(config)})
    assert moved(models, tmp_path / "bare.safetensors") == pytest.approx(share, rel=1e-4)


def test_pefts_own_files_are_as_strong_as_their_config_says(models: Models, tmp_path: Path) -> None:
    own = {f"base_model.model.{key.removeprefix('unet.')}": value for key, value in lora().items()}
    save_file(own, tmp_path / "adapter_model.safetensors")
    with pytest.raises(MissingInput, match=r"peft's file needs .*adapter_config.json beside it"):
        read_lora(tmp_path / "adapter_model.safetensors")
    (tmp_path / "adapter_config.json").write_text(json.dumps(CONFIG))
    assert moved(models, tmp_path / "adapter_model.safetensors") == pytest.approx(4, rel=1e-4)


@pytest.mark.parametrize("prefix", ["unet.", ""])
def test_old_names_of_diffusers_are_read(models: Models, tmp_path: Path, prefix: str) -> None:
    name = prefix + LAYER.removesuffix(".to_q") + ".processor.to_q_lora"
    factors = [lora()[f"unet.{LAYER}.lora_{factor}.weight"] for factor in "AB"]
    save_file({f"{name}.down.weight": factors[0], f"{name}.up.weight": factors[1]}, tmp_path / "x.safetensors")
    assert moved(models, tmp_path / "x.safetensors") == pytest.approx(1, rel=1e-4)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_not_finite_are_refused_by_name(models: Models, value: float) -> None:
    unet, tensors = load.load(models.backbone).unet, lora()
    tensors[f"unet.{LAYER}.lora_B.weight"][0, 0] = value
    with pytest.raises(MissingInput, match=rf"unet.{LAYER}.lora_B.weight .*not finite"):
        merge_lora(unet, tensors)


def test_a_style_for_another_base_is_one_clear_sentence(models: Models) -> None:
    unet = load.load(models.backbone).unet
    with pytest.raises(MissingInput, match="no low-rank change"):
        merge_lora(unet, {"text_encoder.layer.lora_A.weight": torch.zeros(1, 1)})
    with pytest.raises(MissingInput, match="has no layer"):
        merge_lora(unet, {key.replace("mid_block", "end_block"): value for key, value in lora().items()})
    with pytest.raises(MissingInput, match="does not fit"):
        merge_lora(unet, {key: torch.zeros(2, 2) for key in lora()})
    with pytest.raises(MissingInput, match="the file is not whole"):
        merge_lora(unet, {key: value for key, value in lora().items() if "lora_B" not in key})
    with pytest.raises(MissingInput, match=r"2 of the tensors are no plain low-rank change, unet\..*lora_B"):
        merge_lora(unet, {key: value for key, value in lora().items() if "lora_A" not in key})
    for kind in ("lora_magnitude_vector", "hada_w1_a", "diff"):
        with pytest.raises(MissingInput, match=f"1 of the tensors are no plain low-rank change, unet.{LAYER}.{kind}"):
            merge_lora(unet, lora() | {f"unet.{LAYER}.{kind}": torch.zeros(1)})
    half = lora() | {key.replace("mid_block", "end_block"): value for key, value in lora().items()}
    with pytest.raises(MissingInput, match="has no layer"):
        merge_lora(unet, half)
    own = load.load(models.backbone).unet.state_dict()
    assert all(torch.equal(value, own[key]) for key, value in unet.state_dict().items())


@pytest.mark.parametrize("name", NAMES)
def test_a_methods_weights_load_onto_a_changed_base_and_leave_it_as_it_is(
    name: str, models: Models, tmp_path: Path
) -> None:
    """What is trained on a base is drawn with on a relative of it, whose weights stay bit-identical."""
    _, method, batch = made(name, models)
    checkpoint.save(tmp_path / "weights", method, {"method": name, "settings": vars(method.settings)})
    relative = load.load(models.backbone)
    shaken(relative.unet, 0.02)
    relative._pipeline.save_pretrained(tmp_path / "changed")
    changed = load.load(tmp_path / "changed")
    before = {key: value.clone() for key, value in changed.unet.state_dict().items()}
    loaded = checkpoint.load(tmp_path / "weights", changed)
    found = draw(changed, loaded, batch)
    assert all(torch.equal(value, loaded.state_dict()[key]) for key, value in method.state_dict().items())
    assert all(torch.equal(value, before[key]) for key, value in changed.unet.state_dict().items())
    assert not torch.allclose(found, draw(*made(name, models)), atol=1e-5)
    assert not torch.allclose(found, draw(changed, loaded, other_person(batch)), atol=1e-5)


def test_all_of_them_at_once(models: Models) -> None:
    backbone, method, batch = made("hifi_portrait", models)
    merge_lora(backbone.unet, lora(0.3))
    prompt = prompt_of(backbone)
    prompt.attach(backbone.unet)
    prompt.show(torch.ones(1, 24))
    together = ControlNetBackbone(backbone, [control_of(backbone, 0.5)])
    found = draw(together, method, batch)
    assert found.isfinite().all()
    assert not torch.allclose(found, draw(together, method, other_person(batch)), atol=1e-5)
