// The links, and one of them: its state, both sides, lag and throughput.
import { chart, recent } from "./chart.js";
import { ask } from "./ask.js";
import { pathOf, post } from "./api.js";
import { announce, button, bytes, count, duration, el, keep, plural, say } from "./dom.js";

const links = document.getElementById("links");
const sides = document.getElementById("sides");
const alarms = document.getElementById("alarms");
const charts = document.getElementById("charts");
const rate = (n) => `${n < 10 ? n.toFixed(1) : count(Math.round(n))} rows/s`;

// What was seen of a link, by its name.
const seen = new Map();

// watch notes the state of all links, for the charts, and says what has changed in one of them.
export function watch(all) {
  const now = Date.now();
  for (const link of all) {
    const before = seen.get(link.name);
    const points = before ?? { lag: [], rate: [] };
    points.lag = recent([...points.lag, [now, link.left.lag_seconds, link.right.lag_seconds]]);
    if (before) {
      const per = (side) => Math.max(0, link[side].counters.applied - before.link[side].counters.applied) * 1000 / Math.max(1, now - before.at);
      // What is applied on the right has come from the left.
      points.rate = recent([...points.rate, [now, per("right"), per("left")]]);
      told(before.link, link);
    }
    seen.set(link.name, Object.assign(points, { link, at: now }));
  }
}

// told announces what a person should know at once.
function told(was, is) {
  if (was.state !== is.state) announce(`Link ${is.name} is ${is.state}`);
  if (is.parked > was.parked) announce(`Link ${is.name}: ${plural(is.parked, "row")} parked`);
  const before = new Map(was.tables.map((t) => [t.name, t.stage]));
  for (const t of is.tables) if (before.has(t.name) && before.get(t.name) !== t.stage) announce(`Table ${t.name} is ${t.stage}`);
}

// showLinks shows all links, of which chosen is looked at.
export function showLinks(all, chosen) {
  keep(links, all, (l) => l.name, (l) => {
    const state = el("span", { class: "badge" });
    const numbers = el("span", { class: "note" });
    const node = el("a", { href: `#/${encodeURIComponent(l.name)}` }, el("strong", { text: l.name }), state, numbers);
    return [node, (l) => {
      say(state, l.state);
      state.className = `badge is-${l.state}`;
      const paused = l.tables.filter((t) => t.stage === "paused").length;
      say(numbers, [plural(l.tables.length, "table"), ...alarmsOf(l).map(([title]) => title.toLowerCase()).filter((t) => t !== l.state), l.parked && `${count(l.parked)} parked`, paused && `${count(paused)} paused`].filter(Boolean).join(", "));
      if (l.name === chosen) node.setAttribute("aria-current", "page"); else node.removeAttribute("aria-current");
    }];
  });
}

// showLink shows one link.
export function showLink(link, changed) {
  say(document.getElementById("name"), link.name);
  keep(alarms, alarmsOf(link), ([title]) => `${link.name}\n${title}`, makeAlarm);
  keep(document.getElementById("link-buttons"), [link], (l) => l.name, makeButtons(changed));
  keep(sides, ["left", "right"].map((name) => ({ name, side: link[name] })), (s) => `${link.name}\n${s.name}`, makeSide);
  keep(charts, ["lag", "rate"], (what) => `${link.name}\n${what}`, (what) => {
    const [node, show] = what === "lag" ? chart("Lag", ["left", "right"], duration) : chart("Throughput", ["left → right", "right → left"], rate);
    return [node, () => show(seen.get(link.name)[what])];
  });
}

// alarmsOf lists what is wrong with a link: a title, and the reason.
const alarmsOf = (link) => [
  ["Stopped", link.state === "stopped" && (link.error || "somebody asked for it")],
  ["Not open yet", link.state !== "stopped" && link.error],
  ["Paused", link.paused],
  ["Stalled", link.stalled],
  ["Breaker", link.breaker],
].filter(([, reason]) => reason);

function makeAlarm([title]) {
  const reason = el("span");
  return [el("li", {}, el("strong", { text: title }), " ", reason), ([, text]) => say(reason, text)];
}

// makeButtons makes what pauses a link and has it go on.
const makeButtons = (changed) => ({ name }) => {
  const act = async (what, said, send) => {
    await post(pathOf("links", name, what), send);
    changed();
    return said;
  };
  const pause = button("Pause the link…", () => ask({
    title: `Pause link ${name}?`, text: "Nothing is read or written until it is resumed, also over restarts. The logs of the stores keep what changes meanwhile, and grow.",
    fields: [["reason", "Reason, for whoever looks here next", el("input", { maxlength: "200" })]],
    confirm: "Pause", act: (v) => act("pause", `Link ${name} is paused`, { reason: v.reason }),
  }));
  const resume = button("Resume the link", async () => {
    resume.disabled = true;
    try { announce(await act("resume", `Link ${name} goes on`)); } catch (e) { announce(e.message); } finally { resume.disabled = false; }
  });
  return [el("div", { class: "buttons" }, pause, resume), (l) => {
    pause.hidden = l.state === "paused" || l.state === "stopped";
    resume.hidden = l.state !== "paused";
  }];
};

const numbers = [
  ["Behind", (s) => plural(s.behind, "change")],
  ["Lag", (s) => duration(s.lag_seconds) + (s.lag_bytes === undefined ? "" : `, ${bytes(s.lag_bytes)} of log`)],
  ["Waiting to be written", (s) => plural(s.pending, "row")],
  ["Read", (s) => plural(s.counters.changes, "change")],
  ["Applied", (s) => plural(s.counters.applied, "row")],
  ["Refused, drift, retries", (s) => [s.counters.refused, s.counters.drift, s.counters.retries].map(count).join(", ")],
  ["Position", (s) => s.position || "none yet"],
];

function makeSide({ name, side }) {
  const cells = numbers.map(() => el("dd"));
  const shadow = el("span", { class: "badge", text: "in shadow" });
  const node = el("div", { class: "card" }, el("h3", {}, `${name}: ${side.store} `, el("span", { class: "note", text: side.engine }), " ", shadow),
    el("dl", {}, ...numbers.flatMap(([label], i) => [el("dt", { text: label }), cells[i]])));
  return [node, ({ side }) => {
    shadow.hidden = !side.shadow;
    numbers.forEach(([, text], i) => say(cells[i], text(side)));
  }];
}
