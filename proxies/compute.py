"""`Compute`: where and in which arithmetic a twin trains, not yet checked against this machine.

>>> Compute(device="cuda").precision
'auto'
"""

from dataclasses import dataclass

from proxies.setting import check, setting

PRECISIONS = ("auto", "float32", "tf32", "bfloat16")


@dataclass(frozen=True)
class Compute:
    """Device, precision and CPU threads; :class:`proxies.hardware.Hardware` explains the words.

    ``compiled`` trains through `torch.compile`, which takes minutes before the first step.
    ``accumulate`` trains in parts of a batch where a batch does not fit into memory. Only with one
    thread do two runs of a seed agree to the last bit.
    """

    device: str = setting(
        "cpu", key="torch_device", help="Device that trains: cpu, cuda, cuda:N or mps."
    )
    precision: str = setting(
        "auto",
        help="Precision of the training; auto: bfloat16 on GPUs that have it, else float32.",
        choices=lambda: PRECISIONS,
    )
    compiled: bool = setting(
        False, key="compile", help="Train through torch.compile: minutes to start; for GPUs."
    )
    accumulate: bool = setting(
        False, help="Train in parts of a batch where a batch does not fit into memory."
    )
    threads: int = setting(1, help="CPU threads; more seldom help a twin.", least=1, absent=1)

    def __post_init__(self) -> None:
        check(self)
