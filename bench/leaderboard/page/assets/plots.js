// Charts over encoders: heat maps, radars, kNN against linear, score against speed, layer curves.

const view = { radar: null, load: null, quality: null, layerTask: null, layerProbe: null };

function drawHeat() {
  const maps = model.probes.filter((probe) => model.scores.some((score) => score.probe === probe)).map(heatMap);
  replaced("heat-maps", maps.length ? [maps, ramp()] : note("No scores."));
}

function heatMap(probe) {
  const encoders = model.order.filter((encoder) => model.asked.has(`${encoder} ${probe}`));
  const asked = new Set(model.rows.filter((row) => row.probe === probe).map((row) => row.task));
  const body = byDomain().flatMap(([domain, all]) => {
    const tasks = all.filter((task) => asked.has(task));
    if (!tasks.length) return [];
    return [element("tr", { class: "group" }, element("th", { colspan: encoders.length + 1, scope: "rowgroup" }, domain)),
      ...tasks.map((task) => element("tr", {}, element("th", { scope: "row" }, taskLink(task)),
        encoders.map((encoder) => heatCell(model.score(task, encoder, probe), task, encoder, probe))))];
  });
  const totals = encoders.map((encoder) => {
    const own = model.summary(encoder, probe);
    const value = own?.weighted ?? null;
    return value === null ? element("td", { class: "empty", tip: own ? missingText(own) : null }, element("span", { class: "unseen" }, "not computed"))
      : element("td", { style: heat(value) }, fixed(value, 2));
  });
  const head = encoders.map((encoder) => element("th", { scope: "col" }, named(encoderName(encoder), { class: "name tilted", title: encoderName(encoder) })));
  return element("div", { class: "map" }, element("h3", {}, named(probe)), scrolling(`Heat map, ${probe}`, element("table", { class: "heat" },
    element("caption", { class: "unseen" }, `Normalized scores, ${probe}`),
    element("thead", {}, element("tr", {}, element("th", { scope: "col" }, "task"), head)),
    element("tbody", {}, body, element("tr", { class: "total" }, element("th", { scope: "row" }, "S"), totals)))));
}

function heatCell(score, task, encoder, probe) {
  if (!score) return element("td", { class: "empty", tip: `${model.tasks[task]}, ${encoderName(encoder)}: not scored` }, element("span", { class: "unseen" }, "not scored"));
  return element("td", { style: heat(score.normalized),
    tip: `${model.tasks[task]}, ${encoderName(encoder)}\n${score.metric} ${fixed(score.value)} [${fixed(score.ci95[0])}, ${fixed(score.ci95[1])}], chance ${fixed(score.chance)}`,
    onclick: () => { location.hash = taskAddress(task, encoder, probe); } }, fixed(score.normalized, 2).replace(/^0\./, "."));
}

function drawChosen() {
  const legendText = byId("chosen").querySelector("legend");
  const chips = model.order.map((encoder) => {
    const at = state.chosen.indexOf(encoder);
    const box = element("input", { type: "checkbox", id: `encoder-${encoder}`, checked: at >= 0, disabled: at < 0 && state.chosen.length >= MOST_CHOSEN,
      onchange: () => {
        state.chosen = at >= 0 ? state.chosen.filter((own) => own !== encoder) : [...state.chosen, encoder];
        drawChosen();
        drawCompared();
        byId(`encoder-${encoder}`).focus();
      } });
    return element("label", { class: "chip" }, box, at >= 0 ? swatch(at) : null, named(encoderName(encoder)));
  });
  byId("chosen").replaceChildren(legendText, ...chips);
}

function drawCompared() {
  drawRadars();
  drawProbes();
  drawLayers();
}

const chosenLegend = (of = state.chosen) => legend(of.map((encoder) => [state.chosen.indexOf(encoder), encoderName(encoder)]));

