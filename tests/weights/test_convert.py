"""Published weights load into our modules, and our modules then calculate what the published networks do."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import ControlNetModel, UNet2DConditionModel
from safetensors.torch import save_file
from torch import Tensor

from pipeline import method as contract
from pipeline.backbone import load
from pipeline.backbone.batch import Batch, People, Text
from pipeline.backbone.inject import in_processor_order
from pipeline.backbone.load import Backbone
from pipeline.errors import LicenceError, MissingInput, SettingsError, WeightsError
from pipeline.method import Method
from pipeline.methods.uniportrait.features import structure
from pipeline.settings import Models
from pipeline.weights import checkpoint, convert
from pipeline.weights.key_maps import convert_keys, own_tensors
from tests import tiny_models
from tests.weights import published

# Widths of the transformers' attention in the order of diffusers' attn_processors: down, up, middle.
SD15 = [320] * 2 + [640] * 2 + [1280] * 2 + [1280] * 3 + [640] * 3 + [320] * 3 + [1280]
SDXL = [640] * 4 + [1280] * 20 + [1280] * 30 + [640] * 6 + [1280] * 10
TINY = [32] * 4
SD15_CONFIG: dict[str, Any] = {"cross_attention_dim": 768, "attention_head_dim": 8}  # the rest are diffusers' defaults
SDXL_CONFIG: dict[str, Any] = {
    "cross_attention_dim": 2048,
    "attention_head_dim": [5, 10, 20],
    "block_out_channels": [320, 640, 1280],
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
    "transformer_layers_per_block": [1, 2, 10],
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
}
SDXL_UP = ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"]
WIDTH, RANK = 128, 12  # of the small text, so that the perceivers have two heads; two fifths of 32
EMBEDDING, PATCH, INTRINSIC, STRUCTURE = 8, 12, 6, 10
STRUCTURE_PARTS = {"shallow": (4, 3), "patches": (4, 7)}


def backbone_of(unet: UNet2DConditionModel) -> Backbone:
    """A backbone without anything beside its UNet."""
    found = Backbone.__new__(Backbone)
    found.unet, found.factor = unet.eval().requires_grad_(False), 8
    return found


def make(
    name: str, unet: UNet2DConditionModel, null_features: dict[str, Tensor], **changes: Any
) -> tuple[Method, Backbone]:
    kind, settings = contract.find(name)
    backbone = backbone_of(unet)
    return kind(backbone, null_features, replace(settings, **changes)).eval(), backbone


def small(name: str, null_features: dict[str, Tensor], **changes: Any) -> tuple[Method, Backbone]:
    torch.manual_seed(0)
    added: dict[str, Any] = {"addition_embed_type": "text_time", "addition_time_embed_dim": 4}
    added["projection_class_embeddings_input_dim"] = 8 + 6 * 4
    return make(
        name, tiny_models._unet(WIDTH, **(added if name.startswith("instantid") else {})), null_features, **changes
    )


def fill(method: Method, name: str, backbone: Backbone, *files: dict[str, Tensor]) -> None:
    convert.fill(method, name, {f"file{n}": tensors for n, tensors in enumerate(files)}, backbone)


def same_shapes(method: Method, name: str, backbone: Backbone, *files: dict[str, Tensor]) -> None:
    """Every tensor of the method is in the files, and of its shape; every name of the files is known."""
    own = own_tensors(method, checkpoint.NULL_PREFIX)
    release = {f"file{n}": tensors for n, tensors in enumerate(files)}
    found = convert_keys(convert.key_maps_of(name), release, own, in_processor_order(backbone.unet))
    assert {key: value.shape for key, value in found.items()} == {key: value.shape for key, value in own.items()}
    assert len(found) == sum(len(file) for file in files)


def null_of(**sizes: tuple[int, ...]) -> dict[str, Tensor]:
    return {name: torch.zeros(size) for name, size in sizes.items()}


def people_of(features: dict[str, Tensor]) -> People:
    """One reference each, features (B, N, 1, ...)."""
    return People(features, torch.ones(next(iter(features.values())).shape[:3], dtype=torch.bool))


def text_of(pooled: bool = False) -> Text:
    draw = torch.Generator().manual_seed(2)
    hidden = torch.randn(2, 5, WIDTH, generator=draw)
    return Text(torch.zeros(2, 5), hidden, torch.randn(2, 8, generator=draw) if pooled else None)


def noisy() -> tuple[Tensor, Tensor]:
    return torch.randn(2, 4, 8, 16, generator=torch.Generator().manual_seed(1)), torch.tensor([10, 900])


# Full sizes: names and shapes only, without memory.


def test_the_published_file_of_faceid_plus_fits_sd15() -> None:
    shapes = published.faceid_plus(SD15, 768, 128, 512, 1280)
    assert len(shapes) == 4 + 2 + 2 + 4 + 4 * (4 + 3 + 4) + 32 * 8 + 16 * 2
    with torch.device("meta"):
        null_features = null_of(embedding=(512,), patches=(257, 1280))
        for name in ("ip_adapter_faceid_plus-released", "ip_adapter_faceid_plus-released_v1"):
            method, backbone = make(name, UNet2DConditionModel(**SD15_CONFIG), null_features)
            same_shapes(method, name, backbone, published.on_meta(shapes))


def test_the_published_files_of_uniportrait_fit_sd15() -> None:
    faces, router = published.uniportrait(SD15, 768, 128, 512, 64 + 128 + 256 + 1280, depth=6)
    with torch.device("meta"):
        null_features = null_of(embedding=(512,), intrinsic=(49, 512), shallow=(256, 448), patches=(256, 1280))
        method, backbone = make("uniportrait-released", UNet2DConditionModel(**SD15_CONFIG), null_features)
        same_shapes(method, "uniportrait-released", backbone, published.on_meta(faces), published.on_meta(router))


def test_the_published_files_of_instantid_fit_sdxl() -> None:
    with torch.device("meta"):
        unet = UNet2DConditionModel(**SDXL_CONFIG, up_block_types=SDXL_UP)
        method, backbone = make("instantid-released", unet, null_of(embedding=(512,)))
        net = ControlNetModel(**SDXL_CONFIG).state_dict()
    file = published.on_meta(published.instantid(SDXL, 2048, 512, 1280))
    assert sum(name.startswith("ip_adapter.") for name in file) == 140
    same_shapes(method, "instantid-released", backbone, file, net)


# Small sizes: what our modules calculate with the published weights is what the published networks do.


@pytest.mark.parametrize("shortcut", [True, False])
def test_faceid_plus_calculates_what_its_authors_network_does(shortcut: bool) -> None:
    name = f"ip_adapter_faceid_plus-released{'' if shortcut else '_v1'}"
    weights = published.random(published.faceid_plus(TINY, WIDTH, RANK, EMBEDDING, PATCH))
    method, backbone = small(name, null_of(embedding=(EMBEDDING,), patches=(5, PATCH)))
    fill(method, name, backbone, weights)
    photos = torch.nn.functional.normalize(torch.randn(2, 2, EMBEDDING), dim=-1)  # (B, J, D), two of each person
    unit = torch.nn.functional.normalize(photos.mean(1), dim=-1)  # the network knows no shorter one
    patches = torch.randn(2, 5, PATCH)
    expected = published.faceid_plus_tokens(unit, torch.cat([patches, patches], dim=1), weights, shortcut)
    both = patches[:, None, None].expand(-1, -1, 2, -1, -1)
    people = people_of({"embedding": (photos * EMBEDDING**0.5)[:, None], "patches": both})
    condition = method.condition(Batch(text_of(), people, (8, 16)))
    assert torch.allclose(condition.faces.tokens[:, 0], expected, atol=1e-5)
    same_prediction(method, backbone, condition, published.section(weights, "ip_adapter"), [expected], "ip", 1.0)


@pytest.mark.parametrize("people", [1, 2])
def test_uniportrait_calculates_what_its_authors_network_does(people: int) -> None:
    files = published.uniportrait(TINY, WIDTH, RANK, INTRINSIC, STRUCTURE, depth=2)
    faces, router = published.random(files[0]), published.random(files[1], seed=1)
    null_features = null_of(embedding=(EMBEDDING,), intrinsic=(9, INTRINSIC), **STRUCTURE_PARTS)
    method, backbone = small("uniportrait-released", null_features)
    fill(method, "uniportrait-released", backbone, router, faces)
    given = {name: torch.randn(2, people, 1, *value.shape) for name, value in null_features.items()}
    tokens = [
        published.uniportrait_tokens(given["intrinsic"][:, n, 0], structure(given)[:, n, 0], faces, 0.1)
        for n in range(people)
    ]
    condition = method.condition(Batch(text_of(), people_of(given), (8, 16)))
    assert torch.allclose(condition.faces.tokens, torch.stack(tokens, 1), atol=1e-5)
    layers = published.section(faces, "faceid_adapter")
    if people > 1:  # the authors' code then takes the low-rank set of the router's file
        layers |= published.section(router, "faceid_adapter")
    same_prediction(method, backbone, condition, layers, tokens, "faceid", 0.7)


def test_instantid_calculates_what_its_authors_network_does(tmp_path: Path) -> None:
    method, backbone = small("instantid-released", null_of(embedding=(EMBEDDING,)), inner=2 * WIDTH)
    weights = published.random(published.instantid(TINY, WIDTH, EMBEDDING, 2 * WIDTH))
    net = ControlNetModel.from_unet(backbone.unet)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape))
    net.eval().save_pretrained(tmp_path / "ControlNetModel")
    convert.fill(method, "instantid-released", {"a": weights, **convert.read_release([tmp_path / "ControlNetModel"])},
                  backbone)  # fmt: skip
    embedding, canvas = torch.randn(2, EMBEDDING), torch.rand(2, 3, 64, 128)
    tokens = published.instantid_tokens(embedding, weights)
    people = people_of({"embedding": embedding[:, None, None]})
    condition = method.condition(Batch(text_of(pooled=True), people, (8, 16), control_image=canvas))
    assert torch.allclose(condition.faces.tokens[:, 0], tokens, atol=1e-5)
    states, times = noisy()
    with torch.no_grad():
        added = backbone.added(condition.text, states)
        down, middle = net(states, times, tokens, canvas, 0.8, added_cond_kwargs=added, return_dict=False)
    same_prediction(
        method, backbone, condition, published.section(weights, "ip_adapter"), [tokens], "ip", 0.8, (down, middle)
    )  # fmt: skip


def same_prediction(
    method: Method,
    backbone: Backbone,
    condition: Any,
    layers: dict[str, Tensor],
    people: list[Tensor],
    branch: str,
    scale: float,
    residuals: Any = None,
) -> None:
    """The whole UNet says the same with our layers as with the published ones, and something else than without."""
    states, times = noisy()
    with torch.no_grad():
        plain = backbone.denoise(states, times, condition.text, residuals)
        published.use(backbone.unet, layers, people, branch, scale)
        expected = backbone.denoise(states, times, condition.text, residuals)
        method.attach(backbone.unet)
        found = method.predict(backbone, states, times, condition)
    assert torch.allclose(found, expected, atol=1e-5)
    assert not torch.allclose(found, plain, atol=1e-2)


def test_layers_are_numbered_and_tokens_made_as_by_diffusers() -> None:
    """Diffusers' own reader of these files, which knows tokens, K_id and V_id, but not the low-rank changes."""
    name = "ip_adapter_faceid_plus-released_v1"
    weights = published.random(published.faceid_plus(TINY, WIDTH, RANK, EMBEDDING, PATCH))
    method, backbone = small(name, null_of(embedding=(EMBEDDING,), patches=(5, PATCH)))
    fill(method, name, backbone, weights)
    names = [site.replace("-", ".") for site in in_processor_order(backbone.unet)]
    branches = {key: value for key, value in weights.items() if "_ip." in key}
    adapters = {"image_proj": published.section(weights, "image_proj"),
                "ip_adapter": published.section(branches, "ip_adapter")}  # fmt: skip
    backbone.unet._load_ip_adapter_weights([adapters], low_cpu_mem_usage=False)  # type: ignore[operator]
    processors = backbone.unet.attn_processors  # type: ignore[union-attr]
    processors = {site: each for site, each in processors.items() if not site.startswith("encoder_hid_proj")}
    assert len(processors) == len(names)
    for number, (site, processor) in enumerate(processors.items()):
        assert site == f"{names[number]}.processor"
        assert hasattr(processor, "to_k_ip") == bool(number % 2)
        if number % 2:
            branch = method.get_submodule(f"layers.{names[number].replace('.', '-')}.branch")
            assert torch.equal(processor.to_k_ip[0].weight, branch.key.weight)
            assert torch.equal(processor.to_v_ip[0].weight, branch.value.weight)
    projection = backbone.unet.encoder_hid_proj.image_projection_layers[0]  # type: ignore[union-attr, index]
    unit, projection.clip_embeds = torch.randn(1, EMBEDDING), torch.randn(1, 1, 5, PATCH)
    with torch.no_grad():
        assert torch.allclose(
            projection(unit), published.faceid_plus_tokens(unit, projection.clip_embeds[0], weights, False), atol=1e-5
        )


