
(() => {
"use strict";

const root = document.documentElement;
const byID = (id) => document.getElementById(id);
const format = new Intl.NumberFormat("en");

// make returns an element; its text is text, never HTML.
function make(tag, properties, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

// ---- Colours ----

// colourListeners are called when the colours of the page have changed.
const colourListeners = [];
const coloursChanged = () => colourListeners.forEach((listener) => listener());

// probe computes colours: what a property of light and dark comes to is known of an element alone.
const probe = make("span", { hidden: true });
document.body.append(probe);
function colour(name) {
  probe.style.color = "var(--" + name + ")";
  return getComputedStyle(probe).color;
}

function setTheme(theme) {
  if (theme === "") delete root.dataset.theme;
  else root.dataset.theme = theme;
  for (const button of byID("theme").children) {
    button.ariaPressed = String(button.value === theme);
  }
  coloursChanged();
}

function startTheme() {
  for (const [value, name] of [["", "Auto"], ["light", "Light"], ["dark", "Dark"]]) {
    byID("theme").append(make("button", { type: "button", value, onclick: () => setTheme(value) }, name));
  }
  byID("theme").hidden = false;
  setTheme("");
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", coloursChanged);
}

// ---- Tables: sorting, search, and folding of long ones ----

const foldedRows = 20; // shown of a long table until all are asked for
const searchedRows = 10; // a table with more can be searched

// keyOf returns what a cell is sorted by.
function keyOf(cell, numeric) {
  const key = cell.dataset.key ?? cell.textContent;
  return numeric ? Number(key.replaceAll(",", "")) : key;
}

// sortRows returns the rows by a column; rows that are equal keep their order.
function sortRows(rows, column, numeric, falling) {
  const keyed = rows.map((row) => ({ row, key: keyOf(row.cells[column], numeric) }));
  const order = falling ? -1 : 1;
  keyed.sort((a, b) => (a.key < b.key ? -order : a.key > b.key ? order : 0));
  return keyed.map((k) => k.row);
}

function enhance(table) {
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  let rows = [...body.rows];
  let words = [];
  let all = false;
  const found = make("span", { role: "status" });
  const more = make("button", { type: "button", className: "more", onclick: () => { all = true; show(); } });

  const texts = new Map();
  const matches = (row) => {
    if (words.length === 0) return true;
    if (!texts.has(row)) texts.set(row, [...row.cells].map((c) => c.textContent).join("\n").toLowerCase());
    const text = texts.get(row);
    return words.every((word) => text.includes(word));
  };
  function show() {
    let fit = 0;
    for (const row of rows) {
      const match = matches(row);
      if (match) fit++;
      row.hidden = !match || (!all && fit > foldedRows);
    }
    more.hidden = all || fit <= foldedRows;
    more.textContent = "Show all " + format.format(fit);
    found.textContent = words.length === 0 ? "" : format.format(fit) + " of " + format.format(rows.length) + " rows match";
  }
  function sortBy(column) {
    const head = heads[column];
    const numeric = head.classList.contains("number");
    const first = numeric || head.classList.contains("time") ? "descending" : "ascending";
    const second = first === "ascending" ? "descending" : "ascending";
    const next = head.ariaSort === first ? second : first;
    for (const other of heads) other.ariaSort = "none";
    head.ariaSort = next;
    rows = sortRows(rows, column, numeric, next === "descending");
    body.replaceChildren(...rows);
    show();
  }
  heads.forEach((head, column) => {
    head.replaceChildren(make("button", { type: "button", onclick: () => sortBy(column) }, head.textContent));
  });
  if (rows.length > searchedRows) {
    const input = make("input", { type: "search", placeholder: "Search", autocomplete: "off", spellcheck: false });
    input.ariaLabel = "Search: " + table.parentElement.ariaLabel;
    input.addEventListener("input", () => {
      words = input.value.toLowerCase().split(/\s+/).filter((word) => word !== "");
      show();
    });
    table.parentElement.before(make("div", { className: "search" }, input, found));
  }
  table.parentElement.after(more);
  show();
}

// ---- Copying ----

async function copy(button) {
  const source = byID(button.dataset.copy);
  const name = button.textContent;
  let done = true;
  try {
    await navigator.clipboard.writeText(source.textContent);
  } catch { // not allowed here, or an old browser: the selection can be copied by hand
    getSelection().selectAllChildren(source);
    done = document.execCommand("copy");
  }
  button.textContent = done ? "Copied" : "Selected: copy with the keyboard";
  setTimeout(() => { button.textContent = name; }, 2000);
}

function startCopying() {
  for (const button of document.querySelectorAll("button[data-copy]")) {
    button.hidden = false;
    button.addEventListener("click", () => copy(button));
  }
}

// ---- Timeline ----

const day = 86400;
const hour = 3600;
const monday = 4 * day; // from which steps are counted: weeks begin on it, and days at midnight
const barPixels = 6; // a bar has at least this width
const names = ["granted", "refused", "other", "events", "syns"];

const alignTo = (at, step) => Math.floor((at - monday) / step) * step + monday;

// iso returns a time in UTC, with seconds if it has some.
function iso(at) {
  const text = new Date(at * 1000).toISOString();
  return text.slice(0, 10) + " " + text.slice(11, at % 60 === 0 ? 16 : 19);
}

// period returns a span of time without saying its day twice.
function period(from, to) {
  const [start, end] = [iso(from), iso(to)];
  if (from % day === 0 && to - from === day) return start.slice(0, 10);
  return start + " – " + (start.slice(0, 10) === end.slice(0, 10) ? end.slice(11) : end);
}

// width returns a number of seconds in words.
function width(seconds) {
  for (const [unit, name] of [[7 * day, "week"], [day, "day"], [hour, "hour"], [60, "minute"], [1, "second"]]) {
    if (seconds % unit === 0) return seconds === unit ? "1 " + name : seconds / unit + " " + name + "s";
  }
}

// A Timeline has the numbers and the span that is shown; it adds them up to bars.
class Timeline {
  constructor(data) {
    this.data = data;
    this.first = data.at[0];
    this.last = data.at.at(-1) + data.width;
    this.decided = ["granted", "refused", "other"].some((name) => data[name].some((n) => n > 0));
    this.all();
  }
  all() { this.show(this.first, this.last); }

  // show sets the span, within that of the data.
  show(from, to) {
    const least = Math.min(this.data.width * 4, this.last - this.first);
    const span = Math.min(Math.max(to - from, least), this.last - this.first);
    this.from = Math.min(Math.max((from + to - span) / 2, this.first), this.last - span);
    this.to = this.from + span;
  }
  isWhole() { return this.from <= this.first && this.to >= this.last; }

  // move shifts the span by parts of itself.
  move(parts) { this.show(this.from + (this.to - this.from) * parts, this.to + (this.to - this.from) * parts); }

  // zoom makes the span longer or shorter about its middle.
  zoom(factor) {
    const [middle, half] = [(this.from + this.to) / 2, ((this.to - this.from) * factor) / 2];
    this.show(middle - half, middle + half);
  }

  // busiest shows the span of a length, such as a day, in which most was decided, or what happened;
  // of what is shown, if that is longer than it.
  busiest(length) {
    const counted = this.decided ? (i) => this.data.granted[i] + this.data.refused[i] + this.data.other[i] : (i) => this.data.events[i];
    const [from, to] = this.to - this.from > length ? [this.from, this.to] : [this.first, this.last];
    const sums = new Map();
    this.data.at.forEach((at, i) => {
      if (at < from || at >= to) return;
      const start = alignTo(at, length);
      sums.set(start, (sums.get(start) ?? 0) + counted(i));
    });
    let [best, most] = [alignTo((from + to) / 2, length), -1];
    for (const [start, sum] of sums) if (sum > most) [best, most] = [start, sum];
    this.show(best, best + length);
  }

  // bars adds up what is shown, for a chart of so many pixels: every bar has its place, also
  // where nothing happened.
  bars(pixels) {
    const fit = this.data.steps.find((step) => (this.to - this.from) / step <= pixels / barPixels);
    const step = fit ?? this.data.steps.at(-1);
    const start = alignTo(this.from, step);
    const n = Math.min(Math.ceil((this.to - start) / step), 10000);
    const bars = { step, at: Array.from({ length: n }, (_, i) => start + i * step) };
    for (const name of names) bars[name] = new Array(n).fill(0);
    this.data.at.forEach((at, i) => {
      const k = Math.floor((at - start) / step);
      if (k < 0 || k >= n) return;
      for (const name of names) bars[name][k] += this.data[name][i];
    });
    return bars;
  }
}

// tick returns the labels of an axis of time.
function tick(at, step) {
  const text = new Date(at * 1000).toISOString();
  if (at % day === 0) return step >= 28 * day ? text.slice(0, 7) : text.slice(5, 10);
  return text.slice(11, step < 60 ? 19 : 16);
}

// short returns a number for an axis.
const compact = new Intl.NumberFormat("en", { notation: "compact" });

// A Chart draws the bars of a timeline: decisions above, events below.
class Chart {
  constructor(timeline) {
    this.timeline = timeline;
    this.bars = timeline.bars(this.pixels());
    const paths = uPlot.paths.bars({ align: 1, size: [0.86, 60], gap: 0 });
    this.plots = [];
    const add = (height, labelled, series, values) => {
      const plot = new uPlot(this.options(height, labelled, series.map((name) => ({
        paths, width: 0, points: { show: false }, fill: () => colour(name),
      }))), [this.bars.at, ...values(this.bars)], byID("plots"));
      this.plots.push({ plot, values });
    };
    if (timeline.decided) {
      // The longest bar is drawn first, so that what is in front shows the parts of a stack.
      add(150, false, ["other", "refused", "granted"], (b) => [
        b.granted.map((n, i) => n + b.refused[i] + b.other[i]), b.granted.map((n, i) => n + b.refused[i]), b.granted]);
    }
    add(timeline.decided ? 130 : 220, true, ["events", "syns"], (b) => [b.events, b.syns]);
    this.say();
    colourListeners.push(() => this.plots.forEach(({ plot }) => plot.redraw()));
  }

  pixels() { return Math.max(byID("plots").clientWidth, 200); }

  options(height, labelled, series) {
    const axis = { stroke: () => colour("soft"), font: "12px system-ui, sans-serif", ticks: { show: false } };
    const grid = { stroke: () => colour("rule"), width: 1 };
    return {
      width: this.pixels(), height, legend: { show: false }, padding: [8, 32, labelled ? 0 : 4, 0],
      tzDate: (at) => uPlot.tzDate(new Date(at * 1000), "Etc/UTC"),
      cursor: {
        sync: { key: "timeline" }, y: false, points: { show: false },
        drag: { x: true, y: false, setScale: false },
        bind: { dblclick: () => () => { this.timeline.all(); this.draw(); } },
      },
      scales: { x: { range: () => [this.timeline.from, this.timeline.to] }, y: { range: (_, __, max) => [0, Math.max(max, 1) * 1.08] } },
      series: [{}, ...series],
      axes: [
        { ...axis, show: true, size: labelled ? 30 : 6, space: 64, grid: { show: false },
          values: (_, splits, __, ___, step) => (labelled ? splits.map((at) => tick(at, step)) : splits.map(() => "")) },
        { ...axis, grid, size: 52, space: 36, incrs: [1, 2, 5].flatMap((n) => Array.from({ length: 14 }, (_, e) => n * 10 ** e)).sort((a, b) => a - b),
          values: (_, splits) => splits.map((n) => compact.format(n)) },
      ],
      hooks: {
        setCursor: [(plot) => this.say(plot.cursor.idx)],
        setSelect: [(plot) => this.select(plot)],
      },
    };
  }

  // select zooms to what was dragged over.
  select(plot) {
    const { left, width } = plot.select;
    if (width < 4) return;
    this.timeline.show(plot.posToVal(left, "x"), plot.posToVal(left + width, "x"));
    plot.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
    this.draw();
  }

  draw() {
    this.bars = this.timeline.bars(this.pixels());
    for (const { plot, values } of this.plots) plot.setData([this.bars.at, ...values(this.bars)], true);
    this.say();
    this.changed?.();
  }

  resize() {
    for (const { plot } of this.plots) plot.setSize({ width: this.pixels(), height: plot.height });
    this.draw();
  }

  // say writes the numbers of a bar, or of all that is shown.
  say(i) {
    const { bars, timeline } = this;
    const shown = names.filter((name) => timeline.decided || name === "events" || name === "syns");
    const one = i != null && i >= 0 && i < bars.at.length;
    const amount = (name) => (one ? bars[name][i] : bars[name].reduce((a, b) => a + b, 0));
    const called = { syns: "SYNs" };
    const when = one ? period(bars.at[i], bars.at[i] + bars.step) : period(timeline.from, timeline.to) + ", each bar " + width(bars.step);
    byID("readout").textContent = when + ": " + shown.map((name) => (called[name] ?? name) + " " + format.format(amount(name))).join(", ");
  }
}

function startTools(chart) {
  const { timeline } = chart;
  const act = (f) => () => { f(); chart.draw(); };
  const tools = [
    ["Whole time", () => timeline.all(), () => timeline.isWhole()],
    ["Busiest day", () => timeline.busiest(day), () => timeline.data.width >= day || timeline.last - timeline.first <= day],
    ["Busiest hour", () => timeline.busiest(hour), () => timeline.data.width >= hour || timeline.last - timeline.first <= hour],
    ["← Earlier", () => timeline.move(-1), () => timeline.from <= timeline.first],
    ["Later →", () => timeline.move(1), () => timeline.to >= timeline.last],
  ];
  const buttons = tools.map(([name, f]) => make("button", { type: "button", onclick: act(f) }, name));
  document.querySelector("#chart .tools").append(...buttons);
  chart.changed = () => tools.forEach(([, , off], i) => { buttons[i].disabled = off(); });
  chart.changed();
  const keys = {
    ArrowLeft: () => timeline.move(-0.25), ArrowRight: () => timeline.move(0.25),
    "+": () => timeline.zoom(0.5), "=": () => timeline.zoom(0.5), "-": () => timeline.zoom(2),
    0: () => timeline.all(), Escape: () => timeline.all(),
  };
  byID("plots").addEventListener("keydown", (event) => {
    if (!keys[event.key] || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    act(keys[event.key])();
  });
}

function startTimeline() {
  if (!byID("timeline-data")) return;
  byID("chart").hidden = false;
  const chart = new Chart(new Timeline(JSON.parse(byID("timeline-data").textContent)));
  startTools(chart);
  let pixels = chart.pixels();
  new ResizeObserver(() => {
    if (pixels === chart.pixels()) return;
    pixels = chart.pixels();
    chart.resize();
  }).observe(byID("plots"));
}

// ---- Printing: in light colours, as wide as the paper ----

function startPrinting() {
  let theme = null;
  addEventListener("beforeprint", () => {
    theme = root.dataset.theme ?? "";
    setTheme("light");
  });
  addEventListener("afterprint", () => {
    if (theme !== null) setTheme(theme);
    theme = null;
  });
}

startTheme();
document.querySelectorAll("table.list").forEach(enhance); // before the chart is measured: folded rows take no layout
startTimeline();
startCopying();
startPrinting();
performance.mark("interactive");
})();
