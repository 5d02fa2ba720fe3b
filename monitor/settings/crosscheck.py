"""What no single key can tell: settings that contradict, need or name one another."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from urllib.parse import urlsplit

from monitor.core.results import Check
from monitor.core.rules import Formula, Severity
from monitor.core.schema import Kind, Role
from monitor.errors import Permanent
from monitor.settings.build import role_columns, segment_faults, watched_columns
from monitor.settings.document import Document, Finding, Loc
from monitor.settings.durations import duration_text, shown
from monitor.settings.faults import Fault
from monitor.settings.faults import either as _either
from monitor.settings.file import FileSettings, people_of
from monitor.settings.kafka import KafkaSettings, SaslMechanism
from monitor.settings.model import ModelSettings
from monitor.settings.performance import evidence_faults, label_faults, metric_faults
from monitor.settings.problems import suggestion
from monitor.settings.receiver_faults import receiver_faults, route_faults
from monitor.settings.receivers import APP_TOKEN, SLACK_API_URL, SlackSettings, why_unusable
from monitor.settings.registry import registry_faults
from monitor.settings.repair import section_of
from monitor.settings.retraining import blackout_faults, when_faults
from monitor.settings.rules import ANY_VERSION
from monitor.settings.targets import INCIDENTS_ALONE
from monitor.settings.trainers import trainer_faults

LEARNED = ("rolling", "seasonal", "previous")
MIN_WINDOWS = 3  # a limit can be learned from (core/drift/calibration)
MOST_LEARNED = 5000  # windows that a reference is merged from: at every step all of them are read


def cross_check(file: FileSettings, document: Document, found: Sequence[Finding]) -> list[Finding]:
    """What is wrong between keys, for the sections in which nothing else was wrong."""
    broken = {section_of(finding.loc) for finding in found}
    faults = [fault for section, check in TOP_CHECKS.items() if (section,) not in broken for fault in check(file)]
    if not any((section,) in broken for section in ROUTE_NEEDS):
        faults += route_faults(file)
    for name, model in file.models.items():
        for needs, check_model in MODEL_CHECKS:
            if ("models", name) not in broken and not any(("models", name, section) in broken for section in needs):
                faults += [(("models", name, *loc), message) for loc, message in check_model(model)]
    return [Finding(loc=loc, message=message, place=document.value_place(loc)) for loc, message in faults]


def _kafka(file: FileSettings) -> Iterator[Fault]:
    kafka = file.kafka
    given = {name for name in kafka.model_fields_set if f"{name}_file" not in kafka.model_fields_set}
    yield from _either(("kafka",), kafka, "sasl_plain_password")
    yield from _either(("kafka",), kafka, "ssl_password")
    if kafka.uses_sasl and kafka.sasl_mechanism is None:
        known = ", ".join(SaslMechanism)
        yield ("kafka", "security_protocol"), f"{kafka.security_protocol} needs sasl_mechanism; expected one of {known}"
    if kafka.uses_sasl and kafka.sasl_mechanism not in (None, SaslMechanism.GSSAPI):
        yield from _needs_login(kafka)
    for name in sorted(given):
        if name.startswith("sasl_") and not kafka.uses_sasl:
            yield ("kafka", name), f"not used with security_protocol {kafka.security_protocol}; expected SASL_PLAINTEXT or SASL_SSL"
        if name.startswith("ssl_") and not kafka.uses_tls:
            yield ("kafka", name), f"not used with security_protocol {kafka.security_protocol}; expected SSL or SASL_SSL"


def _needs_login(kafka: KafkaSettings) -> Iterator[Fault]:
    if kafka.sasl_plain_username is None:
        yield ("kafka", "sasl_mechanism"), f"{kafka.sasl_mechanism} needs sasl_plain_username"
    if kafka.sasl_plain_password is None:
        yield ("kafka", "sasl_mechanism"), f"{kafka.sasl_mechanism} needs sasl_plain_password or sasl_plain_password_file"


def _slack(file: FileSettings) -> Iterator[Fault]:
    yield from _slack_faults(file.slack)
    if file.slack is not None:
        yield from _slack_app(file.slack)


def _slack_faults(slack: SlackSettings | None) -> Iterator[Fault]:
    if slack is None:
        return
    yield from _either(("slack",), slack, "token")
    yield from _either(("slack",), slack, "webhook_url")
    if (slack.token is None) == (slack.webhook_url is None):
        yield ("slack",), "expected exactly one of token, token_file, webhook_url, webhook_url_file"
    elif slack.token is not None and slack.channel is None:
        yield ("slack",), "a token needs a channel to write to; expected channel, in quotes where it begins with #"
    if slack.webhook_url is not None and slack.token is None:
        if slack.channel is not None:
            yield ("slack", "channel"), "not used with an incoming webhook, which has a channel of its own"
        if slack.api_url != SLACK_API_URL:
            yield ("slack", "api_url"), "not used with an incoming webhook, which has an address of its own"
        yield from _inline_webhook(slack)
        return
    for why in why_unusable(slack.api_url, insecure=slack.insecure, allow_link_local=slack.allow_link_local):
        yield ("slack", "api_url"), why


def _slack_app(slack: SlackSettings) -> Iterator[Fault]:
    """Buttons and commands: by the app's token, under messages of its bot."""
    yield from _either(("slack",), slack, "app_token")
    if slack.app_token is None:
        for name in ("allow_users", "approvers"):
            if name in slack.model_fields_set:
                yield ("slack", name), "not used without app_token: nobody can act by Slack; expected app_token or app_token_file beside it"
        return
    key = "app_token" if slack.app_token.file is None else "app_token_file"
    if slack.app_token.text is not None and not slack.app_token.text.startswith(APP_TOKEN):
        yield ("slack", key), f"is no app-level token; expected one that begins with {APP_TOKEN}"
    if slack.token is None:
        yield ("slack", key), "needs a bot's token too, since buttons stand under its messages; expected token or token_file beside it"