# What does not fit is named.


def wrong(change: dict[str, Tensor | None]) -> None:
    """A file of FaceID-Plus with other tensors, or without some."""
    name = "ip_adapter_faceid_plus-released"
    weights = published.random(published.faceid_plus(TINY, WIDTH, RANK, EMBEDDING, PATCH)) | change
    method, backbone = small(name, null_of(embedding=(EMBEDDING,), patches=(5, PATCH)))
    fill(method, name, backbone, {key: value for key, value in weights.items() if value is not None})


@pytest.mark.parametrize(
    "key", ["image_proj.proj.7.weight", "ip_adapter.0.to_k_ip.weight", "ip_adapter.99.to_k_ip.weight", "ema.decay"]
)
def test_a_name_without_counterpart_is_named(key: str) -> None:
    with pytest.raises(WeightsError, match=f"file0: 1 of .* no counterpart .*: {key}; expected the layout of ip-ad"):
        wrong({key: torch.ones(2)})


def test_another_shape_is_named() -> None:
    with pytest.raises(WeightsError, match=r"to_k_ip.weight is \(32, 7\), expected \(32, 128\).*params.yaml"):
        wrong({"ip_adapter.1.to_k_ip.weight": torch.ones(32, 7)})


def test_what_is_missing_is_named() -> None:
    with pytest.raises(WeightsError, match=r"lack 1 of the .*: identity.patches.bias; give all files"):
        wrong({"image_proj.perceiver_resampler.proj_in.bias": None})


