/*
 * The README's picture, of the real service in a classroom that is up: `make screenshots`.
 * REAL machines (3) are deployed to; another one speaks for the rest of the class.
 */
import {spawn} from "node:child_process";
import {mkdirSync} from "node:fs";
import {classroom, on, problemOf, Service, SOON} from "./service.mjs";
import {main, test, until} from "./harness.mjs";
import {fingerprint} from "./standin.mjs";

const REAL = Number(process.env.REAL ?? 3), CLASS = 30, folder = process.env.SCREENSHOTS ?? "dist";
const agent = (n) => `a${String(n).padStart(2, "0")}`;
const missing = [17, 22], real = [9, 12, 21, 26].slice(0, REAL);

/* Everybody else's records, said by one machine for as long as it is asked to. */
const speak = `set -eu
address=$(ip -o -4 addr show eth0 | awk '{ sub("/.*", "", $4); print $4; exit }')
while read -r n id agent key; do
    avahi-publish-address -R "rpi-$n.local" "$address" &
    avahi-publish-service -H "rpi-$n.local" "dcop-$id" _dcop-agent._tcp 22 txtvers=1 "id=$id" "agent=$agent" "hk=$key" \
        user=pi os=debian-13 arch=arm64 py=3.13 "model=Raspberry Pi 5 Model B" state=running pydcop=0.1.2a1 &
done
wait`;

test("the README's picture", async (t) => {
    mkdirSync(folder, {recursive: true});
    problemOf(...Array.from({length: CLASS}, (_, i) => agent(i + 1)));
    const service = await new Service().start();
    t.closing.push(() => service.stop());
    const page = await t.open(service);

    await classroom("plug", "rpi-99", "--no-beacon");
    const voice = spawn("tests/classroom/classroom", ["exec", "rpi-99", "--", "sh", "-c", speak], {stdio: ["pipe", "ignore", "ignore"]});
    t.closing.push(() => on("rpi-99", "pkill", "avahi-publish").catch(() => {}));
    for (let n = 1; n <= CLASS; n++)
        if (![...missing, ...real].includes(n)) voice.stdin.write(`${n} ${String(n).padStart(16, "0")} ${agent(n)} ${fingerprint(`key ${n}`)}\n`);
    voice.stdin.end();
    await Promise.all(real.map((n) => classroom("plug", `rpi-${n}`, "--agent", agent(n))));

    await until("all are seen", async () => (await page.locator(".tile.s-new").count()) === CLASS - missing.length, 4 * SOON);
    await page.getByRole("button", {name: /^Accept all/}).click();
    await page.locator("#ask .main").click();
    await until("all are accepted", async () => (await page.locator(".tile.s-new").count()) === 0, SOON);
    for (const n of real) await page.locator(".tile", {hasText: agent(n)}).locator("input").check();
    await page.locator("#tools").getByRole("button", {name: "Deploy…"}).click();
    await page.locator("#ask .main").click();
    await until("work on all of them", async () => (await page.locator(".tile.s-deploying progress").count()) === real.length, 4 * SOON);
    await page.waitForTimeout(1500); /* each at a step of its own */
    await page.mouse.move(0, 0);
    await page.evaluate(() => document.getElementById("toasts").replaceChildren());
    await page.screenshot({path: `${folder}/dashboard.png`, animations: "disabled"});
    await until("they run", async () => (await page.locator(".tile.s-running").count()) === CLASS - missing.length, 8 * SOON);
}, 900000);

await main();
