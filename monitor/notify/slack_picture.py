"""A picture into an incident's thread: painted, sent to the address that Slack gives for it, then put where it belongs.

Slack has no key that makes an upload happen once: the name of the file bears the delivery's id, and is looked for before a resend.
"""

from __future__ import annotations

from monitor.core.messages import from_body
from monitor.core.picture import Picture
from monitor.errors import DecodeError, Permanent, Retryable
from monitor.notify.slack_api import SlackApi
from monitor.notify.slack_message import clip, one_line
from monitor.notify.slack_search import Search
from monitor.ports import Delivery, Painter, Receipt

MOST_ATTEMPTS = 5
"""Within about ten minutes: by then the words have been read, and a picture that comes a day later helps nobody."""
MOST_BYTES = 2 * 2**20
"""A picture is a twentieth of it."""
TITLE, ALT_TEXT = 200, 1000
"""Characters; Slack refuses a longer description (alt_txt_too_large)."""


def send_picture(api: SlackApi, search: Search, delivery: Delivery, first: tuple[str, str] | None, painter: Painter | None) -> Receipt:
    """Paint it and put it into the thread that ``first`` began. Raises Permanent, and Retryable a few times."""
    try:
        return _sent(api, search, delivery, first, painter)
    except Retryable as error:
        if delivery.attempts + 1 >= MOST_ATTEMPTS:
            raise Permanent(f"given up after {MOST_ATTEMPTS} attempts, as pictures are: {error}") from None
        raise


def _sent(api: SlackApi, search: Search, delivery: Delivery, first: tuple[str, str] | None, painter: Painter | None) -> Receipt:
    if first is None:
        raise Permanent("the incident has no message whose thread could take the picture")
    if painter is None:
        raise Permanent("pictures are turned off (slack.pictures)")
    try:
        picture = from_body(delivery.body, Picture)
    except DecodeError as error:
        raise Permanent(str(error)) from None
    channel, ts = first
    name = file_name(delivery)
    if search.file_in_thread(channel, ts, name):
        return Receipt(detail="put there by an earlier attempt")
    png = api.wait_for(lambda: painter.paint(picture))
    if len(png) > MOST_BYTES:
        raise Permanent(f"the picture has {len(png):,} bytes, more than {MOST_BYTES:,}")
    upload(api, png, name, picture, channel, ts)
    return Receipt(detail=f"a picture of {len(png):,} bytes in the thread")


def upload(api: SlackApi, png: bytes, name: str, picture: Picture, channel: str, ts: str) -> None:
    """The three calls. Raises Retryable and Permanent."""
    asked = api.do("files_getUploadURLExternal", filename=name, length=len(png), alt_txt=description(picture))
    url, file = asked.get("upload_url"), asked.get("file_id")
    if not isinstance(url, str) or not isinstance(file, str):
        raise Retryable("Slack's answer has no address for the file: something stands between")
    api.upload(url, png)
    title = clip(one_line(f"Window {picture.window}"), TITLE)
    api.do("files_completeUploadExternal", files=[{"id": file, "title": title}], channel_id=channel, thread_ts=ts)


def file_name(delivery: Delivery) -> str:
    """Bears the delivery's id."""
    return f"driftd-{delivery.id}.png"


def description(picture: Picture) -> str:
    """What it shows, for those who cannot see it."""
    columns = [f"{bars.column}: {bars.sentence}" for bars in picture.columns]
    course = [] if picture.course is None else [picture.course.title]
    return clip(one_line("; ".join([picture.title, *columns, *course])), ALT_TEXT)
