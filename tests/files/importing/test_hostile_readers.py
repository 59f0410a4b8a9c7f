"""Wrong, cyclic and huge inputs: a typed error with its line, in bounded time and memory."""

from __future__ import annotations

import contextlib
import tracemalloc

import pytest

from pccore.errors import FileError
from pccore.files import Companion, Limits, load_bytes, load_together
from tests.files.importing.samples import SAMPLES, VTREE

CASES = [
    ("m.psdd", "psdd 1\nL 0 0 1\nD 1 0 1 0 9 0.0\n", "line 3: there is no earlier node 9"),
    ("m.psdd", "psdd 1\nD 0 0 1 0 0 0.0\n", "line 2: there is no earlier node 0"),
    ("m.psdd", "psdd 1\nL 0 0 1\nL 0 0 2\n", "line 3: there are two nodes 0"),
    ("m.psdd", "psdd 1\nL 0 0 0\n", "line 2: variables start at 1"),
    ("m.psdd", "psdd 1\nT 0 0 1 0.5\n", "line 2: log P = 0.5 is above 0"),
    ("m.psdd", "psdd 1\nT 0 0 1 nan\n", "line 2: the log-weight nan is not at most 700"),
    ("m.psdd", "psdd 1\nL 0 0 1\nD 1 0 2 0 0 0.0\n", "line 3: a decision over 2 elements needs"),
    ("m.psdd", "psdd 1\nL 0 0 1\nD 1 0 -1\n", "line 3: the number of elements must be"),
    ("m.psdd", "psdd 1\nL 0 0 99999999999\n", "line 2: the variable must be an integer from"),
    ("m.psdd", "psdd 1\nhello\n", "line 2: a line starts with psdd, L, T, D or c, not 'hello'"),
    ("m.psdd", "c nothing\npsdd 4\n", "there are no nodes"),
    ("m.psdd", "psdd 1\n\0\0", "line 2: this is not a text"),
    ("m.nnf", "nnf 1 0 1\nL 2\n", "line 2: the literal must be an integer from -1 to 1"),
    ("m.nnf", "nnf 1 0 1\nA 1 0\n", "line 2: there is no earlier node 0"),
    ("m.nnf", "nnf 1 0 1\nL 1\nO 0 2 0\n", "line 3: a node over 2 children needs 5 words, not 4"),
    ("m.nnf", "nnf 1 0 99999999\nL 1\n", "line 1: the number must be an integer from 0 to"),
    ("m.nnf", "nnf 1 0 0\nA 0\n", None),  # nothing is wrong: one variable, both states
    ("m.nnf", "o 1 0\na 2 0\n1 2 0\n2 1 0\n", "node 1 is below itself, through node 2"),
    ("m.nnf", "o 1 0\n1 2 0\n", "an edge leaves node 1, but there is no node 2"),
    ("m.nnf", "o 2 0\n", "there is no node 1, the root"),
    ("m.nnf", "o 1 0\nt 2 0\n1 2 5", "line 3: the line does not end in 0"),
    ("m.sdd", "sdd 1\nL 0 0 1\nD 1 0 1 0 7\n", "line 3: there is no earlier node 7"),
    ("m.ac", "(2)\nv 0 2\nEOF\n", "line 2: the state must be an integer from 0 to 1"),
    ("m.ac", "(2)\nv 0 1\n", "there is no line EOF at the end"),
    ("m.ac", "(2)\nv 0 1\nn nan\nEOF\n", "line 3: the log-weight nan is not at most 700"),
    ("m.ac", "(2)\nv 0 1\n+ 5\nEOF\n", "line 3: there is no earlier node 5"),
    ("spac.m", "spac\n1\nn 0 ac -1\n0\n", "there is no spac-0.ac for the leaf 0"),
    ("spac.m", "spac\n1\nn 0 + -1\n1\n-1 -1\n0\n", "line 5: 1 children have 2 weights"),
    ("spac.m", "spac\n1\nn 0 + -1\n1\n0\n0\n", "node 0 has the child 1, which is not there"),
    ("spac.m", "spac\n1\nn 0 + -1\n0\n0\n0\n", "node 0 is below itself"),
    ("spac.m", "spac\n1\nn 0 * -1\n", "the file ends too early"),
    ("m.ac", "2 2\n", "line 1: the first line holds the numbers of states"),
    ("m.spn", "(2)\nv 0 1\n+ 0 0.5 0\nEOF\n", "line 3: a sum needs a log-weight behind each"),
    ("m.jpc", "jpc 1\nC 0 0 1 -5 -5\n", "line 2: the probabilities add up to 0.0134759"),
    ("m.jpc", "jpc 1\nX 0 0 1\n", "line 2: a line starts with jpc, L, I, C, B, P, S or c"),
    (
        "m.uai",
        "BAYES\n2\n2 2\n1\n2 0 0\n4\n1 1 1 1",
        "line 5: a function mentions a variable twice",
    ),
    ("m.uai", "BAYES\n1\n2\n1\n1 0\n3\n1 1 1", "line 6: a table over 2 states has 3 entries"),
    ("m.uai", "BAYES\n1\n2\n1\n1 0\n2\n1", "line 7: the file ends where a table entry is"),
    ("m.uai", "BAYES\n1\n2\n1\n1 0\n2\n1 -1", "line 7: the table entry '-1' is not a finite"),
    (
        "m.bif",
        "network x {}\nvariable a { type discrete [2] { y, n }; }",
        "'a' has no probabilities",
    ),
    ("m.bif", "variable a { type discrete [2] { y, y }; }", "line 1: two states of a are named"),
    ("m.bif", "/* for ever", "line 1: a text or comment does not end"),
    ("m.circuit", "Logistic Circuit\nT 0 0 1 0.5\n", "no line with the bias"),
    ("m.circuit", "T 0 0 1 0.5 1\nF 1 0 1 0.5", "line 2: a list of parameters needs 2 words"),
    ("m.circuit", "T 0 0 1 nan", "line 1: the parameter nan is not a number of a sensible size"),
    ("m.circuit", "T 0 0 1 1\nD 1 1 1 (0 7 0.5)", "line 2: there is no earlier node 7"),
    ("m.circuit", "B 1", "line 1: there is no decision before the bias"),
    ("m.spflow", "(0.5*(Bernoulli(V0|p=0.5))", "the equation ends too early"),
    ("m.spflow", "\nBernoulli(V0|p=2)", "line 2, column 1: p = 2 is not a probability"),
    ("m.spflow", "\n Gamma(V0|alpha=2)", "line 2, column 2: the leaf Gamma is not supported"),
    ("m.spflow", "Poisson(V0|mean=-2)", "the mean -2 of a Poisson leaf is not a number >= 0"),
    ("m.spflow", "Bernoulli(V99999999|p=0.5)", None),  # a name like any other
    ("m.spflow", "(Bernoulli(V0|p=0.5) + Bernoulli(V0|p=0.5))", "'+' is not expected here"),
]


