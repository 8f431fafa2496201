/* The dashboard alone, on a stand-in for the service; tests/browser/dashboard runs it. */
import {readdir, readFile} from "node:fs/promises";
import {connect, createServer} from "node:net";
import {agrees, assert, checkContrast, main, order, says, test, text, unnamed, until} from "./harness.mjs";
import {PHONE} from "./browser.mjs";
import {fingerprint, SCENES, STEPS} from "./standin.mjs";

const FOLDER = new URL("../../deployer/controller/dashboard/", import.meta.url);
const files = await Promise.all((await readdir(FOLDER)).map(async (name) => [name, await readFile(new URL(name, FOLDER), "utf8")]));

const ROUNDS = 36; /* of 200 machines' output, 0.8 MB each */
const tile = (page, agent) => page.locator(".tile", {has: page.locator(".who", {hasText: new RegExp(`^${agent}$`)})});
const stateOf = async (page, agent) => /s-(\w+)/.exec(await tile(page, agent).getAttribute("class"))[1];
const becomes = (page, agent, state) => until(`${agent} ${state}`, async () => (await tile(page, agent).count()) === 1 && (await stateOf(page, agent)) === state);

/* --- the files ----------------------------------------------------------------------- */

/* A page and all that it loads. */
const loads = (name, all = new Set()) => {
    if (all.has(name)) return all;
    all.add(name);
    const words = new Map(files).get(name) ?? assert.fail(`there is no ${name}`);
    for (const [, other] of words.matchAll(/(?:(?:src|href)=|from )"(?:\.\/)?([a-z.-]+\.(?:js|css|svg))"/g)) loads(other, all);
    return all;
};

test("each page is under 60 KB, with all that it loads", async (t) => {
    const pages = files.map(([name]) => name).filter((name) => name.endsWith(".html")), s = await t.service("three");
    for (const name of pages) {
        const all = [...loads(name)], size = all.reduce((sum, one) => sum + Buffer.byteLength(new Map(files).get(one)), 0);
        assert.ok(size < 60 * 1024, `${name}: ${size} bytes`);
        console.log(`    ${name}: ${size} bytes in ${all.length} files`);
        const page = await t.open(s, {path: name, live: false}), came = await page.evaluate(() => performance.getEntriesByType("resource").map((e) => new URL(e.name).pathname.slice(1)));
        assert.deepEqual(came.filter((one) => !one.startsWith("api/") && !all.includes(one)), [], "loaded, and not counted");
    }
    assert.deepEqual(files.map(([name]) => name).filter((name) => !pages.some((page) => loads(page).has(name))), [], "in no page");
});

