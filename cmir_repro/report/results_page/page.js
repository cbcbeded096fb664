"use strict";
// Texts come from files that somebody wrote: they are put in as text, never as HTML.
const $$ = id => document.getElementById(id);
const SHOWN = 12, NONE = -1;
// Of report/plots/style.py: colour-blind readers can tell them apart; markers repeat them.
const COLORS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"];
const SYMBOLS = ["circle", "triangle-up", "square", "diamond", "triangle-down", "cross", "x"];
const DASHES = ["solid", "dash", "dot", "dashdot"];

function el(tag, properties, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties || {})) {
    if (name in made) made[name] = value; else made.setAttribute(name, value);
  }
  made.append(...children.filter(child => child !== null));
  return made;
}

async function unpacked(id) {
  const text = atob($$(id).textContent);
  const bytes = Uint8Array.from(text, character => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).text();
}

async function imported(id) {
  const url = URL.createObjectURL(new Blob([await unpacked(id)], { type: "text/javascript" }));
  try { return await import(url); } finally { URL.revokeObjectURL(url); }
}

let plotly = null;
// Plotly is large: unpacked when the first plot is near the screen.
function plots() {
  plotly ??= imported("plots").then(() => window.Plotly);
  return plotly;
}

function near(element, action) {
  const watch = new IntersectionObserver(entries => {
    if (entries.some(entry => entry.isIntersecting)) { watch.disconnect(); action(); }
  }, { rootMargin: "300px" });
  watch.observe(element);
}

function image(place, alt) {
  if (place === NONE || place === undefined) return null;
  const source = "data:image/webp;base64," + DATA.pictures[place];
  return el("img", { src: source, alt, className: "shot", loading: "lazy" });
}

const named = run => `${run.method}, seed ${run.seed}`;
const settingOf = run => `${run.system}: ${run.dataset}, ${run.task}, ${run.scale}`;

function fill(select, runs, chosen) {
  const groups = new Map();
  for (const run of runs) {
    const name = settingOf(run);
    if (!groups.has(name)) groups.set(name, el("optgroup", { label: name }));
    const told = named(run) + (run.ledger === "yours" ? " (yours)" : "");
    groups.get(name).append(el("option", { value: run.run, textContent: told }));
  }
  select.replaceChildren(...groups.values());
  if (chosen) select.value = chosen;
}

let DATA, byName, table;

// Runs ------------------------------------------------------------------------------------------

const COLUMNS = [
  ["system", "system"], ["dataset", "data"], ["task", "task"], ["scale", "scale"],
  ["method", "method"], ["seed", "seed"], ["metric", "metric"], ["value", "value [95 %]"],
  ["ledger", "ledger"],
];
const NUMBERS = ["seed", "value"];

function interval(run, digits) {
  const between = run.low === null ? "" : ` [${run.low.toFixed(digits)}, ${run.high.toFixed(digits)}]`;
  return run.value.toFixed(digits) + between;
}

async function showRuns() {
  const DataTable = (await imported("tables")).default;
  const listed = ["system", "dataset", "task", "scale", "method", "metric", "ledger"];
  const columns = COLUMNS.map(([data]) => ({
    data,
    className: NUMBERS.includes(data) ? "number" : "",
    render: (value, type, run) => type === "display" && data === "value" ? interval(run, 1) : value,
    columnControl: listed.includes(data) ? ["order", ["searchList"]] : ["order", ["search"]],
  }));
  const heads = COLUMNS.map(([, title]) => el("th", { scope: "col", textContent: title }));
  $$("table").append(el("thead", {}, el("tr", {}, ...heads)));
  table = new DataTable($$("table"), {
    data: DATA.runs, columns, ordering: { indicators: false, handler: true }, order: [],
    pageLength: 15, lengthMenu: [15, 50, 200], select: { style: "multi", info: false },
    autoWidth: false, columnDefs: [{ targets: "_all", defaultContent: "" }],
    layout: { topStart: "search", topEnd: "pageLength" },
    language: { search: "Filter all columns: " },
    rowCallback: (row, run) => {
      row.tabIndex = 0;
      row.title = run.run;
    },
  });
  const body = $$("table").querySelector("tbody");
  body.addEventListener("keydown", event => {
    if (event.key !== " " && event.key !== "Enter") return;
    event.preventDefault();
    const row = table.row(event.target.closest("tr"));
    if (row.node().classList.contains("selected")) row.deselect(); else row.select();
  });
  let picked = [];  // rows in the order they were chosen
  table.on("select", (event, _, type, rows) => {
    picked = [...picked.filter(row => !rows.includes(row)), ...rows];
    if (picked.length > 2) table.row(picked[0]).deselect();
    else chosen(picked.map(row => table.row(row).data()));
  });
  table.on("deselect", (event, _, type, rows) => {
    picked = picked.filter(row => !rows.includes(row));
    chosen(picked.map(row => table.row(row).data()));
  });
}