@pytest.mark.parametrize(("name", "text", "message"), CASES)
def test_what_is_wrong_is_said_with_its_line(name: str, text: str, message: str | None):
    if message is None:
        assert load_bytes(text.encode(), name).num_units
        return
    with pytest.raises(FileError) as caught:
        load_bytes(text.encode(), name)
    assert str(caught.value).startswith(name) and message in str(caught.value)


@pytest.mark.parametrize(
    ("vtree", "message"),
    [
        ("vtree 1\nL 0 1\nL 0 2\n", "m.vtree, line 3: there are two nodes 0"),
        ("vtree 3\nL 0 1\nI 1 0 0\n", "m.vtree, line 3: the child 0 has two parents"),
        ("vtree 3\nI 0 1 2\nI 1 0 2\nL 2 1", "m.vtree, line 3: the child 2 has two parents"),
        ("vtree 2\nL 0 1\nL 1 2\n", "m.vtree: a vtree has one root, not 2"),
        ("vtree 3\nL 0 1\nI 1 2 3\n", "m.vtree, line 3: the child 2 does not exist"),
        ("vtree 3\nL 0 1\nL 1 1\nI 2 0 1\n", "m.vtree, line 4: a variable has two leaves"),
        ("vtree 3\nL 0 1\nL 2 2\nI 3 0 2\n", "m.sdd, line 5: the vtree has no node 4"),
        ("", "m.sdd: the file is empty"),
    ],
)
def test_a_wrong_vtree_is_blamed(vtree: str, message: str):
    files = [
        Companion("m.sdd", SAMPLES["sdd"].text.encode()),
        Companion("m.vtree", vtree.encode()),
    ]
    with pytest.raises(FileError) as caught:
        load_together(files)
    assert message in str(caught.value).replace("m.sdd, m.vtree", "m.vtree")


