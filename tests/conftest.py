"""What every test shares: no network but loopback, one Ray session, a small deterministic picture."""

import ipaddress
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")
# Bytes and bounds of tests are those of a processor, whatever else a machine has.
os.environ["CUDA_VISIBLE_DEVICES"] = ""

pytest_plugins = ["tests.crowd", "tests.tiny_training"]

ROOT = Path(__file__).parent.parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first: of several processes none is left alone with one of them at the end."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


def pytest_make_parametrize_id(val: object) -> str | None:
    """Bytes are named by their length: those of gzip hold the time, and each process of xdist must name tests alike."""
    return f"{len(val)}-bytes" if isinstance(val, bytes) else None


def _is_local(address: Any) -> bool:
    if not isinstance(address, tuple):  # a Unix socket
        return True
    try:
        return not ipaddress.ip_address(address[0]).is_global
    except ValueError:
        return address[0] in ("localhost", socket.gethostname())


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Connecting to anything but this machine fails the test."""
    real = socket.socket.connect

    def connect(self: socket.socket, address: Any) -> None:
        assert _is_local(address), f"a test tried to reach {address}"
        return real(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect)


@pytest.fixture(scope="session")
def local_ray() -> Iterator[None]:
    """One Ray for all tests that need one; they come and go too slowly to have their own."""
    from pipeline import actors

    actors.connect()
    yield
    import ray

    ray.shutdown()


@pytest.fixture
def picture() -> np.ndarray:
    """A smooth RGB gradient, uint8 (48, 64, 3), that survives JPEG."""
    y, x = np.mgrid[0:48, 0:64]
    return np.stack([x * 4, y * 5, (x + y) * 2], axis=-1).astype(np.uint8)


@pytest.fixture(scope="session")
def real_folder() -> Path:
    """The folder of real photographs and models; the test is skipped where it is absent."""
    folder = Path(os.environ.get("LIKENESS_REAL", ROOT / ".." / "shared" / "real"))
    if not folder.is_dir():
        pytest.skip("no real photographs: set LIKENESS_REAL")
    return folder.resolve()
