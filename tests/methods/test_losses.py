"""What every phase of every method learns by, and what it teaches: what is lost would go unnoticed otherwise."""

from pathlib import Path

import pytest

from pipeline import plugins
from pipeline.backbone import load
from pipeline.errors import TrainingError
from pipeline.method import Method, trainable
from pipeline.settings import Models
from pipeline.training import loop
from pipeline.training.distributed import SINGLE_PROCESS
from pipeline.training.optimiser import Gradients
from pipeline.training.randomness import StepKey
from tests.methods.test_contract import create
from tests.tiny_training import make_plan

TERMS = {
    "uniportrait": {"single": {"diffusion"}, "groups": {"diffusion", "routing"}},
    "uniportrait-no_route_loss": {"single": {"diffusion"}, "groups": {"diffusion", "routing"}},
    "hifi_portrait": {"single": {"diffusion"}},
    "group_portrait": {
        "latent_id": {"distillation"},
        "single": {"diffusion", "identity", "mask"},
        "groups": {"diffusion", "identity", "mask"},
    },
    "group_portrait-no_latent_id": {
        "latent_id": {"distillation"},
        "single": {"diffusion", "mask"},
        "groups": {"diffusion", "mask"},
    },
    "group_portrait-no_mask_attention": {
        "latent_id": {"distillation"},
        "single": {"diffusion", "identity"},
        "groups": {"diffusion", "identity"},
    },
    "ip_adapter_faceid_plus": {"single": {"diffusion"}},
    "instantid": {"single": {"diffusion"}},
    "fastcomposer": {"single": {"diffusion", "localisation"}, "groups": {"diffusion", "localisation"}},
    "consistentid": {"single": {"diffusion", "facial"}},
}
KEYS = {"layers.branch.key", "layers.branch.value"}
# What each phase teaches; a layer's parts are named without the layer.
PARTS = {
    "uniportrait": {
        "single": {"identity", *KEYS, "layers.single"},
        "groups": {"layers.branch.router", "layers.multi"},
    },
    "uniportrait-no_embedding": {
        "single": {"identity", *KEYS, "layers.single"},
        "groups": {"layers.branch.router", "layers.multi"},
    },
    "hifi_portrait": {"single": {"refiner", *KEYS, "net"}},
    "group_portrait": {
        "latent_id": {"latent_id"},
        "single": {"identity", "look", *KEYS, "layers.branch.nobody", "net"},
        "groups": {"identity", "look", *KEYS, "layers.branch.nobody", "net"},
    },
    "group_portrait-no_latent_id": {
        "latent_id": {"latent_id"},
        "single": {"identity", *KEYS, "layers.branch.nobody", "net"},
        "groups": {"identity", *KEYS, "layers.branch.nobody", "net"},
    },
    "group_portrait-no_controller": {
        "latent_id": {"latent_id"},
        "single": {"identity", "look", *KEYS, "layers.branch.nobody"},
        "groups": {"identity", "look", *KEYS, "layers.branch.nobody"},
    },
    "ip_adapter_faceid_plus": {"single": {"identity", *KEYS, "layers.change"}},
    "instantid": {"single": {"first", "identity", *KEYS, "net"}},
    "fastcomposer": {"single": {"fuse", "layers.change"}, "groups": {"fuse", "layers.change"}},
    "consistentid": {"single": {"identity", "parts", *KEYS, "layers.change"}},
}


@pytest.mark.parametrize("name", plugins.names("methods"))
def test_every_phase_computes_the_losses_that_its_file_names_and_none_is_0(
    name: str, models: Models, tmp_path: Path
) -> None:
    trainer = loop.Trainer(make_plan(tmp_path, models, name, images=4, close_ups=0.0), SINGLE_PROCESS)
    for phase in trainer.phases:
        gradients = Gradients(trainer.optimiser(phase).parameters, len(phase.losses))
        trainer.method.on_phase_resume(phase)
        key, photos = StepKey(*phase.people, 0), trainer.data.eligible(phase.people)[:4]
        terms = trainer._step(phase, key, photos, gradients)
        assert set(terms) == set(phase.losses)
        assert all(terms.values())


def test_a_loss_that_the_phase_does_not_name_ends_training(
    models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Method, "loss", lambda self, step: {"another": step.diffusion()})
    with pytest.raises(TrainingError, match="phase single names the losses diffusion and computes another: let"):
        loop.fit(make_plan(tmp_path, models, "instantid", images=4))


def part(parameter: str) -> str:
    """A parameter's module: identity, layers.change, layers.branch.key and the like."""
    first, *rest = parameter.split(".")
    if first != "layers":
        return first
    return ".".join((first, *rest[1 : 3 if rest[1] == "branch" else 2]))


@pytest.mark.parametrize("name", PARTS)
def test_every_phase_teaches_its_parts_and_those_wholly(name: str, models: Models) -> None:
    method = create(name, load.load(models.backbone), models)
    found = {}
    for phase in method.phases():
        taught = trainable(method, phase)
        found[phase.name] = {part(each) for each in taught}
        assert found[phase.name].isdisjoint(part(each) for each, _ in method.named_parameters() if each not in taught)
    assert found == PARTS[name]


@pytest.mark.parametrize("name", TERMS)
def test_every_phase_learns_by_its_losses(name: str, models: Models, tmp_path: Path) -> None:
    """None of them is 0, but for one whose weight an ablation takes away."""
    trainer = loop.Trainer(make_plan(tmp_path, models, name, images=4, close_ups=0.0), SINGLE_PROCESS)
    found = {}
    for phase in trainer.phases:
        gradients = Gradients(trainer.optimiser(phase).parameters, len(phase.losses))
        trainer.method.on_phase_resume(phase)
        terms = trainer._step(phase, StepKey(*phase.people, 0), trainer.data.eligible(phase.people)[:4], gradients)
        assert all(value != 0 for term, value in terms.items() if term != "routing")
        assert ("routing" in terms and terms["routing"] != 0) == (phase.name == "groups" and name == "uniportrait")
        found[phase.name] = set(terms)
    assert found == TERMS[name]
