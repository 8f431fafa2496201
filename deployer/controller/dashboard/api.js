/* Requests to the service, and its events (openapi.yaml). */

/* Relative to the page: a proxy may have it in a folder. */
export const BASE = "api/v1/";

const KEY = "dcop-token";
const STALE_MS = 25000; /* a comment line comes every 10 s */

/* Browsers do not send the fragment. */
export function takeToken() {
  const given = location.hash.startsWith("#token=") && location.hash.slice(7);
  if (given === false) return;
  history.replaceState(null, "", location.pathname);
  if (/^[0-9a-f]{64}$/.test(given)) sessionStorage[KEY] = given;
}

export const haveToken = () => KEY in sessionStorage;

/* What a person pasted: token or address; throws if it is wrong. */
export async function tryToken(text) {
  const token = text.trim().replace(/^.*#token=/, "");
  if (!/^[0-9a-f]{64}$/.test(token)) throw new Error("A token is 64 characters, 0 to 9 and a to f.");
  await ask("session", {headers: {Authorization: `Bearer ${token}`}});
  sessionStorage[KEY] = token;
  return true;
}

/* `as` is a method of Response.  Throws an Error with a message and the HTTP status, 0 without an answer. */
async function ask(path, options, as = "json", ms = 20000) {
  const failed = (words, status) => Object.assign(new Error(words), {status});
  let answer, told;
  try {
    answer = await fetch(BASE + path, {cache: "no-store", signal: AbortSignal.timeout(ms), ...options});
    told = answer.status === 204 ? null : await answer[answer.ok ? as : "json"]();
  } catch {
    throw failed("The service does not answer. Check whether it was done.", answer?.status ?? 0);
  }
  if (answer.status === 401) delete sessionStorage[KEY];
  if (!answer.ok) throw failed(told?.detail || told?.title || `The service answered ${answer.status}.`, answer.status);
  return told;
}

const bearer = () => haveToken() ? {Authorization: `Bearer ${sessionStorage[KEY]}`} : {};

export const get = (path, as, ms) => ask(path, {headers: bearer()}, as, ms);

export const post = (path, body, method = "POST") =>
  ask(path, {method, headers: {"Content-Type": "application/json", ...bearer()}, body: JSON.stringify(body)});

/* Listens until the page closes: onEvent(name, data), onLink("live" or "lost", {since, next});
 * returns a function that tries again at once.  fetch, unlike EventSource, shows the
 * heartbeat's comment lines: a controller without power is noticed. */
export function listen(onEvent, onLink) {
  let last = null, tries = 0, since = 0, heard = 0, timer, stop;

  function take(block) {
    const field = (key) => [...block.matchAll(new RegExp(`(?:^|\n)${key}: ?([^\n]*)`, "g"))].map((found) => found[1]);
    const data = field("data").join("\n"), id = field("id")[0] ?? last;
    if (!data) return;
    last = null; /* if it cannot be applied, a snapshot is asked for */
    onEvent(field("event")[0], JSON.parse(data));
    last = id;
  }

  async function read(signal) {
    const answer = await fetch(`${BASE}events`, {headers: {...bearer(), ...(last ? {"Last-Event-ID": last} : {})}, cache: "no-store", signal});
    if (!answer.ok) throw new Error(answer.status);
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let chunk, text = ""; !(chunk = await reader.read()).done;) {
      heard = Date.now();
      tries = since = 0;
      onLink("live");
      const blocks = (text + chunk.value).split("\n\n");
      text = blocks.pop();
      blocks.forEach(take);
    }
  }

  async function run() {
    clearTimeout(timer);
    stop?.abort();
    const mine = (stop = new AbortController());
    heard = Date.now();
    await read(mine.signal).catch(() => mine.abort());
    if (stop !== mine) return;
    const wait = Math.min(500 * 2 ** tries++, 10000) * (0.75 + Math.random() / 2);
    since ||= Date.now();
    onLink("lost", {since, next: Date.now() + wait});
    timer = setTimeout(run, wait);
  }

  const now = () => since && run();
  setInterval(() => Date.now() - heard > STALE_MS && stop.abort(), 1000);
  addEventListener("online", now);
  document.addEventListener("visibilitychange", () => document.hidden || now());
  run();
  return now;
}
