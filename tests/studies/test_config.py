import pytest

from proxies.recipe import Budget
from search_space.errors import WalkbenchError
from search_space.presets import all_named
from studies.config import load_config, parse_config, shipped_configs
from tests.proxies.data.files import fill
from tests.studies.fakes import config_text, make_config


def test_a_good_config_is_read_as_written(tmp_path):
    config = make_config(tmp_path, trials=7, seed=3, budgets="latency_ms = 260\nparams = 4e8")
    assert (config.name, config.trials, config.seed, config.sampler) == ("small", 7, 3, "tpe")
    assert config.objectives == ("proxy_loss", "latency_ms")
    assert config.budgets == {"latency_ms": 260.0, "params": 4e8}
    assert config.proxy.budget == Budget(steps=2) and config.proxy.width == 8
    assert [design.name for design in config.enqueue] == ["F/mqa"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('name = "small"', "", "name is missing"),
        ("trials = 6", "trials = 0", "trials is 0; an integer of 1 or more"),
        ("trials = 6", "trials = true", "trials is True; an integer"),
        ("trials = 6", "trials = 2.5", "trials is 2.5"),
        ("seed = 0", "seed = -1", "seed is -1; an integer of 0 or more"),
        ('sampler = "tpe"', 'sampler = "annealing"', "tpe, nsga2, random, gp"),
        ("trials = 6", "trials = 6\ntrails = 7", "no key 'trails'"),
        ("[budgets]", "[budget]", "no table 'budget'"),
        ("[study]", "[study", "is not TOML"),
        ('path = "small.toml"', "", "either name or path"),
        ('path = "small.toml"', 'path = "gone.toml"', "No such file"),
        ('path = "small.toml"', 'name = "snapgem"', "did you mean 'snapgen'"),
        ("fix = {}", "fix = 3", "a table [space.fix]"),
        ("fix = {}", "fix = {width = 3}", "unknown axis 'width'"),
        ("fix = {}", "fix = {mid_depth = 9}", "9 is outside"),
        ("['proxy_loss', 'latency_ms']", "[]", "a list of proxy_loss, latency_ms"),
        ("['proxy_loss', 'latency_ms']", "['fid', 'latency_ms']", "a list of proxy_loss"),
        ("['proxy_loss', 'latency_ms']", "['proxy_loss', 'proxy_loss']", "each once"),
        ("latency_ms = 260", "latency_ms = -1", "latency_ms is -1; a positive number"),
        ("latency_ms = 260", "latency_ms = inf", "latency_ms is inf; a positive number"),
        ("latency_ms = 260", "latency_ms = nan", "latency_ms is nan; a positive number"),
        ("latency_ms = 260", "latency = 260", "no key 'latency'"),
        ('name = "A18 Pro"', 'name = "iPhone 51"', "unknown device 'iPhone 51'"),
        ('name = "A18 Pro"', "", "latency_ms needs a device"),
        ("steps = 2", "", "either steps (same result everywhere) or seconds"),
        ("steps = 2", "steps = 2\nseconds = 3", "either steps"),
        ("width = 8", "width = 1", "twin rule"),
        ("width = 8", "latent = 25", "multiple of 4"),
        ("width = 8", "latent = 4", "4 pixels show nothing"),
        ("width = 8", "batch = 0", "batch is 0"),
        ("width = 8", "beta2 = 1.5", "beta2 is 1.5; a number of 0 or more and below 1"),
        ("width = 8", "warm_up = -1", "warm_up is -1; an integer of 0 or more"),
        ("width = 8", "data = 'digit'", "[proxy] unknown data 'digit'"),
        ("width = 8", "data = 'digits'\nimages = 'x'", "[proxy] data and images both name data"),
        ("width = 8", "latents = 'cache'\nsamples = 4", "samples draws pictures"),
        ("width = 8", "optimizer = 'moun'", "optimizer is 'moun'; one of adamw, muon"),
        (
            "width = 8",
            "objective = 'gan'",
            "[proxy.objective] unknown objective 'gan'",
        ),
        ("width = 8", "objective = {kind = 'flow-matching', x = 1}", "has no key 'x'; it has kind"),
        ("width = 8", "threads = 0", "threads is 0; an integer of 1 or more"),
        ("width = 8", "clip = inf", "clip is inf; a positive number"),
        ("width = 8", "torch_device = 3", "torch_device is 3"),
        ("width = 8", "precision = 'half'", "one of auto, float32, tf32, bfloat16"),
        ("width = 8", "accumulate = 1", "accumulate is 1; true or false is needed"),
        ("['F/mqa']", "['F/mqb']", "did you mean 'F/mqa'"),
        ("['F/mqa']", "['sd21']", "sd21: spec has 4 stages"),
        ("['F/mqa']", "['sd21', 'sdxl']", "(and 1 more)"),
        ("['F/mqa']", "'F/mqa'", "a list of names"),
        ("['F/mqa']", "['F/mqa']\nstrict = 1", "true or false"),
    ],
)
def test_a_mistake_is_one_line_that_names_it(tmp_path, old, new, said):
    make_config(tmp_path)
    text = config_text()
    assert old in text
    with pytest.raises(WalkbenchError) as caught:
        parse_config(text.replace(old, new, 1), "study.toml", tmp_path)
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_gp_with_budgets_is_refused_because_it_never_sees_what_was_not_trained(tmp_path):
    with pytest.raises(WalkbenchError, match="gp"):
        make_config(tmp_path, sampler="gp")
    assert make_config(tmp_path, sampler="gp", budgets="").sampler == "gp"
    sizes = make_config(tmp_path, sampler="gp", objectives=("params", "macs"))
    assert sizes.proxy is None


