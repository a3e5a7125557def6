"""Ways to damage an input: its bytes, its lines, its fields, the values of what it encodes."""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Callable
from contextlib import suppress
from random import Random
from typing import Any

import srsly

Case = dict[str, bytes]
"""An input: its files by name, the one to be read first."""

_LARGEST = 1 << 20
_LINE_END = re.compile(rb"\r\n|\n|\r")
_BREAK = re.compile(rb"[\t ,|\"]")
_NUMBER = re.compile(rb"-?\d+")
_TEXTS = (
    *("\ud800", "\udfff", "\ufeff", "\0", "\u2028", "\x85", "\x0b", "\x1c", "\u202e", "\u2066"),
    *("\u0301", "\u200d", "\u3000", "\xa0", "\U0001f468\u200d\U0001f469", "\ufffd", "\x1b[2J"),
    *("-DOCSTART- -X- O O", "#", "# id", "name=B-PER", "B-", "B-PER", "О", "O", "1-2", "3.1", "1"),
    *("\t", "\t\t", " ", "|", ":", ",", '"', "'", "\\", "{", "}", "[", "]", "[[1,2]]", "null"),
    *("NaN", "-Infinity", "1e400", "true", '{"text":1}', "text", "ents", "../x", "/dev/zero"),
)
_INSERTED = (
    *(text.encode("utf-8", "surrogatepass") for text in _TEXTS),
    *(b"\\ud800", b"\\u0000", b"\xff", b"\xc0\xaf", b"\xfe\xff", b"\xff\xfe", b"\r", b"\n\n"),
)
_NUMBERS = (b"-1", b"0", b"1e400", b"NaN", b"1.5", b"%d" % 2**31, b"%d" % 2**63, b"-%d" % 2**64)
_VALUES: tuple[Any, ...] = (
    *(None, True, -1, 0, 1, 10**6, 2**63, -(2**64), 10**400, 1.5, 1e308, float("inf")),
    *(float("nan"), "", " ", "\ud800", "\0", "a\u2028b", "\u202eabc", "x" * 3000, [], {}, [[]]),
    *([1, 2, 3], [-1, 10**9, "PER"], {"a": [None]}, ["text"]),
)


def mutate(data: bytes, random: Random) -> bytes:
    """Damage some bytes once or several times; within what they encode, if anything."""
    for _ in range(random.choice((1, 1, 1, 2, 4, 8))):
        data = _decoded(data, random)[:_LARGEST]
    return data


def _decoded(data: bytes, random: Random) -> bytes:
    """Damage bytes, more often than not those that they become when they are unpacked."""
    if random.random() < 0.8:
        with suppress(Exception):
            if data.startswith(b"\x1f\x8b"):
                return gzip.compress(_decoded(gzip.decompress(data), random), 1, mtime=0)
            if data.startswith(b"\x78"):
                return zlib.compress(_decoded(zlib.decompress(data), random), 1)
            if data[257:262] == b"ustar":
                return _tar(data, random)
            if random.random() < 0.7:
                return _record(data, random)
    return random.choice(_OF_BYTES)(data, random)


def _tar(data: bytes, random: Random) -> bytes:
    """Damage a header of a tar archive and mend its checksum, or damage what is in it."""
    blocks = [data[at : at + 512] for at in range(0, len(data), 512)]
    heads = [at for at, block in enumerate(blocks) if block[257:262] == b"ustar"]
    at = random.choice(heads)
    if random.random() < 0.5:
        head = bytearray(blocks[at])
        field = random.choice(((0, 100), (100, 8), (124, 12), (136, 12), (156, 1), (157, 100)))
        new = random.choice((b"0", b"1", b"2", b"5", b"L", b"K", b"x", b"g", b"S", b"77", b"-1"))
        new = random.choice((new, b"\x80" + b"\xff" * 11, b"../../x", b"7" * 11, _odd(random)))
        head[field[0] : sum(field)] = new[: field[1]].ljust(field[1], b"\0")
        head[148:156] = b" " * 8
        head[148:156] = b"%06o\0 " % sum(head)
        blocks[at] = bytes(head)
    else:
        at = random.randrange(len(blocks))
        blocks[at] = random.choice(_OF_BYTES)(blocks[at], random)[:512].ljust(512, b"\0")
    return b"".join(blocks)