function chosen(runs) {
  const told = $$("chosen");
  $$("facts").replaceChildren(...runs.map(facts));
  if (!runs.length) return told.replaceChildren("No row is chosen.");
  if (runs.length === 1) return told.replaceChildren(`Chosen: ${named(runs[0])}. Choose a second.`);
  const same = runs[0].set !== null && runs[0].set === runs[1].set;
  const go = el("button", { type: "button", id: "go", textContent: "Compare them" });
  go.onclick = () => { compare(runs[0].run, runs[1].run); $$("compare").scrollIntoView(); };
  told.replaceChildren(
    `Chosen: ${named(runs[0])} and ${named(runs[1])}. `,
    same ? go : "They were asked other queries, so they cannot be compared query by query.");
}

function facts(run) {
  const list = el("dl", { className: "facts" });
  const told = {
    run: run.run, [`${run.metric} by ${run.by}`]: interval(run, 2),
    protocol: run.protocol, "weights chosen by": run.selection, command: run.command,
    commit: run.commit, finished: run.finished,
    training: run.seconds === null ? "unknown" : `${run.seconds.toLocaleString("en")} s`,
  };
  for (const [name, value] of Object.entries(told)) {
    if (value) list.append(el("dt", { textContent: name }), el("dd", { textContent: value }));
  }
  return el("details", { open: true }, el("summary", { textContent: named(run) }), list);
}

// Two runs --------------------------------------------------------------------------------------

let changes = [], most = SHOWN;

function partners(run) { return DATA.runs.filter(other => other.set === run.set); }

function compare(first, second) {
  const one = byName.get(first);
  const others = partners(one);
  if (!others.some(run => run.run === second)) {
    second = (others.find(run => run.run !== first && run.seed === one.seed) ?? others[0]).run;
  }
  $$("first").value = first;
  fill($$("second"), others, second);
  most = SHOWN;
  difference(one, byName.get(second));
}

// Ranks are compared by their logarithm: from 2 to 1 is as much as from 200 to 100.
function difference(a, b) {
  const set = DATA.sets[a.set], ranks = set.value === "rank";
  changes = [];
  let equal = 0;
  a.values.forEach((x, n) => {
    const y = b.values[n];
    if (x === null || y === null) return;
    const gain = ranks ? Math.log(x / y) : y - x;
    if (gain === 0) equal++; else changes.push({ n, x, y, gain });
  });
  const gained = changes.filter(one => one.gain > 0).length;
  const sample = a.values.length < set.total
    ? ` These are ${a.values.length.toLocaleString("en")} of ${set.total.toLocaleString("en")} queries, at even distances.` : "";
  let first = "";
  if (ranks) {
    const only = (p, q) => p.values.filter((x, n) => x === 1 && q.values[n] !== 1).length;
    first = ` Ranked first by ${named(b)} alone: ${only(b, a)}, by ${named(a)} alone: ${only(a, b)}.`;
  }
  $$("verdict").textContent = `${named(b)} gains ${gained} queries and loses `
    + `${changes.length - gained} against ${named(a)}; ${equal} are equal.${first}${sample}`;
  const pictured = one => set.shown.length && (set.shown[one.n][0] !== NONE || set.shown[one.n][2] !== NONE);
  changes.sort((p, q) => !!pictured(q) - !!pictured(p) || Math.abs(q.gain) - Math.abs(p.gain));
  list(set);
  if (window.Plotly) scatter(a, b, ranks); else near($$("scatter"), () => scatter(a, b, ranks));
}

function list(set) {
  const ups = changes.filter(one => one.gain > 0), downs = changes.filter(one => one.gain < 0);
  for (const [id, part] of [["gained", ups], ["lost", downs]]) {
    const items = part.slice(0, most).map(one => query(set, one));
    $$(id).replaceChildren(...(items.length ? items : [el("li", { textContent: "None." })]));
  }
  $$("more").disabled = most >= Math.max(ups.length, downs.length);
}