def test_a_missing_file_of_a_release_is_named() -> None:
    faces, _ = published.uniportrait(TINY, WIDTH, RANK, INTRINSIC, STRUCTURE, depth=2)
    null_features = null_of(embedding=(EMBEDDING,), intrinsic=(9, INTRINSIC), **STRUCTURE_PARTS)
    method, backbone = small("uniportrait-released", null_features)
    with pytest.raises(WeightsError, match=r"not given: uniportrait-router_sd15.bin.*layers\..*more; give all files"):
        fill(method, "uniportrait-released", backbone, published.random(faces))
    with pytest.raises(WeightsError, match="file1 says again"):
        fill(method, "uniportrait-released", backbone, published.random(faces), published.random(faces))


def test_the_image_prompts_branch_and_what_the_routers_file_repeats_are_left_out() -> None:
    files = published.uniportrait(TINY, WIDTH, RANK, INTRINSIC, STRUCTURE, depth=2)
    faces, router = published.random(files[0]), published.random(files[1], seed=1)
    null_features = null_of(embedding=(EMBEDDING,), intrinsic=(9, INTRINSIC), **STRUCTURE_PARTS)
    method, backbone = small("uniportrait-released", null_features)
    fill(method, "uniportrait-released", backbone, faces, router)
    expected = {name: value.clone() for name, value in method.state_dict().items()}
    more = {f"faceid_adapter.1.to_{part}_ip.weight": torch.ones(32, WIDTH) for part in "kv"}
    repeated = {key: value + 1 for key, value in faces.items() if "lora" not in key}
    fill(method, "uniportrait-released", backbone, faces | more, repeated | router)
    assert all(torch.equal(value, expected[name]) for name, value in method.state_dict().items())


