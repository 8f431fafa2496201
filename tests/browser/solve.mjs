/* The page that solves, on a stand-in for the service; tests/browser/solve runs it. */
import {readFile} from "node:fs/promises";
import {assert, checkContrast, main, order, says, test, text, unnamed, until} from "./harness.mjs";
import {PHONE} from "./browser.mjs";
import {experimentOf, solveOf, SOLVES} from "./standin.mjs";

const open = (t, s, more = {}) => t.open(s, {path: "solve.html", ...more});
const agent = (page, name) => page.locator(".agent", {has: page.locator(".who", {hasText: new RegExp(`^${name}$`)})});
const valuesOf = (page, name) => agent(page, name).locator("dl div").allInnerTexts().then((all) => all.map((one) => one.replace(/\s+/g, " ")));
const holds = (page, name, ...values) => until(`${name} holds ${values}; it is ${page.last}`, async () => String(page.last = await valuesOf(page, name)) === String(values));
const press = (page, name) => page.getByRole("button", {name, exact: true}).click();
const field = (page, name) => page.locator(".fields label", {hasText: name}).locator("input, select");
const choose = (page, i) => page.locator("#experiments input").nth(i).click();
/* The list of algorithms comes after the page. */
const offers = (page) => page.locator("select option").evaluateAll((all) => all.map((one) => one.value));
const offered = (page, algorithm) => until(`the algorithm ${algorithm}`, async () => (await offers(page)).includes(algorithm));
/* The points of a line of the curve, in pixels. */
const drawn = (page, where, i = 0) => page.locator(`${where} .line-${i}`).first().getAttribute("d");

/* --- asking for a run ------------------------------------------------------------------- */

test("Solve with nothing chosen leaves all to the service; the page then watches", async (t) => {
    const s = await t.service("idle"), page = await open(t, s);
    assert.equal(await text(page, "#sentence"), "All 5 agents are here.");
    assert.equal(await page.locator("select option").first().innerText(), "dpop where it fits, else mgm");
    await press(page, "Solve");
    assert.deepEqual(await order(s, "solve"), {path: "solve", time_limit: 60});
    await says(page, "#sentence", "0 of 5 agents registered.");
    assert.ok(await page.locator("#setup").isHidden());
    assert.equal(await page.evaluate(() => document.activeElement.id), "sentence");
});

test("algorithm, parameters, time limit, seed and the others are sent as they were chosen", async (t) => {
    const s = await t.service("idle"), page = await open(t, s);
    await offered(page, s.algorithms.at(-1));
    assert.deepEqual((await offers(page)).slice(1), s.algorithms);
    await field(page, "Algorithm").selectOption("dsa");
    await field(page, "Parameters").fill("variant:C,probability:0.5  stop_cycle:30");
    await field(page, "Time limit in seconds").fill("7.5");
    await field(page, "Seed").fill("0");
    await field(page, "Lost machines to heal around").fill("2");
    await field(page, "Distribution").fill(" adhoc ");
    await field(page, "Without the agents that are missing").check();
    await page.keyboard.press("Enter");
    assert.deepEqual(await order(s, "solve"), {path: "solve", algorithm: "dsa", parameters: ["variant:C", "probability:0.5", "stop_cycle:30"],
        distribution: "adhoc", time_limit: 7.5, seed: 0, heal: 2, partial: true});
    await says(page, "#lacks", "dsa, variant:C, probability:0.5, stop_cycle:30, distribution adhoc, seed 0, at most 7.5 s, heals around 2 lost machines");
});

test("what cannot be is said, and nothing is sent; what the service refuses is said in its words", async (t) => {
    t.expect("401", "409");
    const s = await t.service("idle"), page = await open(t, s, {token: false});
    await field(page, "Parameters").fill("variant");
    await press(page, "Solve");
    await press(page, "Cancel"); /* no token yet */
    assert.equal(s.orders.length, 0);
    await press(page, "Solve");
    await page.locator("#ask input").fill(s.token);
    await page.keyboard.press("Enter");
    await says(page, "#wrong", "A parameter is NAME:VALUE, such as variant:B. “variant” is not.");
    assert.equal(s.orders.length, 0);
    await field(page, "Parameters").fill("");
    await field(page, "Time limit in seconds").fill("");
    await press(page, "Solve");
    assert.equal(await page.evaluate(() => document.activeElement.name), "time_limit");
    assert.equal(s.orders.length, 0);
    await field(page, "Time limit in seconds").fill("5");
    s.refuse = "A deploy is at work: wait for it.";
    await press(page, "Solve");
    await says(page, "#wrong", s.refuse);
    assert.ok(await page.locator("#setup").isVisible());
    s.refuse = null;
    await press(page, "Solve");
    await says(page, "#sentence", "registered");
    assert.equal(await text(page, "#wrong"), "");
});