function query(set, one) {
  const [direction, name] = set.keys[one.n];
  const [source, text, target, answer] = set.shown[one.n] ?? [NONE, "", NONE, ""];
  const told = el("div", { className: "told" },
    text || answer || (set.shown.length ? "" : "(its picture and text are not here)"), el("br"),
    el("span", { className: "where", textContent: [name, way(direction)].filter(Boolean).join(", ") }));
  const unit = set.value === "rank" ? "rank" : "AP";
  const asked = `query ${name}${text ? ": " + text : ""}`;
  return el("li", {}, image(source, `picture of ${asked}`), told,
    image(target, `right answer to ${asked}`),
    el("span", { className: "ranks", textContent: `${unit} ${one.x} → ${one.y}` }));
}

const way = direction => ({ i2t: "image is the query", t2i: "text is the query" })[direction] ?? "";

async function scatter(a, b, ranks) {
  const Plotly = await plots();
  const set = DATA.sets[a.set], rows = a.values.map((x, n) => n)
    .filter(n => a.values[n] !== null && b.values[n] !== null);
  const axis = title => ({ title: { text: title }, type: ranks ? "log" : "linear", zeroline: false });
  const unit = ranks ? "rank of the right answer" : "average precision (%)";
  const ends = ranks ? [1, Math.max(...rows.map(n => Math.max(a.values[n], b.values[n])))] : [0, 100];
  const told = rows.map(n => (set.shown[n]?.[1] || set.keys[n][1]).slice(0, 90));
  Plotly.react($$("scatter"), [
    { x: ends, y: ends, mode: "lines", line: { color: "#57606a", dash: "dot" }, hoverinfo: "skip" },
    { x: rows.map(n => a.values[n]), y: rows.map(n => b.values[n]), text: told, mode: "markers",
      type: "scatter", marker: { color: COLORS[0], opacity: 0.35, size: 7 },
      hovertemplate: "%{text}<br>%{x} → %{y}<extra></extra>" },
  ], look({ xaxis: axis(`${named(a)}: ${unit}`), yaxis: axis(`${named(b)}`), showlegend: false,
    height: 420, title: { text: ranks ? "Below the dotted line: gained" : "Above the dotted line: gained", font: { size: 14 } } }), CONFIG);
}

const CONFIG = { displaylogo: false, responsive: true, modeBarButtonsToRemove: ["sendDataToCloud", "lasso2d", "select2d"] };
function look(layout) {
  return { font: { family: "system-ui, DejaVu Sans, sans-serif", size: 13, color: "#1b1f24" },
    margin: { l: 60, r: 20, t: 45, b: 55 }, hovermode: "closest", ...layout };
}

// Answers ---------------------------------------------------------------------------------------

function showAnswers() {
  const sets = DATA.sets.map((set, n) => [set, n]).filter(([set]) => set.answers.length);
  if (!sets.length) {
    return $$("answer-shown").replaceChildren(el("p", { className: "note",
      textContent: "No trained model and no data of scale mini are here, so there are no lists." }));
  }
  $$("answer-set").replaceChildren(...sets.map(([set, n]) => el("option", { value: n, textContent: set.name })));
  const last = sets.findIndex(([set]) => set.system === "dim" && set.answers.length > 1);
  if (last >= 0) $$("answer-set").selectedIndex = last;
  $$("answer-set").onchange = chooseSet;
  $$("answer-query").onchange = oneQuery;
  const step = by => () => { $$("answer-query").selectedIndex += by; oneQuery(); };
  $$("before").onclick = step(-1);
  $$("after").onclick = step(1);
  chooseSet();
}

function chooseSet() {
  const set = DATA.sets[$$("answer-set").value];
  $$("answer-query").replaceChildren(...set.asked.map(n => {
    const [direction, name] = set.keys[n];
    const told = [name, way(direction), set.shown[n][1]].filter(Boolean).join(", ");
    return el("option", { value: n, textContent: told.slice(0, 110) });
  }));
  oneQuery();
}

function oneQuery() {
  const select = $$("answer-query"), set = DATA.sets[$$("answer-set").value], n = +select.value;
  $$("before").disabled = select.selectedIndex === 0;
  $$("after").disabled = select.selectedIndex === select.length - 1;
  const [source, text, target, answer] = set.shown[n];
  const right = el("span", { className: "where", textContent: target === NONE ? "right: " + answer : "right answer:" });
  const asked = el("div", { className: "asked" }, image(source, "picture of the query"),
    el("strong", { textContent: text || (source === NONE ? "" : "(the picture is the query)") }), right,
    image(target, "the right answer"));
  const rows = set.answers.filter(one => one.found[n]).map(one => {
    const items = one.found[n].map(([picture, words, hit], place) => found(picture, words, hit, place));
    return el("div", {}, el("h3", { textContent: one.model }), el("ol", { className: "list" }, ...items));
  });
  $$("answer-shown").replaceChildren(asked, ...rows);
}

