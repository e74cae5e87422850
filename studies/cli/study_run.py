"""`walkbench study run` and `worker`: run trials of a study, here or by many workers.

>>> from studies.cli.main import app
>>> from typer.testing import CliRunner
>>> CliRunner().invoke(app, ["study", "run", "demo", "--engine", "dask"]).exit_code
2
"""

from typing import Annotated, Any

import typer

from studies.cli.next_command import next_command
from studies.cli.output import Format, FormatOption, emit, err
from studies.cli.proxy_data import load_data
from studies.cli.study_options import ConfigArgument, StorageOption, TrialsOption


def run_command(
    config: ConfigArgument,
    trials: TrialsOption = None,
    storage: StorageOption = None,
    workers: Annotated[
        int, typer.Option(min=1, help="Workers that run trials at once; killed ones are replaced.")
    ] = 1,
    engine: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Where workers run: serial (here), processes (of this machine), or ray.",
        ),
    ] = None,
    address: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT",
            help="Ray cluster of --engine ray; else RAY_ADDRESS, else one of this machine.",
        ),
    ] = None,
    cpus: Annotated[
        float | None, typer.Option(min=0.0, help="CPUs of a Ray worker; its threads by default.")
    ] = None,
    gpus: Annotated[
        float | None,
        typer.Option(min=0.0, help="GPUs of a Ray worker; 1 where it trains on one by default."),
    ] = None,
    accept_revision: Annotated[
        bool,
        typer.Option(
            "--accept-revision",
            help="Resume a study measured by another latency model or trainer, and mark where.",
        ),
    ] = False,
    format: FormatOption = Format.table,
) -> None:
    """Run or resume a study until it has its trials; Ctrl-C keeps what is finished."""
    from studies.cli.designs import print_designs
    from studies.config import load_config
    from studies.engines.crew import Resources
    from studies.reading import study_data
    from studies.store import shown_url, storage_url
    from studies.summary import best_designs

    settings = load_config(config)
    url = storage_url(storage, settings.storage)
    run = run_with_progress(
        settings,
        trials,
        url,
        workers=workers,
        engine=engine,
        resources=Resources(address, cpus, gpus),
        accept_revision=accept_revision,
    )
    if format is not Format.table:
        emit(
            {
                "study": run.study.study_name,
                "storage": shown_url(url),
                "done": run.done,
                "trials": run.total,
                "ran": run.ran,
                "left_out": list(settings.left_out),
            },
            format,
        )
        return
    study = study_data(run.study)
    print_designs(study, best_designs(study), f"Pareto front of {settings.name}")
    again = next_command("study", "best", settings.name, "--all", url=url)
    err.print(again, style="dim", soft_wrap=True)


def run_with_progress(
    settings: Any,
    trials: int | None,
    url: str,
    *,
    workers: int = 1,
    engine: str | None = None,
    resources: Any = None,
    wait: bool = False,
    accept_revision: bool = False,
) -> Any:
    """Run a study with its progress on stderr; return what `run_study` does."""
    from search_space.errors import WalkbenchError
    from studies.cli.study_progress import StudyProgress
    from studies.engines.crew import Resources
    from studies.runner import run_study
    from studies.steering import is_asked_to_stop
    from studies.store import shown_url
    from studies.worker_pool import run_workers

    kind = engine or ("serial" if workers == 1 else "processes")
    elsewhere = resources or Resources()
    if kind == "serial" and (workers > 1 or elsewhere != Resources()):
        raise WalkbenchError(
            "engine 'serial' is one worker in this process; --engine processes has several "
            "--workers, --engine ray also has --address, --cpus and --gpus"
        )
    for line in settings.left_out:
        err.print(f"left out: {line}", soft_wrap=True)
    total = settings.trials if trials is None else trials
    err.print(f"study {settings.name}, {total} trials, in {shown_url(url)}")
    if settings.proxy is not None:
        load_data(settings.proxy.data, settings.proxy.latent)  # says what is skipped, or refuses
    with StudyProgress(err, 0, total) as watch:
        options: Any = {"trials": trials, "watch": watch, "accept_revision": accept_revision}
        if kind == "serial":
            run = run_study(settings, storage=url, wait=wait, **options)
        else:
            run = run_workers(settings, workers, url, engine=kind, resources=elsewhere, **options)
    if is_asked_to_stop(run.study):
        err.print(
            f"stopped as asked, {run.done} of {run.total} trials are done; running it again goes on"
        )
    elif run.done < run.total:
        err.print(
            f"{run.done} of {run.total} trials are done and other workers run the rest, so this "
            "one ends; a trial whose worker was killed is free again after 2 minutes: run again",
            soft_wrap=True,
        )
    elif run.ran == 0:
        more = f"--trials {run.done + run.total} adds as many"
        err.print(f"{run.done} of {run.total} trials were done already; {more}")
    return run


def worker_command(
    config: ConfigArgument,
    trials: TrialsOption = None,
    storage: StorageOption = None,
) -> None:
    """Run a study together with other workers until all its trials are done.

    Start as many as you like, by Slurm or Kubernetes, on machines that reach the storage. A worker
    creates the study if it is the first, runs trials, and waits for the last ones of the others, to
    run those of workers that die.
    """
    from studies.config import load_config
    from studies.store import storage_url

    settings = load_config(config)
    run_with_progress(settings, trials, storage_url(storage, settings.storage), wait=True)
