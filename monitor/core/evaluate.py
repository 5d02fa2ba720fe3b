"""Profile × reference → results: what every check says of one closed window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from monitor.core.drift.calibration import alpha_per_window, budget_shares
from monitor.core.drift.multivariate import judge_multivariate
from monitor.core.drift.sampled import needs_samples, unanswered
from monitor.core.drift.verdict import judge_drift, kind_of
from monitor.core.finding import Finding, percent
from monitor.core.gaps import Gap
from monitor.core.labels.predicted import Predicted
from monitor.core.performed import first_look
from monitor.core.profile import Profile
from monitor.core.profile.unmapped import NOTHING, Unmapped
from monitor.core.quality import judge_columns, judge_duplicates, judge_quality
from monitor.core.reference import Reference
from monitor.core.results import ALL_ROWS, OTHER_VERSIONS, Account, Check, Result, Verdict, WindowKey
from monitor.core.rules import DriftRules, Model
from monitor.core.schema import Column, Role
from monitor.core.segments import segment_parts, with_share
from monitor.core.volume import judge_gaps, judge_volume


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One closed window and what it is compared with.

    ``known_versions``: those that have a reference. ``versions``: how many have enough rows in the window; they share the false alarms.
    ``other_rows``: those of the model's other versions in the same window.
    ``unready``: why there is no reference, where more is known than that none was built.
    ``gaps``: what was lost and may belong to it. ``damage``: why it cannot be judged, for something stored cannot be read.
    ``earlier``: what the messages of the version's windows before it held besides, oldest first. ``predicted``: its predictions,
    where performance is watched.
    """

    key: WindowKey
    account: Account
    profile: Profile | None
    reference: Reference | None
    known_versions: tuple[str, ...] = ()
    versions: int = 1
    other_rows: int = 0
    gaps: tuple[Gap, ...] = ()
    damage: str = ""
    unready: str = ""
    earlier: tuple[Unmapped, ...] = ()
    predicted: Predicted | None = None

    @property
    def compared_with(self) -> Reference | None:
        """The reference of all rows, or the part of it that is the segment's."""
        if self.reference is None or self.key.segment == ALL_ROWS:
            return self.reference
        return self.reference.of_segment(*segment_parts(self.key.segment))


def evaluate(subject: Subject, rules: Model, sampled: Sequence[Finding] = ()) -> tuple[Result, ...]:
    """All results of the window, ordered by check, column and metric. The same subject and rules give the same results.

    None of a segment whose column the rules no longer name. ``sampled``: what was found elsewhere of the window's row sample, as far
    as ``asks_of_samples`` said that it is asked.
    """
    if subject.key.segment != ALL_ROWS and segment_parts(subject.key.segment)[0] not in rules.segments:
        return ()
    rules = with_share(rules, subject.key.segment, subject.reference, subject.versions)
    alpha = alpha_per_window(rules.drift.budget, rules.window)
    findings = _judge_columns(subject, rules, sampled)
    if subject.key.segment == ALL_ROWS:
        findings += _judge_whole(subject, rules, alpha)
    findings += first_look(subject.predicted, subject.profile, subject.compared_with, rules, alpha)
    reference = None if subject.reference is None else subject.reference.hash
    ordered = sorted(findings, key=lambda finding: finding.order)
    return tuple(finding.result(subject.key, rows=_rows_of(finding, subject), reference=reference) for finding in ordered)


def _rows_of(finding: Finding, subject: Subject) -> int:
    """How many were looked at: of predictions those alone that are kept, where a sample waits for labels."""
    if finding.check is Check.PERFORMANCE and subject.predicted is not None:
        return len(subject.predicted)
    return subject.account.counted


def _judge_whole(subject: Subject, rules: Model, alpha: float) -> list[Finding]:
    """What all rows together tell. How many of them are in a segment shows in its column's drift."""
    share = alpha * budget_shares(rules)[Check.VOLUME]
    findings = judge_volume(subject.key, subject.account, subject.reference, rules, share, other_rows=subject.other_rows,
                            gaps=subject.gaps)
    findings += [*judge_gaps(subject.gaps), *judge_duplicates(subject.account, rules)]
    if subject.key.version != OTHER_VERSIONS:
        findings += judge_columns(NOTHING if subject.profile is None else subject.profile.unmapped, subject.earlier, rules.quality)
    return [*findings, _too_many_versions(subject, rules)] if subject.key.version == OTHER_VERSIONS else findings


