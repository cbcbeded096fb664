"""Mutants of a valid file: of its bytes, and of its structure where it is JSON or JSON lines."""

import copy
import json

import numpy as np

DEEP, LONG = 20_000, 200_000  # levels of nesting; characters of a text
MARK = "@raw{}@"
# What JSON writers do not write, as it would stand in the file.
RAW = (
    "[" * DEEP + "]" * DEEP,
    '{"a":' * DEEP + "1" + "}" * DEEP,
    "9" * 5_000,
    "-1e999",
    "1e-999",
    "NaN",
    "Infinity",
    '"\\ud800"',
    '"\\u0000"',
    "9223372036854775808",
    "1.0000000000000001",
)
VALUES = (
    None, True, False, 0, -1, 1, 3, 2**31, 2**63, 0.5, -1e300, "", " ", "a", "..", "/", "../../x",
    "nan", "1", "\n", "é\u200b", "x" * LONG, [], {}, [[]], [None], {"": 0}, [0] * 1000,
)  # fmt: skip
TOKENS = (
    b"\x00", b"\xff", b"\xef\xbb\xbf", b"\xff\xfe", b"\n", b"\r", b"\t", b",", b'"', b"'", b"[",
    b"{", b"}", b"]", b": ", b"- ", b"../", b"/", b"-1", b"NaN", b"1e999", b"9" * 5_000,
    b"&a [*a]", b"!!python/object:os.system", b"(", b")", b"\\", b"%", b"\x1b[31m", b"[" * DEEP,
)  # fmt: skip


def mutate(seed: bytes, others: list[bytes], rng: np.random.Generator) -> bytes:
    """One mutant of `seed`; may equal it. `others` lend pieces."""
    if rng.random() < 0.6:
        lines = _documents(seed)
        if lines is not None:
            return _structured(lines, rng)
    data = bytearray(seed)
    for _ in range(int(rng.choice([1, 1, 1, 2, 3, 8]))):
        BYTES[rng.integers(len(BYTES))](data, others, rng)
    return bytes(data)


def _documents(seed: bytes) -> list | None:
    """The values of a JSON file, or of each line of JSON lines; None for other files."""
    try:
        text = seed.decode()
        try:
            return [json.loads(text)]
        except json.JSONDecodeError:
            return [json.loads(line) for line in text.splitlines()] or None
    except ValueError:
        return None


def _structured(documents: list, rng: np.random.Generator) -> bytes:
    raw: list[str] = []
    for _ in range(int(rng.choice([1, 1, 2, 4]))):
        _change(documents, int(rng.integers(len(documents))), rng, raw)
    text = "\n".join(json.dumps(value) for value in documents)
    for number, value in enumerate(raw):
        text = text.replace(f'"{MARK.format(number)}"', value)
    return text.encode()


def _change(parent: list | dict, key: int | str, rng: np.random.Generator, raw: list[str]) -> None:
    """Change the value at `key` or one below it, each level as likely as to go on."""
    value = parent[key]
    if isinstance(value, dict | list) and value and rng.random() < 0.8:
        keys = list(value) if isinstance(value, dict) else range(len(value))
        return _change(value, keys[rng.integers(len(keys))], rng, raw)
    kind = rng.integers(6)
    if kind == 0 and isinstance(parent, dict):
        del parent[key]
    elif kind == 1 and isinstance(parent, dict):
        parent[str(rng.choice(["unknown", "", key.upper(), "__proto__"]))] = parent.pop(key)
    elif kind == 2 and isinstance(parent, list):
        parent.insert(key, value)
    elif kind == 3:
        parent[key] = MARK.format(len(raw))
        raw.append(RAW[rng.integers(len(RAW))])
    elif kind == 4 and isinstance(value, int | float) and not isinstance(value, bool):
        parent[key] = [-value, value + 1, value * 1000, str(value), [value]][rng.integers(5)]
    else:
        parent[key] = copy.deepcopy(VALUES[rng.integers(len(VALUES))])
    return None


def _cut(data: bytes | bytearray, rng: np.random.Generator) -> slice:
    """A random piece, short ones as often as long ones."""
    start = int(rng.integers(len(data) + 1))
    longest = len(data) - start
    return slice(start, start + int(longest ** rng.random()) if longest else start)


def _flip(data, others, rng):
    for _ in range(int(rng.integers(1, 9))):
        if data:
            data[rng.integers(len(data))] ^= 1 << int(rng.integers(8))


def _byte(data, others, rng):
    if data:
        data[rng.integers(len(data))] = int(rng.choice([0, 1, 9, 10, 32, 127, 128, 255]))


def _truncate(data, others, rng):
    del data[int(rng.integers(len(data) + 1)) :]


def _delete(data, others, rng):
    del data[_cut(data, rng)]


def _duplicate(data, others, rng):
    piece = _cut(data, rng)
    data[piece.stop : piece.stop] = data[piece]


def _splice(data, others, rng):
    other = others[rng.integers(len(others))]
    data[_cut(data, rng)] = other[_cut(other, rng)]


def _zeros(data, others, rng):
    piece = _cut(data, rng)
    data[piece] = bytes(piece.stop - piece.start)


def _token(data, others, rng):
    at = int(rng.integers(len(data) + 1))
    data[at:at] = TOKENS[rng.integers(len(TOKENS))]


def _number(data, others, rng):
    """A whole number of 2, 4 or 8 bytes as a header may hold: a size, a count, an offset."""
    size = int(rng.choice([2, 4, 8]))
    at = int(rng.integers(len(data) + 1))
    value = int(rng.choice([0, 1, 2 ** (8 * size - 1) - 1, 2 ** (8 * size - 2), 2 ** (4 * size)]))
    data[at : at + size] = value.to_bytes(size, "little" if rng.random() < 0.7 else "big")


BYTES = (_flip, _byte, _truncate, _delete, _duplicate, _splice, _zeros, _token, _number)
