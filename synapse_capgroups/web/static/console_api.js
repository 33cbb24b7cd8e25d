// The module's own calls, by the token of a session. No token of Matrix's ever comes here.

import { say } from "./console_dom.js";

const KEPT = "capgroups-session";
const PATIENCE_MS = 30000;

export class Problem extends Error {
  constructor(status, text, reason) {
    super(text);
    this.status = status;
    this.reason = reason;
  }
}

let ended = () => {};

// What is done once the session is over.
export function whenEnded(work) {
  ended = work;
}

let here = null; // Where a browser stores nothing for a page in a frame.

export function session() {
  let kept = here;
  try {
    kept = JSON.parse(sessionStorage.getItem(KEPT)) ?? here;
  } catch {
    // It is in memory.
  }
  return kept && kept.expires_at > Date.now() ? kept : null;
}

// Of this tab alone, and only until it is closed.
export function keep(kept) {
  here = kept;
  try {
    if (kept) sessionStorage.setItem(KEPT, JSON.stringify(kept));
    else sessionStorage.removeItem(KEPT);
  } catch {
    // It is in memory.
  }
}

export async function call(method, path, body) {
  const response = await ask(method, path, body);
  const answer = await response.json().catch(() => null);
  if (response.ok && answer) return answer;
  if (response.status === 401 && path !== "session") {
    keep(null);
    ended();
  }
  throw new Problem(response.status, answer?.error || say("broken"), answer?.["org.capgroups.reason"]);
}

// A picture as an address that an <img> takes; null if there is none.
export async function picture(path) {
  const response = await ask("GET", path);
  if (!response.ok) return null;
  const blob = await response.blob();
  return new Promise((resolve) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => resolve(null);
    reader.readAsDataURL(blob);
  });
}

async function ask(method, path, body) {
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), PATIENCE_MS);
  const headers = {};
  const kept = session();
  if (kept && path !== "session") headers.Authorization = `Bearer ${kept.token}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  try {
    return await fetch(`v1/${path}`, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      cache: "no-store",
      credentials: "omit",
      redirect: "error",
      referrerPolicy: "no-referrer",
      signal: stop.signal,
    });
  } catch {
    throw new Problem(0, say("unreachable"));
  } finally {
    clearTimeout(timer);
  }
}

export const at = encodeURIComponent;
