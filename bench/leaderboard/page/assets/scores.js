// The table of all rows: sorted, filtered, each with its interval and, unfolded, its certificate and provenance.

const STEP = 150; // rows drawn at a time
const COLUMNS = [
  { key: "task", text: "Task", of: (row) => model.tasks[row.task] },
  { key: "encoder", text: "Encoder", of: (row) => encoderName(row.encoder), phone: true },
  { key: "probe", text: "Probe", of: (row) => row.probe, phone: true },
  { key: "metric", text: "Metric", of: (row) => row.metric ?? "", narrow: true },
  { key: "value", text: "Score", of: (row) => row.value, number: true },
  { key: "interval", text: "95% interval, chance", of: (row) => row.ci95 && row.ci95[1] - row.ci95[0] },
  { key: "normalized", text: "Normalized", of: (row) => row.normalized, number: true, narrow: true },
  { key: "chance_corrected", text: "Over chance", of: (row) => row.chance_corrected, number: true, narrow: true },
  { key: "n", text: "n", of: (row) => row.n, number: true, narrow: true },
  { key: "flags", text: "Notes", of: (row) => (row.flags ?? ["not scored"]).join(" "), phone: true },
];
const table = { sort: null, down: false, words: "", filters: {}, most: STEP };

function drawScores() {
  Object.assign(table, { sort: null, down: false, words: "", filters: {}, most: STEP });
  const pick = (label, key, values) => choice(label, [["", "all"], ...values], "", (value) => {
    table.filters[key] = value;
    table.most = STEP;
    drawRows();
  }, { id: `filter-${key}` });
  const search = element("input", { type: "search", id: "search", autocomplete: "off", spellcheck: "false",
    oninput: (event) => { table.words = event.target.value; table.most = STEP; drawRows(); } });
  const tasks = model.tasks.map((name, index) => [index, name]);
  const domains = byDomain().map(([domain]) => [domain, domain]);
  replaced("filters",
    element("label", { class: "choice" }, element("span", {}, "Search"), search),
    pick("Domain", "domain", domains), pick("Task", "task", tasks),
    pick("Encoder", "encoder", model.order.map((index) => [index, encoderName(index)])),
    pick("Probe", "probe", model.probes.map((probe) => [probe, probe])),
    element("button", { type: "reset", class: "quiet" }, "Clear"));
  byId("filters").onsubmit = (event) => event.preventDefault();
  byId("filters").onreset = () => { Object.assign(table, { words: "", filters: {}, most: STEP }); drawRows(); };
  const heads = COLUMNS.map((column) => element("th", { scope: "col", "data-key": column.key,
    class: [column.number ? "number" : "", column.narrow ? "narrow-off" : "", column.phone ? "phone-off" : ""].join(" ") },
    element("button", { type: "button", onclick: () => sortBy(column.key) }, column.text)));
  const own = element("table", { id: "rows" }, element("caption", { class: "unseen" }, "Scores by task, encoder and probe; the headings sort"),
    element("thead", {}, element("tr", {}, element("th", { scope: "col" }, element("span", { class: "unseen" }, "Details")), heads)), element("tbody", {}));
  replaced("score-table", scrolling("Table of scores", own),
    element("button", { type: "button", class: "more", id: "more", onclick: () => { table.most = Infinity; drawRows(); } }));
  drawRows();
}

function sortBy(key) {
  const number = COLUMNS.find((column) => column.key === key).number ?? false;
  table.down = table.sort === key ? !table.down : number;
  table.sort = key;
  drawRows();
}

function found() {
  const words = table.words.toLowerCase().split(/\s+/).filter(Boolean);
  const wanted = Object.entries(table.filters).filter(([, value]) => value !== "");
  const value = (row, key) => (key === "domain" ? model.domain[row.task] ?? "not scored" : row[key]);
  const text = (row) => [model.tasks[row.task], encoderName(row.encoder), row.probe, row.metric, value(row, "domain"),
    ...(row.flags ?? []), row.error ? "not scored" : "", row.data?.synthetic ? "synthetic" : ""].join(" ").toLowerCase();
  return model.rows.filter((row) => wanted.every(([key, own]) => String(value(row, key)) === own)
    && (words.length === 0 || words.every((word) => text(row).includes(word))));
}

function sorted(rows) {
  const column = COLUMNS.find((own) => own.key === table.sort);
  if (!column) return rows;
  const sign = table.down ? -1 : 1;
  const keyed = rows.map((row, index) => [column.of(row), index, row]);
  keyed.sort(([a, i], [b, j]) => {
    if (a === undefined || b === undefined) return (a === undefined) - (b === undefined) || i - j; // not scored: last
    return (a < b ? -sign : a > b ? sign : 0) || i - j;
  });
  return keyed.map(([, , row]) => row);
}

