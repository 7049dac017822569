"""The run file as typed structs: the one place that says which tables, kinds and keys there are.

Nothing here imports JAX or NumPy, so that help and errors are instant.
"""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

Count = Annotated[int, Meta(ge=1, le=2**31)]
Positive = Annotated[float, Meta(gt=0)]
NonNegative = Annotated[float, Meta(ge=0)]
OneEach = float | tuple[float, ...]
Edge = tuple[Annotated[int, Meta(ge=0)], Annotated[int, Meta(ge=0)]]
Schedule = dict[str, float | int | bool | str]


class Table(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of the run file."""


class Kind(Table, tag_field="kind", frozen=True, kw_only=True):
    """A table that says with `kind` which of several it is."""


class OnLattice(Kind, frozen=True, kw_only=True):
    lattice: Annotated[
        Literal["chain", "square", "cubic", "triangular", "honeycomb", "kagome", "edges"],
        Meta(description='kind of lattice, or "edges" for a list of them'),
    ] = "chain"
    extent: Annotated[
        Annotated[tuple[Count, ...], Meta(min_length=1, max_length=3)] | None,
        Meta(description="unit cells along each axis, [40] or [6, 6]"),
    ] = None
    periodic: Annotated[bool, Meta(description="periodic boundaries")] = True
    edges: Annotated[
        str | tuple[Edge, ...] | None, Meta(description='[[0, 1], [1, 2]], or a text file of such pairs, for "edges"')
    ] = None


class TransverseIsing(OnLattice, tag="transverse_ising", frozen=True, kw_only=True):
    """H = -J sum ZZ - Gamma sum X - h sum Z with Pauli matrices."""

    coupling: Annotated[
        OneEach,
        Meta(description="J, ferromagnetic if positive; or one a bond, ascending in (i, j) or as edges"),
    ] = 1.0
    transverse_field: Annotated[OneEach, Meta(description="Gamma, or one for each site")] = 1.0
    longitudinal_field: Annotated[OneEach, Meta(description="h, or one for each site")] = 0.0


class Exchange(OnLattice, frozen=True, kw_only=True):
    coupling: Annotated[
        OneEach, Meta(description="J, antiferromagnetic if positive; or one a bond, ascending or as edges")
    ] = 1.0
    longitudinal_field: Annotated[OneEach, Meta(description="h, or one for each site")] = 0.0
    total_sz: Annotated[float | Literal["free"], Meta(description='magnetisation sum s/2, or "free"')] = 0.0
    marshall: Annotated[
        bool | None, Meta(description="rotate one sublattice; true for an antiferromagnet where it can be done")
    ] = None


class Heisenberg(Exchange, tag="heisenberg", frozen=True, kw_only=True):
    """H = J sum S.S - h sum Sz with spin-1/2 operators."""


class XXZ(Exchange, tag="xxz", frozen=True, kw_only=True):
    """H = J sum (SxSx + SySy + Delta SzSz) - h sum Sz with spin-1/2 operators."""

    anisotropy: Annotated[float, Meta(description="Delta")]


class J1J2(Exchange, tag="j1j2", frozen=True, kw_only=True):
    """H = J1 sum S.S + J2 sum S.S over second neighbours - h sum Sz with spin-1/2 operators; J1 is coupling."""

    second_coupling: Annotated[OneEach, Meta(description="J2, or one for each bond of second neighbours")]


class PauliStrings(Kind, tag="pauli_strings", frozen=True, kw_only=True):
    """H = sum of Pauli strings."""

    strings: Annotated[
        str | dict[str, float],
        Meta(description='a text file, "weight string" on each line, or a table {XXI = 0.5, IZZ = -1.0}'),
    ]
    total_sz: Annotated[float | Literal["free"], Meta(description='magnetisation sum s/2, or "free"')] = "free"


class SherringtonKirkpatrick(Kind, tag="sherrington_kirkpatrick", frozen=True, kw_only=True):
    """H = -sum_{i<j} J_ij ZZ - Gamma sum X with Pauli matrices, J_ij ~ N(0, 1/N)."""

    n_sites: Annotated[Annotated[int, Meta(ge=2, le=10_000)] | None, Meta(description="N of drawn couplings")] = None
    instance: Annotated[Annotated[int, Meta(ge=0, le=2**62)] | None, Meta(description="seed of the couplings")] = None
    couplings: Annotated[str | None, Meta(description="or a file (.npy or text) with the N x N matrix J")] = None
    transverse_field: Annotated[float, Meta(description="Gamma")] = 1.0


class Custom(Kind, tag="custom", frozen=True, kw_only=True):
    """A class of your own: write kind = "module:Class" and its keyword arguments as keys."""

    path: Annotated[str, Meta(description='"module:Class", from here or an installed package')]
    arguments: Annotated[dict[str, Any], Meta(description="keyword arguments of the class")] = {}


class Sector(Table, frozen=True, kw_only=True):
    """The symmetry sector that a wave function is projected on; characters refer to H as built."""

    momentum: Annotated[
        tuple[int, ...] | None, Meta(description="k of each axis, in units of 2 pi / length: [0, 1]")
    ] = None
    point_group: Annotated[
        Literal["A1", "A2", "B1", "B2"] | None,
        Meta(description="A1 trivial, A2 odd in reflections; B1, B2"),
    ] = None
    spin_flip: Annotated[Literal[1, -1] | None, Meta(description="parity under the flip of all spins")] = None


class Network(Kind, frozen=True, kw_only=True):
    sector: Annotated[Sector | None, Meta(description="project on momentum, point_group, spin_flip; none")] = None
    jastrow: Annotated[bool, Meta(description="multiply by a two-body Jastrow factor")] = False


class RBM(Network, tag="rbm", frozen=True, kw_only=True):
    """Restricted Boltzmann machine: log psi = sum a x + sum log cosh(b + x W)."""

    symmetry: Annotated[
        Literal["none", "translation", "lattice"],
        Meta(description="weights tied by translations, or by the point group as well"),
    ] = "none"
    alpha: Annotated[Positive, Meta(description="hidden density, hidden units over sites")] = 1.0
    visible_bias: Annotated[bool, Meta(description="include the term sum a x")] = False
    complex: Annotated[bool, Meta(description="complex parameters")] = False
    stddev: Annotated[NonNegative, Meta(description="standard deviation of the initial parameters")] = 0.01


Activation = Literal["log_cosh", "tanh", "gelu", "silu", "relu"]


class FeedForward(Network, tag="ffn", frozen=True, kw_only=True):
    """Fully connected network with one output, log |psi|, or two."""

    widths: Annotated[tuple[Count, ...], Meta(min_length=1, description="units of each hidden layer")] = (64, 64)
    activation: Annotated[Activation, Meta(description="between the layers")] = "log_cosh"
    phase: Annotated[bool, Meta(description="a second output, the phase of psi")] = False


class Flax(Network, tag="flax", frozen=True, kw_only=True):
    """Any Flax linen module, as of NetKet: (batch, n_sites) to log psi (batch,), in the module's own precision."""

    module: Annotated[str, Meta(description='"package.module:Class"')]
    arguments: Annotated[
        dict[str, float | int | bool | str | list[int]], Meta(description="keyword arguments of the class")
    ] = {}


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


class Jastrow(Kind, tag="jastrow", frozen=True, kw_only=True):
    """Two-body Jastrow factor alone: log psi = sum V x x + sum a x."""

    visible_bias: Annotated[bool, Meta(description="include the term sum a x")] = False
    complex: Annotated[bool, Meta(description="complex parameters")] = False
    stddev: Annotated[NonNegative, Meta(description="standard deviation of the initial parameters")] = 0.01


class Autoregressive(Kind, tag="autoregressive", frozen=True, kw_only=True):
    """Normalised product of conditionals, psi(x) = prod psi_i(x_i | x_<i), sampled directly."""

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
        bool, Meta(description="sum_{j<i} J_ij x_j as an input of site i, of a Hamiltonian with couplings J")
    ] = False


