// What another policy would have made of the conflicts that are recorded. Nothing is written.
import { pathOf, post } from "./api.js";
import { choice } from "./ask.js";
import { el, plural, say, time } from "./dom.js";
import { beside, keyText } from "./rows.js";

// replayForm returns a node that asks for a policy, and show(link, any) which says of what link, and
// whether it has conflicts.
export function replayForm() {
  const policy = choice(["latest", "left", "right", "merge", "manual"].map((name) => [name, name]));
  const deletes = choice([["", "as usual"], ["delete_wins", "delete wins"], ["update_wins", "update wins"]]);
  const begin = el("button", { text: "Replay" });
  const told = el("p", { role: "status" });
  const examples = el("div", { class: "cards" });
  const form = el("form", { class: "row" }, el("label", {}, el("span", { text: "Policy" }), policy),
    el("label", {}, el("span", { text: "Against a delete" }), deletes), begin);
  const node = el("details", { class: "card replay" }, el("summary", { text: "What would another policy have made of these?" }), form, told, examples);
  let link = "";
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const of = link;
    begin.disabled = true;
    examples.replaceChildren();
    try {
      const found = await post(pathOf("links", of, "conflicts", "replay"), { policy: policy.value, ...(deletes.value ? { deletes: deletes.value } : {}) });
      if (of !== link) return;
      say(told, sum(found, policy.value));
      examples.replaceChildren(...found.examples.map(example));
      examples.firstChild?.setAttribute("open", "");
    } catch (e) {
      say(told, e.message);
    } finally {
      begin.disabled = false;
    }
  });
  return { node, show: (name, any) => {
    node.hidden = !any;
    if (name === link) return;
    link = name;
    say(told, "");
    examples.replaceChildren();
  } };
}

function sum(found, policy) {
  const parts = [`By ${policy}, ${found.different} of ${plural(found.conflicts, "conflict")} would have ended otherwise`];
  if (found.parked) parts.push(`${found.parked} of them parked`);
  if (found.skipped) parts.push(`${found.skipped} were skipped, because their tables have other columns now`);
  return `${parts.join(", ")}. Nothing was written.`;
}

function example(c) {
  const name = keyText(c.table, c.key);
  const rows = [["base", c.base], ["left", c.left], ["right", c.right], ["result", c.result]];
  const parked = c.would === undefined;
  return el("details", { class: "card" }, el("summary", {}, el("strong", { text: name }), parked ? " would have been parked " : " would have been another row ", el("span", { class: "note", text: time(c.decided) })),
    beside(`The conflict of ${name}, once more`, parked ? rows : [...rows, ["would be", c.would]]));
}
