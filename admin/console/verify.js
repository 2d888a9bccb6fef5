// Comparing both stores: the job, and its certificate.
import { ask, choice } from "./ask.js";
import { get, pathOf, post, remove } from "./api.js";
import { announce, button, count, duration, el, plural, say, time } from "./dom.js";
import { beside, keyText } from "./rows.js";

const tables = el("select", { id: "verify-tables" });
const how = choice([["", "compare only"], ["left", "repair: right becomes as left is"], ["right", "repair: left becomes as right is"]], { id: "verify-how" });
const values = el("input", { type: "checkbox" });
const start = el("button", { class: "primary", text: "Verify" });
const form = el("form", { class: "row" }, el("label", {}, el("span", { text: "Tables" }), tables), el("label", {}, el("span", { text: "How" }), how),
  el("label", { class: "check" }, values, el("span", { text: "show values" })), start);
const error = el("p", { class: "error", role: "alert" });
const state = el("p");
const bar = el("progress", { max: "1", "aria-label": "Verification", hidden: true });
const cancel = button("Cancel the verification", () => act(async () => { await remove(pathOf("jobs", job.id)); return "the verification ends"; }));
const certificate = el("div");
document.getElementById("verify").append(form, error, state, bar, el("p", { class: "buttons" }, cancel), certificate);

let link, job, changed = () => {}, drawn = "", named = "";

async function act(send) {
  say(error, "");
  try { announce(await send()); } catch (e) { say(error, e.message); }
  changed();
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const by = how.value;
  const begin = async () => {
    await post(pathOf("links", link.name, "verify"), { tables: tables.value ? [tables.value] : [], values: values.checked, ...(by ? { repair: true, by } : {}) });
    changed();
    return "the verification has begun";
  };
  if (!by) return void act(begin);
  const other = by === "left" ? "right" : "left";
  ask({
    title: `Make ${other} what ${by} is?`, text: `In ${tables.value || "all tables"}, rows that differ become what the ${by} side has, and rows that only the ${other} side has are deleted there. What is lost is recorded as conflicts.`,
    confirm: "Compare and repair", danger: true, act: begin,
  });
});

// showVerify shows the last verification of a link.
export async function showVerify(of, onChange) {
  [link, changed] = [of, onChange];
  const names = JSON.stringify(of.tables.map((t) => t.name));
  if (named !== names) {
    named = names;
    tables.replaceChildren(el("option", { value: "", text: "all" }), ...of.tables.map((t) => el("option", { value: t.name, text: t.name })));
  }
  const { jobs } = await get("/v1/jobs");
  if (link !== of) return;
  job = jobs.findLast((j) => j.kind === "verify" && j.link === of.name);
  const running = job?.state === "running";
  start.disabled = running;
  cancel.hidden = bar.hidden = !running;
  say(state, job ? told(job) : "");
  const p = job?.progress;
  if (p?.total) bar.value = Math.min(1, p.rows / p.total); else bar.removeAttribute("value");
  const draw = job?.result ? job.id + job.link : "";
  if (draw !== drawn) {
    drawn = draw;
    certificate.replaceChildren(...(job?.result ? certified(job.result) : []));
  }
}

function told(j) {
  if (j.state === "failed") return `The verification failed: ${j.error}`;
  if (j.state === "canceled") return "The verification was canceled.";
  if (j.state === "done") return "";
  const p = j.progress;
  if (!p) return "The verification begins.";
  const rows = p.total ? `${count(p.rows)} of about ${plural(p.total, "row")}` : plural(p.rows, "row");
  return `Table ${Math.min(p.done + 1, p.tables)} of ${p.tables}, ${p.table}: ${rows}${p.seconds_left ? `, about ${duration(p.seconds_left)} left` : ""}${p.different ? `, ${count(p.different)} differ so far` : ""}`;
}

const pairColumns = [["table", "name"], ["verdict", "verdict"], ["by", "method"], ["left rows", "left_rows"], ["right rows", "right_rows"],
  ["different", "different"], ["parked", "parked"], ["busy", "busy"], ["repaired", "repaired"]];

// certified returns the certificate as nodes.
function certified(c) {
  const rows = c.tables.map((t) => el("tr", { class: t.verdict === "equal" ? undefined : "differs" }, ...pairColumns.map(([label, key], i) => {
    const text = typeof t[key] === "number" ? count(t[key]) : t[key];
    return i === 0 ? el("th", { scope: "row", text }) : el("td", { "data-label": label, text });
  })));
  const notes = c.tables.flatMap((t) => [
    ...(t.paused ? [`${t.name} is paused: ${t.paused}`] : []),
    ...Object.entries(t.kept ?? {}).map(([column, n]) => `${t.name}.${column}: a store keeps ${plural(n, "value")} differently from what it was sent`),
  ]);
  return [
    el("h4", { class: c.equal ? "equal" : "unequal", text: c.equal ? "The stores hold the same" : "The stores differ" }),
    el("p", { class: "note", text: `${time(c.started)} to ${time(c.ended)}` }),
    el("table", { class: "list" }, el("caption", { class: "unseen", text: "The certificate" }),
      el("thead", {}, el("tr", {}, ...pairColumns.map(([text]) => el("th", { scope: "col", text })))), el("tbody", {}, ...rows)),
    ...notes.map((text) => el("p", { class: "note", text })),
    ...["left", "right"].map((side) => el("p", { class: "note position", text: `${side}: ${c[side].start || "not known"} to ${c[side].end || "not known"}` })),
    el("div", { class: "cards" }, ...c.tables.flatMap((t) => t.differences.map((d) => difference(t.name, d)))),
  ];
}

function difference(table, d) {
  const text = [d.what, d.columns?.length ? `in ${d.columns.join(", ")}` : "", d.note ?? ""].filter(Boolean).join(" ");
  const node = el("div", { class: "card" }, el("strong", { text: keyText(table, d.key) }), ` ${text}`);
  if (d.left !== undefined || d.right !== undefined) node.append(beside(keyText(table, d.key), [["left", d.left], ["right", d.right]]));
  return node;
}
