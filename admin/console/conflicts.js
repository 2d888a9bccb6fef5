// Decisions, with what each side had, and the way back.
import { ask } from "./ask.js";
import { get, pathOf, post } from "./api.js";
import { button, el, keep, say, time } from "./dom.js";
import { replayForm } from "./replay.js";
import { beside, keyText } from "./rows.js";

const shown = 50;
const error = el("p", { class: "error" });
const none = el("p", { class: "note", text: "No conflict has been recorded." });
const list = el("div", { class: "cards" });
const replay = replayForm();
document.getElementById("conflicts").append(error, none, replay.node, list);

let of = "";

// showConflicts reads the latest conflicts of a link, from its stores, and shows them.
export async function showConflicts(link, changed) {
  of = link.name;
  let found;
  try {
    found = (await get(`${pathOf("links", link.name, "conflicts")}?limit=${shown}`)).conflicts;
    say(error, "");
  } catch (e) {
    say(error, e.message);
    return;
  }
  if (of !== link.name) return;
  none.hidden = found.length > 0;
  replay.show(link.name, found.length > 0);
  const newest = found[0];
  keep(list, found, (c) => `${link.name}\n${c.side}\n${c.id}`, (c) => make(link.name, c, c === newest, changed));
}

function make(link, c, open, changed) {
  const name = keyText(c.table, c.key);
  const rows = [["base", c.base], ["left", c.left], ["right", c.right], ["result", c.result]];
  const times = [["left", c.left_time], ["right", c.right_time]].filter(([, at]) => at).map(([side, at]) => `${side} at ${time(at)}`).join(", ");
  const back = (side) => button(`Bring ${side} back…`, () => ask({
    title: `Take the decision on ${name} back?`,
    text: `Both sides become what ${side} had before the decision: ${c[side] === null ? "no row, so it is deleted" : "as shown"}. That is refused if the row has changed since.`,
    confirm: `Bring ${side} back`, danger: true,
    act: async () => {
      await post(pathOf("links", link, "conflicts", c.side, String(c.id), "revert"), { take: side });
      changed();
      return `${name} is what ${side} had`;
    },
  }));
  const lost = { left: ["right"], right: ["left"] }[c.winner] ?? ["left", "right"];
  const outcome = { merged: "merged", given: "another row was given" }[c.winner] ?? `${c.winner} won`;
  const by = { resolved: "by a person", reverted: "by a person who took a decision back" }[c.policy] ?? `by ${c.policy}`;
  const node = el("details", { class: "card", open },
    el("summary", {}, el("strong", { text: name }), ` ${outcome}, ${by} `, el("span", { class: "note", text: time(c.decided) })),
    ...(times ? [el("p", { class: "note", text: `changed: ${times}` })] : []),
    beside(`The conflict of ${name}`, rows, c.hidden_differ), el("div", { class: "buttons" }, ...lost.map(back)));
  return [node, () => {}];
}
