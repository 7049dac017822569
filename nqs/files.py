"""HDF5 in and out: the only file that imports h5py.

A file is always whole: it is serialised in memory, written beside its place, flushed to the disk and renamed.
"""

import contextlib
import errno
import glob
import io
import os
import platform
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import h5py
import numpy as np

from nqs.errors import InputError


@dataclass
class Dataset:
    """An array or a text, its attributes, and the names of the datasets of its group that are its axes.

    An axis names itself, which makes it a dimension scale.
    """

    values: Any
    attributes: dict[str, Any] = field(default_factory=dict)
    axes: tuple[str, ...] = ()


@dataclass
class Group:
    """What a file or one of its groups holds."""

    items: dict[str, "Group | Dataset"] = field(default_factory=dict)
    attributes: dict[str, Any] = field(default_factory=dict)


class NotFlushed(OSError):
    """A new file is in place, but its folder could not be flushed to the disk."""


def write(path: Path, content: Group, confirm: Callable[[], None] = lambda: None) -> None:
    """Put `content` in the place of `path` in one step; a reader sees the old file or the new one, both whole.

    Raises `NotFlushed` with the new file in place, any other `OSError` with the old one intact, and whatever `confirm`
    raises, which is called just before that step.
    """
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", libver=("v110", "v110")) as file:  # with checksums of its structure
        _write_group(file, content)
    _put_in_place(path, buffer.getbuffer(), temporary_name(path), confirm)


def write_text(path: Path, text: str) -> None:
    """Put a text in the place of `path`, as `write` does; processes on several hosts may do so at once."""
    content = text.encode("utf-8", "backslashreplace")
    _put_in_place(path, content, temporary_name(path, platform.node()), lambda: None)


def _put_in_place(path: Path, content: bytes | memoryview, temporary: Path, confirm: Callable[[], None]) -> None:
    try:
        with open(temporary, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        confirm()
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    try:
        _flush_folder(path.parent)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # a file system that cannot sync folders
            reason = f"{error.strerror}; the new file is in place, but may not outlive a power failure"
            raise NotFlushed(error.errno, reason) from error


def temporary_name(path: Path, host: str = "") -> Path:
    """Where this process writes what is to take the place of `path`; no result has a name that begins like this."""
    return path.with_name(f".{path.name}~{host}.{os.getpid()}")


def remove_left_over(path: Path) -> None:
    """Remove what processes that died while they wrote `path` left of it; only the holder of its lock may."""
    for left_over in path.parent.glob(f".{glob.escape(path.name)}~*"):
        with contextlib.suppress(OSError):
            left_over.unlink()


def read(path: Path, check: Callable[[dict[str, Any]], None] = lambda attributes: None) -> Group:
    """All that a file holds; it is read into memory first, so that a writer is never in the way.

    `check` is called with the attributes of the root before anything else of it is read, and may raise.

    Raises `InputError` if there is no such file or it is not a whole HDF5 file.
    """
    try:
        if path.exists() and not path.is_file():
            raise InputError(f"{path}: cannot be read: not a file")
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    try:
        with h5py.File(io.BytesIO(content), "r") as file:
            check(_attributes(file))
            return _read_group(file)
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError, MemoryError) as error:
        raise InputError(f"{path}: not a whole HDF5 file ({error})") from error


def _flush_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _write_group(target: h5py.Group, content: Group) -> None:
    target.attrs.update(content.attributes)
    for name, item in content.items.items():
        if isinstance(item, Group):
            _write_group(target.create_group(name), item)
        else:
            dataset = target.create_dataset(name, data=_storable(item.values))
            dataset.attrs.update(item.attributes)
    datasets = {name: item for name, item in content.items.items() if isinstance(item, Dataset)}
    for name in sorted(datasets, key=lambda n: datasets[n].axes != (n,)):
        for dimension, axis in enumerate(datasets[name].axes):
            dataset = cast(h5py.Dataset, target[name])
            if axis == name:
                dataset.make_scale(name)
            else:
                dataset.dims[dimension].attach_scale(target[axis])


def _read_group(source: h5py.Group) -> Group:
    group = Group(attributes=_attributes(source))
    for name, item in source.items():
        if isinstance(item, h5py.Group):
            group.items[name] = _read_group(item)
        else:
            group.items[name] = Dataset(_plain(item[()]), _attributes(item))
    return group


def _attributes(source: h5py.Group | h5py.Dataset) -> dict[str, Any]:
    """Those that are not of HDF5's own dimension scales."""
    hidden = {"CLASS", "NAME", "REFERENCE_LIST", "DIMENSION_LIST"}
    return {name: _plain(value) for name, value in source.attrs.items() if name not in hidden}


def _storable(value: Any) -> Any:
    """Text with what UTF-8 or HDF5 cannot hold, as the name of a file or a source may be, escaped."""
    if isinstance(value, np.ndarray) and value.dtype.kind == "U":
        return np.array([_storable(text) for text in value.ravel().tolist()], h5py.string_dtype()).reshape(value.shape)
    if not isinstance(value, str):
        return value
    return value.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")


def _plain(value: Any) -> Any:
    """Text as str, a scalar as a Python number, an array as it is."""
    if isinstance(value, bytes):
        return value.decode()
    return value.item() if isinstance(value, np.generic) else value