# The command.


def release(folder: Path, suffix: str, half: bool = False) -> Path:
    """A file of FaceID-Plus for the tiny models."""
    weights = published.random(
        published.faceid_plus(TINY, 16, RANK, tiny_models.EMBEDDING, tiny_models.VISION["width"])
    )  # type: ignore[arg-type]
    weights = {key: value.half() if half else value for key, value in weights.items()}
    path = folder / f"published{suffix}"
    if suffix == ".safetensors":
        save_file(weights, path)
    else:
        torch.save({name: published.section(weights, name) for name in ("image_proj", "ip_adapter")}, path)
    return path


@pytest.mark.parametrize(("suffix", "half"), [(".safetensors", False), (".bin", False), (".bin", True)])
def test_a_converted_release_is_loaded_like_a_trained_method(
    suffix: str, half: bool, models: Models, tmp_path: Path
) -> None:
    path, out = release(tmp_path, suffix, half), tmp_path / "out"
    convert.convert("ip_adapter_faceid_plus", [path], out, models, "Apache-2.0")
    method = checkpoint.load(out, load.load(models.backbone))
    assert not method.settings.relative
    stored = torch.load(path) if suffix == ".bin" else None
    if stored:
        assert torch.equal(
            method.identity.patches.bias, stored["image_proj"]["perceiver_resampler.proj_in.bias"].float()
        )  # type: ignore[union-attr]
    card = json.loads((out / checkpoint.CARD).read_text())
    assert (card["method"], card["licence"]) == ("ip_adapter_faceid_plus-released", "Apache-2.0")
    assert list(card["released"]) == [path.name]