function drawRadars() {
  const probe = model.probes.includes(view.radar) ? view.radar : model.probes[0];
  const pick = choice("Probe", model.probes.map((own) => [own, own]), probe, (value) => { view.radar = value; drawRadars(); byId("radar-probe").focus(); }, { id: "radar-probe" });
  const charts = byDomain().map(([domain, all]) => {
    const tasks = all.filter((task) => state.chosen.some((encoder) => model.score(task, encoder, probe)));
    return tasks.length ? element("figure", {}, element("figcaption", {}, domain), tasks.length < 3 ? bars(tasks, probe) : radar(domain, tasks, probe)) : null;
  }).filter(Boolean);
  replaced("radars", element("div", { class: "controls" }, pick), charts.length ? element("div", { class: "charts" }, charts) : note("No scores under this probe."),
    charts.length ? chosenLegend() : null, note("Normalized scores from 0 at the centre to 1 at the rim. Where a task was not scored the line has a gap."));
}

function radar(domain, tasks, probe) {
  const [width, height, radius] = [400, 290, 108];
  const point = (index, value) => {
    const angle = (2 * Math.PI * index) / tasks.length - Math.PI / 2;
    return [width / 2 + radius * value * Math.cos(angle), height / 2 + radius * value * Math.sin(angle)].map((own) => own.toFixed(1) * 1);
  };
  const closed = (value) => `M${tasks.map((_, index) => point(index, value).join(" ")).join("L")}Z`;
  const parts = [0.25, 0.5, 0.75, 1].map((value) => shape("path", { class: "grid", d: closed(value) }));
  tasks.forEach((task, index) => {
    const [x, y] = point(index, 1);
    const [u, v] = point(index, 1.07);
    const anchor = Math.abs(u - width / 2) < 8 ? "middle" : u < width / 2 ? "end" : "start";
    const name = model.tasks[task];
    parts.push(shape("line", { class: "grid", x1: width / 2, y1: height / 2, x2: x, y2: y }));
    parts.push(shape("text", { x: u, y: v + (v < height / 2 - 60 ? 0 : 4), "text-anchor": anchor, tip: name }, name.length > 15 ? `${name.slice(0, 14)}…` : name));
  });
  state.chosen.forEach((encoder, position) => {
    const values = tasks.map((task) => model.score(task, encoder, probe)?.normalized ?? null).map((value) => (value === null ? null : Math.max(0, value)));
    const lines = values.map((value, index) => {
      const next = (index + 1) % values.length;
      return value === null || values[next] === null ? "" : `M${point(index, value).join(" ")}L${point(next, values[next]).join(" ")}`;
    }).join("");
    parts.push(shape("path", { d: lines, fill: "none", "stroke-width": 2, style: { stroke: colour(position) } }));
    values.forEach((value, index) => {
      if (value !== null) parts.push(mark(position, ...point(index, value), `${encoderName(encoder)}\n${model.tasks[tasks[index]]}: ${fixed(value)}`, 3.2));
    });
  });
  return picture(width, height, `Radar of ${domain}, ${probe}`, "The heat map has the same values as a table", parts);
}

// For fewer tasks than a radar needs: a row of marks for each.
function bars(tasks, probe) {
  const marks = (task) => state.chosen.map((encoder, position) => [model.score(task, encoder, probe), position, encoderName(encoder)]).filter(([score]) => score);
  return dotRows(tasks.map((task) => [model.tasks[task], marks(task)]), "Normalized scores", (score) => score.normalized, 130, 380);
}

