"""The Core ML backends against coremltools' real signatures, and a phone played by the test."""

import asyncio
import inspect
from types import SimpleNamespace

import pytest

from latency_db.backends import coreml, coreml_iphone
from latency_db.backends.backend import CannotRun
from latency_db.backends.coreml_export import Recipe, coremltools
from latency_db.builder import Effort, measure
from latency_db.packages import network_packages
from latency_db.packages.network_packages import network_folder
from latency_db.packages.package_folder import read_packages
from latency_db.packages.part_module import PartModule
from latency_db.packages.parts import cut_into, whole
from latency_db.packages.weights import RandomWeights
from latency_db.table import Table
from search_space.blocks import ConvIn, Fuse
from search_space.errors import WalkbenchError
from tests.latency_db.packages.tiny import tiny

coremltools()
from coremltools.models.ml_program.experimental import (  # noqa: E402
    async_wrapper,
    compute_plan_utils,
    perf_utils,
    remote_device,
)

FLOOR_MS, PER_COPY_MS = 0.5, 0.2


def parameters(function):
    return list(inspect.signature(function).parameters)


def test_coremltools_has_the_functions_that_are_called_with_the_arguments_they_are_given():
    device = remote_device.Device
    assert parameters(device.get_connected_devices) == ["device_type"]
    assert parameters(device.get_devices) == []
    prepare = device.prepare_for_model_debugging
    assert inspect.iscoroutinefunction(prepare) and parameters(prepare)[1] == "credentials"
    assert "development_team" in parameters(remote_device.AppSigningCredentials)
    assert parameters(perf_utils.MLModelBenchmarker.__init__) == ["self", "model", "device"]
    predict = perf_utils.MLModelBenchmarker.benchmark_predict
    assert inspect.iscoroutinefunction(predict)
    assert parameters(predict) == ["self", "inputs", "iterations", "warmup"]
    plan = compute_plan_utils.load_compute_plan_from_path_on_device
    assert inspect.iscoroutinefunction(plan)
    assert parameters(plan) == ["path", "compute_units", "device"]
    assert parameters(coremltools().models.utils.compile_model)[0] == "model"
    assert {unit for unit in coreml.UNITS.values()} <= set(coremltools().ComputeUnit.__members__)
    for field in ("os_version", "os_build_number", "state", "type"):
        assert field in remote_device.Device.__dataclass_fields__
    for kind in coreml._DEVICES:
        assert hasattr(compute_plan_utils, kind)


def phone(state=remote_device.DeviceState.CONNECTED, **changes):
    known = {
        "name": "Somebody's iPhone",
        "type": remote_device.DeviceType.IPHONE,
        "identifier": "SECRET-IDENTIFIER",
        "udid": "SECRET-UDID",
        "state": state,
        "os_version": "18.5",
        "os_build_number": "22F76",
        "developer_mode_state": "enabled",
        "session": None,
    }
    return remote_device.Device(**{**known, **changes})


class MLNeuralEngineComputeDevice:
    pass


class MLCPUComputeDevice:
    pass


class FakePlan:
    """A compute plan in which the first operator leaves the Neural Engine when asked to."""

    def __init__(self, fallback):
        self._fallback = fallback
        block = SimpleNamespace(operations=[0, 1, 2])
        program = SimpleNamespace(functions={"main": SimpleNamespace(block=block)})
        self.model_structure = SimpleNamespace(program=program)

    def get_compute_device_usage_for_mlprogram_operation(self, operation):
        if operation == 2:
            return None  # a constant
        here = MLCPUComputeDevice() if operation == 0 and self._fallback else None
        return SimpleNamespace(preferred_compute_device=here or MLNeuralEngineComputeDevice())

    def get_estimated_cost_for_mlprogram_operation(self, operation):
        return SimpleNamespace(weight=[0.25, 0.75, 0.0][operation])


