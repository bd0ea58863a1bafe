import errno
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline import errors
from tests.conftest import ROOT


def ended_by(error: BaseException) -> object:
    """The exit code of a command that raises."""

    def main() -> None:
        raise error

    with pytest.raises(SystemExit) as stop:
        errors.run(main)
    return stop.value.code


def python(text: str, shell: str = "") -> subprocess.CompletedProcess[str]:
    """Run a program in the project, its output piped through a command of the shell."""
    command = f'set -o pipefail; "{sys.executable}" -c "$0" {shell}'
    return subprocess.run(["bash", "-c", command, text], cwd=ROOT, capture_output=True, text=True, timeout=60)


def test_a_known_error_is_one_sentence_and_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert ended_by(errors.MissingInput("no weights in x: train first")) == 2
    assert capsys.readouterr() == ("", "error: no weights in x: train first\n")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_is_known_too(capsys: pytest.CaptureFixture[str], number: int) -> None:
    assert ended_by(OSError(number, "No space left on device", "data/x")) == 2
    assert "no space left while writing data/x" in capsys.readouterr().err


def test_a_file_that_is_not_there_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(FileNotFoundError) as found:
        (tmp_path / "x.json").read_text()
    assert ended_by(found.value) == 2
    assert f"no {tmp_path}/x.json: check its path" in capsys.readouterr().err


def test_a_folder_where_a_file_must_be_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(IsADirectoryError) as found:
        tmp_path.read_text()
    assert ended_by(found.value) == 2
    assert f"{tmp_path} is a folder, a file was expected" in capsys.readouterr().err


def test_reading_and_writing_without_permission_are_told_apart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.access", lambda path, mode: False)  # the superuser may read everything
    (tmp_path / "x.json").touch()
    assert ended_by(PermissionError(errno.EACCES, "Permission denied", str(tmp_path / "x.json"))) == 2
    assert f"cannot read {tmp_path}/x.json" in capsys.readouterr().err
    assert ended_by(PermissionError(errno.EACCES, "Permission denied", str(tmp_path / "y.json"))) == 2
    assert f"cannot write {tmp_path}/y.json" in capsys.readouterr().err


def test_ctrl_c_is_one_word_and_130() -> None:
    done = python("from pipeline.errors import run\ndef main(): raise KeyboardInterrupt\nrun(main)")
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "interrupted\n")


def test_output_that_nobody_reads_to_its_end_is_no_error() -> None:
    done = python("from pipeline.errors import run\nrun(lambda: print('x\\n' * 10**6))", "| head -1")
    assert (done.returncode, done.stdout, done.stderr) == (141, "x\n", "")


def test_a_bug_keeps_its_traceback() -> None:
    def main() -> None:
        raise OSError(errno.EPIPE, "Broken pipe")

    with pytest.raises(BrokenPipeError):
        errors.run(main)


def test_did_you_mean() -> None:
    assert errors.did_you_mean("peple", ["people", "seed"]) == "; did you mean people?"
    assert errors.did_you_mean("zzz", ["people", "seed"]) == "; known: people, seed"
