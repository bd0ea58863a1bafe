"""What schemas are made of: columns with descriptions, structs, pictures and vectors of fixed length."""

import json
from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

POINTS = 68
DESCRIPTION = b"description"

BOX = pa.list_(pa.float32(), 4)
KEYPOINTS = pa.list_(pa.float32(), 10)
LANDMARKS = pa.list_(pa.float32(), 2 * POINTS)

Column = tuple[str, pa.DataType, str]  # name, type, description


def described(columns: Iterable[Column]) -> list[pa.Field]:
    """Fields that carry their descriptions as metadata."""
    return [pa.field(name, kind, metadata={DESCRIPTION: text.encode()}) for name, kind, text in columns]


def struct(*columns: Column) -> pa.DataType:
    """Named values in one column, each with a description."""
    return pa.struct(described(columns))


IMAGE = struct(
    ("bytes", pa.binary(), "a JPEG, PNG or WebP file"),
    ("path", pa.string(), "what the file would be called"),
)


def table(text: str, *columns: Column) -> pa.Schema:
    """The schema of a folder: what a row is, and its columns; readers such as Hugging Face's see its pictures."""
    pictures = {name: {"_type": "Image"} for name, kind, _ in columns if kind is IMAGE}
    metadata = {DESCRIPTION: text.encode()}
    if pictures:  # without this key they show a struct of bytes
        metadata[b"huggingface"] = json.dumps({"info": {"features": pictures}}).encode()
    return pa.schema(described(columns), metadata=metadata)


def vector(length: int) -> pa.DataType:
    """A float32 vector of fixed length; lengths are read from the models."""
    return pa.list_(pa.float32(), length)


def vectors(values: NDArray[Any], absent: NDArray[np.bool_] | None = None) -> pa.FixedSizeListArray:
    """A column of float32 vectors from (rows, length); rows where `absent` is true are null."""
    flat = pa.array(np.ascontiguousarray(values, np.float32).ravel())
    mask = None if absent is None else pa.array(absent)
    return pa.FixedSizeListArray.from_arrays(flat, values.shape[1], mask=mask)


def matrix(column: pa.ChunkedArray) -> NDArray[np.float32]:
    """The vectors (rows, length) of a column of fixed-size lists; null rows are NaN."""
    joined = column.combine_chunks()
    values = np.full((len(joined), joined.type.list_size), np.nan, np.float32)
    values[joined.is_valid().to_numpy(zero_copy_only=False)] = joined.flatten().to_numpy().reshape(-1, values.shape[1])
    return values
