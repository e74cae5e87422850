"""`source_of(device, tables)`: the latency source of a device, from one place.

Without tables it is the estimate of the device's chip, or of a phone that was calibrated under that
name. With tables it is their measured blocks; gaps are estimated where the device has a chip that
estimates know, and are errors elsewhere.

>>> from search_space.presets import named_spec
>>> source_of("iPhone 15 Pro").predict(named_spec("snapgen-t2i")).source
'estimated'
>>> source_of(tables=["cpu-onnxruntime-narrow"]).name
'table cpu-onnxruntime-narrow'
"""

from collections.abc import Sequence
from pathlib import Path

from latency_db.calibrated_devices import calibrated_estimate, calibrated_names
from latency_db.devices import chip_of, device_names, is_known, plain_name
from latency_db.estimate import ChipEstimate
from latency_db.source import LatencySource
from latency_db.table import Table
from latency_db.table_source import TableSource
from search_space.errors import WalkbenchError, raise_unknown


def source_of(device: str | None = None, tables: Sequence[str | Path] = ()) -> LatencySource:
    """Return the latency source of ``device``, from measured ``tables`` where there are any.

    ``device`` is the name of a phone, a chip or a calibrated phone; None takes the device that the
    tables measured. ``tables`` are shipped names or paths, merged into one. Raises
    :class:`WalkbenchError` for an unknown device or table, for tables of another device, and when
    neither is given.
    """
    if tables:
        return _table_source(Table.load(*tables), device)
    if device is None:
        raise WalkbenchError('a latency needs a device, such as "iPhone 16 Pro", or a table')
    return estimate_of(device)


def estimate_of(device: str) -> ChipEstimate:
    """Return the estimate of a phone, a chip, or a phone that was calibrated under this name.

    Raises :class:`WalkbenchError` naming the nearest for an unknown one.
    """
    if not is_known(device):
        found = calibrated_estimate(device)
        if found is not None:
            return found
        raise_unknown("device", device, [*device_names(), *calibrated_names()])
    return ChipEstimate.of(device, device)


def _table_source(table: Table, device: str | None) -> TableSource:
    if device is not None and not _same_device(device, table.device):
        raise WalkbenchError(
            f"table {table.name} was measured on {table.device!r}, not on {device!r}; name that "
            "device, or leave the device out"
        )
    return TableSource.of(table, "estimate" if is_known(table.device) else "error")


def _same_device(one: str, other: str) -> bool:
    """Whether two names mean one device: equal spellings, or phones with the same chip."""
    if is_known(one) and is_known(other):
        return chip_of(one) == chip_of(other)
    return plain_name(one) == plain_name(other)
