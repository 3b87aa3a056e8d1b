"""The site: addresses, their pages as HTML and JSON, pictures, and the feed of changes."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.convertors import Convertor, register_url_convertor
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from scantrial.core.errors import InputError, ScantrialError
from scantrial.core.plain import as_plain
from scantrial.core.text import printable
from scantrial.web.answering import error_answer, html_answer, json_of, picture_answer, wants_json
from scantrial.web.built_report import written_report
from scantrial.web.cache import Kept
from scantrial.web.case_pages import case_page, cases_page
from scantrial.web.downloads import TABLES, table_csv
from scantrial.web.guard import Door, Guard
from scantrial.web.index_page import MOST_ANSWERED, index_page
from scantrial.web.live import Feed
from scantrial.web.live_report import live_report, report_page
from scantrial.web.number_pages import NOTE_CLOSED, compare_page, threshold_page
from scantrial.web.pictures import KINDS
from scantrial.web.queries import CaseQuery, CasesQuery, CompareQuery, StudyQuery, ThresholdQuery, read_query
from scantrial.web.records import ErrorPage, Page, Progress, ReportPage, StudyPage
from scantrial.web.rendering import ASSETS, asset, render
from scantrial.web.saliency import Explainer
from scantrial.web.studies import OpenStudy, Shelf, Stamp
from scantrial.web.study_page import ResultsPart, arm_curves, fault_in_words, progress_of, read_results, study_page

LOOK_S = 1.0
"""Seconds after which a folder is looked at again."""
PATIENCE_S = 0.2
"""Seconds that a page waits for results before it is shown without them."""

QUICK_RUNS, HEAD_START_S = 20, 0.3
"""Largest number of runs for which a page waits for results; with more, the results start so many seconds later."""
WARMED = 8
"""Largest number of studies that are read when the server starts."""

NOTES = {
    "none": "No run is finished yet, so there are no results.",
    "computing": "The results are being computed; they will appear here automatically.",
    "closed": NOTE_CLOSED,
}

_LOG = logging.getLogger(__name__)


class _Digits(Convertor[int]):
    """A number in an address. Starlette's own takes any number of digits, also more than Python can convert."""

    regex = "[0-9]{1,18}"

    def convert(self, value: str) -> int:
        """Return the number."""
        return int(value)

    def to_string(self, value: int) -> str:
        """Return its digits."""
        return str(value)