test("no markup from data, no inline code or style, nothing from outside", () => {
    for (const [name, words] of files) {
        assert.doesNotMatch(words, /innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|createContextualFragment|setHTML/, name);
        assert.doesNotMatch(words.replaceAll("http://www.w3.org/2000/svg", ""), /https?:\/\/|@import|url\(/, name);
        if (name.endsWith(".html")) assert.doesNotMatch(words, /\sstyle=|\son[a-z]+=|<style|<script(?![^>]*src=)/, name);
        if (name.endsWith(".js")) for (const [, from] of words.matchAll(/from "([^"]+)"/g)) assert.ok(files.some(([other]) => from === `./${other}`), `${name}: ${from}`);
    }
});

/* --- a lesson ------------------------------------------------------------------------- */

test("plug in: a tile appears at once, and the sentence counts it", async (t) => {
    const s = await t.service({problem: ["a1", "a2"]}), page = await t.open(s);
    assert.equal(await text(page, "#sentence"), "0 of 2 agents are here.");
    await page.evaluate(() => {
        window.seen = [];
        new MutationObserver(() => window.seen.push([Date.now(), document.querySelectorAll(".tile > button").length]))
            .observe(document.getElementById("machines"), {childList: true, subtree: true});
    });
    const took = [];
    for (let i = 1; i <= 5; i++) {
        const at = Date.now();
        s.plug({agents: [`a${i}`]});
        const [when] = await until("the tile", () => page.evaluate((n) => window.seen.find(([, count]) => count === n), i));
        took.push(when - at);
    }
    console.log(`    ${took.join(", ")} ms`);
    /* It is pushed, not polled for; how fast, is for a quiet machine to say: 100 ms are wanted. */
    assert.ok(took.sort((a, b) => a - b)[2] < 5000, `median of ${took}`);
    await says(page, "#sentence", "All 2 agents are here.");
    assert.equal(await page.title(), "2/2 dcop");
});

test("missing, offline and never seen are told apart, in words", async (t) => {
    const s = await t.service("thirty"), page = await t.open(s);
    assert.equal(await text(page, "#sentence"), "28 of 30 agents are here.");
    assert.equal(await text(page, "#lacks"), "Missing: a17 and a22, last seen 3 minutes ago. dcop-deploy doctor says why.");
    assert.equal(await stateOf(page, "a17"), "missing");
    assert.equal(await stateOf(page, "a22"), "offline");
    s.extra = {};
    s.rematch();
    await says(page, "#lacks", "Missing: a17, not seen yet; a22, last seen 3 minutes ago.");
});

test("tiles are in the natural order of the agents' names", async (t) => {
    const s = await t.service({problem: ["a1", "a2", "a10", "a9"]}), page = await t.open(s);
    for (const agents of [["a10"], ["a2"], [], ["b1"], ["a1"]]) s.plug({agents});
    await until("six tiles", async () => (await page.locator(".tile").count()) === 6);
    assert.deepEqual(await page.locator(".who").allInnerTexts(), ["a1", "a2", "a9", "a10", "b1", "rpi-3"]);
    assert.equal(await stateOf(page, "rpi-3"), "nameless");
});

test("line separators of Unicode neither cut an event nor add to one", async (t) => {
    const s = await t.service({problem: ["a1", "a2"]}), page = await t.open(s);
    s.plug({agents: ["a1"], model: "Pi\u2028data: {}\u2029event: gone\u0085id: x"});
    await becomes(page, "a1", "ready");
    s.plug({agents: ["a2"]});
    await becomes(page, "a2", "ready");
    assert.equal(await page.locator(".tile").count(), 2);
});

test("rename: the tile changes and moves; a focused one keeps the focus", async (t) => {
    const s = await t.service({problem: ["a1", "a2", "a3"]});
    const ref = s.plug({agents: ["a1"]});
    s.plug({agents: ["a2"]});
    const page = await t.open(s);
    await tile(page, "a1").locator("button").focus();
    s.change(ref, {agents: ["a3"]});
    await becomes(page, "a3", "ready");
    assert.deepEqual(await page.locator(".who").allInnerTexts(), ["a1", "a2", "a3"]);
    const at = () => page.evaluate(() => document.activeElement.closest(".tile")?.querySelector(".who").textContent);
    assert.equal(await at(), "a3");
    s.change(ref, {agents: ["a0"]});
    await tile(page, "a0").waitFor();
    assert.equal(await at(), "a0", "its element was moved");
});

test("a near miss is corrected by a button that says what it does", async (t) => {
    const s = await t.service({problem: ["a1", "a3"]});
    s.plug({agents: ["a1"]});
    const ref = s.plug({agents: ["A3", "x"]}), page = await t.open(s);
    assert.equal(await stateOf(page, "A3, x"), "misnamed");
    await says(page, "#needs", "A3 is not in the problem; did you mean a3?");
    await page.getByRole("button", {name: "Correct to a3…"}).click();
    await says(page, "#ask", "written to the settings of rpi-2");
    assert.equal(await page.locator("#ask input").inputValue(), "a3, x");
    assert.equal(s.orders.length, 0);
    await page.getByRole("button", {name: "Give the name"}).click();
    assert.deepEqual((await order(s, "/assign")).agents, ["a3", "x"]);
    assert.equal(s.orders[0].path, `machines/${ref}/assign`);
    await until("the tile is a3, x", async () => (await tile(page, "a3, x").count()) === 1);
});

test("accept: beside the fingerprint, with the token, then it is green", async (t) => {
    t.expect("401");
    const s = await t.service({problem: ["a1"]}), ref = s.plug({agents: ["a1"], trust: {state: "new"}});
    const page = await t.open(s, {token: false});
    assert.equal(await stateOf(page, "a1"), "new");
    await says(page, "#needs", fingerprint("key 1"));
    await page.locator("#needs .keys button").click();
    await says(page, "#ask", fingerprint("key 1"));
    await page.getByRole("button", {name: "Accept", exact: true}).click();
    await says(page, "#ask", "Token needed");
    await page.locator("#ask input").fill("0".repeat(64));
    await page.keyboard.press("Enter");
    await says(page, "#ask .wrong", "token");
    assert.equal(s.orders.length, 0);
    await page.locator("#ask input").fill(s.urlWithToken);
    await page.keyboard.press("Enter");
    assert.deepEqual(await order(s, "/accept"), {path: `machines/${ref}/accept`, hostkey: fingerprint("key 1"), replace: false});
    await becomes(page, "a1", "ready");
    await until("nothing needs a person", () => page.locator("#needs").isHidden());
});

test("the token leaves the address bar, and is in no address or storage but the session's", async (t) => {
    const s = await t.service({problem: []}), page = await t.open(s);
    assert.equal(page.url(), s.url);
    await page.evaluate((hash) => { location.hash = hash; }, `token=${s.token}`);
    await until("the address is bare again", () => page.url() === s.url);
    assert.deepEqual(await page.evaluate(() => [sessionStorage.length, localStorage.length, document.cookie]), [1, 0, ""]);
});

test("accept all: one question with every name and fingerprint, one order each", async (t) => {
    const s = await t.service("fresh"), page = await t.open(s);
    await page.getByRole("button", {name: "Accept all 10…"}).click();
    assert.equal(await page.locator("#ask li").count(), 10);
    for (const m of s.machines.values()) await says(page, "#ask", m.hostkey);
    await page.getByRole("button", {name: "Accept 10 machines"}).click();
    await order(s, "/accept", 10);
    await says(page, "#toasts", "Accepted: 10 machines.");
    await page.getByRole("button", {name: "Give names…"}).click();
    await says(page, "#ask", "rpi-8 becomes a08");
    await page.getByRole("button", {name: "Give names", exact: true}).click();
    await order(s, "assign");
    await says(page, "#sentence", "All 10 agents are here.");
});

test("deploy some: says to whom and who is left out; progress by step; green", async (t) => {
    const s = await t.service({problem: ["a1", "a2", "a3"]});
    const one = s.plug({agents: ["a1"]}), two = s.plug({agents: ["a2"]}), off = s.plug({agents: ["a3"]});
    s.unplug(off);
    const page = await t.open(s);
    for (const agent of ["a1", "a3"]) await tile(page, agent).locator("input").check();
    await says(page, "#tools", "2 selected");
    await page.locator("#tools").getByRole("button", {name: "Deploy…"}).click();
    assert.equal(await text(page, "#ask-title"), "Deploy to a1?");
    await says(page, "#ask", "Left out: a3 (offline).");
    await page.keyboard.press("Escape");
    assert.equal(s.orders.length, 0);
    await tile(page, "a2").locator("input").check();
    await page.locator("#tools").getByRole("button", {name: "Deploy…"}).click();
    assert.deepEqual(await page.locator("#ask b").allInnerTexts(), ["a1", "a2"]);
    await page.getByRole("button", {name: "Deploy 2 machines"}).click();
    assert.deepEqual((await order(s, "deploy")).machines.sort(), [one, two].sort());
    await says(page, "#tools", "All machines");

    const run = s.run("deploy");
    s.work(two, {state: "queued", verb: "deploy"});
    await becomes(page, "a2", "queued");
    s.work(one, {state: "running", verb: "deploy", phase: "connecting", run});
    await says(page, ".s-deploying", "connecting");
    await tile(page, "a1").locator("button").click();
    for (let n = 1; n <= STEPS.length; n++) {
        s.step(one, run, STEPS[n - 1], "started");
        await says(page, ".tile.s-deploying", `${n} of 9: ${STEPS[n - 1]}`);
        assert.equal(await tile(page, "a1").locator("progress").getAttribute("value"), String(n));
        await says(page, "#panel .r-started", STEPS[n - 1]);
        s.step(one, run, STEPS[n - 1], "changed");
    }
    s.finish(one, run);
    await becomes(page, "a1", "running");
    await says(page, "#counts", "1 running");
    await says(page, "#panel", "0.1.2a1");
});

test("a failure says why, with the output's last lines, and Retry", async (t) => {
    const s = await t.service("states"), page = await t.open(s);
    assert.equal(await stateOf(page, "a06"), "failed");
    await tile(page, "a06").locator("button").click();
    await says(page, "#panel .verdict", "the disk is full: 0 MiB free");
    await page.locator("#panel summary").first().click();
    await says(page, "#panel .runs", "OSError: [Errno 28]");
    await page.locator("#panel").getByRole("button", {name: "Deploy…"}).click();
    await page.getByRole("button", {name: "Deploy", exact: true}).click();
    assert.equal((await order(s, "deploy")).machines.length, 1);
});

test("one button deploys again to those that failed, and to no other", async (t) => {
    const s = await t.service({problem: ["a1", "a2", "a3", "a4"]}), failed = [];
    for (const agent of s.problem) {
        const ref = s.plug({agents: [agent], state: "running", work: {state: "ok"}});
        if (agent > "a2") failed.push(ref);
    }
    const page = await t.open(s), again = page.locator("#tools").getByRole("button", {name: /^Retry/});
    s.work(failed[0], {state: "stuck", why: "the disk is full"});
    await becomes(page, "a3", "failed");
    assert.equal(await again.count(), 0, "one has a button of its own");
    s.work(failed[1], {state: "idle", outcome: "unreachable"});
    await says(page, "#tools", "Retry 2 failed…");
    await again.click();
    assert.deepEqual(await page.locator("#ask b").allInnerTexts(), ["a3", "a4"]);
    await page.getByRole("button", {name: "Deploy 2 machines"}).click();
    assert.deepEqual((await order(s, "deploy")).machines.sort(), failed.sort());
});

test("unplug: grey, last seen; and back", async (t) => {
    const s = await t.service({problem: ["a1"]}), ref = s.plug({agents: ["a1"], state: "running", work: {state: "ok"}}), page = await t.open(s);
    await becomes(page, "a1", "running");
    s.unplug(ref, 120000);
    await becomes(page, "a1", "offline");
    await says(page, ".tile", "seen 2 minutes ago");
    await says(page, "#lacks", "Missing: a1, last seen 2 minutes ago.");
    s.change(ref, {online: true});
    await becomes(page, "a1", "running");
    await says(page, ".tile.lit", "back just now");
    s.change(ref, {online: true, state: "stopped"});
    await becomes(page, "a1", "stopped");
    await says(page, ".tile.lit", "back just now");
    s.gone(ref);
    await becomes(page, "a1", "missing");
});

test("an impostor is red beside the machine it pretends to be, with both keys; nothing can be done to it but trust", async (t) => {
    const s = await t.service({problem: ["a1"]}), known = s.plug({agents: ["a1"], state: "running"}), page = await t.open(s);
    const ref = s.plug({agents: ["a1"], id: known.slice(0, 16), trust: {state: "changed", pin: fingerprint("key 1")}});
    const red = page.locator(".tile.s-impostor");
    await red.waitFor();
    assert.equal(await page.locator(".tile.s-running").count(), 1);
    const need = page.locator(".need.s-impostor");
    await says(page, ".need.s-impostor", fingerprint("key 1"));
    await says(page, ".need.s-impostor", fingerprint("key 2"));
    const [r, g, b] = (await need.evaluate((el) => getComputedStyle(el).backgroundColor)).match(/\d+/g).map(Number);
    assert.ok(r > 120 && g < 60 && b < 60, `${r} ${g} ${b}`);
    await red.locator("button").click();
    assert.deepEqual(await page.locator("#panel .acts button").allInnerTexts(), ["Accept…", "Forget…"]);
    await need.getByRole("button").click();
    await says(page, "#ask", "The old key is then no longer trusted.");
    await page.getByRole("button", {name: "Trust the new key", exact: true}).click();
    assert.deepEqual(await order(s, "/accept"), {path: `machines/${ref}/accept`, hostkey: fingerprint("key 2"), replace: true});
});

test("duplicates are told with both machines, each can be renamed", async (t) => {
    const s = await t.service({problem: ["a1", "a2"]}), page = await t.open(s);
    s.plug({agents: ["a1"]});
    s.plug({agents: ["a1"]});
    await says(page, "#needs", "a1 is the name of 2 machines");
    assert.equal(await page.locator(".tile.s-duplicate").count(), 2);
    await page.getByRole("button", {name: "Rename rpi-2…"}).click();
    await page.locator("#ask input").fill(" a2 ");
    await page.keyboard.press("Enter");
    assert.deepEqual((await order(s, "/assign")).agents, ["a2"]);
    await says(page, "#sentence", "All 2 agents are here.");
});

test("the tiles are what the API tells, after each of many changes, in every state", async (t) => {
    t.expect("ERR_");
    const s = await t.service({problem: ["a1", "a2", "a3"], status: {auto: true}}), seen = new Set();
    const calm = {online: true, error: undefined, trust: {state: "accepted"}, work: {state: "idle"}, state: "new"}, work = (state, more) => ({work: {state, ...more}});
    const changes = [{}, {state: "running"}, {state: "stopped"}, {state: "failed"}, {online: false}, {trust: {state: "new"}}, {trust: {state: "changed"}}, {trust: {state: "doubtful"}},
        {trust: {state: "unverified"}}, work("queued"), work("packing"), work("running", {step: "apt", number: 3, total: 9}), work("waiting"), work("retrying"), work("stuck"), work("idle", {outcome: "unreachable"}),
        {state: "running", ...work("ok", {outcome: "failed"})}, {agents: []}, {agents: ["A2"]}, {agents: ["a1"]}, {agents: ["a2", "a3"]}];
    const refs = s.problem.map((agent) => s.plug({agents: [agent]})), page = await t.open(s);
    let dice = 7;
    const roll = (n) => (dice = (dice * 48271) % 2147483647) % n; /* the same each time */
    for (let i = 0; i < 3 * changes.length; i++) {
        const at = roll(refs.length), {agents} = s.machines.get(refs[at]);
        if (i % 20 === 7) s.cut();
        if (i % 20 === 13) {
            s.gone(refs[at]);
            refs[at] = s.plug({agents});
        } else s.change(refs[at], {agents, ...calm, ...changes[i % changes.length]});
        await agrees(page);
        for (const state of await page.locator(".tile").evaluateAll((all) => all.map((el) => /s-(\w+)/.exec(el.className)[1]))) seen.add(state);
    }
    assert.equal(seen.size, 15, [...seen].sort().join(" "));
});

test("a part that is not there any more: the page does not load itself again and again", async (t) => {
    t.expect("404");
    const s = await t.service("three");
    let loads = 0, asked = 0;
    const before = async (page) => {
        await page.route("**/class.css", (route) => (asked++, route.fulfill({status: 404})));
        await page.clock.install();
        page.on("domcontentloaded", () => loads++);
    };
    const page = await t.open(s, {before});
    await page.clock.runFor(4000);
    await until("the part is asked for again", () => asked === 2);
    await page.clock.runFor(20000);
    await says(page, "#sentence", "3 agents are here");
    assert.deepEqual([loads, asked], [1, 2]);
});

test("a part that stays away for a while: the page waits for it", async (t) => {
    t.expect("ERR_");
    const s = await t.service("three");
    let loads = 0, asked = 0;
    const before = async (page) => {
        await page.route("**/class.css", (route) => (++asked < 4 ? route.abort("failed") : route.continue()));
        await page.clock.install();
        page.on("domcontentloaded", () => loads++);
    };
    const page = await t.open(s, {before});
    await until("the page loads anew", async () => {
        await page.clock.runFor(1000);
        return loads === 2;
    });
    await says(page, "#sentence", "3 agents are here");
    assert.equal(asked, 5); /* twice by the page, and until it was there */
});

test("a stop that has failed is no failed deploy", async (t) => {
    const s = await t.service({problem: ["a1", "a2"]}), page = await t.open(s);
    for (const [agent, verb] of [["a1", "stop"], ["a2", "stop"]]) s.plug({agents: [agent], work: {state: "idle", verb, outcome: "unreachable", why: "no answer"}});
    await becomes(page, "a1", "failed");
    await becomes(page, "a2", "failed");
    assert.equal(await page.getByRole("button", {name: /^Retry/}).count(), 0);
    s.plug({agents: ["a3"], work: {state: "stuck", verb: "deploy", outcome: "failed", why: "no room"}});
    await says(page, "#needs", "Retry…");
    assert.equal(await page.getByRole("button", {name: /^Retry/}).count(), 1);
});

/* --- the connection -------------------------------------------------------------------- */

for (const path of ["", "solve.html", "wall.html"])
    test(`a part of ${path || "the first page"} that is not loaded: said, and the page loads itself anew`, async (t) => {
        t.expect("ERR_");
        const s = await t.service("three"), cut = new Set(["words.js", "style.css"]);
        const before = async (page) => {
            await page.route("**/*.*", (route) => (cut.delete(new URL(route.request().url()).pathname.slice(1)) ? route.abort("failed") : route.continue()));
            await page.clock.install();
            await page.clock.pauseAt(Date.now() + 60000);
        };
        const page = await t.open(s, {path, before, live: false});
        await says(page, "body", "If this stays, reload the page.");
        await page.clock.resume();
        await page.waitForSelector(path === "wall.html" ? "#rows tr" : "#link[data-state=live]");
        await says(page, "body", {"": "3 agents are here", "solve.html": "Missing: a3", "wall.html": "rpi-2"}[path]);
        assert.equal(await page.evaluate(() => sessionStorage.length), path === "wall.html" ? 0 : 1, "the token is kept");
    });

test("service restarted in mid-deploy: said, greyed, healed with what is true now", async (t) => {
    t.expect("ERR_");
    const s = await t.service({problem: ["a1"]}), ref = s.plug({agents: ["a1"]}), run = s.run("deploy"), page = await t.open(s);
    s.deployTo(ref, run, 3);
    await becomes(page, "a1", "deploying");
    await tile(page, "a1").locator("button").click();
    await says(page, "#panel .r-started", "apt");
    await s.restart(async () => {
        await page.waitForSelector("#link[data-state=lost]");
        await says(page, "#lost", "Connection to the service lost. The page shows the state of");
        await page.waitForFunction(() => document.querySelector("#tools button").disabled);
        s.machines.set(ref, {...s.machines.get(ref), state: "running", work: {state: "ok", run}});
    });
    await page.waitForSelector("#link[data-state=live]");
    await becomes(page, "a1", "running");
    assert.ok(await page.locator("#lost").isHidden());
    assert.equal(await page.locator("#panel .r-started").count(), 0, "what the service before told is gone");
    await says(page, "#panel .runs", "1. deploy");
});

test("a cut stream goes on where it was: nothing lost, nothing asked for twice", async (t) => {
    t.expect("ERR_");
    const s = await t.service({problem: ["a1", "a2"]}), page = await t.open(s);
    s.plug({agents: ["a1"]});
    await becomes(page, "a1", "ready");
    s.cut();
    s.plug({agents: ["a2"]});
    await becomes(page, "a2", "ready");
    assert.equal(s.replayed, 1);
});

test("a controller without its plug is noticed although the connection stands", async (t) => {
    t.expect("ERR_");
    const s = await t.service({problem: ["a1"]}), page = await t.open(s, {before: (p) => p.clock.install()});
    s.beats = false;
    await page.clock.fastForward(20000);
    assert.equal(await page.locator("#link").getAttribute("data-state"), "live");
    s.deaf = true;
    t.expect("503");
    await page.clock.fastForward(10000);
    await page.waitForSelector("#link[data-state=lost]");
    s.deaf = false;
    await page.getByRole("button", {name: "Try now"}).click();
    await page.waitForSelector("#link[data-state=live]");
});

/* What is between a page and the service, and what becomes of it when a laptop sleeps: the
 * connections stay, and carry nothing. */
class Wire {
    pairs = [];
    lost = 0; /* connections that came while it was cut */
    async start(port) {
        this.server = createServer((near) => {
            const far = connect(port, "127.0.0.1");
            for (const end of [near, far]) end.on("error", () => {}).on("close", () => [near, far].forEach((one) => one.destroy()));
            this.pairs.push([near, far]);
            if (this.isCut) return this.lost++;
            near.pipe(far).pipe(near);
        });
        await new Promise((done) => this.server.listen(0, "127.0.0.1", done));
        this.url = `http://127.0.0.1:${this.server.address().port}/`;
        return this;
    }
    cut() {
        this.isCut = true;
        for (const [near, far] of this.pairs) for (const end of [near.unpipe(far), far.unpipe(near)]) end.pause();
    }
    mend() { this.isCut = false; }
    stop() { this.pairs.flat().forEach((end) => end.destroy()); this.server.close(); }
}

test("a laptop that has slept: its connections are dead, and nobody said so; the page comes back by itself", async (t) => {
    t.expect("ERR_");
    const s = await t.service({problem: ["a1", "a2"]}), ref = s.plug({agents: ["a1"], state: "running", work: {state: "ok"}}), wire = await new Wire().start(s.port);
    t.closing.push(() => wire.stop());
    const page = await t.open({url: wire.url, urlWithToken: `${wire.url}#token=${s.token}`}, {before: (p) => p.clock.install()});
    await becomes(page, "a1", "running");
    wire.cut();
    s.change(ref, {state: "stopped"});
    s.plug({agents: ["a2"]});
    await page.clock.fastForward(600000);
    await page.waitForSelector("#link[data-state=lost]");
    await until("it tries again, in vain", () => wire.lost > 0);
    wire.mend(); /* what was begun before stays dead */
    await page.clock.fastForward(30000);
    await page.waitForSelector("#link[data-state=live]");
    await becomes(page, "a1", "stopped");
    await says(page, "#sentence", "All 2 agents are here.");
});

test("what the service refuses is said, machine by machine", async (t) => {
    t.expect("409");
    const s = await t.service({problem: ["a1", "a2"]}), ref = s.plug({agents: ["a1"]});
    s.plug({agents: ["a2"]});
    s.refusals = [{ref, detail: "it is being deployed by another controller"}];
    const page = await t.open(s);
    await page.getByRole("button", {name: "Deploy…"}).click();
    await page.getByRole("button", {name: "Deploy 2 machines"}).click();
    await says(page, "#toasts", "Refused: a1: it is being deployed by another controller");
    await says(page, "#toasts", "Deploy: 1 machine, queued.");
    s.refuse = "Two controllers hold it.";
    await page.getByRole("button", {name: "Stop…"}).click();
    await page.getByRole("button", {name: "Stop 2 machines"}).click();
    await says(page, "#toasts .wrong", "Two controllers hold it.");
});

/* --- hands, eyes, ears ------------------------------------------------------------------ */

test("keyboard: one stop for the tiles, arrows between, Space selects, Enter opens, Escape closes and returns", async (t) => {
    const s = await t.service("thirty"), page = await t.open(s);
    const at = () => page.evaluate(() => document.activeElement.closest(".tile")?.querySelector(".who").textContent);
    const press = async (...keys) => { for (const key of keys) await page.keyboard.press(key); };
    assert.equal(await page.locator(".tile > button[tabindex='0']").count(), 1);
    await page.getByRole("button", {name: "Select all"}).focus();
    await press("Tab");
    assert.equal(await at(), "a01");
    const columns = await page.evaluate(() => getComputedStyle(document.getElementById("machines")).gridTemplateColumns.split(" ").length);
    await press("ArrowRight", "ArrowDown");
    assert.equal(await at(), `a${String(2 + columns).padStart(2, "0")}`);
    await press("ArrowUp", "ArrowLeft", "ArrowLeft");
    assert.equal(await at(), "a01");
    await press("End");
    assert.equal(await at(), "a30");
    await tile(page, "a16").locator("button").focus();
    await press("ArrowRight");
    assert.equal(await at(), "a18", "a missing one is passed over");
    const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outline);
    assert.match(outline, /solid 3px|3px solid/);
    await press("Space");
    await says(page, "#tools", "1 selected");
    assert.ok(await page.locator("#panel").isHidden());
    await press("Enter");
    await page.waitForSelector("#panel:not([hidden])");
    assert.equal(await page.evaluate(() => document.activeElement.id), "panel-title");
    await press("Escape");
    assert.ok(await page.locator("#panel").isHidden());
    assert.equal(await at(), "a18");
    await press("Escape");
    await says(page, "#tools", "All machines");
    await page.getByRole("button", {name: "Stop…"}).focus();
    await press("Enter");
    assert.equal(await page.evaluate(() => document.activeElement.textContent), "Cancel", "what cannot be taken back is not under Enter");
    for (let i = 0; i < 6; i++) await press("Tab");
    assert.ok(await page.evaluate(() => document.getElementById("ask").contains(document.activeElement) || document.activeElement === document.body));
    await press("Escape");
    assert.match(await page.evaluate(() => document.activeElement.textContent), /Stop/);
    assert.equal(s.orders.length, 0);
});