MoveName = Literal["flip", "exchange", "global_flip"]


class Metropolis(Kind, tag="metropolis", frozen=True, kw_only=True):
    """Metropolis sampling of |psi|^2."""

    move: Annotated[
        MoveName | dict[MoveName, Positive] | None,
        Meta(description="one move, or a table of moves and weights; exchange where total_sz is fixed, else flip"),
    ] = None
    pairs: Annotated[
        Literal["neighbours", "all"] | None, Meta(description="what an exchange swaps; neighbours on a lattice")
    ] = None
    n_chains: Annotated[Count, Meta(description="chains, all ranks together")] = 128
    n_samples: Annotated[Count, Meta(description="samples a step, all ranks together")] = 1024
    sweeps: Annotated[Count, Meta(description="sweeps between two samples of a chain")] = 1
    burn_in: Annotated[Annotated[int, Meta(ge=0, le=2**31)], Meta(description="sweeps before step 0")] = 50


class Direct(Kind, tag="direct", frozen=True, kw_only=True):
    """Independent samples of an autoregressive ansatz, without Markov chains."""

    n_chains: Annotated[Count, Meta(description="streams of random numbers, all ranks together")] = 128
    n_samples: Annotated[Count, Meta(description="samples a step, all ranks together")] = 1024


class Tempering(Metropolis, tag="tempering", frozen=True, kw_only=True):
    """Parallel tempering: Metropolis with replicas of every chain at |psi|^(2 beta), which swap places."""

    n_replicas: Annotated[Annotated[int, Meta(ge=2, le=1024)], Meta(description="of each chain, one at each beta")] = 8
    beta_min: Annotated[
        Annotated[float, Meta(gt=0, lt=1)], Meta(description="the last beta; they fall linearly from 1")
    ] = 0.1