class FakeLoaded:
    """What coremltools' benchmarker holds: its times are those of a phone with a floor."""

    def __init__(self, copies):
        self.last_predict_duration_in_nano_seconds = None
        self._nano = int(1e6 * (FLOOR_MS + PER_COPY_MS * copies))

    async def load(self):
        pass

    async def unload(self):
        pass

    def make_state_if_needed(self):
        return None

    async def predict(self, inputs, state=None):
        assert inputs
        self.last_predict_duration_in_nano_seconds = self._nano


@pytest.fixture
def attached(monkeypatch):
    """A Mac with Xcode and one phone; the rest is coremltools itself."""
    monkeypatch.setattr(coreml.platform, "system", lambda: "Darwin")
    monkeypatch.setattr(coreml_iphone.shutil, "which", lambda tool: f"/usr/bin/{tool}")
    state = SimpleNamespace(phones=[phone()], fallback=False, error=None)
    monkeypatch.setattr(remote_device._DeviceCtl, "get_devices", staticmethod(lambda: state.phones))

    async def prepare(self, credentials=None, working_directory=None, clean=False):
        assert credentials.development_team == "ABCDE12345"
        if state.error:
            raise state.error
        return self

    monkeypatch.setattr(remote_device.Device, "prepare_for_model_debugging", prepare)

    def wrap(spec_or_path, **rest):
        assert rest["device"] is not None
        program = spec_or_path.mlProgram.functions["main"]
        block = next(iter(program.block_specializations.values()))
        copies = sum(op.type == "conv" for op in block.operations)
        loaded = FakeLoaded(copies)
        if state.error:

            async def fail(inputs, state_=None, **_):
                raise state.error

            loaded.predict = fail
        return loaded

    monkeypatch.setattr(async_wrapper.MLModelAsyncWrapper, "from_spec_or_path", staticmethod(wrap))
    monkeypatch.setattr(coremltools().models.utils, "compile_model", lambda model: model + "c")

    async def load_plan(path, compute_units=None, device=None):
        return FakePlan(state.fallback)

    monkeypatch.setattr(compute_plan_utils, "load_compute_plan_from_path_on_device", load_plan)
    return state


def iphone(tmp_path, **options):
    given = {"device": "iPhone 15 Pro", "team": "ABCDE12345", "folder": tmp_path, **options}
    return coreml_iphone.IPhoneBackend(**given)


@pytest.mark.slow
def test_a_block_on_a_phone_is_the_slope_of_two_chains_without_the_floor(attached, tmp_path):
    backend = iphone(tmp_path / "packages")
    table = tmp_path / "phone.csv"
    outcome = measure([Fuse(16, 8, 16, 8)], backend, table, Effort(passes=1, rounds=3))
    backend.close()
    assert outcome.measured == 1 and not outcome.fallbacks
    read = Table.load(table)
    (entry,) = read.entries.values()
    assert entry.ms == pytest.approx(PER_COPY_MS)
    assert entry.floor_ms == pytest.approx(FLOOR_MS)
    assert entry.units_planned == "ane 100 %"
    assert read.conditions.device == "iPhone 15 Pro"
    assert read.conditions.os == "iOS 18.5 (22F76)"
    assert "SECRET" not in table.read_text() and "Somebody" not in table.read_text()


@pytest.mark.slow
def test_an_operator_off_the_neural_engine_is_marked_loudly(attached, tmp_path):
    attached.fallback = True
    backend = iphone(tmp_path / "packages")
    outcome = measure([ConvIn(4, 16, 8)], backend, tmp_path / "t.csv", Effort(passes=1, rounds=1))
    backend.close()
    assert list(outcome.fallbacks.values()) == ["CPU FALLBACK 25 %, ane 75 %"]


