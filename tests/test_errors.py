import errno

import pytest

from pipeline import errors


def test_a_known_error_is_one_sentence_and_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    def main() -> None:
        raise errors.MissingInput("no weights in x: train first")

    with pytest.raises(SystemExit) as stop:
        errors.run(main)
    assert stop.value.code == 2
    assert capsys.readouterr().err == "error: no weights in x: train first\n"


def test_a_full_disk_is_known_too(capsys: pytest.CaptureFixture[str]) -> None:
    def main() -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "data/x")

    with pytest.raises(SystemExit):
        errors.run(main)
    assert "no space left while writing data/x" in capsys.readouterr().err


def test_a_bug_keeps_its_traceback() -> None:
    def main() -> None:
        raise OSError(errno.EPIPE, "Broken pipe")

    with pytest.raises(BrokenPipeError):
        errors.run(main)


def test_did_you_mean() -> None:
    assert errors.did_you_mean("peple", ["people", "seed"]) == "; did you mean people?"
    assert errors.did_you_mean("zzz", ["people", "seed"]) == "; known: people, seed"