// Rows of marks with their intervals on 0 to 1; `rows` are [name, [score, position, text]...].
function dotRows(rows, title, value, space = NARROW.matches ? 120 : 150, width = NARROW.matches ? 360 : 560) {
  const [step, most] = [24, NARROW.matches ? 16 : 22];
  const height = rows.length * step + 34;
  const x = linear(0, 1, space, width - 14);
  const parts = x.ticks.map((tick) => [shape("line", { class: "grid", x1: x(tick), x2: x(tick), y1: 6, y2: height - 24 }),
    shape("text", { x: x(tick), y: height - 8, "text-anchor": "middle" }, String(tick))]).flat();
  const clamp = (own) => x(Math.min(1, Math.max(0, own)));
  rows.forEach(([name, marks], index) => {
    const y = index * step + 18;
    parts.push(shape("text", { class: "strong", x: space - 10, y: y + 4, "text-anchor": "end", tip: name }, name.length > most ? `${name.slice(0, most - 1)}…` : name));
    marks.forEach(([score, position, text], order) => {
      const own = y + (order - (marks.length - 1) / 2) * Math.min(7, 16 / marks.length);
      if (value(score) === score.value) parts.push(shape("path", { class: "ci", d: `M${clamp(score.ci95[0])} ${own}H${clamp(score.ci95[1])}`, style: { stroke: colour(position) } }));
      parts.push(mark(position, clamp(value(score)), own, `${name}, ${text}\n${fixed(value(score))}`, 4));
    });
  });
  return picture(width, height, title, "The table of scores has the same values", parts);
}

function drawProbes() {
  const [one, two] = ["knn", "linear"];
  const points = state.chosen.flatMap((encoder, position) => model.tasks.map((_, task) => [model.score(task, encoder, one), model.score(task, encoder, two), position])
    .filter(([a, b]) => a && b));
  if (!points.length) return replaced("probe-plot", note("No task of these encoders has both probes."));
  const above = points.filter(([a, b]) => b.normalized > a.normalized).length;
  const apart = points.filter(([a, b]) => a.ci95[1] < b.ci95[0] || b.ci95[1] < a.ci95[0]).length;
  const said = `The linear probe is better than kNN in ${above} of ${points.length} pairs; in ${apart} the intervals do not overlap.`;
  const [width, height, margin] = [NARROW.matches ? 360 : 560, NARROW.matches ? 330 : 460, { left: 48, right: 16, top: 28, bottom: 40 }];
  const x = linear(0, 1, margin.left, width - margin.right);
  const y = linear(0, 1, height - margin.bottom, margin.top);
  const own = plot({ width, height, x, y, xTitle: "kNN", yTitle: "linear probe", title: "kNN against linear probe", description: said, margin });
  own.append(shape("line", { class: "chance", x1: x(0), y1: y(0), x2: x(1), y2: y(1) }));
  const inside = (value) => Math.min(1, Math.max(0, value));
  for (const [a, b, position] of points) {
    const [u, v] = [x(inside(a.value)), y(inside(b.value))];
    if (points.length <= 200) own.append(shape("path", { class: "ci", opacity: 0.35, style: { stroke: colour(position), "stroke-width": "1" },
      d: `M${x(inside(a.ci95[0]))} ${v}H${x(inside(a.ci95[1]))}M${u} ${y(inside(b.ci95[0]))}V${y(inside(b.ci95[1]))}` }));
  }
  for (const [a, b, position] of points) {
    own.append(mark(position, x(inside(a.value)), y(inside(b.value)), `${model.tasks[a.task]}, ${encoderName(a.encoder)}\nkNN ${fixed(a.value)}, linear ${fixed(b.value)}`));
  }
  replaced("probe-plot", note(`${said} Thin lines are 95% intervals.`), element("figure", { class: "wide" }, own, chosenLegend()));
}

// Loads at which speed was measured, one machine and run each; of another run only encoders with the same weights.
function loads() {
  return DATA.boards.flatMap((board, index) => {
    const groups = new Map();
    for (const own of board.run.throughput ?? []) {
      const encoder = model.encoders.findIndex((known) => known.name === own.encoder
        && (index === state.board || board.encoders.some((other) => other.name === own.encoder && other.fingerprint === known.fingerprint)));
      if (encoder < 0) continue;
      const where = `${own.device} ${own.precision}, ${own.batch_size} × ${own.seconds} s${index === state.board ? "" : `, run ${board.label}`}`;
      groups.set(where, [...(groups.get(where) ?? []), [encoder, own.audio_seconds_per_second]]);
    }
    return [...groups];
  });
}