test("without a problem, or with agents missing, that is said before", async (t) => {
    const s = await t.service("nothing"), page = await open(t, s);
    await says(page, "#lacks .grave", "No problem file is set: see the service's option -p.");
    assert.ok(await page.getByRole("button", {name: "Solve", exact: true}).isDisabled());
    s.problem = ["a1", "a2", "a10"];
    s.plug({agents: ["a1"]});
    await says(page, "#sentence", "1 of 3 agents are here.");
    await says(page, "#lacks", "Missing: a2 and a10.");
    assert.ok(await page.getByRole("button", {name: "Solve", exact: true}).isEnabled());
    s.extra = {problem: undefined, problem_error: "problem.yaml:3:7: this is no list"};
    s.rematch();
    await says(page, "#lacks .grave", "problem.yaml:3:7: this is no list");
});

/* --- watching one ------------------------------------------------------------------------- */

test("from the first agent to the result: registered, cycle, messages, time, cost, values, each as it comes", async (t) => {
    const s = await t.service("idle"), page = await open(t, s);
    s.solving(solveOf(3));
    await says(page, "#sentence", "0 of 3 agents registered.");
    assert.equal(await agent(page, "a1").locator(".now").innerText(), "Waiting");
    const agents = s.solve.agents.map((one, i) => ({...one, state: i ? "waiting" : "registered"}));
    s.solving({registered: 1, agents, notes: ["a1 on rpi-1 is registered (1 of 3)"]});
    await says(page, "#sentence", "1 of 3 agents registered.");
    await says(page, "#lacks", "Waiting for a2 on rpi-2 and a3 on rpi-3.");
    assert.equal(await agent(page, "a1").locator(".now").innerText(), "Registered");
    await says(page, "#notes", "a1 on rpi-1 is registered (1 of 3)");
    await holds(page, "a1", "v1 –");

    s.solving({state: "running", registered: 3, agents: agents.map((one) => ({...one, state: "registered"})), algorithm: "dsa", seed: 4, notes: [...s.solve.notes, "the run has started"]});
    await says(page, "#sentence", "The run has started.");
    s.solving({time: 1, cost: 40, cycle: 3, messages: 1200, violations: 2, values: {v1: "R", v2: "R", v3: "G"}});
    await says(page, "#sentence", "Cost 40 after 1 s.");
    await holds(page, "a1", "v1 R");
    await agent(page, "a2").evaluate((el) => { el.dataset.mark = ""; });
    s.solving({time: 2.5, cost: 12, cycle: 9, messages: 3600, violations: 0, values: {v1: "B", v2: "R", v3: "G"}});
    await holds(page, "a1", "v1 B");
    assert.equal(await agent(page, "a1").locator(".fresh").count(), 1, "a value that changed is shown as such");
    assert.ok(await agent(page, "a2").evaluate((el) => "mark" in el.dataset), "what did not change is not made again");
    const numbers = (await text(page, "#numbers")).replace(/\s+/g, " ");
    assert.equal(numbers, "Cost 12 Violated 0 Time 2.5 s Cycle 9 Messages 3,600 Registered 3 of 3");
    assert.equal(await page.locator("#notes li").first().innerText(), "the run has started", "the newest first");

    s.solving({state: "ended", status: "finished", time: 3, cost: 12, ended: Date.now(), id: null});
    await says(page, "#sentence", "Finished after 3 s: cost 12, no constraint violated.");
    assert.ok(await page.locator("#setup").isVisible());
    assert.equal(await agent(page, "a1").locator(".now").innerText(), "Took part");
});

