"""Several worker processes of one study on this machine, replaced when they are killed.

Each worker runs the study as `walkbench study worker` does and waits until all trials are done.
This process creates the study, tells ``watch`` of every trial that ends, starts another worker
where one was killed, and releases what dead ones left.
"""

import signal
import time
from collections.abc import Sequence
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from typing import Any

import optuna

from search_space.errors import WalkbenchError
from studies import record_codec, workers
from studies.config import StudyConfig
from studies.greybox.informed import check_budgets
from studies.resume import create_or_resume
from studies.runner import (
    Run,
    Silent,
    Watch,
    is_finished,
    quiet_optuna,
    run_study,
    storage_errors,
)
from studies.trial_log import TrialLog

MISTAKE, MOST_DEATHS = 2, 20  # exit code of a worker with a message; deaths without a trial done
_POLL_S = 0.3


def run_workers(
    config: StudyConfig,
    number: int,
    url: str,
    *,
    trials: int | None = None,
    watch: Watch | None = None,
    accept_revision: bool = False,
) -> Run:
    """Run ``config`` with ``number`` worker processes until its trials are done.

    Raises :class:`WalkbenchError` as :func:`studies.runner.run_study` does, with a worker's message
    where one fails. An interruption ends the workers' trials as interrupted and is passed on.
    """
    total = config.trials if trials is None else trials
    watch = watch or Silent()
    latency = config.latency_source()
    check_budgets(config.sought(latency))
    with quiet_optuna(), storage_errors():
        study = create_or_resume(config, url, latency, accept_revision=accept_revision)
        study.set_user_attr(record_codec.TARGET, total)
        log = TrialLog(study)
        first = log.done()
        _Pool(config, number, url, total, study, log, watch).run()
        workers.release(study)
        optuna.storages.fail_stale_trials(study)
        return Run(study, log.done(), total, log.done() - first)


class _Pool:
    def __init__(
        self,
        config: StudyConfig,
        number: int,
        url: str,
        total: int,
        study: optuna.Study,
        log: TrialLog,
        watch: Watch,
    ) -> None:
        self.config, self.number, self.url, self.total = config, number, url, total
        self.study, self.log, self.watch = study, log, watch
        self.context = get_context("spawn")
        self.messages = self.context.SimpleQueue()
        self.told = {r.number for r in log.records() if r.state in ("COMPLETE", "PRUNED", "FAIL")}

    def run(self) -> None:
        """Keep the workers running until all trials are done."""
        living: list[BaseProcess] = []
        deaths = 0
        try:
            while not is_finished(self.log, self.config, self.total):
                missing = self.number - len(living)
                living += [self._start() for _ in range(missing)]
                time.sleep(_POLL_S)
                deaths = 0 if self._tell() else deaths
                ended = [process for process in living if not process.is_alive()]
                living = [process for process in living if process.is_alive()]
                deaths += self._buried(ended)
                if deaths > MOST_DEATHS:
                    raise WalkbenchError(
                        f"{deaths} workers were killed and no trial ended, perhaps for lack of "
                        "memory; finished trials are kept: run again with fewer workers"
                    )
            self._tell()
        finally:
            self._end(living)

    def _start(self) -> BaseProcess:
        words = (self.config, self.url, self.total, self.messages)
        process = self.context.Process(target=_work, args=words, daemon=True)
        process.start()
        return process

    def _buried(self, ended: Sequence[BaseProcess]) -> int:
        """Release what ended workers left; raise their message; return how many were killed."""
        for process in ended:
            process.join()
            if process.exitcode == MISTAKE:
                raise WalkbenchError(self.messages.get())
        killed = sum(process.exitcode != 0 for process in ended)
        if killed:
            workers.release(self.study)
        return killed

    def _tell(self) -> bool:
        """Tell of trials that ended since the last time; say whether there are any."""
        ended = [r for r in self.log.records() if r.settled and r.number not in self.told]
        for record in ended:
            self.told.add(record.number)
            self.watch.trial_ended(record, self.log.done(), self.total)
        return bool(ended)

    def _end(self, living: Sequence[BaseProcess]) -> None:
        """Let workers that are still there end: they have no trial, or were interrupted with us."""
        for process in living:
            process.join(timeout=5)
        for process in living:
            if process.is_alive():
                process.terminate()
                process.join()


def _work(config: StudyConfig, url: str, total: int, messages: Any) -> None:
    """Run the study in a worker process; its exit code says how that went."""
    signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGINT))
    try:
        run_study(config, trials=total, storage=url, wait=True)
    except WalkbenchError as error:
        messages.put(str(error))
        raise SystemExit(MISTAKE) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