// What to set against speed: S where it is computed, else the mean of the tasks that all encoders have, said as such.
function qualities() {
  return model.probes.flatMap((probe) => {
    const whole = model.order.filter((encoder) => (model.summary(encoder, probe)?.weighted ?? null) !== null);
    if (whole.length) return [[`S, ${probe}`, (encoder) => model.summary(encoder, probe)?.weighted ?? null]];
    const tasks = common(model, probe);
    return tasks.length ? [[`mean of the ${counted(tasks.length, "task")} in common (S not computed), ${probe}`, (encoder) => commonMean(model, encoder, probe, tasks)]] : [];
  });
}

function drawSpeed() {
  const [all, values] = [loads(), qualities()];
  if (!all.length || !values.length) {
    return replaced("speed-plot", note("No speed was measured in these runs: pytest bench -m throughput, or a run without -n, measures it."));
  }
  const [load, measured] = all.find(([name]) => name === view.load) ?? all[Math.min(1, all.length - 1)];
  const [quality, value] = values.find(([name]) => name === view.quality) ?? values[0];
  const again = (key, id) => (own) => { view[key] = own; drawSpeed(); byId(id).focus(); };
  const picks = element("div", { class: "controls" },
    choice("Load", all.map(([name]) => [name, name]), load, again("load", "load"), { id: "load" }),
    choice("Score", values.map(([name]) => [name, name]), quality, again("quality", "quality"), { id: "quality" }));
  const points = measured.map(([encoder, speed]) => ({ encoder, speed, value: value(encoder) })).filter((own) => own.value !== null && own.speed > 0);
  for (const own of points) own.front = !points.some((other) => other.speed >= own.speed && other.value >= own.value && (other.speed > own.speed || other.value > own.value));
  if (!points.length) return replaced("speed-plot", picks, note("No encoder has both."));
  points.sort((a, b) => b.speed - a.speed);
  const rows = points.map((own) => [named(encoderName(own.encoder)), own.speed.toLocaleString("en", { maximumFractionDigits: 0 }), fixed(own.value), own.front ? "on the front" : ""]);
  const absent = measured.length - points.length;
  replaced("speed-plot", picks, element("figure", { class: "wide" }, speedPlot(points, quality, load)),
    note(`Up and right is better; the dashed line joins encoders that no other beats in both.${absent ? ` ${counted(absent, "encoder")} without this score left out.` : ""}`),
    element("details", { class: "plain" }, element("summary", {}, "As a table"), plainTable("Score and speed", [["encoder"], ["audio s per s", true], [quality, true], ["Pareto front"]], rows)));
}

function speedPlot(points, quality, load) {
  const [width, height, margin] = [NARROW.matches ? 360 : 640, NARROW.matches ? 300 : 380, { left: 48, right: 24, top: 28, bottom: 40 }];
  const speeds = points.map((own) => own.speed);
  const top = Math.max(...points.map((own) => own.value));
  const x = logarithmic(Math.min(...speeds) / 1.6, Math.max(...speeds) * 1.6, margin.left, width - margin.right);
  const y = linear(0, Math.min(1, Math.ceil(top * 10 + 0.5) / 10), height - margin.bottom, margin.top);
  const front = points.filter((own) => own.front);
  const own = plot({ width, height, x, y, xTitle: NARROW.matches ? "audio seconds per second" : `audio seconds per second (${load})`, yTitle: quality, margin, form: (tick) => tick.toLocaleString("en"),
    title: "Score against speed", description: `On the Pareto front: ${front.map((point) => encoderName(point.encoder)).join(", ")}` });
  if (front.length > 1) own.append(shape("path", { class: "front", d: `M${front.map((point) => `${x(point.speed)} ${y(point.value)}`).join("L")}` }));
  for (const point of points) {
    const name = encoderName(point.encoder);
    const left = x(point.speed) > width - 130;
    own.append(mark(point.front ? 0 : 7, x(point.speed), y(Math.max(0, point.value)), `${name}\n${fixed(point.value)} at ${point.speed.toFixed(0)} s/s`, 5));
    if (points.length <= 24) own.append(shape("text", { class: "strong", x: x(point.speed) + (left ? -9 : 9), y: y(point.value) - 6, "text-anchor": left ? "end" : "start" }, name.slice(0, 28)));
  }
  return own;
}

