/* The layer that a machine asks for, see deployer/layer/layer.h. */
#include <errno.h>

#include "attempt.h"

void job_on_layer(struct job_run *run, const char *key)
{
    struct layers *layers = run->job->common->layers;
    const struct layer *layer = NULL;
    const struct stepwire_event note = {
        .kind = STEPWIRE_NOTE,
        .name = "",
        .detail =
            "this computer fetches its layer of Python packages; it is kept for the next time",
        .lines = ""};
    struct error why = {0};

    if (run->layer.size > 0)
        return; /* it was told */
    if (layers && layers_is_to_be_made(layers, key))
        job_tell(run, &(struct job_event){.kind = JOB_STEP, .step = &note});
    if (layers && layers_get(layers, key, run->stop_fds.stop, &layer, &why) == -ECANCELED)
        return;                  /* the machine waits, and is told to stop */
    session_begun(run->session); /* we have not listened meanwhile */
    if (layer)
        text_addf(&run->layer, "layer %zu %s\n", layer->size, layer->digest);
    else
        job_add_setting(&run->layer, "no_layer", why.text);
    text_addf(&run->layer, "end %s\n", run->nonce);
    (void)session_send(run->session, run->layer.data, run->layer.size);
    if (!layer)
        return;
    job_tell(run, &(struct job_event){.kind = JOB_SENDING});
    (void)session_send(run->session, layer->bytes, layer->size);
}
