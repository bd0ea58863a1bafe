"""Map a worker over shards with Ray actors. With backbone/train.py this is the only module that imports ray.

A worker is a plain class: its constructor loads models once, calling it with a task does the work of one shard and
writes it. What travels through Ray's object store is paths and row ranges, never image bytes.
"""

import logging
import os
import socket
import tempfile
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from tqdm import tqdm

from pipeline import process
from pipeline.errors import ClusterError, LikenessError

Result = TypeVar("Result")

# Ray's token authentication is switched on by a local ray.init() and then breaks a later `ray job submit`.
os.environ.setdefault("RAY_AUTH_MODE", "disabled")
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
# Ray runs its workers at niceness 15: beside anything else on a shared machine they would hardly run at all.
os.environ.setdefault("RAY_worker_niceness", "0")

MAX_TRIES = 3


def connect() -> None:
    """Join the Ray that RAY_ADDRESS names, or start a local one for this process and its children.

    Raises:
        ClusterError: nothing answers at RAY_ADDRESS, or a local Ray does not start.
    """
    import ray

    if ray.is_initialized():
        return
    address = os.environ.get("RAY_ADDRESS")
    _check_reachable(address)
    environment = {"env_vars": process.thread_limits() | forwarded_environment()}
    try:
        if address:
            ray.init(address=address, runtime_env=environment, log_to_driver=False, logging_level=logging.ERROR)
        else:
            ray.init(
                num_cpus=os.cpu_count(),
                include_dashboard=False,
                runtime_env=environment,
                log_to_driver=False,
                logging_level=logging.ERROR,
                object_store_memory=200 * 2**20,
                _temp_dir=tempfile.mkdtemp(prefix="ray-"),
            )
    except Exception as error:  # ray.init raises many kinds, a bare Exception when its own start times out among them
        raise _no_ray(address, error) from error


def _check_reachable(address: str | None) -> None:
    """Fail in seconds where nothing listens: ray.init itself would try for many minutes."""
    host, _, port = (address or "").rpartition("/")[2].rpartition(":")
    if not host or not port.isdigit():
        return
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except OSError as error:
        raise _no_ray(address, error) from error


def _no_ray(address: str | None, error: Exception) -> ClusterError:
    if address is None:
        return ClusterError(f"Ray did not start on this machine ({error}): free memory or processor time, run again")
    return ClusterError(
        f"no Ray to connect to at RAY_ADDRESS={address} ({error}): start one with `ray start --head`, or unset it"
    )


def forwarded_environment() -> dict[str, str]:
    """What workers must see of the driver's environment: DVC's variables and ours (Ray does not pass them on)."""
    return {name: value for name, value in os.environ.items() if name.startswith(("DVC", "LIKENESS"))}


def map_shards(
    make_worker: Callable[[], Callable[[Any], Result]],
    tasks: Sequence[Any],
    description: str,
    workers: int | None = None,
) -> Iterator[Result]:
    """Call a worker on every task, on as many actors as the cluster has cores; results come as they finish.

    Args:
        make_worker: builds the worker inside the actor, for instance functools.partial(FaceWorker, settings).
        tasks: small picklable values.
        description: the label of the progress bar.
        workers: number of actors; by default one per core, at most one per task.

    A task whose actor dies goes to another actor, at most MAX_TRIES times in all; an error that a worker raises is
    raised here after the other tasks have finished, so that one bad shard costs no good one.

    Raises:
        LikenessError: what the worker raised.
        ClusterError: actors kept dying on a task.
    """
    if not tasks:
        return
    connect()
    import ray

    count = min(len(tasks), workers or int(ray.cluster_resources().get("CPU", 1)))
    pool = _Pool(make_worker, count)
    try:
        yield from tqdm(pool.map(tasks), total=len(tasks), desc=description, unit="shard", mininterval=1.0)
    finally:
        pool.close()
    pool.raise_first_error()


class _Pool:
    """A bounded pool of actors with one task in flight each, and requeueing of tasks whose actor died."""

    def __init__(self, make_worker: Callable[[], Callable[[Any], Any]], count: int) -> None:
        import ray

        self._ray = ray
        self._actor_class = ray.remote(num_cpus=1, max_restarts=0)(_Actor)
        self._make_worker = make_worker
        self._idle = [self._start() for _ in range(count)]
        self._errors: list[BaseException] = []

    def map(self, tasks: Sequence[Any]) -> Iterator[Any]:
        waiting = [(task, 1) for task in reversed(tasks)]
        running: dict[Any, tuple[Any, Any, int]] = {}
        while waiting or running:
            while waiting and self._idle:
                task, attempt = waiting.pop()
                actor = self._idle.pop()
                running[actor.call.remote(task)] = (actor, task, attempt)
            done, _ = self._ray.wait(list(running), num_returns=1)
            actor, task, attempt = running.pop(done[0])
            try:
                yield self._ray.get(done[0])
                self._idle.append(actor)
            except self._ray.exceptions.ActorDiedError as error:
                self._replace(task, attempt, error, waiting)
            except Exception as error:
                self._errors.append(error)
                self._idle.append(actor)

    def raise_first_error(self) -> None:
        """Raise the first error that a worker raised, as itself."""
        if not self._errors:
            return
        error = self._errors[0]
        cause = getattr(error, "cause", None) or error
        raise cause if isinstance(cause, LikenessError | OSError) else error

    def close(self) -> None:
        for actor in self._idle:
            self._ray.kill(actor)

    def _start(self) -> Any:
        return self._actor_class.remote(self._make_worker, os.getcwd())

    def _replace(self, task: Any, attempt: int, error: Exception, waiting: list[tuple[Any, int]]) -> None:
        self._idle.append(self._start())
        if attempt < MAX_TRIES:
            waiting.append((task, attempt + 1))
        else:
            self._errors.append(ClusterError(f"workers died {attempt} times on task {task!r}: {error}"))


class _Actor:
    """Runs a worker in the driver's folder: a Ray started by hand runs its processes wherever it was started.

    The worker is built by the first call, not by the constructor: what goes wrong then is the error of a task, with
    its own sentence, and not the death of an actor that would be started again and again.
    """

    def __init__(self, make_worker: Callable[[], Callable[[Any], Any]], folder: str) -> None:
        os.chdir(folder)
        self._make_worker = make_worker
        self._worker: Callable[[Any], Any] | None = None
        self._error: LikenessError | None = None

    def call(self, task: Any) -> Any:
        if self._error:
            raise self._error
        if self._worker is None:
            self._worker = self._built()
        return self._worker(task)

    def _built(self) -> Callable[[Any], Any]:
        try:
            return self._make_worker()
        except LikenessError as error:
            self._error = error
            raise
