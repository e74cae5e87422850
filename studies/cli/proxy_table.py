"""Print a score of `walkbench proxy run`: complete as JSON, or the main figures as a table.

>>> from proxies.score import Fidelity, Score
>>> run = Fidelity(steps=9, seconds=1.0, width=16, latent=24, batch=8, seed=0)
>>> show_score("sdxl", "0f", Score.failure("loss is nan at step 9", run), Format.csv)
spec,digest,value,...
"""

from typing import Any

from studies.cli.output import Column, Format, emit
from studies.formats import count, decimals

Lines = list[tuple[str, str]]  # heading and text


def show_score(spec: str, digest: str, score: Any, format: Format) -> None:
    """Print ``score`` of the design called ``spec`` to stdout."""
    data = {"spec": spec, "digest": digest, **score.to_dict()}
    if format is not Format.table:
        emit(data, format)
        return
    flat: dict[str, Any] = {
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
    if score.quality is not None:  # of a decoder, which knows no timesteps
        columns = [column for column in columns if column.key != "buckets"]
    if score.failed:
        columns[1:4] = [Column("failed", "failed")]
    if score.stopped:
        columns.append(Column("stopped", "stopped"))
    parts = (_quality_lines, _guess_lines, _composition_lines, _distance_lines)
    more = [line for lines in parts for line in lines(score)]
    columns += [Column(heading, heading) for heading, _ in more]
    emit({**flat, **dict(more)}, format, columns)


def _quality_lines(score: Any) -> Lines:
    found = score.quality
    if found is None:
        return []
    return [("PSNR", f"{found.psnr:.2f} dB"), ("SSIM", f"{found.ssim:.4f}")]


def _guess_lines(score: Any) -> Lines:
    if score.extrapolated is None:
        return []
    guess = score.extrapolated
    text = f"≈ {guess.value:.4f} (80 %: {guess.low:.4f} … {guess.high:.4f})"
    return [(f"expected after {guess.at_steps:,} steps", f"{text}, from {guess.points} points")]


def _composition_lines(score: Any) -> Lines:
    found = score.composition
    if found is None:
        return []
    attributes = {name: getattr(found, name) for name in ("shapes", "count", "color", "position")}
    return [
        (
            f"of {found.n:,} {found.split} prompts",
            f"strict {found.strict:.2f}  loose {found.loose:.2f}",
        ),
        ("by attribute", _shares(attributes)),
        ("by task, loose", _shares(found.by_task)),
        ("re-drawn, off by", f"{found.residual:.2f} of 255 levels"),
        ("variation of attributes", f"{found.variation:.2f} (0: as real, 1: nothing as real)"),
    ]


def _distance_lines(score: Any) -> Lines:
    """Each distance with the one between real pictures beside it."""
    lines = []
    for d in score.distances:
        where = f"in {d.space} {d.digest}, {d.n:,} pictures"
        lines.append(
            (f"Fréchet {where}", f"{d.frechet:.3f} (real against real {d.real_frechet:.3f})")
        )
        lines.append((f"KID {where}", f"{d.kid:.4f} (real against real {d.real_kid:.4f})"))
    return lines


def _shares(values: dict[str, float | None]) -> str:
    known = {name: share for name, share in values.items() if share is not None}
    return "  ".join(f"{name} {share:.2f}" for name, share in known.items())


def _numbers(values: Any) -> str:
    return " ".join(f"{value:.3f}" for value in values)
