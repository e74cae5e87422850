"""Several workers of one study, on this machine or on a cluster, replaced when they are killed.

Each worker runs the study as `walkbench study worker` does and waits until all trials are done.
This process creates the study, tells ``watch`` of every trial that ends, starts another worker
where one was killed, and releases what dead ones left.
"""

import time
from collections.abc import Sequence

import optuna

from search_space.errors import WalkbenchError
from studies import record_codec, workers
from studies.config import StudyConfig
from studies.engines import crew_of
from studies.engines.crew import Crew, Job, Resources, Worker
from studies.greybox.informed import check_budgets
from studies.resume import create_or_resume
from studies.runner import Run, Silent, Watch, is_finished, quiet_optuna
from studies.steering import go_on, is_asked_to_stop
from studies.storage_failure import storage_errors, wait_until_back
from studies.trial_log import TrialLog

MOST_DEATHS = 20  # without a trial done
_POLL_S = 0.3


def run_workers(
    config: StudyConfig,
    number: int,
    url: str,
    *,
    trials: int | None = None,
    watch: Watch | None = None,
    accept_revision: bool = False,
    engine: str = "processes",
    resources: Resources | None = None,
) -> Run:
    """Run ``config`` with ``number`` workers that ``engine`` starts until its trials are done.

    Raises :class:`WalkbenchError` as :func:`studies.runner.run_study` does, with a worker's message
    where one fails. An interruption ends the workers' trials as interrupted and is passed on.
    """
    total = config.trials if trials is None else trials
    latency = config.latency_source()
    check_budgets(config.sought(latency))
    with (
        quiet_optuna(),
        storage_errors(),
        crew_of(engine, Job(config, url, total), resources or Resources()) as crew,
    ):
        study = create_or_resume(config, url, latency, accept_revision=accept_revision)
        study.set_user_attr(record_codec.TARGET, total)
        go_on(study)
        log = TrialLog(study)
        first = log.done()
        _Pool(config, number, total, study, log, watch or Silent(), crew).run()
        return Run(study, log.done(), total, log.done() - first)


class _Pool:
    def __init__(
        self,
        config: StudyConfig,
        number: int,
        total: int,
        study: optuna.Study,
        log: TrialLog,
        watch: Watch,
        crew: Crew,
    ) -> None:
        self.config, self.number, self.total = config, number, total
        self.study, self.log, self.watch, self.crew = study, log, watch, crew
        self.told = {r.number for r in log.records() if r.state in ("COMPLETE", "PRUNED", "FAIL")}
        self.living: list[Worker] = []
        self.deaths = 0  # since the last trial that ended

    def run(self) -> None:
        """Keep the workers running until all trials are done."""
        try:
            while self._step():
                time.sleep(_POLL_S)
        finally:
            self.crew.stop(self.living)
            self._release(self.living)
            workers.release(self.study)
            optuna.storages.fail_stale_trials(self.study)
        self._tell()

    def _step(self) -> bool:
        """Replace workers that ended; say whether trials are left. A server is waited for."""
        try:
            if self._tell():
                self.deaths = 0
            if is_finished(self.log, self.config, self.total):
                return False
            self._bury()
            if is_asked_to_stop(self.study):
                return bool(self.living)  # each ends after its trial
            missing = self.number - len(self.living)
            self.living += [self.crew.start() for _ in range(missing)]
        except WalkbenchError:
            raise
        except Exception as error:
            wait_until_back(self.study, error)
        return True

    def _bury(self) -> None:
        """Release what ended workers left; raise their message, or when too many were killed."""
        ended = [worker for worker in self.living if not worker.alive()]
        self.living = [worker for worker in self.living if worker not in ended]
        killed = [worker for worker in ended if worker.was_killed()]
        self.deaths += len(killed)
        self._release(killed)
        if self.deaths > MOST_DEATHS:
            raise WalkbenchError(
                f"{self.deaths} workers were killed and no trial ended, perhaps for lack of "
                "memory; finished trials are kept: run again with fewer workers"
            )

    def _release(self, ended: Sequence[Worker]) -> None:
        for worker in ended:
            workers.release(self.study, of={"task": worker.task})

    def _tell(self) -> bool:
        """Tell of trials that ended since the last time; say whether there are any."""
        ended = [r for r in self.log.records() if r.settled and r.number not in self.told]
        for record in ended:
            self.told.add(record.number)
            self.watch.trial_ended(record, self.log.done(), self.total)
        return bool(ended)