def _inline_webhook(slack: SlackSettings) -> Iterator[Fault]:
    if slack.webhook_url is None or slack.webhook_url.text is None:
        return
    try:
        found = why_unusable(slack.webhook_url.text, insecure=slack.insecure, allow_link_local=slack.allow_link_local)
    except ValueError as error:
        found = (str(error),)
    for why in found:
        yield ("slack", "webhook_url"), why


def _receivers(file: FileSettings) -> Iterator[Fault]:
    yield from receiver_faults(file)
    for name, receiver in file.receivers.items():
        yield from ((("receivers", name, *loc), said) for loc, said in _slack_faults(receiver.slack))
        given = set() if receiver.slack is None else receiver.slack.model_fields_set
        for key in sorted(given & {"app_token", "app_token_file", "allow_users", "approvers"}):
            if not (key == "app_token" and "app_token_file" in given):
                yield ("receivers", name, "slack", key), "not used here: the slack at the top listens, for all messages of its bot"


def _digest(file: FileSettings) -> Iterator[Fault]:
    if file.digest is None:
        return
    known = people_of(file)
    for at, name in enumerate(file.digest.receivers):
        if name not in known:
            yield ("digest", "receivers", at), f"{shown(name)} is no receiver that tells people{suggestion(name, known)}"
        elif name in file.receivers and any(isinstance(target, INCIDENTS_ALONE) for target in file.receivers[name].given.values()):
            yield ("digest", "receivers", at), f"{shown(name)} takes incidents alone, and no digest"


def _http(file: FileSettings) -> Iterator[Fault]:
    yield from _either(("http",), file.http, "token")
    if file.http.public_url is not None and "@" in urlsplit(file.http.public_url).netloc:
        yield ("http", "public_url"), "it holds a user or a password, and is part of every link; expected https://host/path"


