"""The run file as typed structs: which tables, kinds and keys there are.

Nothing here imports JAX or NumPy, so that help and errors are instant.
"""

from typing import Annotated, Any, Literal

from msgspec import Meta

from nqs.schema_ansatz import NETWORK_KEYS as NETWORK_KEYS
from nqs.schema_ansatz import RBM as RBM
from nqs.schema_ansatz import Autoregressive as Autoregressive
from nqs.schema_ansatz import Convolutional as Convolutional
from nqs.schema_ansatz import CustomNetwork as CustomNetwork
from nqs.schema_ansatz import FeedForward as FeedForward
from nqs.schema_ansatz import Flax as Flax
from nqs.schema_ansatz import Jastrow as Jastrow
from nqs.schema_ansatz import Network as Network
from nqs.schema_ansatz import Pairing as Pairing
from nqs.schema_ansatz import PairProduct as PairProduct
from nqs.schema_ansatz import Sector as Sector
from nqs.schema_ansatz import VisionTransformer as VisionTransformer
from nqs.schema_ansatz import network_keys as network_keys
from nqs.schema_optimizer import SGD as SGD
from nqs.schema_optimizer import SR as SR
from nqs.schema_optimizer import Adam as Adam
from nqs.schema_optimizer import Auto as Auto
from nqs.schema_optimizer import MinSR as MinSR
from nqs.schema_optimizer import Optax as Optax
from nqs.schema_optimizer import Spring as Spring
from nqs.schema_particle_ansatz import Backflow as Backflow
from nqs.schema_particle_ansatz import Correlated as Correlated
from nqs.schema_particle_ansatz import GaussianRBM as GaussianRBM
from nqs.schema_particle_ansatz import MessagePassing as MessagePassing
from nqs.schema_particle_ansatz import ParticleAnsatz as ParticleAnsatz
from nqs.schema_particle_ansatz import Slater as Slater
from nqs.schema_particle_ansatz import SlaterJastrow as SlaterJastrow
from nqs.schema_particles import ElectronGas as ElectronGas
from nqs.schema_particles import NeutronMatter as NeutronMatter
from nqs.schema_particles import Trap as Trap
from nqs.schema_table import Count, Kind, Many, Positive, Table
from nqs.schema_table import Custom as Custom

OneEach = float | tuple[float, ...]
Edge = tuple[Annotated[int, Meta(ge=0)], Annotated[int, Meta(ge=0)]]


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
    total_sz: Annotated[
        float | Literal["free"] | None,
        Meta(description='magnetisation sum s/2, or "free"; 0, but to be given where that may not be the lowest'),
    ] = None
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
    second_edges: Annotated[
        str | tuple[Edge, ...] | None, Meta(description='the bonds of second neighbours, for "edges"')
    ] = None


class PauliStrings(Kind, tag="pauli_strings", frozen=True, kw_only=True):
    """H = sum of Pauli strings."""

    strings: Annotated[
        str | dict[str, float] | None,
        Meta(description='a text file, "weight string" on each line, or a table {XXI = 0.5, IZZ = -1.0}'),
    ] = None
    operator: Annotated[
        str | None,
        Meta(description='or "package.module:name", an operator of NetKet or a function that returns one'),
    ] = None
    arguments: Annotated[
        dict[str, Any] | None, Meta(description="keyword arguments of the function that operator names")
    ] = None
    total_sz: Annotated[
        float | Literal["free"] | None,
        Meta(description='magnetisation sum s/2, or "free"; free, but of an operator that of its Hilbert space'),
    ] = None


class SherringtonKirkpatrick(Kind, tag="sherrington_kirkpatrick", frozen=True, kw_only=True):
    """H = -sum_{i<j} J_ij ZZ - Gamma sum X with Pauli matrices, J_ij ~ N(0, 1/N)."""

    n_sites: Annotated[Annotated[int, Meta(ge=2, le=10_000)] | None, Meta(description="N of drawn couplings")] = None
    instance: Annotated[Annotated[int, Meta(ge=0, le=2**62)] | None, Meta(description="seed of the couplings")] = None
    couplings: Annotated[str | None, Meta(description="or a file (.npy or text) with the N x N matrix J")] = None
    transverse_field: Annotated[float, Meta(description="Gamma")] = 1.0


MoveName = Literal["flip", "exchange", "global_flip", "gaussian", "gaussian_all", "langevin"]


