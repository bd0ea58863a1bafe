"""The errors of Likeness, and how a command ends on one: one clear sentence and a non-zero exit.

LikenessError
├── SettingsError      a setting is unknown, misspelt or of the wrong type
├── LicenceError       a part's licence is not known to allow what the run is for
├── MissingInput       a weight file, model directory or input folder is not there, or is empty
├── WeightsError       a file of published weights is not in the layout of the method that it is given for
├── ShardError         a shard is corrupt or does not have the columns it must have
├── StorageError       the disk is full or a folder cannot be written
├── ClusterError       there is no Ray to connect to, or its workers keep dying
├── FairnessError      a rule of the fairness contract is broken: the results would not mean what they say
└── TrainingError      training cannot go on (a loss that is not finite, say)
"""

import difflib
import errno
import os
import select
import signal
import sys
from collections.abc import Callable, Iterable

EXIT_CODE = 2
INTERRUPTED, UNREAD = 128 + signal.SIGINT, 128 + signal.SIGPIPE  # as shells count deaths by a signal


class LikenessError(Exception):
    """Something a person can mend; its text says what was found, what was expected, where, and what to do."""


class SettingsError(LikenessError):
    """A setting is unknown, misspelt or of the wrong type."""


class LicenceError(LikenessError):
    """A part's licence is not known to allow what the run is for."""


class MissingInput(LikenessError):
    """A weight file, model directory or input folder is not there, or is empty."""


class WeightsError(LikenessError):
    """A file of published weights is not in the layout of the method that it is given for, or is not safe to read."""


class ShardError(LikenessError):
    """A shard is corrupt or does not have the columns that its folder's schema asks for."""


class StorageError(LikenessError):
    """The disk is full or a folder cannot be written."""


class ClusterError(LikenessError):
    """There is no Ray to connect to, or its workers keep dying."""


class FairnessError(LikenessError):
    """A rule of the fairness contract is broken: the results would not mean what they say."""


class TrainingError(LikenessError):
    """Training cannot go on, for instance because its loss is no longer finite."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """'; did you mean x?' when a known word is close to `word`, else the list of known words."""
    choices = sorted(known)
    close = difflib.get_close_matches(word, choices, n=1)
    return f"; did you mean {close[0]}?" if close else f"; known: {', '.join(choices) or 'none'}"


def storage_error(error: OSError) -> StorageError | None:
    """The sentence for an operating system error about space or permission; None for any other error."""
    where = error.filename or "the output folder"
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return StorageError(f"no space left while writing {where}: free some and run again, finished shards are kept")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST):
        return StorageError(f"cannot write {where}: make the folder writable and run again, finished shards are kept")
    return None


def input_error(error: OSError) -> MissingInput | None:
    """The sentence for a file that cannot be read; None for any other error."""
    where = error.filename
    if error.errno == errno.ENOENT and where:
        return MissingInput(f"no {where}: check its path, or run the stage that makes it")
    if error.errno == errno.EISDIR and where:
        return MissingInput(f"{where} is a folder, a file was expected: check its path")
    if error.errno in (errno.EACCES, errno.EPERM) and where and os.path.exists(where) and not os.access(where, os.R_OK):
        return MissingInput(f"cannot read {where}: you may not; give yourself permission to read it (chmod u+r)")
    return None


def run(main: Callable[[], None]) -> None:
    """Run a command and end as commands do, without a traceback for what a person can mend.

    A LikenessError, a file that cannot be read or a place that cannot be written is one sentence on stderr and exit
    code 2; Ctrl-C is one word and 130; who reads our output may stop early (`| head`), which is silent and 141.
    """
    try:
        try:
            main()
        finally:
            sys.stdout.flush()  # here, so that a closed pipe is met here
    except LikenessError as error:
        sys.exit(_fail(error))
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # what is left to do, stopping workers, is done in peace
        print("interrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)
    except OSError as error:
        if error.errno == errno.EPIPE and _nobody_reads():
            sys.exit(UNREAD)
        known = input_error(error) or storage_error(error)
        if known is None:
            raise
        sys.exit(_fail(known))


def _fail(error: LikenessError) -> int:
    print(f"error: {error}", file=sys.stderr)
    return EXIT_CODE


def _nobody_reads() -> bool:
    """Whether standard output is a pipe whose reader is gone; if so, nothing more is written to it."""
    try:
        out = sys.stdout.fileno()
    except (OSError, ValueError):  # a test's, say
        return False
    watched = select.poll()
    watched.register(out, 0)
    if not any(seen & (select.POLLERR | select.POLLHUP) for _, seen in watched.poll(0)):
        return False
    os.dup2(os.open(os.devnull, os.O_WRONLY), out)  # or the interpreter would try once more on its way out
    return True