register_url_convertor("number", _Digits())


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A page, the state that it shows and, for a report, its document as HTML."""

    page: Page
    state: str
    report_html: str = ""


Maker = Callable[[Request, OpenStudy, Stamp], Awaitable[Made]]
Answer = Callable[[Request], Awaitable[Response]]


class Site:
    """The studies of a folder as a web application.

    Parameters
    ----------
    door : decides which requests are let in
    is_over : whether the server is about to end
    """

    def __init__(self, shelf: Shelf, door: Door, *, is_over: Callable[[], bool] = lambda: False) -> None:
        self.shelf = shelf
        self.door = door
        self._is_over = is_over
        self._pool = ThreadPoolExecutor(2, thread_name_prefix="page")
        self._quick = Kept(self._pool, size=400)
        # One at a time: what is slow must not take every core from a training.
        numbers = ThreadPoolExecutor(1, thread_name_prefix="numbers")
        self._slow = Kept(numbers, size=64, has_failed=_has_failed)
        self._answers = Kept(numbers, size=2 * MOST_ANSWERED, has_failed=_has_failed)
        self._reports = Kept(ThreadPoolExecutor(1, thread_name_prefix="report"), size=8, has_failed=_has_failed)
        self._explainer = Explainer(shelf)
        self._feeds: dict[str, Feed] = {}

    def warm_up(self) -> None:
        """Read the curves of the studies, if they are few, before somebody asks; no test row is read."""
        names = self.shelf.names()
        for name in names if len(names) <= WARMED else ():
            with suppress(Exception):  # a later request for it gets the error
                page = study_page(self.shelf.study(name), ResultsPart(state="none"))
                render(page, state="")

    def application(self) -> Guard:
        """Return the application, guarded."""
        return Guard(Starlette(routes=self._routes(), exception_handlers={HTTPException: self._http_error}), self.door)

    def _routes(self) -> list[Route]:
        pages: dict[str, Maker] = {
            "/s/{name}": self._study,
            "/s/{name}/report": self._report,
            "/s/{name}/cases": self._cases,
            "/s/{name}/cases/{case:number}": self._case,
            "/s/{name}/compare": self._compare,
            "/s/{name}/threshold": self._threshold,
        }
        answers: dict[str, Answer] = {
            "/": self._index,
            "/index.json": self._index,
            "/events": self._index_events,
            "/static/{file}": _static,
            "/s/{name}/events": self._events,
            "/s/{name}/report/events": self._events,
            "/s/{name}/report.html": self._built_report,
            **{f"/s/{{name}}/{table}.csv": partial(self._table, table) for table in TABLES},
            "/s/{name}/cases/{case:number}/thumb.png": self._thumb,
            "/s/{name}/cases/{case:number}/saliency/{arm}/{seed:number}/{kind}.png": self._saliency_picture,
            **{
                f"{path}{suffix}": partial(self._page, make) for path, make in pages.items() for suffix in ("", ".json")
            },
        }
        return [Route(path, self._in_words(answer)) for path, answer in answers.items()]

    # ------------------------------------------------------------------ answering

    def _in_words(self, answer: Answer) -> Answer:
        async def answered(request: Request) -> Response:
            try:
                return await answer(request)
            except HTTPException:
                raise
            except asyncio.CancelledError:
                if not self._is_over():
                    raise
                return Response(status_code=503)  # the server ends while somebody waits
            except Exception as error:  # a damaged folder raises nearly anything, and the server stays up
                return self._refused(request, error)

        return answered

    async def _page(self, make: Maker, request: Request) -> Response:
        study = await self._find(request)
        stamp = await self._stamp(study)
        without = await self._quick.get(("tabs", study.name, stamp.results), study.pages_without)
        return await self._shown(request, await make(request, study, stamp), without)

    async def _find(self, request: Request) -> OpenStudy:
        name: str = request.path_params["name"]

        def look() -> OpenStudy | None:
            known = self.shelf.names()
            wanted = next((wanted for wanted in (name, name.removesuffix(".json")) if wanted in known), None)
            return None if wanted is None else self.shelf.study(wanted)

        # This reads the disk, so the event loop does not wait for it.
        found = await asyncio.get_running_loop().run_in_executor(self._pool, look)
        if found is None:
            raise HTTPException(404, f"no study is called {name!r}")
        request.state.wants_json = found.name != name
        return found

    async def _stamp(self, study: OpenStudy) -> Stamp:
        return await self._quick.get(("stamp", study.name, int(time.monotonic() / LOOK_S)), study.stamp)

    async def _shown(self, request: Request, made: Made, without: tuple[str, ...] = ()) -> Response:
        page, state, address = made.page, made.state, f"{request.url.path}?{request.url.query}"
        if wants_json(request):
            body = await self._quick.get(("json", address, state), lambda: json_of(page))
            return Response(body, media_type="application/json")
        html = await self._quick.get(
            ("html", address, state),
            lambda: render(page, state=state, report_html=made.report_html, without=without),
        )
        return html_answer(request, html)

    def _refused(self, request: Request, error: Exception) -> Response:
        # A damaged folder is no fault of the server, and can be mended: 409, a conflict with what is there now.
        found = 409 if isinstance(error, (ScantrialError, OSError)) else 500
        status = 400 if isinstance(error, InputError) else found
        ours = error if isinstance(error, ScantrialError) else None
        if ours is None:
            _LOG.warning("%s", printable(f"{request.url.path}: {type(error).__name__}: {error}"))
        page = ErrorPage(
            status=status,
            got=fault_in_words(error),
            expected=None if ours is None else ours.expected,
            do=None if ours is None else ours.do,
        )
        return error_answer(request, page)

    async def _http_error(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        do = "choose a study from the list" if error.status_code == 404 else None
        return error_answer(request, ErrorPage(status=error.status_code, got=error.detail, expected=None, do=do))

    # ------------------------------------------------------------------ pages

    async def _index(self, request: Request) -> Response:
        request.state.wants_json = request.url.path.endswith(".json")
        state, answers = await self._index_state()
        page = await self._quick.get(("index", state), lambda: index_page(self.shelf, answers))
        return await self._shown(request, Made(page=page, state=state))

    async def _index_state(self) -> tuple[str, dict[str, ResultsPart]]:
        """Return the state that the list shows, and the answers that are ready; begin with the next that is not."""

        def look() -> list[tuple[str, Stamp | None]]:
            return [(name, _stamp_or_none(self.shelf, name)) for name in self.shelf.names()]

        stamps = await self._quick.get(("index state", int(time.monotonic() / LOOK_S)), look)
        keys = [(name, stamp, ("results", name, stamp.results)) for name, stamp in stamps[:MOST_ANSWERED] if stamp]
        for name, stamp, key in keys:
            if self._answers.is_ready(key):
                continue
            # One at a time: a study that somebody opens does not wait for all the others.
            if self._answers.is_begun(key) or await self._begin_answer(name, stamp, key):
                break
        answers = {name: part for name, _, key in keys if (part := self._answers.result_of(key)) is not None}
        state = repr((stamps, sorted(answers)))
        return sha256(state.encode(errors="backslashreplace")).hexdigest()[:16], answers

    async def _begin_answer(self, name: str, stamp: Stamp, key: Hashable) -> bool:
        """Begin to compute the answer of a study that is complete; return whether it is."""
        try:
            study = self.shelf.study(name)
            is_open = await self._not_yet(study, stamp, at_once=False) is None
        except Exception:  # the list says what is wrong with it
            return False
        if is_open:
            self._answers.start(key, lambda: read_results(study))
        return is_open

    async def _study(self, request: Request, study: OpenStudy, stamp: Stamp) -> Made:
        asked = read_query(StudyQuery, dict(request.query_params))
        # Curves first, so that they do not wait for slow work.
        await self._quick.get(("curves", study.name, stamp), lambda: arm_curves(study))
        part = await self._results(study, stamp, at_once=asked.results == "now")
        return await self._study_with(study, stamp, part)

    async def _study_with(self, study: OpenStudy, stamp: Stamp, part: ResultsPart) -> Made:
        state = self._state(study, stamp)
        page = await self._quick.get(("study", study.name, state, part.state), lambda: study_page(study, part))
        return Made(page=page, state=state)

    async def _progress(self, study: OpenStudy, stamp: Stamp) -> Progress:
        return await self._quick.get(("progress", study.name, stamp), lambda: progress_of(study.status()))

    async def _not_yet(self, study: OpenStudy, stamp: Stamp, *, at_once: bool) -> ResultsPart | None:
        """Return why there are no results to compute, or None if there are some."""
        progress = await self._progress(study, stamp)
        if not progress.n_finished:
            return ResultsPart(state="none", note=NOTES["none"])
        if not (progress.is_complete or at_once):
            return ResultsPart(state="closed", note=NOTES["closed"])
        return None

    async def _is_closed(self, study: OpenStudy, stamp: Stamp, results: str | None) -> bool:
        """Return whether test rows stay closed: runs are unfinished, and the request does not ask for results now."""
        return not (await self._progress(study, stamp)).is_complete and results != "now"

    async def _results(self, study: OpenStudy, stamp: Stamp, *, at_once: bool) -> ResultsPart:
        not_yet = await self._not_yet(study, stamp, at_once=at_once)
        if not_yet is not None:
            return not_yet
        key = "results", study.name, stamp.results
        begin = partial(self._answers.start, key, lambda: read_results(study))
        n_runs = (await self._progress(study, stamp)).n_finished
        if n_runs > QUICK_RUNS and not self._answers.is_begun(key):
            # If both were made at the same time, page and results would wait for each other.
            asyncio.get_running_loop().call_later(HEAD_START_S, begin)
            return ResultsPart(state="computing", note=NOTES["computing"])
        future = begin()
        await asyncio.wait({future}, timeout=PATIENCE_S)
        return future.result() if future.done() else ResultsPart(state="computing", note=NOTES["computing"])

    def _state(self, study: OpenStudy, stamp: Stamp) -> str:
        """Return the state that a page of the study shows; a page reloads itself when the state changes."""
        has_results = self._answers.is_ready(("results", study.name, stamp.results))
        has_report = self._reports.is_ready(("report", study.name, stamp.results))
        return f"{stamp.results}-{stamp.live}-{has_results:d}{has_report:d}"

    def _report_state(self, study: OpenStudy, stamp: Stamp) -> str:
        """Return the same for a report. Epochs do not change it: it is long, and reloaded only when it differs."""
        return f"{stamp.results}-{self._reports.is_ready(('report', study.name, stamp.results)):d}"

    async def _report(self, request: Request, study: OpenStudy, stamp: Stamp) -> Made:
        asked = read_query(StudyQuery, dict(request.query_params))
        page, html = await self._report_page(study, stamp, at_once=asked.results == "now")
        return Made(page=page, state=self._report_state(study, stamp), report_html=html)

    async def _report_page(self, study: OpenStudy, stamp: Stamp, *, at_once: bool) -> tuple[ReportPage, str]:
        not_yet = await self._not_yet(study, stamp, at_once=at_once)
        if not_yet is not None:
            return report_page(study, not_yet), ""
        future = self._reports.start(("report", study.name, stamp.results), lambda: live_report(study))
        await asyncio.wait({future}, timeout=PATIENCE_S)
        waiting = ResultsPart(state="computing", note=NOTES["computing"])
        return future.result() if future.done() else (report_page(study, waiting), "")

    async def _cases(self, request: Request, study: OpenStudy, stamp: Stamp) -> Made:
        asked = read_query(CasesQuery, dict(request.query_params))
        is_closed = await self._is_closed(study, stamp, asked.results)
        page = await self._quick.get(
            ("cases", study.name, stamp.results, asked, is_closed),
            lambda: cases_page(self.shelf, study, asked, is_closed=is_closed),
        )
        return Made(page=page, state=f"{stamp.results}-{is_closed:d}")

    async def _case(self, request: Request, study: OpenStudy, stamp: Stamp) -> Made:
        asked, case = read_query(CaseQuery, dict(request.query_params)), request.path_params["case"]
        is_closed = await self._is_closed(study, stamp, asked.results)

        def make() -> Page:
            plain = case_page(self.shelf, study, case, asked, is_closed=is_closed)
            if asked.saliency is None:
                return plain
            found = self._explainer.describe(study, case, asked.saliency, plain)
            return case_page(self.shelf, study, case, asked, is_closed=is_closed, saliency=found)

        kept = self._slow if asked.saliency is not None else self._quick
        page = await kept.get(("case", study.name, stamp.results, case, asked, is_closed), make)
        return Made(page=page, state=f"{stamp.results}-{is_closed:d}")

    async def _compare(self, request: Request, study: OpenStudy, stamp: Stamp) -> Made:
        asked = read_query(CompareQuery, dict(request.query_params))
        is_closed = await self._is_closed(study, stamp, asked.results)
        data = None if is_closed else await self._slow.get(("data", study.name, stamp.results), study.data)
        page = await self._slow.get(
            ("compare", study.name, stamp.results, asked, is_closed), lambda: compare_page(study, asked, data)
        )
        return Made(page=page, state=f"{stamp.results}-{is_closed:d}")

    async def _threshold(self, request: Request, study: OpenStudy, stamp: Stamp) -> Made:
        asked = read_query(ThresholdQuery, dict(request.query_params))
        is_closed = await self._is_closed(study, stamp, asked.results)
        read = partial(study.data, with_test=not is_closed)
        data = await self._slow.get(("validation" if is_closed else "data", study.name, stamp.results), read)
        page = await self._quick.get(
            ("threshold", study.name, stamp.results, asked, is_closed),
            lambda: threshold_page(study, asked, data, is_closed=is_closed),
        )
        return Made(page=page, state=f"{stamp.results}-{is_closed:d}")

    # ------------------------------------------------------------------ files and pictures

    async def _table(self, table: str, request: Request) -> Response:
        study = await self._find(request)
        stamp, asked = await self._stamp(study), read_query(StudyQuery, dict(request.query_params))
        part = await self._not_yet(study, stamp, at_once=asked.results == "now")
        if part is None:
            part = await self._answers.get(("results", study.name, stamp.results), lambda: read_results(study))
        page = (await self._study_with(study, stamp, part)).page
        assert isinstance(page, StudyPage)
        name = quote(f"{study.name}-{table}.csv", safe="")
        headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{name}"}
        return Response(table_csv(page, table), media_type="text/csv", headers=headers)

    async def _built_report(self, request: Request) -> Response:
        study = await self._find(request)
        look = partial(written_report, study.folder.path)
        found = await asyncio.get_running_loop().run_in_executor(self._pool, look)
        if found is None:
            raise HTTPException(404, "this study's folder has no written report")
        body, policy = found
        return Response(body, media_type="text/html", headers={"Content-Security-Policy": policy})

    async def _thumb(self, request: Request) -> Response:
        study, case = await self._find(request), request.path_params["case"]

        def picture() -> bytes | None:
            index = self.shelf.cases(study)
            place = index.row_of.get(case)
            if place is not None and index.rows[place]["split"] == "test":
                study.open_test(with_runs=False)
            return None if place is None else index.pictures[place]

        png = await asyncio.get_running_loop().run_in_executor(self._pool, picture)
        if png is None:
            raise HTTPException(404, f"there is no stored picture of case {case}")
        return picture_answer(request, png)

    async def _saliency_picture(self, request: Request) -> Response:
        study, wanted = await self._find(request), request.path_params
        run, case, kind = f"{wanted['arm']}/{wanted['seed']}", wanted["case"], wanted["kind"]
        if kind not in KINDS:
            raise HTTPException(404, f"no picture is called {kind!r}")
        asked = read_query(StudyQuery, dict(request.query_params))
        stamp = await self._stamp(study)
        is_closed = await self._is_closed(study, stamp, asked.results)
        key = ("picture", study.name, stamp.results, case, run, kind, is_closed)
        png = await self._slow.get(key, lambda: self._explainer.picture(study, case, run, kind, is_closed=is_closed))
        return picture_answer(request, png)

    # ------------------------------------------------------------------ the feed

    async def _events(self, request: Request) -> Response:
        study = await self._find(request)
        state_of = self._report_state if request.url.path.endswith("/report/events") else self._state

        async def look() -> dict[str, object]:
            try:
                stamp = await self._stamp(study)
                progress = await self._progress(study, stamp)
                return {"state": state_of(study, stamp), **as_plain(progress)}
            except Exception as error:  # as for a page
                return {"state": "fault", "fault": fault_in_words(error)}

        return self._stream(f"{study.name}/{state_of.__name__}", look)

    async def _index_events(self, _request: Request) -> Response:
        async def look() -> dict[str, object]:
            try:
                return {"state": (await self._index_state())[0]}
            except Exception as error:  # as for a page
                return {"state": "fault", "fault": fault_in_words(error)}

        return self._stream("", look)

    def _stream(self, name: str, look: Callable[[], Awaitable[dict[str, object]]]) -> Response:
        feed = self._feeds.setdefault(name, Feed(look, self._is_over))
        return StreamingResponse(feed.lines(), media_type="text/event-stream")


def _has_failed(made: object) -> bool:
    return getattr(made[0] if isinstance(made, tuple) else made, "state", None) == "failed"


def _stamp_or_none(shelf: Shelf, name: str) -> Stamp | None:
    try:
        return shelf.study(name).stamp()
    except (OSError, KeyError, ScantrialError):
        return None


async def _static(request: Request) -> Response:
    name = request.path_params["file"]
    if name not in ASSETS:
        raise HTTPException(404, f"no file is called {name!r}")
    content, _ = asset(name)
    headers = {"Cache-Control": "private, max-age=31536000, immutable"}
    return Response(content, media_type=ASSETS[name], headers=headers)