def test_designs_outside_the_space_are_listed_and_left_out_only_when_asked(tmp_path):
    make_config(tmp_path)
    text = config_text(designs=("sd21", "F/mqa", "sdxl")) + "strict = false\n"
    config = parse_config(text, "study.toml", tmp_path)
    assert [design.name for design in config.enqueue] == ["F/mqa"]
    assert [line.split(":")[0] for line in config.left_out] == ["sd21", "sdxl"]


def test_without_a_list_every_named_design_of_the_space_is_enqueued_once():
    text = "study = {name = 'x', trials = 1}\nspace = {name = 'snapgen'}\n"
    config = parse_config(text + "objectives = {minimise = ['params']}")
    inside = {spec.digest() for spec in all_named().values() if spec in config.space}
    digests = [design.spec.digest() for design in config.enqueue]
    assert set(digests) == inside and len(digests) == len(inside)


def test_a_design_may_be_a_file_beside_the_config(tmp_path):
    spec = all_named()["F/mqa"]
    (tmp_path / "mine.json").write_text(spec.to_json())
    config = make_config(tmp_path, designs=("mine.json",))
    assert config.enqueue[0].name == "mine.json" and config.enqueue[0].spec == spec


def test_what_makes_trials_incomparable_is_shared_and_nothing_else(tmp_path):
    plain = make_config(tmp_path).shared(None)
    for same in ({"seed": 9}, {"trials": 9}, {"sampler": "random"}, {"designs": ()}):
        assert make_config(tmp_path, **same).shared(None) == plain
    for other in (
        {"budgets": "latency_ms = 261"},
        {"objectives": ("latency_ms", "proxy_loss")},
        {"proxy": "[proxy]\nsteps = 3\nwidth = 8"},
        {"proxy": "[proxy]\nsteps = 2\nwidth = 8\nwarm_up = 50"},
        {"proxy": "[proxy]\nsteps = 2\nwidth = 8\nbeta2 = 0.95"},
        {"proxy": "[proxy]\nsteps = 2\nwidth = 8\ndata = 'digits'"},
    ):
        assert make_config(tmp_path, **other).shared(None) != plain


def test_pictures_lie_beside_the_config_and_count_by_content(tmp_path):
    proxy = "[proxy]\nsteps = 2\nwidth = 8\nimages = 'pictures'"
    found = []
    for name in ("here", "there"):
        folder = tmp_path / name
        folder.mkdir()
        fill(folder / "pictures", 30)
        config = make_config(folder, proxy=proxy)
        assert config.proxy.data.images == str(folder / "pictures")
        found.append(config.shared(None))
    assert found[0] == found[1] and found[0].proxy["data"].startswith("pictures")
    assert "data" not in make_config(tmp_path).shared(None).proxy  # as before there was any


@pytest.mark.parametrize("name", shipped_configs())
def test_every_shipped_config_loads_and_says_what_it_costs_and_how_to_run_it(name):
    from importlib.resources import files

    config = load_config(name)
    assert config.name == name and config.enqueue
    header = (files("studies") / "configs" / f"{name}.toml").read_text().split("\n\n")[0]
    for word in ("expected", "cost", f"walkbench study run {name}"):
        assert word in header


def test_the_demo_enqueues_the_walk_of_family_f_in_order_and_then_searches():
    config = load_config("demo")
    assert config.enqueue[0].name == "F/thin" and config.enqueue[-1].name == "snapgen-imagenet"
    assert config.trials > len(config.enqueue)


@pytest.mark.parametrize("text", ["nope", "nope.toml"])
def test_an_unknown_config_says_what_there_is(text):
    with pytest.raises(WalkbenchError, match=r"known: demo|name a readable file"):
        load_config(text)


def test_a_measured_table_prices_a_study(tmp_path):
    """A shipped name, or a path beside the config; the table's content is part of the record."""
    from latency_db.sources import source_of

    make_config(tmp_path)
    plain = config_text(objectives=("latency_ms", "params"))
    table = "cpu-onnxruntime-narrow"
    text = plain.replace('name = "A18 Pro"', f'table = "{table}"')
    config = parse_config(text, "study.toml", tmp_path)
    source = config.latency_source()
    assert source.name == source_of(tables=[table]).name and config.tables == (table,)
    shared = config.shared(source)
    assert shared.device == source.device and shared.revisions[-1].latency == source.revision
    for wrong, said in (
        ('table = "nowhere"', "nowhere"),
        ("table = 3", "name or path of a latency table"),
        (f'table = "{table}"\nname = "A18 Pro"', "was measured on"),
    ):
        with pytest.raises(WalkbenchError, match=said):
            parse_config(plain.replace('name = "A18 Pro"', wrong), "study.toml", tmp_path)


def test_a_misspelt_key_is_named_with_the_one_it_is_meant_for():
    with pytest.raises(WalkbenchError, match="trials is missing; is 'trails' meant"):
        parse_config("[study]\nname = 'x'\ntrails = 3")
