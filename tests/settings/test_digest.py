"""When the digest is told, to whom, and when many incidents are one message."""

from __future__ import annotations

from datetime import time, timedelta
from pathlib import Path

import pytest

from monitor.errors import SettingsError
from monitor.notify import grouping_of
from monitor.settings import Settings, load_settings

REST = """
kafka: {bootstrap_servers: "a:1"}
models: {m: {task: binary, window: 1h, streams: {predictions: {topic: p, time: ts, prediction: late}}, columns: {x: numeric}}}
"""
SLACK = "slack: {token: xoxb-1, channel: c}\n"


def loaded(folder: Path, text: str) -> Settings:
    path = folder / "driftd.yaml"
    path.write_text(text + REST)
    return load_settings(path)


def test_left_out_it_is_told_in_the_morning_to_all_that_tell_people(tmp_path: Path) -> None:
    settings = loaded(tmp_path, SLACK)
    assert settings.digest is not None
    assert (settings.digest.clock, str(settings.digest.zone), settings.digest_receivers()) == (time(8), "UTC", ("slack",))
    assert loaded(tmp_path, "").digest_receivers() == ()


def test_off_it_is_never_told(tmp_path: Path) -> None:
    settings = loaded(tmp_path, SLACK + "digest: off\n")
    assert (settings.digest, settings.digest_receivers()) == (None, ())


def test_time_zone_and_receivers_are_those_given(tmp_path: Path) -> None:
    settings = loaded(tmp_path, SLACK + 'digest: {at: "7:45", timezone: Europe/Berlin, receivers: slack}\n')
    assert settings.digest is not None
    assert (settings.digest.clock, str(settings.digest.zone), settings.digest_receivers()) == (time(7, 45), "Europe/Berlin", ("slack",))


def test_what_takes_incidents_alone_gets_no_digest_and_cannot_be_asked_to(tmp_path: Path) -> None:
    pager = SLACK + "receivers: {pager: {pagerduty: {routing_key: k}}, am: {alertmanager: {url: http://localhost:9093}}}\n"
    assert loaded(tmp_path, pager).digest_receivers() == ("slack",)
    with pytest.raises(SettingsError, match=r'digest\.receivers\[1\]: "pager" takes incidents alone, and no digest'):
        loaded(tmp_path, pager + "digest: {receivers: [slack, pager]}\n")


@pytest.mark.parametrize("at", ["24:00", "8", "08:60", "morning", "08:00:00"])
def test_what_is_no_time_of_day_is_refused(tmp_path: Path, at: str) -> None:
    with pytest.raises(SettingsError, match=r"digest\.at: .* is not a time of day"):
        loaded(tmp_path, f'digest: {{at: "{at}"}}\n')


def test_only_off_and_a_mapping_are_a_digest(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"digest: "):
        loaded(tmp_path, "digest: never\n")


def test_incidents_are_grouped_as_the_receiver_is_told(tmp_path: Path) -> None:
    rules = []
    for more in ("", ", group_wait: 0s, group_at: 20", ", group_at: off"):
        slack = loaded(tmp_path, f"slack: {{token: xoxb-1, channel: c{more}}}\n").slack
        assert slack is not None
        rules.append(grouping_of(slack))
    assert [rule and (rule.wait, rule.at) for rule in rules] == [(timedelta(seconds=10), 5), (timedelta(0), 20), None]