def _heartbeat(file: FileSettings) -> Iterator[Fault]:
    heartbeat = file.heartbeat
    if heartbeat is None:
        return
    yield from _either(("heartbeat",), heartbeat, "url")
    if heartbeat.url is None:
        yield ("heartbeat",), "expected exactly one of url, url_file"
    elif heartbeat.url.text is not None:
        try:
            heartbeat.usable_url()
        except Permanent as error:
            yield ("heartbeat", "url"), str(error).removeprefix("heartbeat.url: ")


def _streams(model: ModelSettings) -> Iterator[Fault]:
    from monitor.formats import FORMATS

    for kind in sorted(model.streams.model_fields_set):
        stream = getattr(model.streams, kind)
        if stream is not None and stream.format not in FORMATS:
            yield ("streams", kind, "format"), f"{shown(stream.format)} is not known{suggestion(stream.format, sorted(FORMATS))}"
    predictions = model.streams.predictions
    if predictions.score and predictions.score == predictions.prediction:
        yield ("streams", "predictions", "score"), f"{shown(predictions.score)} is the prediction already; expected another place"


def _paths(model: ModelSettings) -> Iterator[Fault]:
    predictions = model.streams.predictions
    keys = {name: getattr(predictions, name) for name in ("id", "time", "version", "prediction", "score")}
    mapped: dict[Loc, str] = {("streams", "predictions", name): path for name, path in keys.items() if path}
    mapped |= {("columns", column.name): column.path for column in watched_columns(model) if column.role is Role.FEATURE}
    values = set(mapped.values())
    if predictions.features in values:
        said = f"{shown(predictions.features)} is mapped as a value; expected an object that holds columns"
        yield ("streams", "predictions", "features"), said
    else:
        yield from _unreadable(mapped)
    labels = model.streams.labels
    if labels is not None:
        yield from _unreadable({("streams", "labels", name): getattr(labels, name) for name in ("id", "time", "label")})


def _unreadable(mapped: Mapping[Loc, str]) -> Iterator[Fault]:
    """Paths of one message that no decoder can read together."""
    values = set(mapped.values())
    for loc, path in mapped.items():
        steps = path.split(".")
        inside = [above for n in range(1, len(steps)) if (above := ".".join(steps[:n])) in values]
        if not all(steps):
            yield loc, f"{shown(path)} is not a path; expected names with dots between them"
        elif inside:
            yield loc, f"{shown(path)} lies inside {shown(inside[0])}, which is mapped as a value"


def _columns(model: ModelSettings) -> Iterator[Fault]:
    roles = {column.name: column.role for column in role_columns(model) if column.role is not Role.LABEL}
    for name in model.columns or ():
        if name in roles:
            yield ("columns", name), f"already watched as the {roles[name]} of streams.predictions; expected it only once"
    if model.columns is None:
        return
    known = {*model.columns, *roles}
    for i, why in segment_faults(model.segments, {name: entry.kind for name, entry in model.columns.items()}):
        yield ("segments", i), why
    for i, test in enumerate(model.drift.tests):
        for j, name in enumerate(test.columns):
            if name not in known:
                yield ("drift", "tests", i, "columns", j), f"{shown(name)} is not a column{suggestion(name, sorted(known))}"


def _tests(model: ModelSettings) -> Iterator[Fault]:
    if not model.drift.tests:
        return
    from monitor.core.drift import DRIFT_TESTS, rows_hint  # here, as few files need it
    from monitor.core.drift.sampled import is_sampled, is_well_named

    for i, test in enumerate(model.drift.tests):
        method = DRIFT_TESTS.get(test.method)
        if is_sampled(test.method):
            if not is_well_named(test.method):
                yield ("drift", "tests", i, "method"), f"{shown(test.method)} names no test; expected evidently:NAME, e.g. evidently:ks"
        elif method is None:
            known = rows_hint(test.method) or suggestion(test.method, sorted(DRIFT_TESTS))
            yield ("drift", "tests", i, "method"), f"{shown(test.method)} is not known{known}"
        elif test.formula is Formula.EVIDENTLY and method.as_evidently is None:
            able = ", ".join(sorted(name for name, other in DRIFT_TESTS.items() if other.as_evidently))
            said = f"a profile does not tell {shown(test.method)} as in Evidently; expected driftd, or one of {able}"
            yield ("drift", "tests", i, "formula"), said
        for other in model.drift.tests[:i]:
            if other.method == test.method and (not other.columns or not test.columns or set(other.columns) & set(test.columns)):
                yield ("drift", "tests", i, "method"), f"{shown(test.method)} is asked for twice for a column; expected one answer of each"
                break


