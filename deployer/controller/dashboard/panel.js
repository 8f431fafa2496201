/* One machine, beside the tiles: what is wrong, what may be done, facts, key, runs, log. */

import {get} from "./api.js";
import {$, button, fill, h, icon} from "./dom.js";
import {obstacle} from "./model.js";
import {saying} from "./view.js";
import {ago, callName, clock, doing, hostName, name, shapeOf, took, visible} from "./words.js";

let ref = null, history = null, before = null;
const runs = new Map(); /* number: steps, or words why not */

export const openRef = () => ref;

export function openPanel(of) {
    if (ref === null) before = document.activeElement?.dataset?.ref ?? of;
    ref = of;
    history = null;
    runs.clear();
    document.body.classList.add("paneled");
}

/* Gives the focus back to the tile that it came from. */
export function closePanel() {
    if (ref === null) return;
    ref = null;
    $("panel").hidden = true;
    document.body.classList.remove("paneled");
    document.querySelector(`.tile [data-ref="${CSS.escape(before)}"]`)?.focus();
}

export const focusPanel = () => $("panel").querySelector("h2")?.focus();

/* What the stream does not bring: the runs before. */
export async function loadHistory() {
    const of = ref;
    try {
        const told = await get(`machines/${encodeURIComponent(of)}`);
        if (of === ref) history = told.history ?? [];
    } catch (error) {
        if (of === ref) history = error.message;
    }
}

export async function loadRun(number, machine) {
    try {
        const {run} = await get(`runs/${Number(number)}`);
        runs.set(Number(number), run.machines?.find((m) => m.machine === machine.id || m.machine === machine.ref) ?? "Nothing is recorded of it.");
    } catch (error) {
        runs.set(Number(number), error.message);
    }
    if (runs.size > 20) runs.delete(runs.keys().next().value);
}

const MARKS = {ok: "·", changed: "✓", failed: "✕", skipped: "–", started: "›"};

const stepRow = (s, words) => h("li", {class: `r-${visible(s.status)}`, "data-key": s.step},
    h("span", {"aria-hidden": "true"}, MARKS[s.status] ?? "·"),
    h("span", {}, visible(s.step), h("span", {class: "unseen"}, ` ${visible(s.status)}`)), h("span", {}, words),
    s.detail && h("span", {class: "detail"}, visible(s.detail)), s.output && h("pre", {}, s.output));

function current(store, m) {
    const work = store.steps.get(m.ref);
    if (!work || (m.work?.run !== undefined && m.work.run !== work.run) || !(work.steps.size || work.note)) return null;
    const at = m.work?.state === "running";
    return h("section", {"data-key": "now"}, h("h3", {}, at ? "Now" : "Last time"),
        at && work.note && h("p", {class: "said"}, visible(work.note)),
        h("ol", {class: "steps"}, [...work.steps.values()].map((s) =>
            stepRow(s, s.status === "started" ? (at && s.at ? `${Math.round((Date.now() - s.at) / 1000)} s` : "") : s.status))));
}

function facts(m) {
    const rows = [
        ["Host", name(m.host ?? "")], ["Agents", m.agents?.length > 1 && name(callName(m))],
        ["Addresses", m.addresses?.length && m.addresses.map((a, i) => [i ? h("br") : "", h("code", {}, visible(a))])],
        ["SSH", m.port && `port ${m.port}${m.user ? `, user ${visible(m.user)}` : ""}`],
        ["Model", visible(m.model)], ["System", [m.os, m.arch, m.python && `Python ${m.python}`].filter(Boolean).map(visible).join(", ")],
        ["pyDCOP", visible(m.pydcop) || "not deployed"], ["Fleet", visible(m.fleet)], ["Id", h("code", {}, m.id)],
        ["First seen", m.first_seen && clock(m.first_seen)], ["Last seen", m.last_seen && `${clock(m.last_seen)}, ${ago(m.last_seen)}`],
    ];
    return rows.filter(([, value]) => value).map(([word, value]) => [h("dt", {}, word), h("dd", {}, value)]);
}

const SOURCES = {accept: "--accept-new", question: "a person's yes", signature: "its signature", trust: "a person's yes"};

