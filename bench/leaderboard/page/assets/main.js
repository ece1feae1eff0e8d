// The start: theme, choice of the run, deep links.

const THEMES = ["auto", "light", "dark"];
const kept = { // a page from a file may have no storage
  get: () => { try { return localStorage.getItem("otoscope-theme"); } catch { return null; } },
  set: (value) => { try { localStorage.setItem("otoscope-theme", value); } catch { /* it is for this page only, then */ } },
};

function setTheme(theme) {
  const own = THEMES.includes(theme) ? theme : "auto";
  if (own === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = own;
  byId("theme").textContent = `Theme: ${own}`;
  byId("theme").dataset.theme = own;
}

function drawColours() { // what is coloured by script, not by style
  drawHeat();
  drawTask();
}

function drawAll() {
  drawNotices();
  drawSummary();
  drawScores();
  drawHeat();
  drawChosen();
  drawCompared();
  drawSpeed();
  drawTask();
  drawEncoders();
  drawLeakage();
  drawRun();
}

function follow() {
  const { changed, task } = readAddress();
  if (changed) {
    byId("board").value = String(state.board);
    drawAll();
  }
  if (!task) return;
  drawTask();
  byId("task-section").scrollIntoView({ behavior: "instant" });
  byId("task-title").focus({ preventScroll: true });
}

function startPrint() {
  let before = null;
  addEventListener("beforeprint", () => { // on paper: light
    before ??= document.documentElement.dataset.theme ?? "auto";
    setTheme("light");
    drawColours();
  });
  addEventListener("afterprint", () => {
    setTheme(before);
    before = null;
    drawColours();
  });
}

function start() {
  setTheme(kept.get());
  byId("theme").addEventListener("click", () => {
    const next = THEMES[(THEMES.indexOf(byId("theme").dataset.theme) + 1) % THEMES.length];
    kept.set(next);
    setTheme(next);
    drawColours();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawColours);
  NARROW.addEventListener("change", () => { drawCompared(); drawSpeed(); drawTask(); });
  startTips();
  startPrint();
  if (typeof live === "function") live();
  if (!DATA.boards.length) return replaced("notices", DATA.problems.map((problem) => element("p", { class: "notice bad" }, problem)), note("No leaderboard yet."));
  const boards = DATA.boards.map((own, index) => [index, `${own.label} (${own.suite}, ${own.protocol})`]);
  byId("board").append(...boards.map(([value, text]) => element("option", { value }, text)));
  byId("board-choice").hidden = boards.length < 2;
  byId("board").addEventListener("change", (event) => {
    choose(Number(event.target.value));
    drawAll();
    history.replaceState(null, "", DATA.boards.length > 1 ? `#${new URLSearchParams({ run: model.label })}` : "#");
  });
  choose(0);
  drawAll();
  follow();
  addEventListener("hashchange", follow);
}