def _dedupe(model: ModelSettings) -> Iterator[Fault]:
    if model.dedupe and not model.streams.predictions.id:
        yield ("dedupe",), "needs an id to tell rows apart by; expected streams.predictions.id"


def _ranges(model: ModelSettings) -> Iterator[Fault]:
    """Names and kinds can be told only where the file names the columns."""
    kinds = {column.name: column.kind for column in watched_columns(model) if column.role is not Role.LABEL}
    for name, given in model.quality.ranges.items():
        at = ("quality", "ranges", name)
        if given.min is None and given.max is None:
            yield at, "expected min, max or both"
        elif given.min is not None and given.max is not None and given.min > given.max:
            yield (*at, "min"), f"{given.min:g} is more than max {given.max:g}"
        elif kinds and name not in kinds:
            yield at, f"{shown(name)} is not a column{suggestion(name, sorted(kinds))}"
        elif kinds and kinds[name] is not Kind.NUMERIC:
            yield at, f"{shown(name)} is {kinds[name]}; expected a numeric column"


def _volume(model: ModelSettings) -> Iterator[Fault]:
    low, high = model.volume.min_ratio, model.volume.max_ratio
    if low is not None and high is not None and low >= high:
        yield ("volume", "min_ratio"), f"{low:g} is not less than max_ratio {high:g}"


def _reference(model: ModelSettings) -> Iterator[Fault]:
    reference = model.reference
    if reference is None:
        return
    given = [name for name in (*LEARNED, "data", "canary") if getattr(reference, name) is not None]
    learned = [name for name in LEARNED if name in given]
    of_command = reference.sample_rows or "bootstrap" in reference.model_fields_set
    if not given and not of_command:  # rows alone: of the references that the command builds
        yield ("reference",), "expected one of data, rolling, seasonal, previous, canary; found none"
    if len(learned) > 1:
        yield ("reference",), f"expected at most one of {', '.join(LEARNED)}; found {' and '.join(learned)}"
    if reference.version != ANY_VERSION and reference.data is None:
        yield ("reference", "version"), f"{shown(reference.version)} is the version that data stands for; expected data beside it"
    if reference.rolling is not None:
        yield from _rolling(reference.rolling, model.window)
    if reference.previous is not None and reference.previous > MOST_LEARNED:
        yield ("reference", "previous"), f"{reference.previous:,} windows are too many; expected at most {MOST_LEARNED:,}"
    if reference.seasonal is not None:
        yield from _seasonal(reference.seasonal.lag, model.window)
    if reference.canary is not None and not model.streams.predictions.version:
        yield ("reference", "canary"), "needs the version of each row; expected streams.predictions.version"


def _rolling(reach: timedelta, window: timedelta) -> Iterator[Fault]:
    windows, given = reach // window, duration_text(window)
    if windows < MIN_WINDOWS:
        yield ("reference", "rolling"), f"{windows} windows of {given} are too few; expected at least {MIN_WINDOWS}"
    if windows > MOST_LEARNED:
        yield ("reference", "rolling"), f"{windows:,} windows of {given} are too many; expected at most {MOST_LEARNED:,}"


def _seasonal(lag: timedelta, window: timedelta) -> Iterator[Fault]:
    if lag % window:
        told = f"expected whole windows of {duration_text(window)}"
        yield ("reference", "seasonal", "lag"), f"{duration_text(lag)} is the start of no window; {told}"


