"""The wave functions of a run file."""

from typing import Annotated, Any, Literal

from msgspec import Meta, field
from msgspec.structs import fields

from nqs.schema_table import Count, Kind, NonNegative, Positive, Table

UnitCell = Annotated[
    tuple[Count, ...] | None, Meta(description="translations by whole cells of so many along each axis, [2, 2]; by one")
]
Stddev = Annotated[NonNegative, Meta(description="standard deviation of the initial parameters")]


class Sector(Table, frozen=True, kw_only=True):
    """The symmetry sector that a wave function is projected on; characters refer to H as built."""

    momentum: Annotated[
        tuple[int, ...] | None, Meta(description="k of each axis, in units of 2 pi / length: [0, 1]")
    ] = None
    point_group: Annotated[
        Literal["A1", "A2", "B1", "B2"] | None,
        Meta(
            description="A1 trivial; A2 odd in reflections; B1, B2 odd in an exchange of axes, or turns by 60 degrees"
        ),
    ] = None
    spin_flip: Annotated[Literal[1, -1] | None, Meta(description="parity under the flip of all spins")] = None


class Pairing(Table, frozen=True, kw_only=True):
    """The singlet pairs of a pair-product state: one amplitude for each orbit of pairs of sites."""

    symmetry: Annotated[
        Literal["none", "translation"], Meta(description="amplitudes of pairs of sites free, or tied by translations")
    ] = "none"
    unit_cell: UnitCell = None
    stddev: Stddev = 0.01


class Projectable(Kind, frozen=True, kw_only=True):
    sector: Annotated[Sector | None, Meta(description="project on momentum, point_group, spin_flip; none")] = None


class Network(Projectable, frozen=True, kw_only=True):
    jastrow: Annotated[bool, Meta(description="multiply by a two-body Jastrow factor")] = False
    pairing: Annotated[
        Pairing | None,
        Meta(description="multiply by a pair-product state: symmetry, unit_cell, stddev; none"),
    ] = None


NETWORK_KEYS = tuple(field.name for field in fields(Network))


def network_keys(table: Any) -> list[str]:
    """Those of the keys that all networks have which say something in this table: the factors and the projection."""
    return [key for key in NETWORK_KEYS if getattr(table, key, None)]


class PairProduct(Network, tag="pair_product", frozen=True, kw_only=True):
    """A determinant of singlet pairs, one electron on each site: resonating valence bonds, for total_sz = 0."""

    pairing: Annotated[Pairing, Meta(description="symmetry, unit_cell, stddev")] = field(default_factory=Pairing)


class RBM(Network, tag="rbm", frozen=True, kw_only=True):
    """Restricted Boltzmann machine: log psi = sum a x + sum log cosh(b + x W)."""

    symmetry: Annotated[
        Literal["none", "translation", "lattice"],
        Meta(description="weights tied by translations, or by the point group as well"),
    ] = "none"
    unit_cell: UnitCell = None
    alpha: Annotated[Positive, Meta(description="hidden density, hidden units over sites")] = 1.0
    visible_bias: Annotated[bool, Meta(description="include the term sum a x")] = False
    complex: Annotated[bool, Meta(description="complex parameters")] = False
    phase: Annotated[bool, Meta(description="a second machine, real as the first, for the phase of psi")] = False
    stddev: Stddev = 0.01


Activation = Literal["log_cosh", "tanh", "gelu", "silu", "relu"]


class FeedForward(Network, tag="ffn", frozen=True, kw_only=True):
    """Fully connected network with one output, log |psi|, or two."""

    widths: Annotated[tuple[Count, ...], Meta(min_length=1, description="units of each hidden layer")] = (64, 64)
    activation: Annotated[Activation, Meta(description="between the layers")] = "log_cosh"
    phase: Annotated[bool, Meta(description="a second output, the phase of psi")] = False


class Flax(Network, tag="flax", frozen=True, kw_only=True):
    """Any Flax linen module, as of NetKet: (batch, n_sites) to log psi (batch,), in the module's own precision."""

    module: Annotated[str, Meta(description='"package.module:Class", or a function that returns a module')]
    arguments: Annotated[
        dict[str, float | int | bool | str | list[int]], Meta(description="keyword arguments of the class")
    ] = field(default_factory=dict)


class Convolutional(Network, tag="cnn", frozen=True, kw_only=True):
    """Residual network of circular convolutions on a periodic chain, square or cubic lattice."""

    channels: Annotated[Count, Meta(description="of every layer")] = 8
    blocks: Annotated[Annotated[int, Meta(ge=0, le=100)], Meta(description="residual blocks of two convolutions")] = 2
    kernel_size: Annotated[Count, Meta(description="sites along each axis, odd")] = 3
    phase: Annotated[bool, Meta(description="a second output, the phase of psi")] = False


class VisionTransformer(Network, tag="vit", frozen=True, kw_only=True):
    """Transformer with factored attention over patches of a periodic chain, square or cubic lattice."""

    layers: Annotated[Annotated[int, Meta(ge=0, le=100)], Meta(description="encoder blocks")] = 2
    width: Annotated[Count, Meta(description="dimension of the embedding, a multiple of heads")] = 16
    heads: Annotated[Count, Meta(description="of the attention")] = 4
    patch_size: Annotated[Count, Meta(description="sites along each axis, a divisor of every length")] = 2


class Jastrow(Projectable, tag="jastrow", frozen=True, kw_only=True):
    """Two-body Jastrow factor alone: log psi = sum V x x + sum a x."""

    visible_bias: Annotated[bool, Meta(description="include the term sum a x")] = False
    complex: Annotated[bool, Meta(description="complex parameters")] = False
    stddev: Stddev = 0.01


class Autoregressive(Network, tag="autoregressive", frozen=True, kw_only=True):
    """Normalised product of conditionals, psi(x) = prod psi_i(x_i | x_<i), sampled directly if it is alone."""

    network: Annotated[
        Literal["dense", "recurrent"], Meta(description="masked dense layers, or gated recurrent units along the sites")
    ] = "dense"
    widths: Annotated[
        Annotated[tuple[Annotated[int, Meta(ge=1, le=10**6)], ...], Meta(min_length=1)] | None,
        Meta(description="units of each hidden layer; [64] dense, [32] recurrent"),
    ] = None
    activation: Annotated[Activation | None, Meta(description="of the dense layers; tanh")] = None
    phase: Annotated[bool, Meta(description="outputs for the phase of psi; else psi is positive")] = False
    local_fields: Annotated[
        bool,
        Meta(description="sum_{j<i} J_ij x_j as an input of site i, for terms -J_ij Z_i Z_j of H"),
    ] = False


class CustomNetwork(Network, frozen=True, kw_only=True):
    """A class of the user with its arguments, once it is known which keys of its table are those."""

    path: str
    arguments: dict[str, Any]
