/*
 * The service: what is asked of it, and what it tells.
 *
 * The stream of events is read by fetch rather than EventSource: so the comment
 * lines that say "still here" are seen, and a controller that was unplugged is
 * noticed within STALE_MS and not when the system gives the connection up.
 */

const BASE = "/api/v1/";
const STALE_MS = 25000; /* a comment line comes each 10 s */
const MOST = 8 << 20; /* bytes of one event */

/* --- the token ------------------------------------------------------------------- */

const KEY = "dcop-token";
const looksRight = (text) => /^[0-9a-f]{64}$/.test(text);

/* The fragment reaches no server; it leaves the address bar at once. */
export function takeToken() {
    const given = /^#token=(.*)$/.exec(location.hash)?.[1];
    if (given === undefined) return;
    history.replaceState(null, "", location.pathname);
    if (looksRight(given)) sessionStorage.setItem(KEY, given);
}

export const haveToken = () => sessionStorage.getItem(KEY) !== null;

/* null, or why not. */
export async function tryToken(text) {
    const token = text.trim().replace(/^.*#token=/, "");
    if (!looksRight(token)) return "A token is 64 letters and digits, 0 to 9 and a to f.";
    try {
        const answer = await fetch(`${BASE}session`, {headers: {Authorization: `Bearer ${token}`}, cache: "no-store"});
        if (!answer.ok) return answer.status === 401 || answer.status === 403 ? "The service does not know this token." : await problem(answer);
    } catch {
        return "The service cannot be reached.";
    }
    sessionStorage.setItem(KEY, token);
    return null;
}

/* --- questions and orders ---------------------------------------------------------- */

async function problem(answer) {
    try {
        const told = await answer.json();
        return String(told.detail || told.title || answer.status);
    } catch {
        return `The service answered ${answer.status}.`;
    }
}

/* Throws an Error whose message is for a person; `status` is HTTP's, 0 without an answer. */
async function ask(path, options) {
    let answer;
    try {
        answer = await fetch(BASE + path, {cache: "no-store", signal: AbortSignal.timeout(20000), ...options});
    } catch {
        throw Object.assign(new Error("The service cannot be reached. Nothing is known to have been done."), {status: 0});
    }
    if (answer.ok) return answer.status === 204 ? null : answer.json();
    throw Object.assign(new Error(await problem(answer)), {status: answer.status});
}

export const get = (path) => ask(path);

export async function post(path, body) {
    try {
        return await ask(path, {
            method: "POST",
            headers: {"Content-Type": "application/json", Authorization: `Bearer ${sessionStorage.getItem(KEY) ?? ""}`},
            body: JSON.stringify(body),
        });
    } catch (error) {
        if (error.status === 401) sessionStorage.removeItem(KEY);
        throw error;
    }
}

/* --- the stream -------------------------------------------------------------------- */

/* Splits what arrives into events; `tell(event, data, id)` for each. */
export function parser(tell) {
    let rest = "", event = "message", data = [], id;
    return (text) => {
        rest += text;
        if (rest.length > MOST) throw new Error("an event without an end");
        const lines = rest.split(/\r\n|\n|\r(?!$)/);
        rest = lines.pop();
        for (const line of lines) {
            if (line === "") {
                if (data.length > 0) tell(event, data.join("\n"), id);
                event = "message";
                data = [];
                continue;
            }
            const colon = line.indexOf(":");
            if (colon === 0) continue;
            const field = colon < 0 ? line : line.slice(0, colon);
            const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
            if (field === "event") event = value;
            else if (field === "data") data.push(value);
            else if (field === "id") id = value;
        }
    };
}

/*
 * Listens for as long as the page lives.  `onEvent(name, data)`;
 * `onLink("live")` when it is heard, `onLink("lost", {since, next})` when not: next is
 * when it is tried again.  Returns {now()}: try at once.
 */
export function listen(onEvent, onLink) {
    let last = null, tries = 0, since = 0, timer, abort, heard = 0;

    function lost() {
        const wait = Math.min(500 * 2 ** tries++, 10000) * (0.75 + Math.random() / 2);
        since ||= Date.now();
        onLink("lost", {since, next: Date.now() + wait});
        clearTimeout(timer);
        timer = setTimeout(run, wait);
    }

    async function read(signal) {
        const answer = await fetch(`${BASE}events`, {headers: last ? {"Last-Event-ID": last} : {}, cache: "no-store", signal});
        if (!answer.ok) throw new Error(`status ${answer.status}`);
        const decode = new TextDecoder(), reader = answer.body.getReader();
        const feed = parser((event, data, id) => {
            const before = last;
            last = null; /* what cannot be applied is asked for anew, whole */
            onEvent(event, JSON.parse(data));
            last = id ?? before;
        });
        for (let chunk; !(chunk = await reader.read()).done;) {
            heard = Date.now();
            if (tries > 0 || since > 0) tries = since = 0;
            onLink("live");
            feed(decode.decode(chunk.value, {stream: true}));
        }
    }

    async function run() {
        const mine = new AbortController();
        abort?.abort();
        abort = mine;
        heard = Date.now();
        try {
            await read(mine.signal);
        } catch {
            mine.abort();
        }
        if (abort === mine) lost();
    }

    setInterval(() => {
        if (since === 0 && Date.now() - heard > STALE_MS) abort?.abort();
    }, 1000);
    const now = () => {
        clearTimeout(timer);
        tries = 0;
        run();
    };
    addEventListener("online", () => since > 0 && now());
    document.addEventListener("visibilitychange", () => !document.hidden && since > 0 && now());
    run();
    return {now};
}
