"""Writing Cap'n Proto messages, to have some to read: structs, lists, far pointers."""

from __future__ import annotations

import struct
from collections.abc import Sequence


class Message:
    """Segments of words. With `far`, every list goes to a segment of its own, behind a far
    pointer; with `double`, behind a double far pointer."""

    def __init__(self, far: bool = False, double: bool = False) -> None:
        self.segments = [bytearray()]
        self.far, self.double = far or double, double

    def allocate(self, words: int, segment: int = 0) -> int:
        """The first of so many new words."""
        first = len(self.segments[segment]) // 8
        self.segments[segment] += bytes(8 * words)
        return first

    def put(self, segment: int, word: int, value: bytes) -> None:
        self.segments[segment][8 * word : 8 * word + len(value)] = value

    def point_struct(self, word: int, to: int, data: int, pointers: int) -> None:
        self.put(0, word, struct.pack("<iHH", (to - word - 1) << 2, data, pointers))

    def point_list(self, word: int, content: bytes, code: int, count: int) -> None:
        """A list at the pointer `word` of segment 0."""
        words = -(-len(content) // 8)
        tag = (count << 3) | code
        if not self.far:
            to = self.allocate(words)
            self.put(0, to, content)
            self.put(0, word, struct.pack("<iI", ((to - word - 1) << 2) | 1, tag))
            return
        self.segments.append(bytearray())
        other = len(self.segments) - 1
        if self.double:
            self.put(other, self.allocate(words, other), content)
            pad = self.allocate(2)
            self.put(0, pad, struct.pack("<II", 2, other))
            self.put(0, pad + 1, struct.pack("<II", 1, tag))
            self.put(0, word, struct.pack("<II", (pad << 3) | 6, 0))
        else:
            pad = self.allocate(1 + words, other)
            self.put(other, pad, struct.pack("<iI", 1, tag))
            self.put(other, pad + 1, content)
            self.put(0, word, struct.pack("<II", (pad << 3) | 2, other))

    def done(self) -> bytes:
        """The stream."""
        sizes = [len(segment) // 8 for segment in self.segments]
        head = struct.pack(f"<{1 + len(sizes)}I", len(sizes) - 1, *sizes)
        return head + bytes(-len(head) % 8) + b"".join(self.segments)


#: (kind, number at byte 0 and so on, lists): the body of a node.
Node = tuple[str, bytes, Sequence[tuple[str, Sequence[float]]]]
_TAGS = {"product": 0, "sum": 1, "histogram": 2, "gaussian": 3, "categorical": 4}
_CODES = {"i": 4, "d": 5}


def model(nodes: Sequence[Node], root: int, features: int, *, query: bool, **how: bool) -> bytes:
    """A model of spn-compiler, alone or in a query."""
    m = Message(**how)
    start = m.allocate(1)
    header = m.allocate(2)
    m.point_struct(start, header, 1, 1)
    m.put(0, header, struct.pack("<H", int(query)))
    at = header + 1
    for data in (2, 1) if query else ():
        to = m.allocate(data + 1)
        m.point_struct(at, to, data, 1)
        at = to + data
    body = m.allocate(1 + 4)
    m.point_struct(at, body, 1, 4)
    m.put(0, body, struct.pack("<ii", root, features))
    first = m.allocate(1 + 2 * len(nodes))
    tag = ((2 * len(nodes)) << 3) | 7
    m.put(0, body + 4, struct.pack("<iI", ((first - body - 5) << 2) | 1, tag))
    m.put(0, first, struct.pack("<iHH", len(nodes) << 2, 1, 1))
    for number, (kind, data, lists) in enumerate(nodes):
        word = first + 1 + 2 * number
        m.put(0, word, struct.pack("<iBBH", number, 0, 0, _TAGS[kind]))
        words = -(-len(data) // 8)
        to = m.allocate(words + len(lists))
        m.point_struct(word + 1, to, words, len(lists))
        m.put(0, to, data)
        for place, (letter, values) in enumerate(lists):
            content = struct.pack(f"<{len(values)}{letter}", *values)
            m.point_list(to + words + place, content, _CODES[letter], len(values))
    return m.done()


def sample(**how: bool) -> bytes:
    """0.25 * hist(X0) N(X2) + 0.75 * hist'(X0) cat-free N'(X2), X1 in no leaf; histograms that do
    not add up to one."""
    query = how.pop("query", False)

    def histogram(scope: int, breaks: Sequence[int], densities: Sequence[float]) -> Node:
        head = struct.pack("<HHi", 0, 0, scope)
        return "histogram", head, (("i", breaks), ("d", densities), ("d", ()))

    def gaussian(mean: float, deviation: float) -> Node:
        return "gaussian", struct.pack("<ddi", mean, deviation, 2), ()

    nodes: list[Node] = [
        histogram(0, (0, 1, 3), (0.5, 0.5)),
        gaussian(1.0, 2.0),
        ("product", b"", (("i", (0, 1)),)),
        ("categorical", struct.pack("<i", 0), (("d", (0.25, 0.25, 0.5)),)),
        gaussian(-1.0, 0.5),
        ("product", b"", (("i", (3, 4)),)),
        ("sum", b"", (("i", (2, 5)), ("d", (0.25, 0.75)))),
    ]
    return model(nodes, 6, 3, query=query, **how)
