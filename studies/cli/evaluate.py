"""`walkbench evaluate`: how good pictures are, drawn by a bundle or found in a folder.

JSON: a list of objects with ``metric``, ``value`` (null where there are too few pictures),
``stderr`` (null where none is known), ``n`` (pictures or prompts), ``real`` (what real pictures
get, null where there are none) and ``digest`` (of the network measured with, or null).

>>> from studies.cli.main import app
>>> from typer.testing import CliRunner
>>> CliRunner().invoke(app, ["evaluate", "nowhere"]).exit_code
2
"""

import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import typer

from studies.cli.output import Column, Format, FormatOption, emit, err


def evaluate_command(
    folder: Annotated[
        Path,
        typer.Argument(metavar="DIR", help="A bundle, a decoder's export, or pictures."),
    ],
    prompts: Annotated[
        str | None,
        typer.Option(
            metavar="PROMPTS",
            help="What a bundle draws: shapes, crowd or scenes (shapes:pairs …), GenEval's "
            "evaluation_metadata.jsonl, DPG-Bench's folder or .csv, or a .txt.",
        ),
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Keep drawn pictures here, as the evaluators read them."),
    ] = None,
    count: Annotated[int | None, typer.Option(min=1, help="Use only the first prompts.")] = None,
    images: Annotated[int, typer.Option(min=1, help="Pictures of each prompt.")] = 1,
    real: Annotated[
        str | None,
        typer.Option(
            metavar="DIR",
            help="Real pictures for FID and KID: a folder, a .tar, or shapes, crowd, scenes. "
            "Default: those of PROMPTS, if there are any. For a decoder: what it reconstructs, "
            "also digits.",
        ),
    ] = None,
    space: Annotated[
        list[str] | None,
        typer.Option(help="Shipped feature space, again for more; default: all of them."),
    ] = None,
    inception: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Inception's weights, .pt or .pth: the published FID."),
    ] = None,
    clip: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder of a CLIP model: CLIP score, FID in its space."),
    ] = None,
    results: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the checker's verdicts as GenEval's results."),
    ] = None,
    steps: Annotated[int, typer.Option(min=1, help="Steps of the bundle's scheduler.")] = 28,
    guidance: Annotated[float, typer.Option(min=0, help="Scale of guidance; 1 is none.")] = 4.0,
    size: Annotated[
        int | None, typer.Option(min=8, help="Side to draw at; default: the bundle's.")
    ] = None,
    batch: Annotated[int, typer.Option(min=1, help="Pictures drawn at once.")] = 16,
    seed: Annotated[int, typer.Option(help="Seed of the noise.")] = 0,
    encoder: Annotated[
        str | None,
        typer.Option(metavar="VAE", help="Of a decoder: encoder in place of the export's own."),
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:N or mps.")] = "cpu",
    format: FormatOption = Format.table,
) -> None:
    """Measure FID, KID, CLIP score and composition of a bundle's or a folder's pictures.

    Of a decoder's export: PSNR and SSIM of the pictures that --real names, encoded and decoded.
    """
    from proxies.evaluation.evaluate import Measures, check, evaluate, own_pictures, rows
    from proxies.evaluation.image_space import SHIPPED
    from proxies.evaluation.picture_set import folder_set
    from proxies.evaluation.pipeline import Drawer, is_bundle, load_pipeline
    from proxies.evaluation.prompt_files import read_prompts
    from search_space.errors import WalkbenchError
    from studies.cli.phases import Phases
    from studies.cli.proxy_data import say_skipped

    if not folder.is_dir():
        raise WalkbenchError(f"{str(folder)!r} is no folder; name a bundle or a folder of pictures")
    if is_decoder(folder):
        unused = {"--prompts": prompts, "--space": space, "--inception": inception}
        unused |= {"--clip": clip, "--results": results}
        _evaluate_decoder(
            folder, real, unused, format,
            side=size, count=count, encoder=encoder, device=device, batch=batch, to=to,
        )  # fmt: skip
        return
    if encoder is not None:
        raise WalkbenchError(f"--encoder is of a decoder's export, and {str(folder)!r} is none")
    asked = read_prompts(prompts, count) if prompts is not None else None
    real = real or own_pictures(asked)
    if space and real is None:
        raise WalkbenchError("--space is of a distance; name real pictures with --real")
    measures = Measures(real, tuple(space or SHIPPED), inception, clip, device)
    bundle = is_bundle(folder)
    if bundle and asked is None:
        raise WalkbenchError(
            f"{str(folder)!r} is a bundle; say what it draws with --prompts, such as shapes"
        )
    if not bundle and to is not None:
        raise WalkbenchError(
            f"{str(folder)!r} holds no model_index.json, so it cannot draw into {str(to)!r}; name "
            "a bundle, or leave --to out"
        )
    networks = check(measures)
    with ExitStack() as stack:
        pictures = folder
        if bundle and asked is not None:
            from proxies.evaluation.drawing import bundle_digest, draw_into

            pictures = to or Path(stack.enter_context(tempfile.TemporaryDirectory())) / "pictures"
            drawer = Drawer(load_pipeline(folder, device), steps, guidance, seed, size)
            facts = {
                "bundle": bundle_digest(folder),
                "prompts": asked.source,
                "images": images,
                "steps": steps,
                "guidance": guidance,
                "seed": seed,
                "size": size,
            }
            with Phases(err) as phases:
                tick = phases.phase("prompts")
                draw_into(pictures, asked, images, drawer, facts, batch, tick)
        drawn = folder_set(pictures, asked, images)
        remark = lambda text: err.print(text, soft_wrap=True, markup=False)  # noqa: E731
        figures = evaluate(drawn, measures, networks, results, remark)
        say_skipped(drawn.skipped.values())
    if len(figures) == 1:
        err.print("nothing else to measure; name --real, --clip or --prompts", style="dim")
    emit(rows(figures), format, _COLUMNS)


def is_decoder(folder: Path) -> bool:
    """Whether ``folder`` is the export of a decoder."""
    from search_space.exported import SPEC_FILE, exported_kind

    return (folder / SPEC_FILE).is_file() and exported_kind(folder) == "decoder"


def _evaluate_decoder(
    folder: Path, real: str | None, unused: dict[str, Any], format: Format, **options: Any
) -> None:
    from proxies.evaluation.evaluate import rows
    from proxies.evaluation.reconstruction import Asked, evaluate_decoder
    from search_space.errors import WalkbenchError
    from studies.cli.proxy_data import say_skipped

    given = [name for name, value in unused.items() if value]
    if given:
        raise WalkbenchError(
            f"{str(folder)!r} is a decoder, which draws for no prompt and has PSNR and SSIM alone; "
            f"leave {given[0]} out, or evaluate the pictures that --to keeps"
        )
    if real is None:
        raise WalkbenchError(
            f"{str(folder)!r} is a decoder; name the pictures that it reconstructs with --real, "
            "such as shapes"
        )
    figures, source = evaluate_decoder(folder, Asked(real, **options))
    say_skipped(source.skipped.values() if source is not None else ())
    emit(rows(figures), format, _COLUMNS)


def _number(value: Any) -> str:
    return "–" if value is None else f"{value:.4g}"


_COLUMNS = [
    Column("metric", "metric"),
    Column("value", "value", _number, right=True),
    Column("stderr", "±", _number, right=True),
    Column("real", "real pictures", _number, right=True),
    Column("n", "n", right=True),
    Column("digest", "network", lambda value: value or "", optional=True),
]


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command("evaluate")(evaluate_command)
