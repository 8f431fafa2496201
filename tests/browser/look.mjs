/*
 * Pictures of every scene, to look at: tests/browser/run.sh tests/browser/look.mjs FOLDER [SCENE…]
 */
import {mkdir} from "node:fs/promises";
import {DESK, launch, PHONE} from "./browser.mjs";
import {SCENES} from "./standin.mjs";

const [folder = "build/screenshots", ...wanted] = process.argv.slice(2);
await mkdir(folder, {recursive: true});
const browser = await launch();
for (const scene of wanted.length ? wanted : Object.keys(SCENES)) {
    const service = await (await SCENES[scene]()).start();
    for (const [size, viewport] of [["phone", PHONE], ["desk", DESK]])
        for (const colorScheme of ["light", "dark"]) {
            const page = await browser.newPage({viewport, colorScheme, deviceScaleFactor: size === "phone" ? 2 : 1});
            await page.goto(service.urlWithToken);
            await page.waitForSelector("#link[data-state=live]");
            await page.waitForTimeout(150);
            await page.screenshot({path: `${folder}/${scene}-${size}-${colorScheme}.png`, animations: "disabled"});
            await page.close();
        }
    await service.stop();
}
await browser.close();