class Metropolis(Kind, tag="metropolis", frozen=True, kw_only=True):
    """Metropolis sampling of |psi|^2."""

    move: Annotated[
        MoveName | dict[MoveName, Positive] | None,
        Meta(
            description="one move, or a table of moves and weights; flip, or exchange where total_sz is fixed; "
            "of particles gaussian, or a table of it and exchange, which swaps an up and a down particle"
        ),
    ] = None
    pairs: Annotated[
        Literal["neighbours", "all"] | None, Meta(description="what an exchange swaps; neighbours on a lattice")
    ] = None
    n_chains: Annotated[Many, Meta(description="chains, all ranks together")] = 128
    n_samples: Annotated[Many, Meta(description="samples a step, all ranks together")] = 1024
    sweeps: Annotated[Count, Meta(description="sweeps between two samples of a chain")] = 1
    burn_in: Annotated[Annotated[int, Meta(ge=0, le=2**31)], Meta(description="sweeps before step 0")] = 50
    restart_steps: Annotated[
        Count | None,
        Meta(description="all chains start anew, with burn_in, each time so many steps are done; only at step 0"),
    ] = None


class Direct(Kind, tag="direct", frozen=True, kw_only=True):
    """Independent samples of an autoregressive ansatz, without Markov chains."""

    n_chains: Annotated[Many, Meta(description="streams of random numbers, all ranks together")] = 128
    n_samples: Annotated[Many, Meta(description="samples a step, all ranks together")] = 1024


class Tempering(Metropolis, tag="tempering", frozen=True, kw_only=True):
    """Parallel tempering: Metropolis with replicas of every chain at |psi|^(2 beta), which swap places."""

    n_replicas: Annotated[Annotated[int, Meta(ge=2, le=1024)], Meta(description="of each chain, one at each beta")] = 8
    beta_min: Annotated[
        Annotated[float, Meta(gt=0, lt=1)], Meta(description="the last beta; they fall linearly from 1")
    ] = 0.1


class Measure(Table, frozen=True, kw_only=True):
    """The reported energy: frozen parameters, chains started anew."""

    n_samples: Annotated[Count, Meta(description="samples, all ranks together; rounded up to whole steps")] = 65536
    burn_in: Annotated[Annotated[int, Meta(ge=0, le=2**31)], Meta(description="sweeps before the first sample")] = 500
    average_steps: Annotated[
        Annotated[int, Meta(ge=1, le=2**31)],
        Meta(description="measure the parameters averaged over about the last N steps; 1: those of the last"),
    ] = 1


class Run(Table, frozen=True, kw_only=True):
    """How long, where to, from where."""

    steps: Annotated[Annotated[int, Meta(ge=0, le=2**31)], Meta(description="optimisation steps")] = 300
    seed: Annotated[Annotated[int, Meta(ge=0, lt=2**32)], Meta(description="of parameters and chains")] = 0
    precision: Annotated[Literal["float64", "float32"], Meta(description="of the network; sums are always float64")] = (
        "float64"
    )
    chunk_size: Annotated[Count, Meta(description="local energies evaluated at once; bounds the memory")] = 64
    snapshot_seconds: Annotated[Positive, Meta(description="between two snapshots")] = 60.0
    max_seconds: Annotated[
        Positive | None, Meta(description="stop in time, with exit code 75; before the end of a Slurm job")
    ] = None
    init_from: Annotated[str | None, Meta(description="result whose parameters to start from")] = None
    output: Annotated[str | None, Meta(description="result file; results/<name of the run file>.h5")] = None


SpinModel = TransverseIsing | Heisenberg | XXZ | J1J2 | SherringtonKirkpatrick | PauliStrings
SpinAnsatz = RBM | FeedForward | Convolutional | VisionTransformer | Jastrow | PairProduct | Autoregressive | Flax
AnyParticleAnsatz = Slater | SlaterJastrow | GaussianRBM | Backflow | MessagePassing


class Config(Table, frozen=True, kw_only=True):
    """A whole run file."""

    hamiltonian: SpinModel | ElectronGas | Trap | NeutronMatter | Custom
    ansatz: SpinAnsatz | AnyParticleAnsatz | Custom = RBM()
    sampler: Metropolis | Tempering | Direct = Metropolis()
    optimizer: SGD | Adam | Optax | Auto | SR | MinSR | Spring = Auto()
    measure: Measure = Measure()
    run: Run = Run()
