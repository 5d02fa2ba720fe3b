"""What a good configuration becomes."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from monitor.core.maintenance import OneOff
from monitor.core.recurring import Recurring
from monitor.core.rules import (
    AlertRules,
    Budget,
    DriftTest,
    Formula,
    GivenRange,
    Lasting,
    MinEffect,
    PerformanceRules,
    Previous,
    Recipe,
    Rolling,
    Seasonal,
    StreamKind,
    Switch,
    Task,
)  # fmt: skip
from monitor.core.schema import Column, Kind, Role
from monitor.errors import SettingsError, UsageError
from monitor.settings import Settings, load_settings
from monitor.settings.durations import duration_text

EXAMPLE = Path(__file__).parents[2] / "config" / "example.yaml"
KAFKA = 'kafka: {bootstrap_servers: "a:1, b:2", api_version: "2.3"}\n'
CONTRACT = """
store: sqlite:///driftd.db
kafka: {bootstrap_servers: "${KAFKA_BOOTSTRAP_SERVERS:-localhost:9092}", group_id: driftd}
slack: {token_file: /run/secrets/slack, channel: "#ml-alerts"}
models:
  flight-delay:
    task: binary
    window: 1d
    allowed_lateness: 1h
    min_rows: 200
    dedupe: true
    streams:
      predictions: {topic: flight.predictions, format: json, id: prediction_id, time: ts, version: model_version,
                    prediction: late, score: p_late, features: features}
      labels: {topic: flight.labels, format: json, id: prediction_id, time: ts, label: arrived_late}
    columns:
      dep_delay: numeric
      carrier: categorical
    segments: [origin]
    reference: {version: "*", data: reference.parquet}
    drift: {false_alarms: 1 per 30d}
    quality: {max_null_share: auto, unseen_categories: auto}
    performance: {metrics: [roc_auc, f1], max_drop: 0.03, label_delay: 30d, min_labelled: 100}
    alerts: {open_after: 1, resolve_after: 2, repeat_after: 24h}
    retraining:
      webhook: {url: https://ci.example/hooks/retrain, secret_file: /run/secrets/retrain}
      when: {performance: 2 windows, drift: 3 windows}
      cooldown: 24h
""".replace("segments: [origin]", "segments: [carrier]")
PLAIN_MODEL = """
models:
  m:
    task: binary
    window: 1h
    streams:
      predictions: {topic: p, time: ts, prediction: late, score: p_late, features: features}
"""


def loaded(folder: Path, text: str, env: dict[str, str] | None = None) -> Settings:
    path = folder / "driftd.yaml"
    path.write_text(text, encoding="utf-8")
    return load_settings(path, env or {})


def model_text(more: str = "", task: str = "binary") -> str:
    return KAFKA + PLAIN_MODEL.replace("binary", task) + more


def test_the_contract_of_the_design_is_read_to_the_letter(tmp_path: Path) -> None:
    settings = loaded(tmp_path, CONTRACT)
    (model,) = settings.models()
    assert model.performance == PerformanceRules(metrics=("roc_auc", "f1"), max_drop=0.03, label_delay=timedelta(days=30))
    assert settings.store == "sqlite:///driftd.db"
    assert settings.kafka.bootstrap_servers == ("localhost:9092",)
    assert (model.name, model.task) == ("flight-delay", Task.BINARY)
    assert (model.window, model.allowed_lateness) == (timedelta(days=1), timedelta(hours=1))
    assert (model.min_rows, model.dedupe) == (200, True)
    assert model.columns == (
        Column(name="dep_delay", kind=Kind.NUMERIC, path="features.dep_delay"),
        Column(name="carrier", kind=Kind.CATEGORICAL, path="features.carrier"),
        Column(name="late", kind=Kind.CATEGORICAL, role=Role.PREDICTION, path="late"),
        Column(name="p_late", kind=Kind.NUMERIC, role=Role.SCORE, path="p_late"),
    )
    predictions, labels = model.streams
    assert (predictions.kind, predictions.topic, predictions.version) == (StreamKind.PREDICTIONS, "flight.predictions", "model_version")
    assert predictions.columns == model.columns
    assert labels.columns == (Column(name="arrived_late", kind=Kind.CATEGORICAL, role=Role.LABEL, path="arrived_late"),)
    assert model.drift.budget == Budget(alarms=1.0, per=timedelta(days=30))
    assert model.quality.max_null_share is None
    assert (model.alerts.open_after, model.alerts.resolve_after, model.alerts.repeat_after) == (1, 2, timedelta(days=1))
    assert model.retraining is not None
    assert model.retraining.when == {"performance": Lasting(bad=2, within=2), "drift": Lasting(bad=3, within=3)}
    reference = settings.reference_file("flight-delay")
    assert reference is not None
    assert (reference.version, reference.data) == ("*", tmp_path / "reference.parquet")
    webhook = settings.retraining_webhook("flight-delay")
    assert webhook is not None
    assert (webhook.url, webhook.signing_secret.file) == ("https://ci.example/hooks/retrain", Path("/run/secrets/retrain"))
    assert settings.retraining_receiver("flight-delay") == "retraining:flight-delay"
    assert settings.people_receivers() == ("slack",)
    assert [name for name, _ in settings.secrets()] == ["slack.token", "models.flight-delay.retraining.webhook.secret"]


def test_the_example_is_a_good_configuration() -> None:
    settings = load_settings(EXAMPLE, {})
    assert settings.model_names() == ("flight-delay",)
    weekend = next(column for column in settings.models()[0].columns if column.name == "weekend")
    assert (weekend.kind, weekend.path) == (Kind.BOOLEAN, "context.weekend")


def test_every_commented_key_of_the_example_can_be_switched_on(tmp_path: Path) -> None:
    text = EXAMPLE.read_text(encoding="utf-8").replace("      # features:  ", "      features:  ").replace("      #   ", "        ")
    text = text.replace('    # reference: {version', '    reference: {version')
    text = text.replace("      # tests:", "      tests:").replace("        - {method", "        - {method")
    for key in ("client:", "client_id:", "api_version:", "start:", "max_poll_records:", "poll_timeout:", "public_url:", "timeout:"):
        text = text.replace(f"# {key}", key)
    settings = loaded(tmp_path, text)
    assert settings.kafka.api_version == (2, 3)
    assert settings.http.public_url == "https://driftd.example.com"
    assert settings.models()[0].drift.tests == (
        DriftTest(method="psi", threshold=0.2, columns=("dep_delay", "distance")),
        DriftTest(method="jensenshannon", formula=Formula.EVIDENTLY),
        DriftTest(method="evidently:ks", threshold=0.01),
    )
    assert [stream.kind for stream in settings.models()[0].streams] == ["predictions", "features", "labels"]


def test_all_that_is_left_out_has_a_default(tmp_path: Path) -> None:
    settings = loaded(tmp_path, model_text())
    assert settings.store == "sqlite:///driftd.db"
    assert settings.kafka.bootstrap_servers == ("a:1", "b:2")
    assert settings.kafka.start == "earliest"
    assert (settings.http.host, settings.http.port, settings.http.token) == ("127.0.0.1", 8765, None)
    assert (settings.checkpoint.every, settings.checkpoint.max_rows) == (timedelta(seconds=5), 50_000)
    assert (settings.log.level, settings.log.format) == ("info", "json")
    assert settings.slack is None
    assert settings.people_receivers() == ()
    assert settings.retraining_webhook("m") is None
    assert settings.retraining_receiver("m") is None
    assert settings.reference_file("m") is None


def test_a_section_without_a_value_is_a_section_left_out(tmp_path: Path) -> None:
    settings = loaded(tmp_path, "slack:\nhttp: ~\n" + model_text("    drift:\n    alerts: null\n"))
    assert settings.slack is None
    assert settings.models()[0].alerts.open_after == 1


def test_columns_left_out_are_empty_until_the_reference_names_them(tmp_path: Path) -> None:
    settings = loaded(tmp_path, model_text())
    assert settings.models()[0].columns == ()
    assert settings.models()[0].streams[0].columns == ()
    kinds = {"x": Kind.NUMERIC, "late": Kind.CATEGORICAL, "p_late": Kind.NUMERIC}
    model = settings.model("m", kinds)
    assert [(c.name, c.role, c.path) for c in model.columns] == [
        ("x", "feature", "features.x"), ("late", "prediction", "late"), ("p_late", "score", "p_late"),
    ]
    assert model.streams[0].columns == model.columns


def test_columns_of_the_file_are_not_changed_by_a_reference(tmp_path: Path) -> None:
    settings = loaded(tmp_path, model_text("    columns: {x: numeric}\n"))
    assert settings.model("m", {"z": Kind.NUMERIC}) == settings.models()[0]


def test_without_a_features_object_columns_stand_in_the_message_itself(tmp_path: Path) -> None:
    text = model_text("    columns: {x: numeric, y: {kind: boolean, path: a.b}}\n").replace(", features: features", "")
    settings = loaded(tmp_path, text)
    assert [column.path for column in settings.models()[0].columns] == ["x", "a.b", "late", "p_late"]


@pytest.mark.parametrize(
    ("task", "kinds"),
    [
        ("binary", {"late": "categorical", "p_late": "numeric"}),
        ("multiclass", {"late": "categorical"}),
        ("regression", {"late": "numeric", "p_late": "numeric"}),
    ],
)
def test_prediction_and_score_are_watched_as_their_task_asks(tmp_path: Path, task: str, kinds: dict[str, str]) -> None:
    settings = loaded(tmp_path, model_text("    columns: {x: numeric}\n", task))
    assert {c.name: c.kind for c in settings.models()[0].columns if c.role is not Role.FEATURE} == kinds


@pytest.mark.parametrize(("written", "dedupe"), [("", False), (", id: i", True)])
def test_rows_are_deduplicated_where_an_id_is_mapped(tmp_path: Path, written: str, dedupe: bool) -> None:
    text = model_text().replace("time: ts", "time: ts" + written)
    assert loaded(tmp_path, text).models()[0].dedupe is dedupe


def test_deduplication_can_be_switched_off(tmp_path: Path) -> None:
    text = model_text("    dedupe: false\n").replace("time: ts", "time: ts, id: i")
    assert loaded(tmp_path, text).models()[0].dedupe is False


@pytest.mark.parametrize(
    ("written", "tests"),
    [
        ("{method: psi, threshold: 0.2, columns: [x]}", (DriftTest(method="psi", threshold=0.2, columns=("x",)),)),
        ("{method: ks, columns: x}", (DriftTest(method="ks", columns=("x",)),)),
        ("{method: psi, formula: evidently}", (DriftTest(method="psi", formula=Formula.EVIDENTLY),)),
        ("[{method: psi}, {method: ks}]", (DriftTest(method="psi"), DriftTest(method="ks"))),
    ],
)
def test_explicit_tests_are_one_or_a_list(tmp_path: Path, written: str, tests: tuple[DriftTest, ...]) -> None:
    settings = loaded(tmp_path, model_text(f"    columns: {{x: numeric}}\n    drift: {{tests: {written}}}\n"))
    assert settings.models()[0].drift.tests == tests


def test_quality_and_volume_take_auto_or_a_number(tmp_path: Path) -> None:
    model = loaded(
        tmp_path, model_text("    quality: {max_null_share: 0.25, unseen_categories: 0}\n    volume: {min_ratio: 0.5, max_ratio: auto}\n")
    ).models()[0]
    assert (model.quality.max_null_share, model.quality.max_unseen_share, model.quality.max_wrong_type_share) == (0.25, 0.0, None)
    assert (model.volume.min_ratio, model.volume.max_ratio) == (0.5, None)


def test_quality_checks_may_be_off_and_ranges_given(tmp_path: Path) -> None:
    written = "{max_null_share: off, max_same_value_share: 0.9, ranges: {age: {min: 0, max: 120}, p: {max: 1}}}"
    quality = loaded(tmp_path, model_text(f"    quality: {written}\n")).models()[0].quality
    assert (quality.max_null_share, quality.max_same_value_share, quality.max_duplicate_share) == (Switch.OFF, 0.9, None)
    assert quality.ranges == {"age": GivenRange(min=0.0, max=120.0), "p": GivenRange(max=1.0)}


@pytest.mark.parametrize(("written", "found"), [("{}", None), ("{schema_changes: auto}", None), ("{schema_changes: off}", Switch.OFF)])
def test_schema_changes_are_told_unless_they_are_off(tmp_path: Path, written: str, found: Switch | None) -> None:
    assert loaded(tmp_path, model_text(f"    quality: {written}\n")).models()[0].quality.schema_changes is found


def test_schema_changes_have_no_limit(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r'quality\.schema_changes: "0\.1" is not understood; expected auto or off'):
        loaded(tmp_path, model_text("    quality: {schema_changes: 0.1}\n"))


@pytest.mark.parametrize(
    ("ranges", "message"),
    [
        ("{age: {}}", "ranges.age: expected min, max or both"),
        ("{age: {min: 2, max: 1}}", "ranges.age.min: 2 is more than max 1"),
        ("{agee: {min: 0}}", 'ranges.agee: "agee" is not a column; did you mean "age"?'),
        ("{kind: {min: 0}}", 'ranges.kind: "kind" is categorical; expected a numeric column'),
        ("{age: {min: .nan}}", "ranges.age.min"),
        ("{age: [0, 1]}", "ranges.age"),
    ],
)
def test_a_range_names_a_numeric_column_and_has_an_end(tmp_path: Path, ranges: str, message: str) -> None:
    with pytest.raises(SettingsError) as error:
        loaded(tmp_path, model_text(f"    columns: {{age: numeric, kind: categorical}}\n    quality: {{ranges: {ranges}}}\n"))
    assert message in str(error.value)


def test_values_are_read_by_what_they_are_for_and_not_by_what_yaml_guesses(tmp_path: Path) -> None:
    settings = loaded(tmp_path, model_text().replace("topic: p", "topic: 2.10").replace("time: ts", "time: on"))
    assert (settings.models()[0].streams[0].topic, settings.models()[0].streams[0].time) == ("2.10", "on")


def test_anchors_merge_and_the_nearer_key_wins(tmp_path: Path) -> None:
    text = KAFKA + """
x-common: &common {task: regression, window: 1h, min_rows: 7}
x-more: &more {task: binary, sample_rows: 3}
models:
  m:
    <<: [*common, *more]
    window: 2h
    streams: {predictions: {topic: p, time: t}}
"""
    model = loaded(tmp_path, text).models()[0]
    assert (model.task, model.window, model.min_rows, model.sample_rows) == (Task.REGRESSION, timedelta(hours=2), 7, 3)


def test_notes_tell_exactly_what_is_accepted_but_not_acted_on(tmp_path: Path) -> None:
    notes = loaded(tmp_path, CONTRACT.replace("{version: \"*\", data: reference.parquet}", "{rolling: 14d}")).notes()
    assert [note.partition(": ")[0].removeprefix("models.flight-delay.") for note in notes] == ["reference.rolling"]


def test_notes_tell_what_may_not_be_meant(tmp_path: Path) -> None:
    more = "    drift: {false_alarms: 1 per 30d, tests: {method: ks}}\n    reference: {seasonal: {lag: 7d}}\n"
    text = "http: {host: 0.0.0.0}\n" + model_text(more, "multiclass").replace("api_version", "client: confluent-kafka, api_version")
    text = text.replace("      predictions:", "      features: {topic: f, time: t}\n      predictions:")
    notes = loaded(tmp_path, text).notes()
    assert [note.partition(": ")[0] for note in notes] == [
        "kafka.client", "slack", "http.host", "models.m.streams.features", "models.m.streams.predictions.score",
        "models.m.reference.seasonal", "models.m.drift.false_alarms",
    ]


@pytest.mark.parametrize(("name", "text"), [
    ("importance.csv", "feature,importance\ndistance,0.3\ndep_delay,0.9\n\nnoise,-0.2\ncarrier_UA,0.4\n"),
    ("importance.JSON", '{"distance": 3, "dep_delay": 9.0, "noise": -1e-3, "carrier_UA": 4}'),
])
def test_importance_comes_from_a_file_on_a_scale_of_its_own_and_a_columns_weight_wins(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    columns = "    columns: {distance: {kind: numeric, weight: 2.5}, dep_delay: numeric, noise: numeric}\n"
    more = f"{columns}    importance: {{file: {name}}}\n"
    settings = loaded(tmp_path, "slack: {webhook_url: https://hooks.example/x}\n" + model_text(more))
    (model,) = settings.models()
    assert model.importance == pytest.approx({"distance": 2.5, "dep_delay": 9 / 4, "noise": 0.0, "carrier_UA": 1.0})
    (note,) = settings.notes()
    assert note == 'models.m.importance.file: 1 of its names are no columns, and not used: "carrier_UA"'


def test_without_importance_all_columns_matter_alike(tmp_path: Path) -> None:
    assert loaded(tmp_path, model_text()).models()[0].importance == {}


def test_an_importance_file_of_any_size_is_not_read_whole(tmp_path: Path) -> None:
    (tmp_path / "big.csv").write_bytes(b"x,1\n" * 1_300_000)
    with pytest.raises(SettingsError, match=r"importance\.file: big\.csv: larger than 5000000 bytes"):
        loaded(tmp_path, model_text("    importance: {file: big.csv}\n"))


def test_who_may_act_by_slack_is_said_where_the_file_does_not(tmp_path: Path) -> None:
    given = "slack: {token: xoxb-1, channel: c, app_token: xapp-1%s}\n"
    named = loaded(tmp_path, given % ", allow_users: U024BE7LH, approvers: [U024BE7LH, W012A3CDE]" + model_text())
    assert named.slack is not None
    assert (named.slack.allow_users, named.slack.approvers) == (("U024BE7LH",), ("U024BE7LH", "W012A3CDE"))
    assert (named.notes(), [name for name, _ in named.secrets()]) == ((), ["slack.token", "slack.app_token"])
    notes = loaded(tmp_path, given % "" + model_text()).notes()
    assert [note.split(":")[0] for note in notes] == ["slack.allow_users", "slack.approvers"]
    assert loaded(tmp_path, given % ", allow_users: []" + model_text()).slack.allow_users == ()  # type: ignore[union-attr]


def test_a_configuration_that_is_wholly_acted_on_has_no_notes(tmp_path: Path) -> None:
    assert loaded(tmp_path, "slack: {webhook_url: https://hooks.example/x}\n" + model_text()).notes() == ()


@pytest.mark.parametrize(
    ("reference", "recipe", "stable"),
    [("{rolling: 14d}", Rolling(reach=timedelta(days=14)), ""), ("{seasonal: {lag: 7d}}", Seasonal(lag=timedelta(days=7), count=4), ""),
     ("{previous: 1}", Previous(windows=1), ""), ("{previous: 2 windows, data: a.csv}", Previous(windows=2), ""),
     ("{data: a.csv}", None, ""), ("{canary: {stable: '1.4'}}", None, "1.4")],
)  # fmt: skip
def test_a_reference_of_windows_is_a_recipe(tmp_path: Path, reference: str, recipe: Recipe | None, stable: str) -> None:
    text = CONTRACT.replace('{version: "*", data: reference.parquet}', reference)
    (model,) = loaded(tmp_path, text).models()
    assert (model.recipe, model.stable, model.merges) == (recipe, stable, bool(recipe or stable))


def test_without_row_samples_a_note_says_that_no_grid_can_be_fitted(tmp_path: Path) -> None:
    slack = "slack: {webhook_url: https://hooks.example/x}\n"
    notes = loaded(tmp_path, slack + model_text("    reference: {previous: 1}\n    sample_rows: 0\n")).notes()
    assert notes == ("models.m.reference.previous: no data gives a grid to count rows on; unless `driftd reference build` did, "
                     "sample_rows is 0, so none can be fitted",)


def test_a_rolling_reference_has_at_most_five_thousand_windows(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="20,160 windows of 1m are too many; expected at most 5,000"):
        loaded(tmp_path, model_text("    reference: {rolling: 14d}\n").replace("window: 1h", "window: 1m"))


def test_an_unknown_model_is_named_beside_those_that_exist(tmp_path: Path) -> None:
    settings = loaded(tmp_path, model_text())
    with pytest.raises(UsageError, match=r"unknown model 'x', expected one of \['m'\]"):
        settings.model("x")


def test_settings_never_show_the_password_of_the_store(tmp_path: Path) -> None:
    settings = loaded(tmp_path, "store: postgresql+psycopg://u:hunter2@h/d\n" + model_text())
    assert "hunter2" not in f"{settings} {settings!r}"
    assert settings.store.endswith("hunter2@h/d")


def test_an_address_that_is_no_database_is_told_without_repeating_it(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="store: not a database address") as caught:
        loaded(tmp_path, "store: hunter2\n" + model_text())
    assert "hunter2" not in str(caught.value)


def test_all_of_kafkas_security_passes_through(tmp_path: Path) -> None:
    security = """
kafka:
  bootstrap_servers: a:1
  security_protocol: SASL_SSL
  sasl_mechanism: SCRAM-SHA-512
  sasl_plain_username: u
  sasl_plain_password: ${PASSWORD}
  ssl_cafile: ca.pem
  ssl_certfile: /c.pem
  ssl_keyfile: c.key
  ssl_password: k
  ssl_check_hostname: no
"""
    settings = loaded(tmp_path, security + PLAIN_MODEL, {"PASSWORD": "12345"})
    kafka = settings.kafka
    assert (kafka.uses_sasl, kafka.uses_tls, kafka.ssl_check_hostname) == (True, True, False)
    assert (kafka.ssl_cafile, kafka.ssl_certfile) == (tmp_path / "ca.pem", Path("/c.pem"))
    assert kafka.sasl_plain_password is not None
    assert kafka.sasl_plain_password.read() == "12345"
    assert [name for name, _ in settings.secrets()] == ["kafka.sasl_plain_password", "kafka.ssl_password"]


@pytest.mark.parametrize("url", ["http://localhost:9/x", "http://127.0.0.1:9/x", "http://[::1]:9/x"])
def test_http_to_this_machine_needs_no_permission(tmp_path: Path, url: str) -> None:
    text = f"    retraining: {{webhook: {{url: '{url}', secret: s}}, when: {{drift: 1}}}}\n"
    assert loaded(tmp_path, model_text(text)).webhooks["m"].url == url


def test_http_elsewhere_needs_permission(tmp_path: Path) -> None:
    text = "    retraining: {webhook: {url: 'http://ci/x', secret: s, insecure: true}, when: {drift: 1}}\n"
    assert loaded(tmp_path, model_text(text)).webhooks["m"].insecure


@pytest.mark.parametrize(("text", "seconds"), [("1d12h", 129_600), (" 90 s ", 90), ("1.5h", 5400), ("250ms", 0.25), ("2w", 1_209_600)])
def test_durations_are_numbers_with_units(tmp_path: Path, text: str, seconds: float) -> None:
    more = f"    retraining: {{webhook: {{url: https://c/x, secret: s}}, when: {{drift: 1}}}}\n    allowed_lateness: {text}\n"
    assert loaded(tmp_path, model_text(more)).models()[0].allowed_lateness == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("duration", "text"), [(timedelta(), "0s"), (timedelta(days=1, hours=12), "1d12h"), (timedelta(milliseconds=90), "90ms")]
)
def test_durations_are_written_as_short_as_can_be(duration: timedelta, text: str) -> None:
    assert duration_text(duration) == text


@pytest.mark.parametrize(("line", "freshness"), [("", None), ("    freshness: 1h30m\n", timedelta(minutes=90))])
def test_how_old_rows_may_be_is_watched_where_it_is_given(tmp_path: Path, line: str, freshness: timedelta | None) -> None:
    assert loaded(tmp_path, model_text(line)).model("m").freshness == freshness


@pytest.mark.parametrize("text", ["0s", "500ms", "367d", "an hour"])
def test_an_age_that_no_row_can_have_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(SettingsError, match=r"models\.m\.freshness: "):
        loaded(tmp_path, model_text(f"    freshness: {text}\n"))


@pytest.mark.parametrize("text", ["99999999999w", "1" * 70 + "s", "101y", "40000d"])
def test_durations_beyond_reason_are_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(SettingsError, match=r"models\.m\.idle_after: "):
        loaded(tmp_path, model_text(f"    idle_after: {text}\n"))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("drift: {false_alarms: 1 per 0s}", "the time must be longer than 0s"),
        ("drift: {false_alarms: 0 per 1d}", "expected a number of alarms per time"),
        ("reference: {data: '~nobody-here/x.csv'}", "home of an unknown user"),
        ("reference: {data: []}", "a list is not a path"),
    ],
)
def test_other_values_out_of_reason_are_refused(tmp_path: Path, line: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        loaded(tmp_path, model_text(f"    {line}\n"))


def test_rows_kept_the_classifier_and_the_worker_s_limits_are_read(tmp_path: Path) -> None:
    text = model_text() + "    reference: {sample_rows: 5000}\n    drift: {domain_classifier: true}\n"
    settings = loaded(tmp_path, text + "reports: {deadline: 90s, memory: 2GiB}\n")
    assert (settings.models()[0].reference_sample_rows, settings.models()[0].drift.domain_classifier) == (5000, True)
    assert (settings.reports.deadline, settings.reports.memory) == (timedelta(seconds=90), 2**31)
    assert settings.reference_file("m") is None


def test_pages_of_incidents_are_kept_beside_the_file_unless_told_otherwise(tmp_path: Path) -> None:
    settings = loaded(tmp_path, model_text() + "reports: {on_alert: {folder: pages, keep: 7}}\n")
    assert settings.reports.on_alert is not None
    assert (settings.reports.on_alert.folder, settings.reports.on_alert.keep) == (tmp_path / "pages", 7)
    assert loaded(tmp_path, model_text()).reports.on_alert is None
    with pytest.raises(SettingsError, match=r"reports\.on_alert\.folder"):
        loaded(tmp_path, model_text() + "reports: {on_alert: {keep: 7}}\n")
    with pytest.raises(SettingsError, match=r"reports\.on_alert\.keep"):
        loaded(tmp_path, model_text() + "reports: {on_alert: {folder: pages, keep: 0}}\n")


@pytest.mark.parametrize(
    ("written", "expected"), [("3", (3, None)), ("'2'", (2, None)), ("2 of 3", (2, 3)), ("2 of 2", (2, None))]
)
def test_open_after_is_a_number_in_a_row_or_some_of_some(tmp_path: Path, written: str, expected: tuple[int, int | None]) -> None:
    alerts = loaded(tmp_path, model_text(f"    alerts: {{open_after: {written}}}\n")).models()[0].alerts
    assert (alerts.open_after, alerts.open_within) == expected


@pytest.mark.parametrize("written", ["4 of 3", "0 of 3", "true", "2 of 2000", "half", "-1"])
def test_an_open_after_that_cannot_be_is_refused(tmp_path: Path, written: str) -> None:
    with pytest.raises(SettingsError, match=r"expected a number of windows in a row up to 1,000, or e\.g\. 2 of 3"):
        loaded(tmp_path, model_text(f"    alerts: {{open_after: {written}}}\n"))


def test_the_smallest_effects_can_be_set_apart(tmp_path: Path) -> None:
    drift = loaded(tmp_path, model_text("    drift: {min_effect: {ks: 0.1}}\n")).models()[0].drift
    assert drift.min_effect == MinEffect(ks=0.1, wasserstein=0.1, tvd=0.03)


def alerts(tmp_path: Path, text: str) -> AlertRules:
    path = tmp_path / "driftd.yaml"
    path.write_text(CONTRACT.replace("alerts: {open_after: 1, resolve_after: 2, repeat_after: 24h}", f"alerts: {text}"), encoding="utf-8")
    return load_settings(path).model("flight-delay").alerts


@pytest.mark.parametrize(("text", "most"), [("{}", None), ("{max_age: auto}", None), ("{max_age: off}", Switch.OFF),
                                            ("{max_age: 2d}", timedelta(days=2))])
def test_how_old_a_window_may_be_to_be_told(tmp_path: Path, text: str, most: timedelta | Switch | None) -> None:
    assert alerts(tmp_path, text).max_age == most


def test_times_of_maintenance(tmp_path: Path) -> None:
    four, berlin = timedelta(hours=4), ZoneInfo("Europe/Berlin")
    entries = "[{every: Saturday 02:00, for: 4h, timezone: Europe/Berlin, reason: rebuilt}, {every: 2:30, for: 4h}, " \
              "{from: 2026-12-24, until: '2026-12-24T06:00:00+02:00'}]"
    assert alerts(tmp_path, f"{{maintenance: {entries}}}").maintenance == (
        Recurring(at=time(2), days=frozenset({5}), lasts=four, zone=berlin, reason="rebuilt"),
        Recurring(at=time(2, 30), lasts=four, zone=UTC),
        OneOff(starts=datetime(2026, 12, 24, tzinfo=UTC), ends=datetime(2026, 12, 24, 4, tzinfo=UTC)),
    )
    daily = Recurring(at=time(2), lasts=four, zone=UTC)
    assert alerts(tmp_path, "{maintenance: {every: 02:00, for: 4h}}").maintenance == (daily,), "one is a list"
    assert alerts(tmp_path, "{maintenance: [{every: 02:00, for: 4h, from: , reason: }]}").maintenance[0].reason == ""
