/* `bundle`: what a deploy sends, in a folder, for those who deploy with Ansible
 * (dist/ansible). */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "deploy-common.h"
#include "deployer/base/prune.h"
#include "deployer/job/boot.h"
#include "deployer/progress/json.h"
#include "discovery/base/digest.h"
#include "discovery/base/file.h"
#include "discovery/base/terminal.h"
#include "verbs.h"

/* The folder:
 *
 *     manifest.json     written last
 *     DIGEST.tar.gz     the bundle and the layers
 *
 * The manifest says what is in the files, the settings that are the same for all
 * machines, and the command that takes a bundle (deployer/job/boot.h).  Files of
 * earlier bundles are removed an hour after they were written. */
enum { MANIFEST_VERSION = 1 };
#define ENDING ".tar.gz"

OPTION_LIST(struct deploy_options, layers)

static const struct option_row options[] = {
    {0, "layer", OPTION_REQUIRED, "KEY",
     "with the layer for this Python, as 3.11-arm64; may\n"
     "be repeated; default: those that are made already",
     set_layers},
    {0, NULL, OPTION_NONE, NULL, NULL, NULL},
};

DEFINE_CLEANUP(json_t *, json_decref);
#define CLEANUP_JSON CLEANUP(json_decref_p)

static int refuse_selection(const struct deploy_options *o, struct error *err)
{
    if (o->problems.count == 0 && !o->inventory && o->limits.count == 0)
        return 0;
    return error_set(err, -EINVAL,
                     "'bundle' is the same for all machines: it does not take --problem, "
                     "--inventory or --limit");
}

/* Writes the file, and returns its entry of the manifest. */
static int write_file(const char *folder, const char *digest, const void *bytes, size_t size,
                      json_t **ret, struct error *err)
{
    CLEANUP_FREE char *path = NULL;
    int r;

    if (asprintf(&path, "%s/%s" ENDING, folder, digest) < 0) {
        path = NULL;
        return error_sys(err, -ENOMEM, "cannot write the bundle");
    }
    r = file_write(path, bytes, size, 0644, err);
    if (r < 0)
        return r;
    *ret = json_pack("{s:s+,s:s,s:I}", "file", digest, ENDING, "sha256", digest, "size",
                     (json_int_t)size);
    return *ret ? 0 : error_sys(err, -ENOMEM, "cannot write the bundle");
}

static int write_layer(struct layers *layers, const char *key, const char *folder, json_t *into,
                       struct error *err)
{
    const struct layer *layer;
    json_t *entry;
    int r = layers_get(layers, key, -1, &layer, err);

    if (r == 0)
        r = write_file(folder, layer->digest, layer->bytes, layer->size, &entry, err);
    if (r == 0 && json_object_set_new(into, key, entry) < 0)
        r = error_sys(err, -ENOMEM, "cannot write the bundle");
    return r;
}

/* Those of --layer, or those that need not be made. */
static int write_layers(struct program *p, const char *folder, json_t *into, struct error *err)
{
    const struct strings *wanted = &p->options.layers;
    struct layers *layers = p->pack->layers;
    const char *key;
    int r = 0;

    for (size_t i = 0; i < wanted->count && r == 0; i++)
        r = write_layer(layers, wanted->items[i], folder, into, err);
    for (size_t i = 0; wanted->count == 0 && r == 0 && (key = layers_key(layers, i)); i++)
        if (!layers_is_to_be_made(layers, key))
            r = write_layer(layers, key, folder, into, err);
    return r;
}

static int write_manifest(const struct program *p, const char *folder, const char *settings,
                          json_t *bundle, json_t *layers, struct error *err)
{
    CLEANUP_FREE char *path = path_join(folder, "manifest.json");
    CLEANUP_FREE char *text = NULL;
    CLEANUP_JSON json_t *manifest =
        json_pack("{s:i,s:o,s:s,s:s,s:s,s:O,s:O}", "version", MANIFEST_VERSION, "pydcop",
                  progress_json_text(p->pack->bundle.version), "digest", p->pack->bundle.digest,
                  "settings", settings, "boot", boot_command, "bundle", bundle, "layers", layers);

    text = manifest ? json_dumps(manifest, JSON_INDENT(2)) : NULL;
    return path && text ? file_write(path, text, strlen(text), 0644, err)
                        : error_sys(err, -ENOMEM, "cannot write the bundle");
}

