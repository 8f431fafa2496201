/*
 * Pictures of every scene, to look at: tests/browser/run.sh tests/browser/look.mjs FOLDER [SCENE…]
 * Those of solve.html are called solve/NAME.
 */
import {mkdir} from "node:fs/promises";
import {DESK, launch, PHONE} from "./browser.mjs";
import {SCENES, SOLVES} from "./standin.mjs";

const [folder = "build/screenshots", ...wanted] = process.argv.slice(2);
await mkdir(folder, {recursive: true});
const browser = await launch();
const scenes = new Map([...Object.entries(SCENES).map(([name, make]) => [name, {make, path: ""}]), ...Object.entries(SOLVES).map(([name, make]) => [`solve/${name}`, {make, path: "solve.html"}])]);
for (const scene of wanted.length ? wanted : scenes.keys()) {
    const {make, path} = scenes.get(scene), service = await (await make()).start();
    for (const [size, viewport] of [["phone", PHONE], ["desk", DESK]])
        for (const colorScheme of ["light", "dark"]) {
            const page = await browser.newPage({viewport, colorScheme, deviceScaleFactor: size === "phone" ? 2 : 1});
            await page.goto(service.urlWithToken.replace("#", `${path}#`));
            await page.waitForSelector("#link[data-state=live]");
            await page.waitForTimeout(400);
            if (scene === "solve/compared") for (const i of [1, 2]) await page.locator("#experiments input").nth(i).click();
            if (scene === "solve/compared") await page.waitForSelector(".facts-of");
            await page.screenshot({fullPage: path !== "", path: `${folder}/${scene.replace("/", "-")}-${size}-${colorScheme}.png`, animations: "disabled"});
            await page.close();
        }
    await service.stop();
}
await browser.close();
