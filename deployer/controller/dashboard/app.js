/*
 * The page: takes the service's events in, draws at most once a frame, and turns
 * what a person does into questions, and those, answered with a yes, into orders.
 */

import {haveToken, listen, post, takeToken} from "./api.js";
import {ACTIONS, ask, askAccept, askAction, askNames, askToken} from "./ask.js";
import {$, button, fill, h, icon} from "./dom.js";
import {absent, apply, newStore, tiles} from "./model.js";
import {closePanel, drawPanel, focusPanel, loadHistory, loadRun, openPanel, openRef} from "./panel.js";
import {counts, emptyHelp, lacks, needList, sentence, tile, tools} from "./view.js";
import {callName, clock, count, hostName, listed, name, visible} from "./words.js";

const store = newStore(), picked = new Set();
let link = {state: "connecting"}, active = null, shown = [], drawn = false;

/* --- drawing ----------------------------------------------------------------------- */

/* The next frame; a page in the background has none, and keeps its title right. */
function draw() {
    if (drawn) return;
    drawn = true;
    document.hidden ? setTimeout(paint, 200) : requestAnimationFrame(paint);
}

function paint() {
    drawn = false;
    const focused = document.activeElement, live = link.state === "live", {match} = store;
    shown = tiles(store);
    for (const ref of picked) if (!store.machines.has(ref)) picked.delete(ref);
    if (!store.machines.has(active)) active = shown.find((t) => t.machine)?.machine.ref ?? null;

    const title = sentence(store), needed = needList(store, shown);
    $("sentence").textContent = title;
    document.title = match.problem ? `${match.matched?.length ?? 0}/${match.problem.agents} dcop` : "dcop";
    $("problem").replaceChildren(match.problem ? name(match.problem.name || match.problem.files?.[0] || "") : "",
        store.status.fleet ? `, fleet ${visible(store.status.fleet)}` : "");
    fill($("lacks"), lacks(store));
    fill($("counts"), counts(shown));
    $("needs").hidden = !needed.length;
    fill($("needs-list"), needed);
    fill($("tools"), tools(store, picked, live));
    fill($("machines"), shown.map((t) => tile(t, {picked, open: openRef(), active})));
    $("empty").hidden = !store.told || shown.length > 0;
    if (!$("empty").hidden) fill($("empty"), emptyHelp());
    drawPanel(store, shown.find((t) => t.machine?.ref === openRef()), live);
    if (focused !== document.activeElement && focused?.isConnected) focused.focus({preventScroll: true});
    tell(title, needed.length);
}

/* For those who listen: the sum, when it has changed, each five seconds at most. */
let said = "", saying;
function tell(title, needed) {
    const words = store.told ? `${title}${needed ? ` ${count(needed, "thing")} ${needed === 1 ? "needs" : "need"} you.` : ""}` : "";
    clearTimeout(saying);
    if (words !== said) saying = setTimeout(() => ($("said").textContent = said = words), said ? 5000 : 1000);
}

function drawLink() {
    const {state, since, next} = link;
    $("link").dataset.state = state;
    $("link-words").textContent = {live: "Live", lost: "Connection lost", connecting: "Connecting"}[state];
    document.body.classList.toggle("stale", state === "lost" && store.told);
    $("lost").hidden = state !== "lost";
    if (state !== "lost") return;
    const wait = Math.ceil((next - Date.now()) / 1000);
    fill($("lost"), [h("span", {}, store.told ? `Connection to the service lost. This is how it was at ${clock(since)}.` : "The service cannot be reached."),
        h("span", {"aria-hidden": "true"}, wait > 0 ? `Trying again in ${wait} s` : "Trying again…"), button("Try now", "reconnect")]);
}

function toast(words, wrong) {
    const li = h("li", {class: wrong ? "wrong" : null, role: wrong ? "alert" : "status"}, h("span", {}, words),
        button(icon("close"), "drop", {}, {class: "bare", "aria-label": "Close"}));
    $("toasts").append(li);
    if ($("toasts").children.length > 4) $("toasts").firstChild.remove();
    if (!wrong) setTimeout(() => li.remove(), 7000);
}

/* --- doing ------------------------------------------------------------------------ */

/* Sends an order, after the token; says how it was taken.  False: it was not. */
async function order(path, body, done) {
    for (;;) {
        if (!haveToken() && !(await askToken())) return false;
        try {
            const answer = await post(path, body);
            const refused = answer?.refused ?? [];
            if (refused.length) toast(["Refused: ", listed(refused.map((r) => [called(r.ref), ", ", visible(r.detail)]), 4)], true);
            if (done && (!answer?.queued || answer.queued.length)) toast(done(answer?.queued?.length));
            return true;
        } catch (error) {
            if (error.status === 401) continue;
            toast(error.message, true);
            return false;
        }
    }
}

const called = (ref) => (store.machines.has(ref) ? name(callName(store.machines.get(ref))) : ref);

async function accept(m) {
    await order(`machines/${m.ref}/accept`, {hostkey: m.hostkey, replace: m.trust.state === "changed"}, () => [name(callName(m)), " is trusted."]);
}

async function act(action, machines) {
    const meant = await askAction(action, machines);
    if (!meant) return;
    if (action === "accept") {
        for (const m of meant) if (!(await order(`machines/${m.ref}/accept`, {hostkey: m.hostkey}))) return;
        toast(`${count(meant.length, "machine")} accepted.`);
    } else {
        await order(action, {machines: meant.map((m) => m.ref)}, (n) => `${ACTIONS[action][0]}: ${count(n, "machine")}, begun.`);
        if (meant.length > 1) picked.clear();
    }
    draw();
}

