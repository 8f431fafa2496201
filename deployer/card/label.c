#include "label.h"

static void add_escaped(struct text *to, const char *s)
{
    for (; *s; s++)
        switch (*s) {
        case '&':
            text_adds(to, "&amp;");
            break;
        case '<':
            text_adds(to, "&lt;");
            break;
        case '>':
            text_adds(to, "&gt;");
            break;
        default:
            text_addc(to, *s);
        }
}

void card_label(const char *agent, const char *hostname, const char *fleet, struct text *ret)
{
    if (ret->size == 0)
        text_adds(ret, "<!DOCTYPE html>\n<meta charset=\"utf-8\">\n<title>Labels</title>\n<style>\n"
                       "div { display: inline-block; box-sizing: border-box; width: 60mm; "
                       "height: 25mm; margin: 1mm; padding: 2mm; border: 1px dashed #888; "
                       "overflow: hidden; break-inside: avoid; font: 9pt sans-serif }\n"
                       "b { display: block; font-size: 26pt; white-space: nowrap }\n</style>\n");
    text_adds(ret, "<div><b>");
    add_escaped(ret, agent);
    text_adds(ret, "</b>");
    if (hostname) {
        add_escaped(ret, hostname);
        text_adds(ret, ".local");
    }
    if (fleet) {
        text_adds(ret, hostname ? ", " : "");
        add_escaped(ret, fleet);
    }
    text_adds(ret, "</div>\n");
}
