"""The named specs are the published networks, and the walk is the reconstruction of the facts."""

import pytest

from search_space.cost import cost
from search_space.errors import WalkbenchError
from search_space.presets import FAMILIES, WALK, all_named, name_of, named_spec, walk_spec

PUBLISHED = {  # exact, from the models' own checkpoints
    "sdxl": 2_567_463_684,
    "sd15": 859_520_964,
    "sd21": 865_910_724,
    "dreamlite": 389_968_388,
}
# Params in millions and GMAC at a 128×128 latent, 77 tokens, as a separate closed-form counter
# printed them: the reconstruction's table. (F/early-condition was printed to two decimals.)
WALK_TABLE = {
    "M/thin": ("632.5", "1266.8"),
    "M/no-high-res-sa": ("622.0", "1052.1"),
    "M/separable": ("473.4", "652.2"),
    "M/expanded-separable": ("528.3", "760.6"),
    "M/ffn-3": ("462.6", "669.2"),
    "M/mqa": ("389.3", "629.6"),
    "M/early-condition": ("391.2", "658.9"),
    "F/thin": ("632.5", "1266.8"),
    "F/no-high-res-sa": ("622.0", "1052.1"),
    "F/separable": ("484.5", "717.0"),
    "F/expanded-separable": ("510.9", "759.4"),
    "F/ffn-3": ("445.1", "668.0"),
    "F/mqa": ("371.8", "628.4"),
    "F/early-condition": ("372.25", "648.9"),
}
# Published percentages of params and MACs against the step before (expanded: against no-high-res).
PUBLISHED_PERCENT = {
    "no-high-res-sa": (None, -17, "thin"),
    "separable": (-24, None, "no-high-res-sa"),
    "expanded-separable": (-15, -27, "no-high-res-sa"),
    "ffn-3": (-12, -12, "expanded-separable"),
    "mqa": (-16, -6, "ffn-3"),
}
# A digest names a network in studies, tables and file names: it may never change by accident.
DIGESTS = {
    "sdxl": "9c255e773620",
    "sd15": "4dc821ee86a4",
    "sd21": "216e482b9e8d",
    "dreamlite": "bc9bebdef676",
    "snapgen-imagenet": "e74d3f90edfa",
    "snapgen-t2i": "836c0534af46",
    "M/qk-norm-rope": "6d066892bff9",
    "F/mqa": "4d35f741103e",
}


def rounded(value: float, like: str) -> str:
    """Write ``value`` with as many decimals as ``like`` has."""
    return f"{value:.{len(like.partition('.')[2])}f}"


@pytest.mark.parametrize(("name", "params"), PUBLISHED.items())
def test_public_unets_have_exactly_their_published_params(name: str, params: int) -> None:
    assert cost(named_spec(name)).params == params


def test_sdxl_has_3380_6_gmac_at_128_latent_and_77_tokens() -> None:
    spec = named_spec("sdxl")
    assert (spec.latent_size, spec.context.tokens) == (128, 77)
    assert rounded(cost(spec).macs / 1e9, "3380.6") == "3380.6"


@pytest.mark.parametrize(
    ("name", "millions"), [("snapgen-imagenet", "372.25"), ("snapgen-t2i", "379.33")]
)
def test_final_designs_have_the_published_totals(name: str, millions: str) -> None:
    assert rounded(cost(named_spec(name)).params / 1e6, millions) == millions


@pytest.mark.parametrize(("name", "printed"), WALK_TABLE.items())
def test_walk_steps_agree_with_the_reconstruction_to_the_printed_digits(
    name: str, printed: tuple[str, str]
) -> None:
    got = cost(named_spec(name))
    assert rounded(got.params / 1e6, printed[0]) == printed[0]
    assert rounded(got.macs / 1e9, printed[1]) == printed[1]


@pytest.mark.parametrize("step", PUBLISHED_PERCENT)
def test_family_m_is_within_one_point_of_every_published_percentage(step: str) -> None:
    params_percent, macs_percent, before = PUBLISHED_PERCENT[step]
    new, old = cost(named_spec(f"M/{step}")), cost(named_spec(f"M/{before}"))
    if params_percent is not None:
        assert abs(100 * (new.params / old.params - 1) - params_percent) < 1
    if macs_percent is not None:
        assert abs(100 * (new.macs / old.macs - 1) - macs_percent) < 1


def test_family_f_is_within_half_a_percent_of_both_published_totals() -> None:
    assert cost(named_spec("snapgen-imagenet")).params == pytest.approx(372e6, rel=0.005)
    assert cost(named_spec("snapgen-t2i")).params == pytest.approx(379e6, rel=0.005)


def test_every_step_of_both_families_has_a_name() -> None:
    for family in FAMILIES:
        for step in WALK[1:]:
            assert named_spec(f"{family}/{step.name}") == walk_spec(FAMILIES[family], step.name)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_step_changes_the_network(family: str) -> None:
    steps = [walk_spec(FAMILIES[family], step.name) for step in WALK]
    assert len(set(steps)) == len(steps)


def test_the_walk_begins_at_sdxl_and_family_f_ends_at_snapgen() -> None:
    assert walk_spec(FAMILIES["M"], "sdxl") == named_spec("sdxl")
    assert walk_spec(FAMILIES["F"], "qk-norm-rope") == named_spec("snapgen-imagenet")


@pytest.mark.parametrize(("name", "digest"), DIGESTS.items())
def test_digests_are_what_they_were(name: str, digest: str) -> None:
    assert named_spec(name).digest() == digest


def test_digests_tell_all_networks_apart() -> None:
    distinct = set(all_named().values())
    assert len({spec.digest() for spec in distinct}) == len(distinct)


def test_a_spec_is_found_by_value_and_a_stranger_has_no_name() -> None:
    assert name_of(named_spec("M/mqa")) == "M/mqa"
    assert name_of(named_spec("sdxl").replace(latent_size=64)) is None


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(WalkbenchError, match=r"unknown spec 'M/mqua'; did you mean 'M/mqa'\?"):
        named_spec("M/mqua")
    with pytest.raises(WalkbenchError, match="unknown walk step 'ffn3'; did you mean 'ffn-3'"):
        walk_spec(FAMILIES["M"], "ffn3")