test("the curve falls where the cost does, with numbers at both axes", async (t) => {
    const s = await t.service("idle"), page = await open(t, s);
    s.solving(solveOf(2, {state: "running"}));
    await says(page, "#curve", "No cost is known.");
    for (const [time, cost] of [[0, 100], [5, 50], [10, 0]]) s.solving({time, cost});
    await page.waitForFunction(() => document.querySelector("#curve svg")?.getAttribute("aria-label").includes("0 at 10 s"));
    const path = (await drawn(page, "#curve")).match(/[MHV][^MHV]*/g), number = (part) => Number(part.slice(1));
    const [, left, top] = /M([\d.]+) ([\d.]+)/.exec(path[0]).map(Number), heights = path.filter((part) => part[0] === "V").map(number);
    assert.ok(number(path.findLast((part) => part[0] === "H")) > left + 300, "to the right, as time goes");
    assert.ok(heights[0] <= top + 1 && heights.at(-1) > top + 150, `from ${top} down: ${heights}`);
    assert.ok(Math.abs(heights.at(-2) - (top + heights.at(-1)) / 2) < 2, "half the cost is half way down");
    const words = await page.locator("#curve text").allTextContents();
    for (const one of ["0", "100", "10", "time in seconds", "cost"]) assert.ok(words.includes(one), `${one} in ${words}`);
});

test("points: half are kept of too many, foreign numbers are left out, metrics.csv is read by its heading", async (t) => {
    const s = await t.service("idle"), page = await open(t, s), got = await page.evaluate(async () => {
        const {addPoint, pointsOf} = await import("/curve.js"), many = [], few = [];
        for (let i = 0; i < 9000; i++) addPoint(many, i, i);
        for (const [time, cost] of [[0, 5], [1, null], [1, "4"], [1, Infinity], [1, 4], [0.5, 3], [1, 4], [2, 4]]) addPoint(few, time, cost);
        return {many: many.length, end: many.at(-1), few, read: pointsOf("cycle,cost,time\r\n1,5,0.5\r\n2,,1\nx,4,0.2\n3,inf,2\n4,NaN,3\n5\n6,1e999,4\n"), none: pointsOf("")};
    });
    assert.ok(got.many > 1000 && got.many <= 4000, `${got.many}`);
    assert.deepEqual([got.end, got.few, got.read, got.none], [[8999, 8999], [[0, 5], [1, 4], [2, 4]], [[0.2, 4], [0.5, 5]], []]);
});

test("a lost machine is seen at once, by word, shape and colour, before all others; the repair's words are read", async (t) => {
    const s = await t.service("running"), page = await open(t, s);
    await says(page, "#sentence", "after 8.4 s.");
    const agents = s.solve.agents.map((one) => (one.name === "a07" ? {...one, state: "gone"} : one));
    const begun = Date.now();
    s.solving({agents, notes: ["a07 on rpi-7 has gone: it does not answer on port 9001 (timed out)"]});
    await page.locator(".agent.s-gone").waitFor();
    console.log(`    ${Date.now() - begun} ms`);
    assert.equal(await page.locator(".agent").first().locator(".who").innerText(), "a07", "before all others");
    const tile = agent(page, "a07");
    assert.equal(await tile.locator(".now").innerText(), "Gone");
    assert.equal(await tile.locator("use").getAttribute("href"), "#i-gone");
    const [red, , blue] = await tile.evaluate((el) => getComputedStyle(el).backgroundColor.match(/\d+/g).map(Number));
    assert.ok(red > blue + 10, `red: ${red}, ${blue}`);
    await says(page, "#lacks .grave", "Gone: a07 on rpi-7.");
    await says(page, "#counts", "1 gone");
    s.solving({agents: agents.map((one) => (one.name === "a07" ? {...one, variables: []} : one.name === "a02" ? {...one, variables: ["v2", "v7"]} : one)),
        notes: [...s.solve.notes, "v7 is now on a02 (rpi-2)"]});
    await holds(page, "a02", "v2 G", "v7 R");
    assert.deepEqual(await valuesOf(page, "a07"), []);
    assert.equal(await page.locator("#notes li").first().innerText(), "v7 is now on a02 (rpi-2)");
    await page.waitForFunction(() => document.getElementById("said").textContent.includes("v7 is now on a02"));
});

