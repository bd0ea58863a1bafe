"""The layouts in which authors publish their weights: tables of names, and how a file is brought to ours by one.

A method's file holds one table for each file of its release. A table maps a released name to the name here; in both may
stand `{site}`, the number of an attention layer there and its name here, `{n}`, any number, and `{rest}`, the rest of
the name. A name that maps to nothing (`LEFT_OUT`) is known and not read. Shapes must be equal, but for a leading axis
of one that is only in the file (a learned query with its batch axis).
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from torch import Tensor, nn

from pipeline.errors import WeightsError

LEFT_OUT = ""
NAMED = 5  # at most so many names in an error
PLACEHOLDERS = {"site": r"\d+", "n": r"\d+", "rest": r".+"}
Names = Mapping[str, str]
Tensors = Mapping[str, Tensor]


@dataclass(frozen=True)
class KeyMap:
    """One file of a release."""

    file: str  # what its authors call it
    mark: str  # a regular expression that some name of this file matches; the first layout with a match is a file's
    names: Names  # released name -> name here

    @cached_property
    def rules(self) -> list[tuple[re.Pattern[str], str]]:
        """The table, its released names as regular expressions."""
        return [(_pattern(released), here) for released, here in self.names.items()]

    def rename(self, name: str, sites: Sequence[str]) -> str | None:
        """The name here of a released one; None where the table does not know it.

        Args:
            sites: names of the attention layers, in the order in which the file numbers them.
        """
        for pattern, here in self.rules:
            found = pattern.fullmatch(name)
            if found and int(found.groupdict().get("site", 0)) < len(sites):
                parts = found.groupdict()
                return here.format(**parts | ({"site": sites[int(parts["site"])]} if "site" in parts else {}))
        return None


def _pattern(name: str) -> re.Pattern[str]:
    pieces = re.split(r"\{(\w+)\}", name)
    texts, keys = map(re.escape, pieces[::2]), [f"(?P<{key}>{PLACEHOLDERS[key]})" for key in pieces[1::2]]
    return re.compile("".join(text + key for text, key in zip(texts, [*keys, ""], strict=True)))


def lora_keys(released: str, here: str) -> dict[str, str]:
    """The rows of the low-rank changes of an attention layer's four projections.

    Args:
        released: with `{part}` for the projection, like `ip_adapter.{site}.to_{part}_lora`.
        here: the name of an `AttentionLowRank`.
    """
    parts = {"q": "query", "k": "key", "v": "value", "out": "out"}
    return {
        f"{released.replace('{part}', part)}.{side}.weight": f"{here}.{ours}.{side}"
        for part, ours in parts.items()
        for side in ("down", "up")
    }


def perceiver_keys(released: str, here: str) -> dict[str, str]:
    """The rows of one perceiver attention."""
    parts = {
        "norm1.{rest}": "norm_context.{rest}",
        "norm2.{rest}": "norm_queries.{rest}",
        "to_q.weight": "to_query.weight",
        "to_kv.weight": "to_key_value.weight",
        "to_out.weight": "out.weight",
    }
    return {f"{released}.{theirs}": f"{here}.{ours}" for theirs, ours in parts.items()}


def convert_keys(
    layouts: Sequence[KeyMap], files: Mapping[str, Tensors], own: Tensors, sites: Sequence[str]
) -> dict[str, Tensor]:
    """The tensors of released files under the names here, all of them.

    Args:
        layouts: of the release's files.
        files: where a file lies -> its tensors by their released names.
        own: the method's own tensors, whose names and shapes are wanted.
        sites: names of the UNet's attention layers, in the order in which the files number them.

    Raises:
        WeightsError: a file has none of the layouts; a name in it is unknown; a shape is another one than here; two
            files say the same; or something of the method is in no file.
    """
    found: dict[str, Tensor] = {}
    missing = {layout.file for layout in layouts}
    for where, tensors in files.items():
        layout = identify(layouts, tensors, where)
        renamed = _renamed(layout, apply_alpha(tensors), own, sites, where)
        if twice := renamed.keys() & found.keys():
            raise WeightsError(f"{where} says again what another file said: {_some(twice)}; give each file once")
        found |= renamed
        missing.discard(layout.file)
    if absent := own.keys() - found.keys():
        files_absent = f"; not given: {', '.join(sorted(missing))}" if missing else ""
        raise WeightsError(
            f"{', '.join(files)} lack {len(absent)} of the {len(own)} tensors of the method{files_absent}. Without "
            f"tensors: {_some(absent)}; give all files of the release, and the backbone that it was made for"
        )
    return found


def identify(layouts: Sequence[KeyMap], tensors: Iterable[str], where: str) -> KeyMap:
    """The first layout whose mark is in a file.

    Raises:
        WeightsError: there is none.
    """
    names = list(tensors)
    for layout in layouts:
        if any(re.search(layout.mark, name) for name in names):
            return layout
    raise WeightsError(
        f"{where} is none of the files that are published for this method: found {_some(names)}; "
        f"expected {' or '.join(layout.file for layout in layouts)}"
    )


def apply_alpha(tensors: Tensors) -> dict[str, Tensor]:
    """Low-rank changes with their `alpha`, where a file states one, multiplied into `up`: alpha / rank, as in training.

    Without it nothing is scaled: none of the three releases states any.
    """
    found = dict(tensors)
    for name in [name for name in tensors if name.endswith(".alpha")]:
        up = f"{name.removesuffix('alpha')}up.weight"
        if up in found:
            found[up] = found[up] * (found.pop(name) / found[up].shape[1])
    return found


def _renamed(layout: KeyMap, tensors: Tensors, own: Tensors, sites: Sequence[str], where: str) -> dict[str, Tensor]:
    names = {name: layout.rename(name, sites) for name in tensors}
    unknown = [name for name, here in names.items() if here is None or here not in {*own, LEFT_OUT}]
    if unknown:
        raise WeightsError(
            f"{where}: {len(unknown)} of {len(names)} names have no counterpart in the method on this backbone: "
            f"{_some(unknown)}; expected the layout of {layout.file}: give the file that its authors publish, and the "
            "backbone that it was made for"
        )
    found = {here: _squeezed(tensors[name], own[here]) for name, here in names.items() if here}
    return _checked(found, {here: name for name, here in names.items() if here}, own, where)


def _squeezed(value: Tensor, wanted: Tensor) -> Tensor:
    return value[0] if value.shape == (1, *wanted.shape) else value


def _checked(found: dict[str, Tensor], released: Names, own: Tensors, where: str) -> dict[str, Tensor]:
    wrong = [
        f"{released[name]} is {tuple(value.shape)}, expected {tuple(own[name].shape)}"
        for name, value in found.items()
        if value.shape != own[name].shape
    ]
    if wrong:
        raise WeightsError(
            f"{where}: {len(wrong)} of {len(found)} tensors have another shape than here: {_some(wrong, '; ')}. Name "
            "the backbone and the encoders that it was made for in params.yaml (models)"
        )
    return found


def _some(names: Iterable[str], between: str = ", ") -> str:
    ordered = sorted(names)
    more = f" and {len(ordered) - NAMED} more" if len(ordered) > NAMED else ""
    return between.join(ordered[:NAMED]) + more


def own_tensors(method: nn.Module, besides: str) -> dict[str, Tensor]:
    """A method's tensors by name, but for those whose names begin with `besides`."""
    return {name: value for name, value in method.state_dict().items() if not name.startswith(besides)}
