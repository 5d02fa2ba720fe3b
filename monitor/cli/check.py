"""``driftd check``: is a configuration without faults, and is what it names there?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from monitor.errors import DriftdError, Permanent, Retryable, UsageError

if TYPE_CHECKING:  # the command line must answer quickly: these are imported where they are used
    from monitor.core.rules import Model
    from monitor.settings import Secret, Settings, SlackSettings

ALL_VERSIONS = "*"


def command(
    config: Annotated[Path, typer.Argument(help="The configuration file.")],
    connect: Annotated[bool, typer.Option("--connect", help="Also ask Kafka, the database, receivers; look for files.")] = False,
    receiver: Annotated[str | None, typer.Option("--send-test", help="Send a test message and its end to this receiver.")] = None,
) -> None:
    """Check a configuration: every problem at once, one a line, as `file:line:col: path: message`."""
    from monitor.settings import load_settings

    settings = load_settings(config)
    for model in settings.models():
        typer.echo(summary(model))
        typer.echo(budget(model))
    for note in settings.notes():
        typer.echo(f"note: {note}")
    if not _samples(settings):
        raise typer.Exit(1)
    if connect and not _connected(settings):
        raise typer.Exit(1)
    if receiver is not None and not _tried(receiver, partial(_test, settings, receiver)):
        raise typer.Exit(1)


def _test(settings: Settings, receiver: str) -> Iterator[str]:
    from monitor.cli.send_test import send_test
    from monitor.clock import SystemClock

    yield from send_test(settings, receiver, SystemClock())


def _samples(settings: Settings) -> bool:
    """What Evidently and the domain classifier need, where something is asked of them; False for tests that Evidently does not have."""
    from monitor.core.drift.sampled import is_sampled, needs_samples
    from monitor.reports import absent, lacking

    for note in absent(settings):
        typer.echo(f"note: {note}")
    models = [model for model in settings.models() if needs_samples(model.drift)]
    for model in (model for model in models if not model.reference_sample_rows):
        typer.echo(f"note: models.{model.name}.reference.sample_rows: 0, so a reference built now keeps no rows: the domain classifier is "
                   "skipped, and Evidently's tests take values drawn from its profile")
    asked = [(model.name, test.method) for model in models for test in model.drift.tests if is_sampled(test.method)]
    return not asked or bool(lacking("evidently")) or _known(settings, asked)


def _known(settings: Settings, asked: Sequence[tuple[str, str]]) -> bool:
    """Whether Evidently has these tests, by model; says which it has."""
    from monitor.reports import Died, known_tests, worker_of

    with closing(worker_of(settings)) as worker:
        try:
            version, known = known_tests(worker)
        except Died as error:
            typer.echo(f"note: Evidently cannot be asked: {error}; while that is so, its tests are no verdicts")
            return True
    typer.echo(f"evidently {version} has {', '.join(known)}")
    unknown = [f"models.{model}.drift.tests: evidently has no test {method!r}" for model, method in asked if method not in known]
    for line in unknown:
        typer.echo(line, err=True)
    return not unknown


def summary(model: Model) -> str:
    """What will be watched, in one line."""
    from monitor.settings.durations import duration_text

    columns = f"{len(model.columns)} columns" if model.columns else "columns from the reference"
    topics = ", ".join(sorted({stream.topic for stream in model.streams}))
    retraining = f", retraining at most every {duration_text(model.retraining.cooldown)}" if model.retraining else ""
    return f"{model.name}: {model.task}, windows of {duration_text(model.window)}, {columns}, topics {topics}{_compared(model)}{retraining}"


def _compared(model: Model) -> str:
    """With which windows, where that is not a stored reference alone."""
    from monitor.core.recipes import told

    others = [told(model.recipe)] if model.recipe else []
    if model.stable:
        others.append(f"other versions with the same window of {model.stable}")
    return f", compared with {' and '.join(others)}" if others else ""


def budget(model: Model) -> str:
    """How many false alarms to expect, in one line; with explicit tests only of what they do not replace."""
    from monitor.core.drift.calibration import expected_false_alarms
    from monitor.core.finding import number
    from monitor.settings.durations import duration_text

    rules = model.drift
    expected = expected_false_alarms(rules.budget, model.window, model.alerts)
    alarms = "false alarm" if expected == 1 else "false alarms"
    said = f"{model.name}: at most {number(expected)} {alarms} per {duration_text(rules.budget.per)} expected"
    windows = f"{number(rules.budget.per / model.window)} windows, all checks, columns and versions together"
    return f"{said} ({windows}{'; explicit drift tests come on top' if rules.tests else ''})"


Probe = Callable[[], Iterator[str]]
"""Says in one line each what it found in order; raises DriftdError where something is not."""


def probes(settings: Settings) -> Iterator[tuple[str, Probe]]:
    """Everything that can be asked, by name; none of it is asked before it is called."""
    for name, secret in settings.secrets():
        yield "secrets", partial(_secret, name, secret)
    yield "kafka", partial(_kafka, settings)
    yield "store", partial(_store, settings)
    if settings.slack is not None:
        yield "slack", partial(_slack, settings.slack)
    for name in settings.file.receivers:
        yield "receivers", partial(_receiver, settings, name)
    for name in settings.model_names():
        yield "reference", partial(_reference, settings, name)
        yield "windows", partial(_windows, settings, name)


def _secret(name: str, secret: Secret) -> Iterator[str]:
    secret.read()
    yield f"{name} can be read"


def _kafka(settings: Settings) -> Iterator[str]:
    from monitor.intake import connect_check

    topics = sorted({stream.topic for model in settings.models() for stream in model.streams})
    yield from connect_check(settings.kafka, topics)


def _store(settings: Settings) -> Iterator[str]:
    """Asked without making or migrating anything: an older daemon may be at work on it."""
    from monitor.storage import Schema, look, open_store

    match look(settings.store):
        case Schema.NONE:
            yield "can be used, and is empty: the start makes its tables"
        case Schema.OLDER:
            yield "open, with the tables of an older version: the start brings them up to this one"
        case Schema.CURRENT:
            with closing(open_store(settings.store, migrate=False)) as store:
                store.ping()
            yield "open, and its tables are those of this version"


def _slack(slack: SlackSettings) -> Iterator[str]:
    from monitor.notify.slack import auth_test

    if slack.token is None:
        yield "an incoming webhook cannot be asked without posting a message"
    else:
        yield auth_test(slack)
    if slack.app_token is not None:
        from monitor.clock import SystemClock
        from monitor.notify.slack_socket import connection_test

        yield connection_test(slack, SystemClock())


def _receiver(settings: Settings, name: str) -> Iterator[str]:
    from monitor.clock import SystemClock
    from monitor.notify import ask

    try:
        yield f"{name}: {ask(settings.targets[name], SystemClock())}"
    except (Retryable, Permanent) as error:
        raise UsageError(f"{name}: {error}") from None


def _reference(settings: Settings, name: str) -> Iterator[str]:
    versions = _active_versions(settings.store, name)
    if versions:
        yield f"{name}: active for {'all versions' if ALL_VERSIONS in versions else ', '.join(versions)}"
        return
    source = settings.reference_file(name)
    model = settings.model(name)
    if source is None and model.merges and model.columns:
        yield f"{name}: none yet; a grid is fitted to row samples of the first windows"
        return
    if source is None:
        raise UsageError(f"{name}: none is active; build one with `driftd reference build`")
    if not source.data.is_file():
        raise UsageError(f"{name}: {source.data} is not there")
    yield f"{name}: built at the start from {source.data.name}"


def _windows(settings: Settings, name: str) -> Iterator[str]:
    """Whether they may be as long as the file says; the start asks again after it has migrated older tables."""
    from monitor.pipeline.lengths import other_length
    from monitor.prepare import WAYS_OUT
    from monitor.storage import Schema, look, open_store

    schema = look(settings.store)
    if schema is Schema.CURRENT:
        with closing(open_store(settings.store, migrate=False)) as store:
            if other := other_length(store, name, settings.model(name).window):
                raise UsageError(f"models.{name}.window: {other}; {WAYS_OUT}")
    if schema is not Schema.OLDER:
        yield f"{name}: none of another length is stored"


def _active_versions(url: str, model: str) -> list[str]:
    from monitor.storage import Schema, look, open_store

    if look(url) is not Schema.CURRENT:
        return []
    with closing(open_store(url, migrate=False)) as store:
        return sorted(reference.version for reference in store.references(model) if reference.active)


def _connected(settings: Settings) -> bool:
    """Try everything, whatever fails before; a line for each."""
    tried = [_tried(name, probe) for name, probe in probes(settings)]
    return all(tried)


def _tried(name: str, probe: Probe) -> bool:
    try:
        for found in probe():
            typer.echo(f"ok      {name}: {found}")
    except DriftdError as error:
        typer.echo(f"failed  {name}: {' '.join(str(error).split())}")
        return False
    return True