test("each end has its words, and why", async (t) => {
    const s = await t.service("idle"), page = await open(t, s);
    for (const [status, given, words] of [
        ["timeout", {cost: 4, violations: 1, time: 60}, "Ended by its time limit after 1 min: cost 4, 1 constraint violated."],
        ["stopped", {cost: null, time: 2.25}, "Stopped after 2.25 s: no cost."],
        ["failed", {reason: "a2 on rpi-2 has not registered within 15 s"}, "The run failed."],
    ]) {
        s.solving(solveOf(2, {state: "ended", status, ...given}));
        await says(page, "#sentence", words);
        if (given.reason) await says(page, "#lacks .grave", given.reason);
    }
    await page.waitForFunction(() => document.getElementById("said").textContent.includes("has not registered within 15 s"));
});

test("Stop is sent once, and what it does is awaited", async (t) => {
    const s = await t.service("running"), page = await open(t, s);
    await press(page, "Stop");
    await order(s, "solve/stop");
    await says(page, "#sentence", "Stopping…");
    await until("Stop is off", () => page.getByRole("button", {name: "Stop", exact: true}).isDisabled());
    s.solving({status: "stopped", time: 9});
    await says(page, "#lacks", "The machines’ logs are being fetched.");
    await says(page, "#sentence", "Stopped after 9 s");
    s.solving({state: "ended"});
    await page.locator("#setup").waitFor();
    assert.equal(await page.evaluate(() => document.activeElement.id), "sentence", "the focus does not get lost");
    assert.equal(s.orders.length, 1);
});

test("a page that was opened in mid-run has the whole curve at the end", async (t) => {
    const s = await t.service({problem: ["a1"]});
    s.solve = solveOf(1, {state: "running", time: 7, cost: 5});
    const page = await open(t, s);
    await says(page, "#sentence", "Cost 5 after 7 s.");
    const before = await drawn(page, "#curve");
    s.keep(experimentOf({id: "2026-11-30T10:00:00Z-x", from: 90, to: 5, time: 7}));
    s.solving({state: "ended", status: "finished", id: "2026-11-30T10:00:00Z-x"});
    await until("more points", async () => (await drawn(page, "#curve")).length > before.length + 50);
    await says(page, "#experiments", "Finished");
});

/* --- what has been ------------------------------------------------------------------------ */

test("the folder is downloaded with the token, which is asked for where it is missing", async (t) => {
    t.expect("401", "413");
    const s = await t.service("ended"), page = await open(t, s, {token: false});
    await press(page, "Download the folder");
    await page.locator("#ask input").fill(s.token);
    const [download] = await Promise.all([page.waitForEvent("download"), page.keyboard.press("Enter")]);
    assert.match(download.suggestedFilename(), /^2026-11-30T09.12.00Z-classroom\.tar$/);
    assert.equal(await readFile(await download.path(), "utf8"), "the folder of 2026-11-30T09:12:00Z-classroom");
    s.large = true;
    await press(page, "Download the folder");
    await says(page, "#wrong", "larger than 64 MiB");
});

test("experiments: the newest first, a new one by itself; one shows its facts, its settings can be used again", async (t) => {
    const s = await t.service("idle"), page = await open(t, s);
    const algorithms = () => page.locator("#experiments tr td:nth-child(4)").allInnerTexts();
    await until("four", async () => (await algorithms()).length === 4);
    assert.deepEqual(await algorithms(), ["maxsum", "mgm", "dsa", "dpop"]);
    const row = (await page.locator("#experiments tr").nth(2).innerText()).replace(/\s+/g, " ");
    assert.match(row, /dsa Time limit 4 1 violated 1 min$/);
    s.keep(experimentOf({id: "new", algorithm: "dba", cost: 17}));
    await until("five", async () => (await algorithms())[0] === "dba");
    await choose(page, 2);
    await says(page, "#chosen", "break_mode:lexic");
    for (const words of ["oneagent", "7,440", "3: a1 on rpi-1, a2 on rpi-2 and a3 on rpi-3", "0.1.2a1"]) await says(page, "#chosen", words);
    assert.ok((await drawn(page, "#chosen")).length > 100);
    assert.equal(await page.locator("#chosen a").getAttribute("href"), "api/v1/experiments/2026-11-30T09%3A12%3A00Z-classroom/plot");
    await press(page, "Use its settings");
    assert.equal(await page.evaluate(() => document.activeElement.id), "go");
    await page.keyboard.press("Enter");
    assert.deepEqual(await order(s, "solve"), {path: "solve", algorithm: "mgm", parameters: ["break_mode:lexic"], distribution: "oneagent", time_limit: 60, seed: 8});
});

