// Makes the figures of a report move, each when it is first seen. Without this script they stand as they were drawn.
// What a figure shows are the rows of the table below it.
(() => {
  "use strict";
  const root = document.querySelector(".scantrial-report");
  const store = document.querySelector("script.chart-specs");
  if (!root || !store) return;
  const specs = JSON.parse(store.textContent);

  // ------------------------------------------------------------------ the rows behind a figure

  const read = {
    number: (text) => (text === "–" ? null : Number(text.replaceAll("−", "-"))),
    flag: (text) => text === "yes",
    text: (text) => (text === "–" ? null : text),
  };

  const rowsOf = (figure) => {
    const table = figure.querySelector("table.rows");
    const columns = [...table.tHead.rows[0].cells].map((cell) => [cell.textContent, read[cell.dataset.kind]]);
    return [...table.tBodies[0].rows].map((row) =>
      Object.fromEntries(columns.map(([name, as], i) => [name, as(row.cells[i].textContent)])));
  };

  // ------------------------------------------------------------------ words under the pointer

  const tip = document.createElement("div");
  tip.className = "tip";
  tip.hidden = true;
  root.append(tip);

  const shown = (value) => (typeof value === "number" ? String(Number(value.toPrecision(4))) : String(value));
  const label = (name) => name.replace(/^mean_/, "mean ").replaceAll("_", " ");

  const showTip = (_, event, item, value) => {
    const pairs = Object.entries(value ?? {}).filter(([, one]) => one !== null && one !== undefined && one !== false);
    tip.hidden = !pairs.length || typeof value !== "object";
    if (tip.hidden) return;
    tip.replaceChildren(...pairs.map(([name, one]) => {
      const line = document.createElement("div");
      const term = document.createElement("span");
      term.textContent = label(name);
      line.append(term, one === true ? "" : ` ${shown(one)}`);
      return line;
    }));
    const left = Math.min(event.clientX + 14, document.documentElement.clientWidth - tip.offsetWidth - 8);
    const above = event.clientY - tip.offsetHeight - 10;
    tip.style.left = `${Math.max(8, left)}px`;
    tip.style.top = `${above < 8 ? event.clientY + 16 : above}px`;
  };
  addEventListener("scroll", () => { tip.hidden = true; }, { passive: true });
  addEventListener("keydown", (event) => { if (event.key === "Escape") tip.hidden = true; });

  // ------------------------------------------------------------------ one panel

  class Panel {
    constructor(place, rows) {
      this.place = place;
      this.zooms = specs[place.dataset.spec].signals?.some((signal) => signal.name === "zoom_x") ?? false;
      this.box = document.createElement("div");
      const runtime = vega.parse(specs[place.dataset.spec], {}, { ast: true });
      this.view = new vega.View(runtime, { expr: vega.expressionInterpreter, renderer: "svg", container: this.box });
      this.view.tooltip(showTip).hover();
      this.show(rows);
    }

    async draw() {
      await this.view.runAsync();
      this.axes = this.zooms ? ["x", "y"].filter((axis) => this.isContinuous(axis)) : [];
      this.box.setAttribute("aria-hidden", "true"); // the element around it says what it shows
      this.place.replaceChildren(this.box);
      if (this.axes.length) this.listen();
    }

    isContinuous(axis) {
      try {
        return typeof this.view.scale(axis).invert === "function";
      } catch {
        return false; // a panel without that axis
      }
    }

    show(rows) {
      this.view.data("rows", rows.map((row) => ({ ...row })));
    }

    // Show another part of the axes: from `low` to `high` pixels along each, as it is drawn now.
    look(part) {
      for (const axis of this.axes) {
        const scale = this.view.scale(axis);
        const [low, high] = part(axis, scale.range());
        const domain = [low, high].map((pixel) => scale.invert(pixel));
        this.zoomed ??= {};
        this.zoomed[axis] ??= scale.domain();
        const [first, last] = this.zoomed[axis];
        const whole = Math.min(...domain) <= Math.min(first, last) && Math.max(...domain) >= Math.max(first, last);
        this.view.signal(`zoom_${axis}`, whole ? null : domain);
      }
      return this.view.runAsync();
    }

    zoom(factor, at = {}) {
      if (!factor) return this.reset();
      return this.look((axis, [low, high]) => {
        const centre = at[axis] ?? (low + high) / 2;
        return [centre + (low - centre) * factor, centre + (high - centre) * factor];
      });
    }

    move(by) {
      if (!this.isZoomed()) return undefined;
      return this.look((axis, [low, high]) => [low - (by[axis] ?? 0), high - (by[axis] ?? 0)]);
    }

    isZoomed() {
      return this.axes.some((axis) => this.view.signal(`zoom_${axis}`));
    }

    reset() {
      for (const axis of this.axes) this.view.signal(`zoom_${axis}`, null);
      return this.view.runAsync();
    }

    // The pointer's place in the units of the drawing, which a narrow page makes smaller.
    at(event) {
      const [left, top] = this.view.origin();
      const svg = this.box.querySelector("svg");
      const frame = svg.getBoundingClientRect();
      const scale = svg.viewBox.baseVal.width / frame.width;
      return { x: (event.clientX - frame.left) * scale - left, y: (event.clientY - frame.top) * scale - top };
    }

    listen() {
      this.box.addEventListener("wheel", (event) => {
        if (!event.ctrlKey && !event.metaKey) return; // a plain wheel scrolls the page
        event.preventDefault();
        this.zoom(event.deltaY < 0 ? 0.8 : 1.25, this.at(event));
      }, { passive: false });
      this.box.addEventListener("dblclick", () => this.reset());
      this.box.addEventListener("pointerdown", (event) => {
        if (event.pointerType === "touch" || event.button || !this.isZoomed()) return;
        event.preventDefault();
        let last = this.at(event);
        this.box.setPointerCapture(event.pointerId);
        const drag = (moved) => {
          const now = this.at(moved);
          this.move({ x: now.x - last.x, y: now.y - last.y });
          last = now;
        };
        this.box.addEventListener("pointermove", drag);
        this.box.addEventListener("pointerup", () => this.box.removeEventListener("pointermove", drag), { once: true });
      });
    }
  }

  // ------------------------------------------------------------------ one figure

  const started = new WeakMap();

  const start = (figure) => {
    if (!started.has(figure)) {
      started.set(figure, (async () => {
        const rows = rowsOf(figure);
        const panels = [...figure.querySelectorAll(".panel")].map((place) => new Panel(place, rows));
        await Promise.all(panels.map((panel) => panel.draw()));
        figure.dataset.live = "yes";
        return { rows, panels };
      })());
    }
    return started.get(figure);
  };

  const choose = async (figure) => {
    const { rows, panels } = await start(figure);
    const groups = [...figure.querySelectorAll(".toggles")].map((group) => [
      group.dataset.column,
      new Set([...group.querySelectorAll("input:checked")].map((box) => box.value)),
    ]);
    const kept = rows.filter((row) => groups.every(([column, values]) => values.has(String(row[column]))));
    for (const panel of panels) {
      panel.show(kept);
      await panel.view.runAsync();
    }
  };

  const steps = { ArrowLeft: { x: 30 }, ArrowRight: { x: -30 }, ArrowUp: { y: 30 }, ArrowDown: { y: -30 } };

  const figures = [...document.querySelectorAll("figure.chart")];
  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries.filter((one) => one.isIntersecting)) {
      seen.unobserve(entry.target);
      start(entry.target);
    }
  }, { rootMargin: "150px" });

  for (const figure of figures) {
    seen.observe(figure);
    const tools = figure.querySelector(".tools");
    if (!tools) continue;
    tools.hidden = false;
    tools.addEventListener("change", () => choose(figure));
    tools.addEventListener("click", async (event) => {
      const button = event.target.closest("[data-zoom]");
      if (!button) return;
      for (const panel of (await start(figure)).panels) panel.zoom(Number(button.dataset.zoom));
    });
    tools.querySelector(".zoom")?.addEventListener("keydown", async (event) => {
      if (!(event.key in steps)) return;
      event.preventDefault();
      for (const panel of (await start(figure)).panels) panel.move(steps[event.key]);
    });
  }

  // ------------------------------------------------------------------ a fold opens for what leads into it

  const unfold = (name) => {
    const target = name && document.getElementById(name);
    if (!target) return;
    for (let fold = target.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
    target.scrollIntoView();
  };
  unfold(location.hash.slice(1));
  addEventListener("hashchange", () => unfold(location.hash.slice(1)));
  addEventListener("click", (event) => {
    unfold(event.target.closest?.(".scantrial-report a[href^='#']")?.hash.slice(1)); // a hash that is there already
    const button = event.target.closest?.(".unfold button");
    if (!button) return;
    const folds = [...document.querySelectorAll(".scantrial-report details:not(.behind)")];
    const open = folds.some((fold) => !fold.open);
    for (const fold of folds) fold.open = open;
    button.textContent = open ? "Fold everything" : "Unfold everything";
  });
  for (const tools of document.querySelectorAll(".unfold")) tools.hidden = false;

  // ------------------------------------------------------------------ on paper nothing is folded away

  let folded = [];
  addEventListener("beforeprint", () => {
    folded = [...document.querySelectorAll("details:not([open], .behind)")];
    for (const details of folded) details.open = true;
  });
  addEventListener("afterprint", () => {
    for (const details of folded) details.open = false;
  });
})();
