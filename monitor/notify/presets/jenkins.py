"""Jenkins: a build with parameters. An API token needs no crumb; parameters that the job does not declare are passed over."""

from __future__ import annotations

from urllib.parse import urlencode

from monitor.notify.presets.base import Call, Order, Service


def _call(order: Order) -> Call:
    """POST /job/{folder}/job/{name}/buildWithParameters; answers 201 with the place in the queue."""
    steps = [step for name in (order.trainer.job or "").strip("/").split("/") for step in ("job", name)]
    headers = {"content-type": "application/x-www-form-urlencoded", **order.basic(order.trainer.user or "")}
    return Call(url=order.at(*steps, "buildWithParameters"), content=urlencode(order.texts).encode(), headers=headers)


SERVICE = Service(call=_call)
