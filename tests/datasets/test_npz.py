from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pccore.datasets import SPLITS, load
from pccore.errors import DataError
from pccore.leaves.base import Support


def save(path: Path, **arrays: Any) -> str:
    np.savez_compressed(path, **arrays)
    return str(path)


def header(shape: object, descr: str = "|u1", version: int = 1) -> bytes:
    text = repr({"descr": descr, "fortran_order": False, "shape": shape}).encode() + b"\n"
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H", len(text)) + text


def forged(path: Path, content: bytes, name: str = "train.npy") -> str:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return str(path)


def test_three_splits(tmp_path: Path) -> None:
    arrays = {s: np.full((n, 3), n % 2, np.uint8) for s, n in zip(SPLITS, (5, 2, 3), strict=True)}
    data = load(save(tmp_path / "t.npz", **arrays))
    assert data.name == "t" and data.variables == ("X0", "X1", "X2")
    for split in SPLITS:
        assert (data.split(split) == arrays[split]).all()
    assert data.image is None and data.labels["train"] is None


def test_one_table_is_shuffled_by_labels(tmp_path: Path) -> None:
    x = np.arange(200).reshape(100, 2)
    y = np.repeat([0, 1], [80, 20])
    data = load(save(tmp_path / "t.npz", x=x, y=y))
    assert [len(data.split(s)) for s in SPLITS] == [70, 15, 15]
    rows = np.concatenate([data.split(s) for s in SPLITS])
    assert sorted(rows[:, 0]) == list(range(0, 200, 2))
    for split, count in zip(SPLITS, (14, 3, 3), strict=True):
        labels = data.labels[split]
        assert labels is not None and labels.sum() == count
        assert (labels == (data.split(split)[:, 0] >= 160)).all()
    again = load(str(tmp_path / "t.npz"))
    assert again.fingerprint() == data.fingerprint()


def test_missing_parts(tmp_path: Path) -> None:
    x = np.arange(200).reshape(100, 2)
    data = load(save(tmp_path / "a.npz", train=x, test=x[:7]))
    assert [len(data.split(s)) for s in SPLITS] == [90, 10, 7]
    data = load(save(tmp_path / "b.npz", train=x, valid=x[:7]))
    assert [len(data.split(s)) for s in SPLITS] == [85, 7, 15]
    data = load(str(tmp_path / "a.npz"), valid=False)
    assert [len(data.split(s)) for s in SPLITS] == [100, 0, 7]
    assert set(data.train[:, 0]) == set(x[:, 0])
    data = load(save(tmp_path / "c.npz", x=x[:1]))
    assert [len(data.split(s)) for s in SPLITS] == [1, 0, 0]


def test_images_stay_in_order(tmp_path: Path) -> None:
    x = np.arange(80, dtype=np.uint8)[:, None, None] * np.ones((1, 3, 2), np.uint8)
    data = load(save(tmp_path / "film.npz", x=x, y=np.arange(80)))
    assert [len(data.split(s)) for s in SPLITS] == [60, 10, 10]
    assert list(data.test[:, 0]) == list(range(70, 80))
    assert data.image is not None
    assert (data.image.height, data.image.width, data.image.channels) == (3, 2, 1)
    assert data.image.maximum == 255 and set(data.supports) == {Support("finite", 256)}
    data = load(str(tmp_path / "film.npz"), valid=False, limit=65)
    assert [len(data.split(s)) for s in SPLITS] == [65, 0, 10]
    assert list(data.train[:, 0]) == list(range(65))


@pytest.mark.parametrize("shape", [(4, 5, 6, 3), (4, 3, 5, 6), (4, 5, 6, 1)])
def test_colour_images(tmp_path: Path, shape: tuple[int, ...]) -> None:
    x = np.random.RandomState(0).randint(0, 256, shape).astype(np.uint8)
    data = load(save(tmp_path / "c.npz", train=x, valid=x, test=x))
    last = np.moveaxis(x, 1, 3) if shape[1] == 3 else x
    assert data.image is not None and data.image.channels == last.shape[3]
    assert (data.train.reshape(last.shape) == last).all()


def test_image_levels(tmp_path: Path) -> None:
    few = np.full((4, 2, 2), 16, np.uint8)
    data = load(save(tmp_path / "a.npz", train=few, valid=few, test=few))
    assert data.image is not None and data.image.maximum == 16
    real = np.array([0.0, 0.5, 0.75, 1.0]).reshape(1, 2, 2)
    data = load(save(tmp_path / "b.npz", train=real, valid=real, test=real))
    assert data.image is not None and data.image.maximum == 1
    assert set(data.supports) == {Support("real")}
    gap = np.full((4, 2, 2), np.nan)
    data = load(save(tmp_path / "c.npz", train=gap, valid=gap, test=gap))
    assert data.image is not None and data.image.maximum == 1


def test_mnist_names_and_variable_names(tmp_path: Path) -> None:
    x = np.zeros((20, 2, 2), np.uint8)
    data = load(save(tmp_path / "m.npz", train_x=x, train_y=np.arange(20), test_x=x[:3],
                     test_y=np.arange(3)))  # fmt: skip
    assert [len(data.split(s)) for s in SPLITS] == [18, 2, 3]
    assert data.labels["valid"] is not None and list(data.labels["valid"]) == [18, 19]
    names = np.array(["age", "höhe"])
    data = load(save(tmp_path / "n.npz", x=np.zeros((9, 2)), variables=names))
    assert data.variables == ("age", "höhe")
    with pytest.raises(DataError, match="2 names for 3 columns"):
        load(save(tmp_path / "o.npz", x=np.zeros((9, 3)), variables=names))


