"""Which keys in the table of a user's class are its arguments, and which are those that every network has."""

import inspect
from typing import Any

import msgspec

from nqs.ansatz.base import Ansatz
from nqs.errors import InputError
from nqs.import_path import own_class
from nqs.schema import NETWORK_KEYS, Config, Custom, CustomNetwork
from nqs.schema_errors import explain


def with_network_keys(config: Config, name: str) -> Config:
    """The configuration in which `sector`, `jastrow` and `pairing` are not among the arguments of a user's class.

    An argument of such a name that the class has itself stays one.

    Raises `InputError` naming the file, the table and the key.
    """
    table = config.ansatz
    if not isinstance(table, Custom):
        return config
    given = {key: value for key, value in table.arguments.items() if key in NETWORK_KEYS}
    if given:
        try:
            taken = inspect.signature(own_class(table.path, (Ansatz,))).parameters
        except ValueError as error:
            raise InputError(f"{name}: [ansatz] {error}") from error
        given = {key: value for key, value in given.items() if key not in taken}
    arguments = {key: value for key, value in table.arguments.items() if key not in given}
    network = CustomNetwork(path=table.path, arguments=arguments, **_checked(config, given, name))
    return msgspec.structs.replace(config, ansatz=network)


def _checked(config: Config, given: dict[str, Any], name: str) -> dict[str, Any]:
    """The values of the keys of networks, read as those of the network that a table without `kind` is."""
    content = {**msgspec.to_builtins(config), "ansatz": {"kind": "rbm", **given}}
    try:
        network = msgspec.convert(content, Config).ansatz
    except msgspec.ValidationError as error:
        explain(error, content, name)
    return {key: getattr(network, key) for key in NETWORK_KEYS}
