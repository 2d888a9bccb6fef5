// The tables of a link: their stages, and what can be done to them.
import { ask, choice } from "./ask.js";
import { pathOf, post } from "./api.js";
import { announce, button, count, duration, el, keep, plural, say } from "./dom.js";

const box = document.getElementById("tables");
const body = el("tbody");
box.append(el("table", { class: "list" }, el("caption", { class: "unseen", text: "Tables of the link" }), el("thead", {}, el("tr", {},
  ...["table", "stage", "parked", "waiting", "what to do"].map((text) => el("th", { scope: "col", text })))), body));

export function showTables(link, changed) {
  keep(body, link.tables, (t) => `${link.name}\n${t.name}`, (t) => make(link.name, t.name, changed));
}

function make(link, name, changed) {
  const stage = el("span", { class: "badge" });
  const bar = el("progress", { max: "1", "aria-label": `First contact of ${name}` });
  const detail = el("p", { class: "note" });
  const [parked, waiting] = [el("td", { "data-label": "parked" }), el("td", { "data-label": "waiting" })];
  const act = (what, said, send) => async () => {
    await post(pathOf("links", link, "tables", name, what), send);
    changed();
    return said;
  };
  const pause = button("Pause…", () => ask({
    title: `Pause ${name}?`, text: "Nothing of the table is written until it is resumed. What changes in it meanwhile is kept, and settled then.",
    fields: [["reason", "Reason, for whoever looks here next", el("input", { maxlength: "200" })]],
    confirm: "Pause", act: (v) => act("pause", `${name} is paused`, { reason: v.reason })(),
  }));
  const resume = button("Resume", async () => {
    resume.disabled = true;
    try { announce(await act("resume", `${name} goes on`)()); } catch (e) { announce(e.message); } finally { resume.disabled = false; }
  });
  const resync = button("Resync…", () => ask({
    title: `Compare all rows of ${name} again?`,
    text: ["By the config, rows are copied and never deleted.", "By a side, the other side becomes as that side is: rows that only the other side has are deleted there. What is overwritten or deleted is recorded as conflicts."],
    fields: [["by", "How", choice([["", "as the config says"], ["left", "by left: right becomes as left is"], ["right", "by right: left becomes as right is"]])]],
    confirm: "Resync", danger: true, act: (v) => act("resync", `${name} is being compared`, { by: v.by })(),
  }));
  const node = el("tr", {}, el("th", { scope: "row", text: name }), el("td", { "data-label": "stage" }, stage, bar, detail), parked, waiting,
    el("td", {}, el("div", { class: "buttons" }, pause, resume, resync)));
  return [node, (t) => {
    say(stage, t.stage);
    stage.className = `badge is-${t.stage}`;
    const c = t.contact;
    bar.hidden = !c;
    if (c?.total) bar.value = Math.min(1, c.rows / c.total); else bar.removeAttribute("value");
    say(detail, c ? contactText(c) : t.stage === "paused" ? t.reason ?? "" : t.differ ? `${plural(t.differ, "row")} left different by first contact` : "");
    say(parked, count(t.parked));
    say(waiting, count(t.waiting));
    pause.hidden = t.stage === "paused";
    resume.hidden = t.stage !== "paused";
  }];
}

function contactText(c) {
  const parts = [c.total ? `${count(c.rows)} of about ${plural(c.total, "row")}` : plural(c.rows, "row")];
  if (c.rows_per_second) parts.push(`${count(Math.round(c.rows_per_second))} a second`);
  if (c.seconds_left) parts.push(`about ${duration(c.seconds_left)} left`);
  return parts.join(", ");
}
