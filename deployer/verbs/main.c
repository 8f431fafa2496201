#include "main.h"

#include <errno.h>
#include <inttypes.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "discovery/base/terminal.h"
#include "verbs.h"

static int show_help(void)
{
    CLEANUP_TEXT struct text help = TEXT_INIT;

    text_adds(&help, "usage: dcop-deploy [OPTIONS] [VERB [ARGUMENT...]]\n\n"
                     "Deploys pyDCOP over SSH to the machines that hold a problem's agents.\n\n");
    for (size_t i = 0; verbs[i]; i++) {
        CLEANUP_TEXT struct text usage = TEXT_INIT;

        text_addf(&usage, "%s %s", verbs[i]->name, verbs[i]->arguments);
        text_addf(&help, "  %-27s %s\n", text_str(&usage), verbs[i]->help);
    }
    text_addc(&help, '\n');
    deploy_options_help(&help);
    for (size_t i = 0; verbs[i]; i++) {
        if (!verbs[i]->options)
            continue;
        text_addf(&help, "\nOf '%s':\n", verbs[i]->name);
        options_help(verbs[i]->options, &help);
    }
    text_adds(&help, "\nExit codes: 0 done, 1 a machine failed or the names do not match,\n"
                     "2 bad usage or input, 3 it cannot be done here.\n");
    terminal_put(stdout, &help);
    return 0;
}

static int run_verb(struct program *p, const struct verb *verb, struct error *err)
{
    int r = program_open(p, err);

    if (r == 0 && p->options.resume && verb != &verb_batch) { /* a batch resumes by itself */
        r = resume_last(p->state, &p->options, &p->resumed, err);
        if (r == 0 && p->resumed.left.count == 0) {
            printf("Run %" PRIi64 " has finished on every machine; nothing is left.\n",
                   p->resumed.run.number);
            return 0;
        }
        if (r == 0)
            verb = verb_find(p->options.verb);
    }
    if (r < 0)
        return r;
    if (!verb) /* of a database that another version wrote */
        return error_set(err, -EINVAL, "unknown verb '%s' in the run to resume", p->options.verb);
    return verb->run(p, err);
}

/* What is queued must be what it is now, and be watched for. */
static int check_later(const struct deploy_options *o, const struct verb *verb, struct error *err)
{
    const char *clash = !o->later                             ? NULL
                        : o->check                            ? "--check"
                        : o->resume                           ? "--resume"
                        : o->inventory                        ? "-i"
                        : o->from                             ? "--from"
                        : o->ui && strcmp(o->ui, "none") != 0 ? "--ui DIR"
                                                              : NULL;

    if (o->later && verb != &verb_deploy)
        return error_set(err, -EINVAL, "'%s' does not support --later; only deploy does",
                         verb->name);
    if (o->wait && !o->later && verb != &verb_later)
        return error_set(err, -EINVAL, "--wait needs --later, or the verb 'later'");
    if (o->later && o->canary)
        return error_set(err, -EINVAL,
                         "--later does not go with --canary: a machine that is away cannot wait "
                         "for the trial; deploy with --canary first, then with --later");
    if (clash)
        return error_set(err, -EINVAL,
                         "--later does not go with %s; it is for machines that -p or -l selects",
                         clash);
    return 0;
}

static int run_program(struct program *p, int argc, char **argv, struct error *err)
{
    const struct verb *verb;
    int r = 0;

    /* Parsing reorders argv. */
    for (int i = 0; i < argc && r == 0; i++)
        if (strings_add(&p->command, argv[i]) < 0)
            r = error_sys(err, -ENOMEM, "cannot read the command line");
    if (r == 0)
        r = deploy_options_parse(argc, argv, &p->options, err);
    if (r < 0)
        return r;
    verb = verb_find(p->options.verb);
    if (verb)
        r = deploy_options_parse_verb(&p->options, verb->options, err);
    if (r < 0)
        return r;
    if (p->options.help)
        return show_help();
    if (p->options.version) {
        printf("dcop-deploy %s\n", DCOP_VERSION);
        return 0;
    }
    if (!verb)
        return error_set(err, -EINVAL, "unknown verb '%s'; see --help", p->options.verb);
    if (p->options.domain && (p->options.from || p->options.inventory))
        return error_set(err, -EINVAL,
                         "--domain is searched, and --from or -i name the machines instead of a "
                         "search; give one of them");
    if (p->options.canary && verb != &verb_deploy)
        return error_set(err, -EINVAL, "--canary is for 'deploy'; '%s' does not support it",
                         verb->name);
    if (p->options.healthy_s && !p->options.canary && !p->options.resume)
        return error_set(err, -EINVAL, "--healthy needs --canary");
    if (p->options.check && !verb->foresees)
        return error_set(err, -EINVAL, "'%s' does not support --check or --diff", verb->name);
    r = check_later(&p->options, verb, err);
    return r < 0 ? r : run_verb(p, verb, err);
}

int deploy_main(int argc, char **argv)
{
    CLEANUP(program_clear) struct program p = {0};
    struct error err = {0}, unwritten = {0};
    int r, closed;

    (void)setlocale(LC_CTYPE, "");
    (void)signal(SIGPIPE, SIG_IGN);
    r = run_program(&p, argc, argv, &err);
    if (r < 0) {
        CLEANUP_TEXT struct text words = TEXT_INIT;

        text_add_printable(&words, err.text);
        fprintf(stderr, "dcop-deploy: %s\n", text_str(&words));
    }
    closed = terminal_end(stdout, &unwritten);
    if (closed < 0)
        fprintf(stderr, "dcop-deploy: %s\n", unwritten.text);
    return closed < 0 && r >= 0 ? deploy_exit_code(-EIO) : deploy_exit_code(r);
}
