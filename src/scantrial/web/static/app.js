// The server makes the pages. This script asks for them again when something has changed, and saves clicks.
"use strict";

const LEAST_MS = 1000; // between two looks at the server
let busy = false, again = false;
const shown = new WeakMap(); // what the server last sent of each part, before this page changed anything in it
for (const part of document.querySelectorAll("[data-live]")) shown.set(part, part.innerHTML);

// ---- replace the parts of this page by those of its new version

function replaceParts(text) {
  const fresh = new DOMParser().parseFromString(text, "text/html");
  for (const part of document.querySelectorAll("[data-live]")) {
    const next = fresh.getElementById(part.id);
    if (!next || next.innerHTML === shown.get(part)) continue;
    if (part.dataset.version !== undefined) {
      // A report has a script of its own: a new report needs a new page.
      if (next.dataset.version !== part.dataset.version) location.reload();
      continue;
    }
    shown.set(part, next.innerHTML);
    for (const fold of part.querySelectorAll("details[id][open]")) {
      const same = next.querySelector("#" + CSS.escape(fold.id));
      if (same) same.open = true;
    }
    const held = part.contains(document.activeElement) ? address(document.activeElement, part) : null;
    part.replaceChildren(...next.childNodes);
    for (const name of next.getAttributeNames()) part.setAttribute(name, next.getAttribute(name));
    if (held) find(held, part)?.focus({ preventScroll: true });
    spread(part);
  }
  document.body.dataset.state = fresh.body?.dataset.state ?? "";
}

// Where an element is within a part, so that the keyboard focus survives its replacement.
function address(element, part) {
  const all = [...part.querySelectorAll(element.tagName)];
  return [element.tagName, all.indexOf(element)];
}

function find([tag, place], part) {
  return part.querySelectorAll(tag)[place];
}

async function refresh(url) {
  if (busy) { again = true; return; }
  busy = true;
  try {
    const answer = await fetch(url ?? location.href, { headers: { Accept: "text/html" } });
    if (answer.ok) replaceParts(await answer.text());
  } catch { /* the server is gone or busy: the feed says so and asks again */ }
  setTimeout(() => { busy = false; if (again) { again = false; refresh(); } }, url ? 0 : LEAST_MS);
}

// ---- the feed of changes

function follow() {
  const where = document.body.dataset.feed, says = document.getElementById("feed-state");
  if (!where) return;
  const feed = new EventSource(where);
  feed.addEventListener("state", event => {
    says.textContent = "";
    if (JSON.parse(event.data).state !== document.body.dataset.state) refresh();
  });
  feed.onerror = () => { says.textContent = "The server does not answer; this page may be out of date."; };
  addEventListener("pagehide", () => feed.close());
}

// ---- forms that answer while they are used

function liven() {
  for (const form of document.querySelectorAll("form[data-live-form]")) {
    let waiting = 0;
    const ask = () => {
      clearTimeout(waiting);
      waiting = setTimeout(async () => {
        const asked = new URLSearchParams([...new FormData(form)].filter(([, value]) => value !== ""));
        if (form.dataset.liveForm && new URLSearchParams(location.search).get("results")) asked.set("results", "now");
        const url = form.getAttribute("action") + "?" + asked;
        history.replaceState(null, "", url);
        await refresh(url);
      }, 60);
    };
    form.addEventListener("input", event => {
      const shown = form.querySelector(`output[data-of="${event.target.name}"]`);
      if (shown) shown.value = event.target.value;
      ask();
    });
    form.addEventListener("submit", event => { event.preventDefault(); ask(); });
  }
}

// ---- the list of cases: every part has its place at once, and is fetched when it comes near

function spread(root) {
  const parts = root.querySelector?.(".parts[data-parts]");
  if (!parts || Number(parts.dataset.parts) < 2) return;
  const first = parts.querySelector(".grid"), n = Number(parts.dataset.parts), here = Number(parts.dataset.page);
  first.style.contentVisibility = "visible"; // measure its real height, not the estimate before it is shown
  const height = first.getBoundingClientRect().height;
  first.style.contentVisibility = "";
  const seer = new IntersectionObserver(seen => {
    for (const { isIntersecting, target } of seen) if (isIntersecting) { seer.unobserve(target); load(target, parts); }
  }, { rootMargin: "1200px 0px" });
  first.dataset.part = here;
  for (let number = 1; number <= n; number++) {
    if (number === here) continue;
    const place = document.createElement("ol");
    place.className = "grid empty";
    place.dataset.part = number;
    place.style.minHeight = height + "px";
    place.style.containIntrinsicSize = `auto ${height}px`;
    place.setAttribute("aria-label", `Part ${number}`);
    if (number < here) parts.insertBefore(place, first); else parts.append(place);
    seer.observe(place);
  }
  root.querySelector(".pager")?.setAttribute("hidden", "");
  if (here > 1) first.scrollIntoView();
}

async function load(place, parts) {
  const asked = new URLSearchParams(parts.dataset.query);
  asked.set("page", place.dataset.part);
  try {
    const answer = await fetch(location.pathname + "?" + asked, { headers: { Accept: "text/html" } });
    if (!answer.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector(".grid");
    place.replaceChildren(...fresh.childNodes);
    place.classList.remove("empty");
    place.style.minHeight = "";
    place.removeAttribute("aria-label");
    place.start = fresh.start;
  } catch { /* it stays empty, and the pager's addresses still work */ }
}

// ---- keys

function listen() {
  addEventListener("keydown", event => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest?.("input, select, textarea, [role=region]")) return;
    const rel = { ArrowLeft: "prev", k: "prev", ArrowRight: "next", j: "next", u: "up" }[event.key];
    const link = rel && document.querySelector(`.steps a[rel=${rel}]`);
    if (link) { event.preventDefault(); link.click(); }
  });
}

liven();
spread(document);
follow();
listen();
