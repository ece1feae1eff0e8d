// Who the encoders are: source, contract and certificate of each; audio that splits share; and the run.

function drawEncoders() {
  replaced("encoder-list", model.order.map((index) => {
    const own = model.encoders[index];
    const known = own.fingerprint !== undefined;
    const state_ = known ? badge(own.certified ? "certified" : "uncertified", own.certified ? "" : "warn") : badge("never loaded", "bad");
    const title = element("summary", {}, named(own.name), " ", state_);
    if (!known) return element("details", {}, title, element("div", { class: "inside" }, note("Nothing is known of this encoder but its failures.")));
    const facts = factsList([
      ["source", own.source], ["revision", own.revision], ["licence", own.licence], ["trained on", own.trained_on.join(", ")],
      ["sampling rate", `${own.sampling_rate.toLocaleString("en")} Hz`], ["embedding", `${own.output_dim} values every ${own.hop_size_in_ms} ms`],
      ["batches", own.policy], ["weights", element("span", { class: "mono" }, own.fingerprint)],
    ]);
    const details = element("details", {}, title);
    details.addEventListener("toggle", () => {
      if (!details.open || details.children.length > 1) return;
      details.append(element("div", { class: "inside columns" }, facts, plainTable(`Certificate of ${own.name}`, [["check"], ["measured"], ["expected"], ["result"]],
        own.checks.map((check) => [check.name, check.measured, check.expected, check.passed ? "passed" : element("span", { class: "failed" }, "failed")]))));
    });
    return details;
  }));
}

function drawLeakage() {
  const columns = [["Task"], ["Split"], ["Also in"], ["Split"], ["Clips", true], ["Share", true]];
  const rows = model.leakage.map((pair) => [pair.task, pair.split, pair.other_task, pair.other_split,
    pair.clips.toLocaleString("en"), `${(100 * pair.share).toFixed(1)}%`]);
  replaced("leakage-body", rows.length ? plainTable("Clips of one split whose decoded audio is in another split, too", columns, rows, { id: "leaks" })
    : note("No two splits of this run are known to share audio."));
}

function drawRun() {
  const { run } = model;
  if (!run.started) return replaced("run-body", note(run.error ?? "There is no run.json beside this leaderboard."));
  const machine = Object.entries(run.machine).map(([name, value]) => [name.replace(/_/g, " "), value]);
  replaced("run-body", element("div", { class: "columns" },
    factsList([["started", run.started], ["took", `${run.seconds.toFixed(0)} s`], ...machine]), factsList(Object.entries(run.versions))));
}
