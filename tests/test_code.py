"""What code a shard is named by: everything that a worker's module imports, and no words."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from pipeline import code
from pipeline.code import closure, code_fingerprint

WORKER = '''"""Makes shards."""

from typing import TYPE_CHECKING

from pipeline import shards
from pipeline.room import inner

if TYPE_CHECKING:
    from pipeline import typed


class Worker:
    """Does it."""

    def __call__(self, value):
        from pipeline import late

        return inner.double(value) + late.MORE  # a comment
'''


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A project of a few files, in the place of this one."""
    (tmp_path / "pipeline/room").mkdir(parents=True)
    (tmp_path / "pipeline/plugs").mkdir()
    (tmp_path / "stages").mkdir()
    for name, text in {
        "pipeline/__init__.py": "",
        "pipeline/worker.py": WORKER,
        "pipeline/shards.py": "WRITE = 1\n",
        "pipeline/typed.py": "class Only: ...\n",
        "pipeline/late.py": "MORE = 1\n",
        "pipeline/room/__init__.py": '"""A room."""\n',
        "pipeline/room/inner.py": "def double(value):\n    return 2 * value\n",
        "pipeline/room/other.py": "UNUSED = 1\n",
        "pipeline/plugs/__init__.py": "",
        "pipeline/plugs/one.py": "from pipeline import helper\n",
        "pipeline/helper.py": "HELP = 1\n",
        "pipeline/loading.py": "from pipeline import plugins\nload = lambda name: plugins.load('plugs', name)\n",
        "stages/__init__.py": "",
        "stages/make.py": "def stage():\n    from pipeline import loading, worker\n",
    }.items():
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(code, "ROOT", tmp_path)
    forget()
    yield tmp_path
    forget()


def forget() -> None:
    for each in (code.closure, code.imports, code._tree, code._meaning):
        each.cache_clear()


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    forget()


def test_the_code_is_what_the_module_imports_late_imports_and_packages_included(project: Path) -> None:
    assert closure("pipeline.worker") == (
        "pipeline", "pipeline.late", "pipeline.room", "pipeline.room.inner", "pipeline.worker",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("worker", "inner.double(value)", "inner.double(value - 1)"),
        ("late", "MORE = 1", "MORE = 2"),
        ("room/inner", "2 * value", "3 * value"),
        ("room/__init__", '"""A room."""', "SIZE = 3"),
    ],
)
def test_changed_code_is_other_code(project: Path, file: str, old: str, new: str) -> None:
    before = code_fingerprint("pipeline.worker")
    change(project / f"pipeline/{file}.py", old, new)
    assert code_fingerprint("pipeline.worker") != before


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("worker", '"""Does it."""', '"""Does it well."""'),
        ("worker", '"""Makes shards."""', ""),
        ("worker", "  # a comment", ""),
        (
            "worker",
            "inner.double(value) + late.MORE",
            "(inner.double(value)\n            + late.MORE)",
        ),
        ("typed", "Only", "Other"),
        ("room/other", "UNUSED = 1", "UNUSED = 2"),
        ("shards", "WRITE = 1", "WRITE = 2"),
    ],
)
def test_words_layout_and_what_is_not_run_do_not_count(project: Path, file: str, old: str, new: str) -> None:
    before = code_fingerprint("pipeline.worker")
    change(project / f"pipeline/{file}.py", old, new)
    assert code_fingerprint("pipeline.worker") == before


def test_a_plug_in_counts_with_what_it_imports_and_only_where_it_is_named(project: Path) -> None:
    plugged = code_fingerprint("pipeline.loading", code.plugin("plugs", "one-variant"))
    alone = code_fingerprint("pipeline.loading")
    assert plugged != alone
    change(project / "pipeline/helper.py", "HELP = 1", "HELP = 2")
    assert code_fingerprint("pipeline.loading", "pipeline.plugs.one") != plugged
    assert code_fingerprint("pipeline.loading") == alone


def test_a_stage_depends_on_the_rooms_that_it_imports_and_on_the_plug_ins_that_it_may_load(project: Path) -> None:
    assert code.dependencies("make") == [
        "pipeline/helper.py", "pipeline/late.py", "pipeline/loading.py", "pipeline/plugs", "pipeline/room",
        "pipeline/worker.py", "stages/make.py",
    ]  # fmt: skip


def test_a_module_that_is_not_there_is_named(project: Path) -> None:
    with pytest.raises(ModuleNotFoundError, match=r"pipeline\.lost"):
        code_fingerprint("pipeline.lost")


def test_of_a_schema_names_and_types_count_but_no_description() -> None:
    plain = pa.schema([("value", pa.list_(pa.float32(), 3))])
    told = pa.schema([pa.field("value", pa.list_(pa.float32(), 3), metadata={"description": "three"})], {"a": "b"})
    assert code.schema_parts(plain) == code.schema_parts(told) == [["value: fixed_size_list<item: float>[3]"]]
    assert code.schema_parts(plain) != code.schema_parts(pa.schema([("value", pa.list_(pa.float32(), 4))]))


def test_the_real_workers_count_what_they_use() -> None:
    assert {"pipeline.encoders.recogniser", "pipeline.faces.grade", "pipeline.faces.fan", "pipeline.images"} <= set(
        closure("pipeline.faces.worker")
    )
    assert {"pipeline.sampler", "pipeline.backbone.load", "pipeline.training.cache"} <= set(
        closure("pipeline.training.loop")
    )
    assert not any(
        name.startswith(("pipeline.report", "pipeline.world")) for name in closure("pipeline.generate.worker")
    )


def test_the_command_prints_a_stages_rooms_and_answers_a_misspelt_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["pipeline.code", "identities"])
    code.main()
    assert capsys.readouterr().out.splitlines()[:2] == ["identities:", "      - pipeline/identities"]
    monkeypatch.setattr("sys.argv", ["pipeline.code", "identites"])
    with pytest.raises(SystemExit, match="2"):
        code.main()
    assert "invalid choice: 'identites'" in capsys.readouterr().err
