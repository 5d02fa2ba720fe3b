"""Messages that came more than once."""

from __future__ import annotations

from monitor.core.finding import Finding, percent
from monitor.core.results import Account, Check, Verdict
from monitor.core.rules import Model, Switch

WARN_DUPLICATES, ALERT_DUPLICATES = 0.01, 0.10  # shares of the messages received: doubles are dropped, so a few do no harm


def judge_duplicates(account: Account, rules: Model) -> list[Finding]:
    """The share of the window's messages whose id had been counted; nothing where ids are not compared.

    No reference knows it, since files hold no deliveries: ``auto`` is the two fixed shares, for all models alike.
    """
    limit = rules.quality.max_duplicate_share
    if not rules.dedupe or limit is Switch.OFF or not account.received:
        return []
    share = account.duplicate / account.received
    verdict, threshold = _verdict(share, limit)
    if verdict in (Verdict.WARN, Verdict.ALERT) and account.received < rules.min_rows:
        verdict = Verdict.INSUFFICIENT
    return [
        Finding(
            check=Check.QUALITY,
            column=None,
            metric="duplicate_share",
            verdict=verdict,
            reason=f"{percent(share)} of {account.received:,} messages came before under the same id, limit {percent(threshold)}",
            value=share,
            threshold=threshold,
        )
    ]


def _verdict(share: float, limit: float | None) -> tuple[Verdict, float]:
    if limit is not None:
        return Verdict.ALERT if share > limit else Verdict.OK, limit
    if share > ALERT_DUPLICATES:
        return Verdict.ALERT, ALERT_DUPLICATES
    return Verdict.WARN if share > WARN_DUPLICATES else Verdict.OK, WARN_DUPLICATES
