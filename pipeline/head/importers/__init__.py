"""Heads of other projects in our layout: `likeness convert head FILE OUT`.

The layout is found by what a file holds, not by its name. Numbers alone are read: nothing that a file says is executed.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import scipy.io

from pipeline.head.importers import bfm, flame, gnm, ict, pickles
from pipeline.head.model import Head

ZIP, HDF5, MATLAB, PICKLES = b"PK", b"\x89HDF", b"MATLAB", (b"\x80", b"(")


def read(path: Path, landmarks: Path | None = None) -> Head:
    """The head that a file holds: ICT-FaceKit or GNM (.npz), FLAME (.pkl, .npz), BFM of 2009 (.mat), 2017, 2019 (.h5).

    Args:
        landmarks: table of 68 points in iBUG order, for a model that has none.

    Raises:
        ValueError: it is none of these, lacks something, or asks to run code; the message says what.
    """
    with path.open("rb") as stream:
        start = stream.read(16)
    if start.startswith(ZIP):
        with np.load(path, allow_pickle=False) as file:
            arrays = {key: file[key] for key in file.files}
    elif start.startswith(MATLAB):
        return bfm.import_2009(scipy.io.loadmat(path), landmarks)
    elif start.startswith(HDF5):
        return bfm.import_2017(bfm.read_hdf5(path), landmarks)
    elif start.startswith(PICKLES):
        arrays = pickles.read(path)
    else:
        raise ValueError("it is neither a .npz, a .pkl, a .mat nor a .h5 file")
    return _of_arrays(path, arrays, landmarks)


def _of_arrays(path: Path, arrays: Mapping[str, np.ndarray], landmarks: Path | None) -> Head:
    if "template_vertex_positions" in arrays:
        return gnm.import_gnm(arrays, landmarks)
    if "v_template" in arrays:
        return flame.import_flame(arrays, landmarks)
    return ict.import_ict(path)