def asks_of_samples(subject: Subject, rules: Model) -> bool:
    """Whether the window can be judged, and something is asked of its row sample; samples are of all rows, not of segments."""
    return subject.key.segment == ALL_ROWS and needs_samples(rules.drift) and not unjudged_of(subject, rules)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How the columns of a window or segment are judged. ``drift`` and ``quality``: the false alarms that each check may raise over all
    columns; ``together``: whether the numeric ones are judged as one, too; ``classified``: whether samples are told apart besides."""

    columns: tuple[Column, ...]
    drift: float
    quality: float
    together: bool
    classified: bool

    @property
    def for_together(self) -> float:
        """The false alarms that the numeric columns together may raise."""
        return self.drift / (len(self.columns) + 1 + self.classified)

    def single(self, together: int) -> float:
        """Those that all columns one by one may raise, where ``together`` findings are of several columns."""
        columns = len(self.columns)
        return self.drift * columns / (columns + together + self.classified) if columns else self.drift


def plan_of(subject: Subject, reference: Reference, rules: Model) -> Plan:
    """``rules``: with the share of the budget that the subject has (``with_share``)."""
    apart = "" if subject.key.segment == ALL_ROWS else segment_parts(subject.key.segment)[0]
    alpha = alpha_per_window(rules.drift.budget, rules.window)
    drift, quality = (alpha * budget_shares(rules)[check] for check in (Check.DRIFT, Check.QUALITY))
    return Plan(columns=tuple(column for column in watched(rules, reference) if column.name != apart), drift=drift, quality=quality,
                together=not apart, classified=rules.drift.domain_classifier and not apart)


def _judge_columns(subject: Subject, rules: Model, sampled: Sequence[Finding]) -> list[Finding]:
    reference, profile = subject.compared_with, subject.profile
    unjudged = unjudged_of(subject, rules)
    if unjudged or reference is None or profile is None:
        return unjudged
    plan = plan_of(subject, reference, rules)
    together = judge_together(plan, profile, reference, rules.drift)
    return [
        *together,
        *judge_drift(plan.columns, profile, reference, rules.drift, plan.single(len(together)), subject.key.start),
        *([*sampled, *unanswered(rules.drift, sampled)] if plan.together else []),
        *judge_quality(plan.columns, profile, reference, rules.quality, plan.quality),
    ]


def unjudged_of(subject: Subject, rules: Model) -> list[Finding]:
    """Why the columns cannot be judged; empty where they can."""
    reference, profile = subject.compared_with, subject.profile
    if subject.damage:
        return _both(Verdict.ERROR, "profile", f"this window could not be judged: {subject.damage}")
    if reference is None:
        return _both(Verdict.SKIPPED, "reference", subject.unready or _missing(subject, rules))
    rows = 0 if profile is None else profile.rows
    if profile is None or rows < max(rules.min_rows, 1):
        few = max(rules.min_rows, 1)
        return _both(Verdict.INSUFFICIENT, "rows", f"{rows:,} rows, fewer than min_rows {few:,}", rows, few)
    if profile.grid != reference.grid:
        grids = f"window on grid {profile.grid.hash[:12]}, reference on {reference.grid.hash[:12]}"
        return _both(Verdict.SKIPPED, "reference", f"the window was counted before this reference came: {grids}")
    return []


def judge_together(plan: Plan, profile: Profile, reference: Reference, rules: DriftRules) -> list[Finding]:
    """The numeric columns together. Who did not ask for it is not told of every window that the reference does not teach it."""
    if not plan.together:
        return []
    if rules.multivariate is None:
        found = [] if rules.tests else judge_multivariate(profile, reference, plan.for_together)
        return [finding for finding in found if finding.verdict is not Verdict.SKIPPED]
    return judge_multivariate(profile, reference, plan.for_together) if rules.multivariate else []


def watched(rules: Model, reference: Reference) -> tuple[Column, ...]:
    """The columns to judge, by name: those of the rules without labels; all of the reference where the rules name none."""
    if rules.columns:
        chosen = [column for column in rules.columns if column.role is not Role.LABEL]
    else:
        chosen = [Column(name=name, kind=kind_of(column)) for name, column in reference.profile.columns.items()]
    return tuple(sorted(chosen, key=lambda column: column.name))


def _too_many_versions(subject: Subject, rules: Model) -> Finding:
    rows = subject.account.counted
    share = rows / max(rows + subject.other_rows, 1)
    said = f"{percent(share)} of the rows: {_crowded(rules)}"
    return Finding(check=Check.QUALITY, column=None, metric="other_versions_share", verdict=Verdict.WARN, reason=said, value=share)


def _crowded(rules: Model) -> str:
    return f"versions beyond max_versions {rules.max_versions:,} of a window are counted together; is an id mapped as the version?"


def _missing(subject: Subject, rules: Model) -> str:
    if subject.reference is not None:
        return f"the reference keeps no profile of {subject.key.segment}: too few rows, or built before the segments were configured"
    if subject.key.version == OTHER_VERSIONS:
        return f"no reference for {OTHER_VERSIONS} of {subject.key.model}: {_crowded(rules)}"
    known = ", ".join(sorted(subject.known_versions)) or "none"
    return f"no reference for version {subject.key.version!r} of {subject.key.model}; versions with one: {known}"


def _both(verdict: Verdict, metric: str, reason: str, value: int | None = None, threshold: int | None = None) -> list[Finding]:
    return [
        Finding(
            check=check,
            column=None,
            metric=metric,
            verdict=verdict,
            reason=reason,
            value=None if value is None else float(value),
            threshold=None if threshold is None else float(threshold),
        )
        for check in (Check.DRIFT, Check.QUALITY)
    ]