static int write_folder(struct program *p, const char *folder, const char *settings, json_t *layers,
                        struct error *err)
{
    CLEANUP_JSON json_t *bundle = NULL;
    const struct pack *pack = p->pack;
    int r = make_folders(folder, 0755, err);

    if (r == 0)
        r = write_file(folder, pack->bundle.bundle_digest, pack->bytes.data, pack->bytes.size,
                       &bundle, err);
    if (r == 0 && strcmp(deploy_options_deps(&p->options), "layer") == 0)
        r = write_layers(p, folder, layers, err);
    if (r == 0)
        r = write_manifest(p, folder, settings, bundle, layers, err);
    if (r == 0)
        prune_oldest(folder, ENDING, 1 + json_object_size(layers));
    return r;
}

static int tell_json(const struct program *p, const char *folder, const json_t *layers,
                     struct error *err)
{
    CLEANUP_TEXT struct text out = TEXT_INIT;
    CLEANUP_FREE char *text = NULL;
    CLEANUP_JSON json_t *o =
        json_pack("{s:i,s:o,s:o,s:s,s:O}", "version", 1, "path", progress_json_text(folder),
                  "pydcop", progress_json_text(p->pack->bundle.version), "digest",
                  p->pack->bundle.digest, "layers", layers);

    text = o ? json_dumps(o, JSON_INDENT(2)) : NULL;
    if (!text)
        return error_sys(err, -ENOMEM, "cannot write JSON");
    text_addf(&out, "%s\n", text);
    terminal_put(stdout, &out);
    return 0;
}

static void tell(const struct program *p, const char *folder, json_t *layers)
{
    CLEANUP_TEXT struct text out = TEXT_INIT;
    const char *key;
    json_t *entry;

    text_adds(&out, "The bundle is in ");
    text_add_printable(&out, folder);
    text_adds(&out, ": pyDCOP ");
    text_add_printable(&out, p->pack->bundle.version);
    json_object_foreach(layers, key, entry) text_addf(&out, ", the layer %s", key);
    text_adds(&out, ".\n");
    terminal_put(stdout, &out);
    if (json_object_size(layers) == 0 && strcmp(deploy_options_deps(&p->options), "layer") == 0)
        fputs("It has no layer yet: for new machines, name their Python and architecture, for "
              "example --layer 3.11-arm64.\n",
              stderr);
}

static int run_bundle(struct program *p, struct error *err)
{
    CLEANUP_TEXT struct text settings = TEXT_INIT;
    CLEANUP_JSON json_t *layers = json_object();
    const char *folder = p->options.n_arguments > 0 ? p->options.arguments[0] : NULL;
    int r = program_takes_arguments(p, 1, err);

    if (!layers)
        return error_sys(err, -ENOMEM, "cannot write the bundle");
    if (r == 0)
        r = refuse_selection(&p->options, err);
    if (r == 0 && !folder)
        r = error_set(err, -EINVAL, "say where: bundle FOLDER");
    if (r == 0)
        r = deploy_common_settings(&p->options, &settings, err);
    if (r == 0)
        r = deploy_common_pack(p, &settings, err);
    if (r == 0)
        r = write_folder(p, folder, text_str(&settings), layers, err);
    if (r == 0 && p->options.json)
        return tell_json(p, folder, layers, err);
    if (r == 0 && !p->options.quiet)
        tell(p, folder, layers);
    return r;
}

const struct verb verb_bundle = {
    .name = "bundle",
    .arguments = "FOLDER",
    .help = "what a deploy sends, in a folder, for Ansible",
    .options = options,
    .run = run_bundle,
};
