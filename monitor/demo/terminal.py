"""What the demo prints: numbered steps, one line a week, and each message in a box."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic
from typing import Any

from rich.box import ROUNDED
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.text import Text

from monitor.core.results import Verdict
from monitor.demo.page import SeenIncident
from monitor.demo.scenario import DAY, RealEvent, Scenario
from monitor.demo.slack_server import SlackPost
from monitor.demo.story import Outcome, Week, is_injected, is_over, was_told, worst_performance
from monitor.demo.webhook_server import WebhookCall

RESULTS = ("results", "metrics")
"""Lists of a request that are too long to be shown."""

WIDTH_OF_PIPES = 110
"""Columns where the output is no terminal."""

LINK = re.compile(r"<(https?://[^|>]+)\|([^>]*)>")
"""A link in Slack's mrkdwn: address, then text."""

STYLES: Mapping[Verdict, str] = {Verdict.ALERT: "bold red", Verdict.WARN: "yellow", Verdict.ERROR: "bold red"}


@dataclass(slots=True)
class Note:
    """What a step has to say when it is done."""

    text: str = ""


class Terminal:
    """Prints from any thread; colours and spinners only where there is a terminal."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(width=None if os.isatty(1) else WIDTH_OF_PIPES, highlight=False, soft_wrap=False)
        self._began = monotonic()
        self._steps = 0

    def say(self, text: RenderableType = "") -> None:
        """One paragraph."""
        self.console.print(text)

    @contextmanager
    def step(self, title: str) -> Iterator[Note]:
        """A numbered step: a spinner while it goes on, a line with the elapsed seconds when it is done."""
        self._steps += 1
        note = Note()
        with self.console.status(f"{title} …"):
            yield note
        self._timed(Text.assemble((f"{self._steps}. {title}", "bold"), ("  " + note.text) if note.text else ""))

    def week(self, week: Week, scenario: Scenario) -> None:
        """One line: when, how much, and what the checks made of it; then what is known of an alerting day."""
        days = f"{len(week.days)} day" + "s" * (len(week.days) > 1)
        self._timed(Text.assemble(f"   {week.span:<19}{days:>7}{week.flights:>8,} flights   ", verdict_of(week)))
        for event in scenario.real_events:
            if any(event.day <= day.start <= event.last for day in week.alerting):
                self._timed(Text(f"      {event_line(event)}", "dim"))

    def slack(self, post: SlackPost) -> None:
        """A message as a reader of the channel would see it; a change of an earlier one in a line."""
        lines = slack_lines(post.body)
        if post.edits:
            self._timed(Text(f"   Slack: the incident's first message now says: {lines[0] if lines else post.text}", "dim"))
            return
        if post.body.get("files"):
            self._timed(Text(f"   Slack: {'; '.join(lines)} in the incident's thread", "dim"))
            return
        where = "in the incident's thread" if post.thread_ts else post.channel
        self._box(f"Slack {where}", Group(*(Text(line, style="bold" if n == 0 else "") for n, line in enumerate(lines))))

    def webhook(self, call: WebhookCall) -> None:
        """A webhook as its receiver got it."""
        signed = Text("signature valid", "green") if call.signed else Text("signature WRONG", "bold red")
        self._box("Webhook: please retrain", Group(Text(f"webhook-id: {call.id}"), signed, Text(webhook_text(call), style="dim")))

    def note(self, text: str) -> None:
        """A line of its own, with the time."""
        self._timed(Text(f"   {text}", "cyan"))

    def summary(self, outcome: Outcome, missing: Iterable[str]) -> None:
        """The end of it: what was produced, counted, found and told; then what is missing, if anything."""
        self.say()
        self._timed(Text("Summary", "bold"))
        for line in summary_lines(outcome):
            self.say(f"   {line}")
        for line in missing:
            self.say(Text(f"   ✗ {line}", "bold red"))

    def _timed(self, text: Text) -> None:
        self.console.print(Text.assemble((f"{monotonic() - self._began:6.1f} s  ", "dim"), text))

    def _box(self, title: str, content: RenderableType) -> None:
        self.console.print(Panel(content, title=title, title_align="left", box=ROUNDED, padding=(0, 1), width=min(100, self.console.width)))


def verdict_of(week: Week) -> Text:
    """``quiet``, or on how many days which columns alerted."""
    if week.alerting:
        noun = "day alerts" if len(week.alerting) == 1 else "days alert"
        return Text(f"{len(week.alerting)} {noun}: {', '.join(week.columns) or 'the whole model'}", STYLES[Verdict.ALERT])
    worst = next((day for day in week.days if day.verdict is not Verdict.OK), None)
    if worst is not None and worst.verdict is Verdict.INSUFFICIENT:
        return Text("quiet, as far as so few rows of each version tell", "green")
    return Text("quiet", "green") if worst is None else Text(str(worst.verdict), STYLES.get(worst.verdict, ""))


def event_line(event: RealEvent) -> str:
    """What is known of the days that alert though nothing was injected."""
    if event.days == 1:
        return f"{event.day:%-d %B}: {event.what} (real, not injected); one odd day opens no incident"
    first = f"{event.day:%-d}" if event.day.month == event.last.month else f"{event.day:%-d %B}"
    return f"{first}–{event.last:%-d %B}: {event.what} (real, not injected)"


def summary_lines(outcome: Outcome) -> Iterator[str]:
    """Plain sentences about the outcome."""
    scenario = outcome.scenario
    yield f"{outcome.produced:,} flights produced, {outcome.counted:,} counted in {len(outcome.days)} daily windows"
    alerting = [day for day in outcome.days if day.verdict is Verdict.ALERT]
    faulty = [day for day in alerting if day.start in scenario.fault_days()]
    yield f"{len(faulty)} of {len(scenario.fault_days())} faulty days alert, {len(alerting) - len(faulty)} of the {_quiet(scenario)} others"
    if outcome.labels:
        yield f"{outcome.labelled:,} of {outcome.counted:,} predictions labelled; the other flights never arrived"
    for day, worst in worst_performance(outcome.days):
        origin = "the injected fault" if day.start in scenario.fault_days() else "not injected"
        interval = "" if worst.low is None or worst.high is None else f" [{worst.low:.2f}, {worst.high:.2f}]"
        yield f"    worst {worst.metric}: {worst.value:.2f}{interval} on {day.start:%-d %B} ({origin})"
    for incident in outcome.incidents:
        origin = "the injected fault" if is_injected(incident, scenario) else "not injected: something in the real data"
        yield f"incident from {incident.since:%-d %B}, {_end(incident)} ({origin})"
        yield f"    {incident.cause}"
    asked = len(outcome.retrainings)
    yield f"{asked} retraining{'s' * (asked != 1)} asked for"
    for each in outcome.retrainings:
        version = f", version {each.new_version}" if each.new_version else ""
        yield f"    asked on {each.requested_at - DAY:%-d %B}: {each.state}{version}"
        if each.verdict:
            yield f"    {each.verdict}"


def _end(incident: SeenIncident) -> str:
    """``resolved by 9 April``: the last day that was judged for it."""
    if not is_over(incident) or incident.resolved_at is None:
        return incident.state
    word = "resolved" if was_told(incident) else "over before anybody was told,"
    return f"{word} by {incident.resolved_at - DAY:%-d %B}"


def _quiet(scenario: Scenario) -> int:
    return scenario.days - len(scenario.fault_days())


def webhook_text(call: WebhookCall) -> str:
    """The body, indented; of its lists of results only how many there are. As it came where it is no object."""
    fields = call.fields()
    data = fields.get("data")
    if isinstance(data, dict):
        lists = [name for name in RESULTS if isinstance(data.get(name), list)]
        long = {name: f"… {len(data[name])} {name}: window, column, value, threshold, reason" for name in lists}
        fields["data"] = {**data, **long}
    return json.dumps(fields, indent=2, ensure_ascii=False) if fields else call.body


def slack_lines(message: Mapping[str, Any]) -> list[str]:
    """The texts of a message's blocks, in the order of reading; its fallback text where it has none."""
    attached = [block for attachment in message.get("attachments") or () for block in attachment.get("blocks") or ()]
    lines = [line for block in [*(message.get("blocks") or ()), *attached] for line in _block_lines(block)]
    pictures = [f"a picture: {file.get('title')} ({file.get('size', 0) / 1000:,.0f} kB)" for file in message.get("files") or ()]
    return [*lines, *pictures] or str(message.get("text", "")).splitlines()


def _block_lines(block: Mapping[str, Any]) -> Iterator[str]:
    for part in (block.get("text"), *(block.get("fields") or ()), *(block.get("elements") or ())):
        if isinstance(part, Mapping):
            part = part.get("text")
        if isinstance(part, str):
            yield from (LINK.sub(r"\2: \1", line) for line in part.splitlines())
