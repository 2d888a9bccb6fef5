// What would have been written to a side in shadow.
import { get, pathOf } from "./api.js";
import { el, keep, plural, say, time } from "./dom.js";
import { beside, keyText } from "./rows.js";

const shown = 50;
const section = document.getElementById("shadow");
const told = el("p");
const list = el("div", { class: "cards" });
section.append(told, list);

let of = "";

// showShadow shows the latest rows that were decided and not written, if a side is in shadow.
export async function showShadow(link) {
  of = link.name;
  section.hidden = !link.left.shadow && !link.right.shadow;
  if (section.hidden || link.state === "stopped") return;
  let rows;
  try {
    rows = (await get(pathOf("links", link.name, "shadow"))).shadowed;
  } catch (e) {
    say(told, e.message);
    return;
  }
  if (of !== link.name) return;
  rows = rows.reverse(); // the oldest comes first
  say(told, rows.length === 0 ? "Nothing would have been written yet." : `${plural(rows.length, "row")} would have been written${rows.length > shown ? `; these are the latest ${shown}` : ""}.`);
  keep(list, rows.slice(0, shown), (r) => JSON.stringify([link.name, r.side, r.table, r.key, r.at]), make);
}

function make(r) {
  const name = keyText(r.table, r.key);
  const decided = r.winner ? ` a conflict: ${r.winner} won, by ${r.policy}` : "";
  const node = el("details", { class: "card" },
    el("summary", {}, el("strong", { text: name }), ` to the ${r.side} side${decided} `, el("span", { class: "note", text: time(r.at) })),
    beside(`What would have been written to ${name}`, [[`${r.side} has`, r.has], ["would have", r.would]]));
  return [node, () => {}];
}
