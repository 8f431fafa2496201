/* GET /api/v1/machines/{ref}/log: a log as it grows, for clients that poll it. */
#include <errno.h>
#include <string.h>

#include "private.h"

static json_t *lines_after(const struct follow *f, uint64_t after)
{
    json_t *a = json_array();

    if (after < f->backlog->first)
        after = f->backlog->first;
    for (uint64_t n = after + 1; a && n <= f->backlog->last; n++)
        (void)json_array_append_new(a, json_string(backlog_line(f->backlog, n)));
    return a;
}

static void answer_log(enum follow_of of, const struct follow *f, const char *cursor,
                       struct answer *ret)
{
    uint64_t after = follow_after(f, cursor);
    char next[FOLLOW_CURSOR_MAX];
    json_t *o;

    follow_cursor(f, next);
    o = json_pack("{s:i, s:s, s:s, s:b, s:o, s:s}", "version", 1, "of", follow_of_name(of), "state",
                  follow_state_name(f->state), "fresh", (int)(after == 0), "lines",
                  lines_after(f, after), "next", next);
    if (o && f->why)
        (void)json_object_set_new(o, "why", view_text(f->why));
    answer_json(ret, 200, o);
}

/* What the client wants to follow does not exist yet. */
static void answer_not_yet(enum follow_of of, struct answer *ret)
{
    answer_json(ret, 200,
                json_pack("{s:i, s:s, s:s, s:b, s:[], s:s}", "version", 1, "of", follow_of_name(of),
                          "state", follow_state_name(FOLLOW_CONNECTING), "fresh", 1, "lines",
                          "next", "0-0"));
}

static int begin_follow(struct controller *c, struct member *m, enum follow_of of,
                        struct follow *ret, struct error *err)
{
    const struct deploy_options *o = &c->settings.deploy;
    CLEANUP(target_clear) struct target target = {0};
    const struct follow_options options = {
        .state = c->state,
        .who = c->who,
        .keys = &o->keys,
        .config = o->config_dir,
        .user = o->user,
        .password = c->passwords.login,
        .become_password = c->passwords.become,
        .consent = {.given = o->accept_new},
        .timeout_ms = o->timeout_ms,
    };

    if (target_from_machine(&m->machine, &target) < 0)
        return error_sys(err, -ENOMEM, "cannot follow a log");
    strings_clear(&target.names); /* they may be changing on the machine right now */
    return follows_begin(c->follows, &options, m->ref, of, &target, c->packs.steps, ret, err);
}

/* A run of steps is active on the machine, or about to start, and has sent no step yet. */
static bool is_before_steps(const struct member *m)
{
    return m->at_work && m->step[0] == '\0';
}

static bool parse_of(const char *word, enum follow_of *ret)
{
    for (enum follow_of of = FOLLOW_STEP; of <= FOLLOW_AGENT; of++)
        if (word && strcmp(word, follow_of_name(of)) == 0) {
            *ret = of;
            return true;
        }
    return false;
}

void api_log(struct controller *c, struct member *m, const struct http_request *request,
             struct answer *ret)
{
    bool again = !request->after;
    struct follow f;
    struct error err = {0};
    enum follow_of of;
    int r;

    if (!parse_of(request->of, &of)) {
        answer_problem(ret, 400, "The parameter \"of\" must be \"step\" or \"agent\".");
        return;
    }
    if (follows_find(c->follows, m->ref, of, &f) && (f.state != FOLLOW_ENDED || !again)) {
        answer_log(of, &f, request->after, ret);
        return;
    }
    if (m->standing.state != STANDING_ACCEPTED || !m->machine.online) {
        answer_problem(ret, 409,
                       m->machine.online ? "A person has to accept its host key first."
                                         : "The machine is offline.");
        return;
    }
    if (!c->packs.steps)
        packing_start(c);
    if (!c->packs.steps || (of == FOLLOW_STEP && is_before_steps(m))) {
        answer_not_yet(of, ret);
        return;
    }
    r = begin_follow(c, m, of, &f, &err);
    if (r == 0)
        answer_log(of, &f, NULL, ret);
    else
        answer_error(ret, &err);
    if (r == -EBUSY) {
        answer_problem(ret, 503, err.text);
        ret->retry_after_s = FOLLOW_KEPT_MS / 1000;
    }
}