class SGD(Kind, tag="sgd", frozen=True, kw_only=True):
    """Gradient descent."""

    learning_rate: Annotated[Positive | Schedule, Meta(description="a number, or a table naming an optax schedule")] = (
        0.01
    )


class Adam(Kind, tag="adam", frozen=True, kw_only=True):
    """Adam."""

    learning_rate: Annotated[Positive | Schedule, Meta(description="a number, or a table naming an optax schedule")] = (
        1e-3
    )
    b1: Annotated[Annotated[float, Meta(ge=0, lt=1)], Meta(description="decay of the first moment")] = 0.9
    b2: Annotated[Annotated[float, Meta(ge=0, lt=1)], Meta(description="decay of the second moment")] = 0.999


class Natural(Kind, frozen=True, kw_only=True):
    learning_rate: Annotated[Positive | Schedule, Meta(description="a number, or a table naming an optax schedule")] = (
        0.05
    )
    diagonal_shift: Annotated[
        Positive | Schedule, Meta(description="lambda in (S + lambda)^-1 F, a number or a schedule")
    ] = 1e-2


class Auto(Natural, tag="auto", frozen=True, kw_only=True):
    """The natural gradient by sr or minsr, whichever has the smaller matrix; the run says which."""


class SR(Natural, tag="sr", frozen=True, kw_only=True):
    """Stochastic reconfiguration, the natural gradient, solved in the space of parameters."""

    solver: Annotated[Literal["cholesky", "cg"], Meta(description="dense, or matrix-free")] = "cholesky"


class MinSR(Natural, tag="minsr", frozen=True, kw_only=True):
    """The same step solved in the space of samples: for more parameters than samples."""


class Spring(Natural, tag="spring", frozen=True, kw_only=True):
    """minsr with a memory of the last direction."""

    momentum: Annotated[Annotated[float, Meta(gt=0, lt=1)], Meta(description="mu, how much of it is kept")] = 0.9


class Measure(Table, frozen=True, kw_only=True):
    """The reported energy: frozen parameters, chains started anew."""

    n_samples: Annotated[Count, Meta(description="samples, all ranks together; rounded up to whole steps")] = 65536
    burn_in: Annotated[Annotated[int, Meta(ge=0, le=2**31)], Meta(description="sweeps before the first sample")] = 500


class Run(Table, frozen=True, kw_only=True):
    """How long, where to, from where."""

    steps: Annotated[Annotated[int, Meta(ge=0, le=2**31)], Meta(description="optimisation steps")] = 300
    seed: Annotated[Annotated[int, Meta(ge=0, lt=2**32)], Meta(description="of parameters and chains")] = 0
    precision: Annotated[Literal["float64", "float32"], Meta(description="of the network; sums are always float64")] = (
        "float64"
    )
    chunk_size: Annotated[Count, Meta(description="local energies evaluated at once; bounds the memory")] = 256
    snapshot_seconds: Annotated[Positive, Meta(description="between two snapshots")] = 60.0
    max_seconds: Annotated[Positive | None, Meta(description="stop in time, with exit code 75")] = None
    init_from: Annotated[str | None, Meta(description="result whose parameters to start from")] = None
    output: Annotated[str | None, Meta(description="result file; results/<name of the run file>.h5")] = None


class Config(Table, frozen=True, kw_only=True):
    """A whole run file."""

    hamiltonian: TransverseIsing | Heisenberg | XXZ | J1J2 | SherringtonKirkpatrick | PauliStrings | Custom
    ansatz: RBM | FeedForward | Convolutional | VisionTransformer | Jastrow | Autoregressive | Flax | Custom = RBM()
    sampler: Metropolis | Tempering | Direct = Metropolis()
    optimizer: SGD | Adam | Auto | SR | MinSR | Spring = Auto()
    measure: Measure = Measure()
    run: Run = Run()