test("its settings take the place of all that was chosen, with an algorithm that is not in the list; a distribution of a file is left out", async (t) => {
    const s = await t.service("idle"), page = await open(t, s);
    s.keep(experimentOf({id: "new", algorithm: "ncbb", parameters: {}, distribution: "file", seed: 3}));
    await says(page, "#experiments tr:first-child", "ncbb");
    await offered(page, "dsa");
    await field(page, "Distribution").fill("adhoc");
    await field(page, "Without the agents that are missing").check();
    await choose(page, 0);
    await says(page, "#chosen", "ncbb");
    await press(page, "Use its settings");
    assert.equal(await field(page, "Algorithm").inputValue(), "ncbb");
    await page.keyboard.press("Enter");
    assert.deepEqual(await order(s, "solve"), {path: "solve", algorithm: "ncbb", time_limit: 60, seed: 3});
});

test("two are compared: both curves in one plot, what differs, and what does not; a third takes the first one's place", async (t) => {
    const s = await t.service("idle"), page = await open(t, s);
    await choose(page, 1);
    await choose(page, 2);
    await until("both curves", async () => (await page.locator("#chosen path[class^=line-]").count()) === 4); /* two, and the legend's */
    assert.equal(await page.locator("#chosen figure > svg").count(), 1);
    assert.deepEqual(await page.locator(".legend li").allInnerTexts(), ["A: mgm, cost 6", "B: dsa, cost 4"]);
    const rows = (await page.locator(".facts-of tbody tr").allInnerTexts()).map((one) => one.replace(/\s+/g, " "));
    for (const one of ["Algorithm mgm dsa", "Parameters break_mode:lexic variant:B", "Seed 8 7", "Cost 6 4", "Time 41.5 s 1 min", "Cycles 120 40", "Messages 7,440 2,400"]) assert.ok(rows.includes(one), `${one} in ${rows}`);
    assert.deepEqual(rows.filter((one) => /^(Problem|Machines|Distribution)/.test(one)), []);
    await says(page, "#chosen-facts", "The same in both: Problem, Problem’s digest, Distribution, Time limit, pyDCOP and Machines.");
    const dashes = await page.locator("#chosen figure > svg path[class^=line-]").evaluateAll((all) => all.map((el) => getComputedStyle(el).strokeDasharray));
    assert.notEqual(dashes[0], dashes[1], "colour is not alone");
    await choose(page, 0);
    await until("the third", async () => String(await page.locator("#experiments input").evaluateAll((all) => all.map((el) => el.checked))) === "true,false,true,false");
    await says(page, "#chosen", "maxsum, cost –");
    await says(page, "#chosen", "a2 on rpi-2 has gone");
    await press(page, "Choose none");
    await page.locator("#chosen").waitFor({state: "hidden"});
});

test("an experiment that cannot be read, and a list that cannot: each is said", async (t) => {
    t.expect("404", "503");
    const s = await t.service("idle"), page = await open(t, s);
    s.experiments.delete("2026-11-30T09:12:00Z-classroom");
    await choose(page, 1);
    await says(page, "#chosen [role=alert]", "There is no such experiment.");
    s.deaf = true;
    s.send("experiment", {id: "x"});
    await says(page, "#past-hint", "The experiments cannot be listed. Not now.");
});

/* --- the connection, hands, eyes, ears ------------------------------------------------------ */

test("a lost connection is said, nothing can be asked for meanwhile, and it heals with what is true then", async (t) => {
    t.expect("ERR_");
    const s = await t.service("running"), page = await open(t, s);
    await s.restart(async () => {
        await page.waitForSelector("#link[data-state=lost]");
        await says(page, "#lost", "Connection to the service lost. The page shows the state of");
        await until("Stop is off", () => page.getByRole("button", {name: "Stop", exact: true}).isDisabled());
        s.onListen = null;
        s.solve = {...s.solve, state: "ended", status: "finished", cost: 3, time: 11};
    });
    await page.waitForSelector("#link[data-state=live]");
    await says(page, "#sentence", "Finished after 11 s: cost 3");
    assert.ok(await page.locator("#lost").isHidden());
    assert.ok((await drawn(page, "#curve")).length > 100, "the curve that was seen is kept");
});

