"""One trial: suggest a design, price it, check its budgets, and train it only if they are kept.

Metrics are measured in the order of what they cost: free ones, those looked up, trained ones. The
trial stores the design's spec, digest, cost, latency, feasibility and provenance before training
starts, so a trial that fails or is interrupted still says what it was about. How a trial ends:

- COMPLETE: it has a value for every objective.
- PRUNED: over budget, so it was not trained and has no proxy loss. TPE learns from its constraints;
  NSGA-II and GP use only completed trials. Where no objective needs training, it is COMPLETE and
  infeasible.
- FAIL with a reason in `failed`: the training diverged, or the design cannot be priced or shrunk.
  It counts as done. FAIL without a reason was interrupted; another trial trains its design on.

A trial trains on the first rung, or on the one that it was enqueued for (:mod:`studies.agenda`).

A training run that any study of the storage has made before is not made again: its score is taken
over, with `cached_from` naming study and trial, and `reused_from` the trial where it is the same
study. Runs are equal when network, data, recipe and budget are
(:attr:`studies.records.TrialRecord.run`).

>>> from studies.config import load_config
>>> Objective(load_config("demo"), earlier=None, latency=None, proxy=None)
Traceback (most recent call last):
    ...
ValueError: study 'demo' needs a latency source
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import optuna

from latency_db.source import LatencySource
from proxies.checkpoint import CannotSave
from proxies.score import Score
from proxies.training_run import TrainingRun
from search_space.cost import cost
from search_space.errors import WalkbenchError
from search_space.network import Network
from search_space.picture import PictureSpec
from search_space.presets import name_of
from search_space.provenance import provenance
from studies import pareto, record_codec
from studies.candidate import KnownCandidate, measured, timed, trained_part
from studies.config import StudyConfig
from studies.decoder_runs import decoder_error
from studies.earlier_runs import EarlierRuns
from studies.gallery import Gallery
from studies.metric import Measured
from studies.metrics import METRICS
from studies.records import DecoderRun, LatencyOrigin
from studies.rungs import Rung, digest_of, mean_score
from studies.transaction import stored_together

Proxy = Callable[[TrainingRun], Score]

# Optuna takes a trial without constraints for a feasible one, so a budget that could not be checked
# is told to it as exceeded by 100 %. Such trials have failed: no sampler and no record reads it.
UNKNOWN_VIOLATION = 1.0
DASHBOARD_CONSTRAINTS = "constraints"  # where optuna-dashboard (to 0.21 at least) looks for them


class CandidateFailed(Exception):
    """The candidate has no values; the reason is stored with the trial and the study continues."""


class Objective:
    """The function that a study optimises; stores everything it measures on the trial.

    ``latency`` prices designs on the study's device, ``proxy`` trains and scores a run. Either may
    be None where the study's config does not need it. ``earlier`` finds runs made before,
    ``gallery`` keeps what ``proxy``'s twins drew, ``stored`` is told of runs whose score is kept,
    ``decoders`` are the rungs on which the decoders of pictures train, beside the config's.
    """

    def __init__(
        self,
        config: StudyConfig,
        earlier: EarlierRuns | None,
        latency: LatencySource | None,
        proxy: Proxy | None,
        gallery: Gallery | None = None,
        stored: Callable[[Sequence[TrainingRun]], None] = lambda runs: None,
        decoders: Sequence[Rung] = (),
    ) -> None:
        if latency is None and config.device is not None:
            raise ValueError(f"study {config.name!r} needs a latency source")
        if proxy is None and config.trains:
            raise ValueError(f"study {config.name!r} needs a proxy")
        self.config, self.earlier, self.latency = config, earlier, latency
        self.proxy, self.gallery, self.stored = proxy, gallery, stored
        self.decoders = decoders
        self.names = dict.fromkeys([*config.objectives, *config.budgets])

    def __call__(self, trial: optuna.Trial) -> tuple[float, ...]:
        """Return the values of the objectives; raises ``TrialPruned`` and `CandidateFailed`."""
        known: dict[str, Measured] = {}
        try:
            with stored_together(trial):
                candidate = self._price(trial, self._suggest(trial), known)
                is_feasible = self._constrain(trial, known)
            if self.config.trains:
                if not is_feasible:
                    raise optuna.TrialPruned("over budget, not trained")
                candidate = replace(candidate, score=self._score(trial, candidate))
                known.update(measured(candidate, self.names, "trained"))
                record_codec.write_measured(trial, known)
        except CannotSave:
            raise  # not the candidate's fault: the study stops, and goes on from here
        except WalkbenchError as error:
            self._constrain(trial, known)
            raise _failed(trial, str(error)) from None
        return tuple(float(known[name].value) for name in self.config.objectives)

    def _suggest(self, trial: optuna.Trial) -> Network:
        record_codec.write_provenance(trial, provenance())
        spec: Network = self.config.space.suggest(trial)
        record_codec.write_design(trial, spec, name_of(spec))
        return spec

    def _price(
        self, trial: optuna.Trial, spec: Network, known: dict[str, Measured]
    ) -> KnownCandidate:
        """Store cost, latency and every metric known without training; note these in ``known``."""
        priced = cost(spec)
        record_codec.write_cost(trial, priced)
        candidate = KnownCandidate(spec, priced)
        known.update(measured(candidate, self.names, "free"))
        if self.latency is not None:
            candidate = timed(candidate, self.latency)
            origin = LatencyOrigin(self.latency.device, self.latency.name, self.latency.revision)
            assert candidate.latency is not None
            record_codec.write_latency(trial, candidate.latency, origin, candidate.programs)
        known.update(measured(candidate, self.names, "lookup"))
        record_codec.write_measured(trial, known)
        return candidate

    def _constrain(self, trial: optuna.Trial, known: dict[str, Measured]) -> bool:
        """Store, and tell Optuna, how far each budget is missed; say whether all are kept."""
        if "constraints" in trial.user_attrs:
            return bool(trial.user_attrs["feasible"])
        budgets = self.config.budgets
        violations = {
            name: METRICS.get(name).violation(known[name].value, limit)
            for name, limit in budgets.items()
            if name in known
        }
        is_feasible = pareto.feasible(violations, budgets)
        record_codec.write_constraints(trial, violations, is_feasible)
        told = {name: violations.get(name, UNKNOWN_VIOLATION) for name in budgets}
        for name, value in told.items():
            trial.set_constraint(name, value)
        # Beside the new ones, not instead: optuna-dashboard reads only this form and would show
        # every trial as feasible. Optuna then sums each violation twice, which keeps their order.
        trial.storage.set_trial_system_attr(
            trial._trial_id, DASHBOARD_CONSTRAINTS, list(told.values())
        )
        return bool(is_feasible)

    def _score(self, trial: optuna.Trial, candidate: KnownCandidate) -> Score:
        """Train the design, or reuse the score of an equal run; store which."""
        assert self.proxy is not None
        of_decoder = self._decoder_error(trial, candidate.network)
        trained = trained_part(candidate.network)
        runs = self.config.rungs[record_codec.rung_of(trial)].runs(trained)
        run = digest_of(runs)
        before = self.earlier.find(run) if self.earlier is not None else None
        found = before.trial.score if before is not None else None
        score = _with_decoder(found, of_decoder) if found is not None else None
        if before is not None and score is not None and self._tells(candidate, score):
            same = before.study == trial.study.study_name
            trained_by = before.trial.number if same else None
            losses = before.trial.seed_losses
            record_codec.write_score(trial, score, run, trained_by, before.place, losses)
        else:
            scores = [self.proxy(one) for one in runs]
            score = _with_decoder(mean_score(scores), of_decoder)
            losses = tuple(one.value for one in scores)
            record_codec.write_score(trial, score, run, seed_losses=losses)
            self.stored(runs)
            if self.gallery is not None:
                self.gallery.keep(trial)
        if not score.ok:
            raise _failed(trial, score.failed or "the proxy gave no score")
        return score

    def _decoder_error(self, trial: optuna.Trial, network: Network) -> float | None:
        """Train a picture's decoder, or take an equal run over; store which.

        The decoder comes first: where it fails, no UNet trains in vain. None where none trains.
        """
        if not self.decoders or not isinstance(network, PictureSpec):
            return None
        assert self.proxy is not None
        decoder = network.decoder
        (run,) = self.decoders[record_codec.rung_of(trial)].runs(decoder)
        before = self.earlier.find_decoder(run.digest()) if self.earlier is not None else None
        known = before.trial.decoder if before is not None else None
        if before is not None and known is not None:
            score = known.score
            record_codec.write_decoder(trial, DecoderRun(run.digest(), score, before.place))
        else:
            score = self.proxy(run)
            record_codec.write_decoder(trial, DecoderRun(run.digest(), score))
            self.stored([run])
        if not score.ok:
            name = name_of(decoder) or decoder.digest()
            raise _failed(trial, f"the decoder {name}: {score.failed}")
        return decoder_error(score)

    def _tells(self, candidate: KnownCandidate, score: Score) -> bool:
        """Whether ``score`` has all that the study measures: a UNet's may lack a picture's."""
        if not score.ok:
            return True
        try:
            measured(replace(candidate, score=score), self.names, "trained")
        except WalkbenchError:
            return False
        return True


def _with_decoder(score: Score, error: float | None) -> Score:
    """Add the error of a picture's decoder to the score of its UNet, where that has a picture's."""
    if error is None or score.picture is None:
        return score
    return replace(score, picture=replace(score.picture, decoder=error))


def _failed(trial: optuna.Trial, reason: str) -> CandidateFailed:
    record_codec.write_failure(trial, reason)
    return CandidateFailed(reason)
