/* What is in a file of `export`: any bytes, no crash.  What is taken is written as it was
 * read, a second time too, and goes into every report. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "deployer/move/envelope.h"
#include "deployer/move/parcel.h"
#include "deployer/state/report.h"
#include "deployer/state/transfer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool good)
{
    if (!good)
        abort();
}

static void take(struct state *s, const char *json, size_t size, bool replace)
{
    const struct transfer t = {.json = json, .size = size, .replace = replace};

    CLEANUP_FREE char *spec = NULL;

    expect(transfer_take(s, &t, &spec, NULL) == 0);
}

static void write_all(struct state *s)
{
    static const struct terminal_style style = {.width = 60};
    CLEANUP_TEXT struct text out = TEXT_INIT;

    expect(state_report_pins_text(s, &style, &out, NULL) == 0);
    for (size_t i = 0; i < out.size; i++)
        expect((unsigned char)out.data[i] >= ' ' || out.data[i] == '\n');
    text_reset(&out);
    expect(state_report_pins_json(s, NULL, &out, NULL) == 0);
}

/* The history of another state is not in the way. */
static void take_again(const struct text *json)
{
    CLEANUP(state_free_p) struct state *s = NULL;
    CLEANUP_TEXT struct text again = TEXT_INIT;

    expect(state_open(":memory:", &s, NULL) == 0);
    take(s, text_str(json), json->size, false);
    expect(transfer_write(s, &again, NULL) == 0);
    expect(strcmp(text_str(json), text_str(&again)) == 0);
    take(s, text_str(json), json->size, false); /* nothing is lost */
    write_all(s);
}

static void take_parcel(const struct parcel *p)
{
    CLEANUP(state_free_p) struct state *s = NULL;
    CLEANUP_TEXT struct text before = TEXT_INIT, after = TEXT_INIT;
    const struct transfer t = {.json = p->state, .size = p->state_size, .replace = true};
    CLEANUP_FREE char *spec = NULL;
    struct error err = {0};
    int r;

    expect(state_open(":memory:", &s, NULL) == 0);
    expect(transfer_write(s, &before, NULL) == 0);
    r = transfer_take(s, &t, &spec, &err);
    expect(transfer_write(s, &after, NULL) == 0);
    if (r == 0) {
        take_again(&after);
        return;
    }
    expect(err.code == r && *err.text);
    expect(strcmp(text_str(&before), text_str(&after)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct parcel p = {0};
    struct error err = {0};
    int r = envelope_check("input", data, size, &err);

    expect(r == 0 || (r == -EBADMSG && *err.text));
    r = parcel_unpack(data, size, &p, &err);
    if (r == 0)
        take_parcel(&p);
    else
        expect(r == -EBADMSG && *err.text);
    return 0;
}
