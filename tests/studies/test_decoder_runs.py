"""Decoders of pictures train like UNets: once a storage, also where they fail or are stopped."""

from dataclasses import dataclass, field

import pytest

from proxies.score import Fidelity, Score
from proxies.score_parts import PictureErrors, PictureQuality
from search_space.decoder import named_decoder
from search_space.errors import WalkbenchError
from studies.config import parse_config
from studies.decoder_runs import decoder_error
from studies.reading import study_data
from studies.runner import run_study

GOOD, BAD = "snapgen-decoder", "decoder/fewer-norms"
SPACE = f"""
[picture]
steps = [2, 4]
bits = [16, 8, 6, 4]
[unet]
designs = ["F/mqa"]
[decoder]
designs = ["{GOOD}", "{BAD}"]
"""
CONFIG = """
study = {name = "small", trials = 8, sampler = "random"}
space = {path = "space.toml"}
objectives = {minimise = ["picture_s", "decoder_error"]}
device = {name = "iPhone 16 Pro"}
proxy = {steps = 2, width = 16, latent = 16}
"""
DIGESTS = {named_decoder(name).digest(): name for name in (GOOD, BAD)}


@dataclass
class Pictures:
    """A proxy of UNets and decoders that remembers whom it trained, and fails where it is told."""

    failing: str = ""  # "diverged" or "memory", for the bad decoder
    stop_at: int | None = None  # the call that a Ctrl-C interrupts
    trained: list[str] = field(default_factory=list)

    def __call__(self, run):
        name = DIGESTS.get(run.network.digest(), "unet")
        self.trained.append(name)
        if len(self.trained) == self.stop_at:
            raise KeyboardInterrupt
        fidelity = Fidelity(2, seconds=0.1, width=16, latent=16, batch=16, seed=0)
        if name == BAD and self.failing == "diverged":
            return Score.failure("training loss is nan at step 1", fidelity)
        if name == BAD and self.failing == "memory":
            raise WalkbenchError("cpu has too little memory for a batch of 16; a batch of 4 fits")
        if name == "unet":
            steps, bits = (
                ((2, 0.2, 0.0), (4, 0.1, 0.0)),
                tuple((b, 0.0, 0.0) for b in (16, 8, 6, 4)),
            )
            picture = PictureErrors(steps, bits)
            return Score.of_losses((0.2, 0.3), fidelity, picture=picture)
        return Score.of_losses((0.2, 0.3), fidelity, quality=PictureQuality(8, 20.0, 0.7))


@pytest.fixture
def run(tmp_path):
    (tmp_path / "space.toml").write_text(SPACE)

    def call(proxy, trials=8):
        config = parse_config(CONFIG, folder=tmp_path)
        found = run_study(config, trials=trials, storage=str(tmp_path / "s.db"), proxy=proxy)
        return study_data(found.study).trials

    return call


def decoder_of(trial):
    return DIGESTS[trial.network.decoder.digest()]


def test_each_decoder_trains_once_and_a_study_that_goes_on_takes_its_run_over(run):
    proxy = Pictures()
    run(proxy, 4)
    trials = run(proxy)
    assert sorted(proxy.trained) == sorted(["unet", GOOD, BAD])
    for trial in trials:
        assert (
            trial.values["decoder_error"]
            == pytest.approx(0.04)
            == decoder_error(trial.decoder.score)
        )
    first = {decoder_of(trial): trial.number for trial in reversed(trials)}
    for trial in trials:
        origin = None if trial.number == first[decoder_of(trial)] else first[decoder_of(trial)]
        assert trial.decoder.cached_from == (None if origin is None else f"small/{origin}")


def test_a_decoder_that_diverged_fails_its_trials_and_never_trains_again(run):
    proxy = Pictures(failing="diverged")
    run(proxy, 4)
    trials = run(proxy)
    assert proxy.trained.count(BAD) == 1
    for trial in trials:
        if decoder_of(trial) == BAD:
            assert trial.failed == f"the decoder {BAD}: training loss is nan at step 1"
            assert trial.done and trial.score is None  # no UNet trained in vain
        else:
            assert trial.state == "COMPLETE"


def test_a_decoder_out_of_memory_fails_with_what_would_fit_and_the_study_goes_on(run):
    trials = run(Pictures(failing="memory"))
    failed = [trial for trial in trials if decoder_of(trial) == BAD]
    assert failed and all("a batch of 4 fits" in trial.failed for trial in failed)
    assert {trial.state for trial in trials} == {"COMPLETE", "FAIL"}


@pytest.mark.parametrize("stop_at", [1, 2])
def test_a_trial_interrupted_in_its_decoder_or_its_unet_does_not_count_and_goes_on(run, stop_at):
    proxy = Pictures(stop_at=stop_at)
    with pytest.raises(KeyboardInterrupt):
        run(proxy)
    trials = run(proxy)
    assert trials[0].interrupted and sum(trial.done for trial in trials) == 8
    assert trials[1].again_of == 0 and trials[1].digest == trials[0].digest
    assert len(proxy.trained) == 4  # what was interrupted again, nothing else twice


def test_greybox_searches_pictures_and_proposes_none_over_budget(tmp_path):
    (tmp_path / "space.toml").write_text(SPACE)
    text = CONFIG.replace('"random"', '"greybox"')
    config = parse_config(text + "budgets = {picture_s = 1.7, picture_mb = 1500}", folder=tmp_path)
    found = run_study(config, trials=6, storage=str(tmp_path / "g.db"), proxy=Pictures())
    trials = study_data(found.study).trials
    assert [trial.state for trial in trials] == ["COMPLETE"] * 6
    assert all(trial.feasible for trial in trials)
    assert len({trial.digest for trial in trials}) == 6


@pytest.mark.parametrize("sampler", ["random", "greybox"])
def test_seconds_and_megabytes_that_no_picture_keeps_are_refused_with_the_closest(
    tmp_path, sampler
):
    (tmp_path / "space.toml").write_text(SPACE)
    text = CONFIG.replace('"random"', f'"{sampler}"')
    config = parse_config(text + "budgets = {picture_s = 0.1, picture_mb = 1}", folder=tmp_path)
    with pytest.raises(
        WalkbenchError,
        match=r"Time to picture ≤ 0\.1 s and Memory of the app ≤ 1 MB; the closest .*UNet F/mqa, "
        rf"decoder {GOOD}, steps 2, bits 4\), has Time to picture",
    ):
        run_study(config, storage=str(tmp_path / "b.db"), proxy=Pictures())
    assert not (tmp_path / "b.db").exists()


def test_a_decoder_whose_twin_cannot_be_built_is_an_error_of_the_config(tmp_path):
    (tmp_path / "space.toml").write_text(SPACE)
    with pytest.raises(WalkbenchError, match=r"\[proxy\].*would become 2, fewer than 4; use a"):
        parse_config(CONFIG.replace("width = 16", "width = 8"), folder=tmp_path)
