"""Which losses every phase of every method learns by: one that is lost would go unnoticed otherwise."""

from pathlib import Path

import pytest

from pipeline import plugins
from pipeline.backbone import loop
from pipeline.settings import Models
from tests.backbone.conftest import make_plan

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


def test_no_method_is_forgotten() -> None:
    assert {name.partition("-")[0] for name in TERMS} == set(plugins.names("methods"))


@pytest.mark.parametrize("name", TERMS)
def test_every_phase_learns_by_its_losses(name: str, models: Models, tmp_path: Path) -> None:
    """None of them is 0, but for one whose weight an ablation takes away."""
    trainer = loop.Trainer(make_plan(tmp_path, models, name, images=4, close_ups=0.0), loop.ALONE)
    found = {}
    for phase in trainer.phases:
        gradients = loop.Gradients(trainer._optimiser(phase)[0], trainer.TERMS)
        trainer.method.begin(phase)
        terms = trainer._step(phase, (*phase.people, 0), trainer.data.eligible(phase.people)[:4], gradients)
        assert all(value != 0 for term, value in terms.items() if term != "routing")
        assert ("routing" in terms and terms["routing"] != 0) == (phase.name == "groups" and name == "uniportrait")
        found[phase.name] = set(terms)
    assert found == TERMS[name]