test("for ears: one live region, said once for many changes; every control has a name, ids are unique", async (t) => {
    const s = await t.service("states"), page = await t.open(s);
    await page.waitForFunction(() => document.getElementById("said").textContent.includes("agents are here"));
    await page.evaluate(() => {
        window.spoken = 0;
        new MutationObserver(() => window.spoken++).observe(document.getElementById("said"), {childList: true, characterData: true, subtree: true});
    });
    for (let i = 0; i < 40; i++) {
        const ref = s.plug({agents: [`z${i}`]});
        if (i % 2) s.gone(ref);
        await page.waitForTimeout(20);
    }
    await page.waitForTimeout(5500);
    assert.ok(await page.evaluate(() => window.spoken) <= 2, `spoken ${await page.evaluate(() => window.spoken)} times`);
    await page.locator(".tile > button").first().click();
    await page.waitForSelector("#panel:not([hidden])");
    assert.deepEqual(await unnamed(page), []);
});

test("reduced motion: nothing moves", async (t) => {
    const s = await t.service("states");
    const moving = async (reducedMotion) => {
        const page = await t.open(s, {reducedMotion});
        await page.locator(".tile > button").first().click();
        return page.evaluate(() => document.getAnimations().filter((a) => a.playState === "running").length);
    };
    assert.equal(await moving("reduce"), 0);
    assert.ok(await moving("no-preference") > 0);
});

