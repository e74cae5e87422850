"""Timing on an attached iPhone, through coremltools' `remote_device` on a Mac with Xcode.

coremltools builds and signs a small app, starts it on the phone, sends it models and reads back
times that the phone took. Each call sends its inputs anew, seconds of wall time that are not in the
times. The price of a call that *is* in them (about 0.5 ms) cancels in the slope of two chains.

Rows name the phone's model as you give it, its system and build; never its name or identifier.

This has not been run on hardware by the authors: it is tested against coremltools' real functions
and a phone that is played by the test. `docs/measure-your-iphone.md` walks through it.

>>> IPhoneBackend.copies  # chains of two and of ten copies
(2, 10)
"""

import shutil
from pathlib import Path
from typing import Any

from latency_db.backends.backend import Runner
from latency_db.backends.coreml import Session, device_error, require_mac
from latency_db.backends.coreml_export import Recipe, coremltools
from latency_db.builder_chain import Subject
from latency_db.devices import chip_of
from search_space.errors import WalkbenchError

TOOLS = ("xcodebuild", "devicectl")  # what coremltools looks for on the PATH


class IPhoneBackend:
    """Core ML on the iPhone attached by cable."""

    name = "coreml-iphone"
    copies = (2, 10)  # a call costs about 0.5 ms, a block a tenth of that
    seconds_per_graph = 20.0  # convert, compile, send, load
    rates = (2e12, 1e10)  # an iPhone's Neural Engine: 2 TMAC/s, 20 GB/s of 2-byte values

    def __init__(
        self,
        device: str | None = None,
        team: str | None = None,
        units: str = "cpu-and-ne",
        folder: Path | None = None,
        **recipe: Any,
    ):
        """``recipe`` is what :class:`Recipe` takes: target, precision, layout, batch."""
        require_mac(self.name)
        for tool in TOOLS:
            if shutil.which(tool) is None:
                raise WalkbenchError(
                    f"{tool} is not on the PATH: install Xcode, run `sudo xcode-select -s "
                    "/Applications/Xcode.app`, then put Xcode's tools on the PATH: "
                    '`export PATH="$(xcode-select -p)/usr/bin:$PATH"`'
                )
        if device is None:
            raise WalkbenchError("say which phone this is, such as --device 'iPhone 15 Pro'")
        chip_of(device)  # an unknown phone is named now, not after an hour
        if not team:
            raise WalkbenchError(
                "a development team is needed to sign the test app; give its ten letters with "
                "--team (Xcode › Settings › Accounts)"
            )
        coremltools()
        phone = attached_phone()
        self._session = Session(None, units, Recipe(**recipe), folder)
        try:
            self._session.device = self._session.run(_prepare(phone, team))
        except Exception as error:
            self._session.close()
            raise device_error(error, "the test app") from None
        system = f"iOS {phone.os_version} ({phone.os_build_number})"
        self.conditions = self._session.conditions(device, system)

    def prepare(self, subject: Subject, copies: int) -> Runner:
        """Convert, send, load and return the graph."""
        return self._session.prepare(subject, copies)

    def close(self) -> None:
        """End the event loop; the test app stays on the phone until you delete it."""
        self._session.close()


def attached_phone() -> Any:
    """Return the one iPhone that is connected, or say what is in the way."""
    from coremltools.models.ml_program.experimental.remote_device import (
        Device,
        DeviceState,
        DeviceType,
    )

    try:
        phones = Device.get_connected_devices(DeviceType.IPHONE)
        others = [] if phones else [d for d in Device.get_devices() if d.type is DeviceType.IPHONE]
    except Exception as error:
        raise device_error(error, "the list of devices") from None
    if len(phones) > 1:
        raise WalkbenchError(f"{len(phones)} iPhones are connected; detach all but one")
    if phones:
        return phones[0]
    if others:
        state = DeviceState(others[0].state).value
        raise WalkbenchError(
            f"an iPhone is known but {state}; attach it by cable, unlock it, choose Trust, switch "
            "on Developer Mode (Settings › Privacy & Security), and try again"
        )
    raise WalkbenchError(
        "no iPhone is attached; connect one by cable, unlock it, choose Trust, and try again"
    )


async def _prepare(phone: Any, team: str) -> Any:
    """Build, sign and start coremltools' app; the device that it returns is the one to use."""
    from coremltools.models.ml_program.experimental.remote_device import AppSigningCredentials

    return await phone.prepare_for_model_debugging(AppSigningCredentials(development_team=team))
