"""Socket Mode: Slack's clicks and commands come over a websocket that we open, so nobody has to reach us.

Two threads. One holds the link: it acknowledges each envelope at once, within the three seconds that Slack waits, and hands it on. The
other does what is wanted, with the store; that it hangs holds up no acknowledgement. Neither has a part in judging.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from monitor.errors import DecodeError, Permanent, Retryable
from monitor.health import Health
from monitor.log import Action, logger, redact
from monitor.metrics import Metrics
from monitor.notify import slack_command
from monitor.notify.backoff import fraction
from monitor.notify.slack_answer import Answers
from monitor.notify.slack_api import SlackApi, SlackError
from monitor.notify.slack_buttons import edited
from monitor.notify.slack_clicks import ClickDesk, answer
from monitor.notify.slack_command import Questions
from monitor.notify.slack_envelope import Click, Command, Envelope, Goodbye, Hello, envelope_of, read
from monitor.notify.slack_link import Closed, Link, open_link
from monitor.ports import Clock
from monitor.settings.block import host_of
from monitor.settings.receivers import SlackSettings, is_loopback

SHORTEST, LONGEST = timedelta(seconds=1), timedelta(minutes=1)
"""The wait after a link that could not be opened or did not last; doubled each time. Slack allows 50 openings a minute."""
HOPELESS = timedelta(minutes=5)
"""The wait where only a person can mend it: a token may be changed in its file meanwhile."""
JITTER = 0.2
LASTED = timedelta(minutes=1)
"""A link that held for so long was a good one: the next wait is short again."""
LOOK_SECONDS = 1.0
STOP_SECONDS = 2.0
"""What was acknowledged is done before the end, where that takes no longer."""
ANSWER_SECONDS = 5.0
"""An answer may take no longer, nor longer than ``slack.timeout``: other people's clicks wait behind it."""
NAME = "slack socket"
NOT_NOW = "That could not be done now: the database does not answer. Look at the incident, and try again in a moment."

ADVICE = {
    "not_allowed_token_type": "slack.app_token is no app-level token: it begins with xapp-",
    "missing_scope": "the app-level token lacks the scope connections:write",
    "forbidden_team": "the app is not allowed in this workspace",
}
DISTURBED = frozenset({"link_disabled", "too_many_websockets"})
"""Goodbyes after which calling again at once is of no use: Socket Mode is off, or ten connections are open already."""

log = logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """``hello``: a link on which nothing was said for so long after it was opened is none.

    ``waiting``: clicks and commands that wait to be done; what comes beyond is not acknowledged, and Slack says so to who clicked.
    """

    hello: timedelta = timedelta(seconds=10)
    waiting: int = 100


BOUNDS = Bounds()


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """How Slack is reached. ``plain``: without TLS, which only test servers are."""

    slack: SlackSettings

    @property
    def plain(self) -> bool:
        """Whether ws:// may be used."""
        scheme, host = host_of(self.slack.api_url)
        return scheme == "http" and (is_loopback(host) or self.slack.insecure)

    def websocket(self, clock: Clock) -> str:
        """Ask for the URL of a new link; it bears a ticket, good once. Raises Retryable or Permanent."""
        if self.slack.app_token is None:
            raise ValueError("slack has no app_token")
        api = SlackApi(token=self.slack.app_token.read(), api_url=self.slack.api_url, timeout=self.slack.timeout.total_seconds(),
                       now=clock.now(), link_local=self.slack.allow_link_local)
        try:
            url = api.do("api_call", api_method="apps.connections.open").get("url")
        except SlackError as error:
            raise Permanent(f"Slack refused apps.connections.open: {error.error}" + _advice(error.error)) from None
        if not isinstance(url, str):
            raise Retryable("Slack's apps.connections.open told no URL")
        return url


def connection_test(slack: SlackSettings, clock: Clock) -> str:
    """Ask Slack whether the app's token opens links; none is opened. Raises Retryable or Permanent."""
    Address(slack=slack).websocket(clock)
    return "Socket Mode is on, and the app-level token opens connections"


def pause(failures: int, retry_after: float | None, seed: str, *, hopeless: bool = False) -> timedelta:
    """The wait after so many failures in a row (from 1), never shorter than what Slack asks for, and longer by up to a fifth."""
    grown = HOPELESS if hopeless else min(SHORTEST * 2 ** min(failures - 1, 10), LONGEST)
    asked = timedelta(seconds=min(retry_after or 0.0, HOPELESS.total_seconds()))
    return max(grown, asked) * (1 + JITTER * fraction(seed, failures))