for (const colorScheme of ["light", "dark"])
    test(`contrast is AA everywhere, ${colorScheme}`, async (t) => {
        t.expect("ERR_");
        const s = await t.service("states"), page = await t.open(s, {colorScheme});
        const check = (where) => checkContrast(page, where);
        await page.locator("#needs-more").click();
        await check("the page");
        for (const agent of ["a01", "a02", "a06", "a12", "a14"]) {
            await tile(page, agent).locator("button").last().click();
            await check(`the panel of ${agent}`);
        }
        await page.keyboard.press("Escape");
        await page.locator("#tools").getByRole("button", {name: "Stop…"}).click();
        await check("a question");
        await page.keyboard.press("Escape");
        s.refusals = [...s.machines.keys()].map((ref) => ({ref, detail: "no"}));
        await page.getByRole("button", {name: "Deploy…"}).click();
        await page.locator("#ask .main").click();
        await page.waitForSelector("#toasts .wrong");
        await check("a message");
        await page.goto(`${s.url}wall.html`);
        await page.waitForSelector("#rows tr");
        await check("the wall list");
    });

test("colour is never alone: each state has a word of its own and a shape", async (t) => {
    const s = await t.service("states"), page = await t.open(s);
    const pairs = await page.locator(".tile").evaluateAll((all) => all.map((el) =>
        [/s-(\w+)/.exec(el.className)[1], el.querySelector(".now").textContent, el.querySelector(".now use").getAttribute("href")]));
    const states = new Set(pairs.map(([state]) => state));
    assert.ok(states.size >= 14, [...states].join(" "));
    const words = new Map();
    for (const [state, word, shape] of pairs) {
        assert.ok(word.length > 3 && (await page.locator(`.shapes ${shape}`).count()) === 1, `${state}: ${word} ${shape}`);
        if (words.has(word)) assert.equal(words.get(word), state, word);
        words.set(word, state);
    }
});