async function rename(m, agents) {
    await order(`machines/${m.ref}/assign`, {agents}, () => agents.length ? [name(hostName(m) || m.id), " becomes ", name(agents.join(", ")), "."] : [name(hostName(m) || m.id), " loses its name."]);
}

async function show(ref) {
    openPanel(ref);
    paint();
    focusPanel();
    await loadHistory();
    draw();
}

const DO = {
    open: ({ref}) => (openRef() === ref ? closePanel() : show(ref)),
    close: closePanel,
    cancel: () => $("ask").close(),
    drop: (_, el) => el.closest("li").remove(),
    reconnect: () => connection.now(),
    do({action, ref, refs}) {
        const asked = ref ? [ref] : refs ? refs.split(" ") : picked.size ? [...picked] : [...store.machines.keys()];
        return act(action, asked.map((one) => store.machines.get(one)).filter(Boolean));
    },
    async accept({ref}) {
        const m = store.machines.get(ref);
        if (m && (await askAccept(m))) await accept(m);
    },
    async assign({ref}) {
        const m = store.machines.get(ref), agents = await askNames(m, absent(store).map((one) => one.agent));
        if (agents) await rename(m, agents);
    },
    async correct({ref, agent, suggestion}) {
        const m = store.machines.get(ref);
        if (await ask({
            title: ["Correct ", name(agent), " to ", name(suggestion), "?"], yes: "Correct it",
            body: h("p", {}, "The name is written to the settings of ", name(hostName(m) || m.id), " and is on the air at once."),
        })) await rename(m, m.agents.map((one) => (one === agent ? suggestion : one)));
    },
    async "assign-all"() {
        const plan = store.match.assignments ?? [];
        if (await ask({
            title: `Give ${count(plan.length, "machine")} a name?`, yes: "Give names",
            body: [h("p", {}, "The names are written to the machines' settings and remembered."),
                h("ul", {class: "names", tabindex: 0, "aria-label": "Machines"}, plan.map((a) => h("li", {}, called(a.ref), " becomes ", h("b", {}, name(a.agent)), a.why && h("small", {}, visible(a.why)))))],
        })) await order("assign", {}, (n) => `Names for ${count(n, "machine")}, begun.`);
    },
    async forget({ref}) {
        const m = store.machines.get(ref);
        if (await ask({
            title: ["Forget ", name(callName(m)), "?"], yes: "Forget it", danger: true,
            body: h("p", {}, "Its trusted key, its remembered names and its record are dropped. While it is on the network it stays in the list, as new."),
        })) await order(`machines/${ref}/forget`, {}, () => [name(callName(m)), " is forgotten."]);
    },
    log: ({ref}) => order("logs", {machines: [ref]}),
    "pick-all": () => (store.machines.forEach((_, ref) => picked.add(ref)), draw()),
    "pick-none": () => (picked.clear(), draw()),
};

/* --- hands -------------------------------------------------------------------------- */

document.addEventListener("click", (event) => {
    const el = event.target.closest("[data-do]");
    for (const menu of document.querySelectorAll(".menu[open]"))
        if (!menu.contains(event.target) || el) menu.open = false;
    if (el) DO[el.dataset.do](el.dataset, el);
});

document.addEventListener("change", ({target}) => {
    const ref = target.dataset?.pick;
    if (ref === undefined) return;
    target.checked ? picked.add(ref) : picked.delete(ref);
    active = ref;
    draw();
});

document.addEventListener("toggle", async ({target}) => {
    if (!target.open || !target.dataset?.run) return;
    const m = store.machines.get(target.dataset.ref);
    if (m) await loadRun(target.dataset.run, m);
    draw();
}, true);

/* Where the arrows lead from a tile: those of the row, or the nearest above or below. */
function neighbour(all, at, key) {
    const here = all[at].getBoundingClientRect();
    const rows = {ArrowUp: -1, ArrowDown: 1}[key];
    if (!rows) return {ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: all.length - 1}[key];
    let best = -1, least = Infinity;
    all.forEach((el, i) => {
        const box = el.getBoundingClientRect(), down = (box.top - here.top) * rows;
        const far = down * 1000 + Math.abs(box.left - here.left);
        if (down > 1 && far < least) [best, least] = [i, far];
    });
    return best;
}

document.addEventListener("keydown", (event) => {
    if ($("ask").open || event.ctrlKey || event.altKey || event.metaKey) return;
    const menu = document.querySelector(".menu[open]");
    if (event.key === "Escape") {
        if (menu) {
            menu.open = false;
            menu.querySelector("summary").focus();
        } else if (openRef() !== null) closePanel();
        else DO["pick-none"]();
        return;
    }
    const li = event.target.closest?.(".tile");
    if (!li) return;
    if (event.key === " " && event.target.nodeName === "BUTTON") {
        event.preventDefault();
        li.querySelector("input").click();
        return;
    }
    const all = [...document.querySelectorAll(".tile > button")];
    const to = all[neighbour(all, all.indexOf(li.querySelector("button")), event.key)];
    if (!to) return;
    event.preventDefault();
    active = to.dataset.ref;
    to.focus();
    draw();
});
/* The keyup of the space that chose a tile must not open it, too. */
document.addEventListener("keyup", (event) => event.key === " " && event.target.matches?.(".tile > button") && event.preventDefault());

/* --- begin -------------------------------------------------------------------------- */

takeToken();
addEventListener("hashchange", takeToken);
const connection = listen((event, data) => {
    if (!apply(store, event, data)) return;
    if (event === "run" && openRef() !== null && data.ended) loadHistory().then(draw);
    draw();
}, (state, more) => {
    if (state === "live" && link.state === "live") return;
    link = {state, ...more};
    drawLink();
    draw();
});
setInterval(() => link.state === "lost" && drawLink(), 500);
setInterval(draw, 5000); /* "3 minutes ago" */
