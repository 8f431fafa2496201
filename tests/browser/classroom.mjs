/* The dashboard of the real service; tests/browser/classroom runs it, inside a classroom that is up. */
import {spawn} from "node:child_process";
import {mkdirSync} from "node:fs";
import {agrees, assert, main, test, until} from "./harness.mjs";
import {PHONE} from "./browser.mjs";
import {CLASSROOM, classroom, on, problemOf, Service, SOON} from "./service.mjs";

const pictures = process.env.SCREENSHOTS, LONG = 240000; /* ms */

const tile = (page, agent) => page.locator(".tile", {has: page.locator(".who", {hasText: new RegExp(`^${agent}$`)})});
const states = (page, agent) => tile(page, agent).evaluateAll((all) => all.map((el) => /s-(\w+)/.exec(el.className)[1]));
const becomes = async (page, agent, state, ms = SOON) => {
    await until(() => `${agent} ${state}; it is ${page.last}`, async () => (page.last = await states(page, agent)).includes(state), ms);
    await agrees(page, SOON);
};
const says = (page, selector, words, ms = SOON) => until(`${selector} says ${words}`, async () => (await page.locator(selector).allInnerTexts()).join("\n").includes(words), ms);
const picture = async (page, name) => { if (pictures) await page.screenshot({path: `${pictures}/${name}.png`, animations: "disabled"}); };
const press = (page, name) => page.getByRole("button", {name, exact: true}).click();

if (pictures) mkdirSync(pictures, {recursive: true});

test("a lesson, on real machines", async (t) => {
    t.expect("ERR_");
    problemOf("a1", "a2");
    const service = await new Service().start();
    t.closing.push(() => service.stop());
    const page = await t.open(service), phone = await t.open(service, {viewport: PHONE, colorScheme: "dark"});
    const step = (words) => console.log(`    ${words}`);
    await says(page, "#sentence", "0 of 2 agents are here.");

    /* The page against a listener of its own: what the page adds to the service's telling. */
    await page.evaluate(() => new MutationObserver(() => (window.shown ??= document.querySelector(".tile > button") && Date.now())).observe(document.getElementById("machines"), {childList: true, subtree: true}));
    const ear = await t.browser.newPage();
    t.closing.push(() => ear.close());
    await ear.goto(service.url + "wall.html");
    await ear.evaluate(() => new EventSource("/api/v1/events").addEventListener("machine", () => (window.told ??= Date.now())));
    await classroom("plug", "rpi-1", "--agent", "A1");
    await becomes(page, "A1", "new");
    const late = await page.evaluate(() => window.shown) - (await ear.evaluate(() => window.told));
    step(`plugged in: a tile, ${late} ms after the service told another listener`);
    assert.ok(late < 1000, `${late} ms`);
    await says(page, "#needs", "A1 is not in the problem; did you mean a1?");
    await picture(page, "1-plugged");

    const hostkey = (await on("rpi-1", "ssh-keygen", "-lf", "/etc/ssh/ssh_host_ed25519_key.pub")).split(" ")[1];
    await says(page, ".keys", hostkey);
    await page.locator(".keys").getByRole("button", {name: "Accept…"}).click();
    await says(page, "#ask", hostkey);
    await press(page, "Accept");
    await becomes(page, "A1", "misnamed");
    step("accepted, beside the fingerprint that the machine itself tells");

    await press(page, "Correct to a1…");
    await press(page, "Give the name");
    await becomes(page, "a1", "ready", LONG);
    assert.match(await on("rpi-1", "cat", "/etc/dcop/beacon.conf"), /agent a1/);
    await says(phone, "#sentence", "1 of 2 agents are here.");
    step("the near miss is corrected, on the machine too");

    await on("rpi-1", "sh", "-c", "echo 'agent a2' >/etc/dcop/beacon.conf");
    await becomes(page, "a2", "ready");
    await on("rpi-1", "sh", "-c", "echo 'agent a1' >/etc/dcop/beacon.conf");
    await becomes(page, "a1", "ready");
    step("renamed by hand there and back: the tile follows");

    await tile(page, "a1").locator("button").click();
    await page.locator("#panel").getByRole("button", {name: "Deploy…"}).click();
    await says(page, "#ask", "a1 on rpi-1");
    await press(page, "Deploy");
    await becomes(page, "a1", "deploying");
    await says(page, "#panel .r-started", "apt", LONG);
    await picture(page, "2-deploying");
    await picture(phone, "2-deploying-phone");
    await service.stop("SIGKILL");
    await page.waitForSelector("#link[data-state=lost]");
    await picture(page, "3-lost");
    step("killed in mid-deploy: the page says so");
    await service.start();
    await page.waitForSelector("#link[data-state=live]", {timeout: SOON});
    step("back: the page is live again by itself");
    await becomes(page, "a1", "running", LONG);
    assert.equal(await on("rpi-1", "systemctl", "is-active", "dcop-agent"), "active");
    await says(phone, "#counts", "1 running");
    step("green, and the agent's unit is active");
    await press(page, "Follow");
    await page.waitForSelector(".log", {timeout: SOON});
    await picture(page, "4-running");

    await classroom("plug", "rpi-9", "--no-beacon");
    const id = await page.evaluate(async () => (await (await fetch("/api/v1/machines")).json()).machines[0].id);
    const liar = spawn(CLASSROOM, ["exec", "rpi-9", "--", "avahi-publish-service", `dcop-${id}-2`, "_dcop-agent._tcp", "22", "txtvers=1", `id=${id}`, "agent=a1", `hk=SHA256:${"A".repeat(42)}E`]);
    t.closing.push(() => liar.kill());
    await page.locator(".tile.s-impostor").waitFor({timeout: SOON});
    await says(page, ".need.s-impostor", hostkey);
    await says(page, ".need.s-impostor", "AAAAE");
    assert.deepEqual((await states(page, "a1")).sort(), ["impostor", "running"]);
    await picture(page, "5-impostor");
    await picture(phone, "5-impostor-phone");
    step("an impostor: red, beside the machine that it pretends to be");
    await on("rpi-9", "pkill", "avahi-publish").catch(() => {});

    await classroom("unplug", "rpi-1", "--power");
    await becomes(page, "a1", "offline", LONG);
    await says(page, "#lacks", "last seen");
    await picture(page, "6-unplugged");
    step("unplugged: grey");
}, 900000);

await main();
