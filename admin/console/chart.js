// Lines of the last five minutes, one for each side.
import { el, say } from "./dom.js";

const span = 300_000; // milliseconds
const gap = 15_000; // beyond that nobody asked: the line is interrupted
const width = 300, height = 80;

const svg = (name, properties) => {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(properties)) node.setAttribute(key, value);
  return node;
};

// chart returns a figure and a function that shows points, [time, left, right], in it. A line is
// named by names, and its values are written by format.
export function chart(title, names, format) {
  const lines = names.map((_, i) => svg("path", { class: `line line-${i}`, "vector-effect": "non-scaling-stroke" }));
  const picture = svg("svg", { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", role: "img" });
  picture.append(svg("path", { class: "grid", d: `M0 1H${width}M0 ${height / 2}H${width}M0 ${height - 1}H${width}`, "vector-effect": "non-scaling-stroke" }), ...lines);
  const values = names.map(() => el("b"));
  const most = el("span", { class: "most" });
  const legend = el("p", { class: "legend" }, ...names.map((name, i) => el("span", { class: `key key-${i}` }, `${name} `, values[i])));
  const figure = el("figure", {}, el("figcaption", { text: title }), el("div", { class: "plot" }, picture, most), legend);
  return [figure, (points) => {
    const top = Math.max(...points.flatMap(([, ...ys]) => ys), 0);
    const now = Date.now();
    lines.forEach((line, i) => line.setAttribute("d", path(points, i + 1, now, top || 1)));
    const last = points.at(-1) ?? [0, 0, 0];
    values.forEach((value, i) => say(value, format(last[i + 1])));
    say(most, format(top));
    picture.setAttribute("aria-label", `${title}: ${names.map((n, i) => `${n} ${format(last[i + 1])}`).join(", ")}; at most ${format(top)} in the last five minutes`);
  }];
}

function path(points, at, now, top) {
  let before = -Infinity;
  return points.map((point) => {
    const x = width * (1 - (now - point[0]) / span), y = 1 + (height - 2) * (1 - point[at] / top);
    const how = point[0] - before > gap ? "M" : "L";
    before = point[0];
    return `${how}${x.toFixed(1)} ${y.toFixed(1)}`;
  }).join("");
}

// recent drops the points that are too old to be shown.
export const recent = (points) => points.filter(([at]) => Date.now() - at <= span);
