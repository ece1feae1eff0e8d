// One task: what it is, every row of it, what a row confuses and which clips it gets wrong.

const LISTED = 10;

function drawTask() {
  if (!model.tasks.length) return replaced("task-body", note("No tasks."));
  const scores = model.scores.filter((score) => score.task === state.task);
  const failures = model.failures.filter((failure) => failure.task === state.task);
  const of = (encoder, probe) => scores.find((score) => score.encoder === encoder && score.probe === probe);
  const best = [...scores].sort((a, b) => b.normalized - a.normalized)[0];
  const own = of(state.encoder, state.probe) ?? scores.find((score) => score.encoder === state.encoder) ?? scores.find((score) => score.probe === state.probe) ?? best;
  const go = (change, id) => (value) => {
    Object.assign(state, change(value));
    drawTask();
    history.replaceState(null, "", taskAddress(state.task, state.encoder, state.probe));
    byId(id).focus();
  };
  const encoders = model.order.filter((encoder) => scores.some((score) => score.encoder === encoder));
  const probes = model.probes.filter((probe) => scores.some((score) => score.probe === probe));
  const picks = element("div", { class: "controls" },
    choice("Task", model.tasks.map((name, index) => [index, name]), state.task, go((value) => ({ task: Number(value) }), "pick-task"), { id: "pick-task" }),
    own ? choice("Encoder", encoders.map((index) => [index, encoderName(index)]), own.encoder, go((value) => ({ encoder: Number(value), probe: own.probe }), "pick-encoder"), { id: "pick-encoder" }) : null,
    own ? choice("Probe", probes.map((probe) => [probe, probe]), own.probe, go((value) => ({ probe: value, encoder: own.encoder }), "pick-probe"), { id: "pick-probe" }) : null);
  replaced("task-title", "Task: ", named(model.tasks[state.task]));
  replaced("task-body", picks, failures.map((failure) => element("p", { class: "notice bad" }, named(encoderName(failure.encoder)), ", ", named(failure.probe), `: not scored: ${failure.error}`)),
    own ? [taskFacts(own), taskScores(scores, probes), element("h3", {}, "What ", named(encoderName(own.encoder)), " with ", named(own.probe), " gets wrong"), mistakes(own), hardest()] : null);
}

function taskFacts(score) {
  const facts = [`${score.domain}`, `${score.metric}, chance ${fixed(score.chance)}`, `n = ${score.n.toLocaleString("en")}`,
    score.data.classes ? `${score.data.classes} classes` : null, score.clusters === null ? null : `${score.clusters} clusters`,
    `version ${score.version}`, score.data.id, `${score.data.hours} h`, score.data.licence];
  return element("ul", { class: "facts" }, facts.filter(Boolean).map((fact) => element("li", {}, badge(fact))), score.data.synthetic ? element("li", {}, badge("synthetic", "warn")) : null);
}

function taskScores(scores, probes) {
  const rows = model.order.map((encoder) => [encoderName(encoder),
    scores.filter((score) => score.encoder === encoder).sort((a, b) => probes.indexOf(a.probe) - probes.indexOf(b.probe)).map((score) => [score, probes.indexOf(score.probe), score.probe])])
    .filter(([, marks]) => marks.length);
  const chart = dotRows(rows, `Scores of ${model.tasks[state.task]}`, (score) => score.value);
  return element("figure", { class: "wide" }, element("figcaption", {}, `${scores[0].metric} with 95% intervals`), chart, legend(probes.map((probe, index) => [index, probe])));
}

function mistakes(score) {
  const own = score.mistakes;
  if (own === null) return note("The predictions are not beside this leaderboard, so that clips and classes cannot be shown.");
  if (own.error) return element("p", { class: "notice bad" }, own.error);
  const parts = [];
  if (own.kind === "classes") parts.push(confusions(own));
  if (own.by_class) parts.push(classTable(own));
  if (own.kind === "ranks") parts.push(note(`The right answer is ${own.within.map(([k, share]) => `within the first ${k} for ${(100 * share).toFixed(1)}%`).join(", ")} of the queries.`));
  parts.push(worst(own));
  return parts;
}