test("the shapes are drawn, each its own, in the colour of its state", async (t) => {
    for (const colorScheme of ["light", "dark"]) {
        const s = await t.service("states"), page = await t.open(s, {colorScheme, reducedMotion: "reduce"}), drawn = new Map();
        for (const li of await page.locator(".tile").all()) {
            const [shape, ink] = await li.evaluate((el) => [el.querySelector("use").getAttribute("href"), getComputedStyle(el.querySelector(".now")).color]);
            if (drawn.has(shape)) continue;
            const picture = (await li.locator(".icon").screenshot()).toString("base64");
            const share = await page.evaluate(async ([data, css]) => {
                const image = new Image();
                image.src = `data:image/png;base64,${data}`;
                await image.decode();
                const canvas = new OffscreenCanvas(image.width, image.height).getContext("2d"), [r, g, b] = css.match(/\d+/g).map(Number);
                canvas.drawImage(image, 0, 0);
                const {data: px} = canvas.getImageData(0, 0, image.width, image.height);
                let hits = 0;
                for (let i = 0; i < px.length; i += 4) hits += Math.abs(px[i] - r) + Math.abs(px[i + 1] - g) + Math.abs(px[i + 2] - b) < 60;
                return hits / (px.length / 4);
            }, [picture, ink]);
            assert.ok(share > 0.02 && share < 0.9, `${shape}, ${colorScheme}: ${share} of it is ${ink}`);
            for (const [other, seen] of drawn) assert.notEqual(picture, seen, `${shape} looks like ${other}`);
            drawn.set(shape, picture);
        }
        assert.ok(drawn.size >= 13, [...drawn.keys()].join(" "));
    }
});

