"""Every metric that ships passes the suite."""

from search_space.decoder import named_decoder
from search_space.network import Network
from search_space.picture import PictureSpec, named_texts, text_encoders_for
from search_space.presets import named_spec
from studies.metrics import METRICS
from studies.testing import MetricSuite

SHIPPED = (
    "proxy_loss",
    "latency_ms",
    "params",
    "macs",
    "psnr",
    "ssim",
    "weight_bytes",
    "activation_bytes",
    "peak_activation_bytes",
    "memory_bytes",
)
OF_PICTURES = (
    "text_ms",
    "unet_ms",
    "decoder_ms",
    "overhead_ms",
    "picture_s",
    "disk_mb",
    "picture_mb",
    "sampling_error",
    "palette_error",
    "decoder_error",
    "picture_error",
)


def test_every_shipped_metric_is_below():
    assert METRICS.names() == (*SHIPPED, *OF_PICTURES)


for _name in SHIPPED:
    _class = f"Test{_name.title().replace('_', '')}"
    globals()[_class] = type(_class, (MetricSuite,), {"name": _name})


class PictureMetricSuite(MetricSuite):
    """A metric of whole pictures: of one without guidance, and of one with it."""

    def network(self, index: int) -> Network:
        unet = named_spec(("F/mqa", "snapgen-t2i")[index])
        texts = named_texts(text_encoders_for(unet), unet)
        decoder = named_decoder(("sdxl-decoder", "snapgen-decoder")[index])
        return PictureSpec(unet, decoder, 4, bool(index), texts, (8, 6)[index])


for _name in OF_PICTURES:
    _class = f"Test{_name.title().replace('_', '')}"
    globals()[_class] = type(_class, (PictureMetricSuite,), {"name": _name})
