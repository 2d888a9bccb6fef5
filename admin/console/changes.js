// What a link reads from both logs, as it comes, for as long as somebody watches.
import { pathOf, stream } from "./api.js";
import { button, count, el, plural, say } from "./dom.js";
import { beside, keyText } from "./rows.js";

const most = 100; // how many are shown
const none = "Nobody watches.";
const told = el("p", { class: "note", role: "status", text: none });
const list = el("div", { class: "cards" });
const watch = button("Watch", begin);
const stop = button("Stop", () => end(`Stopped. ${plural(seen, "change")} came by.`));
document.getElementById("changes").append(el("p", { class: "buttons" }, watch, stop), told, list);
stop.hidden = true;

let link = "", seen = 0, watching;

// showChanges says which link is looked at. Whoever watched another one does not any more.
export function showChanges(of) {
  if (link === of.name) return;
  link = of.name;
  end(none);
  list.replaceChildren();
}

function end(text) {
  watching?.abort();
  watching = undefined;
  [watch.hidden, stop.hidden] = [false, true];
  say(told, text);
}

async function begin() {
  const mine = watching = new AbortController();
  seen = 0;
  list.replaceChildren();
  [watch.hidden, stop.hidden] = [true, false];
  stop.focus();
  say(told, "Waiting for changes.");
  try {
    await stream(pathOf("links", link, "changes"), (events) => { if (mine === watching) take(events); }, mine.signal);
    if (mine === watching) end("The stream has ended.");
  } catch (e) {
    if (mine === watching) end(e.message);
  }
}

// take shows what came: the newest first, and no more than a person can look at.
function take(events) {
  for (const { kind, data } of events) if (kind === "end") return end(`The stream has ended: ${data.reason}.`);
  const lost = events.filter((e) => e.kind === "lost").reduce((n, e) => n + e.data.changes, 0);
  const came = events.filter((e) => ["change", "emptied", "altered"].includes(e.kind));
  if (came.length + lost === 0) return;
  seen += came.length + lost;
  list.prepend(...came.slice(-most).reverse().map(shown));
  while (list.childElementCount > most) list.lastChild.remove();
  say(told, `${count(seen)} so far, ${seen > most ? `of which these are the latest ${most}, ` : ""}newest first${lost ? "; too many came to show all" : ""}.`);
}

function shown({ kind, data: c }) {
  const name = keyText(c.table, c.key).trim();
  const what = { emptied: "all rows were deleted", altered: "the table is not as it was" }[kind] ?? { insert: "inserted", update: "updated", delete: "deleted" }[c.operation] ?? "changed";
  const who = c.origin === "echo" ? "by cdcsync" : "by an application";
  const rows = [["before", c.before], ["after", c.after]].filter(([, row]) => row !== undefined);
  const head = el("summary", {}, el("strong", { text: name }), ` ${what} on the ${c.side}, ${who} `,
    el("span", { class: "note", text: c.time ? new Date(c.time).toLocaleTimeString("en-GB") : "" }));
  const body = rows.length ? beside(`The change of ${name}`, rows) : el("p", { class: "note", text: c.reason || "The log does not say more." });
  return el("details", { class: "card" }, head, body);
}
