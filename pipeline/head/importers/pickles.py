"""Arrays of a pickle without running it: only arrays, sparse matrices and chumpy's arrays are known, as inert data.

FLAME is given out as a pickle, and `pickle.load` does whatever a pickle says. Here every name that a pickle asks for
must be one of a short list, and each stands for a class of this file: no code of numpy, scipy or chumpy is called.
"""

import pickle
import re
from pathlib import Path
from typing import IO, Any

import numpy as np
import scipy.sparse


class _Inert:
    """What a pickle makes; its state is kept, nothing is done with it."""

    def __init__(self, *values: Any) -> None:
        self.values = values
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _Array(_Inert):
    """numpy.ndarray."""


class _Type(_Inert):
    """numpy.dtype."""


class _Ch(_Inert):
    """chumpy.Ch, whose numbers are its `x`."""


class _Sparse(_Inert):
    """scipy.sparse.csc_matrix."""


def _made(kind: Any, *_: Any) -> _Inert:
    """What `copy_reg._reconstructor` and numpy's `_reconstruct` return: an object without a state yet."""
    if not (isinstance(kind, type) and issubclass(kind, _Inert)):
        raise pickle.UnpicklingError("it makes an object of no known class")
    return kind()


def _encoded(text: str, *_: Any) -> bytes:
    return text.encode("latin1")


KNOWN: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Type,
    ("chumpy.ch", "Ch"): _Ch,
    ("_codecs", "encode"): _encoded,
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _made for core in ("core", "_core")},
    **{(f"scipy.sparse.{part}", "csc_matrix"): _Sparse for part in ("csc", "_csc")},
    **{(module, "_reconstructor"): _made for module in ("copy_reg", "copyreg")},
    **{(module, "object"): object for module in ("__builtin__", "builtins")},
    **{(module, "set"): _Inert for module in ("__builtin__", "builtins")},
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in KNOWN:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is no array: it may run code")
        return KNOWN[module, name]


def read(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a pickled dictionary, by name; entries that are no arrays are left out.

    Raises:
        ValueError: it asks for anything but arrays, or is no dictionary.
    """
    with path.open("rb") as stream:
        found = load(stream)
    if not isinstance(found, dict):
        raise ValueError(f"it holds {type(found).__name__}, a dictionary of arrays was expected")
    arrays = {str(name): _numbers(value) for name, value in found.items()}
    return {name: value for name, value in arrays.items() if value is not None}


def load(stream: IO[bytes]) -> Any:
    """What a pickle holds, with inert objects in place of arrays.

    Raises:
        ValueError: it asks for anything but arrays, or is broken.
    """
    try:
        return _Unpickler(stream, encoding="latin1").load()
    except (pickle.UnpicklingError, EOFError, AttributeError, IndexError, KeyError, TypeError, OverflowError) as error:
        raise ValueError(f"the pickle is not read: {error}") from error


def _numbers(value: Any) -> np.ndarray | None:
    if isinstance(value, _Ch):
        return _numbers((value.state or {}).get("x"))
    if isinstance(value, _Sparse):
        parts = {name: _numbers(value.state[name]) for name in ("data", "indices", "indptr")}
        columns = (parts["data"], parts["indices"], parts["indptr"])
        return scipy.sparse.csc_matrix(columns, shape=tuple(value.state["_shape"])).toarray()
    return _array(value.state) if isinstance(value, _Array) and value.state else None


def _array(state: tuple) -> np.ndarray | None:
    """An array of the state that numpy pickles: version, shape, type, whether by columns, bytes."""
    _, shape, kind, by_columns, raw = state
    name, order = str(kind.values[0]), str(kind.state[1])
    if not re.fullmatch(r"[biuf]\d+", name):
        return None  # texts and objects
    data = raw.encode("latin1") if isinstance(raw, str) else raw
    flat = np.frombuffer(data, np.dtype((order if order in "<>" else "=") + name))
    return flat.reshape(shape, order="F" if by_columns else "C")
