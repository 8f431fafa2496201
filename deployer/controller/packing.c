/* Packs what is sent to machines, in a thread: the steps alone, and pyDCOP. */
#include <errno.h>
#include <string.h>

#include "deployer/cache/caches.h"
#include "deployer/wheel/wheel.h"
#include "discovery/base/clock.h"
#include "private.h"

struct packing {
    struct controller *c;
    struct task *task;
    struct paths paths; /* borrowed strings: they do not change */
    struct cache_choice choice;
    char *spec;
    bool with_steps;
    struct pack *steps, *pack;
    int r;
    struct error err;
};

static void packing_free(struct packing *p)
{
    if (!p)
        return;
    task_free(p->task);
    pack_unref(p->steps);
    pack_unref(p->pack);
    cache_choice_clear(&p->choice);
    free(p->spec);
    free(p);
}

static void run_packing(void *arg, int cancel_fd)
{
    struct packing *p = arg;

    CLEANUP(caches_clear) struct caches caches = {0};

    if (p->with_steps)
        p->r = pack_make(NULL, NULL, NULL, &p->paths, cancel_fd, &p->steps, &p->err);
    if (p->r == 0)
        p->r = caches_find(&p->choice, &p->paths, &caches, &p->err);
    if (p->r == 0)
        p->r = pack_make(p->spec, caches_index(&caches, &p->choice), NULL, &p->paths, cancel_fd,
                         &p->pack, &p->err);
}

static void replace_pack(struct pack **to, struct pack **from)
{
    if (!*from)
        return;
    pack_unref(*to);
    *to = TAKE_PTR(*from);
}

static void on_packing_done(void *arg)
{
    struct packing *p = arg;
    struct controller *c = p->c;
    bool again = c->packs.repack;

    replace_pack(&c->packs.steps, &p->steps);
    if (p->pack && p->pack->wheels.unconfined)
        controller_log(c, "pyDCOP was built, but %s", p->pack->wheels.unconfined);
    replace_pack(&c->packs.pack, &p->pack);
    if (p->r < 0 && !string_equal(c->packs.error, p->err.text))
        controller_log(c, "%s", p->err.text);
    controller_set_trouble(&c->packs.error, p->r < 0 && !again ? p->err.text : NULL);
    if (p->r == 0 && c->settings.deploy.spec)
        (void)state_setting_set(c->state, STATE_SETTING_SPEC, p->spec, NULL);
    c->packs.ended_ms = clock_ms(CLOCK_MONOTONIC);
    c->packs.packing = NULL;
    c->packs.repack = false;
    packing_free(p);
    if (again)
        packing_start(c);
    model_clear(c);
    controller_evaluate_soon(c);
}

static char *choose_spec(struct controller *c)
{
    char *spec = NULL;

    if (c->settings.deploy.spec)
        return wheel_spec_absolute(c->settings.deploy.spec);
    if (state_setting_get(c->state, STATE_SETTING_SPEC, &spec, NULL) == 0)
        return spec;
    return strdup("pydcop");
}

bool packing_is_done(const struct controller *c)
{
    return c->packs.pack && !c->packs.packing && !c->packs.error;
}

bool packing_is_awaited(const struct controller *c, const struct member *m)
{
    return c->packs.error && m->pending && strcmp(m->pending, "deploy") == 0;
}

/* After a failure it does not try again before REPACK_MS, whoever calls. */
void packing_start(struct controller *c)
{
    struct packing *p;
    struct error err = {0};

    if (c->packs.packing ||
        (c->packs.error && clock_ms(CLOCK_MONOTONIC) - c->packs.ended_ms < REPACK_MS))
        return;
    p = calloc(1, sizeof(*p));
    if (!p)
        return;
    p->c = c;
    p->paths = c->paths;
    p->with_steps = !c->packs.steps;
    p->spec = choose_spec(c);
    c->packs.packing = p;
    if (!p->spec || cache_choice_copy(&c->settings.deploy.caches, &p->choice) < 0 ||
        task_start(c->loop, run_packing, on_packing_done, p, &p->task, &err) < 0) {
        c->packs.packing = NULL;
        packing_free(p);
        controller_set_trouble(&c->packs.error, err.text[0] ? err.text : "out of memory");
        c->packs.ended_ms = clock_ms(CLOCK_MONOTONIC);
    }
}

void packing_stop(struct controller *c)
{
    packing_free(TAKE_PTR(c->packs.packing));
    c->packs.pack = pack_unref(c->packs.pack);
    c->packs.steps = pack_unref(c->packs.steps);
}
