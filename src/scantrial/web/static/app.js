// The server makes the pages. This script asks for them again when something has changed, and saves clicks.
"use strict";

const LEAST_MS = 1000; // between two looks at the server
const STAY_MS = 700; // on a case, before it is shown where a network looks
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
    for (const fold of part.querySelectorAll("details[id]")) {
      const same = next.querySelector("#" + CSS.escape(fold.id));
      if (same) same.open = fold.open;
    }
    for (const choice of part.querySelectorAll("input[id]")) {
      const same = next.querySelector("#" + CSS.escape(choice.id));
      if (same) same.checked = choice.checked;
    }
    const held = part.contains(document.activeElement) ? address(document.activeElement, part) : null;
    part.replaceChildren(...next.childNodes);
    for (const name of next.getAttributeNames()) part.setAttribute(name, next.getAttribute(name));
    dress(part);
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

function liven(root) {
  for (const form of root.querySelectorAll("form[data-live-form]")) {
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
    if (form.dataset.auto) waiting = setTimeout(() => {
      // Computed only for who stays: going through many cases costs nothing.
      form.elements.saliency.value = form.dataset.auto;
      root.querySelector(".waiting[hidden]")?.removeAttribute("hidden");
      ask();
    }, STAY_MS);
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

// ---- tables that are sorted and filtered, and commands to copy

const orders = new Map(); // by table: the column and the direction that a reader chose

function dress(root) {
  if (root !== document) liven(root);
  for (const table of root.querySelectorAll("table.sorted")) makeSortable(table);
  for (const command of root.querySelectorAll("code.command")) addCopy(command);
  filter();
}

function makeSortable(table) {
  for (const head of table.tHead.rows[0].cells) {
    const title = head.textContent, button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const first = head.classList.contains("n") ? "descending" : "ascending";
      const other = first === "ascending" ? "descending" : "ascending";
      orders.set(table.id, { title, order: head.getAttribute("aria-sort") === first ? other : first });
      sort(table);
    });
  }
  if (orders.has(table.id)) sort(table);
}

function sort(table) {
  const { title, order } = orders.get(table.id), sign = order === "ascending" ? 1 : -1;
  const heads = [...table.tHead.rows[0].cells], column = heads.findIndex(head => head.textContent === title);
  if (column < 0) return; // columns come with the results
  heads.forEach((head, i) => i === column ? head.setAttribute("aria-sort", order) : head.removeAttribute("aria-sort"));
  const value = row => row.cells[column].dataset.v ?? row.cells[column].textContent.trim();
  const compare = (a, b) => {
    const [x, y] = [value(a), value(b)];
    if (x === "" || y === "") return (x === "") - (y === ""); // what is not known stands last, whatever the order
    return sign * (isNaN(x) || isNaN(y) ? x.localeCompare(y, undefined, { numeric: true }) : x - y);
  };
  table.tBodies[0].append(...[...table.tBodies[0].rows].sort(compare));
}

function filter() {
  const asked = document.getElementById("filter");
  if (!asked) return;
  const words = asked.value.toLowerCase().split(/\s+/).filter(Boolean), shown = new Set();
  for (const row of document.querySelectorAll("table.sorted tbody tr")) {
    const text = row.textContent.toLowerCase();
    row.hidden = !words.every(word => text.includes(word));
    if (!row.hidden) shown.add(row.dataset.arm);
  }
  for (const drawn of document.querySelectorAll("g[data-arm], li[data-arm]")) {
    const out = !shown.has(drawn.dataset.arm);
    drawn.classList.toggle("out", out);
    if (drawn.tagName === "LI") drawn.hidden = out;
  }
}

function addCopy(command) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "copy";
  button.textContent = "Copy";
  button.setAttribute("aria-label", `Copy: ${command.textContent}`);
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(command.textContent);
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = "Copy"; }, 2000);
    } catch { // a browser that does not allow it: the command is selected, for Ctrl-C
      getSelection().selectAllChildren(command);
    }
  });
  command.after(button);
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

document.getElementById("filter")?.addEventListener("input", filter);
document.querySelector("label.find")?.removeAttribute("hidden");
dress(document);
liven(document);
spread(document);
follow();
listen();