@pytest.mark.slow
def test_a_phone_that_locks_stops_the_run_and_keeps_what_was_measured(attached, tmp_path):
    backend = iphone(tmp_path / "packages")
    table = tmp_path / "t.csv"
    measure([ConvIn(4, 16, 8)], backend, table, Effort(passes=1, rounds=1))
    attached.error = remote_device._DeviceCtlError("The device is locked.", error_code=1)
    with pytest.raises(WalkbenchError, match="unlock it"):
        measure(
            [ConvIn(4, 16, 8), Fuse(16, 8, 16, 8)],
            backend,
            table,
            Effort(passes=1, rounds=1),
            resume=True,
        )
    assert len(Table.load(table).entries) == 1
    attached.error = None
    outcome = measure(
        [ConvIn(4, 16, 8), Fuse(16, 8, 16, 8)], backend, table, Effort(1, 1), resume=True
    )
    backend.close()
    assert (outcome.resumed, outcome.measured) == (1, 1)


@pytest.mark.parametrize(
    ("phones", "message"),
    [
        ([], "no iPhone is attached"),
        ([phone(remote_device.DeviceState.DISCONNECTED)], "known but disconnected"),
        ([phone(), phone(udid="2")], "detach all but one"),
    ],
)
def test_the_error_says_what_is_in_the_way_of_the_phone(attached, tmp_path, phones, message):
    attached.phones = phones
    with pytest.raises(WalkbenchError, match=message):
        iphone(tmp_path)


def test_a_mac_without_xcode_is_told_how_to_get_it(attached, tmp_path, monkeypatch):
    monkeypatch.setattr(coreml_iphone.shutil, "which", lambda tool: None)
    with pytest.raises(WalkbenchError, match="install Xcode"):
        iphone(tmp_path)


def test_a_missing_team_or_an_unknown_phone_is_named(attached, tmp_path):
    with pytest.raises(WalkbenchError, match="--team"):
        iphone(tmp_path, team=None)
    with pytest.raises(WalkbenchError, match="did you mean"):
        iphone(tmp_path, device="iPhone 15 Por")
    with pytest.raises(WalkbenchError, match="--device"):
        iphone(tmp_path, device=None)


def test_linux_is_told_to_export_and_measure_on_a_mac():
    for make in (coreml.CoreMLBackend, coreml_iphone.IPhoneBackend):
        with pytest.raises(WalkbenchError, match="macOS"):
            make()


def test_what_only_one_block_cannot_do_is_not_an_error_of_the_phone():
    assert isinstance(coreml.device_error(RuntimeError("bad op"), "key"), CannotRun)
    gone = coreml.device_error(RuntimeError("the device was disconnected"), "key")
    assert not isinstance(gone, CannotRun)


def test_the_event_loop_is_closed_when_the_app_cannot_be_prepared(attached, tmp_path):
    attached.error = remote_device._DeviceCtlError("Developer Mode disabled", error_code=1)
    with pytest.raises(WalkbenchError, match="developer mode"):
        iphone(tmp_path)
    with pytest.raises(RuntimeError):
        asyncio.get_running_loop()


@pytest.mark.slow
def test_a_whole_network_on_a_phone_is_the_sum_of_its_programs(attached, tmp_path, monkeypatch):
    monkeypatch.setattr(network_packages, "cut", lambda network, sizes: cut_into(network, 2, sizes))
    network, made = tiny(), iphone(tmp_path)
    runner = made.prepare(network, 1)
    notes = read_packages(network_folder(network, tmp_path, Recipe()))
    convs = [note["operators"]["conv"] for note in notes]
    assert len(convs) == 2
    wanted = 2 * FLOOR_MS + PER_COPY_MS * sum(convs)
    assert runner.sample(3) == pytest.approx([wanted] * 3, rel=1e-3)
    assert runner.units_planned == "ane 100 %"
    runner.close()
    made.close()


def test_weights_to_be_timed_are_none_that_a_compiler_drops(attached, tmp_path):
    module = PartModule(whole(tiny()))
    state = RandomWeights().read(tiny(), module)
    assert all(values.std() > 0 for values in state.values() if values.numel() > 1)
