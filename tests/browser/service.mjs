/* The real service, in a classroom that tests/browser/classroom has up. */
import {execFile, spawn} from "node:child_process";
import {appendFileSync, mkdirSync, readFileSync, renameSync, writeFileSync} from "node:fs";
import {promisify} from "node:util";
import {until} from "./harness.mjs";

export const CLASSROOM = "tests/classroom/classroom", SOON = 30000; /* ms: a busy machine is slow, and not wrong */
const scratch = process.env.DCOP_SCRATCH;

export const classroom = async (...words) => (await promisify(execFile)(CLASSROOM, words)).stdout.trim();
export const on = (machine, ...words) => classroom("exec", machine, "--", ...words);
/* The problem file, written whole, as an editor does it. */
export const problemOf = (...agents) => {
    writeFileSync(`${scratch}/new.yaml`, `name: lamps\nobjective: min\ndomains: {d: {values: [R, G]}}\nvariables: {v1: {domain: d}, v2: {domain: d}}\n` +
        `constraints: {c: {type: intention, function: 10 if v1 == v2 else 0}}\nagents: [${agents.join(", ")}]\n`);
    renameSync(`${scratch}/new.yaml`, `${scratch}/problem.yaml`);
};

export class Service {
    url = "http://127.0.0.1:8808/";
    async start() {
        mkdirSync("build/logs", {recursive: true});
        mkdirSync(`${scratch}/etc`, {recursive: true});
        this.process = spawn(CLASSROOM, ["exec", "controller", "--", "build/gcc/dcop-controller", "--state-dir", `${scratch}/state`, "--config", `${scratch}/etc`,
            "-p", `${scratch}/problem.yaml`, "-s", "tests/data/standin", "--deps", "apt", "--key", await classroom("key")], {stdio: ["ignore", "pipe", "pipe"]});
        for (const stream of [this.process.stdout, this.process.stderr]) stream.on("data", (data) => appendFileSync("build/logs/browser-service.log", data));
        this.ended = new Promise((done) => this.process.once("exit", done));
        await until("the service answers", () => on("controller", "curl", "-sf", `${this.url}api/v1/status`).catch(() => null), SOON);
        return this;
    }
    get urlWithToken() { return `${this.url}#token=${readFileSync(`${scratch}/state/token`, "utf8").trim()}`; }
    async stop(signal = "SIGTERM") {
        this.process.kill(signal);
        await this.ended;
    }
}