/* --- hostile and odd --------------------------------------------------------------------- */

const XSS = ["<img src=x onerror=alert(1)>", "<script>alert(1)</script>", "\"><svg onload=alert(1)>", "javascript:alert(1)", "' onfocus='alert(1)' autofocus='",
    "{{constructor.constructor('alert(1)')()}}", "</title><script>alert(1)</script>", "__proto__", "constructor"];

test("hostile text in every field stays text", async (t) => {
    for (const evil of XSS) {
        const s = await t.service({problem: [evil, "a2"], name: evil, status: {fleet: evil, health: {ok: false, reasons: [evil]}}});
        const m = Object.fromEntries(["host", "os", "arch", "python", "model", "pydcop", "error", "user", "fleet", "hostkey"].map((key) => [key, evil]));
        const ref = s.plug({...m, error: undefined, agents: [evil], addresses: [evil], state: "failed", work: {state: "stuck", why: evil, verb: evil, step: evil}});
        s.plug({...m, agents: [evil], trust: {state: "changed", pin: evil, source: evil}});
        s.plug({...m, agents: ["a3"], trust: {state: "new"}});
        s.extra = {warnings: [evil], problem_error: evil, unexpected: [{agent: evil, machine: ref.slice(0, 16), suggestion: evil}], assignments: [{ref, agent: evil, why: evil}], reserved: [{agent: evil, machine: evil}]};
        const run = s.run(evil);
        s.step(ref, run, evil, "failed", {detail: evil, output: evil});
        s.send("note", {run, ref, text: evil});
        Object.assign(s, {lines: [evil], logState: "ended", logWhy: evil});
        s.refusals = [{ref, detail: evil}];
        const page = await t.open(s);
        s.send(evil, {});
        s.send("__proto__", {polluted: 1});
        await page.locator(`.tile > button[data-ref="${ref}"]`).click();
        await page.waitForSelector("#panel:not([hidden])");
        await page.getByRole("button", {name: "Follow"}).first().click();
        await says(page, ".log", evil.slice(0, 12));
        await page.locator("#needs-more:visible").click();
        await page.locator("#panel .acts button", {hasText: "Deploy"}).first().click();
        await page.locator("#ask .main").click();
        await page.waitForSelector("#toasts li");
        assert.ok(await page.locator("body").innerText().then((words) => words.includes(evil.slice(0, 12))), evil);
        assert.equal(await page.locator("img, #needs script, #machines script, .panel script, [onerror], [onload], [onfocus]").count(), 0);
        assert.equal(await page.evaluate(() => ({}).polluted), undefined);
        await page.goto(`${s.url}wall.html`);
        await page.waitForSelector("#rows tr");
        assert.equal(await page.locator("img, #rows script, [onerror]").count(), 0);
        await page.close();
    }
});

