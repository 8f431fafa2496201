/*
 * What the page knows, and what follows from it.  Pure: no element, no network.
 *
 * A store is what the service has told: apply() takes its events in.  The rest
 * reads it.  All that may grow has a bound.
 */

import {byName, callName} from "./words.js";

const LINES = 400, STEPS = 64, RUNS = 50;

export const newStore = () => ({
    status: {}, match: {}, machines: new Map(), runs: new Map(),
    steps: new Map(), /* ref: {run, steps: Map(name: {status, detail, output, …}), note} */
    logs: new Map(), /* ref: {run, lines: [{stream, line}]} */
    told: false,
});

const list = (value) => (Array.isArray(value) ? value : []);

/* A machine's list of steps, emptied when another run begins. */
function stepsOf(store, ref, run) {
    let work = store.steps.get(ref);
    if (!work || work.run !== run) store.steps.set(ref, (work = {run, steps: new Map(), note: ""}));
    return work;
}

const takes = {
    snapshot(s, d) {
        s.status = d.status ?? {};
        s.match = d.match ?? {};
        s.machines = new Map(list(d.machines).map((m) => [m.ref, m]));
        s.runs = new Map(list(d.runs).map((r) => [r.number, r]));
        for (const kept of [s.steps, s.logs]) for (const ref of kept.keys()) if (!s.machines.has(ref)) kept.delete(ref);
        s.told = true;
    },
    machine(s, d) {
        s.machines.set(d.machine.ref, d.machine);
    },
    gone(s, d) {
        for (const kept of [s.machines, s.steps, s.logs]) kept.delete(d.ref);
    },
    match(s, d) {
        s.match = d;
    },
    status(s, d) {
        s.status = d;
    },
    run(s, d) {
        s.runs.set(d.number, {...s.runs.get(d.number), ...d});
        if (s.runs.size > RUNS) s.runs.delete(Math.min(...s.runs.keys()));
    },
    step(s, d) {
        const m = s.machines.get(d.ref), {steps} = stepsOf(s, d.ref, d.run);
        if (steps.has(d.step) || steps.size < STEPS)
            steps.set(d.step, {...d, at: d.status === "started" ? Date.now() : steps.get(d.step)?.at});
        if (m?.work?.state === "running" && (m.work.run ?? d.run) === d.run && d.number)
            m.work = {...m.work, phase: "steps", step: d.step, number: d.number, total: d.total};
    },
    note(s, d) {
        stepsOf(s, d.ref, d.run).note = d.text;
    },
    output(s, d) {
        let log = s.logs.get(d.ref);
        if (!log || log.run !== d.run) s.logs.set(d.ref, (log = {run: d.run, lines: []}));
        log.lines.push({stream: d.stream, line: d.line});
        if (log.lines.length > LINES) log.lines.splice(0, log.lines.length - LINES);
    },
};

/* False for an event of a kind that this page does not know. */
export function apply(store, event, data) {
    if (!Object.hasOwn(takes, event)) return false;
    takes[event](store, data);
    return true;
}

/* --- what follows ---------------------------------------------------------------- */

/* By ref: {duplicate: [agent…], misnamed: {agent: suggestion}}.  The match knows ids;
 * of those that share one, the machine with the name is meant. */
function matchNotes(store) {
    const notes = new Map(), byId = new Map();
    const noteOf = (ref) => notes.get(ref) ?? notes.set(ref, {duplicate: [], misnamed: {}}).get(ref);
    for (const m of store.machines.values()) byId.set(m.id, [...(byId.get(m.id) ?? []), m]);
    const meant = (id, agent) => (byId.get(id) ?? []).filter((m) => list(m.agents).includes(agent));

    for (const d of list(store.match.duplicates))
        for (const id of list(d.machines)) for (const m of meant(id, d.agent)) noteOf(m.ref).duplicate.push(d.agent);
    for (const u of list(store.match.unexpected))
        for (const m of meant(u.machine, u.agent)) noteOf(m.ref).misnamed[u.agent] = u.suggestion ?? "";
    return notes;
}

