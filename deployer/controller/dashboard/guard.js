/* Loads the page anew if a part did not come, as when an address of its computer changes. */
const again = () => setTimeout(() => fetch("").then(({ok}) => (ok ? location.reload() : again()), again), 3000);
addEventListener("error", ({target}) => /LINK|SCRIPT/.test(target.nodeName) && again(), true);
