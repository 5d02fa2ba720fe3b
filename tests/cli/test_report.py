"""``driftd report``: Evidently's page of a stored window."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from monitor.core.profile import CategoricalGrid, Grid, NumericGrid, Profile
from monitor.core.results import Account
from monitor.core.schema import NumericValues
from monitor.ports import WindowDelta
from monitor.storage import open_store
from tests.cli.driftd import Driftd, configuration
from tests.contracts.store_story import NOW, OTHER_GRID, TP0, advance, checkpoint, key, reference
from tests.core.profile_batches import batch_of, categories
from tests.reports.samples import kept

EVIL = "</script><script>document.title='pwned'</script>"
NAME = "<img src=x onerror=alert(1)>"
GRID = Grid({"delay": NumericGrid(edges=np.array([0.0, 10.0, 20.0])), NAME: CategoricalGrid(categories=(EVIL, "AA"))})


def filled(seed: int, rows: int = 300) -> Profile:
    rng = np.random.default_rng(seed)
    profile = Profile.empty(GRID, sample_rows=100)
    texts = ["AA", EVIL] * (rows // 2)
    profile.fold(batch_of({"delay": NumericValues(values=rng.normal(10, 5, rows)), NAME: categories(*texts)}), topic_seed=1)
    return profile


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Two hours of one version; the second of two versions, the third on another grid."""
    store = open_store(f"sqlite:///{tmp_path}/driftd.db")
    odd = Profile.empty(OTHER_GRID)
    odd.fold(batch_of({"delay": NumericValues(values=np.ones(3))}))
    windows = [
        WindowDelta(key=where, account=Account(counted=profile.rows if profile else 0, quarantined=0 if profile else 1), profile=profile)
        for where, profile in ((key(0), filled(1)), (key(1), filled(2)), (key(1, version="2"), filled(3)), (key(2), odd), (key(3), None))
    ]
    store.checkpoint(checkpoint(*windows, advances=(advance(TP0, None, 20),)))
    made = replace(reference(1.0), grid=GRID, profile=filled(5), baseline=None)
    store.add_reference(made, activate=True, at=NOW)
    store.close()
    path = configuration(tmp_path, "m")
    path.write_text(path.read_text().replace('{"delay": "numeric"}', f'{{"delay": "numeric", "{NAME}": "categorical"}}'))
    return path


def test_a_window_s_report_is_one_page_that_says_what_it_shows_and_runs_nothing_of_the_data(
    driftd: Driftd, config: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.html"
    done = driftd("report", config, "m", "--window", "2013-03-01T00:30:00Z", "-o", out)
    assert (done.code, done.err) == (0, "")
    html = out.read_text(encoding="utf-8")
    assert "<title>m version 1, 2013-03-01T00:00:00Z to 2013-03-01T01:00:00Z</title>" in html
    assert "Current: a sample of 100 of the window&#x27;s 300 rows." in html
    assert "5,000 values a column, drawn from the profile of its 300 rows, since it keeps none of them" in html
    assert "Drift in column \'delay\'" in html
    assert "pwned" in html
    assert "<script>document" not in html
    assert "<img" not in html.replace("<img>", "")
    assert "Content-Security-Policy" in html
    assert not re.search(r"(?:src|href)=[\"']https?://(?!plotly|plot\.ly|www\.w3)", html)


def test_a_reference_that_keeps_rows_is_shown_by_them(driftd: Driftd, config: Path, tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/driftd.db")
    bare = replace(reference(1.0), grid=GRID, profile=filled(6), baseline=None)
    rows = {"delay": NumericValues(values=np.arange(50.0)), NAME: categories(*["AA"] * 50)}
    store.add_reference(kept(bare, rows), activate=True, at=NOW)
    store.close()
    done = driftd("report", config, "m", "--window", "2013-03-01", "-o", tmp_path / "out.html")
    assert done.code == 0
    assert "Reference: a sample of 50 of its 300 rows." in (tmp_path / "out.html").read_text(encoding="utf-8")


def test_a_canary_is_shown_beside_the_stable_version_s_window_as_it_is_judged(driftd: Driftd, config: Path, tmp_path: Path) -> None:
    document = json.loads(config.read_text())
    document["models"]["m"] |= {"min_rows": 10, "reference": {"canary": {"stable": "1"}}}
    document["models"]["m"]["streams"]["predictions"]["version"] = "v"
    config.write_text(json.dumps(document))
    done = driftd("report", config, "m", "--window", "2013-03-01T01:00:00Z", "--version", "2", "-o", tmp_path / "out.html")
    assert (done.code, done.err) == (0, "")
    document["models"]["m"]["reference"] = {"canary": {"stable": "7"}}
    config.write_text(json.dumps(document))
    done = driftd("report", config, "m", "--window", "2013-03-01T01:00:00Z", "--version", "2", "-o", tmp_path / "other.html")
    assert (done.code, done.line) == (1, "driftd: nothing to compare with: the stable version '7' has 0 rows in this window, fewer than "
                                         "min_rows 10")


@pytest.mark.parametrize(("words", "said"), [
    (["--window", "2013-03-01T01:00:00Z"], "the window has several versions: 1, 2; choose one by --version"),
    (["--window", "2013-03-01T01:00:00Z", "--version", "7"], "the window has no version '7'; it has 1, 2"),
    (["--window", "2013-03-01T01:00:00Z", "--version", "2"], "no reference for version '2' of m; build one with `driftd reference build`"),
    (["--window", "2013-03-01T02:00:00Z"], "the window was counted before its reference came: they cannot be compared"),
    (["--window", "2013-03-01T03:00:00Z"], "the window has no rows to show"),
    (["--window", "2014-01-01"], "m has no window that starts at 2014-01-01T00:00:00Z; see `driftd windows`"),
])
def test_a_window_that_cannot_be_shown_is_told_why(driftd: Driftd, config: Path, tmp_path: Path, words: list[str], said: str) -> None:
    done = driftd("report", config, "m", *words, "-o", tmp_path / "out.html")
    assert (done.code, done.line) == (1, f"driftd: {said}")
    assert not (tmp_path / "out.html").exists()


def test_evidently_s_trouble_is_told(driftd: Driftd, config: Path, tmp_path: Path) -> None:
    config.write_text(config.read_text().replace('"store"', '"reports": {"deadline": "1s"}, "store"'))
    done = driftd("report", config, "m", "--window", "2013-03-01", "-o", tmp_path / "out.html")
    assert (done.code, done.line) == (1, "driftd: there is no report: no answer within 1 s: the worker was ended")


def test_nothing_that_the_daemon_imports_brings_evidently_in() -> None:
    modules = "monitor.daemon, monitor.cli.app, monitor.reports, monitor.storage, monitor.prepare"
    code = (f"import sys, {modules}\n"
            "print(sorted({name.partition('.')[0] for name in sys.modules} & {'evidently', 'pandas', 'sklearn', 'plotly', 'nltk'}))")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
