"""Plain values as groups of datasets, and back."""

from typing import Any

import numpy as np

from nqs.files import Dataset, Group


def datasets(values: dict[str, Any]) -> Group:
    """A dataset of each value."""
    return Group({name: Dataset(value) for name, value in values.items()})


def nested(values: dict[str, np.ndarray]) -> Group:
    """Values by path in groups of groups."""
    root = Group()
    for path, value in values.items():
        *folders, name = path.split("/")
        group = root
        for folder in folders:
            child = group.items.setdefault(folder, Group())
            assert isinstance(child, Group)
            group = child
        group.items[name] = Dataset(value)
    return root


def values_of(item: Group | Dataset) -> Any:
    """The values of a group by name, those of its groups by theirs."""
    if isinstance(item, Dataset):
        return item.values
    return {name: values_of(child) for name, child in item.items.items()}


def flat(item: Group | Dataset, path: str = "") -> dict[str, np.ndarray]:
    """The arrays of a group and its groups by path, as `nested` takes them."""
    if isinstance(item, Dataset):
        return {path: np.asarray(item.values)}
    return {
        full: value
        for name, child in item.items.items()
        for full, value in flat(child, f"{path}/{name}" if path else name).items()
    }
