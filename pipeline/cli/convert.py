"""Bring what others publish into the project's layout: a method's weights, or a 3D head. Nothing is downloaded.

    likeness convert METHOD FILE... OUT --licence LICENCE
    likeness convert head FILE OUT --landmarks FILE

METHOD has a table `RELEASED` in its file, and its weights go to its variant `released`, or to another variant by name.
The backbone and the encoders are those of params.yaml and must have the sizes that the release was made for. With
OUT = data/weights/METHOD-released the stages generate and evaluate then take METHOD-released like a trained method.
Files are safetensors or pickles (`.bin`), of which only tensors are read; IdentityNet is a folder that diffusers wrote.
The licence is that of the weights, which the files do not state and you must.

A head is ICT-FaceKit's light model (.npz), GNM Head (.npz), FLAME (.pkl, .npz) or the Basel Face Model (.mat, .h5; the
last by h5py); OUT is what `models.head` then names. Only numbers are read: nothing in a pickle is executed. All but
ICT-FaceKit need --landmarks: 68 lines in iBUG order, a vertex number each or `vertex weight` three times (GNM's
head_sparse_68.txt), or a .npz with lmk_face_idx and lmk_b_coords. FLAME and the Basel Face Model are non-commercial;
for FLAME 2023 Open give --licence CC-BY-4.0.
"""

import argparse
import dataclasses
import zipfile

from pipeline import licences, plugins, settings
from pipeline.cli.project import path
from pipeline.errors import SettingsError, WeightsError, did_you_mean

HEAD = "head"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What, from where, to where, and what it may be used for."""
    parser.add_argument("what", metavar="METHOD", help="a method, a variant of it, or `head`")
    parser.add_argument("files", nargs="+", type=path, metavar="FILE", help="the files and folders of its release")
    parser.add_argument("out", type=path, metavar="OUT", help="where to write, like data/weights/<method>-released")
    parser.add_argument("--landmarks", type=path, metavar="FILE", help="of a head: its 68 landmarks, in iBUG order")
    parser.add_argument("--licence", default=licences.UNKNOWN, help="of the weights, like Apache-2.0")


def call(asked: argparse.Namespace) -> None:
    """Convert, and say where it is.

    Raises:
        SettingsError: there is no such method; a head has several files.
        LikenessError: as `pipeline.weights.convert.convert` has it.
    """
    if asked.what == HEAD:
        _convert_head(asked)
    else:
        _convert_weights(asked)
    print(asked.out)


def _convert_head(asked: argparse.Namespace) -> None:
    if len(asked.files) != 1:
        raise SettingsError(f"a head is one file, {len(asked.files)} were given: likeness convert head FILE OUT")
    from pipeline.head.importers import read
    from pipeline.head.model import check, save_head
    from pipeline.shards import replacing

    try:
        head = read(asked.files[0], asked.landmarks)
        check(head, str(asked.files[0]))
    except (ValueError, TypeError, KeyError, IndexError, EOFError, zipfile.BadZipFile) as error:
        raise WeightsError(
            f"{asked.files[0]} is no head that can be read ({error}): see likeness convert --help"
        ) from error
    if asked.licence != licences.UNKNOWN:
        head = dataclasses.replace(head, licence=asked.licence)
    with replacing(asked.out) as temporary, temporary.open("wb") as stream:
        save_head(head, stream)


def _convert_weights(asked: argparse.Namespace) -> None:
    known = plugins.names("methods")
    if asked.what.partition("-")[0] not in known:
        raise SettingsError(f"no method {asked.what}{did_you_mean(asked.what, [*known, HEAD])}")
    models = settings.load().models
    from pipeline.weights.convert import convert

    convert(asked.what, asked.files, asked.out, models, asked.licence)
