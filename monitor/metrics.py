"""Every metric of driftd: one attribute, one sentence. Base units; times are exported as timestamps, never as ages.

Labels stay small: models, streams, receivers and reasons come from the configuration or from closed sets. Only
``driftd_result_value`` and ``driftd_result_threshold`` know columns, and ``driftd_performance_value`` the classes of metrics like
``f1[UA]``; they stop at ``MAX_RESULT_SERIES``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum

from prometheus_client import CollectorRegistry, Counter, Gauge, GCCollector, Histogram, PlatformCollector, ProcessCollector

from monitor import __version__
from monitor.core.gaps import GapReason
from monitor.core.incidents import IncidentState
from monitor.core.results import ALL_ROWS, Check, Result, Verdict, only_told
from monitor.core.retraining import Helped
from monitor.core.rules import Model
from monitor.core.schema import Reason
from monitor.ports import Checkpoint, Judgement, LabelAccount, Revision, StreamCount, TopicPartition
from monitor.recent import Recent

MAX_RESULT_SERIES = 1000
"""So many (model, check, column, metric) are exported; what comes after only sets ``driftd_result_series_dropped``."""

OUTCOMES = ("counted", "late", "duplicate", "quarantined", "sampled_out")
CHECKPOINT_OUTCOMES = ("committed", "fenced")
DELIVERY_OUTCOMES = ("sent", "postponed", "dead")
OUTBOX_STATES = ("pending", "sent", "dead")
STORE_RETRY_REASONS = ("serialization_failure", "deadlock", "lock_timeout", "canceled")
HEARTBEAT_OUTCOMES = ("sent", "failed", "withheld")
LABEL_OUTCOMES = ("matched", "revised", "repeated", "expired")
"""What becomes of a label in the end, as in ``LabelAccount``; until then it waits."""
REALISED, ESTIMATED = "false", "true"
"""The values of the label ``estimated``."""
UNKNOWN = "unknown"
FAST = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class PageOutcome(StrEnum):
    """What came of an attempt to write a page of an incident."""

    WRITTEN = "written"
    FAILED = "failed"
    EMPTY = "empty"


class Metrics:
    """The metrics of one process, in a registry of their own (two daemons in one test do not meet)."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry(auto_describe=True)
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self._init_intake()
        self._init_judging()
        self._init_labels()
        self._init_deliveries()
        self._init_daemon()
        self._newest: dict[tuple[str, ...], datetime] = {}
        self._recent: dict[tuple[str, str], Recent] = {}

    def _init_intake(self) -> None:
        # Messages read, by where they went: the five outcomes of a stream add up to all that it received.
        self.messages = self._counter("driftd_messages", "Messages read, by where they went.", "model", "stream", "outcome")
        # Messages that could not be read, by reason; the rows themselves are in `driftd quarantine list`.
        self.quarantined = self._counter("driftd_quarantined", "Messages that could not be read, by reason.", "model", "reason")
        # Messages between our position and the partition's end as the broker last told; growing means too slow.
        self.lag = self._gauge("driftd_consumer_lag_records", "Messages not read yet.", "topic", "partition")
        # Share of the messages of the last five minutes that could not be read; not a number where none came.
        self.quarantine_share = self._gauge("driftd_quarantine_share", "Share of recent messages not readable.", "model", "stream")
        # When a message was last received.
        self.last_message = self._gauge("driftd_last_message_timestamp_seconds", "When a message was last received.", "model", "stream")
        # Times that messages were lost: retention was faster, the log was cut short, a batch was damaged, the topic was made again.
        self.offset_gaps = self._counter("driftd_offset_gaps", "Times that messages were lost before they could be read.", "reason")
        # Messages lost so, at most (compacted records and transaction markers have offsets too); gaps of unknown size count nothing.
        self.lost_messages = self._counter("driftd_lost_messages", "Messages lost before they could be read, at most.", "reason")
        # Rows counted under the version `(other)`, for a window had more versions than max_versions.
        self.crowded_rows = self._counter("driftd_other_version_rows", "Rows of versions beyond max_versions.", "model")
        # Rows whose ids could not be remembered, beyond dedupe_ids: doubles among them and after them are counted.
        self.undeduplicated = self._counter("driftd_undeduplicated_rows", "Rows whose ids could not be remembered.", "model")
        # Length of a model's windows, to say "three windows behind" in a rule.
        self.window_seconds = self._gauge("driftd_window_seconds", "Length of a model's windows.", "model")
        # Event time reached by all partitions of a model; standing still while messages come means a stuck partition.
        self.watermark_time = self._gauge("driftd_watermark_timestamp_seconds", "Event time reached by all partitions.", "model")
        # Event time of the newest row of a model, as stored: all replicas tell the same. Its age against the clock is the freshness.
        self.newest_time = self._gauge("driftd_newest_row_timestamp_seconds", "Event time of the newest row read.", "model")
        # Checkpoints: committed, or fenced (another replica owns the partition now).
        self.checkpoints = self._counter("driftd_checkpoints", "Checkpoints by outcome.", "outcome")
        self.fenced = self.checkpoints.labels("fenced")
        # When state and offsets were last written.
        self.last_checkpoint = self._gauge("driftd_checkpoint_last_success_timestamp_seconds", "When a checkpoint was last written.")

    def _init_judging(self) -> None:
        # Windows that have their results.
        self.windows_judged = self._counter("driftd_windows_judged", "Windows that have their results.", "model")
        # End (event time) of the last judged window, as every sweep reads it from SQL: all replicas tell the same, whoever judged it.
        # Far behind the watermark means that judging is stuck.
        self.judged_until = self._gauge("driftd_window_last_judged_timestamp_seconds", "End of the last judged window.", "model")
        # Results by verdict; `insufficient` and `error` are never `ok`.
        self.results = self._counter("driftd_results", "Results by verdict.", "model", "check", "verdict")
        # When a window was last judged, by the wall clock; with long windows, see the loop `judge` for whether judging is alive.
        self.evaluated_at = self._gauge("driftd_evaluation_last_success_timestamp_seconds", "When a window was last judged.", "model")
        # The last value of each measure, all rows of the newest version; column is empty for whole-model results.
        self.result_value = self._gauge("driftd_result_value", "The last value of each measure.", "model", "check", "column", "metric")
        # The limit that value was held against.
        self.result_threshold = self._gauge("driftd_result_threshold", "The limit of each measure.", "model", "check", "column", "metric")
        # Measures not exported, because there are more than MAX_RESULT_SERIES.
        self.series_dropped = self._gauge("driftd_result_series_dropped", "1 when some measures are not exported.")
        # 1 for the state of a model's open incident, 0 for every other state; read from SQL at each scrape, so all replicas tell the same.
        self.incident_state = self._gauge("driftd_incident_state", "1 for the state of a model's open incident.", "model", "state")
        # Requests to retrain.
        self.retrainings = self._counter("driftd_retrainings", "Requests to retrain.", "model")
        # Whether retraining helped, as told once for each new version: helped, did not help, unknown (it could not be told in time).
        self.retraining_verdicts = self._counter("driftd_retraining_verdicts", "Whether retraining helped.", "model", "verdict")
        # Pages of incidents: written, failed (the log says why: incident.page; tried three times), empty (there is nothing to show).
        self.incident_pages = self._counter("driftd_incident_pages", "Attempts to write a page of an incident, by outcome.", "outcome")

    def _init_labels(self) -> None:
        # Labels by what became of them: matched with a prediction, revised (another value than before), repeated (nothing new), expired
        # (the prediction never came, or was no longer waited for). Counted by the replica that joined them.
        self.labels = self._counter("driftd_labels", "Labels by what became of them.", "model", "outcome")
        # Predictions whose label had not come label_delay after their window's end; it is not waited for any longer.
        self.unlabelled = self._counter("driftd_unlabelled_predictions", "Predictions whose label never came.", "model")
        # Labels in the store that wait for their prediction; read from SQL at each scrape, so all replicas tell the same.
        self.labels_waiting = self._gauge("driftd_labels_waiting", "Labels that wait for their prediction.", "model")
        # Performance over all rows in the newest window that has it: by labels (estimated="false"), and estimated without them ("true").
        self.performance = self._gauge("driftd_performance_value", "Performance of the newest window.", "model", "metric", "estimated")
        # End (event time) of the newest window whose performance is known, by labels and estimated.
        self.performance_end = self._gauge("driftd_performance_window_end_timestamp_seconds", "Newest such window.", "model", "estimated")
        # Share of the rows of the newest window known by labels that have one; growing with each revision.
        self.labelled_share = self._gauge("driftd_labelled_share", "Share of a window's rows that have a label.", "model")

    def _init_deliveries(self) -> None:
        # Attempts to deliver, by what came of them: sent, postponed (tried again later) or dead (given up).
        self.deliveries = self._counter("driftd_deliveries", "Attempts to deliver, by outcome.", "receiver", "outcome")
        # How long a receiver took to answer.
        self.delivery_seconds = self._histogram("driftd_delivery_duration_seconds", "Duration of an attempt to deliver.", "receiver")
        # Deliveries in the store by state; read from SQL at each scrape, so all replicas tell the same.
        self.outbox = self._gauge("driftd_outbox_deliveries", "Deliveries in the store by state.", "state")
        # When the oldest delivery that still waits was made, of receivers for which one waits; read from SQL at each scrape.
        self.outbox_oldest = self._gauge("driftd_outbox_oldest_timestamp_seconds", "When the oldest waiting delivery was made.", "receiver")

        # 1 while buttons and /driftd work: the websocket to Slack is open. No series where slack.app_token is not configured.
        self.slack_connected = self._gauge("driftd_slack_socket_connected", "1 while the websocket to Slack is open.", "receiver")

    def _init_daemon(self) -> None:
        # The version that runs; always 1.
        self.build_info = self._gauge("driftd_build_info", "The version that runs.", "version")
        # 1 while /readyz says yes.
        self.ready = self._gauge("driftd_ready", "1 while ready.")
        # When each loop last came round.
        self.heartbeat = self._gauge("driftd_loop_heartbeat_timestamp_seconds", "When a loop last came round.", "loop")
        # 1 while the store answered the last scrape.
        self.store_up = self._gauge("driftd_store_up", "1 when the store answered at this scrape.")
        # Transactions that the database took back by itself and that were tried again at once, by why; growing means a contended database.
        self.store_retries = self._counter("driftd_store_retries", "Transactions tried again at once, by why.", "reason")
        # How long each run of a ticking job took.
        self.job_seconds = self._histogram("driftd_job_duration_seconds", "Duration of a run of a job.", "job")
        # Times that a job was due while it still ran: it was left out, as nothing may pile up.
        self.jobs_skipped = self._counter("driftd_job_skipped", "Times that a job was due while it still ran.", "job")
        # Dead-man's pings: sent, failed (no good answer), withheld (due, but no loop-wide progress; the log says why: heartbeat.withheld).
        self.heartbeats = self._counter("driftd_heartbeats", "Dead-man's pings, by outcome.", "outcome")
        # When a dead-man's ping was last sent.
        self.heartbeat_sent = self._gauge("driftd_heartbeat_last_success_timestamp_seconds", "When a dead-man's ping was last sent.")
        # 1 when the configuration file was good at the last reload (or start); 0: the one before is still in force.
        self.config_good = self._gauge("driftd_config_last_reload_successful", "1 when the last reload was good.")
        # When the configuration that is in force was loaded.
        self.config_loaded = self._gauge("driftd_config_last_reload_success_timestamp_seconds", "When the configuration was loaded.")
        # HTTP requests by route (never by raw path) and status.
        self.http_requests = self._counter("driftd_http_requests", "HTTP requests.", "route", "status")
        self.build_info.labels(version=__version__).set(1)

    def declare(self, models: Iterable[Model], receivers: Iterable[str] = ()) -> None:
        """Begin every series of these at 0, so that a rate over its first increase is right."""
        for lost in GapReason:
            self.offset_gaps.labels(str(lost))
            self.lost_messages.labels(str(lost))
        for outcome in CHECKPOINT_OUTCOMES:
            self.checkpoints.labels(outcome)
        for state in OUTBOX_STATES:
            self.outbox.labels(state)
        for reason in STORE_RETRY_REASONS:
            self.store_retries.labels(reason)
        for outcome in HEARTBEAT_OUTCOMES:
            self.heartbeats.labels(outcome)
        for page in PageOutcome:
            self.incident_pages.labels(str(page))
        for receiver in receivers:
            for outcome in DELIVERY_OUTCOMES:
                self.deliveries.labels(receiver, outcome)
        for model in models:
            self._declare_model(model)

    def gap(self, reason: GapReason, messages: int | None) -> None:
        """Messages were lost; None: nobody knows how many."""
        self.offset_gaps.labels(str(reason)).inc()
        self.lost_messages.labels(str(reason)).inc(messages or 0)

    def beyond_bounds(self, crowded: Mapping[str, int], unremembered: Mapping[str, int]) -> None:
        """Rows by model that were counted though a bound was reached."""
        for counter, rows in ((self.crowded_rows, crowded), (self.undeduplicated, unremembered)):
            for model, count in rows.items():
                counter.labels(model).inc(count)

    def _declare_model(self, model: Model) -> None:
        for stream in model.streams:
            for outcome in OUTCOMES:
                self.messages.labels(model.name, str(stream.kind), outcome)
            recent = self._recent.setdefault((model.name, str(stream.kind)), Recent())
            self.quarantine_share.labels(model.name, str(stream.kind)).set_function(recent.share)
        self.window_seconds.labels(model.name).set(model.window.total_seconds())
        for reason in Reason:
            self.quarantined.labels(model.name, str(reason))
        for check in Check:
            for verdict in Verdict:
                self.results.labels(model.name, str(check), str(verdict))
        for told in (*map(str, Helped), UNKNOWN) if model.retraining is not None else ():
            self.retraining_verdicts.labels(model.name, told)
        for outcome in LABEL_OUTCOMES if model.performance is not None else ():
            self.labels.labels(model.name, outcome)
            self.unlabelled.labels(model.name)
        self.set_incident(model.name, None)
        for counter in (self.windows_judged, self.retrainings, self.crowded_rows, self.undeduplicated):
            counter.labels(model.name)

    def store_retried(self, reason: str) -> None:
        """A transaction that the database took back is tried again."""
        self.store_retries.labels(reason).inc()

    def checkpoint_written(self, checkpoint: Checkpoint, lag: Mapping[TopicPartition, int]) -> None:
        """State and offsets are in SQL: count what they hold."""
        self.checkpoints.labels("committed").inc()
        self.last_checkpoint.set(checkpoint.at.timestamp())
        for count in checkpoint.streams:
            self._count_stream(count, checkpoint.at)
        for row in checkpoint.quarantined:
            self.quarantined.labels(row.model, str(row.reason)).inc()
        self.set_lag(lag)

    def _count_stream(self, count: StreamCount, at: datetime) -> None:
        for outcome in OUTCOMES:
            self.messages.labels(count.model, count.stream, outcome).inc(getattr(count, outcome))
        if (count.model, count.stream) in self._recent:
            self._recent[count.model, count.stream].add(count.received, count.quarantined)
        if count.received:
            self.last_message.labels(count.model, count.stream).set(at.timestamp())

    def watermark(self, model: str, mark: datetime | None) -> None:
        """Event time that every partition has reached; None, while that cannot be said, leaves the last one standing."""
        if mark is not None:
            self.watermark_time.labels(model).set(mark.timestamp())

    def newest(self, model: str, time: datetime | None) -> None:
        """Event time of the newest row of a model, by whichever replica; None: none has come yet."""
        if time is not None:
            self.newest_time.labels(model).set(time.timestamp())

    def judged(self, model: str, until: datetime | None) -> None:
        """Event time until which a model's windows are judged, by whichever replica; None: none is yet."""
        if until is not None:
            self.judged_until.labels(model).set(until.timestamp())

    def window_judged(self, judgement: Judgement) -> None:
        """A window has its results in SQL; without results it was only passed over."""
        self.judged(judgement.model, judgement.judged_until)
        if judgement.at is not None:
            self.evaluated_at.labels(judgement.model).set(judgement.at.timestamp())
        if not judgement.results:
            return
        self.windows_judged.labels(judgement.model).inc()
        self.observe_results(judgement.results)
        if judgement.retraining is not None:
            self.retrainings.labels(judgement.model).inc()

    def window_revised(self, revision: Revision) -> None:
        """A judged window has results by labels in SQL; it is no other window judged."""
        self.observe_results(revision.results)
        if revision.retraining is not None:
            self.retrainings.labels(revision.model).inc()

    def retraining_judged(self, model: str, helped: Helped | None) -> None:
        """It was told whether a new version does better; None: that could not be told in time."""
        self.retraining_verdicts.labels(model, UNKNOWN if helped is None else str(helped)).inc()

    def labels_joined(self, model: str, added: LabelAccount) -> None:
        """A round of joining is in SQL: what it added. Labels that wait are not added up, but read at each scrape."""
        for outcome in LABEL_OUTCOMES:
            self.labels.labels(model, outcome).inc(getattr(added, outcome))
        self.unlabelled.labels(model).inc(added.unlabelled)

    def set_labels_waiting(self, model: str, waiting: int) -> None:
        """Labels that wait for their prediction, by whichever replica."""
        self.labels_waiting.labels(model).set(waiting)

    def set_lag(self, lag: Mapping[TopicPartition, int]) -> None:
        """Export the lag of the partitions owned now, and of no others."""
        self.lag.clear()
        for partition, behind in lag.items():
            self.lag.labels(partition.topic, str(partition.partition)).set(behind)

    def set_outbox_oldest(self, oldest: Mapping[str, datetime]) -> None:
        """Export the oldest waiting delivery of each receiver, and nothing of receivers for which none waits."""
        self.outbox_oldest.clear()
        for receiver, made_at in oldest.items():
            self.outbox_oldest.labels(receiver).set(made_at.timestamp())

    def declare_job(self, name: str) -> None:
        """Begin the series of a ticking job."""
        self.job_seconds.labels(name)
        self.jobs_skipped.labels(name)

    def total_lag(self) -> int:
        """Messages not read yet, over the partitions that are ours."""
        return int(sum(sample.value for metric in self.lag.collect() for sample in metric.samples))

    def set_incident(self, model: str, state: IncidentState | None) -> None:
        """Export the state of a model's open incident; None: there is none."""
        for each in IncidentState:
            if each is not IncidentState.RESOLVED:
                self.incident_state.labels(model, str(each)).set(each is state)

    def delivery_attempted(self, receiver: str, outcome: str, seconds: float) -> None:
        """One attempt to deliver: sent, postponed or dead, and how long the receiver took."""
        self.deliveries.labels(receiver, outcome).inc()
        self.delivery_seconds.labels(receiver).observe(seconds)

    def observe_results(self, results: Iterable[Result]) -> None:
        """Count the results of a judged window and export the values over all rows."""
        for result in results:
            self.results.labels(result.model, str(result.check), str(result.verdict)).inc()
            if result.segment == ALL_ROWS:
                self._export(result)
                self._export_performance(result)

    def _export(self, result: Result) -> None:
        key = (result.model, str(result.check), result.column or "", result.metric)
        if not self._is_newest(key, result.window_end):
            return
        self.result_value.labels(*key).set(math.nan if result.value is None else result.value)
        if result.threshold is not None:
            self.result_threshold.labels(*key).set(result.threshold)

    def _export_performance(self, result: Result) -> None:
        """Values alone: what is not known yet leaves the newest window standing that is."""
        if result.check is not Check.PERFORMANCE or result.value is None or only_told(result):
            return
        key = (result.model, result.metric, ESTIMATED if result.estimated else REALISED)
        if not self._is_newest(key, result.window_end):
            return
        self.performance.labels(*key).set(result.value)
        newest = self._newest[key]
        self.performance_end.labels(result.model, key[2]).set(newest.timestamp())
        if not result.estimated and result.labelled is not None and result.rows:
            self.labelled_share.labels(result.model).set(result.labelled / result.rows)

    def _is_newest(self, series: tuple[str, ...], end: datetime) -> bool:
        """Whether a series may show this window: labels bring revisions of old ones. One series too many is none."""
        if series not in self._newest and len(self._newest) >= MAX_RESULT_SERIES:
            self.series_dropped.set(1)
            return False
        if series in self._newest and end < self._newest[series]:
            return False
        self._newest[series] = end
        return True

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(name, text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, *labels: str) -> Histogram:
        return Histogram(name, text, labels, registry=self.registry, buckets=FAST)
