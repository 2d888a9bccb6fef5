// Rows beside each other.
import { el } from "./dom.js";

const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

// keyText names a row: its table, and its key.
export const keyText = (table, key) => `${table} ${Object.entries(key ?? {}).map(([name, value]) => `${name}=${plain(value)}`).join(" ")}`;

// columnsOf are the columns of any of the rows, in order.
export const columnsOf = (...rows) => [...new Set(rows.flatMap((row) => Object.keys(row ?? {})))];

export const isBytes = (value) => value !== null && typeof value === "object";

const plain = (value) => (value === null ? "NULL" : isBytes(value) ? value.bytes : String(value));

// cell shows a column of a row. A row that is null does not exist; undefined: nobody knows.
function cell(row, column, properties) {
  if (row === null) return el("td", { class: "none", text: "absent", ...properties });
  const value = row?.[column];
  if (value === undefined) return el("td", { class: "none", text: "not known", ...properties });
  if (value === null) return el("td", { class: "none", text: "NULL", ...properties });
  return el("td", { ...properties }, el("span", { class: "value", text: isBytes(value) ? `${value.bytes} (base64)` : String(value) }));
}

// beside returns a table of rows, [title, row], beside each other. In a column in which left and
// right differ, what is not as in the base is marked. If there is no left, the first two are compared.
// In the columns named by hidden they differ, although their values are not shown.
export function beside(title, rows, hidden = []) {
  const of = Object.fromEntries(rows);
  const head = el("tr", {}, el("th", { scope: "col", text: "column" }), ...rows.map(([name]) => el("th", { scope: "col", text: name })));
  const body = el("tbody");
  for (const column of columnsOf(...rows.map(([, row]) => row))) {
    const value = (row) => (row === null ? "absent" : [row?.[column]]);
    const [one, other] = "left" in of ? ["left", "right"] : rows.map(([name]) => name);
    const differs = hidden.includes(column) || !same(value(of[one]), value(of[other]));
    const changed = (name) => differs && [one, other].includes(name) && !(of.base !== undefined && same(value(of[name]), value(of.base)));
    const mark = differs ? [el("span", { class: "mark", title: `${one} and ${other} differ`, text: " ≠" })] : [];
    body.append(el("tr", { class: differs ? "differs" : undefined }, el("th", { scope: "row" }, column, ...mark),
      ...rows.map(([name, row]) => cell(row, column, { "data-label": name, class: changed(name) ? "changed" : undefined }))));
  }
  return el("div", { class: "scroll" }, el("table", { class: "beside" }, el("caption", { class: "unseen", text: title }), el("thead", {}, head), body));
}
