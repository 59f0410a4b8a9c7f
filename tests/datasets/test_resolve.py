from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pccore.datasets import SPLITS, load, names, parse_reference
from pccore.errors import DataError, NotFoundError
from pccore.leaves.base import Support
from tests.datasets.helpers import real_data


def picture(path: Path, size: tuple[int, int] = (4, 3), mode: str = "L", value: int = 9) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    colour = value if len(Image.new(mode, (1, 1)).getbands()) == 1 else (value, 1, 2)
    Image.new(mode, size, colour).save(path)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("digits:test", ("digits", "test")),
        ("digits", ("digits", None)),
        ("digits:train", ("digits", "train")),
        ("a:b:valid", ("a:b", "valid")),
        (r"C:\data\x.npz", (r"C:\data\x.npz", None)),
        (r"C:\data\x.npz:valid", (r"C:\data\x.npz", "valid")),
        ("digits:other", ("digits:other", None)),
        (":test", (":test", None)),
        ("test", ("test", None)),
        ("", ("", None)),
    ],
)
def test_parse_reference(text: str, expected: tuple[str, str | None]) -> None:
    assert parse_reference(text) == expected


def test_folder_of_images(tmp_path: Path) -> None:
    for i in range(16):
        ending = ("png", "bmp", "pgm", "png")[i % 4]
        picture(tmp_path / "faces" / f"{i:02}.{ending}", value=i)
    data = load(str(tmp_path / "faces"))
    assert data.image is not None
    assert (data.image.height, data.image.width, data.image.channels) == (3, 4, 1)
    assert data.image.maximum == 15 and set(data.supports) == {Support("finite", 16)}
    assert [len(data.split(s)) for s in SPLITS] == [12, 2, 2]
    assert list(data.test[:, 0]) == [14, 15]  # in the order of the names
    assert data.labels["train"] is None


def test_subfolders_are_labels(tmp_path: Path) -> None:
    for label, count in (("cat", 20), ("dog", 10)):
        for i in range(count):
            picture(tmp_path / label / f"{i}.png", mode="RGB", value=200 if label == "cat" else 100)
    data = load(str(tmp_path))
    assert data.image is not None and data.image.channels == 3
    assert data.label_names == ("cat", "dog")
    for split, dogs in zip(SPLITS, (8, 1, 1), strict=True):
        labels = data.labels[split]
        assert labels is not None and labels.sum() == dogs
        assert ((data.split(split)[:, 0] == 100) == (labels == 1)).all()


def test_subfolders_may_be_splits(tmp_path: Path) -> None:
    for split, count in (("train", 10), ("test", 2)):
        for label in "ab":
            for i in range(count):
                picture(tmp_path / split / label / f"{i}.jpg")
    data = load(str(tmp_path))
    assert [len(data.split(s)) for s in SPLITS] == [18, 2, 4]
    assert data.label_names == ("a", "b")


