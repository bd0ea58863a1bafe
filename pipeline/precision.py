"""Which numbers a device calculates with: bfloat16 where that is faster, else float32."""

from typing import Any

import torch

# x86 with AVX-512 or AMX for it, Arm
INSTRUCTIONS = ("avx512_bf16", "amx_bf16", "bf16")


def half_is_fast(device: torch.device) -> bool:
    """Whether a device has instructions for bfloat16; a processor without them takes fifty times as long."""
    if device.type == "cpu":
        found = torch.cpu.get_capabilities()
        return any(found.get(name, False) for name in INSTRUCTIONS)
    return device.type != "cuda" or torch.cuda.is_bf16_supported(including_emulation=False)


def autocast(device: torch.device, wanted: bool = True) -> Any:
    """A context that calculates in bfloat16 where that is wanted and fast, and otherwise does nothing."""
    return torch.autocast(device.type, torch.bfloat16, enabled=wanted and half_is_fast(device))
