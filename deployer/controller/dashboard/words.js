/* Words for people: names, times, lists, states.  Pure but for the elements made. */

import {h} from "./dom.js";

const collator = new Intl.Collator("en", {numeric: true});
export const byName = (a, b) => collator.compare(a, b);

/* What a reader could not see, or what would change how its neighbours are read
 * (bidi overrides, zero width, controls, spaces at an end), made visible. */
export function visible(name) {
    return String(name ?? "")
        .replace(/^[ \u00a0]+|[ \u00a0]+$/g, (spaces) => "␣".repeat(spaces.length))
        .replace(/[\u0000-\u001f]/g, (c) => String.fromCharCode(0x2400 + c.charCodeAt(0)))
        .replace(/[\u007f-\u009f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g,
            (c) => `⟨${c.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}⟩`);
}

/* A name in a sentence keeps its direction to itself. */
export const name = (text) => h("bdi", {class: "name"}, visible(text));

/* [a], [a, " and ", b], [a, ", ", b, " and ", c], at most `most` of them. */
export function listed(items, most = 12) {
    const shown = items.length > most ? items.slice(0, most - 1) : items;
    const all = shown.map((item) => [item]);
    if (shown.length < items.length) all.push([`${items.length - shown.length} more`]);
    return all.flatMap((item, i) => (i === 0 ? item : [i === all.length - 1 ? " and " : ", ", ...item]));
}

export const count = (n, one, many = `${one}s`) => `${n} ${n === 1 ? one : many}`;

export function ago(time, now = Date.now()) {
    const s = Math.max(0, (now - Date.parse(time)) / 1000);
    if (!(s >= 0)) return "at an unknown time";
    if (s < 10) return "just now";
    if (s < 90) return `${Math.round(s / 10) * 10} seconds ago`;
    if (s < 5400) return `${count(Math.round(s / 60), "minute")} ago`;
    if (s < 129600) return `${count(Math.round(s / 3600), "hour")} ago`;
    return `${count(Math.round(s / 86400), "day")} ago`;
}

export function clock(time) {
    const when = new Date(time);
    if (Number.isNaN(when.getTime())) return "";
    const today = when.toDateString() === new Date().toDateString();
    return when.toLocaleString([], {
        hour: "2-digit", minute: "2-digit", second: today ? "2-digit" : undefined,
        day: today ? undefined : "numeric", month: today ? undefined : "short",
    });
}

export function took(from, to) {
    const s = (Date.parse(to) - Date.parse(from)) / 1000;
    return s >= 0 ? (s < 99.5 ? `${s.toFixed(s < 10 ? 1 : 0)} s` : `${Math.round(s / 60)} min`) : "";
}

/* As a machine is called: by its agents, else its host, else its id. */
export function callName(m) {
    return m.agents?.length ? m.agents.map(visible).join(", ") : hostName(m) || m.id;
}
export const hostName = (m) => visible(m.host ?? "").replace(/\.local$/, "");

/* The states a tile can be in: word, and what the row of counts calls it.  The
 * order is that of the row. */
export const STATES = {
    impostor: "Key changed", doubtful: "In doubt", duplicate: "Name twice", failed: "Failed",
    misnamed: "Wrong name", unverified: "Not signed", new: "Accept?", nameless: "No name",
    queued: "Queued", deploying: "At work", waiting: "Waiting", ready: "Not deployed", stopped: "Stopped",
    running: "Running", offline: "Offline", missing: "Missing",
};

/* Shapes are shared by states that ask the same of a person. */
export const shapeOf = (state) => ({doubtful: "impostor", unverified: "impostor", waiting: "queued"})[state] ?? state;

const DOING = {
    deploy: "Deploying", start: "Starting", stop: "Stopping", restart: "Restarting", rollback: "Rolling back",
    poweroff: "Powering off", reboot: "Rebooting", identify: "Blinking", logs: "Reading its log",
    assign: "Naming", uninstall: "Removing",
};
export const doing = (verb) => DOING[verb] ?? "At work";

export const PHASES = {connecting: "connecting", checking: "looking at it", sending: "sending pyDCOP", steps: "working"};
