/* The page's main part as elements, made anew from the store at each change and laid over what is there (dom.js, fill). */

import {button, h, icon} from "./dom.js";
import {absent, needs, obstacle} from "./model.js";
import {ago, callName, count, doing, hostName, listed, name, PHASES, shapeOf, STATES, visible} from "./words.js";

/* --- the answer ------------------------------------------------------------------- */

export function sentence({told, match, machines}) {
    const total = match.problem?.agents, here = match.matched?.length ?? 0;
    if (!told) return "Looking for machines…";
    if (total === undefined) return machines.size ? `${count(machines.size, "machine")} found.` : "No machine yet.";
    if (here < total) return `${here} of ${total} agents are here.`;
    return total === 1 ? "The one agent is here." : `All ${total} agents are here.`;
}

/* Names that were last seen at the same time, as people say it, are told together. */
function lacking(store) {
    const groups = new Map();
    for (const {agent, seen} of absent(store)) {
        const when = seen ? `, last seen ${ago(seen)}` : ", not seen yet";
        groups.set(when, [...(groups.get(when) ?? []), name(agent)]);
    }
    return [...groups].flatMap(([when, names], i) => [i ? "; " : "Missing: ", ...listed(names), when]);
}

export function lacks(store) {
    const {status, match} = store, said = [];
    const line = (words, kind) => said.push(h("p", {class: kind}, words));

    for (const reason of status.health?.reasons ?? []) line(visible(reason), "grave");
    if (match.problem_error) line(["The problem file cannot be used: ", h("code", {}, visible(match.problem_error))], "grave");
    const missing = lacking(store);
    if (missing.length) line([missing, "."]);
    if (store.told && !match.problem && !match.problem_error)
        line(["No problem to compare with; start the service with ", h("code", {}, "-p problem.yaml"), "."]);
    if (status.quorum > (status.present ?? status.quorum))
        line(`Deploying begins when ${status.quorum} machines are there; ${status.present} are.`);
    if (status.packing) line("pyDCOP is being built on the controller.");
    for (const warning of match.warnings ?? []) line(visible(warning), "warn");
    return said;
}

export function counts(shown) {
    const numbers = new Map();
    for (const t of shown) numbers.set(t.state, (numbers.get(t.state) ?? 0) + 1);
    return Object.keys(STATES).filter((s) => numbers.has(s)).map((s) =>
        h("li", {class: `state s-${s}`, "data-key": s}, icon(shapeOf(s)), `${numbers.get(s)} ${STATES[s].replace("?", "").toLowerCase()}`));
}

/* --- what waits for a person -------------------------------------------------------- */

const who = (m) => [name(callName(m)), m.agents?.length && m.host ? [" (", name(hostName(m)), ")"] : ""];
const key = (text) => h("code", {}, text ?? "unknown");

