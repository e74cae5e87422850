"""How `walkbench proxy run` prints a score: all of it as JSON, what people read as a table.

>>> from proxies.score import Fidelity, Score
>>> run = Fidelity(steps=9, seconds=1.0, width=16, latent=24, batch=8, seed=0)
>>> show_score("sdxl", "0f", Score.failure("loss is nan at step 9", run), Format.csv)
spec,digest,value,...
"""

from typing import Any

from studies.cli.output import Column, Format, count, decimals, emit


def show_score(spec: str, digest: str, score: Any, format: Format) -> None:
    """Print ``score`` of the design called ``spec`` to stdout."""
    data = {"spec": spec, "digest": digest, **score.to_dict()}
    if format is not Format.table:
        emit(data, format)
        return
    flat = {
        **data,
        **data["fidelity"],
        "buckets": score.buckets,
        "loss": (score.value, score.stderr),
    }
    columns = [
        Column("spec", "spec"),
        Column("loss", "validation loss", lambda pair: f"{pair[0]:.4f} ± {pair[1]:.4f}"),
        Column("start", "before training", decimals(4)),
        Column("n", "samples", count),
        Column("buckets", "by timestep, picture to noise", _numbers),
        Column("steps", "steps", count),
        Column("seconds", "training seconds", decimals(1)),
        Column("params", "parameters of the twin", count),
        Column("width", "width for 256"),
        Column("latent", "picture size"),
        Column("seed", "seed"),
        Column("precision", "precision"),
    ]
    if score.failed:
        columns[1:4] = [Column("failed", "failed")]
    if score.stopped:
        columns.append(Column("stopped", "stopped"))
    emit(flat, format, columns)


def _numbers(values: Any) -> str:
    return " ".join(f"{value:.3f}" for value in values)
