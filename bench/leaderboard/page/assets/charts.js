// Small charts in SVG: scales, axes, marks, colours.

const MARKS = [
  (x, y, r) => shape("circle", { cx: x, cy: y, r }),
  (x, y, r) => shape("rect", { x: x - r, y: y - r, width: 2 * r, height: 2 * r }),
  (x, y, r) => shape("path", { d: `M${x} ${y - 1.3 * r}L${x + 1.25 * r} ${y + r}H${x - 1.25 * r}Z` }),
  (x, y, r) => shape("path", { d: `M${x} ${y - 1.4 * r}L${x + 1.4 * r} ${y}L${x} ${y + 1.4 * r}L${x - 1.4 * r} ${y}Z` }),
];

function mark(position, x, y, tip, r = 4.5) {
  const own = MARKS[position % MARKS.length](x.toFixed(1) * 1, y.toFixed(1) * 1, r);
  own.style.fill = colour(position);
  own.setAttribute("stroke", "var(--panel)");
  if (tip) own.dataset.tip = tip;
  return own;
}

const swatch = (position) => shape("svg", { width: 14, height: 14, "aria-hidden": "true" }, mark(position, 7, 7, null));

function legend(positions) {
  return element("ul", { class: "legend" }, positions.map(([position, text]) => element("li", {}, swatch(position), named(text))));
}

function linear(low, high, from, to) {
  const scale = (value) => from + ((value - low) / (high - low || 1)) * (to - from);
  const step = [0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 0.5, 1, 2, 5, 10, 20].find((own) => (high - low) / own <= 6) ?? high - low;
  scale.ticks = [];
  for (let tick = Math.ceil(low / step - 1e-9) * step; tick <= high + 1e-9; tick += step) scale.ticks.push(Math.round(tick * 1e6) / 1e6);
  return scale;
}

function logarithmic(low, high, from, to) {
  const [a, b] = [Math.log10(low), Math.log10(high)];
  const scale = (value) => from + ((Math.log10(value) - a) / (b - a || 1)) * (to - from);
  const all = [];
  for (let power = Math.floor(a); power <= Math.ceil(b); power += 1) for (const digit of [1, 2, 5]) all.push(digit * 10 ** power);
  scale.ticks = all.filter((tick) => tick >= low && tick <= high);
  if (scale.ticks.length > 6) scale.ticks = scale.ticks.filter((tick) => Math.log10(tick) % 1 === 0);
  return scale;
}

// The frame of a plot with both axes, named for a screen reader by `title` and `description`.
function plot({ width, height, x, y, xTitle, yTitle, title, description, margin, form = String }) {
  const parts = [];
  for (const tick of y.ticks) {
    parts.push(shape("line", { class: "grid", x1: margin.left, x2: width - margin.right, y1: y(tick), y2: y(tick) }));
    parts.push(shape("text", { x: margin.left - 6, y: y(tick) + 4, "text-anchor": "end" }, String(tick)));
  }
  for (const tick of x.ticks) {
    parts.push(shape("line", { class: "grid", x1: x(tick), x2: x(tick), y1: margin.top, y2: height - margin.bottom }));
    parts.push(shape("text", { x: x(tick), y: height - margin.bottom + 15, "text-anchor": "middle" }, form(tick)));
  }
  parts.push(shape("path", { class: "axis", d: `M${margin.left} ${margin.top}V${height - margin.bottom}H${width - margin.right}` }));
  parts.push(shape("text", { class: "strong", x: (margin.left + width - margin.right) / 2, y: height - 4, "text-anchor": "middle" }, xTitle));
  parts.push(shape("text", { class: "strong", x: margin.left - 32, y: margin.top - 14 }, yTitle));
  return picture(width, height, title, description, parts);
}

function picture(width, height, title, description, parts) {
  return shape("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${title}. ${description}` }, parts);
}

const NARROW = matchMedia("(max-width: 40rem)"); // charts have fewer units there, so that their text stays readable

// A score with its interval on 0 to 1, and chance as a dashed tick.
function whisker(score, width = 160, height = 18) {
  const x = (value) => 4 + Math.min(1, Math.max(0, value)) * (width - 8);
  const y = height / 2;
  const [low, high] = score.ci95;
  return shape("svg", { class: "whisker", viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true",
    tip: `${fixed(score.value)}, 95% interval ${fixed(low)} to ${fixed(high)}, chance ${fixed(score.chance)}` },
    shape("line", { class: "axis", x1: x(0), x2: x(1), y1: y, y2: y }),
    shape("line", { class: "chance", x1: x(score.chance), x2: x(score.chance), y1: 2, y2: height - 2 }),
    shape("path", { class: "ci", d: `M${x(low)} ${y - 4}V${y + 4}M${x(low)} ${y}H${x(high)}M${x(high)} ${y - 4}V${y + 4}` }),
    shape("circle", { class: "dot", cx: x(score.value), cy: y, r: 3.5 }));
}

// Colours of heat maps, in sRGB: from the paper of the theme to a deep or bright end.
const RAMPS = {
  light: [[247, 248, 244], [173, 216, 205], [62, 150, 160], [12, 72, 96]],
  dark: [[30, 37, 44], [24, 84, 100], [60, 156, 160], [196, 240, 214]],
};

function dark() {
  const own = document.documentElement.dataset.theme;
  return own ? own === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

function heat(value) {
  const stops = RAMPS[dark() ? "dark" : "light"];
  const place = Math.min(1, Math.max(0, value)) * (stops.length - 1);
  const index = Math.min(stops.length - 2, Math.floor(place));
  const rgb = stops[index].map((own, channel) => Math.round(own + (place - index) * (stops[index + 1][channel] - own)));
  const light = rgb.map((own) => (own / 255 <= 0.04045 ? own / 255 / 12.92 : ((own / 255 + 0.055) / 1.055) ** 2.4));
  const luminance = 0.2126 * light[0] + 0.7152 * light[1] + 0.0722 * light[2];
  return { "background-color": `rgb(${rgb.join(" ")})`, color: luminance > 0.18 ? "#000" : "#fff" };
}

function ramp() {
  const own = element("i", {});
  own.style.background = `linear-gradient(90deg, ${[0, 0.25, 0.5, 0.75, 1].map((value) => heat(value)["background-color"]).join(", ")})`;
  return element("p", { class: "ramp", "aria-hidden": "true" }, "0", own, "1");
}
