/* Loads the page anew when a part comes that did not: the network had changed. */
const again = (url) => setTimeout(() => fetch(url).then(({ok}) => ok && location.reload(), () => again(url)), 3000);
addEventListener("error", ({target: {src, href}}) => (src ?? href) && again(src ?? href), true);
