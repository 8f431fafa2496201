/* The browser that tests and pictures use: Debian's Chromium, driven by playwright-core (tests/browser/run.sh says where). */
import {createRequire} from "node:module";

const {chromium} = createRequire(import.meta.url)(process.env.PLAYWRIGHT);

export const PHONE = {width: 390, height: 844}, DESK = {width: 1280, height: 800};

export const launch = () => chromium.launch({
    executablePath: process.env.DCOP_CHROMIUM ?? process.env.CHROMIUM,
    /* Chromium's own sandbox wants to be no root; only pages of ours are opened. */
    args: process.getuid() === 0 ? ["--no-sandbox"] : [],
});
