"""bfloat16 only where it is fast."""

import pytest
import torch

from pipeline import precision

CPU = torch.device("cpu")


@pytest.mark.parametrize("name", precision.INSTRUCTIONS)
def test_a_processor_with_instructions_for_it_uses_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {name: True})
    a = torch.ones(2, 2)
    with precision.autocast(CPU):
        assert (a @ a).dtype == torch.bfloat16
    with precision.autocast(CPU, wanted=False):
        assert (a @ a).dtype == torch.float32


def test_a_processor_without_them_stays_with_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True})
    a = torch.ones(2, 2)
    with precision.autocast(CPU):
        assert (a @ a).dtype == torch.float32