def test_odd_images(tmp_path: Path) -> None:
    folder = tmp_path / "p"
    for i in range(5):
        picture(folder / f"{i}.png")
    picture(folder / "odd.png", size=(5, 3))
    with pytest.raises(DataError, match=r"p/odd\.png: the image is 3x5 grey, the others are 3x4 g"):
        load(str(folder))
    picture(folder / "odd.png", mode="RGB")
    with pytest.raises(DataError, match=r"p/odd\.png: the image is 3x4 colour, the others are 3x4"):
        load(str(folder))
    (folder / "odd.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"p/odd\.png: this is no readable image"):
        load(str(folder))
    Image.fromarray(np.full((3, 4), 3000, np.uint16)).save(folder / "odd.png")
    with pytest.raises(DataError, match=r"p/odd\.png: pixels of kind 'I;16'"):
        load(str(folder))
    noise = np.random.RandomState(0).randint(0, 256, (3, 4)).astype(np.uint8)
    Image.fromarray(noise).save(folder / "odd.png")
    whole = (folder / "odd.png").read_bytes()
    (folder / "odd.png").write_bytes(whole[: len(whole) - 25])
    with pytest.raises(DataError, match=r"p/odd\.png: "):
        load(str(folder))
    (folder / "odd.png").unlink()
    picture(folder / "sub" / "0.png")
    with pytest.raises(DataError, match="beside the labelled subfolder sub"):
        load(str(folder))


def test_paths_that_are_no_data(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "a.txt").write_text("x")
    for path in (tmp_path / "empty", tmp_path / "a.txt"):
        with pytest.raises(DataError, match="this is no dataset"):
            load(str(path))
    for name in (str(tmp_path / "no.npz"), "no such", "", "a\0b", "x" * 5000, "~nobody-here/x"):
        with pytest.raises(NotFoundError) as caught:
            load(name)
        assert len(str(caught.value)) < 1500


def test_names_below_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = np.eye(20)
    for place in ("a/t", "a/b/c/d/deep", "a/same", "b/same", "digits"):
        path = tmp_path / f"{place}.npz"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, x=table)
    np.savez((tmp_path / "a/b/c/d/e").mkdir() or tmp_path / "a/b/c/d/e/deeper.npz", x=table)
    (tmp_path / "t.csv").write_text("p,q,r\n1,2,3\n4,5,6\n7,8,9\n")
    (tmp_path / "broken.npz").write_bytes(b"nothing")
    (tmp_path / "notes.txt").write_text("nothing")
    for i in range(3):
        picture(tmp_path / "faces" / f"{i}.png")
        picture(tmp_path / "pets" / "cat" / f"{i}.png")
        picture(tmp_path / "pets" / "dog" / f"{i}.png")
    monkeypatch.setenv("PCCORE_DATA", str(tmp_path))
    assert load("deep").num_variables == 20
    assert load("a/t").num_variables == 20
    assert load("a/t.npz").num_variables == 20
    assert load("t.csv").num_variables == 3
    assert load("faces").num_variables == 12
    assert load("pets").label_names == ("cat", "dog")
    assert load("b/same").num_variables == 20
    assert load("digits").num_variables == 64  # the bundled one
    assert load("digits.npz").num_variables == 20
    with pytest.raises(DataError, match=r"same: several datasets.*a/same\.npz, b/same\.npz"):
        load("same")
    with pytest.raises(NotFoundError):
        load("deeper")
    with pytest.raises(NotFoundError, match="did you mean 'faces'"):
        load("facse")
    listed = {info.name: info for info in names()}
    for name, info in listed.items():
        if name != "broken.npz" and "cannot be read" not in info.description:
            data = load(name)
            if info.rows is not None:
                assert sum(len(data.split(s)) for s in SPLITS) == info.rows
            assert info.num_variables in (None, data.num_variables)
    assert "cannot be read" in listed["broken"].description
    assert {"a/same.npz", "b/same.npz", "digits", "digits.npz", "deep", "pets"} <= set(listed)
    assert "notes" not in listed and "cat" not in listed
    # An explicit root is searched instead of the one in the environment.
    assert load("t", root=tmp_path / "a").num_variables == 20
    monkeypatch.delenv("PCCORE_DATA")
    with pytest.raises(NotFoundError, match="PCCORE_DATA"):
        load("faces")
    assert all(info.kind == "bundled" for info in names())


@pytest.mark.parametrize(
    ("name", "rows", "variables"),
    [
        ("nltcs", (16181, 2157, 3236), 16),
        ("amzn_apparel", (10479, 1497, 2994), 100),
        ("two_level_tree_256", (7000, 1000, 2000), 256),
        ("olivetti", (300, 50, 50), 4096),
        ("frey", (1473, 246, 246), 560),
        ("debd/bbc", (1670, 225, 330), 1058),
    ],
)
def test_real_data(name: str, rows: tuple[int, int, int], variables: int) -> None:
    data = load(name, root=real_data())
    assert tuple(len(data.split(s)) for s in SPLITS) == rows
    assert data.num_variables == variables
    states = 256 if data.image is not None else 2
    assert set(data.supports) == {Support("finite", states)}


def test_olivetti_protocol() -> None:
    """On the customary split the nearest neighbour completes the left half with MSE 1527."""
    data = load("olivetti", root=real_data(), valid=False)
    assert (len(data.train), len(data.valid), len(data.test)) == (350, 0, 50)
    train = data.train.reshape(-1, 64, 64)
    test = data.test.reshape(-1, 64, 64)
    shown = [part[:, :, 32:].reshape(len(part), -1).astype(float) for part in (train, test)]
    distance = ((shown[1][:, None] - shown[0][None]) ** 2).sum(axis=2)
    completed = train[distance.argmin(axis=1)][:, :, :32]
    assert round(float(((completed - test[:, :, :32]) ** 2).mean())) == 1527


def test_mnist_with_a_limit() -> None:
    data = load("mnist", root=real_data(), limit=100)
    assert [len(data.split(s)) for s in SPLITS] == [100, 100, 100]
    assert data.labels["test"] is not None and data.labels["test"][0] == 7
    assert data.image is not None and data.image.maximum == 255
