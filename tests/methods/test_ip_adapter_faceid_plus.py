"""IP-Adapter-FaceID-Plus: the embedding alone, and what the image encoder refines."""

from dataclasses import replace

import torch

from pipeline.backbone import load
from pipeline.backbone.batch import Batch, People
from pipeline.backbone.frozen import FrozenEncoders
from pipeline.method import Method
from pipeline.settings import Models
from pipeline.weights import checkpoint


def tokens(method: Method, embedding: torch.Tensor, patches: torch.Tensor, scale: float) -> torch.Tensor:
    method.settings = replace(method.settings, structure_scale=scale)
    who = People({"embedding": embedding, "patches": patches}, torch.ones(1, 1, 1, dtype=torch.bool))
    return method.condition(Batch(None, who, (8, 8))).faces.tokens  # type: ignore[arg-type]


def test_the_shortcut_keeps_the_embedding_and_the_scale_weighs_what_refines_it(models: Models) -> None:
    method = checkpoint.create("ip_adapter_faceid_plus", load.load(models.backbone), FrozenEncoders(models)).eval()
    size = method.null_features["patches"].shape
    embedding, one, other = torch.randn(1, 1, 1, 8), torch.randn(1, 1, 1, *size), torch.randn(1, 1, 1, *size)
    assert tokens(method, embedding, one, 1.0).shape == (1, 1, 4, 16)
    assert torch.allclose(tokens(method, embedding, one, 0.0), tokens(method, embedding, other, 0.0))
    assert not torch.allclose(tokens(method, embedding, one, 1.0), tokens(method, embedding, other, 1.0))
    assert not torch.allclose(tokens(method, embedding, one, 0.0), tokens(method, -embedding, one, 0.0))