def test_one_model_at_a_time():
    psdd = Companion("a.psdd", SAMPLES["psdd"].text.encode())
    assert load_together([Companion("a.vtree", VTREE.encode()), psdd]).num_units == 14
    with pytest.raises(FileError, match=r"these are 2 models: a\.psdd, a\.psdd"):
        load_together([psdd, psdd])
    with pytest.raises(FileError, match="there is no model"):
        load_together([Companion("a.vtree", VTREE.encode())])


SMALL = Limits(max_text_size=2000, max_line=500, max_variables=500, max_scope_bits=2**20)
BOMBS = [
    ("m.nnf", "nnf 1 0 500\n" + "L 1\n" * 400 + "O 0 400 " + " ".join(map(str, range(400)))),
    ("m.nnf", "nnf 1 0 10\n" + "L 1\n" * 900 + "A 0\n" * 4000),
    ("m.psdd", "psdd 1\n" + "".join(f"T {k} 0 1 -1\n" for k in range(4000))),
    ("m.ac", "(2)\nv 0 0\n" + "* 0 0 0 0 0 0\n" * 4000 + "EOF\n"),
    ("m.jpc", "jpc 1\n" + "".join(f"I {k} 0 1 1\n" for k in range(4000))),
    ("m.spflow", "(" + " * ".join(["Bernoulli(V0|p=0.5)"] * 4000) + ")"),
    ("m.uai", "MARKOV\n4\n9 9 9 9\n1\n4 0 1 2 3\n6561\n" + "1 " * 6561),
    ("m.uai", "MARKOV\n40\n" + "2 " * 40 + "\n780\n" + "".join(
        f"2 {a} {b}\n" for a in range(40) for b in range(a)) + "4 1 1 1 1\n" * 780),
    ("m.bif", "variable a { type discrete [2] { "
     + ", ".join(f"s{k}" for k in range(3000)) + " }; } probability (a) { table 1; }"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "text"), BOMBS)
def test_sizes_are_bounded(name: str, text: str):
    with pytest.raises(FileError):
        load_bytes(text.encode(), name, SMALL)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("m.nnf", "nnf 1 0 1000000\nL 1\n"),
        ("m.uai", "BAYES\n1000000\n2\n"),
        ("m.uai", "MARKOV\n20\n" + "1000 " * 20 + "\n1\n20 " + " ".join(map(str, range(20)))),
        ("m.ac", "(1000000 1000000)\nv 0 0\nEOF"),
        ("m.spflow", "Histogram(V0|[0,1000000];[0.000001])"),
        ("m.spflow", "(" * 200_000),
        ("m.jpc", "jpc 999999999999\nI 0 0 1000000 1000000\n"),
    ],
)
def test_few_bytes_do_not_take_much_memory(name: str, text: str):
    tracemalloc.start()
    with contextlib.suppress(FileError):
        load_bytes(text.encode(), name)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 400 * 2**20