const layersOf = (score) => score.subsets_of.map((name, index) => [Number(/^layer (\d+)$/.exec(name)?.[1] ?? NaN), score.subsets[index]])
  .filter(([layer]) => !Number.isNaN(layer)).sort((a, b) => a[0] - b[0]);

function drawLayers() {
  const with_ = model.scores.filter((score) => layersOf(score).length > 1);
  if (!with_.length) return replaced("layer-plot", note("No run over layers here: pytest bench --layer all scores each layer of an encoder."));
  const tasks = [...new Set(with_.map((score) => score.task))];
  const task = tasks.includes(view.layerTask) ? view.layerTask : tasks[0];
  const probes = model.probes.filter((own) => with_.some((score) => score.task === task && score.probe === own));
  const probe = probes.includes(view.layerProbe) ? view.layerProbe : probes[0];
  const lines = with_.filter((score) => score.task === task && score.probe === probe && state.chosen.includes(score.encoder));
  const picks = element("div", { class: "controls" },
    choice("Task", tasks.map((own) => [own, model.tasks[own]]), task, (value) => { view.layerTask = Number(value); drawLayers(); byId("layer-task").focus(); }, { id: "layer-task" }),
    choice("Probe", probes.map((own) => [own, own]), probe, (value) => { view.layerProbe = value; drawLayers(); byId("layer-probe").focus(); }, { id: "layer-probe" }));
  if (!lines.length) return replaced("layer-plot", picks, note("None of the encoders chosen above has layers here."));
  const said = lines.map((score) => {
    const best = layersOf(score).reduce((a, b) => (b[1] > a[1] ? b : a));
    const chosen = score.secondary[score.secondary_of.indexOf("chosen layer")];
    return `${encoderName(score.encoder)}: highest at layer ${best[0]}, ${fixed(best[1])}${chosen === undefined ? "" : `, chosen ${Number(chosen.toFixed(2))}`}`;
  }).join("; ");
  replaced("layer-plot", picks, element("figure", { class: "wide" }, layerPlot(lines, task, said), chosenLegend(lines.map((score) => score.encoder))),
    note(`${said}. The highest layer was found on test data; the score in the table is of the layer that was chosen without them, a mean where folds chose differently.`));
}

function layerPlot(lines, task, said) {
  const [width, height, margin] = [NARROW.matches ? 360 : 640, NARROW.matches ? 300 : 360, { left: 48, right: 16, top: 28, bottom: 40 }];
  const all = lines.flatMap(layersOf);
  const x = linear(0, Math.max(...all.map(([layer]) => layer)), margin.left, width - margin.right);
  x.ticks = x.ticks.filter(Number.isInteger);
  const y = linear(Math.min(0, ...all.map(([, value]) => value)), Math.min(1, Math.ceil(Math.max(...all.map(([, value]) => value)) * 10 + 0.2) / 10), height - margin.bottom, margin.top);
  const own = plot({ width, height, x, y, xTitle: "layer", yTitle: lines[0].metric, title: `Layers, ${model.tasks[task]}`, description: said, margin });
  const chance = lines[0].chance;
  own.append(shape("line", { class: "chance", x1: x(0), x2: width - margin.right, y1: y(chance), y2: y(chance), tip: `chance ${fixed(chance)}` }));
  for (const score of lines) {
    const position = state.chosen.indexOf(score.encoder);
    const points = layersOf(score);
    own.append(shape("path", { d: `M${points.map(([layer, value]) => `${x(layer)} ${y(value)}`).join("L")}`, fill: "none", "stroke-width": 2, style: { stroke: colour(position) } }));
    for (const [layer, value] of points) own.append(mark(position, x(layer), y(value), `${encoderName(score.encoder)}, layer ${layer}: ${fixed(value)}`, 4));
  }
  return own;
}
