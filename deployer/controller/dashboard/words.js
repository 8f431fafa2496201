/* Names, lists, times and states as text. */

import {h} from "./dom.js";

/* a2 before a10. */
export const byName = new Intl.Collator("en", {numeric: true}).compare;

const escaped = (text, but) => text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu,
  (c) => (but.includes(c) ? c : `⟨${c.codePointAt(0).toString(16).toUpperCase()}⟩`));

/* Makes visible what a reader cannot see, or what changes how the text around it is read (bidi
 * overrides, zero width, controls, spaces at either end). */
export const visible = (text) => escaped(String(text ?? "").replace(/^\s+|\s+$/g, (spaces) => "␣".repeat(spaces.length)), "\u200d");

/* The same for output of several lines. */
export const visibleLines = (text) => escaped(String(text ?? ""), "\n\t\u200d");

/* A name in a sentence, with its own text direction. */
export const name = (text) => h("bdi.name", visible(text));

/* a, b and c; at most `most` of them. */
export function listed(items, most = 12) {
  const all = items.length > most ? [...items.slice(0, most - 1), `${items.length - most + 1} more`] : items;
  return all.flatMap((item, i) => (i ? [i === all.length - 1 ? " and " : ", ", item] : [item]));
}

export const count = (n, one) => `${n} ${one}${n === 1 ? "" : "s"}`;

export function ago(time) {
  const s = (Date.now() - Date.parse(time)) / 1000;
  if (s < 10) return "just now";
  if (s < 90) return `${Math.round(s / 10)}0 seconds ago`;
  if (s < 5400) return `${count(Math.round(s / 60), "minute")} ago`;
  return s < 129600 ? `${count(Math.round(s / 3600), "hour")} ago` : `${count(Math.round(s / 86400), "day")} ago`;
}

/* Today's time alone, others with their day. */
export function clock(time) {
  const when = new Date(time);
  return when.toDateString() === new Date().toDateString() ? when.toLocaleTimeString() :
    when.toLocaleString([], {dateStyle: "medium", timeStyle: "short"});
}

/* A machine's name: its agents, else its host, else its id. */
export const hostOf = (m) => m.host?.replace(/\.local$/, "") || m.id;
export const callOf = (m) => (m.agents?.length ? m.agents.join(", ") : hostOf(m));
export const called = (m) => name(callOf(m));
export const host = (m) => name(hostOf(m));

/* The states of a tile, in the order of the row of counts. */
export const STATES = {
  impostor: "Key in doubt", duplicate: "Duplicate name", failed: "Failed", misnamed: "Wrong name",
  unverified: "Not signed", new: "To accept", nameless: "No name", queued: "Queued", deploying: "At work", waiting: "Waiting",
  ready: "Not deployed", stopped: "Stopped", running: "Running", offline: "Offline", missing: "Missing",
};

/* States that need the same from a person share a shape. */
export const shape = (state) => ({unverified: "impostor", waiting: "queued"})[state] ?? state;

export const doing = (verb) => ({
  deploy: "Deploying", start: "Starting", stop: "Stopping", restart: "Restarting", rollback: "Rolling back", assign: "Naming",
  poweroff: "Powering off", reboot: "Rebooting", identify: "Blinking",
})[verb] ?? "At work";
