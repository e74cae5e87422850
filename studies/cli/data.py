"""`walkbench data`: prepare training data of proxies.

>>> from studies.cli.main import app
>>> from typer.testing import CliRunner
>>> CliRunner().invoke(app, ["data", "cache", "out", "--images", "nowhere"]).exit_code
2
"""

from pathlib import Path
from typing import Annotated, Any, Self

import typer

from search_space.errors import WalkbenchError
from studies.cli.output import Column, Format, FormatOption, emit, err
from studies.cli.proxy_data import say_skipped
from studies.formats import count


def cache(
    out: Annotated[
        Path, typer.Argument(help="Folder of the cache; created, or continued if it exists.")
    ],
    images: Annotated[
        str,
        typer.Option(help="Captioned pictures: a folder, a .tar, or 'shards-{000..011}.tar'."),
    ],
    vae: Annotated[
        str, typer.Option(help="Autoencoder of diffusers: a folder, or an id such as org/name/vae.")
    ],
    text_encoder: Annotated[
        str, typer.Option(help="CLIP, T5, Gemma, … of transformers: a folder or an id.")
    ],
    tokenizer: Annotated[
        str | None, typer.Option(help="Folder or id, where it is not beside the text encoder.")
    ] = None,
    size: Annotated[
        int, typer.Option(help="Side of the pictures in pixels, cropped square and scaled.")
    ] = 256,
    tokens: Annotated[int, typer.Option(help="Token embeddings per caption.")] = 77,
    layer: Annotated[
        int, typer.Option(help="Hidden state to keep; -1 is the output, SDXL reads -2.")
    ] = -1,
    batch: Annotated[int, typer.Option(help="Pictures encoded at a time.")] = 8,
    shard: Annotated[
        int, typer.Option(help="Pictures per file; a kill loses at most one file.")
    ] = 256,
    dtype: Annotated[str, typer.Option(help="float16 or float32.")] = "float16",
    device: Annotated[str, typer.Option(help="cpu, cuda or mps.")] = "cpu",
    format: FormatOption = Format.table,
) -> None:
    """Encode captioned pictures into OUT once: latents of a VAE, embeddings of a text encoder.

    Run it again to continue after a kill or Ctrl-C, or to rebuild missing or damaged shards.
    Pictures that cannot be used are skipped and listed. Train on it with
    `walkbench proxy run SPEC --latents OUT`.
    """
    from proxies.data.cache import make_cache
    from proxies.data.encoders import load_text_encoder, load_vae
    from proxies.data.listing import list_pictures
    from proxies.hardware import Hardware
    from studies.interrupt import Interrupt

    Hardware.of(device)  # fail before anything is listed or loaded
    listing = list_pictures(images)
    if not listing.entries:
        say_skipped(listing.skipped)
        raise WalkbenchError(f"images {images!r} holds no pictures; name a folder or tar that does")
    with Interrupt() as interrupt:
        err.print("loading VAE and text encoder …", style="dim")
        pictures = load_vae(vae, device)
        captions = load_text_encoder(text_encoder, tokens, tokenizer, layer, device)
        with _Bar(interrupt) as bar:
            index = make_cache(
                out, listing, pictures, captions,
                size=size, batch=batch, shard=shard, dtype=dtype, progress=bar,
            )  # fmt: skip
    say_skipped(index.skipped)
    if not index.count:
        raise WalkbenchError(
            f"none of the {len(listing.entries)} pictures of {images!r} could be used; each needs "
            "a caption in a .txt or .json of the same name"
        )
    _show(out, index, format)


class _Bar:
    """A progress bar on stderr; also checks for a Ctrl-C that was lost in C code."""

    def __init__(self, interrupt: Any) -> None:
        self.interrupt = interrupt

    def __enter__(self) -> Self:
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        self.bar = Progress(
            TextColumn("caching"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("left"),
            console=err,
            transient=True,
        )
        self.task: Any = None
        self.bar.start()
        return self

    def __call__(self, state: Any) -> None:
        """Show ``state``, a :class:`proxies.data.cache.CacheProgress`."""
        self.interrupt.check()
        if state.remark:
            err.print(state.remark, markup=False, soft_wrap=True)
        if self.task is None:
            self.task = self.bar.add_task("", total=state.total)
        self.bar.update(self.task, completed=state.done)

    def __exit__(self, *_: object) -> None:
        self.bar.stop()


def _show(out: Path, index: Any, format: Format) -> None:
    data = {
        "folder": str(out),
        "pictures": index.count,
        "shards": len(index.shards),
        "latent_shape": list(index.settings.latent_shape),
        "text_shape": [index.settings.tokens, index.settings.text_width],
        "dtype": index.settings.dtype,
        "vae": index.settings.vae,
        "vae_digest": index.settings.vae_digest,
        "scaling_factor": index.settings.scaling_factor,
        "shift_factor": index.settings.shift_factor,
        "text_encoder": index.settings.text_encoder,
        "text_encoder_digest": index.settings.text_encoder_digest,
        "skipped": [{"path": one.path, "reason": one.reason} for one in index.skipped],
    }
    columns = [
        Column("folder", "cache"),
        Column("pictures", "pictures", count),
        Column("skipped", "skipped", lambda rows: count(len(rows))),
        Column("shards", "shards", count),
        Column("latent_shape", "latents", _shape),
        Column("text_shape", "embeddings", _shape),
        Column("dtype", "stored as"),
        Column("vae", "VAE"),
        Column("text_encoder", "text encoder"),
    ]
    emit(data, format, columns if format is Format.table else None)


def _shape(value: Any) -> str:
    return " × ".join(map(str, value))


def register(app: typer.Typer) -> None:
    """Add the group to ``app``."""
    group = typer.Typer(help="Prepare training data.", no_args_is_help=True)

    @group.callback()
    def _group() -> None:
        """Prepare training data."""

    group.command()(cache)
    app.add_typer(group, name="data")
