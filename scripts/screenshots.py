"""Take the pictures of the documentation: graphs and forms of a real Airflow, and the sandbox's page.

It uses Chromium and ChromeDriver, and installs the Debian packages if they are missing.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from local_airflow import ROOT, examples, wait_for
from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from with_databases import require_program

from airflow_provider_contacts.hooks.registry import list_vendors

IMAGES = ROOT / "docs" / "images"
GRAPHS = ("contacts_tag_hygiene", "contacts_warehouse")
VENDOR_OF_EXTRA_FIELDS = "mailstand"
SCALE = 1.5
CONTACTS = 250


@contextlib.contextmanager
def browser() -> Iterator[webdriver.Chrome]:
    """Provide a headless browser."""
    options = webdriver.ChromeOptions()
    options.binary_location = require_program("chromium", "chromium")
    profile = tempfile.mkdtemp(prefix="contacts-browser-")
    for argument in (
        "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
        "--disable-background-networking", "--disable-component-update", "--disable-sync",
        f"--user-data-dir={profile}", f"--force-device-scale-factor={SCALE}", "--window-size=1400,900",
    ):  # fmt: skip
        options.add_argument(argument)
    service = webdriver.ChromeService(require_program("chromedriver", "chromium-driver"))
    driver = webdriver.Chrome(options=options, service=service)
    try:
        yield driver
    finally:
        driver.quit()
        shutil.rmtree(profile, ignore_errors=True)


class Airflow:
    """Airflow's API."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._token = self._call("GET", "/auth/token")["access_token"]

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"Content-Type": "application/json"}
        if path != "/auth/token":
            headers["Authorization"] = f"Bearer {self._token}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=30) as response:
            return json.load(response)

    def start(self, dag_id: str) -> str:
        """Start a DAG, and return the id of the run."""
        wait_for(f"{dag_id} is parsed", lambda: self._find_dag(dag_id))
        self._call("PATCH", f"/api/v2/dags/{dag_id}", {"is_paused": False})
        run = self._call("POST", f"/api/v2/dags/{dag_id}/dagRuns", {"logical_date": None})
        return str(run["dag_run_id"])

    def wait_for_task(self, dag_id: str, run_id: str, task_id: str, state: str) -> None:
        """Wait until a task has a state."""
        path = f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}"
        wait_for(f"{task_id} is {state}", lambda: self._call("GET", path)["state"] == state)

    def run(self, dag_id: str) -> str:
        """Run a DAG to its end, and return the id of the run."""
        run_id = self.start(dag_id)
        path = f"/api/v2/dags/{dag_id}/dagRuns/{run_id}"
        wait_for(f"{dag_id} ends", lambda: self._call("GET", path)["state"] in ("success", "failed"))
        state = self._call("GET", path)["state"]
        if state != "success":
            raise SystemExit(f"{dag_id} ended as {state}")
        return run_id

    def _find_dag(self, dag_id: str) -> bool:
        return any(dag["dag_id"] == dag_id for dag in self._call("GET", "/api/v2/dags")["dags"])


def find(driver: webdriver.Chrome, selector: str) -> Any:
    """Wait for an element, and return it."""
    return wait_for(
        f"{selector} is shown", lambda: driver.find_elements(By.CSS_SELECTOR, selector), seconds=30
    )[0]


def save(driver: webdriver.Chrome, name: str, element: Any = None) -> None:
    """Take a picture of the page, or of an element."""
    time.sleep(1.5)  # animations
    png = driver.get_screenshot_as_png() if element is None else element.screenshot_as_png
    (IMAGES / f"{name}.png").write_bytes(png)
    print(f"docs/images/{name}.png", flush=True)


def take_graph(driver: webdriver.Chrome, airflow: Airflow, dag_id: str) -> None:
    """Take a picture of the graph of a DAG's run."""
    run_id = airflow.run(dag_id)
    driver.set_window_size(1250, 700)
    driver.get(f"{airflow.url}/dags/{dag_id}/runs/{run_id}")
    find(driver, "[aria-label^='Show Graph']").click()
    find(driver, "[aria-label='Collapse Details Panel']").click()
    find(driver, ".react-flow__node")
    find(driver, ".react-flow__controls-fitview").click()
    driver.execute_script(
        "document.querySelectorAll('.react-flow__panel').forEach((panel) => panel.style.display = 'none')"
    )
    save(driver, dag_id, find(driver, ".react-flow"))


def take_form(driver: webdriver.Chrome, airflow: Airflow, vendor: str, title: str) -> None:
    """Take a picture of a vendor's connection form."""
    driver.set_window_size(1100, 1500)
    driver.get(f"{airflow.url}/connections")
    find(driver, "tbody tr")
    click_button(driver, "Add Connection")
    find(driver, "[role=dialog] input[name=connection_id]").send_keys(f"{vendor}_default")
    box = find(driver, "[role=dialog] input[role=combobox]")
    box.send_keys(title)
    time.sleep(0.5)
    box.send_keys(Keys.ENTER)
    find(driver, "[role=dialog] input[name=password]")
    save(driver, f"form_{vendor}", find(driver, "[role=dialog]"))
    if vendor == VENDOR_OF_EXTRA_FIELDS:
        click_button(driver, "Extra Fields")
        save(driver, "form_extra_fields", find(driver, "[role=dialog]"))


def take_approval(driver: webdriver.Chrome, airflow: Airflow) -> None:
    """Take a picture of the request that a task waits for."""
    airflow.run("contacts_optout_sync")
    dag_id = "contacts_approved_tagging"
    run_id = airflow.start(dag_id)
    airflow.wait_for_task(dag_id, run_id, "tag", "awaiting_input")
    driver.set_window_size(1250, 960)
    driver.get(f"{airflow.url}/dags/{dag_id}/runs/{run_id}/tasks/tag/required_actions")
    find(driver, "input[value]")
    save(driver, "approval")


def click_button(driver: webdriver.Chrome, text: str) -> None:
    """Click a button; retry if the page renders it anew."""

    def try_to_click() -> bool:
        try:
            for button in driver.find_elements(By.TAG_NAME, "button"):
                if text in button.text:
                    button.click()
                    return True
        except WebDriverException:
            return False
        return False

    wait_for(f"the button {text} is clicked", try_to_click, seconds=30)


def take_sandbox(driver: webdriver.Chrome, url: str) -> None:
    """Take a picture of the sandbox's page."""
    driver.set_window_size(1200, 1000)
    driver.get(url)
    find(driver, "#requests tr")
    save(driver, "sandbox")


def main() -> None:
    """Take all pictures."""
    IMAGES.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="contacts-ui-") as folder,
        browser() as driver,
        examples(Path(folder), CONTACTS) as (url, sandbox_url, _),
    ):
        airflow = Airflow(url)
        for dag_id in GRAPHS:
            take_graph(driver, airflow, dag_id)
        take_approval(driver, airflow)
        for vendor in list_vendors():
            take_form(driver, airflow, vendor.name, vendor.title)
        take_sandbox(driver, sandbox_url)


if __name__ == "__main__":
    main()
