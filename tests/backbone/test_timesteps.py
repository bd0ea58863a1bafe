"""Which timesteps a batch sees."""

import torch

from pipeline.backbone.timesteps import FOCUS, stratified_timesteps


def test_times_fall_into_every_part_of_the_schedule_and_half_into_the_focus() -> None:
    times = stratified_timesteps(10, 1000, FOCUS, torch.Generator().manual_seed(0))
    assert {time // 200 for time in times.tolist()} == set(range(5))
    low, high = (share * 1000 for share in FOCUS)
    assert ((times >= low) & (times < high)).sum() >= 5
    assert len(stratified_timesteps(1, 1000, FOCUS, torch.Generator())) == 1
