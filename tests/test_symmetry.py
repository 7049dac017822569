"""Groups of lattice symmetries, and machines whose weights they tie."""

from itertools import product

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from systems import ANSATZE, log_psi, rbm

import nqs
from hamiltonians.exact import all_states, ground_state
from hamiltonians.exact_sector import sector_levels
from hamiltonians.heisenberg import Heisenberg
from hamiltonians.lattice import EdgeList, Lattice
from hamiltonians.sector import irrep_characters, sector
from hamiltonians.space import Spins
from hamiltonians.symmetry import point_group, symmetry_group, translations
from nqs.ansatz.pair_product import PairProduct
from nqs.ansatz.product import Product
from nqs.ansatz.projected import Projected
from nqs.ansatz.symmetric_rbm import SymmetricRBM
from nqs.ansatz.vision_transformer import VisionTransformer
from nqs.build import build_only_hamiltonian
from nqs.build_ansatz import build_ansatz, check_not_empty
from nqs.run_file import parse_text
from nqs.sampler.moves import all_pairs

LATTICES = [
    (Lattice("chain", (6,)), 6, 12),
    (Lattice("square", (3, 3)), 9, 72),
    (Lattice("square", (3, 4)), 12, 48),
    (Lattice("cubic", (3, 3, 3)), 27, 27 * 48),
    (Lattice("triangular", (4, 4)), 16, 16 * 12),
    (Lattice("honeycomb", (3, 3)), 9, 9 * 12),
    (Lattice("kagome", (3, 3)), 9, 9 * 12),
]


