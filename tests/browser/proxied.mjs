/* The real service behind nginx, in a folder of another host name; tests/browser/proxied runs it. */
import {readFile, writeFile} from "node:fs/promises";
import {readFileSync} from "node:fs";
import {assert, main, says, test, until} from "./harness.mjs";

const play = process.env.DCOP_PLAY, token = readFileSync(`${process.env.DCOP_STATE}/token`, "utf8").trim();
const KEY = `SHA256:${"0".repeat(43)}`;

for (const scheme of ["http", "https"]) {
    const url = `${scheme}://lab.example/dcop/`, service = {url, urlWithToken: `${url}#token=${token}`}, options = {ignoreHTTPSErrors: true};

    test(`${scheme}: events and orders`, async (t) => {
        t.expect("Cross-Origin-Opener-Policy"); /* for https only, Chromium says */
        const page = await t.open(service, options);
        assert.equal(page.url(), url, "the token has left the address");
        await writeFile(`${play}/plug`, "");
        await says(page, ".tile", "a1");
        await page.getByRole("button", {name: "Accept…"}).first().click();
        await says(page, "#ask", KEY);
        await page.getByRole("button", {name: "Accept", exact: true}).click();
        await says(page, "#toasts", "Accepted: 1 machine.");
        await page.locator(".tile > button").first().click();
        await page.locator("#panel").getByRole("button", {name: "Forget…"}).click();
        await page.getByRole("button", {name: "Forget", exact: true}).click();
        await says(page, "#toasts", "Forgotten: 1 machine.");
    });

    test(`${scheme}: every page, its links and downloads`, async (t) => {
        t.expect("Cross-Origin-Opener-Policy"); /* for https only, Chromium says */
        const page = await t.open(service, options);
        await says(page, ".tile", "a1");
        await page.getByRole("link", {name: "Wall list"}).click();
        await says(page, "#rows", "a1");
        await page.click("#labels");
        const code = page.locator("#cards img");
        assert.ok(await code.evaluate((img) => img.decode().then(() => img.naturalWidth > 0)), "the QR code");
        const label = new URL(await code.evaluate((img) => img.src)).searchParams.get("of");
        assert.ok(label.startsWith(`${url}#m=`), label);
        await says(await t.open(service, {...options, path: label.slice(url.length), token: false}), "#panel-title", "a1");
        await page.getByRole("link", {name: "Back to the dashboard"}).click();
        await page.getByRole("link", {name: "Solve"}).click();
        await says(page, "#experiments", "lamps.yaml");
        await page.locator("#experiments input").click();
        await says(page, "#chosen", "mgm");
        for (const [role, name, words] of [["link", /^Plot/, /<svg/], ["button", /^Download|^Folder/, /lamps\/metrics\.csv/]]) {
            const [download] = await Promise.all([page.waitForEvent("download"), page.locator("#chosen").getByRole(role, {name}).first().click()]);
            assert.match(await readFile(await download.path(), "latin1"), words);
        }
        await page.getByRole("link", {name: "Machines"}).click();
        await until("the first page", () => page.url() === url);
        await says(page, "#link", "Live");
    });
}

await main();
