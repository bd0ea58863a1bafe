"""Tables of names: placeholders, numbers of layers, and low-rank changes with a scale."""

import torch

from pipeline.weights.key_maps import LEFT_OUT, KeyMap, apply_alpha, lora_keys

SITES = ["down-attn1", "down-attn2", "mid-attn1"]


def test_placeholders_carry_over_and_numbers_become_sites() -> None:
    names = {"a.{site}.k": "layers.{site}.key", "p.{n}.0.{rest}": "first.{n}.{rest}", "old": LEFT_OUT}
    layout = KeyMap("file", "^a", names)
    assert layout.rename("a.2.k", SITES) == "layers.mid-attn1.key"
    assert layout.rename("p.12.0.norm.bias", SITES) == "first.12.norm.bias"
    assert layout.rename("old", SITES) == LEFT_OUT
    for unknown in ("a.3.k", "a.x.k", "a.2.k.more", "axk", "p.1.1.w", "older"):
        assert layout.rename(unknown, SITES) is None


def test_low_rank_rows_are_down_and_up_of_four_projections() -> None:
    rows = lora_keys("x.{site}.to_{part}_lora", "y.{site}")
    assert len(rows) == 8
    assert rows["x.{site}.to_out_lora.up.weight"] == "y.{site}.out.up"


def test_an_alpha_scales_up_by_its_share_of_the_rank() -> None:
    weights = {"q.down.weight": torch.ones(4, 3), "q.up.weight": torch.ones(2, 4), "q.alpha": torch.tensor(2.0)}
    found = apply_alpha(weights)
    assert torch.equal(found["q.up.weight"], torch.full((2, 4), 0.5))
    assert sorted(found) == ["q.down.weight", "q.up.weight"]
    assert torch.equal(weights["q.up.weight"], torch.ones(2, 4))
    assert list(apply_alpha({"lost.alpha": torch.ones(())})) == ["lost.alpha"]
