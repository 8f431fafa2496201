#include "fleet.h"

#include <errno.h>

#include "discovery/base/file.h"
#include "discovery/network/discovery.h"
#include "discovery/network/look.h"
#include "discovery/report/roster-text.h"

struct fleet {
    struct look_options asked; /* borrowed by `look` */
    struct key key;            /* the fleet key, if there is one; borrowed by `look`, too */
    struct machine_list saved;
    struct text domain_words; /* why the domain may have more machines; empty: it has none */
    struct look *look;        /* NULL: the machines are those of `saved` */
};

void fleet_free(struct fleet *f)
{
    if (!f)
        return;
    look_free(f->look);
    machine_list_clear(&f->saved);
    text_clear(&f->domain_words);
    key_clear(&f->key);
    free(f);
}

const struct machine *const *fleet_machines(struct fleet *f, size_t *ret_count)
{
    if (f->look)
        return look_machines(f->look, ret_count);
    *ret_count = f->saved.count;
    return f->saved.pointers;
}

int fleet_signal(const struct fleet *f)
{
    return f->look ? look_signal(f->look) : 0;
}

const char *fleet_why_short(const struct fleet *f)
{
    if (!f->look)
        return NULL;
    if (f->domain_words.size > 0)
        return text_str(&f->domain_words);
    if (look_time_was_up(f->look))
        return "time was up before all had been heard; look longer with --discovery-timeout";
    if (look_too_many(f->look))
        return "more records were heard than fit";
    if (look_is_short(f->look))
        return "the Avahi daemon has reached a limit; dcop-discover says which";
    return discovery_known_trouble(look_discovery(f->look));
}

int fleet_candidates(const struct fleet *f, struct candidate_list *ret, bool *ret_more)
{
    *ret_more = f->look && discovery_too_many_candidates(look_discovery(f->look));
    return f->look ? discovery_candidates(look_discovery(f->look), ret) : 0;
}

static int read_saved(struct fleet *f, const char *path, struct error *err)
{
    CLEANUP_TEXT struct text json = TEXT_INIT;
    int r = file_read(path, REPORT_JSON_MAX, &json, err);

    return r < 0 ? r : report_roster_read(text_str(&json), json.size, path, &f->saved, err);
}

/* What is amiss with the domain; an error where nothing was found because of it. */
static int check_domain(struct fleet *f, struct error *err)
{
    CLEANUP_TEXT struct text words = TEXT_INIT;
    size_t n;

    if (!discovery_explain_domain(look_discovery(f->look), &words))
        return 0;
    (void)look_machines(f->look, &n);
    if (n == 0)
        return error_set(err, -EREMOTEIO, "%s; and no machine was found on this network",
                         text_str(&words));
    text_adds(&f->domain_words, text_str(&words));
    return text_error(&f->domain_words);
}

int fleet_find(const struct fleet_options *o, const struct problem *problem, struct fleet **ret,
               struct error *err)
{
    CLEANUP(fleet_free_p) struct fleet *f = calloc(1, sizeof(*f));
    int r;

    if (!f)
        return error_sys(err, -ENOMEM, "cannot look for machines");
    if (o->from)
        r = read_saved(f, o->from, err);
    else {
        r = key_read_fleet(o->config_dir, &f->key, err);
        f->asked = (struct look_options){
            .fleet = o->fleet,
            .known = o->known,
            .domain = o->domain,
            .timeout_ms = o->timeout_ms,
            .patient = o->patient,
            .candidates = o->candidates,
            .key = r > 0 ? &f->key : NULL,
        };
        if (r >= 0)
            r = look_run(&f->asked, problem, &f->look, err);
        if (r >= 0 && !look_signal(f->look))
            r = check_domain(f, err);
    }
    if (r < 0)
        return r;
    *ret = TAKE_PTR(f);
    return 0;
}