/* One word for a machine: the most urgent of what is true of it. */
export function stateOf(m, note) {
    const trust = m.trust?.state, work = m.work ?? {};

    if (trust === "changed") return "impostor";
    if (trust === "doubtful") return "doubtful";
    if (work.state === "running" || work.state === "packing") return "deploying";
    if (!m.online) return "offline";
    if (trust === "unverified") return "unverified";
    if (work.state === "queued") return "queued";
    if (note?.duplicate.length) return "duplicate";
    if (work.state === "stuck" || work.state === "retrying") return "failed";
    if (trust === "new") return "new";
    if (note && Object.keys(note.misnamed).length) return "misnamed";
    if (!m.agents?.length) return "nameless";
    if (m.state === "failed" || (work.state !== "ok" && ["failed", "refused", "unreachable"].includes(work.outcome))) return "failed";
    if (work.state === "waiting") return "waiting";
    if (m.state === "running") return "running";
    if (m.state === "stopped") return "stopped";
    return "ready";
}

/* The tiles in the order of the agents' names, the nameless last: {key, machine, state, note}
 * or, for a name that no machine has, {key, agent, state: "missing", seen}. */
export function tiles(store) {
    const notes = matchNotes(store);
    const all = [...store.machines.values()].map((m) => {
        const note = notes.get(m.ref);
        return {key: `m ${m.ref}`, machine: m, note, state: stateOf(m, note), name: m.agents?.[0] ?? ""};
    });
    for (const {agent, seen} of missing(store))
        all.push({key: `a ${agent}`, agent, seen, state: "missing", name: agent});
    return all.sort((a, b) => (a.name === "") - (b.name === "") || byName(a.name, b.name) ||
        byName(a.machine ? callName(a.machine) + a.machine.ref : "", b.machine ? callName(b.machine) + b.machine.ref : ""));
}

/* Names that no machine has: {agent, seen}. */
function missing(store) {
    const kept = new Map(list(store.match.reserved).map((r) => [r.agent, r.last_seen]));
    return list(store.match.missing).map((agent) => ({agent, seen: kept.get(agent)})).sort((a, b) => byName(a.agent, b.agent));
}

/* All the problem's names that are not there, be they missing or offline. */
export function absent(store) {
    const off = list(store.match.offline).map((agent) => {
        const m = [...store.machines.values()].find((one) => !one.online && list(one.agents).includes(agent));
        return {agent, seen: m?.last_seen};
    });
    return [...missing(store), ...off].sort((a, b) => byName(a.agent, b.agent));
}

/* --- what may be done ------------------------------------------------------------- */

/* Why `action` cannot be done with a machine; null when it can. */
export function obstacle(action, m) {
    if (!m.online) return "offline";
    if (action === "accept") return ["new", "changed", "doubtful"].includes(m.trust?.state) && m.hostkey ? null : "accepted";
    if (m.trust?.state !== "accepted") return "not accepted";
    if (action === "deploy" && !m.agents?.length) return "no name";
    if (action === "rollback" && !m.pydcop) return "nothing deployed";
    return null;
}

/* What waits for a person, the most urgent first; each {kind, …}. */
export function needs(store, shown = tiles(store)) {
    const of = (...states) => shown.filter((t) => states.includes(t.state)).map((t) => t.machine);
    const found = [];

    for (const m of of("impostor", "doubtful")) found.push({kind: "impostor", machine: m});
    for (const d of list(store.match.duplicates))
        found.push({kind: "duplicate", agent: d.agent, machines: shown.filter((t) => t.note?.duplicate.includes(d.agent)).map((t) => t.machine)});
    for (const m of of("failed")) found.push({kind: "failed", machine: m});
    for (const t of shown)
        for (const [agent, suggestion] of Object.entries(t.note?.misnamed ?? {}))
            if (!["impostor", "doubtful", "unverified", "offline"].includes(t.state))
                found.push({kind: "misnamed", machine: t.machine, agent, suggestion});
    for (const t of shown)
        if (t.machine?.error && t.machine.online) found.push({kind: "settings", machine: t.machine});
    const fresh = shown.filter((t) => t.machine?.trust?.state === "new" && t.machine.online).map((t) => t.machine);
    if (fresh.length) found.push({kind: "new", machines: fresh});
    const plan = list(store.match.assignments).filter((a) => store.machines.has(a.ref));
    if (plan.length && !store.status.assign) found.push({kind: "assign", plan});
    const strangers = of("unverified");
    if (strangers.length) found.push({kind: "unverified", machines: strangers});
    return found;
}
