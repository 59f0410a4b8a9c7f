"""Cap'n Proto messages: just enough to read structs and lists, with every access bounded.

Source: the encoding specification of Cap'n Proto (capnproto.org/encoding.html): unpacked stream
framing; struct, list, far and double-far pointers.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pccore.errors import FileError

_MAX_SEGMENTS = 512
#: Bytes of an element by its size code, 0 for those that are no plain numbers.
_WIDTHS = (0, 0, 1, 2, 4, 8)


class Message:
    """The segments of a message. Each word may be looked at a few times, so that lists that refer
    to the same words again and again do not become larger than the file."""

    def __init__(self, data: bytes) -> None:
        """Raises FileError where this is no message."""
        if len(data) < 8:
            raise FileError("the file is too short")
        count = int(struct.unpack_from("<I", data)[0]) + 1
        head = 4 * (count + 1 + (count + 1) % 2)
        if count > _MAX_SEGMENTS or len(data) < head:
            raise FileError("this is not a message of Cap'n Proto")
        sizes = struct.unpack_from(f"<{count}I", data, 4)
        if head + 8 * sum(sizes) > len(data):
            raise FileError("the file ends too early")
        self._segments: list[bytes] = []
        for size in sizes:
            self._segments.append(data[head : head + 8 * size])
            head += 8 * size
        self._budget = 8 * len(data)

    def root(self) -> Struct:
        """The struct that the message holds."""
        found = self.follow(0, 0)
        if not isinstance(found, Struct):
            raise FileError("the message holds no struct")
        return found

    def bytes_at(self, segment: int, word: int, size: int) -> bytes:
        """Bytes from the start of a word."""
        self._budget -= size + 8
        if self._budget < 0:
            raise FileError("parts of the message are referred to too often")
        if not 0 <= segment < len(self._segments):
            raise FileError("a pointer leads to a segment that is not there")
        start = 8 * word
        if word < 0 or start + size > len(self._segments[segment]):
            raise FileError("a pointer leads out of its segment")
        return self._segments[segment][start : start + size]

    def follow(self, segment: int, word: int) -> Struct | List | None:
        """What the pointer at a word leads to; None for a null pointer."""
        low, high = struct.unpack("<II", self.bytes_at(segment, word, 8))
        if low & 3 == 2:
            far, place = high, low >> 3
            if low & 4:  # the landing pad has a far pointer to the content, then its tag
                other, content = struct.unpack("<II", self.bytes_at(far, place, 8))[::-1]
                if content & 7 != 2:
                    raise FileError("a far pointer leads nowhere")
                low, high = struct.unpack("<II", self.bytes_at(far, place + 1, 8))
                return self._object(other, content >> 3, low, high)
            segment, word = far, place
            low, high = struct.unpack("<II", self.bytes_at(segment, word, 8))
        offset = (low >> 2) - (1 << 30 if low >> 31 else 0)
        return self._object(segment, word + 1 + offset, low, high)

    def _object(self, segment: int, word: int, low: int, high: int) -> Struct | List | None:
        if not low and not high:
            return None
        if low & 3 == 0:
            return Struct(self, segment, word, high & 0xFFFF, high >> 16)
        if low & 3 == 1:
            return List(self, segment, word, high & 7, high >> 3)
        raise FileError("a pointer is of no known kind")


@dataclass(frozen=True)
class Struct:
    """Data words, then pointers; what a writer of an older schema has left out is 0."""

    message: Message
    segment: int
    word: int
    data_words: int
    pointers: int

    def number(self, kind: str, at: int) -> int | float:
        """The number of a `struct` format at a byte of the data."""
        size = struct.calcsize(kind)
        if at + size > 8 * self.data_words:
            return 0
        data = self.message.bytes_at(self.segment, self.word, at + size)
        return struct.unpack_from("<" + kind, data, at)[0]

    def integer(self, kind: str, at: int) -> int:
        """A whole number."""
        return int(self.number(kind, at))

    def pointer(self, number: int) -> Struct | List | None:
        """What a pointer leads to."""
        if number >= self.pointers:
            return None
        return self.message.follow(self.segment, self.word + self.data_words + number)

    def struct(self, number: int) -> Struct:
        """The struct of a pointer. Raises FileError where there is none."""
        found = self.pointer(number)
        if not isinstance(found, Struct):
            raise FileError("a struct is missing")
        return found

    def numbers(self, number: int, kind: str) -> NDArray[np.float64]:
        """The list of numbers of a pointer, of the numpy type `kind`."""
        found = self.pointer(number)
        if found is None:
            return np.zeros(0)
        if not isinstance(found, List):
            raise FileError("a list is missing")
        return found.numbers(kind)


@dataclass(frozen=True)
class List:
    """Elements of one size."""

    message: Message
    segment: int
    word: int
    code: int
    count: int

    def numbers(self, kind: str) -> NDArray[np.float64]:
        """Plain numbers of the numpy type `kind`."""
        dtype = np.dtype(kind)
        if self.code >= len(_WIDTHS) or _WIDTHS[self.code] != dtype.itemsize:
            raise FileError("a list has elements of another size")
        data = self.message.bytes_at(self.segment, self.word, self.count * dtype.itemsize)
        return np.frombuffer(data, dtype).astype(np.float64)

    def structs(self) -> Sequence[Struct]:
        """Structs that lie one after the other."""
        if self.code != 7:
            raise FileError("a list of structs is missing")
        tag, sizes = struct.unpack("<II", self.message.bytes_at(self.segment, self.word, 8))
        data, pointers = sizes & 0xFFFF, sizes >> 16
        count, width = tag >> 2, data + pointers
        if tag & 3 or count * width > self.count or (width == 0 and count):
            raise FileError("a list of structs is not well-formed")
        first = self.word + 1
        return [
            Struct(self.message, self.segment, first + n * width, data, pointers)
            for n in range(count)
        ]
