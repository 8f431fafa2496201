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
            if (path === "match") return this.json(a, this.match());
            if (path === "status") return this.json(a, this.status);
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
        const order = {path, ...JSON.parse(body)};
        this.orders.push(order);
        if (this.refuse) return this.problemOf(a, 409, this.refuse);
        const [, ref, verb] = /^machines\/([0-9a-f.]+u?)\/(\w+)$/.exec(path) ?? [];
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
        const last = q.headers["last-event-id"], from = this.events.findIndex((e) => e.id === last);
        if (last && from >= 0) this.replayed = (this.replayed ?? 0) + 1;
        a.write(last && from >= 0 ? this.events.slice(from + 1).map((e) => e.text).join("") || ": nothing\n\n" : this.snapshot());
        this.listeners.add(a);
        q.on("close", () => this.listeners.delete(a));
    }
    snapshot() {
        return this.format("snapshot", {version: 1, status: this.status, machines: [...this.machines.values()], match: this.match(), runs: [...this.runs.values()]});
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
        const ref = `${id}.${hex(hostkey, 8)}`;
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
    historyOf(ref) {
        return [...this.results.keys()].filter((k) => k.endsWith(ref)).map((k) => parseInt(k, 10)).reverse().map((run) => ({
            run, verb: this.runs.get(run).verb, status: this.results.get(`${run} ${ref}`).some((s) => s.status === "failed") ? "failed" : "changed", started: this.runs.get(run).started, ended: this.runs.get(run).ended}));
    }
    runOf(run) {
        const machines = [...this.results].filter(([k]) => parseInt(k, 10) === run).map(([k, steps]) => ({machine: k.split(" ")[1].slice(0, 16), steps}));
        return {...this.runs.get(run), run, machines};
    }
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

if (process.argv[1] === fileURLToPath(import.meta.url)) {
    const s = await (await SCENES[process.argv[3] ?? "states"]()).start(Number(process.argv[2] ?? 8808));
    console.log(s.urlWithToken);
}
