"""A tiny web: rows of answers in a temporary folder, and settings that crawl it quickly."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import yaml
from PIL import Image

from pipeline import images, records, settings, shards
from pipeline.settings import CrawlSettings
from tests.conftest import ROOT

HTML = "Content-Type: text/html"
JPEG = "Content-Type: image/jpeg"


def jpeg(number: int, size: int = 128, quality: int = 92) -> bytes:
    """A picture of its own for every number: some random low frequencies."""
    waves = np.random.default_rng(number).normal(0, 60, (12, 12, 3))
    coarse = Image.fromarray(np.clip(128 + waves, 0, 255).astype(np.uint8)).resize((128, 128), Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    coarse.resize((size, size)).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def heic(picture: bytes) -> bytes:
    """A JPEG behind the head of an HEIC file: what `heic_decoder` reads."""
    return b"\0\0\0\x18ftypheic" + bytes(12) + picture


@contextmanager
def heic_decoder(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A decoder of `heic`, as if pillow-heif were installed."""
    read = images.read
    with monkeypatch.context() as patched:
        patched.setattr(images, "_is_heif", lambda _: False)
        patched.setattr(images, "read", lambda data, *rest: read(data[24 * (data[4:12] == b"ftypheic") :], *rest))
        yield


class Web:
    """Collects answers, then writes them as a drawn site."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._rows: list[dict[str, Any]] = []

    def add(self, url: str, body: bytes | str = b"", *headers: str, status: int = 200, refusals: int = 0) -> None:
        host, _, path = url.removeprefix("http://").partition("/")
        body = body.encode() if isinstance(body, str) else body
        kind = headers or ((HTML,) if body.lstrip()[:1] == b"<" else (JPEG,))
        row = {"host": host, "path": f"/{path}", "status": status, "refusals": refusals, "body": body}
        self._rows.append({**row, "headers": list(kind)})

    def page(self, url: str, *images: str, links: tuple[str, ...] = (), head: str = "") -> None:
        figures = "".join(f'<img src="{image}" alt="about {image}">' for image in images)
        anchors = "".join(f'<a href="{link}">go</a>' for link in links)
        self.add(url, f"<html><head>{head}</head><body>{figures}{anchors}</body></html>")

    def write(self) -> Path:
        table = pa.Table.from_pylist(self._rows, records.SITE)
        shards.write(self.folder / "site/0.parquet", table, records.SITE)
        return self.folder


@pytest.fixture
def web(tmp_path: Path) -> Web:
    return Web(tmp_path / "site")


def make_settings(**changes: Any) -> CrawlSettings:
    """Settings of the world's crawl with changes, impatient enough for tests."""
    raw = yaml.safe_load((ROOT / "params.yaml").read_text())["crawl"]
    impatient = {"timeout_seconds": 1.0, "retries": 1, "requests_per_second": 2000}
    return settings.build(
        CrawlSettings, raw | impatient | {"seeds": ["http://a.test/"], "scope": ["*.test"]} | changes, "test"
    )