function drawRows() {
  const rows = sorted(found());
  const shown = rows.slice(0, table.most);
  const own = byId("rows");
  own.tBodies[0].replaceChildren(...shown.map(scoreRow));
  for (const head of own.tHead.querySelectorAll("th[data-key]")) {
    if (head.dataset.key === table.sort) head.setAttribute("aria-sort", table.down ? "descending" : "ascending");
    else head.removeAttribute("aria-sort");
  }
  const part = shown.length < rows.length ? `, the first ${shown.length} drawn` : "";
  byId("count").textContent = `${counted(rows.length, "row")} of ${model.rows.length.toLocaleString("en")}${part}`;
  byId("more").hidden = shown.length === rows.length;
  byId("more").textContent = `Draw all ${counted(rows.length, "row")}`;
}

function scoreRow(row) {
  const again = [named(encoderName(row.encoder)), ", ", named(row.probe), row.flags?.length ? [", ", badge(row.flags.join(", "), "warn")] : null];
  const cells = [element("th", { scope: "row" }, taskLink(row.task, row.encoder, row.probe), element("span", { class: "phone-on small" }, again)),
    element("td", { class: "phone-off" }, named(encoderName(row.encoder))), element("td", { class: "phone-off" }, named(row.probe))];
  if (row.error !== undefined) {
    return element("tr", {}, element("td", {}), cells, element("td", { colspan: COLUMNS.length - 3, class: "failed" }, `not scored: ${row.error}`));
  }
  const fold = element("button", { type: "button", class: "expand", "aria-expanded": "false",
    "aria-label": `Details of ${model.tasks[row.task]}, ${encoderName(row.encoder)}, ${row.probe}`, onclick: unfold });
  const [low, high] = row.ci95;
  const line = element("tr", {}, element("td", {}, fold), cells, element("td", { class: "narrow-off" }, row.metric),
    element("td", { class: "number" }, element("strong", {}, fixed(row.value))),
    element("td", { class: "interval" }, whisker(row), element("span", { class: "small narrow-off" }, `${fixed(low)}–${fixed(high)}`),
      element("span", { class: "unseen" }, `, chance ${fixed(row.chance)}`)),
    element("td", { class: "number narrow-off" }, fixed(row.normalized)), element("td", { class: "number narrow-off" }, fixed(row.chance_corrected)),
    element("td", { class: "number narrow-off" }, row.n.toLocaleString("en")),
    element("td", { class: "phone-off" }, element("span", { class: "badges" }, rowBadges(row))));
  function unfold() {
    const open = fold.getAttribute("aria-expanded") === "true";
    fold.setAttribute("aria-expanded", String(!open));
    line.classList.toggle("open", !open);
    if (open) line.nextElementSibling.remove();
    else line.after(element("tr", { class: "detail" }, element("td", { colspan: COLUMNS.length + 1 }, provenance(row))));
  }
  return line;
}

const rowBadges = (row) => [...row.flags.map((flag) => badge(flag, "warn")), row.data.synthetic ? badge("synthetic") : null];

const pairs = (names, values) => names.map((name, index) => `${name} ${fixed(values[index])}`).join(", ");

function provenance(row) {
  const encoder = model.encoders[row.encoder];
  const mono = (text) => element("span", { class: "mono" }, text);
  return element("div", { class: "columns" },
    element("div", {}, element("h3", {}, "Score"), factsList([
      ["score", `${fixed(row.value, 4)} [${fixed(row.ci95[0], 4)}, ${fixed(row.ci95[1], 4)}]`],
      ["by seed", row.seeds.map((seed, index) => `${seed}: ${fixed(row.seed_values[index])}`).join(", ") || "no randomness"],
      ["chance, majority", `${fixed(row.chance)}, ${fixed(row.majority)}`],
      ["further metrics", pairs(row.secondary_of, row.secondary)],
      ["by part", pairs(row.subsets_of, row.subsets)],
      ["test", `n = ${row.n}${row.clusters === null ? "" : `, resampled in ${row.clusters} clusters`}`],
      ["rates", pairs(row.rates_of, row.rates)],
      ["weight in S", String(row.weight)],
    ])),
    element("div", {}, element("h3", {}, "Provenance"), factsList([
      ["data", `${row.data.id}, ${row.data.hours} h${row.data.synthetic ? ", synthetic" : ""}`],
      ["data sha256", mono(row.data.sha256)], ["licence", row.data.licence],
      ["task version", String(row.version)], ["predictions", mono(row.predictions)],
      ["encoder", [named(encoder.name), encoder.source ? `, ${encoder.source}` : "", encoder.revision ? ` (${encoder.revision})` : ""]],
      ["weights", mono(row.fingerprint)], ["computed on", `${row.device}, ${row.precision}, batches ${row.policy}`],
    ])),
    element("div", {}, element("h3", {}, "Certificate"), certificate(encoder, row.certified)));
}

function certificate(encoder, certified) {
  const checks = encoder.checks ?? [];
  const failed = checks.filter((check) => !check.passed);
  const said = certified ? `certified, ${counted(checks.length, "check")} passed` : `uncertified: ${failed.length} of ${counted(checks.length, "check")} failed`;
  return [element("p", { class: certified ? "small" : "failed" }, said),
    failed.length ? factsList(failed.map((check) => [check.name, `${check.measured}, expected ${check.expected}`])) : null];
}
