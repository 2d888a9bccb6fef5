// Asks the admin API. The token is kept in the storage of this tab, and nowhere else.

const place = "cdcsync-token";

export class TokenNeeded extends Error {}

export const token = {
  get: () => sessionStorage.getItem(place),
  set: (text) => sessionStorage.setItem(place, text),
  forget: () => sessionStorage.removeItem(place),
};

async function request(method, path, body) {
  const headers = {};
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (token.get()) headers.Authorization = `Bearer ${token.get()}`;
  let answer;
  try {
    answer = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body), credentials: "omit", redirect: "error" });
  } catch {
    throw new Error("cdcsync does not answer");
  }
  const content = await answer.json().catch(() => ({}));
  if (answer.status === 401) {
    const needed = new TokenNeeded(content.error ?? "a token is needed");
    if (method !== "GET") dispatchEvent(new CustomEvent("token-needed", { detail: needed }));
    throw needed;
  }
  if (!answer.ok) throw new Error(content.error ?? `cdcsync answers ${answer.status}`);
  return content;
}

export const get = (path) => request("GET", path);
export const post = (path, body) => request("POST", path, body);
export const remove = (path) => request("DELETE", path);

// pathOf joins names to a path.
export const pathOf = (...names) => "/v1/" + names.map(encodeURIComponent).join("/");
