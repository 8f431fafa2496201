#include "cache-print.h"

#include <stdio.h>
#include <unistd.h>

#include "deployer/cli/program.h"
#include "discovery/base/terminal.h"

bool cache_tells_progress(const struct deploy_options *o)
{
    return !o->json && !o->quiet && terminal_takes_escapes(STDERR_FILENO);
}

void cache_tell_progress(const char *system, size_t files, size_t of, uint64_t bytes, void *arg)
{
    CLEANUP_TEXT struct text line = TEXT_INIT;

    (void)arg;
    text_adds(&line, "\r");
    text_add_printable(&line, system);
    if (of == 0) {
        text_adds(&line, ": what it needs");
    } else {
        text_addf(&line, ": %zu of %zu files, ", files, of);
        cache_add_bytes(&line, bytes);
    }
    text_adds(&line, "\033[K"); /* ECMA-48, EL */
    terminal_put(stderr, &line);
}

void cache_tell_end(void)
{
    CLEANUP_TEXT struct text line = TEXT_INIT;

    text_adds(&line, "\r\033[K");
    terminal_put(stderr, &line);
}

int cache_tell(const struct deploy_options *o, const struct cache_results *results, bool primed,
               struct error *err)
{
    CLEANUP_TEXT struct text out = TEXT_INIT;
    int r = o->json ? cache_results_json(results, &out) : cache_results_text(results, primed, &out);

    if (r < 0)
        return error_sys(err, r, "cannot print the result");
    if (!o->json && !primed)
        text_adds(&out, cache_results_ok(results)
                            ? "A deploy would succeed without the internet.\n"
                            : "A deploy would not succeed without the internet; with it, "
                              "`dcop-deploy cache prime` fetches what is missing.\n");
    terminal_put(stdout, &out);
    return 0;
}