test("a service that has restarted knows of no run: the page does not, either", async (t) => {
    t.expect("ERR_");
    const s = await t.service("running"), page = await open(t, s);
    await s.restart(async () => { s.onListen = null; s.solve = null; });
    await says(page, "#sentence", "All 12 agents are here.");
    assert.ok(await page.locator("#run").isHidden());
    s.solving(solveOf(2));
    await until("two tiles", async () => (await page.locator(".agent").count()) === 2);
});

test("keyboard alone: to the settings, Solve, Stop, an experiment; every control has a name", async (t) => {
    const s = await t.service("idle"), page = await open(t, s);
    const tabTo = async (what) => { for (let i = 0; i < 40 && !(await page.evaluate((words) => document.activeElement.matches(words), what)); i++) await page.keyboard.press("Tab"); };
    await offered(page, "dsa");
    await tabTo("select");
    await page.keyboard.type("ds");
    assert.equal(await field(page, "Algorithm").inputValue(), "dsa");
    await tabTo("#experiments tr:nth-child(2) input");
    await page.keyboard.press("Space");
    await says(page, "#chosen", "break_mode:lexic");
    assert.deepEqual(await unnamed(page), []);
    await page.evaluate(() => document.activeElement.blur());
    await page.locator("#settings summary").focus();
    await tabTo("#go");
    assert.match(await page.evaluate(() => getComputedStyle(document.activeElement).outline), /solid 3px|3px solid/);
    await page.keyboard.press("Enter");
    await order(s, "solve");
    await says(page, "#sentence", "registered");
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await order(s, "solve/stop");
    assert.deepEqual(await unnamed(page), []);
});

test("for ears: one live region, which does not read every cost", async (t) => {
    const s = await t.service("running"), page = await open(t, s);
    await page.waitForFunction(() => document.getElementById("said").textContent === "The run is at work. the run has started");
    await page.evaluate(() => {
        window.spoken = 0;
        new MutationObserver(() => window.spoken++).observe(document.getElementById("said"), {childList: true, characterData: true, subtree: true});
    });
    for (let i = 1; i <= 60; i++) s.solving({time: 9 + i / 10, cost: 200 - i});
    await says(page, "#sentence", "Cost 140 after 15 s.");
    assert.equal(await page.evaluate(() => window.spoken), 0);
    assert.equal(await page.locator("#curve svg").getAttribute("role"), "img");
    assert.match(await page.locator("#curve svg").getAttribute("aria-label"), /^Cost over time: cost 72 at 0 s, 140 at 15 s$/);
});

for (const colorScheme of ["light", "dark"])
    test(`contrast is AA everywhere, ${colorScheme}`, async (t) => {
        for (const scene of ["starting", "gone", "failed", "compared"]) {
            const s = await t.service(scene), page = await open(t, s, {colorScheme});
            if (scene === "compared") {
                await choose(page, 1);
                await choose(page, 2);
                await says(page, "#chosen-facts", "The same in both");
            }
            await checkContrast(page, scene, 20);
            await page.close();
        }
    });

test("nothing sticks out of a phone, and what is touched is large enough", async (t) => {
    for (const scene of Object.keys(SOLVES).filter((one) => one !== "thousand")) {
        const s = await t.service(scene), page = await open(t, s, {viewport: {width: 320, height: 568}});
        const fits = () => page.evaluate(() => document.documentElement.scrollWidth <= innerWidth && [...document.querySelectorAll("figure, .agent, #chosen, #notes, table")].every((el) => !el.checkVisibility() || (el.scrollWidth <= el.clientWidth + 1 && el.getBoundingClientRect().right <= innerWidth)));
        if (scene === "compared") for (const i of [1, 2]) await choose(page, i);
        if (scene === "compared") await says(page, "#chosen-facts", "The same in both");
        if (scene === "compared") assert.equal(await page.getByRole("row").filter({has: page.getByRole("cell", {name: "mgm"})}).filter({has: page.getByRole("checkbox")}).count(), 1, "a table for ears, too");
        assert.ok(await fits(), scene);
        await page.setViewportSize(PHONE);
        await until(`${scene} fits, turned`, fits);
        const small = await page.locator("button:visible, select:visible, #list label:visible").evaluateAll((all) => all.filter((el) => el.offsetHeight < 36 || el.offsetWidth < 36).map((el) => el.outerHTML.slice(0, 90)));
        assert.deepEqual(small, []);
        await page.close();
    }
});

