// Cards, the table of summaries, and what a reader must know first.

const MOST_CARDS = 8;

function drawNotices() {
  const parts = DATA.problems.map((problem) => element("p", { class: "notice bad" }, `Not shown: ${problem}`));
  if (model.synthetic) {
    parts.push(element("p", { class: "notice" }, element("strong", {}, "Synthetic data. "),
      "All audio behind these scores was generated. They rank encoders roughly and do not compare with scores on recordings."));
  }
  if (model.failures.length) {
    parts.push(element("p", { class: "notice bad" }, element("strong", {}, `${counted(model.failures.length, "row")} could not be scored. `),
      "They are listed in the table with the reason, and count as missing, never as 0."));
  }
  if (model.run.error) parts.push(element("p", { class: "notice bad" }, model.run.error));
  const facts = [
    `suite ${model.suite}`, `protocol ${model.protocol}`, counted(model.encoders.length, "encoder"), counted(model.tasks.length, "task"),
    counted(model.scores.length, "score"), ...(model.run.started ? [`run ${model.run.started.slice(0, 16).replace("T", " ")}`] : []),
  ];
  replaced("notices", element("ul", { class: "facts" }, facts.map((fact) => element("li", {}, badge(fact)))), parts);
  replaced("title", named(model.label));
}

const begun = () => model.summaries.filter((own) => model.asked.has(`${own.encoder} ${own.probe}`));

function missingText(own) {
  const names = own.missing.slice(0, 4).join(", ");
  return `not computed: ${own.missing.length} of ${own.tasks} tasks missing (${names}${own.missing.length > 4 ? ", …" : ""})`;
}

// Verification has no weights in X-ARES's S: such a probe is summed up by its mean.
const figure = (own) => (own.weighted === null && !own.missing.length ? ["mean", own.mean] : ["S", own.weighted]);

function card(encoder) {
  const own = model.probes.map((probe) => model.summary(encoder, probe)).filter((found) => found && model.asked.has(`${encoder} ${found.probe}`));
  const first = own.find((found) => Object.values(found.domains).some((value) => value !== null)) ?? own[0];
  const known = Object.values(first?.domains ?? {}).some((value) => value !== null);
  const domains = (known ? Object.entries(first.domains) : []).map(([domain, value]) => [
    element("dt", {}, domain),
    element("dd", { class: "meter", "aria-hidden": "true" }, value === null ? null : element("i", { style: { width: `${100 * Math.max(0, value)}%` } })),
    element("dd", {}, value === null ? none("missing") : fixed(value)),
  ]);
  return element("article", { class: "card" }, element("h3", {}, named(encoderName(encoder))),
    element("div", { class: "pair" }, own.map((found) => [found, ...figure(found)]).map(([found, what, value]) => element("div", {},
      element("div", { class: `big ${value === null ? "none" : ""}` }, fixed(value)),
      element("div", { class: "of" }, `${what}, `, named(found.probe))))),
    own.filter((found) => found.missing.length).map((found) => element("p", { class: "missing", tip: `missing: ${found.missing.join(", ")}` }, named(found.probe), `: ${found.missing.length} of ${found.tasks} tasks missing, S not computed`)),
    domains.length ? element("dl", {}, domains) : null,
    domains.length ? element("p", { class: "of" }, "mean by domain, ", named(first.probe)) : null);
}

function drawSummary() {
  const order = model.order.filter((encoder) => begun().some((own) => own.encoder === encoder));
  const shown = order.slice(0, MOST_CARDS);
  replaced("cards", shown.map(card));
  const domains = [...new Set(begun().flatMap((own) => Object.keys(own.domains)))];
  const rows = order.flatMap((encoder) => begun().filter((own) => own.encoder === encoder).map((own) => [
    named(encoderName(encoder)), named(own.probe), fixed(own.weighted), fixed(own.mean), fixed(own.chance_corrected),
    ...domains.map((domain) => fixed(own.domains[domain] ?? null)), `${own.tasks - own.missing.length}/${own.tasks}`,
    own.missing.length ? own.missing.join(", ") : "nothing",
  ]));
  const columns = [["encoder"], ["probe"], ["S", true], ["mean", true], ["chance-corrected", true],
    ...domains.map((domain) => [domain, true]), ["tasks", true], ["missing"]];
  const table = plainTable("Summaries of each encoder and probe", columns, rows);
  const more = order.length - shown.length;
  replaced("summaries", more > 0 ? note(`The ${MOST_CARDS} best; ${more} more are in the table.`) : null,
    element("details", { class: "plain" }, element("summary", {}, `All ${counted(rows.length, "summary", "summaries")} as a table`), table),
    note("S is the mean of the normalized scores, weighted as X-ARES weighs its tasks. A summary that lacks a task is not computed."));
}
