"""`design_cards`: all there is to say about one design of a study, as cards.

The dashboard's page of a design and `walkbench study design` show them.
"""

import shlex
from collections.abc import Iterator

from search_space.cost import cost
from search_space.errors import WalkbenchError
from search_space.load import load_network
from search_space.network import Network
from search_space.presets import all_named
from studies.analyses.architecture import architecture, difference
from studies.analyses.card import Card, CardColumn, CardTable
from studies.analyses.design_costs import costs_by_part, latency_by_step, source_behind
from studies.analyses.design_training import learning_curves, samples
from studies.analyses.notes import sign_notes
from studies.analyses.provenance import flat
from studies.figures.hover import outcome
from studies.formats import percent
from studies.metrics import all_metrics
from studies.published import published_of
from studies.reading import StudyData
from studies.records import TrialRecord
from studies.store import DEFAULT_STORAGE, shown_url


def design_cards(
    study: StudyData, trial: TrialRecord, url: str, other: TrialRecord | None = None
) -> list[Card]:
    """Return the cards of ``trial``, beside the design ``other``.

    ``url`` is the study's storage, where pictures are looked up. Raises :class:`WalkbenchError` for
    a trial without a design that this version reads.
    """
    return list(_cards(study, trial, trial.network, url, other))


def _cards(
    study: StudyData, trial: TrialRecord, network: Network, url: str, other: TrialRecord | None
) -> Iterator[Card]:
    yield numbers(trial, other)
    yield architecture(network, trial.label)
    if other is not None:
        yield difference(network, trial.label, other.network, other.label)
    try:
        source = source_behind(trial.latency_origin)
        yield latency_by_step(network, source, trial.latency)
        yield costs_by_part(network, source)
    except WalkbenchError as error:
        yield costs_by_part(network)
        if trial.latency is not None:
            yield Card("Latency step by step", (f"Not known here: {error}.",))
    if (curves := learning_curves(study, trial, other)) is not None:
        yield curves
    if trial.score is not None:
        yield samples(study, trial, url)
    yield origin(trial)
    yield commands(study, trial, url)


def reference(study: StudyData, name: str, beside: TrialRecord) -> TrialRecord:
    """Return the design called ``name``, a trial's number or a named design, as a trial.

    A named design that the study did not run is priced as ``beside`` was. Raises
    :class:`WalkbenchError` for an unknown one.
    """
    if name.isdigit():
        return study.trial(int(name))
    if name not in all_named():
        load_network(name)  # says which names there are
    spec = all_named()[name]
    own = [trial for trial in study.of_design(spec.digest()) if trial.cost]
    if own:
        return next((trial for trial in own if trial.score), own[0])
    try:
        latency = source_behind(beside.latency_origin).predict(spec)
    except WalkbenchError:
        latency = None
    return TrialRecord(
        -1,
        "WAITING",
        name=name,
        digest=spec.digest(),
        spec=spec.to_dict(),
        cost=cost(spec),
        latency=latency,
        latency_origin=beside.latency_origin if latency else None,
    )


def numbers(trial: TrialRecord, other: TrialRecord | None) -> Card:
    """Return every number of ``trial`` beside ``other``'s and beside what is published of it."""
    published = published_of(trial.digest)
    rows = []
    for metric in all_metrics():
        ours = trial.measured(metric.name)
        theirs = other.measured(metric.name) if other else None
        if ours is None and theirs is None:
            continue
        delta = percent(ours.value / theirs.value - 1) if ours and theirs and theirs.value else "–"
        if metric.uncertainty != "exact" and delta != "–":
            delta = f"≈ {delta}"  # of two uncertain numbers
        title = metric.title + (", not a ranking" if metric.ranks(trial) is False else "")
        figure = published.get(metric.name, "–")
        rows.append((title, metric.write(ours), metric.write(theirs), delta, figure))
    columns = [
        CardColumn("metric"),
        CardColumn("this design", right=True),
        CardColumn(f"against {other.label}" if other else "other", right=True),
        CardColumn("Δ", right=True),
        CardColumn("◇ published"),
    ]
    keep = [0, 1, *([2, 3] if other else []), *([4] if published else [])]
    table = CardTable(
        tuple(columns[i] for i in keep), tuple(tuple(row[i] for i in keep) for row in rows)
    )
    notes = list(sign_notes([trial]))
    if published:
        notes.append(
            "◇ Published figures are of the device named with them, with a word for how sure they "
            "are: stated is printed in a source, derived is computed from stated figures."
        )
    words = outcome(trial)
    title = trial.label + (f", trial {trial.number}" if trial.number >= 0 else "")
    return Card(title, (f"{words[:1].upper()}{words[1:]}.",), table=table, notes=tuple(notes))


def origin(trial: TrialRecord) -> Card:
    """Return where the trial's numbers come from: digests, revisions, machine, versions, dates."""
    lines = {
        "digest": trial.digest,
        "latency": trial.latency_origin,
        "training run": trial.run,
        "score taken from": trial.cached_from,
        "training": trial.score.fidelity if trial.score else None,
        "worker": trial.worker,
        "started": trial.started,
        "ended": trial.ended,
    }
    rows = [pair for key, value in lines.items() if value is not None for pair in flat(key, value)]
    rows += flat("", trial.provenance or {})
    rows = [(name, text) for name, text in rows if name and text not in ("–", "")]
    table = CardTable((CardColumn("origin"), CardColumn("value")), tuple(rows))
    return Card("Provenance", table=table)


def commands(study: StudyData, trial: TrialRecord, url: str) -> Card:
    """Return the commands that export the trial's design, draw, train and ablate it.

    A password in ``url`` is left for the user.
    """
    folder = f"exported/{study.name}-{trial.number}"
    storage = [] if url == DEFAULT_STORAGE else ["--storage", shown_url(url)]
    export = ["export", str(trial.number), "--study", study.name, *storage, "--to", folder]
    spec = f"{folder}/spec.json"
    lines = [export, ["spec", "draw", spec, "--to", f"{folder}/design.svg"]]
    lines.append(["train", folder, "--data", "shapes"])
    ablate = ["ablate", "--around", spec]
    if study.shared.space:
        ablate += ["--space", study.shared.space]
    if study.shared.device:
        ablate += ["--device", study.shared.device]
    lines.append(ablate)
    words = "The first writes the design to a folder; the others read it there."
    return Card(
        "Commands", (words,), commands=tuple(shlex.join(["walkbench", *line]) for line in lines)
    )
