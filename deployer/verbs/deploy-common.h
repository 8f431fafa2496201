/*
 * What `deploy` and `bundle` have in common: the settings that are the same for all
 * machines, and what is sent.
 */
#pragma once

#include "deployer/cli/program.h"

/* Adds the settings of --ui, --browser and --set-clock.  -EINVAL where these options are
 * wrong. */
int deploy_common_settings(const struct deploy_options *o, struct text *settings,
                           struct error *err);

/* Packs pyDCOP and pydcop-ui (program_pack_pydcop), and adds the settings of --deps. */
int deploy_common_pack(struct program *p, struct text *settings, struct error *err);
