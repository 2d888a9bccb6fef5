// The last lines of the log.
import { choice } from "./ask.js";
import { get } from "./api.js";
import { el } from "./dom.js";

const level = choice([["", "all lines"], ["warn", "warnings and errors"]]);
const lines = el("ol", { tabindex: "0", "aria-label": "Last lines of the log" });
document.getElementById("log").append(el("label", { class: "row" }, el("span", { text: "Show" }), level), lines);

let all = [], drawn = "";
level.addEventListener("change", draw);

export async function showLog() {
  all = (await get("/v1/log?limit=200")).lines;
  draw();
}

function draw() {
  const chosen = all.filter((line) => !level.value || ["warn", "error"].includes(line["@level"]));
  const now = JSON.stringify([chosen.length, chosen[0], chosen.at(-1)]);
  if (now === drawn) return;
  drawn = now;
  const atEnd = lines.scrollHeight - lines.scrollTop - lines.clientHeight < 20;
  lines.replaceChildren(...chosen.map(shown));
  if (atEnd) lines.scrollTop = lines.scrollHeight;
}

function shown(line) {
  const rest = Object.entries(line).filter(([key]) => !key.startsWith("@")).map(([key, value]) => `${key}=${typeof value === "string" ? value : JSON.stringify(value)}`);
  const at = new Date(line["@timestamp"]).toLocaleTimeString("en-GB");
  return el("li", { class: `level-${line["@level"]}` }, el("time", { text: at }), " ", el("span", { class: "level", text: line["@level"] }), ` ${line["@message"]} `,
    el("span", { class: "note", text: rest.join(" ") }));
}