test("odd names are isolated, bounded and visible", async (t) => {
    const s = await t.service("odd"), page = await t.open(s, {viewport: PHONE});
    const shown = await page.locator(".who").allInnerTexts();
    for (const words of ["a1␣", "⟨202E⟩evil⟨202C⟩", "<b>bold</b>", "محطة-١"]) assert.ok(shown.includes(words), `${words} in ${shown}`);
    assert.ok(shown.some((one) => one.startsWith("🤖🍓, second")));
    for (const height of await page.locator(".tile").evaluateAll((all) => all.map((el) => el.offsetHeight))) assert.ok(height < 150, `${height} px`);
});

for (const [scene] of Object.entries(SCENES))
    test(`nothing sticks out of a phone, scene ${scene}`, async (t) => {
        const s = await t.service(scene);
        for (const viewport of [PHONE, {width: 320, height: 568}]) {
            const page = await t.open(s, {viewport});
            const fits = () => page.evaluate(() => document.documentElement.scrollWidth <= innerWidth);
            assert.ok(await fits(), `${viewport.width}: page`);
            if (await page.locator("#needs-more").isVisible()) await page.locator("#needs-more").click();
            if (await page.locator(".tile > button").count()) {
                await page.locator(".tile > button").first().click();
                await page.waitForSelector("#panel:not([hidden])");
                assert.ok(await fits() && await page.locator("#panel").evaluate((el) => el.scrollWidth <= el.clientWidth && el.getBoundingClientRect().width <= innerWidth), `${viewport.width}: panel`);
                await page.keyboard.press("Escape");
                const small = await page.locator("button:visible, .pick:visible").evaluateAll((all) => all.filter((el) => el.offsetHeight < 36 || el.offsetWidth < 36).map((el) => el.outerHTML.slice(0, 90)));
                assert.deepEqual(small, []);
            }
            await page.close();
        }
    });

test("200 machines: there at once, and a change costs little", async (t) => {
    const s = await t.service("many"), begun = Date.now(), page = await t.open(s);
    await until("200 tiles", async () => (await page.locator(".tile").count()) === 200);
    console.log(`    opened in ${Date.now() - begun} ms`);
    const refs = [...s.machines.keys()];
    await page.evaluate(() => { window.long = []; new PerformanceObserver((list) => window.long.push(...list.getEntries().map((e) => e.duration))).observe({type: "longtask"}); });
    for (const ref of refs) s.change(ref, {state: "stopped"});
    await says(page, "#counts", "200 stopped");
    const long = await page.evaluate(() => window.long);
    console.log(`    long tasks: ${long.map(Math.round).join(", ") || "none"} ms`);
    assert.ok(Math.max(0, ...long) < 1000, `${long}`);
});

test("200 machines that print without end: the page keeps the last of each step, and no more", async (t) => {
    const s = await t.service("many"), page = await t.open(s), run = s.run("deploy"), refs = [...s.machines.keys()], cdp = await page.context().newCDPSession(page);
    s.events = { push() {}, length: 0 }; /* what the stand-in keeps is not the point */
    await cdp.send("Performance.enable");
    const used = async () => {
        await cdp.send("HeapProfiler.collectGarbage");
        const {metrics} = await cdp.send("Performance.getMetrics"), of = (name) => metrics.find((m) => m.name === name).value;
        return {heap: of("JSHeapUsedSize"), nodes: of("Nodes")};
    };
    await tile(page, "a01").locator("button").click();
    for (const ref of refs) s.work(ref, {state: "running", verb: "deploy", phase: "steps", step: "apt", number: 3, total: STEPS.length, run});
    for (const ref of refs) s.send("step", {run, ref, step: "apt", status: "failed", output: "y".repeat(4000)});
    await says(page, "#panel .steps", "yyyy");
    const before = await used();
    for (let i = 0; i < ROUNDS; i++) {
        for (const ref of refs) s.send("step", {run, ref, step: STEPS[i % STEPS.length], status: "failed", output: `${i} ${"z".repeat(3900)} ${i}`});
        if (i % 9 === 8) await says(page, "#panel .steps", ` ${i}`); /* the page has read what came so far */
    }
    s.work(refs.at(-1), {state: "ok"});
    await becomes(page, "a200", "running");
    const after = await used(), grown = (after.heap - before.heap) / 1e6;
    console.log(`    ${Math.round(ROUNDS * refs.length * 4000 / 1e6)} MB came; the heap grew by ${grown.toFixed(1)} MB, ${after.nodes - before.nodes} nodes more`);
    assert.ok(grown < 14, `${grown} MB more`);
    assert.ok(after.nodes - before.nodes < 500, `${after.nodes - before.nodes} nodes more`);
});

test("no machine, no problem, no daemon: each is said", async (t) => {
    const s = await t.service({problem: ["a1"]}), page = await t.open(s);
    await says(page, "#empty", "dcop-discover --doctor");
    s.setStatus({health: {ok: false, reasons: ["Avahi is not running"]}, quorum: 30, present: 0, packing: true});
    await says(page, "#lacks .grave", "Avahi is not running");
    await says(page, "#lacks", "Deployment starts when 30 machines are present; now 0.");
    await says(page, "#lacks", "being built");
    s.setStatus({later: [{machine: "m", agents: ["a7"], reason: "its key changed", reason_since: new Date().toISOString()},
        {machine: "n", host: "rpi-8.local", agents: [], reason: "off", reason_since: new Date().toISOString()}]});
    await says(page, "#lacks", "Deployed when back: a7 (its key changed since");
    await says(page, "#lacks", "rpi-8.local (off since");
    s.problem = null;
    s.extra = {problem_error: "problem.yaml:3:7: this is no list"};
    s.rematch();
    await says(page, "#lacks", "problem.yaml:3:7: this is no list");
    s.extra = {};
    s.rematch();
    await says(page, "#lacks", "No problem file is set");
    await says(page, "#sentence", "No machine yet.");
});

