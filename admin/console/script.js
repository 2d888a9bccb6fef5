// The console: asks the API every second or so while somebody looks, and shows what it says.
import { TokenNeeded, get, token } from "./api.js";
import { showConflicts } from "./conflicts.js";
import { say } from "./dom.js";
import { showLink, showLinks, watch } from "./link.js";
import { showLog } from "./log.js";
import { showParked } from "./parked.js";
import { showShadow } from "./shadow.js";
import { showTables } from "./tables.js";
import { showVerify } from "./verify.js";

const every = 1500; // milliseconds
const at = (id) => document.getElementById(id);

let timer, asking = false, again = false;
let conflictsOf = ""; // what was known when the conflicts were read last

// round asks once, and plans the next round. While one is under way, another call has it begin
// again at its end.
async function round() {
  clearTimeout(timer);
  if (asking) {
    again = true;
    return;
  }
  asking = true;
  again = false;
  try {
    await show();
    say(at("unreachable"), "");
    say(at("updated"), `updated ${new Date().toLocaleTimeString("en-GB")}`);
  } catch (e) {
    if (e instanceof TokenNeeded) return askToken(e);
    say(at("unreachable"), `${e.message}. What is shown is from before.`);
  } finally {
    asking = false;
  }
  if (!document.hidden) timer = setTimeout(round, again ? 0 : every);
}

async function show() {
  const { links } = await get("/v1/links");
  at("forget").hidden = !token.get();
  watch(links);
  const name = decodeURIComponent(location.hash.startsWith("#/") ? location.hash.slice(2) : at("name").textContent);
  const link = links.find((l) => l.name === name) ?? links[0];
  showLinks(links, link?.name);
  at("main").hidden = !link;
  if (!link) return;
  showLink(link, round);
  showTables(link, round);
  const parts = [showShadow(link), showParked(link, round), showVerify(link, round), showLog()];
  // They are read from the stores, so not in every round.
  const known = JSON.stringify([link.name, link.conflicts, link.state, Math.floor(Date.now() / 20_000)]);
  if (known !== conflictsOf) {
    conflictsOf = known;
    parts.push(showConflicts(link, round));
  }
  await Promise.all(parts);
}

function askToken(e) {
  const given = token.get() !== null; // whoever comes for the first time did nothing wrong
  token.forget();
  at("forget").hidden = true;
  at("main").hidden = true;
  at("login").hidden = false;
  say(at("updated"), "");
  say(at("login-error"), given ? e.message : "");
  at("token").focus();
}

at("login").addEventListener("submit", (event) => {
  event.preventDefault();
  token.set(at("token").value);
  at("token").value = "";
  at("login").hidden = true;
  round();
});
// Whoever may read without a token needs one to change something.
addEventListener("token-needed", (event) => {
  at("ask").close();
  askToken(event.detail);
});
at("forget").addEventListener("click", () => {
  token.forget();
  round();
});
document.addEventListener("visibilitychange", () => { if (!document.hidden) round(); else clearTimeout(timer); });
addEventListener("hashchange", () => { if (location.hash.startsWith("#/")) round(); });
round();
