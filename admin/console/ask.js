// One dialog that says what will happen, asks what else has to be known, and does it.
import { announce, button, el } from "./dom.js";

// ask shows a dialog and returns once it is closed. Fields are [name, label, control]. do(values)
// is what is done; if it fails, the dialog stays and says why. It returns what to announce.
export function ask({ title, text, fields = [], confirm, danger, act }) {
  const dialog = document.getElementById("ask");
  const error = el("p", { class: "error", role: "alert" });
  const yes = el("button", { class: danger ? "danger" : "primary", text: confirm });
  const form = el("form", { method: "dialog" }, el("h2", { id: "ask-title", text: title }), ...[text].flat().map((t) => el("p", { text: t })));
  for (const [, label, control] of fields) form.append(el("label", {}, el("span", { text: label }), control));
  form.append(error, el("p", { class: "buttons" }, button("Cancel", () => dialog.close()), yes));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    yes.disabled = true;
    error.textContent = "";
    try {
      announce(await act(Object.fromEntries(fields.map(([name, , control]) => [name, valueOf(control)]))));
      dialog.close();
    } catch (e) {
      error.textContent = e.message;
      yes.disabled = false;
    }
  });
  dialog.replaceChildren(form);
  dialog.showModal();
  return new Promise((resolve) => { dialog.addEventListener("close", resolve, { once: true }); });
}

// valueOf returns what a control holds; one of several parts says it itself.
const valueOf = (control) => (control.read ? control.read() : control.type === "checkbox" ? control.checked : control.value);

// choice is a select of [value, text].
export const choice = (options, properties = {}) => el("select", properties, ...options.map(([value, text]) => el("option", { value, text })));
