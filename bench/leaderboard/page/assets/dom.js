// Making elements. Text from the data only ever becomes a text node or an attribute value, never markup.

const SVG = "http://www.w3.org/2000/svg";
const byId = (id) => document.getElementById(id);

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "tip") node.dataset.tip = value;
    else if (name === "style") Object.entries(value).forEach(([key, own]) => node.style.setProperty(key, own));
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== ""));
  return node;
}

const element = (name, attributes = {}, ...children) => fill(document.createElement(name), attributes, children);
const shape = (name, attributes = {}, ...children) => fill(document.createElementNS(SVG, name), attributes, children);
const named = (text, attributes = {}) => element("span", { class: "name", ...attributes }, String(text));
const badge = (text, kind = "") => element("span", { class: `badge ${kind}` }, text);
const none = (text = "–") => element("span", { class: "none" }, text);
const note = (text) => element("p", { class: "small" }, text);

const fixed = (value, digits = 3) => (value === null || value === undefined ? "–" : value.toFixed(digits).replace(/^-(0\.?0*)$/, "$1"));
const counted = (n, one, many = `${one}s`) => `${n.toLocaleString("en")} ${n === 1 ? one : many}`;

function replaced(id, ...children) {
  byId(id).replaceChildren(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
}

// A labelled select; options are [value, text].
function choice(label, options, value, change, attributes = {}) {
  const own = element("select", { ...attributes, onchange: (event) => change(event.target.value) });
  for (const [key, text] of options) own.append(element("option", { value: key, selected: String(key) === String(value) }, text));
  return element("label", { class: "choice" }, element("span", {}, label), own);
}

function factsList(pairs) {
  const shown = pairs.filter(([, value]) => value !== undefined && value !== null && value !== "");
  return element("dl", { class: "facts-list" }, shown.map(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]));
}

// A table of plain cells in a box that scrolls on its own; `columns` are [text, is a number].
function plainTable(caption, columns, rows, attributes = {}) {
  const head = columns.map(([text, number]) => element("th", { scope: "col", class: number ? "number" : null }, text));
  const body = rows.map((cells) =>
    element("tr", {}, cells.map((cell, index) =>
      element(index === 0 ? "th" : "td", { scope: index === 0 ? "row" : null, class: columns[index][1] ? "number" : "limit" }, cell ?? none()))));
  const table = element("table", attributes, element("caption", { class: "unseen" }, caption),
    element("thead", {}, element("tr", {}, head)), element("tbody", {}, body));
  return scrolling(caption, table);
}

const scrolling = (label, ...children) =>
  element("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": label }, ...children);

function startTips() {
  const tip = byId("tip");
  const hide = () => { tip.hidden = true; };
  document.addEventListener("pointermove", (event) => {
    const over = event.target.closest?.("[data-tip]");
    if (!over) return hide();
    tip.textContent = over.dataset.tip;
    tip.hidden = false;
    const left = Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8);
    const below = event.clientY + 18 + tip.offsetHeight < innerHeight;
    tip.style.left = `${Math.max(8, left)}px`;
    tip.style.top = `${below ? event.clientY + 18 : event.clientY - tip.offsetHeight - 12}px`;
  });
  document.addEventListener("pointerleave", hide);
  addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });
  addEventListener("scroll", hide, { passive: true, capture: true });
}
