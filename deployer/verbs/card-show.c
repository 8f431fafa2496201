#include "card-show.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "deployer/card/banner.h"
#include "deployer/card/label.h"
#include "discovery/base/file.h"
#include "discovery/base/output.h"
#include "discovery/base/terminal.h"

enum { LABELS_MAX = 4 * 1024 * 1024 };

int card_show_json(const char *event, const char *place, const struct card_look *look,
                   const struct card_wish *w, struct error *err)
{
    json_t *o =
        json_pack("{s:i,s:s,s:s,s:s,s:s?,s:s?,s:s?}", "version", 1, "event", event, "card", place,
                  "format", card_format_name(look->format), "agent", w ? w->agent : look->agent,
                  "hostname", w ? w->hostname : NULL, "user", w ? w->user : NULL);
    CLEANUP_FREE char *text = NULL;

    for (void *i = json_object_iter(o), *next; i; i = next) {
        next = json_object_iter_next(o, i);
        if (json_is_null(json_object_iter_value(i)))
            (void)json_object_del(o, json_object_iter_key(i));
    }
    text = o ? json_dumps(o, JSON_COMPACT) : NULL;
    json_decref(o);
    if (!text)
        return error_sys(err, -ENOMEM, "cannot write JSON");
    printf("%s\n", text);
    return 0;
}

int card_show_check_labels(const struct deploy_options *o, struct error *err)
{
    CLEANUP_FREE char *file = NULL, *folder = NULL;
    CLEANUP_TEXT struct text page = TEXT_INIT;
    int r = o->labels ? output_file(o->labels, &file, err) : 0;

    if (r < 0 || !o->labels)
        return r;
    folder = strdup(file);
    if (!folder)
        return error_sys(err, -ENOMEM, "cannot write %s", o->labels);
    if (access(file, F_OK) == 0 && (r = file_read(file, LABELS_MAX, &page, err)) < 0)
        return r;
    /* The file is replaced: it is the folder that must be writable. */
    if (strrchr(folder, '/'))
        strrchr(folder, '/')[strrchr(folder, '/') == folder] = '\0';
    else
        strcpy(folder, ".");
    return access(folder, W_OK | X_OK) < 0 ? error_sys(err, -errno, "cannot write %s", o->labels)
                                           : 0;
}

/* The card is prepared already: that is said, too, when its label fails. */
static int add_label(const struct deploy_options *o, const char *place, const struct card_wish *w,
                     struct error *err)
{
    CLEANUP_TEXT struct text page = TEXT_INIT;
    struct error why = {0};
    int r = 0;

    if (!o->labels || !w->agent)
        return 0;
    if (access(o->labels, F_OK) == 0)
        r = file_read(o->labels, LABELS_MAX, &page, &why);
    if (r == 0) {
        card_label(w->agent, w->hostname, w->fleet, &page);
        r = text_error(&page) < 0 ? error_sys(&why, -ENOMEM, "cannot write %s", o->labels)
                                  : output_write(o->labels, page.data, page.size, &why);
    }
    return r < 0 ? error_set(err, r,
                             "the card in %s is prepared for %s, but has no label: %s; the card "
                             "can be used",
                             place, w->agent, why.text)
                 : 0;
}

int card_show_prepared(const struct deploy_options *o, const char *folder,
                       const struct card_look *look, const struct card_wish *w, struct error *err)
{
    CLEANUP_TEXT struct text words = TEXT_INIT;
    int r = o->json ? card_show_json("prepared", folder, look, w, err) : 0;

    if (r < 0 || o->json)
        return r < 0 ? r : add_label(o, folder, w, err);
    text_add_printable(&words, folder);
    text_adds(&words, " is prepared");
    if (w->agent) {
        text_adds(&words, " for ");
        text_add_printable(&words, w->agent);
    }
    text_addf(&words, ": host name %s, user %s, %s (%s)\n",
              w->hostname ? w->hostname : "of each machine's own id", w->user,
              !w->password   ? "no password"
              : w->sudo_asks ? "sudo asks for the password"
                             : "sudo asks for no password",
              card_format_name(look->format));
    terminal_put(stdout, &words);
    return add_label(o, folder, w, err);
}

void card_show_add_former(const struct card_look *look, struct text *words)
{
    text_adds(words, "was prepared");
    if (look->agent) {
        text_adds(words, " for ");
        text_add_shown(words, look->agent);
    }
    text_adds(words, look->unfinished ? ", and that was broken off"
                     : look->booted   ? ", and has booted since"
                                      : ", and has not booted since");
}

void card_show_banner(const struct deploy_options *o, const char *agent)
{
    CLEANUP_TEXT struct text words = TEXT_INIT;

    if (o->json || !agent)
        return;
    text_addc(&words, '\n');
    card_banner(agent, terminal_style(STDOUT_FILENO).width, &words);
    text_addc(&words, '\n');
    terminal_put(stdout, &words);
}
