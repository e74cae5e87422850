"""`walkbench space sweep`: price many designs in memory and write one table.

>>> from studies.cli.main import app
>>> from typer.testing import CliRunner
>>> CliRunner().invoke(app, ["space", "sweep", "pocket", "--to", "designs.xlsx"]).exit_code
2
"""

from pathlib import Path
from typing import Annotated

import typer

from studies.cli.output import err


def sweep_command(
    space: Annotated[str, typer.Argument(help="A shipped space or a TOML file.")],
    to: Annotated[Path, typer.Option("--to", metavar="FILE", help="A .parquet or .csv file.")],
    number: Annotated[
        int, typer.Option("--number", "-n", min=1, help="How many designs, all different.")
    ] = 10_000,
    everything: Annotated[
        bool, typer.Option("--all", help="Every design of the space, instead of a number.")
    ] = False,
    seed: Annotated[int, typer.Option(help="The same seed gives the same designs.")] = 0,
    device: Annotated[
        str | None, typer.Option(help="Estimate latencies on this phone or chip too.")
    ] = None,
    latency_ms: Annotated[
        float | None, typer.Option(min=0, help="Leave out slower designs; needs --device.")
    ] = None,
    params: Annotated[float | None, typer.Option(min=0, help="Leave out larger designs.")] = None,
    macs: Annotated[float | None, typer.Option(min=0, help="Leave out heavier designs.")] = None,
) -> None:
    """Price designs in memory, without a study, and write them as one table."""
    from latency_db.sources import source_of
    from search_space.errors import WalkbenchError
    from search_space.space import SearchSpace
    from studies.sweep import check_target, sweep, write_sweep

    check_target(to)
    if latency_ms is not None and device is None:
        raise WalkbenchError('--latency-ms needs a device; add --device "iPhone 16 Pro"')
    limits = {"latency_ms": latency_ms, "params": params, "macs": macs}
    budgets = {name: limit for name, limit in limits.items() if limit is not None}
    source = None if device is None else source_of(device)
    wanted = None if everything else number
    table = sweep(SearchSpace.load(space), wanted, seed, source, budgets)
    write_sweep(table, to)
    err.print(f"wrote {len(table):,} designs to {to}", soft_wrap=True)
