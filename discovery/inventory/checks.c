#include <string.h>

#include "discovery/report/roster-text.h"
#include "private.h"

bool inventory_is_visible(uint32_t c)
{
    if (c < 0x7f)
        return c > ' ';
    if (c <= 0xa0 || c == 0xad || c == 0x61c || c == 0x1680 || c == 0x180e)
        return false;
    if ((c >= 0x2000 && c <= 0x200f) || (c >= 0x2028 && c <= 0x202f) ||
        (c >= 0x205f && c <= 0x206f) || c == 0x3000 || c == 0x3164)
        return false;
    /* Private use, specials, noncharacters, tags and what else is invisible. */
    return !(c >= 0xe000 && c <= 0xf8ff) && !(c >= 0xfe00 && c <= 0xfe0f) &&
           !(c >= 0xfff0 && c <= 0xffff) && c != 0xfeff && c < 0xe0000 && (c & 0xfffe) != 0xfffe;
}

const char *inventory_user(const struct machine *m)
{
    return m->advert.user ? m->advert.user : ADVERT_USER_DEFAULT;
}

bool inventory_is_template(const char *value)
{
    return strstr(value, "{{") || strstr(value, "{%") || strstr(value, "{#");
}

void inventory_add_left_out(const struct inventory *inventory, struct text *ret)
{
    for (size_t i = 0; i < inventory->n_left_out; i++) {
        const struct machine *m = inventory->left_out[i];

        text_adds(ret, i > 0 ? "" : "# Left out:\n");
        text_adds(ret, "# ");
        report_add_label(ret, m);
        for (size_t j = 0; j < m->advert.agents.count; j++) {
            text_adds(ret, j > 0 ? ", " : " (");
            report_add_name(ret, m->advert.agents.items[j]);
        }
        text_adds(ret, m->advert.agents.count > 0 ? "): " : ": ");
        text_adds(ret, !m->beacon                    ? "no beacon\n"
                       : !m->online                  ? "offline\n"
                       : m->unheard                  ? "not heard yet\n"
                       : m->advert.agents.count == 0 ? "no agent name\n"
                                                     : "no address\n");
    }
}
