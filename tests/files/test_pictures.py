"""SVG, LaTeX, PDF and PNG of a circuit: well-formed whatever the names, and the right size."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree
import zlib
from pathlib import Path

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from pccore.build import bernoulli, circuit, gaussian, indicator, product
from pccore.drawing import Picture, picture, to_pdf, to_png, to_svg, to_tikz
from pccore.drawing.fonts import available, drawable, vera
from pccore.drawing.png import MAX_SIDE, png_size
from pccore.drawing.tikz import escaped
from pccore.errors import FileError
from pccore.files import FORMATS, load_model, save_model, to_dot
from pccore.graph import Circuit, LeafGroup, SumGroup
from pccore.leaves.bernoulli import Bernoulli
from pccore.structures.figures import figure1_naive_bayes, figures

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = '<b>"&\\{}_$%#~^]]>--&amp;\u0007'
NAMES = st.text(max_size=20)


def hostile(name: str = HOSTILE) -> Circuit:
    root = 0.5 * gaussian(name, -1.5, 0.25) + 0.5 * gaussian(name, 3, 2)
    return circuit(root, meta={"title": f"\\end{{document}} {name}", "story": name})


def parsed(drawn: Picture) -> ElementTree.Element:
    return ElementTree.fromstring(to_svg(drawn))


# -- SVG -------------------------------------------------------------------------------------


def test_svg_shows_the_circuit():
    root = parsed(picture(figure1_naive_bayes()))
    assert len(root.findall(f"{SVG}circle")) == 12
    texts = [text.text for text in root.findall(f"{SVG}text")]
    assert texts.count("x") == 4 and texts.count("1") == 2 and "0.5" in texts
    assert root.findtext(f"{SVG}title") == "Naive Bayes mixture (SPN paper, figure 1)"
    assert "5 sums, 3 products and 4 leaves" in (root.findtext(f"{SVG}desc") or "")


def test_svg_bars_negated_variables():
    plain_, barred = (
        len(parsed(picture(circuit(indicator("X1", state)))).findall(f"{SVG}polyline"))
        for state in (1, 0)
    )
    assert barred == plain_ + 1


@given(NAMES)
@example(HOSTILE)
@example("]]>")
@example("\ud800\ufffe\x00")
@settings(max_examples=40, deadline=None)
def test_svg_is_well_formed_and_holds_no_markup_of_names(name: str):
    root = parsed(picture(hostile(name), names=True))
    tags = {element.tag.removeprefix(SVG) for element in root.iter()}
    assert tags <= {"svg", "title", "desc", "rect", "circle", "polyline", "polygon", "text"}
    to_svg(picture(hostile(name), names=True)).encode()


# -- LaTeX -----------------------------------------------------------------------------------


def balanced(text: str) -> bool:
    depth = 0
    for token in re.findall(r"\\.|[{}]", text, re.DOTALL):
        depth += {"{": 1, "}": -1}.get(token, 0)
        if depth < 0:
            return False
    return depth == 0


@given(NAMES)
@example(HOSTILE)
@settings(max_examples=60, deadline=None)
def test_tikz_is_balanced_ascii_whatever_the_names(name: str):
    text = to_tikz(picture(hostile(name), names=True))
    assert text.isascii() and balanced(text)
    assert text.count("\\begin{") == text.count("\\end{") == 2
    assert text.count("\\end{document}") == 1


@given(st.characters())
def test_every_character_is_escaped_on_its_own(c: str):
    text = escaped(c)
    assert text.isascii() and "\n" not in text and balanced(text)
    if c in "#$%&_{}":
        assert text == "\\" + c
    assert c != "\\" or text == r"\textbackslash{}"


def test_latex_writes_accents_greek_and_bars():
    assert (
        escaped("größe θ Ω 天") == r"gr\"{o}\ss{}e \ensuremath{\theta} \ensuremath{\Omega} [U+5929]"
    )
    text = to_tikz(picture(circuit(indicator("X1", 0))))
    assert r"\ensuremath{\overline{\mbox{x}}}\textsubscript{1}" in text


def has_latex() -> bool:
    if shutil.which("pdflatex") is None or shutil.which("kpsewhich") is None:
        return False
    found = subprocess.run(["kpsewhich", "standalone.cls"], capture_output=True, check=False)
    return found.returncode == 0


@pytest.mark.slow
@pytest.mark.skipif(not has_latex(), reason="no LaTeX with the class standalone")
@pytest.mark.parametrize("one", [figure1_naive_bayes(), hostile()])
def test_latex_compiles_it(one: Circuit, tmp_path: Path):
    drawn = picture(one, values={one.root: 0.5}, names=True)
    (tmp_path / "a.tex").write_text(to_tikz(drawn))
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "a.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    assert (tmp_path / "a.pdf").read_bytes().startswith(b"%PDF")


# -- PDF -------------------------------------------------------------------------------------


def streams(data: bytes) -> list[bytes]:
    """The streams of a PDF that reportlab wrote, unpacked."""
    import base64

    found: list[bytes] = []
    for head, body in re.findall(rb"<<(.*?)>>\s*stream\r?\n(.*?)endstream", data, re.DOTALL):
        if b"ASCII85Decode" in head:
            body = (
                base64.a85decode(body.strip(), adobe=False)
                if not body.strip().endswith(b"~>")
                else base64.a85decode(b"<~" + body.strip(), adobe=True)
            )
        found.append(zlib.decompress(body) if b"FlateDecode" in head else body)
    return found


def test_pdf_is_one_page_of_vectors_with_its_font():
    drawn = picture(figure1_naive_bayes())
    data = to_pdf(drawn)
    assert data.startswith(b"%PDF-") and data.rstrip().endswith(b"%%EOF")
    assert len(re.findall(rb"/Type /Page\b", data)) == 1
    box = re.search(rb"/MediaBox \[ 0 0 ([\d.]+) ([\d.]+) \]", data)
    assert box and [float(v) for v in box.groups()] == pytest.approx([drawn.width, drawn.height])
    assert b"/FontFile2" in data and b"BitstreamVera" in data
    # Four curves a circle, and nothing that runs.
    page = max(streams(data), key=lambda s: s.count(b" c"))
    assert page.count(b" c\n") + page.count(b" c ") >= 4 * 12
    assert b"/JavaScript" not in data and b"/URI" not in data


def test_pdf_starts_where_its_table_says():
    data = to_pdf(picture(hostile()))
    start = int(re.findall(rb"startxref\s+(\d+)", data)[-1])
    assert data[start:].startswith(b"xref")
    offsets = re.findall(rb"(\d{10}) \d{5} n", data[start:])
    assert len(offsets) > 5
    assert all(re.match(rb"\d+ 0 obj", data[int(offset) :]) for offset in offsets)


@given(NAMES)
@example(HOSTILE)
@settings(max_examples=10, deadline=None)
def test_pdf_and_png_take_any_name(name: str):
    drawn = picture(hostile(name), names=True)
    assert to_pdf(drawn) == to_pdf(drawn)
    assert Image.open(io.BytesIO(to_png(drawn))).size == png_size(drawn)


def test_what_the_font_lacks_is_spelled_out():
    known = available(vera())
    assert drawable("größe ¬x − ∞", known) == "größe ¬x − ∞"
    assert drawable("θ Δ 天", known) == "theta Delta ?"


# -- PNG -------------------------------------------------------------------------------------


def test_png_has_the_size_of_the_picture():
    drawn = picture(figure1_naive_bayes())
    image = Image.open(io.BytesIO(to_png(drawn, 2.0)))
    assert image.format == "PNG" and image.mode == "RGB"
    assert image.size == (round(2 * drawn.width), round(2 * drawn.height))
    assert image.getpixel((0, 0)) == (255, 255, 255)
    root = next(node for node in drawn.nodes if node.root)
    centre = image.getpixel((round(2 * root.x), round(2 * root.y)))
    assert isinstance(centre, tuple) and sum(centre) < 250  # the plus sign


def test_png_of_a_wide_circuit_stays_small():
    units = 1999
    groups = [LeafGroup("x", units, Bernoulli(), (0,), "x"), SumGroup("s", 1, (0,), "s")]
    params = {"x": torch.full((1, units), 0.5), "s": torch.ones(1, units)}
    drawn = picture(Circuit(groups, [(1, 0)], ["V"], params))
    image = Image.open(io.BytesIO(to_png(drawn, 4.0)))
    assert max(image.size) <= MAX_SIDE and image.size == png_size(drawn, 4.0)


# -- formats ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("suffix", "start"),
    [
        (".svg", b"<?xml"),
        (".tex", b"% "),
        (".pdf", b"%PDF"),
        (".png", b"\x89PNG"),
        (".dot", b"dig"),
    ],
)
def test_a_model_becomes_a_picture(suffix: str, start: bytes, tmp_path: Path):
    save_model(load_model("figure1_naive_bayes"), tmp_path / f"m{suffix}")
    assert (tmp_path / f"m{suffix}").read_bytes().startswith(start)
    owner = next(f for f in FORMATS().values() if suffix in f.suffixes)
    assert owner.drawing and owner.load is None


@pytest.mark.parametrize("suffix", [".svg", ".tex", ".pdf", ".png"])
def test_too_large_for_a_picture(suffix: str, tmp_path: Path):
    with pytest.raises(FileError, match="units is more than the 2,000"):
        save_model(load_model("digits_rat"), tmp_path / f"m{suffix}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", figures())
def test_every_figure_can_be_drawn(name: str):
    drawn = picture(figures()[name]())
    parsed(drawn)
    assert balanced(to_tikz(drawn))
    assert to_pdf(drawn).startswith(b"%PDF") and to_png(drawn, 1.0).startswith(b"\x89PNG")


def test_dot_takes_values_and_leaves_weights_out():
    one = circuit(0.4 * product(bernoulli("A", 0.5)) + 0.6 * product(bernoulli("A", 0.1)))
    text = to_dot(one, values={one.root: 0.25, (0, 0): 'a"b'}, weights=False)
    assert 'xlabel="0.25"' in text and r'xlabel="a\"b"' in text and '[label="0.4"]' not in text
