"""The page in a real browser: what a person sees, at a desk and on a phone, by day and by night."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.edges import performance_story
from tests.edges.web_site import Site, site
from tests.edges.web_story import OPEN_ID

CHROMIUM, DRIVER = shutil.which("chromium") or shutil.which("google-chrome"), shutil.which("chromedriver")
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
PHONE = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}
NARROW = PHONE | {"width": 420}
DESK = {"width": 1280, "height": 900, "deviceScaleFactor": 1, "mobile": False}

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="no Chromium with chromedriver: nobody has looked at the page"),
]

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed: nobody has looked at the page")


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(tmp_path_factory.mktemp("page")) as made:
        yield made


@pytest.fixture(scope="module")
def performing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(tmp_path_factory.mktemp("performing"), story=performance_story.tell, models=performance_story.MODELS) as made:
        yield made


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM or ""
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    chrome = webdriver.Chrome(options=options, service=webdriver.ChromeService(executable_path=DRIVER))
    chrome.set_page_load_timeout(30)
    try:
        yield chrome
    finally:
        chrome.quit()


def look(browser: webdriver.Chrome, site: Site, path: str, screen: dict[str, object], *, night: bool = False) -> None:
    """Open a page on a screen. Whatever the browser complains of is a fault of the page."""
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    scheme = {"features": [{"name": "prefers-color-scheme", "value": "dark" if night else "light"}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", scheme)
    browser.get(site.server.url + path)
    assert browser.get_log("browser") == []


def style(browser: webdriver.Chrome, selector: str, name: str) -> str:
    return str(browser.execute_script("return getComputedStyle(document.querySelector(arguments[0]))[arguments[1]]", selector, name))


@pytest.mark.parametrize("path", ["/", "/models/flight-delay", "/models/bag-loss"])
@pytest.mark.parametrize("screen", [DESK, PHONE], ids=["desk", "phone"])
def test_no_page_is_wider_than_its_screen(browser: webdriver.Chrome, shown: Site, path: str, screen: dict[str, object]) -> None:
    look(browser, shown, path, screen)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= int(str(screen["width"]))


@pytest.mark.parametrize("path", ["/", "/models/flight-delay", "/models/fare-price"])
def test_pages_of_performance_can_be_read_at_420_pixels_without_scrolling_sideways(
    browser: webdriver.Chrome, performing: Site, path: str
) -> None:
    look(browser, performing, path, NARROW)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 420
    for selector in (".metric", "table.stack"):
        for element in browser.find_elements("css selector", selector):
            assert browser.execute_script("return arguments[0].scrollWidth - arguments[0].clientWidth", element) == 0, selector
            assert element.rect["x"] + element.rect["width"] <= 420, selector


def test_a_chart_tells_estimates_from_labels_without_its_colours(browser: webdriver.Chrome, performing: Site) -> None:
    look(browser, performing, "/models/flight-delay", DESK)
    assert style(browser, ".chart circle.hollow", "fill") == style(browser, ".metric", "backgroundColor")
    assert style(browser, ".chart circle:not(.hollow)", "fill") == "rgb(79, 154, 118)"
    assert style(browser, ".chart polyline.estimated", "strokeDasharray") == "4px, 3px"
    assert style(browser, ".chart polyline:not([class])", "strokeDasharray") == "none"


def test_hovering_a_point_of_a_chart_tells_its_interval_and_what_it_rests_on(browser: webdriver.Chrome, performing: Site) -> None:
    look(browser, performing, "/models/flight-delay", DESK)
    titles = [each.get_attribute("textContent") for each in browser.find_elements("css selector", ".metric:first-child .chart title")]
    assert titles[-1] == "2013-03-30 00:00: 0.79 [0.77, 0.81], estimated, no labels yet, alert"
    assert "2013-03-27 00:00: 0.73 [0.70, 0.75], realised, 63 % labelled, alert" in titles


def test_the_style_sheet_passes_its_own_security_policy(browser: webdriver.Chrome, shown: Site) -> None:
    look(browser, shown, "/", DESK)
    assert style(browser, ".pill.alert", "borderRadius") == "99px"
    assert style(browser, ".strip rect.alert", "fill") == "rgb(201, 60, 55)"


def test_a_bad_window_can_be_told_by_colour_by_height_and_by_hovering(browser: webdriver.Chrome, shown: Site) -> None:
    look(browser, shown, "/", DESK)
    bars = browser.find_elements("css selector", ".model:first-child .strip rect")
    alerts = [bar for bar in bars if bar.get_attribute("class") == "alert"]
    assert (len(bars), len(alerts)) == (60, 5)
    assert alerts[0].size["height"] > 2 * bars[0].size["height"]
    title = alerts[-1].find_element("css selector", "title").get_attribute("textContent")
    assert title == "2013-05-08 – 2013-05-09: alert (1 alert, 1 warn, 4 ok)"


def test_the_cause_leads_to_the_incident_and_the_model_to_its_page(browser: webdriver.Chrome, shown: Site) -> None:
    look(browser, shown, "/", DESK)
    browser.find_element("css selector", ".inside a").click()
    assert browser.current_url.endswith(f"/#{OPEN_ID}")
    browser.find_element("link text", "flight-delay").click()
    assert browser.current_url == f"{shown.server.url}/models/flight-delay"
    assert browser.find_element("tag name", "h1").text == "driftd / flight-delay"
    browser.find_element("link text", "driftd").click()
    assert browser.current_url == f"{shown.server.url}/"


def test_text_from_messages_is_seen_and_not_run(browser: webdriver.Chrome, shown: Site) -> None:
    look(browser, shown, "/", DESK)
    assert "more <script>alert(1)</script> than before" in browser.find_element("tag name", "body").text
    assert browser.find_elements("tag name", "script") == []


def test_by_night_the_ground_is_dark_and_the_words_are_light(browser: webdriver.Chrome, shown: Site) -> None:
    look(browser, shown, "/", DESK, night=True)
    assert brightness(style(browser, "body", "backgroundColor")) < 40
    assert brightness(style(browser, "body", "color")) > 200
    look(browser, shown, "/", DESK)
    assert brightness(style(browser, "body", "backgroundColor")) > 200


def brightness(colour: str) -> float:
    red, green, blue = (float(part) for part in colour[colour.index("(") + 1 : -1].split(",")[:3])
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("night", [False, True], ids=["day", "night"])
def test_every_word_stands_out_from_its_ground(browser: webdriver.Chrome, shown: Site, night: bool) -> None:
    look(browser, shown, "/", DESK, night=night)
    for selector in (".pill.ok", ".pill.warn", ".pill.alert", ".pill.skipped", ".inside"):
        assert contrast(style(browser, selector, "color"), style(browser, selector, "backgroundColor")) >= 4.5, selector
    assert contrast(style(browser, ".soft", "color"), style(browser, "body", "backgroundColor")) >= 4.5


def contrast(one: str, other: str) -> float:
    """WCAG 2.1's contrast ratio; 4.5 is its level AA for text."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    parts = [float(part) / 255 for part in colour[colour.index("(") + 1 : -1].split(",")[:3]]
    red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_a_screenshot_is_not_blank(browser: webdriver.Chrome, shown: Site, tmp_path: Path) -> None:
    look(browser, shown, "/models/flight-delay", PHONE)
    picture = tmp_path / "phone.png"
    assert browser.save_screenshot(str(picture))
    assert picture.stat().st_size > 20_000
