"""The policy of retraining and who trains, as they are written."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import pytest

from monitor.core.rules import Allowance, Approval, Lasting
from monitor.errors import SettingsError
from monitor.notify import receivers_of
from monitor.notify.trainer import Trainer
from monitor.notify.webhook import Webhook
from monitor.settings import Settings, load_settings
from monitor.settings.trainers import PRESET_KEYS, Preset
from tests.settings.test_settings import loaded, model_text

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
HOOK = "webhook: {url: https://ci.example/x, secret: s}"


def written(tmp_path: Path, text: str, top: str = "") -> Settings:
    return loaded(tmp_path, top + model_text(f"    retraining: {{{text}}}\n"))


def rules(tmp_path: Path, text: str, top: str = ""):
    (model,) = written(tmp_path, f"{HOOK}, {text}", top).models()
    assert model.retraining is not None
    return model.retraining


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("2", Lasting(bad=2, within=2)),
        ("2 windows", Lasting(bad=2, within=2)),
        ("1 window", Lasting(bad=1, within=1)),
        ("3 of 5", Lasting(bad=3, within=5)),
        ("3 of 5 windows", Lasting(bad=3, within=5)),
        ("{windows: 2 of 3}", Lasting(bad=2, within=3)),
    ],
)
def test_how_long_a_check_must_alert_is_written_in_short_or_at_length(tmp_path: Path, said: str, meant: Lasting) -> None:
    assert rules(tmp_path, f"when: {{drift: {said}}}").when == {"drift": meant}


def test_evidence_and_labels_are_asked_for_at_length(tmp_path: Path) -> None:
    said = "{windows: 2 of 3, evidence: realised, min_labelled: 500, min_labelled_share: 0.5}"
    hook = f"    retraining: {{{HOOK}, when: {{performance: {said}}}}}\n"
    (model,) = loaded(tmp_path, model_text(f"    performance: {{metrics: [accuracy], max_drop: 0.1, label_delay: 1d}}\n{hook}")).models()
    assert model.retraining is not None
    assert model.retraining.when["performance"] == Lasting(bad=2, within=3, realised=True, min_labelled=500, min_labelled_share=0.5)


def test_all_of_the_policy_reaches_the_rules(tmp_path: Path) -> None:
    found = rules(
        tmp_path, "when: {drift: 1}, max_age: 90d, cooldown: 2d, budget: 2 per 7d, approval: ask, veto: false, timeout: 3d, "
        "blackout: {every: 'mon-fri 08:00', for: 10h, timezone: Europe/Berlin}", "retraining_budget: 10 per 1d\n",
    )  # fmt: skip
    assert (found.max_age, found.cooldown, found.timeout, found.veto) == (90 * DAY, 2 * DAY, 3 * DAY, False)
    assert (found.budget, found.service_budget) == (Allowance(requests=2, per=7 * DAY), Allowance(requests=10, per=DAY))
    assert found.approval is Approval.ASK
    (hours,) = found.blackout
    assert (hours.days, hours.at, hours.lasts, str(hours.zone)) == (frozenset(range(5)), time(8), 10 * HOUR, "Europe/Berlin")


@pytest.mark.parametrize(
    ("said", "days"),
    [("08:00", range(7)), ("sat,sun 08:00", (5, 6)), ("fri-mon 08:00", (4, 5, 6, 0)), ("Monday 08:00", (0,)),
     ("mon-wed, fri 08:00", (0, 1, 2, 4))],
)
def test_days_are_named_by_ranges_and_lists(tmp_path: Path, said: str, days: tuple[int, ...]) -> None:
    (hours,) = rules(tmp_path, f"when: {{drift: 1}}, blackout: {{every: '{said}', for: 1h}}").blackout
    assert (hours.days, hours.zone) == (frozenset(days), UTC)
    assert hours.covers(datetime(2026, 1, 5, 8, 30, tzinfo=UTC)) is (0 in days), "the fifth is a Monday"


@pytest.mark.parametrize(("every", "longest"), [("08:00", "1d"), ("sat,sun 00:00", "3d12h"), ("sun 08:00", "7d")])
def test_hours_that_would_never_end_are_refused(tmp_path: Path, every: str, longest: str) -> None:
    """Nothing would ever be asked for, and nothing would say so."""
    said = rf"blackout\[0\]\.for: {longest} is out of range; expected at least 1s and less than {longest}"
    with pytest.raises(SettingsError, match=said):
        rules(tmp_path, f"when: {{drift: 1}}, blackout: {{every: '{every}', for: {longest}}}")


def test_without_anything_only_people_ask(tmp_path: Path) -> None:
    settings = written(tmp_path, HOOK)
    (model,) = settings.models()
    assert model.retraining is not None
    assert (model.retraining.when, model.retraining.reach, model.retraining.timeout, model.retraining.veto) == ({}, 0, 7 * DAY, True)
    assert "models.m.retraining: neither when nor max_age, so only people ask for it" in settings.notes()


def test_a_question_that_no_receiver_puts_to_people_is_noted(tmp_path: Path) -> None:
    said = "models.m.retraining.approval: ask, but no receiver here tells people of it; it shows on the page and in commands"
    pager = "receivers: {pager: {pagerduty: {routing_key: k}}}\n"
    assert said in written(tmp_path, f"{HOOK}, approval: ask", pager).notes()
    assert said not in written(tmp_path, HOOK, pager).notes()
    assert said not in written(tmp_path, f"{HOOK}, approval: ask", "receivers: {lines: {file: {path: p}}}\n").notes()


def test_a_check_of_the_data_that_is_vetoed_is_noted(tmp_path: Path) -> None:
    said = "models.m.retraining.when.quality: never asks, as quality is a data fault; veto: false would let it"
    assert said in written(tmp_path, f"{HOOK}, when: {{quality: 2}}").notes()
    assert said not in written(tmp_path, f"{HOOK}, when: {{quality: 2}}, veto: false").notes()


def test_windows_are_kept_for_as_long_as_a_version_may_grow_old(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"retention: models.m needs its windows for 90d1h \(retraining.max_age\)"):
        written(tmp_path, f"{HOOK}, max_age: 90d", "retention: 90d\n")
    assert written(tmp_path, f"{HOOK}, max_age: 90d", "retention: 91d\n").retention == 91 * DAY


NEEDED = {
    "repo": "example/models", "workflow": "train.yaml", "token": "hush", "url": "https://ci.example/api", "project": "1", "job": "train",
    "user": "driftd", "dag_id": "train", "deployment_id": "d", "location": "l", "repository": "r",
    "pipeline_id": "p", "pipeline_version_id": "v",
}


@pytest.mark.parametrize("preset", Preset)
def test_each_preset_is_a_trainer_once_it_has_what_it_needs(tmp_path: Path, preset: Preset) -> None:
    keys = ", ".join(f"{name}: {NEEDED[name]}" for name in PRESET_KEYS[preset].needed)
    settings = written(tmp_path, f"webhook: {{preset: {preset}, {keys}}}")
    assert [type(receiver) for receiver in receivers_of(settings, None)] == [Trainer]  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match="expected"):
        written(tmp_path, f"webhook: {{preset: {preset}}}")


def test_without_preset_or_template_it_is_the_signed_webhook(tmp_path: Path) -> None:
    assert [type(receiver) for receiver in receivers_of(written(tmp_path, HOOK), None)] == [Webhook]  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match="expected url, which a signed webhook needs"):
        written(tmp_path, "webhook: {secret: s}")
    with pytest.raises(SettingsError, match="expected exactly one of secret, secret_file"):
        written(tmp_path, "webhook: {url: https://ci.example/x}")


def test_the_trainers_secrets_are_known_by_their_places(tmp_path: Path) -> None:
    webhook = "webhook: {preset: github, repo: example/models, token_file: gh.token}"
    settings = written(tmp_path, f"{webhook}, callback_token: hush-trainer")
    places = dict(settings.secrets())
    assert places["models.m.retraining.webhook.token"].file == tmp_path / "gh.token"
    assert places["models.m.retraining.callback_token"].read() == "hush-trainer"
    assert {name: token.read() for name, token in settings.callback_tokens.items()} == {"m": "hush-trainer"}
    assert "hush-trainer" not in repr(settings.file)


def test_the_shipped_example_loads(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "config" / "example.yaml").read_text(encoding="utf-8")
    for key in ("max_age:", "budget:", "blackout:", "approval:", "veto:", "retraining_budget:", "parameters:"):
        assert f"# {key}" in text
        text = text.replace(f"# {key}", key, 1) if key != "parameters:" else text
    file = tmp_path / "driftd.yaml"
    file.write_text(text, encoding="utf-8")
    found = load_settings(file, {}).models()[0].retraining
    assert found is not None
    assert (found.max_age, found.budget, len(found.blackout)) == (90 * DAY, Allowance(requests=2, per=7 * DAY), 1)