const NEEDS = {
    impostor: ({machine: m}) => ({
        state: m.trust.state === "changed" ? "impostor" : "doubtful", alarm: true,
        what: m.trust.state === "changed" ? [who(m), " shows another key than the one that is trusted"] : ["Two machines say they are ", who(m)],
        why: ["Its card was written anew, or something else pretends to be it. It shows ", key(m.hostkey),
            m.trust.pin ? ["; trusted is ", key(m.trust.pin)] : "", ". Nothing is sent to it."],
        acts: m.online ? [button("It is the right one…", "accept", {ref: m.ref})] : [],
    }),
    duplicate: ({agent, machines}) => ({
        state: "duplicate", what: [name(agent), ` is the name of ${machines.length} machines`],
        why: ["On ", listed(machines.map((m) => name(hostName(m) || m.id))), ". A name can be on one only: give the others another."],
        acts: machines.slice(0, 4).map((m) => button(["Rename ", name(hostName(m) || m.id), "…"], "assign", {ref: m.ref})),
    }),
    failed: ({machine: m}) => ({
        state: "failed", what: [who(m), m.work?.state === "retrying" ? " failed and is tried again" : " failed and needs help"],
        why: visible(m.work?.why || m.error || "Its agent does not stay up."),
        acts: [button("Details", "open", {ref: m.ref}), button("Retry…", "do", {action: "retry", ref: m.ref})],
    }),
    misnamed: ({machine: m, agent, suggestion}) => ({
        state: "misnamed", what: [name(agent), " is not in the problem", suggestion ? ["; did you mean ", name(suggestion), "?"] : ""],
        why: ["So calls itself ", name(hostName(m) || m.id), "."],
        acts: [suggestion ? button(["Correct to ", name(suggestion), "…"], "correct", {ref: m.ref, agent, suggestion}) : "",
            button("Other name…", "assign", {ref: m.ref})],
    }),
    settings: ({machine: m}) => ({state: "misnamed", what: [who(m), " has a wrong setting"], why: visible(m.error), acts: []}),
    new: ({machines}) => ({
        state: "new", what: [count(machines.length, "new machine")],
        why: "Compare each fingerprint with the one on the machine's own screen, then accept it. Nothing is sent before.",
        acts: machines.length > 1 ? [button(`Accept all ${machines.length}…`, "do", {action: "accept", refs: machines.map((m) => m.ref).join(" ")})] : [],
        more: [machines.length > 3 && "Fingerprints", h("ul", {class: "keys"}, machines.map((m) => h("li", {"data-key": m.ref},
            h("span", {}, name(callName(m)), m.agents?.length ? h("small", {}, name(hostName(m))) : ""), key(m.hostkey),
            button("Accept…", "accept", {ref: m.ref}, {"aria-label": `Accept ${callName(m)}…`}))))],
    }),
    assign: ({plan}, store) => ({
        state: "nameless", what: `${count(plan.length, "machine")} can get ${plan.length === 1 ? "a missing name" : "missing names"}`,
        why: listed(plan.map((a) => [name(hostName(store.machines.get(a.ref)) || a.ref), " becomes ", name(a.agent)]), 4), acts: [button("Give names…", "assign-all")],
    }),
    unverified: ({machines}) => ({
        state: "unverified", what: `${count(machines.length, "machine")} without this fleet's signature`,
        why: [listed(machines.map((m) => name(callName(m))), 6), ". Nothing is sent there; ", h("code", {}, "dcop-deploy enroll"), " gives a machine its key."], acts: [],
    }),
};

export const needList = (store, shown) => needs(store, shown).map((need) => {
    const {state, alarm, what, why, acts, more} = NEEDS[need.kind](need, store);
    return h("li", {class: alarm ? "need alarm" : "need", "data-key": `${need.kind} ${need.agent ?? ""} ${need.machine?.ref ?? ""}`},
        h("span", {class: `mark state s-${state}`}, icon(shapeOf(state))),
        h("div", {}, h("p", {class: "what"}, what), h("p", {}, why)), h("div", {class: "acts"}, acts),
        more && h("details", {open: !more[0]}, h("summary", {}, more[0] || "Fingerprint"), more[1]));
});

/* --- tools and tiles ------------------------------------------------------------- */

export function tools(store, picked, live) {
    const all = [...store.machines.values()], meant = picked.size ? all.filter((m) => picked.has(m.ref)) : all;
    if (!all.length) return [];
    const act = (words, action, attributes) => button(words, "do", {action}, {...attributes,
        disabled: !live || !meant.some((m) => !obstacle(action, m))});
    return [
        h("span", {class: "chosen"}, picked.size ? `${picked.size} selected` : "All"),
        act("Deploy…", "deploy", {class: "main"}), act("Start…", "start"), act("Stop…", "stop"), act("Blink…", "identify"),
        h("details", {class: "menu"}, h("summary", {}, "More"), h("div", {},
            act("Restart agents…", "restart"), act("Roll back…", "rollback"), act("Retry…", "retry"),
            act("Reboot…", "reboot"), act("Power off…", "poweroff", {class: "danger"}))),
        picked.size ? button("Select none", "pick-none", {}, {class: "far"}) : button("Select all", "pick-all", {}, {class: "far"}),
    ];
}

