"""Argo Events: a webhook event source, which takes any JSON. Nothing keeps it from running twice: the id goes along."""

from __future__ import annotations

from monitor.notify.presets.base import Call, Order, Service, json_call


def _call(order: Order) -> Call:
    """POST to the event source's endpoint; the token is that of its ``authSecret``."""
    return json_call(order.at(), order.parameters, order.bearer())


SERVICE = Service(call=_call)