/* --- hostile, and large ------------------------------------------------------------------------ */

test("hostile text in every field stays text, and is bounded", async (t) => {
    t.expect("404", "409"); /* the stand-in knows no such id */
    for (const evil of ["<img src=x onerror=alert(1)>", "\"><svg onload=alert(1)>", "__proto__", "\u202egnp.exe", "x".repeat(5000)]) {
        const s = await t.service({problem: ["a1"], name: evil}), receipt = {algorithm: evil, parameters: {[evil]: evil}, distribution: evil, reason: evil, problem: {files: [{name: evil, sha256: evil}]}, pydcop: {version: evil}, status: evil,
            machines: [{host: evil, agents: [evil]}]};
        s.algorithms = [evil];
        s.experiments.set("1", experimentOf({id: "../../x?y#z", ...receipt}));
        s.experiments.set("2", experimentOf({id: "b", ...receipt, seed: evil}));
        s.solve = solveOf(1, {state: "running", algorithm: evil, parameters: [evil], distribution: evil, seed: evil, cost: evil, time: evil, cycle: evil, messages: evil, registered: evil, notes: [evil], reason: evil, status: evil});
        Object.assign(s.solve.agents[0], {name: evil, host: evil, variables: [evil]});
        s.solve.values = JSON.parse(`{${JSON.stringify(evil)}: ${JSON.stringify(evil)}}`);
        const page = await open(t, s);
        for (const i of [0, 1]) await choose(page, i);
        s.refuse = evil;
        await press(page, "Stop");
        await until("the refusal", async () => (await text(page, "#wrong")).length > 4);
        assert.ok((await text(page, "#agents")).includes(evil.startsWith("\u202e") ? "⟨202E⟩gnp.exe" : evil.slice(0, 12)), evil);
        assert.ok((await text(page, "#agents")).length < 300);
        assert.equal(await page.locator("img, main script, [onerror], [onload]").count(), 0);
        assert.ok(!(await page.evaluate(() => document.title + document.body.textContent)).includes("\u202e"));
        assert.ok(await page.evaluate(() => document.documentElement.scrollHeight) < 9000);
        await page.close();
    }
});

test("1,000 agents, and one of 10,000 variables: there at once, and a change costs little", async (t) => {
    const s = await t.service("thousand");
    s.solve.agents[0].variables = Array.from({length: 10000}, (_, i) => `v${i + 1}`);
    const begun = Date.now(), page = await open(t, s);
    await until("1,000 tiles", async () => (await page.locator(".agent").count()) === 1000);
    console.log(`    opened in ${Date.now() - begun} ms`);
    await says(page, ".agent:first-child", "and 9,988 more");
    assert.equal(await page.locator(".agent:first-child dl div").count(), 12);
    await page.evaluate(() => { window.long = []; new PerformanceObserver((list) => window.long.push(...list.getEntries().map((e) => e.duration))).observe({type: "longtask"}); });
    for (let i = 1; i <= 5; i++) {
        s.solving({time: i + 1, cost: 900 - i, values: Object.fromEntries(s.solve.agents.map((_, k) => [`v${k + 1}`, "RGB"[(k + i) % 3]]))});
        await says(page, "#sentence", `Cost ${900 - i} after`);
    }
    const all = await page.evaluate(() => window.long);
    console.log(`    every value changed five times; long tasks: ${all.map(Math.round).join(", ") || "none"} ms`);
    assert.ok(Math.max(0, ...all) < 1500, `${all}`);
    s.solving({left_out: true, agents: s.solve.agents.map((one, i) => (i === 700 ? {...one, state: "gone"} : one))});
    await says(page, ".agent:first-child", "Gone");
    await says(page, "#lacks", "Some values or names are not shown: there are too many.");
});

test("the class page leads here, and back", async (t) => {
    const s = await t.service("idle"), page = await t.open(s);
    await page.getByRole("link", {name: "Solve", exact: true}).click();
    await says(page, "#sentence", "All 5 agents are here.");
    await press(page, "Solve");
    await order(s, "solve");
    await page.getByRole("link", {name: "Machines", exact: true}).click();
    await page.waitForSelector(".tile");
});

await main();
