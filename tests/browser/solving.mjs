/* The page that solves, on the real service; tests/browser/solving runs it, with a script in the place of dcop-deploy. */
import {readFile, writeFile} from "node:fs/promises";
import {readFileSync} from "node:fs";
import {assert, main, says, test, until} from "./harness.mjs";

const play = process.env.DCOP_PLAY, state = process.env.DCOP_STATE, url = "http://127.0.0.1:8808/";
const service = {url, urlWithToken: `${url}#token=${readFileSync(`${state}/token`, "utf8").trim()}`};
const act = (...lines) => writeFile(`${play}/act`, `${lines.join("\n")}\n`);
/* The script goes on from its n-th wait once go(n) has been called. */
const wait = (n) => `until [ -e "${play}/go-${n}" ]; do sleep 0.05; done`, go = (n) => writeFile(`${play}/go-${n}`, "");
const event = (name, more = "") => `event ${name} '${more && `, ${more}`}'`;
const press = (page, name) => page.getByRole("button", {name, exact: true}).click();

test("a run from the form to the list: each word of the script becomes what the page shows", async (t) => {
    const page = await t.open(service, {path: "solve.html"}), id = "2026-11-30T02:00:00Z-lamps", folder = `${state}/experiments/${id}`;
    await until("the service's algorithms", async () => (await page.locator("select option").allInnerTexts()).includes("mgm"));
    await act(event("prepared", `"algorithm": "mgm", "distribution": "adhoc", "computations": 2, "variables": 2, "hosts": {"v1": "a1", "v2": "a2"}, "notes": []`),
        event("registered", `"agent": "a1", "host": "rpi-1", "count": 1, "of": 2`), wait(1),
        event("registered", `"agent": "a2", "host": "rpi-2", "count": 2, "of": 2`), event("started"), wait(2),
        event("value", `"variable": "v1", "value": "R"`), event("metrics", `"time": 0.5, "cycle": 2, "cost": 10, "violations": 1, "messages": 4, "bytes": 40`), wait(3),
        event("gone", `"agent": "a2", "host": "rpi-2", "reason": "it does not answer"`), wait(4),
        event("repaired", `"agents": [{"agent": "a2", "reason": "it does not answer"}], "moved": [{"computation": "v2", "from": "a2", "to": "a1"}], "took": 0.8`), wait(5),
        `mkdir -p "${folder}/logs"`,
        `echo '{"version": 1, "status": "finished", "algorithm": "mgm", "parameters": {"break_mode": "lexic"}, "seed": 7, "cost": 0, "time": 1.5, "started": "2026-11-30T02:00:00Z", "problem": {"files": [{"name": "lamps.yaml", "sha256": "0"}]}}' >"${folder}/receipt.json"`,
        `echo '{"status": "finished"}' >"${folder}/result.json"`, `printf 'time,cycle,cost\\n0.5,2,10\\n1,3,5\\n1.5,4,0\\n' >"${folder}/metrics.csv"`,
        event("result", `"status": "finished", "reason": null, "cost": 0, "violations": 0, "cycles": 4, "messages": 6, "time": 1.5, "assignment": {"v1": "R", "v2": "G"}, "folder": "${folder}"`));
    await page.locator("[name=algorithm]").selectOption("mgm");
    await page.locator("[name=parameters]").fill("break_mode:lexic");
    await page.locator("[name=seed]").fill("7");
    await page.locator("[name=heal]").fill("1");
    await press(page, "Solve");
    await says(page, "#sentence", "1 of 2 agents registered.");
    const words = (await readFile(`${play}/arguments`, "utf8")).split("\n");
    for (const word of ["solve", "--algo=mgm", "--param=break_mode:lexic", "--seed=7", "--heal=1", "--time-limit=60"]) assert.ok(words.includes(word), `${word} in ${words}`);
    await go(1);
    await says(page, "#sentence", "The run has started.");
    await go(2);
    await says(page, "#sentence", "Cost 10 after 0.5 s.");
    await says(page, "#agents", "v1");
    await go(3);
    await says(page, ".agent.s-gone", "a2");
    await go(4);
    await says(page, "#notes", "v2 is now on a1");
    await go(5);
    await says(page, "#sentence", "Finished after 1.5 s: cost 0, no constraint violated.");
    await page.locator("#setup").waitFor();
    await says(page, "#experiments", "lamps.yaml");
    await until("the whole curve", async () => (await page.locator("#curve svg").getAttribute("aria-label")).includes("0 at 1.5 s"));
    const [download] = await Promise.all([page.waitForEvent("download"), press(page, "Download the folder")]);
    assert.match(await readFile(await download.path(), "latin1"), /lamps\/metrics\.csv/);
    await page.locator("#experiments input").click();
    await says(page, "#chosen", "break_mode:lexic");
});

test("Stop: what there is, is kept; a refusal in the service's words", async (t) => {
    t.expect("409");
    const page = await t.open(service, {path: "solve.html"}), other = await t.open(service, {path: "solve.html"});
    await act(`trap 'event result ", \\"status\\": \\"stopped\\", \\"reason\\": \\"stopped by the user\\", \\"cost\\": 3, \\"time\\": 2, \\"assignment\\": {}"; exit 130' INT`, event("started"), "while :; do sleep 0.1; done");
    await press(page, "Solve");
    await says(page, "#sentence", "The run has started.");
    const refused = await other.evaluate(async () => (await import("/api.js")).post("solve", {}).catch((error) => error.message));
    assert.match(refused, /solved already/);
    await press(other, "Stop");
    await says(page, "#sentence", "Stopped after 2 s: cost 3.");
    await says(page, "#lacks", "stopped by the user");
});

await main();