function keys(m) {
    const trust = m.trust ?? {}, row = (word, value) => value ? [h("dt", {}, word), h("dd", {}, value)] : [];
    return h("dl", {class: "facts"}, row("It shows", h("code", {}, m.hostkey ?? "nothing")),
        row("Trusted is", h("code", {}, trust.pin ?? (trust.state === "accepted" ? m.hostkey ?? "its signature" : "none yet"))),
        row("Trusted by", trust.source && SOURCES[trust.source]),
        row("Signed", m.verified ? "yes, by this fleet" : "no"));
}

function pastRun(r, m) {
    const told = runs.get(r.run);
    return h("li", {"data-key": r.run}, h("details", {"data-run": r.run, "data-ref": m.ref},
        h("summary", {}, h("span", {}, `${r.run}. ${visible(r.verb)}`), h("span", {}, visible(r.status)), h("span", {}, clock(r.started))),
        r.detail && h("p", {class: "said"}, visible(r.detail)),
        typeof told === "string" ? h("p", {class: "said"}, told) : told ?
            h("ol", {class: "steps"}, (told.steps ?? []).map((s) => stepRow(s, `${s.status} ${took(s.started, s.ended)}`))) : h("p", {class: "said"}, "…")));
}

export function drawPanel(store, tile, live) {
    const panel = $("panel"), m = tile?.machine;
    if (ref !== null && !m) closePanel();
    if (ref === null) return;

    const {word, more, bar} = saying(tile), {lines} = store.logs.get(m.ref) ?? {};
    const act = (words, action, attributes) => obstacle(action, m) ? "" :
        button(words, "do", {action, ref: m.ref}, {disabled: !live, ...attributes});
    const pre = panel.querySelector(".log"), atEnd = !pre || pre.scrollTop + pre.clientHeight > pre.scrollHeight - 8;
    panel.hidden = false;
    fill(panel, [
        h("header", {}, h("div", {}, h("h2", {id: "panel-title", tabindex: -1}, h("bdi", {}, callName(m))),
            h("p", {}, m.agents?.length ? name(hostName(m)) : "no agent name")),
        button(icon("close"), "close", {}, {class: "bare", "aria-label": "Close"})),
        h("div", {class: "body"},
            h("div", {class: `verdict state s-${tile.state}`}, icon(shapeOf(tile.state)), h("strong", {}, word, more && typeof more === "string" && more !== m.work?.why ? `, ${more}` : ""),
                m.work?.why && h("p", {}, visible(m.work.why)), m.error && h("p", {}, visible(m.error)),
                bar && h("p", {}, h("progress", {max: bar[1], value: bar[0], "aria-label": "Steps"}))),
            h("div", {class: "acts"},
                obstacle("accept", m) ? "" : button(m.trust.state === "changed" ? "Trust the new key…" : "Accept…", "accept", {ref: m.ref}, {class: "main", disabled: !live}),
                act("Deploy…", "deploy", {class: "main"}), act("Retry…", "retry"), act("Start…", "start"), act("Stop…", "stop"), act("Restart…", "restart"),
                obstacle("start", m) ? "" : button("Name…", "assign", {ref: m.ref}, {disabled: !live}),
                act("Blink…", "identify"), act("Roll back…", "rollback"), act("Reboot…", "reboot"), act("Power off…", "poweroff", {class: "danger"}),
                button("Forget…", "forget", {ref: m.ref}, {class: "danger", disabled: !live})),
            current(store, m),
            h("section", {"data-key": "facts"}, h("h3", {}, "Facts"), h("dl", {class: "facts"}, facts(m))),
            h("section", {"data-key": "key"}, h("h3", {}, "Key"), keys(m)),
            h("section", {"data-key": "runs"}, h("h3", {}, "Runs"),
                typeof history === "string" || !history?.length ? h("p", {class: "said"}, history === null ? "…" : history.length ? history : "None yet.") :
                    h("ul", {class: "runs"}, history.map((r) => pastRun(r, m)))),
            h("section", {"data-key": "log"}, h("h3", {}, "The agent's log"),
                lines && h("pre", {class: "log", tabindex: 0, "aria-label": "The agent's log"}, lines.map((l) => h("span", {class: l.stream === "stderr" ? "stderr" : null}, `${l.line}\n`))),
                obstacle("logs", m) ? h("p", {class: "said"}, `It cannot be read: ${obstacle("logs", m)}.`) :
                    h("p", {}, button(lines ? "Read it again" : "Read it", "log", {ref: m.ref}, {disabled: !live})))),
    ]);
    const log = panel.querySelector(".log");
    if (log && atEnd) log.scrollTop = log.scrollHeight;
}
