/*
 * A stand-in for dcop-controller, so that the dashboard can be tested alone: the
 * page's files and the API of deployer/controller/openapi.yaml, on loopback, with
 * machines that do what a test says.  Nothing is deployed anywhere.
 *
 *   const s = await new Standin({problem: ["a1", "a2"]}).start();
 *   s.plug({agents: ["a1"]});  …  await s.stop();
 *
 * By hand: node tests/browser/standin.mjs [PORT [SCENE]]
 */
import {createHash} from "node:crypto";
import {readFile} from "node:fs/promises";
import {createServer} from "node:http";
import {fileURLToPath} from "node:url";

const PAGE = fileURLToPath(new URL("../../deployer/controller/dashboard/", import.meta.url));
const TYPES = {html: "text/html; charset=utf-8", css: "text/css", js: "text/javascript", svg: "image/svg+xml"};
const CSP = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
    "manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
export const STEPS = ["clock", "hosts", "apt", "pydcop", "proof", "names", "unit", "start", "alive"];

const hex = (text, n) => createHash("sha256").update(text).digest("hex").slice(0, n);
export const fingerprint = (text) => `SHA256:${createHash("sha256").update(text).digest("base64").slice(0, 43)}`;
const iso = (ms = 0) => new Date(Date.now() + ms).toISOString();

export class Standin {
    constructor({problem = null, name = "classroom", status = {}, log = 4096} = {}) {
        Object.assign(this, {problem, name, log, machines: new Map(), runs: new Map(), results: new Map(), orders: [], events: []});
        this.token = hex("token", 64);
        this.boot = 1;
        this.made = this.number = 0;
        this.extra = {};
        this.listeners = new Set();
        this.status = {version: 1, service: "dcop-controller 0.1.0", auto: false, assign: false, fleet: "default",
            forks: 32, health: {ok: true, reasons: []}, ...status};
        this.beats = true;
        Object.assign(this, {solve: null, experiments: new Map(), algorithms: ["dpop", "dsa", "maxsum", "mgm"]});
    }

    /* --- the service ------------------------------------------------------------- */

    async start(port = this.port ?? 0) {
        this.server = createServer((q, a) => this.answer(q, a).catch((error) => (a.headersSent ? a.destroy() : this.problemOf(a, 500, String(error)))));
        await new Promise((done, fail) => this.server.once("error", fail).listen(port, "127.0.0.1", done));
        this.port = this.server.address().port;
        this.beat = setInterval(() => this.beats && this.listeners.forEach((l) => l.write(": here\n\n")), 2000);
        return this;
    }
    get url() { return `http://127.0.0.1:${this.port}/`; }
    get urlWithToken() { return `${this.url}#token=${this.token}`; }
    async stop() {
        clearInterval(this.beat);
        this.listeners.clear();
        this.server.closeAllConnections();
        await new Promise((done) => this.server.close(done));
    }
    /* As the process ends and comes again: other ids of events, nothing to replay. */
    async restart(meanwhile = async () => {}) {
        await this.stop();
        await meanwhile();
        this.boot++;
        this.events = [];
        await this.start();
    }
    cut() { this.listeners.forEach((l) => l.destroy()); this.listeners.clear(); }

    problemOf(a, status, detail) {
        a.writeHead(status, {"Content-Type": "application/problem+json"});
        a.end(JSON.stringify({type: "about:blank", title: "No", status, detail}));
    }
    json(a, body, status = 200) {
        a.writeHead(status, {"Content-Type": "application/json"});
        a.end(JSON.stringify({version: 1, ...body}));
    }

    async answer(q, a) {
        const path = decodeURIComponent(new URL(q.url, this.url).pathname);
        a.setHeader("Content-Security-Policy", CSP);
        a.setHeader("X-Content-Type-Options", "nosniff");
        a.setHeader("Cache-Control", "no-store");
        if (path.startsWith("/api/v1/")) return this.api(q, a, path.slice(8));
        const file = path === "/" ? "index.html" : path.slice(1);
        if (!/^[a-z0-9.-]+$/.test(file) || !TYPES[file.split(".").pop()]) return this.problemOf(a, 404, "There is no such page.");
        const text = await readFile(PAGE + file).catch(() => null);
        if (!text) return this.problemOf(a, 404, "There is no such page.");
        a.writeHead(200, {"Content-Type": TYPES[file.split(".").pop()]});
        a.end(text);
    }