class SlackSocket:
    """Holds the link and does what comes over it. ``owner`` spreads replicas' waits.

    No failure of Slack's or of the store's ends it; a fault of ours does, and ``failed`` carries it: the daemon stops with it.
    """

    def __init__(self, *, slack: SlackSettings, desk: ClickDesk, questions: Questions, clock: Clock, health: Health, metrics: Metrics,
                 owner: str, bounds: Bounds = BOUNDS) -> None:
        self._address = Address(slack=slack)
        self._answers = Answers(api_url=slack.api_url, timeout=min(slack.timeout.total_seconds(), ANSWER_SECONDS),
                                link_local=slack.allow_link_local)
        self._desk = desk
        self._questions = questions
        self._clock = clock
        self._health = health
        self._gauge = metrics.slack_connected.labels("slack")
        self._owner = owner
        self._link_local = slack.allow_link_local
        self._ended = threading.Event()
        self._work: queue.Queue[Click | Command] = queue.Queue(bounds.waiting)
        self._hello = bounds.hello.total_seconds()
        self._link: Link | None = None
        self._trouble = ""
        self._holding = threading.Thread(target=self._guarded, args=(self._hold,), name="slack-socket", daemon=True)
        self._doing = threading.Thread(target=self._guarded, args=(self._do,), name="slack-clicks", daemon=True)
        self.failed: BaseException | None = None
        self._tell(connected=False, said="not connected yet")

    def start(self) -> None:
        """Begin to listen."""
        self._holding.start()
        self._doing.start()

    def close(self) -> None:
        """Listen no more; what was acknowledged is done first, for a moment. What hangs is left behind."""
        self._ended.set()
        link = self._link
        if link is not None:
            link.close()
        ends = self._clock.monotonic() + STOP_SECONDS
        for thread in (self._holding, self._doing):
            if thread.is_alive():
                thread.join(max(ends - self._clock.monotonic(), 0.0))

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:  # the thread's end: kept for the main loop, which stops on it
            self.failed = self.failed or error
            log.error("listening to Slack died", action=Action.SLACK_DISCONNECTED, detail=redact(repr(error)))
            self._tell(connected=False, said=f"died: {type(error).__name__}")

    # --- the link --------------------------------------------------------------------------------------------

    def _hold(self) -> None:
        """A link after the other, for ever. The old one is closed when the new one says hello: nothing is lost between."""
        failures = 0
        while not self._ended.is_set():
            opened = self._clock.monotonic()
            why, retry_after, hopeless = "", None, False
            try:
                why = self._session()
            except (Retryable, Permanent) as error:
                why, hopeless = redact(str(error)), isinstance(error, Permanent)
                retry_after = error.retry_after if isinstance(error, Retryable) else None
                self._drop()
            lasted = self._clock.monotonic() - opened >= LASTED.total_seconds()
            failures = 0 if lasted else failures + 1
            if self._ended.is_set() or (lasted and not why):
                continue
            wait = pause(max(failures, 1), retry_after, self._owner, hopeless=hopeless)
            if not why and failures > 1:  # the old link would not be read for as long as we wait
                self._drop()
                why = "Slack asks for a new connection as soon as there is one"
            if why:
                self._lost(why, wait)
            self._ended.wait(wait.total_seconds())
        self._drop()

    def _session(self) -> str:
        """From opening a link to its end; why it ended, empty where the next one may be opened at once. Raises Retryable or Permanent."""
        url = self._address.websocket(self._clock)
        link, before = open_link(url, plain=self._address.plain, link_local=self._link_local), self._link
        self._link = link
        if self._ended.is_set():  # between a close() and here
            return ""
        try:
            return self._listen(link, before)
        except Closed as error:
            self._drop()
            return str(error)
        finally:
            if before is not None:
                before.close()

    def _listen(self, link: Link, before: Link | None) -> str:
        """Until it is over. Raises Closed; Retryable where Slack says no hello."""
        opened, greeted = self._clock.monotonic(), False
        while not self._ended.is_set():
            frame = link.receive(LOOK_SECONDS)
            if frame is None:
                if not greeted and self._clock.monotonic() - opened > self._hello:
                    raise Retryable("Slack's websocket was opened, and nothing was said on it")
                continue
            envelope = self._read(link, frame)
            if isinstance(envelope, Hello):
                greeted = True
                self._greeted(envelope, before)
                before = None
            elif isinstance(envelope, Goodbye):
                log.info("Slack closes the websocket", action=Action.SLACK_DISCONNECTED, detail=envelope.reason)
                if envelope.reason not in DISTURBED and greeted:
                    return ""
                self._drop()
                return f"Slack said goodbye: {envelope.reason}"
        return ""

    def _read(self, link: Link, frame: str | bytes) -> Envelope | None:
        """Acknowledge it and hand it on. What cannot be read is acknowledged, too: it would come again as it is. Raises Closed."""
        try:
            envelope = read(frame)
        except DecodeError as error:
            log.warning("a frame of Slack's was not understood", action=Action.SLACK_CLICKED, detail=str(error))
            id = envelope_of(frame)
            if id is not None:
                link.acknowledge(id)
            return None
        if isinstance(envelope, Hello | Goodbye):
            return envelope
        if isinstance(envelope, Click | Command) and self._work.full():
            log.error("too much waits to be done for Slack: not taken", action=Action.SLACK_CLICKED, waiting=self._work.maxsize)
            return None
        if envelope.envelope:
            link.acknowledge(envelope.envelope)
        if isinstance(envelope, Click | Command):
            self._work.put_nowait(envelope)
        return envelope

    def _greeted(self, hello: Hello, before: Link | None) -> None:
        log.info("connected to Slack", action=Action.SLACK_CONNECTED, connections=hello.connections)
        self._trouble = ""
        self._tell(connected=True, said="connected")
        if before is not None:
            self._rest(before)

    def _rest(self, before: Link) -> None:
        """What has come over the old link meanwhile, and its end."""
        try:
            while (frame := before.receive(0)) is not None:
                self._read(before, frame)
        except Closed:
            pass  # as it said it would
        before.close()

    def _drop(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            link.close()
        self._tell(connected=False, said=self._trouble or "not connected")

    def _lost(self, why: str, wait: timedelta) -> None:
        """Told once for each reason, and shown for as long as it lasts."""
        if why != self._trouble:
            log.warning("not connected to Slack: buttons and /driftd do nothing; it is tried on and on", action=Action.SLACK_DISCONNECTED,
                        detail=why, wait_seconds=round(wait.total_seconds(), 1))
        self._trouble = why
        self._tell(connected=False, said=why)

    def _tell(self, *, connected: bool, said: str) -> None:
        self._gauge.set(connected)
        self._health.tell(NAME, said)

    # --- what comes over it ----------------------------------------------------------------------------------

    def _do(self) -> None:
        while not (self._ended.is_set() and self._work.empty()):
            try:
                wanted = self._work.get(timeout=LOOK_SECONDS / 4)
            except queue.Empty:
                continue
            self._done(wanted)

    def _done(self, wanted: Click | Command) -> None:
        """No failure of the store's or of Slack's ends this. What may be done is told first: it stands whether or not it is shown."""
        try:
            if isinstance(wanted, Command):
                self._tried(wanted, partial(self._answers.reply, wanted.answer_to, slack_command.reply(self._questions, wanted)))
                return
            done = answer(self._desk, wanted)
        except (Retryable, Permanent) as error:
            log.warning("what was wanted by Slack could not be done", action=Action.SLACK_CLICKED, by=str(wanted.person),
                        detail=redact(str(error)))
            self._tried(wanted, partial(self._answers.say, wanted.answer_to, NOT_NOW))
            return
        if done is None:
            return
        self._tried(wanted, partial(self._answers.say, wanted.answer_to, done.said))
        message = None if done.under is None else edited(wanted.message, done.under)
        if message is not None:
            self._tried(wanted, partial(self._answers.replace, wanted.answer_to, message))

    def _tried(self, wanted: Click | Command, tell: Callable[[datetime], None]) -> None:
        """Tell it to Slack, twice at most; where that fails, the log has it and the store what was done."""
        for left in (1, 0):
            try:
                tell(self._clock.now())
            except (Retryable, Permanent) as error:
                if left and isinstance(error, Retryable):
                    continue
                log.warning("an answer was not told in Slack", action=Action.SLACK_CLICKED, by=str(wanted.person),
                            detail=redact(str(error)))
            return


def _advice(error: str) -> str:
    return f" ({ADVICE[error]})" if error in ADVICE else ""
