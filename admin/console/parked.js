// Rows that wait, and the ways to settle them.
import { ask } from "./ask.js";
import { get, pathOf, post } from "./api.js";
import { announce, button, el, keep, plural, say, time } from "./dom.js";
import { beside, columnsOf, isBytes, keyText } from "./rows.js";

const error = el("p", { class: "error" });
const none = el("p", { class: "note", text: "No row is parked." });
const all = button("Retry all", () => {}, "");
const list = el("div", { class: "cards" });
const buttons = el("p", { class: "buttons" }, all);
document.getElementById("parked").append(error, none, buttons, list);

let of = "";
let changed = () => {};
all.addEventListener("click", () => tell(async () => `${plural((await post(pathOf("links", of, "parked", "retry"))).rows, "row")} tried again`));

async function tell(act) {
  try { announce(await act()); } catch (e) { announce(e.message); }
  changed();
}

// showParked shows the parked rows of a link.
export async function showParked(link, onChange) {
  [of, changed] = [link.name, onChange];
  let rows = [];
  try {
    if (link.parked) rows = (await get(pathOf("links", link.name, "parked"))).parked;
    say(error, "");
  } catch (e) {
    say(error, e.message);
    return;
  }
  if (of !== link.name) return;
  none.hidden = rows.length > 0;
  buttons.hidden = rows.length < 2;
  // What a side holds may change while the row waits: then it is another card.
  keep(list, rows, (p) => JSON.stringify([link.name, p.id, p.left, p.right, p.reason]), (p) => make(link.name, p));
}

function make(link, p) {
  const name = keyText(p.table, p.key);
  const act = async (what, said, send) => {
    await post(pathOf("links", link, "parked", p.id, what), send);
    changed();
    return said;
  };
  const settle = (title, text, confirm, send) => () => ask({
    title, text, confirm, danger: true, act: () => act("resolve", `${name} is settled`, send),
  });
  const holds = (row, side) => (row === null ? `The ${side} side has no such row, so it is deleted on the other side.` : `The other side becomes what the ${side} side has now; what it had is recorded as a conflict.`);
  const since = el("p", { class: "note" });
  const retry = button("Retry", () => tell(() => act("retry", `${name} is tried again`)));
  const node = el("article", { class: "card" }, el("h4", { text: name }), el("p", { class: "reason", text: p.reason }), since,
    beside(`Both sides of ${name}`, [["left", p.left], ["right", p.right]], p.hidden_differ),
    el("div", { class: "buttons" },
      button("Take left…", settle(`Take the left row of ${name}?`, holds(p.left, "left"), "Take left", { take: "left" })),
      button("Take right…", settle(`Take the right row of ${name}?`, holds(p.right, "right"), "Take right", { take: "right" })),
      button("Edit…", () => edit(p, name, (row) => act("resolve", `${name} is settled`, { row }))),
      retry,
      button("Delete…", settle(`Delete ${name}?`, "The row is deleted on both sides. What they had is recorded as a conflict.", "Delete", { delete: true }), "quiet-danger"),
      button("Discard…", () => ask({
        title: `Give ${name} up?`, text: "Both sides keep what they have, so they stay different in this row until it changes again.",
        confirm: "Discard", danger: true, act: () => act("discard", `${name} is given up`),
      }), "quiet-danger")));
  return [node, (p) => say(since, `since ${time(p.since)}${p.retry ? `, tried again at ${time(p.retry)}` : ""}`)];
}

// edit asks for the row that both sides are to have.
function edit(p, name, act) {
  const from = p.left ?? p.right ?? {};
  const fields = columnsOf(p.key, p.left, p.right).map((column) => {
    const value = column in p.key ? p.key[column] : from[column] ?? null;
    return [column, column, column in p.key ? fixed(value) : field(column, value, p.left?.[column] ?? p.right?.[column])];
  });
  return ask({
    title: `Edit ${name}`, text: "Both sides will have this row. It begins with what the left side has. What they had is recorded as a conflict.",
    fields, confirm: "Write it to both sides", danger: true, act,
  });
}

function fixed(value) {
  const input = el("input", { readonly: true, value: isBytes(value) ? value.bytes : String(value) });
  input.read = () => value;
  return input;
}

// field is an input for a value, with a box for NULL. What is typed is read as what was there.
function field(column, value, like) {
  const input = el("input", { "aria-label": column });
  input.value = value === null ? "" : isBytes(value) ? value.bytes : String(value);
  const nothing = el("input", { type: "checkbox", "aria-label": `${column} is NULL` });
  nothing.checked = value === null;
  input.addEventListener("input", () => { nothing.checked = false; });
  const both = el("span", { class: "field" }, input, el("span", {}, nothing, " NULL"));
  const before = input.value;
  both.read = () => {
    if (nothing.checked) return null;
    return value !== null && input.value === before ? value : read(input.value, like);
  };
  return both;
}

function read(text, like) {
  if (isBytes(like) && like !== undefined) return { bytes: text };
  if (typeof like === "boolean" && ["true", "false"].includes(text)) return text === "true";
  const number = Number(text);
  if (typeof like === "number" && text.trim() !== "" && Number.isFinite(number) && String(number) === text.trim()) return number;
  return text;
}
