"""Train the export of a decoder; the result is an export again, with the encoder it reads from.

The encoder is, in this order: the VAE that the recipe names (`reconstruction.encoder`), that of the
export's own `vae/`, the linear one of an earlier training, or the best linear one of the pictures.
"""

from pathlib import Path
from typing import Any

from proxies.bundle_training.pictures import PictureTask, decoder_learner_of, load_pictures
from proxies.bundle_training.processes import Processes
from proxies.bundle_training.trainer import BundleTrainer
from proxies.data.dataset import Captioned
from proxies.data.parts import Parts
from proxies.frozen_encoder import Encoder, encoder_of, known_encoder
from proxies.hardware import Hardware
from proxies.picture_encoder import LinearEncoder
from proxies.train_config import DecoderTrainConfig
from search_space.decoder.spec import DecoderSpec
from search_space.errors import WalkbenchError
from search_space.exported import read_facts
from search_space.exported_decoder import VAE_FOLDER, load_decoder_export


def picture_task(
    folder: Path, data: str, config: DecoderTrainConfig, processes: Processes
) -> PictureTask:
    """Return what the decoder in ``folder`` learns from ``data``.

    Raises :class:`WalkbenchError` for data and encoders that do not fit, and for trained weights
    whose encoder is not known.
    """
    network = load_decoder_export(folder)
    spec: DecoderSpec = network.network  # type: ignore[assignment]  # of a decoder's export
    facts = read_facts(folder) or {}
    fresh = facts.get("weights", {}).get("kind", "initial") == "initial"
    parts = load_pictures(data, config.data, spec.factor)
    at_size = spec.replace(latent_size=config.data.picture // spec.factor)
    hardware = Hardware.of(processes.device, config.compute.precision)
    encoder = _encoder(folder, facts, config, parts, at_size, str(hardware.device), fresh=fresh)
    learner = decoder_learner_of(at_size, network.state_dict(), fresh=fresh)
    return PictureTask(learner, parts, config, hardware, encoder, processes.rank, processes.count)


def _encoder(
    folder: Path,
    facts: dict[str, Any],
    config: DecoderTrainConfig,
    parts: Parts[Captioned],
    spec: DecoderSpec,
    device: str,
    *,
    fresh: bool,
) -> Encoder:
    if config.reconstruction.encoder is None:
        known = known_encoder(folder, facts, device)
        if known is not None:
            return known
        if not fresh:
            raise WalkbenchError(
                f"the weights in {str(folder)!r} read the latents of an encoder that is not there; "
                "name its VAE: --set reconstruction.encoder=DIR"
            )
    return encoder_of(config.reconstruction, parts.train, spec, device)


def write_decoder(folder: Path, trainer: BundleTrainer, task: PictureTask, to: Path) -> Path:
    """Write the averaged decoder as an export into ``to``, with its encoder where that can be."""
    from studies.export_decoder import export_decoder

    facts, config = read_facts(folder) or {}, task.config
    spec = load_decoder_export(folder).network
    encode = task.encoder.encode
    linear = encode if isinstance(encode, LinearEncoder) else None
    has_vae = config.reconstruction.encoder is None and bool(facts.get("encoder"))
    export_decoder(
        spec,  # type: ignore[arg-type]  # a decoder's
        to,
        state=task.weights(trainer.averages()),
        vae=folder / VAE_FOLDER if has_vae else None,
        overwrite=True,
        weights={"kind": "trained", "steps": trainer.step, "of": facts.get("digest")},
        recipe=config,
        trained={
            "data": task.data_name,
            "picture": config.data.picture,
            "encoder": config.reconstruction.encoder or ("vae" if has_vae else "linear"),
            "encoder_digest": task.encoder.digest,
            **trainer.validated,
        },
        encoder=linear,
    )
    return to
