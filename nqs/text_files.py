"""Text files that a run file names: edges and Pauli strings. What they hold goes into the resolved run file."""

from collections.abc import Iterator
from pathlib import Path


def read_edges(path: Path) -> tuple[tuple[int, int], ...]:
    """Pairs of sites, numbered from 0, one on each line; `#` before a comment.

    Raises `ValueError` naming the file, and the line that is none.
    """
    edges = []
    for number, words in _lines(path):
        try:
            first, second = words
            edges.append((int(first), int(second)))
        except ValueError:
            raise ValueError(f"{path}, line {number}: {' '.join(words)!r} is not a pair of sites") from None
    return tuple(edges)


def read_pauli_strings(path: Path) -> dict[str, float]:
    """A weight and a string of the letters I, X, Y, Z on each line; equal strings add up; `#` before a comment.

    Raises `ValueError` naming the file, and the line that is none.
    """
    strings: dict[str, float] = {}
    for number, words in _lines(path):
        try:
            weight, string = words
            strings[string] = strings.get(string, 0.0) + float(weight)
        except ValueError:
            raise ValueError(f"{path}, line {number}: {' '.join(words)!r} is not a weight and a string") from None
    return strings


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: cannot be read: {error}") from error
    for number, line in enumerate(text.splitlines(), start=1):
        if words := line.partition("#")[0].split():
            yield number, words
