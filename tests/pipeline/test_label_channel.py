"""The stream of labels: what is kept of it, and what is put away."""

from datetime import UTC, datetime, timedelta

from monitor.core.rules import Model, PerformanceRules, Stream, StreamKind, Task
from monitor.core.schema import CategoricalValues, Column, Kind, Role
from monitor.doubles.store import MemoryStore
from monitor.pipeline.labelchannel import LabelChannel
from monitor.ports import TopicPartition
from tests.formats.test_json_rows import Message

LABELS = Stream(kind=StreamKind.LABELS, topic="l", id="id", time="ts",
                columns=(Column(name="out", kind=Kind.CATEGORICAL, role=Role.LABEL, path="out"),))
MODEL = Model(
    name="m", task=Task.BINARY, window=timedelta(hours=1), allowed_lateness=timedelta(0), min_rows=1, dedupe=False, streams=(LABELS,),
    columns=(), performance=PerformanceRules(metrics=("f1",), max_drop=0.1, label_delay=timedelta(hours=1)),
)  # fmt: skip


def test_labels_are_kept_under_the_spelling_of_predictions_and_what_is_none_is_quarantined() -> None:
    channel, partition, store = LabelChannel(MODEL, LABELS), TopicPartition(topic="l", partition=0), MemoryStore()
    channel.assign(partition, None, store)
    written = ["true", "0", "null", "[]", '"False"']
    records = [Message(f'{{"id": {i}, "ts": 1709290800, "out": {text}}}'.encode(), offset=i) for i, text in enumerate(written)]
    channel.take(partition, records, datetime(2024, 3, 1, 12, tzinfo=UTC))
    gained = channel.drain()
    values = gained.labels[0].labels.values
    assert isinstance(values, CategoricalValues)
    assert [values.dictionary[code] for code in values.codes] == ["1", "0", "0"]
    assert [(one.offset, one.reason) for one in gained.quarantined] == [(2, "missing_label"), (3, "bad_label")]
    assert (gained.streams[0].received, gained.streams[0].counted, gained.streams[0].quarantined) == (5, 3, 2)
