"""`TrainingSettings`, all that a training run has but its network, and `TrainingRun` with it.

Every place that trains says what by one of these: commands, studies, validations, engines and
checkpoints. Both are frozen, compare by value, and are JSON by `to_dict` and `from_dict`.

>>> from search_space.presets import named_spec
>>> settings = TrainingSettings(Budget(steps=400), width=8)
>>> run = settings.run(named_spec("F/mqa"), seed=3)
>>> run.settings.seed, TrainingRun.from_dict(run.to_dict()) == run
(3, True)
>>> settings.digest() == TrainingSettings(Budget(steps=400), width=8).digest()
True
"""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from proxies.compute import Compute
from proxies.data.source import DataSource
from proxies.objectives.protocol import ReadsFiles
from proxies.recipe import Budget, Recipe
from proxies.setting import as_dict, as_dict_of_kind, check, from_dict, setting
from search_space.errors import WalkbenchError

if TYPE_CHECKING:  # the command line reads settings at its start and needs no network for that
    from search_space.network import Network

REVISION = 1  # raised when equal settings come to train otherwise: older scores stop comparing


@dataclass(frozen=True)
class TrainingSettings:
    """How networks are trained and scored. Scores of equal settings compare.

    ``width`` and ``latent`` are the twin's (:func:`proxies.twin.twin`).
    """

    budget: Budget
    width: int = setting(16, help="Channels of the twin for 256 of the network.", least=1)
    latent: int = setting(24, help="Side of the pictures in pixels, or of latents.", least=1)
    seed: int = setting(0, help="Seed of weights, order of pictures and noise.", least=0)
    recipe: Recipe = field(default_factory=Recipe)
    data: DataSource = field(default_factory=DataSource)
    compute: Compute = field(default_factory=Compute)

    def __post_init__(self) -> None:
        check(self)

    def run(
        self, network: "Network", seed: int | None = None, validate_at: tuple[float, ...] = ()
    ) -> "TrainingRun":
        """Return the run of ``network``, under another ``seed`` where one is given."""
        own = self if seed is None else dataclasses.replace(self, seed=seed)
        return TrainingRun(network, own, validate_at)

    def identity(self) -> dict[str, Any]:
        """Return what decides a score, as JSON types: of the data their content, not their place.

        The data are read for that. What version 0.1 could not set is absent where it has the value
        that version 0.1 had in effect.
        """
        found = {**as_dict(self.budget), **as_dict(self)}
        del found["budget"], found["data"]
        objective = self.recipe.objective
        if isinstance(objective, ReadsFiles):
            files = objective.content()
            kept = {k: v for k, v in as_dict_of_kind(objective).items() if k not in files}
            found["recipe"] = {**found["recipe"], "objective": kept}
            found["files"] = {name: held for name, held in files.items() if held is not None}
        if self.compute == Compute():
            del found["compute"]
        content = self.data.content(self.latent)
        return found if content is None else {**found, "data": content}

    def digest(self) -> str:
        """Return 12 hex digits of :meth:`identity` and of the training code's revision."""
        return _digest({"revision": REVISION, **self.identity()})

    def to_dict(self) -> dict[str, Any]:
        """Return JSON types that :meth:`from_dict` reads."""
        return as_dict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read what :meth:`to_dict` wrote; raises :class:`WalkbenchError` for anything else."""
        try:
            return from_dict(cls, data)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise WalkbenchError(f"not the settings of a training run: {error}") from None


@dataclass(frozen=True)
class TrainingRun:
    """One network in training: what an engine is handed and a checkpoint belongs to.

    ``validate_at`` are shares of the budget, 0 to 1, at which the run is validated on the way: the
    curve of its score.
    """

    network: "Network"
    settings: TrainingSettings
    validate_at: tuple[float, ...] = ()

    def digest(self) -> str:
        """Return 12 hex digits that name the run by what decides its score."""
        found = {"network": self.network.digest(), "settings": self.settings.digest()}
        marks = {"validate_at": self.validate_at} if self.validate_at else {}
        return _digest({**found, **marks})

    def to_dict(self) -> dict[str, Any]:
        """Return JSON types that :meth:`from_dict` reads."""
        network, settings = self.network.to_dict(), self.settings.to_dict()
        return {"network": network, "settings": settings, "validate_at": list(self.validate_at)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read what :meth:`to_dict` wrote; raises :class:`WalkbenchError` for anything else."""
        from search_space.network import network_from_dict

        try:
            network, settings = data["network"], data["settings"]
            marks = tuple(data.get("validate_at", ()))
        except (KeyError, TypeError, AttributeError) as error:
            raise WalkbenchError(f"not a training run: {error}") from None
        return cls(network_from_dict(network), TrainingSettings.from_dict(settings), marks)


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]
