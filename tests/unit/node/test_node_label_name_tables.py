"""Tables that viewers save."""

from __future__ import annotations

from pathlib import Path

import pytest

from myofed_node.label_exchange import name_tables
from myofed_node.label_exchange.name_tables import read_names
from myofed_node.label_exchange.refusal import LabelRefusedError

ITKSNAP = '# ITK-SnAP Label Description File\n    0     0    0    0        0  0  0    "Clear Label"\n'
NRRD = "NRRD0004\ntype: short\nSegment0_LabelValue:=1\nSegment0_Layer:=0\nSegment0_Name:=Soleus Left\n"


def names(tmp_path: Path, content: bytes | str, name: str = "table.txt") -> dict[int, str]:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_names(path)


@pytest.mark.parametrize(
    "content",
    [
        "",
        ITKSNAP,
        f'{ITKSNAP} 1 1 2 3 1 1 1 "VL left"\nsomething else\n',
        f'{ITKSNAP} 1 1 2 3 1 1 1 "VL left"\n 1 1 2 3 1 1 1 "VL right"\n',
        "# Color table file\n1 VL_left 1 2 3 255\n2 VL right 1 2 3 255\n",
        "value\tcolour\n1\tred\n",
        "value\tname\none\tVL left\n",
        "value,name\n-1,VL left\n",
        b"\xff\xfe\x00",
        NRRD.replace("Layer:=0", "Layer:=0\nSegment1_LabelValue:=1\nSegment1_Layer:=1\nSegment1_Name:=x"),
        "NRRD0004\nSegment0_Name:=no value\n",
    ],
)
def test_table_that_leaves_a_doubt_is_refused(tmp_path: Path, content: bytes | str) -> None:
    """No row, a line of another form, a value twice, no number, no name, layers."""
    with pytest.raises(LabelRefusedError) as refusal:
        names(tmp_path, content)
    assert refusal.value.code == "LABEL_TABLE_INVALID"


def test_missing_and_endless_tables_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither is read."""
    with pytest.raises(LabelRefusedError):
        read_names(tmp_path / "lost.txt")
    monkeypatch.setattr(name_tables, "MOST_BYTES", 10)
    with pytest.raises(LabelRefusedError):
        names(tmp_path, "value\tname\n1\tVL left\n")


@pytest.mark.parametrize(
    "content",
    [
        f'{ITKSNAP}   55   222  184  135        1  1  1    "Soleus Left"  \n',
        "# Color table file\n# 2 values\n0 Background 0 0 0 0\n55 Soleus_Left 216 101 79 255\n",
        "value\tname\n55\tSoleus Left\n",
        "LabelValue,Name,Color_R\n55,Soleus Left,10\n",
        "\ufeffindex\tname\tabbreviation\n55\tSoleus Left\tSOL\n",
        NRRD.replace("LabelValue:=1", "LabelValue:=55").encode() + b"\n" + b"\x00\xff" * 40,
    ],
)
def test_six_forms_give_the_same_name(tmp_path: Path, content: bytes | str) -> None:
    """ITK-SNAP, Slicer's colour table, TSV, Slicer's CSV, BIDS, segmentation NRRD with its pixels."""
    found = names(tmp_path, content)
    assert {value: name.replace("_", " ") for value, name in found.items()} == {55: "Soleus Left"}