def test_orders_and_types(tmp_path: Path) -> None:
    x = np.asfortranarray(np.random.RandomState(0).randint(0, 9, (30, 4)))
    for dtype in ("?", "i1", "<i8", ">i4", "<f2", "<f8", ">f4"):
        part = x.astype(dtype, order="F")
        data = load(save(tmp_path / "t.npz", train=part, valid=part, test=part))
        assert (data.test == part).all()


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"test": np.zeros((2, 2))}, "no array is called train, train_x or x, there are: test"),
        ({"train": np.zeros(3)}, "bad.npz, train: shape (3,) is neither a table"),
        ({"train": np.zeros((2, 4, 4, 5))}, "no axis of 1 or 3 colour"),
        ({"train": np.zeros((2, 2), complex)}, "values of type complex128 are no numbers"),
        ({"train": np.array([["a", "b"]])}, "are no numbers"),
        ({"train": np.array([[{}, None]])}, "pickled objects, which are never loaded"),
        ({"train": np.zeros((2, 2)), "test": np.zeros((2, 3))}, "test: 3 columns, train has 2"),
        ({"train": np.zeros((2, 2, 2)), "test": np.zeros((2, 4))}, "some splits are images"),
        ({"train": np.zeros((2, 2, 2)), "test": np.zeros((2, 2, 3))}, "test: images of shape"),
        ({"train": np.zeros((0, 2))}, "train: there are no rows"),
        ({"train": np.zeros((2, 0))}, "train: there are no columns"),
        ({"train": np.array([[1, np.inf]])}, "train: row 0, column X1: the value inf"),
        ({"train": np.array([[1, 1e300]])}, "train: row 0, column X1: the value inf is not"),
        ({"x": np.zeros((3, 2)), "y": np.zeros(4, int)}, "4 labels for 3 rows"),
        ({"x": np.zeros((3, 2)), "y": np.zeros(3)}, "one integer for each row"),
        ({}, "there are: none"),
    ],
)
def test_unusable_arrays(tmp_path: Path, arrays: dict[str, Any], said: str) -> None:
    path = tmp_path / "bad.npz"
    np.savez(path, **arrays)
    with pytest.raises(DataError) as caught:
        load(str(path))
    assert said in str(caught.value) and "bad.npz" in str(caught.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (header((10**6, 10**6)), "larger than the limit"),
        (header((10**12,)) + b"0", "larger than the limit"),
        (header((2**40, 0, 2**40)), "larger than the limit"),
        (header((3, 3)) + b"0" * 8, "does not fit"),
        (header((3, 3)) + b"0" * 10, "does not fit"),
        (header((-1, 3)), "impossible"),
        (header((3, "x")), "no readable"),
        (header("shape"), "no readable"),
        (header((2, 2), "nonsense"), "no readable"),
        (header((2, 2), "|O"), "pickled objects"),
        (header((2, 2), version=3), "version (3, 0)"),
        (b"", "no readable"),
        (b"\x93NUMPY", "no readable"),
        (b"not an array", "no readable"),
        (header((2, 2))[:-20], "no readable"),
    ],
)
def test_forged_headers(tmp_path: Path, content: bytes, said: str) -> None:
    with pytest.raises(DataError) as caught:
        load(forged(tmp_path / "forged.npz", content))
    assert said in str(caught.value) and "forged.npz" in str(caught.value)


def test_zip_bomb_is_refused_by_its_size(tmp_path: Path) -> None:
    # 64 MB of zeros in a file of 64 kB, behind a header that admits four values.
    path = forged(tmp_path / "bomb.npz", header((2, 2)) + bytes(2**26))
    assert Path(path).stat().st_size < 10**6
    with pytest.raises(DataError, match="does not fit"):
        load(path)


def test_too_many_members(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "many.npz", "w") as archive:
        for i in range(300):
            archive.writestr(f"a{i}.npy", header((0, 1)))
    with pytest.raises(DataError, match="300 members are more than the 256 allowed"):
        load(str(tmp_path / "many.npz"))


def test_files_that_are_no_zip(tmp_path: Path) -> None:
    for content in (b"", b"PK", b"hello" * 100):
        (tmp_path / "a.npz").write_bytes(content)
        with pytest.raises(DataError, match=r"a\.npz: this is no readable \.npz file"):
            load(str(tmp_path / "a.npz"))


@given(
    hnp.arrays(
        st.sampled_from([np.uint8, np.int16, np.float32]),
        hnp.array_shapes(min_dims=2, max_dims=2, max_side=5),
        elements={"min_value": 0, "max_value": 100},
    )
)
@settings(max_examples=30)
def test_round_trip(tmp_path_factory: pytest.TempPathFactory, x: Any) -> None:
    path = tmp_path_factory.mktemp("npz") / "x.npz"
    data = load(save(path, train=x, valid=x[:1], test=x))
    assert (data.train == x).all() and (data.test == x).all() and (data.valid == x[:1]).all()


def _sound() -> bytes:
    stream = io.BytesIO()
    np.savez_compressed(stream, train=np.eye(6), valid=np.eye(6), test=np.eye(6))
    return stream.getvalue()


SOUND = _sound()


@given(st.data())
@settings(max_examples=200)
def test_damage_is_a_data_error(tmp_path_factory: pytest.TempPathFactory, data: Any) -> None:
    content = bytearray(SOUND)
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(0, len(content)) | st.just(len(content)))]
    path = tmp_path_factory.mktemp("damaged") / "x.npz"
    path.write_bytes(bytes(content))
    try:
        load(str(path))
    except DataError as error:
        assert "x.npz" in str(error)