/* The word of the moment, and what more there is to say: {word, more, bar}. */
export function saying(t) {
    const m = t.machine, work = m?.work ?? {};
    switch (t.state) {
    case "missing": return {word: STATES.missing, more: t.seen ? `last seen ${ago(t.seen)}` : "not seen yet"};
    case "offline": return {word: STATES.offline, more: m.last_seen ? `last seen ${ago(m.last_seen)}` : ""};
    case "deploying":
        if (work.state === "packing") return {word: "Preparing", more: "building pyDCOP"};
        return {word: doing(work.verb), bar: work.total ? [work.number ?? 0, work.total] : null,
            more: work.step ? `${work.number} of ${work.total}: ${visible(work.step)}` : PHASES[work.phase] ?? ""};
    case "queued": return {word: STATES.queued, more: work.verb ? doing(work.verb).toLowerCase() : ""};
    case "duplicate": return {word: STATES.duplicate, more: `also on another machine`};
    case "misnamed": {
        const better = Object.values(t.note.misnamed).find(Boolean);
        return {word: STATES.misnamed, more: better ? ["is it ", name(better), "?"] : "not in the problem"};
    }
    case "failed": return {word: work.state === "retrying" ? "Trying again" : STATES.failed, more: visible(work.why ?? "")};
    case "nameless": return {word: STATES.nameless, more: work.assigned?.length ? ["gets ", name(work.assigned[0])] : ""};
    case "waiting": return {word: STATES.waiting, more: visible(work.why ?? "")};
    case "impostor": return {word: STATES.impostor, more: "do not trust it"};
    case "doubtful": return {word: STATES.doubtful, more: "two machines, one id"};
    default: return {word: STATES[t.state], more: work.held ? "left alone by --auto" : ""};
    }
}

export function tile(t, {picked, open, active}) {
    const {word, more, bar} = saying(t), m = t.machine, called = m ? callName(m) : visible(t.agent);
    const inside = [
        h("bdi", {class: called.length > 12 ? "who long" : "who"}, called),
        h("span", {class: "host"}, m?.agents?.length ? name(hostName(m)) : "\u00a0"),
        h("span", {class: "now"}, icon(shapeOf(t.state)), word),
        more && h("span", {class: "more"}, more),
        bar && h("progress", {max: bar[1], value: bar[0], "aria-label": "Steps"}),
    ];
    if (!m) return h("li", {class: "tile state s-missing", "data-key": t.key}, h("div", {class: "ghost"}, inside));
    const chosen = picked.has(m.ref), tab = m.ref === active ? 0 : -1;
    return h("li", {class: `tile state s-${t.state}${chosen ? " chosen" : ""}`, "data-key": t.key},
        h("button", {type: "button", "data-do": "open", "data-ref": m.ref, tabindex: tab, "aria-expanded": open === m.ref ? "true" : "false"}, inside),
        h("label", {class: "pick"}, h("input", {type: "checkbox", "data-pick": m.ref, checked: chosen, tabindex: tab, "aria-label": `Select ${called}`})));
}

export function emptyHelp() {
    return [h("p", {}, "Machines appear here by themselves, some seconds after they are on the network."),
        h("h3", {}, "Nothing comes?"),
        h("ol", {}, [
            "Is the machine on, and in the same network as this controller?",
            ["Does it run the beacon? ", h("code", {}, "systemctl status dcop-beacon"), " there."],
            ["On the controller, ", h("code", {}, "dcop-discover --doctor"), " says what keeps machines from being seen."],
        ].map((words) => h("li", {}, h("span", {}, words))))];
}
