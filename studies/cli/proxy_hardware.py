"""The options of `walkbench proxy` that say where and in which arithmetic a twin is trained.

>>> from studies.cli.main import app
>>> from typer.testing import CliRunner
>>> CliRunner().invoke(app, ["proxy", "run", "sdxl", "--device", "tpu"]).exit_code
2
"""

from typing import Annotated

import typer

DeviceOption = Annotated[str, typer.Option(help="cpu, cuda, cuda:N or mps.")]
TorchDeviceOption = Annotated[
    str, typer.Option("--torch-device", help="Where twins are trained: cpu, cuda, cuda:N or mps.")
]
PrecisionOption = Annotated[
    str,
    typer.Option(
        help="Of the training: float32, tf32, bfloat16, or auto: bfloat16 on GPUs that have it."
    ),
]
CompileOption = Annotated[
    bool,
    typer.Option(
        "--compile", help="Train through torch.compile: minutes before the first step; for GPUs."
    ),
]
AccumulateOption = Annotated[
    bool,
    typer.Option(
        "--accumulate", help="When a batch does not fit into memory, go on in parts of it."
    ),
]
