"""Files that people have: CSV of spreadsheets, Parquet, packed pictures; what may be wrong."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pccore.datasets import load, names, types_of
from pccore.datasets.uploads import load_upload, upload_header
from pccore.errors import DataError
from pccore.files import Companion

CSV = (
    "\ufeffName;Größe;Note;Farbe;Rest\r\n"
    '"Müller; Anna";1,5;3;rot;\r\n'
    '"Meier";-,25;NA;blau;1\r\n'
    "Schulz;2;1;n/a;0\r\n"
    '"O""Neil";;5;rot;1\r\n'
)


def csv_file(text: str = CSV, name: str = "t.csv") -> Companion:
    return Companion(name, text.encode())


def values(data: object, name: str) -> list[float | None]:
    every = np.concatenate([data.train, data.valid, data.test])  # type: ignore[attr-defined]
    column = every[:, data.variables.index(name)]  # type: ignore[attr-defined]
    return sorted((None if np.isnan(x) else float(x) for x in column), key=lambda x: (x is None, x))


def test_a_spreadsheet_of_another_language() -> None:
    data = load_upload([csv_file()])
    assert data.variables == ("Name", "Größe", "Note", "Farbe", "Rest") and data.name == "t"
    assert data.categories == {
        "Name": ("Meier", 'Müller; Anna', 'O"Neil', "Schulz"), "Farbe": ("blau", "rot"),
    }  # fmt: skip
    assert values(data, "Größe") == [-0.25, 1.5, 2.0, None]
    assert values(data, "Note") == [1, 3, 5, None]
    assert data.supports[3].states == 2 and data.supports[4].states == 2


def test_columns_read_as_told() -> None:
    data = load_upload([csv_file()], {"Name": "ignore", "Note": "ordered"})
    assert data.variables == ("Größe", "Note", "Farbe", "Rest")
    assert types_of(data)["Note"] == "ordered"
    mixed = csv_file("code,x\nA1,1\n2,0\n3,1\n4,0\n")
    with pytest.raises(DataError, match="line 2, column code: 'A1' is not a finite number"):
        load_upload([mixed])
    assert load_upload([mixed], {"code": "categorical"}).categories["code"] == ("2", "3", "4", "A1")
    with pytest.raises(DataError, match="no column 'z'"):
        load_upload([mixed], {"z": "ignore"})
    with pytest.raises(DataError, match=r"t\.csv: line 2, column x: 'a' is not"):
        load_upload([csv_file("x\na\nb\n")], {"x": "real"})
    assert upload_header(mixed) == ("code", "x") and upload_header(csv_file("")) == ()


@pytest.mark.parametrize(
    ("text", "delimiters"),
    [("a;b\n1,5;2\n", 2), ("1,5;2,5\n3,5;1,0\n", 2), ("a\tb\n1,5\t2\n", 2), ("a,b\n1.5,2\n", 2),
     ('"x, y";z\n1;2\n', 2), ('"x; y",z\n1,2\n', 2), ("a,b;c\n1,2;3\n", 2)],
)  # fmt: skip
def test_delimiters(tmp_path: Path, text: str, delimiters: int) -> None:
    (tmp_path / "a.csv").write_text(text + text.splitlines()[-1] + "\n")
    try:
        data = load(tmp_path / "a.csv")
    except DataError:
        assert text.startswith("a,b;c")  # cannot be told
        return
    assert data.num_variables == delimiters


def test_parquet(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "x": [1.5, None, -2.0, 0.0],
            "n": [1, 2, 0, 1],
            "ok": [True, False, None, True],
            "word": ["b", None, "a", "b"],
            "kind": pd.Categorical(["u", "v", "u", None]),
        }
    )
    frame.to_parquet(tmp_path / "t.parquet")
    data = load(tmp_path / "t.parquet")
    assert data.categories == {"ok": ("false", "true"), "word": ("a", "b"), "kind": ("u", "v")}
    assert values(data, "x") == [-2, 0, 1.5, None] and values(data, "word") == [0, 1, 1, None]
    assert types_of(load(tmp_path / "t.parquet", types={"n": "count"}))["n"] == "count"
    info = next(one for one in names(tmp_path) if one.name == "t")
    assert (info.rows, info.num_variables) == (4, 5)


def test_what_is_wrong_with_parquet(tmp_path: Path) -> None:
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 nothing PAR1")
    with pytest.raises(DataError, match=r"bad\.parquet"):
        load(tmp_path / "bad.parquet")
    pd.DataFrame({"t": pd.date_range("2020", periods=3)}).to_parquet(tmp_path / "d.parquet")
    with pytest.raises(DataError, match=r"d\.parquet, column t: row 0.*is not a number"):
        load(tmp_path / "d.parquet")
    pd.DataFrame({"w": [f"{i}" for i in range(300)]}).to_parquet(tmp_path / "w.parquet")
    with pytest.raises(DataError, match="more than 257 different words"):
        load(tmp_path / "w.parquet")
    with pytest.raises(DataError, match="every column is left out"):
        load(tmp_path / "w.parquet", types={"w": "ignore"})


def pictures(folders: tuple[str, ...], size: tuple[int, int] = (4, 3)) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for number, folder in enumerate(folders * 4):
            picture = io.BytesIO()
            Image.fromarray(np.full(size[::-1], number * 9, np.uint8)).save(picture, "png")
            archive.writestr(f"{folder}{number}.png", picture.getvalue())
        archive.writestr("__MACOSX/._0.png", b"litter")
        archive.writestr("readme.txt", b"hello")
    return stream.getvalue()


def test_packed_pictures() -> None:
    data = load_upload([Companion("faces.zip", pictures(("all/cat/", "all/dog/")))])
    assert data.image is not None and (data.image.height, data.image.width) == (3, 4)
    assert data.label_names == ("cat", "dog") and data.name == "faces"
    plain = load_upload([Companion("p.zip", pictures(("",)))])
    assert plain.label_names == () and len(plain.train) == 4


def test_an_archive_without_pictures_or_too_deep(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"p\.zip: .*2 folders|too many folders|no images"):
        load_upload([Companion("p.zip", pictures(("a/b/c/", "a/d/e/", "f/g/h/")))])
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("a.txt", b"")
        archive.writestr("../a.png", b"")
    with pytest.raises(DataError, match="outside"):
        load_upload([Companion("q.zip", stream.getvalue())])
    (tmp_path / "notes.zip").write_bytes(stream.getvalue())
    assert "notes" not in {one.name for one in names(tmp_path)}


def test_a_set_in_three_files_and_other_companies(monkeypatch: pytest.MonkeyPatch) -> None:
    triple = [Companion(f"s.{split}.data", b"0,1\n1,1\n") for split in ("train", "valid", "test")]
    data = load_upload(triple)
    assert data.name == "s" and (len(data.train), len(data.valid), len(data.test)) == (2, 2, 2)
    with pytest.raises(DataError, match="2 files are more than one dataset"):
        load_upload([csv_file(), csv_file(name="u.csv")])
    with pytest.raises(DataError, match="same name"):
        load_upload([csv_file(), csv_file()])
    with pytest.raises(DataError, match="no dataset"):
        load_upload([Companion("a.exe", b"MZ")])
    with monkeypatch.context() as patch, pytest.raises(DataError, match="bytes of text"):
        patch.setenv("PCCORE_MAX_UPLOAD_TEXT", "1k")
        load_upload([Companion("a.csv", b"1\n" * 1000)])
    with pytest.raises(DataError):
        load_upload([])


def test_a_file_of_arrays_that_announces_too_much() -> None:
    stream = io.BytesIO()
    np.savez_compressed(stream, x=np.zeros((9000, 9000), np.uint8))
    with pytest.raises(DataError, match="limit of 67108864 values"):
        load_upload([Companion("a.npz", stream.getvalue())])


@pytest.mark.parametrize("name", ["../../x.csv", "/etc/x.csv", "a\\b\\x.csv", "..x.csv", "x\n.csv"])
def test_names_stay_inside(name: str) -> None:
    data = load_upload([csv_file(name=name)])
    assert data.num_variables == 5 and "/" not in data.name and "\\" not in data.name
