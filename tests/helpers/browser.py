"""A browser for pages, where one is installed, and what every page has to be in it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

CHROMIUM, DRIVER = Path("/usr/bin/chromium"), Path("/usr/bin/chromedriver")


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    if not CHROMIUM.exists() or not DRIVER.exists():
        pytest.skip(f"no {CHROMIUM} and {DRIVER} here")
    webdriver = pytest.importorskip("selenium.webdriver")
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for argument in (
        *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
        *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
        f"--user-data-dir={tmp_path_factory.mktemp('browser')}",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    # The driver's path is given, so nothing looks for one.
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(str(DRIVER)))
    yield driver
    driver.quit()


def show(browser: Any, page: Path, scheme: str = "light", width: int = 1200) -> None:
    """Open a page, and all that is folded on it."""
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get(page.as_uri())
    browser.execute_script("document.querySelectorAll('details').forEach(d => d.open = true)")


def opens_alone(browser: Any, page: Path) -> None:
    """A page opens without a word, and without the network."""
    browser.get("about:blank")
    for log in ("browser", "performance"):
        browser.get_log(log)  # of the browser's own first page
    show(browser, page)
    assert browser.get_log("browser") == []
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    requests = [
        message["params"]["request"]["url"]
        for message in messages
        if message["method"] == "Network.requestWillBeSent"
    ]
    assert requests
    assert all(url.startswith(("file://", "data:")) for url in requests), requests


def readable(browser: Any, scheme: str) -> int:
    """All text of the page that is shown stands out. How many texts it has."""
    checked, low, background = browser.execute_script(CONTRAST)
    assert low == [], low
    assert background > 0.9 if scheme == "light" else background < 0.05
    return checked


def scrolls_in_boxes(browser: Any) -> int:
    """What is wider than the page that is shown scrolls in a box of its own. How many do."""
    page, window, boxes = browser.execute_script(
        "return [document.documentElement.scrollWidth, document.documentElement.clientWidth,"
        "        [...document.querySelectorAll('.scroll')].filter("
        "            b => b.scrollWidth > b.clientWidth + 1).length]"
    )
    assert page == window > 0
    return boxes


CONTRAST = """
const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
const rgba = colour => {
  canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
  const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data; return [r, g, b, a / 255]; };
const over = (top, below) => [0, 1, 2].map(i => top[i] * top[3] + below[i] * (1 - top[3]));
const light = colour => { const [r, g, b] = colour.map(c => { c /= 255;
    return c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
const behind = element => {
  const layers = [];
  for (let e = element; e; e = e.parentElement)
    layers.push(rgba(getComputedStyle(e).backgroundColor));
  return layers.reverse().reduce((below, top) => over(top, below), [255, 255, 255]); };
const low = [];
let checked = 0;
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const element = walker.currentNode.parentElement;
  if (!walker.currentNode.data.trim()) continue;
  const back = behind(element), style = getComputedStyle(element);
  const [a, b] = [light(over(rgba(style.color), back)), light(back)];
  const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  checked += 1;
  if (contrast < 4.5) low.push([walker.currentNode.data.trim(), contrast, style.color, back]);
}
return [checked, low, light(behind(document.body))];
"""
