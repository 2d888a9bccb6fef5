// Elements, and lists of them that stay in place while what they show changes. All that the API
// says goes into text nodes.

// el makes an element. Of the properties, "on" is a handler of clicks, and "text" is its text; all
// others are attributes.
export function el(name, properties = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (value === undefined || value === false) continue;
    if (key === "text") node.textContent = value;
    else if (key === "on") node.addEventListener("click", value);
    else node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children);
  return node;
}

export const button = (text, on, kind) => el("button", { type: "button", class: kind, on, text });

// say sets the text of a node if it is another one: what did not change is not read out again.
export function say(node, text) {
  text = String(text);
  if (node.textContent !== text) node.textContent = text;
}

// announce has a screen reader say something, and shows it for a while.
let quiet;
export function announce(text) {
  const said = document.getElementById("said");
  said.textContent = text;
  clearTimeout(quiet);
  quiet = setTimeout(() => { said.textContent = ""; }, 8000);
}

// keep has a box show a list: one node for each item, which stays the same, with its focus, as
// long as the key is there. make(item) returns a node and a function that shows an item in it.
// If what had the focus is gone, the focus goes to the title of the section.
export function keep(box, items, keyOf, make) {
  const before = box.kept ?? new Map();
  const kept = box.kept = new Map();
  const focused = box.contains(document.activeElement);
  let last = null;
  for (const item of items) {
    const key = keyOf(item);
    const entry = before.get(key) ?? make(item);
    before.delete(key);
    kept.set(key, entry);
    entry[1](item);
    const next = last ? last.nextSibling : box.firstChild;
    if (entry[0] !== next) box.insertBefore(entry[0], next);
    last = entry[0];
  }
  for (const [node] of before.values()) node.remove();
  if (focused && !box.contains(document.activeElement)) box.closest("section")?.querySelector("h3")?.focus();
}

const whole = new Intl.NumberFormat("en");
export const count = (n) => whole.format(n);

export function duration(seconds) {
  if (seconds <= 0) return "0 s";
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 100) return `${seconds.toFixed(1)} s`;
  if (seconds < 6000) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

export function bytes(n) {
  for (const [unit, size] of [["GiB", 2 ** 30], ["MiB", 2 ** 20], ["KiB", 2 ** 10]]) {
    if (n >= size) return `${(n / size).toFixed(1)} ${unit}`;
  }
  return plural(n, "byte");
}

export const time = (text) => new Date(text).toLocaleString("en-GB");
export const plural = (n, one) => `${count(n)} ${one}${n === 1 ? "" : "s"}`;