function found(picture, words, hit, place) {
  const told = `answer ${place + 1}, ${hit ? "right" : "wrong"}`;
  const shown = image(picture, told);
  const kind = (shown ? "" : "text ") + (hit ? "right" : "");
  return el("li", { className: kind }, shown ?? words + " ",
    el("span", { textContent: `${place + 1} ${hit ? "✓" : "✗"}` }));
}

// Curves ----------------------------------------------------------------------------------------

let drawn = [];

function showCurves() {
  const runs = DATA.runs.filter(run => run.curves.loss || run.curves.validation);
  if (!runs.length) return $$("curve-loss").append("No log is here.");
  fill($$("curve-run"), runs);
  $$("curve-add").onclick = () => add($$("curve-run").value);
  $$("curve-clear").onclick = () => { drawn = []; draw(); };
  drawn = ["first", "second"].map(id => $$(id).value).filter(name => byName.get(name)?.curves.loss);
  near($$("curve-loss"), draw);
}

function add(name) {
  if (!drawn.includes(name)) drawn.push(name);
  draw();
}

async function draw() {
  const Plotly = await plots();
  const runs = drawn.map(name => byName.get(name));
  const measured = [...new Set(runs.map(run => `${run.system} ${run.curves.named}`))].join(", ");
  for (const [id, key, title] of [["curve-loss", "loss", "Training loss"],
    ["curve-validation", "validation", `Validation: ${measured} (%)`]]) {
    const traces = runs.filter(run => run.curves[key]).map(run => {
      const i = drawn.indexOf(run.run), color = COLORS[i % 7];
      return { x: run.curves[key][0], y: run.curves[key][1], mode: "lines+markers",
        name: `${named(run)}, ${run.task}, ${run.scale}`,
        line: { color, dash: DASHES[Math.floor(i / 7) % 4] },
        marker: { color, symbol: SYMBOLS[i % 7], size: 7, maxdisplayed: 12 } };
    });
    await Plotly.react($$(id), traces, look({ title: { text: title, font: { size: 14 } },
      height: 400, showlegend: true, legend: { orientation: "h", y: -0.28 },
      xaxis: { title: { text: "step" }, rangemode: "tozero" } }), CONFIG);
  }
}

// Figures and notes -----------------------------------------------------------------------------

function showFigures() {
  const shown = DATA.figures.map(one => {
    const alt = one.caption || `figure ${one.name}`;
    const parts = [
      el("img", { src: "data:image/webp;base64," + one.image, alt, loading: "lazy",
        width: one.width, height: one.height }),
      el("figcaption", {}, one.caption + " ", el("span", { className: "where", textContent: [one.name, one.where].filter(Boolean).join(", ") })),
    ];
    if (one.command) parts.push(el("pre", { textContent: one.command }));
    if (one.runs.length) {
      parts.push(el("details", {}, el("summary", { textContent: `made from ${one.runs.length} records` }),
        el("pre", { textContent: one.runs.join("\n") })));
    }
    return el("figure", { id: "figure-" + one.name }, ...parts);
  });
  $$("figure-list").replaceChildren(...(shown.length ? shown : [el("p", { textContent: "No figure is here: the notebooks draw them." })]));
}

function showNotes() {
  const notes = DATA.notes.length ? DATA.notes : ["Nothing is left out."];
  $$("note-list").replaceChildren(...notes.map(note => el("li", { textContent: note })));
}

async function start() {
  DATA = JSON.parse(await unpacked("data"));
  DATA.pictures = JSON.parse($$("pictures").textContent);
  byName = new Map(DATA.runs.map(run => [run.run, run]));
  await showRuns();
  const asked = DATA.runs.filter(run => run.set !== null);
  fill($$("first"), asked);
  $$("first").onchange = () => compare($$("first").value, $$("second").value);
  $$("second").onchange = () => compare($$("first").value, $$("second").value);
  $$("more").onclick = () => { most += SHOWN; list(DATA.sets[byName.get($$("first").value).set]); };
  const begin = asked.find(run => run.method === "TIRG" && run.scale === "mini") ?? asked[0];
  const other = begin && asked.find(run => run.method === "TIRG + DIM" && run.set === begin.set && run.seed === begin.seed);
  if (begin) compare(begin.run, other?.run);
  showAnswers();
  showCurves();
  showFigures();
  showNotes();
  $$("state").remove();
}

start().catch(error => {
  $$("state").textContent = `This page could not be shown: ${error.message}`;
  throw error;
});