    async api(q, a, path) {
        if (this.deaf) return this.problemOf(a, 503, "Not now.");
        const right = q.headers.authorization === `Bearer ${this.token}`;
        if (path === "events") return this.listener(q, a);
        if (q.method === "GET") {
            const [what, which] = path.split("/");
            if (path === "session") return right ? a.writeHead(204).end() : this.problemOf(a, 401, "The token is not right.");
            if (path === "machines") return this.json(a, {machines: [...this.machines.values()]});
            if (path === "qr") return a.writeHead(200, {"Content-Type": "image/svg+xml"}).end(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><path d="M2 2h5v5h-5z"/></svg>`);
            if (path === "match") return this.json(a, this.match());
            if (path === "status") return this.json(a, this.status);
            if (what === "solve" || what === "experiments") return this.solved(a, path, right);
            if (what === "machines" && path.endsWith("/log")) {
                const {searchParams: asked} = new URL(q.url, "http://x"), lines = this.lines ?? [], after = +(asked.get("after") ?? 0);
                (this.asked ??= []).push(asked.get("of"));
                if (!right) return this.problemOf(a, 401, "The token is missing or wrong.");
                return this.json(a, {version: 1, of: asked.get("of"), state: this.logState ?? "following", why: this.logWhy, fresh: !asked.has("after"), lines: lines.slice(after), next: String(lines.length)});
            }
            if (what === "machines") return this.machines.has(which) ? this.json(a, {machine: this.machines.get(which), history: this.historyOf(which)}) : this.problemOf(a, 404, "There is no such machine.");
            if (what === "runs" && this.runs.has(+which)) {
                const run = this.runOf(+which), machine = new URL(q.url, "http://x").searchParams.get("machine");
                return this.json(a, {run: machine ? {...run, machines: run.machines.filter((m) => m.machine === machine)} : run});
            }
            if (what === "runs") return this.problemOf(a, 404, "There is no such run.");
            return this.problemOf(a, 404, "There is no such thing.");
        }
        if (!right) return this.problemOf(a, 401, "The token is missing or wrong.");
        let body = "";
        for await (const chunk of q) body += chunk;
        const order = {path, ...(q.method === "DELETE" ? {method: q.method} : JSON.parse(body))};
        this.orders.push(order);
        if (this.refuse) return this.problemOf(a, 409, this.refuse);
        if (path === "solve" || path === "solve/stop") return this.toSolve(a, order);
        if (order.method) {
            const [what, id] = path.split("/"), later = this.status.later?.filter((one) => one.machine !== id);
            if (what !== "later" || later?.length === this.status.later?.length) return this.problemOf(a, 404, "No deploy waits for such a machine.");
            this.setStatus({later});
            return this.json(a, {cancelled: id});
        }
        const [, ref, verb] = /^machines\/([0-9a-f.]+u?(?:-\d+)?)\/(\w+)$/.exec(path) ?? [];
        const m = this.machines.get(ref);
        if (verb === "accept") {
            if (order.hostkey !== m.hostkey || (m.trust.state === "changed" && !order.replace)) return this.problemOf(a, 409, "It shows another key by now.");
            this.change(ref, {trust: {state: "accepted", pin: m.hostkey, source: "trust"}}, "trust");
            return this.json(a, {machine: this.machines.get(ref)});
        }
        if (verb === "assign") {
            setTimeout(() => this.change(ref, {agents: order.agents}), 30);
            return this.json(a, {queued: [ref], refused: []}, 202);
        }
        if (verb === "forget") {
            this.change(ref, {trust: {state: "new"}}, "trust");
            return this.json(a, {pins: 1, names: []});
        }
        const refs = path === "assign" ? this.plan().map((p) => p.ref) : order.machines ?? [...this.machines.keys()];
        if (path === "assign") for (const p of this.plan()) setTimeout(() => this.change(p.ref, {agents: [p.agent]}), 30);
        const refused = (this.refusals ?? []).filter((r) => refs.includes(r.ref));
        const queued = refs.filter((r) => !refused.some((one) => one.ref === r));
        if (this.onOrder) this.onOrder(path, queued);
        return this.json(a, {queued, refused}, 202);
    }

    listener(q, a) {
        a.writeHead(200, {"Content-Type": "text/event-stream"});
        this.onListen?.();
        const last = q.headers["last-event-id"], from = this.events.findIndex((e) => e.id === last);
        if (last && from >= 0) this.replayed = (this.replayed ?? 0) + 1;
        a.write(last && from >= 0 ? this.events.slice(from + 1).map((e) => e.text).join("") || ": nothing\n\n" : this.snapshot());
        this.listeners.add(a);
        q.on("close", () => this.listeners.delete(a));
    }
    snapshot() {
        return this.format("snapshot", {version: 1, status: this.status, machines: [...this.machines.values()], match: this.match(), runs: [...this.runs.values()], solve: this.solve});
    }
    format(event, data) { return `id: ${this.boot}-${this.number}\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`; }
    send(event, data) {
        this.number++;
        const text = this.format(event, data);
        this.events.push({id: `${this.boot}-${this.number}`, text});
        if (this.events.length > this.log) this.events.shift();
        this.listeners.forEach((l) => l.write(text));
    }

    /* --- the classroom --------------------------------------------------------------- */

    /* A machine appears; its ref.  What is given stands over what is made up. */
    plug(given = {}) {
        const n = ++this.made, id = given.id ?? hex(`machine ${n}`, 16), hostkey = given.hostkey ?? fingerprint(`key ${n}`);
        const ref = given.ref ?? `${id}.${hex(hostkey, 8)}`;
        this.machines.set(ref, {
            id, ref, hostkey, host: `rpi-${n}.local`, addresses: [`192.168.1.${100 + n % 150}`, `fe80::ba27:ebff:fe00:${n.toString(16)}`], port: 22,
            agents: [], fleet: "default", user: "pi", os: "debian-13", arch: "arm64", python: "3.13", model: "Raspberry Pi 5 Model B",
            state: "new", beacon: true, verified: false, online: true, first_seen: iso(-60000 * n), last_seen: iso(),
            trust: {state: "accepted", pin: hostkey, source: "question"}, work: {state: "idle"}, ...given,
        });
        this.send("machine", {change: "appeared", machine: this.machines.get(ref)});
        this.rematch();
        return ref;
    }
    change(ref, what, change = "changed") {
        this.machines.set(ref, {...this.machines.get(ref), ...what});
        this.send("machine", {change, machine: this.machines.get(ref)});
        this.rematch();
    }
    work(ref, work) { this.change(ref, {work}, "work"); }
    unplug(ref, ms = 0) { this.change(ref, {online: false, last_seen: iso(-ms)}, "offline"); }
    gone(ref) {
        this.machines.delete(ref);
        this.send("gone", {ref});
        this.rematch();
    }
    rematch() {
        const text = JSON.stringify(this.match());
        if (text !== this.matched) this.send("match", JSON.parse(text));
        this.matched = text;
    }
    setStatus(what) { this.send("status", Object.assign(this.status, what)); }

    match() {
        if (!this.problem) return {version: 1, ...this.extra};
        const good = [...this.machines.values()].filter((m) => m.trust.state !== "unverified");
        const held = (agent, online) => good.filter((m) => m.online === online && m.agents.includes(agent));
        const matched = [], missing = [], offline = [], duplicates = [];
        for (const agent of this.problem) {
            const there = held(agent, true);
            if (there.length === 1) matched.push({agent, machine: there[0].id, host: there[0].host, address: there[0].addresses[0]});
            else if (there.length > 1) duplicates.push({agent, machines: there.map((m) => m.id)});
            else (held(agent, false).length ? offline : missing).push(agent);
        }
        const plain = (text) => text.toLowerCase().replace(/\s|(?<=[a-z])0+(?=\d)/g, "");
        const unexpected = good.filter((m) => m.online).flatMap((m) => m.agents.filter((a) => !this.problem.includes(a)).map((agent) => ({
            agent, machine: m.id, suggestion: missing.find((name) => plain(name) === plain(agent))})));
        return {
            version: 1, problem: {name: this.name, files: [`${this.name}.yaml`], agents: this.problem.length, variables: this.problem.length},
            ok: matched.length === this.problem.length, matched, missing, offline, duplicates, unexpected,
            unassigned: good.filter((m) => m.online && !m.agents.length).map((m) => m.id), warnings: [], assignments: this.plan(missing, good), ...this.extra,
        };
    }
    plan(missing = this.match().missing, good = [...this.machines.values()]) {
        const free = good.filter((m) => m.online && !m.agents.length && m.trust.state === "accepted");
        return missing.slice(0, free.length).map((agent, i) => ({ref: free[i].ref, agent}));
    }

    /* --- work ---------------------------------------------------------------------- */

    run(verb, status = "running") {
        const number = this.runs.size + 1;
        this.runs.set(number, {number, verb, status, started: iso()});
        this.send("run", this.runs.get(number));
        return number;
    }
    /* Goes through the steps up to `until`; the last one is left begun. */
    deployTo(ref, run, until) {
        for (let i = 0; i < until; i++) {
            const step = STEPS[i], last = i === until - 1;
            this.work(ref, {state: "running", verb: "deploy", phase: "steps", step, number: i + 1, total: STEPS.length, run});
            this.step(ref, run, step, "started");
            if (!last) this.step(ref, run, step, i < 2 ? "ok" : "changed");
        }
    }
    step(ref, run, step, status, more = {}) {
        const d = {run, ref, step, number: STEPS.indexOf(step) + 1, total: STEPS.length, status, ...more};
        this.send("step", d);
        const steps = this.results.get(`${run} ${ref}`) ?? [];
        this.results.set(`${run} ${ref}`, [...steps.filter((s) => s.step !== step), {step, status, ...more, started: iso(-1500), ended: iso()}]);
    }
    finish(ref, run, outcome = "changed", why) {
        const well = outcome === "ok" || outcome === "changed";
        this.change(ref, {state: well ? "running" : this.machines.get(ref).state, pydcop: well ? "0.1.2a1" : undefined,
            work: {state: well ? "ok" : "stuck", run, outcome, why, attempts: well ? undefined : 3}}, "work");
        this.runs.set(run, {...this.runs.get(run), status: well ? "done" : "failed", ended: iso()});
        this.send("run", this.runs.get(run));
    }

    /* --- solving ------------------------------------------------------------------------ */

    /* What is new of the run; all of it where it is given with its agents. */
    solving(given) {
        this.solve = {...this.solve, ...given};
        this.send("solve", this.solve);
    }
    keep(experiment) {
        this.experiments.set(experiment.id, experiment);
        this.send("experiment", {id: experiment.id});
    }
    solved(a, path, right) {
        if (path === "solve") return this.json(a, {solve: this.solve});
        if (path === "solve/algorithms") return this.json(a, {algorithms: this.algorithms});
        if (path === "experiments") return this.json(a, {experiments: [...this.experiments.values()].reverse().slice(0, 200).map(({id, receipt: {problem, ...r}}) => ({id, problem: problem.files.map((f) => f.name), ...r}))});
        const [, id, part] = path.split("/"), kept = this.experiments.get(id);
        if (!kept) return this.problemOf(a, 404, "There is no such experiment.");
        if (!part) return this.json(a, {receipt: kept.receipt, result: kept.result});
        if (part === "folder" && !right) return this.problemOf(a, 401, "The token is missing or wrong.");
        if (part === "folder" && this.large) return this.problemOf(a, 413, "The folder is larger than 64 MiB.");
        const [type, body] = {metrics: ["text/csv", kept.csv], plot: ["image/svg+xml", "<svg xmlns='http://www.w3.org/2000/svg'/>"], folder: ["application/x-tar", `the folder of ${id}`]}[part];
        a.writeHead(200, {"Content-Type": type, ...(part === "folder" && {"Content-Disposition": `attachment; filename="${id}.tar"`})});
        a.end(body);
    }
    toSolve(a, {path, ...order}) {
        const atWork = this.solve && this.solve.state !== "ended";
        if (path === "solve/stop" && !atWork) return this.problemOf(a, 409, "Nothing is being solved.");
        if (path === "solve" && atWork) return this.problemOf(a, 409, "An experiment is at work.");
        if (path === "solve") this.solving(solveOf(this.problem.length, {...order, heal: order.heal ?? 0}));
        else this.solving({state: "ending"});
        return this.json(a, {solve: this.solve}, 202);
    }
    historyOf(ref) {
        return [...this.results.keys()].filter((k) => k.endsWith(ref)).map((k) => parseInt(k, 10)).reverse().map((run) => ({
            run, verb: this.runs.get(run).verb, status: this.results.get(`${run} ${ref}`).some((s) => s.status === "failed") ? "failed" : "changed", started: this.runs.get(run).started, ended: this.runs.get(run).ended}));
    }
    runOf(run) {
        const machines = [...this.results].filter(([k]) => parseInt(k, 10) === run).map(([k, steps]) => ({machine: k.split(" ")[1].slice(0, 16), steps}));
        return {...this.runs.get(run), run, machines};
    }
}

/* --- solving --------------------------------------------------------------------------- */

/* The machines a1 to aN with a variable each, and what of a run a test gives. */
export const solveOf = (n, given = {}) => ({
    id: null, state: "starting", algorithm: null, parameters: null, distribution: null, seed: null, time_limit: 60, heal: 0, started: Date.now(), ended: null,
    registered: given.state && given.state !== "starting" ? n : 0, time: 0, cost: null, violations: null, cycle: null, messages: null, values: {}, left_out: false, notes: [], status: null, reason: null,
    agents: names(n).map((name, i) => ({name, host: `rpi-${i + 1}`, state: given.state && given.state !== "starting" ? "registered" : "waiting", variables: [`v${i + 1}`]})), ...given,
});

/* A receipt, and metrics that fall from `from` to `to`. */
export function experimentOf({id, from = 40, to = 4, time = 8, ...given}) {
    const lines = Array.from({length: 41}, (_, i) => [(time * i) / 40, i, Math.round(to + (from - to) * Math.exp(-i / 8)), i > 30 ? 0 : 3, i * 60, i * 4000].join(","));
    const receipt = {version: 1, problem: {files: [{name: "classroom.yaml", sha256: hex("classroom", 64)}]}, algorithm: "dsa", parameters: {variant: "B"}, distribution: "oneagent", seed: 7,
        time_limit: 60, pydcop: {spec: "pydcop", version: "0.1.2a1"}, machines: names(3).map((name, i) => ({id: hex(name, 16), host: `rpi-${i + 1}`, agents: [name]})),
        started: iso(-3600000), ended: iso(-3590000), status: "finished", cost: to, violations: 0, cycles: 40, messages: 2400, time, ...given};
    return {id, receipt, result: {status: receipt.status, assignment: {v1: "R"}}, csv: `time,cycle,cost,violations,messages,bytes\n${lines.join("\n")}\n`};
}

/* --- scenes: what there is to look at ------------------------------------------------- */

const names = (n) => Array.from({length: n}, (_, i) => `a${String(i + 1).padStart(n > 9 ? 2 : 1, "0")}`);

export const SCENES = {
    async empty() { return new Standin({problem: names(30)}); },
    async three() {
        const s = new Standin({problem: names(3)});
        s.plug({agents: ["a1"], state: "running", pydcop: "0.1.2a1", work: {state: "ok"}});
        s.plug({agents: ["a2"], trust: {state: "new"}});
        s.plug({agents: ["A3"]});
        return s;
    },
    /* A lesson that has just begun: most run, some are on their way, a17 and a22 are not there. */
    async thirty() {
        const s = new Standin({problem: names(30), status: {auto: true}}), run = s.run("deploy");
        const at = {9: 3, 12: 5, 21: 8, 26: 4};
        for (let i = 1; i <= 30; i++) {
            const agents = [`a${String(i).padStart(2, "0")}`];
            if (i === 17) { s.made++; continue; }
            const ref = s.plug({agents, state: "running", pydcop: "0.1.2a1", work: {state: "ok", outcome: "ok"}});
            if (i === 22) s.unplug(ref, 180000);
            if (at[i]) { s.change(ref, {state: "new", pydcop: undefined}); s.deployTo(ref, run, at[i]); }
        }
        s.extra = {reserved: [{agent: "a17", machine: "x", last_seen: iso(-180000)}]};
        s.rematch();
        return s;
    },
    async states() {
        const s = new Standin({problem: names(20), status: {quorum: 0}}), run = s.run("deploy");
        s.plug({agents: ["a01"], state: "running", work: {state: "ok"}, pydcop: "0.1.2a1"});
        s.deployTo(s.plug({agents: ["a02"]}), run, 4);
        s.plug({agents: ["a03"], work: {state: "queued", verb: "deploy"}});
        s.plug({agents: ["a04"]});
        s.plug({agents: ["a05"], state: "stopped", work: {state: "idle", held: true}, pydcop: "0.1.2a1"});
        const bad = s.plug({agents: ["a06"]});
        s.deployTo(bad, run, 4);
        s.step(bad, run, "pydcop", "failed", {detail: "the disk is full", output: "OSError: [Errno 28] No space left on device"});
        s.finish(bad, run, "failed", "pydcop failed: the disk is full: 0 MiB free on /; make room there, then deploy again");
        s.plug({agents: ["a07"], trust: {state: "new"}});
        s.plug({agents: ["a08"], trust: {state: "new"}});
        s.plug({trust: {state: "accepted"}});
        s.plug({agents: ["A10"]});
        s.plug({agents: ["a11"]});
        s.plug({agents: ["a11"]});
        const known = s.plug({agents: ["a12"], state: "running", work: {state: "ok"}, pydcop: "0.1.2a1"});
        s.plug({agents: ["a12"], id: known.slice(0, 16), host: "rpi-12b.local", trust: {state: "changed", pin: fingerprint("key 13")}});
        s.plug({agents: ["a13"], trust: {state: "unverified"}});
        s.plug({agents: ["a14"], trust: {state: "doubtful"}});
        s.unplug(s.plug({agents: ["a15"], state: "running"}), 200000);
        s.setStatus({auto: true});
        s.plug({agents: ["a16"], work: {state: "waiting", why: "waits for 20 machines; 15 are there"}});
        s.plug({agents: ["a18"], work: {state: "retrying", attempts: 2, next: iso(30000), why: "no answer from 192.168.1.117 port 22"}});
        s.plug({agents: ["a19"], error: "/etc/dcop/beacon.conf:3: no such key: agnet", state: "running", work: {state: "ok"}});
        return s;
    },
    async odd() {
        const odd = ["محطة-١", "טל", "🤖🍓", "‮evil‬", "a1 ", "x".repeat(200), "zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich", "<b>bold</b>", "日本語の名前"];
        const s = new Standin({problem: odd, name: "odd 🤖 <i>names</i>"});
        odd.forEach((agent, i) => s.plug({agents: i === 2 ? [agent, "second", "third"] : [agent], state: i % 2 ? "running" : "new", work: {state: i % 2 ? "ok" : "idle"}, trust: {state: i === 4 ? "new" : "accepted"}}));
        return s;
    },
    async fresh() {
        const s = new Standin({problem: names(10)});
        for (let i = 1; i <= 10; i++) s.plug({agents: i > 7 ? [] : [`a${String(i).padStart(2, "0")}`], trust: {state: "new"}});
        return s;
    },
    async many() {
        const s = new Standin({problem: names(200)});
        for (let i = 1; i <= 200; i++) s.plug({agents: [`a${String(i).padStart(2, "0")}`], state: "running", work: {state: "ok"}});
        return s;
    },
};

/* The same for the page that solves: solve.html.  Their names are others than those of SCENES. */
const ready = (n, given) => {
    const s = new Standin({problem: names(n)});
    for (const agent of s.problem) s.plug({agents: [agent], state: "running", work: {state: "ok"}});
    if (given) s.solve = solveOf(n, given);
    return s;
};
const colours = (n) => Object.fromEntries(names(n).map((_, i) => [`v${i + 1}`, "RGB"[i % 3]]));
/* What a run at work sent before: the page draws what it hears. */
const falling = (s, cost, seconds) => {
    Object.assign(s.solve, {time: 0, cost: null});
    setTimeout(() => { for (let i = 0; i <= 40; i++) s.solving({time: (seconds * i) / 40, cost: Math.round(cost + 60 * Math.exp(-i / 9)), cycle: i, messages: 62 * i}); });
};
const kept = (s) => {
    s.experiments.set("1", experimentOf({id: "2026-11-29T11:55:28Z-classroom", algorithm: "dpop", parameters: {}, started: iso(-90000000), to: 2, from: 2, time: 0.108, cycles: 0, messages: 45}));
    for (const e of [experimentOf({id: "2026-11-30T09:01:00Z-classroom", to: 4, started: iso(-5400000), status: "timeout", time: 60, violations: 1}), experimentOf({id: "2026-11-30T09:12:00Z-classroom", algorithm: "mgm", parameters: {break_mode: "lexic"}, started: iso(-3000000), from: 36, to: 6, time: 41.5, seed: 8, cycles: 120, messages: 7440}),
        experimentOf({id: "2026-11-30T09:20:00Z-classroom", algorithm: "maxsum", started: iso(-600000), status: "failed", reason: "a2 on rpi-2 has gone: it does not answer on port 9001 (timed out)", cost: null, violations: null, time: 12})]) s.experiments.set(e.id, e);
    return s;
};

export const SOLVES = {
    async idle() { return kept(ready(5)); },
    async compared() { return kept(ready(5)); },
    async nothing() { return new Standin(); },
    async starting() {
        const s = ready(12, {registered: 4, algorithm: "dsa", parameters: ["variant:C"], seed: 4711, distribution: "oneagent", notes: ["a01 on rpi-1 is registered (1 of 12)", "a04 on rpi-4 is registered (4 of 12)"]});
        s.solve.agents.forEach((agent, i) => { if (i < 4) agent.state = "registered"; });
        return s;
    },
    async running() {
        const s = ready(12, {state: "running", algorithm: "dsa", parameters: ["variant:C"], seed: 4711, distribution: "oneagent", values: colours(12), violations: 2, notes: ["the run has started"]});
        s.onListen = () => falling(s, 12, 8.4);
        return s;
    },
    async gone() {
        const s = ready(12, {state: "running", algorithm: "mgm", seed: 4711, distribution: "oneagent", heal: 1, values: colours(12), violations: 2,
            notes: ["replicas of each computation: 1", "the run has started", "a03 on rpi-3 has gone: it does not answer on port 9001 (timed out)", "a03 on rpi-3 is replaced after 0.8 s: now v3 is on a02 (rpi-2)"]});
        s.solve.agents[2] = {...s.solve.agents[2], state: "gone", variables: []};
        s.solve.agents[1].variables.push("v3");
        s.onListen = () => falling(s, 12, 21);
        return s;
    },
    async ended() {
        const s = kept(ready(3, {state: "ended", id: "2026-11-30T09:12:00Z-classroom", status: "finished", algorithm: "mgm", seed: 8, distribution: "oneagent", time: 41.5, cost: 6, violations: 0, cycle: 120, messages: 7440, values: colours(3), ended: Date.now(), notes: ["the run has started", "the run has finished"]}));
        return s;
    },
    async failed() {
        const s = ready(5, {state: "ended", status: "failed", reason: "a2 on rpi-2 has not registered within 15 s: its unit is not active (Result=exit-code); ModuleNotFoundError: No module named 'numpy'", registered: 4, notes: ["a1 on rpi-1 is registered (1 of 5)"]});
        s.solve.agents.forEach((agent, i) => { agent.state = i === 1 ? "waiting" : "registered"; });
        return s;
    },
    async strange() {
        const odd = ["محطة-١", "\u202eevil\u202c", "x".repeat(200), "<b>bold</b>", "日本語の名前", "__proto__"];
        const s = new Standin({problem: odd, name: "odd 🤖 <i>names</i>"});
        s.solve = solveOf(6, {state: "running", algorithm: "y".repeat(300), cost: 1e12 + 0.123, time: 12345.678, cycle: 123456789, messages: 12345678901, notes: ["\u0007bell " + "z".repeat(900)]});
        s.solve.agents.forEach((agent, i) => Object.assign(agent, {name: odd[i], host: odd[i], variables: [odd[i], ...Array.from({length: i ? 3 : 10000}, (_, k) => `v${k}`)]}));
        s.solve.values = JSON.parse(`{"__proto__": "own", ${odd.slice(0, 5).map((one) => `${JSON.stringify(one)}: ${JSON.stringify(one)}`)}}`);
        return s;
    },
    async thousand() {
        const s = new Standin({problem: names(1000)});
        s.solve = solveOf(1000, {state: "running", algorithm: "dsa", seed: 1, distribution: "oneagent", values: colours(1000), cost: 900, time: 1, cycle: 1, messages: 1});
        return s;
    },
};

if (process.argv[1] === fileURLToPath(import.meta.url)) {
    const s = await (await {...SOLVES, ...SCENES}[process.argv[3] ?? "states"]()).start(Number(process.argv[2] ?? 8808));
    console.log(s.urlWithToken);
}