function confusions(own) {
  const names = own.classes.map((index) => model.texts[index]);
  const cells = [];
  for (let at = 0; at < own.cells.length; at += 3) cells.push(own.cells.slice(at, at + 3));
  const wrong = cells.filter(([target, answer]) => target !== answer).map(([target, answer, count]) => [target, answer, count, count / own.totals[target]])
    .sort((a, b) => b[3] - a[3] || b[2] - a[2]).slice(0, LISTED);
  const seeds = own.seeds > 1 ? ` of ${own.seeds} probe seeds together` : "";
  const list = plainTable("Most frequent confusions", [["is"], ["taken for"], ["share", true], ["answers", true]],
    wrong.map(([target, answer, count, share]) => [named(names[target]), named(names[answer]), `${(100 * share).toFixed(0)}%`, `${count}/${own.totals[target]}`]));
  if (!own.whole) return [note(`The most frequent confusions${seeds}; the whole matrix, with ${own.confused.toLocaleString("en")} confused pairs, is too large for this page.`), list];
  const shares = names.map(() => names.map(() => 0));
  for (const [target, answer, count] of cells) shares[target][answer] = count / own.totals[target];
  const body = names.map((name, target) => element("tr", {}, element("th", { scope: "row", title: name }, named(name)),
    names.map((answer, index) => element("td", { style: shares[target][index] ? heat(shares[target][index]) : {}, tip: `${name} taken for ${answer}: ${(100 * shares[target][index]).toFixed(1)}%` },
      shares[target][index] ? (100 * shares[target][index]).toFixed(0) : ""))));
  const head = names.map((name) => element("th", { scope: "col" }, named(name, { class: "name tilted", title: name })));
  const matrix = element("table", { class: "heat matrix" }, element("caption", { class: "unseen" }, "Confusion matrix, percent of each class"),
    element("thead", {}, element("tr", {}, element("th", { scope: "col" }, "is \\ taken for"), head)), element("tbody", {}, body));
  return [note(`Percent of each class${seeds}; rows are what a clip is, columns what it was taken for.`), scrolling("Confusion matrix", matrix),
    wrong.length ? element("details", { class: "plain" }, element("summary", {}, "Most frequent confusions"), list) : null];
}

function classTable(own) {
  const what = own.kind === "events" ? "F1" : "average precision";
  return [note(`The classes with the lowest ${what}.`), plainTable(`Classes by ${what}`, [["class"], [what, true], [own.kind === "events" ? "segments" : "clips", true]],
    own.by_class.map(([name, value, support]) => [named(model.texts[name]), fixed(value), support.toLocaleString("en")]))];
}

const SAID = { classes: ["is", "answer"], labels: ["labels", "highest scores"], events: ["sounds", "said to sound"], ranks: ["query", "right answer at"], texts: ["reference", "transcript"], trials: ["is", "score"] };

function worst(own) {
  if (!own.worst.length) return note("No clip is answered wrongly.");
  const rows = own.worst.map(([key, target, answer, quality, others]) => [element("span", { class: "mono" }, model.texts[key]),
    named(model.texts[target]), named(model.texts[answer]), fixed(quality, 2), others === null ? none() : fixed(others, 2)]);
  return [element("h3", {}, "Worst clips"), note(own.kind === "trials" ? "Targets with the lowest and non-targets with the highest scores; 1 is told apart from every trial of the other kind."
    : "0 is all wrong, 1 all right, averaged over probe seeds. Among equals those come first that the other rows of this task do best."),
    plainTable("Worst clips", [["clip"], ...SAID[own.kind].map((text) => [text]), ["quality", true], ["other rows", true]], rows)];
}

function hardest() {
  const hard = model.hard[state.task] ?? [];
  if (!hard.length) return null;
  return element("details", { class: "plain" }, element("summary", {}, "Clips that are hard for all encoders and probes"),
    plainTable("Hard clips", [["clip"], ["mean score", true], ["rows", true]], hard.map(([key, mean, rows]) => [element("span", { class: "mono" }, model.texts[key]), fixed(mean, 2), String(rows)])));
}
