"""Requests to retrain by the API of a known service, or in a shape of people's own."""

from __future__ import annotations

from collections.abc import Mapping

from monitor import __version__
from monitor.core.template import filled, filled_text
from monitor.errors import Permanent, UsageError
from monitor.notify.presets import SERVICES, Call, Order, Service
from monitor.notify.presets.base import json_call
from monitor.notify.transport import Limits, demand_success, post
from monitor.notify.webhook import keys, sign
from monitor.ports import Clock, Delivery, Receipt
from monitor.settings.trainers import TrainerSettings


class Trainer:
    """Places one order at a service that trains. Token and secret are read at each use."""

    def __init__(self, *, name: str, trainer: TrainerSettings, clock: Clock) -> None:
        self.name = name
        self._trainer = trainer
        self._clock = clock
        seconds = trainer.timeout.total_seconds()
        self._limits = Limits(read=seconds, total=seconds, link_local=trainer.allow_link_local)
        self._service = Service(call=templated) if trainer.preset is None else SERVICES[trainer.preset]

    def send(self, delivery: Delivery) -> Receipt:
        """Send it once. Raises Retryable or Permanent; neither tells URL, token or secret."""
        now = self._clock.now()
        call = self._call(delivery)
        headers = {"user-agent": f"driftd/{__version__}", **call.headers, **self._signature(delivery, int(now.timestamp()), call.content)}
        answer = post(call.url, content=call.content, headers=headers, limits=self._limits, method=call.method)
        if answer.status in self._service.known:
            return Receipt(detail=f"answered {answer.status}: it is there already")
        demand_success(answer, f"the trainer {self.name}", now)
        if refused := self._service.refused(answer.body):
            raise Permanent(f"the trainer {self.name} answered {answer.status}, but started nothing: {refused}")
        return Receipt(detail=f"answered {answer.status}")

    def close(self) -> None:
        """Nothing is held open between messages."""

    def _call(self, delivery: Delivery) -> Call:
        data = delivery.body.get("data")
        if not isinstance(data, Mapping) or not data.get("id"):
            raise Permanent("stored body is no request to retrain")
        token = "" if self._trainer.token is None else self._trainer.token.read()
        if not token.isascii() or not token.isprintable():
            raise Permanent(f"the token of {self.name} is none: expected printable ASCII characters")
        return self._service.call(Order(trainer=self._trainer, data=data, token=token))

    def _signature(self, delivery: Delivery, timestamp: int, content: bytes) -> Mapping[str, str]:
        """Standard Webhooks' three headers, where a secret is given beside a template."""
        if self._trainer.secret is None:
            return {}
        signature = sign(keys(self._trainer.secret.read()), delivery.id, timestamp, content)
        return {"webhook-id": delivery.id, "webhook-timestamp": str(timestamp), "webhook-signature": signature}


def templated(order: Order) -> Call:
    """The call that a template makes of an order. Raises Permanent where a header would hold what none can."""
    template = order.trainer.template
    if template is None:
        raise ValueError("neither preset nor template")  # ``load_settings`` has refused such a file
    body: object = order.data if template.body is None else filled(template.body, order.values)
    headers = {name: _header(value, {**order.values, "token": order.token}) for name, value in template.headers.items()}
    call = json_call(order.at(), body, headers)
    return Call(url=call.url, content=call.content, headers=call.headers, method=template.method)


def _header(template: str, values: Mapping[str, object]) -> str:
    """What comes from a log may hold anything; a header may not."""
    try:
        value = filled_text(template, values)
    except UsageError as error:
        raise Permanent(str(error)) from None
    return "".join(character if character.isascii() and character.isprintable() else "?" for character in value)