@pytest.mark.parametrize(("lattice", "n_translations", "n_elements"), LATTICES)
def test_groups_are_groups_that_keep_the_bonds(lattice, n_translations, n_elements):
    """Closed under products, and every element maps the set of bonds onto itself."""
    assert len(symmetry_group(lattice, "translation")) == n_translations
    group = symmetry_group(lattice, "lattice")
    assert len(group) == n_elements
    known = {element.tobytes() for element in group}
    random = np.random.default_rng(0)
    for first, second in group[random.integers(len(group), size=(50, 2))]:
        assert np.ascontiguousarray(first[second]).tobytes() in known
    edges = lattice.edges()
    for element in group[:: 1 + len(group) // 100]:
        np.testing.assert_array_equal(np.unique(np.sort(element[edges], axis=-1), axis=0), edges)


@pytest.mark.parametrize(("extent", "unit_cell"), [((6,), (2,)), ((4, 6), (2, 3)), ((4, 4), (4, 1))])
def test_translations_by_cells_are_those_by_multiples_of_its_lengths(extent, unit_cell):
    lattice = Lattice("chain" if len(extent) == 1 else "square", extent)
    every, some = translations(lattice), translations(lattice, unit_cell)
    moves_origin = np.stack(np.unravel_index(every[:, 0], extent), axis=-1) % np.array(unit_cell) == 0
    np.testing.assert_array_equal(some, every[np.all(moves_origin, axis=1)])


@pytest.mark.parametrize("labels", [((3,), None, -1), ((0,), "A1", 1), ((3,), "A2", None)])
def test_elements_that_act_alike_are_summed_once(labels):
    """Of a machine that every second translation leaves as it is: the same ψ as by all elements, up to a factor."""
    lattice = Lattice("chain", (6,))
    tied = SymmetricRBM(symmetry_group(lattice, "translation", (2,)), 2, key=jax.random.key(3), stddev=0.5)
    chosen = sector(lattice, 6, *labels)
    few, all_of_them = Projected(tied, chosen), Projected(tied.untied(), chosen)
    assert len(few.summed) * 3 == len(all_of_them.summed) == len(chosen.flips)
    states = all_states(Spins(6, 0.0))
    psi, expected = (np.exp(np.asarray(log_psi(ansatz, states))) for ansatz in (few, all_of_them))
    assert np.abs(psi).max() > 1e-3
    np.testing.assert_allclose(3 * psi, expected, atol=1e-12)


@pytest.mark.parametrize("name", ["rbm_symmetric", "cnn", "cnn_phase", "vit", "pairs", "product"])
def test_the_symmetries_of_an_ansatz_leave_it_as_it_is(name):
    group = symmetry_group(Lattice("chain", (6,)), "translation")
    pairs = PairProduct(group, np.zeros((6, 6)), key=jax.random.key(1), stddev=1.0)
    own = {"pairs": lambda: pairs, "product": lambda: Product((ANSATZE["rbm_symmetric"](), pairs))}
    ansatz, x = (own | ANSATZE)[name](), np.asarray(all_states(Spins(6, 0.0)))
    symmetries = ansatz.symmetries()
    assert len(symmetries) == (3 if name in ("vit", "pairs", "product") else 6)
    assert Product((ansatz, rbm())).symmetries() is None
    psi = np.exp(np.asarray(log_psi(ansatz, x)))
    for permutation in symmetries:
        moved = np.exp(np.asarray(log_psi(ansatz, x[:, permutation])))
        np.testing.assert_allclose(moved, psi, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("kind", ["triangular", "honeycomb", "kagome"])
def test_translations_of_lattices_with_a_basis_keep_the_bonds(kind):
    lattice = Lattice(kind, (3, 4))
    for element in symmetry_group(lattice, "translation"):
        moved = np.unique(np.sort(element[lattice.edges()], axis=-1), axis=0)
        np.testing.assert_array_equal(moved, lattice.edges())


def test_symmetries_that_are_not_there_are_refused():
    with pytest.raises(ValueError, match="needs a lattice"):
        symmetry_group(EdgeList(3, ((0, 1),)), "translation")
    with pytest.raises(ValueError, match="periodic"):
        symmetry_group(Lattice("chain", (4,), periodic=False), "translation")
    with pytest.raises(ValueError, match="periodic"):
        point_group(Lattice("honeycomb", (3, 3), periodic=False))
    with pytest.raises(ValueError, match="equal lengths"):
        symmetry_group(Lattice("honeycomb", (3, 4)), "lattice")


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize("visible_bias", [True, False])
def test_a_symmetric_machine_is_invariant_and_equals_its_expansion(dtype, visible_bias):
    group = symmetry_group(Lattice("square", (3, 3)), "lattice")
    machine = SymmetricRBM(group, 2, key=jax.random.key(0), visible_bias=visible_bias, dtype=dtype, stddev=0.3)
    x = np.random.default_rng(1).choice([-1, 1], (20, 9)).astype(np.int8)
    values = np.asarray(log_psi(machine, x))
    assert np.ptp(values.real) > 0.1
    for element in group[::7]:
        np.testing.assert_allclose(log_psi(machine, x[:, element]), values, rtol=0, atol=1e-12)
    expanded = machine.untied()
    assert expanded.weights.shape == (9, 2 * len(group))
    np.testing.assert_allclose(log_psi(expanded, x), values, rtol=0, atol=1e-11)


SECTORS = {
    "momentum": (Lattice("chain", (6,)), ((1,), None, None)),
    "odd_reflection": (Lattice("chain", (6,)), ((3,), "A2", -1)),
    "square": (Lattice("square", (3, 3)), ((0, 0), "B1", 1)),
    "square_b2": (Lattice("square", (4, 4)), ((2, 2), "B2", -1)),
    "rectangle": (Lattice("square", (3, 4)), ((0, 2), "A2", None)),
    "triangular": (Lattice("triangular", (3, 3)), ((0, 0), "B1", None)),
    "honeycomb": (Lattice("honeycomb", (3, 3)), ((0, 0), "B2", 1)),
    "kagome": (Lattice("kagome", (3, 3)), (None, "A2", -1)),
    "flip": (EdgeList(5, ((0, 1),)), (None, None, -1)),
}


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_derivatives_of_a_symmetric_machine_are_those_of_its_definition(dtype):
    """Forwards and backwards, by the filters: Σ_fg log cosh(b_f + Σ_i W_fi x_{g(i)})."""
    group = symmetry_group(Lattice("square", (3, 3)), "lattice")
    machine = SymmetricRBM(group, 2, key=jax.random.key(0), dtype=dtype, stddev=0.3)
    x = jnp.asarray(np.random.default_rng(1).choice([-1, 1], 9).astype(np.int8))
    tangent = jnp.asarray(np.random.default_rng(2).normal(size=(2, 9)), dtype)

    def fast(filters):
        return eqx.tree_at(lambda m: m.filters, machine, filters)(x)

    def slow(filters):
        return jnp.sum(jnp.log(jnp.cosh(filters @ x[group].T + machine.hidden_bias[:, None])))

    holomorphic = dtype == "complex128"
    gradients = [jax.grad(f, holomorphic=holomorphic)(machine.filters) for f in (fast, slow)]
    np.testing.assert_allclose(*gradients, rtol=1e-11)
    slopes = [jax.jvp(f, (machine.filters,), (tangent,))[1] for f in (fast, slow)]
    np.testing.assert_allclose(*slopes, rtol=1e-11)


@pytest.mark.parametrize("name", SECTORS)
def test_a_projected_wave_function_has_the_characters_of_its_sector(name):
    """ψ(g x) = χ_g ψ(x) for every element g."""
    lattice, labels = SECTORS[name]
    chosen = sector(lattice, lattice.n_sites, *labels)
    projected = Projected(rbm("complex128", n_sites=lattice.n_sites), chosen)
    x = np.random.default_rng(2).choice([-1, 1], (6, lattice.n_sites)).astype(np.int8)
    psi = np.exp(np.asarray(log_psi(projected, x)))
    assert np.abs(psi).max() > 1e-3
    for k in range(0, len(chosen.flips), 1 + len(chosen.flips) // 30):
        image = x[:, chosen.permutations[k]] * chosen.flips[k].astype(np.int8)
        found = np.exp(np.asarray(log_psi(projected, image)))
        np.testing.assert_allclose(
            found, chosen.characters[k] * psi, rtol=0, atol=1e-12 * np.abs(psi).max() * len(chosen.flips)
        )


@pytest.mark.parametrize("kind", ["triangular", "honeycomb", "kagome"])
def test_b1_of_a_hexagon_is_even_in_the_mirrors_that_hold_a_translation(kind):
    """By the places of the cells: (i, j) is at (i + j/2, √3 j/2), and the mirror y → −y takes it to (i + j, −j)."""
    lattice = Lattice(kind, (4, 4))
    per_cell = lattice.n_sites // 16
    characters = {irrep: irrep_characters(lattice, irrep) for irrep in ("A2", "B1", "B2")}
    moved = {(1, 0): [], (0, 1): []}
    for element in point_group(lattice):
        for step in moved:
            start, end = element[0] // per_cell, element[(4 * step[0] + step[1]) * per_cell] // per_cell
            moved[step].append(((end // 4 - start // 4) % 4, (end % 4 - start % 4) % 4))
    images = list(zip(moved[1, 0], moved[0, 1], strict=True))
    mirror, other = images.index(((1, 0), (1, 3))), images.index(((3, 0), (3, 1)))
    half_turn = images.index(((3, 0), (0, 3)))
    found = [[int(characters[irrep][k]) for k in (mirror, other, half_turn)] for irrep in ("A2", "B1", "B2")]
    assert found == [[-1, -1, 1], [1, -1, -1], [-1, 1, -1]]


def test_a_transformer_is_projected_on_translations_within_its_patches():
    """Momentum (2, 0) of 4 x 4 with patches of 2: even under translations by a patch, odd by one site."""
    lattice = Lattice("square", (4, 4))
    transformer = VisionTransformer((4, 4), 1, 8, 2, 2, key=jax.random.key(0))
    x = np.random.default_rng(2).choice([-1, 1], (3, 16)).astype(np.int8)
    psi, shifted = (
        np.exp(np.asarray(log_psi(Projected(transformer, sector(lattice, 16, (2, 0))), states)))
        for states in (x, x.reshape(-1, 4, 4)[:, [1, 2, 3, 0]].reshape(-1, 16))
    )
    assert np.abs(psi).min() > 1e-6
    np.testing.assert_allclose(shifted, -psi, atol=1e-12)


@pytest.mark.parametrize(
    ("lattice", "labels", "message"),
    [
        (Lattice("chain", (6,)), ((1,), "A1", None), "does not keep the momentum"),
        (Lattice("square", (3, 4)), ((1, 0), "A1", None), "does not keep the momentum"),
        (Lattice("chain", (6,)), ((0, 0), None, None), "1 momenta"),
        (Lattice("chain", (6,)), (None, "B1", None), "A1 or A2"),
        (Lattice("chain", (2,)), (None, "A1", None), "at least 3"),
        (Lattice("kagome", (3, 3)), ((1, 0), "A1", None), "does not keep the momentum"),
        (Lattice("square", (3, 4)), (None, "B1", None), "A1 or A2"),
        (Lattice("cubic", (3, 3, 3)), (None, "A2", None), "a cubic lattice has the representations A1, not"),
        (Lattice("chain", (6,)), (None, None, 2), "1 or -1"),
        (EdgeList(3, ((0, 1),)), ((0,), None, None), "need a lattice"),
    ],
)
def test_sectors_that_are_not_there_are_refused(lattice, labels, message):
    with pytest.raises(ValueError, match=message):
        sector(lattice, lattice.n_sites, *labels)


@pytest.mark.parametrize("marshall", [True, False])
def test_the_levels_of_all_sectors_are_those_of_the_hamiltonian(marshall):
    """Momenta and spin flips of the ring of 6, each with as many levels as the trace of its projector."""
    hamiltonian = Heisenberg(Lattice("chain", (6,)), marshall=marshall)
    levels = []
    for momentum, flip in product(range(6), (1, -1)):
        chosen = sector(hamiltonian.lattice, 6, (momentum,), None, flip)
        levels += list(sector_levels(hamiltonian, chosen, 20))
    np.testing.assert_allclose(np.sort(levels), ground_state(hamiltonian, 20)[0], atol=1e-10)


def test_the_lowest_level_of_a_sector_by_lanczos():
    """The 4 x 4 antiferromagnet in its 12870 states; B1 of the triangular one; what H does not have is refused."""
    square, triangular = Heisenberg(Lattice("square", (4, 4))), Heisenberg(Lattice("triangular", (3, 3)), total_sz=0.5)
    lowest = sector_levels(square, sector(square.lattice, 16, (0, 0), "A1", 1))[0]
    assert lowest == pytest.approx(-44.9139328 / 4, abs=1e-6)
    lowest = sector_levels(triangular, sector(triangular.lattice, 9, None, "B1"))[0]
    assert np.abs(ground_state(triangular, 100)[0] - lowest).min() < 1e-10
    bonds = Lattice("chain", (4,)).edges()
    uneven = Heisenberg(Lattice("chain", (4,)), coupling=np.arange(1.0, len(bonds) + 1))
    with pytest.raises(ValueError, match="does not have this symmetry"):
        sector_levels(uneven, sector(uneven.lattice, 4, (1,)))
    polarised = Heisenberg(Lattice("chain", (4,)), total_sz=1)
    with pytest.raises(ValueError, match="leaves total_sz"):
        sector_levels(polarised, sector(polarised.lattice, 4, None, None, 1))


@pytest.mark.slow
def test_the_lowest_energy_of_a_sector_is_reached():
    """The ring of 6 at momentum π, odd, with the characters that the Marshall rotation gives them."""
    hamiltonian = Heisenberg(Lattice("chain", (6,)))
    chosen = sector(hamiltonian.lattice, 6, (3,), None, -1)
    ansatz = Projected(nqs.RBM(6, 1, key=jax.random.key(0), stddev=0.3), chosen)
    sampler = nqs.Metropolis(nqs.Exchange(all_pairs(6)), n_chains=16, n_samples=256)
    measured = (
        nqs.VMC(hamiltonian, ansatz, sampler, nqs.minsr(0.1, 1e-3), seed=1)
        .run(60, measure_samples=2048, measure_burn_in=50)
        .measured
    )
    exact = sector_levels(hamiltonian, chosen)[0]
    assert np.isnan(measured["reference"]), "that of the ground state is not the energy to reach"
    assert measured["energy"] - exact > -4 * measured["energy_error"] - 1e-9
    assert measured["energy"] + 3 * measured["energy_error"] - exact < 5e-3 * abs(exact)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ('symmetry = "translation"\nsector = {momentum = [3]}', "sector: the symmetries that the ansatz has itself"),
        ('symmetry = "translation"\nunit_cell = [2]\nsector = {momentum = [1]}', "sector: the symmetries"),
        ('symmetry = "translation"\nunit_cell = [2]\nsector = {momentum = [3]}', None),
        ("sector = {momentum = [3]}", None),
        ("sector = {spin_flip = 1}\n[hamiltonian]\ntotal_sz = 1", "leaves total_sz = 1"),
    ],
)
def test_an_ansatz_without_a_part_in_its_sector_is_refused(keys, message):
    text = f'[ansatz]\nkind = "rbm"\nstddev = 0.1\n{keys}\n'
    if "[hamiltonian]" not in text:
        text += "[hamiltonian]\n"
    text += 'kind = "heisenberg"\nlattice = "chain"\nextent = [6]\n'
    config = parse_text(text, "ring.toml")
    hamiltonian = build_only_hamiltonian(config, "ring.toml")
    if message is None:
        check_not_empty(build_ansatz(config, hamiltonian), hamiltonian.space)
        return
    with pytest.raises(ValueError, match=message):
        check_not_empty(build_ansatz(config, hamiltonian), hamiltonian.space)