test("what waits for a machine that is away is taken out of the queue, with the token", async (t) => {
    const since = new Date().toISOString(), s = await t.service({problem: ["a1"]});
    s.setStatus({later: ["a7", "a8"].map((agent, i) => ({machine: `000000000000000${i}`, agents: [agent], reason: "off", reason_since: since}))});
    const page = await t.open(s, {token: false}), out = page.getByRole("button", {name: "Take a8 out of the queue"});
    await out.click();
    await says(page, "#ask", "Take a8 out of the queue?");
    await page.getByRole("button", {name: "Cancel"}).click();
    assert.equal(s.orders.length, 0);
    await out.click();
    await page.getByRole("button", {name: "Take it out"}).click();
    await page.getByRole("textbox", {name: "Token"}).fill(s.token);
    await page.getByRole("button", {name: "Use it"}).click();
    assert.deepEqual(await order(s, "later/0000000000000001"), {path: "later/0000000000000001", method: "DELETE"});
    await says(page, "#toasts", "a8 is out of the queue.");
    await until("it is gone", async () => !(await out.count()));
    await says(page, "#lacks", "Deployed when back: a7 (off since");
    s.status.later = []; /* which the page has not heard yet */
    t.expect("404");
    await page.getByRole("button", {name: "Take a7 out of the queue"}).click();
    await page.getByRole("button", {name: "Take it out"}).click();
    await says(page, "#toasts .wrong", "No deploy waits for such a machine.");
});

test("what is deployed to right now is not taken out of the queue", async (t) => {
    const since = new Date().toISOString(), s = await t.service({problem: ["a1"]});
    s.setStatus({later: ["a7", "a8"].map((agent, i) => ({machine: `000000000000000${i}`, agents: [agent], reason: "off", reason_since: since, at_work: i === 0}))});
    const page = await t.open(s);
    await says(page, "#lacks", "Deployed when back: a7 (off since");
    assert.equal(await page.getByRole("button", {name: "Take a8 out of the queue"}).count(), 1);
    assert.equal(await page.getByRole("button", {name: "Take a7 out of the queue"}).count(), 0);
});

test("the agent's log and a step's output are followed while they are shown", async (t) => {
    const s = await t.service({problem: ["a1", "a2"]}), page = await t.open(s);
    const ref = s.plug({agents: ["a1"], state: "running"});
    s.plug({agents: ["a2"], state: "running"});
    s.lines = ["Agent is running"];
    await tile(page, "a1").locator("button").click();
    assert.equal(await page.getByRole("button", {name: "Follow"}).count(), 1);
    await page.getByRole("button", {name: "Follow"}).click();
    await says(page, ".log", "Agent is running");
    for (let i = 0; i < 1000; i++) s.lines.push(`line ${i}`);
    await says(page, ".log", "line 999");
    const log = page.locator(".log");
    assert.ok((await log.innerText()).split("\n").length <= 500);
    assert.ok(await log.evaluate((el) => el.querySelector("span").getBoundingClientRect().bottom <= el.getBoundingClientRect().bottom));
    s.logState = "ended";
    s.logWhy = "the machine is gone";
    await says(page, "#panel", "the machine is gone");
    const asked = s.asked.length;
    Object.assign(s, {logState: "following", logWhy: undefined});
    await new Promise((done) => setTimeout(done, 1500)); /* nothing is asked any more: there is no event to wait for */
    assert.equal(s.asked.length, asked);
    s.change(ref, {work: {state: "running", verb: "deploy", run: 1, step: "apt", number: 3, total: 9}});
    await page.getByRole("button", {name: "Follow", exact: true}).first().click();
    await says(page, ".log", "line 999");
    assert.equal(s.asked.at(-1), "step");
    await tile(page, "a2").locator("button").click();
    assert.equal(await page.locator(".log").count(), 0);
});

test("wall list: every name, machine and address, for paper too", async (t) => {
    const s = await t.service("thirty"), page = await t.open(s, {path: "wall.html", live: false});
    await page.waitForSelector("#rows tr");
    assert.equal(await page.locator("#rows tr").count(), 30);
    const words = await text(page, "#rows");
    for (const m of s.machines.values()) for (const word of [m.agents[0], m.addresses[0]]) assert.ok(words.includes(word), word);
    await page.emulateMedia({media: "print", colorScheme: "dark"});
    assert.ok(await page.locator("#print").isHidden());
    assert.equal(await page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor), "rgb(255, 255, 255)");
    assert.ok((await page.pdf()).length > 5000);
});

test("labels: each machine has a card, whose code opens its tile", async (t) => {
    const s = await t.service("thirty"), page = await t.open(s, {path: "wall.html", live: false});
    await page.waitForSelector("#rows tr");
    assert.ok(await page.locator("#cards").isHidden());
    await page.click("#labels");
    assert.ok(await page.locator("table").isHidden());
    const cards = page.locator("#cards li"), here = [...s.machines.values()].filter((m) => m.agents.length);
    await until("the cards", async () => (await cards.count()) >= here.length);
    const of = new URL(await cards.first().locator("img").evaluate((img) => img.src)).searchParams.get("of");
    assert.ok(await cards.first().locator("img").evaluate((img) => img.decode().then(() => img.naturalWidth > 0)));
    assert.ok(of.startsWith(`${s.url}#m=`), of);
    assert.match(await cards.first().locator("img").getAttribute("alt"), /^QR code of [a-z0-9-]+$/);
    const there = await t.open(s, {path: of.slice(s.url.length), token: false});
    const m = s.machines.get(of.split("#m=")[1]);
    await says(there, "#panel-title", m.agents[0]);
    await there.close();
    const clone = s.plug({ref: `${m.ref}-1`, agents: ["a77"]}); /* as members.c names the second machine of a copied card */
    await says(await t.open(s, {path: `#m=${clone}`, token: false}), "#panel-title", "a77");
    await page.click("#labels");
    assert.ok(await page.locator("#cards").isHidden());
});

await main();
