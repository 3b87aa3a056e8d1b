"""Draw the specimens of docs/images: reports and pages of studies, as a browser and paper show them.

    python scripts/specimens.py DIR... [--out FOLDER] [--pages FOLDER]

For each study folder: the top of its report as HTML, the page of the PDF with its learning curves, and of
`scantrial serve` the study's page and the case that its arms disagree on most. The folders stay as they are: everything
is made from copies. With --pages every page of every PDF is drawn as well, to look at. Needs Chromium, Playwright, and
poppler's pdftoppm.
"""

from __future__ import annotations

import argparse
import io
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright
from pypdf import PdfReader

from scantrial.report.formats import write_reports

ROOT = Path(__file__).resolve().parent.parent
WIDTH, HEIGHT = 1200, 900
DPI = 96
COLOURS = 192
MAX_BYTES = 250_000
CURVES = "Learning curves of"


def specimens(folder: Path, target: Path, browser: Browser) -> Iterator[Path]:
    """Draw all pictures of one study and yield their files."""
    name = folder.name
    with _copied(folder) as copy:
        written = write_reports(copy, ("html", "pdf")).reports
        yield _keep(_html(browser, written["html"]), target / f"{name}-report.png")
        yield _keep(_paper(written["pdf"], _page_with(written["pdf"], CURVES)), target / f"{name}-curves.png")
        with _served(copy) as address:
            page = _new_page(browser)
            page.goto(address)
            root = address.partition("/?")[0]
            page.goto(f"{root}/s/{name}")
            page.wait_for_selector("#results[data-results=ready]")
            yield _keep(_shot(page), target / f"page-{name}.png")
            page.goto(f"{root}/s/{name}/cases?split=test&sort=disagreement")
            page.locator("main a[href*='/cases/']").first.click()
            yield _keep(_shot(page), target / f"page-{name}-case.png")


@contextmanager
def _copied(folder: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as place:
        yield Path(shutil.copytree(folder, Path(place) / folder.name, ignore=shutil.ignore_patterns("*.safetensors")))


@contextmanager
def _served(folder: Path) -> Iterator[str]:
    # By its name alone, as somebody types it: the page's commands have it.
    command = [sys.executable, "-m", "scantrial", "serve", folder.name, "--no-browser"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=folder.parent)
    try:
        assert server.stdout is not None
        yield server.stdout.readline().strip()
    finally:
        server.terminate()
        server.wait()


def _new_page(browser: Browser) -> Page:
    return browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")


def _html(browser: Browser, file: Path) -> Image.Image:
    page = _new_page(browser)
    page.goto(file.resolve().as_uri())
    return _shot(page)


def _shot(page: Page) -> Image.Image:
    page.wait_for_load_state("load")
    page.wait_for_timeout(1500)  # figures are drawn after the page has loaded
    return Image.open(io.BytesIO(page.screenshot()))


def _page_with(file: Path, words: str) -> int:
    """Return the number of the page that has the words most often."""
    counts = [page.extract_text().count(words) for page in PdfReader(file).pages]
    return 1 + counts.index(max(counts))


def _paper(file: Path, number: int) -> Image.Image:
    command = ["pdftoppm", "-r", str(DPI), "-f", str(number), "-l", str(number), "-png", str(file)]
    return Image.open(io.BytesIO(subprocess.run(command, check=True, capture_output=True).stdout))


def _keep(picture: Image.Image, file: Path) -> Path:
    """Save a picture in few colours."""
    file.parent.mkdir(parents=True, exist_ok=True)
    picture.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(file, optimize=True)
    size = file.stat().st_size
    if size > MAX_BYTES:
        raise SystemExit(f"{file} has {size} bytes, more than {MAX_BYTES}: fewer colours, or a smaller picture")
    return file


def all_pages(folder: Path, target: Path) -> None:
    """Draw every page of a study's PDF."""
    with _copied(folder) as copy:
        written = write_reports(copy, ("pdf",)).reports
        target.mkdir(parents=True, exist_ok=True)
        command = ["pdftoppm", "-r", str(DPI), "-png", str(written["pdf"]), str(target / folder.name)]
        subprocess.run(command, check=True)


def main() -> None:
    """Draw what is asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folders", nargs="+", type=Path, metavar="DIR")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images", metavar="FOLDER")
    parser.add_argument("--pages", type=Path, metavar="FOLDER")
    asked = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        for folder in asked.folders:
            for file in specimens(folder, asked.out, browser):
                print(file)
            if asked.pages:
                all_pages(folder, asked.pages)
        browser.close()


if __name__ == "__main__":
    main()
