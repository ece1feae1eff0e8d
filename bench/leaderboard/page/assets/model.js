// The data of the page, unpacked, and what is chosen in it.

const DOMAIN_ORDER = ["speech", "environment", "music"]; // then others by name
const MOST_CHOSEN = 8;

function unpacked(columns) {
  const names = Object.keys(columns);
  const values = names.map((name) => columns[name].all ?? columns[name].at.map((index) => columns[name].of[index]));
  return (values[0] ?? []).map((_, row) => Object.fromEntries(names.map((name, index) => [name, values[index][row]])));
}

const probeOrder = (name) => (name === "linear" ? 0 : name === "knn" ? 1 : 2);

function modelOf(board) {
  const scores = unpacked(board.scores).map((score, index) => ({ ...score, index, mistakes: board.mistakes[index] }));
  const failures = board.failures.map(([task, encoder, probe, error]) => ({ task, encoder, probe, error }));
  const rows = [...scores, ...failures];
  const probes = [...new Set([...rows, ...board.summaries].map((row) => row.probe))]
    .sort((a, b) => probeOrder(a) - probeOrder(b) || (a < b ? -1 : 1));
  const at = new Map(scores.map((score) => [`${score.task} ${score.encoder} ${score.probe}`, score]));
  const model = { ...board, scores, failures, rows, probes };
  model.score = (task, encoder, probe) => at.get(`${task} ${encoder} ${probe}`);
  model.summary = (encoder, probe) => board.summaries.find((own) => own.encoder === encoder && own.probe === probe);
  const domains = new Map(scores.map((score) => [score.task, score.domain]));
  model.domain = board.tasks.map((_, task) => domains.get(task) ?? null);
  model.asked = new Set(rows.map((row) => `${row.encoder} ${row.probe}`));
  model.order = ranked(model);
  model.synthetic = scores.length > 0 && scores.every((score) => score.data.synthetic);
  return model;
}

// Tasks that every encoder with a score under a probe has: what their plain means may be compared on.
function common(model, probe) {
  const encoders = new Set(model.scores.filter((score) => score.probe === probe).map((score) => score.encoder));
  return model.tasks.map((_, task) => task).filter((task) => encoders.size > 0 && [...encoders].every((encoder) => model.score(task, encoder, probe)));
}

function commonMean(model, encoder, probe, tasks) {
  const own = tasks.map((task) => model.score(task, encoder, probe)).filter(Boolean);
  return own.length < tasks.length || tasks.length === 0 ? null : own.reduce((sum, score) => sum + score.normalized, 0) / own.length;
}

// Encoders, best first: by S under the first probe, else by the mean of the tasks they have in common, else by name.
function ranked(model) {
  const probe = model.probes[0];
  const tasks = common(model, probe);
  const keys = model.encoders.map((encoder, index) => [
    model.summary(index, probe)?.weighted ?? -1, commonMean(model, index, probe, tasks) ?? -1,
  ]);
  return model.encoders.map((_, index) => index).sort((a, b) => keys[b][0] - keys[a][0] || keys[b][1] - keys[a][1] || a - b);
}

const DATA = JSON.parse(byId("data").textContent);
const state = { board: 0, task: 0, encoder: null, probe: null, chosen: [], x: "linear" };
let model = null;

const encoderName = (index) => model.encoders[index].name;
const domainOrder = (name) => (DOMAIN_ORDER.includes(name) ? DOMAIN_ORDER.indexOf(name) : DOMAIN_ORDER.length);
const domainsOf = () => [...new Set(model.domain.filter((domain) => domain !== null))]
  .sort((a, b) => domainOrder(a) - domainOrder(b) || (a < b ? -1 : 1));
const byDomain = () => domainsOf().map((domain) => [domain, model.tasks.map((_, task) => task).filter((task) => model.domain[task] === domain)])
  .concat([["not scored", model.tasks.map((_, task) => task).filter((task) => model.domain[task] === null)]])
  .filter(([, tasks]) => tasks.length > 0);
const colour = (position) => `var(--s${(position % MOST_CHOSEN) + 1})`;

// What the address says: #task=esc50&encoder=logmel&probe=knn&run=name
function readAddress() {
  const wanted = new URLSearchParams(location.hash.slice(1));
  const board = DATA.boards.findIndex((own) => own.label === wanted.get("run"));
  const changed = board >= 0 && board !== state.board;
  if (changed) choose(board);
  const task = model.tasks.indexOf(wanted.get("task"));
  if (task < 0) return { changed, task: false };
  state.task = task;
  const encoder = model.encoders.findIndex((own) => own.name === wanted.get("encoder"));
  if (encoder >= 0) state.encoder = encoder;
  if (model.probes.includes(wanted.get("probe"))) state.probe = wanted.get("probe");
  return { changed, task: true };
}

function taskAddress(task, encoder = null, probe = null) {
  const parts = new URLSearchParams();
  if (DATA.boards.length > 1) parts.set("run", model.label);
  parts.set("task", model.tasks[task]);
  if (encoder !== null) parts.set("encoder", encoderName(encoder));
  if (probe !== null) parts.set("probe", probe);
  return `#${parts}`;
}

function choose(board) {
  state.board = board;
  model = modelOf(DATA.boards[board]);
  state.task = 0;
  state.encoder = null;
  state.probe = null;
  state.chosen = model.order.filter((encoder) => model.scores.some((score) => score.encoder === encoder)).slice(0, 5);
}

const taskLink = (task, encoder = null, probe = null) =>
  element("a", { href: taskAddress(task, encoder, probe), class: "name" }, model.tasks[task]);