def _record(data: bytes, random: Random) -> bytes:
    """Replace a value in JSON, a line of JSON or a map of msgpack by another."""
    if data[:1] and data[0] >> 4 in (0x8, 0xD):
        return srsly.msgpack_dumps(change(srsly.msgpack_loads(data), random))
    try:
        lines, at = [data], 0
        value = json.loads(data)
    except ValueError:
        lines = data.split(b"\n")
        at = random.choice([n for n, line in enumerate(lines) if line.strip()])
        value = json.loads(lines[at])
    text = json.dumps(change(value, random), ensure_ascii=random.random() < 0.5)
    lines[at] = text.encode("utf-8", "surrogatepass")
    return b"\n".join(lines)


def change(value: Any, random: Random) -> Any:
    """A value with one part of it replaced, removed, doubled or under another key."""
    if isinstance(value, bytes):
        return mutate(value, random)
    if not isinstance(value, (dict, list)) or not value or random.random() < 0.15:
        return random.choice((*_VALUES, str(value), [value], {"text": value}))
    key = random.choice([*value] if isinstance(value, dict) else range(len(value)))
    act = random.random()
    if act < 0.7:
        value[key] = change(value[key], random)
    elif act < 0.8:
        del value[key]
    elif isinstance(value, list):
        value.insert(random.randrange(len(value)), value[key])
    else:
        value[random.choice((*value, "", "text", "lang", "\ud800", "input_text"))] = value[key]
    return value


def _odd(random: Random) -> bytes:
    return random.choice(_INSERTED)


def _span(data: bytes, random: Random) -> tuple[int, int]:
    start = random.randrange(len(data) + 1)
    return start, min(len(data), start + random.choice((1, 2, 8, 64, 1024)))


def _flip(data: bytes, random: Random) -> bytes:
    if not data:
        return b"\0"
    at = random.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << random.randrange(8)]) + data[at + 1 :]


def _cut(data: bytes, random: Random) -> bytes:
    start, end = _span(data, random)
    return random.choice((data[:start], data[start:], data[:start] + data[end:]))


def _double(data: bytes, random: Random) -> bytes:
    (start, end), at = _span(data, random), random.randrange(len(data) + 1)
    n = random.choice((1, 1, 1, 100)) if len(data) < 100_000 else 1
    return data[:at] + data[start:end] * n + data[at:]


def _insert(data: bytes, random: Random) -> bytes:
    at = random.choice((0, len(data), random.randrange(len(data) + 1)))
    return data[:at] + _odd(random) * random.choice((1, 1, 1, 3, 300)) + data[at:]


def _large(data: bytes, random: Random) -> bytes:
    """Insert a long run, or nesting without end; not often, as it takes time."""
    if random.random() < 0.9:
        return _insert(data, random)
    at = random.randrange(len(data) + 1)
    return data[:at] + random.choice((b"[", b'{"a":', b"x", b"\n", b"\x91")) * 20_000 + data[at:]


def _pieces(pattern: re.Pattern[bytes], data: bytes, random: Random) -> bytes:
    """Move, swap, double or leave out the parts between the matches of a pattern."""
    parts, ends = pattern.split(data), [*pattern.findall(data), b""]
    one, two = random.randrange(len(parts)), random.randrange(len(parts))
    act = random.randrange(4)
    if act == 0:
        parts[one], parts[two] = parts[two], parts[one]
    elif act == 1:
        parts[one] = parts[two]
    elif act == 2:
        parts[one] = b""
    else:
        random.shuffle(parts)
    return b"".join(part + end for part, end in zip(parts, ends, strict=True))


def _lines(data: bytes, random: Random) -> bytes:
    return _pieces(_LINE_END, data, random)


def _fields(data: bytes, random: Random) -> bytes:
    lines = data.split(b"\n")
    at = random.randrange(len(lines))
    lines[at] = _pieces(_BREAK, lines[at], random)
    return b"\n".join(lines)


def _line_ends(data: bytes, random: Random) -> bytes:
    new = random.choice((b"\r\n", b"\r", b"\n\n", b"\n\r", b"", "\u2028".encode(), b"\x85", b"\0"))
    return data.replace(b"\n", new, random.choice((1, 3, -1)))


def _number(data: bytes, random: Random) -> bytes:
    found = [match.span() for match in _NUMBER.finditer(data)] or [(0, 0)]
    start, end = random.choice(found)
    return data[:start] + random.choice((*_NUMBERS, b"9" * 5_000)) + data[end:]


_OF_BYTES: tuple[Callable[[bytes, Random], bytes], ...] = (
    *(_flip, _flip, _cut, _double, _insert, _insert, _large, _lines, _fields, _line_ends, _number),
)