def test_weights_whose_licence_nobody_states_are_refused(models: Models, tmp_path: Path) -> None:
    path = release(tmp_path, ".bin")
    for licence in ("not stated", "research only"):
        with pytest.raises(LicenceError, match=f"{licence}.* --licence"):
            convert.convert("ip_adapter_faceid_plus", [path], tmp_path / "out", models, licence)
    assert not (tmp_path / "out").exists()
    research = replace(models, allow_non_commercial=True)
    convert.convert("ip_adapter_faceid_plus", [path], tmp_path / "out", research, "not stated")
    convert.check_use(tmp_path / "out", research)
    with pytest.raises(LicenceError, match=r"ip_adapter_faceid_plus-released in .*licence: not stated"):
        convert.check_use(tmp_path / "out", models)


def test_a_method_without_a_table_or_a_file_that_is_not_there_is_one_clear_sentence(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"fastcomposer has no table RELEASED.*instantid"):
        convert.key_maps_of("fastcomposer")
    with pytest.raises(MissingInput, match=r"nothing\.bin"):
        convert.read(tmp_path / "nothing.bin")
    with pytest.raises(WeightsError, match="not a folder of a diffusers ControlNetModel"):
        convert.read_release([tmp_path])


class Surprise:
    def __reduce__(self) -> tuple[Any, ...]:
        return print, ("code of a stranger",)


def test_a_pickle_that_holds_more_than_tensors_is_not_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({"image_proj": Surprise()}, tmp_path / "bad.bin")
    with pytest.raises(WeightsError, match="cannot be read as tensors"):
        convert.read(tmp_path / "bad.bin")
    (tmp_path / "broken.safetensors").write_bytes(b"nonsense")
    with pytest.raises(WeightsError, match="cannot be read as tensors"):
        convert.read(tmp_path / "broken.safetensors")
    torch.save({"image_proj": {"step": 3}}, tmp_path / "number.bin")
    with pytest.raises(WeightsError, match=r"image_proj\.step is a int"):
        convert.read(tmp_path / "number.bin")
    assert "stranger" not in capsys.readouterr().out
