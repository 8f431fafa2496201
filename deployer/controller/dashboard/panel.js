/* One machine, beside the tiles: state, actions, facts, runs, log. */

import {get} from "./api.js";
import {$, button, code, fill, h, icon} from "./dom.js";
import {obstacle} from "./model.js";
import {actions, ALL, saying} from "./view.js";
import {ago, callOf, clock, host, name, shape, visible, visibleLines} from "./words.js";

const LINES = 500; /* of a log */
let ref = null, past = null, log = null /* {of, lines, words} */, runs = new Map(); /* number: its result here, or why */

export const openRef = () => ref;

export function openPanel(of) {
  [ref, past, log] = [of, null, null];
  runs.clear();
  beside(true);
}

/* If it covers the page, the rest is inert. */
function beside(open) {
  document.body.classList.toggle("paneled", open);
  document.querySelector("main").inert = open && innerWidth < 640;
}

/* The focus goes back to the tile. */
export function closePanel() {
  const tile = [...document.querySelectorAll(".tile > button")].find((el) => el.dataset.ref === ref);
  ref = null;
  $("panel").hidden = true;
  beside(false);
  tile?.focus();
}

/* What the stream does not carry. */
export async function loadPast() {
  const of = ref, told = await get(`machines/${of}`).then((t) => t.history ?? [], (error) => error.message);
  if (of === ref) past = told;
}

export async function loadRun(number, {id}) {
  const told = await get(`runs/${number}?machine=${id}`).then(({run}) => run.machines[0], (error) => error.message);
  runs.set(Number(number), told ?? "Nothing is recorded for it.");
}

/* Follows the output of the "step" at work, or the journal of the "agent", while it is shown. */
export async function follow(of, draw) {
  const mine = (log = {of, lines: [], words: "…"}), machine = ref;
  for (let after = "", told = {}; log === mine && ref === machine && told.state !== "ended";) {
    told = await get(`machines/${machine}/log?of=${of}${after}`).catch((error) => ({state: "ended", why: error.message, lines: []}));
    mine.lines = [...(told.fresh ? [] : mine.lines), ...told.lines].slice(-LINES);
    mine.words = told.why ?? {connecting: "Connecting…", following: ""}[told.state] ?? "The log has ended.";
    after = `&after=${encodeURIComponent(told.next)}`;
    draw();
    await new Promise((done) => setTimeout(done, 1000));
  }
}

const logOf = (of, live) => [
  log?.of === of && [log.lines.length > 0 && h("pre.log", {tabindex: 0, "aria-label": "Log"}, h("span", visibleLines(log.lines.join("\n")))), said(visible(log.words))],
  button(log?.of === of ? "Follow again" : "Follow", "log", {of}, {disabled: !live})];

const said = (words) => h("p.said", words);
const section = (title, ...inside) => h("section", {"data-key": title}, h("h3", title), inside);
const rows = (all) => h("dl.facts", all.filter(([, value]) => value).map(([word, value]) => [h("dt", word), h("dd", value)]));
const steps = (all) => h("ol.steps", all.map((s) => h("li", {class: `r-${s.status}`}, h("span", visible(s.step)),
  h("span.took", s.status === "started" ? "at work" : s.status), s.detail && h("p", visible(s.detail)), s.output && h("pre", visibleLines(s.output)))));

function now({work}, m) {
  const of = work.get(m.ref);
  return of && (m.work?.run ?? of.run) === of.run && section("Steps", of.note && said(visible(of.note)), steps([...of.steps.values()]));
}

const facts = (m) => rows([
  ["Host", m.host && name(m.host)], ["Addresses", m.addresses?.map((a, i) => [i > 0 && h("br"), code(visible(a))])],
  ["SSH", m.port && `port ${m.port}${m.user ? `, user ${visible(m.user)}` : ""}`], ["Model", visible(m.model)],
  ["System", visible([m.os, m.arch, m.python && `Python ${m.python}`].filter(Boolean).join(", "))], ["pyDCOP", visible(m.pydcop) || "not deployed"],
  ["Id", code(m.id)], ["Last seen", m.last_seen && `${clock(m.last_seen)}, ${ago(m.last_seen)}`],
  ["Its key", code(m.hostkey)], ["Trusted", code(m.trust?.pin) || "none yet"], ["Signed", m.verified ? "by this fleet" : "no"], ["Found", m.by_hand && "by hand"],
]);

const history = (m) => (Array.isArray(past) && past.length ? h("ul.runs", past.map((r) => {
  const did = runs.get(r.run);
  return h("li", {"data-key": r.run}, h("details", {"data-run": r.run, "data-ref": m.ref}, h("summary", {},
    h("span", `${r.run}. ${visible(r.verb)}`), h("span", visible(r.status)), h("span", r.started && clock(r.started))),
  r.detail && said(visible(r.detail)), did?.steps ? steps(did.steps) : said(did ?? "…")));
})) : said(typeof past === "string" ? past : past ? "None yet." : "…"));

export function drawPanel(store, tile, live) {
  const panel = $("panel"), m = tile?.machine;
  if (ref !== null && !m) closePanel();
  if (ref === null) return;
  const [word, more, bar] = saying(tile), can = !obstacle("start", m);
  panel.hidden = false;
  fill(panel, [
    h("header", h("div", h("h2", {id: "panel-title", tabindex: -1}, h("bdi", visible(callOf(m)))), said(m.agents?.length ? host(m) : "no agent name")),
      button(icon("close"), "close", {}, {class: "bare", "aria-label": "Close"})),
    h("div", {class: `verdict state s-${tile.state}`}, icon(shape(tile.state)), h("strong", word), more && h("p", more),
      m.error && h("p", visible(m.error)), bar && h("progress", {value: bar[0], max: bar[1], "aria-label": "Steps"})),
    h("div.acts", actions([m], live, `accept ${ALL}`),
      can && button("Name…", "name", {ref: m.ref}, {disabled: !live}), actions([m], live, "forget")),
    now(store, m) || h("div", {hidden: true}),
    can && m.work?.state === "running" && section("Output", logOf("step", live)),
    section("Facts", facts(m)), section("Runs", history(m)),
    section("The agent's log", can ? logOf("agent", live) : said("It cannot be read now.")),
  ]);
}
