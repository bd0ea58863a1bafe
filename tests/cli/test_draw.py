"""The command: every method draws one and two people through it, and what it says where something is wrong."""

import errno
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline import plugins, settings
from pipeline.cli.main import main
from pipeline.errors import EXIT_CODE
from pipeline.settings import Settings

Command = Callable[..., None]


@pytest.fixture
def command(params: Settings, weights: Callable[[str], Path], photos: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs the command; words that name a file beside the photos become its path."""
    monkeypatch.setattr(settings, "load", lambda: params)

    def call(name: str, *words: object) -> None:
        found = [str(photos / str(word)) if (photos / str(word)).is_file() else str(word) for word in words]
        monkeypatch.setattr(sys, "argv", ["likeness", "draw", "--method", name, "--prompt", "a of b", *found])
        main()

    return call


@pytest.mark.parametrize("name", plugins.names("methods"))
def test_every_method_draws_one_and_two_people(
    command: Command, weights: Callable[[str], Path], tmp_path: Path, name: str
) -> None:
    given = ["--weights", weights(name), "--person", "ada.png", "ada2.png"]
    command(name, *given, "--layout", "layout1.json", "--out", tmp_path / "one.png")
    command(name, *given, "--person", "ben.png", "--layout", "layout2.json", "--out", tmp_path / "two.png")
    for file, size in (("one.png", (64, 64)), ("two.png", (128, 64))):
        picture = Image.open(tmp_path / file)
        assert picture.size == size
        assert np.asarray(picture).std() > 0


def test_a_series_counts_seeds_and_repeats_itself(
    command: Command, weights: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["--weights", weights("uniportrait"), "--person", "ada.png", "--steps", 1, "--width", 64, "--height", 64]
    command("uniportrait", *given, "--seed", 7, "--images", 2, "--out", tmp_path / "new" / "x.png")
    assert capsys.readouterr().out.split() == [str(tmp_path / "new" / f"x-{seed}.png") for seed in (7, 8)]
    command("uniportrait", *given, "--seed", 8, "--out", tmp_path / "y.png")
    first, second, again = (tmp_path / path for path in ("new/x-7.png", "new/x-8.png", "y.png"))
    assert again.read_bytes() == second.read_bytes() != first.read_bytes()
    command("uniportrait", *given, "--seed", 8, "--scale", "face-scale", 30, "--out", tmp_path / "z.png")
    assert (tmp_path / "z.png").read_bytes() != second.read_bytes()


@pytest.mark.parametrize(
    ("name", "words", "error"),
    [
        ("uniportrat", [], "no uniportrat.py in pipeline/methods/; did you mean uniportrait?"),
        ("instantid", [], "train the method (`python -m stages.train instantid`)"),
        ("uniportrait", ["--out", "x.jpg"], "--out x.jpg must end in .png"),
        ("uniportrait", ["--images", "0"], "--images must be at least 1"),
        ("uniportrait", ["--scale", "face_scale", "much"], "--scale takes a name and a number"),
        ("uniportrait", ["--promt", "x"], "unknown option --promt; did you mean --prompt?"),
        ("uniportrait", ["--lora", "x.safetensors", "1", "2"], "--lora takes a file and at most one number"),
    ],
)
def test_errors_before_anything_is_loaded(
    command: Command, capsys: pytest.CaptureFixture[str], name: str, words: list[str], error: str
) -> None:
    with pytest.raises(SystemExit) as stopped:
        command(name, "--weights", f"nowhere/{name}", "--person", "ada.png", "--out", "x.png", *words)
    assert stopped.value.code == EXIT_CODE
    assert error in capsys.readouterr().err


def test_weights_of_another_method_are_refused(
    command: Command, weights: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        command("instantid", "--weights", weights("uniportrait"), "--person", "ada.png", "--out", "x.png")
    assert "holds uniportrait, not instantid" in capsys.readouterr().err


def test_a_full_disk_leaves_no_picture(
    command: Command,
    weights: Callable[[str], Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def save(self: Image.Image, path: Path, **options: object) -> None:
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", save)
    given = ["--weights", weights("uniportrait"), "--person", "ada.png", "--steps", 1, "--width", 64, "--height", 64]
    with pytest.raises(SystemExit) as stopped:
        command("uniportrait", *given, "--out", tmp_path / "x.png")
    assert stopped.value.code == EXIT_CODE
    assert "no space left" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_help_shows_an_example(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        command("uniportrait", "--help")
    assert stopped.value.code == 0
    assert "--person ada.jpg ada2.jpg --person ben.jpg" in capsys.readouterr().out