def _retraining(model: ModelSettings) -> Iterator[Fault]:
    if model.retraining is None:
        return
    webhook, at = model.retraining.webhook, ("retraining", "webhook")
    yield from _either(at, webhook, "secret")
    yield from _either(at, webhook, "token")
    yield from _either(("retraining",), model.retraining, "callback_token")
    yield from (((*at, *loc), why) for loc, why in trainer_faults(webhook))
    yield from ((("retraining", *loc), why) for loc, why in (*when_faults(model.retraining), *blackout_faults(model.retraining)))
    if webhook.url is not None:
        for why in why_unusable(webhook.url, insecure=webhook.insecure, allow_link_local=webhook.allow_link_local):
            yield (*at, "url"), why


def _severity(model: ModelSettings) -> Iterator[Fault]:
    if model.drift.severity is Severity.EVIDENCE and model.performance is None:
        yield ("drift", "severity"), "evidence needs the model's performance section, which is not given"


def _maintenance(model: ModelSettings) -> Iterator[Fault]:
    for i, entry in enumerate(model.alerts.maintenance):
        for key, message in entry.faults():
            yield ("alerts", "maintenance", i, *key), message


def _retraining_when(model: ModelSettings) -> Iterator[Fault]:
    if model.retraining is not None and Check.PERFORMANCE in model.retraining.when and model.performance is None:
        yield ("retraining", "when", "performance"), "needs the model's performance section, which is not given"


def _retention(file: FileSettings) -> Iterator[Fault]:
    """What is still to be looked at must not be gone."""
    for name, model in file.models.items():
        needed, why = max(_reaches(model))
        if file.retention is not None and file.retention < needed:
            yield ("retention",), f"models.{name} needs its windows for {duration_text(needed)} ({why}); expected at least as long, or off"


def _reaches(model: ModelSettings) -> Iterator[tuple[timedelta, str]]:
    """How far back windows are needed, and what for."""
    yield 2 * model.window, "window"
    if model.performance is not None:
        yield model.window + model.performance.label_delay, "performance.label_delay"
    if model.retraining is not None and model.retraining.max_age is not None:
        yield model.window + model.retraining.max_age, "retraining.max_age"
    reference = model.reference
    if reference is None:
        return
    if reference.rolling is not None:
        yield reference.rolling + model.window, "reference.rolling"
    if reference.previous is not None and reference.previous <= MOST_LEARNED:  # or that is told
        yield (reference.previous + 1) * model.window, "reference.previous"
    if reference.seasonal is not None:
        yield reference.seasonal.count * reference.seasonal.lag + model.window, "reference.seasonal"


TOP_CHECKS: dict[str, Callable[[FileSettings], Iterator[Fault]]] = {
    "kafka": _kafka, "slack": _slack, "receivers": _receivers, "digest": _digest, "http": _http, "heartbeat": _heartbeat,
    "mlflow": registry_faults, "retention": _retention,
}

ROUTE_NEEDS = ("slack", "receivers", "routes")
"""With a fault in one of them, what a route names would only seem to be missing."""

MODEL_CHECKS: tuple[tuple[tuple[str, ...], Callable[[ModelSettings], Iterator[Fault]]], ...] = (
    (("streams",), _streams),
    (("task", "streams", "columns"), _paths),
    (("task", "streams", "columns", "segments", "drift"), _columns),
    (("drift",), _tests),
    (("streams", "dedupe"), _dedupe),
    (("task", "streams", "columns", "quality"), _ranges),
    (("volume",), _volume),
    (("window", "streams", "reference"), _reference),
    (("streams",), label_faults),
    (("task", "performance"), metric_faults),
    (("task", "streams", "performance"), evidence_faults),
    (("retraining",), _retraining),
    (("retraining", "performance"), _retraining_when),
    (("drift", "performance"), _severity),
    (("alerts",), _maintenance),
)
"""Each check with the sections that it looks at: with a fault in one of them it would only guess."""
